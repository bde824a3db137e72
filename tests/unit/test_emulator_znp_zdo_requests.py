"""The MT commands that hosts use which do not send ZDO through AF: ZDO requests, network state, groups."""

from __future__ import annotations

import asyncio
import struct

import pytest

from hanota.emulator.air import Air
from hanota.emulator.line import Direction
from hanota.emulator.loop import run_virtual
from hanota.emulator.znp.coordinator import ZnpCoordinator
from hanota.emulator.znp.nvram import NvItem
from hanota.emulator.znp.personality import Z_STACK_3_0, Z_STACK_3_30, Personality
from hanota.emulator.znp.unpi import MtFrame, UnpiDecoder
from hanota.eui64 import Eui64

HUB = Eui64.parse("00-12-4B-00-AA-BB-CC-DD")
SYS, ZDO, UTIL, APP_CONFIG = 0x21, 0x25, 0x27, 0x2F
NODE_DESC_REQ, STARTUP_FROM_APP, FIND_GROUP, ADD_GROUP, EXT_NWK_INFO = 0x02, 0x40, 0x4A, 0x4B, 0x50
HELD, STARTED = 0, 9
FORMED = bytes((4,))


class Host:
    """Sends MT commands and keeps what comes back."""

    def __init__(self, personality: Personality = Z_STACK_3_30) -> None:
        self.ncp = ZnpCoordinator(Air(seed=1), eui64=HUB, personality=personality, seed=1)
        self.ncp.line.open(self)
        self.heard: dict[tuple[int, int], bytes] = {}
        self._decoder = UnpiDecoder()

    def data_received(self, data: bytes) -> None:
        for frame in self._decoder.feed(data):
            self.heard[frame.type << 5 | frame.subsystem, frame.command] = frame.data

    def connection_lost(self, exc: Exception | None) -> None:
        raise AssertionError(exc)

    async def ask(self, subsystem: int, command: int, data: bytes = b"") -> bytes:
        """Return the SRSP to a request; what followed is in `heard`."""
        self.heard.clear()
        frame = MtFrame(subsystem >> 5, subsystem & 0x1F, command, data)
        self.ncp.line.write(Direction.TO_NCP, frame.encode())
        await asyncio.sleep(0.1)
        return self.heard[subsystem | 0x40, command]


def test_a_host_learns_the_network_and_its_state_before_and_after_it_is_formed() -> None:
    async def scenario() -> None:
        host = Host()
        assert (await host.ask(UTIL, 0x00))[12] == HELD
        assert (await host.ask(ZDO, EXT_NWK_INFO))[2] == HELD
        await host.ask(APP_CONFIG, 0x05, FORMED)
        info = await host.ask(ZDO, EXT_NWK_INFO)
        short, state, pan_id, parent, extended, _, channel = struct.unpack("<HBHH8s8sB", info)
        nib = host.ncp.nib()
        assert (short, state, parent) == (0, STARTED, 0)
        assert (pan_id, extended, channel) == (nib.pan_id, nib.extended_pan_id, nib.channel)
        device = await host.ask(UTIL, 0x00)
        assert device == struct.pack("<B8sHBBB", 0, HUB.to_zigbee(), 0, 7, STARTED, 0)

    run_virtual(scenario())


def test_startup_from_app_resumes_a_network_and_does_not_form_one() -> None:
    async def scenario() -> None:
        host = Host()
        assert await host.ask(ZDO, STARTUP_FROM_APP, b"\x00\x00") == b"\x02"
        assert not host.ncp.network_up
        await host.ask(APP_CONFIG, 0x05, FORMED)
        host.ncp.reset()
        assert await host.ask(ZDO, STARTUP_FROM_APP, b"\x00\x00") == b"\x00"
        assert host.heard[0x45, 0xC0] == bytes((STARTED,))
        assert host.ncp.network_up

    run_virtual(scenario())


def test_a_zdo_request_to_the_coordinator_itself_is_answered_by_its_own_indication() -> None:
    async def scenario() -> None:
        host = Host()
        await host.ask(APP_CONFIG, 0x05, FORMED)
        await host.ask(SYS, 0x09, struct.pack("<HBBB", NvItem.ZDO_DIRECT_CB, 0, 1, 1))
        assert await host.ask(ZDO, NODE_DESC_REQ, bytes(4)) == b"\x00"
        source, status, nwk = struct.unpack_from("<HBH", host.heard[0x45, 0x82])
        assert (source, status, nwk) == (0, 0, 0)

    run_virtual(scenario())


def test_the_group_table_is_bounded() -> None:
    async def scenario() -> None:
        host = Host()
        missing = struct.pack("<BHB", 1, 7, 0)
        assert await host.ask(ZDO, FIND_GROUP, struct.pack("<BH", 1, 7)) == missing
        limit = host.ncp.settings.max_groups
        answers = [await host.ask(ZDO, ADD_GROUP, struct.pack("<BHB", 1, n, 0)) for n in range(limit + 1)]
        assert answers == [b"\x00"] * limit + [b"\x01"]
        assert (await host.ask(ZDO, FIND_GROUP, struct.pack("<BH", 1, 7)))[0] == 0

    run_virtual(scenario())


@pytest.mark.parametrize(("personality", "length"), [(Z_STACK_3_30, 24), (Z_STACK_3_0, 21)])
def test_the_length_of_the_network_key_item_tells_the_alignment(
    personality: Personality, length: int
) -> None:
    async def scenario() -> None:
        host = Host(personality)
        assert await host.ask(SYS, 0x13, struct.pack("<H", NvItem.NWKKEY)) == struct.pack("<H", length)
        await host.ask(APP_CONFIG, 0x05, FORMED)
        key = host.ncp.item(NvItem.NWK_ACTIVE_KEY_INFO)[1:17]
        assert host.ncp.item(NvItem.NWKKEY)[1:17] == key

    run_virtual(scenario())
