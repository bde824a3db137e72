"""Certificate-based key establishment: the cryptography and the files that hold its credentials."""

from hanota.zse.cbke.certificate import ImplicitCertificate, KeyUsage, public_key
from hanota.zse.cbke.credentials import CbkeCredentials, SiteCredentials
from hanota.zse.cbke.credentials_file import (
    read_authorities,
    read_credentials,
    write_authorities,
    write_credentials,
)
from hanota.zse.cbke.group import arithmetic, why_not_accelerated
from hanota.zse.cbke.handshake import EphemeralKey, Role, SessionKeys, ephemeral_key, establish
from hanota.zse.cbke.lab_ca import LabCertificateAuthority, lab_authorities, lab_credentials
from hanota.zse.cbke.status import KeyEstablishmentError, KeyEstablishmentStatus
from hanota.zse.cbke.suites import Suite

__all__ = [
    "CbkeCredentials",
    "EphemeralKey",
    "ImplicitCertificate",
    "KeyEstablishmentError",
    "KeyEstablishmentStatus",
    "KeyUsage",
    "LabCertificateAuthority",
    "Role",
    "SessionKeys",
    "SiteCredentials",
    "Suite",
    "arithmetic",
    "ephemeral_key",
    "establish",
    "lab_authorities",
    "lab_credentials",
    "public_key",
    "read_authorities",
    "read_credentials",
    "why_not_accelerated",
    "write_authorities",
    "write_credentials",
]
