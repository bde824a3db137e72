"""The GBCS message: MAC Header, Grouping Header, payload, signature and MAC (GBCS 7.2.5 and 7.2.7).

A message is one of

    pre-command          Grouping Header ‖ payload                       (a trailing `00` is legal)
    signed pre-command   Grouping Header ‖ payload ‖ 40 ‖ signature
    command              MAC Header ‖ Grouping Header ‖ payload ‖ (40 ‖ signature | 00) ‖ MAC
    response, alert      Grouping Header ‖ payload ‖ 40 ‖ signature      (critical), or as a command with `00`

where the Grouping Header is the head of a DLMS general-signing APDU and the MAC Header that of a
general-ciphering APDU. What is decoded re-encodes to the very same octets.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.gbcs.cosem import DATE_TIME_SIZE
from hanota.gbcs.octets import Reader, encode_length

SIGNATURE_LENGTH: Final = 64
"""ECDSA P-256: r ‖ s, each 32 octets, without DER."""

MAC_LENGTH: Final = 12
"""AES-128-GCM tag, shortened (GBCS 6.2.3)."""

_GENERAL_SIGNING: Final = b"\xdf"
_GENERAL_CIPHERING: Final = b"\xdd"
_UNUSED_CIPHERING_FIELDS: Final = bytes(6)
"""transaction-id, system titles, date-time, other-information: empty; key-info: absent."""
_BLOCK_TRANSFER: Final = b"\xdd\x09"
"""A general-ciphering APDU with a transaction-id: a message in General Block Transfer."""
_SECURITY_HEADER: Final = b"\x11" + bytes(4)
"""Security control (suite 1, authentication only), then the invocation counter, always 0."""


class Cra(IntEnum):
    """The CRA flag of the Grouping Header."""

    COMMAND = 1
    RESPONSE = 2
    ALERT = 3


class Shape(Enum):
    """What a message is, as its Grouping Header and its protection tell."""

    PRE_COMMAND = "pre-command"
    SIGNED_PRE_COMMAND = "signed pre-command"
    COMMAND = "command"
    RESPONSE = "response"
    ALERT = "alert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One GBCS message; constructing one that cannot be encoded raises LocalProtocolError."""

    cra: Cra
    originator_counter: int
    """64 bits. A response copies its command's."""
    originator: Eui64
    """Business Originator ID."""
    recipient: Eui64
    """Business Target ID."""
    date_time: bytes = b""
    """Empty, or a COSEM date-time."""
    message_code: int
    supplementary_remote_party: Eui64 | None = None
    """The service user on whose behalf the access control broker is the originator."""
    supplementary_remote_party_counter: int | None = None
    supplementary_originator_counter: int | None = None
    supplementary_remote_party_certificate: bytes | None = None
    """Key Agreement certificate of the supplementary remote party, DER."""
    payload: bytes
    signature: bytes | None = None
    """None: not even a length octet (a pre-command); empty: length octet 00; or SIGNATURE_LENGTH octets."""
    mac: bytes | None = None
    """MAC_LENGTH octets; the message has a MAC Header if and only if it has a MAC."""

    def __post_init__(self) -> None:
        counters = (
            self.originator_counter,
            self.supplementary_remote_party_counter or 0,
            self.supplementary_originator_counter or 0,
        )
        if not all(0 <= counter < 2**64 for counter in counters):
            raise LocalProtocolError(f"a counter has 64 bits: {counters}")
        if not 0 <= self.message_code <= 0xFFFF:
            raise LocalProtocolError(f"a Message Code has 16 bits: {self.message_code}")
        if len(self.date_time) not in (0, DATE_TIME_SIZE):
            raise LocalProtocolError(f"a date-time has {DATE_TIME_SIZE} octets, not {len(self.date_time)}")
        if self.signature and len(self.signature) != SIGNATURE_LENGTH:
            raise LocalProtocolError(f"a signature has {SIGNATURE_LENGTH} octets, not {len(self.signature)}")
        if self.mac is not None and (len(self.mac) != MAC_LENGTH or self.signature is None):
            raise LocalProtocolError(f"a MAC has {MAC_LENGTH} octets and follows a signature field")
        self._check_supplementary_fields()

    def _check_supplementary_fields(self) -> None:
        """The fields are told apart by order and length alone, so none may be left out before another."""
        last = (self.supplementary_originator_counter, self.supplementary_remote_party_certificate)
        counter = self.supplementary_remote_party_counter
        if (counter is not None and self.supplementary_remote_party is None) or (
            counter is None and last != (None, None)
        ):
            raise LocalProtocolError("a supplementary field is missing before another one")
        if None not in last:
            raise LocalProtocolError("either a supplementary originator counter or a certificate, not both")
        certificate = self.supplementary_remote_party_certificate
        if certificate is not None and not _is_one_der_sequence(certificate):
            raise LocalProtocolError("the supplementary remote party's certificate is not one DER SEQUENCE")

    @property
    def shape(self) -> Shape:
        """Return what the message is."""
        match self.cra:
            case Cra.RESPONSE:
                return Shape.RESPONSE
            case Cra.ALERT:
                return Shape.ALERT
            case Cra.COMMAND if self.mac is not None:
                return Shape.COMMAND
            case Cra.COMMAND if self.signature:
                return Shape.SIGNED_PRE_COMMAND
            case Cra.COMMAND:
                return Shape.PRE_COMMAND

    @property
    def transaction_id(self) -> bytes:
        """Return length, CRA flag and Originator Counter: 10 octets, as the key derivation uses them."""
        return bytes([9, self.cra]) + self.originator_counter.to_bytes(8, "big")

    @property
    def other_information(self) -> bytes:
        """Return the Message Code and the supplementary fields."""
        octets = self.message_code.to_bytes(2, "big") + (self.supplementary_remote_party or b"")
        for counter in (self.supplementary_remote_party_counter, self.supplementary_originator_counter):
            if counter is not None:
                octets += counter.to_bytes(8, "big")
        return octets + (self.supplementary_remote_party_certificate or b"")

    def to_be_signed(self) -> bytes:
        """Return what a signature covers: transaction-id to the last octet of the payload (GBCS 6.3.3)."""
        other_information = self.other_information
        return b"".join(
            (
                self.transaction_id,
                bytes([len(self.originator)]),
                self.originator,
                bytes([len(self.recipient)]),
                self.recipient,
                encode_length(len(self.date_time)),
                self.date_time,
                encode_length(len(other_information)),
                other_information,
                encode_length(len(self.payload)),
                self.payload,
            )
        )

    def general_signing(self) -> bytes:
        """Return the general-signing APDU, from its tag to the signature: what a MAC covers."""
        octets = _GENERAL_SIGNING + self.to_be_signed()
        if self.signature is None:
            return octets
        return octets + encode_length(len(self.signature)) + self.signature

    def encode(self) -> bytes:
        """Return the message's octets."""
        signed = self.general_signing()
        if self.mac is None:
            return signed
        length = encode_length(len(_SECURITY_HEADER) + len(signed) + len(self.mac))
        return b"".join(
            (
                _GENERAL_CIPHERING,
                _UNUSED_CIPHERING_FIELDS,
                length,
                _SECURITY_HEADER,
                signed,
                self.mac,
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> Message:
        """Read one whole message; raise RemoteProtocolError for what would not re-encode the same."""
        match data[:1]:
            case b"\xdf":
                return _decode_general_signing(data, mac=None)
            case b"\xdd":
                return _decode_general_ciphering(data)
            case _:
                raise RemoteProtocolError("a GBCS message begins with dd or df")


def _decode_general_ciphering(data: bytes) -> Message:
    if data.startswith(_BLOCK_TRANSFER):
        raise RemoteProtocolError(
            "a block of a message in General Block Transfer (GBCS 7.2.11), which no firmware message needs"
        )
    reader = Reader(data)
    reader.expect(_GENERAL_CIPHERING, "MAC Header")
    reader.expect(_UNUSED_CIPHERING_FIELDS, "MAC Header")
    ciphered = Reader(reader.octet_string("ciphered service"))
    reader.end("after the MAC")
    ciphered.expect(_SECURITY_HEADER, "security header")
    if ciphered.left < MAC_LENGTH:
        raise RemoteProtocolError("MAC: missing")
    signed = ciphered.take(ciphered.left - MAC_LENGTH, "general-signing APDU")
    return _decode_general_signing(signed, mac=ciphered.rest())


def _decode_general_signing(data: bytes, mac: bytes | None) -> Message:
    reader = Reader(data)
    reader.expect(_GENERAL_SIGNING, "Grouping Header")
    reader.expect(b"\x09", "transaction-id length")
    cra = _decode_cra(reader.integer(1, "CRA flag"))
    originator_counter = reader.integer(8, "Originator Counter")
    reader.expect(b"\x08", "Business Originator ID length")
    originator = Eui64(reader.take(8, "Business Originator ID"))
    reader.expect(b"\x08", "Business Target ID length")
    recipient = Eui64(reader.take(8, "Business Target ID"))
    date_time = reader.octet_string("date-time")
    if len(date_time) not in (0, DATE_TIME_SIZE):
        raise RemoteProtocolError(f"date-time: {len(date_time)} octets, not 0 or {DATE_TIME_SIZE}")
    other = Reader(reader.octet_string("other-information"))
    message_code = other.integer(2, "Message Code")
    supplementary_remote_party = Eui64(other.take(8, "Supplementary Remote Party ID")) if other.left else None
    supplementary_counter = other.integer(8, "Supplementary Remote Party Counter") if other.left else None
    supplementary_originator_counter = (
        other.integer(8, "Supplementary Originator Counter") if other.left == 8 else None
    )
    certificate = other.rest() or None
    if certificate is not None and not _is_one_der_sequence(certificate):
        raise RemoteProtocolError("other-information: neither a counter nor a certificate follows")
    payload = reader.octet_string("payload")
    signature = _decode_signature(reader, protected=mac is not None)
    reader.end("after the signature")
    return Message(
        cra=cra,
        originator_counter=originator_counter,
        originator=originator,
        recipient=recipient,
        date_time=date_time,
        message_code=message_code,
        supplementary_remote_party=supplementary_remote_party,
        supplementary_remote_party_counter=supplementary_counter,
        supplementary_originator_counter=supplementary_originator_counter,
        supplementary_remote_party_certificate=certificate,
        payload=payload,
        signature=signature,
        mac=mac,
    )


def _decode_cra(flag: int) -> Cra:
    try:
        return Cra(flag)
    except ValueError:
        raise RemoteProtocolError(f"CRA flag: {flag:02x} is neither Command, Response nor Alert") from None


def _decode_signature(reader: Reader, *, protected: bool) -> bytes | None:
    if not reader.left and not protected:
        return None
    signature = reader.octet_string("signature")
    if len(signature) not in (0, SIGNATURE_LENGTH):
        raise RemoteProtocolError(f"signature: {len(signature)} octets, not 0 or {SIGNATURE_LENGTH}")
    return signature


def _is_one_der_sequence(octets: bytes) -> bool:
    reader = Reader(octets)
    try:
        reader.expect(b"\x30", "certificate")
        reader.octet_string("certificate")
        reader.end("certificate")
    except RemoteProtocolError:
        return False
    return True
