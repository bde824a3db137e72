"""Tunneling (0x0704): the octets GBCS 10.2.2 gives, and both ends of a tunnel."""

from __future__ import annotations

import pytest

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.zcl import Direction, Status, ZclFrame
from hanota.zse.tunneling import (
    DataReceived,
    RequestTunnelStatus,
    SendFailed,
    TransferDataStatus,
    TunnelClient,
    TunnelClientSettings,
    TunnelClosed,
    TunnelFailed,
    TunnelFailure,
    TunnelOpened,
    TunnelServer,
    TunnelServerSettings,
    decode_command,
    encode_command,
)
from hanota.zse.tunneling.commands import (
    AckTransferData,
    CloseTunnel,
    GetSupportedTunnelProtocols,
    ReadyData,
    RequestTunnel,
    RequestTunnelResponse,
    SupportedTunnelProtocolsResponse,
    TransferData,
    TransferDataError,
    TunnelClosureNotification,
    TunnelProtocol,
)
from hanota.zse.tunneling.outbox import TransferSettings

MESSAGE = bytes(range(165))
NOW = 1_800_000_000.0


def exchange(client: TunnelClient, server: TunnelServer, now: float = NOW) -> None:
    """Carry frames both ways until neither end has one."""
    while frames := [(server.receive, f) for f in client.requests()] + [
        (client.receive, f) for f in server.responses()
    ]:
        for receive, frame in frames:
            receive(frame, now)


def commands(frames: list[bytes]) -> list[object]:
    return [decode_command(ZclFrame.decode(frame)) for frame in frames]


def opened() -> tuple[TunnelClient, TunnelServer]:
    client, server = TunnelClient(), TunnelServer()
    client.open(NOW)
    exchange(client, server)
    assert client.events() == [TunnelOpened(0, 1500)]
    server.events()
    return client, server


def answer(client: TunnelClient, status: RequestTunnelStatus, tunnel_id: int = 0, now: float = NOW) -> None:
    """Answer the RequestTunnel the client sent last."""
    sequence = ZclFrame.decode(client.requests()[-1]).sequence
    response = RequestTunnelResponse(tunnel_id, status, 1500)
    client.receive(encode_command(response, Direction.TO_CLIENT, sequence).encode(), now)


