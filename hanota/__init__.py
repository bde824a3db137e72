"""hanota: a GB smart-metering Communications Hub for the lab bench."""

__version__ = "0.1.0"
