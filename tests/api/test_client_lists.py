"""`hanota client products`, `audit`, `devices`, `events`: what is listed, changed, verified and refused."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from hanota.api.access import Role
from hanota.cli.client import audit
from hanota.cli.client.connection import Connection
from hanota.cli.client.settings import ClientSettings
from hanota.cli.client.timeline import RECENT
from hanota.hub.events import EventKind, Party
from hanota.hub.jobs import JobKind
from tests.api.client_support import served
from tests.api_support import TOKENS
from tests.hub_parties_support import HCALCS, HCALCS_IMAGE, PPMID, STRANGER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.api.client_support import Served

HASH = HCALCS_IMAGE.manufacturer_image_hash.hex()
SLIP = "ab" * 32


@pytest.fixture
def daemon() -> Iterator[Served]:
    """A daemon with both devices."""
    with served() as daemon:

        async def begin() -> None:
            await daemon.api.lab.joined(PPMID, JobKind.PPMID)
            await daemon.api.lab.joined(HCALCS, JobKind.HCALCS)

        daemon.do(begin())
        yield daemon


def note(daemon: Served, count: int) -> None:
    """Have rows in the audit trail."""

    async def record() -> None:
        for number in range(count):
            daemon.api.audit.record("me", "operator", "act", f"target {number}", "done")

    daemon.do(record())


@pytest.fixture
def hcalcs_file(tmp_path: Path) -> Path:
    file = tmp_path / "hcalcs.ota"
    file.write_bytes(HCALCS_IMAGE.data)
    return file


def test_a_file_is_listed_with_what_its_header_says_and_the_options_go_first(
    daemon: Served, hcalcs_file: Path
) -> None:
    assert "no products" in daemon.client("products").stdout
    options = ("--model", "X", "--manufacturer", "0x1234", "--gbcs", "4.1", "--hardware-max", "7")
    added = daemon.client("products", "add", str(hcalcs_file), "--type", "hcalcs", *options, "--json")
    assert added.exit_code == 0, added.output
    listed = json.loads(added.stdout)
    assert (listed["manufacturer_image_hash"], listed["firmware_version"]) == (HASH, "01000001")
    assert (listed["manufacturer_code"], listed["image_type"]) == (0x1234, 0x000D)
    assert (listed["model"], listed["gbcs_version"], listed["maximum_hardware_version"]) == ("X", "4.1", 7)
    (row,) = daemon.client("products").stdout.splitlines()[1:]
    assert all(word in row for word in ("HCALCS", "01000001", "Active", "1234", "000D", "4.1", "X", HASH))


def test_a_hash_needs_its_version_and_a_mistyped_one_is_removed(daemon: Served, hcalcs_file: Path) -> None:
    without = daemon.client("products", "add", SLIP, "--type", "HCALCS")
    assert (without.exit_code, "--version" in without.stderr) == (2, True)
    slip = daemon.client("products", "add", SLIP, "--type", "HCALCS", "--version", "0x01000001")
    assert slip.exit_code == 0, slip.output
    barred = daemon.client("update", str(hcalcs_file), str(HCALCS.eui64))
    assert (barred.exit_code, "E110102" in barred.stderr) == (3, True)
    assert daemon.client("products", "remove", SLIP[:8], answer="n\n").exit_code == 1
    other = daemon.client("products", "remove", SLIP[:8], "--model", "X", "--yes")
    assert other.exit_code == 3
    removed = daemon.client("products", "remove", SLIP[:8], "--yes")
    assert removed.exit_code == 0, removed.output
    assert SLIP in removed.stdout
    assert "no products" in daemon.client("products").stdout
    assert daemon.client("update", str(hcalcs_file), str(HCALCS.eui64)).exit_code == 0


def test_withdrawn_firmware_stays_on_the_list_and_is_given_to_nobody(
    daemon: Served, hcalcs_file: Path
) -> None:
    daemon.client("products", "add", str(hcalcs_file), "--type", "HCALCS")
    by_operator = daemon.client("products", "withdraw", HASH, "--yes", role=Role.OPERATOR)
    assert by_operator.exit_code == 3
    withdrawn = daemon.client("products", "withdraw", HASH[:6], answer="y\n")
    assert withdrawn.exit_code == 0, withdrawn.output
    assert "Withdrawn" in daemon.client("products").stdout
    refused = daemon.client("update", str(hcalcs_file), str(HCALCS.eui64))
    assert (refused.exit_code, "E110103" in refused.stderr) == (3, True)


@pytest.mark.parametrize(
    "command",
    [
        ("products", "withdraw", "", "--yes"),
        ("products", "remove", "00", "--yes"),
        ("products", "add", "no/such/file.ota", "--type", "PPMID"),
        ("audit", "--after", "1", "--last", "1"),
        ("audit", "verify", "--noted", "1"),
        ("audit", "verify", "--noted", f"0:{SLIP}"),
        ("events", "--after", "1", "--last", "1"),
        ("devices", "show", "x"),
        ("devices", "forget", "x", "--yes"),
    ],
)
def test_what_cannot_be_ends_with_2(daemon: Served, command: tuple[str, ...]) -> None:
    result = daemon.client(*command)
    assert result.exit_code == 2, result.output
    assert "error:" in result.stderr


@pytest.mark.parametrize(
    ("command", "next_one"),
    [
        (("pause", "77"), "`hanota client jobs` lists them"),
        (("images", "retire", "00" * 32, "--yes"), "`hanota client images` lists them"),
        (("update", "00" * 32, str(HCALCS.eui64)), "`hanota client images add` adds one"),
    ],
)
def test_the_next_command_is_named_instead_of_an_operation(
    daemon: Served, command: tuple[str, ...], next_one: str
) -> None:
    refused = daemon.client(*command)
    assert refused.exit_code == 3
    assert next_one in refused.stderr


def test_a_hash_that_begins_two_products_is_not_taken_for_one(daemon: Served) -> None:
    for last in ("00", "11"):
        daemon.client("products", "add", SLIP[:-2] + last, "--type", "GSME", "--version", f"0x010000{last}")
    result = daemon.client("products", "withdraw", SLIP[:8], "--yes")
    assert result.exit_code == 2
    assert "2 products" in result.stderr


def test_all_that_is_known_of_a_device_is_shown_and_forgotten(daemon: Served) -> None:
    named = ("--manufacturer", "0x121D", "--model", "X", "--hardware", "2", "--gbcs", "4.1")
    daemon.client("devices", "set", str(STRANGER.eui64), "--type", "ppmid", *named)
    shown = daemon.client("devices", "show", str(STRANGER.eui64)).stdout
    facts = dict(line.split(maxsplit=1) for line in shown.splitlines() if line.split(maxsplit=1)[1:])
    assert facts["device"] == str(STRANGER.eui64)
    assert (facts["maker"], facts["hardware"], facts["GBCS"]) == ("0x121D", "0x0002", "4.1")
    assert facts["state"] == "not in the Device Log"
    known = json.loads(daemon.client("devices", "show", str(STRANGER.eui64), "--json").stdout)
    assert known["manufacturer_code"] == 0x121D
    assert daemon.client("devices", "forget", str(STRANGER.eui64), answer="n\n").exit_code == 1
    assert daemon.client("devices", "forget", str(STRANGER.eui64), "--yes").exit_code == 0
    assert daemon.client("devices", "show", str(STRANGER.eui64)).exit_code == 3


def test_the_audit_trail_is_shown_from_any_row_on(daemon: Served) -> None:
    assert "no rows" in daemon.client("audit").stderr
    note(daemon, 60)
    recent = daemon.client("audit").stdout.splitlines()
    assert (len(recent), "target 10: done" in recent[0]) == (RECENT, True)
    assert len(daemon.client("audit", "--last", "2").stdout.splitlines()) == 2
    rows = [
        json.loads(line) for line in daemon.client("audit", "--after", "50", "--json").stdout.splitlines()
    ]
    assert [row["seq"] for row in rows] == list(range(51, 61))
    assert "no such rows" in daemon.client("audit", "--after", "60").stderr
    assert daemon.client("audit", role=Role.OPERATOR).exit_code == 3


def test_the_audit_trail_is_followed(daemon: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "LOOK_INTERVAL", 0.01)
    seen: list[int] = []

    async def follow() -> None:
        settings = ClientSettings(daemon.url, TOKENS[Role.ACTIVATOR])
        async with Connection(settings) as connection:
            note(daemon, 1)
            with pytest.raises(StopAsyncIteration):
                await audit._audit(connection, None, None, take, follow=True)

    def take(row: object) -> None:
        assert isinstance(row, dict)
        seen.append(row["seq"])
        if len(seen) == 4:
            raise StopAsyncIteration
        note(daemon, 1)

    asyncio.run(follow())
    assert seen == [1, 2, 3, 4]


def test_the_chain_is_verified_against_what_was_noted(daemon: Served) -> None:
    assert "0 rows" in daemon.client("audit", "verify").stdout
    note(daemon, 3)
    verified = daemon.client("audit", "verify")
    assert verified.exit_code == 0
    noted = verified.stdout.split()[-1]
    assert noted.startswith("3:")
    note(daemon, 1)
    assert daemon.client("audit", "verify", "--noted", noted).exit_code == 0
    made_anew = daemon.client("audit", "verify", "--noted", f"3:{SLIP}")
    assert (made_anew.exit_code, "made anew" in made_anew.stderr) == (1, True)
    cut_off = daemon.client("audit", "verify", "--noted", f"9:{SLIP}", "--json")
    assert (cut_off.exit_code, "cut off" in cut_off.stderr) == (1, True)
    assert json.loads(cut_off.stdout)["intact"] is False


def test_an_altered_row_ends_the_verification_with_1(daemon: Served) -> None:
    note(daemon, 5)

    async def alter() -> None:
        connection = daemon.api.lab.store.database._connection
        connection.execute("DROP TRIGGER audit_is_not_altered")
        connection.execute("UPDATE audit SET actor = 'nobody' WHERE seq = 3")

    daemon.do(alter())
    result = daemon.client("audit", "verify")
    assert result.exit_code == 1
    assert "row 3: its contents do not have its hash" in result.stderr


def test_the_last_events_of_a_kind_are_shown_however_much_happened_since(daemon: Served) -> None:
    async def happen() -> None:
        daemon.api.lab.update(JobKind.PPMID, PPMID.eui64)
        journal = daemon.api.lab.journal
        with journal.transaction():
            journal.record(EventKind.JOB_PAUSED, Party.HUB, Party.HUB, job=1, detail={"reason": "a pause"})
            for _ in range(3 * RECENT):
                journal.record(EventKind.IMAGE_NOTIFY, Party.HUB, Party.DEVICE)

    daemon.do(happen())
    shown = daemon.client("events", "--kind", "job")
    assert "job 1 is paused: a pause" in shown.stdout
    assert "job 1 is paused" in daemon.client("events", "--kind", "job.paused", "--last", "1").stdout
    assert "job 1 is paused" in daemon.client("events", "--job", "1").stdout
    assert "no such events" in daemon.client("events", "--kind", "products_list").stderr
    assert len(daemon.client("events", "--last", "3").stdout.splitlines()) == 3


@pytest.mark.parametrize("more", [(), ("--follow",), ("--after", "0"), ("--json",)])
def test_an_unknown_kind_of_events_is_refused_with_those_there_are(
    daemon: Served, more: tuple[str, ...]
) -> None:
    refused = daemon.client("events", "--kind", "job", "--kind", "jobs", *more)
    assert refused.exit_code == 3
    assert "'jobs'" in refused.stderr
    assert "key_establishment" in refused.stderr
