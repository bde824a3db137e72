"""Dongles recognised by what USB tells of them, and the one a user means."""

from __future__ import annotations

import json
import tomllib
from types import SimpleNamespace

import pytest
import serialx
from typer.testing import CliRunner

from hanota.bench.bench_file import RadioEntry
from hanota.cli.main import app
from hanota.errors import ConfigError
from hanota.radio import RadioUrl
from hanota.radio.dongles import KNOWN_DONGLES, KnownDongle, identify, unsuitable
from hanota.radio.port_choice import find_port, likeliest_first, only_dongle
from hanota.radio.serial_ports import SerialPort, serial_ports

ZBT_2 = SerialPort(
    "/dev/serial/by-id/usb-Nabu_Casa_ZBT-2_DCB4D90FD7F0-if00",
    "/dev/ttyACM0",
    0x303A,
    0x4001,
    "DCB4D90FD7F0",
    "Nabu Casa",
    "ZBT-2",
)
SONOFF_E = SerialPort(
    "/dev/serial/by-id/usb-ITEAD_SONOFF_Zigbee_3.0_USB_Dongle_Plus_V2_20220812153849-if00",
    "/dev/ttyACM1",
    0x1A86,
    0x55D4,
    "20220812153849",
    "ITEAD",
    "SONOFF Zigbee 3.0 USB Dongle Plus V2",
)
SONOFF_P = SerialPort(
    "/dev/ttyUSB0", "/dev/ttyUSB0", 0x10C4, 0xEA60, "0001", "ITead", "Sonoff Zigbee 3.0 USB Dongle Plus"
)
CONSOLE_CABLE = SerialPort(
    "/dev/ttyUSB1",
    "/dev/ttyUSB1",
    0x10C4,
    0xEA60,
    "0002",
    "Silicon Labs",
    "CP2102 USB to UART Bridge Controller",
)
ON_BOARD = SerialPort("/dev/ttyS0", "/dev/ttyS0")


def plug(monkeypatch: pytest.MonkeyPatch, *ports: SerialPort) -> None:
    """Let the machine have these ports."""

    def info(port: SerialPort) -> SimpleNamespace:
        return SimpleNamespace(
            device=port.path,
            resolved_device=port.device,
            vid=port.vid,
            pid=port.pid,
            serial_number=port.serial_number or None,
            manufacturer=port.manufacturer or None,
            product=port.product or None,
        )

    monkeypatch.setattr(serialx, "list_serial_ports", lambda: [info(port) for port in ports])


@pytest.mark.parametrize(
    ("port", "chip", "family"),
    [(ZBT_2, "EFR32MG24", "ezsp"), (SONOFF_E, "EFR32MG21", "ezsp"), (SONOFF_P, "CC2652P", "znp")],
)
def test_a_dongle_is_known_by_its_product_string(port: SerialPort, chip: str, family: str) -> None:
    known = identify(port)
    assert known is not None
    assert (known.chip, known.family) == (chip, family)


def test_a_console_cable_with_a_dongle_s_usb_ids_is_no_dongle() -> None:
    assert (CONSOLE_CABLE.vid, CONSOLE_CABLE.pid) == (SONOFF_P.vid, SONOFF_P.pid)
    assert identify(CONSOLE_CABLE) is None


def test_a_dongle_with_another_family_s_firmware_says_so() -> None:
    sniffer = SerialPort("/dev/ttyACM3", "/dev/ttyACM3", 0x0451, 0x16AE, "", "TI", "CC2531 USB Dongle")
    assert identify(sniffer) is None
    assert "sniffer" in (unsuitable(sniffer) or "")
    assert unsuitable(CONSOLE_CABLE) is None


@pytest.mark.parametrize("known", KNOWN_DONGLES, ids=lambda known: known.name)
def test_every_known_dongle_has_a_radio_url_that_can_be_written(known: KnownDongle) -> None:
    url = RadioUrl(known.family, "/dev/ttyX", known.baudrate, known.flow_control)
    assert RadioUrl.parse(str(url)) == url


