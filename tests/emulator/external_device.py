"""An external device in 60 lines: downloads an image over hanota's air and tells what it got.

python external_device.py SOCKET_PATH MANUFACTURER IMAGE_TYPE FILE_VERSION
"""

import hashlib
import json
import socket
import struct
import sys
import time

DATA, EVENT, CMD = 0x01, 0x10, 0x11
APS_ENCRYPTED, APS_ACK = 1, 2
SMART_ENERGY, OTA_UPGRADE, ENDPOINT = 0x0109, 0x0019, 1
NOTIFY, QUERY, QUERY_RESPONSE, BLOCK, BLOCK_RESPONSE, END, END_RESPONSE = 0, 1, 2, 3, 5, 6, 7
SUCCESS, WAIT_FOR_DATA, NEVER = 0x00, 0x97, b"\xff" * 4

hub = socket.socket(socket.AF_UNIX)
hub.connect(sys.argv[1])
stream = hub.makefile("rb")


def tell(kind: int, body: bytes) -> None:
    hub.sendall(struct.pack(">HB", 1 + len(body), kind) + body)


def event(**content: object) -> None:
    tell(EVENT, json.dumps(content).encode())


identity = struct.pack("<HHI", *(int(text, 0) for text in sys.argv[2:5]))
image, received, size = b"", b"", 0
while length := stream.read(2):
    message = stream.read(int.from_bytes(length, "big"))
    if message[0] == CMD:
        event(echo=message[1:].decode())
    if message[0] != DATA or message[8:10] != struct.pack("<H", OTA_UPGRADE) or not message[10] & 1:
        continue
    nwk, endpoint = struct.unpack_from("<HB", message, 2)
    sequence, command, status, payload, ask = *message[11:14], message[14:], b""
    if command == NOTIFY:
        ask = bytes((QUERY, 1)) + identity + b"\1\0"  # on hardware version 1
    elif command == QUERY_RESPONSE and status == SUCCESS:
        image, (size,), received = payload[:8], struct.unpack_from("<I", payload, 8), b""
    elif command == BLOCK_RESPONSE and status == WAIT_FOR_DATA:
        time.sleep(1)
    elif command == BLOCK_RESPONSE and payload[:12] == image + struct.pack("<I", len(received)):
        received += payload[13:]
    elif command == END_RESPONSE and payload[-4:] != NEVER:
        event(activated=image.hex(), sha256=hashlib.sha256(received).hexdigest())
    if command in (QUERY_RESPONSE, BLOCK_RESPONSE) and len(received) < size:
        ask = bytes((BLOCK, 0)) + image + struct.pack("<IB", len(received), 48)
    elif command == BLOCK_RESPONSE:
        ask = bytes((END, SUCCESS)) + image
    if ask:  # cluster specific, to the server, no Default Response wanted
        head = APS_ENCRYPTED | APS_ACK, nwk, ENDPOINT, endpoint, SMART_ENERGY, OTA_UPGRADE
        tell(DATA, struct.pack("<BHBBHHBB", *head, 0x11, sequence + 1 & 0xFF) + ask)
