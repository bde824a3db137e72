"""What went wrong with TLS, in words: OpenSSL's own name the error and not what is to be done about it."""

from __future__ import annotations

import re
import ssl
from typing import Final

_PEER_IS_NOT_TRUSTED: Final = {
    9: "its certificate is not valid yet: compare the clocks",
    10: "its certificate has expired",
    18: "its certificate is signed by itself, and not known",
    19: "its certificate is of an authority that is not known",
    20: "its certificate is of an authority that is not known",
    21: "its certificate is of an authority that is not known",
    23: "its certificate was revoked",
    26: "its certificate is not for this purpose",
    62: "its certificate is for another host name",
    64: "its certificate is for another IP address",
}
"""By OpenSSL's verification error (X509_V_ERR_..., x509_vfy.h)."""
_PEER_ALERTS: Final = {
    "ACCESS_DENIED": "it does not let this certificate in",
    "BAD_CERTIFICATE": "it does not take the certificate: not valid yet, or damaged",
    "CERTIFICATE_EXPIRED": "it says that the certificate has expired",
    "CERTIFICATE_REQUIRED": "it asks for a certificate, and none was shown",
    "CERTIFICATE_REVOKED": "it says that the certificate was revoked",
    "CERTIFICATE_UNKNOWN": "it does not take the certificate",
    "HANDSHAKE_FAILURE": "it ended the handshake: it may ask for a certificate, or speak another TLS",
    "PROTOCOL_VERSION": "it speaks another version of TLS",
    "UNKNOWN_CA": "it does not know the authority of the certificate",
    "UNSUPPORTED_CERTIFICATE": "it does not take the certificate: it is for another purpose",
}
"""By the alert's name (RFC 8446, 6.2)."""
_OTHERS: Final = {
    "HTTP_REQUEST": "it speaks http, not https",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it shows no certificate",
    "UNSUPPORTED_PROTOCOL": "it speaks another version of TLS",
    "WRONG_VERSION_NUMBER": "it speaks no TLS: http, perhaps",
}
_ALERT: Final = re.compile(r"ALERT_(\w+)")


def tls_error(error: BaseException) -> ssl.SSLError | None:
    """Return the error of TLS that led to `error`, None where none did."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, ssl.SSLError):
        found = found.__cause__ or found.__context__
    return found


def alert_of(error: BaseException) -> str | None:
    """Return the name of the alert with which the peer turned us away, None where it did not."""
    fault = tls_error(error)
    alert = None if fault is None else _ALERT.search(fault.reason or "")
    return None if alert is None else alert[1]


def tls_words(error: BaseException) -> str | None:
    """Return what TLS found wrong about the peer, "it"; None where TLS was not at fault."""
    fault = tls_error(error)
    if fault is None:
        return None
    if isinstance(fault, ssl.SSLCertVerificationError):
        known = _PEER_IS_NOT_TRUSTED.get(fault.verify_code)
        return known or f"its certificate is not accepted: {fault.verify_message}"
    alert = alert_of(fault)
    if alert is not None:
        return _PEER_ALERTS.get(alert, f"it ended the handshake: {alert.lower().replace('_', ' ')}")
    return _OTHERS.get(fault.reason or "")
