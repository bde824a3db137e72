"""CCS01 and CCS02 at the hub: carried out and answered, and nothing of one that is not to be believed."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from hanota.clock import LoopClock
from hanota.dcc.device_record import DeviceRecord
from hanota.duis.inventory import DeviceType as InventoryDeviceType
from hanota.duis.request import HanDeviceLogChange, UpdateHanDeviceLog
from hanota.errors import LocalProtocolError, RadioError
from hanota.gbcs.activate_firmware import activate_firmware_precommand
from hanota.gbcs.crypto import protect, sign, verify_mac
from hanota.gbcs.device_log import (
    AddDevice,
    AddDeviceResponse,
    RemoveDeviceResponse,
    add_device_command,
    encode,
    remove_device_command,
)
from hanota.gbcs.keystore import KeyStore
from hanota.gbcs.message import Cra, Message
from hanota.gbcs.usecases import decode_payload, payload_to_json
from hanota.hub.events import EventKind
from hanota.hub.hub import Hub
from hanota.hub.jobs import JobKind, JobState
from hanota.hub.journal import Journal
from hanota.hub.ports import DeviceLogEntry, DeviceType, EstablishedKey
from hanota.store.inventory_store import SqliteInventoryStore
from hanota.store.store import SqliteStore
from tests.hub_parties_support import (
    BROKER,
    EPOCH,
    HUB,
    NEIGHBOUR,
    PPMID,
    PPMID_IMAGE,
    STRANGER,
    SUPPLIER,
    hub_trust,
)
from tests.hub_support import FakeRadio, FullDisk, lab, outcome_of, virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hanota.eui64 import Eui64
    from hanota.gbcs.certificates import Credentials
    from hanota.hub.events import Event

DEVICE = PPMID.eui64
INSTALL_CODE = bytes(range(16))
ADDED = {"registerDevice": 0, "joinTimeout": 0, "enableDisableJoining": 0}
REFUSED = dict.fromkeys(ADDED, 250)
REMOVED = {"unregisterDevice": 0}


@dataclass
class Wan:
    """Takes what the hub sends upwards."""

    received: list[bytes] = field(default_factory=list)
    delivered: list[tuple[Eui64, bytes]] = field(default_factory=list)
    undelivered: list[tuple[Eui64, bytes]] = field(default_factory=list)

    def message_received(self, device: Eui64, octets: bytes) -> None:
        assert device == HUB.eui64
        self.received.append(octets)

    def message_delivered(self, device: Eui64, octets: bytes) -> None:
        self.delivered.append((device, octets))

    def message_undelivered(self, device: Eui64, octets: bytes, reason: str) -> None:
        self.undelivered.append((device, octets))


@dataclass
class Bench:
    """A hub without a DCC, and what it did."""

    hub: Hub
    radio: FakeRadio
    store: SqliteStore
    wan: Wan
    events: list[Event] = field(default_factory=list)

    async def ask(self, command: Message | bytes) -> None:
        """Send a command to the hub as the DCC does, and let it work."""
        self.hub.relay(HUB.eui64, command if isinstance(command, bytes) else command.encode())
        await asyncio.sleep(1)

    def answer(self) -> object:
        """Return the payload of the one answer, after its protection was verified as the broker does."""
        messages = [Message.decode(octets) for octets in self.wan.received]
        self.wan.received.clear()
        (message,) = (message for message in messages if message.cra is Cra.RESPONSE)
        verify_mac(message, BROKER.agreement_key, HUB.agreement_certificate.public_key)
        assert (message.originator, message.recipient) == (HUB.eui64, BROKER.eui64)
        payload = decode_payload(message)
        assert payload is not None
        return payload_to_json(payload)

    def of(self, kind: EventKind) -> list[Event]:
        return [event for event in self.events if event.kind is kind]

    def log(self) -> dict[Eui64, DeviceType]:
        """Return the Device Log, which is the same in memory and in the store."""
        stored = {entry.device: entry.device_type for entry in self.store.devices()}
        assert stored == {entry.device: entry.device_type for entry in self.hub.device_log}
        return stored


@asynccontextmanager
async def bench(store: SqliteStore | None = None, trust: KeyStore | None = None) -> AsyncIterator[Bench]:
    loop = asyncio.get_running_loop()
    clock = LoopClock(loop, EPOCH + loop.time())
    kept = store or SqliteStore(":memory:")
    journal, radio, wan = Journal(kept, clock), FakeRadio(), Wan()
    hub = Hub(
        radio=radio,
        store=kept,
        journal=journal,
        clock=clock,
        credentials=HUB,
        broker=BROKER.eui64,
        trust=hub_trust() if trust is None else trust,
    )
    made = Bench(hub, radio, kept, wan)
    journal.subscribe(made.events.append)
    await hub.start(wan)
    try:
        yield made
    finally:
        await hub.stop()
        if store is None:
            kept.close()


def to_hub(message: Message, by: Credentials = BROKER, to: Credentials = HUB) -> Message:
    return protect(message, by.agreement_key, to.agreement_certificate.public_key)


def add(
    counter: int = 7,
    device: Eui64 = DEVICE,
    *,
    device_type: int = DeviceType.PPMID,
    recipient: Eui64 = HUB.eui64,
    originator: Eui64 = BROKER.eui64,
) -> Message:
    """Return CCS01 without its MAC."""
    return add_device_command(
        originator,
        recipient,
        counter,
        SUPPLIER.eui64,
        counter,
        device=device,
        install_code=INSTALL_CODE,
        device_type=device_type,
        join_timeout=90,
    )


def remove(counter: int = 8, device: Eui64 = DEVICE) -> Message:
    """Return CCS02 without its MAC."""
    return remove_device_command(BROKER.eui64, HUB.eui64, counter, SUPPLIER.eui64, counter, device)


@virtual
async def test_a_device_that_is_added_is_in_the_device_log_and_may_join() -> None:
    async with bench() as made:
        await made.ask(to_hub(add()))

        assert made.answer() == ADDED
        assert made.log() == {DEVICE: DeviceType.PPMID}
        assert made.radio.permitted == [(DEVICE, INSTALL_CODE, 90)]
        assert [event.device for event in made.of(EventKind.DEVICE_ADDED)] == [DEVICE]
        assert made.of(EventKind.JOIN_PERMITTED)[0].detail == {"seconds": 90}


@virtual
async def test_adding_a_device_that_is_in_the_log_is_a_success_and_its_key_is_discarded() -> None:
    async with bench() as made:
        old = DeviceLogEntry(DEVICE, DeviceType.PPMID, bytes(16))
        await made.hub.add_device(old, 60)

        await made.ask(to_hub(add()))

        assert made.answer() == ADDED
        assert made.store.devices() == [old]
        assert made.radio.permitted == [(DEVICE, bytes(16), 60)]


@pytest.mark.parametrize(
    "command",
    [add(device_type=2), add(device_type=255), add(device=HUB.eui64)],
    ids=["no type", "none either", "itself"],
)
@virtual
async def test_what_the_hub_cannot_take_is_answered_so_and_not_added(command: Message) -> None:
    async with bench() as made:
        await made.ask(to_hub(command))

        assert made.answer() == REFUSED
        assert made.log() == {}
        assert made.radio.permitted == []


@virtual
async def test_a_join_window_that_the_coordinator_does_not_open_is_told_in_the_journal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*_: object) -> None:
        raise RadioError("the coordinator is lost")

    async with bench() as made:
        monkeypatch.setattr(made.radio, "permit_joining", fail)

        await made.ask(to_hub(add()))

        assert made.answer() == ADDED
        (told,) = made.of(EventKind.JOIN_NOT_PERMITTED)
        assert (told.device, told.detail) == (DEVICE, {"reason": "the coordinator is lost"})


@virtual
async def test_a_device_that_is_removed_leaves_nothing_behind() -> None:
    """Its entry, link key, open job and waiting messages are gone, and it is told to leave."""
    async with bench() as made:
        await made.ask(to_hub(add()))
        made.answer()
        made.hub.link_key_established(DEVICE, EstablishedKey(HUB.eui64, 2, bytes(16), EPOCH))
        made.hub.distribute("a request", JobKind.PPMID, PPMID_IMAGE.data, [DEVICE])
        made.hub.relay(DEVICE, b"a message that waits for its tunnel")

        await made.ask(to_hub(remove()))

        assert made.answer() == REMOVED
        assert made.log() == {}
        assert made.store.link_keys() == made.hub.established_keys() == {}
        (job,) = made.store.jobs(device=DEVICE)
        assert (job.state, job.reason) == (JobState.CANCELLED, "removed from the Device Log")
        assert made.wan.undelivered == [(DEVICE, b"a message that waits for its tunnel")]
        assert made.radio.removed == [DEVICE]
        assert not made.hub.is_admitted(DEVICE)
        assert not made.hub.is_ready(DEVICE)
        (told,) = made.of(EventKind.DEVICE_REMOVED)
        assert (told.device, told.detail) == (DEVICE, {"device_type": "PPMID"})


@virtual
async def test_a_removed_device_may_be_added_again_with_another_install_code() -> None:
    async with bench() as made:
        for command in (add(7), remove(8), add(9)):
            await made.ask(to_hub(command))
            made.answer()

        assert made.log() == {DEVICE: DeviceType.PPMID}
        assert len(made.radio.permitted) == 2


@virtual
async def test_removing_a_device_that_is_not_in_the_log_is_a_success() -> None:
    async with bench() as made:
        await made.ask(to_hub(remove()))

        assert made.answer() == REMOVED
        assert made.of(EventKind.DEVICE_REMOVED) == []
        with pytest.raises(LocalProtocolError, match="is not in the Device Log"):
            made.hub.remove_device(DEVICE)


@virtual
async def test_frames_of_a_removed_device_are_refused() -> None:
    async with lab() as made:
        device = await made.joined(PPMID, JobKind.PPMID)
        made.hub.remove_device(DEVICE)

        device.say(b"I am still here")
        await asyncio.sleep(1)

        (refused,) = made.of(EventKind.FRAME_REFUSED, DEVICE)
        assert refused.detail["reason"] == "not in the Device Log"


@virtual
async def test_a_service_users_device_log_change_goes_all_the_way_and_its_install_code_into_no_event() -> (
    None
):
    async with lab() as made:
        record = DeviceRecord(STRANGER.eui64, InventoryDeviceType.PPMID)
        SqliteInventoryStore(made.store.database).put_inventory_device(record)
        for change in (
            UpdateHanDeviceLog(
                made.request_id(HUB.eui64),
                STRANGER.eui64,
                HanDeviceLogChange.ADD,
                install_code=INSTALL_CODE,
                join_time_period=90,
            ),
            UpdateHanDeviceLog(made.request_id(HUB.eui64), DEVICE, HanDeviceLogChange.REMOVE),
        ):
            response = await outcome_of(made.dcc.submit(change))
            payload = decode_payload(response)
            assert isinstance(payload, AddDeviceResponse | RemoveDeviceResponse)
            assert payload.succeeded

        devices = {entry.device for entry in made.hub.device_log}
        assert STRANGER.eui64 in devices
        assert DEVICE not in devices
        assert made.radio.permitted == [(STRANGER.eui64, INSTALL_CODE, 90)]
        assert INSTALL_CODE.hex() not in "".join(json.dumps(event.to_json()) for event in made.events)


# -- attacks -----------------------------------------------------------------------------------------------


def assert_refused(made: Bench, reason: str) -> None:
    """The last command changed nothing, was not answered, and is in the journal with its reason."""
    assert made.wan.received == []
    refused = made.of(EventKind.GBCS_REFUSED)[-1]
    assert refused.device == HUB.eui64
    assert reason in str(refused.detail["reason"])


@virtual
async def test_attack_replay_of_a_device_log_command(tmp_path: Path) -> None:
    """The same addition again after the device was removed, also after a restart."""
    with closing(SqliteStore(str(tmp_path / "hub.db"))) as store:
        async with bench(store) as made:
            for command in (add(7), remove(8)):
                await made.ask(to_hub(command))
                made.answer()
            await made.ask(to_hub(add(7)))
            assert_refused(made, "is not higher than 8")
    with closing(SqliteStore(str(tmp_path / "hub.db"))) as store:
        async with bench(store) as made:
            for command in (add(7), remove(8), add(6)):
                await made.ask(to_hub(command))
                assert_refused(made, "is not higher than 8")
            assert made.log() == {}
            assert made.radio.permitted == []


@pytest.mark.parametrize("counter", [0, 2**63, 2**64 - 1])
@virtual
async def test_attack_counter_fast_forward_of_a_device_log_command(counter: int) -> None:
    """A counter that would shut the broker out for ever, or none at all."""
    async with bench() as made:
        await made.ask(to_hub(add(counter)))

        assert_refused(made, "counter")
        await made.ask(to_hub(add(9)))
        assert made.answer() == ADDED


@pytest.mark.parametrize("by", [SUPPLIER, NEIGHBOUR, HUB], ids=["supplier", "neighbour", "hub"])
@virtual
async def test_attack_wrong_mac_on_a_device_log_command(by: Credentials) -> None:
    async with bench() as made:
        await made.ask(to_hub(add(), by=by))

        assert_refused(made, "the MAC does not verify")
        assert made.log() == {}


@pytest.mark.parametrize("sender", [SUPPLIER, NEIGHBOUR, HUB, STRANGER])
@virtual
async def test_attack_device_log_command_of_another_party(sender: Credentials) -> None:
    """In its own name, whoever made the MAC; also where the hub knows its certificates."""
    trust = hub_trust()
    trust.add_public(SUPPLIER)
    trust.add_public(NEIGHBOUR)
    async with bench(trust=trust) as made:
        for by in (sender, BROKER):
            await made.ask(to_hub(add(originator=sender.eui64), by=by))
            assert_refused(made, "is unknown" if sender is STRANGER else "not in the role ACCESS_CONTROL")
        assert made.log() == {}


@virtual
async def test_attack_device_log_command_for_another_hub() -> None:
    async with bench() as made:
        await made.ask(to_hub(add(recipient=NEIGHBOUR.eui64), to=NEIGHBOUR))
        assert_refused(made, "the command is for")
        await made.ask(replace(to_hub(add(recipient=NEIGHBOUR.eui64)), recipient=HUB.eui64))
        assert_refused(made, "the MAC does not verify")


@virtual
async def test_attack_altered_octet_in_a_device_log_command() -> None:
    async with bench() as made:
        octets = to_hub(add()).encode()
        for offset in range(len(octets)):
            altered = bytearray(octets)
            altered[offset] ^= 1 << offset % 8
            made.hub.execute(bytes(altered))
        assert made.wan.received == []
        assert made.log() == {}

        await made.ask(octets)
        assert made.answer() == ADDED


@pytest.mark.parametrize("size", [15, 18])
@virtual
async def test_attack_install_code_of_wrong_length_under_a_good_mac(size: int) -> None:
    payload = encode(AddDevice(7, DEVICE, INSTALL_CODE, DeviceType.PPMID, 90))
    malformed = payload.replace(b"\x09\x10" + INSTALL_CODE, bytes([9, size]) + bytes(size))
    async with bench() as made:
        await made.ask(to_hub(replace(add(), payload=malformed)))

        assert_refused(made, f"an install code has 16 octets, not {size}")
        await made.ask(to_hub(add()))
        assert made.answer() == ADDED


@virtual
async def test_attack_command_of_another_use_case_to_the_hub() -> None:
    """Well made by a supplier and the broker, but none that the hub carries out."""
    trust = hub_trust()
    trust.add_public(SUPPLIER)
    async with bench(trust=trust) as made:
        pre_command = activate_firmware_precommand(SUPPLIER.eui64, HUB.eui64, 5, bytes(32))
        await made.ask(to_hub(sign(pre_command, SUPPLIER.signing_key)))
        assert_refused(made, "the hub carries out no CS06")


@pytest.mark.parametrize("octets", [b"", b"\xdd", b"no GBCS message", bytes(2000)])
@virtual
async def test_attack_malformed_message_to_the_hub(octets: bytes) -> None:
    async with bench() as made:
        await made.ask(octets)
        assert_refused(made, "a GBCS message begins with" if octets[:1] != b"\xdd" else "MAC Header")


# -- what is wrong on our side -----------------------------------------------------------------------------


@virtual
async def test_a_hub_without_the_brokers_certificate_says_that_it_cannot_be_asked() -> None:
    loop = asyncio.get_running_loop()
    clock = LoopClock(loop, EPOCH)
    with closing(SqliteStore(":memory:")) as store:
        hub = Hub(
            radio=FakeRadio(),
            store=store,
            journal=Journal(store, clock),
            clock=clock,
            credentials=HUB,
            broker=BROKER.eui64,
        )
        with pytest.raises(LocalProtocolError, match="no certificate of the access control broker"):
            hub.relay(HUB.eui64, to_hub(add()).encode())


@virtual
async def test_without_a_key_agreement_certificate_nothing_is_believed() -> None:
    trust = KeyStore()
    trust.add_certificate(BROKER.signing_certificate)
    async with bench(trust=trust) as made:
        await made.ask(to_hub(add()))
        assert_refused(made, "no pair of Key Agreement keys")


@pytest.mark.parametrize(
    "failing", ["INSERT INTO counter", "INSERT INTO device", "INSERT INTO event", "COMMIT"]
)
@virtual
async def test_where_the_store_fails_nothing_is_done_and_the_same_command_is_good_later(failing: str) -> None:
    with closing(FullDisk()) as store:
        async with bench(store) as made:
            store.failing = failing
            await made.ask(to_hub(add()))
            assert made.log() == {}
            assert made.radio.permitted == []
            assert made.hub.store_fault is not None

            store.failing = None
            made.wan.received.clear()
            await made.ask(to_hub(add()))
            assert made.answer() == ADDED
            assert made.log() == {DEVICE: DeviceType.PPMID}


@virtual
async def test_a_hub_that_was_stopped_carries_nothing_out() -> None:
    with closing(SqliteStore(":memory:")) as store:
        async with bench(store) as made:
            made.hub.relay(HUB.eui64, to_hub(add()).encode())
            await made.hub.stop()
            await asyncio.sleep(1)
            assert made.wan.received == []
            assert made.log() == {}
