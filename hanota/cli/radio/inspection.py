"""`hanota radio probe` and `info`: which coordinator is on a port, and what works on it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from hanota.cli.radio.target import JsonOption, RadioArgument, radio_url, run

if TYPE_CHECKING:
    from hanota.radio.facts import CoordinatorFacts
    from hanota.radio.url import RadioUrl


def probe(radio: RadioArgument = None, *, as_json: JsonOption = False) -> None:
    """Find out which family of coordinator is on a port, and its firmware. Restarts an EmberZNet one."""
    url, facts = run(lambda: _look(radio))
    from hanota.cli.radio.words import show, to_json  # noqa: PLC0415  # loads the radio libraries

    if as_json:
        document = to_json(url, facts)
        chosen = ("url", "family", "firmware", "protocol", "board", "eui64")
        typer.echo(json.dumps({name: document[name] for name in chosen} | {"next": _next(url)}))
        return
    show(url, facts, fitness=False, following=_next(url))


def info(radio: RadioArgument = None, *, as_json: JsonOption = False) -> None:
    """Show firmware, tables, libraries and network of a coordinator, and what of hanota works on it."""
    url, facts = run(lambda: _look(radio))
    from hanota.cli.radio.words import show, to_json  # noqa: PLC0415  # loads the radio libraries

    if as_json:
        typer.echo(json.dumps(to_json(url, facts)))
    else:
        show(url, facts)


async def _look(radio: str | None) -> tuple[RadioUrl, CoordinatorFacts]:
    from hanota.radio.maintenance import maintained  # noqa: PLC0415  # loads the radio libraries

    url = await radio_url(radio)
    async with maintained(url) as coordinator:
        return url, await coordinator.facts()


def _next(url: RadioUrl) -> str:
    return f"hanota radio info '{url}'"
