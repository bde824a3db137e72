"""Which serial port a user means, and which is most likely a dongle's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.errors import ConfigError
from hanota.radio.dongles import identify

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hanota.radio.serial_ports import SerialPort


def likeliest_first(ports: Iterable[SerialPort]) -> tuple[SerialPort, ...]:
    """Return ports in order: known dongles first, ports without USB last, else by path."""
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
