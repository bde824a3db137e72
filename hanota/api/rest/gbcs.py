"""REST: GBCS messages by their fields, for who wants to look into an event."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from hanota.api.access import Role
from hanota.api.rest.fields import EuiField, HexField
from hanota.api.rest.routes import Routes
from hanota.gbcs.message import Message
from hanota.gbcs.usecases import USE_CASES, decode_payload, payload_to_json, use_case_name

TAG = "gbcs"


class GbcsOctets(BaseModel):
    """One GBCS message."""

    model_config = ConfigDict(extra="forbid")

    octets: HexField


class GbcsView(BaseModel):
    """What a message says. Nothing is verified here: the events say what was."""

    use_case: str
    title: str | None
    message_code: str
    cra: str = Field(description="command, response or alert")
    originator: EuiField
    recipient: EuiField
    originator_counter: int
    payload: Any = Field(description="By its ASN.1 names; hex where hanota has no layout for it.")
    signed: bool
    has_mac: bool


def add(routes: Routes) -> None:
    """Add the operation."""

    @routes.post("/gbcs/decode", TAG, Role.OBSERVER, audited=False)
    async def decode_gbcs(given: GbcsOctets) -> GbcsView:
        """Decode a GBCS message."""
        message = Message.decode(given.octets)
        payload = decode_payload(message)
        use_case = USE_CASES.get(message.message_code)
        return GbcsView(
            use_case=use_case_name(message),
            title=None if use_case is None else use_case.title,
            message_code=f"{message.message_code:04X}",
            cra=message.cra.name.lower(),
            originator=message.originator,
            recipient=message.recipient,
            originator_counter=message.originator_counter,
            payload=message.payload.hex() if payload is None else payload_to_json(payload),
            signed=bool(message.signature),
            has_mac=message.mac is not None,
        )
