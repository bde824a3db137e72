"""A port that somebody else has: the daemon, a run of tests, another program; each is told in words."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from hanota.bench.port_lock import port_locked
from tests.emulator.port_bench_support import ROOT, port_bench, run_pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.emulator.port_bench_support import PortBench

START = 60
"""Seconds, of the wall, a process may take on a busy machine."""
SETTINGS = """
[radio]
url = "{url}"
[store]
path = "hub.sqlite"
[keys]
lab = "lab"
hub = "00-DB-12-34-56-78-90-A2"
[api]
port = 0
"""


def daemon_command(bench: PortBench) -> tuple[str, ...]:
    path = bench.folder / "daemon.toml"
    path.write_text(SETTINGS.format(url=bench.url), encoding="utf-8")
    return (sys.executable, "-m", "hanota", "run", "-c", str(path))


@contextmanager
def daemon(bench: PortBench) -> Iterator[subprocess.Popen[bytes]]:
    """Run the daemon on the bench's dongle, from ready on until it is killed."""
    place = str(bench.folder / "notify")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        (bench.folder / "log").open("wb") as log,
    ):
        manager.bind(place)
        manager.settimeout(START)
        environment = os.environ | {"NOTIFY_SOCKET": place, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(daemon_command(bench), env=environment, stdout=log, stderr=log) as process:
            try:
                assert manager.recv(100) == b"READY=1", (bench.folder / "log").read_text()
                yield process
            finally:
                process.kill()


def test_the_daemon_and_tests_tell_each_other_who_has_the_port(tmp_path: Path) -> None:
    pytest.importorskip("serial_asyncio", reason="needs the extra: pip install -e '.[bench]'")
    with port_bench(tmp_path, "ezsp", drivers=False) as bench:
        with daemon(bench) as process:
            tests = run_pytest(tmp_path, "tests/hardware")
        assert tests.returncode == pytest.ExitCode.USAGE_ERROR
        assert f"process {process.pid} ({sys.executable} -m hanota run" in tests.stderr
        assert "works with this port\n  wait for it, or stop it" in tests.stderr

        # Killed, it has left nothing behind; now tests have the port, also between two of them.
        with port_locked(str(tmp_path / "ttyHAN")):
            refused = subprocess.run(
                daemon_command(bench),
                env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "1000"},
                capture_output=True,
                text=True,
                check=False,
                timeout=START,
            )
        assert refused.returncode == 1
        assert f"process {os.getpid()} (" in refused.stderr
        assert "works with this port" in refused.stderr

        # Another's program knows of no lock but the port's own.
        port = os.open(tmp_path / "ttyHAN", os.O_RDWR | os.O_NOCTTY)
        fcntl.flock(port, fcntl.LOCK_EX)
        tests = run_pytest(tmp_path, "tests/hardware/test_dongle.py", "-rs")
        os.close(port)
        assert "1 error" in tests.stdout
        words = "locked by another application (close the other program on this port"
        assert f"no bench: cannot open {bench.url}: The serial port is {words}" in tests.stdout
        assert "the bench is broken since an earlier test: cannot open" in tests.stdout
        for said in (tests, refused):
            assert "Traceback" not in said.stdout + said.stderr
