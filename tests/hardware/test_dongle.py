"""The dongle and its network: first things to look at on a new bench."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hanota.hub.events import EventKind

if TYPE_CHECKING:
    from hanota.conformance.rig import Rig
    from hanota.radio.coordinator import Coordinator
    from hanota.testing.radios import Radio


async def test_the_dongle_is_of_the_family_that_its_url_says(coordinator: Coordinator, radio: Radio) -> None:
    facts = await coordinator.facts()
    assert facts.family == radio.family
    assert facts.eui64 == coordinator.eui64


async def test_the_dongle_has_room_for_a_link_key_of_each_device(rig: Rig) -> None:
    facts = await rig.coordinator.facts()
    assert facts.key_table_size is None or facts.key_table_size >= len(rig.devices)


async def test_the_network_is_the_hubs_own(coordinator: Coordinator) -> None:
    network = (await coordinator.facts()).network
    assert network is not None
    assert network.extended_pan_id == coordinator.eui64
    assert network.security_level == 5


async def test_a_hub_that_restarts_is_on_the_same_network(rig: Rig) -> None:
    before = (await rig.coordinator.facts()).network
    await rig.restart_hub()
    after = (await rig.coordinator.facts()).network
    assert before is not None
    assert after is not None
    assert (after.pan_id, after.channel) == (before.pan_id, before.channel)
    assert after.frame_counter >= before.frame_counter


@pytest.mark.emulated
async def test_a_dongle_that_is_unplugged_is_taken_up_again(rig: Rig) -> None:
    assert rig.dongle is not None
    rig.dongle.line.unplug()
    await rig.until(lambda: rig.seen(EventKind.RADIO_STATE, state="lost"), 60)
    await asyncio.sleep(30)
    online = len(rig.seen(EventKind.RADIO_STATE, state="online"))
    rig.dongle.line.plug()
    await rig.until(lambda: len(rig.seen(EventKind.RADIO_STATE, state="online")) > online, 120)
