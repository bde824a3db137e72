"""What to tell the user of an error that came out of a radio library."""

from __future__ import annotations

import errno

from serialx.common import UnknownUriScheme


def reason(error: BaseException) -> str:
    """Return what went wrong in words; the libraries raise errors without any."""
    cause = error if str(error) else _cause(error)
    if isinstance(cause, TimeoutError):
        return str(cause) or "no answer in time"
    return str(cause) or type(cause).__name__


def hint(error: BaseException) -> str | None:
    """Return what to do about an error of opening a coordinator."""
    return _hint(error) or _hint(_cause(error))


def _hint(error: BaseException) -> str | None:
    match error:
        case FileNotFoundError():
            return "is the dongle plugged in? `hanota radio list` shows the ports there are"
        case PermissionError():
            return (
                "close the other program on this port (`fuser -v` names it), or join the group dialout:"
                " `sudo usermod -aG dialout $USER`, then log in again"
            )
        case ConnectionError():
            return "is the other end of the line listening?"
        case TimeoutError():
            return "is this the right port, baud rate and radio family? `hanota radio probe` finds out"
        case OSError(errno=errno.ENOTTY | errno.EISDIR):
            return "this is no serial port; `hanota radio list` shows those there are"
        case UnknownUriScheme():
            return (
                "an emulated dongle is in the process that made it;"
                " `hanota emulate --pty ./ttyHAN` makes one for other programs"
            )
        case _:
            return None


def _cause(error: BaseException) -> BaseException:
    """Return what an error was raised from; a timeout's own cause is only how asyncio makes one."""
    return error if error.__cause__ is None or isinstance(error, TimeoutError) else error.__cause__
