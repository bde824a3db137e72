"""zigpy's controller application with the hub in front of its pipeline and its doors shut.

zigpy 2.4 drops every frame on profile 0x0109, opens the network to anyone who asks, commissions Green Power
devices and registers endpoints that serve OTA Upgrade and Time in the clear. A class of this mixin and of one
radio library's application does none of that; see `families`.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

import zigpy.types as t
import zigpy.zdo.types as zdo_t
from zigpy.application import ControllerApplication

from hanota.eui64 import Eui64
from hanota.radio.diagnosis import reason
from hanota.radio.facts import NetworkFacts
from hanota.radio.frame import ReceivedFrame, SentFrame
from hanota.radio.han_device import HanDevice
from hanota.radio.sequence import PacketSequence

if TYPE_CHECKING:
    from collections.abc import Callable

    from zigpy.types import EUI64, NWK, KeyData, ZigbeePacket

    from hanota.radio.facts import CoordinatorFacts
    from hanota.radio.link_keys import LinkKeyTable
    from hanota.radio.settings import RadioSettings

logger = logging.getLogger(__name__)

ZDO_ENDPOINT: Final = 0
NWK_UNASSIGNED: Final = 0xFFFE
"""Short address of a device whose own was given to another."""

SILENT: Final = "the coordinator does not answer"


class CoordinatorSilentError(Exception):
    """The coordinator does not answer."""


class CoordinatorResetError(Exception):
    """The coordinator restarted by itself: its network and its endpoints are down."""


class Gate(Protocol):
    """What the application asks and tells of the devices around it."""

    def take(self, received: ReceivedFrame) -> bool:
        """Handle a frame that is the hub's and return True; False leaves it to zigpy."""
        ...

    @property
    def captures(self) -> bool:
        """Tell whether `sending` wants to hear of frames: making them ready costs time for each block."""
        ...

    def sending(self, frame: SentFrame) -> None:
        """Hear of a frame that goes to the coordinator, zigpy's own included."""
        ...

    def admits(self, device: Eui64) -> bool:
        """Tell whether `device` may be on the network."""
        ...

    def placed(self, device: Eui64, nwk: int) -> None:
        """Hear of a device's short address."""
        ...

    def joined_afresh(self, device: Eui64) -> None:
        """Hear that a device joined with its install code: what it had established before is void."""
        ...

    def came_back(self, device: Eui64) -> None:
        """Hear that a device joined, afresh or not; the coordinator may have dropped its key."""
        ...

    def address_changing(self, nwk: int) -> None:
        """Hear that the coordinator is about to be told whose short address `nwk` is."""
        ...

    def address_changed(self, nwk: int) -> None:
        """Hear that it was told."""
        ...

    def interviewed(self, device: Eui64, endpoints: dict[int, int]) -> None:
        """Hear that a device joined or came back, and its endpoints by cluster."""
        ...

    def left(self, device: Eui64) -> None:
        """Hear that a device left the network."""
        ...

    def stranger(self, device: Eui64) -> None:
        """Hear of a device on the network that is not admitted and is told to leave."""
        ...

    def malformed(self, nwk: int, cluster: int, reason: str) -> None:
        """Hear of a frame that was dropped before it became a packet."""
        ...


def received_frame(packet: ZigbeePacket) -> ReceivedFrame:
    """Return zigpy's packet as plain values."""
    return ReceivedFrame(
        nwk=int(packet.src.address),
        source_endpoint=int(packet.src_ep or 0),
        endpoint=int(packet.dst_ep or 0),
        profile=int(packet.profile_id),
        cluster=int(packet.cluster_id),
        data=packet.data.serialize(),
        encrypted=t.TransmitOptions.APS_Encryption in packet.tx_options,
        unicast=packet.dst.addr_mode == t.AddrMode.NWK,
        lqi=None if packet.lqi is None else int(packet.lqi),
        rssi=None if packet.rssi is None else int(packet.rssi),
    )


