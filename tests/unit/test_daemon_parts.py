"""Parts of the daemon by themselves: service manager, event loop watch, logs, figures, token."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import socket
from typing import TYPE_CHECKING, Any

import pytest

from hanota.api.access import Access
from hanota.clock import SystemClock
from hanota.config.settings import LogFormat, LoggingSection, LogLevel
from hanota.daemon.lag import LagWatch
from hanota.daemon.logs import log_event, logging_to
from hanota.daemon.metrics import Metrics
from hanota.daemon.notify import READY, WATCHDOG, Notifier
from hanota.daemon.server import is_loopback
from hanota.daemon.token_file import own_token, read_token, token_file
from hanota.emulator.loop import run_virtual
from hanota.errors import ConfigError
from hanota.eui64 import Eui64
from hanota.hub.events import Event, EventKind, Party
from hanota.radio.redaction import REDACTED, Redaction

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEVICE = Eui64.parse("00-DB-12-34-56-78-90-A4")


# -- the service manager -------------------------------------------------------------------------------------


def test_the_service_manager_is_told_where_it_asked(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(1)
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000000"})
        notifier.tell(READY, WATCHDOG)
        assert manager.recv(100) == b"READY=1\nWATCHDOG=1"
        assert notifier.watchdog == 60


def test_a_name_with_an_at_sign_is_an_abstract_socket() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0hanota-test-notify")
        manager.settimeout(1)
        Notifier({"NOTIFY_SOCKET": "@hanota-test-notify"}).tell(READY)
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/nowhere/notify"}])
def test_nobody_there_to_be_told_is_no_fault(environment: dict[str, str]) -> None:
    notifier = Notifier(environment)
    notifier.tell(READY)
    assert notifier.watchdog is None


def test_a_watchdog_of_another_process_is_not_ours() -> None:
    assert Notifier({"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}).watchdog is None


# -- the event loop watch ------------------------------------------------------------------------------------


def test_the_watch_tells_how_late_the_loop_was_and_that_it_runs() -> None:
    looks: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        watch = LagWatch(1.0, lambda: looks.append(loop.time()))
        watching = asyncio.create_task(watch.run())
        await asyncio.sleep(0.5)
        loop.jump(3.0)  # type: ignore[attr-defined]  # somebody computes for three seconds
        await asyncio.sleep(0.1)
        assert watch.last == pytest.approx(2.5)
        await asyncio.sleep(1.1)
        assert watch.last == 0
        assert watch.take_worst() == pytest.approx(2.5)
        assert watch.take_worst() == 0
        watching.cancel()

    run_virtual(main())
    assert looks == [3.5, 4.5]


# -- logs ----------------------------------------------------------------------------------------------------


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    with logging_to(stream, LoggingSection()):
        yield stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_a_line_with_what_it_is_found_by(logged: io.StringIO) -> None:
    detail = {"state": "held", "reason": "x", "message_octets": "00" * 500}
    log_event(Event(7, 1.8e9, EventKind.JOB_STATE, Party.HUB, Party.DEVICE, DEVICE, 3, detail))
    [line] = lines(logged)
    assert list(line)[:2] == ["at", "event"]
    assert (line["event"], line["seq"], line["job"], line["state"]) == ("job.state", 7, 3, "held")
    assert (line["device"], line["level"], line["logger"]) == (str(DEVICE), "info", "hanota.journal")
    assert "message_octets" not in line


def test_refusals_are_warnings_and_progress_is_left_out(logged: io.StringIO) -> None:
    for kind in (EventKind.TRANSFER_PROGRESS, EventKind.GBCS_REFUSED):
        log_event(Event(1, 1.8e9, kind, Party.HUB, Party.HUB))
    assert [(line["event"], line["level"]) for line in lines(logged)] == [("gbcs.refused", "warning")]


def test_a_lost_dongle_is_a_warning(logged: io.StringIO) -> None:
    for state in ("starting", "online", "lost", "stopped"):
        log_event(Event(1, 1.8e9, EventKind.RADIO_STATE, Party.RADIO, Party.HUB, detail={"state": state}))
    assert [line["state"] for line in lines(logged) if line["level"] == "warning"] == ["lost"]


def test_the_libraries_have_a_level_of_their_own(logged: io.StringIO) -> None:
    for name in ("zigpy.device", "bellows.ezsp", "uvicorn.error", "hanota.hub"):
        logging.getLogger(name).info("said by %s", name)
        logging.getLogger(name).warning("warned by %s", name)
    assert [line["event"] for line in lines(logged)] == [
        "warned by zigpy.device",
        "warned by bellows.ezsp",
        "warned by uvicorn.error",
        "said by hanota.hub",
        "warned by hanota.hub",
    ]


def test_an_exception_is_told_in_the_same_line(logged: io.StringIO) -> None:
    try:
        int("broken")
    except ValueError:
        logging.getLogger("hanota.hub").exception("it went wrong")
    [line] = lines(logged)
    assert line["event"] == "it went wrong"
    assert line["exception"].endswith("'broken'")


def test_redaction_stays_in_force(logged: io.StringIO) -> None:
    redaction = Redaction()
    redaction.install()
    try:
        redaction.add(bytes.fromhex("0f1e2d3c4b5a69788796a5b4c3d2e1f0"))
        logging.getLogger("hanota.hub").warning("key %s", "0f1e2d3c4b5a69788796a5b4c3d2e1f0")
        logging.getLogger("zigpy_znp.uart").warning("line %s", bytes(range(40)))
    finally:
        redaction.remove()
    assert "0f1e2d3c" not in logged.getvalue()
    assert [line["event"] for line in lines(logged)] == [f"key {REDACTED}", "line [40 octets]"]


def test_the_console_form_is_for_people() -> None:
    stream = io.StringIO()
    with logging_to(stream, LoggingSection(level=LogLevel.DEBUG, format=LogFormat.CONSOLE)):
        log_event(Event(7, 1.8e9, EventKind.DEVICE_JOINED, Party.DEVICE, Party.HUB, DEVICE))
    text = stream.getvalue()
    assert "han.joined" in text
    assert f"device={DEVICE}" in text


def test_events_may_be_left_out_of_the_log() -> None:
    stream = io.StringIO()
    with logging_to(stream, LoggingSection(events=False)):
        log_event(Event(7, 1.8e9, EventKind.DEVICE_JOINED, Party.DEVICE, Party.HUB, DEVICE))
    assert stream.getvalue() == ""


def test_loggers_are_afterwards_as_they_were() -> None:
    names = ("", "hanota", "zigpy", "bellows")
    before = logging.getLogger().handlers[:], [logging.getLogger(name).level for name in names]
    with logging_to(io.StringIO(), LoggingSection(level=LogLevel.ERROR, libraries=LogLevel.ERROR)):
        assert logging.getLogger("bellows").level == logging.ERROR
    assert before == (logging.getLogger().handlers, [logging.getLogger(name).level for name in names])


# -- figures -------------------------------------------------------------------------------------------------


def figure(metrics: Metrics, name: str) -> float:
    [line] = [line for line in metrics.text().decode().splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[-1])


def transfer(kind: EventKind, **detail: int) -> Event:
    return Event(1, 1.8e9, kind, Party.DEVICE, Party.HUB, DEVICE, 3, detail)


def test_octets_of_images_are_counted_once_however_often_progress_is_told() -> None:
    metrics = Metrics()
    for octets in (100, 250, 250):
        metrics.follow(transfer(EventKind.TRANSFER_PROGRESS, octets=octets))
    metrics.follow(transfer(EventKind.UPGRADE_END, octets=400, blocks=9))
    assert figure(metrics, "hanota_image_octets_total") == 400
    assert figure(metrics, "hanota_image_blocks_total") == 9


def test_a_download_that_begins_again_is_counted_again() -> None:
    metrics = Metrics()
    for octets in (300, 50):
        metrics.follow(transfer(EventKind.TRANSFER_PROGRESS, octets=octets))
    assert figure(metrics, "hanota_image_octets_total") == 350


def test_events_refusals_and_ends_are_counted_by_kind() -> None:
    metrics = Metrics()
    refused = Event(1, 1.8e9, EventKind.GBCS_REFUSED, Party.DEVICE, Party.DCC, DEVICE)
    ended = Event(2, 1.8e9, EventKind.JOB_STATE, Party.HUB, Party.HUB, DEVICE, 3, {"state": "activated"})
    moved = Event(3, 1.8e9, EventKind.JOB_STATE, Party.HUB, Party.HUB, DEVICE, 4, {"state": "held"})
    for event in (refused, refused, ended, moved):
        metrics.follow(event)
    assert figure(metrics, 'hanota_refusals_total{what="gbcs"}') == 2
    assert figure(metrics, 'hanota_events_total{kind="job.state"}') == 2
    assert figure(metrics, 'hanota_jobs_ended_total{state="activated"}') == 1
    assert "held" not in metrics.text().decode()


def test_two_daemons_in_one_process_do_not_share_figures() -> None:
    one, other = Metrics(), Metrics()
    one.follow(transfer(EventKind.TRANSFER_PROGRESS, octets=10))
    assert figure(other, "hanota_image_octets_total") == 0


# -- the token -----------------------------------------------------------------------------------------------


def test_a_token_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    database = tmp_path / "hub.sqlite"
    made = own_token(database)
    file = token_file(database)
    assert file == tmp_path / "hub.sqlite.token"
    assert file.stat().st_mode & 0o777 == 0o600
    assert own_token(database) == made
    access = Access([made], SystemClock())
    assert access.authenticate(f"Bearer {read_token(file)}", "127.0.0.1").role == "activator"


def test_a_token_that_others_may_read_is_refused(tmp_path: Path) -> None:
    own_token(tmp_path / "hub.sqlite")
    token_file(tmp_path / "hub.sqlite").chmod(0o644)
    with pytest.raises(ConfigError, match="others may use it"):
        own_token(tmp_path / "hub.sqlite")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("bench", False)],
)
def test_only_this_machines_addresses_are_loopback(host: str, *, loopback: bool) -> None:
    assert is_loopback(host) is loopback
