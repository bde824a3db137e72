"""The emulated EmberZNet co-processor, spoken to in EZSP: messages, blocks of long ones, ZDO."""

from __future__ import annotations

import asyncio
import struct

import pytest

from hanota.emulator.air import TxStatus
from hanota.emulator.ezsp.ncp import EzspSettings
from hanota.emulator.loop import run_virtual
from tests.emulator.ezsp_host import (
    ADD_ENDPOINT,
    ENCRYPTION,
    FRAGMENT,
    INITIAL_SECURITY,
    PARAMETERS,
    RETRY,
    SMART_ENERGY,
    Host,
    play,
)
from tests.emulator.znp_support import DEVICE_ENDPOINT, HUB_ENDPOINT, OTA, PPMID

each_version = pytest.mark.parametrize("version", [13, 14])


def block(index: int, count: int) -> dict[str, int]:
    return {"options": RETRY | FRAGMENT, "group": count << 8 | index}


@each_version
def test_a_message_sent_repeats_destination_header_and_tag_after_the_frame_was_delivered(
    version: int,
) -> None:
    async def scenario(host: Host) -> None:
        answer = await host.command(0x0034, host.unicast(b"block"))
        sequence = answer[-1]
        (sent,) = host.told(0x003F)
        head = struct.pack("<BH", 0, host.device.nwk)
        header = struct.pack("<HHBBHHB", SMART_ENERGY, OTA, 3, 5, RETRY, 0, sequence)
        if version == 13:
            assert sent == head + header + b"\x07\x00\x00"
        else:
            assert sent == bytes(4) + head + header + b"\x07\x00\x00"
        (frame,) = host.device.received
        assert (frame.payload, frame.profile, frame.source_endpoint, frame.sequence) == (
            b"block",
            SMART_ENERGY,
            HUB_ENDPOINT,
            sequence,
        )

    play(scenario, version)


def test_contents_come_back_with_the_report_if_the_policy_says_so() -> None:
    async def scenario(host: Host) -> None:
        await host.command(0x0055, b"\x04\x41")
        await host.send(b"block")
        assert host.told(0x003F)[0].endswith(b"\x05block")

    play(scenario)


@each_version
def test_incoming_messages_come_in_the_layout_of_their_version(version: int) -> None:
    async def scenario(host: Host) -> None:
        await host.device.send(SMART_ENERGY, OTA, 5, 3, b"request")
        await host.listen(0.1)
        (data,) = host.told(0x0045)
        frame_sequence = data[11]
        header = struct.pack("<HHBBHHB", SMART_ENERGY, OTA, 5, 3, 0x0160, 0, frame_sequence)
        nwk = struct.pack("<H", host.device.nwk)
        if version == 13:
            assert data == b"\x00" + header + b"\xdc\xd3" + nwk + b"\xff\xff" + b"\x07request"
        else:
            assert data[:26] == b"\x00" + header + nwk + PPMID.to_zigbee() + b"\xff\xff\xdc\xd3"
            assert data[30:] == b"\x07request"

    play(scenario, version)


@each_version
def test_aps_security_is_by_the_link_key_of_the_device_and_without_one_refused(version: int) -> None:
    async def scenario(host: Host) -> None:
        assert await host.send(b"x", options=RETRY | ENCRYPTION) == host.ok
        assert host.device.received[-1].link_key == host.device.link_key
        host.device.link_key = bytes(range(16))
        await host.command(0x010E, b"\x00" + PPMID.to_zigbee() + bytes(range(16)))
        assert await host.send(b"y", options=RETRY | ENCRYPTION) == host.ok
        assert host.device.received[-1].link_key == bytes(range(16))
        await host.device.send(SMART_ENERGY, OTA, 5, 3, b"z")
        await host.listen(0.1)
        assert host.incoming()[0][0] & ENCRYPTION
        await host.command(0x00B1)
        await host.command(0x006B)
        assert await host.send(b"y", options=RETRY | ENCRYPTION) == host.status(0xA6, 0x0C0A)

    play(scenario, version)


