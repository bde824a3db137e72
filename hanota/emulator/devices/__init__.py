"""Emulated HAN devices that update their firmware: PPMID and HCALCS."""

from hanota.emulator.devices.device import FirmwareDevice
from hanota.emulator.devices.hcalcs import Hcalcs
from hanota.emulator.devices.ppmid import Ppmid
from hanota.emulator.devices.settings import DeviceIdentity, DeviceSettings

__all__ = ["DeviceIdentity", "DeviceSettings", "FirmwareDevice", "Hcalcs", "Ppmid"]
