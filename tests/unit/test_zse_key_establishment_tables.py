"""The two tables of key establishment: every pair of state and event, walked on the machines themselves."""

from __future__ import annotations

import random
from itertools import product

import pytest

from hanota.zcl import Direction, ZclFrame
from hanota.zse.cbke import KeyEstablishmentError, KeyEstablishmentStatus, Suite
from hanota.zse.key_establishment import (
    ClientEstablished,
    ClientFailed,
    Failed,
    InstallKey,
    KeyEstablished,
    KeyEstablishmentClient,
    RemoveKey,
    WorkDone,
)
from hanota.zse.key_establishment import client_table as client
from hanota.zse.key_establishment import server_table as server
from hanota.zse.key_establishment.commands import CommandId
from tests.key_establishment_support import DEVICE, HUB, NOW, Pair, site, terminates

REFUSED = KeyEstablishmentError("refused", KeyEstablishmentStatus.INVALID_CERTIFICATE)


@pytest.mark.parametrize("table", [server.TABLE, client.TABLE])
def test_the_table_has_every_state_and_every_event(table: dict[object, dict[object, object]]) -> None:
    module = server if table is server.TABLE else client
    assert set(table) == set(module.State)
    assert all(set(row) == set(module.Trigger) for row in table.values())


class Responder(Pair):
    """A hub brought to a state by a device that takes part, and then left alone with one event."""

    def reach(self, state: server.State) -> None:
        self.messages: dict[CommandId, bytes] = {}
        self.works: list[WorkDone] = []
        self.client.start(NOW)
        for _ in range(8):
            if self.state is state:
                return
            for data in self.client.requests():
                self.messages[CommandId(ZclFrame.decode(data).command)] = data
                self.server.receive(DEVICE, data, NOW)
            if self.state is state:
                return
            for work in self.server.work():
                self.works.append(work.run())
                self.server.finished(self.works[-1], NOW)
            if self.state is state:
                return
            if self.state is server.State.INSTALLING:
                if state is server.State.WITHDRAWING:
                    self.server.receive(DEVICE, terminate(), NOW)
                    return
                self.server.installed(DEVICE, NOW)
            for device, data in self.server.responses():
                self.answered.append(data)
                if self.state is server.State.CONFIRMING:
                    if state is server.State.CONFIRMING:
                        return
                    self.server.delivered(device, data, NOW)
                self.client.receive(data, NOW)
            for work in self.client.work():
                self.client.finished(work.run(), NOW)
        raise AssertionError(state)

    @property
    def state(self) -> server.State:
        exchange = self.server._exchanges.get(DEVICE)
        return exchange.state if exchange else server.State.IDLE

    def fire(self, trigger: server.Trigger) -> None:
        exchange = self.server._exchanges.get(DEVICE)
        answer = (exchange.answer if exchange else None) or b""
        number = exchange.number if exchange else 0
        match trigger:
            case server.Trigger.INITIATE:
                fresh = KeyEstablishmentClient(
                    site(DEVICE).suites[Suite.ONE], own=DEVICE, server=HUB, entropy=random.Random(9).randbytes
                )
                for _ in range(40):
                    fresh.start(NOW)
                self.server.receive(DEVICE, fresh.requests()[-1], NOW)
            case server.Trigger.EPHEMERAL_DATA:
                self.server.receive(DEVICE, message(CommandId.EPHEMERAL_DATA, b"\x02" + bytes(21)), NOW)
            case server.Trigger.CONFIRM_KEY:
                right = exchange.keys.mac_u if exchange and exchange.keys else bytes(16)
                self.server.receive(DEVICE, message(CommandId.CONFIRM_KEY, right), NOW)
            case server.Trigger.REFUSED:
                self.server.receive(DEVICE, message(CommandId.INITIATE, bytes(52)), NOW)
            case server.Trigger.TERMINATE:
                self.server.receive(DEVICE, terminate(), NOW)
            case server.Trigger.COMPUTED:
                for work in self.server.work():
                    self.works.append(work.run())
                if self.works:
                    self.server.finished(self.works[-1], NOW)
                else:
                    self.server.finished(WorkDone(DEVICE, number, None, None), NOW)
            case server.Trigger.INSTALLED:
                self.server.installed(DEVICE, NOW)
            case server.Trigger.NOT_INSTALLED:
                self.server.not_installed(DEVICE, "no room", NOW)
            case server.Trigger.DELIVERED:
                self.server.delivered(DEVICE, answer, NOW)
            case server.Trigger.UNDELIVERED:
                self.server.undelivered(DEVICE, answer, NOW)
            case server.Trigger.TIMEOUT:
                self.server.expire(self.server.next_timer() or NOW)
            case server.Trigger.FORGET:
                self.server.forget(DEVICE, NOW)


def message(command: CommandId, payload: bytes, direction: Direction = Direction.TO_SERVER) -> bytes:
    return ZclFrame(200, command, payload, direction).encode()


def terminate(direction: Direction = Direction.TO_SERVER) -> bytes:
    return message(CommandId.TERMINATE, bytes.fromhex("02050100"), direction)


