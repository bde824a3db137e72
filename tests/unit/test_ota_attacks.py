"""Attacks on the Upgrade Server, one test each, named after the attack."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from hanota.eui64 import Eui64
from hanota.ota.build import build_ppmid_image
from hanota.ota.commands import (
    NEVER,
    ImageBlock,
    ImageBlockRequest,
    ImageBlockResponse,
    ImagePageRequest,
    OtaCommand,
    QueryNextImageRequest,
    UpgradeEndRequest,
    UpgradeEndResponse,
    WaitForData,
    decode_command,
    encode_command,
)
from hanota.ota.events import Refusal, RequestRefused, TransferExpired, UpgradeEnded, UpgradeEndUnexpected
from hanota.ota.fields import ImageId
from hanota.ota.header import HardwareVersions, OtaHeader
from hanota.ota.server import OtaServer
from hanota.ota.session import Activation, SessionState
from hanota.ota.settings import OtaServerSettings
from hanota.timestamps import zigbee_time
from hanota.zcl import DefaultResponse, Status, ZclFrame

NOW = 1_790_000_000.0
DEVICE = Eui64.parse("00-DB-12-34-56-78-90-A4")
OTHER = Eui64.parse("00-DB-12-34-56-78-90-A5")
FILE = build_ppmid_image(
    OtaHeader(0x121D, 0x0084, 2, hardware_versions=HardwareVersions(1, 5)), bytes(range(256))
)
SIZE = len(FILE.data)
IMAGE = ImageId(0x121D, 0x0084, 2)


@pytest.fixture
def server() -> OtaServer:
    server = OtaServer()
    server.offer(DEVICE, FILE, Activation.IMMEDIATE, NOW)
    server.responses()
    server.events()
    return server


def ask(
    server: OtaServer, command: OtaCommand, device: Eui64 = DEVICE, now: float = NOW
) -> OtaCommand | DefaultResponse:
    """Return the answer."""
    server.receive(device, encode_command(command, 1), now)
    (out,) = server.responses()
    assert out.device == device
    frame = ZclFrame.decode(out.data)
    return DefaultResponse.decode(frame.payload) if frame.is_default_response else decode_command(frame)


ABORT = ImageBlockResponse(Status.ABORT)


@pytest.mark.parametrize("offset", [SIZE, SIZE + 1, 2**16, 2**31, 2**32 - 1])
def test_attack_offset_past_the_end_is_refused_and_the_session_goes_on(
    server: OtaServer, offset: int
) -> None:
    assert ask(server, ImageBlockRequest(IMAGE, offset, 48)) == ABORT
    assert server.events() == [RequestRefused(DEVICE, NOW, Refusal.OFFSET_PAST_END, Status.ABORT, str(IMAGE))]
    answer = ask(server, ImageBlockRequest(IMAGE, 0, 48))
    assert isinstance(answer, ImageBlockResponse)
    assert answer.status == Status.SUCCESS


@pytest.mark.parametrize(
    "command",
    [ImageBlockRequest(IMAGE, 48, 48), ImagePageRequest(IMAGE, 48, 48, 96, 50)],
    ids=["block", "page"],
)
def test_attack_octets_of_two_files_of_one_version_are_not_mixed(
    server: OtaServer, command: ImageBlockRequest | ImagePageRequest
) -> None:
    rebuilt = build_ppmid_image(FILE.header, bytes(reversed(range(256))))
    server.offer(DEVICE, rebuilt, Activation.IMMEDIATE, NOW, from_start=True)
    server.responses()
    server.events()
    assert ask(server, command) == ABORT
    refused = RequestRefused(DEVICE, NOW, Refusal.OTHER_CONTENTS, Status.ABORT, str(IMAGE))
    assert server.events() == [refused]
    # A query does not tell it either: a client may go on at its offset after one.
    ask(server, QueryNextImageRequest(replace(IMAGE, file_version=1)))
    assert ask(server, command) == ABORT
    for offset in (0, 48):
        answer = ask(server, ImageBlockRequest(IMAGE, offset, 48))
        assert isinstance(answer, ImageBlockResponse)
        assert answer.body == ImageBlock(IMAGE, offset, rebuilt.data[offset : offset + 48])


def test_a_device_goes_on_at_its_offset_where_the_offer_is_of_the_same_file(server: OtaServer) -> None:
    answer = ask(server, ImageBlockRequest(IMAGE, 48, 48))
    assert isinstance(answer, ImageBlockResponse)
    assert answer.status == Status.SUCCESS


def test_attack_block_of_no_octets_is_refused(server: OtaServer) -> None:
    assert ask(server, ImageBlockRequest(IMAGE, 0, 0)) == ABORT


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (replace(IMAGE, manufacturer_code=0xFFFF), Refusal.OTHER_MANUFACTURER),
        (replace(IMAGE, image_type=0xFFFF), Refusal.OTHER_IMAGE_TYPE),
        (replace(IMAGE, file_version=0xFFFF_FFFF), Refusal.OTHER_FILE_VERSION),
    ],
)
def test_attack_wrong_image_ids_in_mid_session_are_refused_wildcards_too(
    server: OtaServer, image: ImageId, reason: Refusal
) -> None:
    ask(server, ImageBlockRequest(IMAGE, 0, 48))
    server.events()
    assert ask(server, ImageBlockRequest(image, 48, 48)) == ABORT
    (event,) = server.events()
    assert isinstance(event, RequestRefused)
    assert event.reason is reason
    assert server.state(DEVICE) is SessionState.TRANSFERRING


def test_attack_wrong_recipient_never_sees_anothers_image(server: OtaServer) -> None:
    assert ask(server, ImageBlockRequest(IMAGE, 0, 48), OTHER) == ABORT
    assert ask(server, ImageBlockRequest(IMAGE, 0, 48, node_address=DEVICE), OTHER) == ABORT
    server.events()
    assert ask(server, ImageBlockRequest(IMAGE, 0, 48, node_address=OTHER), DEVICE) == ABORT
    (event,) = server.events()
    assert isinstance(event, RequestRefused)
    assert event.reason is Refusal.OTHER_NODE_ADDRESS


def test_attack_forged_upgrade_end_is_not_believed_and_activates_nothing(server: OtaServer) -> None:
    hold = UpgradeEndResponse(IMAGE, zigbee_time(NOW), NEVER)
    discard = DefaultResponse(UpgradeEndRequest.COMMAND, Status.ABORT)
    for device, answer in ((DEVICE, discard), (OTHER, hold)):
        assert ask(server, UpgradeEndRequest(Status.SUCCESS, IMAGE), device) == answer
        assert UpgradeEndUnexpected(device, NOW, Status.SUCCESS, IMAGE) in server.events()
    ask(server, ImageBlockRequest(IMAGE, 0, 48))
    assert ask(server, UpgradeEndRequest(Status.SUCCESS, IMAGE)) == discard
    assert not [event for event in server.events() if isinstance(event, UpgradeEnded)]


def test_attack_upgrade_end_for_another_image_after_a_transfer_is_not_believed(server: OtaServer) -> None:
    ask(server, ImageBlockRequest(IMAGE, SIZE - 1, 48))
    other = replace(IMAGE, file_version=3)
    answer = ask(server, UpgradeEndRequest(Status.SUCCESS, other))
    assert answer == UpgradeEndResponse(other, zigbee_time(NOW), NEVER)
    assert server.state(DEVICE) is SessionState.TRANSFERRED


MIX = list(itertools.product((0x121D, 0x9999), (0x0084, 0x000D), (3, 9)))


@pytest.mark.parametrize(("manufacturer", "image_type", "hardware"), MIX)
def test_attack_mix_and_match_is_offered_only_to_the_device_it_is_for(
    server: OtaServer, manufacturer: int, image_type: int, hardware: int
) -> None:
    query = QueryNextImageRequest(ImageId(manufacturer, image_type, 1), hardware)
    answer = ask(server, query)
    fits = (manufacturer, image_type, hardware) == (0x121D, 0x0084, 3)
    assert getattr(answer, "status", None) == (Status.SUCCESS if fits else Status.NO_IMAGE_AVAILABLE)


@pytest.mark.parametrize(
    ("version", "status"),
    [
        (0, Status.SUCCESS),
        (1, Status.SUCCESS),
        (2, Status.NO_IMAGE_AVAILABLE),
        (3, Status.NO_IMAGE_AVAILABLE),
        (0xFFFF_FFFF, Status.NO_IMAGE_AVAILABLE),
    ],
)
def test_attack_downgrade_is_refused_without_permission(
    server: OtaServer, version: int, status: Status
) -> None:
    answer = ask(server, QueryNextImageRequest(replace(IMAGE, file_version=version), 3))
    assert getattr(answer, "status", None) == status


def test_attack_slow_retrieval_ends_and_frees_the_session() -> None:
    server = OtaServer()
    server.offer(DEVICE, FILE, Activation.IMMEDIATE, NOW)
    now, offset = NOW, 0
    while server.state(DEVICE) is not SessionState.EXPIRED:
        now, offset = now + 3600, (offset + 1) % (SIZE - 1)
        server.expire(now)
        server.receive(DEVICE, encode_command(ImageBlockRequest(IMAGE, offset, 1), 1), now)
        server.responses()
    assert now - NOW == 7 * 24 * 3600
    assert any(isinstance(event, TransferExpired) for event in server.events())


def test_attack_block_request_flood_is_held_back_while_others_are_served() -> None:
    server = OtaServer(OtaServerSettings(requests_per_second=50, request_burst=20))
    for device in (DEVICE, OTHER):
        server.offer(device, FILE, Activation.IMMEDIATE, NOW)
    server.responses()
    flood = encode_command(ImageBlockRequest(IMAGE, 0, 48), 1)
    served = waits = others = 0
    for millisecond in range(1000):
        now = NOW + millisecond / 1000
        server.receive(DEVICE, flood, now)
        if millisecond % 100 == 0:
            server.receive(OTHER, flood, now)
        for out in server.responses():
            answer = decode_command(ZclFrame.decode(out.data))
            assert isinstance(answer, ImageBlockResponse)
            match answer.body:
                case ImageBlock():
                    served, others = served + (out.device == DEVICE), others + (out.device == OTHER)
                case WaitForData(current, request):
                    assert request == current + 1
                    waits += 1
        server.events()
    assert 60 <= served <= 71
    assert served + waits == 1000
    assert others == 10


def test_attack_flood_by_strangers_is_dropped_while_devices_are_served() -> None:
    server = OtaServer(OtaServerSettings(requests_per_second=10, request_burst=10))
    server.offer(DEVICE, FILE, Activation.IMMEDIATE, NOW)
    server.responses()
    query = encode_command(QueryNextImageRequest(replace(IMAGE, file_version=1)), 1)
    for number in range(1000):
        server.receive(Eui64(number.to_bytes(8, "big")), query, NOW)
    assert len(server.responses()) == 10
    assert server.dropped == 990
    assert isinstance(ask(server, ImageBlockRequest(IMAGE, 0, 48)), ImageBlockResponse)


def test_attack_flood_of_an_owner_that_does_not_drain_stays_bounded() -> None:
    settings = OtaServerSettings(pending=100)
    server = OtaServer(settings)
    server.offer(DEVICE, FILE, Activation.IMMEDIATE, NOW)
    for _ in range(5000):
        server.receive(DEVICE, encode_command(ImageBlockRequest(IMAGE, 0, 48), 1), NOW)
        server.receive(DEVICE, b"", NOW)
    assert len(server.responses()) <= settings.pending
    assert len(server.events()) <= settings.pending + 2
    assert server.dropped > 0


def test_attack_reply_storm_no_default_response_is_ever_answered(server: OtaServer) -> None:
    for command, status in itertools.product(range(256), (0x00, 0x7E, 0x80, 0x81, 0xFF)):
        payload = bytes((command, status))
        frame = ZclFrame(1, 0x0B, payload, cluster_specific=False, disable_default_response=False)
        server.receive(DEVICE, frame.encode(), NOW)
        assert server.responses() == []
        server.events()
