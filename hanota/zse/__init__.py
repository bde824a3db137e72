"""ZigBee Smart Energy (ZSE), sans-IO: tunneling, install codes and APS fragmentation."""
