"""Devices that establish keys, well or badly, with a hub on the real radio libraries."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import bellows.ash
import pytest

from hanota.clock import LoopClock
from hanota.emulator.devices import FirmwareDevice
from hanota.emulator.emulation.entries import default_install_code
from hanota.emulator.ezsp.coordinator import EzspCoordinator
from hanota.emulator.loop import measured_by_loop, run_virtual
from hanota.emulator.serialx_handler import published
from hanota.emulator.znp.coordinator import ZnpCoordinator
from hanota.eui64 import Eui64
from hanota.gbcs.reference_test_data import PPMID
from hanota.radio import Coordinator, RadioSettings, RadioUrl
from tests.emulator.emulate_support import EPOCH, Told, lab_credentials_of, living, make_han
from tests.radio_support import Listener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hanota.emulator.dongles import Dongle
    from hanota.emulator.emulation.han import Han

REASONS = {
    "cbke_wrong_ca": "the certificate's issuer",
    "cbke_stolen_certificate": "subject",
    "cbke_late": "time ran out",
    "cbke_silent": "time ran out",
    "cbke_bad_confirm": "MAC",
    "cbke_off_curve": "not on sect",
    "cbke_reflection": "the ephemeral key was used before",
    "cbke_suite_3": "suite",
}
"""What the hub says of each, a word of it."""

both = pytest.mark.parametrize("radio", ["znp", "ezsp"])


def keys_of(dongle: Dongle) -> int:
    """How many established keys the dongle holds."""
    match dongle:
        case EzspCoordinator():
            return len(dongle.nvram.link_keys)
        case ZnpCoordinator():
            return sum(device.link_key is not None for device in dongle.security.devices.values())
        case _:
            raise AssertionError(dongle)


@asynccontextmanager
async def hub_of(
    radio: str, toml: str, folder: Path, listener: Listener
) -> AsyncIterator[tuple[Coordinator, Han]]:
    """A real hub's radio on the dongle of a living HAN."""
    han = make_han(toml, folder, radio=radio, told=Told())
    async with AsyncExitStack() as stack:
        stack.enter_context(measured_by_loop(bellows.ash))
        await stack.enter_async_context(living(han))
        url = stack.enter_context(published("cbke", han.dongle))
        hub = Coordinator(
            RadioUrl.parse(f"{radio}+{url}"),
            RadioSettings(),
            clock=LoopClock(asyncio.get_running_loop(), EPOCH),
            credentials=lab_credentials_of(toml).hub,
        )
        await hub.start(listener)
        stack.push_async_callback(hub.stop)
        yield hub, han


async def play(radio: str, name: str, folder: Path, seconds: float) -> tuple[FirmwareDevice, Listener, int]:
    """Let a device that misbehaves join a real hub; return it, what the hub heard and the keys kept."""
    toml = f'[[device]]\nkind="ppmid"\neui64="{PPMID}"\nsuite=2\nautojoin=false\nmisbehaviour="{name}"'
    listener = Listener({PPMID})
    async with hub_of(radio, toml, folder, listener) as (hub, han):
        device = han.members[PPMID].node
        assert isinstance(device, FirmwareDevice)
        await hub.permit_joining(PPMID, default_install_code(PPMID), 60)
        await device.join(han.air)
        await asyncio.sleep(seconds)
        assert device.joined is (name != "cbke_wrong_ca")
        return device, listener, keys_of(han.dongle)


@both
@pytest.mark.parametrize("name", REASONS)
def test_a_misbehaving_device_gets_no_key_and_the_hub_tells_why(
    name: str, radio: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        device, listener, keys = await play(radio, name, tmp_path, 300)
        assert not device.established
        assert not listener.keys
        assert not listener.ready
        assert keys == 0
        assert listener.failed
        assert any(REASONS[name] in reason for _, reason in listener.failed), listener.failed

    run_virtual(scenario())


@both
def test_a_replayed_handshake_costs_the_key_of_the_first_nothing(radio: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        device, listener, keys = await play(radio, "cbke_replayed", tmp_path, 300)
        assert listener.failed
        assert list(listener.keys) == [PPMID]
        assert not listener.lost
        assert keys == 1
        assert device.established

    run_virtual(scenario())


@pytest.mark.parametrize(("radio", "number"), [("ezsp", 12), ("znp", 8)])
def test_as_many_devices_as_a_dongle_has_room_for_join_and_establish_keys_at_once(
    radio: str, number: int, tmp_path: Path
) -> None:
    async def scenario() -> None:
        eui64s = [Eui64(PPMID[:-1] + bytes((n,))) for n in range(number)]
        toml = "".join(
            f'[[device]]\nkind="ppmid"\neui64="{eui64}"\nsuite=2\nautojoin=false\n' for eui64 in eui64s
        )
        listener = Listener(set(eui64s))
        async with hub_of(radio, toml, tmp_path, listener) as (hub, han):
            for eui64 in eui64s:
                await hub.permit_joining(eui64, default_install_code(eui64), 250)
            nodes = [han.members[eui64].node for eui64 in eui64s]
            await asyncio.gather(*(node.join(han.air) for node in nodes))
            await listener.until(lambda: len(set(listener.ready)) == number, 600)
            assert keys_of(han.dongle) == number
            assert len({node.link_key for node in nodes}) == number
            assert all(node.established for node in nodes)
            assert not listener.refused

    run_virtual(scenario())