@pytest.mark.parametrize(("options", "limit"), [(RETRY, 82), (RETRY | ENCRYPTION, 73)])
@each_version
def test_a_message_is_as_long_as_one_frame_and_no_longer(version: int, options: int, limit: int) -> None:
    async def scenario(host: Host) -> None:
        assert await host.send(bytes(limit), options=options) == host.ok
        assert await host.send(bytes(limit + 1), options=options) == host.status(0x74, 0x38)
        assert await host.send(bytes(limit - 2), options=options | FRAGMENT, group=0x0100) == host.ok
        too_long = await host.send(bytes(limit - 1), options=options | FRAGMENT, group=0x0100)
        assert too_long == host.status(0x74, 0x38)

    play(scenario, version)


@each_version
def test_a_device_out_of_reach_is_a_failed_delivery(version: int) -> None:
    async def scenario(host: Host) -> None:
        host.device.power_off()
        assert await host.send(b"unheard", wait=1) == host.ok
        (sent,) = host.told(0x003F)
        assert (sent[15:16] if version == 13 else sent[:4]) == host.status(0x66, 0x0C02)

    play(scenario, version)


def test_retried_messages_are_limited_by_their_count_and_all_by_the_buffers() -> None:
    async def scenario(host: Host) -> None:
        host.air.faults[host.device.eui64].latency = 5
        answers = [await host.send(b"x") for _ in range(33)]
        assert answers == [b"\x00"] * 32 + [b"\x72"]
        assert await host.send(b"x", options=0) == b"\x00"  # unacknowledged ones do not count
        assert await host.command(0x00AA, b"\x03") == b"\x00\x01\x07"
        answers = [await host.send(b"x", options=0) for _ in range(8)]
        assert answers == [b"\x00"] * 7 + [b"\x18"]
        await host.listen(60)
        assert await host.command(0x00AA, b"\x03") == b"\x00\x01\x28"
        assert await host.send(b"x") == b"\x00"

    play(scenario, settings=EzspSettings(packet_buffers=40))


@each_version
def test_broadcasts_and_groups_reach_those_who_listen(version: int) -> None:
    async def scenario(host: Host) -> None:
        header = struct.pack("<HHBBHHB", SMART_ENERGY, OTA, 3, 5, 0x0100, 0, 0)
        if version == 13:
            broadcast = struct.pack("<H", 0xFFFD) + header + b"\x1e\x09\x03all"
            multicast = header + b"\x00\x03\x09\x03all"
        else:
            broadcast = struct.pack("<HHB", 0xFFFF, 0xFFFD, 0) + header + b"\x1e\x09\x00\x03all"
            multicast = header + struct.pack("<BHHB", 0, 0xFFFD, 0xFFFF, 0) + b"\x09\x00\x03all"
        assert (await host.command(0x0036, broadcast))[:-1] == host.ok
        assert (await host.command(0x0038, multicast))[:-1] == host.ok
        assert [frame.payload for frame in host.device.received] == [b"all", b"all"]

    play(scenario, version)


def test_a_message_may_be_addressed_by_the_address_table_and_by_no_binding() -> None:
    async def scenario(host: Host) -> None:
        await host.command(0x0082, struct.pack("<B8sHB", 4, PPMID.to_zigbee(), host.device.nwk, 0))
        message = host.unicast(b"by index")[3:]
        assert (await host.command(0x0034, b"\x01\x04\x00" + message))[:1] == b"\x00"
        assert host.told(0x003F)[0][:3] == b"\x01\x04\x00"
        assert host.device.received[-1].payload == b"by index"
        assert (await host.command(0x0034, b"\x01\x05\x00" + message))[:1] == b"\xb1"
        assert (await host.command(0x0034, b"\x02\x00\x00" + message))[:1] == b"\xb1"

    play(scenario)


