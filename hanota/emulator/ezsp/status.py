"""Statuses: sl_status_t, and the EmberStatus and EzspStatus it replaced in EZSP 14."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class SlStatus(IntEnum):
    """What the firmware says of a command, in the numbers of EZSP 14 and later (sl_status.h)."""

    OK = 0x0000
    FAIL = 0x0001
    INVALID_STATE = 0x0002
    NOT_AVAILABLE = 0x000E
    NOT_SUPPORTED = 0x000F
    NETWORK_UP = 0x0015
    NETWORK_DOWN = 0x0016
    NOT_JOINED = 0x0017
    ALLOCATION_FAILED = 0x0019
    NO_MORE_RESOURCE = 0x001A
    FULL = 0x001C
    INVALID_PARAMETER = 0x0021
    INVALID_INDEX = 0x0027
    NOT_FOUND = 0x002D
    MESSAGE_TOO_LONG = 0x0038
    MAC_INDIRECT_TIMEOUT = 0x0041
    MAC_SCANNING = 0x004D
    INVALID_CHANNEL_MASK = 0x004F
    BAD_SCAN_DURATION = 0x0050
    ZIGBEE_DELIVERY_FAILED = 0x0C02
    ZIGBEE_MAX_MESSAGE_LIMIT_REACHED = 0x0C03
    ZIGBEE_APS_ENCRYPTION_ERROR = 0x0C0A
    ZIGBEE_SECURITY_STATE_NOT_SET = 0x0C0B
    ZIGBEE_NETWORK_OPENED = 0x0C18
    ZIGBEE_NETWORK_CLOSED = 0x0C19


class EzspStatus(IntEnum):
    """What the protocol says of a frame; commands on the co-processor itself use it up to EZSP 13."""

    SUCCESS = 0x00
    ERROR_VERSION_NOT_SET = 0x30
    ERROR_INVALID_FRAME_ID = 0x31
    ERROR_WRONG_DIRECTION = 0x32
    ERROR_TRUNCATED = 0x33
    ERROR_OUT_OF_MEMORY = 0x35
    ERROR_INVALID_VALUE = 0x36
    ERROR_INVALID_ID = 0x37
    ERROR_INVALID_CALL = 0x38
    ERROR_UNSUPPORTED_CONTROL = 0x49


EMBER_STATUS: Final = {
    SlStatus.OK: 0x00,
    SlStatus.FAIL: 0x01,
    SlStatus.INVALID_STATE: 0x70,
    SlStatus.NOT_AVAILABLE: 0xB5,
    SlStatus.NOT_SUPPORTED: 0x70,
    SlStatus.NETWORK_UP: 0x90,
    SlStatus.NETWORK_DOWN: 0x91,
    SlStatus.NOT_JOINED: 0x93,
    SlStatus.ALLOCATION_FAILED: 0x18,
    SlStatus.NO_MORE_RESOURCE: 0x18,
    SlStatus.FULL: 0xB4,
    SlStatus.INVALID_PARAMETER: 0x02,
    SlStatus.INVALID_INDEX: 0xB1,
    SlStatus.NOT_FOUND: 0x03,
    SlStatus.MESSAGE_TOO_LONG: 0x74,
    SlStatus.MAC_INDIRECT_TIMEOUT: 0x42,
    SlStatus.MAC_SCANNING: 0x3D,
    SlStatus.INVALID_CHANNEL_MASK: 0x35,
    SlStatus.BAD_SCAN_DURATION: 0x33,
    SlStatus.ZIGBEE_DELIVERY_FAILED: 0x66,
    SlStatus.ZIGBEE_MAX_MESSAGE_LIMIT_REACHED: 0x72,
    SlStatus.ZIGBEE_APS_ENCRYPTION_ERROR: 0xA6,
    SlStatus.ZIGBEE_SECURITY_STATE_NOT_SET: 0xA8,
    SlStatus.ZIGBEE_NETWORK_OPENED: 0x9C,
    SlStatus.ZIGBEE_NETWORK_CLOSED: 0x9D,
}
"""EmberStatus, one octet, of EZSP 13 and earlier."""

EZSP_STATUS: Final = {
    SlStatus.OK: EzspStatus.SUCCESS,
    SlStatus.NO_MORE_RESOURCE: EzspStatus.ERROR_OUT_OF_MEMORY,
    SlStatus.INVALID_PARAMETER: EzspStatus.ERROR_INVALID_VALUE,
    SlStatus.NOT_FOUND: EzspStatus.ERROR_INVALID_ID,
    SlStatus.INVALID_STATE: EzspStatus.ERROR_INVALID_CALL,
}
"""EzspStatus, one octet, of the commands that answer with it up to EZSP 13."""
