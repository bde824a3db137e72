"""Who has a port: one program, for as long as it lives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from hanota.bench.port_lock import PortLock, port_locked
from hanota.errors import RadioError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLD = """
import sys
from hanota.bench.port_lock import PortLock
lock = PortLock(sys.argv[1]).take()
print("taken", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def port(tmp_path: Path) -> str:
    """A port that nobody else has."""
    return str(tmp_path / "ttyHAN")


@pytest.fixture
def other(port: str) -> Iterator[subprocess.Popen[str]]:
    """Another process, which has the port."""
    with subprocess.Popen(
        (sys.executable, "-c", HOLD, port), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        yield process
        process.kill()


def test_another_process_is_named_with_its_command(port: str, other: subprocess.Popen[str]) -> None:
    for _ in range(3):  # as often as one asks
        with pytest.raises(RadioError) as caught:
            PortLock(port).take()
        assert str(caught.value).startswith(f"{port}: process {other.pid} ({sys.executable} -c")
        assert str(caught.value).endswith("works with this port")
        assert caught.value.hint == "wait for it, or stop it"


def test_a_process_that_was_killed_leaves_no_lock(port: str, other: subprocess.Popen[str]) -> None:
    other.send_signal(signal.SIGKILL)
    other.wait()
    PortLock(port).take().release()


def test_a_port_is_let_go_and_taken_again(port: str) -> None:
    for _ in range(2):
        with port_locked(port), pytest.raises(RadioError, match=f"process {os.getpid()} "):
            PortLock(port).take()
    lock = PortLock(port).take()
    lock.release()
    lock.release()


def test_it_is_the_same_port_by_whichever_name(port: str, tmp_path: Path) -> None:
    link = tmp_path / "by-id"
    link.symlink_to(port)
    with port_locked(port), pytest.raises(RadioError, match="ttyHAN: process"):
        PortLock(str(link)).take()


def test_ports_are_locked_each_for_itself(port: str) -> None:
    with port_locked(port), port_locked(f"{port}2"), port_locked("socket://127.0.0.1:6638"):
        pass
