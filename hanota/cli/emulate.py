"""`hanota emulate`: an emulated dongle that any program can open, with a HAN of devices behind it."""

from __future__ import annotations

import asyncio
import signal
import sys
from functools import partial
from pathlib import Path  # noqa: TC003  # Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hanota.cli.output import console, fail
from hanota.errors import ConfigError, HanotaError

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from hanota.clock import Clock
    from hanota.emulator.emulation.control import Control
    from hanota.emulator.emulation.entries import DeviceEntry, HanFile
    from hanota.emulator.emulation.han import Han
    from hanota.emulator.emulation.nodes import LabKeys
    from hanota.emulator.emulation.ports import Port
    from hanota.eui64 import Eui64
    from hanota.zse.cbke import SiteCredentials

LOOPBACK: Final = "127.0.0.1"
"""Where --tcp listens unless told otherwise: whoever reaches the port drives the dongle."""
LAB_SUITE: Final = 2
"""What the usual devices establish their link keys with in a lab."""
ADAPTERS: Final = {"znp": "zstack", "ezsp": "ember"}
"""What zigbee2mqtt calls the radio families."""


def emulate(
    *,
    radio: Annotated[str, typer.Option(help="What the dongle speaks: `znp` (Z-Stack) or `ezsp`.")] = "znp",
    pty: Annotated[
        Path | None, typer.Option(help="Offer the dongle on a pseudo terminal, linked to by this name.")
    ] = None,
    tcp: Annotated[str | None, typer.Option(help="Offer the dongle on TCP, at [HOST]:PORT.")] = None,
    han: Annotated[
        Path | None, typer.Option(help="The devices, a han.toml; without it one PPMID and one HCALCS.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="Keep what is non-volatile in this file, over a restart.")
    ] = None,
    control: Annotated[Path | None, typer.Option(help="Take commands at this unix socket, in JSON.")] = None,
    hub_credentials: Annotated[
        Path | None,
        typer.Option(help="Write here what a hub needs to establish keys with the devices that do so."),
    ] = None,
    lab: Annotated[
        Path | None,
        typer.Option(help="Take everybody's keys of this lab: the folder of `hanota run`'s keys.lab."),
    ] = None,
    relay: Annotated[
        Path | None,
        typer.Option(
            help="Offer a relay board (LCUS) that switches the devices, at a terminal of this name."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same keys and the same air every time.")] = 0,
) -> None:
    """Run an emulated ZigBee dongle, and devices behind it, until Ctrl-C.

    zigbee2mqtt, Home Assistant, hanota or a test opens it as if it were metal.
    """
    try:
        asyncio.run(
            _run(
                radio,
                pty,
                tcp,
                han,
                state=state,
                control=control,
                hub_credentials=hub_credentials,
                lab=lab,
                relay=relay,
                seed=seed,
            )
        )
    except HanotaError as error:
        fail(error)


async def _run(
    radio: str,
    pty: Path | None,
    tcp: str | None,
    han_file: Path | None,
    *,
    state: Path | None,
    control: Path | None,
    hub_credentials: Path | None,
    lab: Path | None,
    relay: Path | None,
    seed: int,
) -> None:
    # The emulator is loaded by this command alone, and only when it runs.
    from hanota.cli.keyboard import keyboard  # noqa: PLC0415
    from hanota.clock import SystemClock  # noqa: PLC0415
    from hanota.emulator.emulation.entries import default_han  # noqa: PLC0415
    from hanota.emulator.emulation.han import Han  # noqa: PLC0415
    from hanota.emulator.emulation.han_file import read_han_file  # noqa: PLC0415
    from hanota.emulator.emulation.lab_credentials import write_hub_credentials  # noqa: PLC0415
    from hanota.emulator.emulation.run import run_emulation  # noqa: PLC0415
    from hanota.emulator.emulation.state_file import read_state  # noqa: PLC0415

    # In a lab there is a hub with credentials to establish keys with.
    usual = default_han(None if lab is None else LAB_SUITE)
    file = usual if han_file is None else read_han_file(han_file)
    clock = SystemClock()
    keys, hub = _seed_keys(file, clock, seed) if lab is None else _lab_keys(file, lab)
    if hub_credentials is not None:
        write_hub_credentials(hub_credentials, hub)
    han = Han(
        file,
        radio,
        keys=keys,
        clock=clock,
        tell=partial(_tell, clock),
        seed=seed,
        state=None if state is None else read_state(state),
    )
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with keyboard(sys.stdin, stop=stop.set, say=_say) as use:

        def started(commands: Control, port: Port) -> None:
            _introduce(file, radio, port, control)
            _introduce_bench(file, relay)
            _introduce_credentials(file, hub_credentials, lab)
            use(commands)

        await run_emulation(
            han,
            _port(han, pty, tcp),
            control=control,
            state=state,
            started=started,
            stop=stop,
            relay=relay,
        )


def _lab_keys(file: HanFile, folder: Path) -> tuple[LabKeys, SiteCredentials]:
    """Return the devices' keys, and the hub's, of the lab that a daemon has too."""
    from hanota.daemon.emulated import lab_keys  # noqa: PLC0415  # see _run
    from hanota.daemon.lab import Lab  # noqa: PLC0415  # beside it

    lab = Lab.at(folder)
    return lab_keys(file, lab), lab.site(file.dongle.eui64)


def _seed_keys(file: HanFile, clock: Clock, seed: int) -> tuple[LabKeys, SiteCredentials]:
    """Make the keys of everybody who brings none: the demonstration's, if it has the same seed."""
    from hanota.demo.parties import make_parties  # noqa: PLC0415  # see _run
    from hanota.emulator.emulation.entries import Firmware  # noqa: PLC0415
    from hanota.emulator.emulation.lab_credentials import make_lab_credentials  # noqa: PLC0415
    from hanota.emulator.emulation.nodes import LabKeys  # noqa: PLC0415
    from hanota.gbcs.reference_test_data import BROKER, SUPPLIER  # noqa: PLC0415  # see _run

    credentials = make_lab_credentials(file, now=clock.now(), seed=seed)
    parties = make_parties(
        supplier=SUPPLIER,
        broker=BROKER,
        hub=file.dongle.eui64,
        devices=[device.eui64 for device in file.devices if isinstance(device.application, Firmware)],
        keystore=None,
        now=clock.now(),
        seed=seed,
    )
    return LabKeys(parties.devices, parties.trust, credentials.devices), credentials.hub


def _port(han: Han, pty: Path | None, tcp: str | None) -> AbstractAsyncContextManager[Port]:
    from hanota.emulator.emulation.ports import pty_port, tcp_port  # noqa: PLC0415  # see _run
    from hanota.emulator.emulation.sockets import parse_host_port  # noqa: PLC0415

    line = han.dongle.line
    match pty, tcp:
        case None, str():
            address = parse_host_port(tcp)
            return tcp_port(line, address.host or LOOPBACK, address.port)
        case _, None if pty is not None:
            return pty_port(line, pty)
        case _:
            raise ConfigError(
                "say where the dongle is to be found, in one way",
                hint="--pty ./ttyHAN, or --tcp :6638",
            )


def _introduce(file: HanFile, radio: str, port: Port, control: Path | None) -> None:
    _say(f"dongle {file.dongle.eui64} at {port.name} ({radio}; zigbee2mqtt: adapter {ADAPTERS[radio]})")
    for device in file.devices:
        _say(f"{device.kind:8} {device.eui64} install code {_label(device)}")
    if control is not None:
        _say(f"commands at {control}")


def _introduce_bench(file: HanFile, relay: Path | None) -> None:
    """Tell what a bench file wants to know."""
    if relay is not None:
        order = ", ".join(f"{channel} {device.eui64}" for channel, device in enumerate(file.devices, 1))
        _say(f"relay board at {relay}, normally closed: channel {order}")
    for device in file.devices:
        if device.console is not None:
            _say(f"console of {device.eui64} at {device.console}")


def _introduce_credentials(file: HanFile, hub_credentials: Path | None, lab: Path | None) -> None:
    """Tell where a hub finds what it needs for the devices that establish a key."""
    suites = sorted({device.suite for device in file.devices if device.suite is not None})
    if hub_credentials is not None:
        _say(f"hub's credentials for key establishment in {hub_credentials}")
    elif lab is not None:
        _say(f'keys of the lab in {lab}; a hub with keys.lab = "{lab.absolute()}" knows them')
    elif suites:
        _say(f"suite {', '.join(map(str, suites))}: --hub-credentials FILE writes what the hub needs for it")


def _label(device: DeviceEntry) -> str:
    """Return the install code as on a label: with its CRC, in groups of four digits."""
    from hanota.zse.install_code import crc16_x25  # noqa: PLC0415  # see _run

    code = device.install_code
    if code is None:
        return "none: it joins with the well-known key"
    digits = (code + crc16_x25(code).to_bytes(2, "little")).hex().upper()
    return " ".join(digits[start : start + 4] for start in range(0, len(digits), 4))


def _tell(clock: Clock, device: Eui64, text: str) -> None:
    from hanota.timestamps import iso  # noqa: PLC0415  # see _run

    _say(f"{iso(clock.now())} {device} {text}")


def _say(text: str) -> None:
    console.print(text, markup=False)
