"""Mutual TLS: a client certificate names who acts; and what everybody else is told who shows one, or none."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import TYPE_CHECKING

import pytest

from hanota.api.access import Access, AccessRefusedError, AccessSettings, ClientCertificateSettings, Role
from hanota.api.client_certificate import ClientCertificate, client_certificate
from hanota.dcc.service_users import ServiceUser
from hanota.duis.parse_response import parse_response
from hanota.duis.request import ReadFirmwareVersion, RequestId
from hanota.duis.response_code import ResponseCode
from hanota.duis.signature import verify_document
from hanota.emulator.loop import loop_factory
from hanota.errors import ConfigError
from hanota.hub.events import EventKind, Party
from hanota.hub.jobs import JobKind
from tests.api.mutual_tls_support import ACTORS, VERSIONS, Now, mutual_tls
from tests.api.service_user_support import signed
from tests.api_support import API, bearer, token_settings
from tests.hub_parties_support import HCALCS, OTHER_SUPPLIER, SUPPLIER
from tests.tls_support import Authority

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.mutual_tls_support import MutualTls

# -- who acts ----------------------------------------------------------------------------------------------


async def test_a_certificate_says_who_asks_and_no_token_is_needed(tmp_path: Path) -> None:
    async with mutual_tls(tmp_path) as tls:
        for (name, role), version in product(ACTORS.items(), VERSIONS):
            async with tls.client(name, version=version) as client:
                hub = (await client.get(f"{API}/hub")).json()
                assert (hub["caller"], hub["role"]) == (name, role)
                assert (await client.get("/metrics")).text == "hanota_up 1\n"


async def test_the_audit_trail_names_the_certificate_s_actor(tmp_path: Path) -> None:
    async with mutual_tls(tmp_path) as tls:
        tls.api.lab.update(JobKind.HCALCS, HCALCS.eui64)
        assert (await tls.ask("otto", "POST", "/jobs/1/pause")).status_code == 200
        assert (await tls.ask("anna", "POST", "/jobs/1/resume")).status_code == 403
        refused = "refused: anna is observer, and this takes operator"
        assert tls.api.audited() == [("otto", "pause_job", "done"), ("anna", "resume_job", refused)]
        assert [row.role for row in tls.api.audit.rows()] == ["operator", "observer"]
        assert (await tls.api.audit.verify()).broken is None


def test_an_observer_s_certificate_activates_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with mutual_tls(tmp_path) as tls:
            await tls.api.lab.held()
            response = await tls.ask("anna", "POST", "/jobs/1/activate")
            assert response.status_code == 403
            assert response.json()["error"] == "anna is observer, and this takes activator"
            assert "certificate" in response.json()["hint"]
            assert tls.api.lab.state(HCALCS.eui64) == "held"
            assert (await tls.ask("ada", "POST", "/jobs/1/activate")).status_code == 200
            assert tls.api.lab.state(HCALCS.eui64) == "activating"
            assert [actor for actor, _, _ in tls.api.audited()] == ["anna", "ada", "ada"]

    with asyncio.Runner(loop_factory=loop_factory(100)) as runner:  # a transfer takes its minute
        runner.run(main())


async def test_a_certificate_that_names_nobody_is_told_how_it_may_and_gives_nothing(tmp_path: Path) -> None:
    async with mutual_tls(tmp_path) as tls:
        tls.api.lab.update(JobKind.HCALCS, HCALCS.eui64)
        for method, path in (("GET", "/hub"), ("POST", "/jobs/1/cancel")):
            response = await tls.ask("nobody", method, path)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
            assert "CN=nobody names nobody" in response.json()["error"]
            assert tls.shown["nobody"].public_key_sha256.hex() in response.json()["hint"]
        assert tls.api.lab.state(HCALCS.eui64) == "notified"
        [row] = tls.api.audit.rows()
        assert (row.actor, row.action) == ("unknown", "cancel_job")
        assert row.target.endswith("from 127.0.0.1 with the certificate CN=nobody")


async def test_a_token_beside_a_certificate_says_alone_who_acts(tmp_path: Path) -> None:
    async with mutual_tls(tmp_path) as tls:
        tls.api.lab.update(JobKind.HCALCS, HCALCS.eui64)
        assert await tls.caller("nobody", bearer(Role.OPERATOR)) == ("operator", "operator")
        # More than the certificate may, and less.
        assert await tls.caller("anna", bearer(Role.ACTIVATOR)) == ("activator", "activator")
        response = await tls.ask("ada", "POST", "/jobs/1/pause", bearer(Role.OBSERVER))
        assert response.status_code == 403
        response = await tls.ask("anna", "POST", "/jobs/1/pause", bearer(Role.OPERATOR))
        assert response.status_code == 200
        assert [actor for actor, _, _ in tls.api.audited()] == [
            "observer (certificate ada)",
            "operator (certificate anna)",
        ]


@pytest.mark.parametrize("authorization", ["Bearer guess", "Bearer", "", "Basic YTpi"])
async def test_a_token_that_is_none_is_not_made_good_by_a_certificate(
    tmp_path: Path, authorization: str
) -> None:
    async with mutual_tls(tmp_path) as tls:
        response = await tls.ask("ada", "POST", "/jobs/1/cancel", {"Authorization": authorization})
        assert response.status_code == 401
        [row] = tls.api.audit.rows()
        assert row.actor == "unknown"
        assert row.target.endswith("with the certificate CN=ada")


async def test_the_events_are_followed_by_a_certificate(tmp_path: Path) -> None:
    async with (
        mutual_tls(tmp_path) as tls,
        tls.client("anna") as client,
        client.stream("GET", f"{API}/events/stream") as stream,
    ):
        assert stream.status_code == 200
        tls.api.lab.journal.record(EventKind.DEVICE_JOINED, Party.DEVICE, Party.HUB)
        async with asyncio.timeout(5):
            async for line in stream.aiter_lines():
                if line.startswith("data: "):
                    break
        assert '"han.joined"' in line


async def test_a_renewed_certificate_of_the_same_key_is_the_same_actor(tmp_path: Path) -> None:
    async with mutual_tls(tmp_path) as tls:
        renewed = tls.authority.issue("anna-2027", key=tls.shown["anna"].key)
        assert await tls.caller(renewed, {}) == ("anna", "observer")


# -- attacks -----------------------------------------------------------------------------------------------


async def test_attack_a_certificate_with_another_s_subject_names_nobody(tmp_path: Path) -> None:
    async with mutual_tls(tmp_path) as tls:
        impostor = tls.authority.issue("ada", label=" again")
        response = await tls.ask(impostor, "GET", "/hub")
        assert response.status_code == 401
        assert "CN=ada names nobody" in response.json()["error"]


async def test_attack_a_header_that_says_who_the_client_is_names_nobody(tmp_path: Path) -> None:
    pem = Authority("bench", tmp_path).issue("ada").file.read_text().replace("\n", " ").strip()
    headers = {
        "X-Client-Cert": pem,
        "X-SSL-Client-Cert": pem,
        "X-SSL-Client-S-DN": "CN=ada",
        "X-SSL-Client-Verify": "SUCCESS",
        "X-Forwarded-Client-Cert": "Subject=CN=ada",
        "X-Forwarded-User": "ada",
    }
    async with mutual_tls(tmp_path) as tls:
        assert (await tls.ask("nobody", "GET", "/hub", headers)).status_code == 401


async def test_attack_a_page_of_another_site_does_not_borrow_the_browser_s_certificate(
    tmp_path: Path,
) -> None:
    async with mutual_tls(tmp_path) as tls:
        tls.api.lab.update(JobKind.HCALCS, HCALCS.eui64)
        for headers in (
            {"Origin": "https://attacker.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
            {"Host": "attacker.example"},
        ):
            for method, path in (("POST", "/jobs/1/cancel"), ("GET", "/jobs")):
                response = await tls.ask("ada", method, path, headers)
                assert response.status_code in (403, 421), headers
                assert response.json()["hint"]
        assert tls.api.lab.state(HCALCS.eui64) == "notified"
        own = {"Origin": tls.url, "Sec-Fetch-Site": "same-origin"}
        assert (await tls.ask("ada", "POST", "/jobs/1/cancel", own)).status_code == 200
        assert (await tls.ask("ada", "GET", "/jobs", {"Sec-Fetch-Site": "none"})).status_code == 200


def test_attack_who_guesses_tokens_locks_out_nobody_with_a_certificate() -> None:
    named = ClientCertificateSettings("ada", Role.ACTIVATOR, bytes(32))
    access = Access(token_settings(), Now(), AccessSettings(failures=1), [named])
    shown = ClientCertificate(bytes(32), "CN=ada", valid_until=2_000)
    statuses = []
    for _ in range(2):
        with pytest.raises(AccessRefusedError) as refused:
            access.authenticate("Bearer guess", "192.0.2.1", shown)
        statuses.append(refused.value.status)
    assert statuses == [401, 429]
    assert access.authenticate(None, "192.0.2.1", shown).name == "ada"


# -- the DUIS gateway --------------------------------------------------------------------------------------


async def test_the_gateway_judges_by_the_document_s_signature_whoever_s_certificate_it_came_with(
    tmp_path: Path,
) -> None:
    users = [ServiceUser(SUPPLIER.eui64)]
    request = ReadFirmwareVersion(RequestId(SUPPLIER.eui64, HCALCS.eui64, 1))
    good, forged = signed(request), signed(request, OTHER_SUPPLIER)

    async def post(tls: MutualTls, shown: str, document: bytes) -> ResponseCode:
        async with tls.client(shown, headers={"Content-Type": "application/xml"}) as client:
            response = await client.post(f"{API}/serviceS", content=document)
        assert response.status_code == 200, response.text
        known = tls.api.context.certificates
        octets = verify_document(response.content, known, now=tls.api.lab.clock.now()).octets
        return parse_response(octets).response_code

    async with mutual_tls(tmp_path, users) as tls:
        await tls.api.lab.joined(HCALCS, JobKind.HCALCS)
        # An activator's certificate makes no signature good, and one that names nobody spoils none.
        for shown in ("ada", "nobody"):
            assert await post(tls, shown, forged) != ResponseCode.I99
        assert await post(tls, "nobody", good) == ResponseCode.I99
        assert tls.api.audited()[-1][:2] == (str(SUPPLIER.eui64), "11.2")


# -- settings and connections ------------------------------------------------------------------------------


def test_names_are_given_once_and_not_that_of_strangers() -> None:
    one = ClientCertificateSettings("ada", Role.ACTIVATOR, bytes(32))
    for certificates, tokens in (
        ([one, ClientCertificateSettings("ada", Role.OBSERVER, b"1" * 32)], ()),
        ([one, ClientCertificateSettings("ida", Role.OBSERVER, bytes(32))], ()),
        ([ClientCertificateSettings("operator", Role.OBSERVER, bytes(32))], token_settings()),
    ):
        with pytest.raises(ConfigError, match="have one"):
            Access(tokens, Now(), certificates=certificates)
    with pytest.raises(ConfigError, match="certificate name 'unknown'"):
        ClientCertificateSettings("unknown", Role.OBSERVER, bytes(32))


def test_what_is_no_certificate_that_can_be_read_names_nobody() -> None:
    for chain in ((), ("no certificate",), ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",)):
        assert client_certificate({"extensions": {"tls": {"client_cert_chain": chain}}}) is None
    assert client_certificate({}) is None
    assert client_certificate({"extensions": {"tls": {}}}) is None
