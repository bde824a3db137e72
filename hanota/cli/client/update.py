"""`hanota client update` and `activate`: an image brought to devices, and activated where that is a step."""

from __future__ import annotations

import base64
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hanota.cli.client.errors import UpdateFailedError
from hanota.cli.client.session import JsonOption, YesOption, confirm, end, eui64, run
from hanota.cli.client.tables import show_table
from hanota.cli.client.when import parse_when, spoken
from hanota.cli.client.words import SHORT_DIGEST, job_words, show_json
from hanota.cli.image_file import read_image_file
from hanota.cli.output import console, stderr
from hanota.clock import SystemClock
from hanota.errors import ConfigError, HanotaError
from hanota.timestamps import iso

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.cli.client.connection import Connection
    from hanota.gbcs.keystore import KeyStore

_ACCEPTED = "accepted"
_LATER = "+10m, 02:30 or 2026-11-22T02:30Z"
FollowOption = Annotated[
    bool, typer.Option("--follow", "-f", help="Show progress until each job has ended or is held.")
]


class Priority(StrEnum):
    """Whose image blocks go first."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


def update(
    context: typer.Context,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="A digest of the library, or an OTA file.")],
    devices: Annotated[list[str], typer.Argument(metavar="EUI64...", help="The devices.")],
    *,
    at: Annotated[
        str | None, typer.Option(metavar="WHEN", help=f"When a PPMID activates it: {_LATER}.")
    ] = None,
    approve: Annotated[
        bool, typer.Option("--approve", help="Keep the last block back until `hanota client approve`.")
    ] = False,
    priority: Annotated[Priority, typer.Option(help="Whose blocks go first.")] = Priority.NORMAL,
    allow_downgrade: Annotated[
        bool, typer.Option("--allow-downgrade", help="Also where a device runs a higher version.")
    ] = False,
    expires: Annotated[
        str | None, typer.Option(metavar="WHEN", help="When to give up unless a device has the image.")
    ] = None,
    follow: FollowOption = False,
    as_json: JsonOption = False,
) -> None:
    """Update devices: a PPMID activates what it gets (SR 11.4), an HCALCS holds it (11.1) till `activate`."""
    try:
        names = list(dict.fromkeys(eui64(device) for device in devices))
        file = _image_file(image)
        body = {
            "devices": names,
            "priority": str(priority),
            "upgrade_at": _iso(at),
            "needs_approval": approve,
            "allow_downgrade": allow_downgrade,
            "expires_at": _iso(expires),
        }
    except HanotaError as error:
        end(error)
    answer = run(context, lambda connection: _update(connection, image, file, body))
    if as_json:
        show_json(answer)
    else:
        _show_answer(answer)
    jobs = [each["job"]["id"] for each in answer["devices"] if each["job"] is not None]
    if follow and jobs:
        from hanota.cli.client.following import follow_jobs  # noqa: PLC0415  # httpx takes its time to load

        run(context, lambda connection: follow_jobs(connection, jobs, as_json=as_json))
    left_out = [each for each in answer["devices"] if each["outcome"] != _ACCEPTED]
    if left_out:
        words = ", ".join(f"{each['device']} ({each['outcome'].replace('_', ' ')})" for each in left_out)
        end(
            UpdateFailedError(
                f"left out ({answer['response_code']}): {words}", hint="`hanota client devices` shows why"
            )
        )


def activate(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="JOB|EUI64", help="A held job, or its device.")],
    *,
    at: Annotated[
        str | None, typer.Option(metavar="WHEN", help=f"When: {_LATER}; without it at once.")
    ] = None,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Cancel a future-dated activation instead.")
    ] = False,
    keystore: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Sign with the supplier's key in this folder; without it the daemon does."
        ),
    ] = None,
    follow: FollowOption = False,
    as_json: JsonOption = False,
    yes: YesOption = False,
) -> None:
    """Activate the image an HCALCS holds: SR 11.3, a Critical Command the supplier signs."""
    try:
        if cancel and at is not None:
            raise ConfigError("a cancellation has no time", hint="give --at or --cancel")
        body = {"when": _iso(at), "cancel": cancel}
        keys = None if keystore is None else _keys(keystore)
    except HanotaError as error:
        end(error)
    job = run(context, lambda connection: _job(connection, target))
    what = "cancel the activation of" if cancel else "activate"
    when = "" if at is None else f" at {spoken(str(body['when']))}"
    confirm(
        f"{what} version {job['firmware_version']} on {job['kind']} {job['device']} (job {job['id']}){when}?",
        yes=yes,
    )
    answer = run(context, lambda connection: _activate(connection, job["id"], body, keys))
    if as_json:
        show_json(answer)
    else:
        console.print(f"{answer['response_code']} for {answer['request_id']}", markup=False)
        console.print(f"job {job['id']}: {job_words(answer['job'])}", markup=False)
    if follow and not cancel:
        from hanota.cli.client.following import follow_jobs  # noqa: PLC0415  # as in `update`

        run(
            context,
            lambda connection: follow_jobs(connection, [job["id"]], as_json=as_json, held_settles=False),
        )


async def _update(connection: Connection, image: str, file: bytes | None, body: Mapping[str, Any]) -> Any:
    digest = image
    if file is not None:
        first = await connection.get(f"/devices/{body['devices'][0]}")
        added = await connection.upload("/images", file, {"kind": first["device_type"]})
        digest = added["digest"]
        stderr.print(f"image {digest[:SHORT_DIGEST]} is in the library", markup=False)
    return await connection.post("/jobs", {"image": digest, **body})


async def _job(connection: Connection, target: str) -> Any:
    if target.isascii() and target.isdigit() and len(target) < 16:
        return await connection.get(f"/jobs/{target}")
    device = await connection.get(f"/devices/{eui64(target)}")
    if device["job"] is None:
        raise ConfigError(
            f"{device['device']} has no open job", hint="`hanota client update` brings it an image first"
        )
    return device["job"]


async def _activate(connection: Connection, job: int, body: Mapping[str, Any], keys: KeyStore | None) -> Any:
    if keys is None:
        return await connection.post(f"/jobs/{job}/activate", body)
    prepared = await connection.post(f"/jobs/{job}/pre-command", body)
    signed = _signed(base64.b64decode(prepared["pre_command"]), keys)
    return await connection.post(
        f"/jobs/{job}/signed-pre-command",
        {
            "request_id": prepared["request_id"],
            "signed_pre_command": base64.b64encode(signed).decode(),
        },
    )


def _keys(folder: Path) -> KeyStore:
    from hanota.gbcs.keystore import KeyStore  # noqa: PLC0415  # cryptography takes its time to load

    return KeyStore.from_folder(folder)


def _signed(pre_command: bytes, keys: KeyStore) -> bytes:
    """Return a Pre-Command with the signature of its originator; raise where his key is not there."""
    from hanota.gbcs.crypto import sign  # noqa: PLC0415  # as in _keys
    from hanota.gbcs.message import Message  # noqa: PLC0415

    message = Message.decode(pre_command)
    return sign(message, keys.signing_private_key(message.originator)).encode()


def _image_file(image: str) -> bytes | None:
    """Return the octets of an image that is named by its file, None for a digest."""
    path = Path(image)
    is_digest = image.isascii() and image.isalnum() and not path.suffix
    return None if is_digest and not path.is_file() else read_image_file(path)


def _iso(when: str | None) -> str | None:
    return None if when is None else iso(parse_when(when, SystemClock().now()))


def _show_answer(answer: Mapping[str, Any]) -> None:
    console.print(f"{answer['response_code']} for {answer['request_id']}", markup=False)
    show_table(
        ("device", "outcome", "job"),
        (
            (
                each["device"],
                each["outcome"].replace("_", " "),
                "" if each["job"] is None else f"{each['job']['id']} {job_words(each['job'])}",
            )
            for each in answer["devices"]
        ),
        texts=("outcome", "job"),
        nothing="no devices",
    )
