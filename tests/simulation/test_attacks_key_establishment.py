"""Attacks on key establishment, through the real radio libraries; none leaves a key behind or costs one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.ezsp.coordinator import EzspCoordinator
from hanota.emulator.loop import run_virtual
from hanota.radio import Coordinator
from hanota.radio.ezsp.keys import EzspLinkKeys
from hanota.radio.link_keys import fingerprint
from hanota.radio.znp.keys import ZnpLinkKeys
from hanota.zcl import ClusterId, Direction, ZclFrame
from hanota.zse.cbke import KeyEstablishmentStatus, SiteCredentials, Suite, lab_authorities, lab_credentials
from hanota.zse.key_establishment import ClientEstablished, ClientFailed, KeyEstablishmentSettings
from hanota.zse.key_establishment.commands import (
    CommandId,
    InitiateKeyEstablishment,
    TerminateKeyEstablishment,
    decode_command,
    encode_command,
)
from tests.radio_dongles import DONGLES, HUB
from tests.radio_keys_support import KEYED, KeyedNode, credentials, entropy, held, keyed_bench, succeed
from tests.radio_support import EPOCH, HCALCS, INSTALL_CODES, PPMID, Listener

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.emulator.air import ApsFrame
    from hanota.eui64 import Eui64
    from hanota.hub.ports import EstablishedKey, Priority
    from hanota.radio.link_keys import LinkKeyTable
    from tests.radio_dongles import Dongle
    from tests.radio_keys_support import KeyedBench

    Spoil = Callable[[bytes], bytes | None]

dongles = pytest.mark.parametrize("dongle", DONGLES, ids=str)

STATUS = KeyEstablishmentStatus


def agreed(b: KeyedBench, listener: Listener) -> bool:
    """Whether store and dongle say the same: no key, or the same one."""
    key, row = held(b.ncp), listener.keys.get(PPMID)
    if key is None or row is None:
        return key is None and row is None
    return row.fingerprint == fingerprint(PPMID, key)


def altered(command: CommandId, change: Callable[[bytes], bytes]) -> Spoil:
    """Return what changes the payload of one command and lets every other pass."""

    def spoil(data: bytes) -> bytes:
        frame = ZclFrame.decode(data)
        mine = frame.cluster_specific and frame.command == command
        return replace(frame, payload=change(frame.payload)).encode() if mine else data

    return spoil


# -- certificates and values -------------------------------------------------------------------------------


def foreign(issuer: bytes) -> SiteCredentials:
    """Return credentials of an authority that the hub does not have."""
    return lab_credentials(lab_authorities(entropy(9), issuer=issuer), PPMID, now=EPOCH, entropy=entropy(10))


def wrong_ca(node: KeyedNode) -> None:
    node.credentials = foreign(b"ROGUE_CA").suites[Suite.TWO]


def rogue_ca_under_a_trusted_name(node: KeyedNode) -> None:
    node.credentials = foreign(node.credentials.issuer).suites[Suite.TWO]


def stolen_certificate(node: KeyedNode) -> None:
    node.spoil = altered(
        CommandId.INITIATE, lambda payload: payload[:4] + credentials(HCALCS).suites[Suite.TWO].certificate
    )


def turned_bit_in_the_certificate(node: KeyedNode) -> None:
    node.spoil = altered(CommandId.INITIATE, lambda payload: payload[:-1] + bytes((payload[-1] ^ 1,)))


def both_suites_at_once(node: KeyedNode) -> None:
    node.spoil = altered(CommandId.INITIATE, lambda payload: b"\x03\x00" + payload[2:])


def suite_the_hub_has_not(node: KeyedNode) -> None:
    node.credentials = credentials(PPMID).suites[Suite.ONE]


def off_curve_point(node: KeyedNode) -> None:
    node.spoil = altered(CommandId.EPHEMERAL_DATA, lambda payload: b"\x02" + b"\x01" * (len(payload) - 1))


def point_at_infinity(node: KeyedNode) -> None:
    node.spoil = altered(CommandId.EPHEMERAL_DATA, lambda payload: bytes(len(payload)))


def reflected_ephemeral(node: KeyedNode) -> None:
    """Say the hub's own ephemeral key, of the exchange before, back to it."""
    former: list[bytes] = []
    hear = node.heard.put_nowait

    def keep(data: bytes) -> None:
        frame = ZclFrame.decode(data)
        if frame.cluster_specific and frame.command == CommandId.EPHEMERAL_DATA:
            former.append(frame.payload)
        hear(data)

    node.heard.put_nowait = keep  # type: ignore[method-assign, assignment]
    reflecting = False

    def spoil(data: bytes) -> bytes | None:
        nonlocal reflecting
        frame = ZclFrame.decode(data)
        if frame.command == CommandId.EPHEMERAL_DATA and former:
            reflecting = True
            return replace(frame, payload=former[0]).encode()
        return None if frame.command == CommandId.CONFIRM_KEY and not reflecting else data

    node.spoil = spoil


