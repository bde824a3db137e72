"""The bench file: what it lists, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanota.bench.bench_file import RelayEntry, read_bench
from hanota.errors import ConfigError
from hanota.eui64 import Eui64
from hanota.radio.url import RadioUrl

CODE = "83FE D340 7A93 9723 A5C6 39B2 6916 D505 C3B5"
DESK = """
features = ["sleepy"]
keystore = "keys/remote"
[radio]
url = "ezsp:///dev/serial/by-id/usb-1"
credentials = "hub.toml"
[device.ppmid]
type = "ppmid"
eui64 = "00-DB-12-34-56-78-90-A4"
install_code = "env:PPMID_IC"
power = { driver = "relay", port = "/dev/serial/by-id/usb-2", channel = 2 }
console = { port = "/dev/serial/by-id/usb-3" }
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "desk.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_bench_lists_its_dongle_and_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PPMID_IC", CODE)
    bench = read_bench(written(tmp_path, DESK))
    assert bench.radio is not None
    assert bench.radio.url == "ezsp:///dev/serial/by-id/usb-1"
    assert bench.radio.credentials == tmp_path / "hub.toml"
    assert bench.keystore == tmp_path / "keys/remote"
    assert bench.features == {"sleepy"}
    device = bench.of_type("ppmid")
    assert device is not None
    assert device.eui64 == Eui64.parse("00-DB-12-34-56-78-90-A4")
    assert device.install_code == bytes.fromhex(CODE.replace(" ", ""))[:16]
    assert device.power == RelayEntry(driver="relay", port="/dev/serial/by-id/usb-2", channel=2)
    assert bench.of_type("hcalcs") is None


def test_an_install_code_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PPMID_IC", CODE)
    assert "83fe" not in repr(read_bench(written(tmp_path, DESK))).lower()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("PPMID_IC", "NOT_THERE"), "device.ppmid.install_code.*no NOT_THERE"),
        (('"ppmid"\neui64', '"ihd"\neui64'), "device.ppmid.type.*'ppmid' or 'hcalcs'"),
        (("90-A4", "90"), "device.ppmid.eui64"),
        (("env:PPMID_IC", CODE[:-1] + "6"), "device.ppmid.install_code.*CRC"),
        (("channel = 2", "channel = 9"), "device.ppmid.power.relay.channel"),
        (('driver = "relay"', 'driver = "laser"'), "device.ppmid.power.*'laser'"),
        (("features", "feature"), "feature: Extra"),
        (("[radio]", "[radio"), "desk.toml"),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_a_fault_is_told_with_file_key_and_what_is_allowed(
    change: tuple[str, str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PPMID_IC", CODE)
    path = written(tmp_path, DESK.replace(*change))
    with pytest.raises(ConfigError, match=words) as caught:
        read_bench(path)
    assert str(path) in str(caught.value)
    assert "83FE D340" not in str(caught.value)


def test_a_file_that_is_not_there_or_far_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_bench(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="more than"):
        read_bench(written(tmp_path, "#" * 300_000))


EXAMPLES = sorted((Path(__file__).parents[2] / "hardware/benches").glob("*.toml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_of_hardware_are_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PPMID_INSTALL_CODE", "HCALCS_INSTALL_CODE"):
        monkeypatch.setenv(name, CODE)
    bench = read_bench(path)
    assert bench.radio is not None
    assert RadioUrl.parse(bench.radio.url).family == path.stem.removeprefix("desk-")
    assert bench.of_type("ppmid") is not None


def test_there_are_examples_for_both_families() -> None:
    assert [path.stem for path in EXAMPLES] == ["desk-ezsp", "desk-znp"]
