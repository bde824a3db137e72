"""One case on one device: what it may ask of the rig, what it has seen, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from hanota.conformance.errors import CaseFailedError, NotReachedError, RigTimeoutError
from hanota.conformance.evidence import Evidence
from hanota.conformance.faulty_radio import Altered, Way
from hanota.conformance.version import running_version
from hanota.dcc.errors import NoResponseError
from hanota.errors import RemoteProtocolError
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from hanota.ota.commands import (
    ImageBlock,
    ImageBlockRequest,
    ImageBlockResponse,
    ImagePageRequest,
    decode_command,
    encode_command,
)
from hanota.zcl import ClusterId, Status, ZclFrame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hanota.conformance.faulty_radio import RadioFrame
    from hanota.conformance.images import Images
    from hanota.conformance.messages import Heard
    from hanota.conformance.rig import Rig, RigDevice
    from hanota.hub.events import Event
    from hanota.hub.jobs import Job, JobOptions
    from hanota.ota.commands import OtaCommand
    from hanota.ota.image import OtaFile

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a device may take, in seconds of its own time."""

    query: float = 300
    """From Image Notify to its query: a display that sleeps polls every few minutes."""
    slowest: float = 20
    """Octets a second below which a download counts as failed: pages of flash, sub-second polls."""
    download: float = 900
    """On top of that: erasing the flash, a retry by the hub."""
    activation: float = 900
    """From the word to activate until the new version runs and answers."""
    response: float = 660
    """From a command to its response: the DCC waits for 600."""
    silence: float = 60
    """How long is watched for what must not happen."""
    rejoin: float = 300
    """From power to its next frame."""
    wait_tolerance: float = 1.0
    """How much sooner than told a device may ask after WAIT_FOR_DATA: its clock has seconds."""
    return_tolerance: float = 300
    """How much later it may be back."""


