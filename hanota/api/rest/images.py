"""REST: the image library."""

from hashlib import sha256
from http import HTTPStatus
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel
from starlette.requests import Request

from hanota.api.access import Role
from hanota.api.errors import NotFoundError
from hanota.api.rest.fields import DigestField
from hanota.api.rest.routes import CallerOf, Routes
from hanota.api.rest.views import ImageView
from hanota.errors import LocalProtocolError
from hanota.hub.jobs import JobKind
from hanota.hub.library_image import LibraryImage

TAG = "images"
OCTETS = "application/octet-stream"


class ImageList(BaseModel):
    """Images of the library, oldest first."""

    images: list[ImageView]


def add(routes: Routes) -> None:
    """Add the operations."""
    library, most = routes.context.hub.library, routes.context.settings.images

    def find(digest: bytes) -> LibraryImage:
        try:
            return library.find(digest)
        except LocalProtocolError as error:
            raise NotFoundError(str(error), hint="GET /api/v1/images lists them") from None

    @routes.get("/images", TAG)
    async def list_images(*, retired: bool = False) -> ImageList:
        """List the images that new jobs may use, and with `retired` all that ever were."""
        return ImageList(images=[ImageView.of(image) for image in library.images(retired=retired)])

    @routes.post(
        "/images",
        TAG,
        Role.OPERATOR,
        size=routes.context.settings.image_octets,
        status_code=HTTPStatus.CREATED,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}},
            }
        },
    )
    async def add_image(
        request: Request,
        caller: CallerOf,
        kind: Annotated[JobKind, Query(description="For which devices; it decides the image's shape.")],
    ) -> ImageView:
        """Add an Upgrade Image; one that is there already stays, one that was retired is back."""
        data = await request.body()

        def effect() -> LibraryImage:
            known = library.images(retired=True)
            if len(known) >= most and sha256(data).digest() not in {image.digest for image in known}:
                raise LocalProtocolError(
                    f"the library has {len(known)} images, retired ones included",
                    hint="raise api.images, or wait until retired ones are pruned",
                )
            return library.add(data, kind)

        image = caller.have_done(
            f"{kind} image of {len(data)} octets",
            effect,
            lambda image: f"done: {image.digest.hex()}",
        )
        return ImageView.of(image)

    @routes.get("/images/{digest}", TAG)
    async def get_image(digest: DigestField) -> ImageView:
        """Tell of one image."""
        return ImageView.of(find(digest))

    @routes.post("/images/{digest}/retire", TAG, Role.ACTIVATOR, size=0)
    async def retire_image(
        digest: DigestField,
        caller: CallerOf,
        *,
        force: Annotated[bool, Query(description="Also one that open jobs use; they keep it.")] = False,
    ) -> ImageView:
        """Give an image to no new job."""
        image = find(digest)
        retired = caller.have_done(image.digest.hex(), lambda: library.retire(image.digest, force=force))
        return ImageView.of(retired)
