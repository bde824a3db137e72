"""Documents held against a published XML schema, of whose imports one may be missing.

The DUIS schema imports the MMC schema, which is published apart and says what is inside a SMETS1 response;
no document that hanota reads or writes has one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lxml import etree

from hanota.duis.document import DocumentLimits, DuisError, parse_document
from hanota.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from lxml.etree import _Element

_XML_SCHEMA: Final = "{http://www.w3.org/2001/XMLSchema}"
_FAULT_LENGTH: Final = 300
"""Characters told of a fault, which may quote a whole Firmware Image."""


class Schema:
    """A schema read from a file; elements of a type from a missing import may hold anything."""

    def __init__(self, path: Path) -> None:
        """Raise ConfigError where the file is no XML schema."""
        try:
            tree = etree.parse(str(path), etree.XMLParser(resolve_entities=False, no_network=True))
            self.missing = tuple(_drop_missing_imports(tree.getroot(), path.parent))
            """The imported files that were not there."""
            self._schema = etree.XMLSchema(tree)
        except OSError:
            raise ConfigError(f"the schema {path} cannot be read", hint="check the file's name") from None
        except (etree.XMLSyntaxError, etree.XMLSchemaParseError) as error:
            raise ConfigError(f"{path} is not an XML schema: {error}") from error

    def check(self, document: bytes, limits: DocumentLimits | None = None) -> None:
        """Raise DuisError where a document is not valid, with the first fault."""
        root = parse_document(document, limits or DocumentLimits())
        try:
            self._schema.assertValid(root)
        except etree.DocumentInvalid as error:
            raise DuisError(f"not valid by the schema: {str(error)[:_FAULT_LENGTH]}") from error


def _drop_missing_imports(root: _Element, folder: Path) -> list[str]:
    missing = []
    for schema_import in root.findall(f"{_XML_SCHEMA}import"):
        location = schema_import.get("schemaLocation", "")
        if (folder / location).is_file():
            continue
        missing.append(location or schema_import.get("namespace", ""))
        root.remove(schema_import)
        for element in root.iter(f"{_XML_SCHEMA}element"):
            prefix, _, name = element.get("type", "").rpartition(":")
            if name and element.nsmap.get(prefix or None) == schema_import.get("namespace"):
                # An element without a type is of xs:anyType.
                del element.attrib["type"]
    return missing
