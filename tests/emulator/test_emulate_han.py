"""The HAN behind an emulated dongle: joining by itself, faults, keys, memory over a restart."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import zigpy.types as t
from zigpy.exceptions import DeliveryError

from hanota.emulator.devices import FirmwareDevice
from hanota.emulator.loop import run_virtual
from hanota.emulator.serialx_handler import published
from hanota.errors import ConfigError, RadioError
from hanota.gbcs.lab_ca import LabCa
from hanota.gbcs.reference_test_data import HCALCS, HUB, PPMID
from hanota.zcl import GeneralCommand, ZclFrame
from hanota.zse.install_code import install_code_key
from tests.emulator import ezsp_support, znp_support
from tests.emulator.emulate_support import EPOCH, TWO_DEVICES, Told, living, make_han
from tests.emulator.znp_support import packet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from hanota.emulator.emulation.han import Han
    from hanota.emulator.memory import Json
    from hanota.eui64 import Eui64

    Application = znp_support.RecordingApplication | ezsp_support.RecordingApplication

both_radios = pytest.mark.parametrize("radio", ["znp", "ezsp"])


class Host:
    """The stock radio library on a HAN's dongle."""

    def __init__(self, application: Application, han: Han) -> None:
        self.application = application
        self.windows: list[asyncio.Task[None]] = []
        self._han = han

    def permit(self, *devices: Eui64) -> None:
        """Let devices join with their install codes; zigpy-znp takes the whole window to do it."""
        for device in devices:
            code = self._han.members[device].entry.install_code
            assert code is not None
            key = t.KeyData(install_code_key(code))
            permit = self.application.permit_with_link_key(t.EUI64(device.to_zigbee()), key, time_s=60)
            self.windows.append(asyncio.create_task(permit))

    async def ask_model(self, device: Eui64) -> None:
        """Send a Read Attributes of the Basic cluster's ModelIdentifier and return when it is delivered."""
        read = ZclFrame(1, GeneralCommand.READ_ATTRIBUTES, b"\x05\x00", cluster_specific=False).encode()
        node, ack = self._han.members[device].node, t.TransmitOptions.ACK
        await self.application.send_packet(
            packet(self.application, node, read, dst_ep=1, cluster_id=0x0000, tx_options=ack)
        )


@asynccontextmanager
async def hosted(han: Han, *, form: bool = True) -> AsyncIterator[Host]:
    """Run zigpy-znp or bellows on the HAN's dongle."""
    started: Callable[..., AbstractAsyncContextManager[Application]] = (
        znp_support.started if han.radio == "znp" else ezsp_support.started
    )
    with published("han", han.dongle) as url:
        if form and han.radio == "ezsp":
            async with started(url):
                pass  # forming loses the endpoints: bellows has to start again
        async with started(url, form=form) as application:
            host = Host(application, han)
            yield host
            for window in host.windows:
                window.cancel()
            await asyncio.gather(*host.windows, return_exceptions=True)


def firmware_device(han: Han, device: Eui64) -> FirmwareDevice:
    node = han.members[device].node
    assert isinstance(node, FirmwareDevice)
    return node


