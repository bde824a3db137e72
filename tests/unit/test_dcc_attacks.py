"""Attacks on the DCC's belief in commands, responses and alerts, one test each, named after the attack."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanota.dcc.errors import RequestRejectedError
from hanota.dcc.service_users import ServiceUser
from hanota.duis.request import ActivateFirmware, RequestId, SignedPreCommand
from hanota.emulator.loop import run_virtual
from hanota.gbcs.activate_firmware import ActivateImageResponseCode, activate_firmware_precommand
from hanota.gbcs.alerts import TransferResponseCode, firmware_transfer_alert
from hanota.gbcs.crypto import protect, sign
from hanota.gbcs.der import encode
from hanota.gbcs.message import Message
from hanota.gbcs.read_firmware_version import ReadFirmwareVersionResponse
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from hanota.store.store import SqliteStore
from tests.hub_parties_support import (
    BROKER,
    EPOCH,
    HCALCS,
    NEIGHBOUR,
    NEW_VERSION,
    OTHER_SUPPLIER,
    PPMID,
    STRANGER,
    SUPPLIER,
    activation_alert,
    outcome,
)
from tests.hub_support import lab, pre_command_of, virtual

if TYPE_CHECKING:
    from hanota.gbcs.certificates import Credentials
    from tests.hub_support import FakeDevice, Lab

PPMID_ID, HCALCS_ID = PPMID.eui64, HCALCS.eui64


def signed(message: Message, by: Credentials = SUPPLIER) -> bytes:
    return sign(message, by.signing_key).encode()


def refuse_command(made: Lab, request_id: RequestId, octets: bytes, reason: str | None = None) -> None:
    """Return a Signed Pre-Command that the DCC must reject, with nothing done."""
    sent, job = len(made.of(EventKind.GBCS_SENT)), made.hub.jobs.open_job(HCALCS_ID)
    with pytest.raises(RequestRejectedError, match=reason):
        _ = made.send_signed(request_id, octets)
    assert made.of(EventKind.REQUEST_REJECTED)[-1].detail["request_id"] == str(request_id)
    assert len(made.of(EventKind.GBCS_SENT)) == sent
    assert made.hub.jobs.open_job(HCALCS_ID) == job


async def refuse_message(made: Lab, device: FakeDevice, message: Message | bytes, reason: str) -> None:
    """Send a message that the DCC must not believe: it is noted, and no job moves."""
    jobs, refused = made.store.jobs(), len(made.of(EventKind.GBCS_REFUSED))
    believed = len(made.of(EventKind.GBCS_RECEIVED))
    device.say(message)
    await asyncio.sleep(1)
    noted = made.of(EventKind.GBCS_REFUSED)[refused:]
    assert [event.device for event in noted] == [device.eui64]
    assert reason in str(noted[0].detail["reason"])
    assert made.store.jobs() == jobs
    assert len(made.of(EventKind.GBCS_RECEIVED)) == believed


async def commanded(made: Lab) -> tuple[FakeDevice, asyncio.Future[Message], Message]:
    device = await made.held()
    response = made.activate()
    await asyncio.sleep(1)
    return device, response, Message.decode(device.messages[-1])


# -- commands ----------------------------------------------------------------------------------------------


@virtual
async def test_attack_replay_of_a_gbcs_command() -> None:
    with closing(SqliteStore(":memory:")) as store:
        async with lab(store=store) as made:
            device = await made.held()
            request_id, pre_command = made.pre_command()
            octets = signed(pre_command)
            _ = made.send_signed(request_id, octets)
            await asyncio.sleep(1)
            device.say(outcome(device.messages[-1], ActivateImageResponseCode.HASH_MISMATCH))
            await asyncio.sleep(1)
            assert made.dcc.submit(SignedPreCommand(request_id, octets)).repeated
            refuse_command(made, made.request_id(HCALCS_ID), octets, "is not higher than")
            await asyncio.sleep(60)
            assert len(device.messages) == 1
        async with lab(store=store) as made:
            made.adopt(device)
            assert made.dcc.submit(SignedPreCommand(request_id, octets)).repeated
            refuse_command(made, replace(request_id, counter=4711), octets, "is not higher than")
            await asyncio.sleep(60)
            assert len(device.messages) == 1


@virtual
async def test_attack_counter_rollback_an_older_pre_command_after_a_newer_one() -> None:
    async with lab() as made:
        await made.held()
        older, newer = made.pre_command(), made.pre_command()
        _ = made.send_signed(newer[0], signed(newer[1]))
        refuse_command(made, older[0], signed(older[1]), "is not higher than")


@virtual
async def test_attack_counter_rollback_of_one_supplier_does_not_lock_out_another() -> None:
    async with lab() as made:
        await made.held()
        _ = made.activate()
        request_id = RequestId(OTHER_SUPPLIER.eui64, HCALCS_ID, 1)
        pre_command = pre_command_of(made.dcc.submit(ActivateFirmware(request_id, bytes(32))))
        _ = made.send_signed(request_id, signed(pre_command, OTHER_SUPPLIER))
        assert len(made.of(EventKind.GBCS_SENT)) == 2


@pytest.mark.parametrize("counter", [0, 2**63 - 1])
@virtual
async def test_attack_counter_fast_forward_a_counter_that_would_lock_the_supplier_out(counter: int) -> None:
    async with lab() as made:
        await made.held()
        request_id = RequestId(SUPPLIER.eui64, HCALCS_ID, counter)
        own = activate_firmware_precommand(SUPPLIER.eui64, HCALCS_ID, counter, bytes(32))
        refuse_command(made, request_id, signed(own), "counter")
        _ = made.activate()
        assert len(made.of(EventKind.GBCS_SENT)) == 1


@virtual
async def test_attack_altered_octet_in_a_signed_pre_command() -> None:
    async with lab() as made:
        await made.held()
        request_id, pre_command = made.pre_command()
        octets = signed(pre_command)
        for position in range(len(octets)):
            altered = bytearray(octets)
            altered[position] ^= 0x01
            refuse_command(made, request_id, bytes(altered))
        for cut in range(len(octets)):
            refuse_command(made, request_id, octets[:cut])
        # The true one is still good for once.
        _ = made.send_signed(request_id, octets)


@virtual
async def test_attack_wrong_signer() -> None:
    async with lab() as made:
        await made.held()
        request_id, pre_command = made.pre_command()
        for by in (OTHER_SUPPLIER, BROKER, HCALCS):
            refuse_command(made, request_id, signed(pre_command, by), f"not that of {SUPPLIER.eui64}")
        unsigned = pre_command.encode()
        refuse_command(made, request_id, unsigned, "a signed pre-command was expected")


@virtual
async def test_attack_unknown_originator() -> None:
    async with lab() as made:
        await made.held()
        request_id, pre_command = made.pre_command()
        forged = replace(pre_command, originator=STRANGER.eui64)
        refuse_command(made, request_id, signed(forged, STRANGER), "is unknown")


@virtual
async def test_attack_originator_without_the_authority() -> None:
    async with lab() as made:
        await made.held()
        request_id, pre_command = made.pre_command()
        forged = replace(pre_command, originator=BROKER.eui64)
        refuse_command(made, request_id, signed(forged, BROKER), "not in the role SUPPLIER")


@virtual
async def test_attack_pre_command_that_the_dcc_did_not_make() -> None:
    async with lab() as made:
        await made.held()
        request_id = made.request_id(HCALCS_ID)
        own = activate_firmware_precommand(SUPPLIER.eui64, HCALCS_ID, request_id.counter, bytes(32))
        refuse_command(made, request_id, signed(own), "no Pre-Command with these octets")


@virtual
async def test_attack_wrong_recipient_a_pre_command_turned_to_another_device() -> None:
    async with lab() as made:
        await made.held()
        request_id, pre_command = made.pre_command()
        turned = signed(replace(pre_command, recipient=NEIGHBOUR.eui64))
        refuse_command(made, request_id, turned, "no Pre-Command with these octets")


@pytest.mark.parametrize(
    "fields", [{"target": NEIGHBOUR.eui64}, {"counter": 4711}, {"originator": OTHER_SUPPLIER.eui64}]
)
@virtual
async def test_attack_wrong_recipient_a_request_id_that_names_other_parties(
    fields: dict[str, object],
) -> None:
    async with lab() as made:
        await made.held()
        request_id, pre_command = made.pre_command()
        other = replace(request_id, **fields)  # type: ignore[arg-type]
        refuse_command(made, other, signed(pre_command), "does not name the command's parties")


# -- responses ---------------------------------------------------------------------------------------------


@virtual
async def test_attack_forged_response() -> None:
    async with lab() as made:
        device, response, command = await commanded(made)
        forged = outcome(command, by=NEIGHBOUR)
        await refuse_message(made, device, forged, "the signature is not that of")
        unsigned = replace(outcome(command), signature=None)
        await refuse_message(made, device, unsigned, "must be signed")
        assert not response.done()
        device.say(outcome(command))
        await response
        assert made.state(HCALCS_ID) == "activated"


@virtual
async def test_attack_altered_octet_in_a_response() -> None:
    async with lab() as made:
        device, response, command = await commanded(made)
        octets = outcome(command).encode()
        for position in range(len(octets)):
            altered = bytearray(octets)
            altered[position] ^= 0x01
            made.dcc.message_received(HCALCS_ID, bytes(altered))
        assert len(made.of(EventKind.GBCS_REFUSED)) == len(octets)
        assert made.state(HCALCS_ID) == "activating"
        assert not response.done()
        device.say(octets)
        await response


@virtual
async def test_attack_response_from_another_device() -> None:
    async with lab() as made:
        _, response, command = await commanded(made)
        neighbour = await made.joined(NEIGHBOUR, JobKind.HCALCS)
        # The true response out of another device's tunnel, and one the other device made of the command.
        await refuse_message(made, neighbour, outcome(command), f"is from {HCALCS_ID}")
        own = sign(
            replace(outcome(command), originator=NEIGHBOUR.eui64, signature=None), NEIGHBOUR.signing_key
        )
        await refuse_message(made, neighbour, own, "nothing that waits")
        assert not response.done()


@virtual
async def test_attack_response_that_nobody_asked_for() -> None:
    async with lab() as made:
        device, response, command = await commanded(made)
        for field, value in (("originator_counter", 1), ("message_code", 0x0013)):
            unasked = replace(outcome(command), signature=None, **{field: value})  # type: ignore[arg-type]
            await refuse_message(made, device, sign(unasked, HCALCS.signing_key), "nothing that waits")
        device.say(outcome(command))
        await response
        await refuse_message(made, device, outcome(command), "nothing that waits")


@virtual
async def test_attack_replay_of_a_response_to_another_supplier() -> None:
    async with lab() as made:
        device, response, command = await commanded(made)
        for_other = activate_firmware_precommand(
            OTHER_SUPPLIER.eui64, HCALCS_ID, command.originator_counter, bytes(32)
        )
        await refuse_message(made, device, outcome(for_other), "nothing that waits")
        assert not response.done()


@virtual
async def test_attack_replay_of_a_read_for_another_supplier() -> None:
    async with lab() as made:
        device = await made.joined(HCALCS, JobKind.HCALCS)
        response = made.read_version(HCALCS_ID)
        await asyncio.sleep(1)
        command = Message.decode(device.messages[-1])
        answer = replace(
            command,
            cra=outcome(command).cra,
            originator=HCALCS_ID,
            recipient=BROKER.eui64,
            supplementary_remote_party=OTHER_SUPPLIER.eui64,
            payload=encode(ReadFirmwareVersionResponse(firmware_version=bytes(4), response_code=0)),
            signature=b"",
            mac=None,
        )
        forged = protect(answer, HCALCS.agreement_key, BROKER.agreement_certificate.public_key)
        await refuse_message(made, device, forged, "nothing that waits")
        assert not response.done()


@virtual
async def test_attack_response_with_a_code_that_gbcs_does_not_give() -> None:
    async with lab() as made:
        device, response, command = await commanded(made)
        unknown = outcome(command, 4)  # type: ignore[arg-type]
        await refuse_message(made, device, unknown, "4 is no ActivateImageResponseCode")
        # The command waits on: the device may still answer as it should.
        device.say(outcome(command))
        await response
        assert made.state(HCALCS_ID) == "activated"


@virtual
async def test_attack_command_from_a_device() -> None:
    async with lab() as made:
        device, _, command = await commanded(made)
        await refuse_message(made, device, command, "a response or an alert was expected")


# -- alerts ------------------------------------------------------------------------------------------------


@virtual
async def test_attack_forged_alert() -> None:
    async with lab() as made:
        device = await made.told_to_activate()
        forged = sign(replace(activation_alert(), signature=None), NEIGHBOUR.signing_key)
        await refuse_message(made, device, forged, "the signature is not that of")
        neighbour = await made.joined(NEIGHBOUR, JobKind.HCALCS)
        await refuse_message(made, neighbour, activation_alert(), f"is from {PPMID_ID}")
        assert made.state(PPMID_ID) == "activating"


@virtual
async def test_attack_old_alert_again() -> None:
    with closing(SqliteStore(":memory:")) as store:
        async with lab(store=store) as made:
            device = await made.told_to_activate()
            device.say(activation_alert(5))
            await asyncio.sleep(1)
            assert made.state(PPMID_ID) == "activated"
            # A second update is under way when the alert of the first one comes again.
            made.update(JobKind.PPMID, PPMID_ID)
            await asyncio.sleep(60)
            await refuse_message(made, device, activation_alert(5), "is not higher than 5")
            await refuse_message(made, device, activation_alert(4), "is not higher than 5")
        async with lab(store=store) as made:
            made.adopt(device)
            device.reboot()
            await asyncio.sleep(1)
            await refuse_message(made, device, activation_alert(5), "is not higher than 5")


@pytest.mark.parametrize("counter", [0, 2**63 - 1, 2**63, 2**64 - 1])
@virtual
async def test_attack_counter_fast_forward_of_an_alert(counter: int) -> None:
    async with lab() as made:
        device = await made.told_to_activate()
        await refuse_message(made, device, activation_alert(counter), "counter")
        assert made.hub.store_fault is None
        device.say(activation_alert(1))
        await asyncio.sleep(1)
        assert made.state(PPMID_ID) == "activated"


@virtual
async def test_attack_forged_alert_ccs08_of_a_device() -> None:
    async with lab() as made:
        device = await made.told_to_activate()
        alert = firmware_transfer_alert(
            PPMID_ID,
            BROKER.eui64,
            9,
            device=HCALCS_ID,
            firmware_version=NEW_VERSION.to_bytes(4, "big"),
            response_code=TransferResponseCode.SUCCESS,
            now=EPOCH,
        )
        told = len(made.of(EventKind.DCC_ALERT))
        await refuse_message(made, device, sign(alert, PPMID.signing_key), "CCS08 is the hub's to send")
        assert len(made.of(EventKind.DCC_ALERT)) == told
        # What was refused did not count: the device's own alerts go on below that counter.
        device.say(activation_alert(1))
        await asyncio.sleep(1)
        assert made.state(PPMID_ID) == "activated"


@virtual
async def test_attack_alert_before_the_device_was_told_to_activate() -> None:
    async with lab() as made:
        made.update(JobKind.PPMID, PPMID_ID)
        made.dcc.message_received(PPMID_ID, activation_alert().encode())
        assert made.of(EventKind.DCC_ALERT)[-1].detail["alert"] == "PPMIDAlert"
        assert made.state(PPMID_ID) == "notified"


@virtual
async def test_attack_an_alert_code_that_no_document_can_hold() -> None:
    """Signed by the device: what it says is refused, and the DCC goes on."""
    async with lab(users=(ServiceUser(SUPPLIER.eui64, answer_url="http://supplier.example"),)) as made:
        device = await made.told_to_activate()
        genuine = activation_alert()
        payload = b"\x30\x1f\x02\x03\x01\x11\x70" + genuine.payload[7:]
        device.say(sign(replace(genuine, payload=payload, signature=None), PPMID.signing_key))
        await asyncio.sleep(1)
        assert "alertCode: 70000" in str(made.of(EventKind.GBCS_REFUSED)[-1].detail["reason"])
        assert made.state(PPMID_ID) == "activating"
        device.say(genuine)
        await asyncio.sleep(1)
        assert made.state(PPMID_ID) == "activated"


@virtual
async def test_an_alert_hanota_does_not_know_is_verified_and_passed_on() -> None:
    async with lab() as made:
        device = await made.joined(PPMID, JobKind.PPMID)
        other = sign(replace(activation_alert(), message_code=0x1000, signature=None), PPMID.signing_key)
        device.say(other)
        await asyncio.sleep(1)
        (alert,) = made.of(EventKind.DEVICE_ALERT)
        assert alert.detail["outcome"] == "1000 Generic Critical Alert"
        assert made.of(EventKind.GBCS_RECEIVED)[-1].detail["payload"] == other.payload.hex()


@virtual
async def test_a_device_whose_certificate_is_missing_is_not_believed() -> None:
    async with lab() as made:
        made.hub._device_log.add(replace(made.hub.device_log[0], device=STRANGER.eui64))
        stranger = await made.joined(STRANGER, JobKind.PPMID)
        await refuse_message(made, stranger, activation_alert(by=STRANGER), "no Digital Signing certificate")


@given(st.binary(max_size=200))
def test_attack_malformed_message_no_octets_from_a_device_raise_anything(octets: bytes) -> None:
    async def main() -> None:
        async with lab() as made:
            made.dcc.message_received(HCALCS_ID, octets)
            (refused,) = made.of(EventKind.GBCS_REFUSED)
            assert refused.device == HCALCS_ID

    run_virtual(main())


@given(st.data())
def test_attack_malformed_message_no_change_of_a_true_one_raises_anything(data: st.DataObject) -> None:
    octets = bytearray(activation_alert().encode())
    for position, value in data.draw(
        st.dictionaries(st.integers(0, len(octets) - 1), st.integers(0, 255), min_size=1, max_size=6)
    ).items():
        octets[position] = value
    cut = data.draw(st.integers(0, len(octets)))

    async def main() -> None:
        async with lab() as made:
            made.dcc.message_received(PPMID_ID, bytes(octets[:cut]))
            kinds = {event.kind for event in made.events}
            whole = bytes(octets[:cut]) == activation_alert().encode()
            assert (EventKind.GBCS_REFUSED in kinds) is not whole

    run_virtual(main())
