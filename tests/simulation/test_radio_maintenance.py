"""A coordinator asked, backed up, restored, formed and given another EUI-64, through the real libraries."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import bellows.ash
import pytest

from hanota.emulator.air import Air
from hanota.emulator.loop import measured_by_loop, run_virtual
from hanota.emulator.serialx_handler import published
from hanota.errors import ConfigError, RadioError
from hanota.eui64 import Eui64
from hanota.radio import NetworkSettings, RadioUrl
from hanota.radio.facts import Eui64Change, Library
from hanota.radio.maintenance import COUNTER_MARGIN, maintained, read_backup
from hanota.radio.probe import confirm_family, probe
from tests.radio_dongles import DONGLES, EZSP_V13, FAMILIES, HUB, ZNP, ZNP_3_0, EzspDongle
from tests.radio_support import NETWORK_KEY, PPMID, SETTINGS, bench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hanota.radio.maintenance import Maintenance
    from tests.radio_dongles import Dongle, Ncp

OTHER = Eui64.parse("00-DB-12-34-56-78-90-A2")
NETWORK = NetworkSettings(channel=20, pan_id=0x1234)


@asynccontextmanager
async def port(dongle: Dongle, ncp: Ncp) -> AsyncIterator[RadioUrl]:
    """Offer a dongle for the length of a `with` block."""
    with published("dongle", ncp), measured_by_loop(bellows.ash):
        yield RadioUrl.parse(f"{dongle.family}+emulator://dongle")
    ncp.stop()


@asynccontextmanager
async def opened(dongle: Dongle, ncp: Ncp | None = None) -> AsyncIterator[tuple[Maintenance, Ncp]]:
    """Open a dongle for maintenance."""
    ncp = ncp or dongle.make(Air())
    async with port(dongle, ncp) as url, maintained(url, NETWORK) as coordinator:
        yield coordinator, ncp


@pytest.mark.parametrize("dongle", DONGLES, ids=str)
def test_a_coordinator_without_a_network_tells_what_it_is(dongle: Dongle) -> None:
    async def main() -> None:
        async with opened(dongle) as (coordinator, _):
            facts = await coordinator.facts()
        assert (facts.family, facts.eui64, facts.network) == (dongle.family, HUB, None)
        assert facts.key_table_size is not None
        assert facts.key_table_size >= 8
        assert facts.keys_held == 0

    run_virtual(main())


def test_emberznet_tells_its_version_its_limits_and_its_libraries() -> None:
    async def main() -> None:
        async with opened(EZSP_V13) as (coordinator, _):
            facts = await coordinator.facts()
        assert facts.firmware.startswith("EmberZNet 7.4")
        assert facts.protocol == "EZSP v13"
        assert (facts.key_table_size, facts.in_flight) == (12, 32)
        assert facts.libraries["link keys"] is Library.PRESENT
        assert facts.libraries["CBKE"] is Library.STUB

    run_virtual(main())


@pytest.mark.parametrize(("dongle", "release", "chip"), [(ZNP, "3.30", "CC2652"), (ZNP_3_0, "3.0", "CC2531")])
def test_z_stack_tells_its_release_and_its_chip(dongle: Dongle, release: str, chip: str) -> None:
    async def main() -> None:
        async with opened(dongle) as (coordinator, _):
            facts = await coordinator.facts()
        assert facts.firmware.startswith(f"Z-Stack {release}, build 20")
        assert chip in (facts.board or "")

    run_virtual(main())


@pytest.mark.parametrize("dongle", DONGLES, ids=str)
def test_a_network_is_formed_with_the_eui64_as_extended_pan_id_and_another_takes_its_place(
    dongle: Dongle,
) -> None:
    async def main() -> None:
        async with opened(dongle) as (coordinator, ncp):
            facts = await coordinator.form()
            assert facts.network is not None
            assert (facts.network.channel, facts.network.pan_id) == (20, 0x1234)
            assert facts.network.extended_pan_id == HUB
            key = dongle.network(ncp).key
            await coordinator.form()
            assert dongle.network(ncp).key != key

    run_virtual(main())


@pytest.mark.parametrize("dongle", DONGLES, ids=str)
def test_what_a_hub_formed_and_established_is_seen_and_backed_up(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            assert await b.radio.link_keys.install(PPMID, node.nwk or 0, bytes(range(16)))
            await b.radio.stop()
            with published("again", b.ncp):
                async with maintained(RadioUrl.parse(f"{dongle.family}+emulator://again")) as coordinator:
                    facts = await coordinator.facts()
                    backup = await coordinator.back_up()
        assert facts.keys_held == 1
        assert facts.network is not None
        assert facts.network.pan_id == SETTINGS.network.pan_id
        assert backup["network_key"]["key"] == NETWORK_KEY.hex()
        (device,) = [each for each in backup["devices"] if each.get("link_key")]
        assert device["ieee_address"] == PPMID.hex()
        assert device["link_key"]["key"] == bytes(range(16)).hex()

    run_virtual(main())


@pytest.mark.parametrize("source", FAMILIES, ids=str)
@pytest.mark.parametrize("target", FAMILIES, ids=str)
def test_a_backup_of_either_family_brings_the_network_to_another_dongle(
    source: Dongle, target: Dongle
) -> None:
    async def main() -> None:
        async with opened(source) as (coordinator, ncp):
            await coordinator.form()
            document = json.loads(json.dumps(await coordinator.back_up()))
            network = source.network(ncp)
        async with opened(target, target.make(Air(), OTHER)) as (coordinator, ncp):
            facts = await coordinator.restore(read_backup(document))
            assert target.network(ncp) == network
        assert facts.eui64 == HUB
        assert facts.network is not None
        assert facts.network.frame_counter >= COUNTER_MARGIN

    run_virtual(main())


@pytest.mark.parametrize("dongle", DONGLES, ids=str)
def test_a_hub_starts_under_an_eui64_that_was_written_and_forms_its_network_under_it(dongle: Dongle) -> None:
    async def main() -> None:
        ncp = dongle.make(Air())
        async with opened(dongle, ncp) as (coordinator, _):
            facts = await coordinator.write_eui64(OTHER)
            assert (facts.eui64, facts.network) == (OTHER, None)
        async with bench(dongle, ncp=ncp) as b:
            assert b.radio.eui64 == OTHER
            assert dongle.network(ncp).extended_pan_id == OTHER

    run_virtual(main())


@pytest.mark.parametrize("dongle", DONGLES, ids=str)
def test_a_network_is_formed_anew_where_the_eui64_changes(dongle: Dongle) -> None:
    async def main() -> None:
        async with opened(dongle) as (coordinator, ncp):
            await coordinator.form()
            key = dongle.network(ncp).key
            facts = await coordinator.write_eui64(OTHER)
            assert facts.network is not None
            assert facts.network.extended_pan_id == facts.eui64 == OTHER
            assert dongle.network(ncp).key != key
            again = await coordinator.write_eui64(HUB)
            assert again.eui64 == HUB

    run_virtual(main())


def test_an_eui64_that_can_be_written_once_only_is_written_when_told_so_and_never_again() -> None:
    async def main() -> None:
        dongle = EzspDongle(8)
        async with opened(dongle) as (coordinator, _):
            assert (await coordinator.facts()).eui64_change is Eui64Change.ONCE
            with pytest.raises(RadioError, match="once and for all") as caught:
                await coordinator.write_eui64(OTHER)
            assert "--burn" in (caught.value.hint or "")
            facts = await coordinator.write_eui64(OTHER, burn=True)
            assert (facts.eui64, facts.eui64_change) == (OTHER, Eui64Change.SPENT)
            with pytest.raises(RadioError, match="never again"):
                await coordinator.write_eui64(HUB, burn=True)

    run_virtual(main())


def test_a_network_is_restored_with_another_eui64_where_it_can_be_written_once_only_when_told_so() -> None:
    async def main() -> None:
        async with opened(ZNP) as (coordinator, _):
            await coordinator.form()
            document = json.loads(json.dumps(await coordinator.back_up()))
        dongle = EzspDongle(8)
        async with opened(dongle, dongle.make(Air(), OTHER)) as (coordinator, _):
            with pytest.raises(RadioError, match="once and for all"):
                await coordinator.restore(read_backup(document))
            assert (await coordinator.facts()).network is None
            facts = await coordinator.restore(read_backup(document), burn=True)
            assert (facts.eui64, facts.eui64_change) == (HUB, Eui64Change.SPENT)
            again = await coordinator.restore(read_backup(document))
            assert again.eui64 == HUB

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_coordinator_without_a_network_has_nothing_to_back_up(dongle: Dongle) -> None:
    async def main() -> None:
        async with opened(dongle) as (coordinator, _):
            with pytest.raises(ConfigError, match="no network to back up"):
                await coordinator.back_up()

    run_virtual(main())


@pytest.mark.parametrize("document", [None, [], {}, {"metadata": {}}, {"network_info": 5}, "text"])
def test_a_file_that_is_no_backup_is_refused(document: object) -> None:
    with pytest.raises(ConfigError, match="no backup"):
        read_backup(document)


@pytest.mark.parametrize("dongle", DONGLES, ids=str)
def test_a_coordinator_pulled_out_meanwhile_is_an_error_that_says_so(dongle: Dongle) -> None:
    async def main() -> None:
        async with opened(dongle) as (coordinator, ncp):
            asyncio.get_running_loop().call_later(0.05, ncp.line.unplug)
            with pytest.raises(RadioError, match="is gone"):
                await coordinator.form()

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_hub_and_maintenance_do_not_share_a_port(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle):
            with pytest.raises(RadioError, match="locked") as caught:
                async with maintained(RadioUrl.parse(f"{dongle.family}+emulator://dongle")):
                    pass
            assert "close the other program" in (caught.value.hint or "")
            with pytest.raises(RadioError, match="locked"):
                await probe("emulator://dongle")

    run_virtual(main())


@pytest.mark.parametrize("dongle", DONGLES, ids=str)
def test_no_key_of_a_backup_reaches_a_log(dongle: Dongle, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> str:
        async with opened(dongle) as (coordinator, ncp):
            await coordinator.form()
            await coordinator.back_up()
            return dongle.network(ncp).key.hex()

    with caplog.at_level(logging.DEBUG):
        key = run_virtual(main())
    assert key not in caplog.text.lower().replace(":", "").replace(" ", "")


@pytest.mark.parametrize("dongle", DONGLES, ids=str)
def test_the_family_on_a_port_is_found_by_asking(dongle: Dongle) -> None:
    async def main() -> None:
        async with port(dongle, dongle.make(Air())) as url:
            assert await probe("emulator://dongle") == url
            await confirm_family(url)

    run_virtual(main())


@pytest.mark.parametrize(("dongle", "wrong"), [(ZNP, "ezsp"), (EZSP_V13, "znp")], ids=str)
def test_a_url_of_the_wrong_family_is_refused_with_the_right_one(dongle: Dongle, wrong: str) -> None:
    async def main() -> None:
        async with port(dongle, dongle.make(Air())) as url:
            with pytest.raises(ConfigError, match=f"family {dongle.family}, not {wrong}") as caught:
                await confirm_family(RadioUrl.parse(f"{wrong}+emulator://dongle"))
            assert caught.value.hint == f"write {url}"

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_port_where_nobody_answers_is_told_in_seconds(dongle: Dongle) -> None:
    async def main() -> None:
        ncp = dongle.make(Air())
        ncp.line.to_host.muted = True
        async with port(dongle, ncp) as url:
            with pytest.raises(RadioError, match="nothing on emulator://dongle answers"):
                await probe("emulator://dongle")
            await confirm_family(url)
        assert asyncio.get_running_loop().time() < 15

    run_virtual(main())


def test_emberznet_that_is_too_old_is_refused_with_what_to_do() -> None:
    async def main() -> None:
        dongle = EzspDongle(8)
        ncp = dongle.make(Air())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("hanota.radio.ezsp.host.OLDEST_VERSION", 9)
            async with port(dongle, ncp) as url:
                with pytest.raises(RadioError, match="EZSP v8") as caught:
                    async with maintained(url):
                        pass
        assert "update its firmware" in (caught.value.hint or "")

    run_virtual(main())
