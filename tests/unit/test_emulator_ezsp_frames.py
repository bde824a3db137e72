"""The emulated EmberZNet co-processor, spoken to in EZSP: frames, versions, configuration."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanota.emulator.ezsp.coordinator import EzspCoordinator
from hanota.emulator.ezsp.frames import Command, Layout
from hanota.emulator.ezsp.ncp import EzspSettings
from hanota.emulator.ezsp.status import EMBER_STATUS, SlStatus
from hanota.emulator.loop import run_virtual
from hanota.errors import LocalProtocolError, RemoteProtocolError
from tests.emulator.ezsp_host import (
    ADD_ENDPOINT,
    INITIAL_SECURITY,
    PARAMETERS,
    Host,
    play,
)
from tests.emulator.znp_support import HUB


def test_an_unknown_command_is_refused_as_invalid_command_and_counted() -> None:
    async def scenario(host: Host) -> None:
        assert await host.frame(struct.pack("<BBH", 0, 1, 0x0FFF)) == (0x0058, b"\x31")
        assert host.ncp.statistics.unknown_commands == 1

    play(scenario)


def test_an_invalid_command_of_version_14_has_the_status_in_four_octets() -> None:
    async def scenario(host: Host) -> None:
        assert await host.frame(struct.pack("<BBH", 0, 1, 0x0FFF)) == (0x0058, b"\x31\x00\x00\x00")

    play(scenario, 14)


def test_no_command_is_carried_out_before_the_host_has_asked_for_the_right_version() -> None:
    async def scenario() -> None:
        host = Host(13)
        await host.reset()
        assert await host.frame(struct.pack("<BBH", 0, 1, 0x0026)) == (0x0058, b"\x30")
        assert await host.frame(bytes((0, 0, 4))) == (0, bytes((13, 2, 0x40, 0x74)))
        assert await host.frame(struct.pack("<BBH", 0, 1, 0x0026)) == (0x0058, b"\x30")
        assert (await host.frame(struct.pack("<BBHB", 0, 1, 0, 13)))[1][0] == 13
        assert await host.frame(struct.pack("<BBH", 0, 1, 0x0026)) == (0x0026, HUB.to_zigbee())
        host.ncp.stop()

    run_virtual(scenario())


def test_a_frame_that_asks_for_security_is_refused() -> None:
    async def scenario(host: Host) -> None:
        assert await host.frame(struct.pack("<BBH", 0, 0x81, 0x0026)) == (0x0058, b"\x49")

    play(scenario)


def test_a_command_cut_short_is_refused_as_truncated_and_counted() -> None:
    async def scenario(host: Host) -> None:
        assert await host.frame(struct.pack("<BBHB", 0, 1, 0x0034, 0)) == (0x0058, b"\x33")
        assert host.ncp.statistics.malformed_commands == 1

    play(scenario)


@given(st.sampled_from([13, 14, 18]), st.integers(0, 0x120), st.binary(max_size=60))
def test_malformed_commands_are_answered_and_never_an_exception(
    version: int, frame_id: int, data: bytes
) -> None:
    async def scenario() -> None:
        host = Host(version)
        await host.start()
        assert await host.frame(struct.pack("<BBH", 0, 1, frame_id) + data)
        host.ncp.stop()

    run_virtual(scenario())


@given(st.binary(max_size=8))
def test_a_header_is_read_or_refused(data: bytes) -> None:
    try:
        command = Command.decode(data)
    except RemoteProtocolError:
        assert len(data) < 5
    else:
        assert command.response(command.frame_id, b"")[0] == data[0]


def test_a_version_that_is_not_emulated_is_a_fault_of_the_caller() -> None:
    async def scenario() -> None:
        with pytest.raises(LocalProtocolError, match="EZSP 7"):
            EzspCoordinator(Host().air, eui64=HUB, version=7)

    run_virtual(scenario())


def test_every_status_has_a_number_in_both_generations() -> None:
    assert set(EMBER_STATUS) == set(SlStatus)
    assert Layout(14).status(SlStatus.MESSAGE_TOO_LONG) == bytes((0x38, 0, 0, 0))
    assert Layout(13).status(SlStatus.MESSAGE_TOO_LONG) == b"\x74"


def test_configuration_is_set_before_the_network_is_up_and_only_as_far_as_the_build_has_room() -> None:
    async def scenario() -> None:
        host = Host()
        await host.reset()
        await host.frame(bytes((0, 0, 13)))
        assert await host.command(0x0052, b"\x1e") == b"\x00\x0c\x00"
        assert await host.command(0x0053, b"\x1e\x0d\x00") == b"\x36"  # the key table's size is fixed
        assert await host.command(0x0053, b"\x03\x21\x00") == b"\x35"  # message count: lowered only
        assert await host.command(0x0053, b"\x03\x08\x00") == b"\x00"
        assert await host.command(0x0052, b"\x03") == b"\x00\x08\x00"
        assert await host.command(0x0053, b"\x0a\x01\x00") == b"\x37"  # unknown
        assert await host.command(0x0052, b"\x0a") == b"\x37\x00\x00"
        await host.start()
        assert await host.command(0x0052, b"\x03") == b"\x00\x20\x00"  # a reset undoes it
        assert await host.command(0x0053, b"\x03\x08\x00") == b"\x38"  # and now it is too late
        host.ncp.stop()

    run_virtual(scenario())


def test_values_have_a_length_and_version_information_seven_octets() -> None:
    async def scenario(host: Host) -> None:
        assert await host.command(0x00AA, b"\x11") == b"\x00\x07\x0a\x00\x07\x04\x04\x00\xaa"
        assert await host.command(0x00AA, b"\x03") == b"\x00\x01\xf0"
        assert await host.command(0x00AB, b"\x43\x02\x10\x27") == b"\x00"
        assert await host.command(0x00AA, b"\x43") == b"\x00\x02\x10\x27"
        assert await host.command(0x00AB, b"\x43\x01\x10") == b"\x36"
        assert await host.command(0x00AB, b"\x23\x04\x01\x00\x00\x00") == b"\x38"  # not on a running network
        assert await host.command(0x00AA, b"\x7f") == b"\x37\x00"
        assert await host.command(0x0003, b"\x00\x03\x00\x00\x00") == b"\x00\x02\x01\x00"
        assert await host.command(0x0003, b"\x00\x09\x00\x00\x00") == b"\x37\x02\x00\x00"

    play(scenario)


def test_policies_are_kept_until_a_reset() -> None:
    async def scenario(host: Host) -> None:
        assert await host.command(0x0055, b"\x05\x51") == b"\x00"
        assert await host.command(0x0056, b"\x05") == b"\x00\x51"
        assert await host.command(0x0055, b"\x7f\x00") == b"\x37"
        assert await host.command(0x0056, b"\x7f") == b"\x37\x00"
        await host.start()
        assert await host.command(0x0056, b"\x05") == b"\x00\x50"

    play(scenario)


def test_the_firmware_says_that_it_has_no_key_establishment() -> None:
    async def scenario(host: Host) -> None:
        assert await host.command(0x0001, b"\x05") == b"\x80"
        for library in (0x06, 0x07, 0x08, 0x09):
            assert await host.command(0x0001, bytes((library,))) == b"\x00"
        assert await host.command(0x0001, b"\x77") == b"\xff"
        assert await host.command(0x00A4) == b"\xb5"
        assert await host.command(0x00E8) == b"\xb5"

    play(scenario)


def test_endpoints_are_registered_before_the_network_is_up_and_once() -> None:
    async def scenario() -> None:
        host = Host(settings=EzspSettings(max_endpoints=1))
        await host.reset()
        await host.frame(bytes((0, 0, 13)))
        assert await host.command(0x0002, ADD_ENDPOINT) == b"\x00"
        assert await host.command(0x0002, ADD_ENDPOINT) == b"\x36"
        assert await host.command(0x0002, b"\x04" + ADD_ENDPOINT[1:]) == b"\x35"
        await host.command(0x0068, INITIAL_SECURITY)
        await host.command(0x001E, PARAMETERS)
        assert await host.command(0x0002, b"\x04" + ADD_ENDPOINT[1:]) == b"\x38"
        host.ncp.stop()

    run_virtual(scenario())


def test_groups_and_counters() -> None:
    async def scenario(host: Host) -> None:
        assert await host.command(0x0064, b"\x02\x34\x12\x03\x00") == b"\x00"
        assert await host.command(0x0063, b"\x02") == b"\x00\x34\x12\x03\x00"
        assert await host.command(0x0063, b"\x10") == b"\xb1\x00\x00\x00\x00"
        assert await host.command(0x0064, b"\x10\x34\x12\x03\x00") == b"\xb1"
        before = struct.unpack("<40H", await host.command(0x0065))
        await host.send(b"counted")
        counters = struct.unpack("<40H", await host.command(0x00F1))
        assert (counters[9], counters[3]) == (1, 1)
        assert before[16] == 1  # a device has joined

    play(scenario)
