"""How the events of a transfer put things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hanota.ota.attributes import AttributeId
from hanota.ota.client_events import ImageUpgradeStatus
from hanota.timestamps import iso
from hanota.zcl import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.hub.events import Json
    from hanota.hub.jobs import Job
    from hanota.ota.fields import ImageId

_VERSIONS: Final = frozenset(
    {AttributeId.CURRENT_FILE_VERSION, AttributeId.DOWNLOADED_FILE_VERSION, AttributeId.IMAGE_STAMP}
)


def status_name(status: int) -> str:
    """Return the name of a ZCL status, its number where it has none."""
    try:
        return Status(status).name
    except ValueError:
        return f"0x{status:02X}"


def image_name(image: ImageId) -> dict[str, Json]:
    """Return manufacturer, image type and file version in hexadecimal."""
    return {
        "manufacturer": f"{image.manufacturer_code:04X}",
        "image_type": f"{image.image_type:04X}",
        "file_version": f"{image.file_version:08X}",
    }


def attribute_values(attributes: Mapping[AttributeId, int]) -> dict[str, Json]:
    """Return client attributes by name: versions and addresses in hexadecimal, names for states."""
    return {attribute.name.lower(): _attribute(attribute, value) for attribute, value in attributes.items()}


def _attribute(attribute: AttributeId, value: int) -> Json:
    if attribute in _VERSIONS:
        return f"{value:08X}"
    if attribute is AttributeId.UPGRADE_SERVER_ID:
        return f"{value:016X}"
    if attribute is AttributeId.IMAGE_UPGRADE_STATUS:
        try:
            return ImageUpgradeStatus(value).name.lower()
        except ValueError:
            return value
    return value


def held_for(job: Job | None) -> str:
    """Return why the last block is kept back."""
    if job is None or job.waits_for_approval or job.options.upgrade_at is None:
        return "it waits for approval"
    return f"it is not to be activated before {iso(job.options.upgrade_at)}"


def rounded(value: float | None) -> float | None:
    """Return a figure as precise as anybody needs it."""
    return None if value is None else round(value, 1)
