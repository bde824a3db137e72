"""What either end demands of Initiate Key Establishment before it computes (SEP 07-5356-21, C.3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.zse.cbke import ImplicitCertificate, KeyEstablishmentError, KeyEstablishmentStatus, Suite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.eui64 import Eui64
    from hanota.zse.cbke import CbkeCredentials
    from hanota.zse.key_establishment.commands import InitiateKeyEstablishment


def admit(
    initiate: InitiateKeyEstablishment, suites: Mapping[Suite, CbkeCredentials], sender: Eui64 | None
) -> CbkeCredentials:
    """Return our credentials for the suite of `initiate`; `sender` None: its subject may be anybody.

    Raises KeyEstablishmentError, checked in this order: BAD_MESSAGE (not exactly one suite bit),
    UNSUPPORTED_SUITE, BAD_MESSAGE (length of the certificate), UNKNOWN_ISSUER, INVALID_CERTIFICATE (type,
    curve, hash, key usage), INVALID_CERTIFICATE (subject not the sender). Implementations differ on the last:
    some say BAD_MESSAGE; but the message is well formed and it is the certificate that is not the sender's.
    """
    if initiate.suite.bit_count() != 1:
        raise KeyEstablishmentError(
            f"KeyEstablishmentSuite {initiate.suite:#06x} is not exactly one suite",
            KeyEstablishmentStatus.BAD_MESSAGE,
        )
    credentials = next((each for suite, each in suites.items() if suite.bit == initiate.suite), None)
    if credentials is None:
        raise KeyEstablishmentError(
            f"KeyEstablishmentSuite {initiate.suite:#06x} is none of ours",
            KeyEstablishmentStatus.UNSUPPORTED_SUITE,
        )
    certificate = ImplicitCertificate.decode(
        credentials.suite, initiate.certificate, issuer=credentials.issuer
    )
    if sender is not None and certificate.subject != sender:
        raise KeyEstablishmentError(
            f"the certificate's subject is {certificate.subject}, its sender {sender}",
            KeyEstablishmentStatus.INVALID_CERTIFICATE,
        )
    return credentials