class Trial:
    """What a case is run with."""

    def __init__(
        self,
        rig: Rig,
        device: RigDevice,
        images: Images,
        *,
        running: int,
        patience: Patience,
        downgrade_allowed: bool = False,
    ) -> None:
        """`running` is the version that the device is known to run."""
        self.rig, self.device, self.patience = rig, device, patience
        self.downgrade_allowed = downgrade_allowed
        self.running = running
        self.evidence: list[Evidence] = []
        self._images = images
        self.mark = rig.traffic.mark
        """The first frame of this case."""
        self.event_mark = rig.last_event

    # -- verdicts ------------------------------------------------------------------------------------------

    def saw(self, text: str, *events: Event) -> None:
        """Keep what was seen."""
        self.evidence.append(Evidence(self.rig.clock.now(), text, tuple(event.seq for event in events)))

    def check(self, holds: object, expected: str, seen: str) -> None:
        """Fail the case unless `holds`; `seen` is kept as evidence either way."""
        if not holds:
            raise CaseFailedError(expected, seen)
        self.saw(seen)

    def check_silently(self, holds: object, expected: str, seen: str) -> None:
        """Fail the case unless `holds`; for what is looked at many times."""
        if not holds:
            raise CaseFailedError(expected, seen)

    async def see(self, expected: str, holds: Callable[[], object], seconds: float) -> None:
        """Fail the case unless it holds in time."""
        try:
            await self.rig.until(holds, seconds)
        except RigTimeoutError:
            raise CaseFailedError(
                expected, f"nothing of it within {seconds:.0f} s; {self.last_words}"
            ) from None
        self.saw(expected)

    async def reach(self, what: str, holds: Callable[[], object], seconds: float) -> None:
        """Make for the state that the case begins from; NotReachedError where it is not reached in time."""
        try:
            await self.rig.until(holds, seconds)
        except RigTimeoutError:
            raise NotReachedError(
                f"could not get to where {what} within {seconds:.0f} s; {self.last_words}"
            ) from None

    @property
    def last_words(self) -> str:
        """What the device did last, in words."""
        events = [event for event in self.rig.events if event.device == self.device.eui64][-1:]
        return f"last of it: event {events[0].seq} {events[0].kind}" if events else "nothing was heard of it"

    # -- what the device said ------------------------------------------------------------------------------

    def events(self, kind: EventKind, **detail: object) -> list[Event]:
        """Return the device's events of this case."""
        return self.rig.seen(kind, self.device, since=self.event_mark, **detail)  # type: ignore[arg-type]

    def said(self, *commands: type[T], since: int | None = None) -> list[tuple[RadioFrame, T]]:
        """Return the device's OTA commands of these types, with their frames."""
        return self._commands(Way.FROM_DEVICE, commands, since)

    def told(self, *commands: type[T], since: int | None = None) -> list[tuple[RadioFrame, T]]:
        """Return the hub's OTA commands of these types to the device, with their frames."""
        return self._commands(Way.TO_DEVICE, commands, since)

    def _commands(
        self, way: Way, commands: tuple[type[T], ...], since: int | None
    ) -> list[tuple[RadioFrame, T]]:
        start = self.mark if since is None else since
        frames = self.rig.frames(self.device, way, ClusterId.OTA_UPGRADE, since=start)
        pairs = ((frame, ota_command(frame.data)) for frame in frames)
        return [(frame, command) for frame, command in pairs if isinstance(command, commands)]

    def messages(self, *codes: int, since: int | None = None) -> list[Heard]:
        """Return the device's GBCS messages with these message codes, believed or not."""
        start = self.mark if since is None else since
        heard = self.rig.messages(self.device, Way.FROM_DEVICE, since=start)
        return [each for each in heard if not codes or each.message.message_code in codes]

    def block_requests(
        self, since: int | None = None
    ) -> list[tuple[RadioFrame, ImageBlockRequest | ImagePageRequest]]:
        """Return what the device asked for of its image."""
        start = self.mark if since is None else since
        frames = self.rig.frames(self.device, Way.FROM_DEVICE, ClusterId.OTA_UPGRADE, since=start)
        pairs = ((frame, ota_command(frame.data)) for frame in frames)
        return [
            (frame, command)
            for frame, command in pairs
            if isinstance(command, ImageBlockRequest | ImagePageRequest)
        ]

    def farthest(self, since: int | None = None) -> int:
        """Return the highest octet asked for."""
        return max((command.file_offset for _, command in self.block_requests(since)), default=0)

    # -- steps ---------------------------------------------------------------------------------------------

    def image(self) -> OtaFile:
        """Return an image above the version that runs; raise NotApplicableError where there is none."""
        return self._images.above(self.running)

    def offer(self, file: OtaFile, options: JobOptions | None = None) -> Job:
        """Have the hub distribute an image to the device."""
        return self.rig.update(self.device, file.data, options)

    async def begun(self, file: OtaFile | None = None, *, octets: int = 0) -> OtaFile:
        """Reach a download under way with at least so many octets asked for."""
        file = file or self.image()
        asked: list[int] = []

        def heard(frame: RadioFrame) -> None:
            # At once, and not at the next look: a small image is downloaded within a second.
            if frame.way is not Way.FROM_DEVICE or frame.device != self.device.eui64:
                return
            match ota_command(frame.data):
                case ImageBlockRequest(file_offset=offset) | ImagePageRequest(file_offset=offset):
                    if offset >= octets:
                        asked.append(offset)
                        self.rig.look()
                case _:
                    pass

        unsubscribe = self.rig.traffic.subscribe(heard)
        self.offer(file)
        try:
            await self.reach(
                f"the device downloads octet {octets}", lambda: asked, self.download_seconds(file)
            )
        finally:
            unsubscribe()
        return file

    def download_seconds(self, file: OtaFile) -> float:
        """Return how long a download may take, with its beginning."""
        return len(file.data) / self.patience.slowest + self.patience.download

    def ended(self, since: int | None = None) -> list[Event]:
        """Return the Upgrade End Requests that the hub took, since an event."""
        start = self.event_mark if since is None else since
        return self.rig.seen(EventKind.UPGRADE_END, self.device, since=start)

    def has_whole(self, since: int | None = None) -> bool:
        """Tell whether the device ended its download with SUCCESS, since an event."""
        return any(event.detail.get("status") == Status.SUCCESS.name for event in self.ended(since))

    async def whole(self, file: OtaFile, expected: str, since: int | None = None) -> None:
        """Fail the case unless the device ends its download with SUCCESS, since an event."""
        seconds = self.download_seconds(file)
        try:
            await self.rig.until(lambda: self.ended(since), seconds)
        except RigTimeoutError:
            raise CaseFailedError(
                expected, f"octet {self.farthest()} of {len(file.data)} after {seconds:.0f} s"
            ) from None
        event = self.ended(since)[-1]
        if not self.has_whole(since):
            raise CaseFailedError(expected, f"Upgrade End Request {event.detail.get('status')}")
        self.saw("Upgrade End Request SUCCESS", event)

    async def held(self) -> OtaFile:
        """Reach where an HCALCS has an image, whole, and was told to wait for CS06."""
        file = self.image()
        since = self.rig.last_event
        self.offer(file)
        await self.reach(
            "the device holds an image",
            lambda: self.rig.seen(EventKind.UPGRADE_END_ANSWERED, self.device, since=since),
            self.download_seconds(file),
        )
        return file

    async def obtained(self, what: str, outcome: Awaitable[T]) -> T:
        """Return the outcome of something the case begins with; NotReachedError where it has none."""
        try:
            return await outcome
        except NoResponseError as error:
            raise NotReachedError(f"{what}: {error}") from error

    async def check_runs(self, version: int, expected: str) -> None:
        """Fail the case unless the device comes to run `version`."""
        told = await running_version(self.rig, self.device, self.patience.activation, version)
        if told is None:
            raise NotReachedError("the device does not tell its version; see the case read-version")
        self.check(told == version, expected, f"the device runs {told:08X}")
        self.running = version

    async def check_still_runs(self, version: int, expected: str) -> None:
        """Fail the case unless the device runs `version` now."""
        told = await running_version(self.rig, self.device, self.patience.rejoin)
        if told is None:
            raise NotReachedError("the device does not tell its version; see the case read-version")
        self.check(told == version, expected, f"the device runs {told:08X}")

    async def activated(self) -> OtaFile:
        """Reach where the device runs another image, by its own kind's way."""
        file = await self.transferred()
        if self.device.kind is JobKind.HCALCS:
            since = self.rig.traffic.mark
            await self.activate(file)
            await self.reach(
                "the device answers CS06", lambda: self.messages(since=since), self.patience.response
            )
        self.running = file.header.file_version
        return file

    async def transferred(self) -> OtaFile:
        """Reach where the device has a whole image and the hub has answered it."""
        file = self.image()
        since = self.rig.last_event
        self.offer(file)
        await self.reach(
            "the device has a whole image",
            lambda: self.rig.seen(EventKind.UPGRADE_END_ANSWERED, self.device, since=since),
            self.download_seconds(file),
        )
        return file

    async def hand(self, octets: bytes) -> None:
        """Hand the device a message behind the DCC's back; NotReachedError where no tunnel takes it there."""
        since = self.rig.traffic.mark
        self.rig.relay(self.device, octets)
        await self.sent(since)

    async def sent(self, since: int) -> None:
        """Reach where a GBCS message has gone into the device's tunnel, since a frame."""
        await self.reach(
            "the message goes to the device; see the case tunnel",
            lambda: self.rig.messages(self.device, Way.TO_DEVICE, since=since),
            self.patience.response,
        )

    async def activate(self, file: OtaFile) -> None:
        """Hand the device a right CS06 for an image."""
        octets = self.rig.activation_command(self.device, file.manufacturer_image_hash).encode()
        await self.hand(octets)

    def serve_instead(self, octets: bytes) -> None:
        """Have blocks carry these octets in place of the image's; as many of them."""
        self.rig.traffic.add_fault(lambda frame: self._other_block(frame, octets))

    def _other_block(self, frame: RadioFrame, octets: bytes) -> Altered | None:
        if frame.way is not Way.TO_DEVICE or frame.cluster != ClusterId.OTA_UPGRADE:
            return None
        if frame.device != self.device.eui64:
            return None
        match ota_command(frame.data):
            case ImageBlockResponse(status=status, body=ImageBlock(image, offset, data)):
                other = ImageBlock(image, offset, octets[offset : offset + len(data)])
                sequence = frame.data[1]
                return Altered(encode_command(ImageBlockResponse(status, other), sequence))
            case _:
                return None


@lru_cache(maxsize=8192)
def ota_command(data: bytes) -> OtaCommand | None:
    """Return the OTA command that a frame carries, None where it carries none."""
    try:
        frame = ZclFrame.decode(data)
        return decode_command(frame) if frame.cluster_specific else None
    except RemoteProtocolError:
        return None


def status_name(status: int) -> str:
    """Return a status by its name."""
    try:
        return Status(status).name
    except ValueError:
        return f"{status:#04x}"
