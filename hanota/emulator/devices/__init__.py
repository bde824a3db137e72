"""Emulated HAN devices that update their firmware: PPMID and HCALCS."""

from hanota.emulator.devices.device import DeviceIdentity, DeviceSettings, FirmwareDevice
from hanota.emulator.devices.hcalcs import Hcalcs
from hanota.emulator.devices.ppmid import Ppmid

__all__ = ["DeviceIdentity", "DeviceSettings", "FirmwareDevice", "Hcalcs", "Ppmid"]
