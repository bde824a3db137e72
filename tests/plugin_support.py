"""Runs of pytest inside a test, with the plugin."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

# What a run within a run imports is forgotten after it, and loading these takes a second.
import hanota.bench.bench_file
import hanota.conformance.emulated
import hanota.conformance.metal
import hanota.testing.device_power
import hanota.testing.images
import hanota.testing.plugin
import hanota.testing.prompt
import hanota.testing.radio_info  # noqa: F401

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
addopts = --strict-markers -p no:cacheprovider -p no:labgrid
filterwarnings = error
"""
"""Without labgrid, where it is installed: its libraries cannot be loaded once for each run in a process."""
BENCH = """
[device.ppmid]
type = "ppmid"
eui64 = "00-DB-12-34-56-78-90-A4"
install_code = "83FE D340 7A93 9723 A5C6 39B2 6916 D505 C3B5"
"""
NOWHERE = f"hanota-none-{os.getpid()}"
METAL = ("--radio", f"znp:///dev/{NOWHERE}")
"""A dongle that is not plugged in; of this process, for workers of pytest-xdist lock their ports too."""


def run(pytester: pytest.Pytester, *given: str, ini: str = "") -> pytest.RunResult:
    """Run the tests of `pytester` in this process."""
    pytester.makeini(INI + ini)
    return pytester.runpytest_inprocess(*given)


def written(folder: Path, text: str, name: str = "bench.toml") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)
