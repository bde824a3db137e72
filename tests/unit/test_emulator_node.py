"""A HAN device below its application: joining, ZDO, power, limits."""

from __future__ import annotations

import asyncio
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanota.emulator.air import Admission, Air, ApsFrame
from hanota.emulator.loop import run_virtual
from hanota.emulator.node import HanNode, JoinRefusedError, NodeSettings
from hanota.emulator.zdo import NodeDescriptor, SimpleDescriptor, ZdoServer
from hanota.errors import DeliveryError, RadioError, RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.zse.install_code import install_code_key

HUB = Eui64.parse("00-12-4B-00-AA-BB-CC-DD")
DEVICE = Eui64.parse("00-DB-12-34-56-78-90-A4")
CODE = bytes(range(16))
NWK = 0x1234
ENDPOINTS = (
    SimpleDescriptor(1, 0x0109, 0x0502, (0x0000, 0x0704), (0x0019,)),
    SimpleDescriptor(9, 0x0104, 0x0000, (0x0003,), ()),
)


class Hub:
    """A trust centre that admits everyone with the right key, and records what it hears."""

    eui64 = HUB
    nwk = 0x0000
    capabilities = 0x8F
    permits_joining = True

    def __init__(self, air: Air) -> None:
        self.air = air
        self.heard: list[ApsFrame] = []
        self.gone: list[tuple[Eui64, int, bool]] = []
        air.attach(self)
        air.trust_centre = self

    def admit(self, eui64: Eui64, capabilities: int) -> Admission:
        return Admission(NWK, HUB, install_code_key(CODE))

    def departed(self, eui64: Eui64, nwk: int, *, rejoin: bool) -> None:
        self.gone.append((eui64, nwk, rejoin))

    def link_key_for(self, peer: Eui64) -> bytes:
        return install_code_key(CODE)

    def receive(self, frame: ApsFrame) -> None:
        self.heard.append(frame)

    async def ask(self, cluster: int, request: bytes) -> list[bytes]:
        """ZDO responses to a request, without their sequence number."""
        self.heard.clear()
        await self.air.transmit(ApsFrame(0, NWK, 0, 0, 0, cluster, b"\x07" + request))
        await asyncio.sleep(1)
        return [frame.payload[1:] for frame in self.heard if frame.cluster == cluster | 0x8000]


async def joined(settings: NodeSettings | None = None) -> tuple[Air, Hub, HanNode]:
    air = Air()
    hub = Hub(air)
    node = HanNode(
        DEVICE, install_code=CODE, endpoints=ENDPOINTS, manufacturer_code=0xABCD, settings=settings
    )
    await node.join(air)
    return air, hub, node


def test_a_device_that_joined_announces_its_addresses() -> None:
    async def scenario() -> None:
        _, hub, node = await joined()
        await asyncio.sleep(0)
        assert node.joined
        (frame,) = hub.heard
        assert (frame.cluster, frame.destination) == (0x0013, 0xFFFD)
        assert frame.payload[1:] == struct.pack("<H8sB", NWK, DEVICE.to_zigbee(), 0x8E)

    run_virtual(scenario())


def test_a_device_out_of_reach_does_not_join() -> None:
    async def scenario() -> None:
        air = Air()
        Hub(air)
        air.faults[DEVICE].loss = 1.0
        with pytest.raises(JoinRefusedError, match="reach"):
            await HanNode(DEVICE, install_code=CODE, endpoints=()).join(air)

    run_virtual(scenario())


def test_descriptors_are_answered_as_the_specification_lays_them_out() -> None:
    async def scenario() -> None:
        _, hub, _ = await joined()
        own = struct.pack("<H", NWK)
        (node,) = await hub.ask(0x0002, own)
        assert node == b"\x00" + own + bytes.fromhex("01408ecdab52dc05002cdc0500")
        assert await hub.ask(0x0005, own) == [b"\x00" + own + bytes((2, 1, 9))]
        (simple,) = await hub.ask(0x0004, own + b"\x01")
        assert simple == b"\x00" + own + b"\x0e" + bytes.fromhex("01090102050002000004070119 00")
        assert await hub.ask(0x0004, own + b"\x02") == [b"\x83" + own + b"\x00"]
        assert await hub.ask(0x0001, own + b"\x00\x00") == [b"\x00" + DEVICE.to_zigbee() + own]
        assert await hub.ask(0x0000, DEVICE.to_zigbee()) == [b"\x00" + DEVICE.to_zigbee() + own]
        assert await hub.ask(0x0000, HUB.to_zigbee()) == []
        assert await hub.ask(0x0002, b"\x99\x99") == [b"\x81\x99\x99"]
        assert await hub.ask(0x0021, own) == [b"\x84"]

    run_virtual(scenario())