def test_a_frame_for_an_endpoint_nobody_registered_is_not_reported() -> None:
    async def scenario(host: Host) -> None:
        assert await host.device.send(SMART_ENERGY, OTA, 5, 99, b"x") is TxStatus.SUCCESS
        await host.listen(0.1)
        assert host.incoming() == []
        assert host.ncp.statistics.unregistered_endpoint == 1

    play(scenario)


def test_a_message_to_the_node_itself_comes_back() -> None:
    async def scenario(host: Host) -> None:
        message = bytearray(host.unicast(b"echo"))
        message[1:3] = bytes(2)
        message[8] = HUB_ENDPOINT
        await host.command(0x0034, bytes(message))
        assert [contents for _, _, contents in host.incoming()] == [b"echo"]
        node_descriptor = struct.pack("<BH", 0, 0) + struct.pack("<HHBBHHB", 0, 2, 0, 0, 0, 0, 0)
        await host.command(0x0034, node_descriptor + b"\x01\x03\x55\x00\x00")
        ((_, _, response),) = host.incoming()
        assert response[:4] == b"\x55\x00\x00\x00"

    play(scenario)


@each_version
def test_a_long_message_is_sent_block_by_block_each_with_its_report(version: int) -> None:
    async def scenario(host: Host) -> None:
        message = bytes(range(182))
        pieces = [message[start : start + 61] for start in range(0, 182, 61)]
        sequence = 0
        for index, piece in enumerate(pieces):
            data = host.unicast(piece, sequence=sequence, **block(index, len(pieces)))
            answer = await host.command(0x0034, data)
            assert answer[:-1] == host.ok
            assert len(host.told(0x003F)) == 1
            assert index == 0 or answer[-1] == sequence
            sequence = answer[-1]
        assert [frame.payload for frame in host.device.received] == [message]

    play(scenario, version)


@each_version
def test_a_long_incoming_message_comes_block_by_block_as_the_host_acknowledges(version: int) -> None:
    async def scenario(host: Host) -> None:
        message = bytes(number & 0xFF for number in range(300))
        sending = asyncio.ensure_future(host.device.send(SMART_ENERGY, OTA, 5, 3, message))
        received = b""
        await host.listen(0.1)
        count = host.incoming()[0][1] >> 8
        for index in range(count):
            ((options, group, piece),) = host.incoming()
            assert options & FRAGMENT
            assert group == (count << 8 if index == 0 else index)
            received += piece
            assert await host.command(0x0039, _reply(host, index, 0xFF)) == host.ok
        assert received == message
        assert await sending is TxStatus.SUCCESS

    play(scenario, version)


def _reply(host: Host, first: int, mask: int) -> bytes:
    """sendReply that acknowledges blocks of what the device is sending."""
    header = struct.pack(
        "<HHBBHHB",
        SMART_ENERGY,
        OTA,
        HUB_ENDPOINT,
        DEVICE_ENDPOINT,
        FRAGMENT | RETRY,
        mask << 8 | first,
        host.device._sequence,
    )
    return struct.pack("<H", host.device.nwk) + header + b"\x00"


def test_blocks_that_nobody_acknowledges_are_repeated_then_given_up() -> None:
    async def scenario(host: Host) -> None:
        sending = asyncio.ensure_future(host.device.send(SMART_ENERGY, OTA, 5, 3, bytes(100)))
        await host.listen(10)
        assert len(host.incoming()) == 4
        assert await sending is TxStatus.APS_NO_ACK
        assert await host.command(0x0039, _reply(host, 0, 0xFE)) == b"\x00"  # too late harms nothing
        plain = struct.pack("<HHHBBHHB", host.device.nwk, SMART_ENERGY, OTA, 3, 5, RETRY, 0, 1)
        assert await host.command(0x0039, plain + b"\x00") == b"\x70"

    play(scenario)