def test_known_dongles_come_first_and_ports_without_usb_last(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch, ON_BOARD, CONSOLE_CABLE, ZBT_2)
    assert likeliest_first(serial_ports()) == (ZBT_2, CONSOLE_CABLE, ON_BOARD)


@pytest.mark.parametrize("name", ["DCB4D90FD7F0", "dcb4", "zbt-2", "/dev/ttyACM0"])
def test_a_port_is_meant_by_serial_number_product_or_path(name: str) -> None:
    assert find_port(name, (ON_BOARD, SONOFF_E, ZBT_2)) == ZBT_2


def test_a_name_that_several_ports_have_names_none_of_them() -> None:
    with pytest.raises(ConfigError, match="2 serial ports may be 'sonoff'") as caught:
        find_port("sonoff", (SONOFF_E, SONOFF_P))
    assert "hanota radio list" in (caught.value.hint or "")


def test_a_name_that_no_port_has_is_told_with_the_ports_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no serial port is 'A1B2'.*/dev/ttyS0"):
        find_port("A1B2", (ON_BOARD,))


def test_without_a_name_the_only_known_dongle_is_meant() -> None:
    assert only_dongle((ZBT_2, CONSOLE_CABLE, ON_BOARD)) == ZBT_2
    with pytest.raises(ConfigError, match="2 serial ports may be a dongle"):
        only_dongle((ZBT_2, SONOFF_E))


def test_without_a_known_dongle_the_only_usb_port_is_meant_and_never_the_machine_s_own() -> None:
    assert only_dongle((CONSOLE_CABLE, ON_BOARD)) == CONSOLE_CABLE
    with pytest.raises(ConfigError, match="no serial port is a dongle"):
        only_dongle((ON_BOARD,))


def test_a_serial_number_that_others_have_too_tells_nothing() -> None:
    assert ZBT_2.unmistakable
    assert not SONOFF_P.unmistakable


def test_the_list_names_dongles_ports_and_the_next_command(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch, ON_BOARD, ZBT_2)
    result = CliRunner().invoke(app, ["radio", "list"])
    assert result.exit_code == 0
    assert "Home Assistant Connect ZBT-2" in result.stdout
    assert "DCB4D90FD7F0" in result.stdout
    assert "303A:4001" in result.stdout
    assert ZBT_2.path in result.stdout
    assert "next: hanota radio info DCB4D90FD7F0" in result.stderr


def test_columns_of_the_environment_hold_for_what_goes_to_no_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plug(monkeypatch, ON_BOARD, ZBT_2)
    narrow = CliRunner().invoke(app, ["radio", "list"], env={"COLUMNS": "70"})
    assert max(map(len, narrow.stdout.splitlines())) <= 70
    assert ZBT_2.path not in narrow.stdout


def test_the_list_of_a_machine_without_ports_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch)
    result = CliRunner().invoke(app, ["radio", "list"])
    assert result.exit_code == 0
    assert "hanota emulate --pty" in result.stderr


def test_the_list_in_json_has_the_radio_url(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch, ZBT_2, ON_BOARD)
    result = CliRunner().invoke(app, ["radio", "list", "--json"])
    zbt_2, on_board = json.loads(result.stdout)
    assert zbt_2["url"] == f"ezsp://{ZBT_2.path}?baudrate=460800"
    assert (zbt_2["serial_number"], zbt_2["vid"]) == ("DCB4D90FD7F0", 0x303A)
    assert on_board["url"] is None


def test_the_list_in_toml_is_a_bench_s_radio(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch, SONOFF_E, ON_BOARD)
    result = CliRunner().invoke(app, ["radio", "list", "--toml"])
    radio = RadioEntry.model_validate(tomllib.loads(result.stdout)["radio"])
    assert RadioUrl.parse(radio.url) == RadioUrl("ezsp", SONOFF_E.path, None, "software")
