"""Key Establishment under attack: each is named after what the attacker does, and leaves no key behind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hanota.eui64 import Eui64
from hanota.zcl import Direction, ZclFrame
from hanota.zse.cbke import KeyEstablishmentStatus, Suite
from hanota.zse.key_establishment import ClientFailed, Failed, KeyEstablishmentSettings
from hanota.zse.key_establishment.commands import (
    CommandId,
    InitiateKeyEstablishment,
    TerminateKeyEstablishment,
    decode_command,
    encode_command,
)
from tests.key_establishment_support import DEVICE, HUB, NOW, OTHER, Pair, alter, site, terminates

STATUS = KeyEstablishmentStatus


def initiate(device: Eui64, sequence: int = 1) -> bytes:
    command = InitiateKeyEstablishment(1, 3, 6, site(device).suites[Suite.ONE].certificate)
    return encode_command(command, Direction.TO_SERVER, sequence).encode()


def stranger(number: int) -> Eui64:
    return Eui64(bytes.fromhex("00DB12345678") + number.to_bytes(2, "big"))


def overhear(pair: Pair) -> list[bytes]:
    """Return the payloads the device sends, as they come."""
    shown: list[bytes] = []

    def listen(frame: ZclFrame) -> ZclFrame:
        shown.append(frame.payload)
        return frame

    pair.to_server = listen
    return shown


def in_the_name_of(device: Eui64, sequence: int = 1) -> bytes:
    """Return an Initiate whose certificate names `device`: nothing tells a half-open flood from devices."""
    frame = ZclFrame.decode(initiate(DEVICE, sequence))
    head, certificate = frame.payload[:4], frame.payload[4:]
    return replace(frame, payload=head + certificate[:22] + device + certificate[30:]).encode()


@pytest.mark.parametrize("suite", list(Suite))
def test_reflection_of_the_devices_own_ephemeral_is_refused(suite: Suite) -> None:
    pair = Pair(suite)
    shown = overhear(pair)
    pair.to_client = alter(CommandId.EPHEMERAL_DATA, lambda _: shown[-1])
    assert pair.run().refusal() == (STATUS.BAD_MESSAGE, True)


def test_reflection_with_the_sign_turned_is_refused() -> None:
    pair = Pair()
    shown = overhear(pair)
    pair.to_client = alter(CommandId.EPHEMERAL_DATA, lambda _: bytes([shown[-1][0] ^ 1]) + shown[-1][1:])
    assert pair.run().refusal() == (STATUS.BAD_MESSAGE, True)


def test_reflection_of_the_hubs_former_ephemeral_is_refused_before_anything_is_computed() -> None:
    pair = Pair().run().wait()
    former = ZclFrame.decode(pair.answered[1]).payload
    key = pair.keys[DEVICE]
    pair.told.clear()
    pair.to_server = alter(CommandId.EPHEMERAL_DATA, lambda _: former)
    pair.run()
    assert [(each.status, each.by_peer) for each in pair.failures] == [(STATUS.BAD_MESSAGE, False)]
    assert "used before" in pair.failures[0].reason
    assert pair.keys == {DEVICE: key}


def test_a_replayed_handshake_is_refused_at_the_ephemeral_it_used_before() -> None:
    pair = Pair().run().wait()
    key = pair.keys[DEVICE]
    for data in pair.sent[:3]:
        pair.server.receive(DEVICE, data, pair.now)
        for work in pair.server.work():
            pair.server.finished(work.run(), pair.now)
    pair.manage_keys()
    assert pair.failures[-1].status is STATUS.BAD_MESSAGE
    assert pair.keys == {DEVICE: key}
    assert pair.server.next_timer() is None


def test_a_stolen_certificate_is_refused_under_the_thiefs_own_address() -> None:
    pair = Pair(credentials=site(OTHER).suites[Suite.ONE])
    assert pair.run().refusal() == (STATUS.INVALID_CERTIFICATE, False)
    assert [type(outcome) for outcome in pair.outcomes] == [ClientFailed]


def test_a_stolen_certificate_without_its_private_key_ends_at_the_mac() -> None:
    mine = site(DEVICE, ca=9).suites[Suite.ONE]
    stolen = replace(mine, certificate=site(DEVICE).suites[Suite.ONE].certificate)
    assert Pair(credentials=stolen).run().refusal() == (STATUS.BAD_KEY_CONFIRM, False)


@pytest.mark.parametrize("suite", list(Suite))
def test_a_rogue_ca_with_the_trusted_name_ends_at_the_mac(suite: Suite) -> None:
    pair = Pair(suite, credentials=site(DEVICE, ca=1).suites[suite])
    assert pair.run().refusal() == (STATUS.BAD_KEY_CONFIRM, False)


def test_a_rogue_hub_with_the_trusted_name_gets_no_key_into_a_device() -> None:
    hub = site(HUB, ca=1)
    assert Pair(hub=hub).run().refusal() == (STATUS.BAD_KEY_CONFIRM, False)


def test_a_half_open_flood_of_devices_is_told_no_resources_and_timers_free_it() -> None:
    pair = Pair()
    limit = pair.settings.exchanges
    for number in range(100):
        pair.server.receive(stranger(number), in_the_name_of(stranger(number)), NOW)
        answers = [ZclFrame.decode(data).command for _, data in pair.server.responses()]
        assert answers == [CommandId.INITIATE if number < limit else CommandId.TERMINATE]
    refused = [each for each in pair.server.events() if isinstance(each, Failed)]
    assert {each.status for each in refused} == {STATUS.NO_RESOURCES}
    assert len(refused) == 100 - limit
    assert not pair.run().established
    (outcome,) = pair.outcomes
    assert isinstance(outcome, ClientFailed)
    assert (outcome.status, outcome.retry_after) == (STATUS.NO_RESOURCES, 30.0)
    pair.wait()
    assert pair.server.next_timer() is None
    assert pair.run().established


def test_a_half_open_flood_does_not_stop_the_handshake_that_is_under_way_nor_take_a_key() -> None:
    pair = Pair().run().wait()
    key = dict(pair.keys)
    pair.client.start(pair.now)
    pair.step()
    for number in range(100):
        pair.server.receive(stranger(number), in_the_name_of(stranger(number)), pair.now)
    pair.server.responses()
    while pair.step():
        pass
    assert pair.established
    assert pair.keys.keys() == key.keys()


def test_a_flood_from_one_device_is_limited_and_takes_no_memory() -> None:
    pair = Pair()
    for number in range(10_000):
        pair.server.receive(DEVICE, initiate(DEVICE, number % 256), NOW + number / 1000)
    assert len(pair.server.responses()) == pair.settings.answers_waiting
    events = pair.server.events()
    assert len(events) <= pair.settings.attempts + 2
    assert pair.server.work() == []
    pair.server.receive(OTHER, initiate(OTHER), NOW + 11)
    ((_, data),) = pair.server.responses()
    assert ZclFrame.decode(data).command == CommandId.INITIATE
    pair.server.expire(NOW + 60)
    pair.server.receive(DEVICE, initiate(DEVICE), NOW + 80)
    ((_, data),) = pair.server.responses()
    assert ZclFrame.decode(data).command == CommandId.INITIATE


def test_devices_that_come_and_go_take_no_memory() -> None:
    pair = Pair(settings=KeyEstablishmentSettings(devices=16))
    for number in range(200):
        now = NOW + 100 * number
        pair.server.expire(now)
        pair.server.receive(stranger(number), in_the_name_of(stranger(number)), now)
    assert len(pair.server._peers) == 16


@pytest.mark.parametrize("command", [CommandId.EPHEMERAL_DATA, CommandId.CONFIRM_KEY])
def test_out_of_sequence_without_an_exchange_is_a_bad_message(command: CommandId) -> None:
    pair = Pair()
    payload = bytes(22 if command is CommandId.EPHEMERAL_DATA else 16)
    pair.server.receive(DEVICE, ZclFrame(9, command, payload).encode(), NOW)
    ((_, data),) = pair.server.responses()
    assert terminates([data], Direction.TO_CLIENT) == [TerminateKeyEstablishment(3, 0, 3)]
    assert ZclFrame.decode(data).sequence == 9
    assert pair.server.events() == []


def test_out_of_sequence_in_an_exchange_resets_it_and_its_work_counts_for_nothing() -> None:
    pair = Pair()
    pair.client.start(NOW)
    for _ in range(2):
        for data in pair.client.requests():
            pair.server.receive(DEVICE, data, NOW)
        for _, data in pair.server.responses():
            pair.client.receive(data, NOW)
        for work in pair.client.work():
            pair.client.finished(work.run(), NOW)
    for data in pair.client.requests():
        pair.server.receive(DEVICE, data, NOW)
    (work,) = pair.server.work()
    pair.server.receive(DEVICE, ZclFrame(9, CommandId.CONFIRM_KEY, bytes(16)).encode(), NOW)
    ((_, data),) = pair.server.responses()
    assert isinstance(decode_command(ZclFrame.decode(data), Direction.TO_CLIENT), TerminateKeyEstablishment)
    pair.server.finished(work.run(), NOW)
    assert pair.server.responses() == []
    pair.manage_keys()
    assert pair.refusal() == (STATUS.BAD_MESSAGE, False)


def test_a_device_that_begins_again_replaces_its_own_exchange() -> None:
    pair = Pair()
    pair.client.start(NOW)
    for data in pair.client.requests():
        pair.server.receive(DEVICE, data, NOW)
    for _, data in pair.server.responses():
        pair.client.receive(data, NOW)
    for work in pair.client.work():
        pair.client.finished(work.run(), NOW)
    for data in pair.client.requests():
        pair.server.receive(DEVICE, data, NOW)
    (stale,) = pair.server.work()
    pair.client.start(NOW)
    pair.step()
    pair.server.finished(stale.run(), NOW)
    while pair.step():
        pass
    assert pair.established
    assert [failure.reason for failure in pair.failures] == ["the device began again"]
    assert pair.failures[0].by_peer


def test_key_confirm_from_another_exchange_is_refused() -> None:
    pair = Pair().run().wait()
    old = {ZclFrame.decode(data).command: ZclFrame.decode(data).payload for data in pair.sent}
    key = pair.keys.pop(DEVICE)
    pair.told.clear()
    pair.to_server = alter(CommandId.CONFIRM_KEY, lambda _: old[CommandId.CONFIRM_KEY])
    pair.outcomes.clear()
    assert pair.run().refusal() == (STATUS.BAD_KEY_CONFIRM, False)
    assert key


def test_swapped_macs_are_refused() -> None:
    """MACU sent back as MACV: whoever does not know the key has no other MAC to show."""
    pair = Pair()
    shown = overhear(pair)
    pair.to_client = alter(CommandId.CONFIRM_KEY, lambda _: shown[-1])
    assert pair.run().refusal() == (STATUS.BAD_KEY_CONFIRM, True)


def test_a_replayed_initiate_after_confirm_key_takes_no_key_away() -> None:
    pair = Pair().run()
    pair.server.receive(DEVICE, pair.sent[0], pair.now)
    pair.manage_keys()
    assert pair.established
    assert pair.server.responses() == []


def test_stray_messages_after_confirm_key_take_no_key_away() -> None:
    pair = Pair().run()
    for command, size in (
        (CommandId.EPHEMERAL_DATA, 22),
        (CommandId.CONFIRM_KEY, 16),
        (CommandId.INITIATE, 52),
    ):
        pair.server.receive(DEVICE, ZclFrame(200, command, bytes(size)).encode(), pair.now)
    pair.manage_keys()
    assert pair.established
    assert DEVICE in pair.keys
