"""The DCC over restarts on one file, and where the store fails: nothing twice, nothing unanswered."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from hanota.dcc import codes
from hanota.dcc.errors import NoResponseError, RequestRejectedError
from hanota.dcc.ports import CommandState
from hanota.dcc.service_users import ServiceUser
from hanota.duis.parse_response import parse_response
from hanota.duis.request import ReadFirmwareVersion, SignedPreCommand, UpdatePpmidFirmware
from hanota.duis.response import FutureDatedDeviceAlertMessage
from hanota.errors import StoreError
from hanota.gbcs.activate_firmware import (
    CommandAccepted,
    ExecutionOutcome,
    activate_firmware_response,
    future_dated_alert,
)
from hanota.gbcs.crypto import sign
from hanota.gbcs.message import Message
from hanota.gbcs.read_firmware_version import ReadFirmwareVersionResponse, read_firmware_version_response
from hanota.hub.events import EventKind
from hanota.hub.hub import Hub
from hanota.hub.jobs import JobKind
from hanota.store.store import SqliteStore
from hanota.zcl import ClusterId
from tests.hub_parties_support import (
    EPOCH,
    HCALCS,
    NEW_VERSION,
    PPMID,
    PPMID_IMAGE,
    SUPPLIER,
    outcome,
    with_device_mac,
)
from tests.hub_support import FullDisk, Lab, lab, submission, virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hanota.duis.response import Response
    from hanota.hub.ports import RadioListener
    from tests.hub_support import FakeDevice, FakeRadio

PPMID_ID, HCALCS_ID = PPMID.eui64, HCALCS.eui64
ADDRESSED = (ServiceUser(SUPPLIER.eui64, answer_url="http://supplier.example/answers"),)
TOMORROW = datetime.fromtimestamp(EPOCH + 86_400, UTC)


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[Lab]:
    """Run a hub and a DCC on a file until the power is cut."""
    with closing(SqliteStore(path)) as store:
        async with lab(store=store, users=ADDRESSED) as made:
            yield made


def sent(made: Lab) -> list[Response]:
    return [parse_response(each.document) for each in made.dcc_store.outgoing(SUPPLIER.eui64, 100)]


def version_read(command: bytes) -> Message:
    payload = ReadFirmwareVersionResponse(firmware_version=b"\1\0\0\1", response_code=0)
    return with_device_mac(read_firmware_version_response(Message.decode(command), payload), HCALCS)


async def connected(made: Lab, device: FakeDevice) -> None:
    """Have a device of a hub that was stopped come back to this one."""
    made.adopt(device)
    device.reboot()
    await asyncio.sleep(1)


@virtual
async def test_a_command_that_was_not_delivered_is_sent_again_after_a_restart(path: Path) -> None:
    async with running(path) as made:
        request_id = made.request_id(HCALCS_ID)
        _ = made.read_version(HCALCS_ID, request_id)
        (before,) = made.dcc_store.commands()
        assert before.state is CommandState.SENT
    async with running(path) as made:
        device = await made.joined(HCALCS, JobKind.HCALCS)
        assert device.messages == [before.octets]
        device.say(version_read(before.octets))
        await asyncio.sleep(1)
        (response,) = sent(made)
        assert (response.response_code, response.request_id) == ("I0", request_id)
        assert made.dcc_store.commands() == []
    async with running(path) as made:
        await connected(made, device)
        assert len(device.messages) == 1


@virtual
async def test_a_command_that_was_delivered_is_only_waited_for_after_a_restart(path: Path) -> None:
    async with running(path) as made:
        device = await made.joined(HCALCS, JobKind.HCALCS)
        _ = made.read_version(HCALCS_ID)
        await asyncio.sleep(1)
        (command,) = made.dcc_store.commands()
        assert command.state is CommandState.DELIVERED
    async with running(path) as made:
        await connected(made, device)
        await asyncio.sleep(60)
        assert device.messages == [command.octets]
        device.say(version_read(command.octets))
        await asyncio.sleep(1)
        assert [each.response_code for each in sent(made)] == ["I0"]


@virtual
async def test_a_response_that_comes_while_the_hub_starts_is_believed(path: Path) -> None:
    async with running(path) as made:
        await made.joined(HCALCS, JobKind.HCALCS)
        _ = made.read_version(HCALCS_ID)
        await asyncio.sleep(1)
        (command,) = made.dcc_store.commands()

    def prepare(radio: FakeRadio) -> None:
        radio.while_starting = answer

    def answer(listener: RadioListener) -> None:
        assert isinstance(listener, Hub)
        listener._message_received(HCALCS_ID, version_read(command.octets).encode())

    with closing(SqliteStore(path)) as store:
        async with lab(store=store, users=ADDRESSED, prepare=prepare) as made:
            assert [each.response_code for each in sent(made)] == ["I0"]
            assert made.dcc_store.commands() == []


@virtual
async def test_the_time_for_a_response_goes_on_over_a_restart(path: Path) -> None:
    async with running(path) as made:
        await made.joined(HCALCS, JobKind.HCALCS)
        _ = made.read_version(HCALCS_ID)
        await asyncio.sleep(500)
        began = made.clock.now()
    async with running(path) as made:
        assert made.clock.now() == began
        await asyncio.sleep(99)
        assert sent(made) == []
        await asyncio.sleep(2)
        assert [each.response_code for each in sent(made)] == ["E21"]
    async with running(path) as made:
        await asyncio.sleep(1000)
        assert len(sent(made)) == 1


@virtual
async def test_a_pre_command_can_be_returned_signed_after_a_restart(path: Path) -> None:
    async with running(path) as made:
        request_id, pre_command = made.pre_command()
    async with running(path) as made:
        device = await made.joined(HCALCS, JobKind.HCALCS)
        _ = made.send_signed(request_id, sign(pre_command, SUPPLIER.signing_key).encode())
        await asyncio.sleep(1)
        assert len(device.messages) == 1


@virtual
async def test_a_signed_pre_command_is_passed_on_once_whatever_is_restarted_between(path: Path) -> None:
    async with running(path) as made:
        request_id, pre_command = made.pre_command()
    request = SignedPreCommand(request_id, sign(pre_command, SUPPLIER.signing_key).encode())
    async with running(path) as made:
        first = made.dcc.receive(submission(request))
        assert first.response.response_code == "I99"
    async with running(path) as made:
        again = made.dcc.receive(submission(request))
        assert (again.repeated, again.document) == (True, first.document)
        device = await made.joined(HCALCS, JobKind.HCALCS)
        assert len(device.messages) == 1
        device.say(outcome(device.messages[0]))
        await asyncio.sleep(1)
        assert made.dcc.receive(submission(request)).document == first.document
        assert len(device.messages) == 1
        assert [each.response_code for each in sent(made)] == ["I0"]


@virtual
async def test_a_future_dated_command_ends_by_its_alert_after_a_restart(path: Path) -> None:
    async with running(path) as made:
        device = await made.held()
        _ = made.activate(TOMORROW)
        await asyncio.sleep(1)
        command = Message.decode(device.messages[-1])
        accepted = activate_firmware_response(command, CommandAccepted(), EPOCH)
        device.say(sign(accepted, HCALCS.signing_key))
        await asyncio.sleep(1)
    async with running(path) as made:
        await connected(made, device)
        await asyncio.sleep(86_400)
        assert len(device.messages) == 1
        done = ExecutionOutcome(
            activate_image_response_code=0, firmware_version=NEW_VERSION.to_bytes(4, "big")
        )
        device.say(sign(future_dated_alert(command, 1, done), HCALCS.signing_key))
        await asyncio.sleep(1)
        assert made.state(HCALCS_ID) == "activated"
        body = sent(made)[-1].body
        assert isinstance(body.content, FutureDatedDeviceAlertMessage)  # type: ignore[union-attr]
        assert made.dcc_store.commands() == []


@virtual
async def test_documents_wait_over_a_restart_in_their_order(path: Path) -> None:
    async with running(path) as made:
        await made.told_to_activate()
        before = made.dcc_store.outgoing(SUPPLIER.eui64, 100)
        assert len(before) == 2
        made.dcc_store.not_delivered(before[0].seq, 3, EPOCH + 500)
    async with running(path) as made:
        first, second = made.dcc_store.outgoing(SUPPLIER.eui64, 100)
        assert (first.document, first.attempts, first.next_attempt) == (before[0].document, 3, EPOCH + 500)
        assert second == before[1]
        assert made.dcc_store.outgoing(SUPPLIER.eui64) == [first]
        assert made.dcc_store.outgoing_users() == [SUPPLIER.eui64]
        made.dcc_store.delivered(first.seq)
        made.dcc_store.give_up(second.seq)
        assert made.dcc_store.outgoing_users() == []
        assert made.dcc_store.outgoing_count() == 0


@pytest.mark.parametrize("failing", ["COMMIT", "INSERT INTO handled_request", "INSERT INTO job"])
@virtual
async def test_an_update_the_store_cannot_keep_is_not_begun_and_may_come_again(failing: str) -> None:
    with closing(FullDisk()) as store:
        async with lab(store=store, users=ADDRESSED) as made:
            await made.joined(PPMID, JobKind.PPMID)
            request = UpdatePpmidFirmware(made.request_id(), PPMID_IMAGE.data, "01000001", (PPMID_ID,))
            store.failing = failing
            with pytest.raises(StoreError):
                made.dcc.receive(submission(request))
            store.failing = None
            await asyncio.sleep(60)
            assert made.radio.to(PPMID_ID, ClusterId.OTA_UPGRADE) == []
            assert made.of(EventKind.REQUEST_RECEIVED) == made.of(EventKind.JOB_STATE) == []
            assert made.dcc_store.outgoing_count() == 0
            answer = made.dcc.receive(submission(request))
            assert (answer.response.response_code, answer.repeated) == ("I99", False)
            await asyncio.sleep(60)
            assert made.state(PPMID_ID) == "activating"


@pytest.mark.parametrize("failing", ["COMMIT", "INSERT INTO handled_request", "INSERT INTO command"])
@virtual
async def test_a_command_the_store_cannot_keep_is_not_sent_and_may_come_again(failing: str) -> None:
    with closing(FullDisk()) as store:
        async with lab(store=store, users=ADDRESSED) as made:
            device = await made.joined(HCALCS, JobKind.HCALCS)
            request = ReadFirmwareVersion(made.request_id(HCALCS_ID))
            store.failing = failing
            with pytest.raises(StoreError):
                made.dcc.receive(submission(request))
            store.failing = None
            await asyncio.sleep(1000)
            assert device.messages == []
            assert made.dcc.receive(submission(request)).response.response_code == "I99"
            await asyncio.sleep(1)
            assert len(device.messages) == 1


@virtual
async def test_a_time_out_the_store_cannot_keep_is_told_once_it_can() -> None:
    with closing(FullDisk()) as store:
        async with lab(store=store, users=ADDRESSED) as made:
            await made.joined(HCALCS, JobKind.HCALCS)
            response = made.read_version(HCALCS_ID)
            await asyncio.sleep(599)
            store.failing = "DELETE FROM command"
            await asyncio.sleep(100)
            assert not response.done()
            store.failing = None
            with pytest.raises(NoResponseError):
                await response
            assert [each.response_code for each in sent(made)] == ["E21"]


@virtual
async def test_a_response_the_store_cannot_keep_leaves_the_command_waiting() -> None:
    with closing(FullDisk()) as store:
        async with lab(store=store, users=ADDRESSED) as made:
            device = await made.joined(HCALCS, JobKind.HCALCS)
            response = made.read_version(HCALCS_ID)
            await asyncio.sleep(1)
            store.failing = "INSERT INTO outgoing"
            device.say(version_read(device.messages[0]))
            await asyncio.sleep(1)
            assert not response.done()
            assert made.of(EventKind.RESPONSE_RETURNED) == []
            store.failing = None
            device.say(version_read(device.messages[0]))
            await response
            assert [each.response_code for each in sent(made)] == ["I0"]


@virtual
async def test_a_rejection_is_kept_over_a_restart_and_one_that_may_be_repeated_is_not(path: Path) -> None:
    async with running(path) as made:
        bad = UpdatePpmidFirmware(made.request_id(), b"no image", "01000001", (PPMID_ID,))
        first = made.dcc.receive(submission(bad))
        assert first.response.response_code == "E110401"
        made.counter += 1
        full = ReadFirmwareVersion(made.request_id(HCALCS_ID))
        made.dcc._exchange._settings = type(made.dcc._exchange._settings)(waiting=0)
        assert made.dcc.receive(submission(full)).response.response_code == codes.NOT_NOW
    async with running(path) as made:
        again = made.dcc.receive(submission(bad))
        assert (again.document, again.repeated) == (first.document, True)
        assert made.dcc.receive(submission(full)).response.response_code == "I99"


@virtual
async def test_the_counter_of_request_ids_goes_on_over_a_restart(path: Path) -> None:
    async with running(path) as made:
        used = made.dcc.next_request_id(HCALCS_ID)
        _ = made.read_version(HCALCS_ID, used)
    async with running(path) as made:
        following = made.dcc.next_request_id(HCALCS_ID)
        assert following.counter == used.counter + 1
        made.counter = used.counter - 2
        with pytest.raises(RequestRejectedError, match="is not higher than"):
            made.pre_command()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hub.sqlite"
