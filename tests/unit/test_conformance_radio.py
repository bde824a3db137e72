"""The radio between hub and coordinator: every fate of a frame, and everything else handed on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hanota.clock import LoopClock
from hanota.conformance.faulty_radio import (
    Altered,
    Delayed,
    FaultyRadio,
    Lost,
    Repeated,
    Traffic,
    TrafficSettings,
    Way,
)
from hanota.conformance.messages import Tunnelled
from hanota.emulator.loop import run_virtual
from hanota.errors import DeliveryError
from hanota.eui64 import Eui64
from hanota.gbcs.read_firmware_version import read_firmware_version_command
from hanota.hub.ports import HanFrame, Priority, RadioState
from hanota.zcl import ClusterId, Direction, ZclFrame
from hanota.zse.tunneling.commands import TransferData, encode_command

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hanota.conformance.faulty_radio import Fate
    from hanota.hub.ports import RadioListener

DEVICE = Eui64.parse("00-DB-12-34-56-78-90-A4")
HUB = Eui64.parse("00-DB-12-34-56-78-90-A2")


class Dongle:
    """A HanRadio that notes what it is to send."""

    needs_established_key = False
    state = RadioState.ONLINE
    eui64 = HUB

    def __init__(self) -> None:
        self.sent: list[tuple[float, bytes]] = []
        self.listener: RadioListener | None = None
        self.removed: list[Eui64] = []
        self.permitted: list[Eui64] = []

    async def start(self, listener: RadioListener) -> None:
        self.listener = listener

    async def stop(self) -> None:
        self.listener = None

    def room(self, device: Eui64) -> int | None:
        return 73 if device == DEVICE else None

    async def send(
        self,
        device: Eui64,
        cluster: int,
        data: bytes,
        *,
        priority: Priority,
        encrypted: bool = True,
        acknowledged: bool = True,
    ) -> None:
        self.sent.append((asyncio.get_running_loop().time(), data))

    async def permit_joining(self, device: Eui64, install_code: bytes, seconds: float) -> None:
        self.permitted.append(device)

    def remove(self, device: Eui64) -> None:
        self.removed.append(device)


class HubStub:
    """Notes the frames that come to it."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def frame_received(self, frame: HanFrame) -> None:
        self.frames.append(frame.data)


async def send(radio: FaultyRadio, data: bytes) -> None:
    await radio.send(DEVICE, ClusterId.OTA_UPGRADE, data, priority=Priority.NORMAL)


def tried(fate: Fate | None, act: Callable[[FaultyRadio, Dongle, HubStub, Traffic], Awaitable[None]]) -> None:
    async def main() -> None:
        traffic, dongle, hub = Traffic(LoopClock(asyncio.get_running_loop(), 0)), Dongle(), HubStub()
        traffic.add_fault(lambda _: fate)
        radio = FaultyRadio(dongle, traffic)
        await radio.start(hub)  # type: ignore[arg-type]
        await act(radio, dongle, hub, traffic)

    run_virtual(main())


@pytest.mark.parametrize(
    ("fate", "sent"),
    [
        (None, [(0.0, b"\x01\x02\x03")]),
        (Delayed(2.5), [(2.5, b"\x01\x02\x03")]),
        (Repeated(3), [(0.0, b"\x01\x02\x03")] * 3),
        (Altered(b"\x04"), [(0.0, b"\x04")]),
    ],
)
def test_what_the_hub_sends_goes_as_its_fate_wants(
    fate: Fate | None, sent: list[tuple[float, bytes]]
) -> None:
    async def act(radio: FaultyRadio, dongle: Dongle, _hub: HubStub, traffic: Traffic) -> None:
        await send(radio, b"\x01\x02\x03")
        assert dongle.sent == sent
        assert [frame.data for frame in traffic.since()] == [data for _, data in sent]
        assert {frame.way for frame in traffic.since()} == {Way.TO_DEVICE}

    tried(fate, act)


def test_a_lost_frame_is_not_delivered_and_not_on_record() -> None:
    async def act(radio: FaultyRadio, dongle: Dongle, _hub: HubStub, traffic: Traffic) -> None:
        with pytest.raises(DeliveryError):
            await send(radio, b"\x01\x02\x03")
        assert dongle.sent == []
        assert list(traffic.since()) == []

    tried(Lost(), act)