def test_a_block_mask_that_leaves_the_block_out_acknowledges_nothing() -> None:
    async def scenario(host: Host) -> None:
        sending = asyncio.ensure_future(host.device.send(SMART_ENERGY, OTA, 5, 3, bytes(100)))
        await host.listen(0.1)
        await host.command(0x0039, _reply(host, 0, 0xFE))
        await host.listen(2)
        assert [group & 0xFF for _, group, _ in host.incoming()] == [0]
        await host.command(0x0039, _reply(host, 0, 0x01))
        await host.command(0x0039, _reply(host, 1, 0x01))
        assert await sending is TxStatus.SUCCESS

    play(scenario)


async def _asked(host: Host, cluster: int, body: bytes) -> tuple[list[int], int]:
    """Let the device ask the node; return the options of what the host heard, and the answers counted."""
    heard: list[bytes] = []
    host.device._waiting[0x33] = asyncio.get_running_loop().create_future()
    host.device._waiting[0x33].add_done_callback(lambda done: heard.append(done.result()))
    await host.device._send_zdo(cluster, b"\x33" + body, 0)
    await host.listen(0.2)
    host.device._waiting.clear()
    return [options for options, _, _ in host.incoming()], len(heard)


@pytest.mark.parametrize(
    ("flags", "cluster", "reported", "answered"),
    [
        pytest.param(0x00, 0x0002, [], 1, id="node descriptor: the stack alone"),
        pytest.param(0x01, 0x0002, [0x0100], 1, id="node descriptor: the host hears of it"),
        pytest.param(0x00, 0x0021, [], 1, id="bind: refused by the stack"),
        pytest.param(0x02, 0x0021, [0x4100], 0, id="bind: left to the host"),
        pytest.param(0x04, 0x0005, [0x4100], 0, id="active endpoints: left to the host"),
        pytest.param(0x03, 0x0005, [0x0100], 1, id="active endpoints: the stack, and the host hears"),
    ],
)
def test_zdo_requests_of_devices_are_answered_and_reported_as_configured(
    flags: int, cluster: int, reported: list[int], answered: int
) -> None:
    async def scenario() -> None:
        host = Host()
        await host.reset()
        await host.frame(bytes((0, 0, 13)))
        await host.command(0x0053, bytes((0x2A, flags, 0)))
        await host.command(0x0002, ADD_ENDPOINT)
        await host.command(0x0068, INITIAL_SECURITY)
        await host.command(0x001E, PARAMETERS)
        await host.join()
        assert await _asked(host, cluster, bytes(2)) == (reported, answered)
        host.ncp.stop()

    run_virtual(scenario())


def test_an_announcement_is_always_reported() -> None:
    async def scenario(host: Host) -> None:
        await host.device.power_on()
        await host.listen(0.1)
        (data,) = host.told(0x0045)
        assert data[:5] == b"\x04\x00\x00\x13\x00"

    play(scenario)


def test_the_manufacturer_code_is_the_hosts_choice() -> None:
    async def scenario(host: Host) -> None:
        assert await host.command(0x0015, b"\x34\x12") == bytes(4)
        request = struct.pack("<BH", 0, 0) + struct.pack("<HHBBHHB", 0, 2, 0, 0, 0, 0, 0)
        await host.command(0x0034, request + b"\x01\x00\x03\x55\x00\x00")
        ((_, _, response),) = host.incoming()
        assert response[7:9] == b"\x34\x12"

    play(scenario, 14)


def test_a_flood_of_zdo_requests_is_answered_within_a_limit_and_the_rest_is_counted() -> None:
    async def scenario(host: Host) -> None:
        await asyncio.gather(*(host.device._send_zdo(0x0002, b"\x01" + bytes(2), 0) for _ in range(50)))
        await host.listen(5)
        assert 0 < host.ncp.statistics.unanswered_requests < 50
        assert await host.send(b"still here") == b"\x00"

    play(scenario)
