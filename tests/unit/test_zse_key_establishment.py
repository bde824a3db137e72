"""Key Establishment (0x0800): a hub and a device to the same key, and every refusal by its name."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hanota.errors import LocalProtocolError
from hanota.zcl import DefaultResponse, Direction, GeneralCommand, Status, ZclFrame
from hanota.zse.cbke import KeyEstablishmentStatus, LabCertificateAuthority, SiteCredentials, Suite
from hanota.zse.key_establishment import (
    ClientEstablished,
    ClientFailed,
    InstallKey,
    KeyEstablished,
    KeyEstablishmentServer,
    KeyEstablishmentSettings,
    RemoveKey,
)
from hanota.zse.key_establishment.commands import CommandId, ConfirmKey, encode_command
from hanota.zse.key_establishment.work import Work
from tests.key_establishment_support import DEVICE, HUB, NOW, OTHER, Pair, alter, flip, site, terminates

if TYPE_CHECKING:
    from collections.abc import Callable

STATUS = KeyEstablishmentStatus


@pytest.mark.parametrize("suite", list(Suite))
def test_hub_and_device_arrive_at_the_same_key(suite: Suite) -> None:
    pair = Pair(suite).run()
    (outcome,) = pair.outcomes
    assert isinstance(outcome, ClientEstablished)
    assert outcome.suite is suite
    assert pair.keys == {DEVICE: outcome.key}
    assert pair.told == [InstallKey(DEVICE, suite, outcome.key), KeyEstablished(DEVICE, suite)]


def test_six_messages_go_and_each_answer_has_the_number_of_its_request() -> None:
    pair = Pair().run()
    assert [ZclFrame.decode(data).command for data in pair.sent] == [0, 1, 2]
    assert [ZclFrame.decode(data).sequence for data in pair.sent] == [
        ZclFrame.decode(data).sequence for data in pair.answered
    ]


def test_the_key_is_installed_before_the_device_is_told() -> None:
    pair = Pair()
    pair.client.start(NOW)
    while not (events := pair.server.events()):
        for data in pair.client.requests():
            pair.server.receive(DEVICE, data, NOW)
        for work in pair.client.work():
            pair.client.finished(work.run(), NOW)
        for work in pair.server.work():
            pair.server.finished(work.run(), NOW)
        for _, data in pair.server.responses():
            pair.client.receive(data, NOW)
    assert isinstance(events[0], InstallKey)
    assert pair.server.responses() == []
    pair.server.installed(DEVICE, NOW)
    ((_, data),) = pair.server.responses()
    assert ZclFrame.decode(data).command == CommandId.CONFIRM_KEY
    assert pair.server.events() == []
    pair.server.delivered(DEVICE, data, NOW)
    assert pair.server.events() == [KeyEstablished(DEVICE, Suite.ONE)]


def test_nothing_is_computed_but_in_work(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoArithmetic:
        accelerated = False

        def multiply(self, *_: object) -> None:
            raise AssertionError("a point was multiplied")

        decompress = multiply

    pair = Pair(Suite.TWO)
    real = Work.run

    def run(work: Work) -> object:
        with monkeypatch.context() as inside:
            inside.undo()
            return real(work)

    site(HUB)
    site(DEVICE)
    pair.client.start(NOW)
    for _ in range(8):
        with monkeypatch.context() as outside:
            for module in ("certificate", "handshake"):
                outside.setattr(f"hanota.zse.cbke.{module}.arithmetic", lambda **_: NoArithmetic())
            for data in pair.client.requests():
                pair.server.receive(DEVICE, data, NOW)
            pair.manage_keys()
            for device, data in pair.server.responses():
                pair.client.receive(data, NOW)
                pair.server.delivered(device, data, NOW)
            works = [(pair.client, work) for work in pair.client.work()]
            hub_works = pair.server.work()
        for client, work in works:
            client.finished(work.run(), NOW)
        for work in hub_works:
            pair.server.finished(work.run(), NOW)
    pair.manage_keys()
    assert pair.established


def test_work_and_its_result_cross_into_another_process_and_show_no_secret() -> None:
    pair = Pair()
    pair.client.start(NOW)
    for data in pair.client.requests():
        pair.server.receive(DEVICE, data, NOW)
    for _, data in pair.server.responses():
        pair.client.receive(data, NOW)
    (work,) = pair.client.work()
    result = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(work)).run()))
    assert result == work.run()
    assert result.own.private.hex() not in repr(result)
    assert repr(work.seed) not in repr(work)
    pair.client.finished(result, NOW)
    while pair.step():
        pass
    assert pair.established


def test_the_times_the_device_advertises_are_waited_for() -> None:
    slow = KeyEstablishmentSettings(ephemeral_time=100, confirm_time=200, margin=5.0)
    pair = Pair(settings=slow)
    pair.to_client = alter(CommandId.INITIATE, lambda payload: payload)
    pair.client.start(NOW)
    (data,) = pair.client.requests()
    assert ZclFrame.decode(data).payload[2:4] == bytes([100, 200])
    pair.server.receive(DEVICE, data, NOW)
    assert pair.server.next_timer() == NOW + 105
    ((_, answer),) = pair.server.responses()
    pair.client.receive(answer, NOW)
    (work,) = pair.client.work()
    pair.client.finished(work.run(), NOW)
    assert pair.client.next_timer() == NOW + 105
    (data,) = pair.client.requests()
    pair.server.receive(DEVICE, data, NOW)
    (work,) = pair.server.work()
    pair.server.finished(work.run(), NOW)
    assert pair.server.next_timer() == NOW + 205


def replaced_by(other: bytes) -> Callable[[bytes], bytes]:
    return lambda _: other


def suite(bits: int) -> Callable[[bytes], bytes]:
    return lambda payload: bits.to_bytes(2, "little") + payload[2:]


@pytest.mark.parametrize(
    ("command", "change", "status"),
    [
        (CommandId.INITIATE, lambda payload: payload[:3], STATUS.BAD_MESSAGE),
        (CommandId.INITIATE, suite(0x0003), STATUS.BAD_MESSAGE),
        (CommandId.INITIATE, suite(0x0000), STATUS.BAD_MESSAGE),
        (CommandId.INITIATE, suite(0x0004), STATUS.UNSUPPORTED_SUITE),
        (CommandId.INITIATE, lambda payload: payload[:-1], STATUS.BAD_MESSAGE),
        (CommandId.INITIATE, lambda payload: payload + b"\0", STATUS.BAD_MESSAGE),
        (CommandId.INITIATE, flip(4 + 11), STATUS.UNKNOWN_ISSUER),
        (CommandId.INITIATE, flip(4 + 0), STATUS.INVALID_CERTIFICATE),
        (CommandId.INITIATE, flip(4 + 9), STATUS.INVALID_CERTIFICATE),
        (CommandId.INITIATE, flip(4 + 10), STATUS.INVALID_CERTIFICATE),
        (CommandId.INITIATE, flip(4 + 36, 3), STATUS.INVALID_CERTIFICATE),
        (CommandId.INITIATE, flip(4 + 28), STATUS.INVALID_CERTIFICATE),
        (CommandId.EPHEMERAL_DATA, lambda payload: payload[:22], STATUS.BAD_MESSAGE),
        (CommandId.EPHEMERAL_DATA, lambda payload: payload[:-1], STATUS.BAD_MESSAGE),
        (CommandId.EPHEMERAL_DATA, lambda _: b"\x02" + bytes(36), STATUS.BAD_MESSAGE),
        (CommandId.EPHEMERAL_DATA, lambda payload: b"\x04" + payload[1:], STATUS.BAD_MESSAGE),
        (CommandId.CONFIRM_KEY, lambda payload: payload[:-1], STATUS.BAD_MESSAGE),
        (CommandId.CONFIRM_KEY, flip(0), STATUS.BAD_KEY_CONFIRM),
    ],
    ids=[
        "no certificate at all",
        "two suites",
        "no suite",
        "a suite nobody has",
        "a truncated certificate",
        "an octet too many",
        "an unknown issuer",
        "another type",
        "another curve",
        "another hash",
        "a key that is not for key agreement",
        "another subject",
        "a point of the other suite",
        "a truncated point",
        "a point of small order",
        "a point that is not compressed",
        "a truncated MAC",
        "a wrong MAC",
    ],
)
def test_each_fault_is_refused_by_its_name_by_either_end(
    command: CommandId, change: Callable[[bytes], bytes], status: KeyEstablishmentStatus
) -> None:
    """Both ends refuse alike, except that a client does not take what would be another suite's."""
    hub_refuses = Pair(Suite.TWO)
    hub_refuses.to_server = alter(command, change)
    hub_refuses.run()
    assert hub_refuses.refusal() == (status, False)
    assert [each.status for each in hub_refuses.outcomes if isinstance(each, ClientFailed)] == [status]
    (terminate,) = terminates(hub_refuses.answered, Direction.TO_CLIENT)
    assert (terminate.status, terminate.suites) == (status, 3)

    device_refuses = Pair(Suite.TWO)
    device_refuses.to_client = alter(command, change)
    device_refuses.run()
    assert device_refuses.refusal() == (status, True)
    assert [each.status for each in device_refuses.outcomes if isinstance(each, ClientFailed)] == [status]
    (terminate,) = terminates(device_refuses.sent, Direction.TO_SERVER)
    assert (terminate.status, terminate.suites) == (status, 2)


