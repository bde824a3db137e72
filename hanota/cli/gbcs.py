"""`hanota gbcs`: GBCS messages read, re-encoded and verified, without a radio or a database."""

from __future__ import annotations

import binascii
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.markup import escape

from hanota.cli.output import console, fail, left_out
from hanota.errors import ConfigError, HanotaError, RemoteProtocolError
from hanota.files import read_file
from hanota.gbcs import cosem
from hanota.gbcs.alert_codes import alert_words
from hanota.gbcs.keystore import KeyStore
from hanota.gbcs.message import Cra, Message
from hanota.gbcs.meter_alerts import alert_code
from hanota.gbcs.usecases import USE_CASES, decode_payload, payload_to_json, use_case_title
from hanota.gbcs.verification import Verdict, Verdicts, check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from enum import IntEnum

    from hanota.gbcs.der import Json

app = typer.Typer(no_args_is_help=True, help="GBCS messages.")

MAXIMUM_FILE_SIZE: Final = 16 * 1024 * 1024
"""Octets read of one file: room for thousands of messages in hex, and a bound on memory."""

_STANDARD_INPUT: Final = Path("-")
_HEX_DIGITS: Final = frozenset(b"0123456789abcdefABCDEF")
_WHITE_SPACE: Final = b" \t\r\n\f\v"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_BASE64_HEADS: Final = (b"3Q", b"3w")
"""How base64 of dd 00 and of df 09 begins; neither is hex."""
_COLOURS: Final = {
    Verdict.VALID: "green",
    Verdict.INVALID: "bold red",
    Verdict.ABSENT: "dim",
    Verdict.UNVERIFIABLE: "yellow",
}


@dataclass(frozen=True, slots=True)
class Decoded:
    """One message that parsed, and what was found out about it."""

    message: Message
    payload: Json
    """Fields by their ASN.1 names; hex where hanota has no layout."""
    re_encodes: bool
    verdicts: Verdicts

    @property
    def in_order(self) -> bool:
        """Whether nothing speaks against the message."""
        return self.re_encodes and Verdict.INVALID not in (self.verdicts.signature, self.verdicts.mac)


@app.callback()
def gbcs() -> None:
    """Read GBCS messages."""


@app.command()
def decode(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Binary, hex or base64, - for standard input; text may hold one message a line.",
        ),
    ],
    keystore: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Certificates (.pem) and private keys (.key).")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a message, a line each.")] = False,
) -> None:
    """Decode GBCS messages, re-encode them, and verify signature and MAC.

    Exit status 1 if anything is invalid or does not parse.
    """
    try:
        keys = KeyStore.from_folder(keystore, left_out) if keystore else KeyStore()
    except ConfigError as error:
        fail(error)
    all_in_order = True
    for file in files:
        for outcome in decode_file(file, keys):
            all_in_order &= isinstance(outcome, Decoded) and outcome.in_order
            if as_json:
                typer.echo(json.dumps(_to_json(file, outcome)))
            else:
                _print(file, outcome)
    raise typer.Exit(0 if all_in_order else 1)


def decode_file(file: Path, keys: KeyStore) -> Iterator[Decoded | HanotaError]:
    """Yield what became of each message in `file`, in order: decoded, or the error that stopped it."""
    try:
        data = _standard_input() if file == _STANDARD_INPUT else read_file(file, MAXIMUM_FILE_SIZE)
        if data[:1] in (b"\xdd", b"\xdf"):
            yield _decode(data, keys)
            return
        blocks = _blocks(data)
    except HanotaError as error:
        yield error
        return
    for block in blocks:
        try:
            yield _decode(_octets(block), keys)
        except RemoteProtocolError as error:
            yield error


def _standard_input() -> bytes:
    data: bytes = typer.get_binary_stream("stdin").read(MAXIMUM_FILE_SIZE + 1)
    if len(data) > MAXIMUM_FILE_SIZE:
        raise ConfigError(f"standard input: more than {MAXIMUM_FILE_SIZE} octets")
    return data


def _decode(octets: bytes, keys: KeyStore) -> Decoded:
    message = Message.decode(octets)
    payload = decode_payload(message)
    return Decoded(
        message,
        message.payload.hex() if payload is None else payload_to_json(payload),
        re_encodes=message.encode() == octets,
        verdicts=check(message, keys),
    )


