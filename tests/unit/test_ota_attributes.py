"""The client's attributes: read, reported, and what the server makes of them."""

from __future__ import annotations

import pytest

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.ota.attributes import (
    AttributeId,
    answer_read,
    decode_values,
    encode_value,
    read_attributes,
    report_attributes,
)
from hanota.ota.client_events import ImageUpgradeStatus
from hanota.ota.commands import NEVER, ImageBlockRequest, ImageBlockResponse, UpgradeEndResponse, WaitForData
from hanota.ota.events import ClientAttributesTold, Refusal, RequestRefused
from hanota.ota.period import period_field, period_seconds
from hanota.ota.server import OtaServer
from hanota.timestamps import zigbee_time
from hanota.zcl import Direction, Status, ZclFrame
from tests.ota_client_support import Bench
from tests.ota_support import IMAGE, NOW, PPMID, Device

A = AttributeId


def test_a_read_names_each_attribute_little_endian() -> None:
    frame = read_attributes([A.IMAGE_UPGRADE_STATUS, A.CLUSTER_REVISION], 5)
    assert frame == bytes.fromhex("18 05 00 0600 fdff")


def test_an_answer_has_type_and_value_or_the_status_that_there_is_none() -> None:
    request = ZclFrame.decode(bytes.fromhex("18 05 00 0600 0100 0a00 9999 0a"))
    frame = answer_read(request, {A.IMAGE_UPGRADE_STATUS: 1, A.FILE_OFFSET: 48})
    assert frame == bytes.fromhex("10 05 01 0600 00 30 01 0100 00 23 30000000 0a00 86 9999 86")
    assert decode_values(ZclFrame.decode(frame)) == {A.IMAGE_UPGRADE_STATUS: 1, A.FILE_OFFSET: 48}


@pytest.mark.parametrize("attribute", AttributeId)
def test_every_attribute_survives_a_report(attribute: AttributeId) -> None:
    frame = ZclFrame.decode(report_attributes({attribute: 1}, 3))
    assert frame.direction is Direction.TO_SERVER
    assert decode_values(frame) == {attribute: 1}


def test_a_value_that_its_type_cannot_hold_is_our_own_fault() -> None:
    with pytest.raises(LocalProtocolError):
        encode_value(A.IMAGE_UPGRADE_STATUS, 256)


