"""What to tell the user of an error that came out of a radio library."""

from __future__ import annotations


def reason(error: BaseException) -> str:
    """Return what went wrong in words; the libraries raise errors without any."""
    cause = error.__cause__ if not str(error) and error.__cause__ is not None else error
    return str(cause) or type(cause).__name__


def hint(error: BaseException) -> str | None:
    """Return what to do about an error of opening a coordinator."""
    match error.__cause__ or error:
        case FileNotFoundError():
            return "is the dongle plugged in? `ls /dev/serial/by-id`"
        case PermissionError():
            return "close the other program on this port, or join the group dialout"
        case ConnectionError():
            return "is the other end of the line listening?"
        case TimeoutError():
            return "is this the right port, baud rate and radio family?"
        case _:
            return None