def sent_frame(packet: ZigbeePacket) -> SentFrame:
    """Return a packet of zigpy's that is to be sent as plain values."""
    return SentFrame(
        nwk=int(packet.dst.address),
        source_endpoint=int(packet.src_ep or 0),
        endpoint=int(packet.dst_ep or 0),
        profile=int(packet.profile_id),
        cluster=int(packet.cluster_id),
        data=packet.data.serialize(),
        encrypted=t.TransmitOptions.APS_Encryption in packet.tx_options,
        acknowledged=t.TransmitOptions.ACK in packet.tx_options,
    )


def to_eui64(ieee: EUI64) -> Eui64:
    """Return zigpy's IEEE address as ours."""
    return Eui64.from_zigbee(ieee.serialize())


def network_facts(app: HanApplication) -> NetworkFacts:
    """Return the network that a coordinator has formed, as it was read from it."""
    network = app.state.network_info
    return NetworkFacts(
        channel=int(network.channel),
        pan_id=int(network.pan_id),
        extended_pan_id=to_eui64(network.extended_pan_id),
        security_level=int(network.security_level),
        frame_counter=int(network.network_key.tx_counter),
    )


def to_ieee(device: Eui64) -> EUI64:
    """Return our EUI-64 as zigpy's IEEE address."""
    return t.EUI64.deserialize(device.to_zigbee())[0]


