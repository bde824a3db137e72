"""The medium: airtime, losses and their repair, keys, broadcasts."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from hanota.emulator.air import (
    BROADCAST_ALL,
    BROADCAST_ROUTERS,
    BROADCAST_RX_ON_WHEN_IDLE,
    Air,
    ApsFrame,
    TxStatus,
)
from hanota.emulator.airtime import AirSettings
from hanota.emulator.loop import run_virtual
from hanota.errors import LocalProtocolError
from hanota.eui64 import Eui64

KEY = bytes(range(16))
HUB, DEVICE = 0x0000, 0x1001


class Station:
    """A node that records."""

    def __init__(self, nwk: int, *, capabilities: int = 0x8E, key: bytes | None = KEY) -> None:
        self.eui64 = Eui64(nwk.to_bytes(8, "big"))
        self.nwk = nwk
        self.capabilities = capabilities
        self.key = key
        self.received: list[ApsFrame] = []

    def link_key_for(self, peer: Eui64) -> bytes | None:
        return self.key

    def receive(self, frame: ApsFrame) -> None:
        self.received.append(frame)


def frame(payload: bytes = b"x", **changes: object) -> ApsFrame:
    base = ApsFrame(HUB, DEVICE, 3, 5, 0x0109, 0x0019, payload)
    return replace(base, **changes)  # type: ignore[arg-type]  # the tests know the field types


def pair(seed: int = 0) -> tuple[Air, Station, Station]:
    air, hub, device = Air(seed=seed), Station(HUB), Station(DEVICE)
    air.attach(hub)
    air.attach(device)
    return air, hub, device


def duration(sent: ApsFrame, settings: AirSettings | None = None) -> float:
    """Mean seconds that one transmission of `sent` holds the channel."""

    async def scenario() -> float:
        air = Air(settings=settings)
        for node in (Station(HUB), Station(DEVICE)):
            air.attach(node)
        for _ in range(500):
            await air.transmit(sent)
        await asyncio.sleep(0)
        return air.statistics.airtime / 500

    return run_virtual(scenario())


@pytest.mark.parametrize(
    ("payload", "milliseconds"), [(80, 6.82), (17, 4.80)], ids=["63 octet block", "block request"]
)
def test_a_frame_holds_the_channel_as_long_as_its_octets_access_and_acknowledgement_take(
    payload: int, milliseconds: float
) -> None:
    assert duration(frame(bytes(payload))) * 1000 == pytest.approx(milliseconds, rel=0.02)


def test_an_aps_acknowledgement_is_one_more_frame() -> None:
    plain, acknowledged = frame(bytes(80)), frame(bytes(80), ack=True)
    assert (duration(acknowledged) - duration(plain)) * 1000 == pytest.approx(4.26, rel=0.04)


def test_one_frame_carries_82_octets_and_73_with_aps_encryption() -> None:
    settings = AirSettings()
    assert (settings.payload_limit(secured=False), settings.payload_limit(secured=True)) == (82, 73)
    for limit, secured in ((82, False), (73, True)):
        assert settings.frames(limit, secured=secured) == [127]
        assert len(settings.frames(limit + 1, secured=secured)) == 2


def test_fragments_carry_the_whole_message_and_none_is_too_long_for_the_phy() -> None:
    settings = AirSettings()
    for octets in (83, 160, 161, 1500):
        frames = settings.frames(octets, secured=True)
        assert max(frames) <= 127
        assert sum(frames) - len(frames) * (45 + 9 + 2) == octets


def test_a_fragmented_message_arrives_once_and_whole() -> None:
    async def scenario() -> list[ApsFrame]:
        air, _, device = pair()
        assert await air.transmit(frame(bytes(range(250)), link_key=KEY)) is TxStatus.SUCCESS
        await asyncio.sleep(0)
        assert air.statistics.frames == 8
        return device.received

    (received,) = run_virtual(scenario())
    assert received.payload == bytes(range(250))


def test_endless_data_is_not_fragmented_but_refused() -> None:
    async def scenario() -> None:
        air, _, _ = pair()
        with pytest.raises(LocalProtocolError, match="too long"):
            await air.transmit(frame(bytes(1601)))

    run_virtual(scenario())


def test_stations_share_one_channel() -> None:
    async def scenario() -> tuple[float, float]:
        air, _, _ = pair()
        await asyncio.gather(*(air.transmit(frame(bytes(80))) for _ in range(50)))
        return asyncio.get_running_loop().time(), air.statistics.airtime

    elapsed, airtime = run_virtual(scenario())
    assert elapsed == pytest.approx(airtime)


def test_a_receiver_that_is_not_there_is_no_route() -> None:
    async def scenario() -> TxStatus:
        air, _, _ = pair()
        return await air.transmit(frame(destination=0x4321))

    assert run_virtual(scenario()) is TxStatus.NO_ROUTE


@pytest.mark.parametrize("ack", [False, True])
def test_a_receiver_out_of_reach_is_no_mac_acknowledgement_after_four_attempts(ack: bool) -> None:
    async def scenario() -> tuple[TxStatus, int, int]:
        air, _, device = pair()
        air.faults[device.eui64].loss = 1.0
        status = await air.transmit(frame(ack=ack))
        return status, air.statistics.frames, len(device.received)

    assert run_virtual(scenario()) == (TxStatus.MAC_NO_ACK, 4, 0)


def test_mac_repetitions_hide_a_lossy_link_and_deliver_once() -> None:
    async def scenario() -> tuple[int, int, int]:
        air, _, device = pair(seed=3)
        air.faults[device.eui64].loss = 0.2
        outcomes = [await air.transmit(frame(ack=True)) for _ in range(500)]
        await asyncio.sleep(0)
        return outcomes.count(TxStatus.SUCCESS), len(device.received), air.statistics.lost

    succeeded, received, lost = run_virtual(scenario())
    assert succeeded > 495
    assert received >= succeeded
    assert received <= 500
    assert lost > 150


def test_the_same_seed_loses_the_same_frames() -> None:
    async def scenario(seed: int) -> tuple[int, float]:
        air, _, device = pair(seed=seed)
        air.faults[device.eui64].loss = 0.5
        for _ in range(50):
            await air.transmit(frame())
        return air.statistics.lost, asyncio.get_running_loop().time()

    assert run_virtual(scenario(1)) == run_virtual(scenario(1))
    assert run_virtual(scenario(1)) != run_virtual(scenario(2))


def test_a_receiver_with_another_link_key_drops_the_frame_and_does_not_acknowledge() -> None:
    async def scenario() -> tuple[TxStatus, int, int]:
        air, _, device = pair()
        device.key = bytes(16)
        status = await air.transmit(frame(link_key=KEY, ack=True))
        return status, len(device.received), air.statistics.refused

    status, received, refused = run_virtual(scenario())
    assert (status, received) == (TxStatus.APS_NO_ACK, 0)
    assert refused > 0


def test_network_key_known_is_not_enough_to_send_a_frame_the_hub_takes_for_secured() -> None:
    async def scenario() -> list[bool]:
        air, hub, _ = pair()
        await air.transmit(frame(source=DEVICE, destination=HUB, link_key=bytes(16)))
        await air.transmit(frame(source=0x6666, destination=HUB, link_key=KEY))
        await air.transmit(frame(source=DEVICE, destination=HUB))
        await asyncio.sleep(0)
        return [received.secured for received in hub.received]

    assert run_virtual(scenario()) == [False]


def test_broadcasts_reach_those_they_are_meant_for() -> None:
    async def scenario(destination: int) -> list[int]:
        air, hub, router = pair()
        sleepy, listening = Station(0x2002, capabilities=0x80), Station(0x3003, capabilities=0x88)
        air.attach(sleepy)
        air.attach(listening)
        await air.transmit(frame(destination=destination))
        await asyncio.sleep(0)
        return [node.nwk for node in (hub, router, sleepy, listening) if node.received]

    assert run_virtual(scenario(BROADCAST_ALL)) == [DEVICE, 0x2002, 0x3003]
    assert run_virtual(scenario(BROADCAST_RX_ON_WHEN_IDLE)) == [DEVICE, 0x3003]
    assert run_virtual(scenario(BROADCAST_ROUTERS)) == [DEVICE]


def test_duplication_latency_and_jitter_are_one_assignment_each() -> None:
    async def scenario() -> tuple[list[bytes], float]:
        air, _, device = pair(seed=1)
        faults = air.faults[device.eui64]
        faults.duplicate, faults.latency, faults.jitter = 1.0, 2.0, 1.0
        await asyncio.gather(*(air.transmit(frame(bytes((number,)))) for number in range(9)))
        await asyncio.sleep(0)
        return [received.payload for received in device.received], asyncio.get_running_loop().time()

    payloads, elapsed = run_virtual(scenario())
    assert sorted(payloads) == sorted(bytes((number,)) for number in range(9) for _ in range(2))
    assert payloads != sorted(payloads)
    assert 2.0 < elapsed < 4.0


def test_an_interceptor_decides_what_arrives_and_an_observer_sees_what_was_sent() -> None:
    async def scenario() -> tuple[list[bytes], list[TxStatus]]:
        air, _, device = pair()
        seen: list[TxStatus] = []
        air.intercept = lambda arriving: [replace(arriving, payload=b"altered")]
        air.observe = lambda _now, _frame, status: seen.append(status)
        await air.transmit(frame())
        air.intercept = lambda _arriving: []
        await air.transmit(frame())
        await asyncio.sleep(0)
        return [received.payload for received in device.received], seen

    assert run_virtual(scenario()) == ([b"altered"], [TxStatus.SUCCESS, TxStatus.SUCCESS])


def test_two_nodes_cannot_have_one_short_address() -> None:
    air, _, _ = pair()
    with pytest.raises(LocalProtocolError, match="0x1001"):
        air.attach(Station(DEVICE))


def test_a_frame_does_not_show_its_key() -> None:
    assert KEY.hex() not in repr(frame(link_key=KEY))
    assert repr(KEY) not in repr(frame(link_key=KEY))
