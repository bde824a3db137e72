"""ZigBee dongles one can buy, recognised by what they say of themselves on USB.

Sources: the USB discovery entries of Home Assistant's zha and sky_connect integrations, NabuCasa's
silabs-firmware-builder, Koenkk's Z-Stack firmware. Vendor and product id alone tell nothing: 10C4:EA60 is a
CP2102N and 1A86:55D4 a CH9102F on boards of many makers.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hanota.radio.serial_ports import SerialPort


@dataclass(frozen=True, slots=True)
class KnownDongle:
    """One product."""

    name: str
    chip: str
    family: str
    """The radio library that drives the coordinator firmware it is sold or flashed with."""
    products: tuple[str, ...]
    """Patterns of its USB product string, in lower case."""
    ids: tuple[tuple[int, int], ...]
    """USB vendor and product ids; one of them and one of `products` make a match."""
    makers: tuple[str, ...] = ("*",)
    """Patterns of its USB manufacturer string, in lower case."""
    baudrate: int = 115200
    flow_control: str | None = None
    """As the radio URL has it: `hardware`, `software`; None where the firmware has none."""
    note: str = ""
    """What its owner should know."""


KNOWN_DONGLES: Final = (
    KnownDongle(
        name="Home Assistant Connect ZBT-2",
        chip="EFR32MG24",
        family="ezsp",
        products=("*zbt-2*",),
        ids=((0x303A, 0x4001), (0x303A, 0x831A)),
        baudrate=460800,
        note="first choice: 12 link keys",
    ),
    KnownDongle(
        name="Home Assistant Connect ZBT-1 (SkyConnect)",
        chip="EFR32MG21",
        family="ezsp",
        products=("*skyconnect*", "*zbt-1*"),
        ids=((0x10C4, 0xEA60),),
        flow_control="hardware",
    ),
    KnownDongle(
        name="Sonoff Dongle-E (Plus V2)",
        chip="EFR32MG21",
        family="ezsp",
        products=("*sonoff*plus*v2*", "*sonoff*dongle*e*"),
        ids=((0x1A86, 0x55D4), (0x10C4, 0xEA60)),
        flow_control="software",
        note="a second one with sniffer firmware shows the air",
    ),
    KnownDongle(
        name="Sonoff Dongle-P (Plus)",
        chip="CC2652P",
        family="znp",
        products=("*sonoff*plus*",),
        ids=((0x10C4, 0xEA60), (0x1A86, 0x7523)),
    ),
    KnownDongle(
        name="slae.sh CC2652RB",
        chip="CC2652RB",
        family="znp",
        products=("*slae.sh*cc2652*",),
        ids=((0x10C4, 0xEA60),),
    ),
    KnownDongle(
        name="zzh",
        chip="CC2652R",
        family="znp",
        products=("*zzh*", "*zig-a-zig-ah*"),
        ids=((0x1A86, 0x7523), (0x10C4, 0xEA60)),
    ),
    KnownDongle(
        name="TI CC2531",
        chip="CC2531",
        family="znp",
        products=("*cc2531*",),
        ids=((0x0451, 0x16A8),),
        note="8 kB of memory: a few devices and 4 frames in flight; sold as a sniffer too",
    ),
)
"""Dongles hanota drives; the first that matches counts."""

OTHER_DONGLES: Final = {
    (0x1CF1, 0x0030): "ConBee: neither Z-Stack nor EmberZNet, hanota does not drive it",
    (0x10C4, 0x8A2A): "HUSBZB-1: EmberZNet too old",
    (0x0451, 0x16AE): "CC2531 with sniffer firmware: flash a Z-Stack 3 coordinator",
}
"""Dongles known not to serve, by USB ids that are theirs alone."""


def identify(port: SerialPort) -> KnownDongle | None:
    """Return which dongle a port is, None where it says nothing that is known."""
    product, maker = port.product.lower(), port.manufacturer.lower()
    for dongle in KNOWN_DONGLES:
        if (
            (port.vid, port.pid) in dongle.ids
            and any(fnmatchcase(product, pattern) for pattern in dongle.products)
            and any(fnmatchcase(maker, pattern) for pattern in dongle.makers)
        ):
            return dongle
    return None


def unsuitable(port: SerialPort) -> str | None:
    """Return why a port's dongle does not serve, None where that is not known."""
    if port.vid is None or port.pid is None:
        return None
    return OTHER_DONGLES.get((port.vid, port.pid))
