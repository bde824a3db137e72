"""What each misbehaviour of an emulated device looks like from the hub's side."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.devices import Hcalcs
from hanota.emulator.devices.misbehaviour import MISBEHAVIOURS
from hanota.emulator.devices.misbehaviour_table import BROKEN_RULES
from hanota.emulator.loop import run_virtual
from hanota.errors import ConfigError
from hanota.gbcs.activate_firmware import ActivateImageResponseCode
from hanota.gbcs.alerts import ActivateImageResult, decode_ppmid_activation, ppmid_activation_alert
from hanota.gbcs.crypto import sign
from hanota.gbcs.reference_test_data import HCALCS, HUB, PPMID
from hanota.ota.commands import CommandId, ImageNotify, encode_command
from hanota.ota.fields import ImageId
from hanota.zcl import ClusterId, Direction, GeneralCommand, Status, ZclFrame
from hanota.zse.tunneling.commands import RequestTunnel, RequestTunnelResponse, RequestTunnelStatus
from hanota.zse.tunneling.commands import encode_command as encode_tunnel_command
from tests.emulator.device_bench import Bench
from tests.emulator.emulate_support import EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from hanota.emulator.air import ApsFrame
    from hanota.eui64 import Eui64
    from hanota.gbcs.message import Message

    Test = Callable[[Bench], Coroutine[None, None, None]]

NOTIFY = encode_command(ImageNotify(100), 1)
READ_MODEL = ZclFrame(2, GeneralCommand.READ_ATTRIBUTES, b"\x05\x00", cluster_specific=False).encode()
NEW = ImageId(0x121D, 0x0084, 0x0100_0001)


def on_a_bench(folder: Path, name: str | None, test: Test, device: Eui64 = PPMID) -> None:
    """Run `test` on a device that misbehaves by `name`, in virtual time."""

    async def scenario() -> None:
        bench = Bench(folder, device)
        if name is not None:
            bench.member.misbehave(name)
        await bench.up()
        await test(bench)
        bench.device.power_off()

    run_virtual(scenario())


async def is_well_behaved(bench: Bench) -> None:
    (query,) = await bench.answers(ClusterId.OTA_UPGRADE, NOTIFY)
    assert query.payload[2] == CommandId.QUERY_NEXT_IMAGE_REQUEST
    assert query.secured
    assert await bench.answers(ClusterId.BASIC, READ_MODEL)
    assert await tunnel_status(bench) is RequestTunnelStatus.SUCCESS
    bench.device.on_activate(NEW)
    await asyncio.sleep(60)
    assert bench.device.firmware_version == NEW.file_version.to_bytes(4, "big")


async def tunnel_status(bench: Bench) -> RequestTunnelStatus:
    request = RequestTunnel(6, 0xFFFF, flow_control_support=False, maximum_incoming_transfer_size=1500)
    frame = encode_tunnel_command(request, Direction.TO_SERVER, 9)
    (answer,) = await bench.answers(ClusterId.TUNNELING, frame.encode())
    return RequestTunnelResponse.decode(ZclFrame.decode(answer.payload).payload).status


def test_a_device_without_misbehaviour_does_what_the_others_do_not(tmp_path: Path) -> None:
    on_a_bench(tmp_path, None, is_well_behaved)


def test_silent_answers_nothing_at_all(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        assert not await bench.answers(ClusterId.OTA_UPGRADE, NOTIFY)
        assert not await bench.answers(ClusterId.BASIC, READ_MODEL)

    on_a_bench(tmp_path, "silent", test)


def test_ignores_notify_answers_everything_else(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        assert not await bench.answers(ClusterId.OTA_UPGRADE, NOTIFY)
        assert await bench.answers(ClusterId.BASIC, READ_MODEL)
        assert await tunnel_status(bench) is RequestTunnelStatus.SUCCESS

    on_a_bench(tmp_path, "ignores_notify", test)


def test_invalid_image_finds_every_image_invalid(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        await bench.answers(ClusterId.OTA_UPGRADE, NOTIFY)
        offer = struct.pack("<BHHII", 0, NEW.manufacturer_code, NEW.image_type, NEW.file_version, 4)
        block = struct.pack("<BHHIIB", 0, NEW.manufacturer_code, NEW.image_type, NEW.file_version, 0, 4)
        await answer(bench, CommandId.QUERY_NEXT_IMAGE_RESPONSE, offer)
        end = await answer(bench, CommandId.IMAGE_BLOCK_RESPONSE, block + b"any ")
        assert end.payload[2:4] == bytes((CommandId.UPGRADE_END_REQUEST, Status.INVALID_IMAGE))

    on_a_bench(tmp_path, "invalid_image", test)


async def answer(bench: Bench, command: CommandId, payload: bytes) -> ApsFrame:
    """Answer the device's last request and return its next."""
    sequence = bench.hub.received[-1].payload[1]
    frame = ZclFrame(sequence, command, payload, Direction.TO_CLIENT)
    (request,) = await bench.answers(ClusterId.OTA_UPGRADE, frame.encode())
    return request


