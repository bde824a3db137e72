"""The Key Establishment cluster 0x0800, both roles: link keys by certificates (SEP 07-5356-21, Annex C)."""

from hanota.zse.key_establishment.client import KeyEstablishmentClient
from hanota.zse.key_establishment.commands import KEY_ESTABLISHMENT_SUITE, suite_bits
from hanota.zse.key_establishment.events import (
    ClientEstablished,
    ClientEvent,
    ClientFailed,
    Failed,
    InstallKey,
    KeyEstablished,
    RemoveKey,
    ServerEvent,
)
from hanota.zse.key_establishment.server import KeyEstablishmentServer
from hanota.zse.key_establishment.settings import KeyEstablishmentSettings
from hanota.zse.key_establishment.work import Work, WorkDone

__all__ = [
    "KEY_ESTABLISHMENT_SUITE",
    "ClientEstablished",
    "ClientEvent",
    "ClientFailed",
    "Failed",
    "InstallKey",
    "KeyEstablished",
    "KeyEstablishmentClient",
    "KeyEstablishmentServer",
    "KeyEstablishmentSettings",
    "RemoveKey",
    "ServerEvent",
    "Work",
    "WorkDone",
    "suite_bits",
]
