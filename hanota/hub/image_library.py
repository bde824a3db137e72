"""The image library: what Upgrade Images there are, each stored once by its content.

An image that is retired is given to no new job. Its octets stay as long as an open job needs them and are
freed then; what is known of it stays, since ended jobs name it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from hanota.errors import LocalProtocolError, RemoteProtocolError, VerificationError
from hanota.hub.events import EventKind, Party
from hanota.hub.jobs import JobKind
from hanota.hub.library_image import LibraryImage, SignatureState
from hanota.ota.image import ImageLimits, ImageShape, parse_image
from hanota.ota.signature import verify_supplier_signature

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    from hanota.clock import Clock
    from hanota.hub.journal import Journal
    from hanota.hub.ports import Store
    from hanota.ota.image import OtaFile

IMAGE_SHAPE: Final = {JobKind.PPMID: ImageShape.PPMID, JobKind.HCALCS: ImageShape.SIGNED}
"""GBCS 11.2: what follows the OTA Header in the image of each kind of device."""


@dataclass(frozen=True, slots=True)
class ImageLibrarySettings:
    """How much the library holds."""

    image_octets: int = ImageLimits().total_image_size
    """Of one image: the maxLength of DUIS. What networks operate with is 750 KB."""
    library_octets: int = 256 * 1024 * 1024
    """Of all images that are not retired."""


class ImageLibrary:
    """The images of one store."""

    def __init__(
        self, store: Store, journal: Journal, clock: Clock, settings: ImageLibrarySettings | None = None
    ) -> None:
        self._store, self._journal, self._clock = store, journal, clock
        self._settings = settings or ImageLibrarySettings()

    def images(self, *, retired: bool = False) -> Sequence[LibraryImage]:
        """Return the images that new jobs may use, oldest first, and with `retired` all that ever were."""
        return [image for image in self._store.library_images() if retired or image.retired is None]

    def find(self, digest: bytes) -> LibraryImage:
        """Return the image whose digest begins with `digest`; raise LocalProtocolError unless it is one."""
        found = [image for image in self.images(retired=True) if image.digest.startswith(digest)]
        if len(found) != 1:
            raise LocalProtocolError(
                f"{len(found)} images in the library have a digest that begins with {digest.hex()}",
                hint="see `hanota image list`; a digest may be cut where it is still the only one",
            )
        return found[0]

    def file(self, digest: bytes) -> OtaFile:
        """Return an image for a new job; raise LocalProtocolError where it is unknown or retired."""
        image = self.find(digest)
        if image.retired is not None:
            raise LocalProtocolError(f"image {image.image_id} was retired", hint="add it again")
        return parse_image(self._store.image(image.digest), IMAGE_SHAPE[image.kind], self._limits())

    def parse(self, data: bytes, kind: JobKind) -> OtaFile:
        """Return an image of the shape for `kind`; raise RemoteProtocolError for another or too large one."""
        limit = self._settings.image_octets
        if len(data) > limit:
            raise RemoteProtocolError(
                f"oversized image: {len(data)} octets, the limit is {limit}",
                hint="raise ImageLibrarySettings.image_octets if devices have the room",
            )
        return parse_image(data, IMAGE_SHAPE[kind], self._limits())

    def add(
        self, data: bytes, kind: JobKind, supplier_key: EllipticCurvePublicKey | None = None
    ) -> LibraryImage:
        """Verify an image and add it; one that is there already stays, one that was retired is back.

        Raise RemoteProtocolError for an image of another shape, VerificationError for a signature that is not
        of `supplier_key`, LocalProtocolError where the library is full.
        """
        file = self.parse(data, kind)
        signature = _signature(file, supplier_key)
        with self._journal.transaction():
            image = self.keep(file, kind, signature)
            self._tell(EventKind.IMAGE_ADDED, image, signature=str(image.signature))
        return image

    def keep(
        self, file: OtaFile, kind: JobKind, signature: SignatureState = SignatureState.NOT_CHECKED
    ) -> LibraryImage:
        """Store an image that was parsed; raise LocalProtocolError where the library is full."""
        known = {image.digest: image for image in self._store.library_images()}
        with self._journal.transaction():
            digest = self._store.put_image(file.data)
            former = known.get(digest)
            if former is not None and former.retired is None:
                if signature is not SignatureState.VERIFIED or former.signature is signature:
                    return former
                image = replace(former, signature=signature)
            else:
                image = LibraryImage(
                    digest,
                    kind,
                    file.header.image_id,
                    file.header.hardware_versions,
                    file.manufacturer_image_hash,
                    len(file.data),
                    SignatureState.NONE if file.supplier_signature is None else signature,
                    self._clock.now(),
                )
                held = sum(other.octets for other in known.values() if other.retired is None)
                if held + image.octets > self._settings.library_octets:
                    raise LocalProtocolError(
                        f"the library holds {held} octets and {image.octets} more do not fit",
                        hint="retire an image, or raise ImageLibrarySettings.library_octets",
                    )
            self._store.put_library_image(image)
        return image

    def verify(self, digest: bytes, supplier_key: EllipticCurvePublicKey | None = None) -> LibraryImage:
        """Verify a stored image again, octets, shape and signature.

        Raise StoreError where its octets were altered or freed, VerificationError for a signature that is not
        of `supplier_key`.
        """
        image = self.find(digest)
        signature = _signature(self.parse(self._store.image(image.digest), image.kind), supplier_key)
        if signature is SignatureState.VERIFIED and image.signature is not signature:
            image = replace(image, signature=signature)
            self._store.put_library_image(image)
        return image

    def retire(self, digest: bytes, *, force: bool = False) -> LibraryImage:
        """Give an image to no new job; one that open jobs use only with `force`, and they keep it.

        Raise LocalProtocolError where it is in use, or retired already.
        """
        image = self.find(digest)
        if image.retired is not None:
            raise LocalProtocolError(f"image {image.image_id} was retired already")
        using = self._open_jobs(image.digest)
        if using and not force:
            raise LocalProtocolError(
                f"image {image.image_id} is used by {using} open jobs",
                hint="wait for them, cancel them, or force it: they keep the octets until they end",
            )
        with self._journal.transaction():
            image = replace(image, retired=self._clock.now())
            self._store.put_library_image(image)
            self._tell(EventKind.IMAGE_RETIRED, image)
            if not using:
                self._store.free_image(image.digest)
        return image

    def job_ended(self, digest: bytes) -> None:
        """Free the octets of a retired image with the last job that used it."""
        retired = any(
            image.digest == digest and image.retired is not None for image in self._store.library_images()
        )
        if retired and not self._open_jobs(digest):
            self._store.free_image(digest)

    def _open_jobs(self, digest: bytes) -> int:
        return sum(job.image == digest and not job.state.is_end for job in self._store.jobs())

    def _limits(self) -> ImageLimits:
        return ImageLimits(total_image_size=self._settings.image_octets)

    def _tell(self, kind: EventKind, image: LibraryImage, **detail: str) -> None:
        self._journal.record(
            kind,
            Party.HUB,
            Party.HUB,
            detail={
                "digest": image.digest.hex(),
                "image": str(image.image_id),
                "octets": image.octets,
                **detail,
            },
        )


def _signature(file: OtaFile, supplier_key: EllipticCurvePublicKey | None) -> SignatureState:
    """Say what is known of the signature; raise VerificationError where it is not of `supplier_key`."""
    if file.supplier_signature is None:
        if supplier_key is not None:
            raise VerificationError(f"a {file.shape.value} image carries no supplier signature")
        return SignatureState.NONE
    if supplier_key is None:
        return SignatureState.NOT_CHECKED
    verify_supplier_signature(file, supplier_key)
    return SignatureState.VERIFIED
