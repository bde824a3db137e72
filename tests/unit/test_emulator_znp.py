"""The emulated Z-Stack coordinator, spoken to in MT commands."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanota.emulator.air import Air, TxStatus
from hanota.emulator.line import Direction
from hanota.emulator.loop import run_virtual
from hanota.emulator.node import HanNode, JoinRefusedError
from hanota.emulator.zdo import SimpleDescriptor
from hanota.emulator.znp.coordinator import ResetReason, ZnpCoordinator
from hanota.emulator.znp.nib import Nib
from hanota.emulator.znp.nvram import NvItem
from hanota.emulator.znp.personality import ZnpSettings
from hanota.emulator.znp.unpi import MtFrame, UnpiDecoder
from hanota.eui64 import Eui64
from hanota.zse.install_code import crc16_x25, install_code_key

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from hanota.emulator.air import ApsFrame

HUB = Eui64.parse("00-12-4B-00-AA-BB-CC-DD")
DEVICE = Eui64.parse("00-DB-12-34-56-78-90-A4")
CODE = bytes.fromhex("83FED3407A939723A5C639B26916D505")
SMART_ENERGY, OTA = 0x0109, 0x0019
ENDPOINT, DEVICE_ENDPOINT = 3, 5
FORMATION = bytes((4,))

RESET_REQ, RESET_IND = (0x41, 0x00), (0x41, 0x80)
AF_REGISTER, AF_DATA_REQUEST, AF_DATA_REQUEST_EXT = (0x24, 0x00), (0x24, 0x01), (0x24, 0x02)
AF_DATA_STORE, AF_DATA_RETRIEVE = (0x24, 0x11), (0x24, 0x12)
DATA_CONFIRM, INCOMING_MSG, INCOMING_MSG_EXT = (0x44, 0x80), (0x44, 0x81), (0x44, 0x82)
ADD_INSTALL_CODE, START_COMMISSIONING, INSTALL_CODE_ONLY = (0x2F, 0x04), (0x2F, 0x05), (0x2F, 0x06)
PERMIT_JOIN, PERMIT_JOIN_IND, TC_DEV_IND, LEAVE_IND = (0x25, 0x36), (0x45, 0xCB), (0x45, 0xCA), (0x45, 0xC9)
SET_LINK_KEY, REMOVE_LINK_KEY, GET_LINK_KEY = (0x25, 0x23), (0x25, 0x24), (0x25, 0x25)
ADDRMGR_EXT_ADDR_LOOKUP, ADDRMGR_NWK_ADDR_LOOKUP, LINK_KEY_DATA_GET = (0x27, 0x40), (0x27, 0x41), (0x27, 0x44)
RPC_ERROR = (0x60, 0x00)

Command = tuple[int, int]


class Device(HanNode):
    """Records what it receives."""

    def __init__(self) -> None:
        endpoint = SimpleDescriptor(DEVICE_ENDPOINT, SMART_ENERGY, 0x0502, (), (OTA,))
        super().__init__(DEVICE, install_code=CODE, endpoints=[endpoint])
        self.received: list[ApsFrame] = []

    def on_frame(self, frame: ApsFrame) -> None:
        self.received.append(frame)


class Host:
    """Sends MT commands and keeps everything that comes back."""

    def __init__(self, *, settings: ZnpSettings | None = None, nvram: ZnpCoordinator | None = None) -> None:
        self.air = Air(seed=1)
        kept = None if nvram is None else nvram.nvram.copy()
        self.ncp = ZnpCoordinator(self.air, eui64=HUB, settings=settings, nvram=kept, seed=1)
        self.ncp.line.open(self)
        self.device = Device()
        self.heard: list[tuple[Command, bytes]] = []
        self._decoder = UnpiDecoder()

    def data_received(self, data: bytes) -> None:
        for frame in self._decoder.feed(data):
            self.heard.append(((frame.type << 5 | frame.subsystem, frame.command), frame.data))

    def connection_lost(self, exc: Exception | None) -> None:
        raise AssertionError(exc)

    async def request(self, command: Command, data: bytes = b"", *, wait: float = 0.1) -> bytes:
        """The SRSP to a request; what follows within `wait` seconds is in `heard`."""
        self.heard.clear()
        frame = MtFrame(command[0] >> 5, command[0] & 0x1F, command[1], data)
        self.ncp.line.write(Direction.TO_NCP, frame.encode())
        await asyncio.sleep(wait)
        answer = (command[0] | 0x40, command[1])
        return next((octets for heard, octets in self.heard if heard in {answer, RPC_ERROR}), b"")

    def indications(self, command: Command) -> list[bytes]:
        return [octets for heard, octets in self.heard if heard == command]

    async def start(self) -> None:
        await self.request(START_COMMISSIONING, FORMATION)
        descriptor = struct.pack("<BHHBBBHBH", ENDPOINT, SMART_ENERGY, 0x0500, 0, 0, 1, OTA, 1, OTA)
        assert await self.request(AF_REGISTER, descriptor) == b"\x00"

    async def join(self) -> None:
        key = b"\x02" + DEVICE.to_zigbee() + install_code_key(CODE)
        assert await self.request(ADD_INSTALL_CODE, key) == b"\x00"
        await self.request(INSTALL_CODE_ONLY, b"\x01")
        await self.request(PERMIT_JOIN, struct.pack("<BHBB", 2, 0, 60, 0))
        await self.device.join(self.air)

    def data_request(
        self, payload: bytes, *, options: int = 0x10, sequence: int = 1, length: int = -1
    ) -> bytes:
        """An AF_DATA_REQUEST_EXT to the device."""
        octets = len(payload) if length < 0 else length
        nwk = self.device.nwk
        address = struct.pack("<BH6xBHB", 2, nwk, DEVICE_ENDPOINT, 0, ENDPOINT)
        return address + struct.pack("<HBBBH", OTA, sequence, options, 30, octets) + payload


def play(
    scenario: Callable[[Host], Coroutine[None, None, None]], *, settings: ZnpSettings | None = None
) -> None:
    """Run `scenario` on a started coordinator that a device has joined."""

    async def run() -> None:
        host = Host(settings=settings)
        await host.start()
        await host.join()
        await scenario(host)
        host.ncp.stop()

    run_virtual(run())


def test_an_unknown_command_is_refused_as_rpc_error_and_counted() -> None:
    async def scenario(host: Host) -> None:
        assert await host.request((0x24, 0x7F)) == bytes((2, 0x24, 0x7F))
        assert await host.request((0x2A, 0x01)) == bytes((1, 0x2A, 0x01))
        assert host.ncp.statistics.unknown_commands == 2

    play(scenario)


@given(st.integers(0, 31), st.integers(0, 255), st.binary(max_size=60))
def test_malformed_commands_are_answered_and_never_an_exception(
    subsystem: int, command: int, data: bytes
) -> None:
    async def scenario() -> None:
        host = Host()
        await host.start()
        answer = await host.request((0x20 | subsystem, command), data)
        assert answer
        host.ncp.stop()

    run_virtual(scenario())


def test_a_confirm_repeats_endpoint_and_sequence_number_after_the_frame_was_delivered() -> None:
    async def scenario(host: Host) -> None:
        assert await host.request(AF_DATA_REQUEST_EXT, host.data_request(b"block", sequence=77)) == b"\x00"
        assert host.indications(DATA_CONFIRM) == [bytes((0x00, ENDPOINT, 77))]
        (frame,) = host.device.received
        assert (frame.payload, frame.profile, frame.source_endpoint) == (b"block", SMART_ENERGY, ENDPOINT)

    play(scenario)


def test_the_short_form_of_a_data_request_does_the_same() -> None:
    async def scenario(host: Host) -> None:
        head = struct.pack("<HBBHBBBB", host.device.nwk, DEVICE_ENDPOINT, ENDPOINT, OTA, 5, 0x10, 30, 3)
        assert await host.request(AF_DATA_REQUEST, head + b"abc") == b"\x00"
        assert host.indications(DATA_CONFIRM) == [bytes((0x00, ENDPOINT, 5))]
        assert host.device.received[-1].payload == b"abc"

    play(scenario)


def test_aps_security_uses_the_install_code_key_until_another_is_established() -> None:
    async def scenario(host: Host) -> None:
        await host.request(AF_DATA_REQUEST_EXT, host.data_request(b"x", options=0x50))
        assert host.device.received[-1].link_key == install_code_key(CODE)
        established = bytes(range(16))
        key = struct.pack("<H", host.device.nwk) + DEVICE.to_zigbee() + established
        assert await host.request(SET_LINK_KEY, key) == b"\x00"
        assert (
            await host.request(GET_LINK_KEY, DEVICE.to_zigbee()) == b"\x00" + DEVICE.to_zigbee() + established
        )
        host.device.link_key = established
        await host.request(AF_DATA_REQUEST_EXT, host.data_request(b"y", options=0x50))
        assert host.device.received[-1].link_key == established

    play(scenario)


@pytest.mark.parametrize(
    ("spoil", "options", "status"),
    [
        pytest.param(lambda host: host.ncp.security.forget(DEVICE), 0x50, 0xA1, id="no key"),
        pytest.param(lambda host: host.device.power_off(), 0x10, 0xCD, id="gone"),
        pytest.param(
            lambda host: setattr(host.air.faults[DEVICE], "loss", 1.0), 0x10, 0xE9, id="out of reach"
        ),
        pytest.param(
            lambda host: setattr(host.device, "link_key", bytes(16)), 0x50, 0xB7, id="other link key"
        ),
    ],
)
def test_a_frame_that_does_not_arrive_is_confirmed_with_the_stack_status(
    spoil: Callable[[Host], None], options: int, status: int
) -> None:
    async def scenario(host: Host) -> None:
        spoil(host)
        await host.request(AF_DATA_REQUEST_EXT, host.data_request(b"x", options=options), wait=20)
        assert host.indications(DATA_CONFIRM) == [bytes((status, ENDPOINT, 1))]

    play(scenario)


def test_a_data_request_from_an_unregistered_endpoint_is_refused() -> None:
    async def scenario(host: Host) -> None:
        host.ncp.reset(ResetReason.WATCHDOG)
        await host.request(START_COMMISSIONING, FORMATION)
        assert await host.request(AF_DATA_REQUEST_EXT, host.data_request(b"x")) == b"\x02"

    play(scenario)


def test_one_data_request_too_many_in_flight_is_buffer_full_and_later_ones_pass() -> None:
    async def scenario(host: Host) -> None:
        requests = [host.data_request(bytes(80), sequence=number) for number in range(3)]
        answers = [await host.request(AF_DATA_REQUEST_EXT, request, wait=0.011) for request in requests]
        assert answers == [b"\x00", b"\x00", b"\x11"]
        await asyncio.sleep(1)
        assert await host.request(AF_DATA_REQUEST_EXT, requests[2]) == b"\x00"

    async def busy(host: Host) -> None:
        # The air is taken by someone else, so that nothing is confirmed meanwhile.
        others = [asyncio.create_task(host.air.mac_command(120, HUB)) for _ in range(30)]
        await scenario(host)
        await asyncio.gather(*others)

    play(busy, settings=ZnpSettings(max_in_flight=2))


def test_oversized_and_endless_messages_are_refused_before_they_are_buffered() -> None:
    async def scenario(host: Host) -> None:
        assert await host.request(AF_DATA_REQUEST_EXT, host.data_request(b"", length=0xFFFF)) == b"\x02"
        assert await host.request(AF_DATA_STORE, struct.pack("<HB", 0, 0)) == b"\x01"
        lying = host.data_request(b"abc", length=200)
        assert (await host.request(AF_DATA_REQUEST_EXT, lying))[0] == 4
        assert await host.request((0x21, 0x30), struct.pack("<BHHI", 1, 9, 0, 2**32 - 1)) == b"\x02"

    play(scenario)


def test_a_message_longer_than_a_frame_is_stored_in_pieces_and_sent_in_fragments() -> None:
    async def scenario(host: Host) -> None:
        message = bytes(number & 0xFF for number in range(1000))
        assert await host.request(AF_DATA_REQUEST_EXT, host.data_request(b"", length=1000)) == b"\x00"
        assert await host.request(AF_DATA_REQUEST_EXT, host.data_request(b"", length=9)) == b"\x11"
        for start in range(0, 1000, 240):
            piece = message[start : start + 240]
            assert await host.request(AF_DATA_STORE, struct.pack("<HB", start, len(piece)) + piece) == b"\x00"
        assert await host.request(AF_DATA_STORE, struct.pack("<HBB", 999, 2, 0) + b"\x00") == b"\x02"
        assert await host.request(AF_DATA_STORE, struct.pack("<HB", 0, 0), wait=2) == b"\x00"
        assert host.device.received[-1].payload == message
        assert host.indications(DATA_CONFIRM) == [bytes((0x00, ENDPOINT, 1))]

    play(scenario)


def test_a_long_incoming_message_is_announced_and_fetched_in_pieces_once() -> None:
    async def scenario(host: Host) -> None:
        message = bytes(number & 0xFF for number in range(300))
        host.heard.clear()
        await host.device.send(SMART_ENERGY, OTA, DEVICE_ENDPOINT, ENDPOINT, message)
        await asyncio.sleep(0.1)
        (announced,) = host.indications(INCOMING_MSG_EXT)
        stamp, _, length = struct.unpack_from("<IBH", announced, 20)
        assert length == 300
        pieces = b""
        for start in range(0, 300, 150):
            answer = await host.request(AF_DATA_RETRIEVE, struct.pack("<IHB", stamp, start, 150))
            assert answer[:2] == bytes((0, 150))
            pieces += answer[2:]
        assert pieces == message
        assert await host.request(AF_DATA_RETRIEVE, struct.pack("<IHB", stamp, 0, 0)) == b"\x00\x00"
        assert await host.request(AF_DATA_RETRIEVE, struct.pack("<IHB", stamp, 0, 150)) == b"\x01\x00"

    play(scenario)


def test_a_flood_of_long_messages_keeps_only_the_newest() -> None:
    async def scenario(host: Host) -> None:
        host.heard.clear()
        for _ in range(20):
            await host.device.send(SMART_ENERGY, OTA, DEVICE_ENDPOINT, ENDPOINT, bytes(300))
        await asyncio.sleep(0.1)
        stamps = [struct.unpack_from("<I", data, 20)[0] for data in host.indications(INCOMING_MSG_EXT)]
        answers = [await host.request(AF_DATA_RETRIEVE, struct.pack("<IHB", s, 0, 10)) for s in stamps]
        assert [answer[0] for answer in answers] == [1] * 16 + [0] * 4

    play(scenario)


def test_a_frame_for_an_endpoint_nobody_registered_is_not_reported() -> None:
    async def scenario(host: Host) -> None:
        host.heard.clear()
        assert await host.device.send(SMART_ENERGY, OTA, 5, 99, b"x") is TxStatus.SUCCESS
        await asyncio.sleep(0.1)
        assert host.indications(INCOMING_MSG) == []
        assert host.ncp.statistics.unregistered_endpoint == 1

    play(scenario)


def test_the_join_window_closes_by_itself_and_says_so() -> None:
    async def scenario() -> None:
        host = Host()
        await host.start()
        await host.request(PERMIT_JOIN, struct.pack("<BHBB", 2, 0, 30, 0), wait=40)
        assert host.indications(PERMIT_JOIN_IND) == [b"\x1e", b"\x00"]
        assert not host.ncp.joining.permits_joining
        host.ncp.stop()

    run_virtual(scenario())


def test_a_join_is_reported_before_the_device_has_proved_its_key() -> None:
    async def scenario() -> None:
        host = Host()
        await host.start()
        await host.request(ADD_INSTALL_CODE, b"\x02" + DEVICE.to_zigbee() + bytes(16))
        await host.request(PERMIT_JOIN, struct.pack("<BHBB", 2, 0, 60, 0))
        with pytest.raises(JoinRefusedError):
            await host.device.join(host.air)
        await asyncio.sleep(0.1)
        assert len(host.indications(TC_DEV_IND)) == 1
        assert not host.device.joined
        host.ncp.stop()

    run_virtual(scenario())


def test_an_install_code_may_be_given_with_its_crc_which_is_checked() -> None:
    async def scenario() -> None:
        host = Host()
        crc = crc16_x25(CODE).to_bytes(2, "little")
        head = b"\x01" + DEVICE.to_zigbee()
        assert await host.request(ADD_INSTALL_CODE, head + CODE + crc[::-1]) == b"\x02"
        assert await host.request(ADD_INSTALL_CODE, head + CODE + crc) == b"\x00"
        assert host.ncp.security.key(DEVICE) == install_code_key(CODE)

    run_virtual(scenario())


def test_a_join_flood_fills_the_tables_and_evicts_nobody() -> None:
    async def scenario(host: Host) -> None:
        answers = []
        for number in range(40):
            key = b"\x02" + number.to_bytes(8, "little") + bytes((number,) * 16)
            answers.append(await host.request(ADD_INSTALL_CODE, key))
        assert answers.count(b"\x00") == 7
        assert set(answers) == {b"\x00", b"\x01"}
        assert host.ncp.security.key(DEVICE) == install_code_key(CODE)
        await host.request(AF_DATA_REQUEST_EXT, host.data_request(b"still here", options=0x50))
        assert host.device.received[-1].payload == b"still here"

    play(scenario)


def test_keys_and_addresses_survive_a_new_dongle_with_the_old_memory() -> None:
    async def scenario(host: Host) -> None:
        key = struct.pack("<H", host.device.nwk) + DEVICE.to_zigbee() + bytes(range(16))
        await host.request(SET_LINK_KEY, key)
        copy = Host(nvram=host.ncp)
        assert copy.ncp.security.key(DEVICE) == bytes(range(16))
        assert copy.ncp.security.address(host.device.nwk) == DEVICE
        assert copy.ncp.eui64 == HUB

    play(scenario)


def test_the_link_key_table_takes_as_many_keys_as_the_firmware_has_room_for() -> None:
    async def scenario(host: Host) -> None:
        keys = [
            struct.pack("<H", number) + number.to_bytes(8, "little") + bytes((number,) * 16)
            for number in range(1, 10)
        ]
        answers = [await host.request(SET_LINK_KEY, key) for key in keys]
        assert answers == [b"\x00"] * 8 + [b"\x01"]
        again = struct.pack("<H", 3) + (3).to_bytes(8, "little") + bytes(16)
        assert await host.request(SET_LINK_KEY, again) == b"\x00"
        assert await host.request(REMOVE_LINK_KEY, (5).to_bytes(8, "little")) == b"\x00"
        assert await host.request(REMOVE_LINK_KEY, (5).to_bytes(8, "little")) == b"\x02"
        assert await host.request(SET_LINK_KEY, keys[-1]) == b"\x00"
        host.ncp.reset(ResetReason.WATCHDOG)
        await asyncio.sleep(0.1)
        assert host.ncp.security.key(Eui64.from_zigbee((3).to_bytes(8, "little"))) == bytes(16)

    play(scenario)


def test_a_key_is_told_of_devices_the_host_gave_one() -> None:
    async def scenario(host: Host) -> None:
        partner = DEVICE.to_zigbee()
        assert await host.request(GET_LINK_KEY, partner) == b"\x01" + partner + bytes(16)
        assert await host.request(LINK_KEY_DATA_GET, partner) == b"\x01" + bytes(24)
        await host.request(SET_LINK_KEY, struct.pack("<H", host.device.nwk) + partner + bytes(range(16)))
        host.device.link_key = bytes(range(16))
        await host.request(AF_DATA_REQUEST_EXT, host.data_request(b"x", options=0x50))
        for _ in range(2):
            await host.device.send(SMART_ENERGY, OTA, DEVICE_ENDPOINT, ENDPOINT, b"y")
        answer = await host.request(LINK_KEY_DATA_GET, partner)
        assert answer == b"\x00" + bytes(range(16)) + struct.pack("<II", 1, host.device.aps_frame_counter)

    play(scenario)


def test_the_address_manager_tells_whose_short_address_is_whose() -> None:
    async def scenario(host: Host) -> None:
        nwk = struct.pack("<H", host.device.nwk)
        assert await host.request(ADDRMGR_EXT_ADDR_LOOKUP, DEVICE.to_zigbee()) == nwk
        assert await host.request(ADDRMGR_NWK_ADDR_LOOKUP, nwk) == DEVICE.to_zigbee()
        assert await host.request(ADDRMGR_EXT_ADDR_LOOKUP, bytes(range(8))) == b"\xfe\xff"
        assert await host.request(ADDRMGR_NWK_ADDR_LOOKUP, b"\x99\x99") == bytes(8)

    play(scenario)


def test_a_device_that_leaves_is_reported_and_its_keys_are_gone() -> None:
    async def scenario(host: Host) -> None:
        nwk = host.device.nwk
        host.heard.clear()
        await host.device.leave()
        await asyncio.sleep(0.1)
        assert host.indications(LEAVE_IND) == [struct.pack("<H8s3B", nwk, DEVICE.to_zigbee(), 0, 0, 0)]
        assert host.ncp.security.key(DEVICE) is None

    play(scenario)


def test_a_device_joining_afresh_gets_its_old_address_and_loses_its_established_key() -> None:
    async def scenario(host: Host) -> None:
        nwk = host.device.nwk
        key = struct.pack("<H", nwk) + DEVICE.to_zigbee() + bytes(range(16))
        await host.request(SET_LINK_KEY, key)
        await host.device.join(host.air)
        assert host.device.nwk == nwk
        assert host.ncp.security.key(DEVICE) == install_code_key(CODE)

    play(scenario)


def test_a_power_cut_of_the_device_keeps_its_network() -> None:
    async def scenario(host: Host) -> None:
        host.device.power_off()
        await host.request(AF_DATA_REQUEST_EXT, host.data_request(b"unheard"), wait=1)
        await host.device.power_on()
        await host.request(AF_DATA_REQUEST_EXT, host.data_request(b"heard"))
        assert [frame.payload for frame in host.device.received] == [b"heard"]

    play(scenario)


def test_a_reset_is_announced_with_its_reason_and_closes_the_network() -> None:
    async def scenario(host: Host) -> None:
        host.heard.clear()
        host.ncp.reset(ResetReason.WATCHDOG)
        await asyncio.sleep(0.1)
        assert host.indications(RESET_IND) == [bytes((2, 2, 1, 2, 7, 1))]
        assert not host.ncp.network_up
        with pytest.raises(JoinRefusedError):
            await host.device.join(host.air)

    play(scenario)


def test_clearing_state_and_configuration_makes_the_dongle_factory_new() -> None:
    async def scenario(host: Host) -> None:
        await host.request((0x21, 0x1D), struct.pack("<HHHB", NvItem.STARTUP_OPTION, 0, 1, 3))
        await host.request(RESET_REQ, b"\x01")
        assert not Nib.decode(host.ncp.nvram.items[NvItem.NIB]).formed
        assert host.ncp.security.devices == {}
        assert host.ncp.nvram.items[NvItem.STARTUP_OPTION] == b"\x00"

    play(scenario)


def test_a_deleted_ieee_address_comes_back_from_the_hardware_at_the_next_reset() -> None:
    async def scenario(host: Host) -> None:
        other = Eui64.parse("11-22-33-44-55-66-77-88")
        await host.request((0x21, 0x1D), struct.pack("<HHH", NvItem.EXTADDR, 0, 8) + other.to_zigbee())
        assert host.ncp.eui64 == other
        assert await host.request((0x21, 0x12), struct.pack("<HH", NvItem.EXTADDR, 7)) == b"\x0c"
        assert await host.request((0x21, 0x12), struct.pack("<HH", NvItem.EXTADDR, 8)) == b"\x00"
        await host.request(RESET_REQ, b"\x01")
        assert host.ncp.eui64 == HUB

    play(scenario)


def test_items_are_created_once_and_written_within_their_length() -> None:
    async def scenario(host: Host) -> None:
        create = struct.pack("<HHB", 0x0F01, 4, 2) + b"ab"
        assert await host.request((0x21, 0x07), create) == b"\x09"
        assert await host.request((0x21, 0x07), create) == b"\x00"
        assert await host.request((0x21, 0x1C), struct.pack("<HH", 0x0F01, 0)) == b"\x00\x04ab\xff\xff"
        assert await host.request((0x21, 0x09), struct.pack("<HBB", 0x0F01, 2, 3) + b"cde") == b"\x0c"
        assert await host.request((0x21, 0x09), struct.pack("<HBB", 0x0F01, 2, 2) + b"cd") == b"\x00"
        assert await host.request((0x21, 0x08), struct.pack("<HB", 0x0F01, 1)) == b"\x00\x03bcd"
        assert await host.request((0x21, 0x13), struct.pack("<H", 0x0F02)) == b"\x00\x00"

    play(scenario)


def test_a_flood_of_zdo_requests_is_answered_within_a_limit_and_the_rest_is_counted() -> None:
    async def scenario(host: Host) -> None:
        request = b"\x01" + bytes(2)
        flood = [host.device._send_zdo(0x0002, request, 0) for _ in range(50)]
        await asyncio.gather(*flood)
        await asyncio.sleep(5)
        dropped = host.ncp.statistics.unanswered_requests
        assert 0 < dropped < 50
        assert await host.request(AF_DATA_REQUEST_EXT, host.data_request(b"x")) == b"\x00"

    play(scenario)
