"""The zigpy application of an EmberZNet coordinator."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

import bellows.types as ember
import zigpy.exceptions
import zigpy.types as t
from bellows.ash import NcpFailure
from bellows.zigbee.application import ControllerApplication

from hanota.errors import LocalProtocolError, RadioError
from hanota.radio.application import (
    SILENT,
    CoordinatorResetError,
    CoordinatorSilentError,
    HanApplication,
    to_eui64,
    to_ieee,
)
from hanota.radio.ezsp import REORDERED_VERSION
from hanota.radio.ezsp.address_table import AddressTable
from hanota.radio.ezsp.data import ApsHeader
from hanota.radio.ezsp.facts import ezsp_facts, write_eui64
from hanota.radio.ezsp.host import HanEzsp
from hanota.radio.ezsp.key_frames import stored_keys
from hanota.radio.ezsp.keys import EzspLinkKeys
from hanota.radio.ezsp.unicast import Unicasts
from hanota.radio.frame_size import single_frame
from hanota.radio.settings import LinkSecurity

if TYPE_CHECKING:
    from zigpy.types import EUI64, NWK, KeyData, ZigbeePacket

    from hanota.eui64 import Eui64
    from hanota.radio.facts import CoordinatorFacts, NetworkFacts

logger = logging.getLogger(__name__)

_ROUTED: Final = int(ember.EmberApsOption.APS_OPTION_ENABLE_ROUTE_DISCOVERY)
_RETRIED: Final = int(ember.EmberApsOption.APS_OPTION_RETRY)
_ENCRYPTED: Final = int(ember.EmberApsOption.APS_OPTION_ENCRYPTION)

CLOSED: Final = ember.EzspDecisionBitmask.DEFAULT_CONFIGURATION
"""Trust centre policy outside join windows: nobody joins, and rejoins only under the network key."""

GUARDED_POLICIES: Final = frozenset({"TRUST_CENTER_POLICY", "TC_KEY_REQUEST_POLICY"})
"""Without them anybody may join, or ask for the trust centre's link key."""
UNUSED_NWK: Final = 0xFFFF
"""Short address of an address table entry that is not in use (EMBER_TABLE_ENTRY_UNUSED_NODE_ID)."""


