"""The mutation table: every misbehaviour of an emulated device against the cases of the conformance suite.

Each fails the cases that stand beside it, and no other. Without `--full-mutations` a misbehaviour meets its
own cases and some others drawn by its name; with it all of them, which takes minutes.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from hanota.conformance.catalogue import CASES, chosen
from hanota.conformance.rig import RigOptions, open_rig
from hanota.conformance.suite import Suite, SuiteOptions
from hanota.emulator.devices.misbehaviour import MISBEHAVIOURS
from hanota.emulator.loop import run_virtual
from hanota.hub.jobs import JobKind

if TYPE_CHECKING:
    from hanota.conformance.suite import SuiteReport

SIZE = 3_000
OTHERS = 2
"""Cases that a misbehaviour meets besides its own."""

RESUMED = "resume-10 resume-50 resume-90"
BOTH_KINDS = {
    "unencrypted": "unknown-command malformed-command tunnel image-notify encryption",
    "ignores_notify": "image-notify",
    "invalid_image": f"download {RESUMED} hub-restart after-abort lost-blocks duplicated-blocks slow-server",
    "ignores_wait_for_data": "wait-for-data",
    "restarts_from_zero": RESUMED,
    "ignores_abort": "abort",
    "stuck_after_abort": "after-abort",
    "gives_up_on_loss": "lost-blocks",
    "impatient": "slow-server",
    "doubles_on_duplicate": "duplicated-blocks",
    "dead_after_silence": "hub-restart",
    "early_upgrade_end": "upgrade-end-after-download",
    "asks_for_nothing": "block-requests",
    "wrong_query_version": "query",
    "plain_upgrade_end": "encryption",
    "takes_plaintext": "plain-notify",
    "accepts_other_manufacturer": "other-manufacturer",
    "accepts_other_image_type": "other-image-type",
    "accepts_same_version": "same-version",
    "accepts_downgrade": "downgrade",
    "ignores_header": "other-header",
    "ignores_hardware_version": "hardware-version",
    "no_upgrade_status": "attributes",
    "wrong_upgrade_status": "upgrade-status",
    "silent_on_unknown": "unknown-command",
    "silent_on_malformed": "malformed-command",
    "wrong_firmware_version": "read-version",
    "wrong_response_mac": "read-version-mac",
}
PPMID = BOTH_KINDS | {
    "refuses_tunnel": "tunnel alert",
    "never_activates": "activation alert",
    "activation_failure": "activation alert alert-version",
    "claims_activation": "activation alert-version",
    "accepts_corrupt_image": "corrupt-image",
    "wrong_signature": "read-version-mac alert-signature",
    "no_alert": "alert",
    "wrong_alert_version": "alert-version",
    "wrong_alert_time": "alert-time",
    "alert_misaddressed": "alert",
    "wrong_alert_signature": "alert-signature",
    "alert_counter_stuck": "alert-counter",
    "accepts_replay": "replayed-command",
    "ignores_mac": "command-mac",
}
NOT_ACTIVATED = (
    "activation-command response-version wrong-hash no-image-held held-power-cut "
    "future-dated future-alert future-power-cut"
)
HCALCS = BOTH_KINDS | {
    "activation_failure": f"response {NOT_ACTIVATED}",
    "claims_activation": NOT_ACTIVATED,
    "refuses_tunnel": "tunnel",
    "accepts_corrupt_image": "corrupt-image supplier-signature",
    "wrong_signature": "read-version-mac response-signature future-alert",
    "no_hourly_upgrade_end": "held-hourly",
    "activates_without_command": "held-stays-held",
    "no_response": "response wrong-hash future-response",
    "wrong_response_version": "response-version",
    "wrong_response_signature": "response-signature",
    "success_without_image": "no-image-held",
    "outcome_too_early": "future-response",
    "no_alert": "future-alert future-failure",
    "wrong_alert_version": "future-alert",
    "wrong_alert_time": "future-alert",
    "alert_misaddressed": "future-alert",
    "wrong_alert_signature": "future-alert",
    "alert_counter_stuck": "future-alert-counter",
    "accepts_replay": "replayed-command replayed-activation",
    "accepts_lower_counter": "activation-counter",
    "ignores_mac": "command-mac activation-mac",
    "ignores_signature": "activation-signature",
    "accepts_unsigned": "activation-unsigned",
    "accepts_broker_activation": "activation-role",
    "accepts_neighbours_command": "activation-recipient",
    "accepts_wrong_hash": "wrong-hash future-failure",
    "forgets_held_image": "held-power-cut future-power-cut",
    "forgets_future_date": "future-power-cut",
    "ignores_future_date": "future-dated future-cancelled",
    "ignores_cancellation": "future-cancelled",
}
TABLE = {JobKind.PPMID: PPMID, JobKind.HCALCS: HCALCS}
"""The cases that each misbehaviour fails."""

BARS_THE_WAY = {
    "unencrypted",
    "refuses_tunnel",
    "ignores_notify",
    "invalid_image",
    "never_activates",
    "no_alert",
    "no_response",
    "no_upgrade_status",
}
"""With these a case that begins with what the device does not do is inconclusive, and not failed."""

NOT_ON_THE_HAN = {"silent"}
"""With these no case has a beginning; the suite tells that of them all."""

ROWS = [(kind, name) for kind, table in TABLE.items() for name in table]


def cases_of(kind: JobKind, own: list[str], name: str, *, full: bool) -> list[str]:
    every = [case.name for case in CASES if kind in case.kinds]
    if full:
        return every
    others = [case for case in every if case not in own]
    return own + random.Random(f"{kind} {name}").sample(others, OTHERS)


async def tried(kind: JobKind, misbehaviour: str, names: list[str], radio: str) -> SuiteReport:
    device = kind.lower()
    async with open_rig(RigOptions(radio=radio, misbehaviours={device: [misbehaviour]})) as rig:
        return await Suite(rig, rig.devices[device], SuiteOptions(image_size=SIZE)).run(chosen(names))


@pytest.mark.parametrize(("kind", "name"), ROWS, ids=[f"{kind}-{name}" for kind, name in ROWS])
def test_each_misbehaviour_fails_its_own_cases_and_no_other(
    kind: JobKind, name: str, pytestconfig: pytest.Config
) -> None:
    own = TABLE[kind][name].split()
    full = bool(pytestconfig.getoption("--full-mutations"))
    # Either radio has its turn; in a full run as in a short one it is the same for the same row.
    radio = random.Random(f"{name} {kind}").choice(["znp", "ezsp"])
    report = run_virtual(tried(kind, name, cases_of(kind, own, name, full=full), radio))
    seen = {result.case.name: str(result.verdict) for result in report.results}
    words = {result.case.name: result.reason for result in report.results}
    assert {case for case, verdict in seen.items() if verdict == "failed"} == set(own), words
    others = {verdict for case, verdict in seen.items() if case not in own}
    assert others <= ({"passed", "inconclusive"} if name in BARS_THE_WAY else {"passed"}), words
    assert report.exit_status == 1


def test_the_table_has_every_misbehaviour_and_every_case_has_one() -> None:
    told = {name for table in TABLE.values() for name in table}
    assert told == {
        name for name in MISBEHAVIOURS if name not in NOT_ON_THE_HAN and not name.startswith("cbke_")
    }
    for kind, table in TABLE.items():
        failed = {case for cases in table.values() for case in cases.split()}
        assert failed == {case.name for case in CASES if kind in case.kinds}


@pytest.mark.parametrize("name", sorted(NOT_ON_THE_HAN))
def test_a_device_that_no_case_can_begin_with_fails_none_and_passes_none_that_needs_it(name: str) -> None:
    report = run_virtual(tried(JobKind.PPMID, name, ["download", "alert-version"], "znp"))
    verdicts = {result.case.name: str(result.verdict) for result in report.results}
    assert verdicts["alert-version"] in ("inconclusive", "not run")
    assert verdicts["download"] in ("passed", "inconclusive")
    assert report.exit_status == 3
