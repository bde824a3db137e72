"""Forming, resuming, leaving and describing the network; scanning (UG100, networking frames)."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from hanota.emulator.ezsp.frames import FrameId
from hanota.emulator.ezsp.nvram import (
    NO_NETWORK,
    NODE_TYPE_COORDINATOR,
    NetworkParameters,
    StoredNetwork,
)
from hanota.emulator.ezsp.status import SlStatus

if TYPE_CHECKING:
    from hanota.emulator.ezsp.ncp import EzspNcp, Handlers
    from hanota.emulator.ezsp.security import SecurityCommands

STATE_NO_NETWORK: Final = 0x00
STATE_JOINED: Final = 0x02
NOT_JOINED_NWK: Final = 0xFFFE
CHANNELS: Final = range(11, 27)
ENERGY_SCAN: Final = 0
LONGEST_SCAN: Final = 14
"""Scan duration exponent (IEEE 802.15.4-2006 7.1.11.1)."""
SCAN_UNIT: Final = 0.01536
"""aBaseSuperframeDuration: 960 symbols of 16 us, seconds."""
QUIETEST, LOUDEST = -95, -75
"""Noise that an energy scan hears on an idle band, dBm."""


class NetworkCommands:
    """The network of one co-processor; it is always the coordinator."""

    def __init__(self, ncp: EzspNcp, security: SecurityCommands) -> None:
        self._ncp = ncp
        self._security = security
        self._scanning = False

    def handlers(self) -> Handlers:
        """Return the command handlers by frame id."""
        return {
            0x0017: self._network_init,
            0x0018: lambda _data: bytes((STATE_JOINED if self._ncp.network_up else STATE_NO_NETWORK,)),
            0x001A: self._start_scan,
            0x001D: self._stop_scan,
            0x001E: self._form_network,
            0x0020: self._leave_network,
            0x0026: lambda _data: self._ncp.eui64.to_zigbee(),
            0x0027: self._get_node_id,
            0x0028: self._get_network_parameters,
            0x0077: self._token_factory_reset,
            0x0099: self._set_radio_power,
        }

    def reset(self) -> None:
        """Forget a scan."""
        self._scanning = False

    def _network_init(self, _data: bytes) -> bytes:
        if self._ncp.network_up:
            return self._ncp.layout.status(SlStatus.INVALID_STATE)
        if self._ncp.nvram.network is None:
            return self._ncp.layout.status(SlStatus.NOT_JOINED)
        self._ncp.start_network()
        self._ncp.later(self._ncp.report_status, SlStatus.NETWORK_UP)
        return self._ncp.layout.status(SlStatus.OK)

    def _form_network(self, data: bytes) -> bytes:
        wanted, security = NetworkParameters.decode(data), self._security.initial
        if self._ncp.network_up:
            return self._ncp.layout.status(SlStatus.INVALID_STATE)
        if security is None:
            return self._ncp.layout.status(SlStatus.ZIGBEE_SECURITY_STATE_NOT_SET)
        if wanted.channel not in CHANNELS:
            return self._ncp.layout.status(SlStatus.INVALID_PARAMETER)
        self._ncp.nvram.network = StoredNetwork(
            self._chosen(wanted),
            security.network_key,
            security.key_sequence,
            security.trust_centre_key,
            security.current,
            self._ncp.eui64,
        )
        self._ncp.start_network()
        self._ncp.later(self._ncp.report_status, SlStatus.NETWORK_UP)
        return self._ncp.layout.status(SlStatus.OK)

    def _chosen(self, wanted: NetworkParameters) -> NetworkParameters:
        """Choose at random what the host leaves open; a new network's update id is 0 whatever it says."""
        chance = self._ncp.random
        pan_id = chance.randrange(1, 0xFFFE) if wanted.pan_id == 0xFFFF else wanted.pan_id
        extended = chance.randbytes(8) if wanted.extended_pan_id == bytes(8) else wanted.extended_pan_id
        return replace(wanted, pan_id=pan_id, extended_pan_id=extended, update_id=0)

    def _leave_network(self, _data: bytes) -> bytes:
        if not self._ncp.network_up:
            return self._ncp.layout.status(SlStatus.INVALID_STATE)
        self._ncp.stop_network()
        self._ncp.nvram.forget_network()
        self._ncp.later(self._ncp.report_status, SlStatus.NETWORK_DOWN)
        return self._ncp.layout.status(SlStatus.OK)

    def _token_factory_reset(self, data: bytes) -> bytes:
        """Set all tokens to their defaults; they take effect at the next reset."""
        keep_counters, _ = struct.unpack_from("<??", data)
        self._ncp.nvram.forget_network()
        self._ncp.nvram.link_keys.clear()
        if not keep_counters:
            self._ncp.nvram.network_frame_counter = self._ncp.nvram.aps_frame_counter = 0
        return b""

    def _get_node_id(self, _data: bytes) -> bytes:
        return struct.pack("<H", self._ncp.nwk if self._ncp.network_up else NOT_JOINED_NWK)

    def _get_network_parameters(self, _data: bytes) -> bytes:
        network = self._ncp.nvram.network if self._ncp.network_up else None
        if network is None:
            return self._ncp.layout.status(SlStatus.NOT_JOINED) + b"\x00" + NO_NETWORK.encode()
        node_type = bytes((NODE_TYPE_COORDINATOR,))
        return self._ncp.layout.status(SlStatus.OK) + node_type + network.parameters.encode()

    def _set_radio_power(self, data: bytes) -> bytes:
        (power,) = struct.unpack_from("<b", data)
        network = self._ncp.nvram.network
        if network is not None:
            parameters = replace(network.parameters, tx_power=power)
            self._ncp.nvram.network = replace(network, parameters=parameters)
        return self._ncp.layout.status(SlStatus.OK)

    def _start_scan(self, data: bytes) -> bytes:
        kind, mask, exponent = struct.unpack_from("<BIB", data)
        channels = [channel for channel in CHANNELS if mask >> channel & 1]
        if self._scanning:
            return self._ncp.layout.status(SlStatus.MAC_SCANNING)
        if not channels:
            return self._ncp.layout.status(SlStatus.INVALID_CHANNEL_MASK)
        if exponent > LONGEST_SCAN:
            return self._ncp.layout.status(SlStatus.BAD_SCAN_DURATION)
        self._scanning = True
        self._ncp.spawn(self._scan(kind, channels, (2**exponent + 1) * SCAN_UNIT))
        return self._ncp.layout.status(SlStatus.OK)

    def _stop_scan(self, _data: bytes) -> bytes:
        self._scanning = False
        return self._ncp.layout.status(SlStatus.OK)

    async def _scan(self, kind: int, channels: list[int], seconds: float) -> None:
        """Listen on each channel; an active scan finds nobody, for no other beacon is modelled."""
        for channel in channels:
            await asyncio.sleep(seconds)
            if not self._scanning:
                return
            if kind == ENERGY_SCAN:
                heard = self._ncp.random.randint(QUIETEST, LOUDEST)
                result = struct.pack("<Bb", channel, heard)
                self._ncp.call_back(FrameId.ENERGY_SCAN_RESULT_HANDLER, result)
        self._scanning = False
        done = bytes((channels[-1],)) + self._ncp.layout.status(SlStatus.OK)
        self._ncp.call_back(FrameId.SCAN_COMPLETE_HANDLER, done)
