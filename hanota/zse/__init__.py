"""ZigBee Smart Energy (ZSE), sans-IO: tunneling and install codes."""
