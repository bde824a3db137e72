"""Limits and times of key establishment, for both roles, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeyEstablishmentSettings:
    """Every limit and time of the Key Establishment cluster; times in seconds."""

    ephemeral_time: int = 10
    """Ephemeral Data Generate Time we advertise; GB hubs say 10, and plain Python takes a tenth of a second.
    What is not computed by then is given up."""
    confirm_time: int = 10
    """Confirm Key Generate Time we advertise; for the responder it has to cover writing the key into the
    coordinator, which comes before Confirm Key."""
    margin: float = 10.0
    """Added to the times the peer advertises, for the way there and back: common stacks add as much, and a
    sleepy device asks for its messages every 7.68 s at the latest."""
    exchanges: int = 8
    """Exchanges under way at once; more devices are told NO_RESOURCES. A handshake has six messages, and
    8 devices keep the air busy."""
    wait: int = 30
    """How long a device that is told NO_RESOURCES shall wait, as GB hubs say; an exchange ends sooner."""
    attempts: int = 6
    """Exchanges one device may begin in `attempts_window`: a device that fails for good tries every 30 s, one
    that begins faster is broken or hostile."""
    attempts_window: float = 60.0
    """What `attempts` is counted in."""
    delivery_time: float = 20.0
    """How long the radio may take to tell whether Confirm Key arrived; above all its retries."""
    grace: float = 10.0
    """How long after Confirm Key arrived the initiator may still refuse it, and repeat its own; comparing a
    MAC takes no time, and after that a Terminate, which nothing protects, takes no key away."""
    devices: int = 256
    """Devices whose attempts and ephemeral keys are remembered; a Device Log holds far fewer."""
    remembered_ephemerals: int = 8
    """Ephemeral keys remembered of each device, ours and its own: those of its last four exchanges."""
    answers_waiting: int = 64
    """Answers held for the radio; one more is lost as on the air, so that a flood fills no memory."""
