"""One command from a device, what the Upgrade Server knows about the device, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hanota.ota.commands import encode_command
from hanota.ota.events import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.eui64 import Eui64
    from hanota.ota.block_size import BlockSizeBook
    from hanota.ota.commands import OtaCommand
    from hanota.ota.events import OtaEvent, Refusal
    from hanota.ota.fields import ImageId
    from hanota.ota.image import OtaFile
    from hanota.ota.pages import Pages
    from hanota.ota.session import Session
    from hanota.ota.settings import OtaServerSettings
    from hanota.ota.slots import Admission
    from hanota.zcl import Status, ZclFrame


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One ZCL frame to send to one device on the OTA Upgrade cluster."""

    device: Eui64
    data: bytes
    bulk: bool = False
    """Image data, which may wait behind everything else."""
    page: bool = False
    """A block of a page: to be sent without APS acknowledgement, and confirmed to the server."""


@dataclass(slots=True)
class Request:
    """The request, and the frames and events that answer it, which are added in order."""

    device: Eui64
    frame: ZclFrame
    now: float
    session: Session | None
    settings: OtaServerSettings
    within_rate: bool
    room: int | None
    slots: Admission
    pages: Pages
    book: BlockSizeBook
    device_files: Mapping[ImageId, OtaFile]
    outgoing: list[Outgoing] = field(default_factory=list)
    events: list[OtaEvent] = field(default_factory=list)

    def respond(self, command: OtaCommand) -> None:
        """Send `command` with the sequence number of the request."""
        self.outgoing.append(Outgoing(self.device, encode_command(command, self.frame.sequence)))

    def default_response(self, status: Status) -> None:
        """Answer the request with a Default Response."""
        self.outgoing.append(Outgoing(self.device, self.frame.default_response(status).encode()))

    def refused(self, reason: Refusal, status: Status, detail: str) -> None:
        """Tell that the request was refused."""
        self.events.append(RequestRefused(self.device, self.now, reason, status, detail))
