"""The DCC's own tools: what they construct and sign we take, what we sign they validate and parse."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from base64 import b64decode, b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key

from hanota.dcc.signing import DccSigner
from hanota.duis.request import RequestId, ServiceReference
from hanota.duis.response import Response, ResponseMessage
from hanota.duis.response_code import ResponseCode
from hanota.eui64 import Eui64
from hanota.gbcs.certificates import PartyCertificate, RemotePartyRole
from hanota.gbcs.crypto import sign
from hanota.gbcs.lab_ca import LabCa
from hanota.gbcs.message import Message
from hanota.gbcs.read_firmware_version import (
    ReadFirmwareVersionResponse,
    ReadResponseCode,
    read_firmware_version_response,
)
from hanota.gbcs.usecases import decode_payload
from hanota.hub.jobs import JobKind
from hanota.timestamps import utc
from tests.api.service_user_support import service_user_side
from tests.hub_parties_support import (
    BROKER,
    EPOCH,
    HCALCS,
    HCALCS_IMAGE,
    NEW_VERSION,
    PPMID,
    PPMID_IMAGE,
    activation_alert,
    dcc_keys,
    outcome,
    with_device_mac,
)
from tests.hub_support import virtual
from tests.npm_support import installed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

HERE = Path(__file__).parent / "smartdcc"
FILES = ("package.json", "package-lock.json", "duis.mjs")
SECONDS = 120
QUICK_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Each document is a start of the virtual machine, which lives for half a second."""
SUPPLIER = Eui64.parse("90-B3-D5-1F-30-01-00-00")
"""The service user whose XML signing key the tools bring along."""
SUPPLIER_GBCS = LabCa(EPOCH, seed=b"smartdcc").issue_organisation(
    SUPPLIER, RemotePartyRole.SUPPLIER, "Supplier"
)
VERSION_READ = ReadFirmwareVersionResponse(
    firmware_version=NEW_VERSION.to_bytes(4, "big"), response_code=ReadResponseCode.SUCCESS
)