def test_a_hub_of_one_suite_refuses_the_other() -> None:
    only = SiteCredentials.of(site(HUB).suites[Suite.TWO])
    pair = Pair(Suite.ONE, hub=only).run()
    assert pair.refusal() == (STATUS.UNSUPPORTED_SUITE, False)


def test_the_checks_are_made_in_the_order_of_the_standard() -> None:
    """What is wrong in every way is refused for the first; put right one by one, for the next."""
    certificate = bytearray(site(OTHER).suites[Suite.TWO].certificate)
    certificate[0], certificate[36] = 1, 0x80
    certificate[11] ^= 1
    steps = []
    for bits, size, issuer, kind, usage in [
        (3, 73, 0, 0, 0),
        (4, 73, 0, 0, 0),
        (2, 73, 0, 0, 0),
        (2, 74, 0, 0, 0),
        (2, 74, 1, 0, 0),
        (2, 74, 1, 1, 0),
        (2, 74, 1, 1, 1),
    ]:
        octets = bytearray(certificate)
        octets[11] ^= issuer
        octets[0] = 1 - kind
        octets[36] |= 0x08 * usage
        initiate = bits.to_bytes(2, "little") + b"\x0a\x0a" + octets[:size]
        pair = Pair(Suite.TWO)
        pair.to_server = alter(CommandId.INITIATE, replaced_by(initiate))
        steps.append(pair.run().failures[0])
    assert [failure.status for failure in steps] == [
        STATUS.BAD_MESSAGE,
        STATUS.UNSUPPORTED_SUITE,
        STATUS.BAD_MESSAGE,
        STATUS.UNKNOWN_ISSUER,
        STATUS.INVALID_CERTIFICATE,
        STATUS.INVALID_CERTIFICATE,
        STATUS.INVALID_CERTIFICATE,
    ]
    assert ["type" in step.reason for step in steps[4:]] == [True, False, False]
    assert ["key usage" in step.reason for step in steps[4:]] == [False, True, False]
    assert "subject" in steps[6].reason


