"""Radio URLs."""

from __future__ import annotations

import pytest

from hanota.clock import SystemClock
from hanota.errors import ConfigError
from hanota.radio import Coordinator, RadioUrl
from hanota.radio.families import FAMILIES
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
    ],
)
def test_a_wrong_url_is_explained_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        RadioUrl.parse(text)
    assert caught.value.hint


def test_every_family_of_the_urls_is_a_family_of_the_radio() -> None:
    assert set(URL_FAMILIES) == set(FAMILIES)


async def test_an_ezsp_coordinator_is_refused_by_name() -> None:
    radio = Coordinator(RadioUrl.parse("ezsp:///dev/ttyUSB0"), clock=SystemClock())
    with pytest.raises(ConfigError, match="EZSP coordinators cannot be driven yet"):
        await radio.start(None)  # type: ignore[arg-type]  # never reached
