"""Power drivers: the hub port's tool, a person; and a power cut that is interrupted."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from hanota.bench.errors import BenchError
from hanota.bench.power import CallablePower, ManualPower, cycle
from hanota.bench.usb_hub import UsbHubPower, UsbHubSettings
from hanota.emulator.loop import run_virtual

if TYPE_CHECKING:
    from pathlib import Path


def program(folder: Path, script: str) -> UsbHubSettings:
    path = folder / "uhubctl"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o700)
    return UsbHubSettings(program=str(path), timeout=5)


class Switch:
    """Records what was switched."""

    def __init__(self) -> None:
        self.states: list[bool] = []

    async def on(self) -> None:
        self.states.append(True)

    async def off(self) -> None:
        self.states.append(False)


def test_a_device_gets_its_power_back_even_where_the_test_is_cancelled() -> None:
    async def main() -> None:
        switch = Switch()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await cycle(CallablePower(switch.on, switch.off), 60)
        assert switch.states == [False, True]

    run_virtual(main())


async def test_a_person_is_told_which_device_to_switch() -> None:
    asked: list[str] = []

    async def prompt(words: str) -> None:
        asked.append(words)

    power = ManualPower("the PPMID", prompt)
    await power.off()
    await power.on()
    assert asked == ["Switch the PPMID OFF", "Switch the PPMID ON"]


async def test_a_hub_port_is_switched_by_uhubctl(tmp_path: Path) -> None:
    settings = program(tmp_path, f'echo "$@" >> {tmp_path}/calls')
    power = UsbHubPower("1-1.4", 2, settings)
    await power.off()
    await power.on()
    assert (tmp_path / "calls").read_text() == "-l 1-1.4 -p 2 -a off\n-l 1-1.4 -p 2 -a on\n"


async def test_what_uhubctl_says_of_its_failure_is_shown(tmp_path: Path) -> None:
    settings = program(tmp_path, "echo 'Permission denied. Try running as root'; exit 1")
    with pytest.raises(BenchError, match=r"port 2 of hub 1-1\.4 off: Permission denied") as caught:
        await UsbHubPower("1-1.4", 2, settings).off()
    assert caught.value.hint


async def test_without_uhubctl_the_error_says_what_to_install() -> None:
    with pytest.raises(BenchError, match="cannot run") as caught:
        await UsbHubPower("1-1", 1, UsbHubSettings(program=os.devnull)).on()
    assert "install uhubctl" in str(caught.value.hint)
