"""DNS Push Notifications from a client of our own words (RFC 8490, RFC 8765), written without our codec."""

import socket
import struct

from case import COAP, DNS, WAYHOUSE, check, run

HOST, PORT = DNS.rsplit(":", 1)
NAME = "_coap._udp.services.home.arpa"


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def receive(stream):
    length = struct.unpack(">H", stream.recv(2, socket.MSG_WAITALL))[0]
    return stream.recv(length, socket.MSG_WAITALL)


stream = socket.create_connection((HOST, int(PORT)), timeout=10)
tlv = wire(NAME) + struct.pack(">HH", 12, 1)
message = struct.pack(">HHHHHHHH", 7, 6 << 11, 0, 0, 0, 0, 0x40, len(tlv)) + tlv
stream.sendall(struct.pack(">H", len(message)) + message)
answer = receive(stream)
check(struct.unpack(">HH", answer[:4]) == (7, 1 << 15 | 6 << 11), "the subscription is accepted")
run(WAYHOUSE, "register", "--directory", COAP, "--name", "pushed", "--base", "coap://192.168.3.5",
    "--link", "</light>;rt=light")
push = receive(stream)
identifier, flags = struct.unpack(">HH", push[:4])
check((identifier, flags) == (0, 6 << 11), "a PUSH is not answered")
check(struct.unpack(">H", push[12:14])[0] == 0x41 and push[16:].startswith(wire(NAME)), "it is about the name")
ttl = struct.unpack(">I", push[16 + len(wire(NAME)) + 4:][:4])[0]
check(ttl == 120, "a record was added")
