"""EmberZNet coordinators (EZSP v8 and later) through bellows, and what bellows lacks or breaks."""

from __future__ import annotations

from typing import Final

OLDEST_VERSION: Final = 8
"""EmberZNet 6.7: frame ids of two octets, and a trust centre policy for devices with install codes alone."""
SECURITY_MANAGER_VERSION: Final = 13
"""EmberZNet 7.4: keys are read and written through the security manager's frames alone."""
REORDERED_VERSION: Final = 14
"""EmberZNet 8.0: statuses of 4 octets, and messageSentHandler and incomingMessageHandler in another order."""
BUSY_STATUSES: Final = frozenset({0x0C03, 0x0019, 0x001A, 0x0004})
"""sl_Status of no room just now: MAX_MESSAGE_LIMIT_REACHED, ALLOCATION_FAILED, NO_MORE_RESOURCE, BUSY."""