@both_radios
def test_a_device_joins_by_itself_when_it_may_and_one_that_is_told_to_when_told(
    radio: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        told = Told()
        han = make_han(TWO_DEVICES, tmp_path, radio=radio, told=told)
        async with living(han) as control, hosted(han) as host:
            await asyncio.sleep(30)
            assert not told.lines
            host.permit(PPMID, HCALCS)
            await told.until("on the HAN as", PPMID)
            await asyncio.sleep(30)
            assert not han.members[HCALCS].node.joined
            assert await control.execute({"command": "join"}) == {"ok": True, "joined": [str(HCALCS)]}
            await told.until("on the HAN as", HCALCS)

    run_virtual(scenario())


@both_radios
def test_a_device_without_install_code_joins_an_open_network(radio: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        told = Told()
        toml = f'[[device]]\nkind="ppmid"\neui64="{PPMID}"\ninstall_code=false'
        han = make_han(toml, tmp_path, radio=radio, told=told)
        async with living(han), hosted(han) as host:
            await host.application.permit(60)
            await told.until("on the HAN as")

    run_virtual(scenario())


def test_a_device_that_is_told_to_leave_does_not_come_back_by_itself(tmp_path: Path) -> None:
    async def scenario() -> None:
        told = Told()
        han = make_han(TWO_DEVICES, tmp_path, told=told)
        async with living(han), hosted(han) as host:
            host.permit(PPMID)
            await told.until("on the HAN as", PPMID)
            await han.members[PPMID].leave()
            host.permit(PPMID)
            await asyncio.sleep(30)
            assert [line for _, line in told.lines][-1] == "left the HAN"
            with pytest.raises(RadioError, match="not on a network"):
                await han.members[PPMID].leave()
            await han.members[PPMID].join()

    run_virtual(scenario())


def test_a_power_cut_takes_a_device_off_and_power_brings_it_back_without_a_join(tmp_path: Path) -> None:
    async def scenario() -> None:
        told = Told()
        han = make_han(TWO_DEVICES, tmp_path, told=told)
        async with living(han), hosted(han) as host:
            host.permit(PPMID)
            await told.until("on the HAN as", PPMID)
            await asyncio.sleep(100)  # the joining window has closed
            han.members[PPMID].power_off()
            await asyncio.sleep(30)
            await han.members[PPMID].power_on()
            await asyncio.sleep(1)
        lines = [line for _, line in told.lines]
        assert lines[0] == lines[2]
        assert lines[1] == "off the HAN"

    run_virtual(scenario())


async def test_faults_of_the_file_are_set_on_the_devices_links(tmp_path: Path) -> None:
    han = make_han(TWO_DEVICES + "[device.faults]\nloss = 0.25\njitter = 2", tmp_path)
    assert (han.air.faults[HCALCS].loss, han.air.faults[HCALCS].jitter) == (0.25, 2.0)
    assert (han.air.faults[PPMID].loss, han.air.faults[PPMID].jitter) == (0.0, 0.0)


def test_a_broken_air_carries_nothing_until_it_is_healed(tmp_path: Path) -> None:
    async def scenario() -> None:
        told = Told()
        han = make_han(TWO_DEVICES, tmp_path, told=told)
        async with living(han), hosted(han) as host:
            host.permit(PPMID)
            await told.until("on the HAN as", PPMID)
            node = han.members[PPMID].node
            han.break_air()
            with pytest.raises(DeliveryError):
                await host.application.send_packet(packet(host.application, node, b"lost"))
            han.heal_air()
            await host.application.send_packet(packet(host.application, node, b"carried"))

    run_virtual(scenario())


async def test_faults_of_the_line_are_set(tmp_path: Path) -> None:
    han = make_han("[dongle.faults.to_ncp]\nlose = 0.5\none_octet_reads = true", tmp_path)
    line = han.dongle.line
    assert (line.to_ncp.lose, line.to_ncp.one_octet_reads, line.to_host.lose) == (0.5, True, 0.0)


# -- memory ------------------------------------------------------------------------------------------------


@both_radios
def test_network_versions_and_counters_survive_a_restart_of_the_emulation(radio: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        told = Told()
        han = make_han(TWO_DEVICES, tmp_path, radio=radio, told=told)
        async with living(han), hosted(han) as host:
            host.permit(PPMID)
            await told.until("on the HAN as", PPMID)
            device = firmware_device(han, PPMID)
            device.reboot_into(0x0100_0007, lambda: None)
            counter = device.own_counter.next()
            device.counters.accept(HUB, 41)
            await asyncio.sleep(10)
        state = json.loads(json.dumps(han.state()))

        told = Told()
        han = make_han(TWO_DEVICES, tmp_path, radio=radio, told=told, state=state)
        device = firmware_device(han, PPMID)
        async with living(han), hosted(han, form=False) as host:
            assert host.application.state.network_info.pan_id == 0x8C54
            await told.until("on the HAN as", PPMID)
            assert not han.members[HCALCS].node.joined
            assert device.firmware_version == bytes.fromhex("01000007")
            assert (device.own_counter.last, device.counters.highest()) == (counter, {HUB: 41})
            await host.ask_model(PPMID)
            await asyncio.sleep(1)
            assert host.application.packets

    run_virtual(scenario())


def state_of(tmp_path: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(json.dumps(make_han(TWO_DEVICES, tmp_path).state()))
    return state


async def test_an_older_dongle_keeps_its_memory_and_takes_no_other_releases(tmp_path: Path) -> None:
    older = '[dongle]\nversion = "3.0"'
    state = json.loads(json.dumps(make_han(older, tmp_path).state()))
    assert make_han(older, tmp_path, state=state).state() == state
    with pytest.raises(ConfigError, match=r"the dongle's memory is not of Z-Stack 3\.30"):
        make_han("", tmp_path, state=state)
    with pytest.raises(ConfigError, match=r"the dongle's memory is not of Z-Stack 3\.0"):
        make_han(older, tmp_path, state=json.loads(json.dumps(make_han("", tmp_path).state())))


def test_a_sleeping_device_joins_and_answers_when_it_wakes(tmp_path: Path) -> None:
    async def scenario() -> None:
        told = Told()
        toml = f'[[device]]\nkind="ppmid"\neui64="{PPMID}"\nsleep=3'
        han = make_han(toml, tmp_path, told=told)
        async with living(han), hosted(han) as host:
            host.permit(PPMID)
            await told.until("on the HAN as", PPMID)
            await asyncio.sleep(20)
            begin = asyncio.get_running_loop().time()
            await host.ask_model(PPMID)
            assert 0.5 < asyncio.get_running_loop().time() - begin < 4

    run_virtual(scenario())


def test_a_memory_is_the_same_after_a_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        state = state_of(tmp_path)
        assert make_han(TWO_DEVICES, tmp_path, state=state).state() == state

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ({"radio": "ezsp"}, "the state of a znp dongle"),
        ({"dongle": 5}, "the dongle's memory is damaged: '5'"),
        ({"dongle": {"items": {"33": "00"}}}, "the dongle's memory is not of Z-Stack 3.30"),
        ({"dongle": {"items": {"item": "00"}}}, "the dongle's memory items is damaged: 'item'"),
        ({"dongle": {"items": {"33": "network"}}}, "the dongle's memory items 33 is damaged: 'network'"),
        ({"dongle": {"tables": {"4": "00"}}}, "the dongle's memory tables is damaged: '4'"),
        ({"dongle": {"flash": {}}}, "the dongle's memory flash is damaged"),
        ({"devices": {str(PPMID): {"nwk": "one"}}}, "nwk"),
        ({"devices": {str(PPMID): {"counters": {"me": 1}}}}, "the EUI-64 of an originator"),
        ({"devices": {str(PPMID): {"counter": -1}}}, "counter"),
    ],
)
async def test_a_damaged_memory_is_refused_and_the_damage_named(
    damage: dict[str, Json], told: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        make_han(TWO_DEVICES, tmp_path, state=state_of(tmp_path) | damage)
    assert told in f"{caught.value} {caught.value.hint}"


# -- keys --------------------------------------------------------------------------------------------------


async def test_a_device_uses_the_key_pairs_of_its_folder(tmp_path: Path) -> None:
    credentials = LabCa(EPOCH, seed=b"own").issue_device(PPMID)
    credentials.save(tmp_path / "keys")
    toml = f'[[device]]\nkind="ppmid"\neui64="{PPMID}"\nkeystore="keys"\ntrust="keys"'
    device = firmware_device(make_han(toml, tmp_path), PPMID)
    own = device.identity.credentials.signing_key.private_numbers()
    assert own == credentials.signing_key.private_numbers()
    assert device.keystore.access_control_brokers() == ()


async def test_a_folder_without_the_devices_keys_or_certificates_is_refused(tmp_path: Path) -> None:
    toml = f'[[device]]\nkind="ppmid"\neui64="{PPMID}"\nkeystore="keys"'
    LabCa(EPOCH, seed=b"own").issue_device(HCALCS).save(tmp_path / "keys")
    with pytest.raises(ConfigError, match=f"no private key of {PPMID}"):
        make_han(toml, tmp_path)
    LabCa(EPOCH, seed=b"own").issue_device(PPMID).save(tmp_path / "keys")
    (tmp_path / "keys" / f"{PPMID.hex()}-ka.pem").unlink()
    with pytest.raises(ConfigError, match="no certificate for the ka key"):
        make_han(toml, tmp_path)


async def test_each_dongle_comes_in_the_versions_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no ZNP dongle of version 13"):
        make_han("[dongle]\nversion = 13", tmp_path)
    make_han('[dongle]\nversion = "3.0"', tmp_path)
    with pytest.raises(ConfigError, match=r"no EZSP dongle of version 3\.0"):
        make_han('[dongle]\nversion = "3.0"', tmp_path, radio="ezsp")
    make_han("[dongle]\nversion = 14", tmp_path, radio="ezsp")
    with pytest.raises(ConfigError, match="no EZSP dongle of version 99"):
        make_han("[dongle]\nversion = 99", tmp_path, radio="ezsp")
