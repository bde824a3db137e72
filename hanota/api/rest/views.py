"""What REST tells of devices, images, jobs and transfers."""

from typing import Self

from pydantic import BaseModel, Field

from hanota.api.rest.fields import EuiField, HexField, SecondsField
from hanota.dcc.device_record import DeviceRecord
from hanota.hub.jobs import Job, JobKind, JobState
from hanota.hub.library_image import LibraryImage
from hanota.hub.ports import DeviceLogEntry, EstablishedKey
from hanota.hub.progress import Progress, Signal


class ProgressView(BaseModel):
    """How far a transfer is."""

    device: EuiField
    job: int
    octets: int
    total: int
    percentage: float
    rate: float | None = Field(description="Octets a second; null before two blocks were served.")
    seconds_left: float | None
    repeats: int = Field(description="Blocks served more than once.")
    waits: int = Field(description="Requests answered WAIT_FOR_DATA.")
    lqi: int | None
    rssi: int | None = Field(description="dBm.")

    @classmethod
    def of(cls, progress: Progress) -> Self:
        """Tell of a transfer under way."""
        return cls(
            device=progress.device,
            job=progress.job,
            octets=progress.octets,
            total=progress.total,
            percentage=progress.percentage,
            rate=progress.rate,
            seconds_left=progress.seconds_left,
            repeats=progress.repeats,
            waits=progress.waits,
            lqi=progress.signal.lqi,
            rssi=progress.signal.rssi,
        )


class JobView(BaseModel):
    """One image for one device."""

    id: int
    request_id: str
    kind: JobKind
    device: EuiField
    image: HexField = Field(description="The SHA-256 of the image's file.")
    firmware_version: str = Field(description="8 hex digits.")
    manufacturer_image_hash: HexField
    state: JobState
    ended: bool
    reason: str = Field(description="Why it ended.")
    created: SecondsField
    updated: SecondsField
    priority: str
    upgrade_at: SecondsField | None
    needs_approval: bool
    waits_for_approval: bool
    allow_downgrade: bool
    expires_at: SecondsField | None
    paused: bool
    failures: int = Field(description="Downloads that the device gave up.")
    retry_at: SecondsField | None
    execution_at: SecondsField | None = Field(
        description="When the device executes the future dated CS06 it was sent; null: at once, or unknown."
    )
    progress: ProgressView | None = Field(description="While it is transferred.")

    @classmethod
    def of(cls, job: Job, progress: Progress | None = None) -> Self:
        """Tell of a job, and how far its transfer is."""
        return cls(
            id=job.id,
            request_id=job.request_id,
            kind=job.kind,
            device=job.device,
            image=job.image,
            firmware_version=job.firmware_version.hex().upper(),
            manufacturer_image_hash=job.manufacturer_image_hash,
            state=job.state,
            ended=job.state.is_end,
            reason=job.reason,
            created=job.created,
            updated=job.updated,
            priority=job.options.priority.name.lower(),
            upgrade_at=job.options.upgrade_at,
            needs_approval=job.options.needs_approval,
            waits_for_approval=job.waits_for_approval and not job.state.is_end,
            allow_downgrade=job.options.allow_downgrade,
            expires_at=job.options.expires_at,
            paused=job.paused,
            failures=job.failures,
            retry_at=job.retry_at,
            execution_at=job.execution_at,
            progress=None if progress is None else ProgressView.of(progress),
        )


class DeviceView(BaseModel):
    """A device of the Device Log or of the inventory."""

    device: EuiField
    device_type: str
    in_device_log: bool
    ready: bool = Field(description="It joined, and has its link key where one is due.")
    link_key_suite: int | None = Field(description="Of the link key made by key establishment.")
    status: str | None = Field(description="In the Smart Metering Inventory.")
    manufacturer_code: int | None
    model: str
    hardware_version: int | None
    firmware_version: str | None = Field(description="As the device said it under its own key.")
    gbcs_version: str | None
    lqi: int | None = Field(description="Link quality of its last frame, 0 to 255.")
    rssi: int | None = Field(description="Signal strength of its last frame, dBm.")
    job: JobView | None = Field(description="The job that has not ended.")

    @classmethod
    def of(
        cls,
        entry: DeviceLogEntry | None,
        record: DeviceRecord | None,
        *,
        ready: bool,
        key: EstablishedKey | None,
        signal: Signal,
        job: JobView | None,
    ) -> Self:
        """Tell of a device that stands in the Device Log, in the inventory, or in both."""
        if entry is not None:
            device, device_type = entry.device, entry.device_type.name
        elif record is not None:
            device, device_type = record.eui64, str(record.device_type)
        else:
            raise ValueError("a device that is nowhere")
        return cls(
            device=device,
            device_type=device_type,
            in_device_log=entry is not None,
            ready=ready,
            link_key_suite=None if key is None else key.suite,
            status=None if record is None else str(record.status),
            manufacturer_code=None if record is None else record.manufacturer_code,
            model="" if record is None else record.model,
            hardware_version=None if record is None else record.hardware_version,
            firmware_version=None if record is None else record.firmware_version,
            gbcs_version=None if record is None else record.gbcs_version,
            lqi=signal.lqi,
            rssi=signal.rssi,
            job=job,
        )


class ImageView(BaseModel):
    """One image of the library."""

    digest: HexField = Field(description="The SHA-256 of the file, by which jobs name it.")
    kind: JobKind
    manufacturer_code: int
    image_type: int
    firmware_version: str = Field(description="8 hex digits.")
    minimum_hardware_version: int | None
    maximum_hardware_version: int | None
    manufacturer_image_hash: HexField
    octets: int
    signature: str = Field(description="What is known of the supplier's signature.")
    added: SecondsField
    retired: SecondsField | None

    @classmethod
    def of(cls, image: LibraryImage) -> Self:
        """Tell of an image."""
        hardware = image.hardware_versions
        return cls(
            digest=image.digest,
            kind=image.kind,
            manufacturer_code=image.image_id.manufacturer_code,
            image_type=image.image_id.image_type,
            firmware_version=f"{image.image_id.file_version:08X}",
            minimum_hardware_version=None if hardware is None else hardware.minimum,
            maximum_hardware_version=None if hardware is None else hardware.maximum,
            manufacturer_image_hash=image.manufacturer_image_hash,
            octets=image.octets,
            signature=str(image.signature),
            added=image.added,
            retired=image.retired,
        )
