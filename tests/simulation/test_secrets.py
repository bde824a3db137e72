"""Secrets in logs and backups: of a whole update with every logger at its lowest level no key is written."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from hanota.demo.run import DemoOptions, run_demo
from hanota.emulator.emulation.entries import default_install_code
from hanota.emulator.loop import run_virtual
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.radio.redaction import Redaction
from hanota.radio.settings import LinkSecurity
from hanota.store.store import SqliteStore
from hanota.zse.install_code import install_code_key
from tests.radio_dongles import FAMILIES
from tests.simulation.secrets_support import everything_logged, joining_secrets, secrets_of, written_in
from tests.simulation.update_support import EPOCH, log_entry, update_bench

if TYPE_CHECKING:
    from pathlib import Path

    from tests.radio_dongles import Dongle
    from tests.simulation.update_support import UpdateBench

SECURITIES = (LinkSecurity.INSTALL_CODE, LinkSecurity.KEY_ESTABLISHMENT)


async def update(
    dongle: Dongle, security: LinkSecurity, path: Path | None = None
) -> tuple[UpdateBench, dict[str, bytes]]:
    """A whole update of both devices, the hub started again in between; the bench and its secrets."""
    async with update_bench(
        dongle, joined=False, security=security, store=None if path is None else SqliteStore(path)
    ) as b:
        assert [outcome.succeeded for outcome in await b.scenario.run()] == [True, True]
        await b.restart_hub()
        return b, secrets_of(b, dongle)


@pytest.mark.parametrize("security", SECURITIES)
@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_no_key_of_an_update_is_in_any_log_at_any_level(
    dongle: Dongle, security: LinkSecurity, capfd: pytest.CaptureFixture[str]
) -> None:
    with everything_logged() as written:
        b, secrets = run_virtual(update(dongle, security))
    text = "\n".join(written.lines)
    assert "Sending" in text
    assert written_in(text, secrets) == set()
    journal = "\n".join(f"{event!r} {event.to_json()}" for event in b.events)
    assert written_in(journal, secrets) == set()
    assert written_in("".join(capfd.readouterr()), secrets) == set()


@pytest.mark.parametrize("security", SECURITIES)
@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_keys_that_the_hub_does_not_know_of_are_in_no_log_either(
    dongle: Dongle, security: LinkSecurity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Redaction, "add", lambda *_: None)
    with everything_logged() as written:
        _, secrets = run_virtual(update(dongle, security))
    assert written_in("\n".join(written.lines), secrets) == set()


@pytest.mark.parametrize("security", SECURITIES)
@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_without_redaction_the_search_finds_the_keys(
    dongle: Dongle, security: LinkSecurity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Redaction, "install", lambda _: None)
    with everything_logged() as written:
        b, secrets = run_virtual(update(dongle, security))
    found = written_in("\n".join(written.lines), secrets)
    assert "network key" in found
    assert found >= {name for name in joining_secrets(b) if name.startswith("key of")}
    assert found >= {name for name in secrets if name.startswith("link key of")}


@pytest.mark.parametrize("security", SECURITIES)
def test_the_database_has_install_codes_and_no_key_at_all(security: LinkSecurity, tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    b, secrets = run_virtual(update(FAMILIES[0], security, path))
    octets = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    text = octets.decode("latin-1")
    codes = {name for name in joining_secrets(b) if name.startswith("install code")}
    assert written_in(text, secrets) == codes
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_no_key_is_in_the_repr_of_anything_at_hand(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            shown: list[object] = [b.assembly, b.plan, b.scenario, *b.events]
            shown += vars(b.assembly.radio).values()
            shown += vars(b.assembly.hub).values()
            shown += [log_entry(planned.device, planned.kind) for planned in b.plan.devices]
            shown += [device.identity for device in b.bench.devices.values()]
            assert written_in("\n".join(map(repr, shown)), secrets_of(b, dongle)) == set()

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_keys_exported_for_wireshark_are_in_their_file_and_nowhere_else(
    dongle: Dongle, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "zigbee_pc_keys"
    options = DemoOptions(radio=dongle.family, image_size=2_000, key_export=path, seed=1, epoch=EPOCH)
    with everything_logged() as written:
        report = run_virtual(
            run_demo(
                options,
                on_event=lambda event: written.lines.append(repr(event)),
                on_progress=lambda _: None,
                on_notice=lambda _at, _device, words: written.lines.append(words),
            )
        )
    assert report.succeeded
    assert path.stat().st_mode & 0o777 == 0o600
    keys = {label: bytes.fromhex(key) for key, _, label in csv.reader(path.read_text().splitlines())}
    for device in (PPMID, HCALCS):
        assert keys[f"{device} install code"] == install_code_key(default_install_code(device))
        assert f"{device} CBKE suite 2" in keys
    assert "network key" in keys
    assert len(set(keys.values())) == len(keys)
    assert written_in("\n".join(written.lines), keys) == set()
    assert written_in("".join(capfd.readouterr()), keys) == set()
