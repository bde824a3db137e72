"""`hanota client` on a terminal: as wide as that is, nothing lost, and nothing folded that is copied."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from hanota.api.access import Role
from hanota.hub.jobs import JobKind
from tests.api.client_support import served
from tests.api_support import TOKENS
from tests.hub_parties_support import HCALCS, HCALCS_IMAGE, HUB, PPMID, PPMID_IMAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.client_support import Served

NARROW = 80
ZONE = timezone(timedelta(hours=5, minutes=30))
TZ = "IST-5:30"
"""The same in the form of POSIX."""
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
PROGRAM = """
import sys
from hanota.cli.main import app
for command in sys.argv[2:]:
    print(f"# {command}", flush=True)
    app(["client", "--url", sys.argv[1], *command.split()], standalone_mode=False)
"""
LATER = "2031-01-15T09:00Z"
MODEL = "a model with a name of thirty."
LISTS = ("status", "devices", "jobs --all", "images --retired", "products", "audit", "events --last 100")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A daemon with long words in everything that it lists."""
    folder = tmp_path_factory.mktemp("images")
    with served() as daemon:

        async def begin() -> None:
            await daemon.api.lab.joined(PPMID, JobKind.PPMID)
            await daemon.api.lab.joined(HCALCS, JobKind.HCALCS)

        daemon.do(begin())
        for kind, image, device in (
            (JobKind.PPMID, PPMID_IMAGE, PPMID),
            (JobKind.HCALCS, HCALCS_IMAGE, HCALCS),
        ):
            file = folder / f"{kind}.ota"
            file.write_bytes(image.data)
            done(daemon, "products", "add", str(file), "--type", str(kind), "--model", MODEL)
            done(daemon, "devices", "set", str(device.eui64), "--model", MODEL)
            when = ("--at", LATER) if kind is JobKind.PPMID else ("--expires", LATER)
            done(daemon, "update", str(file), str(device.eui64), *when, "--approve")
            done(daemon, "pause", "1" if kind is JobKind.PPMID else "2")
        yield daemon


def done(daemon: Served, *arguments: str) -> None:
    result = daemon.client(*arguments)
    assert result.exit_code == 0, result.output


async def noted(daemon: Served, target: str) -> None:
    daemon.api.audit.record("me", "operator", "act", target, "done")