def test_never_activates_goes_on_with_the_old_version(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.device.on_activate(NEW)
        await asyncio.sleep(60)
        assert bench.device.firmware_version == bytes.fromhex("01000000")

    on_a_bench(tmp_path, "never_activates", test)


def test_activation_failure_stays_on_the_old_version_and_alerts_of_it(tmp_path: Path) -> None:
    alerts: list[Message] = []

    def encode(message: Message) -> bytes:
        alerts.append(message)
        return message.encode()

    async def test(bench: Bench) -> None:
        bench.device.encode_message = encode
        bench.device.on_activate(NEW)
        await asyncio.sleep(60)
        assert bench.device.firmware_version == bytes.fromhex("01000000")
        (alert,) = alerts
        result = decode_ppmid_activation(alert.payload).activate_image_result
        assert result == ActivateImageResult.FAILURE

    on_a_bench(tmp_path, "activation_failure", test)


def test_activation_failure_is_what_an_hcalcs_answers_cs06_with(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        assert isinstance(bench.device, Hcalcs)
        assert bench.device.activation_code is ActivateImageResponseCode.ACTIVATION_FAILURE

    on_a_bench(tmp_path, "activation_failure", test, HCALCS)


def test_wrong_signature_alters_the_last_octet_and_nothing_else(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        alert = ppmid_activation_alert(
            PPMID, HUB, 1, firmware_version=bytes(4), result=ActivateImageResult.SUCCESS, now=EPOCH
        )
        signed = sign(alert, bench.device.identity.credentials.signing_key)
        sent, honest = bench.device.encode_message(signed), signed.encode()
        assert (sent[:-1], len(sent)) == (honest[:-1], len(honest))
        assert sent != honest

    on_a_bench(tmp_path, "wrong_signature", test)


def test_unencrypted_sends_its_requests_without_aps_encryption(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        (query,) = await bench.answers(ClusterId.OTA_UPGRADE, NOTIFY)
        assert not query.secured

    on_a_bench(tmp_path, "unencrypted", test)


def test_refuses_tunnel_has_no_tunnel_to_give(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.device.power_off()
        await bench.device.power_on()
        assert await tunnel_status(bench) is RequestTunnelStatus.NO_MORE_TUNNEL_IDS

    on_a_bench(tmp_path, "refuses_tunnel", test)


def test_every_misbehaviour_is_tested_by_its_name() -> None:
    tested = [name for name in globals() if name.startswith("test_")]
    # Broken rules have their tests in the mutation table of the conformance suite.
    here = [wrong for wrong in MISBEHAVIOURS if not wrong.startswith("cbke_") and wrong not in BROKEN_RULES]
    assert all(any(name.startswith(f"test_{wrong}_") for name in tested) for wrong in here)


def test_an_unknown_misbehaviour_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigError, match="unknown misbehaviour 'lazy'"):
            Bench(tmp_path, PPMID).member.misbehave("lazy")

    run_virtual(scenario())
