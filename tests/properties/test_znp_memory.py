"""Whatever a host does to the emulated coordinator's non-volatile memory, the firmware starts and answers."""

from __future__ import annotations

import asyncio
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanota.emulator.air import Air
from hanota.emulator.line import Direction
from hanota.emulator.loop import run_virtual
from hanota.emulator.znp.coordinator import ZnpCoordinator
from hanota.emulator.znp.nib import ALIGNED_LENGTH, PACKED_LENGTH, Nib
from hanota.emulator.znp.nvram import NvItem, NvTable
from hanota.emulator.znp.personality import PERSONALITIES, Personality
from hanota.emulator.znp.unpi import MtFrame, UnpiDecoder
from hanota.eui64 import Eui64

SYS, ZDO, APP_CONFIG = 1, 5, 15
CREATE, DELETE, WRITE = 0x07, 0x12, 0x1D
DEVICE = Eui64.parse("00-DB-12-34-56-78-90-A4")
CODE = b"\x02" + DEVICE.to_zigbee() + bytes(16)
KEY = struct.pack("<H8s16s", 0x1234, DEVICE.to_zigbee(), bytes(range(16)))

ITEMS = st.sampled_from([*map(int, NvItem), 0x0075, 0x0104, 0x0111, 0x0112, 0x0201])
MEDDLING = st.lists(
    st.tuples(ITEMS, st.booleans(), st.binary(min_size=1, max_size=120)), min_size=1, max_size=12
)


class Host:
    def __init__(self, ncp: ZnpCoordinator) -> None:
        self._ncp = ncp
        self._decoder = UnpiDecoder()
        self._answers: list[MtFrame] = []
        ncp.line.open(self)

    def data_received(self, data: bytes) -> None:
        self._answers += self._decoder.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        raise AssertionError(exc)

    async def request(
        self, subsystem: int, command: int, data: bytes = b"", *, kind: int = 1
    ) -> list[MtFrame]:
        self._answers.clear()
        self._ncp.line.write(Direction.TO_NCP, MtFrame(kind, subsystem, command, data).encode())
        await asyncio.sleep(0.1)
        return list(self._answers)

    async def use(self) -> None:
        """Ask for what reads the memory, and see every request answered."""
        for subsystem, command, data in (
            (APP_CONFIG, 0x04, CODE),
            (ZDO, 0x23, KEY),
            (APP_CONFIG, 0x05, b"\x04"),
            (SYS, 0x04, b""),
            (SYS, 0x02, b""),
        ):
            assert await self.request(subsystem, command, data)


@pytest.mark.parametrize("personality", PERSONALITIES.values(), ids=list(PERSONALITIES))
@settings(deadline=None, max_examples=150)
@given(meddling=MEDDLING, formed=st.booleans(), option=st.integers(0, 3))
def test_items_deleted_and_rewritten_at_random_never_stop_the_firmware(
    personality: Personality, meddling: list[tuple[int, bool, bytes]], formed: bool, option: int
) -> None:
    async def scenario() -> list[object]:
        errors: list[object] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: errors.append(context))
        ncp = ZnpCoordinator(Air(), eui64=DEVICE, personality=personality)
        host = Host(ncp)
        if formed:
            await host.request(APP_CONFIG, 0x05, b"\x04")
            assert await host.request(ZDO, 0x23, KEY)
        for item, recreated, value in meddling:
            length = len(ncp.nvram.items.get(item, b""))
            await host.request(SYS, DELETE, struct.pack("<HH", item, length))
            if recreated:
                await host.request(SYS, CREATE, struct.pack("<HHB", item, len(value), 0))
                await host.request(SYS, WRITE, struct.pack("<HHH", item, 0, len(value)) + value)
        await host.use()
        await host.request(SYS, WRITE, struct.pack("<HHHB", NvItem.STARTUP_OPTION, 0, 1, option))
        assert await host.request(SYS, 0x00, b"\x01", kind=2)
        await host.use()
        ncp.stop()
        return errors

    assert run_virtual(scenario()) == []


@pytest.mark.parametrize("length", [ALIGNED_LENGTH, PACKED_LENGTH])
@given(data=st.data())
def test_a_nib_of_either_layout_is_written_as_it_was_read(length: int, data: st.DataObject) -> None:
    octets = bytearray(data.draw(st.binary(min_size=length, max_size=length)))
    again = Nib.decode(bytes(octets)).encode()
    # Only nwkKeyLoaded is a Boolean.
    differing = [index for index in range(length) if octets[index] != again[index]]
    assert len(differing) <= 1
    assert all(again[index] == 1 for index in differing)


@pytest.mark.parametrize("personality", PERSONALITIES.values(), ids=list(PERSONALITIES))
def test_rows_written_to_a_table_are_read_back_and_the_others_are_empty(personality: Personality) -> None:
    ncp_tables = ZnpCoordinator(Air(), eui64=DEVICE, personality=personality).tables
    row = (0x02, 0x1234, DEVICE.to_zigbee())
    ncp_tables.write(NvTable.ADDRMGR, [row])
    rows = ncp_tables.rows(NvTable.ADDRMGR)
    assert rows[0] == row
    assert {ieee for _, _, ieee in rows[1:]} == {b"\xff" * 8}
