"""Keys in log records: every way in which the radio libraries write octets, and what they write them in."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeAlias

import pytest
import zigpy.state
import zigpy.types as t
from bellows.ash import DataFrame
from hypothesis import given
from hypothesis import strategies as st
from zigpy_znp.types import Bytes

from hanota.radio.redaction import REDACTED, Redaction, RedactionSettings, known_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = bytes.fromhex("27 5c 0d 41 22 90 fe 78 31 5c 9a 00 6b 0a e1 7f")
UNKNOWN_KEY = bytes.fromhex("5a 81 0c e2 73 19 d4 4f 66 a0 2b c8 9d 37 15 fa")


def hexed(separator: str) -> Callable[[bytes], str]:
    return lambda key: key.hex(separator) if separator else key.hex()


FORMATTINGS: dict[str, Callable[[bytes], str]] = {
    "hex": hexed(""),
    "capital hex": lambda key: key.hex().upper(),
    "hex behind a digit": lambda key: "a" + key.hex(),
    "hex by colons": hexed(":"),
    "hex by spaces": hexed(" "),
    "hex by hyphens": hexed("-"),
    "hex with prefixes": lambda key: ", ".join(f"0x{octet:02x}" for octet in key),
    "hex with capital digits and prefixes": lambda key: ",".join(f"0x{octet:02X}" for octet in key),
    "bytes": repr,
    "bytearray": lambda key: repr(bytearray(key)),
    "bytes of zigpy-znp": lambda key: repr(Bytes(key)),
    "bytes in an error": lambda key: repr(ValueError(f"not {key!r}")),
    "bytes in an error in an error": lambda key: repr(ValueError(repr(ValueError(f"isn't {key!r}")))),
    "bytes among others": lambda key: repr(b"\x00\x5c'" + key + b'"\\x41'),
    "list": lambda key: str(list(key)),
    "tuple": lambda key: str(tuple(key)),
    "list of zigpy": lambda key: str([t.uint8_t(octet) for octet in key]),
    "list among others": lambda key: str([1, 255, *key, 17]),
    "KeyData": lambda key: str(t.KeyData(key)),
    "KeyData in a dict": lambda key: str({"key": t.KeyData(key), "index": t.uint8_t(1)}),
    "latin-1": lambda key: key.decode("latin-1"),
}


def written(text: str, key: bytes) -> bool:
    """Whether `text` has the key or its reverse in one of the formattings; the test's own search."""
    return any(
        formatting(octets) in text
        for octets in (key, key[::-1])
        for formatting in (
            hexed(""), hexed(":"), hexed(" "), hexed("-"), FORMATTINGS["capital hex"],
            lambda key: repr(key)[2:-1], lambda key: repr(Bytes(key))[2:-1], lambda key: str(list(key))[1:-1],
            FORMATTINGS["hex with prefixes"], FORMATTINGS["hex with capital digits and prefixes"],
            FORMATTINGS["latin-1"],
        )
    )  # fmt: skip


@pytest.fixture
def redaction() -> Iterator[Redaction]:
    made = Redaction()
    made.add(KEY)
    made.install()
    yield made
    made.remove()


