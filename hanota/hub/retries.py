"""When a download that a device gave up is offered again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanota.zcl import Status

if TYPE_CHECKING:
    from hanota.hub.jobs import Job


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """How often, and how much later."""

    attempts: int = 4
    """Downloads of one job, the first included: links in the field break one in ten to twenty."""
    delays: tuple[float, ...] = (60, 600, 3600)
    """Seconds before each further one, the last repeats: a passing fault first, then one that lasts."""
    invalid_image_attempts: int = 2
    """Downloads after which a device's INVALID_IMAGE is believed: octets may be lost in its flash once, but
    an image that it refuses twice is not for it."""


def retry_delay(job: Job, status: int, settings: RetrySettings) -> float | None:
    """Return the seconds until `job` is offered again after an Upgrade End Request of `status`, if at all."""
    attempts = settings.invalid_image_attempts if status == Status.INVALID_IMAGE else settings.attempts
    if job.failures + 1 >= attempts or not settings.delays:
        return None
    return settings.delays[min(job.failures, len(settings.delays) - 1)]
