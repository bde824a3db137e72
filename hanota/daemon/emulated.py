"""An emulated bench inside the daemon, loaded for radio URLs such as `znp+emulator://bench` alone."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hanota.hub.ports import DeviceLogEntry, DeviceType

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hanota.clock import Clock
    from hanota.config.settings import EmulationSection
    from hanota.daemon.lab import Lab
    from hanota.emulator.emulation.control import Control
    from hanota.emulator.emulation.entries import HanFile
    from hanota.emulator.emulation.han import Han
    from hanota.emulator.emulation.nodes import LabKeys
    from hanota.emulator.emulation.ports import Port
    from hanota.emulator.line import Line
    from hanota.eui64 import Eui64
    from hanota.radio.url import RadioUrl

logger = logging.getLogger(__name__)

SCHEME: Final = "emulator://"
SUITE: Final = 2
"""What the devices establish their link keys with where no han.toml says otherwise."""
_DEVICE_TYPES: Final = {"ppmid": DeviceType.PPMID, "hcalcs": DeviceType.HCALCS}


@dataclass(frozen=True, slots=True)
class EmulatedHan:
    """What is behind the URL: who the hub is, and which devices are to be in its Device Log."""

    hub: Eui64
    file: HanFile

    @property
    def device_log(self) -> tuple[DeviceLogEntry, ...]:
        """The devices that join with an install code."""
        return tuple(
            DeviceLogEntry(
                device.eui64, _DEVICE_TYPES.get(device.kind, DeviceType.PPMID), device.install_code
            )
            for device in self.file.devices
            if device.install_code is not None
        )


def is_emulated(url: RadioUrl) -> bool:
    """Tell whether the coordinator is one of this process."""
    return url.path.startswith(SCHEME)


def read_emulated_han(settings: EmulationSection) -> EmulatedHan:
    """Read the han.toml, or take the usual two devices; raise ConfigError."""
    from hanota.emulator.emulation.entries import default_han  # noqa: PLC0415  # loaded for such URLs alone
    from hanota.emulator.emulation.han_file import read_han_file  # noqa: PLC0415  # see above

    file = default_han(SUITE) if settings.han is None else read_han_file(settings.han)
    return EmulatedHan(file.dongle.eui64, file)


def lab_keys(file: HanFile, lab: Lab) -> LabKeys:
    """Return what the devices of a HAN have of a lab: those that bring no keys of their own."""
    from hanota.emulator.emulation.nodes import LabKeys  # noqa: PLC0415  # see read_emulated_han
    from hanota.zse.cbke import Suite  # noqa: PLC0415  # beside it

    return LabKeys(
        lab.devices(device.eui64 for device in file.devices),
        lab.trust,
        {
            device.eui64: lab.key_establishment(device.eui64, Suite(device.suite))
            for device in file.devices
            if device.suite is not None and device.credentials is None
        },
    )


@asynccontextmanager
async def emulation(
    emulated: EmulatedHan, url: RadioUrl, settings: EmulationSection, lab: Lab, clock: Clock
) -> AsyncIterator[Han]:
    """Have the bench live for the length of a `with` block; raise ConfigError."""
    from hanota.emulator.emulation.han import Han  # noqa: PLC0415  # see read_emulated_han
    from hanota.emulator.emulation.run import run_emulation  # noqa: PLC0415  # see above
    from hanota.emulator.emulation.state_file import read_state  # noqa: PLC0415  # see above

    han = Han(
        emulated.file,
        url.family,
        keys=lab_keys(emulated.file, lab),
        clock=clock,
        tell=_tell,
        seed=settings.seed,
        state=None if settings.state is None else read_state(settings.state),
    )
    started, stop = asyncio.get_running_loop().create_future(), asyncio.Event()

    def on_started(_commands: Control, _port: Port) -> None:
        started.set_result(None)

    running = asyncio.create_task(
        run_emulation(
            han,
            _port(url, han),
            control=settings.control,
            state=settings.state,
            started=on_started,
            stop=stop,
        ),
        name="emulated bench",
    )
    await asyncio.wait([running, started], return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        await running
    try:
        yield han
    finally:
        stop.set()
        await running


class _Port:
    """The dongle's port within this process."""

    def __init__(self, name: str, line: Line) -> None:
        self.name = name
        self.plugged = True
        self._line = line

    async def unplug(self) -> None:
        """Pull the dongle out."""
        self.plugged = False
        self._line.unplug()

    async def plug(self) -> None:
        """Put it back."""
        self.plugged = True
        self._line.plug()


@asynccontextmanager
async def _port(url: RadioUrl, han: Han) -> AsyncIterator[Port]:
    from hanota.emulator.serialx_handler import published  # noqa: PLC0415  # see read_emulated_han

    with published(url.path.removeprefix(SCHEME), han.dongle) as name:
        yield _Port(name, han.dongle.line)


def _tell(device: Eui64, text: str) -> None:
    logger.info("%s %s", device, text)
