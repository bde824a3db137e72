"""The nodes of an emulated HAN, made as han.toml says, and what their non-volatile memory keeps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from hanota.emulator.air import Admission
from hanota.emulator.devices import DeviceIdentity, DeviceSettings, FirmwareDevice, Hcalcs, Ppmid
from hanota.emulator.devices.client_shapes import CLIENTS, with_quirks
from hanota.emulator.devices.keep_alive import KeepAliveSettings
from hanota.emulator.devices.misbehaviour import misbehave
from hanota.emulator.emulation.entries import DeviceKind, External, Firmware
from hanota.emulator.emulation.external import ExternalDevice
from hanota.emulator.emulation.table import UINT16, UINT32
from hanota.emulator.node import NWK_UNASSIGNED, NodeSettings
from hanota.errors import ConfigError, RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.gbcs.counters import MAXIMUM_COUNTER, CounterLog, OriginatorCounter
from hanota.gbcs.keystore import KeyStore
from hanota.zse.cbke import Suite, read_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.clock import Clock
    from hanota.emulator.air import Air
    from hanota.emulator.emulation.entries import DeviceEntry
    from hanota.emulator.emulation.table import Table
    from hanota.emulator.memory import Json
    from hanota.gbcs.certificates import Credentials
    from hanota.zse.cbke import CbkeCredentials

Node = FirmwareDevice | ExternalDevice

WELL_KNOWN_KEY: Final = b"ZigBeeAlliance09"
"""Default trust centre link key: what a device without an install code joins with."""
COUNTER_JUMP: Final = 1000
"""By how much a device's APS frame counter rises at a restart: more than it can have used unsaved."""
_NO_INSTALL_CODE: Final = bytes(16)
_CLASSES: Final[dict[DeviceKind, type[FirmwareDevice]]] = {DeviceKind.PPMID: Ppmid, DeviceKind.HCALCS: Hcalcs}


@dataclass(frozen=True, slots=True)
class LabKeys:
    """The keys for devices whose han.toml names no folder."""

    credentials: Mapping[Eui64, Credentials]
    trust: KeyStore
    """Certificates of the remote parties."""
    cbke: Mapping[Eui64, CbkeCredentials] = field(default_factory=dict)
    """For key establishment."""


def make_node(entry: DeviceEntry, keys: LabKeys, clock: Clock) -> Node:
    """Make the node of a device; raise ConfigError for a key store that does not fit."""
    code = entry.install_code
    settings = NodeSettings(sleep=entry.sleep)
    node: Node
    match entry.application:
        case External() as external:
            node = ExternalDevice(
                entry.eui64,
                install_code=code or _NO_INSTALL_CODE,
                endpoint=external.endpoint,
                manufacturer_code=external.manufacturer,
                clock=clock,
                cbke=_cbke(entry, keys),
                node_settings=settings,
            )
        case Firmware() as firmware:
            identity = DeviceIdentity(
                credentials=_credentials(entry.eui64, firmware, keys),
                install_code=code or _NO_INSTALL_CODE,
                image=firmware.image,
                hardware_version=firmware.hardware_version,
                model=firmware.model,
                cbke=_cbke(entry, keys),
            )
            trust = keys.trust if firmware.trust is None else KeyStore.from_folder(firmware.trust)
            device_settings = DeviceSettings(
                node=settings,
                keep_alive=KeepAliveSettings(firmware.keep_alive),
                client=CLIENTS[firmware.client],
            )
            node = _CLASSES[firmware.kind](
                identity, trust, clock, with_quirks(device_settings, firmware.quirks)
            )
            for name in firmware.misbehaviour:
                misbehave(node, name)
    if code is None:
        node.link_key = WELL_KNOWN_KEY
    return node


def remembered(entry: DeviceEntry, memory: Table) -> DeviceEntry:
    """Return the entry of a device that runs the version in its memory; raise ConfigError."""
    application = entry.application
    if isinstance(application, External):
        return entry
    version = memory.integer("file_version", application.image.file_version, most=UINT32)
    image = replace(application.image, file_version=version)
    return replace(entry, application=replace(application, image=image))


def restore(node: Node, memory: Table, air: Air) -> None:
    """Give a new node its memory, and the network it was on; raise ConfigError for one that is damaged."""
    if isinstance(node, FirmwareDevice):
        last = memory.integer("counter", 0, most=MAXIMUM_COUNTER)
        node.own_counter = OriginatorCounter(max(last, node.own_counter.last))
        node.counters = CounterLog(_read_counters(memory.table("counters", "counters")))
    nwk = memory.integer("nwk", None, most=UINT16)
    trust_centre = memory.eui64("trust_centre", None)
    link_key = memory.octets("link_key", node.link_key)
    established = memory.boolean("established", default=False)
    counter = memory.integer("aps_frame_counter", None, most=UINT32)
    node.aps_frame_counter = 0 if counter is None else counter + COUNTER_JUMP
    memory.done()
    if nwk is not None and trust_centre is not None:
        node.commission(air, Admission(nwk, trust_centre, node.link_key if established else link_key))
        if established:
            node.establish(link_key)


def _read_counters(table: Table) -> dict[Eui64, int]:
    counters: dict[Eui64, int] = {}
    for party in table.names():
        try:
            originator = Eui64.parse(party)
        except RemoteProtocolError:
            table.fail(party, "the EUI-64 of an originator", party)
        counters[originator] = table.integer(party, 0, most=MAXIMUM_COUNTER)
    return counters


def memory_of(node: Node) -> dict[str, Json]:
    """Return what survives a power cut: the network, the version that runs, the Originator Counters.

    Not the octets of a download that had not ended, nor an image that waits for its CS06.
    """
    memory: dict[str, Json] = {}
    if node.nwk != NWK_UNASSIGNED and node.trust_centre is not None:
        memory |= {
            "nwk": node.nwk,
            "trust_centre": str(node.trust_centre),
            "link_key": node.link_key.hex(),
            "established": node.established,
            "aps_frame_counter": node.aps_frame_counter,
        }
    if isinstance(node, FirmwareDevice):
        memory |= {
            "file_version": node.running.file_version,
            "counter": node.own_counter.last,
            "counters": {str(party): counter for party, counter in node.counters.highest().items()},
        }
    return memory


def _cbke(entry: DeviceEntry, keys: LabKeys) -> CbkeCredentials | None:
    """Return a device's credentials for key establishment; raise ConfigError where its file has none."""
    if entry.suite is None:
        return None
    if entry.credentials is None:
        return keys.cbke[entry.eui64]
    site = read_credentials(entry.credentials)
    credentials = site.suites.get(Suite(entry.suite))
    if credentials is None or site.subject != entry.eui64:
        raise ConfigError(f"{entry.credentials}: no credentials of suite {entry.suite} for {entry.eui64}")
    return credentials


def _credentials(eui64: Eui64, firmware: Firmware, keys: LabKeys) -> Credentials:
    if firmware.keystore is None:
        return keys.credentials[eui64]
    try:
        return KeyStore.from_folder(firmware.keystore).credentials(eui64)
    except ConfigError as error:
        raise ConfigError(f"{firmware.keystore}: {error}") from None
