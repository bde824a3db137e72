"""Attacks on joining, through the real radio libraries: guesses, strangers, floods, doors left open."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.air import Air
from hanota.emulator.ezsp.configuration import PolicyId
from hanota.emulator.ezsp.coordinator import EzspCoordinator
from hanota.emulator.loop import run_virtual
from hanota.emulator.node import JoinRefusedError
from hanota.emulator.trust_centre import WELL_KNOWN_KEY
from hanota.emulator.znp.unpi import Subsystem
from hanota.eui64 import Eui64
from hanota.zse.install_code import install_code_key
from tests.radio_dongles import DONGLES
from tests.radio_keys_support import KEYED, KeyedNode, keyed_bench
from tests.radio_support import HCALCS, INSTALL_CODES, PPMID

if TYPE_CHECKING:
    from tests.radio_dongles import Dongle, Ncp
    from tests.radio_keys_support import KeyedBench

pytestmark = pytest.mark.parametrize("dongle", DONGLES, ids=str)

TC_KEY_REQUEST_POLICY, DENY_TC_KEY_REQUESTS = 0x05, 0x50
"""EzspPolicyId and EzspDecisionId (UG100)."""
BDB_SET_TC_REQUIRE_KEY_EXCHANGE = 0x09
"""APP_CNF_BDB_SET_TC_REQUIRE_KEY_EXCHANGE (SWRA198)."""
LIMIT = KEYED.join_attempts
MANY = 100


async def guess(b: KeyedBench, device: Eui64, code: bytes) -> bool:
    """Join in the name of `device` with an install code; return whether that worked."""
    guesser = KeyedNode(device)
    guesser.link_key = install_code_key(code)
    try:
        await guesser.join(b.air)
    except JoinRefusedError:
        return False
    guesser.power_off()
    return True


def code(number: int) -> bytes:
    return number.to_bytes(16, "big")


def joining_keys(ncp: Ncp) -> dict[Eui64, bytes]:
    """The keys with which the dongle lets devices join now."""
    if isinstance(ncp, EzspCoordinator):
        return {eui64: entry.key for eui64, entry in ncp.keys.transient().items()}
    known = ncp.security.devices.items()
    return {eui64: device.install_code_key.key for eui64, device in known if device.install_code_key}


def is_shut(ncp: Ncp) -> bool:
    """Whether nobody at all can join or come back unsecured."""
    if isinstance(ncp, EzspCoordinator):
        policy = ncp.configuration.policy(PolicyId.TRUST_CENTER_POLICY)
        return not ncp.joining.permits_joining and policy == 0 and not joining_keys(ncp)
    return not ncp.joining.permits_joining and ncp.joining.install_code_only


def test_attack_install_code_guessing_is_limited_and_told(dongle: Dongle) -> None:
    """After so many guesses not even the right one is good, until the operator permits joining again."""

    async def main() -> None:
        async with keyed_bench(dongle) as b:
            await b.radio.permit_joining(PPMID, INSTALL_CODES[PPMID], 600)
            for number in range(LIMIT + 1):
                assert not await guess(b, PPMID, code(number))
                await asyncio.sleep(1)
            assert not b.ncp.joining.permits_joining
            assert not await guess(b, PPMID, INSTALL_CODES[PPMID])
            reasons = [reason for device, _, reason in b.listener.refused if device == PPMID]
            assert reasons == [f"{LIMIT} joins failed, is its install code right? It may not join any more"]
            assert b.listener.closed == [PPMID], "it is not expected after a restart either"
            await b.keyed()

    run_virtual(main())


def test_attack_install_code_guessing_does_not_close_the_window_of_another_device(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            for device in (PPMID, HCALCS):
                await b.radio.permit_joining(device, INSTALL_CODES[device], 600)
            for number in range(LIMIT + 1):
                assert not await guess(b, PPMID, code(number))
                await asyncio.sleep(1)
            assert b.ncp.joining.permits_joining
            assert not await guess(b, PPMID, INSTALL_CODES[PPMID])
            await KeyedNode(HCALCS).join(b.air)
            await b.listener.until(lambda: HCALCS in b.listener.joined)

    run_virtual(main())


def test_attack_install_code_guessing_below_the_limit_is_told_when_the_window_closes(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            await b.radio.permit_joining(PPMID, INSTALL_CODES[PPMID], 60)
            for number in range(3):
                assert not await guess(b, PPMID, code(number))
                await asyncio.sleep(1)
            await asyncio.sleep(60)
            told = (PPMID, 0x0013, "3 joins failed in its time, is its install code right?")
            assert b.listener.refused == [told]
            assert is_shut(b.ncp)

    run_virtual(main())


def test_a_device_on_a_bad_link_joins_at_its_last_attempt(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            await b.radio.permit_joining(PPMID, INSTALL_CODES[PPMID], 600)
            for number in range(LIMIT - 1):
                assert not await guess(b, PPMID, code(number))
                await asyncio.sleep(1)
            await KeyedNode(PPMID).join(b.air)
            await b.listener.until(lambda: PPMID in b.listener.joined)
            assert b.listener.refused == []

    run_virtual(main())


def test_attack_right_install_code_under_another_eui64_does_not_join(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            await b.radio.permit_joining(PPMID, INSTALL_CODES[PPMID], 60)
            assert not await guess(b, HCALCS, INSTALL_CODES[PPMID])
            assert b.listener.joined == []
            assert await guess(b, PPMID, INSTALL_CODES[PPMID])

    run_virtual(main())


def test_attack_join_flood_of_strangers_does_not_keep_the_expected_device_out(dongle: Dongle) -> None:
    async def main() -> None:
        async with keyed_bench(dongle) as b:
            victim = await b.keyed(HCALCS)
            key = victim.link_key
            await b.radio.permit_joining(PPMID, INSTALL_CODES[PPMID], 600)
            for number in range(MANY):
                stranger = KeyedNode(PPMID)
                stranger.eui64 = Eui64(b"\x02" + number.to_bytes(7, "big"))
                stranger.link_key = (WELL_KNOWN_KEY, install_code_key(INSTALL_CODES[PPMID]))[number % 2]
                with pytest.raises(JoinRefusedError, match="holds no key"):
                    await stranger.join(b.air)
            node = KeyedNode(PPMID)
            await node.join(b.air)
            await b.listener.until(lambda: b.listener.joined == [HCALCS, PPMID])
            assert await node.establish_key() is not None
            await b.listener.until(lambda: b.listener.ready == [HCALCS, PPMID])
            assert victim.link_key == key
            await b.still_works(victim)
            await asyncio.sleep(5)
            assert is_shut(b.ncp)

    run_virtual(main())


def test_attack_rejoin_spoof_in_a_devices_name_gets_no_key_and_costs_it_none_outside_a_window(
    dongle: Dongle,
) -> None:
    """A trust centre rejoin is a join to the coordinator: it needs a window and the device's own code."""

    async def main() -> None:
        async with keyed_bench(dongle) as b:
            victim = await b.keyed()
            await asyncio.sleep(5)
            for key in (bytes(16), INSTALL_CODES[PPMID]):
                assert not await guess(b, PPMID, key)
            assert b.listener.lost == []
            await b.still_works(victim)

    run_virtual(main())


