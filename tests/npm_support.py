"""Programs written in JavaScript, installed by their package-lock.json into pytest's cache, once."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

INSTALL_SECONDS = 120


def installed(config: pytest.Config, name: str, files: Sequence[Path]) -> Path:
    """Return a folder with `files` and what their package-lock.json says; skip the test where that fails."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip(f"there is no node or no npm to run {name}")
    if not config.pluginmanager.hasplugin("cacheprovider"):
        pytest.skip(f"pytest has no cache to install {name} in")
    cache = Path(config.cache.mkdir(name))
    folder = cache / hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=cache, ignore_cleanup_errors=True) as temporary:
            _install(npm, name, files, Path(temporary))
            # Another process may have installed it meanwhile.
            with suppress(OSError):
                Path(temporary).rename(folder)
    return folder


def _install(npm: str, name: str, files: Sequence[Path], folder: Path) -> None:
    for file in files:
        shutil.copy(file, folder)
    try:
        done = subprocess.run(
            (npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"),
            cwd=folder,
            capture_output=True,
            check=False,
            text=True,
            timeout=INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install {name} in {INSTALL_SECONDS} s")
    if done.returncode:
        pytest.skip(f"npm cannot install {name}: {done.stderr[-300:]}")
