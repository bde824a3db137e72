"""Upgrade Clients of other makers in `hanota emulate`: by han.toml, by command, and as a hub sees them."""

from __future__ import annotations

import struct
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.air import BROADCAST_RX_ON_WHEN_IDLE
from hanota.emulator.devices import DeviceSettings, FirmwareDevice
from hanota.emulator.devices.client_shapes import CLIENTS, QUIRK_NAMES, with_quirks
from hanota.emulator.emulation.control import Control
from hanota.emulator.emulation.han_file import parse_han
from hanota.emulator.emulation.ports import TcpPort
from hanota.emulator.loop import run_virtual
from hanota.errors import ConfigError
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.ota.attributes import AttributeId, decode_values, read_attributes
from hanota.ota.commands import CommandId, ImageNotify, encode_command
from hanota.ota.quirk_table import QUIRKS
from hanota.ota.quirks import SILICON_LABS_CLIENT, TELINK_CLIENT
from hanota.zcl import ClusterId, DefaultResponse, Direction, Status, ZclFrame
from tests.emulator.device_bench import Bench
from tests.emulator.emulate_support import make_han

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

NOTIFY = encode_command(ImageNotify(100), 1)


def ppmid(*lines: str) -> str:
    """A han.toml of one PPMID with these keys too."""
    return "\n".join(["[[device]]", 'kind = "ppmid"', f'eui64 = "{PPMID}"', *lines])


def on_a_bench(
    folder: Path,
    toml: str,
    test: Callable[[Bench], Coroutine[None, None, None]],
    settings: Callable[[DeviceSettings], DeviceSettings] = lambda settings: settings,
) -> None:
    """Run `test` on the PPMID of a han.toml, in virtual time."""

    async def scenario() -> None:
        bench = Bench(folder, PPMID, toml)
        bench.device.act_as(settings(bench.device.device_settings))
        bench.device.aps_encryption = bench.device.device_settings.aps_encryption
        await bench.up()
        await test(bench)
        bench.device.power_off()

    run_virtual(scenario())


# -- chosen by name ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_is_chosen_by_its_name(name: str, tmp_path: Path) -> None:
    device = Bench(tmp_path, PPMID, ppmid(f'client = "{name}"')).device
    assert device.client.settings == CLIENTS[name]


def test_the_measured_clients_are_those_of_the_quirk_table() -> None:
    assert CLIENTS["telink"] is TELINK_CLIENT
    assert CLIENTS["silicon-labs"] is SILICON_LABS_CLIENT
    (page,) = [quirk.acted for quirk in QUIRKS if quirk.name == "page request"]
    assert CLIENTS["page"] == page


def test_every_quirk_on_record_but_the_whole_clients_can_be_chosen() -> None:
    assert {quirk.name for quirk in QUIRKS} - set(QUIRK_NAMES) == {"whole client"}
    nothing_special = [
        name for name in QUIRK_NAMES if with_quirks(DeviceSettings(), [name]) == DeviceSettings()
    ]
    assert nothing_special == [
        "Default Response for each block",
        "manufacturer specific answers refused",
        "answer from another endpoint",
        "wrong version in the Upgrade End Response",
        "notify by broadcast",
    ], "what every client here does"


async def test_quirks_come_on_top_of_a_client_and_the_later_one_has_its_way(tmp_path: Path) -> None:
    quirks = (
        'quirks = ["flash erased before the first block", "odd field control", "longer block than asked"]'
    )
    device = Bench(tmp_path, PPMID, ppmid('client = "silicon-labs"', quirks)).device
    expected = replace(
        SILICON_LABS_CLIENT,
        maximum_data_size=20,
        quirks=replace(SILICON_LABS_CLIENT.quirks, erase_seconds=60.0, field_control=0xFF),
    )
    assert device.client.settings == expected
    assert device.client.identity.node_address == PPMID


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('client = "z-stack"', "client = 'z-stack'"),
        ('quirks = ["whole client"]', "quirks = ['whole client']"),
        ("quirks = 3", "quirks = 3"),
    ],
)
def test_a_client_or_quirk_that_is_not_on_record_is_refused_by_name(line: str, told: str) -> None:
    with pytest.raises(ConfigError, match=r"han\.toml") as refused:
        parse_han(tomllib.loads(ppmid(line)), name="han.toml", folder=Path())
    assert told in str(refused.value)
    assert refused.value.hint is not None
    with pytest.raises(ConfigError, match="unknown quirk 'whole client'"):
        with_quirks(DeviceSettings(), ["whole client"])


async def test_a_running_device_is_given_a_quirk_by_the_command_misbehave(tmp_path: Path) -> None:
    han = make_han(ppmid('client = "telink"'), tmp_path)
    control = Control(han, TcpPort(han.dongle.line, "tcp://nowhere:0"))
    for name in QUIRK_NAMES:
        request = {"command": "misbehave", "device": str(PPMID), "name": name}
        assert await control.execute(request) == {"ok": True}
    node = han.members[PPMID].node
    assert isinstance(node, FirmwareDevice)
    expected = with_quirks(DeviceSettings(client=TELINK_CLIENT), QUIRK_NAMES)
    assert node.client.settings == expected.client
    answer = await control.execute({"command": "misbehave", "device": str(HCALCS), "name": QUIRK_NAMES[0]})
    assert answer["ok"] is False


