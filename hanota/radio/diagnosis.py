"""What to tell the user of an error that came out of a radio library."""

from __future__ import annotations


def reason(error: BaseException) -> str:
    """Return what went wrong in words; the libraries raise errors without any."""
    cause = error if str(error) else _cause(error)
    if isinstance(cause, TimeoutError):
        return str(cause) or "no answer in time"
    return str(cause) or type(cause).__name__


def hint(error: BaseException) -> str | None:
    """Return what to do about an error of opening a coordinator."""
    match _cause(error):
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


def _cause(error: BaseException) -> BaseException:
    """Return what an error was raised from; a timeout's own cause is only how asyncio makes one."""
    return error if error.__cause__ is None or isinstance(error, TimeoutError) else error.__cause__
