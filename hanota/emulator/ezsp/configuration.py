"""Configuration values, values and policies (UG100, configuration frames).

What the firmware build fixed cannot be raised by the host, and nothing can be set on a running network.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from hanota.emulator.ezsp.frames import FIRMWARE, counted, read_counted
from hanota.emulator.ezsp.status import SlStatus

if TYPE_CHECKING:
    from hanota.emulator.ezsp.ncp import EzspNcp, Handlers

BUILD: Final = 10
RELEASE_GA: Final = 0xAA
"""Version type: general availability."""


class ConfigId(IntEnum):
    """Configuration values that the emulated firmware acts on (EzspConfigId)."""

    PACKET_BUFFER_COUNT = 0x01
    APS_UNICAST_MESSAGE_COUNT = 0x03
    ADDRESS_TABLE_SIZE = 0x05
    MULTICAST_TABLE_SIZE = 0x06
    SECURITY_LEVEL = 0x0D
    MAX_END_DEVICE_CHILDREN = 0x11
    FRAGMENT_WINDOW_SIZE = 0x1C
    KEY_TABLE_SIZE = 0x1E
    APPLICATION_ZDO_FLAGS = 0x2A
    TRANSIENT_KEY_TIMEOUT_S = 0x36


class ValueId(IntEnum):
    """Values that the emulated firmware acts on (EzspValueId)."""

    FREE_BUFFERS = 0x03
    MAXIMUM_INCOMING_TRANSFER_SIZE = 0x05
    VERSION_INFO = 0x11
    CLEAR_COUNTERS = 0x19
    NWK_FRAME_COUNTER = 0x23
    APS_FRAME_COUNTER = 0x24
    TRANSIENT_KEY_TIMEOUT_S = 0x3B


class PolicyId(IntEnum):
    """Policies that the emulated firmware acts on (EzspPolicyId)."""

    TRUST_CENTER_POLICY = 0x00
    MESSAGE_CONTENTS_IN_CALLBACK_POLICY = 0x04


ALLOW_JOINS: Final = 0x01
JOINS_USE_INSTALL_CODE_KEY: Final = 0x10
"""Bits of the trust centre policy (EzspDecisionBitmask)."""
MESSAGE_TAG_AND_CONTENTS_IN_CALLBACK: Final = 0x41


@dataclass(frozen=True, slots=True)
class ConfigItem:
    """One configuration value of the firmware build."""

    default: int
    maximum: int = 0xFFFF
    """What the build has room for."""


FIXED_BY_BUILD: Final = frozenset((ConfigId.KEY_TABLE_SIZE, 0x0C, ConfigId.SECURITY_LEVEL))
"""Key table size, stack profile, security level: a host can read them, no more."""

CONFIGURATION: Final[dict[int, ConfigItem]] = {
    ConfigId.PACKET_BUFFER_COUNT: ConfigItem(255),
    0x02: ConfigItem(16, 26),  # neighbour table
    ConfigId.APS_UNICAST_MESSAGE_COUNT: ConfigItem(32, 32),
    0x04: ConfigItem(32, 32),  # binding table
    ConfigId.ADDRESS_TABLE_SIZE: ConfigItem(16, 64),
    ConfigId.MULTICAST_TABLE_SIZE: ConfigItem(16, 64),
    0x07: ConfigItem(16, 254),  # route table
    0x08: ConfigItem(8, 32),  # discovery table
    0x0C: ConfigItem(2),  # stack profile
    ConfigId.SECURITY_LEVEL: ConfigItem(5),
    0x10: ConfigItem(30, 30),  # hops
    ConfigId.MAX_END_DEVICE_CHILDREN: ConfigItem(32, 64),
    0x12: ConfigItem(7680, 30_000),  # indirect transmission timeout
    0x13: ConfigItem(8, 14),  # end device poll timeout
    0x17: ConfigItem(0, 3),  # transmit power mode
    0x18: ConfigItem(0, 1),  # relaying disabled
    0x19: ConfigItem(2, 4),  # trust centre address cache
    0x1A: ConfigItem(200, 250),  # source route table
    ConfigId.FRAGMENT_WINDOW_SIZE: ConfigItem(1, 8),
    0x1D: ConfigItem(0),  # delay between blocks, ms
    ConfigId.KEY_TABLE_SIZE: ConfigItem(12, 12),
    0x1F: ConfigItem(1600),  # APS acknowledgement timeout, ms
    0x20: ConfigItem(3, 6),  # active scan duration
    0x21: ConfigItem(60),  # end device bind timeout
    0x22: ConfigItem(2, 63),  # PAN id conflict reports
    0x24: ConfigItem(0, 10),  # request key timeout
    0x29: ConfigItem(0, 0),  # certificate table
    ConfigId.APPLICATION_ZDO_FLAGS: ConfigItem(0, 0xFF),
    0x2B: ConfigItem(15, 254),  # broadcast table
    0x2C: ConfigItem(0, 254),  # MAC filter table
    0x2D: ConfigItem(1, 1),  # networks
    0x2E: ConfigItem(0, 1),  # multicasts to sleepy devices
    0x2F: ConfigItem(0, 0xFF),  # ZLL group addresses
    0x30: ConfigItem(0xFF80),  # ZLL RSSI threshold
    0x33: ConfigItem(1, 1),  # MTORR flow control
    0x34: ConfigItem(16, 0xFF),  # retry queue
    0x35: ConfigItem(8, 0xFF),  # new broadcast entry threshold
    ConfigId.TRANSIENT_KEY_TIMEOUT_S: ConfigItem(300),
    0x37: ConfigItem(0xFF, 0xFF),  # broadcast acknowledgements needed
    0x38: ConfigItem(90),  # rejoins with the well-known key, seconds
    0x39: ConfigItem(0),  # crystal tuning
    0x40: ConfigItem(0),  # concentrator type of the trust centre
    0x41: ConfigItem(5, 5),  # GP proxy table
    0x42: ConfigItem(0, 0),  # GP sink table
}

VALUES: Final[dict[int, bytes]] = {
    ValueId.MAXIMUM_INCOMING_TRANSFER_SIZE: struct.pack("<H", 82),
    0x06: struct.pack("<H", 82),  # maximum outgoing transfer size
    0x07: b"\x01",  # stack token writing
    0x0A: struct.pack("<H", 0),  # extended security bitmask
    0x0C: b"\x00",  # descriptor capability
    0x10: bytes(4),  # manufacturing security configuration
    0x15: b"\xb5",  # CCA threshold, dBm
    0x29: b"\x01",  # R21 behaviour
    0x3A: b"\x00",  # transmit after failed CCA attempts
    0x3E: struct.pack("<H", 0x3FFF),  # end device timeout options
    0x3F: b"\x03",  # end device keep-alive support
    0x43: struct.pack("<H", 3000),  # transient device timeout
    0x46: b"\x03",  # NWK retries
    0x48: b"\x00",  # joins use install codes
}
"""Values the firmware keeps and does nothing with, by id."""

POLICIES: Final = {
    PolicyId.TRUST_CENTER_POLICY: 0x00,
    0x01: 0x10,  # binding modification: disallowed
    0x02: 0x20,  # unicast replies: the host supplies none
    0x03: 0x30,  # poll handler: ignored
    PolicyId.MESSAGE_CONTENTS_IN_CALLBACK_POLICY: 0x40,
    0x05: 0x50,  # trust centre link key requests: denied
    0x06: 0x60,  # application link key requests: denied
    0x07: 0x62,  # packet validation: enabled
    0x08: 0x00,  # ZLL
    0x09: 0x00,  # rejoins with the well-known key
}
"""Decisions after a reset, by policy."""


class Configuration:
    """The configuration of one co-processor; all of it is as the build made it after a reset."""

    def __init__(self, ncp: EzspNcp) -> None:
        self._ncp = ncp
        self._config: dict[int, int] = {}
        self._values: dict[int, bytes] = {}
        self._policies: dict[int, int] = {}

    def handlers(self) -> Handlers:
        """Return the command handlers by frame id."""
        return {
            0x0003: self._get_extended_value,
            0x0052: self._get_configuration_value,
            0x0053: self._set_configuration_value,
            0x0055: self._set_policy,
            0x0056: self._get_policy,
            0x00AA: self._get_value,
            0x00AB: self._set_value,
        }

    def reset(self) -> None:
        """Forget what the host has set."""
        self._config.clear()
        self._values.clear()
        self._policies.clear()

    def __getitem__(self, config: ConfigId) -> int:
        return self._config.get(config, CONFIGURATION[config].default)

    def policy(self, policy: PolicyId) -> int:
        """Return the decision taken for a policy."""
        return self._policies.get(policy, POLICIES[policy])

    def value(self, value: ValueId) -> bytes:
        """Return one of the values kept."""
        return self._values.get(value, VALUES[value])

    def _get_configuration_value(self, data: bytes) -> bytes:
        item = CONFIGURATION.get(data[0])
        if item is None:
            return self._ncp.layout.ezsp_status(SlStatus.NOT_FOUND) + bytes(2)
        value = self._config.get(data[0], item.default)
        return self._ncp.layout.ezsp_status(SlStatus.OK) + struct.pack("<H", value)

    def _set_configuration_value(self, data: bytes) -> bytes:
        config, value = struct.unpack_from("<BH", data)
        return self._ncp.layout.ezsp_status(self._configure(config, value))

    def _configure(self, config: int, value: int) -> SlStatus:
        item = CONFIGURATION.get(config)
        if item is None:
            return SlStatus.NOT_FOUND
        if self._ncp.network_up:
            return SlStatus.INVALID_STATE
        if config in FIXED_BY_BUILD:
            return SlStatus.OK if value == item.default else SlStatus.INVALID_PARAMETER
        if value > item.maximum:
            return SlStatus.NO_MORE_RESOURCE
        self._config[config] = value
        return SlStatus.OK

    def _get_policy(self, data: bytes) -> bytes:
        if data[0] not in POLICIES:
            return self._ncp.layout.ezsp_status(SlStatus.NOT_FOUND) + b"\x00"
        decision = self._policies.get(data[0], POLICIES[data[0]])
        return self._ncp.layout.ezsp_status(SlStatus.OK) + bytes((decision & 0xFF,))

    def _set_policy(self, data: bytes) -> bytes:
        policy, decision = struct.unpack_from("<BB", data)
        if policy not in POLICIES:
            return self._ncp.layout.ezsp_status(SlStatus.NOT_FOUND)
        self._policies[policy] = decision
        return self._ncp.layout.ezsp_status(SlStatus.OK)

    def _get_value(self, data: bytes) -> bytes:
        value = self._read(data[0])
        if value is None:
            return self._ncp.layout.ezsp_status(SlStatus.NOT_FOUND) + counted(b"")
        return self._ncp.layout.ezsp_status(SlStatus.OK) + counted(value)

    def _set_value(self, data: bytes) -> bytes:
        return self._ncp.layout.ezsp_status(self._write(data[0], read_counted(data, 1)))

    def _get_extended_value(self, data: bytes) -> bytes:
        """Answer with endpoint flags alone; two octets of value stand there even beside an error."""
        value, endpoint = struct.unpack_from("<BI", data)
        known = value == 0 and endpoint in self._ncp.endpoints
        status = SlStatus.OK if known else SlStatus.NOT_FOUND
        return self._ncp.layout.ezsp_status(status) + counted(struct.pack("<H", known))

    def _read(self, value: int) -> bytes | None:
        nvram = self._ncp.nvram
        match value:
            case ValueId.FREE_BUFFERS:
                return bytes((self._ncp.free_buffers,))
            case ValueId.VERSION_INFO:
                return struct.pack("<H5B", BUILD, *FIRMWARE[self._ncp.layout.version], RELEASE_GA)
            case ValueId.NWK_FRAME_COUNTER:
                return struct.pack("<I", nvram.network_frame_counter)
            case ValueId.APS_FRAME_COUNTER:
                return struct.pack("<I", nvram.aps_frame_counter)
            case ValueId.TRANSIENT_KEY_TIMEOUT_S:
                return struct.pack("<H", self[ConfigId.TRANSIENT_KEY_TIMEOUT_S])
            case _ if value in VALUES:
                return self._values.get(value, VALUES[value])
            case _:
                return None

    def _write(self, value: int, data: bytes) -> SlStatus:
        nvram = self._ncp.nvram
        match value, len(data):
            case (ValueId.NWK_FRAME_COUNTER | ValueId.APS_FRAME_COUNTER, _) if self._ncp.network_up:
                return SlStatus.INVALID_STATE
            case (ValueId.NWK_FRAME_COUNTER, 4):
                nvram.network_frame_counter = int.from_bytes(data, "little")
            case (ValueId.APS_FRAME_COUNTER, 4):
                nvram.aps_frame_counter = int.from_bytes(data, "little")
            case (ValueId.TRANSIENT_KEY_TIMEOUT_S, 2):
                self._config[ConfigId.TRANSIENT_KEY_TIMEOUT_S] = int.from_bytes(data, "little")
            case (ValueId.CLEAR_COUNTERS, _):
                self._ncp.counters.clear()
            case _ if value in VALUES and len(data) == len(VALUES[value]):
                self._values[value] = data
            case _ if value in VALUES:
                return SlStatus.INVALID_PARAMETER
            case _:
                return SlStatus.NOT_FOUND
        return SlStatus.OK
