"""The DCC's signature on every document it sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.duis.build_response import build_response
from hanota.duis.signature import sign_document

if TYPE_CHECKING:
    from hanota.duis.response import Response
    from hanota.gbcs.certificates import PartyCertificate
    from hanota.gbcs.crypto import PrivateKey


class DccSigner:
    """Turns responses into signed documents, with the DCC's key for XML signatures."""

    def __init__(self, key: PrivateKey, certificate: PartyCertificate) -> None:
        self._key, self._certificate = key, certificate

    @property
    def certificate(self) -> PartyCertificate:
        """What a service user verifies the documents with."""
        return self._certificate

    def sign(self, response: Response) -> bytes:
        """Return the signed document; raise LocalProtocolError for a response that cannot be one."""
        return sign_document(build_response(response), self._key, self._certificate)
