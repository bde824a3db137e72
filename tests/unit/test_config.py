"""Settings: what a file and the environment say, and what is said of what they should not."""

from __future__ import annotations

import json
import tomllib
from dataclasses import is_dataclass
from datetime import time
from pathlib import Path
from typing import Protocol

import pytest

from hanota.config.faults import SettingsError
from hanota.config.load import load_settings
from hanota.config.sections import docstrings, settings_of
from hanota.config.settings import LogLevel, Settings
from hanota.config.show import effective_settings, settings_schema
from hanota.dcc.service_users import UserRole
from hanota.duis.inventory import DeviceType
from hanota.errors import ConfigError
from hanota.eui64 import Eui64
from hanota.hub.scheduler import QuietHours
from hanota.hub.settings import HubSettings
from hanota.radio.settings import LinkSecurity

MINIMAL = '[radio]\nurl = "znp+emulator://bench"\n'
DEVICE = '[[devices]]\neui64 = "00-DB-12-34-56-78-90-A4"\ndevice_type = "PPMID"\n'
NETWORK_KEY = "00112233445566778899aabbccddeeff"


class Read(Protocol):
    """Reads settings out of a text."""

    def __call__(self, text: str, minimal: str = MINIMAL) -> Settings: ...


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def settings(text: str, minimal: str = MINIMAL) -> Settings:
        file = tmp_path / "hub.toml"
        file.write_text(minimal + text)
        return load_settings(file)

    return settings


def test_one_line_is_enough(read: Read, tmp_path: Path) -> None:
    settings = read("")
    assert str(settings.radio.url) == "znp+emulator://bench"
    assert settings.hub == HubSettings()
    assert settings.store.path == tmp_path / "hanota.sqlite"
    assert (settings.api.host, settings.api.port) == ("127.0.0.1", 8079)


def test_every_limit_of_the_hub_and_the_radio_may_be_set(read: Read) -> None:
    settings = read(
        """
        link_security = "install-code"
        [radio.network]
        channel = 20
        extended_pan_id = "00-DB-12-34-56-78-90-A2"
        [radio.fragmentation]
        messages = 4
        [hub]
        acknowledge_blocks = false
        [hub.scheduler]
        transfers = 2
        quiet_hours = [{ start = "23:30", end = 05:00:00 }]
        [hub.tunnel]
        presumed_tunnel_ids = [0, 1]
        [hub.tunnel.transfer]
        attempts = 5
        [hub.ota]
        notify_intervals = [10, 20]
        [hub.retries]
        delays = [1.5]
        [dcc.exchange]
        response_timeout = 30
        """
    )
    assert settings.radio.link_security is LinkSecurity.INSTALL_CODE
    assert settings.radio.network.channel == 20
    assert settings.radio.network.extended_pan_id == Eui64.parse("00-DB-12-34-56-78-90-A2")
    assert settings.radio.fragmentation.messages == 4
    assert not settings.hub.acknowledge_blocks
    assert settings.hub.scheduler.transfers == 2
    assert settings.hub.scheduler.quiet_hours == (QuietHours(time(23, 30), time(5)),)
    assert settings.hub.tunnel.presumed_tunnel_ids == range(2)
    assert settings.hub.tunnel.transfer.attempts == 5
    assert settings.hub.ota.notify_intervals == (10, 20)
    assert settings.hub.retries.delays == (1.5,)
    assert settings.dcc.exchange.response_timeout == 30


def test_every_setting_of_the_daemons_own_tables_has_a_docstring() -> None:
    own = [field.annotation for field in Settings.model_fields.values() if is_dataclass(field.annotation)]
    undocumented = [
        f"{table.__name__}.{name}"
        for table in map(_class, own)
        for name in table.__annotations__
        if name not in docstrings(table) and not is_dataclass(_hint(table, name))
    ]
    assert undocumented == []


def test_devices_service_users_and_products_are_arrays_of_tables(read: Read) -> None:
    settings = read(
        f"""
        {DEVICE}
        install_code = "83FE D340 7A93 9723 A5C6 39B2 6916 D505 C3B5"
        model = "display"
        [[service_users]]
        eui64 = "90-B3-D5-1F-30-01-00-00"
        roles = ["is", "GS"]
        answer_url = "http://127.0.0.1:9000/"
        [[products]]
        manufacturer_image_hash = "{"ab" * 32}"
        device_type = "HCALCS"
        firmware_version = "01000001"
        """
    )
    [device], [user], [product] = settings.devices, settings.service_users, settings.products
    assert device.entry is not None
    assert device.entry.install_code.hex() == "83fed3407a939723a5c639b26916d505"
    assert device.record.model == "display"
    assert user.roles == {UserRole.IS, UserRole.GS}
    assert product.device_type is DeviceType.HCALCS


