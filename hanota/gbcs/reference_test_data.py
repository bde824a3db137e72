"""Identities and keys of the DCC's published Reference Test Data Set (RTDS), so that its documents fit."""

from __future__ import annotations

from typing import Final

from hanota.eui64 import Eui64

SUPPLIER: Final = Eui64.parse("90-B3-D5-1F-30-01-00-00")
BROKER: Final = Eui64.parse("90-B3-D5-1F-30-00-00-02")
"""The access control broker."""
HUB: Final = Eui64.parse("00-DB-12-34-56-78-90-A2")
"""The Communications Hub Function; an emulated dongle has its EUI-64."""
PPMID: Final = Eui64.parse("00-DB-12-34-56-78-90-A4")
HCALCS: Final = Eui64.parse("00-DB-12-34-56-78-90-A5")

SUPPLIER_SIGNING_KEY: Final = bytes.fromhex(
    "0230c2ab5a0d131726ffbda80e79294cc37534432a3e424405b97a3aba0ffc79dc"
)
"""Digital Signing public key of the test supplier (RTDS 4.5.0), compressed point.

It signed the image inside the DCC's sample of SR 11.1; with it that sample verifies as it stands.
"""
