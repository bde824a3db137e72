"""The radio libraries hanota drives, and what differs between them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hanota.radio.ezsp import BUSY_STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hanota.radio.application import HanApplication
    from hanota.radio.settings import RadioSettings
    from hanota.radio.url import RadioUrl


@dataclass(frozen=True, slots=True)
class Family:
    """One radio library with the coordinators it drives."""

    name: str
    load: Callable[[], type[HanApplication]]
    """Imports the library, which takes a second, only when it is used."""
    baudrate: int
    """Where the URL names none."""
    busy_statuses: frozenset[int]
    """Statuses of a coordinator that has no room for a frame just now."""
    change_eui64: str
    """How to give a coordinator another EUI-64, with `path` and `eui64` to be filled in."""
    flow_control: str | None = None
    """Where the URL names none: `hardware`, `software` or None."""
    config: Callable[[RadioSettings], Mapping[str, object]] = field(default=lambda _: {})
    """The library's own part of the configuration."""


def _znp() -> type[HanApplication]:
    from hanota.radio.znp.application import ZnpApplication  # noqa: PLC0415  # see Family.load

    return ZnpApplication


def _znp_config(settings: RadioSettings) -> Mapping[str, object]:
    return {
        "znp_config": {
            # Else frames leave from endpoint 1 and profile 0x0104 whatever is asked.
            "prefer_endpoint_1": False,
            # Toggling the modem lines costs 0.45 s and resets some dongles.
            "skip_bootloader": False,
            "led_mode": None,
            "sync_request_timeout": settings.command_timeout,
        }
    }


def _ezsp() -> type[HanApplication]:
    from hanota.radio.ezsp.application import EzspApplication  # noqa: PLC0415  # see Family.load

    return EzspApplication


def _ezsp_config(_: RadioSettings) -> Mapping[str, object]:
    return {
        # As zigpy-znp has it, where bellows has 8; a coordinator with less room says so.
        "max_concurrent_requests": 16,
        "ezsp_config": {
            # One for each device; where firmware fixes the size, that stays.
            "CONFIG_KEY_TABLE_SIZE": 12,
            # As long as a join window at a time and its margin; every key is imported again with it.
            "CONFIG_TRANSIENT_KEY_TIMEOUT_S": 300,
            # bellows would allow 90 s.
            "CONFIG_TC_REJOINS_USING_WELL_KNOWN_KEY_TIMEOUT_S": 0,
        },
        "ezsp_policies": {
            # Nobody joins but in a join window.
            "TRUST_CENTER_POLICY": 0x00,
            # Denied: devices get their key by key establishment, not by asking (ZSE 1.4, 5.4).
            "TC_KEY_REQUEST_POLICY": 0x50,
            # Allowed: partner link keys, such as of a PPMID and the ESME.
            "APP_KEY_REQUEST_POLICY": 0x61,
        },
    }


FAMILIES: Final = {
    family.name: family
    for family in (
        Family(
            name="znp",
            load=_znp,
            baudrate=115200,
            # BUFFER_FULL, MEM_ERROR, MAC_NO_RESOURCES, APS_ and NWK_TABLE_FULL, MAC_TRANSACTION_OVERFLOW.
            busy_statuses=frozenset({0x11, 0x10, 0x1A, 0xB2, 0xC7, 0xF1}),
            change_eui64=(
                "`hanota credentials issue --subject` for this coordinator, or flash its firmware anew with"
                " `cc2538-bsl.py -ewv -p {path} --ieee-address {eui64} FIRMWARE`"
            ),
            config=_znp_config,
        ),
        Family(
            name="ezsp",
            load=_ezsp,
            baudrate=115200,
            busy_statuses=BUSY_STATUSES,
            change_eui64=(
                "`hanota credentials issue --subject` for this coordinator, or give it that EUI-64 with"
                " `universal-silabs-flasher --device {path} write-ieee --ieee {eui64}`"
            ),
            # Silicon Labs' firmware for 115200 baud; None would be software flow control to bellows.
            flow_control="hardware",
            config=_ezsp_config,
        ),
    )
}


def hold_back_keys() -> None:
    """Keep the libraries' loggers at INFO unless they were set on purpose: below it they write keys."""
    for name in ("zigpy", "zigpy_znp", "bellows"):
        library = logging.getLogger(name)
        if library.level == logging.NOTSET:
            library.setLevel(logging.INFO)


def application_config(url: RadioUrl, settings: RadioSettings) -> dict[str, Any]:
    """Return the configuration of a zigpy application: a coordinator and nothing else that zigpy does."""
    family = FAMILIES[url.family]
    network, endpoint = settings.network, settings.endpoint
    return {
        "device": {
            "path": url.path,
            "baudrate": url.baudrate or family.baudrate,
            "flow_control": url.flow_control or family.flow_control,
        },
        # zigpy's own database is read and written by a thread, which virtual time does not know.
        "database_path": None,
        "network": {
            "channel": network.channel,
            "pan_id": network.pan_id,
            "extended_pan_id": None
            if network.extended_pan_id is None
            else str(network.extended_pan_id).replace("-", ":"),
            "key": None if network.network_key is None else list(network.network_key),
        },
        "additional_endpoints": [
            {
                "endpoint": endpoint.endpoint,
                "profile": 0x0109,
                "device_type": endpoint.device_type,
                "device_version": 0,
                "input_clusters": list(endpoint.input_clusters),
                "output_clusters": list(endpoint.output_clusters),
            }
        ],
        "ota": {"enabled": False, "broadcast_enabled": False, "providers": []},
        "topology_scan_enabled": False,
        "backup_enabled": False,
        "source_routing": False,
        **family.config(settings),
    }
