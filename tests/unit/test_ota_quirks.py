"""Every quirk on record, acted by our client against our server; and each rule that meets them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hanota.ota.build import build_ppmid_image
from hanota.ota.client import ClientIdentity, OtaClient
from hanota.ota.client_events import Activate, DownloadComplete, DownloadFailed, WaitForActivation
from hanota.ota.client_quirks import ClientQuirks
from hanota.ota.commands import NEVER, UpgradeEndResponse, decode_command
from hanota.ota.events import RequestRefused
from hanota.ota.fields import ANY_IMAGE, ImageId
from hanota.ota.header import OtaHeader
from hanota.ota.quirk_table import MEASURED, QUIRKS, SEEN_IN_THE_FIELD
from hanota.ota.quirks import SILICON_LABS_CLIENT, TELINK_CLIENT, HandledBy, Quirk, Stack, wants_wildcards
from hanota.ota.server import OtaServer
from hanota.ota.session import Activation, SessionState
from hanota.ota.settings import OtaClientSettings, UpgradeActivationPolicy
from hanota.zcl import Direction, Status, ZclFrame
from tests.ota_world_support import START, Link, World, device_number

if TYPE_CHECKING:
    from hanota.ota.image import OtaFile

DEVICE = device_number(1)
HOUR = 3600.0


def bench(quirk: Quirk) -> tuple[World, OtaFile]:
    """Return server and client, not yet running, with an image that the quirk is about."""
    assert quirk.acted is not None
    manufacturer = min(quirk.manufacturer_codes, default=0x121D)
    body = bytes.fromhex("00f0") + bytes(2998) if quirk.handled_by is HandledBy.BY_IMAGE else bytes(3000)
    file = build_ppmid_image(OtaHeader(manufacturer, 0x0084, 2), body)
    client = OtaClient(
        ClientIdentity(ImageId(manufacturer, 0x0084, 1)), lambda _: Status.SUCCESS, quirk.acted
    )
    return World(OtaServer(), {DEVICE: client}, Link()), file


def name(quirk: Quirk) -> str:
    return f"{quirk.name} ({', '.join(stack.value for stack in quirk.stacks)})"


ACTED = [pytest.param(quirk, id=name(quirk)) for quirk in QUIRKS if quirk.acted is not None]


@pytest.mark.parametrize("quirk", ACTED)
def test_a_client_with_the_quirk_ends_with_the_whole_image_and_activates(quirk: Quirk) -> None:
    world, file = bench(quirk)
    world.server.offer(DEVICE, file, Activation.IMMEDIATE, START)
    if quirk.acted and quirk.acted.quirks.ignores_notify:
        world.clients[DEVICE].start(START)
    policy = quirk.acted.upgrade_activation_policy if quirk.acted else None
    ended = WaitForActivation if policy is UpgradeActivationPolicy.OUT_OF_BAND else Activate
    world.run(lambda: bool(world.told(DEVICE, ended)), seconds=2 * HOUR)
    assert world.told(DEVICE, ended), world.client_events[DEVICE]
    assert not world.told(DEVICE, DownloadFailed)
    assert world.clients[DEVICE].image == file.data
    assert world.server.state(DEVICE) is SessionState.COMPLETE
    assert not [event for event in world.server_events if isinstance(event, RequestRefused)]


@pytest.mark.parametrize("quirk", ACTED)
def test_a_client_with_the_quirk_gets_there_over_a_bad_link_with_the_device_rebooting(quirk: Quirk) -> None:
    world, file = bench(quirk)
    world.link = Link(seed=7, loss=0.05, duplication=0.05, reordering=0.02)
    world.server.offer(DEVICE, file, Activation.IMMEDIATE, START)
    client = world.clients[DEVICE]
    client.start(START)
    world.at(START + 63, lambda: None if world.told(DEVICE, Activate) else client.resume(world.now))

    def ended() -> bool:
        return bool(world.told(DEVICE, Activate) or world.told(DEVICE, WaitForActivation))

    world.run(ended, seconds=6 * HOUR)
    for event in world.told(DEVICE, DownloadComplete):
        assert isinstance(event, DownloadComplete)
        assert event.data == file.data
    assert ended() or world.told(DEVICE, DownloadFailed)


def test_every_row_has_evidence_and_the_exceptions_name_their_manufacturers() -> None:
    assert all(quirk.evidence and quirk.stacks for quirk in QUIRKS)
    assert max(Counter(name(quirk) for quirk in QUIRKS).values()) == 1
    exceptions = {HandledBy.BLOCK_SIZE, HandledBy.WILDCARDS}
    for quirk in QUIRKS:
        assert bool(quirk.manufacturer_codes) == (quirk.handled_by in exceptions)
    assert {quirk.handled_by for quirk in QUIRKS} == set(HandledBy)


def test_each_measured_stack_has_its_rows_and_all_but_two_rows_are_acted() -> None:
    for stack in (Stack.TELINK, Stack.SILICON_LABS):
        assert len([quirk for quirk in MEASURED if stack in quirk.stacks]) >= 15
    assert len(SEEN_IN_THE_FIELD) >= 20
    assert [quirk.name for quirk in QUIRKS if quirk.acted is None] == [
        "answer from another endpoint",
        "plaintext refused",
    ]


# -- the rules --


def held(settings: OtaClientSettings, seconds: float) -> World:
    """Return a world in which a device held for CS06 has been so for `seconds`."""
    world, file = bench(Quirk("held", (Stack.OTHER,), "-", HandledBy.HELD_FOR_CS06, settings))
    world.server.offer(DEVICE, file, Activation.OUT_OF_BAND, START)
    world.run(lambda: bool(world.told(DEVICE, Activate)), seconds=seconds)
    return world


def test_the_silicon_labs_client_is_held_for_cs06_for_110_hours() -> None:
    world = held(SILICON_LABS_CLIENT, 110 * HOUR)
    assert world.told(DEVICE, WaitForActivation)
    assert not world.told(DEVICE, Activate)


def test_the_telink_client_activates_itself_after_two_hours_of_waiting() -> None:
    """What 0xFFFFFFFF cannot prevent, and a held last block can (test_ota_hold)."""
    (activation,) = held(TELINK_CLIENT, 110 * HOUR).told(DEVICE, Activate)
    (waiting,) = held(TELINK_CLIENT, 110 * HOUR).told(DEVICE, WaitForActivation)
    assert activation.at - waiting.at == 7200


@pytest.mark.parametrize(("settings", "seconds"), [(TELINK_CLIENT, 86_400), (SILICON_LABS_CLIENT, 3612)])
def test_an_upgrade_time_a_day_away_is_not_what_every_stack_waits_for(
    settings: OtaClientSettings, seconds: float
) -> None:
    client, now = downloaded(settings)
    client.receive(end_response(0, 86_400), now)
    assert client.next_timer() == now + seconds


@pytest.mark.parametrize(("settings", "seconds"), [(TELINK_CLIENT, 0), (SILICON_LABS_CLIENT, 3600)])
def test_an_upgrade_time_in_the_past_is_now_or_an_hour(settings: OtaClientSettings, seconds: float) -> None:
    client, now = downloaded(settings)
    client.receive(end_response(1000, 999), now)
    activated = [event for event in client.events() if isinstance(event, Activate)]
    assert bool(activated) is (seconds == 0)
    assert client.next_timer() == (None if seconds == 0 else now + seconds)


@pytest.mark.parametrize(("settings", "answer"), [(TELINK_CLIENT, []), (SILICON_LABS_CLIENT, [0x01])])
def test_a_finite_upgrade_time_is_never_moved(settings: OtaClientSettings, answer: list[int]) -> None:
    client, now = downloaded(settings)
    client.receive(end_response(0, 600), now)
    client.receive(end_response(0, NEVER), now)
    assert [ZclFrame.decode(data).payload[1] for data in client.requests()] == answer
    assert client.next_timer() == now + 600


@pytest.mark.parametrize("settings", [TELINK_CLIENT, SILICON_LABS_CLIENT])
def test_silence_to_an_upgrade_end_request_activates_both_measured_stacks(
    settings: OtaClientSettings,
) -> None:
    client, now = downloaded(settings)
    began = now
    while not any(isinstance(event, Activate) for event in client.events()):
        timer = client.next_timer()
        assert timer is not None
        now = timer
        client.expire(now)
    assert 10 <= now - began <= 50


def test_manufacturers_that_want_wildcards_get_them_and_no_other() -> None:
    assert wants_wildcards(ImageId(0x131B, 1, 2), QUIRKS)
    assert not wants_wildcards(ImageId(0x121D, 1, 2), QUIRKS)
    (quirk,) = [quirk for quirk in QUIRKS if quirk.handled_by is HandledBy.WILDCARDS]
    world, file = bench(quirk)
    seen = []
    world.server.offer(DEVICE, file, Activation.OUT_OF_BAND, START)
    client = world.clients[DEVICE]
    receive = client.receive

    def spy(data: bytes, now: float, broadcast_draw: int | None = None) -> None:
        command = decode_command(ZclFrame.decode(data))
        if isinstance(command, UpgradeEndResponse):
            seen.append(command.image)
        receive(data, now, broadcast_draw)

    client.receive = spy  # type: ignore[method-assign]
    world.run(lambda: bool(world.told(DEVICE, WaitForActivation)))
    assert seen == [ANY_IMAGE]


def test_no_answer_is_manufacturer_specific_nor_asks_for_a_default_response() -> None:
    world, file = bench(QUIRKS[0])
    world.server.offer(DEVICE, file, Activation.IMMEDIATE, START)
    client = world.clients[DEVICE]
    receive = client.receive

    def spy(data: bytes, now: float, broadcast_draw: int | None = None) -> None:
        frame = ZclFrame.decode(data)
        assert frame.manufacturer_code is None
        assert frame.disable_default_response
        assert frame.direction is Direction.TO_CLIENT
        receive(data, now, broadcast_draw)

    client.receive = spy  # type: ignore[method-assign]
    world.run(lambda: bool(world.told(DEVICE, Activate)))
    assert world.told(DEVICE, Activate)


def test_a_client_of_another_shape_than_ours_ends_right() -> None:
    quirks = ClientQuirks(
        field_control=0xFC,
        asks_full_size_at_end=True,
        out_of_order=True,
        repeats_of_last_block=3,
        upgrade_end_copies=5,
        no_default_response=True,
        one_sequence=True,
        query_interval=2.0,
    )
    quirk = Quirk("all", (Stack.OTHER,), "-", HandledBy.CLAMP, OtaClientSettings(quirks=quirks))
    world, file = bench(quirk)
    world.server.offer(DEVICE, file, Activation.IMMEDIATE, START)
    world.run(lambda: bool(world.told(DEVICE, Activate)))
    assert world.told(DEVICE, Activate)
    assert world.clients[DEVICE].image == file.data


def downloaded(settings: OtaClientSettings) -> tuple[OtaClient, float]:
    """Return a client that has just sent its Upgrade End Request, and when that was."""
    quirk = Quirk("end", (Stack.OTHER,), "-", HandledBy.CLAMP, settings)
    world, file = bench(replace(quirk, acted=settings))
    world.server.offer(DEVICE, file, Activation.IMMEDIATE, START)
    world.run(lambda: bool(world.told(DEVICE, DownloadComplete)))
    client = world.clients[DEVICE]
    client.requests()
    return client, world.now


def end_response(current: int, upgrade: int) -> bytes:
    response = UpgradeEndResponse(ANY_IMAGE, current, upgrade)
    return ZclFrame(99, response.COMMAND, response.encode(), Direction.TO_CLIENT).encode()
