"""Which radio family is on a port: both are asked, in their own words, and the one that answers is it.

Sources: Z-Stack Monitor and Test API SWRA198 (SYS_PING), Silicon Labs UG101 (ASH RST and RSTACK). The
question of one is noise to the other; the RST restarts an EmberZNet coordinator, which keeps its network.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from zigpy.serial import create_serial_connection

from hanota.errors import ConfigError, RadioError
from hanota.radio.diagnosis import hint, reason
from hanota.radio.families import FAMILIES
from hanota.radio.url import RadioUrl

if TYPE_CHECKING:
    from hanota.radio.dongles import KnownDongle

SYS_PING: Final = bytes.fromhex("FE00210120")
RST: Final = bytes.fromhex("1AC038BC7E")
"""With the cancel byte before it, which ends what of a frame the line has so far."""

_QUESTIONS: Final = {
    "znp": (SYS_PING, re.compile(rb"\xfe\x02\x61\x01", re.DOTALL)),
    "ezsp": (RST, re.compile(rb"\xc1\x02.{1,4}\x7e", re.DOTALL)),
}
"""What each family is asked, and the beginning of its answer."""
_BAUDRATES: Final[tuple[int, ...]] = (115200, 460800, 57600)
"""Those of coordinator firmware one can download, the most frequent first."""


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """How long a port is listened to."""

    open_patience: float = 5
    """Seconds to open a port, which may be on TCP."""
    ping_patience: float = 0.5
    """Seconds for Z-Stack's answer, which comes at once."""
    restart_patience: float = 1.5
    """Seconds for EmberZNet's; an EFR32 restarts in less than one."""
    heard_limit: int = 4096
    """Octets kept of what a port says; a device that talks without end is no coordinator."""


async def probe(
    path: str, known: KnownDongle | None = None, *, settings: ProbeSettings | None = None
) -> RadioUrl:
    """Return the radio URL of the coordinator on a port; raise RadioError where none answers."""
    settings = settings or ProbeSettings()
    rates = _BAUDRATES if "://" not in path else _BAUDRATES[:1]
    if known is not None:
        rates = (known.baudrate, *(rate for rate in rates if rate != known.baudrate))
    for baudrate in rates:
        family = await _ask(path, baudrate, settings)
        if family is not None:
            return _url(path, family, baudrate, known)
    raise RadioError(
        f"nothing on {path} answers as a Z-Stack or an EmberZNet coordinator",
        hint="unplug the dongle and plug it in again; if that does not help, flash it as a coordinator",
    )


async def confirm_family(url: RadioUrl, *, settings: ProbeSettings | None = None) -> None:
    """Raise ConfigError where the coordinator at `url` answers as one of another family.

    Nothing is said of one that does not answer: its own library may still wake it.
    """
    baudrate = url.baudrate or FAMILIES[url.family].baudrate
    family = await _ask(url.path, baudrate, settings or ProbeSettings(), first=url.family)
    if family not in (None, url.family):
        there = replace(url, family=family, flow_control=None)
        raise ConfigError(
            f"the coordinator on {url.path} is of the family {family}, not {url.family}",
            hint=f"write {there}",
        )


def _url(path: str, family: str, baudrate: int, known: KnownDongle | None) -> RadioUrl:
    usual = FAMILIES[family]
    flow_control = known.flow_control if known is not None and known.family == family else None
    return RadioUrl(
        family,
        path,
        None if baudrate == usual.baudrate else baudrate,
        None if flow_control == usual.flow_control else flow_control,
    )


async def _ask(path: str, baudrate: int, settings: ProbeSettings, *, first: str = "znp") -> str | None:
    """Return the family that answers at a baud rate, None where neither does; `first` is asked first."""
    patience = {"znp": settings.ping_patience, "ezsp": settings.restart_patience}
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(settings.open_patience):
            transport, ear = await create_serial_connection(
                loop, lambda: _Ear(settings.heard_limit), path, baudrate=baudrate
            )
    except Exception as error:
        raise RadioError(f"cannot open {path}: {reason(error)}", hint=hint(error)) from error
    assert isinstance(ear, _Ear)  # noqa: S101  # it was made just now
    try:
        for family in sorted(_QUESTIONS, key=lambda name: name != first):
            question, answer = _QUESTIONS[family]
            transport.write(question)
            if await ear.hears(answer, patience[family]):
                return family
    finally:
        transport.close()
        await ear.gone.wait()
    return None


class _Ear(asyncio.Protocol):
    """Keeps what a port says."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._heard = b""
        self._more = asyncio.Event()
        self.gone = asyncio.Event()
        self._error: Exception | None = None

    def data_received(self, data: bytes) -> None:
        self._heard = (self._heard + data)[-self._limit :]
        self._more.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._error = exc
        self.gone.set()
        self._more.set()

    async def hears(self, answer: re.Pattern[bytes], patience: float) -> bool:
        """Tell whether `answer` comes in time; raise RadioError where the port is gone."""
        try:
            async with asyncio.timeout(patience):
                while answer.search(self._heard) is None:
                    if self.gone.is_set():
                        why = "it closed" if self._error is None else reason(self._error)
                        raise RadioError(
                            f"the port is gone: {why}",
                            hint="is another program using it, or was it unplugged?",
                        )
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            return False
        return True
