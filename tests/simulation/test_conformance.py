"""The conformance suite on healthy emulated devices, and what a bench's own faults do to a run."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hanota.bench.errors import BenchError
from hanota.conformance.case import BOTH, Case, Need, Verdict
from hanota.conformance.catalogue import CASES, chosen
from hanota.conformance.errors import NotReachedError
from hanota.conformance.faulty_radio import Lost, Way
from hanota.conformance.images import GivenImages, MadeImages
from hanota.conformance.rig import RigOptions, open_rig
from hanota.conformance.suite import Suite, SuiteOptions
from hanota.conformance.version import running_version
from hanota.emulator.loop import run_virtual
from hanota.errors import ConfigError, RadioError
from hanota.hub.jobs import JobKind
from hanota.radio.settings import LinkSecurity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from hanota.conformance.rig import Rig
    from hanota.conformance.suite import SuiteReport
    from hanota.conformance.trial import Trial

SIZE = 3_000
"""Octets of a Manufacturer Image: sixty blocks, so that a tenth of it is some."""


async def run(
    rig: Rig, device: str, cases: Sequence[Case], options: SuiteOptions | None = None
) -> SuiteReport:
    options = replace(options or SuiteOptions(), image_size=SIZE)
    return await Suite(rig, rig.devices[device], options).run(cases)


def of_kind(kind: JobKind) -> list[Case]:
    return [case for case in CASES if kind in case.kinds]


def verdicts(report: SuiteReport) -> dict[str, str]:
    return {result.case.name: str(result.verdict) for result in report.results}


def reasons(report: SuiteReport) -> dict[str, str]:
    return {
        result.case.name: result.reason
        for result in report.results
        if result.verdict in (Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.NOT_RUN)
    }


@pytest.mark.parametrize("radio", ["znp", "ezsp"])
@pytest.mark.parametrize("kind", JobKind, ids=str)
def test_a_healthy_device_passes_every_case_of_its_kind_on_both_radios(radio: str, kind: JobKind) -> None:
    async def main() -> None:
        async with open_rig(RigOptions(radio=radio)) as rig:
            report = await run(rig, kind.lower(), of_kind(kind))
            assert reasons(report) == {}
            assert set(verdicts(report).values()) == {"passed"}
            assert report.exit_status == 0
            assert all(result.evidence for result in report.results)

    run_virtual(main())


@pytest.mark.parametrize("security", [LinkSecurity.INSTALL_CODE, LinkSecurity.NONE], ids=str)
def test_devices_without_key_establishment_are_tried_too(security: LinkSecurity) -> None:
    async def main() -> None:
        async with open_rig(RigOptions(security=security)) as rig:
            report = await run(rig, "ppmid", chosen(["download", "resume-50", "encryption", "alert"]))
            assert reasons(report) == {}
            plain = security is LinkSecurity.NONE
            assert verdicts(report)["encryption"] == ("not applicable" if plain else "passed")

    run_virtual(main())


def test_every_case_has_a_name_of_its_own_a_title_and_a_clause() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 60
    assert all(case.title and case.clause.startswith(("ZCL ", "GBCS ", "ZSE ")) for case in CASES)
    with pytest.raises(ConfigError, match="there is no case 'downlod'"):
        chosen(["download", "downlod"])


def test_a_case_of_another_kind_or_without_what_it_needs_says_what_would_run_it() -> None:
    async def main() -> None:
        async with open_rig(RigOptions()) as rig:
            ppmid = rig.devices["ppmid"]
            ppmid.power = None
            patient = Case("patient", "takes hours", BOTH, "ZCL 11.13", passes, frozenset({Need.HOURS}))
            report = await run(rig, "ppmid", [*chosen(["wrong-hash", "resume-50", "download"]), patient])
            hints = {result.case.name: result.hint for result in report.results}
            assert verdicts(report) == {
                "download": "passed",
                "resume-50": "not applicable",
                "wrong-hash": "not applicable",
                "patient": "passed",
            }
            assert hints["resume-50"] == "give the device `power` in the file of --bench"
            assert hints["wrong-hash"] == "name a device of that kind with --device"
            ppmid.emulated = None
            on_metal = await Suite(rig, ppmid, SuiteOptions(image_size=SIZE)).run([patient])
            assert [(each.verdict, each.hint) for each in on_metal.results] == [
                (Verdict.NOT_APPLICABLE, "run it with --long")
            ]

    run_virtual(main())


async def passes(trial: Trial) -> None:
    trial.saw("nothing")


async def breaks(_: Trial) -> None:
    raise BenchError("the relay was unplugged")


async def loses_the_radio(_: Trial) -> None:
    raise RadioError("the dongle is gone")


def made(name: str, run: object) -> Case:
    return Case(name, name, BOTH, "ZCL 11.13", run)  # type: ignore[arg-type]


def test_a_broken_bench_ends_the_run_and_no_device_is_blamed_for_it() -> None:
    async def main() -> None:
        async with open_rig(RigOptions()) as rig:
            report = await run(
                rig,
                "ppmid",
                [made("first", passes), made("second", breaks), *chosen(["download", "wrong-hash"])],
            )
            assert verdicts(report) == {
                "first": "passed",
                "second": "inconclusive",
                "download": "not run",
                "wrong-hash": "not applicable",
            }
            assert "the relay was unplugged" in reasons(report)["second"]
            assert report.exit_status == 3

    run_virtual(main())


def test_a_radio_that_fails_once_costs_one_case_and_one_that_fails_on_ends_the_run() -> None:
    async def main() -> None:
        async with open_rig(RigOptions()) as rig:
            gone, fine = made("gone", loses_the_radio), made("fine", passes)
            report = await run(rig, "ppmid", [gone, fine, gone, gone, gone, fine])
            assert [str(result.verdict) for result in report.results] == [
                "inconclusive",
                "passed",
                "inconclusive",
                "inconclusive",
                "inconclusive",
                "not run",
            ]

    run_virtual(main())


def test_a_device_that_cannot_join_is_a_broken_bench() -> None:
    async def main() -> None:
        async with open_rig(RigOptions(misbehaviours={"ppmid": ["cbke_silent"]})) as rig:
            report = await run(rig, "ppmid", chosen(["download", "alert"]))
            assert verdicts(report) == {"download": "inconclusive", "alert": "not run"}
            assert "did not join" in reasons(report)["download"]

    run_virtual(main())


def test_an_unknown_misbehaviour_or_device_of_an_emulated_rig_is_an_error() -> None:
    async def main(options: RigOptions) -> None:
        async with open_rig(options):
            pass

    with pytest.raises(ConfigError, match="unknown misbehaviour 'lazy'"):
        run_virtual(main(RigOptions(misbehaviours={"ppmid": ["lazy"]})))
    with pytest.raises(ConfigError, match="there is no emulated device 'meter'"):
        run_virtual(main(RigOptions(misbehaviours={"meter": ["silent"]})))
    with pytest.raises(ConfigError, match="which devices are behind"):
        run_virtual(main(RigOptions(radio="ezsp:///dev/ttyNOWHERE")))


def test_a_policy_that_allows_downgrades_makes_one_that_is_taken_no_fault() -> None:
    async def main() -> None:
        async with open_rig(RigOptions(misbehaviours={"ppmid": ["accepts_downgrade"]})) as rig:
            report = await run(rig, "ppmid", chosen(["downgrade"]), SuiteOptions(downgrade_allowed=True))
            assert verdicts(report) == {"downgrade": "passed"}
            assert "a lower version is taken" in report.results[0].evidence[-1].text

    run_virtual(main())


def test_the_makers_images_are_run_through_once_and_then_another_is_asked_for() -> None:
    async def main() -> None:
        async with open_rig(RigOptions()) as rig:
            device = rig.devices["ppmid"]
            source = MadeImages(JobKind.PPMID, 0x121D, 0x0084, rig.supplier_key, SIZE, seed=7)
            images = GivenImages([source.above(0x0100_0000), source.above(0x0100_0000)])
            report = await run(
                rig,
                "ppmid",
                chosen(["activation", "alert", "alert-version", "read-version"]),
                SuiteOptions(images=images),
            )
            assert verdicts(report) == {
                "read-version": "passed",
                "activation": "passed",
                "alert": "passed",
                "alert-version": "not applicable",
            }
            assert report.firmware == "01000000"
            last = report.results[-1]
            assert "no image has a version above 01000002" in last.reason
            assert "give another --image" in last.hint
            assert await running_version(rig, device, 60) == 0x0100_0002

    run_virtual(main())


def test_a_failed_case_leaves_its_events_capture_log_and_database(tmp_path: Path) -> None:
    async def main() -> None:
        options = RigOptions(misbehaviours={"ppmid": ["ignores_abort"]}, artifacts=tmp_path)
        async with open_rig(options) as rig:
            report = await run(rig, "ppmid", chosen(["abort", "download"]))
            passed, failed = report.results
            assert (passed.artifacts, failed.artifacts) == (None, tmp_path / "abort")

    run_virtual(main())
    folder = tmp_path / "abort"
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    seqs = [event["seq"] for event in events]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert seqs[0] > 1  # those before were another case's
    assert any(event["kind"] == "ota.abort_delivered" for event in events)
    whole, part = (tmp_path / "han.pcapng").read_bytes(), (folder / "han.pcapng").read_bytes()
    assert part[:12] == whole[:12]
    assert 0 < len(part) < len(whole)
    assert (folder / "radio.log").stat().st_size > 0
    assert (folder / "hub.sqlite").stat().st_size > 0
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    assert not (tmp_path / "download").exists()


def test_the_hub_goes_on_after_a_restart_within_a_case_that_was_cut_short() -> None:
    async def stops_the_hub(trial: Trial) -> None:
        await trial.rig.stop_hub()
        raise NotReachedError("cut short")

    async def main() -> None:
        async with open_rig(RigOptions()) as rig:
            report = await run(rig, "ppmid", [made("cut", stops_the_hub), *chosen(["download"])])
            assert verdicts(report) == {"cut": "inconclusive", "download": "passed"}

    run_virtual(main())


@asynccontextmanager
async def joined() -> AsyncIterator[Rig]:
    async with open_rig(RigOptions()) as rig:
        await rig.join(rig.devices["ppmid"])
        yield rig


def test_the_radio_in_between_keeps_what_passes_and_loses_what_it_is_told_to() -> None:
    async def main() -> None:
        async with joined() as rig:
            device = rig.devices["ppmid"]
            assert await rig.read_version(device) == bytes.fromhex("01000000")
            (asked,) = rig.messages(device, Way.TO_DEVICE)
            (told,) = rig.messages(device, Way.FROM_DEVICE)
            assert (asked.message.message_code, told.message.message_code) == (0x0129, 0x0129)
            since = rig.traffic.mark
            clear = rig.traffic.add_fault(lambda frame: Lost() if frame.way is Way.TO_DEVICE else None)
            assert await running_version(rig, device, 30) is None
            assert list(rig.traffic.since(since)) == []
            clear()
            assert await running_version(rig, device, 900) == 0x0100_0000

    run_virtual(main())
