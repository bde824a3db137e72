"""What the journal is told of a document that the gateway refuses: its sender's engineer reads it there."""

from __future__ import annotations

from tests.api.gateway_support import gateway
from tests.duis_support import ATTACKER, signed
from tests.hub_support import virtual


@virtual
async def test_a_signer_that_is_not_known_is_told_with_what_to_do_about_it() -> None:
    post = gateway()
    await post(signed(by=ATTACKER))
    [(code, words)] = post.dcc.refusals
    assert code == "E1"
    assert words.startswith("no certificate of issuer ")
    assert words.endswith("; add the signer's certificate to those known")
