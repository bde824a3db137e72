"""han.toml: what it may say, and what is said of one that is wrong."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from hanota.emulator.devices.misbehaviour import MISBEHAVIOURS
from hanota.emulator.emulation.entries import (
    DeviceKind,
    External,
    Firmware,
    HanFile,
    default_han,
    default_install_code,
)
from hanota.emulator.emulation.han_file import parse_han, read_han_file
from hanota.emulator.emulation.sockets import TcpAddress, UnixAddress
from hanota.errors import ConfigError
from hanota.eui64 import Eui64
from hanota.gbcs.reference_test_data import HCALCS, HUB, PPMID
from hanota.ota.fields import ImageId

FOLDER = Path("/bench")
CODE = "83FED3407A939723A5C639B26916D505"
"""The example of the Smart Energy profile, 5.4.8.1.1."""
EXAMPLE = Path(__file__).parents[2] / "configs" / "demo-han.toml"

PPMID_TABLE = f"""
[[device]]
kind = "ppmid"
eui64 = "{PPMID}"
"""
EXTERNAL_TABLE = """
[[device]]
kind = "external"
eui64 = "00-DB-12-34-56-78-90-A6"
"""


def parse(text: str) -> HanFile:
    return parse_han(tomllib.loads(text), name="han.toml", folder=FOLDER)


def error_of(text: str) -> str:
    """Return the message and the hint of the error that `text` is."""
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return f"{caught.value} / {caught.value.hint}"


def test_a_device_needs_no_more_than_kind_and_eui64() -> None:
    (device,) = parse(PPMID_TABLE).devices
    assert device.eui64 == PPMID
    assert device.install_code == default_install_code(PPMID)
    assert (device.kind, device.autojoin, device.sleep) == (DeviceKind.PPMID, 5.0, None)
    assert device.application == Firmware(
        DeviceKind.PPMID, ImageId(0x121D, 0x0084, 0x0100_0000), 1, "emulated PPMID"
    )


def test_an_empty_file_is_a_dongle_without_devices() -> None:
    assert parse("") == HanFile(parse("[dongle]").dongle, ())
    assert parse("").dongle.eui64 == HUB


def test_every_key_of_an_emulated_device_is_taken() -> None:
    (device,) = parse(
        """
        [[device]]
        kind = "hcalcs"
        eui64 = "00:db:12:34:56:78:90:a5"
        install_code = "83FE D340 7A93 9723 A5C6 39B2 6916 D505 C3B5"
        manufacturer = 0x10F2
        image_type = 7
        file_version = 0xFFFFFFFE
        hardware_version = 0x0203
        model = "load switch"
        autojoin = 0.5
        sleep = 7.5
        keystore = "keys/hcalcs"
        trust = "/etc/trust"
        client = "telink"
        quirks = ["odd field control", "short first block"]
        misbehaviour = ["wrong_signature", "ignores_notify"]
        suite = 2
        credentials = "hcalcs.toml"
        keep_alive = 600
        [device.faults]
        loss = 0.25
        duplicate = 1
        latency = 0.5
        jitter = 0.125
        """
    ).devices
    assert device.eui64 == HCALCS
    assert device.install_code == bytes.fromhex(CODE)
    assert (device.autojoin, device.sleep) == (0.5, 7.5)
    assert device.application == Firmware(
        kind=DeviceKind.HCALCS,
        image=ImageId(0x10F2, 7, 0xFFFF_FFFE),
        hardware_version=0x0203,
        model="load switch",
        keystore=FOLDER / "keys/hcalcs",
        trust=Path("/etc/trust"),
        client="telink",
        quirks=("odd field control", "short first block"),
        misbehaviour=("wrong_signature", "ignores_notify"),
        keep_alive=600.0,
    )
    assert (device.suite, device.credentials) == (2, FOLDER / "hcalcs.toml")
    faults = device.faults
    assert (faults.loss, faults.duplicate, faults.latency, faults.jitter) == (0.25, 1.0, 0.5, 0.125)


def test_a_device_establishes_a_key_only_if_it_is_given_a_suite() -> None:
    for text, suite in (("", None), ('suite = "none"', None), ("suite = 1", 1), ("suite = 2", 2)):
        (device,) = parse(PPMID_TABLE + text).devices
        assert device.suite == suite


def test_every_key_of_an_external_device_is_taken() -> None:
    (device,) = parse(
        EXTERNAL_TABLE
        + """
        socket = "tcp:[::1]:7001"
        listen = false
        endpoint = 5
        profile = 0x0104
        device_id = 0x0402
        input_clusters = [0, 0x0500]
        output_clusters = [0x0019]
        manufacturer = 0x10F2
        """
    ).devices
    assert isinstance(device.application, External)
    assert device.application.socket == TcpAddress("::1", 7001)
    assert not device.application.listen
    endpoint = device.application.endpoint
    assert (endpoint.endpoint, endpoint.profile, endpoint.device) == (5, 0x0104, 0x0402)
    assert (endpoint.input_clusters, endpoint.output_clusters) == ((0, 0x0500), (0x0019,))
    assert device.application.manufacturer == 0x10F2


def test_hanota_listens_on_the_socket_of_an_external_device_unless_told_to_connect() -> None:
    (device,) = parse(EXTERNAL_TABLE + 'socket = "unix:run/ppmid.sock"').devices
    assert isinstance(device.application, External)
    assert device.application.socket == UnixAddress(FOLDER / "run/ppmid.sock")
    assert device.application.listen


@pytest.mark.parametrize("code", [CODE, CODE + "C3B5", "83fed340-7a939723-a5c639b2-6916d505-c3b5"])
def test_an_install_code_is_given_with_or_without_its_crc(code: str) -> None:
    (device,) = parse(PPMID_TABLE + f'install_code = "{code}"').devices
    assert device.install_code == bytes.fromhex(CODE)


def test_a_device_outside_of_gb_has_no_install_code_and_one_may_join_when_told_only() -> None:
    (device,) = parse(PPMID_TABLE + "install_code = false\nautojoin = false").devices
    assert device.install_code is None
    assert device.autojoin is None


def test_the_dongle_has_an_address_a_line_and_its_faults() -> None:
    dongle = parse(
        """
        [dongle]
        eui64 = "00124B00AABBCCDD"
        baudrate = 460800
        flow_control = false
        version = 13
        [dongle.faults.to_host]
        one_octet_reads = true
        corrupt = 0.01
        """
    ).dongle
    assert not dongle.flow_control
    assert (dongle.eui64, dongle.baudrate, dongle.version) == (Eui64.parse("00124B00AABBCCDD"), 460_800, 13)
    assert (dongle.to_host.one_octet_reads, dongle.to_host.corrupt) == (True, 0.01)
    assert not dongle.to_ncp.one_octet_reads


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[dongel]", "han.toml: unknown key dongel"),
        ("dongle = 3", "write a table [dongle]"),
        ("[dongle]\neui = 1", "han.toml [dongle]: unknown key eui / the keys are baudrate, eui64, "),
        ("[dongle]\nbaudrate = 9", "han.toml [dongle]: baudrate = 9 / baudrate: an integer from 300 to "),
        ("[dongle]\nversion = true", "[dongle]: version = True"),
        ("[dongle]\nversion = 3.0", "version = 3.0 / version: an EZSP version, such as 13, or a Z-Stack"),
        ("[dongle.faults.to_ncp]\nloose = 1", "[dongle.faults] to_ncp: unknown key loose"),
        ("device = 3", "write tables [[device]]"),
        ("[device]\n", "write tables [[device]]"),
        ("[[device]]\nkind = 'ppmid'", "han.toml [[device]] 1: eui64 is missing"),
        (
            "[[device]]\neui64 = '00DB1234567890A4'",
            "[[device]] 1: kind is missing / kind: one of ppmid,",
        ),
        (PPMID_TABLE + "[[device]]\nkind = 'esme'", "[[device]] 2: eui64"),
        (PPMID_TABLE + PPMID_TABLE, "[[device]] 2: eui64 = '00-DB-12-34-56-78-90-A4' / "),
        (PPMID_TABLE + PPMID_TABLE, "[[device]] 1 has this one"),
        (f"[[device]]\nkind='ppmid'\neui64='{HUB}'", "[dongle] has this one"),
        ("[[device]]\neui64 = 'A4'", "han.toml [[device]] 1: eui64: not an EUI-64: 'A4'"),
        (PPMID_TABLE + f"install_code = '{CODE}C3B6'", "install_code: the install code's CRC does not match"),
        (PPMID_TABLE + "install_code = '83FED3407A93AD38'", "install_code: 16 octets in hex"),
        (PPMID_TABLE + "install_code = 'code'", "an install code is written in hex digits"),
        (PPMID_TABLE + "install_code = 5", "install_code = 5 / install_code: 16 octets in hex"),
        (PPMID_TABLE + "file_version = 0x100000000", "file_version: an integer from 0 to 0xffffffff"),
        (PPMID_TABLE + "model = ''", "model: a string of 1 to 32 octets"),
        (PPMID_TABLE + "keystore = 7", "keystore: a path"),
        (PPMID_TABLE + "autojoin = true", "autojoin: seconds from 0.1 to 86400, or false"),
        (PPMID_TABLE + "sleep = -1", "sleep = -1"),
        (PPMID_TABLE + "misbehaviour = 'lazy'", f"misbehaviour: any of {', '.join(MISBEHAVIOURS)}"),
        (PPMID_TABLE + "suite = 3", 'suite = 3 / suite: of key establishment, 1 or 2, or "none"'),
        (PPMID_TABLE + "suite = true", "suite = True"),
        (PPMID_TABLE + "suite = 1.0", "suite = 1.0"),
        (PPMID_TABLE + "credentials = 'a.toml'", "credentials: only with a suite of 1 or 2"),
        (PPMID_TABLE + "keep_alive = true", "keep_alive: seconds from 1 to 86400, or false"),
        (PPMID_TABLE + "socket = 'unix:a'", "[[device]] 1: unknown key socket"),
        (
            PPMID_TABLE + "[device.faults]\nloss = 1.5",
            "[device.faults]: loss = 1.5 / loss: a number from 0",
        ),
        (PPMID_TABLE + "[device.faults]\nlatency = nan", "latency: a number from 0 to 86400"),
        (
            PPMID_TABLE + "[device.faults]\ngravity = 1",
            "[device.faults]: unknown key gravity / the keys",
        ),
        (EXTERNAL_TABLE, "socket: unix:PATH or tcp:HOST:PORT; an external device has one"),
        (EXTERNAL_TABLE + "socket = 'serial:1'", "socket: not a socket: 'serial:1'"),
        (EXTERNAL_TABLE + "socket = 'tcp:here'", "socket: not a TCP port: 'here'"),
        (EXTERNAL_TABLE + "socket = 'unix:a'\nlisten = 'no'", "listen: true or false"),
        (EXTERNAL_TABLE + "socket = 'unix:a'\nkeystore = 'k'", "unknown key keystore"),
        (EXTERNAL_TABLE + "socket = 'unix:a'\ninput_clusters = [70000]", "input_clusters = 70000"),
    ],
)
def test_an_error_names_file_table_key_and_what_is_expected(text: str, told: str) -> None:
    assert told in error_of(text)


def test_more_devices_than_a_coordinator_can_hold_are_refused() -> None:
    tables = "".join(f"[[device]]\nkind='ppmid'\neui64='{number:016X}'\n" for number in range(65))
    assert "65 tables [[device]]" in error_of(tables)


def test_a_file_that_is_missing_or_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*nowhere\.toml"):
        read_han_file(tmp_path / "nowhere.toml")
    (tmp_path / "han.toml").write_text("[dongle\n")
    with pytest.raises(ConfigError, match=r"han\.toml: not TOML: .*line 1"):
        read_han_file(tmp_path / "han.toml")
    (tmp_path / "han.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"han\.toml: not TOML"):
        read_han_file(tmp_path / "han.toml")


def test_the_example_loads_and_shows_every_kind() -> None:
    assert {device.kind for device in read_han_file(EXAMPLE).devices} == set(DeviceKind)


def test_without_a_file_there_are_a_ppmid_and_an_hcalcs() -> None:
    han = default_han()
    assert [(device.eui64, device.kind) for device in han.devices] == [
        (PPMID, DeviceKind.PPMID),
        (HCALCS, DeviceKind.HCALCS),
    ]
