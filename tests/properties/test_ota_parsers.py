"""No octets make a parser of hanota.ota raise anything but its protocol error; round trips lose nothing."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from hanota.errors import RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.ota.build import build_ppmid_image, build_signed_image, build_tagged_image
from hanota.ota.client import ClientIdentity, OtaClient
from hanota.ota.commands import (
    ImageBlock,
    ImageBlockRequest,
    ImageBlockResponse,
    ImageNotify,
    ImagePageRequest,
    OtaCommand,
    QueryNextImageRequest,
    QueryNextImageResponse,
    UpgradeEndRequest,
    UpgradeEndResponse,
    WaitForData,
    decode_command,
    encode_command,
)
from hanota.ota.elements import SubElement
from hanota.ota.fields import ImageId
from hanota.ota.header import HardwareVersions, OtaHeader
from hanota.ota.image import ImageLimits, ImageShape, parse_image
from hanota.ota.server import OtaServer
from hanota.ota.session import Activation
from hanota.zcl import Direction, Status, ZclFrame

u8, u16, u32 = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF)
eui64s = st.binary(min_size=8, max_size=8).map(Eui64)
image_ids = st.builds(ImageId, u16, u16, u32)
refusals = st.sampled_from((0x01, 0x7E, 0x80, 0x95, 0x98, 0xFF))
headers = st.builds(
    OtaHeader,
    manufacturer_code=u16,
    image_type=u16,
    file_version=u32,
    stack_version=u16,
    header_string=st.binary(min_size=32, max_size=32),
    security_credential_version=st.none() | u8,
    upgrade_file_destination=st.none() | eui64s,
    hardware_versions=st.none() | st.builds(HardwareVersions, u16, u16),
    header_version=st.integers(0x0100, 0x01FF),
    reserved_field_control=st.integers(0, 0x1FFF).map(lambda bits: bits << 3),
    extension=st.binary(max_size=20),
)
bodies = st.binary(min_size=1, max_size=300)
elements = st.lists(st.builds(SubElement, u16, st.binary(max_size=40)), min_size=1, max_size=8)
commands: st.SearchStrategy[OtaCommand] = st.one_of(
    st.builds(ImageNotify, u8),
    st.builds(ImageNotify, u8, u16),
    st.builds(ImageNotify, u8, u16, u16),
    st.builds(ImageNotify, u8, u16, u16, u32),
    st.builds(QueryNextImageRequest, image_ids, st.none() | u16),
    st.builds(QueryNextImageResponse, refusals),
    st.builds(QueryNextImageResponse, st.just(0), image_ids, u32),
    st.builds(ImageBlockRequest, image_ids, u32, u8, st.none() | eui64s, st.none() | u16),
    st.builds(ImagePageRequest, image_ids, u32, u8, u16, u16, st.none() | eui64s),
    st.builds(
        ImageBlockResponse,
        st.just(0),
        st.builds(ImageBlock, image_ids, u32, st.binary(max_size=255)),
    ),
    st.builds(ImageBlockResponse, st.just(0x97), st.builds(WaitForData, u32, u32, st.none() | u16)),
    st.builds(ImageBlockResponse, refusals),
    st.builds(UpgradeEndRequest, u8, st.none() | image_ids),
    st.builds(UpgradeEndResponse, image_ids, u32, u32),
)
zcl_octets = st.binary(max_size=40) | st.builds(
    lambda control, sequence, command, payload: bytes((control, sequence, command)) + payload,
    st.sampled_from((0x01, 0x09, 0x11, 0x19, 0x10, 0x18, 0x15)),
    u8,
    st.integers(0, 12),
    st.binary(max_size=40),
)


@given(st.binary(max_size=400), st.none() | st.sampled_from(ImageShape))
def test_any_octets_are_an_image_or_a_protocol_error(data: bytes, shape: ImageShape | None) -> None:
    with contextlib.suppress(RemoteProtocolError):
        parse_image(data, shape)


@given(headers, bodies, st.data())
def test_an_image_with_any_octet_changed_is_an_image_or_a_protocol_error(
    header: OtaHeader, body: bytes, data: st.DataObject
) -> None:
    octets = bytearray(build_ppmid_image(header, body).data)
    octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(u8)
    for shape in (None, *ImageShape):
        with contextlib.suppress(RemoteProtocolError):
            parsed = parse_image(bytes(octets), shape, ImageLimits(elements=5))
            assert parsed.data == octets
            assert parsed.header.encode() + parsed.body == octets


@given(headers)
def test_a_header_survives_encoding(header: OtaHeader) -> None:
    assert OtaHeader.decode(header.encode()) == header


@given(headers, bodies)
def test_a_ppmid_image_survives_building_and_parsing(header: OtaHeader, body: bytes) -> None:
    built = build_ppmid_image(header, body)
    assert parse_image(built.data, ImageShape.PPMID) == built
    assert built.manufacturer_image == body


@given(headers, bodies, u8, st.binary(min_size=64, max_size=64))
def test_a_signed_image_survives_building_and_parsing(
    header: OtaHeader, body: bytes, force_replace: int, signature: bytes
) -> None:
    built = build_signed_image(header, body, lambda _: signature, force_replace=force_replace)
    parsed = parse_image(built.data, ImageShape.SIGNED)
    assert parsed == built
    assert (parsed.manufacturer_image, parsed.force_replace, parsed.supplier_signature) == (
        body,
        force_replace,
        signature,
    )


@given(headers, elements)
def test_a_tagged_image_is_recognised_and_survives(header: OtaHeader, chain: list[SubElement]) -> None:
    built = build_tagged_image(header, chain)
    assert parse_image(built.data) == built


@given(commands, u8)
def test_a_command_survives_encoding(command: OtaCommand, sequence: int) -> None:
    frame = ZclFrame.decode(encode_command(command, sequence))
    assert frame.sequence == sequence
    assert decode_command(frame) == command


@given(u8, st.sampled_from(Direction), st.binary(max_size=60))
def test_any_payload_is_a_command_or_a_protocol_error_with_a_status(
    command: int, direction: Direction, payload: bytes
) -> None:
    try:
        decode_command(ZclFrame(1, command, payload, direction))
    except RemoteProtocolError as error:
        status = error.status
    else:
        status = Status.SUCCESS
    assert status in (Status.SUCCESS, Status.MALFORMED_COMMAND, Status.UNSUP_CLUSTER_COMMAND)


@given(st.lists(zcl_octets | st.builds(encode_command, commands, u8), max_size=30))
def test_any_frames_leave_server_and_client_standing(frames: list[bytes]) -> None:
    device = Eui64(bytes(8))
    server = OtaServer()
    file = build_ppmid_image(OtaHeader(1, 2, 3), b"x" * 100)
    server.offer(device, file, Activation.IMMEDIATE, 0.0)
    client = OtaClient(ClientIdentity(ImageId(1, 2, 1)), lambda _: Status.SUCCESS)
    client.start(0.0)
    for frame in frames:
        server.responses()
        server.receive(device, frame, 0.0)
        assert len(server.responses()) <= 1
        client.requests()
        client.receive(frame, 0.0)
        assert len(client.requests()) <= 2
