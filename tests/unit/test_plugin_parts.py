"""Parts of the plugin by themselves: a person asked, the radio's log, the power of a device."""

from __future__ import annotations

import builtins
import io
import logging
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from hanota.bench.errors import BenchError
from hanota.clock import SystemClock
from hanota.conformance.radio_log import radio_log
from hanota.emulator.loop import run_virtual
from hanota.errors import ConfigError
from hanota.testing.device_power import DevicePower
from hanota.testing.prompt import asker

if TYPE_CHECKING:
    from pathlib import Path

    from hanota.conformance.rig import Rig, RigDevice


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Capture:
    """pytest's capture manager."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def suspend_global_capture(self, in_: bool) -> None:
        self.calls.append(f"suspend {in_}")

    def resume_global_capture(self) -> None:
        self.calls.append("resume")


def config(capture: Capture | None) -> pytest.Config:
    plugins = SimpleNamespace(getplugin=lambda name: capture if name == "capturemanager" else None)
    return cast("pytest.Config", SimpleNamespace(pluginmanager=plugins))


def test_a_person_is_asked_past_pytests_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(text: str) -> str:
        asked.append(text)
        return ""

    monkeypatch.setattr(sys, "__stdin__", Terminal())
    monkeypatch.setattr(builtins, "input", answer)
    capture = Capture()
    prompt = asker(config(capture))
    assert prompt is not None
    capture.calls.clear()  # those of the look whether somebody is there
    run_virtual(prompt("Switch ppmid OFF"))  # type: ignore[arg-type]  # an async function's coroutine
    assert asked == ["\n>>> Switch ppmid OFF, then press Enter "]
    assert capture.calls == ["suspend True", "resume"]


def test_a_terminal_that_ends_is_a_fault_of_the_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(text: str) -> str:
        raise EOFError

    monkeypatch.setattr(sys, "__stdin__", Terminal())
    monkeypatch.setattr(builtins, "input", end)
    prompt = asker(config(None))
    assert prompt is not None
    with pytest.raises(BenchError, match="nobody is at the terminal"):
        run_virtual(prompt("Switch ppmid OFF"))  # type: ignore[arg-type]  # see above


def test_nobody_is_asked_without_a_terminal_or_in_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "__stdin__", io.StringIO())
    assert asker(config(None)) is None
    monkeypatch.setattr(sys, "__stdin__", Terminal())
    worker = config(None)
    worker.workerinput = {}  # type: ignore[attr-defined]  # as pytest-xdist sets it
    assert asker(worker) is None


# -- the radio's log -----------------------------------------------------------------------------------------


def test_the_radio_log_has_what_nobody_else_hears(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    library = logging.getLogger("zigpy.made_up")
    level = logging.getLogger("zigpy").level
    with radio_log(tmp_path / "radio.log", SystemClock()):
        library.debug("octets of the line")
        library.error("the line is gone")
        logging.getLogger("another").error("of somebody else")
    library.debug("after it")
    text = (tmp_path / "radio.log").read_text()
    assert "DEBUG zigpy.made_up: octets of the line\n" in text
    assert "ERROR zigpy.made_up: the line is gone\n" in text
    assert "somebody else" not in text
    assert "after it" not in text
    assert [record.message for record in caplog.records] == ["the line is gone", "of somebody else"]
    assert logging.getLogger("zigpy").level == level
    assert logging.getLogger("zigpy").parent is logging.getLogger()


def test_the_radio_log_has_no_secret_that_is_known(tmp_path: Path) -> None:
    key = bytes(range(16))
    with radio_log(tmp_path / "radio.log", SystemClock(), [key]):
        logging.getLogger("hanota.hub.made_up").warning("key %s", key.hex())
    assert (tmp_path / "radio.log").read_text().endswith("key [redacted]\n")


def test_a_log_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"radio\.log: No such file"),
        radio_log(tmp_path / "nowhere" / "radio.log", SystemClock()),
    ):
        pass


# -- the power of a device -----------------------------------------------------------------------------------


def test_a_device_without_a_switch_is_no_device_to_be_switched() -> None:
    device = cast("RigDevice", SimpleNamespace(name="ppmid", power=None))
    with pytest.raises(BenchError, match="the power of ppmid cannot be switched"):
        DevicePower(cast("Rig", None), device)


def test_a_download_that_never_gets_there_is_waited_for_no_longer_than_told() -> None:
    rig = SimpleNamespace(hub=SimpleNamespace(progress=lambda: [SimpleNamespace(device=1, percentage=49.9)]))
    device = SimpleNamespace(name="ppmid", eui64=1, power=object())
    power = DevicePower(cast("Rig", rig), cast("RigDevice", device))
    with pytest.raises(TimeoutError):
        run_virtual(power.cut_at(50, patience=600))
