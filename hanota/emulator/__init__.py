"""Emulated dongles, line, air and devices: everything a hub needs to run without a radio."""