def _blocks(data: bytes) -> list[bytes]:
    """Part text into messages: one over all lines, else one a paragraph, else one a line."""
    lines = [line.translate(None, _WHITE_SPACE) for line in data.removeprefix(_BYTE_ORDER_MARK).splitlines()]
    whole = b"".join(lines)
    if not whole:
        raise RemoteProtocolError("the file is empty")
    paragraphs = b"\n".join(lines).split(b"\n\n")
    for blocks in ([whole], [paragraph.replace(b"\n", b"") for paragraph in paragraphs], lines):
        messages = [block for block in blocks if block]
        if any(_is_message(block) for block in messages):
            return messages
    return [whole]


def _is_message(block: bytes) -> bool:
    try:
        Message.decode(_octets(block))
    except RemoteProtocolError:
        return False
    return True


def _octets(block: bytes) -> bytes:
    if block.startswith(_BASE64_HEADS):
        try:
            return binascii.a2b_base64(block, strict_mode=True)
        except ValueError as error:
            raise RemoteProtocolError(f"not the base64 of a GBCS message: {error}") from None
    if not _HEX_DIGITS.issuperset(block):
        raise RemoteProtocolError(
            "neither hex nor base64 nor a binary GBCS message, which begins with dd or df"
        )
    if len(block) % 2:
        raise RemoteProtocolError(f"an odd number of hex digits, {len(block)}")
    return binascii.unhexlify(block)


def _to_json(file: Path, outcome: Decoded | HanotaError) -> dict[str, Json | bool]:
    if isinstance(outcome, HanotaError):
        return {"file": str(file), "error": str(outcome)}
    message = outcome.message
    use_case = USE_CASES.get(message.message_code)
    return {
        "file": str(file),
        "message_code": f"{message.message_code:04X}",
        "use_case": use_case.identifier if use_case else None,
        "cra": message.cra.name.capitalize(),
        "originator": str(message.originator),
        "recipient": str(message.recipient),
        "originator_counter": message.originator_counter,
        "payload": outcome.payload,
        "re_encodes": outcome.re_encodes,
        "signature": outcome.verdicts.signature.value,
        "mac": outcome.verdicts.mac.value,
    }


def _print(file: Path, outcome: Decoded | HanotaError) -> None:
    console.print(f"[bold]{escape(str(file))}[/]")
    rows = (
        dict(_rows(outcome))
        if isinstance(outcome, Decoded)
        else {"error": f"[bold red]{escape(str(outcome))}[/]"}
    )
    width = max(map(len, rows))
    for name, value in rows.items():
        console.print(f"  {name:{width}}  {value}")
    console.print()


def _rows(decoded: Decoded) -> Iterator[tuple[str, str]]:
    message = decoded.message
    yield "message", f"{message.shape.value}, {escape(use_case_title(message))}"
    yield "originator", f"{message.originator}, counter {message.originator_counter}"
    yield "recipient", str(message.recipient)
    if message.supplementary_remote_party is not None:
        party, counter = message.supplementary_remote_party, message.supplementary_remote_party_counter
        yield "on behalf of", f"{party}" if counter is None else f"{party}, counter {counter}"
    if (originator_counter := message.supplementary_originator_counter) is not None:
        yield "counter there", str(originator_counter)
    if message.supplementary_remote_party_certificate is not None:
        yield "certificate", f"{len(message.supplementary_remote_party_certificate)} octets"
    if message.date_time:
        yield "date-time", cosem.text(message.date_time)
    use_case = USE_CASES.get(message.message_code)
    codes = use_case.codes.get(message.cra, {}) if use_case else {}
    if isinstance(decoded.payload, dict):
        yield from _fields(decoded.payload, codes)
    else:
        if message.cra is Cra.ALERT and (code := alert_code(message)) is not None:
            yield "alertCode", alert_words(code)
        yield "payload", "NULL" if decoded.payload is None else str(decoded.payload)
    yield "re-encodes", "yes" if decoded.re_encodes else "[bold red]no[/]"
    for name, verdict in (("signature", decoded.verdicts.signature), ("MAC", decoded.verdicts.mac)):
        yield name, f"[{_COLOURS[verdict]}]{verdict}[/]"


def _fields(payload: dict[str, Json], codes: Mapping[str, type[IntEnum]]) -> Iterator[tuple[str, str]]:
    """Yield a payload's fields; those inside another field follow it by their own names."""
    for name, value in payload.items():
        match value:
            case dict():
                yield from _fields(value, codes)
            case int() if name == "alertCode":
                yield name, alert_words(value)
            case int() if name == "messageCode":
                yield name, f"{value:04X}"
            case int() if name in codes:
                known = {code.value: code.name.lower().replace("_", " ") for code in codes[name]}
                yield name, f"{value} ({known.get(value, 'unknown')})"
            case None:
                yield name, "NULL"
            case _:
                yield name, str(value)