def test_a_match_needs_the_profile_and_one_cluster_of_the_right_side() -> None:
    async def scenario() -> None:
        _, hub, _ = await joined()

        async def match(profile: int, inputs: list[int], outputs: list[int]) -> bytes:
            lists = b"".join(struct.pack(f"<B{len(c)}H", len(c), *c) for c in (inputs, outputs))
            (response,) = await hub.ask(0x0006, struct.pack("<HH", NWK, profile) + lists)
            return response[4:]

        assert await match(0x0109, [0x0704, 0x9999], []) == b"\x01"
        assert await match(0x0109, [], [0x0019]) == b"\x01"
        assert await match(0x0109, [0x0019], []) == b""
        assert await match(0x0104, [0x0704], []) == b""
        assert await match(0xFFFF, [0x0003, 0x0000], []) == b"\x01\x09"

    run_virtual(scenario())


@given(st.integers(0, 0xFFFF), st.binary(max_size=40))
def test_malformed_zdo_requests_raise_the_protocol_error_and_nothing_else(
    cluster: int, request: bytes
) -> None:
    server = ZdoServer(DEVICE, NWK, NodeDescriptor(1, 0x8E), ENDPOINTS)
    try:
        response = server.respond(cluster, request)
    except RemoteProtocolError:
        return
    assert response is None or response[:1] == request[:1]


def test_malformed_zdo_frames_are_ignored_by_a_node() -> None:
    async def scenario() -> None:
        _, hub, node = await joined()
        for cluster in (0x0002, 0x0004, 0x0006, 0x8006):
            await hub.air.transmit(ApsFrame(0, NWK, 0, 0, 0, cluster, b""))
            assert await hub.ask(cluster, b"") == []
        assert node.joined

    run_virtual(scenario())


def test_a_service_nobody_offers_is_a_delivery_error_in_bounded_time() -> None:
    async def scenario() -> None:
        _, _, node = await joined(NodeSettings(response_timeout=3))
        before = asyncio.get_running_loop().time()
        with pytest.raises(DeliveryError, match="no response"):
            await node.match_descriptor(0x0019)
        assert asyncio.get_running_loop().time() - before == pytest.approx(3, abs=0.1)

    run_virtual(scenario())


def test_frames_for_another_endpoint_do_not_reach_the_application() -> None:
    async def scenario() -> None:
        _, hub, node = await joined()
        heard: list[int] = []
        node.on_frame = lambda frame: heard.append(frame.destination_endpoint)  # type: ignore[method-assign]
        for endpoint in (1, 2, 9, 255):
            await hub.air.transmit(ApsFrame(0, NWK, 3, endpoint, 0x0109, 0x0019, b"x"))
        await asyncio.sleep(0)
        assert heard == [1, 9, 255]

    run_virtual(scenario())


def test_power_off_ends_every_activity_and_power_on_comes_back_without_joining() -> None:
    async def scenario() -> None:
        air, hub, node = await joined()
        ended: list[str] = []

        async def activity() -> None:
            try:
                await asyncio.sleep(1000)
            finally:
                ended.append("cut")

        node.spawn(activity())
        await asyncio.sleep(0)
        node.power_off()
        await asyncio.sleep(0)
        assert ended == ["cut"]
        with pytest.raises(RadioError, match="not on a network"):
            await node.send(0x0109, 0x0019, 1, 3, b"")
        hub.permits_joining = False
        await node.power_on()
        assert (node.joined, node.nwk) == (True, NWK)
        assert air.trust_centre is hub

    run_virtual(scenario())


def test_a_device_that_never_joined_cannot_be_switched_on() -> None:
    async def scenario() -> None:
        with pytest.raises(RadioError, match="not joined"):
            await HanNode(DEVICE, install_code=CODE, endpoints=()).power_on()

    run_virtual(scenario())


def test_leaving_tells_the_trust_centre() -> None:
    async def scenario() -> None:
        _, hub, node = await joined()
        await node.leave(rejoin=True)
        assert hub.gone == [(DEVICE, NWK, True)]
        assert not node.joined

    run_virtual(scenario())


def test_a_request_to_leave_is_answered_and_followed() -> None:
    async def scenario() -> None:
        _, hub, node = await joined()
        assert await hub.ask(0x0034, DEVICE.to_zigbee() + b"\x00") == [b"\x00"]
        assert hub.gone == [(DEVICE, NWK, False)]
        assert not node.joined

    run_virtual(scenario())


def test_a_runaway_device_is_stopped_at_its_limit_of_activities() -> None:
    async def scenario() -> None:
        _, hub, node = await joined(NodeSettings(max_tasks=3))
        for _ in range(3):
            node.spawn(asyncio.sleep(100))
        with pytest.raises(RadioError, match="3 activities"):
            node.spawn(asyncio.sleep(100))
        assert await hub.ask(0x0002, struct.pack("<H", NWK)) == []
        node.power_off()

    run_virtual(scenario())
