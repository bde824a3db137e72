"""The HAN side: a ZigBee coordinator through zigpy and its radio libraries, and what they leave undone."""

from hanota.radio.coordinator import Coordinator
from hanota.radio.settings import LinkSecurity, NetworkSettings, RadioSettings
from hanota.radio.url import RadioUrl

__all__ = ["Coordinator", "LinkSecurity", "NetworkSettings", "RadioSettings", "RadioUrl"]
