"""What an Upgrade Client is known to do, in words, and as our own Upgrade Client does it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from hanota.ota.client_quirks import ClientQuirks
from hanota.ota.settings import OtaClientSettings, UpgradeTimeoutPolicy
from hanota.zcl import Status

if TYPE_CHECKING:
    from hanota.ota.fields import ImageId
    from hanota.ota.image import OtaFile


class Stack(Enum):
    """Whose Upgrade Client it is."""

    TELINK = "Telink SDK"
    SILICON_LABS = "Silicon Labs ota-client"
    ESPRESSIF = "esp-zigbee-sdk"
    OTHER = "other"


TELINK_CLIENT: Final = OtaClientSettings(
    maximum_data_size=48,
    response_timeout=5.0,
    attempts=10,
    upgrade_end_attempts=2,
    upgrade_timeout_policy=UpgradeTimeoutPolicy.APPLY,
    quirks=ClientQuirks(
        any_sequence=True,
        blocks_between_saves=26,
        hold_limit=7200.0,
        past_upgrade_delay=0.0,
        unsigned_wait=True,
        ending_statuses=frozenset({Status.ABORT}),
        query_again=302.0,
    ),
)
"""The Telink SDK's client as it was measured."""

SILICON_LABS_CLIENT: Final = OtaClientSettings(
    maximum_data_size=63,
    response_timeout=3.0,
    attempts=10,
    upgrade_end_attempts=10,
    upgrade_timeout_policy=UpgradeTimeoutPolicy.APPLY,
    past_time_delay=300.0,
    resume_with_query=False,
    quirks=ClientQuirks(
        asks_full_size_at_end=True,
        shortest_first_block=16,
        erase_seconds=5.0,
        upgrade_delay_limit=3612.0,
        past_upgrade_delay=3600.0,
        query_again=300.0,
        erases_on_failure=True,
        unexpected_status=Status.FAILURE,
        retry_delay=2.0,
    ),
)
"""Silicon Labs' client as it was measured, without page requests."""


class HandledBy(Enum):
    """The rule that meets a quirk; every rule but the last three holds for all devices."""

    LENIENT_PARSING = "announced fields that are not there are not missed; none of their octets is believed"
    CLAMP = "blocks and pages are cut at the end of the image without a word"
    ANY_QUERY = "a query is answered at any time and never changes where a download is"
    ANY_OFFSET = "a block is served at any offset, in any order, without a query before it"
    END_ANSWERED = "every Upgrade End Request is answered; one that is not believed says wait, or ABORT"
    NOTIFY_AGAIN = "an Image Notify is repeated until the device asks, and names all three fields"
    NEVER_MORE = "a block is never longer than asked nor elsewhere than asked"
    SMALLER_BLOCKS = "a block that is lost again and again is reduced, never below 16 octets"
    SEQUENCE_ECHOED = "an answer has the sequence number of its request"
    NO_DEFAULT_RESPONSE = "Default Responses are disabled on all we send, and none is ever answered"
    STANDARD_FRAME = "an answer is not manufacturer specific and goes back to where its request came from"
    PATIENCE = "silence ends no transfer before the session times out, a day later"
    AT_ONCE = "a request is answered within the call that brought it"
    HELD_FOR_CS06 = "a device held for CS06 is answered 0xFFFFFFFF at every request"
    HELD_LAST_BLOCK = "what waits for approval is held by WAIT_FOR_DATA on the last block"
    NO_FINITE_TIME = "an Upgrade Time is now or 0xFFFFFFFF, never later and never before the Current Time"
    REQUEST_TIME = "a Request Time is never before the Current Time, nor more than an hour after it"
    OUT_OF_BAND = "a device of activation policy out of band is told to wait, whoever it is"
    REFUSED_BY_ABORT = "a block is refused by ABORT alone, in an Image Block Response"
    PERIOD_UNIT = "a Minimum Block Period is told only in the unit of a cluster revision that was read"
    PERIOD_ECHOED = "WAIT_FOR_DATA has the Minimum Block Period of the request, where it had one"
    ENCRYPTED = "the owner sends and takes nothing without APS encryption"
    BY_IMAGE = "an image that its device decrypts has blocks of a multiple of 16 octets"
    BLOCK_SIZE = "these manufacturers' devices are given no longer blocks"
    WILDCARDS = "these manufacturers' devices are answered with the wildcards in the Upgrade End Response"


@dataclass(frozen=True, slots=True)
class Quirk:
    """One thing that Upgrade Clients do."""

    name: str
    stacks: tuple[Stack, ...]
    evidence: str
    """What was seen, and by whom."""
    handled_by: HandledBy
    acted: OtaClientSettings | None = None
    """How our client does it; None where not the client acts but its radio, or its owner."""
    manufacturer_codes: frozenset[int] = frozenset()
    """Whose devices an exception is for; none where the rule is for all."""
    block_size: int | None = None
    """Most octets of a block to those devices."""


def largest_block(image: ImageId, quirks: tuple[Quirk, ...]) -> int | None:
    """Return the most octets of a block to devices of that manufacturer, None where none is known."""
    sizes = [
        quirk.block_size
        for quirk in quirks
        if quirk.block_size is not None and image.manufacturer_code in quirk.manufacturer_codes
    ]
    return min(sizes, default=None)


def wants_wildcards(image: ImageId, quirks: tuple[Quirk, ...]) -> bool:
    """Tell whether devices of that manufacturer take an Upgrade End Response with wildcards only."""
    return any(
        quirk.handled_by is HandledBy.WILDCARDS and image.manufacturer_code in quirk.manufacturer_codes
        for quirk in quirks
    )


_ENCRYPTED_IMAGE: Final = b"\x00\xf0"
"""The tag 0xF000 as it stands in a file: an image that Telink devices decrypt as it comes."""
_AES_BLOCK: Final = 16


def block_multiple(file: OtaFile) -> int:
    """Return what the octets of a block of this file are to be a multiple of.

    The tag is looked for where the sub-elements begin, since such files do not parse as a chain of them: the
    tag's length does not count two octets of its own.
    """
    start = file.header.header_length
    return _AES_BLOCK if file.data[start : start + 2] == _ENCRYPTED_IMAGE else 1
