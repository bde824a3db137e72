"""Any request survives its document; no octets make the parser raise anything but DuisError."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from hanota.duis.build import build_request
from hanota.duis.document import DuisError
from hanota.duis.parse import parse_request
from hanota.duis.request import (
    ActivateFirmware,
    ReadFirmwareVersion,
    RequestId,
    ServiceRequest,
    UpdateFirmware,
    UpdatePpmidFirmware,
)
from hanota.eui64 import Eui64

euis = st.binary(min_size=8, max_size=8).map(Eui64)
request_ids = st.builds(RequestId, euis, euis, st.integers(0, 2**64 - 1))
times = st.none() | st.datetimes(timezones=st.just(UTC))
versions = st.text(
    # XML 1.0 has no other control characters, no surrogates and no U+FFFE/U+FFFF.
    st.characters(exclude_categories=("Cs", "Cc", "Cn")) | st.sampled_from("\t\n\r"),
    min_size=1,
    max_size=8,
)
devices = st.lists(euis, min_size=1, max_size=8, unique=True).map(tuple)
updates = (request_ids, st.binary(max_size=600), versions, devices)
requests: st.SearchStrategy[ServiceRequest] = st.one_of(
    st.builds(UpdateFirmware, *updates),
    st.builds(UpdatePpmidFirmware, *updates),
    st.builds(ActivateFirmware, request_ids, st.binary(min_size=32, max_size=32), times),
    st.builds(ReadFirmwareVersion, request_ids, times),
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


@given(
    st.integers(0, len(SAMPLE)),
    st.integers(0, 40),
    st.binary(max_size=40) | st.text(max_size=10).map(str.encode),
)
def test_no_altered_document_raises_anything_but_a_duis_error(start: int, cut: int, inserted: bytes) -> None:
    with suppress(DuisError):
        parse_request(SAMPLE[:start] + inserted + SAMPLE[start + cut :])