def test_the_environment_has_its_way(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANOTA_HUB__SCHEDULER__TRANSFERS", "3")
    monkeypatch.setenv("HANOTA_HUB__OTA__BLOCK_STEPS", "40, 32")
    monkeypatch.setenv("HANOTA_RADIO__NETWORK__PAN_ID", "0x1A62")
    monkeypatch.setenv("HANOTA_LOGGING__LEVEL", "debug")
    monkeypatch.setenv("HANOTA_TOKEN", "of another program, and no setting")
    settings = read("[hub.scheduler]\ntransfers = 9\nturn_wait = 7\n")
    assert settings.hub.scheduler.transfers == 3
    assert settings.hub.scheduler.turn_wait == 7
    assert settings.hub.ota.block_steps == (40, 32)
    assert settings.radio.network.pan_id == 0x1A62
    assert settings.logging.level is LogLevel.DEBUG


def test_paths_are_relative_to_the_file_wherever_one_is(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    settings = read('[keys]\nlab = "lab"\ncredentials = "/etc/hanota/hub.toml"\n')
    assert settings.keys.lab == tmp_path / "lab"
    assert settings.keys.credentials == Path("/etc/hanota/hub.toml")


def test_false_stands_for_none(read: Read) -> None:
    assert read("key_export = false\n").radio.key_export is None


@pytest.mark.parametrize("source", ["env:BENCH_NETWORK_KEY", "file:network.key"])
def test_a_secret_may_stand_elsewhere(
    source: str, read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_NETWORK_KEY", NETWORK_KEY)
    file = tmp_path / "network.key"
    file.touch(mode=0o600)
    file.write_text(f"{NETWORK_KEY}\n")
    settings = read(f'[radio.network]\nnetwork_key = "{source}"\n')
    assert settings.radio.network.network_key == bytes.fromhex(NETWORK_KEY)


FAULTS = [
    ("[hubb]\n", "hub.toml: hubb: there is no such setting; did you mean hub?"),
    (
        "sends_waitin = 3\n",
        "hub.toml: radio.sends_waitin: there is no such setting; did you mean sends_waiting?",
    ),
    (
        "[logging]\ncolour = true\n",
        "hub.toml: logging.colour: there is no such setting; there are level, libraries, format, events",
    ),
    (
        "[radio.network]\nchannel = 11.5\n",
        "hub.toml: radio.network.channel: 11.5 will not do; give an integer, 0 or more",
    ),
    (
        "[radio.network]\nchannel = true\n",
        "hub.toml: radio.network.channel: true will not do; give an integer, 0 or more",
    ),
    (
        "[hub.ota]\nblock_size = -4\n",
        "hub.toml: hub.ota.block_size: -4 will not do; give an integer, 0 or more",
    ),
    (
        "[hub]\nprogress_interval = nan\n",
        "hub.toml: hub.progress_interval: NaN will not do; give a number, 0 or more",
    ),
    (
        '[hub]\nacknowledge_blocks = "yes"\n',
        'hub.toml: hub.acknowledge_blocks: "yes" will not do; give true or false',
    ),
    (
        'link_security = "low"\n',
        'hub.toml: radio.link_security: "low" will not do; give one of key-establishment, install-code, none',
    ),
    (
        "[hub.scheduler]\ntransfers = 0\n",
        "hub.toml: hub.scheduler: no device could be served: raise SchedulerSettings.transfers",
    ),
    ("hub = 3\n", "hub.toml: radio.hub: there is no such setting; there are url, "),
    ("[[hub]]\n", "hub.toml: hub: is to be a table"),
    ("[devices]\n", "hub.toml: devices: is to be an array"),
    (f'{DEVICE}install_code = "ZZ"\n', "hub.toml: devices[1].install_code: will not do; give octets in hex"),
    (
        f'{DEVICE}[[devices]]\neui64 = 3\ndevice_type = "PPMID"\n',
        'hub.toml: devices[2].eui64: 3 will not do; give 16 hex digits, such as "00-DB-12-34-56-78-90-A4"',
    ),
    (
        f'{DEVICE}install_code = "83FED3407A939723A5C639B26916D505C3B6"\n',
        "hub.toml: devices[1]: the install code's CRC does not match; check the digits",
    ),
    (
        "[api]\ncertificate = 'a.pem'\n",
        "hub.toml: api: certificate and key belong together; give both, or neither",
    ),
    (
        '[radio.network]\nnetwork_key = "env:NOT_THERE"\n',
        "hub.toml: radio.network.network_key: NOT_THERE is not in the environment",
    ),
    ("[hub\n", "hub.toml: is no TOML: "),
]


@pytest.mark.parametrize(("text", "line"), FAULTS)
def test_a_fault_is_one_line_with_place_and_what_is_allowed(
    text: str, line: str, read: Read, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as caught:
        read(text)
    [found] = caught.value.faults
    assert found.startswith(f"{tmp_path}/{line}")


def test_every_fault_is_told_at_once(read: Read) -> None:
    with pytest.raises(SettingsError) as caught:
        read("[hub.ota]\nblock_size = 'x'\nsessions = 'y'\n[api]\nport = 'z'\n", "")
    assert [line.split(": ")[1] for line in caught.value.faults] == [
        "radio",
        "hub.ota.block_size",
        "hub.ota.sessions",
        "api.port",
    ]


def test_a_wrong_url_says_what_is_wrong_with_it(read: Read) -> None:
    with pytest.raises(SettingsError, match=r"radio\.url: .*names no serial port"):
        read("", '[radio]\nurl = "znp://ttyUSB0"\n')


def test_a_fault_in_the_environment_names_the_variable(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANOTA_API__PORT", "http")
    monkeypatch.setenv("HANOTA_DEVICES", "[{")
    with pytest.raises(SettingsError) as caught:
        read("")
    assert caught.value.faults == ("HANOTA_DEVICES: is no JSON",)
    monkeypatch.delenv("HANOTA_DEVICES")
    with pytest.raises(SettingsError) as caught:
        read("")
    assert caught.value.faults == (
        'HANOTA_API__PORT: api.port: "http" will not do; give an integer, 0 or more',
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("HANOTA_HUBB__FRAMES_WAITING", "there is no such table; there are radio, hub, "),
        (
            "HANOTA_HUB__FRAME_WAITING",
            "hub.frame_waiting: there is no such setting; did you mean frames_waiting?",
        ),
    ],
)
def test_an_unknown_setting_in_the_environment_is_a_fault_too(
    name: str, message: str, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "3")
    with pytest.raises(SettingsError) as caught:
        read("")
    [line] = caught.value.faults
    assert line.startswith(f"{name}: {message}")


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: cannot be read: No such file"):
        load_settings(tmp_path / "none.toml")


def test_a_secret_that_others_may_read_is_refused(read: Read, tmp_path: Path) -> None:
    (tmp_path / "network.key").write_text(NETWORK_KEY)
    (tmp_path / "network.key").chmod(0o644)
    with pytest.raises(SettingsError, match=r"others may use it .*; chmod 600") as caught:
        read('[radio.network]\nnetwork_key = "file:network.key"\n')
    assert NETWORK_KEY not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f'[radio.network]\nnetwork_key = "{NETWORK_KEY}zz"\n',
        f'{DEVICE}install_code = "{NETWORK_KEY}00"\n',
        f'[[api.tokens]]\nname = "x"\nrole = "observer"\nsha256 = "{NETWORK_KEY}"\n',
    ],
)
def test_what_is_wrong_with_a_secret_is_told_without_the_secret(text: str, read: Read) -> None:
    with pytest.raises(SettingsError) as caught:
        read(text)
    assert NETWORK_KEY not in str(caught.value).lower()


def test_the_effective_settings_are_settings_again_and_keep_secrets_to_themselves(
    read: Read, tmp_path: Path
) -> None:
    settings = read(
        f"""
        [radio.network]
        network_key = "{NETWORK_KEY}"
        [hub.scheduler]
        quiet_hours = [{{ start = "23:30", end = "05:00" }}]
        {DEVICE}
        install_code = "{NETWORK_KEY}"
        """
    )
    text = effective_settings(settings)
    assert NETWORK_KEY not in text.lower()
    again = tmp_path / "again.toml"
    again.write_text(text.replace("(withheld)", NETWORK_KEY))
    assert vars(load_settings(again)) == vars(settings)
    assert repr(settings).count(NETWORK_KEY) == 0


def test_what_is_printed_is_toml_with_every_table() -> None:
    printed = tomllib.loads(effective_settings(_settings()))
    assert set(printed) >= {"radio", "hub", "dcc", "api", "store", "keys", "logging", "daemon", "emulation"}
    assert printed["radio"]["link_security"] == "key-establishment"
    assert printed["hub"]["tunnel"]["transfer"]["attempts"] == 3


def test_the_schema_describes_every_table_and_allows_no_other_keys() -> None:
    schema = json.loads(settings_schema())
    definitions = schema["$defs"]
    assert definitions["SchedulerSettings"]["properties"]["transfers"]["type"] == "integer"
    assert definitions["SchedulerSettings"]["properties"]["transfers"]["description"].startswith(
        "Devices served"
    )
    assert all(each["additionalProperties"] is False for each in definitions.values())
    assert schema["required"] == ["radio"]


def test_settings_cannot_be_changed_once_read(read: Read) -> None:
    settings = read("")
    with pytest.raises(Exception, match="frozen"):
        settings.radio = settings.radio
    assert issubclass(SettingsError, ConfigError)


def _settings() -> Settings:
    return load_settings(Path(__file__).parents[2] / "configs" / "demo.toml")


def _class(annotation: object) -> type:
    assert isinstance(annotation, type)
    return annotation


def _hint(table: type, name: str) -> object:
    return next(each.hint for each in settings_of(table) if each.name == name)