# -- as a hub sees it --------------------------------------------------------------------------------------


def test_a_device_answers_with_the_attributes_of_its_upgrade_client(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        (answer,) = await bench.answers(ClusterId.OTA_UPGRADE, read_attributes(AttributeId, 7))
        values = decode_values(ZclFrame.decode(answer.payload))
        assert values == bench.device.client.attributes()
        assert values[AttributeId.UPGRADE_ACTIVATION_POLICY] == 1
        assert values[AttributeId.CURRENT_FILE_VERSION] == 0x0100_0000
        assert answer.secured

    on_a_bench(tmp_path, ppmid('quirks = "activation policy out of band"'), test)


@pytest.mark.parametrize("refuses", [True, False])
def test_plaintext_is_dropped_and_answered_failure_where_the_quirk_says_so(
    refuses: bool, tmp_path: Path
) -> None:
    async def test(bench: Bench) -> None:
        answers = await bench.answers(ClusterId.OTA_UPGRADE, NOTIFY, key=None)
        assert bench.device.dropped["without APS encryption"] == 1
        assert len(answers) == refuses
        for answer in answers:
            refusal = DefaultResponse.decode(ZclFrame.decode(answer.payload).payload)
            assert refusal == DefaultResponse(CommandId.IMAGE_NOTIFY, Status.FAILURE)
            assert answer.secured
            assert not await bench.answers(ClusterId.OTA_UPGRADE, answer.payload, key=None), "no loop"
        assert not await bench.answers(ClusterId.OTA_UPGRADE, b"\x01", key=None), "nor to what is no frame"

    on_a_bench(tmp_path, ppmid('quirks = "plaintext refused"' if refuses else ""), test)


def test_a_client_on_an_endpoint_of_its_own_is_found_there_and_speaks_from_there(tmp_path: Path) -> None:
    async def scenario() -> None:
        device = Bench(tmp_path, PPMID, ppmid()).device
        settings = replace(device.device_settings, ota_endpoint=9)
        bench = Bench(tmp_path, PPMID, ppmid())
        bench.device = type(device)(device.identity, device.keystore, device.clock, settings)
        await bench.up()
        clusters = {
            endpoint.endpoint: (ClusterId.OTA_UPGRADE in endpoint.output_clusters)
            for endpoint in bench.device.endpoints
        }
        assert clusters == {1: False, 9: True}
        (query,) = await bench.answers(ClusterId.OTA_UPGRADE, NOTIFY)
        assert (query.source_endpoint, query.destination_endpoint) == (9, 3)
        bench.device.power_off()

    run_virtual(scenario())


@pytest.mark.parametrize("jitter", [100, 1])
def test_a_broadcast_image_notify_is_a_lottery_and_only_for_devices_without_encryption(
    jitter: int, tmp_path: Path
) -> None:
    async def test(bench: Bench) -> None:
        notify = encode_command(ImageNotify(jitter, 0x121D, 0x0084, 0x0100_0001), 1)
        answers = await bench.answers(
            ClusterId.OTA_UPGRADE, notify, key=None, destination=BROADCAST_RX_ON_WHEN_IDLE
        )
        plain = not bench.device.aps_encryption
        assert len(answers) == (plain and jitter == 100)
        assert not any(ZclFrame.decode(answer.payload).is_default_response for answer in answers)

    on_a_bench(tmp_path, ppmid(), test, lambda settings: replace(settings, aps_encryption=False))
    on_a_bench(tmp_path, ppmid('quirks = "plaintext refused"'), test)


def test_a_device_that_queries_by_itself_begins_when_it_starts(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        assert not await bench.answers(ClusterId.OTA_UPGRADE, NOTIFY), "it hears no Image Notify"

    on_a_bench(tmp_path, ppmid('quirks = ["Image Notify ignored"]'), test)


def test_block_requests_announce_fields_that_are_not_there(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        (query,) = await bench.answers(ClusterId.OTA_UPGRADE, NOTIFY)
        offer = struct.pack("<BHHII", 0, 0x121D, 0x0084, 0x0100_0001, 500)
        frame = ZclFrame.decode(query.payload)
        response = ZclFrame(frame.sequence, CommandId.QUERY_NEXT_IMAGE_RESPONSE, offer, Direction.TO_CLIENT)
        (request,) = await bench.answers(ClusterId.OTA_UPGRADE, response.encode())
        payload = ZclFrame.decode(request.payload).payload
        assert payload[0] == 0xFF
        assert len(payload) == 24, "with node address and Minimum Block Period, and no other field"

    on_a_bench(tmp_path, ppmid('quirks = "odd field control"'), test)