def turned_bit_in_the_mac(node: KeyedNode) -> None:
    node.spoil = altered(CommandId.CONFIRM_KEY, lambda payload: payload[:-1] + bytes((payload[-1] ^ 1,)))


FAULTS: dict[Callable[[KeyedNode], None], KeyEstablishmentStatus] = {
    wrong_ca: STATUS.UNKNOWN_ISSUER,
    rogue_ca_under_a_trusted_name: STATUS.BAD_KEY_CONFIRM,
    stolen_certificate: STATUS.INVALID_CERTIFICATE,
    turned_bit_in_the_certificate: STATUS.INVALID_CERTIFICATE,
    both_suites_at_once: STATUS.BAD_MESSAGE,
    suite_the_hub_has_not: STATUS.UNSUPPORTED_SUITE,
    off_curve_point: STATUS.BAD_MESSAGE,
    point_at_infinity: STATUS.BAD_MESSAGE,
    reflected_ephemeral: STATUS.BAD_MESSAGE,
    turned_bit_in_the_mac: STATUS.BAD_KEY_CONFIRM,
}


@dongles
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_attack_certificate_and_cbke_faults_end_in_their_status_and_no_key(
    dongle: Dongle, fault: Callable[[KeyedNode], None]
) -> None:
    hub = credentials(HUB)
    if fault is suite_the_hub_has_not:
        hub = SiteCredentials.of(hub.suites[Suite.TWO])

    async def main() -> None:
        async with keyed_bench(dongle, site=hub) as b:
            node = await b.joins()
            fault(node)
            if fault is reflected_ephemeral:
                assert isinstance(await node.establish_key(), ClientFailed)
                await asyncio.sleep(60)
            outcome = await node.establish_key()
            assert isinstance(outcome, ClientFailed)
            assert outcome.status is FAULTS[fault]
            await b.listener.until(lambda: b.listener.failed)
            assert (held(b.ncp), b.listener.keys, b.listener.ready) == (None, {}, [])
            await asyncio.sleep(60)
            honest = KeyedNode(PPMID)
            node.credentials, node.spoil = honest.credentials, bytes
            await succeed(node)
            await b.listener.until(lambda: b.listener.ready)
            await b.still_works(node)

    run_virtual(main())


@dongles
@pytest.mark.parametrize("restarted", [False, True], ids=["same life", "hub and dongle restarted"])
def test_attack_a_captured_handshake_replayed_costs_the_key_of_it_nothing(
    dongle: Dongle, *, restarted: bool
) -> None:
    """After a restart the hub remembers no ephemeral key: its own new one makes the old MACU wrong."""

    async def main() -> None:
        captured: list[bytes] = []

        def capture(data: bytes) -> bytes:
            captured.append(data)
            return data

        async with keyed_bench(dongle) as b:
            node = await b.joins()
            node.spoil = capture
            assert isinstance(await node.establish_key(), ClientEstablished)
            await b.listener.until(lambda: b.listener.ready)
            key, row = held(b.ncp), b.listener.keys[PPMID]
            await asyncio.sleep(60)
            if not restarted:
                await replay(b, node, captured)
                assert (held(b.ncp), b.listener.keys, b.listener.lost) == (key, {PPMID: row}, [])
                await b.still_works(node)
                return
        listener = Listener(keys=b.listener.keys)
        async with keyed_bench(dongle, air=b.air, ncp=b.ncp, listener=listener, seed=3) as again:
            await listener.until(lambda: listener.ready)
            await again.still_works(node)
            await replay(again, node, captured)
            assert (held(again.ncp), listener.keys, listener.lost) == (key, {PPMID: row}, [])
            await again.still_works(node)

    run_virtual(main())