class HanApplication(ControllerApplication):  # type: ignore[misc]  # zigpy is published without types
    """The part that is the same for every radio library; the library's own class comes after it."""

    def __init__(
        self,
        config: dict[str, Any],
        *,
        gate: Gate,
        lost: Callable[[str], None],
        settings: RadioSettings,
    ) -> None:
        super().__init__(config)
        self._gate, self._lost, self._settings = gate, lost, settings
        # Private, because zigpy has no setting for it; its own 30 s notice a dead line after 45.
        self._watchdog_period = settings.watchdog_period
        self._watched = False
        self._under_way: set[tuple[str, object]] = set()
        self._sequence = PacketSequence()
        self._known: dict[Eui64, HanDevice] = {}

    # -- frames ------------------------------------------------------------------------------------------

    def packet_received(self, packet: ZigbeePacket) -> None:
        """Offer each packet to the hub before zigpy's pipeline, which would drop or filter it."""
        if not self._gate.take(received_frame(packet)):
            super().packet_received(packet)

    async def send_packet(self, packet: ZigbeePacket) -> None:
        """Send with a packet tsn that no other packet in flight has.

        zigpy-znp matches confirmations by it alone, and zigpy's replies copy the peer's: two in flight would
        swap their results. A ZDO packet keeps its own, which is also in its payload; it has no confirmation.
        """
        self._tell_sending(packet)
        if packet.dst_ep == ZDO_ENDPOINT:
            await super().send_packet(packet)
            return
        with self._sequence.take() as tsn:
            packet.tsn = t.uint8_t(tsn)
            await super().send_packet(packet)

    def _tell_sending(self, packet: ZigbeePacket) -> None:
        """Tell a capture of a packet with a short address; others are the coordinator's own business."""
        if self._gate.captures and packet.dst.addr_mode in {t.AddrMode.NWK, t.AddrMode.Broadcast}:
            self._gate.sending(sent_frame(packet))

    # -- devices -----------------------------------------------------------------------------------------

    def add_device(self, ieee: EUI64, nwk: NWK) -> HanDevice:
        """Make the device of a class that zigpy can interview on the Smart Energy profile."""
        device = HanDevice(self, ieee, nwk)
        self.devices[ieee] = self._known[to_eui64(ieee)] = device
        return device

    def known(self, device: Eui64) -> HanDevice | None:
        """Return zigpy's device; its own table is slow, as an IEEE address is hashed by its text there."""
        return self._known.get(device)

    def relays(self, device: Eui64) -> int:
        """Return how many relays the source route to `device` has, 0 where none is known."""
        known = self._known.get(device)
        return 0 if known is None or known.relays is None else len(known.relays)

    def handle_join(
        self, nwk: NWK, ieee: EUI64, parent_nwk: NWK | None, *, handle_rejoin: bool = True
    ) -> None:
        """Let zigpy interview an admitted device; tell a stranger to leave."""
        own = self.state.node_info
        if ieee == own.ieee or nwk == own.nwk:
            return
        eui64 = to_eui64(ieee)
        if not self._gate.admits(eui64):
            self.expel(eui64, int(nwk))
            self._gate.stranger(eui64)
            return
        self._take_short_address(nwk, ieee)
        known = self.devices.get(ieee)
        settled = known is not None and known.is_initialized and known.nwk == nwk
        self._gate.placed(eui64, int(nwk))
        super().handle_join(nwk, ieee, parent_nwk, handle_rejoin=handle_rejoin)
        # zigpy tells of a device that it knows already only when its address changed. The trust centre's
        # word of a join names the parent; the device's own announcement, which follows, does not.
        if settled and handle_rejoin and parent_nwk is None:
            self._gate.interviewed(eui64, self.devices[ieee].endpoints_by_cluster)

    def handle_leave(self, nwk: NWK, ieee: EUI64) -> None:
        """Pass a leave on to the hub."""
        super().handle_leave(nwk, ieee)
        self._gate.left(to_eui64(ieee))

    def device_initialized(self, device: Any) -> None:
        """Tell the hub of a finished interview, unless it is the coordinator's own."""
        super().device_initialized(device)
        if isinstance(device, HanDevice):
            self._gate.interviewed(to_eui64(device.ieee), device.endpoints_by_cluster)

    def remember(self, device: Eui64, nwk: int) -> None:
        """Know a device from an earlier session, without asking it anything."""
        if to_ieee(device) not in self.devices:
            self.add_device(to_ieee(device), t.NWK(nwk))

    def interview(self, device: Eui64, nwk: int) -> None:
        """Have a device interviewed whose short address is known, unless it is under way."""
        ieee = to_ieee(device)
        known = self.devices.get(ieee) or self.add_device(ieee, t.NWK(nwk))
        if not known.initializing:
            known.schedule_initialize()

    def find_device(self, device: Eui64) -> None:
        """Broadcast NWK_addr_req; the answer comes as a join."""
        self._background("find", device, self._broadcast_address_request(device))

    def find_short_address(self, nwk: int) -> None:
        """Broadcast IEEE_addr_req for a sender nobody knows; the answer comes as a join."""
        # Private, because zigpy asks by itself only for packets that pass its own pipeline.
        self._background("identify", nwk, self._discover_unknown_device(t.NWK(nwk)))

    def expel(self, device: Eui64, nwk: int) -> None:
        """Tell a device to leave the network."""
        ieee = to_ieee(device)
        self._background("leave", ieee, self._request_leave(ieee, t.NWK(nwk)))

    @property
    def link_keys(self) -> LinkKeyTable:
        """The coordinator's link keys."""
        raise NotImplementedError

    async def facts(self, network: NetworkFacts | None) -> CoordinatorFacts:
        """Ask the coordinator, which need not be on its network, what it is."""
        raise NotImplementedError

    async def write_eui64(self, eui64: Eui64, *, burn: bool) -> None:
        """Give the coordinator another EUI-64 and restart it; raise RadioError where it takes none.

        `burn` allows what can be done once only.
        """
        raise NotImplementedError

    # -- the doors ---------------------------------------------------------------------------------------

    async def permit(self, time_s: int = 60, node: EUI64 | str | None = None) -> None:
        """Close the network; refuse to open it, as devices join by install code only."""
        if time_s:
            logger.warning("refused to open the network: devices join by install code only")
            return
        await super().permit(0, node)

    async def permit_gp(self, time_s: int) -> None:
        """Do nothing: a smart-metering HAN has no Green Power devices."""

    async def permit_with_link_key(self, node: EUI64, link_key: KeyData, time_s: int = 60) -> None:
        """Let `node` join with its key for `time_s` seconds, and nobody without a key; return at once."""
        raise NotImplementedError

    async def shut_out(self, node: EUI64) -> None:
        """Let `node` join no more, whichever key it has."""
        raise NotImplementedError

    async def register_endpoints(self) -> None:
        """Register the Smart Energy endpoint alone, none of zigpy's own."""
        for descriptor in self.config["additional_endpoints"]:
            await self.add_endpoint(descriptor)

    def _persist_coordinator_model_strings_in_db(self) -> None:
        # Private, because zigpy writes the model to endpoint 1, which is not registered here.
        pass

    # -- life --------------------------------------------------------------------------------------------

    async def initialize(self, *, auto_form: bool = False) -> None:
        """Start the network; from then on the coordinator has less time to answer."""
        await super().initialize(auto_form=auto_form)
        self._watched = True

    async def watchdog_feed(self) -> None:
        """Ping the coordinator; raise CoordinatorSilentError when it does not answer in time."""
        settings = self._settings
        try:
            async with asyncio.timeout(
                settings.watchdog_patience if self._watched else settings.command_timeout
            ):
                await super().watchdog_feed()
        except TimeoutError:
            raise CoordinatorSilentError(SILENT) from None

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell why the coordinator is gone: the line closed, the watchdog starved, or it restarted."""
        super().connection_lost(exc)
        self._lost(str(exc) or type(exc).__name__ if exc is not None else "the serial line was closed")

    # -- inside ------------------------------------------------------------------------------------------

    def _take_short_address(self, nwk: NWK, ieee: EUI64) -> None:
        """Leave `nwk` to one device: zigpy would give its frames to the first of several."""
        for other in self.devices.values():
            if other.nwk == nwk and other.ieee != ieee:
                other.cancel_initialization()
                other.nwk = t.NWK(NWK_UNASSIGNED)

    def _background(self, kind: str, of: object, work: Any) -> None:
        """Run one request of a kind for each `of`, and a bounded number in all; drop the rest."""
        key = (kind, of)
        if key in self._under_way or len(self._under_way) >= self._settings.discoveries:
            work.close()
            return

        async def run() -> None:
            try:
                await work
            except Exception as error:  # noqa: BLE001  # the radio libraries raise whatever they like
                logger.info("%s %s: %s", kind, of, reason(error))
            finally:
                self._under_way.discard(key)

        self._under_way.add(key)
        self.create_task(run(), f"{kind}-{of}")

    async def _request_leave(self, ieee: EUI64, nwk: NWK) -> None:
        await self._send_zdo(zdo_t.ZDOCmd.Mgmt_Leave_req, t.AddrMode.NWK, nwk, ieee.serialize() + b"\x00")

    async def _broadcast_address_request(self, device: Eui64) -> None:
        await self._send_zdo(
            zdo_t.ZDOCmd.NWK_addr_req,
            t.AddrMode.Broadcast,
            # To sleepy end devices too: their parents hold it for them, and may not answer in their place.
            t.BroadcastAddress.ALL_DEVICES,
            device.to_zigbee() + bytes((zdo_t.AddrRequestType.Single, 0)),
        )

    async def _send_zdo(self, command: zdo_t.ZDOCmd, mode: t.AddrMode, address: int, body: bytes) -> None:
        tsn = self.get_sequence()
        await self.send_packet(
            t.ZigbeePacket(
                src=t.AddrModeAddress(addr_mode=t.AddrMode.NWK, address=self.state.node_info.nwk),
                src_ep=ZDO_ENDPOINT,
                dst=t.AddrModeAddress(addr_mode=mode, address=address),
                dst_ep=ZDO_ENDPOINT,
                tsn=tsn,
                profile_id=0x0000,
                cluster_id=command,
                data=t.SerializableBytes(bytes((tsn,)) + body),
            )
        )