def on_terminal(daemon: Served, columns: int, *commands: str) -> dict[str, list[str]]:
    """Run commands on a terminal so wide and return their lines."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    environment |= {"TERM": "xterm", "TZ": TZ, "HANOTA_TOKEN": TOKENS[Role.ACTIVATOR]}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, daemon.url, *commands],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    octets = b""
    with suppress(OSError):  # the terminal's other end is closed
        while piece := os.read(ours, 65536):
            octets += piece
    os.close(ours)
    assert process.wait() == 0, octets.decode()
    lines = ESCAPES.sub("", octets.decode()).replace("\r\n", "\n").splitlines()
    begins = [number for number, line in enumerate(lines) if line.startswith("# ")]
    ends = [*begins[1:], len(lines)]
    return {lines[begin][2:]: lines[begin + 1 : end] for begin, end in zip(begins, ends, strict=True)}


def test_no_line_is_wider_than_the_terminal_and_what_is_copied_is_in_one_piece(daemon: Served) -> None:
    shown = on_terminal(daemon, NARROW, *LISTS)
    assert [line for lines in shown.values() for line in lines if len(line) > NARROW] == []
    for name in ("status", "devices", "jobs --all"):
        for device in (PPMID, HCALCS):
            assert any(str(device.eui64) in line for line in shown[name]), name
    digests = [PPMID_IMAGE.manufacturer_image_hash.hex(), HCALCS_IMAGE.manufacturer_image_hash.hex()]
    assert all(any(digest in line for line in shown["products"]) for digest in digests)
    images = json.loads(daemon.client("images", "--json").stdout)["images"]
    for image in images:
        assert any(image["digest"][:16] in line for line in shown["images --retired"])
        assert any(image["digest"][:16] in line for line in shown["jobs --all"])
        assert any(image["digest"] in line for line in shown["audit"])


def test_nothing_is_lost_beneath_a_row_that_would_be_too_wide(daemon: Served) -> None:
    shown = on_terminal(daemon, NARROW, *LISTS)
    told = {name: " ".join(" ".join(lines).split()) for name, lines in shown.items()}
    for job in json.loads(daemon.client("jobs", "--json").stdout)["jobs"]:
        assert all(
            word in told["jobs --all"] for word in (job["device"], job["firmware_version"], job["state"])
        )
    assert told["jobs --all"].count("paused, waits for approval") == 2
    assert "activates at 2031-01-15 14:30:00 local time" in told["jobs --all"]
    assert told["devices"].count(f"model: {MODEL}") == 2
    assert told["devices"].count("ready, Commissioned") >= 2
    assert told["products"].count(f"model: {MODEL}") == 2
    assert "added" in told["images --retired"]
    assert str(HUB.eui64) in told["status"]


@pytest.mark.parametrize("columns", [30, 60, 200])
def test_a_device_is_in_one_piece_on_a_terminal_of_any_width(daemon: Served, columns: int) -> None:
    shown = on_terminal(daemon, columns, "jobs", "devices")
    for name, lines in shown.items():
        (line,) = [line for line in lines if str(PPMID.eui64) in line]
        assert len(line) <= columns
        assert ("transferring" in line or MODEL in line) == (columns == 200), name


def test_times_are_those_of_the_user_s_own_clock_to_the_second(daemon: Served) -> None:
    shown = on_terminal(daemon, NARROW, "jobs", "images", "events --last 3", "audit --last 3")
    (job, *_) = json.loads(daemon.client("jobs", "--json").stdout)["jobs"]
    since = datetime.fromisoformat(job["updated"]).astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S")
    assert "since (local time)" in shown["jobs"][0]
    assert any(since in line for line in shown["jobs"])
    assert "added (local time)" in shown["images"][0]
    for name in ("events --last 3", "audit --last 3"):
        assert re.fullmatch(r"[A-Z][a-z]+day, \d\d [A-Z][a-z]+ \d{4}, local time", shown[name][0])
        assert re.match(r" +\d+ \d\d:\d\d:\d\d ", shown[name][1])
    assert not re.search(r"\d\.\d{3}Z", str(shown))


def test_what_goes_to_a_program_has_a_line_for_each_row_and_the_daemon_s_own_times(daemon: Served) -> None:
    listed = daemon.client("jobs").stdout.splitlines()
    jobs = json.loads(daemon.client("jobs", "--json").stdout)["jobs"]
    assert len(listed) == len(jobs) + 1
    for line, job in zip(listed[1:], jobs, strict=True):
        assert all(word in line for word in (job["device"], job["updated"], job["state"], "paused"))
    events = [json.loads(line) for line in daemon.client("events", "--json").stdout.splitlines()]
    lines = daemon.client("events").stdout.splitlines()
    assert len(lines) == len(events)
    for line, event in zip(lines, events, strict=True):
        assert event["at"] in line
        assert (event["device"] or "") in line


def test_what_others_wrote_steers_no_terminal(daemon: Served) -> None:
    """A stranger chooses the path that the audit trail notes of an attempt without a token."""

    async def attempt() -> int:
        async with daemon.api.client(None) as client:
            response = await client.post("/api/v1/jobs/1%1b]0;owned%07%0aforged/cancel")
            return response.status_code

    assert daemon.do(attempt()) in (401, 422)
    target = "\x1b]0;owned\x07\nforged \u202eright to left"
    daemon.do(noted(daemon, target))
    for text in (daemon.client("audit").stdout, "\n".join(on_terminal(daemon, NARROW, "audit")["audit"])):
        assert not set(text) & set("\x1b\x07\u202e")
        assert r"\x1b]0;owned\x07\nforged" in text
        assert r"\u202e" in text
    row = json.loads(daemon.client("audit", "--json").stdout.splitlines()[-1])
    assert row["target"].startswith("\x1b]0;owned\x07\nforged")
