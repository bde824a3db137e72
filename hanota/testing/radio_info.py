"""`pytest --radio-info`: what is behind the radios of a run, told as `hanota radio info` tells it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from hanota.cli.output import console, stderr
from hanota.cli.radio.target import radio_url
from hanota.cli.radio.words import show
from hanota.errors import HanotaError
from hanota.radio.maintenance import maintained
from hanota.radio.serial_ports import serial_ports
from hanota.testing.options import EMULATED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanota.testing.options import Options

_FAILED: Final = 1


def tell(options: Options) -> int:
    """Print what each radio is, of every serial port where none was named; return pytest's exit status."""
    named = [url for url in _named(options) if url not in EMULATED and "+emulator:" not in url]
    if not named:
        named = [port.path for port in serial_ports() if port.vid is not None]
    if not named:
        console.print("no USB serial port is there, and no --radio names another", markup=False)
        console.print(f"tests run on emulated dongles: {', '.join(EMULATED)}", markup=False)
        return 0
    return max(asyncio.run(_look(each)) for each in named)


def _named(options: Options) -> Sequence[str]:
    if options.radios or options.bench is None:
        return options.radios
    from hanota.bench.bench_file import read_bench  # noqa: PLC0415  # loads pydantic

    radio = read_bench(options.bench).radio
    return () if radio is None else (radio.url,)


async def _look(radio: str) -> int:
    try:
        url = await radio_url(radio)
        async with maintained(url) as coordinator:
            facts = await coordinator.facts()
    except HanotaError as error:
        stderr.print(f"{radio}: {error}", markup=False)
        if error.hint is not None:
            stderr.print(f"  {error.hint}", markup=False)
        return _FAILED
    show(url, facts, following=f"pytest --radio '{url}'")
    console.print()
    return 0
