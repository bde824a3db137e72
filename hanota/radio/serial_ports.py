"""The serial ports of this machine, and which of them a user means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import serialx

from hanota.errors import ConfigError
from hanota.radio.dongles import identify

if TYPE_CHECKING:
    from collections.abc import Sequence
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
    """Return the serial ports there are: known dongles first, ports without USB last."""
    ports = [_port(info) for info in serialx.list_serial_ports()]
    return tuple(sorted(ports, key=lambda port: (identify(port) is None, port.vid is None, port.path)))


def find_port(name: str, ports: Sequence[SerialPort]) -> SerialPort:
    """Return the one port whose serial number or product string holds `name`, or that has this path.

    Raise ConfigError where there is none, or more than one.
    """
    wanted = name.lower()
    exact = [port for port in ports if name in (port.path, port.device, port.serial_number)]
    alike = [port for port in ports if wanted in port.serial_number.lower() or wanted in port.product.lower()]
    return _only(exact or alike, f"{name!r}", ports)


def only_dongle(ports: Sequence[SerialPort]) -> SerialPort:
    """Return the one port that a known dongle is on, or else the one USB port; raise ConfigError."""
    usb = [port for port in ports if port.vid is not None]
    return _only([port for port in usb if identify(port) is not None] or usb, "a dongle", ports)


def _only(found: Sequence[SerialPort], what: str, ports: Sequence[SerialPort]) -> SerialPort:
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(
            f"{len(found)} serial ports may be {what}: {', '.join(port.path for port in found)}",
            hint="name one by its serial number, see `hanota radio list`",
        )
    there = ", ".join(port.path for port in ports) or "none"
    raise ConfigError(
        f"no serial port is {what} (there are: {there})",
        hint="plug the dongle in, and see `hanota radio list`; in a container the port must be passed in",
    )


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
