"""The serial ports of this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import serialx

if TYPE_CHECKING:
    from typing import Any


@dataclass(frozen=True, slots=True)
class SerialPort:
    """One serial port, and what its USB device says of itself; texts are empty where it says nothing."""

    path: str
    """What to open: under /dev/serial/by-id where there is such a name, which a replugged dongle keeps."""
    device: str
    """The device node it is at present."""
    vid: int | None = None
    pid: int | None = None
    serial_number: str = ""
    manufacturer: str = ""
    product: str = ""

    @property
    def unmistakable(self) -> bool:
        """Tell whether the serial number tells the dongle from another of its kind."""
        return not serialx.is_non_unique_serial(self.serial_number)


def serial_ports() -> tuple[SerialPort, ...]:
    """Return the serial ports there are, by path."""
    ports = [_port(info) for info in serialx.list_serial_ports()]
    return tuple(sorted(ports, key=lambda port: port.path))


def _port(info: Any) -> SerialPort:
    return SerialPort(
        path=info.device,
        device=info.resolved_device,
        vid=info.vid,
        pid=info.pid,
        serial_number=info.serial_number or "",
        manufacturer=info.manufacturer or "",
        product=info.product or "",
    )
