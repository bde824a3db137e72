"""Everything small: version apart, endpoints, multicast table, counters, libraries, echo (UG100)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from hanota.emulator.ezsp.configuration import ConfigId
from hanota.emulator.ezsp.frames import counted, read_counted
from hanota.emulator.ezsp.status import SlStatus
from hanota.emulator.zdo import ZDO_ENDPOINT, SimpleDescriptor

if TYPE_CHECKING:
    from hanota.emulator.ezsp.configuration import Configuration
    from hanota.emulator.ezsp.ncp import EzspNcp, Handlers

LIBRARY_PRESENT: Final = 0x80
LIBRARY_STUB: Final = 0x00
LIBRARY_UNKNOWN: Final = 0xFF
LIBRARIES: Final = {
    0x01: LIBRARY_PRESENT | 0x01,  # ZigBee PRO, as coordinator and router
    0x02: LIBRARY_PRESENT,  # binding
    0x05: LIBRARY_PRESENT,  # link keys
    0x06: LIBRARY_STUB,  # CBKE
    0x07: LIBRARY_STUB,  # CBKE DSA sign
    0x08: LIBRARY_STUB,  # ECC
    0x09: LIBRARY_STUB,  # CBKE DSA verify
}
"""Status by library: the Certicom code is on no public firmware."""
CBKE_FRAMES: Final = (0x009F, 0x00A1, 0x00A3, 0x00A4, 0x00A6, 0x00E8, 0x00EA, 0x00EE)
"""Commands of the CBKE library: key generation, SMACs, storing the key, signatures."""

_ENDPOINT: Final = struct.Struct("<BHHBBB")
_MULTICAST_ENTRY: Final = struct.Struct("<HBB")


class UtilityCommands:
    """The rest of one co-processor."""

    def __init__(self, ncp: EzspNcp, configuration: Configuration) -> None:
        self._ncp = ncp
        self._configuration = configuration
        self._multicast: dict[int, bytes] = {}

    def handlers(self) -> Handlers:
        """Return the command handlers by frame id."""
        # The Green Power tables are empty; EZSP 17 put the proxy's where address table frames had been.
        proxy = {0x005D: _nothing, 0x005F: _nothing} if self._ncp.layout.version >= 17 else {}
        return (
            dict.fromkeys(CBKE_FRAMES, self._library_not_present)
            | proxy
            | {
                0x0001: lambda data: bytes((LIBRARIES.get(data[0], LIBRARY_UNKNOWN),)),
                0x0002: self._add_endpoint,
                0x0005: _nothing,
                0x0010: lambda _data: self._ncp.layout.status(SlStatus.OK),
                0x0047: self._custom_frame,
                0x0049: self._get_random_number,
                0x005A: lambda _data: bytes(4),
                0x0063: self._get_multicast_table_entry,
                0x0064: self._set_multicast_table_entry,
                0x0065: self._read_and_clear_counters,
                0x0081: lambda data: counted(read_counted(data)),
                0x00AE: lambda _data: self._ncp.layout.status(SlStatus.OK),
                0x00E2: _nothing,
                0x00F1: lambda _data: self._ncp.counters.encode(),
            }
        )

    def reset(self) -> None:
        """Forget the groups."""
        self._multicast.clear()

    def _library_not_present(self, _data: bytes) -> bytes:
        return self._ncp.layout.status(SlStatus.NOT_AVAILABLE)

    def _add_endpoint(self, data: bytes) -> bytes:
        """Register an endpoint; not while the network is up, and it is lost at the next reset."""
        number, profile, device, version, inputs, outputs = _ENDPOINT.unpack_from(data)
        clusters = struct.unpack_from(f"<{inputs + outputs}H", data, _ENDPOINT.size)
        endpoints = self._ncp.endpoints
        if self._ncp.network_up:
            return self._ncp.layout.ezsp_status(SlStatus.INVALID_STATE)
        if number == ZDO_ENDPOINT or number in endpoints:
            return self._ncp.layout.ezsp_status(SlStatus.INVALID_PARAMETER)
        if len(endpoints) >= self._ncp.settings.max_endpoints:
            return self._ncp.layout.ezsp_status(SlStatus.NO_MORE_RESOURCE)
        endpoints[number] = SimpleDescriptor(
            number, profile, device, clusters[:inputs], clusters[inputs:], version
        )
        return self._ncp.layout.ezsp_status(SlStatus.OK)

    def _custom_frame(self, _data: bytes) -> bytes:
        """Refuse: this is stock firmware, without extensions such as XNCP."""
        return self._ncp.layout.status(SlStatus.INVALID_PARAMETER) + counted(b"")

    def _get_random_number(self, _data: bytes) -> bytes:
        return self._ncp.layout.status(SlStatus.OK) + self._ncp.random.randbytes(2)

    def _read_and_clear_counters(self, _data: bytes) -> bytes:
        values = self._ncp.counters.encode()
        self._ncp.counters.clear()
        return values

    def _get_multicast_table_entry(self, data: bytes) -> bytes:
        within = data[0] < self._configuration[ConfigId.MULTICAST_TABLE_SIZE]
        status = SlStatus.OK if within else SlStatus.INVALID_INDEX
        entry = self._multicast.get(data[0], bytes(_MULTICAST_ENTRY.size))
        return self._ncp.layout.status(status) + entry

    def _set_multicast_table_entry(self, data: bytes) -> bytes:
        if data[0] >= self._configuration[ConfigId.MULTICAST_TABLE_SIZE]:
            return self._ncp.layout.status(SlStatus.INVALID_INDEX)
        self._multicast[data[0]] = _MULTICAST_ENTRY.pack(*_MULTICAST_ENTRY.unpack_from(data, 1))
        return self._ncp.layout.status(SlStatus.OK)


def _nothing(_data: bytes) -> bytes:
    return b""
