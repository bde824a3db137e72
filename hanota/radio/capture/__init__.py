"""Captures of the HAN as the hub saw it, in a form that Wireshark opens and dissects."""

from hanota.radio.capture.capture import Capture, CaptureSettings

__all__ = ["Capture", "CaptureSettings"]
