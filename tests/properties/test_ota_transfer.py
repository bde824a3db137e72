"""Upgrade Server and Upgrade Client through a bad link, in virtual time: success, or a named failure."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanota.ota.attributes import AttributeId, report_attributes
from hanota.ota.client_events import (
    Activate,
    DownloadComplete,
    DownloadFailed,
    DownloadFailure,
    WaitForActivation,
)
from hanota.ota.client_quirks import ClientQuirks
from hanota.ota.events import BlockServed, TransferExpired, UpgradeEnded
from hanota.ota.header import OtaHeader
from hanota.ota.server import OtaServer
from hanota.ota.session import Activation, SessionState
from hanota.ota.settings import OtaClientSettings, OtaServerSettings
from hanota.zcl import Status
from tests.ota_world_support import (
    IMAGE_TYPE,
    MANUFACTURER,
    NEW,
    START,
    Link,
    World,
    device_number,
    new_client,
    ota_file,
)

probability = st.floats(0.0, 0.4)


@settings(deadline=None, max_examples=400)
@given(
    size=st.integers(1, 900),
    link=st.builds(Link, st.integers(0, 2**32), probability, probability, probability),
    block=st.sampled_from((16, 48, 63)),
    new_sequence=st.booleans(),
    activation=st.sampled_from(Activation),
)
def test_any_link_ends_in_success_with_every_octet_or_in_a_named_failure(
    size: int, link: Link, block: int, new_sequence: bool, activation: Activation
) -> None:
    file, device = ota_file(size), device_number(1)
    server = OtaServer(OtaServerSettings(block_size=block))
    client = new_client(OtaClientSettings(new_sequence_on_retry=new_sequence))
    world = World(server, {device: client}, link)
    server.offer(device, file, activation, START)

    def ended() -> bool:
        return bool(
            world.told(device, Activate)
            or world.told(device, WaitForActivation)
            or world.told(device, DownloadFailed)
        )

    world.run(ended)
    completed = world.told(device, DownloadComplete)
    assert all(isinstance(event, DownloadComplete) and event.data == file.data for event in completed)
    if failures := world.told(device, DownloadFailed):
        assert isinstance(failures[-1], DownloadFailed)
        assert failures[-1].reason in {
            DownloadFailure.QUERY_UNANSWERED,
            DownloadFailure.BLOCKS_FAILED,
            DownloadFailure.UPGRADE_END_UNANSWERED,
        }
    else:
        assert completed
        assert client.image == file.data
        assert server.state(device) is SessionState.COMPLETE
        expected = Activate if activation is Activation.IMMEDIATE else WaitForActivation
        assert len(world.told(device, expected)) == 1


client_shapes = st.builds(
    OtaClientSettings,
    maximum_data_size=st.sampled_from((16, 48, 63, 255)),
    minimum_block_period=st.sampled_from((None, 0, 20)),
    page_size=st.none() | st.integers(1, 1200),
    page_data_size=st.integers(1, 100),
    page_spacing=st.integers(0, 500),
    new_sequence_on_retry=st.booleans(),
    resume_with_query=st.booleans(),
    quirks=st.builds(
        ClientQuirks,
        field_control=st.sampled_from((0, 0x03, 0xFF)),
        asks_full_size_at_end=st.booleans(),
        fixed_page_size=st.booleans(),
        query_interval=st.none() | st.floats(5.0, 100.0),
        upgrade_end_without_download=st.booleans(),
        upgrade_end_copies=st.integers(1, 5),
        longest_block=st.none() | st.integers(16, 60),
        any_sequence=st.booleans(),
        one_sequence=st.booleans(),
        no_default_response=st.booleans(),
        erase_seconds=st.floats(0.0, 60.0),
        unexpected_status=st.sampled_from((0x00, 0x01)),
        retry_delay=st.floats(0.0, 3.0),
        repeats_of_last_block=st.integers(0, 3),
        out_of_order=st.booleans(),
    ),
)


@settings(deadline=None, max_examples=250)
@given(
    size=st.integers(1, 2000),
    link=st.builds(Link, st.integers(0, 2**32), *[st.floats(0.0, 0.2)] * 3),
    shape=client_shapes,
    server_settings=st.builds(
        OtaServerSettings,
        page_requests=st.booleans(),
        page_window=st.integers(1, 8),
        page_lag_seconds=st.floats(0.0, 2.0),
        requests_per_second=st.floats(2.0, 1000.0),
        request_burst=st.integers(1, 100),
    ),
    pace=st.none() | st.floats(0.01, 0.5),
    hold=st.booleans(),
    confirms=st.booleans(),
)
def test_a_client_of_any_shape_at_any_pace_by_page_or_block_ends_in_success_or_a_named_failure(
    size: int,
    link: Link,
    shape: OtaClientSettings,
    server_settings: OtaServerSettings,
    pace: float | None,
    hold: bool,
    confirms: bool,
) -> None:
    file, device = ota_file(size), device_number(1)
    server, client = OtaServer(server_settings), new_client(shape)
    world = World(server, {device: client}, link)
    world.confirms = confirms
    server.offer(device, file, Activation.IMMEDIATE, START, hold=hold)
    world.at(START + 900, lambda: server.release(device, world.now))
    if pace is not None:
        server.receive(device, report_attributes({AttributeId.CLUSTER_REVISION: 4}, 0), START)
        server.set_block_period(device, pace)
    world.run(
        lambda: bool(world.told(device, Activate) or world.told(device, DownloadFailed)), seconds=2 * 86_400
    )
    failures = world.told(device, DownloadFailed)
    assert world.told(device, Activate) or failures
    for event in world.told(device, DownloadComplete):
        assert isinstance(event, DownloadComplete)
        assert event.data == file.data
        assert not hold or event.at >= START + 900
    assert bool(failures) or client.image == file.data
    served = [event for event in world.server_events if isinstance(event, BlockServed)]
    assert all(event.file_offset + event.size <= event.total for event in served)
    assert all(event.size <= max(shape.maximum_data_size, shape.page_data_size) for event in served)


@settings(deadline=None, max_examples=150)
@given(
    size=st.integers(1, 600),
    link=st.builds(Link, st.integers(0, 2**32), st.just(0.0), probability, probability),
)
def test_without_loss_duplicates_and_late_frames_never_multiply_nor_stop_the_download(
    size: int, link: Link
) -> None:
    file, device = ota_file(size), device_number(1)
    server, client = OtaServer(), new_client(OtaClientSettings(response_timeout=10.0))
    world = World(server, {device: client}, link)
    server.offer(device, file, Activation.IMMEDIATE, START)
    world.run(lambda: bool(world.told(device, Activate)))
    assert world.told(device, Activate)
    assert client.image == file.data
    exchanges = 3 + -(-len(file.data) // 48)
    assert world.frames <= 8 * exchanges


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_several_devices_at_once_each_get_their_own_image(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 6))
    files = {device_number(n): ota_file(data.draw(st.integers(1, 500)), NEW + n) for n in range(count)}
    link = Link(data.draw(st.integers(0, 2**32)), data.draw(st.floats(0.0, 0.1)), 0.1, 0.1)
    server = OtaServer(OtaServerSettings(concurrent_transfers=data.draw(st.integers(1, 3))))
    world = World(server, {device: new_client() for device in files}, link)
    for device, file in files.items():
        server.offer(device, file, Activation.IMMEDIATE, START)
    world.run(
        lambda: all(world.told(device, Activate) or world.told(device, DownloadFailed) for device in files)
    )
    for device, file in files.items():
        assert world.told(device, Activate) or world.told(device, DownloadFailed)
        for event in world.told(device, DownloadComplete):
            assert isinstance(event, DownloadComplete)
            assert event.data == file.data


@settings(deadline=None, max_examples=150)
@given(
    size=st.integers(1, 600),
    device_reboots=st.lists(st.floats(0.0, 60.0), max_size=4),
    hub_restarts=st.lists(st.floats(0.0, 60.0), max_size=3),
    with_query=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_reboots_of_device_and_hub_lose_nothing(
    size: int, device_reboots: list[float], hub_restarts: list[float], with_query: bool, seed: int
) -> None:
    file, device = ota_file(size), device_number(1)
    client = new_client(OtaClientSettings(resume_with_query=with_query))
    world = World(OtaServer(), {device: client}, Link(seed, loss=0.05, reordering=0.3))
    world.server.offer(device, file, Activation.IMMEDIATE, START)

    def restart_hub() -> None:
        state = world.server.state(device)
        assert state is not None
        world.server = OtaServer()
        world.server.restore(device, file, Activation.IMMEDIATE, state, world.now)

    def reboot_device() -> None:
        if not world.told(device, Activate):
            client.resume(world.now)

    for after in device_reboots:
        world.at(START + after, reboot_device)
    for after in hub_restarts:
        world.at(START + after, restart_hub)
    world.run(lambda: bool(world.told(device, Activate) or world.told(device, DownloadFailed)))
    assert world.told(device, Activate) or world.told(device, DownloadFailed)
    if world.told(device, Activate):
        assert client.image == file.data


@settings(deadline=None, max_examples=60)
@given(
    blocks=st.integers(1, 12),
    rest=st.sampled_from((-1, 0, 1)),
    block=st.sampled_from((1, 16, 48, 63, 64, 255)),
)
def test_a_clean_link_serves_each_octet_once_whatever_the_size(blocks: int, rest: int, block: int) -> None:
    header = OtaHeader(MANUFACTURER, IMAGE_TYPE, NEW).header_length
    size = max(1, blocks * block + rest - header)
    file, device = ota_file(size), device_number(1)
    server = OtaServer(OtaServerSettings(block_size=block))
    world = World(server, {device: new_client(OtaClientSettings(maximum_data_size=255))}, Link())
    server.offer(device, file, Activation.IMMEDIATE, START)
    world.run(lambda: bool(world.told(device, Activate)))
    served = [event for event in world.server_events if isinstance(event, BlockServed)]
    assert [event.file_offset for event in served] == list(range(0, len(file.data), block))
    assert sum(event.size for event in served) == len(file.data)
    assert not any(event.repeated for event in served)
    assert [event.status for event in world.server_events if isinstance(event, UpgradeEnded)] == [
        Status.SUCCESS
    ]


@pytest.mark.parametrize("seed", range(50))
def test_a_link_that_loses_doubles_and_delays_a_tenth_of_all_frames_is_good_enough(seed: int) -> None:
    file, device = ota_file(5000), device_number(1)
    server, client = OtaServer(), new_client()
    world = World(server, {device: client}, Link(seed, 0.1, 0.1, 0.1))
    server.offer(device, file, Activation.IMMEDIATE, START)
    world.run(lambda: bool(world.told(device, Activate)))
    assert world.told(device, Activate)
    assert client.image == file.data


def test_a_dead_link_is_told_on_both_sides() -> None:
    file, device = ota_file(100), device_number(1)
    server, client = OtaServer(), new_client()
    world = World(server, {device: client}, Link(loss=1.0))
    server.offer(device, file, Activation.IMMEDIATE, START)
    client.start(START)
    world.run(lambda: False)
    assert [
        event.reason for event in world.told(device, DownloadFailed) if isinstance(event, DownloadFailed)
    ] == [DownloadFailure.QUERY_UNANSWERED]
    assert any(isinstance(event, TransferExpired) for event in world.server_events)
    assert server.state(device) is SessionState.EXPIRED
