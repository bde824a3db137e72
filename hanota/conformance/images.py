"""The images that cases bring to a device: the maker's own, or made ones that an emulated device takes."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from hanota.conformance.errors import NotApplicableError
from hanota.emulator.devices.seal import sealed
from hanota.errors import ConfigError, RemoteProtocolError
from hanota.hub.image_library import IMAGE_SHAPE
from hanota.hub.jobs import JobKind
from hanota.ota.build import build_ppmid_image, build_signed_image
from hanota.ota.header import HardwareVersions, OtaHeader
from hanota.ota.image import parse_image
from hanota.ota.signature import supplier_signer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hanota.gbcs.crypto import PrivateKey
    from hanota.ota.image import OtaFile

MAXIMUM_FILE: Final = 10_240_000
"""Octets read of an image: the DUIS schema's limit of one."""
_ANY_HARDWARE: Final = HardwareVersions(0x0000, 0xFFFE)


class Images(Protocol):
    """Where a case gets its image from."""

    def above(self, version: int) -> OtaFile:
        """Return an image of a higher version; raise NotApplicableError where there is none."""
        ...


@dataclass
class MadeImages:
    """Images of random octets, each of a version of its own; only an emulated device takes them."""

    kind: JobKind
    manufacturer_code: int
    image_type: int
    key: PrivateKey
    """The supplier's."""
    size: int
    """Octets of a Manufacturer Image."""
    seed: int
    _highest: int = 0

    def above(self, version: int) -> OtaFile:
        """Return an image of a version that was not there before."""
        self._highest = max(self._highest, version) + 1
        header = OtaHeader(
            manufacturer_code=self.manufacturer_code,
            image_type=self.image_type,
            file_version=self._highest,
            header_string=b"hanota conformance".ljust(32, b"\0"),
            hardware_versions=_ANY_HARDWARE,
        )
        drawn = random.Random(f"{self.seed} {self.kind} {self._highest}")  # noqa: S311  # nobody runs it
        octets = sealed(drawn.randbytes(self.size))
        if self.kind is JobKind.PPMID:
            return build_ppmid_image(header, octets)
        return build_signed_image(header, octets, supplier_signer(self.key))


class GivenImages:
    """The maker's images; each version is run through once, the lowest first."""

    def __init__(self, files: Sequence[OtaFile]) -> None:
        self._files = sorted(files, key=lambda file: file.header.file_version)

    def above(self, version: int) -> OtaFile:
        """Return the lowest image above `version`; raise NotApplicableError where there is none left."""
        for file in self._files:
            if file.header.file_version > version:
                return file
        raise NotApplicableError(
            f"no image has a version above {version:08X}, which the device runs",
            hint="give another --image: the same firmware, built with a higher File Version",
        )


def read_images(paths: Sequence[Path], kind: JobKind) -> GivenImages:
    """Read the maker's images; raise ConfigError that names file and fault."""
    files = []
    for path in paths:
        try:
            with path.open("rb") as opened:
                data = opened.read(MAXIMUM_FILE + 1)
            files.append(parse_image(data, IMAGE_SHAPE[kind]))
        except OSError as error:
            raise ConfigError(f"image {path}: {error.strerror or error}") from None
        except RemoteProtocolError as error:
            raise ConfigError(f"image {path}: {error}", hint=error.hint) from None
    return GivenImages(files)
