"""Tokens, roles and failed attempts; and what is refused to web pages of others."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from hanota.api.access import Access, AccessRefusedError, AccessSettings, Role, TokenSettings
from hanota.api.settings import ApiSettings
from hanota.errors import ConfigError
from tests.api_support import API, BASE_URL, TOKENS, bearer, bench, token_settings
from tests.hub_parties_support import HCALCS
from tests.hub_support import virtual

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api_support import Bench

# Every operation below /api/v1 but the DUIS services, and the lowest role that may have it done.
ROLES = {
    "get_hub": Role.OBSERVER,
    "get_progress": Role.OBSERVER,
    "list_devices": Role.OBSERVER,
    "get_device": Role.OBSERVER,
    "add_device": Role.OPERATOR,
    "remove_device": Role.ACTIVATOR,
    "put_inventory": Role.OPERATOR,
    "remove_inventory": Role.ACTIVATOR,
    "read_version": Role.OPERATOR,
    "list_images": Role.OBSERVER,
    "get_image": Role.OBSERVER,
    "add_image": Role.OPERATOR,
    "retire_image": Role.ACTIVATOR,
    "list_jobs": Role.OBSERVER,
    "get_job": Role.OBSERVER,
    "create_jobs": Role.OPERATOR,
    "approve_job": Role.ACTIVATOR,
    "pause_job": Role.OPERATOR,
    "resume_job": Role.OPERATOR,
    "cancel_job": Role.OPERATOR,
    "activate_job": Role.ACTIVATOR,
    "make_pre_command": Role.ACTIVATOR,
    "send_signed_pre_command": Role.ACTIVATOR,
    "list_products": Role.OBSERVER,
    "put_product": Role.OPERATOR,
    "withdraw_product": Role.ACTIVATOR,
    "remove_product": Role.ACTIVATOR,
    "list_events": Role.OBSERVER,
    "stream_events": Role.OBSERVER,
    "list_audit": Role.ACTIVATOR,
    "verify_audit": Role.ACTIVATOR,
    "decode_gbcs": Role.OBSERVER,
}
DUIS = {"serviceD", "serviceS", "serviceT"}
OPEN = {"health", "ready"}


class Now:
    """A clock set by hand."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def now(self) -> float:
        return self.at


