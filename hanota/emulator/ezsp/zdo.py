"""The co-processor's own ZDO: it answers, and the host hears of it as its configuration says."""

from __future__ import annotations

from enum import IntFlag
from typing import TYPE_CHECKING, Final

from hanota.emulator.ezsp.aps import ApsOption
from hanota.emulator.ezsp.configuration import ConfigId, ValueId
from hanota.emulator.zdo import (
    RESPONSE,
    NodeDescriptor,
    ZdoCluster,
    ZdoServer,
)
from hanota.errors import RemoteProtocolError

if TYPE_CHECKING:
    from hanota.emulator.air import ApsFrame
    from hanota.emulator.ezsp.configuration import Configuration
    from hanota.emulator.ezsp.messaging import MessagingCommands
    from hanota.emulator.ezsp.ncp import EzspNcp, Handlers

SERVER_MASK: Final = 0x2C41
"""Stack revision 22, network manager, primary trust centre."""
SILICON_LABS: Final = 0x1049
"""Manufacturer code until the host sets another."""

ENDPOINT_REQUESTS: Final = frozenset(
    (ZdoCluster.SIMPLE_DESC_REQ, ZdoCluster.ACTIVE_EP_REQ, ZdoCluster.MATCH_DESC_REQ)
)
SUPPORTED_REQUESTS: Final = ENDPOINT_REQUESTS | {
    ZdoCluster.NWK_ADDR_REQ,
    ZdoCluster.IEEE_ADDR_REQ,
    ZdoCluster.NODE_DESC_REQ,
}
"""Requests that the stack answers by itself."""


class ZdoFlag(IntFlag):
    """EmberZdoConfigurationFlags."""

    APP_RECEIVES_SUPPORTED_ZDO_REQUESTS = 0x01
    APP_HANDLES_UNSUPPORTED_ZDO_REQUESTS = 0x02
    APP_HANDLES_ZDO_ENDPOINT_REQUESTS = 0x04


class Zdo:
    """Endpoint 0 of one co-processor."""

    def __init__(self, ncp: EzspNcp, configuration: Configuration, messaging: MessagingCommands) -> None:
        self._ncp = ncp
        self._configuration = configuration
        self._messaging = messaging
        self._manufacturer_code = SILICON_LABS

    def handlers(self) -> Handlers:
        """Return the command handlers by frame id."""
        return {0x0015: self._set_manufacturer_code}

    def reset(self) -> None:
        """Forget the host's manufacturer code."""
        self._manufacturer_code = SILICON_LABS

    def receive(self, frame: ApsFrame) -> None:
        """Take a ZDO frame from the air, or from the host to the node itself."""
        if not frame.payload:
            return
        flags = ZdoFlag(self._configuration[ConfigId.APPLICATION_ZDO_FLAGS] & 0x07)
        if frame.cluster & RESPONSE or frame.cluster == ZdoCluster.DEVICE_ANNCE:
            self._messaging.report(frame)
        elif frame.source == self._ncp.nwk:
            self._respond(frame)
        elif self._is_for_host(frame.cluster, flags):
            self._messaging.report(frame, ApsOption.ZDO_RESPONSE_REQUIRED)
        else:
            if frame.cluster in SUPPORTED_REQUESTS and flags & ZdoFlag.APP_RECEIVES_SUPPORTED_ZDO_REQUESTS:
                self._messaging.report(frame)
            if frame.cluster in SUPPORTED_REQUESTS or not frame.is_broadcast:
                self._respond(frame)

    def _is_for_host(self, cluster: int, flags: ZdoFlag) -> bool:
        if cluster in ENDPOINT_REQUESTS:
            return bool(flags & ZdoFlag.APP_HANDLES_ZDO_ENDPOINT_REQUESTS)
        unsupported = cluster not in SUPPORTED_REQUESTS
        return unsupported and bool(flags & ZdoFlag.APP_HANDLES_UNSUPPORTED_ZDO_REQUESTS)

    def _respond(self, frame: ApsFrame) -> None:
        try:
            response = self._server().respond(frame.cluster, frame.payload)
        except RemoteProtocolError:
            return
        if response is None:
            return
        if frame.source == self._ncp.nwk:
            self._messaging.report_own_zdo(frame.cluster | RESPONSE, response)
        elif not self._ncp.zdo_sender.send(frame.source, frame.cluster | RESPONSE, response):
            self._ncp.statistics.unanswered_requests += 1

    def _server(self) -> ZdoServer:
        transfer = self._configuration.value(ValueId.MAXIMUM_INCOMING_TRANSFER_SIZE)
        descriptor = NodeDescriptor(
            logical_type=0,
            capabilities=self._ncp.capabilities,
            manufacturer_code=self._manufacturer_code,
            maximum_transfer=int.from_bytes(transfer, "little"),
            server_mask=SERVER_MASK,
        )
        endpoints = tuple(self._ncp.endpoints.values())
        return ZdoServer(self._ncp.eui64, self._ncp.nwk, descriptor, endpoints)

    def _set_manufacturer_code(self, data: bytes) -> bytes:
        self._manufacturer_code = int.from_bytes(data[:2], "little")
        return self._ncp.layout.status_since_14()
