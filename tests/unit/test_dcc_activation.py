"""CS06 from Pre-Command to outcome, and what each outcome makes of the job."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from hanota.dcc.broker import BrokerSettings
from hanota.dcc.errors import NoResponseError, RequestRejectedError
from hanota.dcc.exchange import ExchangeSettings
from hanota.dcc.settings import DccSettings
from hanota.duis.request import CANCELLATION
from hanota.gbcs.activate_firmware import (
    ActivateImageResponseCode,
    CommandAccepted,
    ExecutionOutcome,
    activate_firmware_response,
    decode_command,
    future_dated_alert,
)
from hanota.gbcs.alerts import ActivateImageResult
from hanota.gbcs.crypto import mac, shared_secret, sign, verify_mac, verify_signature
from hanota.gbcs.message import Message, Shape
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from tests.hub_parties_support import (
    BROKER,
    EPOCH,
    HCALCS,
    HCALCS_IMAGE,
    NEW_VERSION,
    OLD_VERSION,
    PPMID,
    SUPPLIER,
    activation_alert,
    outcome,
)
from tests.hub_support import lab, virtual

if TYPE_CHECKING:
    from tests.hub_support import FakeDevice, Lab

Code = ActivateImageResponseCode
PPMID_ID, HCALCS_ID = PPMID.eui64, HCALCS.eui64
TOMORROW = datetime.fromtimestamp(EPOCH + 86_400, UTC)


async def commanded(
    made: Lab, when: datetime | None = None
) -> tuple[FakeDevice, asyncio.Future[Message], Message]:
    """Return a held HCALCS that was sent CS06, what gives its response, and the command it got."""
    device = await made.held()
    response = made.activate(when)
    await asyncio.sleep(1)
    return device, response, Message.decode(device.messages[-1])


async def answer(made: Lab, device: FakeDevice, message: Message) -> None:
    device.say(message)
    await asyncio.sleep(1)


def accepted(command: Message) -> Message:
    return sign(activate_firmware_response(command, CommandAccepted(), EPOCH), HCALCS.signing_key)


def executed(command: Message, code: Code, version: int, counter: int = 1) -> Message:
    result = ExecutionOutcome(activate_image_response_code=code, firmware_version=version.to_bytes(4, "big"))
    return sign(future_dated_alert(command, counter, result), HCALCS.signing_key)


@virtual
async def test_the_command_the_device_gets_is_pre_command_signature_and_mac_octet_for_octet() -> None:
    async with lab() as made:
        device = await made.held()
        request_id, pre_command = made.pre_command()
        assert pre_command.shape is Shape.PRE_COMMAND
        assert (pre_command.originator, pre_command.recipient) == (SUPPLIER.eui64, HCALCS_ID)
        payload = decode_command(pre_command.payload)
        assert payload.manufacturer_image_hash == HCALCS_IMAGE.manufacturer_image_hash
        assert payload.originator_counter == pre_command.originator_counter == request_id.counter
        signed = sign(pre_command, SUPPLIER.signing_key).encode()
        _ = made.send_signed(request_id, signed)
        await asyncio.sleep(1)
        (octets,) = device.messages
        assert signed[: len(pre_command.encode())] == pre_command.encode()
        head = (
            bytes.fromhex("dd 000000000000 81") + bytes((5 + len(signed) + 12,)) + bytes.fromhex("1100000000")
        )
        assert octets[:-12] == head + signed
        command = Message.decode(octets)
        secret = shared_secret(HCALCS.agreement_key, BROKER.agreement_certificate.public_key)
        assert octets[-12:] == mac(command, secret)
        verify_signature(command, SUPPLIER.signing_certificate.public_key)
        verify_mac(command, HCALCS.agreement_key, BROKER.agreement_certificate.public_key)


@virtual
async def test_success_with_the_version_of_the_job_activates_it() -> None:
    async with lab() as made:
        device, response, command = await commanded(made)
        assert made.state(HCALCS_ID) == "activating"
        await answer(made, device, outcome(command))
        assert await response == outcome(command)
        assert made.state(HCALCS_ID) == "activated"
        (returned,) = made.of(EventKind.RESPONSE_RETURNED)
        assert (returned.detail["outcome"], returned.detail["firmware_version"]) == ("success", "01000001")
        (received,) = made.of(EventKind.GBCS_RECEIVED, HCALCS_ID)
        assert received.detail["verified"] == "signature"


@virtual
async def test_success_with_another_version_is_a_failure() -> None:
    async with lab() as made:
        device, _, command = await commanded(made)
        await answer(made, device, outcome(command, version=OLD_VERSION))
        job = made.job(HCALCS_ID)
        assert (job.state, job.reason) == ("failed", "the device reports success but runs 01000000")


@pytest.mark.parametrize("code", [Code.NO_IMAGE_HELD, Code.ACTIVATION_FAILURE])
@virtual
async def test_a_device_that_cannot_activate_fails_the_job(code: Code) -> None:
    async with lab() as made:
        device, response, command = await commanded(made)
        await answer(made, device, outcome(command, code, OLD_VERSION))
        job = made.job(HCALCS_ID)
        assert (job.state, job.reason) == ("failed", f"CS06 outcome {code.name.lower()}")
        assert (await response).payload == outcome(command, code, OLD_VERSION).payload


@virtual
async def test_a_wrong_hash_leaves_the_image_held_and_a_later_right_one_activates_it() -> None:
    async with lab() as made:
        device, _, command = await commanded(made)
        await answer(made, device, outcome(command, Code.HASH_MISMATCH, OLD_VERSION))
        assert made.state(HCALCS_ID) == "held"
        _ = made.activate()
        await asyncio.sleep(1)
        assert made.state(HCALCS_ID) == "activating"
        await answer(made, device, outcome(device.messages[-1]))
        assert made.state(HCALCS_ID) == "activated"


@virtual
async def test_a_future_dated_command_is_accepted_and_ends_by_its_alert() -> None:
    async with lab() as made:
        device, response, command = await commanded(made, TOMORROW)
        when = decode_command(command.payload).execution_date_time
        assert when is not None
        assert when.as_datetime() == TOMORROW
        await answer(made, device, accepted(command))
        assert (await response).payload == b"\x05\x00"
        assert made.state(HCALCS_ID) == "activating"
        await asyncio.sleep(86_400)
        await answer(made, device, executed(command, Code.SUCCESS, NEW_VERSION))
        assert made.state(HCALCS_ID) == "activated"
        (alert,) = made.of(EventKind.DEVICE_ALERT)
        assert (alert.detail["alert_code"], alert.detail["outcome"]) == ("8F66", "success")
        assert alert.detail["firmware_version"] == "01000001"


@pytest.mark.parametrize(
    ("code", "state"), [(Code.HASH_MISMATCH, "held"), (Code.ACTIVATION_FAILURE, "failed")]
)
@virtual
async def test_a_future_dated_command_that_is_not_actioned_is_told_with_8f67(code: Code, state: str) -> None:
    async with lab() as made:
        device, _, command = await commanded(made, TOMORROW)
        await answer(made, device, accepted(command))
        await answer(made, device, executed(command, code, OLD_VERSION))
        assert made.state(HCALCS_ID) == state
        (alert,) = made.of(EventKind.DEVICE_ALERT)
        assert (alert.detail["alert_code"], alert.detail["outcome"]) == ("8F67", code.name.lower())


@virtual
async def test_a_cancellation_is_sent_as_gbcs_writes_it_and_the_image_is_held_again() -> None:
    async with lab() as made:
        device, _, command = await commanded(made, TOMORROW)
        await answer(made, device, accepted(command))
        response = made.activate(CANCELLATION)
        await asyncio.sleep(1)
        cancellation = Message.decode(device.messages[-1])
        assert cancellation.payload.endswith(b"\x18\x0f99991231235959Z")
        await answer(made, device, accepted(cancellation))
        assert (await response).payload == b"\x05\x00"
        assert made.state(HCALCS_ID) == "held"
        assert "cancelled" in str(made.of(EventKind.RESPONSE_RETURNED)[-1].detail["outcome"])


@virtual
async def test_no_response_in_time_leaves_the_job_where_a_later_command_can_take_it() -> None:
    async with lab(dcc_settings=DccSettings(exchange=ExchangeSettings(response_timeout=60))) as made:
        device, response, _ = await commanded(made)
        with pytest.raises(NoResponseError, match="did not answer CS06") as caught:
            await response
        assert "stays silent" in str(caught.value.hint)
        assert made.state(HCALCS_ID) == "activating"
        (returned,) = made.of(EventKind.RESPONSE_RETURNED)
        assert str(returned.detail["outcome"]).startswith("no response")
        _ = made.activate()
        await asyncio.sleep(1)
        await answer(made, device, outcome(device.messages[-1]))
        assert made.state(HCALCS_ID) == "activated"


@virtual
async def test_more_commands_than_may_wait_use_up_neither_pre_command_nor_counter() -> None:
    async with lab(dcc_settings=DccSettings(exchange=ExchangeSettings(waiting=1))) as made:
        device, _, first = await commanded(made)
        request_id, pre_command = made.pre_command()
        signed = sign(pre_command, SUPPLIER.signing_key).encode()
        with pytest.raises(RequestRejectedError, match="1 commands are waiting"):
            _ = made.send_signed(request_id, signed)
        assert made.of(EventKind.REQUEST_REJECTED)
        await answer(made, device, outcome(first, Code.HASH_MISMATCH, OLD_VERSION))
        _ = made.send_signed(request_id, signed)
        await asyncio.sleep(1)
        assert len(device.messages) == 2
        assert made.state(HCALCS_ID) == "activating"


@virtual
async def test_the_oldest_pre_command_is_forgotten_when_too_many_wait_to_be_signed() -> None:
    async with lab(dcc_settings=DccSettings(broker=BrokerSettings(pre_commands_waiting=2))) as made:
        await made.held()
        waiting = [made.pre_command() for _ in range(3)]
        request_id, oldest = waiting[0]
        with pytest.raises(RequestRejectedError, match="no Pre-Command with these octets"):
            _ = made.send_signed(request_id, sign(oldest, SUPPLIER.signing_key).encode())
        for request_id, pre_command in waiting[1:]:
            _ = made.send_signed(request_id, sign(pre_command, SUPPLIER.signing_key).encode())


@virtual
async def test_a_command_for_a_device_without_image_is_carried_and_moves_no_job() -> None:
    async with lab() as made:
        device = await made.joined(HCALCS, JobKind.HCALCS)
        response = made.activate()
        await asyncio.sleep(1)
        await answer(made, device, outcome(device.messages[-1], Code.NO_IMAGE_HELD, OLD_VERSION))
        await response
        assert made.store.jobs() == []
        assert made.of(EventKind.RESPONSE_RETURNED)[0].detail["outcome"] == "no_image_held"


@virtual
async def test_a_command_before_the_transfer_ended_does_not_end_the_transfer() -> None:
    async with lab() as made:
        device = made.device(HCALCS, JobKind.HCALCS)
        device.silent = True
        made.update(JobKind.HCALCS, HCALCS_ID)
        _ = made.activate()
        assert made.state(HCALCS_ID) == "notified"


@virtual
async def test_a_ppmid_whose_activation_failed_fails_the_job() -> None:
    async with lab() as made:
        device = await made.told_to_activate()
        failed = activation_alert(version=OLD_VERSION, result=ActivateImageResult.FAILURE)
        await answer(made, device, failed)
        job = made.job(PPMID_ID)
        assert (job.state, job.reason) == ("failed", "CS09: activation failed")
        alert = made.of(EventKind.DCC_ALERT)[-1]
        assert alert.detail == {
            "alert": "PPMIDAlert",
            "dcc_alert_code": "N39",
            "alert_code": "8F8B",
            "outcome": "ActivationFailure",
            "firmware_version": "01000000",
        }


@virtual
async def test_a_ppmid_that_reports_success_with_another_version_fails_the_job() -> None:
    async with lab() as made:
        device = await made.told_to_activate()
        await answer(made, device, activation_alert(version=NEW_VERSION + 1))
        job = made.job(PPMID_ID)
        assert (job.state, job.reason) == ("failed", "the device reports success but runs 01000002")
