"""Figures for Prometheus, in a registry of the daemon's own."""

from __future__ import annotations

from collections import Counter as Tally
from pathlib import Path
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from hanota.hub.events import EventKind
from hanota.hub.jobs import JobState
from hanota.hub.ports import RadioState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from hanota.clock import Clock
    from hanota.daemon.clock_watch import ClockWatch
    from hanota.daemon.lag import LagWatch
    from hanota.dcc.ports import DccStore
    from hanota.hub.events import Event
    from hanota.hub.hub import Hub
    from hanota.store.database import Database

_REFUSALS: Final = {
    EventKind.FRAME_REFUSED: "frame",
    EventKind.OTA_REFUSED: "ota",
    EventKind.GBCS_REFUSED: "gbcs",
    EventKind.REQUEST_REJECTED: "service request",
    EventKind.KEY_ESTABLISHMENT_FAILED: "key establishment",
}


class Metrics:
    """Counts the journal's events, and looks at everything else when it is asked."""

    def __init__(self, collectors: Iterator[Collector] | tuple[Collector, ...] = ()) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        for collector in collectors:
            self.registry.register(collector)
        self._events = self._counter("events", "Events of the journal", "kind")
        self._refused = self._counter("refusals", "What was refused and journalled", "what")
        self._ended = self._counter("jobs_ended", "Jobs that ended", "state")
        self._octets = self._counter("image_octets", "Octets of images that devices have got")
        self._blocks = self._counter("image_blocks", "Image blocks served in downloads that ended")
        self._reached: dict[int, int] = {}

    def follow(self, event: Event) -> None:
        """Count an event; a listener of the journal."""
        self._events.labels(str(event.kind)).inc()
        if event.kind in _REFUSALS:
            self._refused.labels(_REFUSALS[event.kind]).inc()
        match event.kind:
            case EventKind.TRANSFER_PROGRESS | EventKind.UPGRADE_END:
                self._transferred(event)
            case EventKind.JOB_STATE if event.job is not None:
                state = JobState(str(event.detail["state"]))
                if state.is_end:
                    self._reached.pop(event.job, None)
                    self._ended.labels(str(state)).inc()
            case _:
                pass

    def text(self) -> bytes:
        """Return all figures in the text format."""
        return generate_latest(self.registry)

    def _transferred(self, event: Event) -> None:
        octets, blocks = event.detail.get("octets"), event.detail.get("blocks")
        if event.job is None or not isinstance(octets, int):
            return
        reached = self._reached.get(event.job, 0)
        # A download that begins again counts again: it is air all the same.
        self._octets.inc(octets - reached if octets >= reached else octets)
        self._reached[event.job] = octets
        if event.kind is EventKind.UPGRADE_END and isinstance(blocks, int):
            self._blocks.inc(blocks)

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(f"hanota_{name}", words, labels, registry=self.registry)


class HubCollector(Collector):
    """How the hub stands: radio, jobs, transfers."""

    def __init__(
        self,
        hub: Hub,
        database: Database,
        radio_state: Callable[[], RadioState],
        refused: Callable[[], Mapping[str, int]],
    ) -> None:
        self._hub, self._database, self._radio_state, self._refused = hub, database, radio_state, refused

    def collect(self) -> Iterator[Metric]:
        """Look."""
        now = self._radio_state()
        radio = GaugeMetricFamily(
            "hanota_radio_state", "1 for the state the coordinator is in", labels=["state"]
        )
        for state in RadioState:
            radio.add_metric([str(state)], float(state is now))
        yield radio
        jobs = GaugeMetricFamily("hanota_jobs_open", "Jobs that have not ended", labels=["state"])
        states = Tally(job.state for job in self._hub.jobs.open_jobs())
        for job_state in JobState:
            if not job_state.is_end:
                jobs.add_metric([str(job_state)], states[job_state])
        yield jobs
        yield _gauge("device_log_entries", "Devices in the Device Log", len(self._hub.device_log))
        ready = sum(map(self._hub.is_ready, (entry.device for entry in self._hub.device_log)))
        yield _gauge("devices_ready", "Devices that may be talked to", ready)
        progress = self._hub.progress()
        yield _gauge("transfers", "Transfers under way", len(progress))
        yield _gauge(
            "transfer_rate_octets", "Octets a second of all", sum(each.rate or 0 for each in progress)
        )
        yield _gauge("radio_frames_refused", "Frames the radio refused", sum(self._refused().values()))
        yield _gauge("store_fault", "1 where nothing can be stored", self._database.fault() is not None)


class DccCollector(Collector):
    """What waits: commands for their responses, documents for their service users."""

    def __init__(self, store: DccStore, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def collect(self) -> Iterator[Metric]:
        """Look."""
        yield _gauge(
            "commands_waiting", "GBCS commands whose response is waited for", len(self._store.commands())
        )
        users = self._store.outgoing_users()
        yield _gauge("outbox_documents", "Documents not delivered", self._store.outgoing_count())
        firsts = [document for user in users for document in self._store.outgoing(user, limit=1)]
        oldest = min((document.created for document in firsts), default=None)
        age = 0.0 if oldest is None else max(0.0, self._clock.now() - oldest)
        yield _gauge("outbox_age_seconds", "Age of the oldest document not delivered", age)


class ProcessHealthCollector(Collector):
    """The event loop, the clock and the file on the disk."""

    def __init__(self, lag: LagWatch, database: Path, clock: ClockWatch) -> None:
        self._lag, self._database, self._clock = lag, database, clock

    def collect(self) -> Iterator[Metric]:
        """Look."""
        yield _gauge("event_loop_lag_seconds", "How late the event loop was at the last look", self._lag.last)
        yield _gauge(
            "event_loop_lag_worst_seconds",
            "The same, at its worst since the last scrape",
            self._lag.take_worst(),
        )
        yield _gauge(
            "clock_behind_seconds",
            "By how much the machine's clock is ahead of the hub's, which goes on as it began",
            self._clock.behind,
        )
        octets = sum(_size(Path(f"{self._database}{suffix}")) for suffix in ("", "-wal"))
        yield _gauge("store_octets", "Size of the database", octets)


def _gauge(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"hanota_{name}", words, value=float(value))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
