"""Settings of mutual TLS: who is named by a certificate, and what is said of what cannot be meant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from hanota.api.access import ClientCertificateSettings, Role
from hanota.api.delivery_post import tls_context
from hanota.api.delivery_settings import DeliverySettings
from hanota.config.faults import SettingsError
from hanota.config.load import load_settings
from hanota.config.settings import ApiSection
from hanota.config.show import effective_settings
from hanota.daemon.build import tokens_of
from hanota.daemon.tls import server_context
from hanota.daemon.token_file import token_file
from hanota.errors import ConfigError
from tests.tls_support import Authority

if TYPE_CHECKING:
    from pathlib import Path

    from hanota.config.settings import Settings

TLS = """
[radio]
url = "znp+emulator://bench"
[api]
certificate = "own.pem"
key = "own.key"
client_ca = "ca.pem"
"""
ANNA = f'[[api.client_certificates]]\nname = "anna"\nrole = "observer"\npublic_key_sha256 = "{"0f" * 32}"\n'


def read(folder: Path, text: str) -> Settings:
    file = folder / "hub.toml"
    file.write_text(text)
    return load_settings(file)


def test_a_certificate_is_given_a_name_and_a_role_in_the_file(tmp_path: Path) -> None:
    settings = read(tmp_path, TLS + ANNA)
    assert settings.api.client_certificates == (
        ClientCertificateSettings("anna", Role.OBSERVER, b"\x0f" * 32),
    )
    assert f'public_key_sha256 = "{"0f" * 32}"' in effective_settings(settings)


def test_the_environment_may_give_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = [{"name": "ada", "role": "activator", "public_key_sha256": "1e" * 32}]
    monkeypatch.setenv("HANOTA_API__CLIENT_CERTIFICATES", json.dumps(given))
    assert read(tmp_path, TLS).api.client_certificates == (
        ClientCertificateSettings("ada", Role.ACTIVATOR, b"\x1e" * 32),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TLS.replace('client_ca = "ca.pem"\n', "") + ANNA, "are of use with client_ca only"),
        (TLS + ANNA.replace("anna", "two words"), "certificate name 'two words'"),
        (TLS + ANNA.replace("anna", "unknown"), "certificate name 'unknown'"),
        (TLS + ANNA.replace("0f" * 32, "0f"), "public_key_sha256 of certificate anna has 1 octets, not 32"),
        (TLS + ANNA.replace("0f" * 32, "AB:CD"), "octets in hex"),
        (TLS + ANNA.replace("observer", "root"), "one of observer, operator, activator"),
        (TLS + ANNA.replace("public_key_sha256", "sha256"), "there are name, role, public_key_sha256"),
        (TLS + ANNA + ANNA, "two tokens or certificates have one name"),
        (TLS + ANNA + ANNA.replace("anna", "ada"), "two certificates have one public_key_sha256"),
        (
            TLS + ANNA + f'[[api.tokens]]\nname = "anna"\nrole = "operator"\nsha256 = "{"11" * 32}"\n',
            "two tokens or certificates have one name",
        ),
        (TLS + '[api.delivery]\nclient_key = "own.key"\n', "with client_certificate only"),
    ],
)
def test_what_cannot_be_meant_is_told_before_anything_starts(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as told:
        read(tmp_path, text)
    assert words in str(told.value)


def test_no_token_is_made_where_certificates_say_who_may(tmp_path: Path) -> None:
    settings = read(tmp_path, TLS + ANNA)
    assert tokens_of(settings) == ()
    assert not token_file(settings.store.path).exists()
    assert [token.name for token in tokens_of(read(tmp_path, TLS))] == ["owner"]
    assert token_file(settings.store.path).exists()


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    own = Authority("authority", tmp_path).issue("own").file
    none = tmp_path / "none.pem"
    none.write_text("no certificate")
    with pytest.raises(ConfigError, match=r"none\.pem"):
        server_context(ApiSection(certificate=own, key=own, client_ca=none))
    with pytest.raises(ConfigError, match=r"missing\.pem"):
        server_context(ApiSection(certificate=own, key=own, client_ca=tmp_path / "missing.pem"))


def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    own = Authority("authority", tmp_path).issue("own")
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        own.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )
    with pytest.raises(ConfigError) as told:
        server_context(ApiSection(certificate=own.file, key=locked))
    assert "without a password" in str(told.value.hint)
    with pytest.raises(ConfigError) as told:
        tls_context(DeliverySettings(client_certificate=own.file, client_key=locked))
    assert "without a password" in str(told.value.hint)
