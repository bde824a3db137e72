"""What a bench file lists, opened: power and consoles of its devices."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from hanota.bench.bench_file import ManualEntry, RelayEntry, UsbHubEntry
from hanota.bench.console import Console, ConsoleSettings
from hanota.bench.power import ManualPower
from hanota.bench.relay import RelayPower, RelaySettings
from hanota.bench.serial_port import SerialPort
from hanota.bench.usb_hub import UsbHubPower

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from hanota.bench.bench_file import Bench, ConsoleEntry, PowerEntry
    from hanota.bench.power import Power


@dataclass(frozen=True, slots=True)
class Drivers:
    """Power and console of each device, by its name on the bench."""

    power: dict[str, Power]
    consoles: dict[str, Console]


@asynccontextmanager
async def opened(
    bench: Bench,
    *,
    prompt: Callable[[str], Awaitable[None]] | None,
    artifacts: Path | None,
    stamp: Callable[[], str],
) -> AsyncIterator[Drivers]:
    """Open what the bench has for the length of a `with` block; raise BenchError.

    A device that a person switches has no power without `prompt`. Consoles are logged to `artifacts`.
    """
    drivers = Drivers({}, {})
    boards: dict[str, SerialPort] = {}
    async with AsyncExitStack() as stack:
        for name, entry in bench.device.items():
            power = await _power(name, entry.power, boards, stack, prompt)
            if power is not None:
                drivers.power[name] = power
            if entry.console is not None:
                log = None if artifacts is None else artifacts / f"{name}.console.log"
                drivers.consoles[name] = await _console(name, entry.console, stack, log, stamp)
        yield drivers


async def _power(
    name: str,
    entry: PowerEntry | None,
    boards: dict[str, SerialPort],
    stack: AsyncExitStack,
    prompt: Callable[[str], Awaitable[None]] | None,
) -> Power | None:
    match entry:
        case None:
            return None
        case RelayEntry():
            if entry.port not in boards:
                boards[entry.port] = await SerialPort.open(entry.port, entry.baudrate)
                stack.push_async_callback(boards[entry.port].close)
            settings = RelaySettings(baudrate=entry.baudrate, normally_closed=entry.normally_closed)
            return RelayPower(boards[entry.port], entry.channel, settings)
        case UsbHubEntry():
            return UsbHubPower(entry.location, entry.port)
        case ManualEntry():
            return None if prompt is None else ManualPower(name, prompt)
        case _:
            assert_never(entry)


async def _console(
    name: str, entry: ConsoleEntry, stack: AsyncExitStack, log: Path | None, stamp: Callable[[], str]
) -> Console:
    console = Console(
        name,
        settings=ConsoleSettings(baudrate=entry.baudrate, newline=entry.newline),
        log=log,
        stamp=stamp,
    )
    stack.callback(console.close)
    port = await SerialPort.open(entry.port, entry.baudrate, console.feed)
    stack.push_async_callback(port.close)
    console.attach(port)
    return console
