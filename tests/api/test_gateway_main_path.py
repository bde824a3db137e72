"""Signed Service Requests in over HTTP; signed, valid answers, responses and alerts out at an address."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hanota.duis.build import build_request
from hanota.duis.dcc_alert import CommsHubAlert, CspFirmwareDeliveryStatus, PpmidAlert
from hanota.duis.request import (
    ActivateFirmware,
    ReadFirmwareVersion,
    RequestId,
    SignedPreCommand,
    UpdateFirmware,
    UpdatePpmidFirmware,
)
from hanota.duis.response import (
    DccAlertMessage,
    GbcsPayload,
    PreCommand,
    Response,
    ResponseMessage,
)
from hanota.duis.response_code import ResponseCode
from hanota.gbcs.activate_firmware import ExecutionOutcome
from hanota.gbcs.crypto import sign
from hanota.gbcs.message import Message
from hanota.gbcs.usecases import decode_payload
from hanota.hub.jobs import JobKind
from tests.api.service_user_support import service_user_side, signed
from tests.hub_parties_support import (
    BROKER,
    HCALCS,
    HCALCS_IMAGE,
    OTHER_SUPPLIER,
    PPMID,
    PPMID_IMAGE,
    SUPPLIER,
    activation_alert,
    outcome,
)
from tests.hub_support import virtual

if TYPE_CHECKING:
    from tests.api.service_user_support import LabSide
    from tests.hub_support import FakeDevice


def update_ppmid(counter: int = 1) -> UpdatePpmidFirmware:
    return UpdatePpmidFirmware(
        RequestId(SUPPLIER.eui64, BROKER.eui64, counter), PPMID_IMAGE.data, "01000001", (PPMID.eui64,)
    )


def said(response: Response) -> str:
    """Name a document by what it says."""
    match response.body:
        case DccAlertMessage(alert):
            return type(alert).__name__
        case ResponseMessage(reference, content):
            return f"{reference} {response.response_code} {type(content).__name__}"
        case body:
            return type(body).__name__


async def update_a_ppmid(side: LabSide) -> FakeDevice:
    device = await side.lab.joined(PPMID, JobKind.PPMID)
    answer = await side.send(update_ppmid(), "serviceD")
    assert said(answer) == "11.4 I99 NoneType"
    await asyncio.sleep(60)
    device.say(activation_alert())
    await asyncio.sleep(1)
    return device


@virtual
async def test_a_signed_11_4_brings_i99_then_delivery_transfer_and_activation_alerts() -> None:
    async with service_user_side() as side:
        await update_a_ppmid(side)

        assert [said(response) for response in side.received] == [
            "CspFirmwareDeliveryStatus",
            "CommsHubAlert",
            "PpmidAlert",
        ]
        delivery, transfer, activation = (response.body for response in side.received)
        assert isinstance(delivery, DccAlertMessage)
        assert isinstance(delivery.alert, CspFirmwareDeliveryStatus)
        assert delivery.alert.update_firmware_request_id == update_ppmid().request_id
        assert isinstance(transfer, DccAlertMessage)
        assert isinstance(transfer.alert, CommsHubAlert)
        assert isinstance(activation, DccAlertMessage)
        assert isinstance(activation.alert, PpmidAlert)
        assert activation.alert.device_id == PPMID.eui64
        assert side.lab.state(PPMID.eui64) == "activated"
        assert side.audited == [
            (str(SUPPLIER.eui64), "service user", "11.4", str(update_ppmid().request_id), "I99")
        ]


@virtual
async def test_11_1_then_11_3_in_two_halves_then_11_2_update_an_hcalcs_over_http() -> None:
    async with service_user_side() as side:
        device = await side.lab.joined(HCALCS, JobKind.HCALCS)
        supplier, broker = SUPPLIER.eui64, BROKER.eui64
        update = UpdateFirmware(
            RequestId(supplier, broker, 1), HCALCS_IMAGE.data, "01000001", (HCALCS.eui64,)
        )
        assert said(await side.send(update, "serviceD")) == "11.1 I99 NoneType"
        await asyncio.sleep(60)
        assert side.lab.state(HCALCS.eui64) == "held"

        request_id = RequestId(supplier, HCALCS.eui64, 2)
        activate = ActivateFirmware(request_id, HCALCS_IMAGE.manufacturer_image_hash)
        answer = await side.send(activate, "serviceT")
        assert said(answer) == "11.3 I0 PreCommand"
        assert isinstance(answer.body, ResponseMessage)
        assert isinstance(answer.body.content, PreCommand)
        pre_command = sign(Message.decode(answer.body.content.gbcs_payload), SUPPLIER.signing_key)
        answer = await side.send(SignedPreCommand(request_id, pre_command.encode()), "serviceS")
        assert said(answer) == "11.3 I99 NoneType"
        await asyncio.sleep(1)
        device.say(outcome(device.messages[-1]))
        await asyncio.sleep(1)

        assert [said(response) for response in side.received] == [
            "CspFirmwareDeliveryStatus",
            "CommsHubAlert",
            "11.3 I0 GbcsPayload",
        ]
        response = side.received[-1]
        assert response.request_id == request_id
        assert response.response_id == RequestId(HCALCS.eui64, supplier, 2)
        assert isinstance(response.body, ResponseMessage)
        assert isinstance(response.body.content, GbcsPayload)
        payload = decode_payload(Message.decode(response.body.content.octets))
        assert isinstance(payload, ExecutionOutcome)
        assert side.lab.state(HCALCS.eui64) == "activated"

        answer = await side.send(ReadFirmwareVersion(RequestId(supplier, HCALCS.eui64, 3)), "serviceS")
        assert said(answer) == "11.2 I99 NoneType"
        await asyncio.sleep(700)
        assert said(side.received[-1]) == "11.2 E21 NoneType"


@virtual
async def test_an_answer_address_down_for_an_hour_loses_nothing() -> None:
    async with service_user_side() as side:
        side.down = True
        await update_a_ppmid(side)
        await asyncio.sleep(3600)
        assert side.received == []
        side.down = False
        await asyncio.sleep(300)

        assert [said(response) for response in side.received] == [
            "CspFirmwareDeliveryStatus",
            "CommsHubAlert",
            "PpmidAlert",
        ]


@virtual
async def test_the_same_document_twice_is_answered_the_same_and_done_once() -> None:
    async with service_user_side() as side:
        await side.lab.joined(PPMID, JobKind.PPMID)
        document = signed(update_ppmid())
        first = await side.post_raw(document, "serviceD")
        again = await side.post_raw(document, "serviceD")
        another_signature = await side.post_raw(signed(update_ppmid()), "serviceD")

        assert first.content == again.content == another_signature.content
        assert len(side.lab.store.jobs()) == 1


@virtual
async def test_the_wrong_service_is_told_as_e13_and_an_unknown_device_as_e19() -> None:
    async with service_user_side() as side:
        await side.lab.joined(PPMID, JobKind.PPMID)
        assert (await side.send(update_ppmid(), "serviceS")).response_code is ResponseCode.E13
        read = ReadFirmwareVersion(RequestId(SUPPLIER.eui64, OTHER_SUPPLIER.eui64, 9))
        assert (await side.send(read, "serviceS")).response_code is ResponseCode.E19

        assert side.lab.store.jobs() == []


@virtual
async def test_a_request_id_that_does_not_rise_is_refused() -> None:
    async with service_user_side() as side:
        await side.lab.joined(PPMID, JobKind.PPMID)
        await side.send(update_ppmid(5), "serviceD")
        older = ReadFirmwareVersion(RequestId(SUPPLIER.eui64, PPMID.eui64, 4))

        assert (await side.send(older, "serviceS")).response_code is ResponseCode.E55


@virtual
async def test_another_users_signature_under_a_users_request_id_does_nothing_and_uses_up_nothing() -> None:
    async with service_user_side() as side:
        await side.lab.joined(PPMID, JobKind.PPMID)
        refused = await side.send(update_ppmid(), "serviceD", by=OTHER_SUPPLIER)
        assert refused.response_code is ResponseCode.E1
        assert side.lab.store.jobs() == []

        assert said(await side.send(update_ppmid(), "serviceD")) == "11.4 I99 NoneType"


@pytest.mark.parametrize("service", ["serviceD", "serviceS", "serviceT"])
def test_an_unsigned_request_does_nothing_and_uses_up_nothing(service: str) -> None:
    @virtual
    async def run() -> None:
        async with service_user_side() as side:
            await side.lab.joined(PPMID, JobKind.PPMID)
            answer = await side.post(build_request(update_ppmid()), service)
            assert answer.response_code is ResponseCode.E60
            assert answer.request_id == update_ppmid().request_id
            assert side.lab.store.jobs() == []

            assert said(await side.send(update_ppmid(), "serviceD")) == "11.4 I99 NoneType"

    run()
