"""The rules of OTA Upgrade and GBCS that a device can be made to break, one by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hanota.emulator.devices import misbehaviour_commands as commands
from hanota.emulator.devices import misbehaviour_gbcs as gbcs
from hanota.emulator.devices import misbehaviour_ota as ota

if TYPE_CHECKING:
    from hanota.emulator.devices.device import FirmwareDevice

Apply = Callable[["FirmwareDevice"], None]


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """What a device does wrong, in words, and how it is made to."""

    description: str
    apply: Apply


BROKEN_RULES: Final[dict[str, Misbehaviour]] = {
    "ignores_wait_for_data": Misbehaviour(
        "asks again after a second, whatever WAIT_FOR_DATA says", ota.ignores_wait_for_data
    ),
    "restarts_from_zero": Misbehaviour("begins a download anew after a power cut", ota.restarts_from_zero),
    "ignores_abort": Misbehaviour("goes on asking for blocks after ABORT", ota.ignores_abort),
    "stuck_after_abort": Misbehaviour(
        "is deaf to Image Notify after an ABORT, until its power is cut", ota.stuck_after_abort
    ),
    "gives_up_on_loss": Misbehaviour(
        "ends its download with the first block that is lost", ota.gives_up_on_loss
    ),
    "impatient": Misbehaviour("waits for an answer for two seconds in all", ota.impatient),
    "doubles_on_duplicate": Misbehaviour("answers every duplicate with a request", ota.doubles_on_duplicate),
    "dead_after_silence": Misbehaviour(
        "hears no more of OTA after a silent server, until its power is cut", ota.dead_after_silence
    ),
    "early_upgrade_end": Misbehaviour(
        "says that it has an image when it is notified of one", ota.early_upgrade_end
    ),
    "asks_for_nothing": Misbehaviour("asks for blocks of no octets now and then", ota.asks_for_nothing),
    "wrong_query_version": Misbehaviour("queries as if it ran the version before", ota.wrong_query_version),
    "plain_upgrade_end": Misbehaviour(
        "sends its Upgrade End Requests without APS encryption first", ota.plain_upgrade_end
    ),
    "takes_plaintext": Misbehaviour("obeys frames without APS encryption", ota.takes_plaintext),
    "accepts_other_manufacturer": Misbehaviour(
        "downloads another manufacturer's image", ota.accepts_other_manufacturer
    ),
    "accepts_other_image_type": Misbehaviour(
        "downloads an image of another type", ota.accepts_other_image_type
    ),
    "accepts_same_version": Misbehaviour("downloads the version that it runs", ota.accepts_same_version),
    "accepts_downgrade": Misbehaviour("downloads a lower version", ota.accepts_downgrade),
    "accepts_corrupt_image": Misbehaviour(
        "looks at the OTA Header of an image alone", ota.accepts_corrupt_image
    ),
    "ignores_header": Misbehaviour("does not look whose image it has downloaded", ota.ignores_header),
    "ignores_hardware_version": Misbehaviour(
        "does not look which hardware an image is for", ota.ignores_hardware_version
    ),
    "no_hourly_upgrade_end": Misbehaviour("does not ask again when to activate", ota.no_hourly_upgrade_end),
    "activates_without_command": Misbehaviour(
        "HCALCS: activates after an hour, without CS06", ota.activates_without_command
    ),
    "no_upgrade_status": Misbehaviour("has no ImageUpgradeStatus", ota.no_upgrade_status),
    "wrong_upgrade_status": Misbehaviour(
        "tells an ImageUpgradeStatus of Normal, always", ota.wrong_upgrade_status
    ),
    "silent_on_unknown": Misbehaviour("says nothing to a command it does not know", ota.silent_on_unknown),
    "silent_on_malformed": Misbehaviour("says nothing to a malformed command", ota.silent_on_malformed),
    "no_alert": Misbehaviour("sends no alert", gbcs.no_alert),
    "wrong_alert_version": Misbehaviour(
        "names a version in its alerts that it does not run", gbcs.wrong_alert_version
    ),
    "wrong_alert_time": Misbehaviour("names a time long ago in its alerts", gbcs.wrong_alert_time),
    "alert_misaddressed": Misbehaviour("sends its alerts to the other remote party", gbcs.alert_misaddressed),
    "wrong_alert_signature": Misbehaviour("signs its alerts wrongly", gbcs.wrong_alert_signature),
    "alert_counter_stuck": Misbehaviour("gives all its alerts one counter", gbcs.alert_counter_stuck),
    "no_response": Misbehaviour("does not respond to CS06", gbcs.no_response),
    "wrong_response_version": Misbehaviour(
        "names a version in its responses to CS06 that it does not run", gbcs.wrong_response_version
    ),
    "wrong_response_signature": Misbehaviour(
        "signs its responses to CS06 wrongly", gbcs.wrong_response_signature
    ),
    "success_without_image": Misbehaviour(
        "responds success to CS06 where it holds no image", gbcs.success_without_image
    ),
    "outcome_too_early": Misbehaviour(
        "responds with an outcome to a future dated CS06", gbcs.outcome_too_early
    ),
    "wrong_firmware_version": Misbehaviour(
        "tells a version in CS08 that it does not run", gbcs.wrong_firmware_version
    ),
    "wrong_response_mac": Misbehaviour(
        "makes the MAC of its responses to CS08 wrongly", gbcs.wrong_response_mac
    ),
    "accepts_replay": Misbehaviour("obeys a command a second time", commands.accepts_replay),
    "accepts_lower_counter": Misbehaviour(
        "obeys a command whose counter is lower than the last", commands.accepts_lower_counter
    ),
    "ignores_mac": Misbehaviour("obeys commands with a wrong MAC", commands.ignores_mac),
    "ignores_signature": Misbehaviour("obeys a CS06 whatever its signature", commands.ignores_signature),
    "accepts_unsigned": Misbehaviour("obeys a CS06 without signature", commands.accepts_unsigned),
    "accepts_broker_activation": Misbehaviour(
        "obeys a CS06 of the access control broker's own", commands.accepts_broker_activation
    ),
    "accepts_neighbours_command": Misbehaviour(
        "obeys a CS06 for another device", commands.accepts_neighbours_command
    ),
    "accepts_wrong_hash": Misbehaviour(
        "HCALCS: activates what it holds, whatever the hash", commands.accepts_wrong_hash
    ),
    "claims_activation": Misbehaviour("reports an activation and stays as it is", gbcs.claims_activation),
    "forgets_held_image": Misbehaviour(
        "HCALCS: loses a held image with its power", commands.forgets_held_image
    ),
    "forgets_future_date": Misbehaviour(
        "HCALCS: loses a future dated CS06 with its power", commands.forgets_future_date
    ),
    "ignores_future_date": Misbehaviour(
        "HCALCS: executes a future dated CS06 at once", commands.ignores_future_date
    ),
    "ignores_cancellation": Misbehaviour(
        "HCALCS: accepts a cancellation and cancels nothing", commands.ignores_cancellation
    ),
}
"""The conformance suite has a case for each."""
