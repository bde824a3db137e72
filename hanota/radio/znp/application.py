"""The zigpy application of a Z-Stack coordinator."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING, Any

import zigpy.types as t
import zigpy_znp.commands as c
import zigpy_znp.types as znp_t
from zigpy_znp.exceptions import CommandNotRecognized, InvalidCommandResponse
from zigpy_znp.zigbee.application import ControllerApplication

from hanota.errors import RadioError
from hanota.radio.application import CoordinatorResetError, HanApplication, to_eui64, to_ieee
from hanota.radio.frame import ReceivedFrame
from hanota.radio.znp.data import INCOMING, data_request_ext
from hanota.radio.znp.facts import own_eui64, write_eui64, znp_facts
from hanota.radio.znp.huge import LARGEST_REQUEST, HugeZnp
from hanota.radio.znp.keys import ZnpLinkKeys
from hanota.zse.fragmentation import cut

if TYPE_CHECKING:
    from zigpy.types import EUI64, KeyData

    from hanota.eui64 import Eui64
    from hanota.radio.facts import CoordinatorFacts, NetworkFacts

logger = logging.getLogger(__name__)


class ZnpApplication(HanApplication, ControllerApplication):  # type: ignore[misc]  # published without types
    """A Z-Stack 3 coordinator. `_znp` is private: zigpy-znp offers no other way to the commands used here."""

    async def connect(self) -> None:
        """Open the port with a connection of ours, which carries messages of any length."""
        znp = HugeZnp(
            self.config,
            limits=self._settings.fragmentation,
            received=self._long_message,
            refused=self._gate.malformed,
            arrived=self._arrived,
        )
        await znp.connect()
        self._znp = znp
        znp.set_application(self)
        self._bind_callbacks()

    @property
    def link_keys(self) -> ZnpLinkKeys:
        """The coordinator's link keys."""
        if self._znp is None:
            raise RadioError("the coordinator is not running")
        return ZnpLinkKeys(self._znp)

    def on_zdo_tc_device_join(self, msg: Any) -> None:
        """Also tell that the coordinator may have dropped the device's key: it does at a fresh join."""
        self._gate.came_back(to_eui64(msg.SrcIEEE))
        super().on_zdo_tc_device_join(msg)

    async def form_network(self, *, fast: bool = False) -> None:
        """Form with the coordinator's own EUI-64 as extended PAN id, unless one is configured (GBCS)."""
        network = self.config["network"]
        configured = network["extended_pan_id"]
        if configured is None:
            network["extended_pan_id"] = t.ExtendedPanId(to_ieee(await own_eui64(self._znp)))
        try:
            await super().form_network(fast=fast)
        finally:
            network["extended_pan_id"] = configured

    async def write_network_info(self, *, network_info: Any, node_info: Any) -> None:
        """Write a network; the coordinator keeps an EUI-64 that was written, which zigpy-znp would erase."""
        if node_info.ieee == t.EUI64.UNKNOWN:
            node_info.ieee = to_ieee(await own_eui64(self._znp))
        await super().write_network_info(network_info=network_info, node_info=node_info)

    async def facts(self, network: NetworkFacts | None) -> CoordinatorFacts:
        """Ask the coordinator what it is."""
        return await znp_facts(self._znp, network)

    async def write_eui64(self, eui64: Eui64, *, burn: bool) -> None:  # noqa: ARG002  # can be done again
        """Write another EUI-64 and restart."""
        await write_eui64(self._znp, eui64)
        await self._znp.reset()

    async def start_network(self, *, read_only: bool = False) -> None:
        """Start, then let nobody join without an install code and listen for restarts."""
        await super().start_network(read_only=read_only)
        # For ever. zigpy-znp does so for one window: once that ended, the next would be open to all.
        await self._set_policy(c.AppConfig.BDBSetJoinUsesInstallCodeKey, BdbJoinUsesInstallCodeKey=True)
        # GB devices replace their key by CBKE and never ask for one as R21 has it; Z-Stack would expel them.
        await self._set_policy(c.AppConfig.BDBSetTcRequireKeyExchange, BdbTrustCenterRequireKeyExchange=False)
        self._znp.callback_for_response(c.SYS.ResetInd.Callback(partial=True), self._restarted)

    async def permit_with_link_key(self, node: EUI64, link_key: KeyData, time_s: int = 60) -> None:
        """Let `node` join with its key for `time_s` seconds, and nobody without a key; return at once."""
        await self._add_install_code(node, link_key)
        # Past the refusal of HanApplication.permit, to the library's own.
        await super(HanApplication, self).permit(time_s)

    async def shut_out(self, node: EUI64) -> None:
        """Let `node` join no more, whichever key it has: Z-Stack erases no install code, but replaces it."""
        await self._add_install_code(node, t.KeyData(secrets.token_bytes(16)))

    async def _add_install_code(self, node: EUI64, link_key: KeyData) -> None:
        await self._znp.request(
            c.AppConfig.BDBAddInstallCode.Req(
                InstallCodeFormat=c.app_config.InstallCodeFormat.KeyDerivedFromInstallCode,
                IEEE=node,
                InstallCode=link_key.serialize(),
            ),
            RspStatus=znp_t.Status.SUCCESS,
        )

    async def _send_request_raw(self, **request: Any) -> None:
        # Private, as zigpy-znp has no other place between its retries and the one MT frame of a request.
        data = request["data"]
        if len(data) <= LARGEST_REQUEST:
            if (
                request["src_ep"] == self._settings.endpoint.endpoint
                and request["dst_ep"]
                and request["dst_addr"].mode == znp_t.AddrMode.NWK
                and not request["relays"]
            ):
                await self._send_data(**request)
            else:
                await super()._send_request_raw(**request)
            return
        command = c.AF.DataRequestExt.Req(
            DstAddrModeAddress=request["dst_addr"],
            DstEndpoint=request["dst_ep"],
            DstPanId=0x0000,
            SrcEndpoint=request["src_ep"],
            ClusterId=request["cluster"],
            TSN=request["sequence"],
            Options=request["options"],
            Radius=request["radius"],
            Data=data,
        )
        blocks = len(cut(data, self._settings.fragmentation))
        async with asyncio.timeout(blocks * self._settings.confirm_timeout):
            await self._znp.send_huge(command)

    async def _send_data(self, **request: Any) -> None:
        sequence = request["sequence"]
        frame = data_request_ext(
            nwk=request["dst_addr"].address,
            endpoint=request["dst_ep"],
            source_endpoint=request["src_ep"],
            cluster=request["cluster"],
            sequence=sequence,
            options=request["options"],
            radius=request["radius"],
            data=request["data"],
        )
        settings = self._settings
        patience = (
            settings.confirm_timeout_sleepy if request["extended_timeout"] else settings.confirm_timeout
        )
        async with asyncio.timeout(patience):
            status, accepted = await self._znp.send_data(frame, int(sequence))
        if status == znp_t.Status.SUCCESS:
            return
        if accepted:
            response = c.AF.DataConfirm.Callback(
                Status=znp_t.Status(status), Endpoint=request["src_ep"], TSN=sequence
            )
        else:
            response = c.AF.DataRequestExt.Rsp(Status=znp_t.Status(status))
        raise InvalidCommandResponse(f"Unsuccessful request status code: {response.Status!r}", response)

    def _arrived(self, body: bytes) -> bool:
        if len(body) < INCOMING.size:
            return False
        (group, cluster, source, source_endpoint, endpoint, broadcast, lqi, secured, _, _, length) = (
            INCOMING.unpack_from(body)
        )
        descriptor = self._device.endpoints.get(endpoint)
        if descriptor is None or len(body) < INCOMING.size + length:
            return False
        return self._gate.take(
            ReceivedFrame(
                nwk=source,
                source_endpoint=source_endpoint,
                endpoint=endpoint,
                profile=descriptor.profile_id if endpoint else 0,
                cluster=cluster,
                data=body[INCOMING.size : INCOMING.size + length],
                encrypted=bool(secured),
                unicast=not broadcast and not group,
                lqi=lqi,
            )
        )

    def _long_message(self, message: Any) -> None:
        self.create_task(self.on_af_message(message), "long-message")

    async def _set_policy(self, command: Any, **value: bool) -> None:
        try:
            await self._znp.request(command.Req(**value), RspStatus=znp_t.Status.SUCCESS)
        except CommandNotRecognized:
            logger.warning("this Z-Stack does not know %s", command)

    def _restarted(self, indication: Any) -> None:
        # zigpy-znp resets the coordinator only before this listener is set and after it is removed.
        self.connection_lost(CoordinatorResetError(f"the coordinator restarted ({indication.Reason.name})"))
