"""XML from a stranger, read by lxml with nothing left to expand, fetch or fill memory with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lxml import etree

from hanota.errors import RemoteProtocolError

if TYPE_CHECKING:
    from lxml.etree import _Element

SERVICE_USER_GATEWAY: Final = "http://www.dccinterface.co.uk/ServiceUserGateway"
"""Namespace of every DUIS element, written `sr:` by custom."""
XML_SIGNATURE: Final = "http://www.w3.org/2000/09/xmldsig#"
"""Namespace of XMLDSig, written `ds:` by custom."""

_PREFIXES: Final = {SERVICE_USER_GATEWAY: "sr", XML_SIGNATURE: "ds"}
_DOCUMENTS: Final = ("Request", "Response")
_WHITESPACE: Final = " \t\r\n"
_SCHEMA_VERSION: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")


class DuisError(RemoteProtocolError):
    """A document broke the DUIS schema or one of the limits set for it."""


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """How large a DUIS document may be; what is larger is refused before it costs memory."""

    document_size: int = 16 * 1024 * 1024
    """Octets. The schema's largest Firmware Image (13,653,336 octets in base64) and Device ID List fit."""
    markup: int = 4096
    """`<` and `=` characters: every element and every attribute has one, so this bounds the tree.
    A signed request has about 100."""
    depth: int = 32
    """Elements inside one another. The deepest document here, a DCC alert with a firmware transfer alert, has
    7; canonicalisation recurses."""
    firmware_image_size: int = 10_240_000
    """Octets: maxLength of FirmwareImage in the schema."""
    device_ids: int = 50_000
    """EUIs: maxLength 1,199,999 characters of DeviceIDList in the schema, 24 to an EUI."""


def parse_document(document: bytes, limits: DocumentLimits) -> _Element:
    """Return the root element of a UTF-8 document; raise DuisError.

    A document type declaration is refused, since entities are declared nowhere else. `huge_tree` lifts
    libxml2's limit of 10 million octets a text node, which a Firmware Image may pass; the limits given here
    stand in its place.
    """
    if len(document) > limits.document_size:
        raise DuisError(f"the document has {len(document)} octets, more than {limits.document_size}")
    if b"<!DOCTYPE" in document:
        raise DuisError("a document type declaration is not allowed in a DUIS document")
    if document.count(b"<") + document.count(b"=") > limits.markup:
        raise DuisError(f"the document has more than {limits.markup} tags and attributes")
    try:
        root = etree.fromstring(document, hardened_parser())
    except etree.XMLSyntaxError as error:
        raise DuisError(f"not an XML document in UTF-8: {error.msg}") from error
    # Part of the canonical form, unlike comments: one passed over could be added to what was signed.
    beside = (*root.itersiblings(preceding=True), *root.itersiblings())
    if beside or next(root.iter(etree.ProcessingInstruction), None) is not None:
        raise DuisError("a processing instruction is not allowed in a DUIS document")
    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > limits.depth:
            raise DuisError(f"the document has more than {limits.depth} elements inside one another")
    return root


def hardened_parser() -> etree.XMLParser:
    """Return a parser that expands and fetches nothing; `parse_document` sets its limits.

    The encoding is forced: in any other one `<!DOCTYPE` could hide from the search for it.
    """
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        huge_tree=True,
        remove_comments=True,
    )


def document_name(root: _Element) -> str:
    """Return `Request` or `Response`; raise DuisError where the document is neither."""
    if root.tag not in {qname(SERVICE_USER_GATEWAY, document) for document in _DOCUMENTS}:
        raise DuisError(
            f"expected {' or '.join(f'sr:{document}' for document in _DOCUMENTS)} in namespace "
            f"{SERVICE_USER_GATEWAY}, got {describe(root)}"
        )
    return etree.QName(root).localname


def check_root(root: _Element, name: str) -> None:
    """Raise DuisError unless the document is a `Request` or a `Response`, as `name` says."""
    if root.tag != qname(SERVICE_USER_GATEWAY, name):
        raise DuisError(f"expected sr:{name} in namespace {SERVICE_USER_GATEWAY}, got {describe(root)}")
    if not _SCHEMA_VERSION.fullmatch(root.get("schemaVersion") or ""):
        raise DuisError(f"{name}: expected attribute schemaVersion, such as 5.4")


def text(element: _Element) -> str:
    """Return the text of an element that holds only text, whitespace kept; raise DuisError."""
    if len(element):
        raise DuisError(f"{path(element)}: expected text, got an element")
    return element.text or ""


def token(element: _Element) -> str:
    """Return the text of an element whose type collapses whitespace; raise DuisError."""
    return text(element).strip(_WHITESPACE)


def path(element: _Element) -> str:
    """Return where an element stands, such as `Request/Header/RequestID`."""
    names = [etree.QName(element).localname]
    names += [etree.QName(ancestor).localname for ancestor in element.iterancestors()]
    return "/".join(reversed(names))


def qname(namespace: str, name: str) -> str:
    """Return a name as lxml writes it, `{namespace}name`."""
    return f"{{{namespace}}}{name}"


class ElementSequence:
    """The children of an element (an xs:sequence), taken in order; what is out of order is a DuisError."""

    def __init__(self, parent: _Element) -> None:
        self._parent = parent
        self._children = list(parent)
        self._next = 0
        for piece in (parent.text, *(child.tail for child in self._children)):
            if piece and piece.strip(_WHITESPACE):
                raise DuisError(f"{path(parent)}: expected elements only, got text")

    def optional(self, name: str, namespace: str = SERVICE_USER_GATEWAY) -> _Element | None:
        """Take the next child if it has this name."""
        if self._next < len(self._children) and self._children[self._next].tag == qname(namespace, name):
            self._next += 1
            return self._children[self._next - 1]
        return None

    def required(self, name: str, namespace: str = SERVICE_USER_GATEWAY) -> _Element:
        """Take the next child; raise DuisError unless it has this name."""
        child = self.optional(name, namespace)
        if child is None:
            raise DuisError(
                f"{path(self._parent)}: expected {_PREFIXES[namespace]}:{name}, got {self._following()}"
            )
        return child

    def end(self) -> None:
        """Raise DuisError unless all children were taken."""
        if self._next < len(self._children):
            raise DuisError(f"{path(self._parent)}: expected no further element, got {self._following()}")

    def _following(self) -> str:
        if self._next == len(self._children):
            return "nothing"
        return describe(self._children[self._next])


def describe(element: _Element) -> str:
    """Return an element's name with its usual prefix, or in full where its namespace is a strange one."""
    name = etree.QName(element)
    prefix = _PREFIXES.get(name.namespace or "")
    return f"{prefix}:{name.localname}" if prefix else f"{name.text} (namespace {name.namespace or 'none'})"
