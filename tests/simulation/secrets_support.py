"""Every secret of a run, everything that was logged of it, and a search for the ones in the others."""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hanota.emulator.ezsp.coordinator import EzspCoordinator
from hanota.emulator.znp.coordinator import ZnpCoordinator
from hanota.emulator.znp.nvram import NvItem
from hanota.gbcs.reference_test_data import SUPPLIER
from hanota.zse.install_code import install_code_key
from tests.simulation.update_support import log_entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hanota.eui64 import Eui64
    from hanota.gbcs.crypto import PrivateKey
    from tests.radio_dongles import Dongle, Ncp
    from tests.simulation.update_support import UpdateBench

LOGGERS = ("bellows", "zigpy", "zigpy_znp", "serialx", "asyncio", "hanota")


class Written(logging.Handler):
    """What every record says and holds."""

    def __init__(self) -> None:
        super().__init__(1)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += [f"{record.name}: {self.format(record)}", repr((record.msg, record.args))]


@contextmanager
def everything_logged() -> Iterator[Written]:
    """Set every logger there is to its lowest level, as somebody may on purpose."""
    written, loggers = Written(), [logging.getLogger(name) for name in LOGGERS]
    before = [logger.level for logger in loggers]
    root = logging.getLogger()
    root.addHandler(written)
    for logger in loggers:
        logger.setLevel(1)
    try:
        yield written
    finally:
        root.removeHandler(written)
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def scalar(key: PrivateKey) -> bytes:
    return key.private_numbers().private_value.to_bytes(32, "big")


def keys_of(ncp: Ncp, devices: Sequence[Eui64]) -> dict[str, bytes]:
    """What the dongle has in its memory."""
    if isinstance(ncp, EzspCoordinator):
        network = ncp.nvram.network
        assert network is not None
        keys = {f"link key of {device} in the dongle": ncp.keys.key(device) for device in devices}
        keys["trust centre key"] = network.trust_centre_key
    else:
        keys = {f"link key of {device} in the dongle": ncp.security.key(device) for device in devices}
        keys["seed of link keys"] = ncp.nvram.items[NvItem.TCLK_SEED]
    return {name: key for name, key in keys.items() if key is not None}


def secrets_of(b: UpdateBench, dongle: Dongle) -> dict[str, bytes]:
    """Every key of the run, by what it is."""
    parties, ncp, devices = b.assembly.parties, b.bench.dongle, [planned.device for planned in b.plan.devices]
    assert isinstance(ncp, ZnpCoordinator | EzspCoordinator)
    found = {"network key": dongle.network(ncp).key} | keys_of(ncp, devices)
    found["supplier's signing key"] = scalar(parties.remote.signing_private_key(SUPPLIER))
    for credentials in (parties.hub, *parties.devices.values()):
        found[f"signing key of {credentials.eui64}"] = scalar(credentials.signing_key)
        found[f"agreement key of {credentials.eui64}"] = scalar(credentials.agreement_key)
    for eui64, site in parties.cbke.items():
        for suite, cbke in site.suites.items():
            found[f"private key of {eui64} for suite {suite}"] = cbke.private_key
    return found | joining_secrets(b)


def joining_secrets(b: UpdateBench) -> dict[str, bytes]:
    """Install codes and the keys made of them."""
    codes = {
        planned.device: log_entry(planned.device, planned.kind).install_code for planned in b.plan.devices
    }
    found = {f"install code of {device}": code for device, code in codes.items()}
    return found | {f"key of {device} to join with": install_code_key(code) for device, code in codes.items()}


def written_in(text: str, secrets: Mapping[str, bytes]) -> set[str]:
    """Which of the secrets are in `text`, in any formatting of octets and either order."""
    digits = re.sub(r"0x|\\+x|[\s:,\-]", "", text).lower()
    return {
        name
        for name, secret in secrets.items()
        for octets in (secret, secret[::-1])
        if octets.hex() in digits
        or str(list(octets))[1:-1] in text
        or octets.decode("latin-1") in text
        or repr(octets)[2:-1] in text
        or repr(octets)[2:-1].replace("\\", "\\\\") in text
    }