@dataclass(frozen=True)
class Tools:
    """An installation of the tools."""

    folder: Path

    def run(self, *tasks: dict[str, Any]) -> list[Any]:
        """Return the results of some tasks, in order."""
        done = subprocess.run(
            ("node", "duis.mjs"),
            cwd=self.folder,
            env={**os.environ, "JDK_JAVA_OPTIONS": QUICK_JAVA},
            input=json.dumps(tasks),
            capture_output=True,
            check=False,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stderr
        results: list[Any] = json.loads(done.stdout)
        return results

    def sign(self, *tasks: dict[str, Any]) -> list[bytes]:
        """Return the documents of `sign_task`s, signed by the supplier."""
        documents = self.run(*tasks)
        assert all(isinstance(document, str) for document in documents), documents
        return [document.encode() for document in documents]

    def read(self, *documents: bytes) -> list[Any]:
        """Return what documents of the DCC say, each validated by schema and signature."""
        results = self.run(*({"task": "read", "xml": document.decode()} for document in documents))
        assert [result["error"] for result in results if "error" in result] == []
        return results

    def key_pair(self, name: str) -> tuple[EllipticCurvePrivateKey, PartyCertificate]:
        """Return the key and certificate of that name which the signing tool brings along."""
        with ZipFile(self.folder / "node_modules/@smartdcc/duis-sign-wrap/dist/tool.jar") as jar:
            key: Any = load_der_private_key(jar.read(f"{name}.key"), None)
            return key, PartyCertificate.decode(jar.read(f"{name}.pem"))


@pytest.fixture(scope="session")
def tools(pytestconfig: pytest.Config) -> Tools:
    """Return the tools: installed once, in pytest's cache."""
    if shutil.which("java") is None:
        pytest.skip("there is no java, in which the DCC's tool signs and validates")
    return Tools(installed(pytestconfig, "smartdcc", [HERE / name for name in FILES]))


def sign_task(
    template: str, target: Eui64, counter: int, body: object, command_variant: int | None = None
) -> dict[str, Any]:
    """Return the task of signing a template with this RequestID, body and Command Variant."""
    return {
        "task": "sign",
        "template": template,
        "requestId": {"originatorId": str(SUPPLIER), "targetId": str(target), "counter": counter},
        "commandVariant": command_variant,
        "body": body,
    }


def update(image: bytes, device: Eui64) -> dict[str, str]:
    """Return the elements of 11.1 and 11.4."""
    return {
        "FirmwareImage": b64encode(image).decode(),
        "FirmwareVersion": "01000001",
        "DeviceIDList": str(device),
    }


def said(document: dict[str, Any]) -> str:
    """Name a document by what the tools read in it."""
    code, body = document["header"]["responseCode"], document["body"]
    match body:
        case {"DCCAlertMessage": {"DCCAlertCode": alert_code, "DCCAlert": alert}}:
            return f"{code} {alert_code} {next(iter(alert))}"
        case {"ResponseMessage": {"ServiceReference": reference, **rest}}:
            rest.pop("ServiceReferenceVariant")
            return " ".join([code, reference, *map(str, rest)])
        case _:
            return f"{code} {next(iter(body))}"


def test_what_the_dccs_tools_sign_updates_devices_and_what_comes_back_they_validate_and_parse(
    tools: Tools,
) -> None:
    _, certificate = tools.key_pair("xml-sign-90B3D51F30010000-ds")
    signer = DccSigner(*tools.key_pair("dsp-xml-sign-90B3D51F30000002-ds"))
    keystore = dcc_keys()
    keystore.add_public(SUPPLIER_GBCS)
    firmware_hash = HCALCS_IMAGE.manufacturer_image_hash.hex().upper()
    ppmid_body = {"UpdatePPMIDFirmware": update(PPMID_IMAGE.data, PPMID.eui64)}
    hcalcs_body = {"UpdateFirmware": update(HCALCS_IMAGE.data, HCALCS.eui64)}
    activate_body = {"ActivateFirmware": {"FirmwareHash": firmware_hash}}
    inventory_body = {"ReadInventory": {"DeviceID": str(PPMID.eui64)}}
    update_ppmid, update_hcalcs, activate, read_version, read_inventory = tools.sign(
        sign_task("11.4_UPDATE_PPMID_FIRMWARE", BROKER.eui64, 1, ppmid_body),
        sign_task("11.1_UPDATE_FIRMWARE", BROKER.eui64, 2, hcalcs_body),
        sign_task("CS06_11.3_IMMEDIATE", HCALCS.eui64, 3, activate_body),
        sign_task("CS08_11.2", HCALCS.eui64, 4, {"ReadFirmwareVersion": ""}),
        sign_task("8.2_READ_INVENTORY", BROKER.eui64, 5, inventory_body),
    )
    documents: list[bytes] = []

    @virtual
    async def run() -> None:
        async with service_user_side(user=certificate, keystore=keystore, signer=signer) as side:
            side.documents = documents
            ppmid = await side.lab.joined(PPMID, JobKind.PPMID)
            await side.post(update_ppmid, "serviceD")
            await asyncio.sleep(60)
            ppmid.say(activation_alert())
            await asyncio.sleep(1)

            hcalcs = await side.lab.joined(HCALCS, JobKind.HCALCS)
            await side.post(update_hcalcs, "serviceD")
            await asyncio.sleep(60)
            await side.post(activate, "serviceT")
            [answer] = tools.read(documents[-1])
            pre_command = b64decode(answer["body"]["ResponseMessage"]["PreCommand"]["GBCSPayload"])
            signed = sign(Message.decode(pre_command), SUPPLIER_GBCS.signing_key).encode()
            body = {"SignedPreCommand": {"GBCSPayload": b64encode(signed).decode()}}
            [signed_pre_command] = tools.sign(
                sign_task("CS06_11.3_IMMEDIATE", HCALCS.eui64, 3, body, command_variant=5)
            )
            await side.post(signed_pre_command, "serviceS")
            await asyncio.sleep(1)
            hcalcs.say(outcome(hcalcs.messages[-1]))
            await asyncio.sleep(1)

            await side.post(read_version, "serviceS")
            await asyncio.sleep(1)
            response = read_firmware_version_response(Message.decode(hcalcs.messages[-1]), VERSION_READ)
            hcalcs.say(with_device_mac(response, HCALCS))
            await asyncio.sleep(1)
            await side.post(read_inventory, "serviceD")
            assert side.lab.state(PPMID.eui64) == side.lab.state(HCALCS.eui64) == "activated"

    run()
    read = tools.read(*documents)

    assert [said(document) for document in read] == [
        "I99 11.4",
        "I0 N60 CSPFirmwareDeliveryStatus",
        "I0 N62 CommsHubAlert",
        "I0 N39 PPMIDAlert",
        "I99 11.1",
        "I0 N60 CSPFirmwareDeliveryStatus",
        "I0 N62 CommsHubAlert",
        "I0 11.3 PreCommand",
        "I99 11.3",
        "I0 11.3 GBCSPayload",
        "I99 11.2",
        "I0 11.2 GBCSPayload",
        "I0 8.2 DSPInventory",
    ]
    alert = read[3]["body"]["DCCAlertMessage"]["DCCAlert"]["PPMIDAlert"]
    assert alert["PPMIDFirmwareUpgradeAlert"]["ActivateImageResultCode"] == "ActivationSuccess"
    assert read[9]["header"]["requestId"] == {
        "originatorId": str(SUPPLIER).lower(),
        "targetId": str(HCALCS.eui64).lower(),
        "counter": 3,
    }
    octets = b64decode(read[11]["body"]["ResponseMessage"]["GBCSPayload"])
    assert decode_payload(Message.decode(octets)) == VERSION_READ


def test_a_document_of_ours_that_was_altered_is_refused_by_the_dccs_tools(tools: Tools) -> None:
    """Their validation is one that can fail."""
    signer = DccSigner(*tools.key_pair("dsp-xml-sign-90B3D51F30000002-ds"))
    document = signer.sign(
        Response(
            ResponseCode.I99,
            utc(EPOCH),
            ResponseMessage(ServiceReference.READ_FIRMWARE_VERSION),
            request_id=RequestId(SUPPLIER, HCALCS.eui64, 1),
        )
    )
    tasks = ({"task": "read", "xml": xml.decode()} for xml in (document, document.replace(b"I99", b"I0")))
    untouched, altered = tools.run(*tasks)

    assert said(untouched) == "I99 11.2"
    assert "validation failed" in altered["error"]
