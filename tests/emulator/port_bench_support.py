"""A bench as on metal, in a process of its own: dongle on a terminal or on TCP, relay board, consoles."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hanota.gbcs.reference_test_data import HCALCS, PPMID

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[2]
CODE = "83FE D340 7A93 9723 A5C6 39B2 6916 D505 C3B5"
DEVICES = {"ppmid": PPMID, "hcalcs": HCALCS}
PATIENCE = 270
"""Seconds for what takes a minute and a half, nearly all of it waiting; pytest-timeout comes after it."""
END = 30
"""Seconds for a process to end once it is told to."""
BAUD = 1_000_000
"""The line's rate: an image is not what these tests wait for."""


@dataclass(frozen=True)
class PortBench:
    """A running `hanota emulate`, and the files beside it."""

    folder: Path
    url: str
    told: list[str]
    """What it printed once it has ended."""

    def notices(self, device: str) -> list[str]:
        """What a device noticed, in order."""
        eui64 = str(DEVICES[device])
        return [line.split(eui64, 1)[1].strip() for line in self.told if f"Z {eui64} " in line]


@contextmanager
def port_bench(
    folder: Path,
    radio: str,
    *,
    version: int | None = None,
    tcp: bool = False,
    devices: Sequence[str] = ("ppmid",),
    drivers: bool = True,
) -> Iterator[PortBench]:
    """Run it in `folder`, with a bench file; without `drivers` that names no power and no console."""
    place = f"127.0.0.1:{_free_port()}"
    path = f"+socket://{place}" if tcp else f"://{folder}/ttyHAN?baudrate={BAUD}"
    bench = PortBench(folder, radio + path, [])
    (folder / "han.toml").write_text(_han(devices, version), encoding="utf-8")
    (folder / "bench.toml").write_text(_bench_file(bench, devices, drivers=drivers), encoding="utf-8")
    command = (
        *(sys.executable, "-m", "hanota", "emulate", "--radio", radio, "--han", "han.toml"),
        *(("--tcp", place) if tcp else ("--pty", "ttyHAN")),
        *("--relay", "ttyRelay", "--lab", "lab", "--hub-credentials", "hub.toml"),
    )
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        while "credentials" not in (line := process.stdout.readline()):
            assert line, f"it ended after {bench.told}"
            bench.told.append(line)
        yield bench
    finally:
        process.send_signal(signal.SIGTERM)
        bench.told.extend(process.communicate(timeout=END)[0].splitlines())


def run_pytest(
    folder: Path, *options: str, cwd: Path = ROOT, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run pytest to its end with the bench file in `folder`; by default in the project."""
    return subprocess.run(
        pytest_command(folder, *options),
        cwd=cwd,
        env=pytest_environment() | (env or {}),
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def pytest_command(folder: Path, *options: str) -> tuple[str, ...]:
    """The command line of pytest with the bench file in `folder`."""
    bench = str(folder / "bench.toml")
    return (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--bench", bench, *options)


def pytest_environment() -> dict[str, str]:
    """The environment of a pytest that is nobody's worker."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return ours | {"PLUGIN_TEST_CODE": CODE, "PYTHONPATH": str(ROOT)}


def _han(devices: Sequence[str], version: int | None) -> str:
    text = f"[dongle]\nbaudrate = {BAUD}\n" + ("" if version is None else f"version = {version}\n")
    for name in devices:
        text += f"""
[[device]]
kind = "{name}"
eui64 = "{DEVICES[name]}"
install_code = "{CODE}"
suite = 2
autojoin = 0.3
console = "tty-{name}"
"""
    return text


def _bench_file(bench: PortBench, devices: Sequence[str], *, drivers: bool) -> str:
    folder = bench.folder
    text = f"""
features = ["made-images"]
keystore = "lab"

[radio]
url = "{bench.url}"
credentials = "hub.toml"
"""
    for channel, name in enumerate(devices, 1):
        text += f"""
[device.{name}]
type = "{name}"
eui64 = "{DEVICES[name]}"
install_code = "env:PLUGIN_TEST_CODE"
"""
        if drivers:
            relay = f'driver = "relay", port = "{folder}/ttyRelay", channel = {channel}'
            text += f"power = {{ {relay}, normally_closed = true }}\n"
            text += f'console = {{ port = "{folder}/tty-{name}" }}\n'
    return text


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
