"""Service Requests at the DCC: which are accepted, for which devices, and what the others are told."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hanota.dcc import codes
from hanota.dcc.counters import last_request_counter
from hanota.dcc.errors import NoResponseError, RequestRejectedError
from hanota.dcc.exchange import ExchangeSettings
from hanota.dcc.settings import DccSettings
from hanota.duis.request import (
    ActivateFirmware,
    ReadFirmwareVersion,
    RequestId,
    UpdateFirmware,
    UpdatePpmidFirmware,
)
from hanota.duis.response import UpdateFirmwareWarning
from hanota.gbcs.message import Message, Shape
from hanota.gbcs.read_firmware_version import (
    ReadFirmwareVersionResponse,
    ReadResponseCode,
    read_firmware_version_response,
)
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from hanota.store.store import SqliteStore
from tests.hub_parties_support import (
    BROKER,
    HCALCS,
    HCALCS_IMAGE,
    NEIGHBOUR,
    PPMID,
    PPMID_IMAGE,
    STRANGER,
    SUPPLIER,
    with_device_mac,
)
from tests.hub_support import Lab, lab, virtual

if TYPE_CHECKING:
    from hanota.eui64 import Eui64

PPMID_ID, HCALCS_ID = PPMID.eui64, HCALCS.eui64


def ppmid_update(request_id: RequestId, device: Eui64 = PPMID_ID) -> UpdatePpmidFirmware:
    return UpdatePpmidFirmware(request_id, PPMID_IMAGE.data, "01000001", (device,))


def rejected(made: Lab) -> str:
    """Return why the last Service Request was rejected, as the service user was told."""
    return str(made.of(EventKind.REQUEST_REJECTED)[-1].detail["reason"])


@virtual
async def test_a_repeated_service_request_is_answered_the_same_and_done_once() -> None:
    async with lab() as made:
        request = ppmid_update(made.request_id())
        first = made.dcc.submit(request)
        before = len(made.events)
        again = made.dcc.submit(request)
        assert (again.document, again.response) == (first.document, first.response)
        assert (again.repeated, again.jobs, again.outcome) == (True, (), None)
        (job,) = made.store.jobs()
        assert job.state == "notified"
        assert len(made.events) == before


@virtual
async def test_a_repeated_service_request_is_known_after_a_restart_too() -> None:
    with closing(SqliteStore(":memory:")) as store:
        async with lab(store=store) as made:
            request = ppmid_update(made.request_id())
            first = made.dcc.submit(request)
        async with lab(store=store) as made:
            assert made.dcc.submit(request).document == first.document
            assert len(made.store.jobs()) == 1
            assert last_request_counter(store, SUPPLIER.eui64) == request.request_id.counter


@virtual
async def test_another_request_under_a_used_request_id_is_rejected() -> None:
    async with lab() as made:
        request_id = made.request_id()
        made.update(JobKind.PPMID, PPMID_ID, request_id=request_id)
        with pytest.raises(RequestRejectedError, match="was used for another request") as caught:
            made.update(JobKind.PPMID, PPMID_ID, STRANGER.eui64, request_id=request_id)
        assert caught.value.code == codes.REQUEST_ID_USED
        assert "raise the counter" in str(caught.value.hint)
        assert len(made.store.jobs()) == 1


@virtual
async def test_a_request_id_with_a_counter_that_does_not_rise_is_rejected() -> None:
    async with lab() as made:
        made.update(JobKind.PPMID, PPMID_ID)
        counter = made.counter
        for other in (counter - 1, 0):
            request_id = RequestId(SUPPLIER.eui64, HCALCS_ID, other)
            with pytest.raises(RequestRejectedError, match=f"is not higher than {counter}") as caught:
                _ = made.read_version(HCALCS_ID, request_id)
            assert caught.value.code == codes.REQUEST_ID_USED
        assert made.of(EventKind.GBCS_SENT) == []


@virtual
async def test_a_rejected_request_is_answered_the_same_when_it_comes_again() -> None:
    async with lab() as made:
        request = ppmid_update(made.request_id(), HCALCS_ID)
        with pytest.raises(RequestRejectedError):
            made.dcc.submit(request)
        again = made.dcc.submit(request)
        assert again.repeated
        assert again.response.response_code == "E110403"
        assert len(made.of(EventKind.REQUEST_REJECTED)) == 1


@virtual
async def test_two_service_requests_may_share_a_request_id() -> None:
    async with lab() as made:
        request_id = made.request_id()
        made.update(JobKind.PPMID, PPMID_ID, request_id=request_id)
        made.update(JobKind.HCALCS, HCALCS_ID, request_id=request_id)
        assert [job.request_id for job in made.store.jobs()] == [str(request_id)] * 2


@virtual
async def test_the_acknowledgement_names_the_devices_the_image_is_not_for() -> None:
    async with lab() as made:
        jobs = made.update(JobKind.HCALCS, PPMID_ID, HCALCS_ID, STRANGER.eui64, HCALCS_ID)
        assert [job.device for job in jobs] == [HCALCS_ID]
        assert len(made.store.jobs()) == 1
        (acknowledged,) = made.of(EventKind.REQUEST_ACKNOWLEDGED)
        assert acknowledged.detail["response_code"] == "W110101"
        assert acknowledged.detail["invalid"] == [str(PPMID_ID), str(STRANGER.eui64)]


@virtual
async def test_a_device_id_list_without_any_device_for_the_image_is_rejected() -> None:
    async with lab() as made:
        with pytest.raises(RequestRejectedError, match=f"unknown or of another type: {HCALCS_ID}") as caught:
            made.update(JobKind.PPMID, HCALCS_ID, STRANGER.eui64)
        assert caught.value.code == "E110403"
        assert caught.value.content == UpdateFirmwareWarning(invalid=(HCALCS_ID, STRANGER.eui64))
        with pytest.raises(RequestRejectedError, match="it names none"):
            made.update(JobKind.HCALCS)
        assert made.store.jobs() == []
        assert made.of(EventKind.REQUEST_ACKNOWLEDGED) == []


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (b"\0", "OTA header"),
        (HCALCS_IMAGE.data[:40], "OTA header"),
        (HCALCS_IMAGE.data[:-1], "truncated image"),
        (HCALCS_IMAGE.data + b"\0", "after the end"),
        (b"\0" + HCALCS_IMAGE.data[1:], "not an OTA upgrade image"),
        (PPMID_IMAGE.data, "bad signature block"),
    ],
)
@virtual
async def test_attack_tampered_image_a_bad_image_is_rejected_with_its_fault(
    image: bytes, reason: str
) -> None:
    async with lab() as made:
        with pytest.raises(RequestRejectedError, match=f"(?i){reason}"):
            made.update(JobKind.HCALCS, HCALCS_ID, file=image)
        assert made.store.jobs() == []
        kinds = [event.kind for event in made.events]
        assert kinds == [EventKind.REQUEST_RECEIVED, EventKind.REQUEST_REJECTED]


@virtual
async def test_an_image_that_names_another_device_is_rejected() -> None:
    header = replace(HCALCS_IMAGE.header, upgrade_file_destination=NEIGHBOUR.eui64)
    image = header.sized(len(HCALCS_IMAGE.body)).encode() + HCALCS_IMAGE.body
    async with lab() as made:
        with pytest.raises(RequestRejectedError, match=f"for {NEIGHBOUR.eui64} alone"):
            made.update(JobKind.HCALCS, HCALCS_ID, file=image)
        assert "alone" in rejected(made)


@virtual
async def test_an_activation_or_a_read_for_a_device_nobody_knows_is_rejected() -> None:
    async with lab() as made:
        request_id = made.request_id(STRANGER.eui64)
        with pytest.raises(RequestRejectedError, match="not in the inventory") as caught:
            made.dcc.submit(ActivateFirmware(request_id, HCALCS_IMAGE.manufacturer_image_hash))
        assert caught.value.code == codes.UNKNOWN_DEVICE
        with pytest.raises(RequestRejectedError, match="not in the inventory"):
            _ = made.read_version(STRANGER.eui64)
        assert made.of(EventKind.PRE_COMMAND) == made.of(EventKind.GBCS_SENT) == []


@pytest.mark.parametrize("counter", [2**63 - 1, 2**63, 2**64 - 1])
@virtual
async def test_attack_counter_fast_forward_a_counter_that_leaves_none_above_is_rejected(counter: int) -> None:
    async with lab() as made:
        before = last_request_counter(made.store, SUPPLIER.eui64)
        to_broker, to_device = (
            RequestId(SUPPLIER.eui64, target, counter) for target in (BROKER.eui64, HCALCS_ID)
        )
        for request in (
            ppmid_update(to_broker),
            ActivateFirmware(to_device, bytes(32)),
            ReadFirmwareVersion(to_device),
        ):
            with pytest.raises(RequestRejectedError, match="would leave no higher one"):
                made.dcc.submit(request)
        assert last_request_counter(made.store, SUPPLIER.eui64) == before
        assert made.store.jobs() == []


@virtual
async def test_a_version_is_read_back_with_cs08() -> None:
    async with lab() as made:
        device = await made.joined(HCALCS, JobKind.HCALCS)
        request_id = made.request_id(HCALCS_ID)
        response = made.read_version(HCALCS_ID, request_id)
        await asyncio.sleep(1)
        (octets,) = device.messages
        command = Message.decode(octets)
        assert (command.shape, command.message_code, command.payload) == (Shape.COMMAND, 0x0129, b"\x05\x00")
        assert (command.originator, command.recipient) == (BROKER.eui64, HCALCS_ID)
        assert command.supplementary_remote_party == SUPPLIER.eui64
        assert command.supplementary_remote_party_counter == request_id.counter
        payload = ReadFirmwareVersionResponse(
            firmware_version=b"\x01\x00\x00\x00", response_code=ReadResponseCode.SUCCESS
        )
        device.say(with_device_mac(read_firmware_version_response(command, payload), HCALCS))
        await response
        (returned,) = made.of(EventKind.RESPONSE_RETURNED)
        assert returned.detail == {
            "request_id": str(request_id),
            "service_reference": "11.2",
            "outcome": "success",
            "firmware_version": "01000000",
        }


@virtual
async def test_every_command_of_the_broker_has_a_higher_counter_over_a_restart_too() -> None:
    counters: list[object] = []
    with closing(SqliteStore(":memory:")) as store:
        for _ in range(2):
            async with lab(store=store) as made:
                made.counter += len(counters)
                for _ in range(2):
                    _ = made.read_version(HCALCS_ID)
                counters += [e.detail["originator_counter"] for e in made.of(EventKind.GBCS_SENT)]
    assert counters == [1, 2, 3, 4]


@virtual
async def test_a_response_that_never_comes_is_told_after_the_time_for_it() -> None:
    async with lab(dcc_settings=DccSettings(exchange=ExchangeSettings(response_timeout=600))) as made:
        device = await made.joined(HCALCS, JobKind.HCALCS)
        response = made.read_version(HCALCS_ID)
        began = made.clock.now()
        with pytest.raises(NoResponseError, match="did not answer CS08: no response within 600 s"):
            await response
        assert made.clock.now() - began == pytest.approx(600)
        assert len(device.messages) == 1
        (returned,) = made.of(EventKind.RESPONSE_RETURNED)
        assert returned.detail["outcome"] == "no response: no response within 600 s"


@virtual
async def test_more_commands_than_may_wait_are_rejected_and_not_acknowledged() -> None:
    async with lab(dcc_settings=DccSettings(exchange=ExchangeSettings(waiting=1))) as made:
        await made.joined(HCALCS, JobKind.HCALCS)
        _ = made.read_version(HCALCS_ID)
        acknowledged = len(made.of(EventKind.REQUEST_ACKNOWLEDGED))
        with pytest.raises(RequestRejectedError, match="1 commands are waiting"):
            _ = made.read_version(HCALCS_ID)
        assert "1 commands are waiting" in rejected(made)
        assert len(made.of(EventKind.REQUEST_ACKNOWLEDGED)) == acknowledged
        assert len(made.of(EventKind.GBCS_SENT)) == 1


@virtual
async def test_a_command_the_tunnel_has_no_room_for_is_told_as_not_answered() -> None:
    async with lab() as made:
        responses = [made.read_version(HCALCS_ID) for _ in range(17)]
        with pytest.raises(NoResponseError, match="16 messages wait for this tunnel already"):
            await responses[-1]
        assert not responses[0].done()


@virtual
async def test_one_who_waits_no_longer_does_no_harm() -> None:
    async with lab() as made:
        device = await made.joined(HCALCS, JobKind.HCALCS)
        for answers in (True, False):
            response = made.read_version(HCALCS_ID)
            await asyncio.sleep(1)
            response.cancel()
            if answers:
                payload = ReadFirmwareVersionResponse(firmware_version=bytes(4), response_code=1)
                command = Message.decode(device.messages[-1])
                device.say(with_device_mac(read_firmware_version_response(command, payload), HCALCS))
            await asyncio.sleep(1000)
        outcomes = [event.detail["outcome"] for event in made.of(EventKind.RESPONSE_RETURNED)]
        assert outcomes == ["read_failure", "no response: no response within 600 s"]


def test_a_request_keeps_its_image_out_of_logs() -> None:
    request = UpdateFirmware(RequestId(SUPPLIER.eui64, BROKER.eui64, 1), b"secret image", "1", (HCALCS_ID,))
    assert "secret" not in repr(request)
