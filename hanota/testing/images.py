"""Images for the devices of a rig: the makers' own, or made ones for devices that take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from hanota.conformance.errors import NotApplicableError
from hanota.conformance.images import MAXIMUM_FILE, GivenImages, MadeImages
from hanota.conformance.version import running_version
from hanota.demo.plan import MANUFACTURER
from hanota.errors import ConfigError, RemoteProtocolError
from hanota.hub.image_library import IMAGE_SHAPE
from hanota.hub.jobs import JobKind
from hanota.ota.image import IMAGE_TYPE_HCALCS, IMAGE_TYPE_PPMID, parse_image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hanota.conformance.images import Images
    from hanota.conformance.rig import Rig, RigDevice
    from hanota.ota.image import OtaFile

SIZE: Final = 6000
"""Octets of a Manufacturer Image that is made: some seconds of a download."""
_IMAGE_TYPES: Final = {JobKind.PPMID: IMAGE_TYPE_PPMID, JobKind.HCALCS: IMAGE_TYPE_HCALCS}
_TELLS: Final = 660.0
"""Seconds for a device to tell its version, as long as the DCC waits for a response."""


class DeviceImages:
    """Gives a test an image for a device."""

    def __init__(self, rig: Rig, files: Sequence[Path], *, made: bool) -> None:
        """`made`: the devices take images of random octets."""
        self._rig, self._files, self._made = rig, files, made

    async def newer(self, device: RigDevice, *, size: int = SIZE) -> OtaFile:
        """Return an image of a higher version than the device runs; skip the test where there is none.

        `size` is of a made Manufacturer Image. Raise ConfigError for a file that is no image.
        """
        running = await running_version(self._rig, device, _TELLS)
        if running is None:
            pytest.fail(f"{device.name} tells no version, neither by CurrentFileVersion nor by CS08")
        try:
            return self._source(device, size).above(running)
        except NotApplicableError as error:
            pytest.skip(str(error) if error.hint is None else f"{error}: {error.hint}")

    def _source(self, device: RigDevice, size: int) -> Images:
        if self._files:
            return GivenImages([file for path in self._files if (file := _read(path, device.kind))])
        if not self._made:
            pytest.skip("needs an image: --image FILE")
        return MadeImages(
            kind=device.kind,
            manufacturer_code=MANUFACTURER,
            image_type=_IMAGE_TYPES[device.kind],
            key=self._rig.supplier_key,
            size=size,
            seed=self._rig.options.seed,
        )


def _read(path: Path, kind: JobKind) -> OtaFile | None:
    """Return an image for devices of a kind, None where it is for others."""
    try:
        with path.open("rb") as file:
            parsed = parse_image(file.read(MAXIMUM_FILE + 1), IMAGE_SHAPE[kind])
    except OSError as error:
        raise ConfigError(f"image {path}: {error.strerror or error}") from None
    except RemoteProtocolError:
        return None
    return parsed if parsed.header.image_type == _IMAGE_TYPES[kind] else None
