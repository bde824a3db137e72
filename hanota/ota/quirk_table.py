"""The quirks of Upgrade Clients on record, each with its evidence.

"Measured" are two stacks that were run, with their own sources, against several servers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hanota.ota.client_quirks import ClientQuirks
from hanota.ota.quirks import SILICON_LABS_CLIENT, TELINK_CLIENT, HandledBy, Quirk, Stack
from hanota.ota.settings import OtaClientSettings, UpgradeActivationPolicy, UpgradeTimeoutPolicy
from hanota.zcl import Status

_BOTH: Final = (Stack.TELINK, Stack.SILICON_LABS)
_OTHER: Final = (Stack.OTHER,)


def _acting(quirks: ClientQuirks) -> OtaClientSettings:
    return OtaClientSettings(quirks=quirks)


SEEN_IN_THE_FIELD: Final[tuple[Quirk, ...]] = (
    Quirk(
        "odd field control",
        _OTHER,
        "odd field control (delay, IEEE) and 1 or 2 optional fields: deCONZ parser; Insta (herdsman PR #156)",
        HandledBy.LENIENT_PARSING,
        _acting(ClientQuirks(field_control=0xFF)),
    ),
    Quirk(
        "last block asked in full",
        (Stack.SILICON_LABS, Stack.OTHER),
        "request past the end: Hue (z2m #32168); Silabs always asks 63, measured",
        HandledBy.CLAMP,
        _acting(ClientQuirks(asks_full_size_at_end=True)),
    ),
    Quirk(
        "last page asked in full",
        (Stack.SILICON_LABS,),
        "last page request fixed at 1024: measured; breaks herdsman",
        HandledBy.CLAMP,
        OtaClientSettings(page_size=1024, quirks=ClientQuirks(fixed_page_size=True)),
    ),
    Quirk(
        "query repeated",
        _OTHER,
        "query repeated every 3 s / 60 s: herdsman PR #1823; z2m #30102",
        HandledBy.ANY_QUERY,
        _acting(ClientQuirks(query_interval=3.0)),
    ),
    Quirk(
        "start again on one time-out",
        (Stack.ESPRESSIF,),
        "query mid-session, offset reset to 0 on one timeout: esp #833; zsmartsystems #1241",
        HandledBy.ANY_OFFSET,
        _acting(ClientQuirks(restarts_on_timeout=True)),
    ),
    Quirk(
        "Upgrade End without a download, repeated",
        _OTHER,
        "Upgrade End without a download / repeated: OSRAM (deconz :2371); zigpy #497",
        HandledBy.END_ANSWERED,
        _acting(ClientQuirks(upgrade_end_without_download=True, upgrade_end_copies=5)),
    ),
    Quirk(
        "Image Notify ignored",
        (Stack.TELINK, Stack.OTHER),
        "Image Notify ignored unless woken, or needs jitter/type match: z2m #22606; Telink, measured",
        HandledBy.NOTIFY_AGAIN,
        _acting(ClientQuirks(ignores_notify=True, query_interval=300.0)),
    ),
    Quirk(
        "wildcards wanted",
        (Stack.ESPRESSIF,),
        "manufacturer wildcard 0xFFFF needed in Upgrade End Response: esp #466; both measured accept it",
        HandledBy.WILDCARDS,
        _acting(ClientQuirks(wildcards_only=True)),
        manufacturer_codes=frozenset({0x131B}),
    ),
    Quirk(
        "long blocks break the parser",
        _OTHER,
        "block > 48/50/62 breaks vendor parsers: zigpy PR #1781; deconz-rest #166; zigbee-OTA #328",
        HandledBy.SMALLER_BLOCKS,
        _acting(ClientQuirks(longest_block=40)),
    ),
    Quirk(
        "blocks of 40 octets",
        _OTHER,
        "40 for 4474 and 4405: zigpy manager.py:36-49; Insta/DDEL in herdsman, DDEL/BJ in deCONZ",
        HandledBy.BLOCK_SIZE,
        _acting(ClientQuirks(longest_block=40)),
        manufacturer_codes=frozenset({4474, 4405}),
        block_size=40,
    ),
    Quirk(
        "image decrypted block by block",
        (Stack.TELINK,),
        "AES needs a multiple of 16: 40 and 47 fail, 16/32/48/50 pass on Telink tag 0xF000, measured",
        HandledBy.BY_IMAGE,
        _acting(ClientQuirks(block_multiple=16)),
    ),
    Quirk(
        "short first block",
        (Stack.SILICON_LABS,),
        "first block shorter than the header: 7-byte blocks end 0x95; 16 and up fine, measured",
        HandledBy.SMALLER_BLOCKS,
        _acting(ClientQuirks(shortest_first_block=16)),
    ),
    Quirk(
        "sequence numbers not followed",
        (Stack.TELINK, Stack.ESPRESSIF),
        "wrong/foreign TSN in responses: esp #895; Telink accepts any TSN, measured",
        HandledBy.SEQUENCE_ECHOED,
        _acting(ClientQuirks(any_sequence=True, one_sequence=True)),
    ),
    Quirk(
        "Default Response for each block",
        (Stack.TELINK,),
        "Default Response per block when the bit is clear: Telink, 2 805 extra frames, measured",
        HandledBy.NO_DEFAULT_RESPONSE,
        OtaClientSettings(),
    ),
    Quirk(
        "duplicates answered",
        (Stack.SILICON_LABS,),
        "Silabs answers a response that it is not waiting for with Default Response 0x01, measured",
        HandledBy.NO_DEFAULT_RESPONSE,
        _acting(ClientQuirks(unexpected_status=Status.FAILURE)),
    ),
    Quirk(
        "manufacturer specific answers refused",
        _BOTH,
        "manufacturer-specific bit on a response refused by both: Silabs 0x81, Telink 0x83, measured",
        HandledBy.STANDARD_FRAME,
        OtaClientSettings(),
    ),
    Quirk(
        "answer from another endpoint",
        _BOTH,
        "response from another endpoint/profile: both accept, measured",
        HandledBy.STANDARD_FRAME,
    ),
    Quirk(
        "longer block than asked",
        _BOTH,
        "longer block than asked: Telink accepts; Silabs 0x87, loops; measured",
        HandledBy.NEVER_MORE,
        OtaClientSettings(maximum_data_size=20),
    ),
    Quirk(
        "block with a wrong offset",
        _BOTH,
        "block with a wrong offset: both discard and ask again, measured",
        HandledBy.NEVER_MORE,
        _acting(ClientQuirks(out_of_order=True)),
    ),
    Quirk(
        "flash erased before the first block",
        (Stack.SILICON_LABS, Stack.OTHER),
        "stalls of 20 to 60 s (flash erase): Hue; Silabs before block 0, measured",
        HandledBy.PATIENCE,
        _acting(ClientQuirks(erase_seconds=60.0)),
    ),
    Quirk(
        "asleep between polls",
        _OTHER,
        "sleepy: answer must come inside the poll: converters; Sonoff",
        HandledBy.AT_ONCE,
        OtaClientSettings(response_timeout=0.5),
    ),
    Quirk(
        "reboot minutes after the end",
        _OTHER,
        "bootloader reboots minutes after 100 %: zigpy #1557",
        HandledBy.PATIENCE,
        OtaClientSettings(),
    ),
)
"""What others have met."""


MEASURED: Final[tuple[Quirk, ...]] = (
    Quirk("whole client", (Stack.TELINK,), "every answer together, measured", HandledBy.CLAMP, TELINK_CLIENT),
    Quirk(
        "whole client",
        (Stack.SILICON_LABS,),
        "every answer together, measured",
        HandledBy.CLAMP,
        SILICON_LABS_CLIENT,
    ),
    Quirk(
        "block request",
        _BOTH,
        "fc 0x02 + period; at most 48 B and shrinking at the end, or always 63 B",
        HandledBy.CLAMP,
        SILICON_LABS_CLIENT,
    ),
    Quirk(
        "no answer to a block",
        _BOTH,
        "5 s x 10, or 3 s + 2 s backoff x 10, then Upgrade End 0x95, erases, re-queries after 300 s from 0",
        HandledBy.ANY_OFFSET,
        SILICON_LABS_CLIENT,
    ),
    Quirk(
        "restart of the device, with a query",
        (Stack.TELINK,),
        "new query, resumes at the saved offset (saved every 26 blocks here)",
        HandledBy.ANY_OFFSET,
        TELINK_CLIENT,
    ),
    Quirk(
        "restart of the device, without a query",
        (Stack.SILICON_LABS,),
        "no query, straight block request at the saved offset",
        HandledBy.ANY_OFFSET,
        SILICON_LABS_CLIENT,
    ),
    Quirk(
        "page request",
        (Stack.SILICON_LABS,),
        "size always 1024, block 32, spacing 50 ms, missed blocks by block request; page timeout 5 s",
        HandledBy.CLAMP,
        replace(
            SILICON_LABS_CLIENT,
            page_size=1024,
            quirks=replace(SILICON_LABS_CLIENT.quirks, fixed_page_size=True),
        ),
    ),
    Quirk(
        "Upgrade Time a day away",
        _BOTH,
        "UpgradeTime +24 h: Telink waits 86 400 s, Silabs activates after 3 612 s (60-min clamp)",
        HandledBy.NO_FINITE_TIME,
        SILICON_LABS_CLIENT,
    ),
    Quirk(
        "Upgrade Time in the past",
        _BOTH,
        "UpgradeTime < CurrentTime: immediate, or after 3 600 s",
        HandledBy.NO_FINITE_TIME,
        TELINK_CLIENT,
    ),
    Quirk(
        "told to wait again and again",
        (Stack.TELINK,),
        "0xFFFFFFFF: ignores the repeats and self-activates after exactly 7 200 s; TI with 3 h",
        HandledBy.HELD_LAST_BLOCK,
        TELINK_CLIENT,
    ),
    Quirk(
        "told to wait, asks every hour",
        (Stack.SILICON_LABS,),
        "0xFFFFFFFF: asks again every 3 600 s, held for 110 h in the run, no limit seen",
        HandledBy.HELD_FOR_CS06,
        SILICON_LABS_CLIENT,
    ),
    Quirk(
        "Upgrade End never answered",
        _BOTH,
        "self-activates after 10 s (2 tries), or after ~37 s (10 tries) unless TimeoutPolicy = 1",
        HandledBy.END_ANSWERED,
        OtaClientSettings(upgrade_end_attempts=2, upgrade_timeout_policy=UpgradeTimeoutPolicy.APPLY),
    ),
    Quirk(
        "wrong version in the Upgrade End Response",
        _BOTH,
        "wrong version in the response: as never answered, or Default Response 0x87 and retries",
        HandledBy.NEVER_MORE,
        OtaClientSettings(),
    ),
    Quirk(
        "Upgrade End Response without a request",
        _BOTH,
        "unsolicited Upgrade End Response, time 0: activates; after 0xFFFFFFFF, +50 s: 50 s later",
        HandledBy.HELD_FOR_CS06,
        SILICON_LABS_CLIENT,
    ),
    Quirk(
        "a finite Upgrade Time stays",
        _BOTH,
        "unsolicited response after a finite UpgradeTime: ignored, or Default Response 0x01 FAILURE",
        HandledBy.NO_FINITE_TIME,
        SILICON_LABS_CLIENT,
    ),
    Quirk(
        "activation policy out of band",
        (Stack.SILICON_LABS,),
        "status 6; UpgradeTime not 0xFFFFFFFF refused with Default Response 0x7E",
        HandledBy.OUT_OF_BAND,
        replace(SILICON_LABS_CLIENT, upgrade_activation_policy=UpgradeActivationPolicy.OUT_OF_BAND),
    ),
    Quirk(
        "ABORT to Upgrade End",
        _BOTH,
        "aborts (0x95), or erases, re-queries after 300 s, downloads everything again, for ever",
        HandledBy.END_ANSWERED,
        SILICON_LABS_CLIENT,
    ),
    Quirk(
        "last block held",
        _BOTH,
        "WAIT_FOR_DATA on the last block for 24 h or 7 days, then released: holds, then finishes",
        HandledBy.HELD_LAST_BLOCK,
        TELINK_CLIENT,
    ),
    Quirk(
        "block answered ABORT",
        _BOTH,
        "drops or aborts; re-query 300 s",
        HandledBy.REFUSED_BY_ABORT,
        SILICON_LABS_CLIENT,
    ),
    Quirk(
        "block answered NO_IMAGE or MALFORMED",
        _BOTH,
        "Telink Default Response 0x80, retries after 5 s; Silabs aborts on 0x98, repeats on 0x80",
        HandledBy.REFUSED_BY_ABORT,
        TELINK_CLIENT,
    ),
    Quirk(
        "Default Response 0x81 to a block request",
        _BOTH,
        "ignored, retries after 5 s; or aborts, re-query 300 s",
        HandledBy.REFUSED_BY_ABORT,
        TELINK_CLIENT,
    ),
    Quirk(
        "Request Time in the past",
        _BOTH,
        "RequestTime < CurrentTime: waits 4 294 867 s (unsigned wrap, 49.7 d), or 300 s",
        HandledBy.REQUEST_TIME,
        TELINK_CLIENT,
    ),
    Quirk(
        "long wait",
        _BOTH,
        "WAIT, long: honoured, or clamped to 3 600 s (7200 to 3600)",
        HandledBy.REQUEST_TIME,
        SILICON_LABS_CLIENT,
    ),
    Quirk(
        "Minimum Block Period in seconds",
        (Stack.SILICON_LABS,),
        "WAIT(0,0,500): 500 ms spacing; 500 s per block if built for seconds (cluster revision 2)",
        HandledBy.PERIOD_UNIT,
        replace(SILICON_LABS_CLIENT, cluster_revision=2),
    ),
    Quirk(
        "wait without the period field",
        _BOTH,
        "WAIT without the period field (8 bytes): accepted; TI requires 11, zcl_ota.h:173",
        HandledBy.PERIOD_ECHOED,
        TELINK_CLIENT,
    ),
    Quirk(
        "plaintext refused",
        (Stack.SILICON_LABS,),
        "plaintext frame when APS security is required: Default Response FAILURE",
        HandledBy.ENCRYPTED,
    ),
    Quirk(
        "notify by broadcast",
        _BOTH,
        "Telink needs matching manuf/type, version not the current one, jitter test; Silabs jitter 1..100",
        HandledBy.NOTIFY_AGAIN,
        OtaClientSettings(),
    ),
    Quirk(
        "periodic query",
        _BOTH,
        "5 min",
        HandledBy.ANY_QUERY,
        replace(TELINK_CLIENT, quirks=replace(TELINK_CLIENT.quirks, query_interval=300.0)),
    ),
)
"""What the two measured stacks do, case by case."""

QUIRKS: Final = SEEN_IN_THE_FIELD + MEASURED
