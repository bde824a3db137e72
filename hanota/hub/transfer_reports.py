"""What is told of a transfer under way, and how often: a transfer has thousands of blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.hub.progress import Progress
from hanota.hub.wording import rounded

if TYPE_CHECKING:
    from hanota.eui64 import Eui64
    from hanota.hub.events import Json
    from hanota.hub.jobs import Job
    from hanota.hub.progress import Signals
    from hanota.hub.scheduler import WaitReason
    from hanota.ota.server import OtaServer


class TransferReports:
    """Words for the Upgrade Server's figures; progress at most once in `interval` seconds for a device."""

    def __init__(self, server: OtaServer, signals: Signals, interval: float) -> None:
        self._server, self._signals, self._interval = server, signals, interval
        self._due_at: dict[Eui64, float] = {}
        self._delays: dict[Eui64, tuple[WaitReason, float]] = {}
        """Why, and when, it was last told that a device has to wait."""

    def begin(self, device: Eui64, now: float) -> None:
        """Measure a transfer that begins; its first report is due an interval later."""
        self._signals.begin(device)
        self._due_at[device] = now + self._interval

    def end(self, device: Eui64) -> None:
        """Report no more of a device that has its image, or none to get."""
        self._due_at.pop(device, None)

    def forget(self, device: Eui64) -> None:
        """Report no more of a device, nor know why it was told to wait."""
        self.end(device)
        self._delays.pop(device, None)

    def is_due(self, device: Eui64, now: float) -> bool:
        """Tell whether progress is to be reported now; the next report is then due an interval later."""
        if now < self._due_at.setdefault(device, now + self._interval):
            return False
        self._due_at[device] = now + self._interval
        self._delays.pop(device, None)
        return True

    def is_news(self, device: Eui64, reason: WaitReason, now: float) -> bool:
        """Tell whether a wait is to be reported: once for each reason, and not at every request."""
        former = self._delays.get(device)
        if former is not None and (former[0] is reason or now - former[1] < self._interval):
            return False
        self._delays[device] = reason, now
        return True

    def progress(self, job: Job, now: float) -> Progress | None:
        """Return how far the job's transfer is, None where there is none."""
        statistics = self._server.statistics(job.device, now)
        if statistics is None:
            return None
        return Progress(
            job.device,
            job.id,
            statistics.octets,
            statistics.total,
            statistics.rate,
            statistics.repeats,
            statistics.waits,
            self._signals.last(job.device),
        )

    def totals(self, device: Eui64, now: float) -> dict[str, Json]:
        """Return a transfer that has ended in figures."""
        statistics = self._server.statistics(device, now)
        weakest = self._signals.weakest(device)
        totals: dict[str, Json] = {"rate": None, "repeats": 0}
        if statistics is not None:
            totals = {
                "octets": statistics.octets,
                "blocks": statistics.blocks,
                "block_size": statistics.block_size,
                "rate": rounded(statistics.mean_rate),
                "repeats": statistics.repeats,
                "waits": statistics.waits,
                "undelivered": statistics.undelivered,
            }
        return {**totals, "weakest_lqi": weakest.lqi, "weakest_rssi": weakest.rssi}


def progress_detail(progress: Progress) -> dict[str, Json]:
    """Return progress as an event's detail has it."""
    return {
        "octets": progress.octets,
        "total": progress.total,
        "percentage": rounded(progress.percentage),
        "rate": rounded(progress.rate),
        "seconds_left": rounded(progress.seconds_left),
        "repeats": progress.repeats,
        "waits": progress.waits,
        "lqi": progress.signal.lqi,
        "rssi": progress.signal.rssi,
    }
