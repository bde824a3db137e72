"""EmberZNet coordinators (EZSP v13 and later) through bellows, and what bellows lacks or breaks."""

from __future__ import annotations

from typing import Final

OLDEST_VERSION: Final = 13
"""EmberZNet 7.4, whose key commands this host uses."""
REORDERED_VERSION: Final = 14
"""EmberZNet 8.0: statuses of 4 octets, and messageSentHandler and incomingMessageHandler in another order."""