def test_attack_rejoin_spoof_in_a_window_gets_no_key_and_the_device_makes_another(dongle: Dongle) -> None:
    """What it costs the device is its key: it is told of, and nothing goes to whoever joined in its name."""

    async def main() -> None:
        async with keyed_bench(dongle) as b:
            victim = await b.keyed()
            await asyncio.sleep(10)
            await b.radio.permit_joining(PPMID, INSTALL_CODES[PPMID], 60)
            assert not await guess(b, PPMID, code(1))
            await b.listener.until(lambda: b.listener.lost)
            assert b.listener.keys == {}
            await asyncio.sleep(60)
            victim.power_off()
            await victim.power_on()
            await b.listener.until(lambda: b.listener.joined.count(PPMID) > 1)
            b.listener.ready.clear()
            await victim.establish_key()
            await b.listener.until(lambda: b.listener.ready == [PPMID])
            await b.still_works(victim)

    run_virtual(main())


def test_attack_a_network_that_an_insider_opens_lets_nobody_in_without_a_code(dongle: Dongle) -> None:
    """Mgmt_Permit_Joining_req is under the network key alone: routers obey it whoever sends it."""

    async def main() -> None:
        async with keyed_bench(dongle) as b:
            insider = await b.keyed()
            await asyncio.sleep(5)
            for destination in (0x0000, 0xFFFC):
                await insider._send_zdo(0x0036, bytes((1, 254, 1)), destination)
            b.ncp.joining._window.open(254)  # as a router that obeyed has it
            assert b.ncp.joining.permits_joining
            stranger = KeyedNode(HCALCS)
            for key in (WELL_KNOWN_KEY, stranger.link_key, bytes(16)):
                stranger.link_key = key
                with pytest.raises(JoinRefusedError, match="holds no key"):
                    await stranger.join(b.air)
            await b.still_works(insider)

    run_virtual(main())


