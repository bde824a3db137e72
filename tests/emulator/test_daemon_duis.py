"""The published samples and keys before a whole daemon, over real sockets: what a supplier's tools see."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response

from hanota.config.load import load_settings
from hanota.config.settings import ApiSection
from hanota.daemon.server import HttpServer
from hanota.demo.plan import plan_of
from hanota.duis.build import build_request
from hanota.duis.certificates import SigningCertificates
from hanota.duis.parse import parse_request
from hanota.duis.parse_response import parse_response
from hanota.duis.request import ActivateFirmware, RequestId, SignedPreCommand, UpdateFirmware
from hanota.duis.response import PreCommand, ResponseMessage
from hanota.duis.signature import sign_document, verify_document
from hanota.gbcs.crypto import sign
from hanota.gbcs.key_files import read_certificate, read_private_key
from hanota.gbcs.keystore import KeyStore
from hanota.gbcs.message import Message
from hanota.ota.image import ImageShape, parse_image
from tests.daemon_support import run_scaled, running_daemon
from tests.duis_support import TEMPLATES, XML_KEYS, needs_vectors

if TYPE_CHECKING:
    from pathlib import Path

    from hanota.demo.plan import Plan
    from hanota.duis.response import Response as DuisResponse
    from tests.daemon_support import BenchDaemon

SAMPLES = ("11.4_UPDATE_PPMID_FIRMWARE_REQUEST_DUIS.XML", "11.1_UPDATE_FIRMWARE_REQUEST_DUIS.XML")
USER = XML_KEYS / "xml-sign-90B3D51F30010000-ds"
DCC = XML_KEYS / "dsp-xml-sign-90B3D51F30000002-ds"


class SupplierTools:
    """Signs and posts documents; listens for what is posted back."""

    def __init__(self) -> None:
        self.received: list[DuisResponse] = []
        self._key, self._certificate = read_private_key(_key(USER)), read_certificate(_pem(USER))
        self._dcc = SigningCertificates([read_certificate(_pem(DCC))])
        app = FastAPI()
        app.add_route("/duis", self._take, methods=["POST"])
        self.server = HttpServer(app, ApiSection(port=0), drain=1)

    async def post(self, bench: BenchDaemon, service: str, document: bytes) -> DuisResponse:
        signed = sign_document(document, self._key, self._certificate)
        headers = {"Content-Type": "application/xml"}
        answer = await bench.client.post(f"/{service}", content=signed, headers=headers)
        assert answer.status_code == 200, answer.text
        return self._read(answer.content)

    async def _take(self, request: Request) -> Response:
        self.received.append(self._read(await request.body()))
        return Response(status_code=204)

    def _read(self, document: bytes) -> DuisResponse:
        return parse_response(verify_document(document, self._dcc, now=1.8e9).octets)


@needs_vectors
def test_the_published_samples_go_in_and_signed_answers_and_alerts_come_out(tmp_path: Path) -> None:
    samples = [(TEMPLATES / name).read_bytes() for name in SAMPLES]
    plan = plan_of([parse_request(sample) for sample in samples])
    # The published remote parties are those of the lab, which makes the keys of hub and devices.
    (tmp_path / "lab").mkdir()
    for path in XML_KEYS.parent.glob("90b3d51f*"):
        shutil.copy(path, tmp_path / "lab")

    async def main() -> None:
        tools = SupplierTools()
        await tools.server.start()
        (tmp_path / "han.toml").write_text(_han(plan))
        (tmp_path / "bench.toml").write_text(_settings(f"{tools.server.url}/duis"))
        async with running_daemon(load_settings(tmp_path / "bench.toml")) as bench:
            await bench.until_ready(*(planned.device for planned in plan.devices))
            for sample in samples:
                assert (await tools.post(bench, "serviceD", sample)).response_code == "I99"
            await _until_received(tools, ["CspFirmwareDeliveryStatus", "CommsHubAlert"] * 2 + ["PpmidAlert"])
            update = parse_request(samples[1])
            assert isinstance(update, UpdateFirmware)
            image = parse_image(update.firmware_image, ImageShape.SIGNED)
            request_id = RequestId(plan.supplier, update.device_ids[0], update.request_id.counter + 1)
            request = ActivateFirmware(request_id, image.manufacturer_image_hash)
            answer = await tools.post(bench, "serviceT", build_request(request))
            assert isinstance(answer.body, ResponseMessage)
            assert isinstance(answer.body.content, PreCommand)
            key = KeyStore.from_folder(XML_KEYS.parent).signing_private_key(plan.supplier)
            octets = sign(Message.decode(answer.body.content.gbcs_payload), key).encode()
            document = build_request(SignedPreCommand(request_id, octets))
            assert (await tools.post(bench, "serviceS", document)).response_code == "I99"
            await _until_received(tools, [*map(_said, tools.received), "ResponseMessage"])
            jobs = (await bench.get("/jobs"))["jobs"]
            assert [job["state"] for job in jobs] == ["activated", "activated"]
            assert await bench.events("gbcs.refused") == []
        await tools.server.stop()

    run_scaled(main())


async def _until_received(tools: SupplierTools, expected: list[str]) -> None:
    async with asyncio.timeout(60):
        while len(tools.received) < len(expected):  # noqa: ASYNC110  # it comes over a socket
            await asyncio.sleep(0.2)
    assert sorted(map(_said, tools.received)) == sorted(expected)


def _said(response: DuisResponse) -> str:
    return type(getattr(response.body, "alert", response.body)).__name__


def _han(plan: Plan) -> str:
    return "\n".join(
        f"""
        [[device]]
        kind = "{planned.kind.lower()}"
        eui64 = "{planned.device}"
        manufacturer = {planned.running.manufacturer_code}
        image_type = {planned.running.image_type}
        file_version = {planned.running.file_version}
        hardware_version = {planned.hardware_version}
        suite = 2
        autojoin = 0.5
        """
        for planned in plan.devices
    )


def _settings(answer_url: str) -> str:
    return f"""
        radio = {{ url = "znp+emulator://bench" }}
        emulation = {{ han = "han.toml" }}
        api = {{ port = 0 }}
        [keys]
        lab = "lab"
        service_users = "{XML_KEYS}"
        duis_key = "{_key(DCC)}"
        duis_certificate = "{_pem(DCC)}"
        [[service_users]]
        eui64 = "90-B3-D5-1F-30-01-00-00"
        answer_url = "{answer_url}"
        """


def _key(stem: Path) -> Path:
    return stem.with_name(f"{stem.name}.key")


def _pem(stem: Path) -> Path:
    return stem.with_name(f"{stem.name}.pem")
