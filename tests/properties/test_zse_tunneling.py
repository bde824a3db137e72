"""Tunneling under any loss, duplication and reordering, and under any octets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from hanota.errors import RemoteProtocolError
from hanota.zcl import Direction, ZclFrame
from hanota.zse.tunneling import (
    DataReceived,
    SendFailed,
    TunnelClient,
    TunnelServer,
    decode_command,
    encode_command,
)
from hanota.zse.tunneling.commands import TransferDataError

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = 1_800_000_000.0
STEPS = 400


@given(st.binary(max_size=40))
def test_any_frame_decodes_to_what_encodes_to_its_octets_or_is_refused(data: bytes) -> None:
    try:
        frame = ZclFrame.decode(data)
        command = decode_command(frame)
    except RemoteProtocolError:
        return
    encoded = encode_command(command, frame.direction, frame.sequence)
    assert decode_command(encoded) == command
    assert frame.payload.startswith(encoded.payload) or any(octet > 1 for octet in frame.payload)


@given(st.lists(st.binary(max_size=12), max_size=20), st.sampled_from((TunnelClient, TunnelServer)))
def test_both_ends_take_any_octets_and_refuse_by_one_error(
    frames: list[bytes], end: type[TunnelClient | TunnelServer]
) -> None:
    tunnel = end()
    tunnel.send(b"message", NOW)
    for at, data in enumerate(frames):
        for control in (b"", b"\x01", b"\x09", b"\x18"):
            try:
                tunnel.receive(control + data, NOW + at)
            except RemoteProtocolError:
                continue
    tunnel.expire(NOW + 10_000)


@given(
    st.lists(st.binary(min_size=1, max_size=8), min_size=1, max_size=8, unique=True),
    st.lists(st.binary(min_size=9, max_size=12), min_size=0, max_size=8, unique=True),
    st.lists(st.sampled_from(("deliver", "lose", "duplicate", "delay")), max_size=60),
)
def test_every_message_arrives_whole_or_fails_by_name_under_any_loss_duplication_and_reordering(
    commands: list[bytes], alerts: list[bytes], fates: list[str]
) -> None:
    client, server = TunnelClient(), TunnelServer()
    fate = iter(fates)
    now = NOW
    wire: list[tuple[Direction, bytes]] = []
    got: dict[Direction, list[bytes]] = {Direction.TO_SERVER: [], Direction.TO_CLIENT: []}
    failed: list[bytes] = []
    lost_errors = 0

    def collect(events: Sequence[object], direction: Direction) -> None:
        got[direction] += [event.data for event in events if isinstance(event, DataReceived)]
        failed.extend(event.data for event in events if isinstance(event, SendFailed))

    for octets in commands:
        client.send(octets, now)
    for octets in alerts:
        server.send(octets, now)
    for _ in range(STEPS):
        wire += [(Direction.TO_SERVER, frame) for frame in client.requests()]
        wire += [(Direction.TO_CLIENT, frame) for frame in server.responses()]
        if not wire:
            collect(client.events(), Direction.TO_CLIENT)
            collect(server.events(), Direction.TO_SERVER)
            done = {*got[Direction.TO_SERVER], *got[Direction.TO_CLIENT], *failed}
            timers = [due for due in (client.next_timer(), server.next_timer()) if due is not None]
            if done >= {*commands, *alerts} or not timers:
                break
            now = max(now, min(timers))
            client.expire(now)
            server.expire(now)
            continue
        direction, frame = wire.pop(0)
        match next(fate, "deliver"):
            case "lose" if not isinstance(decode_command(ZclFrame.decode(frame)), TransferDataError):
                (client if direction is Direction.TO_SERVER else server).undelivered(frame, now)
                continue
            case "lose":  # The tunnel has no second word for a message than its error: see the package.
                lost_errors += 1
                continue
            case "duplicate":
                wire.append((direction, frame))
            case "delay":
                wire.append((direction, frame))
                continue
        (server if direction is Direction.TO_SERVER else client).receive(frame, now)
    collect(client.events(), Direction.TO_CLIENT)
    collect(server.events(), Direction.TO_SERVER)
    arrived = {*got[Direction.TO_SERVER], *got[Direction.TO_CLIENT]}
    assert set(got[Direction.TO_SERVER]) <= set(commands)
    assert set(got[Direction.TO_CLIENT]) <= set(alerts)
    assert len({*commands, *alerts} - arrived - set(failed)) <= lost_errors
