"""Responses survive their documents, signed or not; whatever arrives, only the errors promised are raised."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from hanota.duis.build_response import build_response
from hanota.duis.certificates import SigningCertificates
from hanota.duis.dcc_alert import (
    ActivateImageResultCode,
    CommsHubAlert,
    CommsHubTransferStatus,
    CspFirmwareDeliveryStatus,
    FirmwareTransferAlert,
    PpmidAlert,
    PpmidFirmwareUpgradeAlert,
    TransferResponseCode,
)
from hanota.duis.document import DuisError
from hanota.duis.parse_response import parse_response
from hanota.duis.request import RequestId, ServiceReference
from hanota.duis.response import (
    WARNING_ELEMENTS,
    DccAlertMessage,
    DeviceAlertMessage,
    FutureDatedAlertCode,
    FutureDatedDeviceAlertMessage,
    GbcsPayload,
    PreCommand,
    Response,
    ResponseMessage,
    UpdateFirmwareWarning,
)
from hanota.duis.response_code import ResponseCode
from hanota.duis.signature import UnknownSignerError, verify_document
from hanota.eui64 import Eui64
from tests.duis_support import KNOWN, NOW, SIGNED, SUPPLIER, signed

euis = st.binary(min_size=8, max_size=8).map(Eui64)
request_ids = st.builds(RequestId, euis, euis, st.integers(0, 2**64 - 1))
times = st.datetimes(timezones=st.just(UTC)).map(
    lambda when: when.replace(microsecond=when.microsecond // 1000 * 1000)
)
# XML 1.0 has no other control characters, no surrogates and no U+FFFE/U+FFFF.
characters = st.characters(exclude_categories=("Cs", "Cc", "Cn")) | st.sampled_from("\t\n\r")
versions = st.text(characters, min_size=1, max_size=8)
payloads = st.binary(max_size=300)
codes = st.integers(0, 0xFFFF)
shorts = st.integers(0, 0xFFFF)
devices = st.lists(euis, max_size=4, unique=True).map(tuple)
alerts = st.one_of(
    st.builds(
        CspFirmwareDeliveryStatus,
        *(request_ids, euis, euis, versions, times),
        st.sampled_from(CommsHubTransferStatus),
    ),
    st.builds(
        CommsHubAlert,
        euis,
        codes,
        st.none()
        | st.builds(
            FirmwareTransferAlert,
            *(euis, versions, st.sampled_from(TransferResponseCode)),
            st.none() | request_ids,
        ),
        st.none() | times,
    ),
    st.builds(
        PpmidAlert,
        euis,
        codes,
        st.none() | st.builds(PpmidFirmwareUpgradeAlert, versions, st.sampled_from(ActivateImageResultCode)),
        st.none() | times,
    ),
)
contents = st.one_of(
    st.none(),
    st.builds(PreCommand, st.text(characters, max_size=8), payloads),
    st.builds(GbcsPayload, payloads),
    st.builds(FutureDatedDeviceAlertMessage, st.sampled_from(FutureDatedAlertCode), payloads, shorts, shorts),
)
bodies = st.one_of(
    st.builds(ResponseMessage, st.sampled_from(ServiceReference), contents),
    st.builds(
        ResponseMessage,
        st.sampled_from(list(WARNING_ELEMENTS)),
        st.builds(UpdateFirmwareWarning, devices, devices, devices, devices, devices),
    ),
    st.builds(DeviceAlertMessage, codes, payloads),
    st.builds(DccAlertMessage, alerts),
)
responses = st.builds(
    Response,
    st.sampled_from(ResponseCode),
    times,
    bodies,
    st.none() | request_ids,
    st.none() | request_ids,
)
SAMPLE = build_response(
    Response(
        ResponseCode.I0,
        datetime(2026, 11, 21, tzinfo=UTC),
        ResponseMessage(ServiceReference.ACTIVATE_FIRMWARE, PreCommand("4.3", b"octets")),
    )
)


@given(responses)
def test_a_response_survives_its_document_signed_or_not(response: Response) -> None:
    document = build_response(response)

    assert parse_response(document) == response
    assert parse_response(verify_document(signed(document), KNOWN, now=NOW).octets) == response


@given(
    st.integers(0, len(SAMPLE)),
    st.integers(0, 40),
    st.binary(max_size=40) | st.text(max_size=10).map(str.encode),
)
def test_no_altered_response_raises_anything_but_a_duis_error(start: int, cut: int, inserted: bytes) -> None:
    with suppress(DuisError):
        parse_response(SAMPLE[:start] + inserted + SAMPLE[start + cut :])


@given(
    st.integers(0, len(SIGNED)),
    st.integers(0, 60),
    st.binary(max_size=40)
    | st.text(max_size=20).map(str.encode)
    | st.sampled_from([b"<!---->", b"<?a?>", b" "]),
)
def test_what_is_altered_verifies_only_where_it_says_the_same(start: int, cut: int, inserted: bytes) -> None:
    with suppress(DuisError, UnknownSignerError):
        verified = verify_document(SIGNED[:start] + inserted + SIGNED[start + cut :], KNOWN, now=NOW)
        assert verified == verify_document(SIGNED, KNOWN, now=NOW)


@given(st.text(max_size=40) | st.text("CNOU=,+\\#019. é", max_size=25), st.integers())
def test_no_issuer_name_raises_anything(issuer: str, serial_number: int) -> None:
    assert KNOWN.find(issuer, serial_number) is None


@given(st.binary(max_size=200))
def test_no_octets_raise_anything_but_a_duis_error(document: bytes) -> None:
    with suppress(DuisError):
        verify_document(document, SigningCertificates([SUPPLIER.signing_certificate]), now=NOW)
