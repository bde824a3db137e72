"""`hanota client` with a certificate: as whom it comes, and in which words it hears that it may not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from hanota.api.access import Role
from hanota.cli.main import app
from hanota.config.settings import ApiSection
from hanota.daemon.server import HttpServer
from hanota.hub.jobs import JobKind
from tests.api.mutual_tls_support import mutual_tls
from tests.api_support import TOKENS, bench
from tests.hub_parties_support import HCALCS
from tests.tls_support import Authority

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    from tests.api.mutual_tls_support import MutualTls
    from tests.tls_support import Issued

REFUSED, USAGE = 3, 2


async def client(*arguments: object, **environment: str) -> Result:
    """Run `hanota client` as another process would: the daemon is on this thread."""
    command = ["client", *map(str, arguments)]
    wide = {"HANOTA_TOKEN": "", "COLUMNS": "500", **environment}
    return await asyncio.to_thread(CliRunner().invoke, app, command, env=wide)


async def as_whom(tls: MutualTls, shown: Issued | str | None, *command: str, **environment: str) -> Result:
    """Run a command at the daemon, showing a certificate."""
    options: list[object] = ["--url", tls.url, "--ca", tls.authority.file]
    if shown is not None:
        options += ["--cert", (tls.shown[shown] if isinstance(shown, str) else shown).file]
    return await client(*options, *(command or ("status",)), **environment)


async def test_a_certificate_of_options_the_environment_or_the_file_says_who_comes(tmp_path: Path) -> None:
    async with mutual_tls(tmp_path) as tls:
        shown = tls.shown["otto"]
        pem = shown.file.read_bytes()
        at = pem.index(b"-----BEGIN PRIVATE")
        (tmp_path / "own.pem").write_bytes(pem[:at])
        (tmp_path / "own.key").write_bytes(pem[at:])
        access = tmp_path / "access.toml"
        access.write_text('ca = "bench.pem"\ncertificate = "own.pem"\nkey = "own.key"\n')
        access.chmod(0o600)
        ca, own, key = (str(tmp_path / name) for name in ("bench.pem", "own.pem", "own.key"))
        for result in (
            await client("--url", tls.url, "--ca", ca, "--cert", own, "--key", key, "status"),
            await client("status", HANOTA_URL=tls.url, HANOTA_CA=ca, HANOTA_CERT=own, HANOTA_KEY=key),
            await client("--url", tls.url, "--token-file", access, "status"),
        ):
            assert result.exit_code == 0, result.stderr
            assert "you are otto (operator)" in result.stdout


async def test_a_token_given_beside_the_certificate_says_who_comes(tmp_path: Path) -> None:
    async with mutual_tls(tmp_path) as tls:
        result = await as_whom(tls, "anna", HANOTA_TOKEN=TOKENS[Role.ACTIVATOR])
        assert "you are activator (activator)" in result.stdout
        wrong = await as_whom(tls, "anna", HANOTA_TOKEN="guess")
        assert wrong.exit_code == REFUSED
        assert "unknown token" in wrong.stderr
        assert "the certificate may name you" in wrong.stderr


async def test_a_token_lying_about_does_not_come_before_a_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lying = tmp_path / "hanota.sqlite.token"
    lying.write_text('token = "of another daemon"\n')
    lying.chmod(0o600)
    monkeypatch.chdir(tmp_path)
    async with mutual_tls(tmp_path) as tls:
        assert "you are anna (observer)" in (await as_whom(tls, "anna")).stdout


async def test_an_observer_with_a_certificate_is_told_that_it_may_not_activate(tmp_path: Path) -> None:
    async with mutual_tls(tmp_path) as tls:
        tls.api.lab.update(JobKind.HCALCS, HCALCS.eui64)
        result = await as_whom(tls, "anna", "cancel", "1", "--yes")
        assert result.exit_code == REFUSED
        assert "anna is observer, and this takes operator" in result.stderr
        assert "client certificate, with the role operator" in result.stderr
        result = await as_whom(tls, "anna", "approve", "1", "--yes")
        assert result.exit_code == REFUSED
        assert "anna is observer, and this takes activator" in result.stderr


@pytest.mark.parametrize(
    ("shown", "words", "hint"),
    [
        pytest.param(lambda tls: None, "asks for a certificate", "--cert and --key name", id="none"),
        pytest.param(
            lambda tls: tls.other_authority.issue("anna"),
            "it does not know the authority of the certificate",
            "show another certificate",
            id="unknown CA",
        ),
        pytest.param(
            lambda tls: tls.authority.issue("old", days=(-2, -1)),
            "it says that the certificate has expired",
            "show another certificate",
            id="expired",
        ),
        pytest.param(
            lambda tls: tls.authority.issue("new", days=(1, 2)),
            "not valid yet",
            "show another certificate",
            id="not valid yet",
        ),
        pytest.param(
            lambda tls: tls.shown["nobody"],
            "CN=nobody names nobody here, and there is no token",
            'public_key_sha256 = "',
            id="names nobody",
        ),
    ],
)
async def test_who_shows_the_wrong_certificate_hears_what_is_wrong_with_it(
    tmp_path: Path, shown: Callable[[MutualTls], Issued | None], words: str, hint: str
) -> None:
    async with mutual_tls(tmp_path) as tls:
        for command in (("status",), ("events", "--follow")):
            result = await as_whom(tls, shown(tls), *command)
            assert result.exit_code == REFUSED, result.output
            assert words in result.stderr
            assert hint in result.stderr
            assert "_ssl.c" not in result.stderr
            assert result.exception is None or isinstance(result.exception, SystemExit)


async def test_http_to_a_port_of_tls_and_https_to_one_without_are_told_apart(tmp_path: Path) -> None:
    async with mutual_tls(tmp_path) as tls:
        result = await client("--url", tls.url.replace("https:", "http:"), "status")
        assert result.exit_code == REFUSED
        assert "https is spoken here, not http" in result.stderr
        assert "https://" in result.stderr
    async with bench() as api:
        server = HttpServer(api.app, ApiSection(port=0), drain=1)
        await server.start()
        url = server.url
        result = await client("--url", url.replace("http:", "https:"), "status")
        await server.stop()
    assert result.exit_code == REFUSED
    assert "it speaks no TLS: http, perhaps" in result.stderr
    assert f"try --url {url}" in result.stderr


async def test_a_daemon_that_is_not_to_be_trusted_is_told_why(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    another = Authority("another", tmp_path / "other")
    async with mutual_tls(tmp_path) as tls:
        result = await client("--url", tls.url, "--ca", another.file, "status")
        assert result.exit_code == REFUSED
        assert "its certificate is of an authority that is not known" in result.stderr
        assert "--ca names the authority" in result.stderr
        named = tls.url.replace("127.0.0.1", "localhost")
        result = await client("--url", named, "--ca", tls.authority.file, "status")
        assert "its certificate is for another host name" in result.stderr


async def test_an_expired_certificate_of_the_daemon_is_told(tmp_path: Path) -> None:
    authority = Authority("authority", tmp_path)
    own = authority.issue("daemon", days=(-2, -1)).file
    async with bench() as api:
        server = HttpServer(api.app, ApiSection(port=0, certificate=own, key=own), drain=1)
        await server.start()
        result = await client("--url", server.url, "--ca", authority.file, "status")
        await server.stop()
    assert result.exit_code == REFUSED
    assert "its certificate has expired" in result.stderr


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("", "holds no token and no certificate"),
        ('ca = "ca.pem"', "holds no token and no certificate"),
        ('cert = "own.pem"', "has 'cert', which is nothing known here"),
        ('token = "t"\nkey = "own.key"', "has a key and no certificate"),
        ("certificate = 1", "certificate is no text"),
        ('certificate = "missing.pem"', "cannot use these certificates"),
    ],
)
async def test_a_file_of_access_that_will_not_do_is_told(tmp_path: Path, written: str, words: str) -> None:
    file = tmp_path / "access.toml"
    file.write_text(written)
    file.chmod(0o600)
    result = await client("--url", "https://127.0.0.1:9", "--token-file", file, "status")
    assert result.exit_code == USAGE
    assert words in result.stderr


async def test_options_that_do_not_go_together_are_told(tmp_path: Path) -> None:
    result = await client("--url", "https://127.0.0.1:9", "--key", "own.key", "status")
    assert result.exit_code == USAGE
    assert "a key without its certificate" in result.stderr
    result = await client("--url", "http://127.0.0.1:9", "--cert", "own.pem", "status")
    assert result.exit_code == USAGE
    assert "over https only" in result.stderr