@pytest.mark.parametrize("way", ["to_server", "to_client"])
@pytest.mark.parametrize(("suite_", "certificate", "point"), [(Suite.ONE, 48, 22), (Suite.TWO, 74, 37)])
def test_one_bit_turned_in_any_octet_of_certificate_point_or_mac_leaves_no_key(
    suite_: Suite, certificate: int, point: int, way: str
) -> None:
    expected = {
        CommandId.INITIATE: {
            STATUS.UNKNOWN_ISSUER,
            STATUS.INVALID_CERTIFICATE,
            STATUS.BAD_KEY_CONFIRM,
        },
        CommandId.EPHEMERAL_DATA: {STATUS.BAD_MESSAGE, STATUS.BAD_KEY_CONFIRM},
        CommandId.CONFIRM_KEY: {STATUS.BAD_KEY_CONFIRM},
    }
    octets = {
        CommandId.INITIATE: range(4, 4 + certificate),
        CommandId.EPHEMERAL_DATA: range(point),
        CommandId.CONFIRM_KEY: range(16),
    }
    for command, positions in octets.items():
        seen = set()
        for octet in positions:
            pair = Pair(suite_)
            setattr(pair, way, alter(command, flip(octet, octet % 8)))
            pair.run()
            status, _ = pair.refusal()
            assert status in expected[command], (command, octet)
            seen.add(status)
            assert len(pair.failures) == len(pair.outcomes) == 1
            if way == "to_server" or command != CommandId.CONFIRM_KEY:
                # Of its own MAC the hub hears only that it arrived, then that the device refuses it.
                assert not any(isinstance(event, KeyEstablished) for event in pair.told)
            removed = any(isinstance(event, RemoveKey) for event in pair.told)
            assert removed == any(isinstance(event, InstallKey) for event in pair.told)
        assert STATUS.BAD_KEY_CONFIRM in seen


