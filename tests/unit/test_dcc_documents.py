"""What a service user with an answer address is sent: every response and alert, each as a signed document."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hanota.dcc import codes
from hanota.dcc.errors import RequestRejectedError
from hanota.dcc.exchange import ExchangeSettings
from hanota.dcc.outbox import OutboxSettings
from hanota.dcc.service_users import ServiceUser
from hanota.dcc.settings import DccSettings
from hanota.duis.certificates import SigningCertificates
from hanota.duis.dcc_alert import (
    ActivateImageResultCode,
    CommsHubAlert,
    CommsHubTransferStatus,
    CspFirmwareDeliveryStatus,
    PpmidAlert,
    TransferResponseCode,
)
from hanota.duis.parse_response import parse_response
from hanota.duis.request import CANCELLATION, RequestId, UpdatePpmidFirmware
from hanota.duis.response import (
    DccAlertMessage,
    DeviceAlertMessage,
    FutureDatedAlertCode,
    FutureDatedDeviceAlertMessage,
    GbcsPayload,
    ResponseMessage,
)
from hanota.duis.schema import Schema
from hanota.duis.signature import verify_document
from hanota.gbcs.activate_firmware import (
    ActivateImageResponseCode,
    CommandAccepted,
    ExecutionOutcome,
    activate_firmware_response,
    future_dated_alert,
)
from hanota.gbcs.crypto import sign
from hanota.gbcs.message import Cra, Message
from hanota.gbcs.meter_alerts import alert_code
from hanota.gbcs.read_firmware_version import ReadFirmwareVersionResponse, read_firmware_version_response
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from tests.hub_parties_support import (
    BROKER,
    EPOCH,
    HCALCS,
    HUB,
    NEW_VERSION,
    OTHER_SUPPLIER,
    PPMID,
    PPMID_IMAGE,
    SUPPLIER,
    activation_alert,
    outcome,
    with_device_mac,
)
from tests.hub_support import Lab, lab, submission, virtual

if TYPE_CHECKING:
    from hanota.duis.response import Response

SCHEMA = Path(__file__).parents[3] / "shared" / "vectors" / "duis" / "schema" / "DUIS Schema V5.4.xsd"
PPMID_ID, HCALCS_ID = PPMID.eui64, HCALCS.eui64
ADDRESSED = (ServiceUser(SUPPLIER.eui64, answer_url="http://supplier.example/answers"),)
KNOWN = SigningCertificates([BROKER.signing_certificate])
TOMORROW = datetime.fromtimestamp(EPOCH + 86_400, UTC)


def documents(made: Lab) -> list[bytes]:
    """Return what waits for the supplier, oldest first."""
    return [each.document for each in made.dcc_store.outgoing(SUPPLIER.eui64, 100)]


def sent(made: Lab) -> list[Response]:
    return [parse_response(document) for document in documents(made)]


def alerts(made: Lab) -> list[object]:
    return [each.body.alert for each in sent(made) if isinstance(each.body, DccAlertMessage)]


def last(made: Lab) -> Response:
    return sent(made)[-1]


async def accepted(made: Lab, when: datetime) -> Message:
    """Have the HCALCS accept a future dated command, and return that."""
    device = await made.held()
    _ = made.activate(when)
    await asyncio.sleep(1)
    command = Message.decode(device.messages[-1])
    device.say(sign(activate_firmware_response(command, CommandAccepted(), EPOCH), HCALCS.signing_key))
    await asyncio.sleep(1)
    return command


@virtual
async def test_an_update_of_a_ppmid_is_told_by_three_alerts_in_order() -> None:
    async with lab(users=ADDRESSED) as made:
        device = await made.told_to_activate()
        device.say(activation_alert())
        await asyncio.sleep(1)
        request_id = RequestId.parse(made.job(PPMID_ID).request_id)
        delivered, transferred, activated = alerts(made)
        assert isinstance(delivered, CspFirmwareDeliveryStatus)
        assert delivered.dcc_alert_code == "N60"
        assert (delivered.update_firmware_request_id, delivered.comms_hub_device_id) == (
            request_id,
            HUB.eui64,
        )
        assert delivered.target_device_id == PPMID_ID
        assert isinstance(transferred, CommsHubAlert)
        assert transferred.firmware_transfer_alert is not None
        assert transferred.firmware_transfer_alert.update_firmware_request_id == request_id
        assert transferred.firmware_transfer_alert.other_device_id == PPMID_ID
        code = transferred.firmware_transfer_alert.transfer_response_code
        assert code is TransferResponseCode.FILE_TRANSFER_SUCCESS
        assert isinstance(activated, PpmidAlert)
        assert activated.device_id == PPMID_ID
        upgrade = activated.ppmid_firmware_upgrade_alert
        assert upgrade is not None
        assert upgrade.firmware_version == "01000001"
        assert upgrade.activate_image_result_code is ActivateImageResultCode.ACTIVATION_SUCCESS


@virtual
async def test_an_alert_of_the_dcc_has_a_response_id_of_its_own() -> None:
    async with lab(users=ADDRESSED) as made:
        await made.told_to_activate()
        identities = [(each.request_id, each.response_id) for each in sent(made)]
        assert identities == [(None, RequestId(BROKER.eui64, SUPPLIER.eui64, counter)) for counter in (1, 2)]


@virtual
async def test_a_response_names_the_request_and_carries_the_devices_octets() -> None:
    async with lab(users=ADDRESSED) as made:
        device = await made.held()
        _ = made.activate()
        await asyncio.sleep(1)
        answer = outcome(device.messages[-1])
        device.say(answer)
        await asyncio.sleep(1)
        response = last(made)
        request_id = RequestId(SUPPLIER.eui64, HCALCS_ID, made.counter)
        assert (response.response_code, response.request_id) == ("I0", request_id)
        assert response.response_id == RequestId(HCALCS_ID, SUPPLIER.eui64, made.counter)
        assert response.body == ResponseMessage(
            response.body.service_reference,  # type: ignore[union-attr]
            GbcsPayload(answer.encode()),
        )


@virtual
async def test_a_future_dated_command_is_answered_twice_and_the_outcome_has_its_alert_code() -> None:
    async with lab(users=ADDRESSED) as made:
        command = await accepted(made, TOMORROW)
        assert last(made).body.content == GbcsPayload(  # type: ignore[union-attr]
            sign(activate_firmware_response(command, CommandAccepted(), EPOCH), HCALCS.signing_key).encode()
        )
        done = ExecutionOutcome(
            activate_image_response_code=ActivateImageResponseCode.SUCCESS,
            firmware_version=NEW_VERSION.to_bytes(4, "big"),
        )
        alert = sign(future_dated_alert(command, 7, done), HCALCS.signing_key).encode()
        made.radio.devices[HCALCS_ID].say(alert)
        await asyncio.sleep(1)
        response = last(made)
        assert response.request_id == RequestId(SUPPLIER.eui64, HCALCS_ID, command.originator_counter)
        assert response.body.content == FutureDatedDeviceAlertMessage(  # type: ignore[union-attr]
            FutureDatedAlertCode.ACTIONED, alert
        )
        assert made.dcc_store.commands() == []


@virtual
async def test_a_future_dated_command_without_an_outcome_times_out_with_e30() -> None:
    settings = DccSettings(exchange=ExchangeSettings(future_dated_timeout=3600))
    async with lab(users=ADDRESSED, dcc_settings=settings) as made:
        await accepted(made, TOMORROW)
        waiting = len(documents(made))
        await asyncio.sleep(86_400)
        assert len(documents(made)) == waiting
        await asyncio.sleep(3600)
        assert last(made).response_code == codes.FUTURE_DATED_TIMEOUT == "E30"
        assert made.dcc_store.commands() == []


@virtual
async def test_a_cancelled_future_dated_command_never_times_out() -> None:
    async with lab(users=ADDRESSED) as made:
        await accepted(made, TOMORROW)
        _ = made.activate(CANCELLATION)
        await asyncio.sleep(1)
        device = made.radio.devices[HCALCS_ID]
        command = Message.decode(device.messages[-1])
        device.say(sign(activate_firmware_response(command, CommandAccepted(), EPOCH), HCALCS.signing_key))
        await asyncio.sleep(1)
        assert made.dcc_store.commands() == []
        waiting = len(documents(made))
        await asyncio.sleep(10 * 86_400)
        assert len(documents(made)) == waiting


@virtual
async def test_a_later_future_dated_command_takes_the_place_of_an_earlier_one() -> None:
    async with lab(users=ADDRESSED) as made:
        await accepted(made, TOMORROW)
        _ = made.activate(TOMORROW.replace(year=TOMORROW.year + 1))
        await asyncio.sleep(1)
        device = made.radio.devices[HCALCS_ID]
        later = Message.decode(device.messages[-1])
        device.say(sign(activate_firmware_response(later, CommandAccepted(), EPOCH), HCALCS.signing_key))
        await asyncio.sleep(1)
        (waiting,) = made.dcc_store.commands()
        assert waiting.octets == later.encode()


@virtual
async def test_silence_is_told_with_e21_and_a_message_that_cannot_be_delivered_with_e20() -> None:
    async with lab(users=ADDRESSED) as made:
        await made.joined(HCALCS, JobKind.HCALCS)
        _ = made.read_version(HCALCS_ID)
        await asyncio.sleep(601)
        assert last(made).response_code == "E21"
        request_id = made.request_id(PPMID_ID)
        _ = made.read_version(PPMID_ID, request_id)
        (command,) = made.dcc_store.commands()
        made.dcc.message_undelivered(PPMID_ID, command.octets, "no tunnel")
        assert (last(made).response_code, last(made).request_id) == ("E20", request_id)
        assert made.dcc_store.commands() == []


@virtual
async def test_another_alert_of_a_device_is_passed_on_with_its_alert_code() -> None:
    async with lab(users=ADDRESSED) as made:
        device = await made.joined(HCALCS, JobKind.HCALCS)
        alert = replace(activation_alert(by=HCALCS), recipient=SUPPLIER.eui64, message_code=0x1000)
        octets = sign(replace(alert, signature=None), HCALCS.signing_key).encode()
        device.say(octets)
        await asyncio.sleep(1)
        response = last(made)
        assert response.body == DeviceAlertMessage(0x8F8B, octets)
        assert response.response_id == RequestId(HCALCS_ID, SUPPLIER.eui64, 1)


@virtual
async def test_a_command_a_device_does_not_support_is_told_to_the_user_it_was_sent_for() -> None:
    payload = "0f 20000001 00 0203 12 8f85 090c 07df0101ff000000008000ff 090a 0129 0000000000000005"
    async with lab(users=ADDRESSED) as made:
        device = await made.joined(PPMID, JobKind.PPMID)
        alert = Message(
            cra=Cra.ALERT,
            originator_counter=1,
            originator=PPMID_ID,
            recipient=BROKER.eui64,
            message_code=0x0120,
            supplementary_remote_party=SUPPLIER.eui64,
            supplementary_remote_party_counter=5,
            payload=bytes.fromhex(payload),
        )
        octets = sign(alert, PPMID.signing_key).encode()
        before = len(sent(made))
        device.say(octets)
        await asyncio.sleep(1)
        assert [response.body for response in sent(made)[before:]] == [DeviceAlertMessage(0x8F85, octets)]


@virtual
async def test_a_user_without_an_answer_address_is_kept_no_documents() -> None:
    for users in (
        (),
        (ServiceUser(SUPPLIER.eui64),),
        (ServiceUser(OTHER_SUPPLIER.eui64, answer_url="http://x"),),
    ):
        async with lab(users=users) as made:
            await made.told_to_activate()
            assert made.dcc_store.outgoing_count() == 0
            delivered, transferred = made.of(EventKind.DCC_ALERT)
            assert (delivered.detail["dcc_alert_code"], transferred.detail["dcc_alert_code"]) == (
                "N60",
                "N62",
            )
            assert "alert_code" not in delivered.detail  # of GBCS: the DCC says this by itself
            assert transferred.detail["alert_code"] == "8F8A"


@virtual
async def test_more_than_may_wait_for_a_user_has_its_requests_refused_and_nothing_lost() -> None:
    settings = DccSettings(outbox=OutboxSettings(documents_waiting=2))
    async with lab(users=ADDRESSED, dcc_settings=settings) as made:
        device = await made.joined(HCALCS, JobKind.HCALCS)
        first = made.request_id(HCALCS_ID)
        _ = made.read_version(HCALCS_ID, first)
        _ = made.read_version(HCALCS_ID)
        third = made.read_version(HCALCS_ID)
        await asyncio.sleep(1)
        for octets in device.messages:
            payload = ReadFirmwareVersionResponse(firmware_version=bytes(4), response_code=0)
            answer = read_firmware_version_response(Message.decode(octets), payload)
            device.say(with_device_mac(answer, HCALCS))
        await third
        assert len(documents(made)) == 3
        request_id = made.request_id(HCALCS_ID)
        with pytest.raises(RequestRejectedError, match="3 documents wait") as caught:
            _ = made.read_version(HCALCS_ID, request_id)
        assert caught.value.code == codes.NOT_NOW
        for outgoing in made.dcc_store.outgoing(SUPPLIER.eui64, 2):
            made.dcc_store.delivered(outgoing.seq)
        _ = made.read_version(HCALCS_ID, request_id)


@virtual
async def test_attack_flood_of_alerts_is_bounded_and_what_is_dropped_is_told() -> None:
    settings = DccSettings(outbox=OutboxSettings(documents_waiting=1, alerts_waiting=2))
    async with lab(users=ADDRESSED, dcc_settings=settings) as made:
        device = await made.told_to_activate()
        for counter in (1, 2, 3):
            device.say(activation_alert(counter))
        await asyncio.sleep(1)
        assert len(documents(made)) == 2
        dropped = made.of(EventKind.DOCUMENT_GIVEN_UP)
        assert [event.detail["service_user"] for event in dropped] == [str(SUPPLIER.eui64)] * 3


@virtual
async def test_an_image_the_hub_has_no_room_for_is_accepted_by_the_dcc_and_told_with_n61() -> None:
    async with lab(users=ADDRESSED) as made:
        small = replace(made.hub.library._settings, library_octets=10)
        made.hub.library._settings = small
        request = UpdatePpmidFirmware(made.request_id(), PPMID_IMAGE.data, "01000001", (PPMID_ID,))
        answer = made.dcc.receive(submission(request))
        assert (answer.response.response_code, answer.jobs) == ("I99", ())
        (alert,) = alerts(made)
        assert isinstance(alert, CspFirmwareDeliveryStatus)
        assert alert.comms_hub_transfer_status is CommsHubTransferStatus.FAILURE
        assert alert.dcc_alert_code == "N61"
        assert made.store.jobs() == []
        with pytest.raises(RequestRejectedError, match="do not fit"):
            made.update(JobKind.PPMID, PPMID_ID)


@pytest.mark.skipif(not SCHEMA.is_file(), reason="../shared/vectors is not there")
@virtual
async def test_every_document_is_valid_by_the_schema_and_signed_by_the_dcc() -> None:
    schema = Schema(SCHEMA)
    async with lab(users=ADDRESSED) as made:
        ppmid = await made.told_to_activate()
        ppmid.say(activation_alert())
        command = await accepted(made, TOMORROW)
        done = ExecutionOutcome(activate_image_response_code=2, firmware_version=bytes(4))
        made.radio.devices[HCALCS_ID].say(sign(future_dated_alert(command, 7, done), HCALCS.signing_key))
        await asyncio.sleep(1)
        _ = made.read_version(HCALCS_ID)
        await asyncio.sleep(601)
        other = replace(activation_alert(9), message_code=0x1000, signature=None)
        made.dcc.message_received(PPMID_ID, sign(other, PPMID.signing_key).encode())
        found = documents(made)
        assert len(found) == 9
        for document in found:
            schema.check(document)
            assert verify_document(document, KNOWN, now=made.clock.now()).signer.eui64 == BROKER.eui64


@pytest.mark.parametrize(
    ("message_code", "payload", "code"),
    [
        (0x1000, "3005 0203 008f8b", 0x8F8B),
        (0x1001, "308105 0203 008f12", 0x8F12),
        (0x1000, "3004 0202 7f12", 0x7F12),
        (0x00CE, "0f 20000001 00 0203 12 8f72 090c", 0x8F72),
        (0x00CF, "0109 01 8f1c 1c377f80", 0x8F1C),
        (0x0120, "0f 200007d0 00 0203 12 8f85 090c", 0x8F85),
        (0x0121, "0f 200007d0 00 0206 12 8f86 090c", 0x8F86),
        (0x00CF, "0109 01 8f", None),
        (0x1000, "0500", None),
        (0x1000, "", None),
    ],
)
def test_the_alert_code_is_found_where_each_encoding_has_it(
    message_code: int, payload: str, code: int | None
) -> None:
    message = replace(
        activation_alert(), message_code=message_code, payload=bytes.fromhex(payload), signature=None
    )
    assert alert_code(message) == code
