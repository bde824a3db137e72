"""The Tunneling cluster 0x0704 as GBCS uses it: the hub is the client, the device the server (GBCS 10.2.2).

A tunnel has no acknowledgement of its own: TransferData is answered only when it fails. Whether octets
arrived is known from the APS acknowledgement of the radio (`undelivered`), and in the end from the GBCS
response. A message may arrive twice; its GBCS counter is what tells.
"""

from hanota.zse.tunneling.client import TunnelClient, TunnelClientSettings
from hanota.zse.tunneling.commands import (
    RequestTunnelStatus,
    TransferData,
    TransferDataStatus,
    TunnelCommand,
    decode_command,
    encode_command,
)
from hanota.zse.tunneling.events import (
    DataReceived,
    SendFailed,
    TunnelClosed,
    TunnelEvent,
    TunnelFailed,
    TunnelFailure,
    TunnelOpened,
)
from hanota.zse.tunneling.server import TunnelServer, TunnelServerSettings

__all__ = [
    "DataReceived",
    "RequestTunnelStatus",
    "SendFailed",
    "TransferData",
    "TransferDataStatus",
    "TunnelClient",
    "TunnelClientSettings",
    "TunnelClosed",
    "TunnelCommand",
    "TunnelEvent",
    "TunnelFailed",
    "TunnelFailure",
    "TunnelOpened",
    "TunnelServer",
    "TunnelServerSettings",
    "decode_command",
    "encode_command",
]