def operations(api: Bench) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Return method, path and description of every operation, by its id."""
    paths: dict[str, dict[str, Any]] = api.app.openapi()["paths"]
    return {
        operation["operationId"]: (method.upper(), path, operation)
        for path, methods in paths.items()
        for method, operation in methods.items()
    }


def filled(path: str) -> str:
    return (
        path.replace("{device}", str(HCALCS.eui64))
        .replace("{job_id}", "1")
        .replace("{digest}", "00" * 32)
        .replace("{manufacturer_image_hash}", "00" * 32)
    )


@virtual
async def test_every_operation_has_a_role_and_takes_no_lower_one() -> None:
    async with bench(settings=ApiSettings(access=AccessSettings(failures=1000))) as api:
        known = operations(api)
        assert set(known) == set(ROLES) | DUIS | OPEN | {"metrics"}
        for name, needed in ROLES.items():
            method, path, described = known[name]
            assert described["x-role"] == needed, name
            for role in (None, *Role):
                if name == "stream_events" and role is not None:
                    continue  # it would not end
                async with api.client(role) as client:
                    response = await client.request(method, filled(path))
                if role is None:
                    assert response.status_code == HTTPStatus.UNAUTHORIZED, name
                elif not role.includes(needed):
                    assert response.status_code == HTTPStatus.FORBIDDEN, (name, role)
                else:
                    allowed = response.status_code not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
                    assert allowed, (name, role)


@virtual
async def test_health_and_readiness_take_no_token_and_metrics_do() -> None:
    async with bench() as api, api.client(None) as client:
        assert (await client.get("/health")).json() == {"status": "ok", "version": "1.2.3"}
        assert (await client.get("/ready")).json() == {"ready": True, "faults": []}
        api.faults.append("the coordinator is lost")
        response = await client.get("/ready")
        assert response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        assert response.json() == {"ready": False, "faults": ["the coordinator is lost"]}
        assert (await client.get("/metrics")).status_code == HTTPStatus.UNAUTHORIZED
        response = await client.get("/metrics", headers=bearer(Role.OBSERVER))
        assert response.text == "hanota_up 1\n"


@virtual
async def test_metrics_can_be_opened() -> None:
    async with bench(settings=ApiSettings(open_metrics=True)) as api, api.client(None) as client:
        assert (await client.get("/metrics")).status_code == HTTPStatus.OK


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Basic {TOKENS[Role.ACTIVATOR]}",
        TOKENS[Role.ACTIVATOR],
        "Bearer nonsense",
        f"Bearer {TOKENS[Role.ACTIVATOR]}x",
        "Bearer " + hashlib.sha256(TOKENS[Role.ACTIVATOR].encode()).hexdigest(),
        "Bearer \udcff",
    ],
)
def test_who_has_no_token_is_nobody(authorization: str | None) -> None:
    with pytest.raises(AccessRefusedError) as refused:
        Access(token_settings(), Now()).authenticate(authorization, "127.0.0.1")
    assert refused.value.status is HTTPStatus.UNAUTHORIZED


def test_a_token_tells_whose_it_is_and_what_it_is_good_for() -> None:
    access = Access(token_settings(), Now())
    for role, token in TOKENS.items():
        principal = access.authenticate(f"bearer {token}", "127.0.0.1")
        assert (principal.name, principal.role) == (str(role), role)


def test_guessing_is_slowed_down_for_who_guesses_alone() -> None:
    clock = Now()
    settings = AccessSettings(failures=3, failures_per_second=0.5)
    access = Access(token_settings(), clock, settings)
    right = f"Bearer {TOKENS[Role.OBSERVER]}"
    waits: list[int | None] = []

    def status(authorization: str, address: str = "192.0.2.1") -> int:
        try:
            access.authenticate(authorization, address)
        except AccessRefusedError as error:
            waits.append(error.retry_after)
            return error.status
        return 200

    assert [status("Bearer guess") for _ in range(5)] == [401, 401, 401, 429, 429]
    assert waits == [None, None, None, 2, 2]
    assert status(right) == 429
    assert status(right, "192.0.2.2") == 200
    clock.at += 2
    assert status(right) == 200
    assert [status("Bearer guess") for _ in range(2)] == [401, 429]
    clock.at += 3600
    assert [status("Bearer guess") for _ in range(4)] == [401, 401, 401, 429]


def test_all_addresses_of_one_ipv6_site_are_one_client() -> None:
    access = Access(token_settings(), Now(), AccessSettings(failures=2))
    statuses = []
    for host in range(4):
        with pytest.raises(AccessRefusedError) as refused:
            access.authenticate("Bearer guess", f"2001:db8:0:1::{host:x}")
        statuses.append(refused.value.status)
    assert statuses == [401, 401, 429, 429]
    with pytest.raises(AccessRefusedError, match="unknown token"):
        access.authenticate("Bearer guess", "2001:db8:0:2::1")


def test_a_flood_of_addresses_is_not_remembered_for_ever() -> None:
    access = Access(token_settings(), Now(), AccessSettings(failures=1, addresses=8))
    for host in range(100):
        with pytest.raises(AccessRefusedError, match="unknown token"):
            access.authenticate("Bearer guess", f"192.0.2.{host}")
    assert len(access._failures) == 8


def test_who_brings_no_token_is_not_counted_as_guessing() -> None:
    access = Access(token_settings(), Now(), AccessSettings(failures=1))
    for _ in range(3):
        with pytest.raises(AccessRefusedError, match="no token"):
            access.authenticate(None, "192.0.2.1")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TokenSettings("", Role.OBSERVER, bytes(32)), "token name"),
        (lambda: TokenSettings("two words", Role.OBSERVER, bytes(32)), "token name"),
        (lambda: TokenSettings("me", Role.OBSERVER, b"secret"), "has 6 octets"),
        (lambda: AccessSettings(failures=0), "above 0"),
        (lambda: AccessSettings(failures_per_second=0), "above 0"),
        (
            lambda: Access(
                [TokenSettings("me", role, bytes([n]) * 32) for n, role in enumerate(Role)], Now()
            ),
            "one name",
        ),
        (
            lambda: Access([TokenSettings(str(role), role, bytes(32)) for role in Role], Now()),
            "one sha256",
        ),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(make: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make()


def test_settings_show_no_hash() -> None:
    assert "sha256" not in repr(token_settings())


# -- web pages of others -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8079", 200),
        ("localhost:8079", 200),
        ("LOCALHOST", 200),
        ("localhost.:8079", 200),
        ("[::1]:8079", 200),
        ("192.0.2.7:8079", 200),
        ("bench.example:8079", 200),
        ("attacker.example:8079", 421),
        ("localhost.attacker.example", 421),
        ("127.0.0.1.attacker.example", 421),
        ("bench.example@attacker.example", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
def test_a_page_that_leads_its_own_name_here_reaches_nothing(host: str, status: int) -> None:
    @virtual
    async def ask() -> None:
        async with bench(settings=ApiSettings(host_names=("Bench.example",))) as api:
            response = await api.ask("GET", "/hub", headers={"Host": host})
            assert response.status_code == status

    ask()


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (BASE_URL, 200),
        ("https://127.0.0.1:8079", 200),
        ("http://127.0.0.1:8080", 403),
        ("http://localhost:8079", 403),
        ("https://attacker.example", 403),
        ("null", 403),
        ("", 403),
        ("http://[", 403),
    ],
)
def test_a_page_of_another_origin_is_refused_even_with_a_token(origin: str, status: int) -> None:
    @virtual
    async def ask() -> None:
        async with bench() as api, api.client() as client:
            for path in (f"{API}/hub", "/health"):
                response = await client.get(path, headers={"Origin": origin})
                assert response.status_code == status
                assert ("hint" in response.json()) == (status == HTTPStatus.FORBIDDEN)
                assert "access-control-allow-origin" not in response.headers

    ask()


@virtual
async def test_no_page_of_another_origin_is_ever_allowed_by_cors() -> None:
    async with bench() as api, api.client() as client:
        headers = {"Origin": "https://attacker.example", "Access-Control-Request-Method": "POST"}
        response = await client.options(f"{API}/jobs", headers=headers)
        assert response.status_code == HTTPStatus.FORBIDDEN
        assert not [name for name in response.headers if name.startswith("access-control")]


@virtual
async def test_every_answer_tells_a_browser_to_run_nothing_from_elsewhere() -> None:
    async with bench() as api, api.client() as client:
        answers = [
            await client.get(f"{API}/hub"),
            await client.get(f"{API}/nothing"),
            await client.get("/openapi.json"),
            await client.get("/health", headers={"Origin": "https://attacker.example"}),
        ]
        for response in answers:
            assert "default-src 'self'" in response.headers["content-security-policy"]
            assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
            assert response.headers["x-content-type-options"] == "nosniff"
            assert response.headers["x-frame-options"] == "DENY"
        assert answers[0].headers["cache-control"] == "no-store"


@virtual
async def test_a_fault_of_hanota_itself_is_told_without_a_traceback() -> None:
    async with bench() as api:

        def fail() -> Any:
            raise RuntimeError("a secret of the inside")

        object.__setattr__(api.context, "readiness", fail)
        async with api.client() as client:
            response = await client.get("/ready")
        assert response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
        assert "secret" not in response.text
        assert response.json()["error"]
        assert response.headers["x-content-type-options"] == "nosniff"


@virtual
async def test_without_a_dashboard_there_is_nothing_at_the_root() -> None:
    async with bench() as api, api.client() as client:
        assert (await client.get("/")).status_code == HTTPStatus.NOT_FOUND


async def test_the_dashboard_is_served_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "dashboard").mkdir()
    (tmp_path / "dashboard" / "index.html").write_text("<title>hanota</title>")
    (tmp_path / "secret").write_text("secret")
    async with bench(dashboard=tmp_path / "dashboard") as api, api.client(None) as client:
        response = await client.get("/")
        assert response.text == "<title>hanota</title>"
        assert "default-src 'self'" in response.headers["content-security-policy"]
        for path in ("/../secret", "/%2e%2e/secret", "/..%2fsecret"):
            assert (await client.get(path)).status_code == HTTPStatus.NOT_FOUND
        assert (await client.get(f"{API}/hub")).status_code == HTTPStatus.UNAUTHORIZED


@virtual
async def test_a_body_is_not_read_for_who_may_not_send_it() -> None:
    async with bench() as api:
        read = 0

        async def body() -> Any:
            nonlocal read
            for _ in range(10):
                read += 1
                yield bytes(1000)

        for role, status in ((None, 401), (Role.OBSERVER, 403)):
            async with api.client(role) as client:
                response = await client.post(f"{API}/images?kind=PPMID", content=body())
            assert response.status_code == status
            assert read == 0
