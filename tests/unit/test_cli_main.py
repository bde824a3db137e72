"""`hanota` itself: its sub-commands are found, and cost nothing before they are asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from hanota import __version__
from hanota.cli.main import _COMMANDS, app

HEAVY = {
    *("zigpy", "zigpy_znp", "bellows", "serialx", "httpx", "fastapi", "uvicorn"),
    *("lxml", "signxml", "pydantic", "prometheus_client", "structlog"),
}


def loaded_by(*arguments: str) -> set[str]:
    """Return the modules there are when the command line has ended."""
    program = (
        "import atexit, sys\n"
        "from hanota.cli.main import app\n"
        "atexit.register(lambda: print(*sys.modules))\n"
        "app(sys.argv[1:])\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True
    )
    return set(ended.stdout.splitlines()[-1].split())


def test_the_help_loads_no_library_that_commands_work_with() -> None:
    assert not HEAVY & loaded_by("--help")


def test_a_command_is_loaded_alone() -> None:
    modules = loaded_by("database", "--help")
    assert "hanota.cli.database" in modules
    assert not {"hanota.cli.client", "hanota.cli.image", "hanota.cli.gbcs", "cryptography"} & modules


def test_the_version_is_told_without_any_command() -> None:
    modules = loaded_by("--version")
    assert not {"hanota.cli.run", "hanota.hub", "hanota.store", "cryptography", "sqlite3"} & modules


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert f"Usage: hanota {command}" in result.stdout


def test_the_installed_version_is_told() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"hanota {__version__}\n"


def test_a_misspelt_command_is_told_with_the_right_one() -> None:
    result = CliRunner().invoke(app, ["clint"])
    assert result.exit_code == 2
    assert "No such command 'clint'. Did you mean 'client'?" in result.output