async def replay(b: KeyedBench, node: KeyedNode, captured: list[bytes]) -> None:
    """Send a handshake again, each message after the hub's answer to the one before."""
    assert len(captured) == 3
    for data in captured:
        await node.say(ClusterId.KEY_ESTABLISHMENT, data, encrypted=False)
        await asyncio.sleep(5)
    await b.listener.until(lambda: b.listener.failed)
    assert b.listener.failed[0][0] == PPMID


# -- floods ------------------------------------------------------------------------------------------------


@dongles
def test_attack_half_open_flood_is_told_no_resources_and_evicts_no_key(dongle: Dongle) -> None:
    """Two devices begin and go no further, where two exchanges may be under way; then they begin for ever."""
    few = replace(KEYED, key_establishment=KeyEstablishmentSettings(exchanges=2))
    flooders = [replace_last(PPMID, 0x10), replace_last(PPMID, 0x20)]
    INSTALL_CODES.update(dict.fromkeys(flooders, bytes(16)))

    async def main() -> None:
        listener = Listener(admitted={PPMID, HCALCS, *flooders})
        async with keyed_bench(dongle, few, listener=listener) as b:
            victim = await b.keyed()
            key, row = held(b.ncp), listener.keys[PPMID]
            late = await b.joins(HCALCS)
            nodes = [await b.joins(device) for device in flooders]
            for node in nodes:
                await node.say(ClusterId.KEY_ESTABLISHMENT, initiate(node, 0), encrypted=False)
            outcome = await late.establish_key()
            assert isinstance(outcome, ClientFailed)
            assert outcome.status is STATUS.NO_RESOURCES
            assert outcome.retry_after is not None
            assert outcome.retry_after >= 30
            await asyncio.sleep(outcome.retry_after)
            assert isinstance(await late.establish_key(), ClientEstablished), "timers free what is half open"
            await listener.until(lambda: HCALCS in listener.ready)
            for number in range(100):
                for node in nodes:
                    await node.say(ClusterId.KEY_ESTABLISHMENT, initiate(node, number), encrypted=False)
            for node in nodes:
                told = terminations(node)
                assert told.count(STATUS.NO_RESOURCES) > 90
            assert len([device for device, _ in listener.failed if device in flooders]) < 20
            assert (held(b.ncp), listener.keys[PPMID], listener.lost) == (key, row, [])
            assert [held(b.ncp, device) for device in flooders] == [None, None]
            await b.still_works(victim)
            await b.still_works(late)

    try:
        run_virtual(main())
    finally:
        for device in flooders:
            INSTALL_CODES.pop(device, None)


def replace_last(device: Eui64, octet: int) -> Eui64:
    return type(device)(device[:-1] + bytes((octet,)))


def initiate(node: KeyedNode, sequence: int) -> bytes:
    command = InitiateKeyEstablishment(Suite.TWO.bit, 3, 6, node.credentials.certificate)
    return encode_command(command, Direction.TO_SERVER, sequence).encode()


def terminations(node: KeyedNode) -> list[KeyEstablishmentStatus | None]:
    """The statuses that the node heard in Terminate."""
    found = []
    while not node.heard.empty():
        frame = ZclFrame.decode(node.heard.get_nowait())
        command = decode_command(frame, Direction.TO_CLIENT) if frame.cluster_specific else None
        if isinstance(command, TerminateKeyEstablishment):
            found.append(command.known_status)
    return found


# -- the key install race ----------------------------------------------------------------------------------

KILLED = ("before the import", "between import and row", "between row and MACV", "after MACV")