@pytest.mark.parametrize("end", ["joined", "timed out", "hub restarted", "dongle restarted"])
def test_no_door_is_open_after_a_window_however_it_ended(dongle: Dongle, end: str) -> None:
    """Neither the wildcard key nor any joining key is left, and the policies read back as closed."""

    async def main() -> None:
        air = Air()
        ncp = dongle.make(air)
        tap = dongle.tap(ncp)
        async with keyed_bench(dongle, air=air, ncp=ncp) as b:
            if end == "joined":
                await b.keyed()
            else:
                await b.radio.permit_joining(PPMID, INSTALL_CODES[PPMID], 60)
                assert not is_shut(ncp)
            if end == "dongle restarted":
                ncp.reset()
                await b.listener.until(lambda: len(b.listener.states) > 3)
                await asyncio.sleep(5)
                assert not is_shut(ncp), "the window goes on where it was"
            if end in ("timed out", "dongle restarted"):
                await asyncio.sleep(65)
            if end != "hub restarted":
                await asyncio.sleep(5)
                assert is_shut(ncp)
        async with keyed_bench(dongle, air=air, ncp=ncp) as b:
            await asyncio.sleep(5)
            assert is_shut(ncp)
            stranger = KeyedNode(HCALCS)
            stranger.link_key = WELL_KNOWN_KEY
            with pytest.raises(JoinRefusedError, match="no network permits joining"):
                await stranger.join(b.air)
        assert tap.keys
        assert not any(WELL_KNOWN_KEY in keys or b"\xff" * 8 in keys for keys in tap.keys)

    run_virtual(main())


def test_attack_key_request_is_denied_in_and_after_a_window_and_after_a_restart(dongle: Dongle) -> None:
    """A device that asks the trust centre for its link key would get one that it did not prove itself for.

    EZSP denies it by policy; Z-Stack has none, and must not expect devices to ask.
    """

    async def main() -> None:
        air = Air()
        ncp = dongle.make(air)
        required: list[bytes] = []
        if not isinstance(ncp, EzspCoordinator):
            handlers = dict(ncp._handlers[Subsystem.APP_CONFIG])
            obey = handlers[BDB_SET_TC_REQUIRE_KEY_EXCHANGE]

            def recorded(data: bytes) -> bytes:
                required.append(data)
                return obey(data)

            handlers[BDB_SET_TC_REQUIRE_KEY_EXCHANGE] = recorded
            ncp._handlers[Subsystem.APP_CONFIG] = handlers

        def denied() -> bool:
            if isinstance(ncp, EzspCoordinator):
                return ncp.configuration._policies[TC_KEY_REQUEST_POLICY] == DENY_TC_KEY_REQUESTS
            return required[-1:] == [b"\x00"]

        async with keyed_bench(dongle, air=air, ncp=ncp) as b:
            assert denied()
            await b.radio.permit_joining(PPMID, INSTALL_CODES[PPMID], 60)
            assert denied()
            await b.keyed()
            assert denied()
            required.clear()
            ncp.reset()
            await b.listener.until(lambda: len(b.listener.states) > 3)
            assert denied()

    run_virtual(main())


def test_attack_green_power_commissioning_stays_without_effect(dongle: Dongle) -> None:
    """Green Power commissioning hands the network key to whoever asks while a sink is open."""

    async def main() -> None:
        air = Air()
        ncp = dongle.make(air)
        tap = dongle.tap(ncp)
        async with keyed_bench(dongle, air=air, ncp=ncp) as b:
            victim = await b.keyed()
            joined = list(b.listener.joined)
            heard = len(victim.received)
            # GP Commissioning Notification (0x04) of a device that wants a key, to endpoint and broadcast.
            options = struct.pack("<HIIB", 0x0000, 0x01234567, 1, 0xE0)
            command = b"\x11\x01\x04" + options + b"\x02\x85\xf2"
            for endpoint in (242, 3, 1):
                await victim.send(0xA1E0, 0x0021, 242, endpoint, command, encrypted=False)
            await asyncio.sleep(10)
            assert {endpoint for endpoint, *_ in tap.endpoints} == {3}
            assert b.radio._session is not None
            assert not b.radio._session.app.green_power.is_commissioning
            assert b.listener.joined == joined
            assert len(victim.received) == heard
            assert is_shut(ncp)
            await b.still_works(victim)

    run_virtual(main())
