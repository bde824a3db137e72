"""The plugin's options, each with a twin in the ini file; nothing heavy is imported to read them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest

N = TypeVar("N", int, float)

EMULATED: Final = ("znp", "ezsp")
"""The emulated dongles, on both of which a test runs where no option says otherwise."""
BENCH_VARIABLE: Final = "HANOTA_BENCH"
_INI_FILES: Final = (
    "pytest.toml",
    ".pytest.toml",
    "pytest.ini",
    ".pytest.ini",
    "pyproject.toml",
    "tox.ini",
    "setup.cfg",
)
"""Where pytest reads its settings."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user chose."""

    radios: tuple[str, ...]
    """Radio URLs, or names of emulated dongles; empty: the bench's dongle, or both emulated ones."""
    bench: Path | None
    artifacts: Path | None
    """Folder for what failing tests leave; None: they leave nothing."""
    artifacts_all: bool
    images: tuple[Path, ...]
    """The makers' Upgrade Images; none: made ones, for devices that take them."""
    seed: int
    power_off: float | None
    """Seconds for which power is cut; None: as long as the rig's settings say."""
    allow_destructive: bool


def add_options(parser: pytest.Parser) -> None:
    """Add the group `hanota`, and the ini twins."""
    group = parser.getgroup("hanota")
    group.addoption(
        "--radio",
        action="append",
        metavar="URL",
        help="run on this dongle, such as ezsp:///dev/serial/by-id/...; repeatable (ini: hanota_radio, one a "
        "line). Without it, and without a bench, tests run on both emulated dongles; `znp` or `ezsp` is one "
        "of these",
    )
    group.addoption(
        "--bench",
        metavar="FILE",
        help=f"the devices of this bench file, with their power and consoles ({BENCH_VARIABLE}; ini: "
        "hanota_bench)",
    )
    group.addoption(
        "--artifacts",
        metavar="DIR",
        help="keep capture, radio log, events, database and console logs of failing tests here, in a folder "
        "for each (ini: hanota_artifacts)",
    )
    group.addoption(
        "--artifacts-all",
        action="store_true",
        default=None,
        help="keep them of passing tests too (ini: hanota_artifacts_all)",
    )
    group.addoption(
        "--image",
        action="append",
        metavar="FILE",
        help="an Upgrade Image for devices of the bench; repeatable (ini: hanota_image, one a line). "
        "Emulated devices, and those of a bench with the feature made-images, take made ones",
    )
    group.addoption(
        "--seed",
        type=int,
        metavar="N",
        help="the same keys and the same air every time on emulated dongles (ini: hanota_seed)",
    )
    group.addoption(
        "--power-off",
        type=float,
        metavar="SECONDS",
        help="how long a power cut lasts: until the slowest device has gone off (ini: hanota_power_off)",
    )
    group.addoption(
        "--radio-info",
        action="store_true",
        help="tell what is behind each --radio, or on every serial port, and exit",
    )
    group.addoption(
        "--allow-destructive",
        action="store_true",
        default=None,
        help="run on metal also what leaves a dongle or a device other than it was: tests marked "
        "destructive (ini: hanota_allow_destructive)",
    )
    parser.addini("hanota_radio", "radio URLs, one a line: see --radio", type="linelist")
    parser.addini("hanota_bench", "bench file: see --bench", type="string", default="")
    parser.addini("hanota_artifacts", "folder for artefacts: see --artifacts", type="string", default="")
    parser.addini("hanota_artifacts_all", "see --artifacts-all", type="bool", default=False)
    parser.addini("hanota_image", "Upgrade Images, one a line: see --image", type="linelist")
    parser.addini("hanota_seed", "see --seed", type="string", default="")
    parser.addini("hanota_power_off", "seconds of a power cut: see --power-off", type="string", default="")
    parser.addini("hanota_allow_destructive", "see --allow-destructive", type="bool", default=False)


def read_options(config: pytest.Config) -> Options:
    """Return what the command line says, else the environment, else the ini file; raise UsageError.

    Paths of the ini file are relative to pytest's root folder.
    """
    given: Sequence[str] | None = config.getoption("--radio")
    radios = config.getini("hanota_radio") if given is None else given
    artifacts_all = config.getoption("--artifacts-all")
    destructive = config.getoption("--allow-destructive")
    return Options(
        radios=tuple(radios),
        bench=_path(config, "--bench", os.environ.get(BENCH_VARIABLE), "hanota_bench"),
        artifacts=_path(config, "--artifacts", None, "hanota_artifacts"),
        artifacts_all=config.getini("hanota_artifacts_all") if artifacts_all is None else artifacts_all,
        images=_images(config),
        seed=_number(config, "--seed", "hanota_seed", int) or 0,
        power_off=_number(config, "--power-off", "hanota_power_off", float),
        allow_destructive=config.getini("hanota_allow_destructive") if destructive is None else destructive,
    )


def lost_ini(config: pytest.Config) -> str | None:
    """Return words where pytest has read no ini file because it took a path of ours for one of tests.

    It looks where the paths on its command line are, before it knows which of them belong to options.
    """
    here = config.invocation_params.dir
    if config.inipath is not None or not any((here / name).exists() for name in _INI_FILES):
        return None
    for option in ("--bench", "--artifacts"):
        given = config.getoption(option)
        if (
            given
            and given in config.invocation_params.args
            and not Path(given).absolute().is_relative_to(here)
        ):
            return f"pytest read no ini file: it took {option} {given} for tests; write {option}={given}"
    return None


def _path(config: pytest.Config, option: str, variable: str | None, ini: str) -> Path | None:
    given = config.getoption(option) or variable
    if given:
        return Path(given).absolute()
    text = config.getini(ini)
    return config.rootpath / text if text else None


def _images(config: pytest.Config) -> tuple[Path, ...]:
    given: Sequence[str] | None = config.getoption("--image")
    if given is not None:
        return tuple(Path(each).absolute() for each in given)
    return tuple(config.rootpath / each for each in config.getini("hanota_image"))


def _number(config: pytest.Config, option: str, ini: str, parse: Callable[[str], N]) -> N | None:
    """Return the number an option gives, else its ini twin; None where neither does. Raise UsageError."""
    import pytest  # noqa: PLC0415  # there when this runs

    given: N | None = config.getoption(option)
    text = config.getini(ini)
    if given is not None or not text:
        return given
    try:
        return parse(text)
    except ValueError:
        raise pytest.UsageError(f"{ini}: {text!r} is no number") from None