class Kept(logging.Handler):
    """Formats each record as a log file would have it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def log() -> Iterator[Callable[[str], tuple[logging.Logger, Kept]]]:
    """Make a logger at DEBUG with a handler of its own."""
    undo: list[tuple[logging.Logger, Kept, int]] = []

    def make(name: str) -> tuple[logging.Logger, Kept]:
        logger, kept = logging.getLogger(name), Kept()
        undo.append((logger, kept, logger.level))
        logger.setLevel(1)
        logger.addHandler(kept)
        return logger, kept

    yield make
    for logger, kept, level in undo:
        logger.removeHandler(kept)
        logger.setLevel(level)


Log: TypeAlias = "Callable[[str], tuple[logging.Logger, Kept]]"


@pytest.mark.parametrize("order", [1, -1], ids=["as it is", "reversed"])
@pytest.mark.parametrize("formatting", FORMATTINGS)
def test_a_known_key_is_removed_from_text_in_every_formatting(formatting: str, order: int) -> None:
    redaction = Redaction()
    redaction.add(KEY)
    text = FORMATTINGS[formatting](KEY[::order])
    assert "before" in redaction.mask(f"before {text} after")
    assert not written(redaction.mask(f"before {text} after"), KEY)
    assert REDACTED in redaction.mask(f"before {text} after")
    assert redaction.mask(f"before {text} after").endswith(" after")


@given(
    key=st.binary(min_size=16, max_size=16).filter(lambda key: len(set(key)) > 1),
    formatting=st.sampled_from(sorted(FORMATTINGS)),
    before=st.binary(max_size=8),
    after=st.binary(max_size=8),
)
def test_any_key_is_removed_wherever_it_stands_among_octets(
    key: bytes, formatting: str, before: bytes, after: bytes
) -> None:
    redaction = Redaction()
    redaction.add(key)
    text = FORMATTINGS[formatting](before + key + after) if "KeyData" not in formatting else formatting
    assert not written(redaction.mask(text), key)


@pytest.mark.parametrize("octets", [6, 8, 12, 16, 21, 36])
def test_install_codes_and_private_keys_of_every_length_are_removed(octets: int) -> None:
    secret = bytes(range(40, 40 + octets))
    redaction = Redaction()
    redaction.add(secret)
    assert secret.hex() not in redaction.mask(f"code {secret.hex()}")
    assert secret.hex(":") not in redaction.mask(f"code {secret.hex(':')}")


def test_the_unknown_key_of_zigpy_is_no_secret() -> None:
    redaction = Redaction()
    redaction.add(bytes(16), b"\xff" * 16)
    assert redaction.mask(f"a frame of {bytes(20).hex()}") == f"a frame of {bytes(20).hex()}"


def test_only_so_many_secrets_are_known_and_the_oldest_goes_first() -> None:
    redaction = Redaction(RedactionSettings(secrets=2))
    redaction.add(KEY)
    redaction.add(UNKNOWN_KEY, bytes(range(16)))
    assert redaction.mask(KEY.hex()) == KEY.hex()
    assert redaction.mask(UNKNOWN_KEY.hex()) == REDACTED


@pytest.mark.parametrize("formatting", FORMATTINGS)
@pytest.mark.parametrize("name", ["bellows.ezsp.protocol", "zigpy_znp.api", "hanota.hub.hub", "asyncio"])
def test_a_log_record_has_no_known_key(redaction: Redaction, log: Log, name: str, formatting: str) -> None:
    logger, kept = log(name)
    logger.debug("Sending command  %s: %s", "importLinkKey", FORMATTINGS[formatting](KEY))
    (line,) = kept.lines
    assert line.startswith("Sending command  importLinkKey: ")
    assert not written(line, KEY)


def test_a_record_keeps_no_key_for_handlers_that_read_its_arguments(redaction: Redaction) -> None:
    record = logging.getLogger("bellows.ezsp").makeRecord(
        "bellows.ezsp", logging.DEBUG, "", 0, "key %s", (t.KeyData(KEY),), None
    )
    assert not written(repr(vars(record)), KEY)


def test_exceptions_are_told_without_keys(redaction: Redaction, log: Log) -> None:
    def library() -> None:
        raise ValueError(f"InstallCode={KEY!r}") from RuntimeError(list(UNKNOWN_KEY))

    logger, kept = log("zigpy_znp.zigbee.application")
    try:
        library()
    except ValueError:
        logger.exception("failed")
    (line,) = kept.lines
    assert "ValueError: InstallCode=" in line
    assert not written(line, KEY)
    assert not written(line, UNKNOWN_KEY)


def test_an_exception_is_told_without_the_keys_of_either_of_two_coordinators(
    redaction: Redaction, log: Log
) -> None:
    other = Redaction()
    other.add(UNKNOWN_KEY)
    other.install()
    logger, kept = log("hanota.hub.hub")
    try:
        int(f"{KEY.hex()} {UNKNOWN_KEY.hex()}")
    except ValueError:
        logger.exception("failed")
    other.remove()
    (line,) = kept.lines
    assert line.endswith(f"'{REDACTED} {REDACTED}'")


def test_a_harmless_exception_stays_with_its_record(redaction: Redaction) -> None:
    error = ValueError("harmless")
    record = logging.getLogger("zigpy").makeRecord(
        "zigpy", logging.ERROR, "", 0, "failed", (), (ValueError, error, None)
    )
    assert record.exc_info == (ValueError, error, None)


def test_a_record_that_cannot_be_formatted_is_not_printed_whole(
    redaction: Redaction, capsys: pytest.CaptureFixture[str], log: Log
) -> None:
    logger, kept = log("bellows.ezsp.protocol")
    logger.debug("Sending %d: %s", "importLinkKey", KEY.hex())
    assert kept.lines == ["Sending %d: %s (its arguments could not be formatted)"]
    assert capsys.readouterr().err == ""


def test_a_logger_of_a_module_loaded_later_is_covered(redaction: Redaction, log: Log) -> None:
    logger, kept = log("zigpy_znp.made_after_the_coordinator_started")
    logger.propagate = False
    logger.debug("%s", KEY.hex())
    assert kept.lines == [REDACTED]


def test_loggers_of_other_programs_are_left_alone(redaction: Redaction, log: Log) -> None:
    logger, kept = log("somebody.else")
    logger.debug("%s", KEY.hex())
    assert kept.lines == [KEY.hex()]


@pytest.mark.parametrize(
    "text",
    [
        f"Received command exportKey: {{'key': {t.KeyData(UNKNOWN_KEY)}}}",
        f'Read NVRAM["LEGACY"][0x0101] = {UNKNOWN_KEY!r}',
        "SYS.OSALNVRead.Rsp(Status=<Status.SUCCESS: 0>, Value=" + repr(Bytes(b"\x01" + UNKNOWN_KEY)),
        f"Network info: {{'zstack': {{'tclk_seed': '{UNKNOWN_KEY.hex()}'}}}}",
        f"setTokenData({list(UNKNOWN_KEY)})",
        "Failed: " + repr(ValueError(repr(UNKNOWN_KEY + b'"' + KEY))),
    ],
)
def test_a_key_that_only_the_library_knows_is_withheld(redaction: Redaction, log: Log, text: str) -> None:
    logger, kept = log("zigpy.application")
    logger.debug(text)
    (line,) = kept.lines
    assert not written(line, UNKNOWN_KEY)
    assert "octets]" in line


@pytest.mark.parametrize(
    ("name", "template", "octets"),
    [
        ("bellows.ash", "Received data %s", b"\x27\x5c".hex()),
        (
            "bellows.ash",
            "Received frame %r",
            DataFrame(frm_num=1, re_tx=0, ack_num=2, ezsp_frame=b"\x27\x5c"),
        ),
        ("zigpy_znp.uart", "Sending data: %s", Bytes.__repr__(b"\x27\x5c")),
        ("serialx.descriptor_transport", "Immediately writing %r", memoryview(b"\x27\x5c")),
        ("serialx.platforms.serial_rfc2217", "RX raw: [%s]", b"\x27\x5c".hex(" ")),
    ],
    ids=["ash octets", "ash frame", "unpi", "serial port", "serial server"],
)
def test_octets_of_the_serial_line_are_withheld_in_any_portion_with_their_number(
    redaction: Redaction, log: Log, name: str, template: str, octets: object
) -> None:
    logger, kept = log(name)
    logger.debug(template, octets)
    (line,) = kept.lines
    assert line.startswith(template.split("%", maxsplit=1)[0])
    assert "[2 octets]" in line
    assert "27" not in line


def test_messages_on_the_air_stay_readable(redaction: Redaction, log: Log) -> None:
    logger, kept = log("zigpy_znp.api")
    text = "Received command: AF.IncomingMsg.Callback(Data=b'" + "\\x01\\x07\\x02" * 20 + "')"
    logger.debug(text)
    assert kept.lines == [text]


def test_two_coordinators_may_stop_in_any_order(log: Log) -> None:
    before = logging.getLogRecordFactory()
    first, second = Redaction(), Redaction()
    first.add(KEY)
    second.add(UNKNOWN_KEY)
    first.install()
    second.install()
    first.remove()
    logger, kept = log("hanota.hub.hub")
    logger.debug("%s %s", KEY.hex(), UNKNOWN_KEY.hex())
    second.remove()
    logger.debug("%s %s", KEY.hex(), UNKNOWN_KEY.hex())
    assert kept.lines == [f"{KEY.hex()} {REDACTED}", f"{KEY.hex()} {UNKNOWN_KEY.hex()}"]
    first.install()
    first.remove()
    logging.setLogRecordFactory(before)


def test_removing_restores_what_made_records_before() -> None:
    before = logging.getLogRecordFactory()
    redaction = Redaction()
    redaction.install()
    redaction.install()
    assert logging.getLogRecordFactory() is not before
    redaction.remove()
    redaction.remove()
    assert logging.getLogRecordFactory() is before


def test_every_key_of_a_network_is_told() -> None:
    info = zigpy.state.NetworkInfo(
        network_key=zigpy.state.Key(key=t.KeyData(KEY)),
        tc_link_key=zigpy.state.Key(key=t.KeyData(UNKNOWN_KEY)),
        key_table=[zigpy.state.Key(key=t.KeyData(range(16)))],
        stack_specific={"zstack": {"tclk_seed": bytes(range(32, 48)).hex()}, "ezsp": {"n": 3}},
    )
    assert known_keys(info) == [KEY, UNKNOWN_KEY, bytes(range(16)), bytes(range(32, 48))]