@pytest.mark.parametrize(
    ("command", "direction", "octets"),
    [
        (RequestTunnel(6, 0xFFFF, False, 1500), Direction.TO_SERVER, "11 07 00 06 FFFF 00 DC05"),
        (CloseTunnel(0x0102), Direction.TO_SERVER, "11 07 01 0201"),
        (TransferData(1, b"\xdf\x09"), Direction.TO_SERVER, "11 07 02 0100 DF09"),
        (
            TransferDataError(1, TransferDataStatus.NO_SUCH_TUNNEL),
            Direction.TO_SERVER,
            "11 07 03 0100 00",
        ),
        (AckTransferData(1, 5), Direction.TO_SERVER, "11 07 04 0100 0500"),
        (ReadyData(1, 5), Direction.TO_SERVER, "11 07 05 0100 0500"),
        (GetSupportedTunnelProtocols(0), Direction.TO_SERVER, "11 07 06 00"),
        (
            RequestTunnelResponse(1, RequestTunnelStatus.BUSY, 1500),
            Direction.TO_CLIENT,
            "19 07 00 0100 01 DC05",
        ),
        (TransferData(1, b"\xdf\x09"), Direction.TO_CLIENT, "19 07 01 0100 DF09"),
        (TransferDataError(1, TransferDataStatus.DATA_OVERFLOW), Direction.TO_CLIENT, "19 07 02 0100 02"),
        (AckTransferData(1, 5), Direction.TO_CLIENT, "19 07 03 0100 0500"),
        (ReadyData(1, 5), Direction.TO_CLIENT, "19 07 04 0100 0500"),
        (
            SupportedTunnelProtocolsResponse(True, (TunnelProtocol(0xFFFF, 6),)),
            Direction.TO_CLIENT,
            "19 07 05 01 01 FFFF 06",
        ),
        (TunnelClosureNotification(1), Direction.TO_CLIENT, "19 07 06 0100"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_commands_have_the_octets_of_the_cluster(command, direction, octets) -> None:  # type: ignore[no-untyped-def]
    frame = encode_command(command, direction, 7)
    assert frame.encode() == bytes.fromhex(octets)
    assert decode_command(frame) == command


def test_a_command_that_does_not_go_in_a_direction_is_our_own_fault() -> None:
    with pytest.raises(LocalProtocolError):
        encode_command(CloseTunnel(1), Direction.TO_CLIENT, 0)


@pytest.mark.parametrize(
    ("frame", "status"),
    [
        (ZclFrame(0, 0x07), Status.UNSUP_CLUSTER_COMMAND),
        (ZclFrame(0, 0x02, b"\x01"), Status.MALFORMED_COMMAND),
        (ZclFrame(0, 0x03, b"\x01\x00\x09"), Status.INVALID_VALUE),
        (ZclFrame(0, 0x00, b"\x01\x00\x09\xdc\x05", Direction.TO_CLIENT), Status.INVALID_VALUE),
        (ZclFrame(0, 0x05, b"\x01\x02\xff\xff\x06", Direction.TO_CLIENT), Status.MALFORMED_COMMAND),
        (ZclFrame(0, 0x02, b"\x01\x00", manufacturer_code=0x1234), Status.UNSUP_CLUSTER_COMMAND),
    ],
)
def test_a_malformed_command_is_named_with_the_status_to_answer(frame: ZclFrame, status: Status) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_command(frame)
    assert caught.value.status == status


def test_the_first_message_opens_a_tunnel_with_the_parameters_of_gbcs_and_goes_through_raw() -> None:
    client, server = TunnelClient(), TunnelServer()
    client.send(MESSAGE, NOW)
    first = client.requests()
    assert commands(first) == [RequestTunnel(6, 0xFFFF, False, 1500)]
    server.receive(first[0], NOW)
    exchange(client, server)
    assert server.events() == [TunnelOpened(0, 1500), DataReceived(MESSAGE)]


def test_messages_go_both_ways_in_order() -> None:
    client, server = opened()
    for octets in (b"one", b"two"):
        client.send(octets, NOW)
        server.send(octets[::-1], NOW)
    exchange(client, server)
    assert server.events() == [DataReceived(b"one"), DataReceived(b"two")]
    assert client.events() == [DataReceived(b"eno"), DataReceived(b"owt")]


def test_a_device_keeps_its_alert_until_the_hub_opens_a_tunnel() -> None:
    client, server = TunnelClient(), TunnelServer()
    server.send(b"alert", NOW)
    assert server.responses() == []
    client.open(NOW)
    exchange(client, server)
    assert DataReceived(b"alert") in client.events()


def test_a_busy_device_is_asked_again_after_three_minutes() -> None:
    client = TunnelClient()
    client.send(MESSAGE, NOW)
    answer(client, RequestTunnelStatus.BUSY)
    assert client.next_timer() == NOW + 180
    client.expire(NOW + 179)
    assert client.requests() == []
    client.expire(NOW + 180)
    assert commands(client.requests()) == [RequestTunnel(6, 0xFFFF, False, 1500)]


def test_a_device_that_stays_busy_ends_the_message_by_name() -> None:
    client, server = TunnelClient(), TunnelServer()
    server.refusal = RequestTunnelStatus.BUSY
    client.send(MESSAGE, NOW)
    now = NOW
    while not (failed := [e for e in client.events() if isinstance(e, SendFailed)]):
        exchange(client, server, now)
        due = client.next_timer()
        assert due is not None
        now = due
        client.expire(now)
    assert failed == [SendFailed(MESSAGE, TunnelFailure.BUSY)]
    assert now - NOW == 3600


def test_when_identifiers_run_out_the_known_tunnels_are_closed_and_one_is_asked_for_again() -> None:
    client, server = TunnelClient(), TunnelServer(TunnelServerSettings(tunnel_limit=1))
    client.open(NOW)
    server.receive(client.requests()[0], NOW)
    server.responses()  # lost
    client.expire(NOW + 10)
    exchange(client, server, NOW + 10)
    client.send(MESSAGE, NOW + 11)
    exchange(client, server, NOW + 11)
    assert server.tunnel_ids == (0,)
    assert server.events()[-1] == DataReceived(MESSAGE)


def test_a_device_without_identifiers_even_so_ends_the_message_by_name() -> None:
    client = TunnelClient()
    client.send(MESSAGE, NOW)
    for _ in range(3):
        answer(client, RequestTunnelStatus.NO_MORE_TUNNEL_IDS)
    assert client.events() == [
        TunnelFailed(TunnelFailure.NO_TUNNEL_IDS),
        SendFailed(MESSAGE, TunnelFailure.NO_TUNNEL_IDS),
    ]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (RequestTunnelStatus.PROTOCOL_NOT_SUPPORTED, TunnelFailure.PROTOCOL_NOT_SUPPORTED),
        (RequestTunnelStatus.FLOW_CONTROL_NOT_SUPPORTED, TunnelFailure.FLOW_CONTROL_NOT_SUPPORTED),
    ],
)
def test_a_refused_tunnel_ends_the_message_by_name(
    status: RequestTunnelStatus, reason: TunnelFailure
) -> None:
    client = TunnelClient()
    client.send(MESSAGE, NOW)
    answer(client, status)
    assert client.events() == [TunnelFailed(reason), SendFailed(MESSAGE, reason)]
    assert client.next_timer() is None


def test_a_request_answered_by_an_error_default_response_ends_the_message() -> None:
    client = TunnelClient()
    client.send(MESSAGE, NOW)
    request = ZclFrame.decode(client.requests()[0])
    client.receive(request.default_response(Status.UNSUP_CLUSTER_COMMAND).encode(), NOW)
    assert SendFailed(MESSAGE, TunnelFailure.REFUSED) in client.events()


def test_a_silent_device_is_asked_three_times_then_the_message_ends() -> None:
    client = TunnelClient()
    client.send(MESSAGE, NOW)
    asked = len(client.requests())
    while client.next_timer() is not None:
        client.expire(client.next_timer() or 0)
        asked += len(client.requests())
    assert asked == 3
    assert client.events() == [
        TunnelFailed(TunnelFailure.NO_ANSWER),
        SendFailed(MESSAGE, TunnelFailure.NO_ANSWER),
    ]


def test_a_device_that_forgot_the_tunnel_gets_a_new_one_and_the_same_message() -> None:
    client, _ = opened()
    rebooted = TunnelServer()
    client.send(MESSAGE, NOW)
    exchange(client, rebooted)
    assert rebooted.events() == [TunnelOpened(0, 1500), DataReceived(MESSAGE)]
    assert client.events() == [TunnelClosed(0), TunnelOpened(0, 1500)]


def test_messages_refused_together_are_sent_again_in_their_order() -> None:
    client, _ = opened()
    rebooted = TunnelServer()
    for octets in (b"one", b"two", b"three"):
        client.send(octets, NOW)
    exchange(client, rebooted)
    assert [e.data for e in rebooted.events() if isinstance(e, DataReceived)] == [b"one", b"two", b"three"]


def test_a_device_that_loses_every_tunnel_ends_the_message_by_name() -> None:
    client, _ = opened()
    client.send(MESSAGE, NOW)
    for _ in range(20):
        for data in client.requests():
            frame = ZclFrame.decode(data)
            match decode_command(frame):
                case RequestTunnel():
                    reply: object = RequestTunnelResponse(3, RequestTunnelStatus.SUCCESS, 1500)
                case TransferData(tunnel_id=tunnel_id):
                    reply = TransferDataError(tunnel_id, TransferDataStatus.NO_SUCH_TUNNEL)
                case _:
                    continue
            client.receive(encode_command(reply, Direction.TO_CLIENT, frame.sequence).encode(), NOW)  # type: ignore[arg-type]
    assert [e for e in client.events() if isinstance(e, SendFailed)] == [
        SendFailed(MESSAGE, TunnelFailure.NO_SUCH_TUNNEL)
    ]


def test_an_error_that_does_not_echo_the_sequence_number_means_the_last_message() -> None:
    client, _ = opened()
    client.send(MESSAGE, NOW)
    client.requests()
    error = TransferDataError(0, TransferDataStatus.DATA_OVERFLOW)
    client.receive(encode_command(error, Direction.TO_CLIENT, 0xEE).encode(), NOW)
    assert client.events() == [SendFailed(MESSAGE, TunnelFailure.DATA_OVERFLOW)]


def test_a_message_larger_than_the_device_takes_is_our_fault_once_the_size_is_known() -> None:
    client = TunnelClient()
    server = TunnelServer(TunnelServerSettings(maximum_incoming_transfer_size=100))
    client.send(MESSAGE, NOW)
    exchange(client, server)
    assert client.events() == [TunnelOpened(0, 100), SendFailed(MESSAGE, TunnelFailure.TOO_LARGE)]
    with pytest.raises(LocalProtocolError, match="165 octets, but the device takes 100"):
        client.send(MESSAGE, NOW)


def test_oversized_data_from_the_device_is_refused_and_not_delivered() -> None:
    client, _ = opened()
    data = encode_command(TransferData(0, bytes(1501)), Direction.TO_CLIENT, 9)
    client.receive(data.encode(), NOW)
    assert client.events() == []
    assert commands(client.requests()) == [TransferDataError(0, TransferDataStatus.DATA_OVERFLOW)]


def test_data_on_a_tunnel_the_hub_does_not_know_is_refused_and_sent_again_through_a_known_one() -> None:
    _, server = opened()
    restarted = TunnelClient()
    server.send(b"alert", NOW)
    exchange(restarted, server)
    restarted.open(NOW)
    exchange(restarted, server)
    assert DataReceived(b"alert") in restarted.events()


def test_a_tunnel_is_asked_for_again_after_its_lifetime() -> None:
    client, server = opened()
    now = NOW + 0xFFFF
    assert client.next_timer() == now
    client.expire(now)
    exchange(client, server, now)
    client.send(MESSAGE, now)
    exchange(client, server, now)
    assert len(server.tunnel_ids) == 1
    assert server.events()[-1] == DataReceived(MESSAGE)


def test_a_device_closes_a_silent_tunnel_and_the_hub_opens_another() -> None:
    client, server = TunnelClient(), TunnelServer(TunnelServerSettings(close_tunnel_timeout=60))
    client.open(NOW)
    exchange(client, server)
    assert server.next_timer() == NOW + 60
    server.expire(NOW + 60)
    exchange(client, server, NOW + 60)
    assert client.events() == [TunnelOpened(0, 1500), TunnelClosed(0), TunnelOpened(0, 1500)]


def test_a_second_tunnel_opened_for_a_repeated_request_is_given_back() -> None:
    client, server = TunnelClient(), TunnelServer()
    client.open(NOW)
    client.expire(NOW + 10)
    for frame in client.requests():
        server.receive(frame, NOW + 10)
    exchange(client, server, NOW + 10)
    assert server.tunnel_ids == (client.tunnel_id,)


def test_a_message_the_radio_could_not_deliver_goes_again_later_and_ends_by_name() -> None:
    client, _ = opened()
    client.send(MESSAGE, NOW)
    now, sent = NOW, 0
    for _ in range(10):
        for frame in client.requests():
            sent += 1
            client.undelivered(frame, now)
            client.expire(now + 9)
            assert client.requests() == []
        now += 10
        client.expire(now)
    assert sent == 3
    assert client.events() == [SendFailed(MESSAGE, TunnelFailure.NOT_DELIVERED)]


def test_messages_queue_up_to_the_limit_and_no_further() -> None:
    client = TunnelClient(TunnelClientSettings(transfer=TransferSettings(queue_limit=2)))
    client.send(b"1", NOW)
    client.send(b"2", NOW)
    with pytest.raises(LocalProtocolError, match="2 messages wait"):
        client.send(b"3", NOW)


def test_a_device_gives_its_alert_up_when_no_tunnel_comes() -> None:
    server = TunnelServer()
    server.send(b"alert", NOW)
    due = server.next_timer()
    assert due is not None
    server.expire(due)
    assert server.events() == [SendFailed(b"alert", TunnelFailure.NO_TUNNEL)]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (RequestTunnel(5, 0xFFFF, False, 1500), RequestTunnelStatus.PROTOCOL_NOT_SUPPORTED),
        (RequestTunnel(6, 0x1234, False, 1500), RequestTunnelStatus.PROTOCOL_NOT_SUPPORTED),
        (RequestTunnel(6, 0xFFFF, True, 1500), RequestTunnelStatus.FLOW_CONTROL_NOT_SUPPORTED),
    ],
)
def test_a_device_refuses_what_it_does_not_support(
    request_: RequestTunnel, status: RequestTunnelStatus
) -> None:
    server = TunnelServer()
    server.receive(encode_command(request_, Direction.TO_SERVER, 1).encode(), NOW)
    assert commands(server.responses()) == [RequestTunnelResponse(0, status, 1500)]
    assert server.tunnel_ids == ()


