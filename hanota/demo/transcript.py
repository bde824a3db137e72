"""The journal as people read it: who sent what to whom, and how it was verified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from hanota.hub.events import EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.hub.events import Event, Json


_CLIENT_ATTRIBUTES: Final = (
    "image_upgrade_status",
    "file_offset",
    "current_file_version",
    "downloaded_file_version",
    "upgrade_activation_policy",
    "upgrade_timeout_policy",
)
"""Those that say how an update stands; the event has them all."""


def describe(event: Event) -> str:  # noqa: PLR0915  # a line for each kind, and mypy sees that none is missing
    """Return one line of text for an event, without time and parties."""
    detail = event.detail
    match event.kind:
        case EventKind.RADIO_STATE:
            return f"coordinator {detail['state']}" + _because(detail)
        case EventKind.FRAME_REFUSED:
            return f"frame on cluster {_hex(detail['cluster'])} refused: {detail['reason']}"
        case EventKind.DEVICE_ADDED:
            return f"{detail['device_type']} added to the Device Log, with its install code"
        case EventKind.DEVICE_REMOVED:
            return "removed from the Device Log"
        case EventKind.JOIN_PERMITTED:
            return f"may join for {detail['seconds']:.0f} s with its install code"
        case EventKind.JOIN_NOT_PERMITTED:
            return f"may not join: {detail['reason']}"
        case EventKind.DEVICE_JOINED:
            return "joined the HAN"
        case EventKind.DEVICE_LEFT:
            return "left the HAN"
        case EventKind.KEY_ESTABLISHED:
            return f"key establishment, suite {detail['suite']}"
        case EventKind.KEY_ESTABLISHMENT_FAILED:
            return f"key establishment failed: {detail['reason']}"
        case EventKind.LINK_KEY_LOST:
            return f"link key lost: {detail['reason']}"
        case EventKind.REQUEST_RECEIVED:
            return f"Service Request {detail['service_reference']} {detail['name']}{_image(detail)}"
        case EventKind.REQUEST_ACKNOWLEDGED:
            return f"{detail['response_code']} {detail['meaning']}"
        case EventKind.REQUEST_REJECTED:
            hint = f"; {detail['hint']}" if "hint" in detail else ""
            return f"Service Request rejected: {detail['reason']}{hint}"
        case EventKind.PRE_COMMAND:
            return f"Pre-Command {detail['use_case']}, {detail['octets']} octets, to be signed"
        case EventKind.SIGNED_PRE_COMMAND:
            return f"Signed Pre-Command {detail['use_case']}; verified: {detail['verified']}"
        case EventKind.RESPONSE_RETURNED:
            return f"response to {detail['service_reference']}: {_outcome(detail)}"
        case EventKind.DEVICE_ALERT:
            return f"device alert {detail['alert_code']}: {_outcome(detail)}"
        case EventKind.DCC_ALERT:
            return f"DCC alert {detail['alert']}: {_outcome(detail)}"
        case EventKind.DOCUMENT_DELIVERED:
            return f"document {detail['document']} taken by {detail['service_user']}"
        case EventKind.DOCUMENT_GIVEN_UP:
            return f"a document for {detail['service_user']} is given up: {detail['reason']}"
        case EventKind.DEVICE_STATUS:
            return f"{detail['device_type']} is {detail['status']} in the inventory"
        case EventKind.PRODUCT_LISTED:
            return f"on the Central Products List: {_product(detail)}"
        case EventKind.PRODUCT_WITHDRAWN:
            return f"{detail['status']} on the Central Products List: {_product(detail)}"
        case EventKind.PRODUCT_REMOVED:
            return f"removed from the Central Products List: {_product(detail)}"
        case EventKind.DAEMON_STARTED:
            return f"hanota {detail['version']} started, listening at {detail['url']}"
        case EventKind.DAEMON_STOPPING:
            return "hanota is stopping"
        case EventKind.STORE_PRUNED:
            pruned = ", ".join(f"{count} {rows}" for rows, count in detail.items() if count)
            return f"pruned from the database: {pruned}"
        case EventKind.JOB_STATE:
            return f"job {event.job} is {detail['state']}: {detail['cause']}"
        case EventKind.JOB_APPROVED:
            return f"job {event.job} is approved"
        case EventKind.JOB_PAUSED:
            return f"job {event.job} is paused: {detail['reason']}"
        case EventKind.JOB_RESUMED:
            return f"job {event.job} goes on"
        case EventKind.IMAGE_ADDED:
            return (
                f"image {str(detail['digest'])[:16]}... added: {detail['image']}, {detail['octets']} octets"
            )
        case EventKind.IMAGE_RETIRED:
            return f"image {str(detail['digest'])[:16]}... retired"
        case EventKind.IMAGE_NOTIFY:
            return "Image Notify"
        case EventKind.IMAGE_QUERIED:
            return f"Query Next Image Request, running {detail['current_version']}{_hardware(detail)}"
        case EventKind.TRANSFER_PROGRESS:
            return f"{detail['octets']} of {detail['total']} octets{_rate(detail)}"
        case EventKind.TRANSFER_STALLED:
            return f"no Image Block Request any more, at octet {detail['octets']} of {detail['total']}"
        case EventKind.TRANSFER_DELAYED:
            return f"Image Block Response WAIT_FOR_DATA, {detail['seconds']} s: {detail['reason']}"
        case EventKind.TRANSFER_HELD:
            return f"last block held: {detail['reason']}"
        case EventKind.TRANSFER_ABORTED:
            return "ABORT delivered: the device has no download any more"
        case EventKind.BLOCK_SIZE_LEARNT:
            return f"blocks of {detail['octets']} octets from now on: longer ones were lost"
        case EventKind.CLIENT_ATTRIBUTES:
            return f"client attributes: {_attributes(detail)}"
        case EventKind.DEVICE_FILE_QUERIED:
            return f"asks for its own file {_own_file(detail)}"
        case EventKind.DEVICE_FILE_ENDED:
            return f"its own file {_own_file(detail)}: {detail['status']}"
        case EventKind.UPGRADE_END:
            return f"Upgrade End Request {detail['status']}{_rate(detail)}"
        case EventKind.UPGRADE_END_ANSWERED:
            return f"Upgrade End Response: {detail['meaning']}"
        case EventKind.OTA_REFUSED:
            return f"refused: {detail['reason']}"
        case EventKind.TUNNEL_OPENED:
            return f"tunnel {detail['tunnel']} open, {detail['octets']} octets at a time"
        case EventKind.TUNNEL_CLOSED:
            return f"tunnel {detail['tunnel']} closed"
        case EventKind.TUNNEL_FAILED:
            return f"tunnel: {detail['reason']}"
        case EventKind.GBCS_SENT:
            return f"{_gbcs(detail)}; carries {detail['carries']}"
        case EventKind.GBCS_DELIVERED:
            return f"{detail['use_case']} command acknowledged"
        case EventKind.GBCS_RECEIVED:
            return f"{_gbcs(detail)}; verified: {detail['verified']}"
        case EventKind.GBCS_REFUSED:
            return f"GBCS message refused: {detail['reason']}"
        case _:
            assert_never(event.kind)


def parties(event: Event) -> str:
    """Return `from -> to`, or one name where somebody notes something for himself."""
    if event.source is event.target:
        return str(event.source)
    return f"{event.source} -> {event.target}"


def is_milestone(event: Event) -> bool:
    """Tell whether the event belongs in the short transcript: everything but the progress in between."""
    return event.kind is not EventKind.TRANSFER_PROGRESS


def _attributes(detail: Mapping[str, Json]) -> str:
    shown = (name for name in _CLIENT_ATTRIBUTES if name in detail)
    return ", ".join(f"{name.replace('_', ' ')} {detail[name]}" for name in shown)


def _own_file(detail: Mapping[str, Json]) -> str:
    return f"{detail['manufacturer']}/{detail['image_type']}/{detail['file_version']}"


def _because(detail: Mapping[str, Json]) -> str:
    return f": {detail['reason']}" if detail.get("reason") else ""


def _hex(value: Json) -> str:
    return f"0x{value:04X}" if isinstance(value, int) else str(value)


def _gbcs(detail: Mapping[str, Json]) -> str:
    return f"{detail['use_case']} {detail['message']}, {detail['octets']} octets"


def _image(detail: Mapping[str, Json]) -> str:
    if "octets" not in detail:
        return ""
    return f", image of {detail['octets']} octets, hash {str(detail['manufacturer_image_hash'])[:16]}..."


def _product(detail: Mapping[str, Json]) -> str:
    return f"{detail['device_type']} {detail['firmware_version']}"


def _outcome(detail: Mapping[str, Json]) -> str:
    version = f", firmware version {detail['firmware_version']}" if detail.get("firmware_version") else ""
    return f"{detail['outcome']}{version}"


def _hardware(detail: Mapping[str, Json]) -> str:
    return "" if detail.get("hardware_version") is None else f" on hardware {detail['hardware_version']}"


def _rate(detail: Mapping[str, Json]) -> str:
    rate, left = detail.get("rate"), detail.get("seconds_left")
    text = f", {rate:.0f} octets/s" if isinstance(rate, int | float) else ""
    return text + (f", {left:.0f} s left" if isinstance(left, int | float) else "")
