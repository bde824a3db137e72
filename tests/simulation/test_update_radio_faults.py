"""A bad air, frames without APS encryption, frames made by hand, and strangers."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.air import ApsFrame, TxStatus
from hanota.emulator.devices import DeviceIdentity, Ppmid
from hanota.emulator.emulation.entries import default_install_code
from hanota.emulator.loop import run_virtual
from hanota.emulator.node import JoinRefusedError
from hanota.emulator.zdo import device_announcement
from hanota.gbcs.lab_ca import LabCa
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from hanota.ota.commands import (
    ImageBlockRequest,
    ImageBlockResponse,
    QueryNextImageRequest,
    UpgradeEndRequest,
    decode_command,
    encode_command,
)
from hanota.ota.fields import ImageId
from hanota.zcl import PROFILE_SMART_ENERGY, ClusterId, Status, ZclFrame
from tests.radio_dongles import FAMILIES
from tests.simulation.update_support import (
    EPOCH,
    HUB_ENDPOINT,
    NEW,
    OLD,
    STRANGER,
    log_entry,
    more,
    tunnelled,
    update_bench,
)

if TYPE_CHECKING:
    from hanota.eui64 import Eui64
    from tests.radio_dongles import Dongle
    from tests.simulation.update_support import UpdateBench

pytestmark = pytest.mark.parametrize("dongle", FAMILIES, ids=str)

SIZE = 8_000
DEVICES = {JobKind.PPMID: PPMID, JobKind.HCALCS: HCALCS}
ENDS = {"activated", "aborted", "expired", "failed"}
SEEDS = range(3)


class Weather:
    """Loses, doubles and swaps frames of OTA Upgrade as they arrive, when nobody repeats them any more."""

    def __init__(self, seed: int, *, loss: float, duplicate: float, reorder: float) -> None:
        self._chance = random.Random(seed)
        self._loss, self._duplicate, self._reorder = loss, duplicate, reorder
        self._late: list[ApsFrame] = []
        self.lost = self.doubled = self.swapped = 0

    def __call__(self, frame: ApsFrame) -> list[ApsFrame]:
        if frame.cluster != ClusterId.OTA_UPGRADE:
            return [frame]
        if self._chance.random() < self._loss:
            self.lost += 1
            return []
        frames = [frame]
        if self._chance.random() < self._duplicate:
            self.doubled += 1
            frames.append(frame)
        if not self._late and self._chance.random() < self._reorder:
            self.swapped += 1
            self._late = frames
            return []
        frames, self._late = frames + self._late, []
        return frames


def settled(b: UpdateBench, device: Eui64) -> bool:
    return b.state(device) in ENDS | {"held"}


async def both_updated(b: UpdateBench, seed: int) -> None:
    """Run both updates; each ends activated with every octet equal, or in a named failure."""
    b.update(JobKind.PPMID)
    b.update(JobKind.HCALCS)
    for kind, device in DEVICES.items():
        await b.until(partial(settled, b, device), 48 * 3600)
        if b.state(device) == "held":
            assert b.hcalcs.held is not None
            assert b.hcalcs.held.file.data == b.files[kind].data, f"seed {seed}"
            await b.activate(device)
        assert b.state(device) in ENDS, f"seed {seed}"
        if b.state(device) == "activated":
            assert b.image_of(device) == b.files[kind].data, f"seed {seed}"
            assert b.device(device).firmware_version == NEW, f"seed {seed}"
            assert b.transfer_alerts(device) == [("8F8A", "success")], f"seed {seed}"
        else:
            assert b.device(device).firmware_version == OLD, f"seed {seed}"
            assert b.transfer_alerts(device), f"seed {seed}: the service user was told nothing"


def spoil(b: UpdateBench, loss: float) -> None:
    """Make the air lose, double and delay; the stacks repeat what they know to be lost."""
    for device in DEVICES.values():
        faults = b.bench.air.faults[device]
        faults.loss, faults.duplicate, faults.jitter = loss, 0.2 * (loss > 0), 0.2 * (loss > 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_frames_lost_doubled_and_delayed_on_the_air_do_not_spoil_an_octet(dongle: Dongle, seed: int) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=SIZE, seed=seed) as b:
            spoil(b, 0.05)
            await both_updated(b, seed)
            assert b.bench.air.statistics.lost > 20, f"seed {seed}"
            assert [b.state(device) for device in DEVICES.values()] == ["activated"] * 2, f"seed {seed}"

    run_virtual(main())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("loss", [0.3, 0.6])
def test_an_image_gets_through_a_very_bad_air_whole_or_ends_by_name(
    dongle: Dongle, loss: float, seed: int
) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=SIZE, seed=seed) as b:
            spoil(b, loss)
            b.update(JobKind.HCALCS)
            await b.until(partial(settled, b, HCALCS), 48 * 3600)
            assert b.bench.air.statistics.lost > 100, f"seed {seed}"
            spoil(b, 0)
            if b.state(HCALCS) == "held":
                assert b.image_of(HCALCS) == b.files[JobKind.HCALCS].data, f"seed {seed}"
                await b.activate(HCALCS)
                assert b.hcalcs.firmware_version == NEW, f"seed {seed}"
            else:
                assert b.transfer_alerts(HCALCS) == [("8F89", "file_transfer_failure")], f"seed {seed}"
                assert b.hcalcs.firmware_version == OLD, f"seed {seed}"
                await b.still_serves(HCALCS)
            await b.still_serves(PPMID)

    run_virtual(main())


@pytest.mark.parametrize("seed", SEEDS)
def test_frames_lost_doubled_and_swapped_behind_every_acknowledgement_do_not_spoil_an_octet(
    dongle: Dongle,
    seed: int,
) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            weather = Weather(seed, loss=0.05, duplicate=0.1, reorder=0.1)
            b.bench.air.intercept = weather
            await both_updated(b, seed)
            assert min(weather.lost, weather.doubled, weather.swapped) > 5, f"seed {seed}"
            assert [b.state(device) for device in DEVICES.values()] == ["activated"] * 2, f"seed {seed}"

    run_virtual(main())


def test_a_device_out_of_reach_ends_expired_by_name_and_is_served_when_it_is_back(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            b.update(JobKind.PPMID)
            await b.until_octet(PPMID, SIZE // 2)
            b.bench.air.faults[PPMID].loss = 1.0
            await b.until(lambda: b.state(PPMID) in {"expired", "aborted"}, 48 * 3600)
            assert b.transfer_alerts(PPMID) == [("8F89", "file_transfer_failure")]
            b.bench.air.faults[PPMID].loss = 0.0
            await b.still_serves(PPMID)
            await b.still_serves(HCALCS)

    run_virtual(main())


# -- frames made by hand -----------------------------------------------------------------------------------


@pytest.mark.parametrize("cluster", [ClusterId.OTA_UPGRADE, ClusterId.TUNNELING])
def test_attack_unencrypted_frames_on_ota_upgrade_and_tunneling_are_refused_and_counted(
    dongle: Dongle, cluster: int
) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            await b.held()
            image = b.files[JobKind.HCALCS].header.image_id
            frame = encode_command(UpgradeEndRequest(Status.ABORT, image), 0x77)
            states = b.states(HCALCS)
            for _ in range(5):
                await b.say(b.hcalcs, cluster, frame, encrypted=False)
                await asyncio.sleep(2)
            refused = b.seen(EventKind.FRAME_REFUSED, HCALCS, cluster=cluster)
            assert {event.detail["reason"] for event in refused} == {"sent without APS encryption"}
            assert b.assembly.radio.refused == {"sent without APS encryption": 5}
            assert b.states(HCALCS) == states
            await b.activate(HCALCS)
            assert b.state(HCALCS) == "activated"

    run_virtual(main())


def test_attack_unencrypted_a_device_takes_no_block_and_no_command_in_the_clear(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            await b.held()

            def strip(frame: ApsFrame) -> list[ApsFrame]:
                return [replace(frame, link_key=None) if frame.source == 0 else frame]

            b.bench.air.intercept = strip
            response = b.activate(HCALCS)
            await asyncio.sleep(60)
            assert b.hcalcs.dropped["without APS encryption"] >= 1
            assert not response.done()
            assert b.hcalcs.firmware_version == OLD

    run_virtual(main())


def test_attack_offset_past_the_end_is_refused_and_the_download_goes_on(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            b.update(JobKind.PPMID)
            await b.until_octet(PPMID, SIZE // 2)
            image = b.files[JobKind.PPMID]
            frames = b.overhear()
            for number, offset in enumerate((len(image.data), len(image.data) + 1, 2**32 - 1)):
                asked = ImageBlockRequest(image.header.image_id, offset, 48)
                await b.say(b.ppmid, ClusterId.OTA_UPGRADE, encode_command(asked, 0xF0 + number))
            await b.until_state(PPMID, "activated")
            refused = b.seen(EventKind.OTA_REFUSED, PPMID)
            assert len(refused) == 3
            assert all("past the end" in str(event.detail["reason"]) for event in refused)
            answers = [
                decode_command(zcl)
                for frame in frames
                if frame.cluster == ClusterId.OTA_UPGRADE
                and frame.source == 0
                and (zcl := ZclFrame.decode(frame.payload)).sequence >= 0xF0
            ]
            assert [a for a in answers if isinstance(a, ImageBlockResponse) and a.status == Status.ABORT]
            assert b.image_of(PPMID) == image.data

    run_virtual(main())


def test_attack_wrong_image_ids_in_mid_session_give_nobody_anothers_octets(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            b.update(JobKind.PPMID)
            b.update(JobKind.HCALCS)
            await b.until_octet(PPMID, SIZE // 2)
            frames = b.overhear()
            others = b.files[JobKind.HCALCS].header.image_id
            await b.say(
                b.ppmid, ClusterId.OTA_UPGRADE, encode_command(ImageBlockRequest(others, 0, 48), 0xF0)
            )
            await b.until_state(PPMID, "activated")
            await b.until_state(HCALCS, "held")
            secret = b.files[JobKind.HCALCS].manufacturer_image
            chunks = {secret[start : start + 24] for start in range(0, len(secret) - 24, 24)}
            to_ppmid = b"".join(f.payload for f in frames if f.destination == b.ppmid.nwk)
            assert not [chunk for chunk in chunks if chunk in to_ppmid]
            assert b.seen(EventKind.OTA_REFUSED, PPMID)

    run_virtual(main())


def test_attack_forged_upgrade_end_success_without_a_transfer_is_not_believed(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            b.update(JobKind.HCALCS)
            await b.until_octet(HCALCS, SIZE // 2)
            image = b.files[JobKind.HCALCS].header.image_id
            ended = encode_command(UpgradeEndRequest(Status.SUCCESS, image), 0xF0)
            await b.say(b.hcalcs, ClusterId.OTA_UPGRADE, ended)
            await asyncio.sleep(0.5)
            assert b.state(HCALCS) == "transferring"
            assert b.transfer_alerts(HCALCS) == []
            assert "not transferred" in str(b.seen(EventKind.OTA_REFUSED, HCALCS)[0].detail["reason"])
            await b.until_state(HCALCS, "held")

    run_virtual(main())


@pytest.mark.parametrize("cluster", [ClusterId.OTA_UPGRADE, ClusterId.TUNNELING])
def test_attack_malformed_frames_in_mid_update_raise_nothing_and_stop_nothing(
    dongle: Dongle, cluster: int
) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            b.update(JobKind.PPMID)
            await b.until_octet(PPMID, 1000)
            chance = random.Random(5)
            sent = 0
            while b.state(PPMID) == "transferring" and sent < 200:
                sent += 1
                await b.say(b.ppmid, cluster, chance.randbytes(chance.randrange(0, 70)))
            assert sent > 50
            await b.still_serves(HCALCS)
            await b.until_state(PPMID, "activated")
            assert b.image_of(PPMID) == b.files[JobKind.PPMID].data

    run_virtual(main())


def test_attack_block_request_flood_by_one_device_leaves_the_other_served(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            b.update(JobKind.PPMID)
            await b.until_octet(PPMID, 1000)
            image = b.files[JobKind.PPMID].header.image_id
            asked = encode_command(ImageBlockRequest(image, 0, 48), 0xF0)

            async def flood() -> None:
                while True:
                    await b.say(b.ppmid, ClusterId.OTA_UPGRADE, asked)

            flooding = [asyncio.create_task(flood()) for _ in range(4)]
            try:
                await b.still_serves(HCALCS)
            finally:
                for task in flooding:
                    task.cancel()
                await asyncio.gather(*flooding, return_exceptions=True)
            await b.still_serves(PPMID)

    run_virtual(main())


# -- strangers ---------------------------------------------------------------------------------------------


def stranger(b: UpdateBench, eui64: Eui64, code: bytes) -> Ppmid:
    """A PPMID with credentials of its own that nobody asked for."""
    identity = DeviceIdentity(
        LabCa(EPOCH).issue_device(eui64), code, b.ppmid.identity.image, hardware_version=1, model="stranger"
    )
    return Ppmid(identity, b.assembly.parties.trust, b.assembly.clock)


def test_attack_stranger_joins_a_device_that_is_not_in_the_device_log_gets_no_key(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            # The window is open for another device meanwhile, whose install code the stranger has read.
            absent = more(PPMID, 4)[3]
            await b.assembly.hub.add_device(log_entry(absent, JobKind.PPMID), 90)
            for code in (default_install_code(STRANGER), default_install_code(absent), bytes(16)):
                node = stranger(b, STRANGER, code)
                with pytest.raises(JoinRefusedError):
                    await node.join(b.bench.air)
            wrong_code = stranger(b, absent, default_install_code(STRANGER))
            with pytest.raises(JoinRefusedError, match="not encrypted with the key of our install code"):
                await wrong_code.join(b.bench.air)
            assert not b.seen(EventKind.DEVICE_JOINED, STRANGER)
            assert not b.seen(EventKind.DEVICE_JOINED, absent)
            await asyncio.sleep(120)
            late = stranger(b, absent, default_install_code(absent))
            with pytest.raises(JoinRefusedError):
                await late.join(b.bench.air)
            await b.still_serves(PPMID)

    run_virtual(main())


class Insider:
    """Somebody who has the network key and nothing else."""

    def __init__(self, nwk: int) -> None:
        self.eui64, self.nwk, self.capabilities = STRANGER, nwk, 0x8E
        self.heard: list[ApsFrame] = []

    def link_key_for(self, peer: Eui64) -> bytes | None:
        return None

    def receive(self, frame: ApsFrame) -> None:
        self.heard.append(frame)

    def frame(self, cluster: int, payload: bytes, profile: int = PROFILE_SMART_ENERGY) -> ApsFrame:
        endpoints = (0, 0) if profile == 0 else (1, HUB_ENDPOINT)
        return ApsFrame(self.nwk, 0x0000, *endpoints, profile, cluster, payload, ack=True)


def test_attack_network_key_known_an_insider_gets_no_image_and_moves_no_job(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            air = b.bench.air
            insider = Insider(0x4242)
            air.attach(insider)
            b.update(JobKind.PPMID)
            await b.until_octet(PPMID, 1000)
            before = b.states(PPMID)
            image = b.files[JobKind.PPMID].header.image_id
            running = ImageId(image.manufacturer_code, image.image_type, image.file_version - 1)
            announcement = device_announcement(1, insider.nwk, STRANGER, insider.capabilities)
            await air.transmit(insider.frame(0x0013, announcement, profile=0))
            for command in (
                QueryNextImageRequest(running, 1),
                ImageBlockRequest(image, 0, 48),
                UpgradeEndRequest(Status.ABORT, image),
            ):
                frame = insider.frame(ClusterId.OTA_UPGRADE, encode_command(command, 9))
                assert await air.transmit(frame) is TxStatus.SUCCESS
                # The same from the PPMID's own short address, which a radio lets anybody write.
                await air.transmit(replace(frame, source=b.ppmid.nwk))
            await asyncio.sleep(1)
            assert b.states(PPMID) == before
            assert len(b.seen(EventKind.FRAME_REFUSED)) >= 2
            assert not [f for f in insider.heard if f.cluster == ClusterId.OTA_UPGRADE]
            await b.until_state(PPMID, "activated")
            assert b.image_of(PPMID) == b.files[JobKind.PPMID].data

    run_virtual(main())


def test_what_a_hub_sends_is_encrypted_whenever_it_is_ota_upgrade_or_tunneling(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            frames = b.overhear()
            await b.still_serves(PPMID)
            await b.still_serves(HCALCS)
            ours = [f for f in frames if f.cluster in (ClusterId.OTA_UPGRADE, ClusterId.TUNNELING)]
            assert len(ours) > 100
            assert all(frame.secured for frame in ours)
            assert [f for f in ours if tunnelled(f)]

    run_virtual(main())