@pytest.mark.parametrize(
    ("fate", "received"),
    [
        (None, [b"\x01\x02\x03"]),
        (Lost(), []),
        (Delayed(2.5), [b"\x01\x02\x03"]),
        (Repeated(), [b"\x01\x02\x03"] * 2),
        (Altered(b"\x04"), [b"\x04"]),
    ],
)
def test_what_a_device_says_is_on_record_once_whatever_the_hub_hears(
    fate: Fate | None, received: list[bytes]
) -> None:
    async def act(_radio: FaultyRadio, dongle: Dongle, hub: HubStub, traffic: Traffic) -> None:
        assert dongle.listener is not None
        dongle.listener.frame_received(HanFrame(DEVICE, ClusterId.OTA_UPGRADE, b"\x01\x02\x03", True, 0.0))
        await asyncio.sleep(3)
        assert hub.frames == received
        assert [(frame.way, frame.data) for frame in traffic.since()] == [(Way.FROM_DEVICE, b"\x01\x02\x03")]

    tried(fate, act)


def test_everything_else_is_the_coordinators() -> None:
    async def act(radio: FaultyRadio, dongle: Dongle, _hub: HubStub, _traffic: Traffic) -> None:
        assert (radio.eui64, radio.state, radio.needs_established_key) == (HUB, RadioState.ONLINE, False)
        assert (radio.room(DEVICE), radio.room(HUB)) == (73, None)
        await radio.permit_joining(DEVICE, bytes(16), 90)
        radio.remove(DEVICE)
        assert (dongle.permitted, dongle.removed) == ([DEVICE], [DEVICE])
        await radio.stop()
        assert dongle.listener is None

    tried(None, act)


def test_the_record_is_bounded_and_its_numbers_go_on() -> None:
    async def main() -> None:
        traffic = Traffic(LoopClock(asyncio.get_running_loop(), 0), TrafficSettings(frames=2))
        heard: list[int] = []
        traffic.subscribe(lambda frame: heard.append(frame.number))
        radio = FaultyRadio(Dongle(), traffic)
        for number in range(3):
            await send(radio, bytes((number,)))
        assert [frame.number for frame in traffic.since()] == [1, 2]
        assert [frame.number for frame in traffic.since(2)] == [2]
        assert (heard, traffic.mark) == ([0, 1, 2], 3)

    run_virtual(main())


def test_the_first_fault_has_its_way_and_can_be_taken_back() -> None:
    async def act(radio: FaultyRadio, dongle: Dongle, _hub: HubStub, traffic: Traffic) -> None:
        traffic.clear_faults()
        take_back = traffic.add_fault(lambda _: Altered(b"first"))
        traffic.add_fault(lambda _: Altered(b"second"))
        await send(radio, b"")
        take_back()
        take_back()
        await send(radio, b"")
        traffic.clear_faults()
        await send(radio, b"")
        assert [data for _, data in dongle.sent] == [b"first", b"second", b""]

    tried(None, act)


def test_gbcs_messages_are_read_out_of_a_tunnel_in_pieces_too() -> None:
    message = read_firmware_version_command(HUB, DEVICE, 5, HUB, 6)
    octets = message.encode()

    def carrying(data: bytes) -> bytes:
        return encode_command(TransferData(0, data), Direction.TO_SERVER, 1).encode()

    async def main() -> None:
        traffic = Traffic(LoopClock(asyncio.get_running_loop(), 0))
        radio = FaultyRadio(Dongle(), traffic)
        other = ZclFrame(1, 0x00, b"\x00").encode()
        for data in (carrying(octets), other, carrying(octets[:20]), carrying(octets[20:])):
            await radio.send(DEVICE, ClusterId.TUNNELING, data, priority=Priority.CRITICAL)
        heard = list(Tunnelled.of(traffic.since()))
        assert [each.octets for each in heard] == [octets, octets]
        assert [each.frame for each in heard] == [0, 2]

    run_virtual(main())