def test_a_client_takes_only_its_own_servers_certificate() -> None:
    pair = Pair(server=OTHER).run()
    assert pair.refusal() == (STATUS.INVALID_CERTIFICATE, True)
    assert Pair(server=None).run().established


def test_a_hub_without_room_for_the_key_says_no_resources_and_how_long_to_wait() -> None:
    pair = Pair()
    pair.server.installed = lambda device, now: pair.server.not_installed(device, "table full", now)  # type: ignore[method-assign]
    pair.run()
    pair.keys.clear()
    assert pair.failures[0].reason == "table full"
    assert pair.outcomes == [ClientFailed(STATUS.NO_RESOURCES, "the server terminated: NO_RESOURCES", 30.0)]
    assert not pair.established


def test_confirm_key_that_is_not_delivered_takes_the_key_away() -> None:
    pair = Pair()
    pair.to_client = lambda frame: None if frame.command == CommandId.CONFIRM_KEY else frame
    pair.run()
    assert pair.refusal() == (None, False)
    assert pair.wait().outcomes[0].__class__ is ClientFailed


def test_confirm_key_whose_fate_is_never_told_takes_the_key_away() -> None:
    pair = Pair()
    pair.server.delivered = lambda *_: None  # type: ignore[method-assign]
    pair.run()
    assert pair.keys
    pair.wait()
    assert pair.keys == {}
    assert not pair.established


def test_an_installation_that_takes_too_long_leaves_no_key_whenever_it_ends() -> None:
    pair = Pair()
    pair.server.installed = lambda *_: None  # type: ignore[method-assign]
    pair.run().wait()
    assert pair.refusal()[0] is STATUS.NO_RESOURCES
    assert not terminates(pair.sent, Direction.TO_SERVER)
    pair.keys[DEVICE] = bytes(16)
    del pair.server.installed
    pair.server.installed(DEVICE, pair.now)
    pair.manage_keys()
    assert pair.keys == {}


def test_a_terminate_after_confirm_key_takes_the_key_away_but_not_when_it_is_late() -> None:
    refusal = ZclFrame(99, CommandId.TERMINATE, bytes.fromhex("02000100")).encode()
    pair = Pair().run()
    pair.server.receive(DEVICE, refusal, pair.now)
    pair.manage_keys()
    assert pair.keys == {}
    assert (pair.failures[0].status, pair.failures[0].by_peer) == (STATUS.BAD_KEY_CONFIRM, True)

    pair = Pair().run().wait()
    pair.server.receive(DEVICE, refusal, pair.now)
    pair.manage_keys()
    assert DEVICE in pair.keys
    assert pair.failures == []


@pytest.mark.parametrize("command", [CommandId.INITIATE, CommandId.EPHEMERAL_DATA, CommandId.CONFIRM_KEY])
def test_a_request_the_radio_delivers_twice_is_answered_twice_alike(command: CommandId) -> None:
    pair = Pair()

    def twice(frame: ZclFrame) -> ZclFrame:
        if frame.command == command:
            pair.server.receive(DEVICE, frame.encode(), pair.now)
        return frame

    pair.to_server = twice
    pair.run()
    assert pair.established
    assert pair.failures == []
    if command is CommandId.INITIATE:
        assert pair.answered[0] == pair.answered[1]
    else:  # the first was not answered yet
        assert len(pair.answered) == 3


def test_confirm_key_that_comes_again_after_its_answer_is_answered_again() -> None:
    pair = Pair().run()
    pair.server.receive(DEVICE, pair.sent[-1], pair.now)
    assert pair.server.responses() == [(DEVICE, pair.answered[-1])]
    assert pair.server.events() == []


