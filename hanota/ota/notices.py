"""Whether devices are told of an image one by one, or by one broadcast Image Notify.

A unicast Image Notify makes its device ask whatever it says. A broadcast one is a lottery: each device draws
1 to 100 and asks if that is not above the query jitter, so that not all of them ask at once; those that did
not win are told again with the next one. A broadcast does not reach a sleeping device.
"""

from __future__ import annotations

from collections import Counter
from math import ceil
from typing import TYPE_CHECKING, Final

from hanota.ota.commands import ImageNotify

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hanota.ota.fields import ImageId
    from hanota.ota.settings import OtaServerSettings

_ALL: Final = 100
"""The query jitter with which every device asks."""


def image_notify(image: ImageId, payload_type: int, query_jitter: int) -> ImageNotify:
    """Return the Image Notify of `image` that says as much as `payload_type` (0 to 3) stands for."""
    fields = (image.manufacturer_code, image.image_type, image.file_version)[:payload_type]
    return ImageNotify(query_jitter, *fields)


def broadcasts(waiting: Iterable[ImageId], settings: OtaServerSettings) -> dict[ImageId, ImageNotify]:
    """Return the images for which one broadcast is better than a unicast to each device that waits.

    Its jitter lets about `settings.broadcast_queries` of the devices ask at once.
    """
    if settings.broadcast_devices == 0:
        return {}
    return {
        image: image_notify(
            image,
            settings.notify_payload_type,
            min(_ALL, ceil(_ALL * settings.broadcast_queries / count)),
        )
        for image, count in Counter(waiting).items()
        if count >= settings.broadcast_devices
    }
