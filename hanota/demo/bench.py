"""The emulated bench: an air, a dongle on a serial line, and the devices of the plan."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from hanota.emulator.air import Air
from hanota.emulator.devices import DeviceIdentity, FirmwareDevice, Hcalcs, Ppmid
from hanota.emulator.znp.coordinator import ZnpCoordinator
from hanota.hub.jobs import JobKind
from hanota.hub.ports import DeviceType

if TYPE_CHECKING:
    from hanota.clock import Clock
    from hanota.demo.parties import Parties
    from hanota.demo.plan import Plan
    from hanota.emulator.airtime import AirSettings
    from hanota.emulator.line import LineSettings
    from hanota.eui64 import Eui64

DEVICE_CLASSES: Final[dict[JobKind, type[FirmwareDevice]]] = {JobKind.PPMID: Ppmid, JobKind.HCALCS: Hcalcs}
DEVICE_TYPES: Final = {JobKind.PPMID: DeviceType.PPMID, JobKind.HCALCS: DeviceType.HCALCS}


@dataclass(frozen=True, slots=True)
class Bench:
    """What stands on the bench in place of metal."""

    air: Air
    dongle: ZnpCoordinator
    devices: dict[Eui64, FirmwareDevice]

    def switch_off(self) -> None:
        """Cut the power of everything."""
        for device in self.devices.values():
            device.power_off()
        self.dongle.stop()


def make_bench(
    plan: Plan,
    parties: Parties,
    clock: Clock,
    seed: int,
    *,
    line: LineSettings | None = None,
    air: AirSettings | None = None,
) -> Bench:
    """Set up dongle and devices, nothing joined yet."""
    medium = Air(seed=seed, settings=air)
    dongle = ZnpCoordinator(medium, eui64=parties.hub.eui64, line=line, seed=seed)
    devices = {
        planned.device: DEVICE_CLASSES[planned.kind](
            DeviceIdentity(
                credentials=parties.devices[planned.device],
                install_code=install_code(planned.device),
                image=planned.running,
                hardware_version=planned.hardware_version,
                model=f"emulated {planned.kind}",
            ),
            parties.trust,
            clock,
        )
        for planned in plan.devices
    }
    return Bench(medium, dongle, devices)


def install_code(device: Eui64) -> bytes:
    """Return the install code of an emulated device: 16 octets, without CRC, the same every time."""
    return sha256(b"hanota install code" + device).digest()[:16]
