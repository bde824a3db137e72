"""`hanota radio form` and `write-eui64`: a coordinator made ready for its hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hanota.cli.output import console, fail
from hanota.cli.radio.target import RadioArgument, YesOption, confirm, radio_url, run
from hanota.errors import ConfigError, HanotaError
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from hanota.radio.facts import CoordinatorFacts
    from hanota.radio.settings import NetworkSettings
    from hanota.radio.url import RadioUrl

LARGEST_PAN_ID = 0xFFFE
"""The last that is not for broadcasts."""


def form(
    radio: RadioArgument = None,
    *,
    channel: Annotated[int, typer.Option(min=11, max=26, help="The channel, 11 to 26.")] = 15,
    pan_id: Annotated[
        str | None, typer.Option(metavar="HEX", help="The PAN id; without it one is chosen.")
    ] = None,
    yes: YesOption = False,
) -> None:
    """Form a new network: new keys, and the coordinator's EUI-64 as extended PAN id.

    Devices of the network before must join again with their install codes.
    """
    from hanota.radio.settings import NetworkSettings  # noqa: PLC0415  # loads the radio libraries

    try:
        network = NetworkSettings(channel=channel, pan_id=_pan_id(pan_id))
    except HanotaError as error:
        fail(error)
    url, before = run(lambda: _facts(radio))
    if before.network is not None:
        confirm(
            f"{url} has a network on channel {before.network.channel} with the keys of {before.keys_held}"
            " devices; form another in its place?",
            yes=yes,
        )
    _show(url, run(lambda: _form(url, network)))


def write_eui64(
    eui64: Annotated[str, typer.Argument(metavar="EUI64", help="That of the hub's credentials, 00-DB-...")],
    radio: RadioArgument = None,
    *,
    burn: Annotated[
        bool, typer.Option("--burn", help="Even where it can be done once and never again.")
    ] = False,
    yes: YesOption = False,
) -> None:
    """Give a coordinator another EUI-64; a network it has is formed anew under it."""
    try:
        new = Eui64.parse(eui64)
    except HanotaError as error:
        fail(error)
    url, before = run(lambda: _facts(radio))
    if before.eui64 == new:
        console.print(f"{new} it is already", markup=False)
        return
    lost = ", and its network is formed anew: every device must join again" if before.network else ""
    confirm(f"{before.eui64} becomes {new}{lost}; do it?", yes=yes)
    _show(url, run(lambda: _write_eui64(url, new, before, burn=burn)))


async def _facts(radio: str | None) -> tuple[RadioUrl, CoordinatorFacts]:
    from hanota.radio.maintenance import maintained  # noqa: PLC0415  # see form

    url = await radio_url(radio)
    async with maintained(url) as coordinator:
        return url, await coordinator.facts()


async def _form(url: RadioUrl, network: NetworkSettings) -> CoordinatorFacts:
    from hanota.radio.maintenance import maintained  # noqa: PLC0415  # see form

    async with maintained(url, network) as coordinator:
        return await coordinator.form()


async def _write_eui64(
    url: RadioUrl, eui64: Eui64, before: CoordinatorFacts, *, burn: bool
) -> CoordinatorFacts:
    from hanota.radio.maintenance import maintained  # noqa: PLC0415  # see form
    from hanota.radio.settings import NetworkSettings  # noqa: PLC0415  # the same

    network = None if before.network is None else NetworkSettings(channel=before.network.channel)
    async with maintained(url, network) as coordinator:
        return await coordinator.write_eui64(eui64, burn=burn)


def _pan_id(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        value = int(text, 16)
    except ValueError:
        value = 0
    if not 0 < value <= LARGEST_PAN_ID:
        raise ConfigError(f"not a PAN id: {text!r}", hint="1 to FFFE, such as 8C54")
    return value


def _show(url: RadioUrl, facts: CoordinatorFacts) -> None:
    from hanota.cli.radio.words import show  # noqa: PLC0415  # see form

    show(url, facts, fitness=False)
