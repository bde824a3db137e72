"""Commands of the OTA Upgrade cluster against octets written out by hand."""

from __future__ import annotations

import pytest

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.ota.blocks import encode_block
from hanota.ota.commands import (
    NEVER,
    ImageBlock,
    ImageBlockRequest,
    ImageBlockResponse,
    ImageNotify,
    ImagePageRequest,
    OtaCommand,
    QueryDeviceSpecificFileRequest,
    QueryDeviceSpecificFileResponse,
    QueryNextImageRequest,
    QueryNextImageResponse,
    UpgradeEndRequest,
    UpgradeEndResponse,
    WaitForData,
    decode_command,
    encode_command,
)
from hanota.ota.fields import ANY_IMAGE, ImageId
from hanota.zcl import Direction, Status, ZclFrame

IMAGE = ImageId(0x121D, 0x0084, 0x01020304)
EUI = Eui64.parse("00-DB-12-34-56-78-90-A4")

SHORTER_FORMS = (ImageBlockRequest, ImageBlockResponse, UpgradeEndRequest)

COMMANDS: list[tuple[OtaCommand, str]] = [
    (ImageNotify(100), "1905000064"),
    (ImageNotify(100, 0x121D), "1905000164 1d12"),
    (ImageNotify(1, 0x121D, 0x0084), "1905000201 1d128400"),
    (ImageNotify(100, 0x121D, 0x0084, 0x01020304), "190500 0364 1d12 8400 04030201"),
    (QueryNextImageRequest(IMAGE), "110501 00 1d12 8400 04030201"),
    (QueryNextImageRequest(IMAGE, 0x0203), "110501 01 1d12 8400 04030201 0302"),
    (QueryNextImageResponse(Status.NO_IMAGE_AVAILABLE), "190502 98"),
    (QueryNextImageResponse(Status.SUCCESS, IMAGE, 568), "190502 00 1d12 8400 04030201 38020000"),
    (ImageBlockRequest(IMAGE, 48, 63), "110503 00 1d12 8400 04030201 30000000 3f"),
    (
        ImageBlockRequest(IMAGE, 48, 63, EUI, 0x01F4),
        "110503 03 1d12 8400 04030201 30000000 3f a49078563412db00 f401",
    ),
    (
        ImagePageRequest(IMAGE, 0, 32, 1024, 50),
        "110504 00 1d12 8400 04030201 00000000 20 0004 3200",
    ),
    (
        ImagePageRequest(IMAGE, 0, 32, 1024, 50, EUI),
        "110504 01 1d12 8400 04030201 00000000 20 0004 3200 a49078563412db00",
    ),
    (
        ImageBlockResponse(Status.SUCCESS, ImageBlock(IMAGE, 48, b"\xaa\xbb")),
        "190505 00 1d12 8400 04030201 30000000 02 aabb",
    ),
    (ImageBlockResponse(Status.WAIT_FOR_DATA, WaitForData(0, 60)), "190505 97 00000000 3c000000"),
    (ImageBlockResponse(Status.WAIT_FOR_DATA, WaitForData(1, 2, 3)), "190505 97 01000000 02000000 0300"),
    (ImageBlockResponse(Status.ABORT), "190505 95"),
    (UpgradeEndRequest(Status.SUCCESS, IMAGE), "110506 00 1d12 8400 04030201"),
    (UpgradeEndRequest(Status.INVALID_IMAGE), "110506 96"),
    (
        QueryDeviceSpecificFileRequest(EUI, IMAGE, 0x0002),
        "110508 a49078563412db00 1d12 8400 04030201 0200",
    ),
    (QueryDeviceSpecificFileResponse(Status.NO_IMAGE_AVAILABLE), "190509 98"),
    (
        QueryDeviceSpecificFileResponse(Status.SUCCESS, IMAGE, 568),
        "190509 00 1d12 8400 04030201 38020000",
    ),
    (
        UpgradeEndResponse(ANY_IMAGE, 5, NEVER),
        "190507 ffff ffff ffffffff 05000000 ffffffff",
    ),
]


@pytest.mark.parametrize(("command", "octets"), COMMANDS)
def test_a_command_is_these_octets_both_ways(command: OtaCommand, octets: str) -> None:
    assert encode_command(command, 5) == bytes.fromhex(octets)
    assert decode_command(ZclFrame.decode(bytes.fromhex(octets))) == command