class EzspApplication(HanApplication, ControllerApplication):  # type: ignore[misc]  # published without types
    """An EZSP coordinator. `_ezsp` is private: bellows offers no other way to the commands used here."""

    def __init__(self, config: dict[str, Any], **arguments: Any) -> None:
        super().__init__(config, **arguments)
        self._unicasts: Unicasts | None = None
        self._addresses = AddressTable(0)
        self._keys: dict[EUI64, KeyData] = {}
        # The window closes behind a device that joined, not before its key is where it stays.
        self._writing_key = asyncio.Lock()
        self._links: EzspLinkKeys | None = None

    # -- life --------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Open the port with an EZSP host of ours and register the endpoint."""
        ezsp = self._ezsp = HanEzsp(
            self.config["device"],
            self,
            fragmentation=self._settings.fragmentation,
            refused=self._gate.malformed,
            arrived=self._gate.take,
        )
        self._unicasts = Unicasts(ezsp, self._settings)
        await ezsp.connect()
        await ezsp.write_config(self.config["ezsp_config"])
        await self._register_again()

    async def initialize(self, *, auto_form: bool = False) -> None:
        """Start the network; raise RadioError where the trust centre is not as closed as it was told."""
        await super().initialize(auto_form=auto_form)
        for name, wanted in self.config["ezsp_policies"].items():
            status, decision = await self._ezsp.getPolicy(policyId=ember.EzspPolicyId[name])
            if ember.sl_Status.from_ember_status(status) == ember.sl_Status.OK and int(decision) == wanted:
                continue
            told = f"the coordinator has {name} {int(decision):#04x} and does not take {wanted:#04x}"
            if name not in GUARDED_POLICIES:
                logger.warning("%s", told)
                continue
            raise RadioError(told, hint="its firmware is not fit for a trust centre: flash another")

    async def form_network(self, *, fast: bool = False) -> None:
        """Form with the coordinator's own EUI-64 as extended PAN id, unless one is configured (GBCS)."""
        network = self.config["network"]
        configured = network["extended_pan_id"]
        if configured is None:
            (own,) = await self._ezsp.getEui64()
            network["extended_pan_id"] = t.ExtendedPanId(own)
        try:
            await super().form_network(fast=fast)
        finally:
            network["extended_pan_id"] = configured

    async def write_network_info(self, *, network_info: Any, node_info: Any) -> None:
        """Write a network with the trust centre key of the settings, where they have one.

        bellows erases an EUI-64 that was written, so it is written again unless another one is to be.
        """
        if node_info.ieee == t.EUI64.UNKNOWN:
            (node_info.ieee,) = await self._ezsp.getEui64()
        key = self._settings.network.trust_centre_key
        if key is not None:
            network_info.stack_specific.setdefault("ezsp", {}).setdefault("hashed_tclk", key.hex())
        await super().write_network_info(network_info=network_info, node_info=node_info)

    async def load_network_info(self, *, load_devices: bool = False) -> None:
        """Read the network; with `load_devices` also every link key, which bellows misses from EZSP 14 on."""
        await super().load_network_info(load_devices=load_devices)
        if load_devices and self._ezsp.ezsp_version >= REORDERED_VERSION:
            self.state.network_info.key_table = [key async for key in stored_keys(self._ezsp)]

    async def start_network(self) -> None:
        """Start, and take the address table over."""
        await super().start_network()
        self._links = EzspLinkKeys(self._ezsp, admitted=self._gate.admits)
        status, size = await self._ezsp.getConfigurationValue(
            configId=ember.EzspConfigId.CONFIG_ADDRESS_TABLE_SIZE
        )
        if ember.sl_Status.from_ember_status(status) == ember.sl_Status.OK:
            self._addresses = AddressTable(size)

    def connection_lost(self, exc: Exception | None) -> None:
        """Say what the coordinator's reset or error code means."""
        # bellows puts a text in the place of the code where the line itself is closed.
        if isinstance(exc, NcpFailure) and isinstance(exc.code, ember.NcpResetCode):
            exc = _explain(exc.code)
        super().connection_lost(exc)

    async def _reset(self) -> None:
        # Private, because bellows restarts the coordinator while it forms a network, and does not register
        # the endpoints that are lost by it; after the network is up it is too late.
        await super()._reset()
        await self._register_again()

    async def _register_again(self) -> None:
        self._created_device_endpoints.clear()
        await self.register_endpoints()

    async def _watchdog_feed(self) -> None:
        # Private, because bellows' own forgives four failures: 50 s and more of a coordinator that is dead.
        (state,) = await self._ezsp.networkState()
        if self._watched and state != ember.EmberNetworkStatus.JOINED_NETWORK:
            raise CoordinatorResetError(f"the coordinator's network is down ({state.name})")

    @property
    def link_keys(self) -> EzspLinkKeys:
        """The coordinator's key table."""
        if self._links is None:
            raise RadioError("the coordinator is not running")
        return self._links

    async def facts(self, network: NetworkFacts | None) -> CoordinatorFacts:
        """Ask the coordinator what it is."""
        return await ezsp_facts(self._ezsp, network)

    async def write_eui64(self, eui64: Eui64, *, burn: bool) -> None:
        """Write another EUI-64 and restart; raise RadioError where this firmware takes none."""
        await write_eui64(self._ezsp, eui64, burn=burn)
        await self._reset()

    # -- frames ------------------------------------------------------------------------------------------

    async def send_packet(self, packet: ZigbeePacket) -> None:
        """Send a unicast in as many blocks as it needs; bellows has no fragments, and its tags may repeat."""
        data = packet.data.serialize()
        if packet.dst.addr_mode != t.AddrMode.NWK:
            if len(data) > single_frame(encrypted=False):
                # bellows would break its link to the coordinator for good.
                raise LocalProtocolError(f"a broadcast of {len(data)} octets")
            await super().send_packet(packet)
            return
        if self._unicasts is None or not self.is_controller_running:
            raise zigpy.exceptions.DeliveryError("the coordinator is not running")
        self._tell_sending(packet)
        settings = self._settings
        # Private, as both radio libraries use it; it keeps to priorities and frames in flight.
        async with self._limit_concurrency(priority=packet.priority):
            await self._place(packet.dst.address)
            await self._unicasts.send(
                packet.dst.address,
                _aps_header(packet),
                data,
                single=single_frame(encrypted=t.TransmitOptions.APS_Encryption in packet.tx_options),
                patience=settings.confirm_timeout_sleepy
                if packet.extended_timeout
                else settings.confirm_timeout,
            )

    # -- devices -----------------------------------------------------------------------------------------

    def handle_join(
        self, nwk: NWK, ieee: EUI64, parent_nwk: NWK | None, *, handle_rejoin: bool = True
    ) -> None:
        """Also tell the coordinator where the device is, so that it can decrypt what comes from there."""
        super().handle_join(nwk, ieee, parent_nwk, handle_rejoin=handle_rejoin)
        if ieee in self.devices:
            self._background("place", ieee, self._place(nwk))

    def remember(self, device: Any, nwk: int) -> None:
        """Also tell the coordinator where the device is."""
        super().remember(device, nwk)
        # One after the other, of however many: each must be heard before anything is sent to it.
        self._background("place", "all", self._place_all())

    def _handle_tc_join_handler(
        self,
        nwk: NWK,
        ieee: EUI64,
        device_update_status: ember.EmberDeviceUpdate,
        decision: ember.EmberJoinDecision,
        parent_nwk: NWK,
    ) -> None:
        # Private, because bellows tells of the kind of join nowhere else, and erases keys some time later.
        unsecured = ember.EmberDeviceUpdate.STANDARD_SECURITY_UNSECURED_JOIN
        if device_update_status == unsecured and decision != ember.EmberJoinDecision.DENY_JOIN:
            self._gate.joined_afresh(to_eui64(ieee))
        super()._handle_tc_join_handler(nwk, ieee, device_update_status, decision, parent_nwk)

    async def cleanup_tc_link_key(self, ieee: EUI64) -> None:
        """Write the key that `ieee` just joined with, where bellows would erase the device's key.

        Where keys are established the device's key was erased by then, or there is a new one.
        """
        if self._settings.link_security is LinkSecurity.KEY_ESTABLISHMENT:
            return
        async with self._writing_key:
            key = self._keys.get(ieee)
            if key is not None and not await self.link_keys.install(to_eui64(ieee), 0, key.serialize()):
                logger.error("the coordinator has no room for the link key of %s", to_eui64(ieee))

    async def _place_all(self) -> None:
        for device in tuple(self.devices.values()):
            await self._place(device.nwk)

    async def _place(self, nwk: int) -> None:
        """Write a device's address, by which the coordinator finds its key and knows a sleeper."""
        try:
            device = self.get_device(nwk=nwk)
        except KeyError:
            return
        if device.ieee == self.state.node_info.ieee:
            return
        sleepy = device.node_desc is not None and not device.node_desc.is_receiver_on_when_idle
        if not sleepy and self._settings.link_security is LinkSecurity.NONE:
            return  # no key is to be found, and the table has fewer places than there may be devices
        eui64 = device.eui64
        index = self._addresses.place(eui64, int(nwk), sleepy=sleepy)
        if index is None:
            return
        changes = await self.link_keys.owner(nwk) != eui64
        if changes:
            self._gate.address_changing(nwk)
        try:
            # Whoever stood there before no longer does, and the coordinator takes the first that it finds.
            for stale in self._addresses.others_at(eui64, int(nwk)):
                await self._write_address(*stale, nwk=UNUSED_NWK, sleepy=False)
            if not await self._write_address(eui64, index, nwk=nwk, sleepy=sleepy):
                self._addresses.forget(eui64)
        finally:
            if changes:
                self._gate.address_changed(nwk)

    async def _write_address(self, device: Eui64, index: int, *, nwk: int, sleepy: bool) -> bool:
        status, *_ = await self._ezsp.replaceAddressTableEntry(
            addressTableIndex=index, newEui64=to_ieee(device), newId=nwk, newExtendedTimeout=sleepy
        )
        return bool(ember.sl_Status.from_ember_status(status) == ember.sl_Status.OK)

    # -- the doors ---------------------------------------------------------------------------------------

    async def permit(self, time_s: int = 60, node: EUI64 | str | None = None) -> None:
        """Close the network, its trust centre and every key that waits for a device."""
        await super().permit(time_s, node)
        if not time_s:
            async with self._writing_key:
                self._keys.clear()
            await self._ezsp.clearTransientLinkKeys()
            (status,) = await self._ezsp.setPolicy(
                policyId=ember.EzspPolicyId.TRUST_CENTER_POLICY, decisionId=CLOSED
            )
            if ember.sl_Status.from_ember_status(status) != ember.sl_Status.OK:
                raise RadioError(f"the coordinator does not close its trust centre: {status.name}")

    async def permit_with_link_key(self, node: EUI64, link_key: KeyData, time_s: int = 60) -> None:
        """Let `node` join with its key for `time_s` seconds, and nobody without a key; return at once."""
        self._keys[node] = link_key
        # Past the refusal of HanApplication.permit, to the library's own.
        await super(HanApplication, self).permit_with_link_key(node, link_key, time_s)

    async def shut_out(self, node: EUI64) -> None:
        """Let `node` join no more, whichever key it has: EZSP erases all joining keys or none."""
        async with self._writing_key:
            self._keys.pop(node, None)
        await self._ezsp.clearTransientLinkKeys()


def _explain(code: ember.NcpResetCode) -> Exception:
    """Return what an ASH reset or error code means (UG101)."""
    if code == ember.NcpResetCode.ERROR_EXCEEDED_MAXIMUM_ACK_TIMEOUT_COUNT:
        return CoordinatorSilentError(SILENT)
    if code.name.startswith("RESET_"):
        return CoordinatorResetError(f"the coordinator restarted ({code.name})")
    return CoordinatorResetError(f"the coordinator failed ({code.name})")


def _aps_header(packet: ZigbeePacket) -> ApsHeader:
    options = _ROUTED
    if t.TransmitOptions.ACK in packet.tx_options:
        options |= _RETRIED
    if t.TransmitOptions.APS_Encryption in packet.tx_options:
        options |= _ENCRYPTED
    return ApsHeader(
        profile=packet.profile_id,
        cluster=packet.cluster_id,
        source_endpoint=packet.src_ep,
        endpoint=packet.dst_ep or 0,
        options=options,
    )
