"""Logs: every record, hanota's, the radio libraries' and the HTTP server's, through one formatter.

A record is made harmless by `radio.redaction` before it comes here.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

import structlog

from hanota.config.settings import LogFormat
from hanota.hub.events import EventKind
from hanota.hub.ports import RadioState
from hanota.timestamps import iso

if TYPE_CHECKING:
    from collections.abc import Iterator

    from structlog.typing import EventDict, Processor, WrappedLogger

    from hanota.config.settings import LoggingSection
    from hanota.hub.events import Event

JOURNAL: Final = "hanota.journal"
"""The logger of the journal's events."""
_HANOTA: Final = "hanota"
_RADIO_LIBRARIES: Final = ("zigpy", "zigpy_znp", "bellows")
_LEFT_OUT: Final = frozenset({"message_octets", "payload"})
"""Of an event's detail: long, and in the journal."""
_DEBUG: Final = frozenset({EventKind.TRANSFER_PROGRESS})
_WARNING: Final = frozenset(
    {
        EventKind.FRAME_REFUSED,
        EventKind.GBCS_REFUSED,
        EventKind.OTA_REFUSED,
        EventKind.KEY_ESTABLISHMENT_FAILED,
        EventKind.LINK_KEY_LOST,
        EventKind.TUNNEL_FAILED,
        EventKind.REQUEST_REJECTED,
        EventKind.DOCUMENT_GIVEN_UP,
        EventKind.TRANSFER_STALLED,
    }
)

journal_logger = logging.getLogger(JOURNAL)


@contextmanager
def logging_to(stream: TextIO, settings: LoggingSection) -> Iterator[None]:
    """Have everything that is logged written to `stream` for the length of a `with` block."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(settings.format, terminal=stream.isatty()))
    root, libraries = logging.getLogger(), settings.libraries.upper()
    # The radio libraries' are set on purpose: left alone, `hanota.radio` holds them at INFO.
    levels = {"": libraries, _HANOTA: settings.level.upper(), **dict.fromkeys(_RADIO_LIBRARIES, libraries)}
    handlers, before = root.handlers[:], {name: logging.getLogger(name).level for name in levels}
    root.handlers[:] = [handler]
    journal_logger.disabled = not settings.events
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        journal_logger.disabled = False
        for name, number in before.items():
            logging.getLogger(name).setLevel(number)


def _formatter(form: LogFormat, *, terminal: bool) -> logging.Formatter:
    processors: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if form is LogFormat.CONSOLE or (form is LogFormat.AUTO and terminal):
        plain = structlog.dev.plain_traceback
        processors.append(structlog.dev.ConsoleRenderer(colors=terminal, exception_formatter=plain))
    else:
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    return structlog.stdlib.ProcessorFormatter(
        processors=processors,
        foreign_pre_chain=[
            _with_time,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            _flat,
        ],
    )


def log_event(event: Event) -> None:
    """Log an event of the journal; a listener of it."""
    level = logging.INFO
    if event.kind in _DEBUG:
        level = logging.DEBUG
    elif event.kind in _WARNING or event.detail.get("state") == RadioState.LOST:
        level = logging.WARNING
    if journal_logger.isEnabledFor(level):
        detail = {
            name: value for name, value in event.to_json().items() if name not in _OWN and value is not None
        }
        journal_logger.log(level, "%s", event.kind, extra={"detail": detail})


_OWN: Final = _LEFT_OUT | {"at", "kind"}


def _with_time(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record = event["_record"]
    event["at"] = iso(record.created)
    return event


def _flat(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put the detail of an event beside what every record has, and time and event before everything."""
    detail = event.pop("detail", {})
    return {"at": event.pop("at"), "event": event.pop("event"), **detail, **event}
