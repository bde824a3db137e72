"""The DCC's published samples, signed with its published keys, update the emulated devices on both radios."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING

import pytest

from hanota.clock import LoopClock
from hanota.dcc.service_users import ServiceUser, ServiceUsers
from hanota.dcc.signing import DccSigner
from hanota.demo.assembly import assembled
from hanota.demo.bench import make_bench
from hanota.demo.parties import make_parties
from hanota.demo.plan import plan_of
from hanota.demo.scenario import Scenario
from hanota.duis.build import build_request
from hanota.duis.certificates import SigningCertificates
from hanota.duis.parse import parse_request
from hanota.duis.request import ActivateFirmware, RequestId, SignedPreCommand, UpdateFirmware
from hanota.duis.response import PreCommand, ResponseMessage
from hanota.duis.signature import sign_document
from hanota.gbcs.crypto import sign
from hanota.gbcs.key_files import read_certificate, read_private_key
from hanota.gbcs.keystore import KeyStore
from hanota.gbcs.message import Message
from hanota.gbcs.reference_test_data import BROKER, HUB, SUPPLIER
from hanota.hub.journal import Journal
from hanota.ota.image import ImageShape, parse_image
from hanota.store.store import SqliteStore
from tests.api.service_user_support import ANSWER_URL, ServiceUserSide, delivering_to, gateway_app
from tests.duis_support import TEMPLATES, XML_KEYS, needs_vectors
from tests.hub_parties_support import EPOCH
from tests.hub_support import virtual
from tests.radio_dongles import EZSP_V13, ZNP

if TYPE_CHECKING:
    from hanota.duis.response import Response
    from hanota.gbcs.certificates import PartyCertificate
    from hanota.gbcs.crypto import PrivateKey
    from tests.radio_dongles import Dongle

GBCS_KEYS = XML_KEYS.parent
UPDATE_PPMID = "11.4_UPDATE_PPMID_FIRMWARE_REQUEST_DUIS.XML"
UPDATE_HCALCS = "11.1_UPDATE_FIRMWARE_REQUEST_DUIS.XML"


@cache
def key_pair(name: str) -> tuple[PrivateKey, PartyCertificate]:
    return read_private_key(XML_KEYS / f"{name}.key"), read_certificate(XML_KEYS / f"{name}.pem")


def signed(document: bytes) -> bytes:
    return sign_document(document, *key_pair("xml-sign-90B3D51F30010000-ds"))


def said(response: Response) -> str:
    return f"{response.response_code} {type(getattr(response.body, 'alert', response.body)).__name__}"


@needs_vectors
@pytest.mark.parametrize("dongle", [ZNP, EZSP_V13], ids=str)
def test_the_published_samples_update_a_ppmid_and_an_hcalcs(dongle: Dongle) -> None:
    samples = [(TEMPLATES / name).read_bytes() for name in (UPDATE_PPMID, UPDATE_HCALCS)]
    # That of 11.1 is for the electricity meter, in whose place an HCALCS stands here.
    plan = plan_of([parse_request(sample) for sample in samples])

    @virtual
    async def run() -> None:
        loop = asyncio.get_running_loop()
        clock, store = LoopClock(loop, EPOCH), SqliteStore(":memory:")
        parties = make_parties(
            supplier=SUPPLIER,
            broker=BROKER,
            hub=HUB,
            devices=[planned.device for planned in plan.devices],
            keystore=KeyStore.from_folder(GBCS_KEYS),
            now=EPOCH,
            seed=1,
        )
        bench = make_bench(plan, parties, clock, 1, radio=dongle.family, version=dongle.version)
        signer = DccSigner(*key_pair("dsp-xml-sign-90B3D51F30000002-ds"))
        users = ServiceUsers([ServiceUser(SUPPLIER, answer_url=ANSWER_URL)])
        known = SigningCertificates([key_pair("xml-sign-90B3D51F30010000-ds")[1]])
        async with assembled(
            parties,
            bench,
            store=store,
            journal=Journal(store, clock),
            clock=clock,
            seed=1,
            users=users,
            signer=signer,
        ) as made:
            scenario = Scenario(plan, made)
            for planned in plan.devices:
                await scenario.join(planned)
            app, _ = gateway_app(made, known)
            side = ServiceUserSide(clock, app, [], SigningCertificates([signer.certificate]))
            async with delivering_to(side, made, users):
                answers = [await side.post(signed(sample), "serviceD") for sample in samples]
                assert [said(answer) for answer in answers] == ["I99 ResponseMessage"] * 2
                await asyncio.sleep(120)

                update = parse_request(samples[1])
                assert isinstance(update, UpdateFirmware)
                image = parse_image(update.firmware_image, ImageShape.SIGNED)
                request_id = RequestId(SUPPLIER, update.device_ids[0], update.request_id.counter + 1)
                activate = ActivateFirmware(request_id, image.manufacturer_image_hash)
                answer = await side.post(signed(build_request(activate)), "serviceT")
                assert isinstance(answer.body, ResponseMessage)
                assert isinstance(answer.body.content, PreCommand)
                pre_command = Message.decode(answer.body.content.gbcs_payload)
                octets = sign(pre_command, parties.remote.signing_private_key(SUPPLIER)).encode()
                document = signed(build_request(SignedPreCommand(request_id, octets)))
                assert said(await side.post(document, "serviceS")) == "I99 ResponseMessage"
                await asyncio.sleep(60)

                told = [said(response) for response in side.received]
                assert sorted(told) == sorted(
                    ["I0 CspFirmwareDeliveryStatus", "I0 CommsHubAlert"] * 2
                    + ["I0 PpmidAlert", "I0 ResponseMessage"]
                )
                assert told[-1] == "I0 ResponseMessage"
                assert all([(await scenario.outcome(planned)).succeeded for planned in plan.devices])
        bench.switch_off()
        store.close()

    run()
