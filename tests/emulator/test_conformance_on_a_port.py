"""The suite through a port, a bench file and an emulated relay: as it runs on metal."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from hanota.bench.bench_file import read_bench
from hanota.clock import LoopClock, SystemClock
from hanota.conformance.case import Verdict
from hanota.conformance.catalogue import chosen
from hanota.conformance.rig import RigOptions, RigSettings, open_rig
from hanota.conformance.suite import Suite, SuiteOptions
from hanota.conformance.trial import Patience
from hanota.daemon.emulated import lab_keys
from hanota.daemon.lab import Lab
from hanota.emulator.emulation.entries import default_han
from hanota.emulator.emulation.han import Han
from hanota.emulator.emulation.ports import pty_port
from hanota.emulator.emulation.run import run_emulation
from hanota.emulator.loop import loop_factory
from hanota.zse.install_code import crc16_x25

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SPEED = 4
SUITE = 2
CASES = ["resume-50", "response-signature"]


@asynccontextmanager
async def emulation(folder: Path, family: str) -> AsyncIterator[None]:
    """What `hanota emulate --pty --lab --relay` does, for the length of a `with` block."""
    file, stop = default_han(SUITE), asyncio.Event()
    clock = LoopClock(asyncio.get_running_loop(), SystemClock().now())
    lab = Lab.at(folder / "lab")
    han = Han(file, family, keys=lab_keys(file, lab), clock=clock, tell=lambda *_: None, seed=1)
    started = asyncio.Event()
    lines = ['keystore = "lab"', "[radio]", f'url = "{family}://{folder}/ttyHAN"']
    for channel, device in enumerate(file.devices, 1):
        assert device.install_code is not None
        code = device.install_code + crc16_x25(device.install_code).to_bytes(2, "little")
        power = f'driver = "relay", port = "{folder}/relay", channel = {channel}, normally_closed = true'
        lines += [
            f"[device.{device.kind}]",
            f'type = "{device.kind}"',
            f'eui64 = "{device.eui64}"',
            f'install_code = "{code.hex()}"',
            f"power = {{ {power} }}",
        ]
    (folder / "bench.toml").write_text("\n".join(lines))
    running = asyncio.create_task(
        run_emulation(
            han,
            pty_port(han.dongle.line, folder / "ttyHAN"),
            control=None,
            state=None,
            started=lambda *_: started.set(),
            stop=stop,
            relay=folder / "relay",
        )
    )
    await asyncio.wait([running, asyncio.create_task(started.wait())], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield
    finally:
        stop.set()
        await running


@pytest.mark.parametrize("family", ["znp", "ezsp"])
def test_the_suite_runs_through_a_terminal_and_cuts_power_by_a_relay(tmp_path: Path, family: str) -> None:
    async def main() -> None:
        async with emulation(tmp_path, family):
            bench = read_bench(tmp_path / "bench.toml")
            assert bench.radio is not None
            options = RigOptions(
                radio=bench.radio.url,
                bench=bench,
                artifacts=tmp_path / "artifacts",
                settings=RigSettings(settle=10),
            )
            async with open_rig(options) as rig:
                patience = Patience(silence=2)
                suite = Suite(rig, rig.devices["hcalcs"], SuiteOptions(image_size=3_000, patience=patience))
                report = await suite.run(chosen(CASES))
                assert [result.reason for result in report.results] == [""] * len(CASES)
                assert report.count(Verdict.PASSED) == len(CASES)
                cut = next(result for result in report.results if result.case.name == "resume-50")
                assert "power was cut" in cut.evidence[0].text
                assert report.radio == f"{family}://{tmp_path}/ttyHAN"

    with asyncio.Runner(loop_factory=loop_factory(SPEED)) as runner:
        runner.run(main())
    assert (tmp_path / "artifacts" / "han.pcapng").stat().st_size > 10_000