@dongles
@pytest.mark.parametrize("again", [False, True], ids=["first key", "second key"])
@pytest.mark.parametrize("killed", KILLED)
def test_key_install_race_hub_killed_at_each_step_leaves_no_lost_or_stale_key(
    dongle: Dongle, killed: str, *, again: bool
) -> None:
    """What store and dongle hold is the same after the restart, and the device has it or makes another."""

    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.joins()
            if again:
                await succeed(node)
                await b.listener.until(lambda: b.listener.ready)
                await asyncio.sleep(60)
            former = held(b.ncp)
            with pytest.MonkeyPatch.context() as patch:
                dying = die(killed, b, node, patch)
                trying = asyncio.ensure_future(node.establish_key())
                async with asyncio.timeout(60):
                    await dying.wait()
                assert (held(b.ncp) == former) is (killed == KILLED[0])
                await b.radio.stop()
        listener = Listener(keys=b.listener.keys)
        async with keyed_bench(dongle, air=b.air, ncp=b.ncp, listener=listener) as restarted:
            assert agreed(restarted, listener)
            outcome = await trying
            assert isinstance(outcome, ClientEstablished) is (killed == KILLED[3])
            if killed == KILLED[3] or (again and killed == KILLED[0]):
                await listener.until(lambda: PPMID in listener.ready)
                assert held(b.ncp) == node.link_key
                assert listener.lost == []
                await restarted.still_works(node)
            else:
                assert held(b.ncp) != node.link_key
            await asyncio.sleep(60)
            await succeed(node)
            await listener.until(lambda: PPMID in listener.ready)
            assert agreed(restarted, listener)
            assert held(b.ncp) == node.link_key
            await restarted.still_works(node)

    run_virtual(main())


def die(killed: str, b: KeyedBench, node: KeyedNode, patch: pytest.MonkeyPatch) -> asyncio.Event:
    """Let the hub stand still for ever at a step; the event tells that it is there."""
    dying = asyncio.Event()
    install = EzspLinkKeys.install if isinstance(b.ncp, EzspCoordinator) else ZnpLinkKeys.install

    async def stand_still() -> None:
        dying.set()
        await asyncio.Event().wait()

    async def installs(table: LinkKeyTable, device: Eui64, nwk: int, key: bytes) -> bool:
        if killed == KILLED[1]:
            await install(table, device, nwk, key)  # type: ignore[arg-type]
        await stand_still()
        return False

    async def sends(
        radio: Coordinator,
        device: Eui64,
        cluster: int,
        data: bytes,
        *,
        priority: Priority,
        encrypted: bool = True,
    ) -> None:
        if cluster == ClusterId.KEY_ESTABLISHMENT and ZclFrame.decode(data).command == CommandId.CONFIRM_KEY:
            await stand_still()
        await send(radio, device, cluster, data, priority=priority, encrypted=encrypted)

    send, on_frame = Coordinator.send, node.on_frame

    def hears(frame: ApsFrame) -> None:
        on_frame(frame)
        if frame.cluster == ClusterId.KEY_ESTABLISHMENT:
            zcl = ZclFrame.decode(frame.payload)
            if zcl.cluster_specific and zcl.command == CommandId.CONFIRM_KEY:
                dying.set()

    match KILLED.index(killed):
        case 0 | 1:
            patch.setattr(EzspLinkKeys, "install", installs)
            patch.setattr(ZnpLinkKeys, "install", installs)
        case 2:
            patch.setattr(Coordinator, "send", sends)
        case _:
            patch.setattr(node, "on_frame", hears)
    return dying


@dongles
def test_attack_a_stored_row_is_no_key_of_a_device_that_did_not_prove_it(dongle: Dongle) -> None:
    """Whoever writes the store makes no device trusted: the dongle must hold that very key."""

    async def main() -> None:
        async with keyed_bench(dongle) as b:
            node = await b.keyed()
            row: EstablishedKey = b.listener.keys[PPMID]
            other = await b.joins(HCALCS)
        listener = Listener(keys={PPMID: row, HCALCS: row})
        async with keyed_bench(dongle, air=b.air, ncp=b.ncp, listener=listener) as again:
            await listener.until(lambda: listener.ready == [PPMID])
            assert [device for device, _ in listener.lost] == [HCALCS]
            await other.say(ClusterId.OTA_UPGRADE, b"\x19\x01\x00\x00\x64")
            await asyncio.sleep(5)
            assert listener.frames == []
            await again.still_works(node)

    run_virtual(main())