def test_confirm_key_answered_twice_is_undelivered_when_neither_arrives() -> None:
    for arrives in (True, False):
        pair = Pair()
        pair.server.delivered = lambda *_: None  # type: ignore[method-assign]
        pair.run()
        pair.server.receive(DEVICE, pair.sent[-1], pair.now)
        ((_, again),) = pair.server.responses()
        pair.server.undelivered(DEVICE, again, pair.now)
        assert pair.server.events() == []
        del pair.server.delivered
        told = pair.server.delivered if arrives else pair.server.undelivered
        told(DEVICE, again, pair.now)
        pair.manage_keys()
        assert pair.established == arrives
        assert bool(pair.keys) == arrives


def test_nothing_answers_a_terminate_or_a_default_response() -> None:
    pair = Pair()
    for data in (
        ZclFrame(1, CommandId.TERMINATE, bytes.fromhex("03000100")),
        ZclFrame(1, GeneralCommand.DEFAULT_RESPONSE, b"\0\x81", cluster_specific=False),
        ZclFrame(1, GeneralCommand.READ_ATTRIBUTES, b"\0\0", cluster_specific=False),
    ):
        pair.server.receive(DEVICE, data.encode(), NOW)
        pair.client.receive(replace(data, direction=Direction.TO_CLIENT).encode(), NOW)
    assert pair.server.responses() == []
    assert pair.client.requests() == []


def test_a_command_the_cluster_has_not_is_answered_unsupported() -> None:
    pair = Pair()
    pair.server.receive(DEVICE, ZclFrame(5, 0x44).encode(), NOW)
    pair.client.receive(ZclFrame(5, 0x44, direction=Direction.TO_CLIENT).encode(), NOW)
    ((_, answer),) = pair.server.responses()
    for data in (answer, *pair.client.requests()):
        frame = ZclFrame.decode(data)
        assert frame.is_default_response
        assert DefaultResponse.decode(frame.payload) == DefaultResponse(0x44, Status.UNSUP_CLUSTER_COMMAND)


def test_a_server_that_has_no_such_cluster_ends_the_clients_exchange() -> None:
    pair = Pair()
    pair.client.start(NOW)
    (request,) = pair.client.requests()
    answer = ZclFrame.decode(request).default_response(Status.UNSUP_CLUSTER_COMMAND)
    pair.client.receive(answer.encode(), NOW)
    (outcome,) = pair.client.events()
    assert isinstance(outcome, ClientFailed)
    assert pair.client.next_timer() is None


def test_a_client_may_try_again() -> None:
    pair = Pair()
    pair.to_server = lambda _: None
    pair.run().wait()
    assert [type(outcome) for outcome in pair.outcomes] == [ClientFailed]
    pair.to_server = lambda frame: frame
    pair.run()
    assert isinstance(pair.outcomes[-1], ClientEstablished)


def test_a_device_that_left_leaves_nothing_behind() -> None:
    pair = Pair()
    pair.to_client = lambda frame: None if frame.command == CommandId.EPHEMERAL_DATA else frame
    pair.run()
    pair.server.forget(DEVICE, NOW)
    assert pair.server.next_timer() is None
    pair.manage_keys()
    assert pair.refusal() == (None, False)


def test_a_servers_credentials_are_its_own() -> None:
    with pytest.raises(LocalProtocolError, match="A2"):
        KeyEstablishmentServer(site(HUB), own=OTHER, entropy=bytes)


def test_each_exchange_has_a_fresh_ephemeral_key_on_both_sides() -> None:
    pair = Pair()
    for _ in range(4):
        pair.run().wait()
    points = [
        ZclFrame.decode(data).payload
        for data in (*pair.sent, *pair.answered)
        if ZclFrame.decode(data).command == CommandId.EPHEMERAL_DATA
    ]
    assert len(points) == len(set(points)) == 8
    assert len({each.key for each in pair.outcomes if isinstance(each, ClientEstablished)}) == 4


def test_a_key_confirm_is_not_shown_in_events() -> None:
    authority = LabCertificateAuthority.create(Suite.ONE, lambda count: bytes(range(1, count + 1)))
    assert authority.private_key.hex() not in repr(authority)
    assert "aa" * 16 not in repr(InstallKey(DEVICE, Suite.ONE, b"\xaa" * 16)).lower()
    assert "xaa" not in repr(InstallKey(DEVICE, Suite.ONE, b"\xaa" * 16))
    frame = encode_command(ConfirmKey(bytes(16)), Direction.TO_SERVER, 1)
    assert frame.payload == bytes(16)
