"""Every request template the DCC publishes: served, or refused by name with its header read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from hanota.cli.duis import app
from hanota.duis.build import build_request
from hanota.duis.header import ServiceReferenceError, parse_header
from hanota.duis.other_services import OtherServiceReference
from hanota.duis.parse import parse_request
from hanota.duis.request import ActivateFirmware, ServiceReference
from hanota.gbcs.activate_firmware import CANCELLATION, activate_firmware_precommand, decode_command
from tests.npm_support import installed

if TYPE_CHECKING:
    from hanota.duis.request import ServiceRequest

HERE = Path(__file__).parent / "smartdcc"
FILES = ("package.json", "package-lock.json", "duis.mjs")
TEMPLATES = 297
"""Of duis-templates 0.7.0."""
SERVED = {"8.2": 1, "8.11": 2, "11.1": 1, "11.2": 3, "11.3": 3, "11.4": 1}


@pytest.fixture(scope="module")
def templates(pytestconfig: pytest.Config) -> list[Path]:
    folder = installed(pytestconfig, "smartdcc", [HERE / name for name in FILES])
    return sorted((folder / "node_modules/@smartdcc/duis-templates/templates").iterdir())


def served(template: Path) -> ServiceRequest | None:
    """Return the request in a template, None where its Service Request is not served."""
    try:
        return parse_request(template.read_bytes())
    except ServiceReferenceError:
        return None


def test_every_template_is_served_or_refused_by_its_service_reference(templates: list[Path]) -> None:
    assert len(templates) == TEMPLATES
    found = dict.fromkeys(SERVED, 0)
    for template in templates:
        header = parse_header(template.read_bytes())
        assert header.request_id is not None, template.name
        assert header.command_variant is not None, template.name
        request = served(template)
        if request is None:
            assert isinstance(header.service_reference, OtherServiceReference), template.name
        else:
            assert header.service_reference is request.service_reference
            assert parse_request(build_request(request)) == request
            found[request.service_reference] += 1
    assert found == SERVED


def test_every_template_is_shown_in_words(templates: list[Path]) -> None:
    for template in templates:
        result = CliRunner().invoke(app, ["show", str(template)])
        assert result.exit_code == 0, (template.name, result.output)
        header = parse_header(template.read_bytes())
        assert header.request_id is not None
        assert str(header.request_id.target) in result.stdout
        if header.service_reference not in set(ServiceReference):
            assert "not served" in result.stdout


def test_an_activation_becomes_a_pre_command_of_its_kind(templates: list[Path]) -> None:
    kinds = {}
    for template in templates:
        match served(template):
            case ActivateFirmware(request_id, image_hash, when) as request:
                made = activate_firmware_precommand(
                    request_id.originator,
                    request_id.target,
                    request_id.counter,
                    image_hash,
                    CANCELLATION if request.is_cancellation else when,
                )
                command = decode_command(made.payload)
                assert command.manufacturer_image_hash == image_hash
                kinds[template.name.split("_")[2]] = (command.execution_date_time, command.is_cancellation)
            case _:
                continue
    assert {kind: (time is None, cancels) for kind, (time, cancels) in kinds.items()} == {
        "IMMEDIATE": (True, False),
        "FUTURE": (False, False),
        "CANCELLATION": (False, True),
    }