@pytest.mark.parametrize(("state", "trigger"), list(product(server.State, server.Trigger)))
def test_the_responder_does_what_its_table_says(state: server.State, trigger: server.Trigger) -> None:
    hub = Responder()
    hub.reach(state)
    hub.server.responses()
    hub.server.events()
    if trigger is not server.Trigger.COMPUTED:
        hub.server.work()
    move = server.TABLE[state][trigger]
    hub.fire(trigger)
    assert hub.state is move.state
    events = hub.server.events()
    assert any(isinstance(event, Failed) for event in events) == move.fails
    assert (RemoveKey(DEVICE) in events) == move.remove_key
    assert any(isinstance(event, InstallKey) for event in events) == (move.action is server.Action.INSTALL)
    assert (KeyEstablished(DEVICE, Suite.ONE) in events) == (move.action is server.Action.REPORT)
    answers = [data for _, data in hub.server.responses()]
    statuses = [each.status for each in terminates(answers, Direction.TO_CLIENT)]
    expected = {
        # All zeros: no suite.
        server.Action.REFUSE: [KeyEstablishmentStatus.BAD_MESSAGE],
        server.Action.OUT_OF_SEQUENCE: [KeyEstablishmentStatus.BAD_MESSAGE],
        server.Action.NO_RESOURCES: [KeyEstablishmentStatus.NO_RESOURCES],
    }
    assert statuses == expected.get(move.action, [])
    sent = {
        server.Action.BEGIN: [CommandId.INITIATE],
        server.Action.SEND_EPHEMERAL: [CommandId.EPHEMERAL_DATA],
        server.Action.SEND_CONFIRM: [CommandId.CONFIRM_KEY],
    }
    if not statuses:
        assert [ZclFrame.decode(data).command for data in answers] == sent.get(move.action, [])
    assert len(hub.server.work()) == (move.action is server.Action.COMPUTE)
    assert (hub.server.next_timer() is None) == (move.state is server.State.IDLE)


@pytest.mark.parametrize("state", [state for state in server.State if state is not server.State.IDLE])
def test_a_refused_computation_ends_the_exchange_it_is_of_and_no_other(state: server.State) -> None:
    hub = Responder()
    hub.reach(state)
    number = hub.server._exchanges[DEVICE].number
    hub.server.finished(WorkDone(DEVICE, number - 1, None, None, REFUSED), NOW)
    assert hub.state is state
    if state is server.State.COMPUTING:
        hub.server.finished(WorkDone(DEVICE, number, None, None, REFUSED), NOW)
        assert hub.state is server.State.IDLE


class Initiator(Pair):
    """A device brought to a state by a hub that takes part."""

    def reach(self, state: client.State) -> None:
        self.results: list[WorkDone] = []
        if state is client.State.IDLE:
            return
        self.client.start(NOW)
        for _ in range(8):
            if self.client._state is state:
                return
            for data in self.client.requests():
                self.server.receive(DEVICE, data, NOW)
            for work in self.server.work():
                self.server.finished(work.run(), NOW)
            self.manage_keys()
            for _, data in self.server.responses():
                self.client.receive(data, NOW)
            if self.client._state is state:
                return
            for work in self.client.work():
                self.results.append(work.run())
                self.client.finished(self.results[-1], NOW)
        raise AssertionError(state)

    def fire(self, trigger: client.Trigger) -> None:
        exchange = self.client._exchange
        match trigger:
            case client.Trigger.START:
                self.client.start(NOW)
            case client.Trigger.INITIATE:
                certificate = site(HUB).suites[Suite.ONE].certificate
                self.respond(CommandId.INITIATE, b"\x01\x00\x0a\x0b" + certificate)
            case client.Trigger.EPHEMERAL_DATA:
                self.respond(CommandId.EPHEMERAL_DATA, b"\x02" + bytes(21))
            case client.Trigger.CONFIRM_KEY:
                self.respond(CommandId.CONFIRM_KEY, exchange.keys.mac_v if exchange.keys else bytes(16))
            case client.Trigger.REFUSED:
                self.respond(CommandId.CONFIRM_KEY, bytes(15))
            case client.Trigger.TERMINATE:
                self.client.receive(terminate(Direction.TO_CLIENT), NOW)
            case client.Trigger.COMPUTED:
                for work in self.client.work():
                    self.results.append(work.run())
                if self.results:
                    last = self.results[-1]
                    done = WorkDone(last.device, exchange.number, last.own, last.keys)
                    self.client.finished(done, NOW)
            case client.Trigger.TIMEOUT:
                self.client.expire(self.client.next_timer() or NOW)

    def respond(self, command: CommandId, payload: bytes) -> None:
        sequence = self.client._exchange.request or 0
        self.client.receive(ZclFrame(sequence, command, payload, Direction.TO_CLIENT).encode(), NOW)


@pytest.mark.parametrize(("state", "trigger"), list(product(client.State, client.Trigger)))
def test_the_initiator_does_what_its_table_says(state: client.State, trigger: client.Trigger) -> None:
    device = Initiator()
    device.reach(state)
    device.client.requests()
    if trigger is not client.Trigger.COMPUTED:
        device.client.work()
    move = client.TABLE[state][trigger]
    device.fire(trigger)
    assert device.client._state is move.state
    events = device.client.events()
    assert any(isinstance(event, ClientFailed) for event in events) == move.fails
    assert any(isinstance(event, ClientEstablished) for event in events) == (
        move.action is client.Action.REPORT
    )
    requests = device.client.requests()
    refuses = move.action in (client.Action.REFUSE, client.Action.OUT_OF_SEQUENCE)
    bad = [KeyEstablishmentStatus.BAD_MESSAGE] if refuses else []
    assert [each.status for each in terminates(requests, Direction.TO_SERVER)] == bad
    sent = {
        client.Action.SEND_INITIATE: [CommandId.INITIATE],
        client.Action.SEND_EPHEMERAL: [CommandId.EPHEMERAL_DATA],
        client.Action.SEND_CONFIRM: [CommandId.CONFIRM_KEY],
    }
    if not refuses:
        assert [ZclFrame.decode(data).command for data in requests] == sent.get(move.action, [])
    computes = move.action in (client.Action.GENERATE, client.Action.COMPUTE)
    assert bool(device.client.work()) == computes
    assert (device.client.next_timer() is None) == (move.state is client.State.IDLE)
