"""Upgrade Clients of other makers by name: whole clients, and the single quirks on record."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Final

from hanota.errors import ConfigError
from hanota.ota.client_quirks import ClientQuirks
from hanota.ota.quirk_table import QUIRKS
from hanota.ota.quirks import SILICON_LABS_CLIENT, TELINK_CLIENT
from hanota.ota.settings import OtaClientSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hanota.emulator.devices.settings import DeviceSettings

CLIENTS: Final[dict[str, OtaClientSettings]] = {
    "common": OtaClientSettings(),
    "silicon-labs": SILICON_LABS_CLIENT,
    "telink": TELINK_CLIENT,
    "page": replace(
        SILICON_LABS_CLIENT,
        page_size=1024,
        quirks=replace(SILICON_LABS_CLIENT.quirks, fixed_page_size=True),
    ),
}
"""Whole clients: ours, the two that were measured, and Silicon Labs' built with page requests."""

_ACTED: Final = {quirk.name: quirk.acted for quirk in QUIRKS if quirk.name != "whole client"}
QUIRK_NAMES: Final = tuple(_ACTED)
"""The quirks on record that a device can be told to have."""

ASLEEP: Final = 7.5
"""Seconds between the polls of a device that sleeps, where nothing else is said: a poll of GB displays."""
REBOOTS_LATE: Final = 240.0
"""Seconds for which a bootloader that is slow to begin keeps its device off the HAN."""


def with_quirks(settings: DeviceSettings, names: Iterable[str]) -> DeviceSettings:
    """Return the settings of a device that has the quirks named on top; ConfigError for an unknown one.

    Where two of them set the same thing the later one has its way.
    """
    for name in names:
        if name not in _ACTED:
            raise ConfigError(f"unknown quirk {name!r}", hint=f"one of {', '.join(QUIRK_NAMES)}")
        acted = _ACTED[name]
        if acted is not None:
            settings = replace(settings, client=_on_top(settings.client, acted))
        match name:
            case "asleep between polls":
                sleep = settings.node.sleep or ASLEEP
                settings = replace(settings, node=replace(settings.node, sleep=sleep))
            case "reboot minutes after the end":
                settings = replace(settings, reboot_seconds=REBOOTS_LATE)
            case "odd field control":
                settings = replace(settings, names_node_address=True)
            case "plaintext refused":
                settings = replace(settings, refuses_plaintext=True)
            case _:
                pass
    return settings


def _on_top(settings: OtaClientSettings, acted: OtaClientSettings) -> OtaClientSettings:
    """Return `settings` with what `acted` has other than by default."""
    changed = _changed(acted, OtaClientSettings())
    quirks = replace(settings.quirks, **_changed(acted.quirks, ClientQuirks()))
    return replace(settings, **changed | {"quirks": quirks})


def _changed(acted: OtaClientSettings | ClientQuirks, default: object) -> dict[str, Any]:
    names = [item.name for item in fields(acted)]
    return {name: getattr(acted, name) for name in names if getattr(acted, name) != getattr(default, name)}
