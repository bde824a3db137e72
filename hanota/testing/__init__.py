"""The pytest plugin: tests of a hub and its devices, on emulated dongles or on a bench of metal."""
