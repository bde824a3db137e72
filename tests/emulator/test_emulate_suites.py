"""han.toml's suites: devices, external ones too, establish keys by credentials of a lab CA or a file."""

from __future__ import annotations

import asyncio
import json
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.emulation.external import ExternalDevice
from hanota.emulator.emulation.external_protocol import (
    Data,
    DataFlag,
    MessageDecoder,
    decode_message,
    encode_message,
)
from hanota.emulator.emulation.han_file import parse_han
from hanota.emulator.emulation.lab_credentials import make_lab_credentials
from hanota.emulator.loop import run_virtual
from hanota.errors import ConfigError
from hanota.eui64 import Eui64
from hanota.gbcs.reference_test_data import HCALCS, HUB, PPMID
from hanota.zcl import ClusterId
from hanota.zse.cbke import SiteCredentials, Suite, write_credentials
from hanota.zse.install_code import install_code_key
from tests.emulator.cbke_support import Hub, LabCa
from tests.emulator.emulate_support import EPOCH, Told, lab_credentials_of, living, make_han

if TYPE_CHECKING:
    from pathlib import Path

    from hanota.emulator.emulation.han import Han

EXTERNAL = Eui64.parse("00-DB-12-34-56-78-90-A6")
SUITES = f"""
[[device]]
kind = "ppmid"
eui64 = "{PPMID}"
suite = 1
[[device]]
kind = "hcalcs"
eui64 = "{HCALCS}"
suite = 2
"""
EXTERNAL_TABLE = f"""
[[device]]
kind = "external"
eui64 = "{EXTERNAL}"
autojoin = false
suite = 2
socket = "unix:device.sock"
"""


def hub_of(han: Han, toml: str, folder: Path) -> Hub:
    """The hub that has the credentials `hanota emulate` writes for it."""
    file = parse_han(tomllib.loads(toml), name="han.toml", folder=folder)
    hub = Hub(han.air, lab_credentials_of(toml).hub)
    for device in file.devices:
        assert device.install_code is not None
        hub.join_keys[device.eui64] = install_code_key(device.install_code)
    return hub


def test_devices_of_either_suite_establish_keys_and_keep_them_over_a_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        han = make_han(SUITES, tmp_path)
        hub = hub_of(han, SUITES, tmp_path)
        await hub.up()
        async with living(han) as control:
            await asyncio.sleep(60)
            assert hub.agreed() == {PPMID, HCALCS}
            status = await control.execute({"command": "status"})
            assert isinstance(status["devices"], list)
            assert all(isinstance(device, dict) and device["established"] for device in status["devices"])
            state, keys = json.loads(json.dumps(han.state())), dict(hub.keys)
        hub.power_off()

        han = make_han(SUITES, tmp_path, state=state)
        hub = hub_of(han, SUITES, tmp_path)
        hub.keys |= keys
        await hub.up()
        async with living(han):
            await asyncio.sleep(60)
            nodes = {eui64: member.node for eui64, member in han.members.items()}
            assert {eui64: node.link_key for eui64, node in nodes.items()} == keys
            assert not hub.told
            node = nodes[PPMID]
            assert node.aps_frame_counter > state["devices"][str(PPMID)]["aps_frame_counter"]
            await node.join(han.air)
            await asyncio.sleep(60)
            assert hub.keys[PPMID] == node.link_key != keys[PPMID]
        hub.power_off()

    run_virtual(scenario())


def test_a_device_brings_credentials_of_its_own_in_a_file(tmp_path: Path) -> None:
    async def scenario() -> None:
        ca = LabCa(5)
        write_credentials(tmp_path / "ppmid.toml", ca.site(PPMID))
        toml = f'[[device]]\nkind="ppmid"\neui64="{PPMID}"\nsuite=2\ncredentials="ppmid.toml"'
        han = make_han(toml, tmp_path)
        hub = hub_of(han, toml, tmp_path)
        hub.site = ca.site(HUB)
        hub.renew()
        await hub.up()
        async with living(han):
            await asyncio.sleep(60)
            assert hub.agreed() == {PPMID}
        hub.power_off()

    run_virtual(scenario())


def test_a_file_of_another_device_or_without_the_suite_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        ca = LabCa()
        write_credentials(tmp_path / "hcalcs.toml", ca.site(HCALCS))
        write_credentials(tmp_path / "one.toml", SiteCredentials.of(ca.issue(PPMID, Suite.ONE)))
        for name in ("hcalcs", "one"):
            toml = f'[[device]]\nkind="ppmid"\neui64="{PPMID}"\nsuite=2\ncredentials="{name}.toml"'
            with pytest.raises(ConfigError, match=rf"{name}\.toml: no credentials of suite 2 for {PPMID}"):
                make_han(toml, tmp_path)

    run_virtual(scenario())


def test_the_lab_ca_is_the_same_whatever_devices_there_are(tmp_path: Path) -> None:
    one = parse_han(tomllib.loads(SUITES), name="han.toml", folder=tmp_path)
    other = replace(one, devices=one.devices[:1])
    lab, later = (make_lab_credentials(file, now=EPOCH, seed=1) for file in (one, other))
    assert lab.hub == later.hub
    assert lab.hub.subject == HUB
    assert set(lab.hub.suites) == set(Suite)
    assert later.devices == {PPMID: lab.devices[PPMID]}
    assert make_lab_credentials(one, now=EPOCH, seed=2).hub != lab.hub


async def test_an_external_device_gets_and_sends_encrypted_frames_under_the_established_key(
    tmp_path: Path,
) -> None:
    told = Told()
    han = make_han(EXTERNAL_TABLE, tmp_path, told=told)
    hub = hub_of(han, EXTERNAL_TABLE, tmp_path)
    node = han.members[EXTERNAL].node
    assert isinstance(node, ExternalDevice)
    node.key_establishment.settings = replace(node.key_establishment.settings, compute_time=0.05)
    await hub.up()
    async with living(han):
        reader, writer = await connected(tmp_path / "device.sock")
        query = Data(
            DataFlag.APS_ENCRYPTED | DataFlag.APS_ACK, 0, 1, 3, 0x0109, ClusterId.OTA_UPGRADE, b"\x01\x07\x01"
        )
        node.key_establishment.alter = lambda data: data if node.dropped else None
        await node.join(han.air)
        writer.write(encode_message(query))
        assert await hub.give(ClusterId.OTA_UPGRADE, EXTERNAL, b"too early", encrypted=True)
        async with asyncio.timeout(5):
            while node.dropped["before key establishment"] < 2:  # noqa: ASYNC110  # a counter, no event
                await asyncio.sleep(0.01)
        assert not hub.received
        node.power_off()
        await node.power_on()
        await told.until("link key established with the hub, suite 2", EXTERNAL)
        writer.write(encode_message(query))
        assert await hub.give(ClusterId.OTA_UPGRADE, EXTERNAL, b"in time", encrypted=True)
        decoder = MessageDecoder()
        frames: list[bytes] = []
        async with asyncio.timeout(5):
            while not frames or not hub.received:
                frames += decoder.feed(await asyncio.wait_for(reader.read(4096), 5))
                await asyncio.sleep(0.1)
        (message,) = map(decode_message, frames)
        assert isinstance(message, Data)
        assert (message.frame, DataFlag.APS_ENCRYPTED in message.flags) == (b"in time", True)
        (frame,) = hub.received
        assert frame.link_key == hub.keys[EXTERNAL] == node.link_key
        writer.close()
    hub.power_off()


async def connected(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(5):
        while True:
            try:
                return await asyncio.open_unix_connection(path)
            except OSError:
                await asyncio.sleep(0.01)
