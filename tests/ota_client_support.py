"""An Upgrade Client, and its Upgrade Server by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.ota.client import ClientIdentity, OtaClient
from hanota.ota.commands import (
    ImageBlock,
    ImageBlockRequest,
    ImageBlockResponse,
    OtaCommand,
    QueryNextImageResponse,
    WaitForData,
    decode_command,
    encode_command,
)
from hanota.ota.fields import ImageId
from hanota.zcl import DefaultResponse, Status, ZclFrame

if TYPE_CHECKING:
    from hanota.ota.client_events import (
        ClientEvent,
    )
    from hanota.ota.settings import OtaClientSettings

NOW = 1_790_000_000.0
RUNNING = ImageId(0x121D, 0x0084, 1)
IMAGE = ImageId(0x121D, 0x0084, 2)
DATA = bytes(range(150))


class Bench:
    """A client, and the other side by hand."""

    def __init__(self, settings: OtaClientSettings | None = None, status: int = Status.SUCCESS) -> None:
        self.verified: list[bytes] = []
        self.client = OtaClient(ClientIdentity(RUNNING, 0x11), self.verify, settings)
        self.status = status
        self.now = NOW
        self.sequence = 0

    def verify(self, data: bytes) -> int:
        self.verified.append(data)
        return self.status

    def frames(self) -> list[ZclFrame]:
        return [ZclFrame.decode(data) for data in self.client.requests()]

    def request(self) -> OtaCommand:
        (frame,) = self.frames()
        self.sequence = frame.sequence
        return decode_command(frame)

    def answer(self, command: OtaCommand, sequence: int | None = None) -> list[ClientEvent]:
        self.client.receive(
            encode_command(command, self.sequence if sequence is None else sequence), self.now
        )
        return self.client.events()

    def default(self, command: int, status: int) -> list[ClientEvent]:
        frame = ZclFrame(self.sequence, 0x0B, bytes((command, status)), cluster_specific=False)
        self.client.receive(frame.encode(), self.now)
        return self.client.events()

    def default_responses(self) -> list[DefaultResponse]:
        return [DefaultResponse.decode(frame.payload) for frame in self.frames() if frame.is_default_response]

    def elapse(self, seconds: float) -> list[ClientEvent]:
        self.now += seconds
        self.client.expire(self.now)
        return self.client.events()

    def offered(self, image: ImageId = IMAGE, size: int = len(DATA)) -> list[ClientEvent]:
        self.client.start(self.now)
        self.request()
        return self.answer(QueryNextImageResponse(Status.SUCCESS, image, size))

    def downloaded(self, until: int = len(DATA)) -> list[ClientEvent]:
        """Answer block requests, 63 octets each, until so many octets are there."""
        self.offered()
        told: list[ClientEvent] = []
        for start in range(0, until, 63):
            assert isinstance(self.request(), ImageBlockRequest)
            told = self.answer(block(start, DATA[start : start + 63]))
        return told


def block(offset: int, data: bytes, image: ImageId = IMAGE) -> ImageBlockResponse:
    return ImageBlockResponse(Status.SUCCESS, ImageBlock(image, offset, data))


def wait(current: int, request: int) -> ImageBlockResponse:
    return ImageBlockResponse(Status.WAIT_FOR_DATA, WaitForData(current, request))
