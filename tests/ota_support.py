"""A device whose every frame is made by hand, and the Upgrade Server it speaks to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hanota.eui64 import Eui64
from hanota.ota.build import build_ppmid_image
from hanota.ota.commands import (
    ImageBlockRequest,
    ImageBlockResponse,
    OtaCommand,
    QueryNextImageRequest,
    QueryNextImageResponse,
    UpgradeEndRequest,
    decode_command,
    encode_command,
)
from hanota.ota.fields import ImageId
from hanota.ota.header import HardwareVersions, OtaHeader
from hanota.ota.session import Activation, SessionState
from hanota.zcl import DefaultResponse, Direction, Status, ZclFrame

if TYPE_CHECKING:
    from hanota.ota.events import (
        OtaEvent,
    )
    from hanota.ota.server import OtaServer

NOW = 1_790_000_000.0
PPMID = Eui64.parse("00-DB-12-34-56-78-90-A4")
HCALCS = Eui64.parse("00-DB-12-34-56-78-90-A5")
STRANGER = Eui64.parse("00-DB-12-34-56-78-90-FF")
HEADER = OtaHeader(0x121D, 0x0084, 0x0200, hardware_versions=HardwareVersions(0x10, 0x20))
FILE = build_ppmid_image(HEADER, bytes(range(200)))
SIZE = len(FILE.data)
IMAGE = ImageId(0x121D, 0x0084, 0x0200)
RUNNING = replace(IMAGE, file_version=0x0100)


class Device:
    """Sends commands by hand and reads the answers."""

    def __init__(self, server: OtaServer, eui64: Eui64 = PPMID) -> None:
        self.server, self.eui64 = server, eui64
        self.now = NOW
        self.told: list[OtaEvent] = []

    def offered(self, activation: Activation = Activation.IMMEDIATE, **kwargs: bool) -> Device:
        self.server.offer(self.eui64, FILE, activation, self.now, **kwargs)
        self.drain()
        return self

    def drain(self) -> list[ZclFrame]:
        self.told = self.server.events()
        return [ZclFrame.decode(out.data) for out in self.server.responses() if out.device == self.eui64]

    def send_frame(self, data: bytes) -> list[ZclFrame]:
        self.server.receive(self.eui64, data, self.now)
        return self.drain()

    def ask(self, command: OtaCommand, sequence: int = 7) -> OtaCommand | DefaultResponse | None:
        frames = self.send_frame(encode_command(command, sequence))
        if not frames:
            return None
        (frame,) = frames
        assert frame.sequence == sequence
        assert frame.direction is Direction.TO_CLIENT
        assert frame.disable_default_response
        if frame.is_default_response:
            return DefaultResponse.decode(frame.payload)
        return decode_command(frame)

    def query(
        self, version: int = 0x0100, hardware: int | None = 0x11
    ) -> OtaCommand | DefaultResponse | None:
        return self.ask(QueryNextImageRequest(replace(IMAGE, file_version=version), hardware))

    def block(self, offset: int, size: int = 63) -> OtaCommand | DefaultResponse | None:
        return self.ask(ImageBlockRequest(IMAGE, offset, size))

    def download(self) -> None:
        for offset in range(0, SIZE, 48):
            self.block(offset)

    def end(self, status: int = Status.SUCCESS) -> OtaCommand | DefaultResponse | None:
        return self.ask(UpgradeEndRequest(status, IMAGE))

    def state(self) -> SessionState | None:
        return self.server.state(self.eui64)


NO_IMAGE = QueryNextImageResponse(Status.NO_IMAGE_AVAILABLE)
ABORT = ImageBlockResponse(Status.ABORT)
