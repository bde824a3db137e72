"""Key establishment through the real radio libraries: handshakes, who fails, and what is left behind."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from hanota.emulator.ezsp.configuration import ConfigId
from hanota.emulator.ezsp.coordinator import EzspCoordinator
from hanota.emulator.loop import run_virtual
from hanota.errors import ConfigError, DeliveryError
from hanota.eui64 import Eui64
from hanota.hub.ports import EstablishedKey, Priority
from hanota.radio import Coordinator, RadioUrl
from hanota.radio.link_keys import fingerprint
from hanota.zcl import ClusterId
from hanota.zse.cbke import Suite
from hanota.zse.key_establishment import ClientEstablished, ClientFailed, KeyEstablishmentSettings
from tests.radio_dongles import EZSP_V13, EZSP_V14, HUB, ZNP, ZNP_3_0, Dongle, Ncp
from tests.radio_keys_support import KEYED, KeyedNode, credentials, held, keyed_bench, succeed
from tests.radio_support import FRAME, HCALCS, INSTALL_CODES, PPMID, Listener

dongles = pytest.mark.parametrize("dongle", [ZNP, ZNP_3_0, EZSP_V13, EZSP_V14], ids=str)


@dongles
@pytest.mark.parametrize("suite", Suite)
def test_a_device_joins_establishes_its_key_and_is_talked_to_under_it(dongle: Dongle, suite: Suite) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.keyed(suite=suite)
            await b.still_works(node)
            assert held(b.ncp) == node.link_key
            row = b.listener.keys[PPMID]
            assert (row.coordinator, row.suite) == (HUB, suite)
            assert row.fingerprint == fingerprint(PPMID, node.link_key)
            assert node.link_key not in row.fingerprint
            assert b.listener.ready == [PPMID]
            assert b.listener.refused == []

    run_virtual(main())


@dongles
def test_nothing_encrypted_is_sent_to_a_device_without_a_key(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            await b.joins()
            assert b.listener.ready == []
            with pytest.raises(DeliveryError) as refused:
                await b.radio.send(PPMID, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
            assert refused.value.hint is not None

    run_virtual(main())


@dongles
def test_the_row_is_stored_before_the_device_is_told_and_without_a_row_it_is_not_told(dongle: Dongle) -> None:
    class Forgetful(Listener):
        def link_key_established(self, device: Eui64, key: EstablishedKey) -> None:
            """Store nothing, as a full disk."""

    async def main() -> None:
        async with keyed_bench(dongle, listener=Forgetful()) as b:
            node = await b.joins()
            outcome = await node.establish_key()
            assert isinstance(outcome, ClientFailed)
            assert held(b.ncp) is None
            assert b.listener.ready == []
            await b.listener.until(lambda: b.listener.failed)
            assert "could not be stored" in b.listener.failed[0][1]

    run_virtual(main())


@dongles
def test_key_establishment_that_ends_before_confirm_key_leaves_no_key_behind(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.joins()
            sent = 0

            def bad_confirm(data: bytes) -> bytes:
                nonlocal sent
                sent += 1
                return data if sent < 3 else data[:-1] + bytes((data[-1] ^ 1,))

            node.spoil = bad_confirm
            outcome = await node.establish_key()
            assert isinstance(outcome, ClientFailed)
            await b.listener.until(lambda: b.listener.failed)
            assert held(b.ncp) is None
            assert b.listener.keys == {}
            assert b.listener.ready == []

    run_virtual(main())


@dongles
def test_a_key_whose_confirmation_does_not_arrive_is_taken_out_again(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.joins()
            sent = 0

            def vanish_after_confirm(data: bytes) -> bytes:
                nonlocal sent
                sent += 1
                if sent == 3:
                    asyncio.get_running_loop().call_soon(node.power_off)
                return data

            node.spoil = vanish_after_confirm
            failing = asyncio.ensure_future(node.establish_key())
            await b.listener.until(lambda: b.listener.keys)
            await b.listener.until(lambda: b.listener.lost)
            failing.cancel()
            await asyncio.gather(failing, return_exceptions=True)
            assert held(b.ncp) is None
            assert b.listener.keys == {}
            assert b.listener.ready == []

    run_virtual(main())


@dongles
def test_a_failed_second_key_establishment_leaves_the_working_key(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.keyed()
            first, row = node.link_key, b.listener.keys[PPMID]
            await asyncio.sleep(60)
            outcome = await node.establish_key(confirm=False)
            assert isinstance(outcome, ClientEstablished)
            assert held(b.ncp) == outcome.key
            terminate = bytes.fromhex("11 77 03 02 00 0200")
            await node.say(ClusterId.KEY_ESTABLISHMENT, terminate, encrypted=False)
            await b.listener.until(lambda: b.listener.keys[PPMID] == row)
            assert held(b.ncp) == first
            await b.still_works(node)
            assert b.listener.lost == []

    run_virtual(main())


@dongles
def test_a_device_that_joins_afresh_loses_its_key_and_makes_another(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.keyed()
            first = node.link_key
            await asyncio.sleep(10)
            b.listener.ready.clear()
            await b.rejoins(node)
            await b.listener.until(lambda: b.listener.lost)
            assert b.listener.ready == []
            assert isinstance(await node.establish_key(), ClientEstablished)
            await b.listener.until(lambda: b.listener.ready)
            assert held(b.ncp) == node.link_key != first
            await b.still_works(node)

    run_virtual(main())


@dongles
def test_a_rejoin_with_the_key_kept_needs_no_second_key_establishment(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.keyed()
            await asyncio.sleep(30)
            b.listener.ready.clear()
            node.power_off()
            await node.power_on()
            await b.listener.until(lambda: b.listener.ready == [PPMID])
            await b.still_works(node)
            assert b.listener.lost == []

    run_virtual(main())


@dongles
def test_a_device_that_never_begins_is_reported_and_told_to_leave(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.joins()
            await b.listener.until(lambda: b.listener.failed, seconds=20 * 60 + 10)
            assert b.listener.failed == [(PPMID, "it did not establish a key within 20 min: told to leave")]
            gone = asyncio.Event()
            node.presence_changed = gone.set
            async with asyncio.timeout(30):
                await gone.wait()
            assert not node.joined

    run_virtual(main())


@dongles
def test_a_device_that_is_removed_leaves_and_its_key_goes(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.keyed()
            neighbour = await b.keyed(HCALCS)
            gone = asyncio.Event()
            node.presence_changed = gone.set
            b.listener.admitted.remove(PPMID)
            b.radio.remove(PPMID)
            async with asyncio.timeout(30):
                await gone.wait()
            assert not node.joined
            await asyncio.sleep(5)
            assert held(b.ncp) is None
            assert held(b.ncp, HCALCS) == neighbour.link_key
            await b.still_works(neighbour)
            # Added again, it joins with its install code and establishes a key as at first.
            b.listener.admitted.add(PPMID)
            b.listener.ready.remove(PPMID)
            await b.rejoins(node)
            await succeed(node)
            await b.listener.until(lambda: PPMID in b.listener.ready)
            await b.still_works(node)

    run_virtual(main())


@pytest.mark.parametrize("dongle", [ZNP, EZSP_V13], ids=str)
def test_a_full_key_table_evicts_nobody_and_the_device_is_told_no_resources(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.keyed()
            fill(b.ncp, b.listener)
            other = await b.joins(HCALCS)
            outcome = await other.establish_key()
            assert isinstance(outcome, ClientFailed)
            assert outcome.retry_after
            await b.listener.until(lambda: b.listener.failed)
            assert "no room" in b.listener.failed[0][1]
            await b.still_works(node)

    run_virtual(main())


def fill(ncp: Ncp, listener: Listener) -> None:
    """Leave no room in the key table, all of it devices of the Device Log."""
    if isinstance(ncp, EzspCoordinator):
        ncp.configuration._config[ConfigId.KEY_TABLE_SIZE] = 1
        return
    for number in range(ncp.personality.link_key_entries):
        device = Eui64((0x00DB_1234_0000_0000 + number).to_bytes(8, "big"))
        listener.admitted.add(device)
        ncp.security.set_link_key(device, 0x100 + number, bytes([number]) * 16)


@pytest.mark.parametrize("dongle", [EZSP_V13, EZSP_V14], ids=str)
def test_twelve_devices_establish_their_keys_together(dongle: Dongle) -> None:
    many = [Eui64((0x00DB_1234_5678_9100 + number).to_bytes(8, "big")) for number in range(12)]

    async def main() -> None:
        listener = Listener(admitted=set(many))
        async with keyed_bench(dongle, listener=listener) as b:
            nodes = [KeyedNode(device, suite=Suite.ONE) for device in many]
            for node in nodes:
                INSTALL_CODES[node.eui64] = bytes(16)
                await b.rejoins(node)
            await asyncio.gather(*map(succeed, nodes))
            await listener.until(lambda: set(listener.ready) == set(many))
            for node in nodes:
                assert held(b.ncp, node.eui64) == node.link_key

    try:
        run_virtual(main())
    finally:
        for device in many:
            INSTALL_CODES.pop(device, None)


@dongles
def test_a_restarted_hub_finds_its_devices_ready_with_the_keys_they_have(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.keyed()
        listener = Listener(keys=b.listener.keys)
        async with keyed_bench(dongle, air=b.air, ncp=b.ncp, listener=listener) as again:
            await listener.until(lambda: listener.ready == [PPMID])
            await again.still_works(node)
            assert listener.lost == []

    run_virtual(main())


@dongles
def test_a_key_that_the_coordinator_lost_is_reported_at_the_start(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            await b.keyed()
        erase(b.ncp)
        listener = Listener(keys=b.listener.keys)
        async with keyed_bench(dongle, air=b.air, ncp=b.ncp, listener=listener):
            assert listener.lost == [(PPMID, "the coordinator has lost its key")]
            await asyncio.sleep(1)
            assert listener.ready == []

    run_virtual(main())


@dongles
def test_another_key_in_the_coordinator_than_the_stored_one_is_not_trusted(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            await b.keyed()
        listener = Listener(keys={PPMID: replace(b.listener.keys[PPMID], fingerprint=bytes(16))})
        async with keyed_bench(dongle, air=b.air, ncp=b.ncp, listener=listener):
            assert listener.lost == [(PPMID, "the coordinator has another key")]
            assert held(b.ncp) is None

    run_virtual(main())


@dongles
def test_a_key_of_another_coordinator_is_not_trusted(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            await b.keyed()
        listener = Listener(keys={PPMID: replace(b.listener.keys[PPMID], coordinator=HCALCS)})
        async with keyed_bench(dongle, air=b.air, ncp=b.ncp, listener=listener):
            assert listener.lost == [(PPMID, f"its key is in another coordinator, {HCALCS}")]

    run_virtual(main())


@dongles
def test_a_hub_killed_between_key_and_row_has_no_stray_key_after_its_restart(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.keyed()
        assert held(b.ncp) is not None
        async with keyed_bench(dongle, air=b.air, ncp=b.ncp, listener=Listener()) as again:
            assert held(b.ncp) is None
            assert again.listener.ready == []
            await node.say(ClusterId.OTA_UPGRADE, FRAME)
            await asyncio.sleep(5)
            assert again.listener.frames == []
            assert isinstance(await node.establish_key(), ClientEstablished)
            await again.listener.until(lambda: again.listener.ready)
            await again.still_works(node)

    run_virtual(main())


@dongles
@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_hub_killed_at_any_step_is_resumed_by_the_devices_next_try(dongle: Dongle, step: int) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.joins()
            sent = 0
            reached = asyncio.Event()

            def count(data: bytes) -> bytes | None:
                nonlocal sent
                sent += 1
                if sent == step:
                    reached.set()
                return data

            node.spoil = count
            failing = asyncio.ensure_future(node.establish_key())
            await reached.wait()
            await asyncio.sleep(0.02)
        assert not isinstance(await failing, ClientEstablished) or PPMID in b.listener.keys
        listener = Listener(keys=b.listener.keys)
        node.spoil = bytes
        async with keyed_bench(dongle, air=b.air, ncp=b.ncp, listener=listener) as again:
            await node.power_on() if not node.joined else None
            await succeed(node)
            await listener.until(lambda: PPMID in listener.ready)
            assert held(b.ncp) == node.link_key
            await again.still_works(node)

    run_virtual(main())


@dongles
def test_an_unplugged_dongle_is_checked_again_when_it_is_back(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.keyed()
            erase(b.ncp)
            b.ncp.reset()
            await b.listener.until(lambda: b.listener.lost)
            assert b.listener.lost == [(PPMID, "the coordinator has lost its key")]
            with pytest.raises(DeliveryError):
                await b.radio.send(node.eui64, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)

    run_virtual(main())


def erase(ncp: Ncp) -> None:
    if isinstance(ncp, EzspCoordinator):
        ncp.nvram.link_keys.clear()
    else:
        ncp.security.remove_link_key(PPMID)


@dongles
def test_an_exchange_that_a_device_abandons_frees_its_place(dongle: Dongle) -> None:
    async def main() -> None:
        settings = replace(KEYED, key_establishment=KeyEstablishmentSettings(exchanges=1))
        async with keyed_bench(dongle, settings) as b:
            silent, other = await b.joins(), await b.joins(HCALCS)
            sent = 0

            def once(data: bytes) -> bytes | None:
                nonlocal sent
                sent += 1
                return data if sent == 1 else None

            silent.spoil = once
            hanging = asyncio.ensure_future(silent.establish_key())
            await asyncio.sleep(1)
            refused = await other.establish_key()
            assert isinstance(refused, ClientFailed)
            assert refused.retry_after
            await hanging
            await asyncio.sleep(refused.retry_after)
            assert isinstance(await other.establish_key(), ClientEstablished)

    run_virtual(main())


def test_credentials_are_asked_for_by_name_before_the_port_is_opened() -> None:
    async def main() -> None:
        radio = Coordinator(RadioUrl.parse("znp:///dev/null"), KEYED, clock=_NoClock())
        with pytest.raises(ConfigError) as refused:
            await radio.start(Listener())
        assert "hanota credentials" in str(refused.value.hint)

    run_virtual(main())


@pytest.mark.parametrize(
    ("dongle", "command"), [(ZNP, "cc2538-bsl"), (EZSP_V13, "universal-silabs-flasher")], ids=str
)
def test_credentials_of_another_coordinator_are_refused_with_the_command_that_helps(
    dongle: Dongle, command: str
) -> None:
    async def main() -> None:
        with pytest.raises(ConfigError, match=str(PPMID)) as refused:
            async with keyed_bench(dongle, site=credentials(PPMID)):
                pass
        assert command in str(refused.value.hint)
        assert "00:DB:12:34:56:78:90:A4" in str(refused.value.hint).upper()

    run_virtual(main())


class _NoClock:
    def now(self) -> float:
        return 0.0
