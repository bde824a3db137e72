"""Service Requests as the gateway hands them over: each is answered, with which code, and what it leaves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hanota.dcc import codes
from hanota.dcc.device_record import DeviceRecord
from hanota.dcc.service_users import ServiceUser, UserRole
from hanota.dcc.services import Service
from hanota.duis.certificates import SigningCertificates
from hanota.duis.inventory import DeviceStatus, DeviceType
from hanota.duis.parse_response import parse_response
from hanota.duis.request import (
    ActivateFirmware,
    HanDeviceLogChange,
    ReadFirmwareVersion,
    ReadInventory,
    ServiceReference,
    SignedPreCommand,
    UpdateFirmware,
    UpdateHanDeviceLog,
    UpdatePpmidFirmware,
)
from hanota.duis.response import DspInventory, GbcsPayload, PreCommand, ResponseMessage
from hanota.duis.response_code import ResponseCode
from hanota.duis.schema import Schema
from hanota.duis.signature import verify_document
from hanota.gbcs.crypto import sign
from hanota.gbcs.message import Message, Shape
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from hanota.timestamps import utc
from tests.hub_parties_support import (
    BROKER,
    EPOCH,
    HCALCS,
    HCALCS_IMAGE,
    HUB,
    OTHER_SUPPLIER,
    PPMID,
    PPMID_IMAGE,
    STRANGER,
    SUPPLIER,
)
from tests.hub_support import lab, outcome_of, pre_command_of, submission, virtual

if TYPE_CHECKING:
    from hanota.dcc.submission import Answer
    from hanota.duis.request import RequestId, ServiceRequest
    from hanota.duis.response import ResponseContent
    from tests.hub_support import Lab

SCHEMA = Path(__file__).parents[3] / "shared" / "vectors" / "duis" / "schema" / "DUIS Schema V5.4.xsd"
PPMID_ID, HCALCS_ID, HUB_ID = PPMID.eui64, HCALCS.eui64, HUB.eui64
USERS = (
    ServiceUser(SUPPLIER.eui64, answer_url="http://supplier.example/answers"),
    ServiceUser(OTHER_SUPPLIER.eui64, frozenset({UserRole.OU})),
)
KNOWN = SigningCertificates([BROKER.signing_certificate])


def code(answer: Answer) -> str:
    return str(answer.response.response_code)


def content(answer: Answer) -> ResponseContent | None:
    assert isinstance(answer.response.body, ResponseMessage)
    return answer.response.body.content


def every_request(made: Lab) -> list[ServiceRequest]:
    """Return one request of every kind, each with a RequestID of its own."""
    activate = ActivateFirmware(made.request_id(HCALCS_ID), HCALCS_IMAGE.manufacturer_image_hash)
    pre_command = pre_command_of(made.dcc.receive(submission(activate)))
    return [
        SignedPreCommand(activate.request_id, sign(pre_command, SUPPLIER.signing_key).encode()),
        UpdatePpmidFirmware(made.request_id(), PPMID_IMAGE.data, "01000001", (PPMID_ID,)),
        UpdateFirmware(made.request_id(), HCALCS_IMAGE.data, "01000001", (HCALCS_ID, PPMID_ID)),
        ActivateFirmware(made.request_id(HCALCS_ID), bytes(32)),
        ReadFirmwareVersion(made.request_id(PPMID_ID)),
        ReadInventory(made.request_id(), HCALCS_ID),
        UpdateHanDeviceLog(made.request_id(HUB_ID), HCALCS_ID, HanDeviceLogChange.REMOVE),
    ]


@virtual
async def test_every_request_is_answered_by_a_document_that_says_what_the_answer_says() -> None:
    async with lab(users=USERS) as made:
        for request in every_request(made):
            answer = made.dcc.receive(submission(request))
            assert code(answer)[0] in "IW", request
            assert parse_response(answer.document) == answer.response
            assert answer.response.request_id == request.request_id
            assert answer.response.response_id is None
            signer = verify_document(answer.document, KNOWN, now=made.clock.now()).signer
            assert signer.eui64 == BROKER.eui64


@pytest.mark.skipif(not SCHEMA.is_file(), reason="../shared/vectors is not there")
@virtual
async def test_every_answer_is_valid_by_the_schema() -> None:
    schema = Schema(SCHEMA)
    async with lab(users=USERS) as made:
        for request in every_request(made):
            schema.check(made.dcc.receive(submission(request)).document)
            refused = replace(request, request_id=replace(request.request_id, originator=STRANGER.eui64))
            schema.check(made.dcc.receive(submission(refused)).document)
        refusal = made.dcc.refuse(
            ResponseCode.E12, "no such variant", made.request_id(), ServiceReference.READ_FIRMWARE_VERSION
        )
        schema.check(refusal)


@virtual
async def test_every_request_is_done_once_however_often_it_comes() -> None:
    async with lab(users=USERS) as made:
        for request in every_request(made):
            first = made.dcc.receive(submission(request))
            events = len(made.events)
            for _ in range(3):
                again = made.dcc.receive(submission(request))
                assert (again.document, again.repeated) == (first.document, True)
            assert len(made.events) == events


@virtual
async def test_another_request_under_the_same_request_id_is_refused_and_not_done() -> None:
    async with lab(users=USERS) as made:
        for request in every_request(made):
            made.dcc.receive(submission(request))
            events = len(made.events)
            refused = made.dcc.receive(submission(request, digest=bytes(32)))
            assert code(refused) == codes.REQUEST_ID_USED
            kinds = {event.kind for event in made.events[events:]}
            assert kinds <= {EventKind.REQUEST_RECEIVED, EventKind.REQUEST_REJECTED}


@virtual
async def test_attack_request_of_another_originator_uses_up_nothing_of_whom_it_names() -> None:
    async with lab(users=USERS) as made:
        await made.joined(HCALCS, JobKind.HCALCS)
        request = ReadFirmwareVersion(made.request_id(HCALCS_ID))
        forged = made.dcc.receive(submission(request, signer=OTHER_SUPPLIER.eui64))
        assert code(forged) == "E1"
        far = replace(request, request_id=replace(request.request_id, counter=2**50))
        assert code(made.dcc.receive(submission(far, signer=OTHER_SUPPLIER.eui64))) == "E1"
        assert made.of(EventKind.GBCS_SENT) == []
        assert code(made.dcc.receive(submission(request))) == "I99"


@virtual
async def test_attack_answer_of_another_user_is_not_given_to_who_signs_the_same_request() -> None:
    async with lab(users=USERS) as made:
        request = ActivateFirmware(made.request_id(HCALCS_ID), bytes(32))
        answered = made.dcc.receive(submission(request))
        assert isinstance(content(answered), PreCommand)
        stolen = made.dcc.receive(submission(request, signer=OTHER_SUPPLIER.eui64))
        assert (code(stolen), content(stolen), stolen.repeated) == ("E1", None, False)


@virtual
async def test_attack_flood_of_refusals_is_answered_and_journalled_within_bounds() -> None:
    async with lab(users=USERS) as made:
        request_id = made.request_id(HCALCS_ID)
        for _ in range(300):
            document = made.dcc.refuse(
                ResponseCode.E12, "unsigned", request_id, ServiceReference.READ_FIRMWARE_VERSION
            )
            assert code_of(document) == "E12"
            assert code(made.dcc.receive(submission(ReadFirmwareVersion(request_id), signer=HUB_ID))) == "E1"
        assert 200 < len(made.of(EventKind.REQUEST_REJECTED)) < 300


def code_of(document: bytes) -> str:
    return str(parse_response(document).response_code)


@pytest.mark.parametrize("service", Service)
@virtual
async def test_a_request_is_taken_by_the_service_for_it_alone(service: Service) -> None:
    async with lab(users=USERS) as made:
        expected = [Service.SEND] + [Service.NON_DEVICE] * 2 + [Service.TRANSFORM, Service.SEND]
        expected += [Service.NON_DEVICE, Service.SEND]
        for request, right in zip(every_request(made), expected, strict=True):
            answer = made.dcc.receive(submission(request, service=service))
            assert (code(answer) == "E13") is (service is not right)


@virtual
async def test_the_inventory_is_read_at_once() -> None:
    async with lab(users=USERS) as made:
        answer = made.dcc.receive(submission(ReadInventory(made.request_id(), HCALCS_ID)))
        found = content(answer)
        assert code(answer) == "I0"
        assert isinstance(found, DspInventory)
        assert found.devices[0].device_id == HCALCS_ID
        assert found.devices[0].device_status is DeviceStatus.COMMISSIONED
        unknown = made.dcc.receive(submission(ReadInventory(made.request_id(), STRANGER.eui64)))
        assert (code(unknown), content(unknown)) == ("E19", None)


# -- 8.11 --------------------------------------------------------------------------------------------------


def addition(request_id: RequestId, install_code: bytes = bytes(range(16))) -> UpdateHanDeviceLog:
    return UpdateHanDeviceLog(request_id, STRANGER.eui64, HanDeviceLogChange.ADD, install_code, 90)


@virtual
async def test_a_device_is_added_and_removed_by_commands_to_the_hub() -> None:
    async with lab(users=USERS) as made:
        made.inventory.put(DeviceRecord(STRANGER.eui64, DeviceType.PPMID))
        answer = made.dcc.receive(submission(addition(made.request_id(HUB_ID))))
        assert code(answer) == "I99"
        response = await outcome_of(answer)
        assert (response.shape, response.message_code) == (Shape.RESPONSE, 0x0001)
        await asyncio.sleep(1)
        assert made.hub.is_admitted(STRANGER.eui64)
        assert made.radio.permitted == [(STRANGER.eui64, bytes(range(16)), 90)]
        told = str([event.to_json() for event in made.events])
        assert bytes(range(16)).hex() not in told.lower()
        removal = UpdateHanDeviceLog(made.request_id(HUB_ID), STRANGER.eui64, HanDeviceLogChange.REMOVE)
        assert (await outcome_of(made.dcc.receive(submission(removal)))).message_code == 0x0002
        assert not made.hub.is_admitted(STRANGER.eui64)
        documents = [parse_response(each.document) for each in made.dcc_store.outgoing(SUPPLIER.eui64, 9)]
        assert [each.response_code for each in documents] == ["I0", "I0"]
        payload = documents[0].body.content  # type: ignore[union-attr]
        assert isinstance(payload, GbcsPayload)
        assert Message.decode(payload.octets) == response


@virtual
async def test_a_device_that_is_in_no_inventory_is_not_added() -> None:
    async with lab(users=USERS) as made:
        answer = made.dcc.receive(submission(addition(made.request_id(HUB_ID))))
        assert code(answer) == "E19"
        assert not made.hub.is_admitted(STRANGER.eui64)


@virtual
async def test_an_install_code_of_another_length_is_refused() -> None:
    async with lab(users=USERS) as made:
        made.inventory.put(DeviceRecord(STRANGER.eui64, DeviceType.PPMID))
        answer = made.dcc.receive(submission(addition(made.request_id(HUB_ID), bytes(12))))
        assert code(answer) == codes.BAD_INSTALL_CODE
        assert made.of(EventKind.GBCS_SENT) == []


@virtual
async def test_a_request_that_is_carried_out_at_once_is_not_dated_ahead() -> None:
    async with lab(users=USERS) as made:
        ahead = ReadFirmwareVersion(made.request_id(HCALCS_ID), utc(EPOCH + 3600))
        assert code(made.dcc.receive(submission(ahead))) == codes.NOT_FUTURE_DATED
        past = ReadFirmwareVersion(made.request_id(HCALCS_ID), utc(EPOCH - 3600))
        assert code(made.dcc.receive(submission(past))) == "I99"


@virtual
async def test_a_device_of_the_inventory_that_is_not_on_this_han_cannot_be_reached() -> None:
    async with lab(users=USERS) as made:
        made.inventory.put(DeviceRecord(STRANGER.eui64, DeviceType.PPMID, status=DeviceStatus.COMMISSIONED))
        request = ReadFirmwareVersion(made.request_id(STRANGER.eui64))
        assert code(made.dcc.receive(submission(request))) == "E20"


@virtual
async def test_no_command_is_made_without_the_keys_for_it_and_it_may_come_again_with_them() -> None:
    async with lab(users=USERS) as made:
        entry = replace(made.hub.device_log[0], device=STRANGER.eui64)
        made.hub._device_log.add(entry)
        made.inventory.set_status(STRANGER.eui64, DeviceStatus.COMMISSIONED)
        request = ReadFirmwareVersion(made.request_id(STRANGER.eui64))
        answer = made.dcc.receive(submission(request))
        assert code(answer) == codes.NOT_NOW
        made.dcc._own_commands._broker._keystore.add_public(STRANGER)
        assert code(made.dcc.receive(submission(request))) == "I99"
