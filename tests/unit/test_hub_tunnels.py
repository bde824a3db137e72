"""Tunnels: GBCS octets go in and out unchanged, a lost tunnel is opened again, a lost message is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hanota.dcc.dcc import Dcc
from hanota.dcc.errors import NoResponseError
from hanota.errors import DeliveryError, LocalProtocolError
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from hanota.hub.ports import Priority
from hanota.zcl import ClusterId, DefaultResponse, Direction, GeneralCommand, Status, ZclFrame
from hanota.zse.tunneling import RequestTunnelStatus
from hanota.zse.tunneling.commands import (
    RequestTunnel,
    TransferData,
    TunnelClosureNotification,
    decode_command,
    encode_command,
)
from tests.hub_parties_support import HCALCS, PPMID, activation_alert
from tests.hub_support import lab, virtual

if TYPE_CHECKING:
    from hanota.eui64 import Eui64
    from hanota.zse.tunneling.commands import TunnelCommand
    from tests.hub_support import Lab

PPMID_ID, HCALCS_ID = PPMID.eui64, HCALCS.eui64
TUNNELING = ClusterId.TUNNELING


def commands(made: Lab, device: Eui64) -> list[TunnelCommand]:
    """Return the Tunneling commands the hub sent to `device`."""
    frames = (ZclFrame.decode(data) for data in made.radio.to(device, TUNNELING))
    return [decode_command(frame) for frame in frames if frame.cluster_specific]


def default_responses(made: Lab, device: Eui64) -> list[DefaultResponse]:
    frames = (ZclFrame.decode(data) for data in made.radio.to(device, TUNNELING))
    return [DefaultResponse.decode(frame.payload) for frame in frames if frame.is_default_response]


@virtual
async def test_a_tunnel_is_asked_for_as_gbcs_says_when_a_device_joins() -> None:
    async with lab() as made:
        await asyncio.sleep(60)
        before = len(commands(made, HCALCS_ID))
        await made.joined(HCALCS, JobKind.HCALCS)
        (request,) = commands(made, HCALCS_ID)[before:]
        assert request == RequestTunnel(
            protocol_id=6,
            manufacturer_code=0xFFFF,
            flow_control_support=False,
            maximum_incoming_transfer_size=1500,
        )
        (opened,) = made.of(EventKind.TUNNEL_OPENED)
        assert opened.detail == {"tunnel": 0, "octets": 1500}
        assert {frame.priority for frame in made.radio.sent} == {Priority.CRITICAL}


@virtual
async def test_gbcs_octets_go_both_ways_unchanged() -> None:
    async with lab() as made:
        device = await made.joined(PPMID, JobKind.PPMID)
        octets = bytes(range(256)) * 5
        made.hub.relay(PPMID_ID, octets)
        device.say(activation_alert())
        await asyncio.sleep(1)
        assert device.messages == [octets]
        (received,) = made.of(EventKind.GBCS_RECEIVED, PPMID_ID)
        assert received.detail["octets"] == len(activation_alert().encode())


@virtual
async def test_the_wan_is_told_when_the_device_has_acknowledged_a_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[tuple[Eui64, bytes]] = []
    monkeypatch.setattr(Dcc, "message_delivered", lambda _, *message: told.append(message))
    async with lab() as made:
        device = await made.joined(PPMID, JobKind.PPMID)
        assert told == []  # nothing of RequestTunnel
        made.radio.errors[PPMID_ID] = DeliveryError("no acknowledgement")
        made.hub.relay(PPMID_ID, b"a message")
        await asyncio.sleep(1)
        assert told == []
        made.radio.errors.clear()
        await asyncio.sleep(60)
        assert device.messages == [b"a message"]
        assert told == [(PPMID_ID, b"a message")]


@virtual
async def test_a_device_that_joins_again_has_its_tunnel_opened_again_and_the_message_goes_through_it() -> (
    None
):
    async with lab() as made:
        device = await made.joined(HCALCS, JobKind.HCALCS)
        device.reboot()
        made.hub.relay(HCALCS_ID, b"after the reboot")
        await asyncio.sleep(1)
        assert device.messages == [b"after the reboot"]
        assert len(made.of(EventKind.TUNNEL_OPENED)) == 2
        assert len(made.of(EventKind.TUNNEL_CLOSED)) == 1


@virtual
async def test_a_message_for_a_device_that_forgot_its_tunnel_is_sent_again_through_a_new_one() -> None:
    async with lab() as made:
        device = await made.joined(HCALCS, JobKind.HCALCS)
        device.tunnel = type(device.tunnel)()  # a restart that the radio did not notice
        made.hub.relay(HCALCS_ID, b"once")
        await asyncio.sleep(1)
        assert device.messages == [b"once"]


@virtual
async def test_a_tunnel_that_the_device_closes_is_opened_again() -> None:
    async with lab() as made:
        device = await made.joined(HCALCS, JobKind.HCALCS)
        (opened,) = made.of(EventKind.TUNNEL_OPENED)
        tunnel = int(str(opened.detail["tunnel"]))
        closed = encode_command(TunnelClosureNotification(tunnel), Direction.TO_CLIENT, 1).encode()
        made.say(HCALCS_ID, TUNNELING, closed)
        await asyncio.sleep(1)
        assert len(made.of(EventKind.TUNNEL_OPENED)) == 2
        made.hub.relay(HCALCS_ID, b"through the new one")
        await asyncio.sleep(1)
        assert device.messages == [b"through the new one"]


@virtual
async def test_a_message_that_was_not_delivered_is_sent_again() -> None:
    async with lab() as made:
        device = await made.joined(HCALCS, JobKind.HCALCS)
        made.radio.errors[HCALCS_ID] = DeliveryError("no acknowledgement")
        made.hub.relay(HCALCS_ID, b"again")
        await asyncio.sleep(1)
        del made.radio.errors[HCALCS_ID]
        assert device.messages == []
        await asyncio.sleep(15)
        assert device.messages == [b"again"]
        assert made.of(EventKind.TUNNEL_FAILED) == []


@virtual
async def test_a_message_that_is_never_delivered_is_told_to_who_waits_for_its_answer() -> None:
    async with lab() as made:
        await made.joined(HCALCS, JobKind.HCALCS)
        made.radio.errors[HCALCS_ID] = DeliveryError("no acknowledgement")
        response = made.read_version(HCALCS_ID)
        with pytest.raises(NoResponseError, match="could not deliver"):
            async with asyncio.timeout(120):
                await response
        sent = [command for command in commands(made, HCALCS_ID) if isinstance(command, TransferData)]
        assert len(sent) == 3
        (returned,) = made.of(EventKind.RESPONSE_RETURNED)
        assert returned.detail["outcome"] == "no response: the radio could not deliver the message"
        assert made.of(EventKind.TUNNEL_FAILED)[-1].device == HCALCS_ID


@virtual
async def test_a_device_that_refuses_every_tunnel_fails_the_message_and_says_why() -> None:
    async with lab() as made:
        device = made.device(HCALCS, JobKind.HCALCS)
        device.tunnel.refusal = RequestTunnelStatus.PROTOCOL_NOT_SUPPORTED
        response = made.read_version(HCALCS_ID)
        with pytest.raises(NoResponseError, match="does not tunnel this protocol"):
            await response


@virtual
async def test_messages_for_a_device_that_is_away_wait_for_it_to_come_back() -> None:
    async with lab() as made:
        device = await made.joined(HCALCS, JobKind.HCALCS)
        made.hub.device_left(HCALCS_ID)
        made.radio.errors[HCALCS_ID] = DeliveryError("no route")
        made.hub.relay(HCALCS_ID, b"wait")
        await asyncio.sleep(5)
        del made.radio.errors[HCALCS_ID]
        device.reboot()
        await asyncio.sleep(20)
        assert device.messages == [b"wait"]


@virtual
async def test_a_queue_that_is_full_or_a_message_too_large_is_refused_at_once() -> None:
    async with lab() as made:
        device = await made.joined(HCALCS, JobKind.HCALCS)
        with pytest.raises(LocalProtocolError, match="1501 octets, but the device takes 1500"):
            made.hub.relay(HCALCS_ID, bytes(1501))
        device.reboot()
        for _ in range(16):
            made.hub.relay(HCALCS_ID, b"waiting")
        with pytest.raises(LocalProtocolError, match="16 messages wait"):
            made.hub.relay(HCALCS_ID, b"one too many")
        await asyncio.sleep(1)
        assert device.messages == [b"waiting"] * 16


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        ("09 07 00 00", Status.MALFORMED_COMMAND),  # RequestTunnelResponse, cut short
        ("09 07 02 00 00 77", Status.INVALID_VALUE),  # TransferDataError with a status nobody knows
        ("09 07 7e", Status.UNSUP_CLUSTER_COMMAND),
        ("01 07 02 00 00", Status.UNSUP_CLUSTER_COMMAND),  # a client's command from the server
        ("08 07 01 00 00 00", Status.UNSUP_CLUSTER_COMMAND),  # a general command
    ],
)
@virtual
async def test_attack_malformed_tunnel_frames_are_answered_with_a_default_response_and_noted(
    octets: str, status: Status
) -> None:
    async with lab() as made:
        await made.joined(HCALCS, JobKind.HCALCS)
        made.say(HCALCS_ID, TUNNELING, bytes.fromhex(octets))
        await asyncio.sleep(1)
        (answer,) = default_responses(made, HCALCS_ID)
        assert answer == DefaultResponse(bytes.fromhex(octets)[2], status)
        (noted,) = made.of(EventKind.TUNNEL_FAILED)
        assert noted.device == HCALCS_ID
        # The tunnel goes on.
        made.hub.relay(HCALCS_ID, b"still there")
        await asyncio.sleep(1)
        assert made.radio.devices[HCALCS_ID].messages == [b"still there"]


@pytest.mark.parametrize("payload", [b"", b"\x02", b"\x02\x81", b"\x02\x00", b"\x02\x81\x00"])
@virtual
async def test_attack_reply_storm_no_default_response_is_answered_with_one(payload: bytes) -> None:
    async with lab() as made:
        await made.joined(HCALCS, JobKind.HCALCS)
        storm = ZclFrame(
            77, GeneralCommand.DEFAULT_RESPONSE, payload, Direction.TO_CLIENT, cluster_specific=False
        )
        sent = len(made.radio.sent)
        made.say(HCALCS_ID, TUNNELING, storm.encode())
        await asyncio.sleep(1)
        assert len(made.radio.sent) == sent


@pytest.mark.parametrize("octets", [b"", b"\x09", b"\x03\x01\x00", b"\x0d\x01\x02"])
@virtual
async def test_octets_that_are_no_zcl_frame_are_noted_and_not_answered(octets: bytes) -> None:
    async with lab() as made:
        await made.joined(HCALCS, JobKind.HCALCS)
        sent = len(made.radio.sent)
        made.say(HCALCS_ID, TUNNELING, octets)
        await asyncio.sleep(1)
        assert len(made.radio.sent) == sent
        assert len(made.of(EventKind.TUNNEL_FAILED)) == 1
