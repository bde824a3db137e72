"""The emulated dongles by radio family, each loaded only when it is asked for."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from hanota.emulator.memory import from_json, to_json
from hanota.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.emulator.air import Air
    from hanota.emulator.line import Line, LineSettings
    from hanota.emulator.memory import Json
    from hanota.eui64 import Eui64

RADIOS: Final = ("znp", "ezsp")
"""The radio families."""
EZSP_VERSION: Final = 13
"""That of EmberZNet 7.4, which every host drives."""
MEMORY: Final = "the dongle's memory"
"""What a damaged one is called in an error."""


class Dongle(Protocol):
    """An emulated coordinator, whatever protocol it speaks."""

    @property
    def line(self) -> Line:
        """Its serial line."""
        ...

    @property
    def eui64(self) -> Eui64:
        """Its IEEE address."""
        ...

    @property
    def network_up(self) -> bool:
        """Tell whether its network was formed or restored since the last reset."""
        ...

    def reset(self) -> None:
        """Restart its firmware, as a watchdog does."""
        ...

    def stop(self) -> None:
        """Leave the air and end every activity."""
        ...


@dataclass(frozen=True, slots=True)
class DongleWithMemory:
    """A dongle, and how to read what it keeps in non-volatile memory."""

    dongle: Dongle
    memory: Callable[[], Json]


def make_dongle(
    radio: str,
    air: Air,
    *,
    eui64: Eui64,
    version: int | str | None = None,
    line: LineSettings | None = None,
    seed: int = 0,
    memory: Json = None,
) -> DongleWithMemory:
    """Make the dongle of a radio family: `znp` with a release of Z-Stack, `ezsp` in a protocol version.

    `memory` is what an earlier one kept. Raise ConfigError for a family, version or memory that is none.
    """
    if radio not in RADIOS:
        raise ConfigError(f"no emulated dongle speaks {radio!r}", hint=f"one of {', '.join(RADIOS)}")
    make = _znp if radio == "znp" else _ezsp
    try:
        return make(air, eui64, version, line, seed, memory)
    except (KeyError, IndexError, struct.error) as error:
        # Only what was kept can be incomplete: memory that is factory new never is.
        raise ConfigError(f"{MEMORY} is incomplete: {error!r}") from error


def _znp(
    air: Air, eui64: Eui64, version: int | str | None, line: LineSettings | None, seed: int, memory: Json
) -> DongleWithMemory:
    from hanota.emulator.znp.coordinator import ZnpCoordinator  # noqa: PLC0415  # see the module's docstring
    from hanota.emulator.znp.nvram import Nvram  # noqa: PLC0415
    from hanota.emulator.znp.personality import PERSONALITIES, Z_STACK_3_30  # noqa: PLC0415

    personality = Z_STACK_3_30 if version is None else PERSONALITIES.get(str(version))
    if personality is None:
        known = ", ".join(f'"{name}"' for name in PERSONALITIES)
        raise ConfigError(f"no ZNP dongle of version {version}", hint=f"a release of Z-Stack: {known}")
    nvram = None if memory is None else from_json(Nvram, memory, MEMORY)
    if nvram is not None and not personality.wrote(nvram):
        hint = "name its version, or start anew without it"
        raise ConfigError(f"{MEMORY} is not of Z-Stack {personality.name}", hint=hint)
    dongle = ZnpCoordinator(air, eui64=eui64, personality=personality, nvram=nvram, line=line, seed=seed)
    return DongleWithMemory(dongle, lambda: to_json(dongle.nvram))


def _ezsp(
    air: Air, eui64: Eui64, version: int | str | None, line: LineSettings | None, seed: int, memory: Json
) -> DongleWithMemory:
    from hanota.emulator.ezsp.coordinator import EzspCoordinator  # noqa: PLC0415  # see the module's docstring
    from hanota.emulator.ezsp.frames import FIRMWARE  # noqa: PLC0415
    from hanota.emulator.ezsp.nvram import EzspNvram  # noqa: PLC0415

    version = EZSP_VERSION if version is None else version
    if not isinstance(version, int) or version not in FIRMWARE:
        known = ", ".join(map(str, FIRMWARE))
        raise ConfigError(f"no EZSP dongle of version {version}", hint=f"one of {known}")
    nvram = None if memory is None else from_json(EzspNvram, memory, MEMORY)
    dongle = EzspCoordinator(air, eui64=eui64, version=version, nvram=nvram, line=line, seed=seed)
    return DongleWithMemory(dongle, lambda: to_json(dongle.nvram))
