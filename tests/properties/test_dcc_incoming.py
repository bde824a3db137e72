"""Whatever a device signs, the DCC takes it or refuses it, and goes on."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hanota.dcc.service_users import ServiceUser
from hanota.gbcs.crypto import sign
from hanota.gbcs.message import Cra, Message
from tests.hub_parties_support import (
    BROKER,
    HUB,
    NEIGHBOUR,
    OTHER_SUPPLIER,
    PPMID,
    SUPPLIER,
    activation_alert,
)
from tests.hub_support import lab, virtual
from tests.properties.test_gbcs_payloads import PAYLOADS

ADDRESSED = (ServiceUser(SUPPLIER.eui64, answer_url="http://supplier.example/answers"),)
KINDS = [kind for kind in PAYLOADS if kind[1] is not Cra.COMMAND]
CODES = (0x0012, 0x00CA, 0x00CE, 0x00CF, 0x0120, 0x0128, 0x0129, 0x012B, 0x1000, 0x7777)
meter_alerts = st.builds(
    lambda code, rest: b"\x0f" + bytes(5) + b"\x02\x03\x12" + code.to_bytes(2, "big") + rest,
    st.integers(0, 0xFFFF),
    st.binary(max_size=50),
)
said = st.sampled_from(KINDS).flatmap(
    lambda kind: st.tuples(st.just(kind[0]), st.just(kind[1]), PAYLOADS[kind][0].map(PAYLOADS[kind][1]))
) | st.tuples(
    st.sampled_from(CODES), st.sampled_from([Cra.ALERT, Cra.RESPONSE]), meter_alerts | st.binary(max_size=40)
)
recipients = st.sampled_from([SUPPLIER, BROKER, NEIGHBOUR])


# Each example has a bench of its own, a tenth of a second of it.
@settings(max_examples=15)
@given(st.lists(st.tuples(said, recipients, st.booleans()), min_size=1, max_size=10))
def test_whatever_is_signed_is_taken_or_refused(messages: list[Any]) -> None:
    @virtual
    async def run() -> None:
        async with lab(users=ADDRESSED) as made:
            await made.told_to_activate()
            for number, ((code, cra, payload), recipient, named) in enumerate(messages, 2):
                message = Message(
                    cra=cra,
                    originator_counter=number,
                    originator=PPMID.eui64,
                    recipient=recipient.eui64,
                    message_code=code,
                    supplementary_remote_party=OTHER_SUPPLIER.eui64 if named else None,
                    payload=payload,
                )
                of_hub = replace(message, originator=HUB.eui64)
                made.dcc.message_received(PPMID.eui64, sign(message, PPMID.signing_key).encode())
                made.dcc.message_received(HUB.eui64, sign(of_hub, HUB.signing_key).encode())
            await asyncio.sleep(1)
            heard = made.dcc_store.outgoing_count()
            made.dcc.message_received(PPMID.eui64, activation_alert(len(messages) + 9).encode())
            await asyncio.sleep(1)
            assert made.dcc_store.outgoing_count() == heard + 1

    run()
