"""A HAN from a han.toml, its dongle opened by stock zigpy-znp, and what it tells."""

from __future__ import annotations

import asyncio
import tomllib
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hanota.clock import LoopClock
from hanota.demo.parties import make_parties
from hanota.emulator.emulation.control import Control
from hanota.emulator.emulation.entries import Firmware
from hanota.emulator.emulation.han import Han
from hanota.emulator.emulation.han_file import parse_han
from hanota.emulator.emulation.lab_credentials import make_lab_credentials
from hanota.emulator.emulation.nodes import LabKeys
from hanota.emulator.emulation.ports import TcpPort
from hanota.gbcs.reference_test_data import BROKER, HCALCS, HUB, PPMID, SUPPLIER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hanota.emulator.emulation.lab_credentials import LabCredentials
    from hanota.emulator.memory import Json
    from hanota.eui64 import Eui64

EPOCH = 1_800_000_000.0
TWO_DEVICES = f"""
[[device]]
kind = "ppmid"
eui64 = "{PPMID}"

[[device]]
kind = "hcalcs"
eui64 = "{HCALCS}"
autojoin = false
"""


@dataclass
class Told:
    """What a HAN tells, and a way to wait for it."""

    lines: list[tuple[Eui64, str]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, device: Eui64, text: str) -> None:
        self.lines.append((device, text))
        self.changed.set()

    def has(self, text: str, device: Eui64 | None = None) -> bool:
        return any(text in line and device in (None, teller) for teller, line in self.lines)

    async def until(self, text: str, device: Eui64 | None = None, seconds: float = 60) -> None:
        """Wait until something with `text` in it was told."""
        try:
            async with asyncio.timeout(seconds):
                while not self.has(text, device):
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            raise AssertionError(f"nobody told {text!r} but {self.lines}") from None


def lab_credentials_of(toml: str) -> LabCredentials:
    """What a lab CA issues for key establishment with the devices of a han.toml."""
    file = parse_han(tomllib.loads(toml), name="han.toml", folder=Path())
    return make_lab_credentials(file, now=EPOCH, seed=1)


def make_han(
    toml: str,
    folder: Path,
    *,
    radio: str = "znp",
    told: Told | None = None,
    state: dict[str, Json] | None = None,
) -> Han:
    """Make the HAN of a han.toml, on the running loop's clock."""
    file = parse_han(tomllib.loads(toml), name="han.toml", folder=folder)
    parties = make_parties(
        supplier=SUPPLIER,
        broker=BROKER,
        hub=HUB,
        devices=[device.eui64 for device in file.devices if isinstance(device.application, Firmware)],
        keystore=None,
        now=EPOCH,
        seed=1,
    )
    return Han(
        file,
        radio,
        keys=LabKeys(parties.devices, parties.trust, make_lab_credentials(file, now=EPOCH, seed=1).devices),
        clock=LoopClock(asyncio.get_running_loop(), EPOCH),
        tell=told or Told(),
        seed=1,
        state=state,
    )


@asynccontextmanager
async def living(han: Han) -> AsyncIterator[Control]:
    """Let a HAN live for the length of a `with` block; give its control."""
    life = asyncio.create_task(han.run())
    try:
        yield Control(han, TcpPort(han.dongle.line, "tcp://nowhere:0"))
    finally:
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)
        han.switch_off()