@pytest.mark.parametrize(("command", "octets"), COMMANDS)
def test_a_command_cut_anywhere_is_malformed_unless_what_is_left_is_a_shorter_form(
    command: OtaCommand, octets: str
) -> None:
    whole = bytes.fromhex(octets)
    for length in range(3, len(whole)):
        outcome = decoded_or_status(whole[:length])
        assert outcome == Status.MALFORMED_COMMAND or isinstance(outcome, SHORTER_FORMS), length
        assert outcome != command


def test_a_block_in_one_go_is_octet_for_octet_the_command() -> None:
    data = bytes(range(48))
    assert encode_block(5, IMAGE, 96, data) == encode_command(
        ImageBlockResponse(Status.SUCCESS, ImageBlock(IMAGE, 96, data)), 5
    )


def decoded_or_status(data: bytes) -> OtaCommand | int | None:
    try:
        return decode_command(ZclFrame.decode(data))
    except RemoteProtocolError as error:
        return error.status


@pytest.mark.parametrize(("command", "octets"), COMMANDS)
def test_octets_after_the_last_field_are_ignored(command: OtaCommand, octets: str) -> None:
    if isinstance(command, UpgradeEndRequest | ImageBlockResponse):
        return  # the shorter forms of these two go on
    assert decode_command(ZclFrame.decode(bytes.fromhex(octets) + b"\x00")) == command


def test_a_block_request_that_announces_fields_it_does_not_have_is_read_all_the_same() -> None:
    odd = ZclFrame.decode(bytes.fromhex("110503 03 1d12 8400 04030201 30000000 3f"))
    assert decode_command(odd) == ImageBlockRequest(IMAGE, 48, 63)
    odd = ZclFrame.decode(bytes.fromhex("110503 03 1d12 8400 04030201 30000000 3f 0500"))
    assert decode_command(odd) == ImageBlockRequest(IMAGE, 48, 63, minimum_block_period=5)


def test_reserved_field_control_bits_are_ignored() -> None:
    odd = ZclFrame.decode(bytes.fromhex("110501 fe 1d12 8400 04030201"))
    assert decode_command(odd) == QueryNextImageRequest(IMAGE)


@pytest.mark.parametrize(
    ("frame", "status"),
    [
        (ZclFrame(1, 0x0A), Status.UNSUP_CLUSTER_COMMAND),
        (ZclFrame(1, 0x00), Status.UNSUP_CLUSTER_COMMAND),
        (ZclFrame(1, 0x01, direction=Direction.TO_CLIENT), Status.UNSUP_CLUSTER_COMMAND),
        (ZclFrame(1, 0x01, manufacturer_code=0x1234), Status.UNSUP_MANUF_CLUSTER_COMMAND),
        (ZclFrame(1, 0x00, cluster_specific=False), Status.UNSUP_GENERAL_COMMAND),
        (ZclFrame(1, 0x00, b"\x04\x64", Direction.TO_CLIENT), Status.MALFORMED_COMMAND),
    ],
)
def test_a_command_that_is_not_supported_says_so_by_its_status(frame: ZclFrame, status: Status) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_command(frame)
    assert caught.value.status == status


@pytest.mark.parametrize(
    "command",
    [
        ImageNotify(100, None, 0x0084),
        ImageNotify(256),
        QueryNextImageResponse(Status.SUCCESS),
        ImageBlockResponse(Status.SUCCESS),
        ImageBlockResponse(Status.ABORT, WaitForData(0, 0)),
        ImageBlockResponse(Status.SUCCESS, ImageBlock(IMAGE, 0, bytes(256))),
        ImageBlockRequest(IMAGE, 2**32, 48),
        UpgradeEndRequest(0, ImageId(0x10000, 0, 0)),
    ],
)
def test_a_command_that_cannot_be_encoded_is_our_own_fault(command: OtaCommand) -> None:
    with pytest.raises(LocalProtocolError):
        command.encode()


def test_wildcards_match_every_image_and_nothing_else_does() -> None:
    assert ANY_IMAGE.matches(IMAGE)
    assert IMAGE.matches(IMAGE)
    assert ImageId(0x121D, 0xFFFF, 0x01020304).matches(IMAGE)
    assert not ImageId(0x121D, 0x0085, 0x01020304).matches(IMAGE)
