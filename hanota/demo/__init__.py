"""The demonstration: hub, emulated dongle and emulated devices, and one update of each kind."""
