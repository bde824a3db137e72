"""`hanota run` as a process: what systemd sees, signals, what a log at its loudest keeps to itself."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanota.daemon.token_file import read_token, token_file
from hanota.emulator.emulation.entries import default_install_code
from hanota.gbcs.reference_test_data import PPMID
from hanota.hub.events import EventKind
from hanota.store.store import SqliteStore
from tests.daemon_support import bench_toml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = 60
"""Seconds, of the wall, a process may take to be ready on a busy machine."""
HAN = f'[[device]]\nkind = "ppmid"\neui64 = "{PPMID}"\nsuite = 2\nautojoin = 0.2\n'
BODY = b'{"image": "00", "devices": []}'


@dataclass
class Process:
    """A daemon in a process of its own."""

    process: subprocess.Popen[bytes]
    manager: socket.socket
    folder: Path

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def address(self) -> tuple[str, int]:
        [port] = re.findall(r"serves http://127\.0\.0\.1:(\d+)", self.log)
        return "127.0.0.1", int(port)

    def told(self) -> str:
        return self.manager.recv(100).decode()

    def until_logged(self, text: str) -> None:
        deadline = time.monotonic() + START  # noqa: TID251  # of the wall: it is another process
        while text not in self.log:
            assert time.monotonic() < deadline  # noqa: TID251  # the same
            time.sleep(0.02)

    @contextmanager
    def request_under_way(self) -> Iterator[socket.socket]:
        """Send a request but the last octets of its body."""
        token = read_token(token_file(self.folder / "data" / "hub.sqlite"))
        head = (
            f"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
        )
        with socket.create_connection(self.address, timeout=START) as connection:
            connection.sendall(head.encode() + BODY[:10])
            time.sleep(0.1)  # the server has taken the request up
            yield connection


@contextmanager
def daemon_process(folder: Path) -> Iterator[Process]:
    (folder / "bench.toml").write_text(bench_toml() + 'han = "han.toml"\n')
    (folder / "han.toml").write_text(HAN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, (folder / "log").open("wb") as log:
        manager.bind(str(folder / "notify"))
        manager.settimeout(START)
        environment = os.environ | {
            "NOTIFY_SOCKET": str(folder / "notify"),
            "HANOTA_LOGGING__LEVEL": "debug",
            "HANOTA_LOGGING__LIBRARIES": "debug",
        }
        command = [sys.executable, "-m", "hanota", "run", "-c", str(folder / "bench.toml")]
        with subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process:
            try:
                daemon = Process(process, manager, folder)
                assert daemon.told() == "READY=1", daemon.log
                yield daemon
            finally:
                process.kill()


def test_the_first_signal_drains_and_the_log_keeps_every_secret(tmp_path: Path) -> None:
    with daemon_process(tmp_path) as daemon:
        daemon.until_logged("key_establishment.established")
        with daemon.request_under_way() as connection:
            daemon.process.send_signal(signal.SIGTERM)
            assert daemon.told() == "STOPPING=1"
            daemon.until_logged("requests under way are answered first")
            connection.sendall(BODY[10:])
            answer = connection.recv(4096).decode()
            # Refused, as there is no such image; but answered.
            assert answer.startswith("HTTP/1.1 4")
        assert daemon.process.wait(START) == 0
        log = daemon.log
    store = SqliteStore(tmp_path / "data" / "hub.sqlite")
    kinds = [event.kind for event in store.events()]
    store.close()
    assert kinds[-1] is EventKind.RADIO_STATE
    assert kinds.index(EventKind.DAEMON_STARTED) < kinds.index(EventKind.DAEMON_STOPPING)
    lab = (tmp_path / "lab" / "lab.toml").read_text()
    secrets = {
        "token": read_token(token_file(tmp_path / "data" / "hub.sqlite")),
        "lab": re.findall(r'secret = "(\w+)"', lab)[0],
        "install code": default_install_code(PPMID).hex(),
    }
    assert [name for name, secret in secrets.items() if secret.lower() in log.lower()] == []
    assert "Traceback" not in log


def test_the_second_signal_ends_at_once(tmp_path: Path) -> None:
    with daemon_process(tmp_path) as daemon, daemon.request_under_way():
        daemon.process.send_signal(signal.SIGINT)
        daemon.until_logged("requests under way are answered first")
        daemon.process.send_signal(signal.SIGINT)
        assert daemon.process.wait(START) == -signal.SIGINT
