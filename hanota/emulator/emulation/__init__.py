"""What `hanota emulate` puts around an emulated dongle: the HAN of a han.toml, ports, memory, commands."""
