"""Elements written for a document of ours: names, values and the octets in the end."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Final

from lxml import etree

from hanota.duis.document import SERVICE_USER_GATEWAY, qname

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from lxml.etree import _Element

    from hanota.eui64 import Eui64

SCHEMA_VERSION: Final = "5.4"
"""The DUIS schema version written into every document."""


def new_document(name: str) -> _Element:
    """Return the root element of a new document, `Request` or `Response`."""
    return etree.Element(
        qname(SERVICE_USER_GATEWAY, name),
        {"schemaVersion": SCHEMA_VERSION},
        nsmap={"sr": SERVICE_USER_GATEWAY},
    )


def add(parent: _Element, name: str, content: str | None = None) -> _Element:
    """Add an element; raise ValueError for characters that XML does not have."""
    element = etree.SubElement(parent, qname(SERVICE_USER_GATEWAY, name))
    element.text = content
    return element


def add_base64(parent: _Element, name: str, octets: bytes) -> None:
    """Add an xs:base64Binary."""
    add(parent, name, b64encode(octets).decode("ascii"))


def add_hexadecimal(parent: _Element, name: str, octets: bytes) -> None:
    """Add an xs:hexBinary."""
    add(parent, name, octets.hex().upper())


def add_device_ids(parent: _Element, name: str, devices: Iterable[Eui64]) -> None:
    """Add a DeviceIDList."""
    add(parent, name, ",".join(str(device) for device in devices))


def add_date_time(parent: _Element, name: str, when: datetime, timespec: str) -> None:
    """Add an xs:dateTime; `timespec` is that of datetime.isoformat."""
    add(parent, name, when.isoformat(timespec=timespec).replace("+00:00", "Z"))


def to_octets(root: _Element, *, pretty: bool = False) -> bytes:
    """Return a document in UTF-8 with an XML declaration.

    A document to be signed is written without white space between its elements: DCC Boxed's signing tool
    drops that white space before it computes the digest.
    """
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=pretty)
