"""Every setting of the daemon, table by table."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from hanota.api.access import check_distinct
from hanota.api.settings import ApiSettings
from hanota.config.sections import Section
from hanota.dcc.device_record import DeviceRecord
from hanota.dcc.product_entry import ProductEntry
from hanota.dcc.service_users import ServiceUser
from hanota.dcc.settings import DccSettings
from hanota.errors import ConfigError, RemoteProtocolError
from hanota.eui64 import Eui64  # noqa: TC001  # the sections read annotations
from hanota.hub.ports import DeviceLogEntry
from hanota.hub.ports import DeviceType as HanDeviceType
from hanota.hub.settings import HubSettings
from hanota.radio.settings import RadioSettings
from hanota.radio.url import RadioUrl  # noqa: TC001  # the same
from hanota.store.database import StoreSettings
from hanota.store.pruning import PruningSettings
from hanota.zse.install_code import parse_install_code

ENVIRONMENT = "HANOTA_"
"""What the name of every environment variable begins with."""
SEPARATOR = "__"
"""What parts the tables of a setting in the name of its environment variable."""


GB_INSTALL_CODE = 16
"""Octets of the install code of a GB device without its CRC."""


class LogFormat(StrEnum):
    """How a line of the log looks."""

    AUTO = "auto"
    """For people on a terminal, JSON elsewhere."""
    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """From which severity on records are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class RadioSection(RadioSettings):
    """The coordinator: its port, its network and every limit of the radio."""

    url: RadioUrl = field(kw_only=True)
    """The coordinator: `znp:///dev/ttyUSB0`, `ezsp+socket://HOST:PORT`; or `znp+emulator://bench`."""
    capture: Path | None = None
    """A pcapng file to write every frame of the HAN to, for Wireshark; begun anew at each start."""


@dataclass(frozen=True, slots=True)
class StoreSection(StoreSettings):
    """The database."""

    path: Path = Path("hanota.sqlite")
    """One file, mode 0600; made where there is none."""
    pruning: PruningSettings = field(default_factory=PruningSettings)


@dataclass(frozen=True, slots=True)
class ApiSection(ApiSettings):
    """Where HTTP is served, and everything about it."""

    host: str = "127.0.0.1"
    """The address to listen on: of this machine alone, unless changed."""
    port: int = 8079
    """0: any that is free; the log tells which."""
    certificate: Path | None = None
    """PEM file of the certificate, and its chain, for https; None: http."""
    key: Path | None = None
    """PEM file of its private key."""
    client_ca: Path | None = None
    """PEM file of the authorities one of whose certificates every client has to show (mutual TLS): besides
    its token, unless `client_certificates` name it; None: no client has to."""
    connections: int = 256
    """Connections at once; further ones are answered 503."""
    keep_alive: int = 30
    """Seconds in which a connection has to bring the whole head of a request, or of another one."""
    header_octets: int = 16 * 1024
    """Octets of a request's head; a larger one is answered 431."""

    def __post_init__(self) -> None:
        """Raise ConfigError for TLS by half."""
        if (self.certificate is None) != (self.key is None):
            raise ConfigError("certificate and key belong together", hint="give both, or neither")
        if self.client_ca is not None and self.certificate is None:
            raise ConfigError("client_ca is of use with TLS only", hint="give certificate and key")
        if self.client_certificates and self.client_ca is None:
            raise ConfigError(
                "client_certificates are of use with client_ca only",
                hint="give the authorities who signed them",
            )
        check_distinct(self.tokens, self.client_certificates)


@dataclass(frozen=True, slots=True)
class KeysSection:
    """Whose keys are where. Either `lab`, or what a site has been issued."""

    lab: Path | None = None
    """A folder for the keys of a lab CA, made at the first start: everybody's on this bench, for devices that
    have none of their own. `hanota emulate --lab` takes the same folder."""
    folder: Path | None = None
    """GBCS certificates and keys of supplier, broker, hub and devices (`EUI64-ds.pem`, `EUI64-ds.key`...)."""
    hub: Eui64 | None = None
    """The hub: its coordinator's EUI-64; None: the subject of `credentials`, or the emulated dongle."""
    supplier: Eui64 | None = None
    """The service user for whom REST asks; None: the only supplier in `folder`."""
    broker: Eui64 | None = None
    """The access control broker; None: the only one in `folder`."""
    credentials: Path | None = None
    """The hub's credentials for key establishment, as `hanota credentials issue` writes them."""
    duis_key: Path | None = None
    """The DCC's key for signing what it answers; None: the broker's Digital Signing key."""
    duis_certificate: Path | None = None
    """The certificate of `duis_key`."""
    service_users: Path | None = None
    """A folder with the certificates of those whose signature on documents is taken; None: `folder`."""

    def __post_init__(self) -> None:
        """Raise ConfigError for keys that are given by half."""
        if (self.duis_key is None) != (self.duis_certificate is None):
            raise ConfigError("duis_key and duis_certificate belong together", hint="give both, or neither")


