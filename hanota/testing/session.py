"""One run of pytest: its radios, its bench, their ports, and whether they still work."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import pytest

from hanota.bench.port_lock import PortLock
from hanota.errors import ConfigError, HanotaError
from hanota.testing.radios import chosen_radios

if TYPE_CHECKING:
    from pathlib import Path

    from hanota.bench.bench_file import Bench, DeviceEntry
    from hanota.eui64 import Eui64
    from hanota.testing.options import Options
    from hanota.testing.radios import Radio

MADE_IMAGES: Final = "made-images"
"""The feature of a bench whose devices are emulated, somewhere behind its port."""
_LABGRID: Final = "lg_env"
"""labgrid's option --lg-env, by which its plugin is known, however it was loaded."""
LABGRID_VARIABLE: Final = "LG_ENV"
"""What labgrid reads where --lg-env names no environment file."""
EMULATED_FEATURES: Final = frozenset(("ppmid", "hcalcs", "power", "console", MADE_IMAGES))
"""What the emulated bench has."""


class Session:
    """What the options make of a run."""

    def __init__(self, config: pytest.Config, options: Options) -> None:
        """Raise ConfigError for options that make no run."""
        self.options = options
        self.bench: Bench | None = None
        if options.bench is not None:
            from hanota.bench.bench_file import read_bench  # noqa: PLC0415  # loads pydantic

            self.bench = read_bench(options.bench)
        self.radios = chosen_radios(options, self.bench)
        self.dongles: dict[str, Eui64] = {}
        """The EUI-64 of each dongle that a test has had, by its name."""
        self._config = config
        self._broken: dict[str, str] = {}
        self._memories: dict[str, Path] = {}
        self._locks: list[PortLock] = []

    @property
    def metal(self) -> bool:
        """Tell whether this run is on metal, or on what is opened like it."""
        return not self.radios[0].emulated

    def header(self) -> str | None:
        """Return what the run is on, None where the user has chosen nothing."""
        options = self.options
        if not (options.radios or options.bench or options.artifacts):
            return None
        words = [f"radio {', '.join(f'{each.url}' for each in self.radios)}"]
        bench = "no bench file" if options.bench is None else f"bench {options.bench}"
        words.append(bench if self.metal else f"emulated, seed {options.seed}")
        if options.artifacts is not None:
            words.append(f"artifacts in {options.artifacts}")
        return f"hanota: {'; '.join(words)}"

    # -- ports -------------------------------------------------------------------------------------------

    def lock(self) -> None:
        """Lock the ports for the run; raise RadioError where another has one, ConfigError for the options."""
        config = self._config
        if not self.metal or config.option.collectonly or hasattr(config, "workerinput"):
            return  # the workers of pytest-xdist run on what their controller has locked
        # -n has set this to `load`; --tx has it too.
        if config.getoption("dist", "no") not in {"no", "loadgroup"}:
            raise ConfigError(
                "a dongle has one user, and pytest-xdist has several", hint="add --dist loadgroup"
            )
        for radio in self.radios:
            self._locks.append(PortLock(radio.port).take())

    def close(self) -> None:
        """Unlock them."""
        while self._locks:
            self._locks.pop().release()

    def memory(self, radio: Radio, folders: pytest.TempPathFactory) -> Path:
        """Return the folder of what a hub on metal remembers from test to test."""
        folder = self._memories.get(radio.name)
        if folder is None:
            folder = self._memories[radio.name] = folders.mktemp(f"hanota-{radio.name}")
        return folder

    # -- the bench ---------------------------------------------------------------------------------------

    @property
    def features(self) -> frozenset[str]:
        """What the bench has: the words of its file, and the names of its devices."""
        if not self.metal:
            return EMULATED_FEATURES
        return frozenset() if self.bench is None else self.bench.features | frozenset(self.bench.device)

    @property
    def takes_made_images(self) -> bool:
        """Tell whether the devices take images of random octets, which are no firmware for a real one."""
        return MADE_IMAGES in self.features

    def device(self, name: str) -> DeviceEntry | None:
        """Return a device of the bench file by its name, or the first of that type."""
        if self.bench is None:
            return None
        return self.bench.device.get(name) or self.bench.of_type(name)

    def device_name(self, name: str) -> str:
        """Return the name that a device of the bench has there."""
        if self.bench is None or name in self.bench.device:
            return name
        return next(key for key, entry in self.bench.device.items() if entry.type == name)

    @property
    def labgrid(self) -> bool:
        """Tell whether labgrid is there and has an environment, whose target may have power and console."""
        options = vars(self._config.option)
        return _LABGRID in options and bool(options[_LABGRID] or os.environ.get(LABGRID_VARIABLE))

    # -- a bench that is broken --------------------------------------------------------------------------

    def broken(self, radio: Radio) -> str | None:
        """Return why nothing can be tested on a radio any more, None where it can."""
        return self._broken.get(radio.name)

    def found_broken(self, radio: Radio, reason: str) -> None:
        """Have the rest of the tests on a radio of metal skipped; an emulated one is made anew for each."""
        if not radio.emulated:
            self._broken.setdefault(radio.name, reason)


SESSION: Final = pytest.StashKey[Session]()


def error_words(error: HanotaError) -> str:
    """Return what an error says, with its hint."""
    return str(error) if error.hint is None else f"{error} ({error.hint})"