@pytest.mark.parametrize(
    "octets", ["10 05 01 06", "10 05 01 0600", "10 05 01 0600 00", "10 05 01 0100 00 23 30"]
)
def test_a_record_cut_short_is_malformed(octets: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_values(ZclFrame.decode(bytes.fromhex(octets)))
    assert caught.value.status == Status.MALFORMED_COMMAND


def test_an_attribute_in_another_type_or_after_an_unknown_one_is_left_out() -> None:
    other_type = "10 05 01 0600 00 21 0100 0700 00 21 1d12"
    assert decode_values(ZclFrame.decode(bytes.fromhex(other_type))) == {A.MANUFACTURER_ID: 0x121D}
    unknown_type = "10 05 01 0700 00 21 1d12 0600 00 42 01 41"
    assert decode_values(ZclFrame.decode(bytes.fromhex(unknown_type))) == {A.MANUFACTURER_ID: 0x121D}


def test_a_client_answers_what_it_is_doing() -> None:
    bench = Bench()
    bench.downloaded(63)
    bench.client.requests()
    bench.client.receive(read_attributes(AttributeId, 5), bench.now)
    (frame,) = bench.frames()
    values = decode_values(frame)
    assert values[A.IMAGE_UPGRADE_STATUS] == ImageUpgradeStatus.DOWNLOAD_IN_PROGRESS
    assert values[A.FILE_OFFSET] == 63
    assert values[A.CURRENT_FILE_VERSION] == 1
    assert values[A.DOWNLOADED_FILE_VERSION] == NEVER
    assert values[A.UPGRADE_TIMEOUT_POLICY] == 1
    assert set(AttributeId) - set(values) == {A.IMAGE_STAMP}


def test_a_client_tells_its_downloaded_version_once_the_image_is_good() -> None:
    bench = Bench()
    assert bench.client.attributes()[A.FILE_OFFSET] == 0xFFFF_FFFF
    bench.downloaded()
    assert bench.client.attributes()[A.DOWNLOADED_FILE_VERSION] == 2
    assert bench.client.attributes()[A.IMAGE_UPGRADE_STATUS] == ImageUpgradeStatus.DOWNLOAD_COMPLETE


# -- the server --


@pytest.fixture
def device() -> Device:
    return Device(OtaServer()).offered()


def tell(device: Device, values: dict[AttributeId, int]) -> None:
    assert device.send_frame(report_attributes(values, 1)) == []


def test_the_server_reads_them_all_and_tells_what_it_hears(device: Device) -> None:
    device.server.read_attributes(PPMID)
    (out,) = device.server.responses()
    assert out.data[3:] == b"".join(attribute.to_bytes(2, "little") for attribute in AttributeId)
    tell(device, {A.IMAGE_UPGRADE_STATUS: 1, A.FILE_OFFSET: 96})
    assert device.told == [ClientAttributesTold(PPMID, NOW, {A.IMAGE_UPGRADE_STATUS: 1, A.FILE_OFFSET: 96})]


def test_attributes_that_cannot_be_read_are_told_and_not_answered(device: Device) -> None:
    assert device.send_frame(bytes.fromhex("10 05 01 0600 00")) == []
    (event,) = device.told
    assert isinstance(event, RequestRefused)
    assert event.reason is Refusal.MALFORMED


def test_a_ppmid_of_activation_policy_out_of_band_is_told_to_wait(device: Device) -> None:
    tell(device, {A.UPGRADE_ACTIVATION_POLICY: 1})
    device.download()
    assert device.end() == UpgradeEndResponse(IMAGE, zigbee_time(NOW), NEVER)


@pytest.mark.parametrize(("revision", "field"), [(1, 500), (2, 1), (3, 500), (4, 500), (5, 500)])
def test_a_block_period_is_told_in_the_unit_of_the_clients_revision(
    device: Device, revision: int, field: int
) -> None:
    tell(device, {A.CLUSTER_REVISION: revision})
    device.server.set_block_period(PPMID, 0.5)
    current = zigbee_time(NOW)
    assert device.ask(ImageBlockRequest(IMAGE, 0, 48, None, 0)) == ImageBlockResponse(
        Status.WAIT_FOR_DATA, WaitForData(current, current, field)
    )
    answer = device.ask(ImageBlockRequest(IMAGE, 0, 48, None, field))
    assert isinstance(answer, ImageBlockResponse)
    assert answer.status == Status.SUCCESS


@pytest.mark.parametrize("period", [0, None])
def test_no_period_is_told_to_a_client_whose_unit_or_support_is_not_known(
    device: Device, period: int | None
) -> None:
    if period is None:
        tell(device, {A.CLUSTER_REVISION: 4})
    device.server.set_block_period(PPMID, 0.5)
    answer = device.ask(ImageBlockRequest(IMAGE, 0, 48, None, period))
    assert isinstance(answer, ImageBlockResponse)
    assert answer.status == Status.SUCCESS


def test_a_client_that_does_not_take_the_period_up_is_served_all_the_same(device: Device) -> None:
    tell(device, {A.CLUSTER_REVISION: 4})
    device.server.set_block_period(PPMID, 0.5)
    answers = [device.ask(ImageBlockRequest(IMAGE, 0, 48, None, 0)) for _ in range(4)]
    statuses = [answer.status for answer in answers if isinstance(answer, ImageBlockResponse)]
    assert statuses == [Status.WAIT_FOR_DATA] * 3 + [Status.SUCCESS]


@pytest.mark.parametrize(("seconds", "revision"), [(0, 1), (0.001, 1), (0.5, 4), (1, 2), (65, 4), (65535, 2)])
def test_a_period_survives_its_field(seconds: float, revision: int) -> None:
    assert period_seconds(period_field(seconds, revision), revision) == seconds


def test_a_period_is_rounded_up_and_cut_at_what_the_field_can_say() -> None:
    assert period_field(0.2, 2) == 1
    assert period_field(1e9, 4) == 0xFFFF