@dataclass(frozen=True, slots=True)
class DeviceSection(DeviceRecord):
    """A device of the inventory, and with an install code of the Device Log; one that has joined stays."""

    install_code: bytes | None = field(default=None, repr=False)
    """With or without its CRC, as on the label; None: whoever adds the device to the Device Log brings it."""
    join_seconds: float = 3600
    """How long it may join after it was added: time to walk to the device and switch it on."""

    def __post_init__(self) -> None:
        """Take the CRC off the install code; raise ConfigError for what cannot be."""
        DeviceRecord.__post_init__(self)
        if self.install_code is None:
            return
        if self.device_type.name not in HanDeviceType.__members__:
            raise ConfigError(
                f"the hub has no {self.device_type} in its Device Log", hint="leave install_code out"
            )
        if len(self.install_code) != GB_INSTALL_CODE:
            try:
                object.__setattr__(self, "install_code", parse_install_code(self.install_code.hex()))
            except RemoteProtocolError as error:
                raise ConfigError(str(error), hint=error.hint) from None

    @property
    def record(self) -> DeviceRecord:
        """What the inventory keeps."""
        return DeviceRecord(**{each.name: getattr(self, each.name) for each in fields(DeviceRecord)})

    @property
    def entry(self) -> DeviceLogEntry | None:
        """What the Device Log keeps."""
        if self.install_code is None:
            return None
        return DeviceLogEntry(self.eui64, HanDeviceType[self.device_type.name], self.install_code)


@dataclass(frozen=True, slots=True)
class EmulationSection:
    """What is behind a radio URL of an emulated dongle, `znp+emulator://bench`."""

    han: Path | None = None
    """The devices, a han.toml; None: one PPMID and one HCALCS that establish keys with suite 2."""
    state: Path | None = None
    """A file to keep over a restart what is non-volatile in dongle and devices; None: they begin anew."""
    control: Path | None = None
    """A unix socket for the commands of `hanota emulate`."""
    seed: int = 0
    """The same air every time."""
    join_seconds: float = 3600
    """How long its devices may join after they were put into the Device Log, which they are at the start."""


@dataclass(frozen=True, slots=True)
class LoggingSection:
    """What is logged; to standard error."""

    level: LogLevel = LogLevel.INFO
    """Of hanota's own records."""
    libraries: LogLevel = LogLevel.WARNING
    """Of the radio libraries' and the HTTP server's. No level shows a key."""
    format: LogFormat = LogFormat.AUTO
    """For people (`console`) or for programs (`json`); `auto`: for people on a terminal."""
    events: bool = True
    """Whether each event of the journal is logged; the journal has it in any case."""


@dataclass(frozen=True, slots=True)
class DaemonSection:
    """The daemon's own times, in seconds."""

    drain_timeout: float = 20
    """How long requests under way may take to end when the daemon is to stop; below the 90 of systemd."""
    lag_interval: float = 1
    """Between looks at how late the event loop is: late is what makes it answer devices late."""
    ready_lag: float = 5
    """A loop that is later than this is not ready: devices repeat a request after 3 to 5 seconds."""
    clock_interval: float = 60
    """Between looks at whether the machine's clock was set; the hub's goes on as it began."""
    ready_clock: float = 30
    """A hub whose clock is further from the machine's than this is not ready until it is started again: it
    tells devices a wrong time. NTP corrects less than a second of a clock that was right."""


class Settings(BaseSettings):
    """Everything a user may set."""

    model_config = SettingsConfigDict(
        title="Settings of hanota",
        env_prefix=ENVIRONMENT,
        env_nested_delimiter=SEPARATOR,
        extra="forbid",
        frozen=True,
        validate_default=False,
        arbitrary_types_allowed=True,
    )

    radio: Annotated[RadioSection, Section()]
    hub: Annotated[HubSettings, Section()] = Field(default_factory=HubSettings)
    dcc: Annotated[DccSettings, Section()] = Field(default_factory=DccSettings)
    api: Annotated[ApiSection, Section()] = Field(default_factory=ApiSection)
    store: Annotated[StoreSection, Section()] = Field(default_factory=StoreSection)
    keys: Annotated[KeysSection, Section()] = Field(default_factory=KeysSection)
    logging: Annotated[LoggingSection, Section()] = Field(default_factory=LoggingSection)
    daemon: Annotated[DaemonSection, Section()] = Field(default_factory=DaemonSection)
    emulation: Annotated[EmulationSection, Section()] = Field(default_factory=EmulationSection)
    devices: tuple[Annotated[DeviceSection, Section()], ...] = ()
    products: tuple[Annotated[ProductEntry, Section()], ...] = ()
    service_users: tuple[Annotated[ServiceUser, Section()], ...] = ()
