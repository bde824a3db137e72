"""Radio URLs."""

from __future__ import annotations

import pytest

from hanota.errors import ConfigError
from hanota.radio import RadioSettings, RadioUrl
from hanota.radio.families import FAMILIES, application_config
from hanota.radio.url import FAMILIES as URL_FAMILIES


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("znp:///dev/ttyUSB0", RadioUrl("znp", "/dev/ttyUSB0")),
        ("znp:///dev/ttyUSB0?baudrate=460800", RadioUrl("znp", "/dev/ttyUSB0", 460800)),
        ("znp+emulator://bench", RadioUrl("znp", "emulator://bench")),
        ("znp+socket://192.0.2.1:6638", RadioUrl("znp", "socket://192.0.2.1:6638")),
        ("znp+tcp://[2001:db8::1]:6638", RadioUrl("znp", "tcp://[2001:db8::1]:6638")),
        (
            "ezsp:///dev/serial/by-id/usb-Nabu_Casa-if00-port0",
            RadioUrl("ezsp", "/dev/serial/by-id/usb-Nabu_Casa-if00-port0"),
        ),
        ("ezsp:///dev/ttyACM0?flow_control=software", RadioUrl("ezsp", "/dev/ttyACM0", None, "software")),
        (
            "ezsp:///dev/ttyACM0?baudrate=460800&flow_control=hardware",
            RadioUrl("ezsp", "/dev/ttyACM0", 460800, "hardware"),
        ),
        ("znp:///dev/ttyUSB0?flow_control=hardware", RadioUrl("znp", "/dev/ttyUSB0", None, "hardware")),
    ],
)
def test_a_url_names_family_port_and_baud_rate_and_prints_as_it_was_written(text: str, url: RadioUrl) -> None:
    assert RadioUrl.parse(text) == url
    assert str(url) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a radio URL"),
        ("/dev/ttyUSB0", "not a radio URL"),
        ("zigate:///dev/ttyUSB0", "not a radio URL"),
        ("znp://dev/ttyUSB0", "names no serial port"),
        ("znp:///", "names no serial port"),
        ("znp+carrier-pigeon://coop", "unknown transport 'carrier-pigeon'"),
        ("znp+socket://host", "has no port"),
        ("znp+socket://host:http", "not a radio URL"),
        ("znp+emulator://", "names no emulator"),
        ("znp:///dev/ttyUSB0?baudrate=fast", "not a baud rate: 'fast'"),
        ("znp:///dev/ttyUSB0?baudrate=0", "not a baud rate"),
        ("znp:///dev/ttyUSB0?parity=odd", "unknown option 'parity'"),
        ("znp:///dev/ttyUSB0?flow_control=software", "not a flow control of znp: 'software'"),
        ("ezsp:///dev/ttyUSB0?flow_control=none", "not a flow control of ezsp: 'none'"),
    ],
)
def test_a_wrong_url_is_explained_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        RadioUrl.parse(text)
    assert caught.value.hint


def test_every_family_of_the_urls_is_a_family_of_the_radio() -> None:
    assert set(URL_FAMILIES) == set(FAMILIES)


@pytest.mark.parametrize(
    ("text", "flow_control"),
    [
        ("znp:///dev/ttyUSB0", None),
        ("ezsp:///dev/ttyUSB0", "hardware"),
        ("ezsp:///dev/ttyUSB0?flow_control=software", "software"),
    ],
)
def test_flow_control_is_the_familys_unless_the_url_names_one(text: str, flow_control: str | None) -> None:
    config = application_config(RadioUrl.parse(text), RadioSettings())
    assert config["device"]["flow_control"] == flow_control
