"""`hanota run` where it does not run: settings validated, printed, described."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hanota.cli.main import app

CONFIGS = Path(__file__).parents[2] / "configs"


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["run", *arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("name", ["demo", "hub-ezsp", "hub-znp"])
def test_the_settings_that_come_along_can_be(name: str) -> None:
    file = CONFIGS / f"{name}.toml"
    status, out, _ = run("--check", "-c", str(file))
    assert (status, "".join(out.split())) == (0, f"{file}isvalid")


def test_faults_are_lines_and_exit_status_2(tmp_path: Path) -> None:
    file = tmp_path / "hub.toml"
    file.write_text("[radio]\nurl = 'znp://x'\n[hub]\nframe_waiting = 1\n[api]\nport = 'x'\n")
    status, out, err = run("--check", "-c", str(file))
    assert (status, out) == (2, "")
    assert [line.split(": ")[1] for line in err.splitlines()] == [
        "radio.url",
        "hub.frame_waiting",
        "api.port",
    ]
    assert all(line.startswith(f"{file}: ") for line in err.splitlines())


def test_faults_keep_the_daemon_from_starting(tmp_path: Path) -> None:
    file = tmp_path / "hub.toml"
    file.write_text("")
    status, _, err = run("-c", str(file))
    assert (status, err) == (2, f"{file}: radio: is missing\n")


def test_a_daemon_without_keys_says_what_to_set(tmp_path: Path) -> None:
    file = tmp_path / "hub.toml"
    file.write_text("[radio]\nurl = 'znp:///dev/null'\n")
    status, _, err = run("-c", str(file))
    assert status == 1
    assert "there are no keys" in err
    assert 'keys.lab = "lab"' in err


def test_no_file_is_a_usage_error() -> None:
    status, _, err = run()
    assert status == 2
    assert "configs/demo.toml" in err


def test_the_settings_in_force_are_printed_as_toml_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANOTA_RADIO__NETWORK__NETWORK_KEY", "00112233445566778899aabbccddeeff")
    status, out, _ = run("--print-config", "-c", str(CONFIGS / "hub-znp.toml"))
    printed = tomllib.loads(out)
    assert status == 0
    assert printed["radio"]["network"]["network_key"] == "(withheld)"
    assert printed["devices"][0]["install_code"] == "(withheld)"
    assert "83fed3407a93" not in out.lower().replace(" ", "")


def test_the_schema_is_json() -> None:
    status, out, _ = run("--schema")
    assert status == 0
    assert json.loads(out)["title"] == "Settings of hanota"
