"""Any request survives its document; no octets make the parser raise anything but DuisError."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from hanota.duis.build import build_request
from hanota.duis.build_response import build_response
from hanota.duis.document import DuisError
from hanota.duis.header import parse_header
from hanota.duis.inventory import CplStatus, DeviceStatus, DeviceType, InventoryDevice
from hanota.duis.parse import parse_request
from hanota.duis.parse_response import parse_response
from hanota.duis.request import (
    ActivateFirmware,
    HanDeviceLogChange,
    Mpxn,
    PropertyFilter,
    ReadFirmwareVersion,
    ReadInventory,
    RequestId,
    ServiceReference,
    ServiceRequest,
    SignedPreCommand,
    UpdateFirmware,
    UpdateHanDeviceLog,
    UpdatePpmidFirmware,
    Uprn,
)
from hanota.duis.response import DspInventory, Response, ResponseMessage
from hanota.duis.response_code import ResponseCode
from hanota.eui64 import Eui64

euis = st.binary(min_size=8, max_size=8).map(Eui64)
request_ids = st.builds(RequestId, euis, euis, st.integers(0, 2**64 - 1))
times = st.none() | st.datetimes(timezones=st.just(UTC))
# XML 1.0 has no other control characters, no surrogates and no U+FFFE/U+FFFF.
characters = st.characters(exclude_categories=("Cs", "Cc", "Cn")) | st.sampled_from("\t\n\r")
versions = st.text(characters, min_size=1, max_size=8)
mpxns = st.text(characters, min_size=1, max_size=13)
mpans = st.none() | st.text(characters, min_size=13, max_size=13)
criteria = st.one_of(
    euis,
    st.builds(Uprn, st.integers(1, 10**12 - 1)),
    st.builds(Mpxn, mpxns),
    st.builds(PropertyFilter, st.text(characters, min_size=6, max_size=8), st.text(characters, max_size=30)),
)
devices = st.lists(euis, min_size=1, max_size=8, unique=True).map(tuple)
updates = (request_ids, st.binary(max_size=600), versions, devices)
requests: st.SearchStrategy[ServiceRequest] = st.one_of(
    st.builds(UpdateFirmware, *updates),
    st.builds(UpdatePpmidFirmware, *updates),
    st.builds(ActivateFirmware, request_ids, st.binary(min_size=32, max_size=32), times),
    st.builds(ReadFirmwareVersion, request_ids, times),
    st.builds(SignedPreCommand, request_ids, st.binary(max_size=200), times),
    st.builds(
        UpdateHanDeviceLog,
        request_ids,
        euis,
        st.just(HanDeviceLogChange.ADD),
        st.binary(min_size=6, max_size=16),
        st.integers(1, 3600),
        st.none() | mpxns,
        mpans,
        mpans,
        times,
    ),
    st.builds(
        UpdateHanDeviceLog,
        request_ids,
        euis,
        st.just(HanDeviceLogChange.REMOVE),
        execution_date_time=times,
    ),
    st.builds(ReadInventory, request_ids, criteria),
)
SAMPLE = build_request(
    ActivateFirmware(
        RequestId(Eui64(bytes(8)), Eui64(bytes(8)), 1), bytes(32), datetime(2030, 1, 15, 9, tzinfo=UTC)
    )
)


@given(requests)
def test_a_request_survives_its_document(request: ServiceRequest) -> None:
    assert parse_request(build_request(request)) == request


@given(st.binary(max_size=200))
def test_no_octets_raise_anything_but_a_duis_error(document: bytes) -> None:
    with suppress(DuisError):
        parse_request(document)
    with suppress(DuisError):
        parse_header(document)


@given(
    st.integers(0, len(SAMPLE)),
    st.integers(0, 40),
    st.binary(max_size=40) | st.text(max_size=10).map(str.encode),
)
def test_no_altered_document_raises_anything_but_a_duis_error(start: int, cut: int, inserted: bytes) -> None:
    document = SAMPLE[:start] + inserted + SAMPLE[start + cut :]
    with suppress(DuisError):
        parse_request(document)
    with suppress(DuisError):
        parse_header(document)


INVENTORY = build_response(
    Response(
        ResponseCode.I0,
        datetime(2030, 1, 15, 9, tzinfo=UTC),
        ResponseMessage(
            ServiceReference.READ_INVENTORY,
            DspInventory(
                (
                    InventoryDevice(
                        Eui64(bytes(8)),
                        DeviceType.PPMID,
                        DeviceStatus.COMMISSIONED,
                        "maker",
                        "model",
                        device_firmware_version="01000001",
                        cpl_status=CplStatus.ACTIVE,
                        date_commissioned=date(2030, 1, 15),
                        import_mpxn="1",
                        device_gbcs_version="4.3",
                    ),
                )
            ),
        ),
    )
)


@given(
    st.integers(0, len(INVENTORY)),
    st.integers(0, 40),
    st.binary(max_size=40) | st.text(max_size=10).map(str.encode),
)
def test_no_altered_inventory_raises_anything_but_a_duis_error(start: int, cut: int, inserted: bytes) -> None:
    with suppress(DuisError):
        parse_response(INVENTORY[:start] + inserted + INVENTORY[start + cut :])


@given(requests)
def test_a_header_tells_what_the_request_is(request: ServiceRequest) -> None:
    header = parse_header(build_request(request))

    assert header.request_id == request.request_id
    assert header.service_reference is request.service_reference
    assert header.command_variant == request.command_variant
