"""`hanota radio` as a user types it, at an emulated dongle on a pseudo terminal and on TCP."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import stat
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import serialx
from typer.testing import CliRunner

from hanota.cli.main import app
from hanota.emulator.air import Air
from hanota.emulator.line import LineSettings
from hanota.emulator.tty import served_on_pty, served_on_tcp
from hanota.eui64 import Eui64
from tests.radio_dongles import EZSP_V13, EZSP_V14, FAMILIES, HUB, ZNP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from typer.testing import Result

    from hanota.emulator.line import Line
    from tests.radio_dongles import Dongle, Ncp

FAST = LineSettings(baudrate=10_000_000)
"""No test here is about the time that octets take."""
OTHER = Eui64.parse("00-DB-12-34-56-78-90-A2")


@contextmanager
def plugged(
    dongle: Dongle,
    serve: Callable[[Line], AbstractAsyncContextManager[str]] = served_on_pty,
    eui64: Eui64 = HUB,
) -> Iterator[tuple[str, Ncp]]:
    """Let a dongle live in a thread of its own, as if it were metal; give its port."""
    ready, done = threading.Event(), threading.Event()
    there: list[tuple[str, Ncp]] = []

    async def live() -> None:
        ncp = dongle.make(Air(), eui64, FAST)
        async with serve(ncp.line) as path:
            there.append((path, ncp))
            ready.set()
            await asyncio.to_thread(done.wait)
        ncp.stop()

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    try:
        assert ready.wait(10)
        yield there[0]
    finally:
        done.set()
        thread.join()


def hanota(*arguments: str, answer: str | None = None) -> Result:
    """Run a command of `hanota radio`."""
    return CliRunner().invoke(app, ["radio", *arguments], input=answer)


@pytest.mark.parametrize("serve", [served_on_pty, served_on_tcp])
@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_probe_finds_the_family_and_names_the_radio_url_and_the_next_command(
    dongle: Dongle, serve: Callable[[Line], AbstractAsyncContextManager[str]]
) -> None:
    with plugged(dongle, serve) as (path, _):
        result = hanota("probe", path.replace("socket://", "tcp://"))
    assert result.exit_code == 0, result.output
    url = f"{dongle.family}+{path}" if "://" in path else f"{dongle.family}://{path}"
    assert url in result.stdout
    assert str(HUB) in result.stdout
    assert f"next: hanota radio info '{url}'" in result.stderr


@pytest.mark.parametrize("dongle", [ZNP, EZSP_V14], ids=str)
def test_a_new_dongle_is_formed_backed_up_changed_and_restored(dongle: Dongle, tmp_path: Path) -> None:
    file = tmp_path / "network.json"
    with plugged(dongle) as (port, ncp):
        path = f"{dongle.family}://{port}"
        seen = hanota("info", path)
        assert seen.exit_code == 0, seen.output
        assert "none yet" in seen.stdout
        assert f"next: hanota radio form '{path}'" in seen.stderr

        formed = hanota("form", path, "--channel", "20", "--pan-id", "8C54")
        assert formed.exit_code == 0, formed.output
        assert "channel 20, PAN id 8C54" in formed.stdout
        network = dongle.network(ncp)

        saved = hanota("backup", str(file), path)
        assert saved.exit_code == 0, saved.output
        assert "keys" in saved.stderr
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert json.loads(file.read_text())["network_key"]["key"] == network.key.hex()
        assert network.key.hex() not in saved.output

        changed = hanota("write-eui64", str(OTHER), path, answer="y\n")
        assert changed.exit_code == 0, changed.output
        assert "every device must join again" in changed.stderr
        assert ncp.eui64 == OTHER
        assert dongle.network(ncp).extended_pan_id == OTHER

        restored = hanota("restore", str(file), path, "--yes")
        assert restored.exit_code == 0, restored.output
        assert dongle.network(ncp) == network
        assert ncp.eui64 == HUB


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_nothing_is_overwritten_where_the_answer_is_no(dongle: Dongle, tmp_path: Path) -> None:
    file = tmp_path / "network.json"
    with plugged(dongle) as (port, ncp):
        path = f"{dongle.family}://{port}"
        assert hanota("form", path).exit_code == 0
        assert hanota("backup", str(file), path).exit_code == 0
        before = dongle.network(ncp)
        for command in (("form", path), ("restore", str(file), path), ("write-eui64", str(OTHER), path)):
            result = hanota(*command, answer="n\n")
            assert result.exit_code == 1
            assert "network" in result.stderr
        assert (dongle.network(ncp), ncp.eui64) == (before, HUB)
        result = hanota("backup", str(file), path)
        assert result.exit_code == 1
        assert "--force" in result.stderr


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_info_in_json_has_everything_for_a_script(dongle: Dongle) -> None:
    with plugged(dongle) as (path, _):
        result = hanota("info", path, "--json")
    document = json.loads(result.stdout)
    assert document["url"] == f"{dongle.family}://{path}"
    assert document["eui64"] == str(HUB)
    assert document["network"] is None
    assert document["key_table_size"] >= 8
    assert {"what", "verdict", "why"} == set(document["findings"][0])
    assert document["next"] == f"hanota radio form '{document['url']}'"


def test_probe_in_json_is_brief() -> None:
    with plugged(EZSP_V13) as (path, _):
        document = json.loads(hanota("probe", path, "--json").stdout)
    assert (document["family"], document["protocol"]) == ("ezsp", "EZSP v13")
    assert "findings" not in document


@pytest.mark.parametrize(("dongle", "wrong"), [(ZNP, "ezsp"), (EZSP_V13, "znp")], ids=str)
def test_the_wrong_family_in_a_url_is_told_with_the_url_to_write(dongle: Dongle, wrong: str) -> None:
    with plugged(dongle) as (path, _):
        result = hanota("info", f"{wrong}://{path}")
    assert result.exit_code == 1
    assert f"of the family {dongle.family}, not {wrong}" in result.stderr
    assert f"write {dongle.family}://{path}" in result.stderr


@pytest.mark.parametrize("command", ["probe", "info"])
def test_a_port_that_another_program_has_is_told(command: str) -> None:
    with plugged(ZNP) as (path, _), serialx.Serial(path, baudrate=115_200):
        for text in (path, f"znp://{path}"):
            result = hanota(command, text)
            assert result.exit_code == 1
            assert "locked by another application" in result.stderr
            assert "close the other program" in result.stderr


def test_a_port_that_is_not_there_is_told() -> None:
    result = hanota("info", "/dev/serial/by-id/usb-nothing-here")
    assert result.exit_code == 1
    assert "No such file" in result.stderr
    assert "hanota radio list" in result.stderr


def test_a_port_without_a_dongle_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hanota.radio.probe.ProbeSettings.__init__.__defaults__", (5, 0.05, 0.05, 4096))
    ours, theirs = pty.openpty()
    try:
        result = hanota("probe", os.ttyname(theirs))
    finally:
        os.close(ours)
        os.close(theirs)
    assert result.exit_code == 1
    assert "nothing on" in result.stderr
    assert "flash" in result.stderr


@pytest.mark.parametrize("radio", ["/etc/hostname", "/tmp"])
def test_what_is_no_serial_port_is_told(radio: str) -> None:
    result = hanota("probe", radio)
    assert result.exit_code == 1
    assert "no serial port; `hanota radio list` shows those there are" in result.stderr


def test_an_address_where_nobody_listens_is_told() -> None:
    result = hanota("probe", "tcp://127.0.0.1:1")
    assert result.exit_code == 1
    assert "is the other end of the line listening?" in result.stderr


def test_a_dongle_is_meant_by_its_serial_number(monkeypatch: pytest.MonkeyPatch) -> None:
    with plugged(ZNP) as (path, _):
        port = serialx.SerialPortInfo(
            device=path,
            resolved_device=path,
            vid=0x10C4,
            pid=0xEA60,
            serial_number="A1B2C3D4",
            manufacturer="ITead",
            product="Sonoff Zigbee 3.0 USB Dongle Plus",
            bcd_device=None,
            interface_description=None,
            interface_num=None,
        )
        monkeypatch.setattr(serialx, "list_serial_ports", lambda: [port])
        for chosen in (["a1b2"], []):
            result = hanota("probe", *chosen)
            assert result.exit_code == 0, result.output
            assert "Sonoff Dongle-P" in result.stderr
            assert f"znp://{path}" in result.stdout


@pytest.mark.parametrize("pan_id", ["0", "FFFF", "what"])
def test_a_pan_id_that_is_none_is_refused_before_the_dongle_is_touched(pan_id: str) -> None:
    result = hanota("form", "znp:///dev/nothing", "--pan-id", pan_id)
    assert result.exit_code == 1
    assert "not a PAN id" in result.stderr


@pytest.mark.parametrize("text", ["", "[]", "{", '{"network_info": {}}', "[" * 100_000])
def test_a_file_that_is_no_backup_is_refused_before_the_dongle_is_touched(text: str, tmp_path: Path) -> None:
    file = tmp_path / "backup.json"
    file.write_text(text)
    result = hanota("restore", str(file), "znp:///dev/nothing")
    assert result.exit_code == 1
    assert "hanota radio backup" in result.stderr
