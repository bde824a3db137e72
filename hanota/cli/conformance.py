"""`hanota conformance`: what a device must do by ZCL OTA and GBCS, tried case by case."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path  # noqa: TC003  # Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from hanota.cli.output import console, stderr
from hanota.errors import ConfigError, HanotaError, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from hanota.bench.bench_file import Bench
    from hanota.cli.conformance_running import RunningCase
    from hanota.conformance.case import Case
    from hanota.conformance.rig import Rig, RigDevice, RigOptions
    from hanota.conformance.suite import SuiteOptions, SuiteReport

USAGE: Final = 2
INCONCLUSIVE: Final = 3


def conformance(
    *,
    device: Annotated[
        str | None, typer.Option(help="EUI-64 of the device, or its name in the bench file.")
    ] = None,
    radio: Annotated[
        str | None,
        typer.Option(help="`znp` or `ezsp` for the emulated bench (default: `znp`), or a radio URL."),
    ] = None,
    bench: Annotated[
        Path | None, typer.Option(help="Bench file: dongle, devices, their power and consoles.")
    ] = None,
    lab: Annotated[
        Path | None, typer.Option(help="Folder of a lab with everybody's keys, as `hanota emulate --lab`.")
    ] = None,
    image: Annotated[
        list[Path] | None,
        typer.Option(help="An Upgrade Image of the maker's. Repeatable: each activation wants a higher one."),
    ] = None,
    case: Annotated[list[str] | None, typer.Option(help="Run this case alone. Repeatable.")] = None,
    list_cases: Annotated[bool, typer.Option("--list", help="Print the cases and end.")] = False,
    report_html: Annotated[Path | None, typer.Option(help="Write the report as an HTML page.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the report as JUnit XML.")] = None,
    seed: Annotated[int, typer.Option(help="The same keys, images and air every time.")] = 1,
    artifacts: Annotated[
        Path | None,
        typer.Option(help="Keep events, capture, radio log and database here, and of each failed case."),
    ] = None,
    db: Annotated[
        Path | None, typer.Option(help="The hub's database: devices that have joined need not join again.")
    ] = None,
    long: Annotated[bool, typer.Option(help="Run cases that take hours on metal.")] = False,
    downgrade_allowed: Annotated[
        bool, typer.Option(help="The maker's policy is to take lower versions: tell it, and fail nothing.")
    ] = False,
) -> None:
    """Try a device against ZCL OTA and GBCS, case by case; each has a verdict, its clause and its evidence.

    Ends with 0 if all passed, 1 if some failed, 2 for wrong options, 3 if none failed and some could not be
    judged.
    """
    # The emulator and the radio are loaded when the suite runs, not for --help.
    from hanota.cli.conformance_running import RunningCase  # noqa: PLC0415
    from hanota.cli.conformance_view import conclude, listed  # noqa: PLC0415
    from hanota.conformance.catalogue import CASES, chosen  # noqa: PLC0415
    from hanota.conformance.report import html, write  # noqa: PLC0415
    from hanota.conformance.report import junit as junit_xml  # noqa: PLC0415
    from hanota.conformance.suite import SuiteOptions  # noqa: PLC0415

    if list_cases:
        listed(CASES)
        return
    # What the libraries log goes to the artefacts.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        cases = chosen(case or ())
        suite = SuiteOptions(long=long, downgrade_allowed=downgrade_allowed)
        with RunningCase() as running:
            prompt = partial(_ask, running) if sys.stdin.isatty() else None
            options = _rig_options(
                radio, bench, lab, seed=seed, artifacts=artifacts, database=db, prompt=prompt
            )
            report = _run(options, device, cases, suite, image or (), running)
        if report_html is not None:
            write(report_html, html(report))
        if junit is not None:
            write(junit, junit_xml(report))
    except ConfigError as error:
        _fail(error, USAGE)
    except HanotaError as error:
        _fail(error, INCONCLUSIVE)
    conclude(report)
    raise typer.Exit(report.exit_status)


def _run(
    options: RigOptions,
    device: str | None,
    cases: Sequence[Case],
    suite: SuiteOptions,
    images: Sequence[Path],
    running: RunningCase,
) -> SuiteReport:
    from hanota.conformance.emulated import is_emulated  # noqa: PLC0415  # see above
    from hanota.emulator.loop import VirtualTimeLoop  # noqa: PLC0415  # beside it

    virtual = is_emulated(options.radio)
    with asyncio.Runner(loop_factory=VirtualTimeLoop if virtual else None) as runner:
        return runner.run(_try(options, device, cases, suite, images, running))


async def _try(
    options: RigOptions,
    device: str | None,
    cases: Sequence[Case],
    suite: SuiteOptions,
    images: Sequence[Path],
    running: RunningCase,
) -> SuiteReport:
    from dataclasses import replace  # noqa: PLC0415  # see above

    from hanota.bench.port_lock import port_locked  # noqa: PLC0415
    from hanota.conformance.emulated import is_emulated  # noqa: PLC0415
    from hanota.conformance.images import read_images  # noqa: PLC0415
    from hanota.conformance.rig import open_rig  # noqa: PLC0415
    from hanota.conformance.suite import Suite  # noqa: PLC0415
    from hanota.radio.url import RadioUrl  # noqa: PLC0415

    own = nullcontext() if is_emulated(options.radio) else port_locked(RadioUrl.parse(options.radio).path)
    with own:
        async with open_rig(options) as rig:
            chosen = _device(rig, device)
            if images:
                suite = replace(suite, images=read_images(images, chosen.kind))
            elif chosen.emulated is None:
                stderr.print(
                    "[yellow]images are made of random octets, which only an emulated device takes; "
                    "--image brings the maker's[/]"
                )
            return await Suite(rig, chosen, suite).run(cases, running.ends, running.begins)


def _device(rig: Rig, text: str | None) -> RigDevice:
    """Return the device named by EUI-64 or by its name on the bench; raise ConfigError."""
    from hanota.eui64 import Eui64  # noqa: PLC0415  # see above

    there = "; ".join(f"{each.name} {each.eui64}" for each in rig.devices.values())
    if text is None:
        if len(rig.devices) == 1:
            return next(iter(rig.devices.values()))
        raise ConfigError("which device is to be tried?", hint=f"--device, one of: {there}")
    if text in rig.devices:
        return rig.devices[text]
    try:
        found = rig.device(Eui64.parse(text))
    except RemoteProtocolError:
        found = None
    if found is None:
        raise ConfigError(f"the bench has no device {text!r}", hint=f"there are: {there}")
    return found


def _rig_options(
    radio: str | None,
    bench_file: Path | None,
    lab: Path | None,
    *,
    seed: int,
    artifacts: Path | None,
    database: Path | None,
    prompt: Callable[[str], Awaitable[None]] | None,
) -> RigOptions:
    from hanota.bench.bench_file import read_bench  # noqa: PLC0415  # see above
    from hanota.conformance.rig import RigOptions  # noqa: PLC0415

    bench: Bench | None = None if bench_file is None else read_bench(bench_file)
    if radio is None:
        radio = "znp" if bench is None or bench.radio is None else bench.radio.url
    return RigOptions(
        radio=radio,
        bench=bench,
        lab=lab,
        seed=seed,
        artifacts=artifacts,
        database=database,
        prompt=prompt,
    )


async def _ask(running: RunningCase, text: str) -> None:
    """Have a person do something, and wait until it is done."""
    with running.aside():
        console.print(f"[bold]{text}[/], then press Enter")
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


def _fail(error: HanotaError, status: int) -> NoReturn:
    from rich.markup import escape  # noqa: PLC0415  # beside the error alone

    stderr.print(f"[bold red]error:[/] {escape(str(error))}")
    if error.hint:
        stderr.print(f"[bold]hint:[/] {escape(error.hint)}")
    raise typer.Exit(status)
