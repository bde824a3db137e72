"""The dongles that a run's tests are for, chosen by options, bench file, or neither."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hanota.errors import ConfigError
from hanota.testing.options import BENCH_VARIABLE, EMULATED

if TYPE_CHECKING:
    from hanota.bench.bench_file import Bench
    from hanota.testing.options import Options

_EMULATOR: Final = "+emulator"


@dataclass(frozen=True, slots=True)
class Radio:
    """A dongle that tests run on."""

    name: str
    """What stands in the tests' ids."""
    family: str
    """ezsp or znp."""
    url: str
    """The radio URL; of an emulated dongle its family."""
    port: str
    """What is opened, as one name however it was written; empty for an emulated dongle."""

    @property
    def emulated(self) -> bool:
        """Tell whether it is one in this process, in virtual time."""
        return not self.port


def chosen_radios(options: Options, bench: Bench | None) -> tuple[Radio, ...]:
    """Return the dongles to run on; raise ConfigError for a choice that cannot be."""
    urls = options.radios
    if not urls and bench is not None:
        if bench.radio is None:
            raise ConfigError(f"{options.bench} has no [radio] url", hint="give --radio URL")
        urls = (bench.radio.url,)
    radios = tuple(map(_radio, urls or EMULATED))
    if len({radio.emulated for radio in radios}) > 1:
        raise ConfigError(
            "an emulated dongle and a real one make no run together: one has virtual time, one the clock's",
            hint="run pytest twice",
        )
    if bench is not None and bench.device and radios[0].emulated:
        raise ConfigError(
            f"the devices of {options.bench} are not in reach of an emulated dongle",
            hint=f"leave out --radio {radios[0].url}, or --bench and {BENCH_VARIABLE}",
        )
    taken: dict[str, str] = {}
    for radio in radios:
        other = taken.setdefault(radio.port or radio.url, radio.url)
        if other is not radio.url:
            raise ConfigError(f"--radio {other} and --radio {radio.url} are the same port")
    return radios


def _radio(url: str) -> Radio:
    family = url.partition("+")[0]
    if url in EMULATED or url.startswith(f"{family}{_EMULATOR}"):
        if family not in EMULATED:
            raise ConfigError(f"there is no emulated dongle {url!r}", hint=f"one of {', '.join(EMULATED)}")
        return Radio(family, family, family, "")
    from hanota.radio.url import RadioUrl  # noqa: PLC0415  # loads the radio libraries

    parsed = RadioUrl.parse(url)
    path = parsed.path
    port = path if "://" in path else str(Path(path).resolve())
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", path.rsplit("/", 1)[-1])
    return Radio(f"{parsed.family}-{name}", parsed.family, str(parsed), port)
