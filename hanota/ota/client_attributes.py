"""The attribute values of our Upgrade Client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.ota.attributes import (
    NO_FILE_OFFSET,
    NO_FILE_VERSION,
    NO_SERVER,
    NO_STACK_VERSION,
    AttributeId,
)
from hanota.ota.client_events import VERIFIED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.ota.client_state import ClientState

_ZIGBEE_PRO = 0x0002
"""CurrentZigBeeStackVersion, the one in every OTA Header of the field."""


def attributes_of(client: ClientState) -> Mapping[AttributeId, int]:
    """Return what `client` answers to Read Attributes; ImageStamp it does not have."""
    identity, settings, image = client.identity, client.settings, client.downloading
    verified = client.image_upgrade_status in VERIFIED
    values = {
        AttributeId.UPGRADE_SERVER_ID: NO_SERVER,
        AttributeId.FILE_OFFSET: client.file_offset if image else NO_FILE_OFFSET,
        AttributeId.CURRENT_FILE_VERSION: identity.image.file_version,
        AttributeId.CURRENT_STACK_VERSION: _ZIGBEE_PRO,
        AttributeId.DOWNLOADED_FILE_VERSION: image.file_version if image and verified else NO_FILE_VERSION,
        AttributeId.DOWNLOADED_STACK_VERSION: _ZIGBEE_PRO if image and verified else NO_STACK_VERSION,
        AttributeId.IMAGE_UPGRADE_STATUS: client.image_upgrade_status,
        AttributeId.MANUFACTURER_ID: identity.image.manufacturer_code,
        AttributeId.IMAGE_TYPE_ID: identity.image.image_type,
        AttributeId.UPGRADE_ACTIVATION_POLICY: settings.upgrade_activation_policy,
        AttributeId.UPGRADE_TIMEOUT_POLICY: settings.upgrade_timeout_policy,
        AttributeId.CLUSTER_REVISION: settings.cluster_revision,
    }
    if client.minimum_block_period is not None:
        values[AttributeId.MINIMUM_BLOCK_PERIOD] = client.minimum_block_period
    return values
