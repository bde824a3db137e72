"""A small ASH v2, the host's side; it shares nothing with the emulator's, so that the two can disagree."""

from __future__ import annotations

from collections import deque

FLAG, ESCAPE, CANCEL = 0x7E, 0x7D, 0x1A
RESERVED = bytes((FLAG, ESCAPE, 0x11, 0x13, 0x18, CANCEL))
ACK_TIMEOUT = 1.6


def crc_ccitt(data: bytes) -> int:
    """Polynomial 0x1021, initial value 0xFFFF, bit by bit."""
    crc = 0xFFFF
    for octet in data:
        for bit in range(7, -1, -1):
            carry = crc >> 15 ^ (octet >> bit & 1)
            crc = crc << 1 & 0xFFFF
            if carry:
                crc ^= 0x1021
    return crc


def whiten(data: bytes) -> bytes:
    """The pseudo-random sequence that begins 42 21 A8 54 2A."""
    register, sequence = 0x42, []
    for _ in data:
        sequence.append(register)
        register = (register >> 1) ^ 0xB8 if register & 1 else register >> 1
    return bytes(a ^ b for a, b in zip(data, sequence, strict=True))


def stuffed(body: bytes) -> bytes:
    """A frame as it goes down the line."""
    out = bytearray()
    for octet in body + crc_ccitt(body).to_bytes(2, "big"):
        out += bytes((ESCAPE, octet ^ 0x20)) if octet in RESERVED else bytes((octet,))
    return bytes(out) + bytes((FLAG,))


RST = bytes((CANCEL,)) + stuffed(b"\xc0")


class AshHost:
    """Sends one DATA frame at a time, acknowledges every one it gets at once, repeats until acknowledged."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.resets: list[int] = []
        self.errors: list[int] = []
        self.output: list[bytes] = []
        self.naks = 0
        self._start()

    def _start(self) -> None:
        self._buffer = bytearray()
        self._queue: deque[bytes] = deque()
        self._next_sent = 0
        self._next_received = 0
        self._under_way: bytes | None = None
        self._timeout: float | None = None
        self._rejecting = False

    @property
    def idle(self) -> bool:
        return self._under_way is None and not self._queue

    def send(self, payload: bytes, now: float) -> None:
        self._queue.append(payload)
        self._next(now)

    def next_timer(self) -> float | None:
        return self._timeout

    def expire(self, now: float) -> None:
        if self._timeout is not None and self._timeout <= now:
            self._transmit(now, again=True)

    def take_output(self) -> list[bytes]:
        output, self.output = self.output, []
        return output

    def receive(self, data: bytes, now: float) -> None:
        for octet in data:
            if octet == FLAG:
                frame, self._buffer = bytes(self._buffer), bytearray()
                if frame:
                    self._frame(frame, now)
            elif octet == CANCEL:
                self._buffer.clear()
            elif len(self._buffer) < 1000:
                self._buffer.append(octet)

    def _frame(self, frame: bytes, now: float) -> None:
        octets = bytearray()
        escaped = False
        for octet in frame:
            if octet == ESCAPE and not escaped:
                escaped = True
                continue
            octets.append(octet ^ 0x20 if escaped else octet)
            escaped = False
        body, crc = bytes(octets[:-2]), bytes(octets[-2:])
        if len(octets) < 3 or crc_ccitt(body).to_bytes(2, "big") != crc:
            self._reject()
            return
        control = body[0]
        if control == 0xC1:
            self.resets.append(body[2])
            self._start()
        elif control == 0xC2:
            self.errors.append(body[2])
        elif control & 0x80:
            self._acknowledged(control & 7, now)
            if control & 0x20:
                self.naks += 1
                self._transmit(now, again=True)
        else:
            self._acknowledged(control & 7, now)
            self._data(control, body[1:])

    def _data(self, control: int, payload: bytes) -> None:
        if control >> 4 & 7 == self._next_received:
            self._next_received = (self._next_received + 1) % 8
            self._rejecting = False
            self.received.append(whiten(payload))
            self.output.append(stuffed(bytes((0x80 | self._next_received,))))
        elif control & 8:
            self.output.append(stuffed(bytes((0x80 | self._next_received,))))
        else:
            self._reject()

    def _reject(self) -> None:
        if not self._rejecting:
            self._rejecting = True
            self.output.append(stuffed(bytes((0xA0 | self._next_received,))))

    def _acknowledged(self, number: int, now: float) -> None:
        if self._under_way is not None and number == (self._next_sent + 1) % 8:
            self._next_sent = number
            self._under_way = None
            self._timeout = None
            self._next(now)

    def _next(self, now: float) -> None:
        if self._under_way is None and self._queue:
            self._under_way = self._queue.popleft()
            self._transmit(now, again=False)

    def _transmit(self, now: float, *, again: bool) -> None:
        if self._under_way is not None:
            control = self._next_sent << 4 | 8 * again | self._next_received
            self.output.append(stuffed(bytes((control,)) + whiten(self._under_way)))
            self._timeout = now + ACK_TIMEOUT
