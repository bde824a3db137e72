"""Emulated devices establish keys: with a hub that is scripted down to its Key Establishment server."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from hanota.demo.parties import make_parties
from hanota.emulator.air import Air, ApsFrame, TxStatus
from hanota.emulator.devices import DeviceIdentity, DeviceSettings, Ppmid
from hanota.emulator.devices.keep_alive import KeepAliveSettings
from hanota.emulator.devices.misbehaviour import MISBEHAVIOURS, misbehave
from hanota.emulator.loop import run_virtual
from hanota.emulator.node import NodeSettings
from hanota.errors import ConfigError, RadioError
from hanota.eui64 import Eui64
from hanota.gbcs.reference_test_data import BROKER, SUPPLIER
from hanota.ota.commands import ImageNotify, encode_command
from hanota.ota.fields import ImageId
from hanota.zcl import ClusterId, ZclFrame
from hanota.zse.cbke import KeyEstablishmentStatus, Suite
from hanota.zse.install_code import install_code_key
from hanota.zse.key_establishment import RemoveKey
from hanota.zse.key_establishment.commands import CommandId
from tests.emulator.cbke_support import EPOCH, HUB, Hub, LabCa

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

PPMID = Eui64.parse("00-DB-12-34-56-78-90-A4")
CODE = bytes(range(16))
NOTIFY = encode_command(ImageNotify(100), 1)
TWO_MINUTES = 120.0


class Bench:
    """A hub and devices with credentials of one lab CA."""

    def __init__(self, devices: int = 1, *, seed: int = 1) -> None:
        self.ca = LabCa()
        self.air = Air(seed=seed)
        self.hub = Hub(self.air, self.ca.site(HUB))
        self.eui64s = [Eui64((int.from_bytes(PPMID, "big") + n).to_bytes(8, "big")) for n in range(devices)]
        self.parties = make_parties(
            supplier=SUPPLIER, broker=BROKER, hub=HUB, devices=self.eui64s, keystore=None, now=EPOCH, seed=1
        )
        self.notices: list[str] = []

    def make(
        self, number: int = 0, suite: Suite | None = Suite.TWO, settings: DeviceSettings | None = None
    ) -> Ppmid:
        eui64 = self.eui64s[number]
        self.hub.join_keys[eui64] = install_code_key(CODE)
        device = Ppmid(
            DeviceIdentity(
                self.parties.devices[eui64],
                CODE,
                ImageId(0x121D, 0x0084, 0x0100_0000),
                1,
                "PPMID",
                None if suite is None else self.ca.issue(eui64, suite),
            ),
            self.parties.trust,
            self.hub.clock,
            settings,
        )
        device.notice = self.notices.append
        return device


def on_a_bench(
    test: Callable[[Bench, Ppmid], Coroutine[None, None, None]],
    *,
    suite: Suite | None = Suite.TWO,
    settings: DeviceSettings | None = None,
    seed: int = 1,
) -> None:
    """Run `test` on a hub that is up and a device that has not joined."""

    async def scenario() -> None:
        bench = Bench(seed=seed)
        await bench.hub.up()
        device = bench.make(suite=suite, settings=settings)
        await test(bench, device)
        device.power_off()
        bench.hub.power_off()

    run_virtual(scenario())


async def joined(bench: Bench, device: Ppmid, seconds: float = 60.0) -> None:
    await device.join(bench.air)
    await asyncio.sleep(seconds)


@pytest.mark.parametrize("suite", list(Suite))
def test_a_device_that_joined_establishes_a_key_with_the_hub(suite: Suite) -> None:
    async def test(bench: Bench, device: Ppmid) -> None:
        await joined(bench, device)
        assert device.established
        assert device.link_key == bench.hub.keys[PPMID] != install_code_key(CODE)
        assert bench.hub.agreed() == {PPMID}
        assert device.key_establishment.server_suites == 3
        assert f"link key established with the hub, suite {suite}" in bench.notices
        assert not device.dropped
        assert not bench.hub.aps_refused

    on_a_bench(test, suite=suite)


def test_a_device_without_credentials_keeps_the_key_of_its_install_code() -> None:
    async def test(bench: Bench, device: Ppmid) -> None:
        await joined(bench, device)
        assert device.link_key == install_code_key(CODE)
        assert not device.established
        assert not bench.hub.told
        await bench.hub.give(ClusterId.OTA_UPGRADE, PPMID, NOTIFY, encrypted=True)
        await asyncio.sleep(1)
        assert [frame.cluster for frame in bench.hub.received] == [ClusterId.OTA_UPGRADE]

    on_a_bench(test, suite=None)


def test_a_plain_device_sends_and_takes_everything_without_aps_encryption() -> None:
    async def test(bench: Bench, device: Ppmid) -> None:
        await joined(bench, device)
        await bench.hub.give(ClusterId.OTA_UPGRADE, PPMID, NOTIFY, encrypted=False)
        await asyncio.sleep(1)
        (query,) = bench.hub.received
        assert (query.cluster, query.secured) == (ClusterId.OTA_UPGRADE, False)
        assert not device.dropped

    on_a_bench(test, suite=None, settings=DeviceSettings(aps_encryption=False))


def test_key_establishment_goes_plain_and_takes_the_time_a_slow_device_computes() -> None:
    async def test(bench: Bench, device: Ppmid) -> None:
        clusters: list[tuple[int, bool]] = []
        bench.air.observe = lambda _now, frame, _status: clusters.append((frame.cluster, frame.secured))
        loop = asyncio.get_running_loop()
        ended: list[float] = []
        device.key_establishment.established = lambda: ended.append(loop.time())
        began = loop.time()
        await joined(bench, device)
        took = ended[0] - began
        assert (ClusterId.KEY_ESTABLISHMENT, False) in clusters
        assert (ClusterId.KEY_ESTABLISHMENT, True) not in clusters
        assert took >= 2 * device.device_settings.key_establishment.compute_time
        assert took < 10

    on_a_bench(test)


def test_ota_and_tunneling_under_the_install_code_key_are_refused_by_the_device() -> None:
    async def test(bench: Bench, device: Ppmid) -> None:
        device.key_establishment.alter = lambda _: None  # never gets anywhere
        await joined(bench, device)
        for cluster in (ClusterId.OTA_UPGRADE, ClusterId.TUNNELING):
            assert await bench.hub.give(cluster, PPMID, NOTIFY, encrypted=True)
        await asyncio.sleep(5)
        assert device.dropped == {"before key establishment": 2}
        assert not bench.hub.received

    on_a_bench(test)


def test_a_download_under_way_waits_for_the_key_of_a_fresh_join() -> None:
    async def test(bench: Bench, device: Ppmid) -> None:
        await joined(bench, device)
        await bench.hub.give(ClusterId.OTA_UPGRADE, PPMID, NOTIFY, encrypted=True)
        await asyncio.sleep(5)
        assert bench.hub.received
        await device.leave()
        bench.hub.received.clear()
        device.key_establishment.alter = lambda _: None
        await joined(bench, device, 300)
        assert not bench.hub.received
        device.key_establishment.alter = bytes
        await asyncio.sleep(600)
        assert device.established
        await bench.hub.give(ClusterId.OTA_UPGRADE, PPMID, NOTIFY, encrypted=True)
        await asyncio.sleep(5)
        assert bench.hub.received
        assert all(frame.link_key == device.link_key for frame in bench.hub.received)

    on_a_bench(test)


def test_an_established_key_survives_a_power_cut_and_is_not_established_again() -> None:
    async def test(bench: Bench, device: Ppmid) -> None:
        await joined(bench, device)
        key = device.link_key
        bench.hub.told.clear()
        device.power_off()
        await device.power_on()
        await asyncio.sleep(60)
        assert device.link_key == key == bench.hub.keys[PPMID]
        await device.rejoin()
        await asyncio.sleep(60)
        assert not bench.hub.told
        assert device.link_key == key

    on_a_bench(test)


def test_a_power_cut_in_the_middle_of_a_handshake_leads_to_another_one() -> None:
    async def test(bench: Bench, device: Ppmid) -> None:
        await joined(bench, device, seconds=1.5)
        assert not device.established
        device.power_off()
        await device.power_on()
        await asyncio.sleep(120)
        assert device.established
        assert device.link_key == bench.hub.keys[PPMID]

    on_a_bench(test)


def test_a_device_that_joins_afresh_establishes_another_key() -> None:
    async def test(bench: Bench, device: Ppmid) -> None:
        await joined(bench, device)
        key = device.link_key
        await device.leave()
        assert device.link_key == install_code_key(CODE)
        assert not device.established
        await joined(bench, device)
        assert device.established
        assert device.link_key == bench.hub.keys[PPMID] != key

    on_a_bench(test)


def test_twelve_devices_that_join_at_once_all_establish_keys() -> None:
    async def scenario() -> None:
        bench = Bench(12)
        await bench.hub.up()
        devices = [bench.make(number) for number in range(12)]
        await asyncio.gather(*(device.join(bench.air) for device in devices))
        await asyncio.sleep(2 * TWO_MINUTES)
        assert bench.hub.agreed() == set(bench.eui64s)
        assert [device.link_key for device in devices] == [bench.hub.keys[e] for e in bench.eui64s]
        assert len(set(bench.hub.keys.values())) == 12
        for device in (*devices, bench.hub):
            device.power_off()

    run_virtual(scenario())


def test_a_sleepy_device_fetches_its_handshake_from_its_parent() -> None:
    async def test(bench: Bench, device: Ppmid) -> None:
        await joined(bench, device)
        assert device.established
        assert device.link_key == bench.hub.keys[PPMID]

    on_a_bench(test, settings=DeviceSettings(node=NodeSettings(sleep=7.0)))


@pytest.mark.parametrize("seed", range(5))
def test_losses_on_the_air_end_in_one_key_on_both_sides(seed: int) -> None:
    async def test(bench: Bench, device: Ppmid) -> None:
        bench.air.faults[PPMID].loss = 0.5
        while not device.joined:
            with suppress(RadioError):
                await device.join(bench.air)
        await asyncio.sleep(2000)
        assert device.established
        assert device.link_key == bench.hub.keys[PPMID]

    on_a_bench(test, seed=seed)


def test_a_hub_that_does_not_answer_is_tried_again_later_and_later() -> None:
    async def test(bench: Bench, device: Ppmid) -> None:
        tries: list[float] = []
        bench.hub.answers = False
        bench.air.observe = lambda now, frame, _: tries.extend(
            [now] * (frame.cluster == ClusterId.KEY_ESTABLISHMENT and command(frame.payload) == 0)
        )
        device.key_establishment.settings = replace(device.key_establishment.settings, reads_suite=False)
        await joined(bench, device, 1000)
        gaps = [later - earlier for earlier, later in pairwise(tries)]
        assert len(gaps) >= 3
        assert gaps == sorted(gaps)
        bench.hub.answers = True
        await asyncio.sleep(400)
        assert device.established

    on_a_bench(test)


def test_cbke_wrong_ca_is_an_unknown_issuer_and_the_device_leaves_the_network() -> None:
    async def test(bench: Bench, device: Ppmid) -> None:
        misbehave(device, "cbke_wrong_ca")
        await joined(bench, device)
        (failure,) = bench.hub.failures()
        assert failure.status is KeyEstablishmentStatus.UNKNOWN_ISSUER
        assert bench.hub.gone == [PPMID]
        assert not device.joined
        assert PPMID not in bench.hub.keys

    on_a_bench(test)


MISCHIEF = {
    "cbke_stolen_certificate": {
        KeyEstablishmentStatus.BAD_MESSAGE,
        KeyEstablishmentStatus.INVALID_CERTIFICATE,
    },
    "cbke_bad_confirm": {KeyEstablishmentStatus.BAD_KEY_CONFIRM},
    "cbke_off_curve": {KeyEstablishmentStatus.BAD_MESSAGE},
    "cbke_suite_3": {KeyEstablishmentStatus.BAD_MESSAGE, KeyEstablishmentStatus.UNSUPPORTED_SUITE},
}


@pytest.mark.parametrize("suite", list(Suite))
@pytest.mark.parametrize("name", MISCHIEF)
def test_a_hub_refuses_what_a_misbehaving_device_sends_and_keeps_no_key(name: str, suite: Suite) -> None:
    async def test(bench: Bench, device: Ppmid) -> None:
        misbehave(device, name)
        await joined(bench, device, 30)
        assert {failure.status for failure in bench.hub.failures()} <= MISCHIEF[name]
        assert bench.hub.failures()
        no_key(bench, device)

    on_a_bench(test, suite=suite)


def no_key(bench: Bench, device: Ppmid) -> None:
    assert not bench.hub.agreed()
    assert not device.established
    assert PPMID not in bench.hub.keys


def test_cbke_late_answers_when_the_hub_has_given_up() -> None:
    async def test(bench: Bench, device: Ppmid) -> None:
        misbehave(device, "cbke_late")
        await joined(bench, device, 100)
        assert bench.hub.failures()
        await asyncio.sleep(1000)
        no_key(bench, device)

    on_a_bench(test)


def test_cbke_silent_initiates_and_the_hub_gives_up() -> None:
    async def test(bench: Bench, device: Ppmid) -> None:
        misbehave(device, "cbke_silent")
        await joined(bench, device, 1000)
        assert {command(data) for data in device.key_establishment.sent} == {CommandId.INITIATE}
        assert bench.hub.failures()
        no_key(bench, device)

    on_a_bench(test)


def test_cbke_replayed_gets_no_second_key_and_costs_the_first_one_nothing() -> None:
    async def test(bench: Bench, device: Ppmid) -> None:
        misbehave(device, "cbke_replayed")
        await joined(bench, device, 600)
        assert bench.hub.failures()
        assert len(bench.hub.agreed()) == 1
        assert sum(isinstance(event, RemoveKey) for event in bench.hub.told) == 0
        assert device.link_key == bench.hub.keys[PPMID]

    on_a_bench(test)


def test_cbke_reflection_is_refused() -> None:
    async def test(bench: Bench, device: Ppmid) -> None:
        sent: list[bytes] = []
        misbehave(device, "cbke_reflection")

        def observe(_now: float, frame: ApsFrame, _status: TxStatus) -> None:
            if frame.cluster == ClusterId.KEY_ESTABLISHMENT and command(frame.payload) == 1:
                sent.append(frame.payload[3:])

        bench.air.observe = observe
        await joined(bench, device, 600)
        assert len(sent) > len(set(sent))
        assert bench.hub.failures()
        no_key(bench, device)

    on_a_bench(test)


def test_every_misbehaviour_in_key_establishment_is_tested() -> None:
    tested = " ".join([*globals(), *MISCHIEF])
    assert all(name in tested for name in MISBEHAVIOURS if name.startswith("cbke_"))


def test_misbehaviour_in_key_establishment_is_for_devices_that_establish_keys() -> None:
    async def test(_bench: Bench, device: Ppmid) -> None:
        with pytest.raises(ConfigError, match="establishes no key"):
            misbehave(device, "cbke_silent")

    on_a_bench(test, suite=None)


KEEP_ALIVE = DeviceSettings(keep_alive=KeepAliveSettings(period=60))


def test_a_device_reads_keep_alive_and_time_of_the_hub_under_encryption() -> None:
    async def test(bench: Bench, device: Ppmid) -> None:
        await joined(bench, device, 200)
        assert device.keep_alive.rounds == 3
        assert device.keep_alive.values == {
            (ClusterId.KEEP_ALIVE, 0): 10,
            (ClusterId.KEEP_ALIVE, 1): 300,
            (ClusterId.TIME, 0): 853_000_000,
            (ClusterId.TIME, 1): 9,
        }
        assert all(frame.secured for frame in bench.hub.received)

    on_a_bench(test, settings=KEEP_ALIVE)


def test_a_plain_keep_alive_response_is_no_answer() -> None:
    async def test(bench: Bench, device: Ppmid) -> None:
        give = bench.hub.give

        async def plain(cluster: int, eui64: Eui64, data: bytes, *, encrypted: bool) -> bool:
            return await give(cluster, eui64, data, encrypted=False)

        bench.hub.give = plain  # type: ignore[method-assign, assignment]
        await joined(bench, device, 100)
        assert device.keep_alive.rounds == 0
        assert device.dropped["without APS encryption"] >= 2

    on_a_bench(test, settings=KEEP_ALIVE)


def test_a_device_whose_key_the_hub_has_lost_establishes_another() -> None:
    async def test(bench: Bench, device: Ppmid) -> None:
        await joined(bench, device)
        key = device.link_key
        bench.hub.forget_key(PPMID)
        assert await device.send(0x0109, 0x0019, 1, 3, b"\x01\x00\x01") is TxStatus.APS_NO_ACK
        await asyncio.sleep(600)
        assert device.link_key == bench.hub.keys[PPMID] != key
        assert "no Keep-Alive response from the hub" in bench.notices
        before = device.keep_alive.rounds
        await asyncio.sleep(301)
        assert device.keep_alive.rounds - before == 5

    on_a_bench(test, settings=KEEP_ALIVE)


def test_frames_that_are_none_do_not_disturb_a_handshake() -> None:
    async def test(bench: Bench, device: Ppmid) -> None:
        await device.join(bench.air)
        for number in range(20):
            junk = bytes((number,)) * number
            await bench.hub.give(ClusterId.KEY_ESTABLISHMENT, PPMID, junk, encrypted=False)
        await asyncio.sleep(600)
        assert device.established

    on_a_bench(test)


def command(payload: bytes) -> int:
    frame = ZclFrame.decode(payload)
    return frame.command if frame.cluster_specific else -1