def test_a_device_tells_its_protocols_from_the_offset_on() -> None:
    server = TunnelServer()
    for offset, protocols in ((0, (TunnelProtocol(0xFFFF, 6),)), (1, ())):
        request = encode_command(GetSupportedTunnelProtocols(offset), Direction.TO_SERVER, 1)
        server.receive(request.encode(), NOW)
        assert commands(server.responses()) == [SupportedTunnelProtocolsResponse(True, protocols)]


def test_a_command_of_the_wrong_end_or_of_unused_flow_control_is_refused() -> None:
    client, server = opened()
    for end, direction in ((client, Direction.TO_CLIENT), (server, Direction.TO_SERVER)):
        for wrong in (direction, Direction(1 - direction)):
            with pytest.raises(RemoteProtocolError) as caught:
                end.receive(encode_command(AckTransferData(0, 0), wrong, 1).encode(), NOW)
            assert caught.value.status == Status.UNSUP_CLUSTER_COMMAND


def test_a_tunnel_asked_for_anew_carries_what_waits() -> None:
    client, _ = opened()
    rebooted = TunnelServer()
    client.reopen(NOW)
    client.send(MESSAGE, NOW)
    exchange(client, rebooted)
    assert client.events() == [TunnelClosed(0), TunnelOpened(0, 1500)]
    assert rebooted.events() == [TunnelOpened(0, 1500), DataReceived(MESSAGE)]


def test_a_tunnel_closed_for_good_gives_up_what_waits_and_sends_nothing_more() -> None:
    client, _ = opened()
    waiting = TunnelClient()
    waiting.send(MESSAGE, NOW)

    client.close()
    waiting.close()

    assert client.events() == [TunnelClosed(0)]
    assert waiting.events() == [SendFailed(MESSAGE, TunnelFailure.CLOSED)]
    assert client.requests() == waiting.requests() == []
    assert client.next_timer() is None
    assert waiting.next_timer() is None
