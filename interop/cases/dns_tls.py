"""DNS over TLS: Knot's kdig, which checks the pin, and a push client of our own words on Python's TLS."""

import socket
import ssl
import struct

from case import COAP, DNS_TLS, DNS_TLS_PIN, WAYHOUSE, check, run

HOST, PORT = DNS_TLS.rsplit(":", 1)
ZONE = "services.home.arpa"
NAME = f"_coap._udp.{ZONE}"


def kdig(*words, expect=0):
    return run("kdig", "-p", PORT, f"@{HOST}", "+time=5", "+retry=0", *words, expect=expect)


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def receive_exactly(stream, octets):
    received = b""
    while len(received) < octets:
        more = stream.recv(octets - len(received))
        if not more:
            check(False, "the connection stays open")
        received += more
    return received


def receive(stream):
    length = struct.unpack(">H", receive_exactly(stream, 2))[0]
    return receive_exactly(stream, length)


answer = kdig("+tls", f"+tls-pin={DNS_TLS_PIN}", ZONE, "SOA")
check("NOERROR" in answer and "TLS1.3" in answer, "kdig takes the pin that the daemon tells, over TLS 1.3")
check("Received 468 B" in kdig("+tls", "+padding", ZONE, "SOA"), "kdig pads, and is answered in 468 octets")
wrong = ("A" if DNS_TLS_PIN[0] != "A" else "B") + DNS_TLS_PIN[1:]
check("SOA" not in kdig("+tls", f"+tls-pin={wrong}", "+short", ZONE, "SOA", expect=None), "kdig refuses another pin")
check("NOERROR" in kdig("+tls", "+keepopen", ZONE, "SOA", NAME, "PTR"), "kdig asks twice on one connection")
port = kdig("+tls", "+short", f"_dns-push-tls._tcp.{ZONE}", "SRV")
check(port.split()[2] == PORT, "the zone says where changes are pushed")

context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
for splits in (False, True):
    stream = context.wrap_socket(socket.create_connection((HOST, int(PORT)), timeout=10))
    tlv = wire(NAME) + struct.pack(">HH", 12, 1)
    message = struct.pack(">HHHHHHHH", 7, 6 << 11, 0, 0, 0, 0, 0x40, len(tlv)) + tlv
    parts = [struct.pack(">H", len(message)), message]
    for part in parts if splits else [b"".join(parts)]:
        stream.sendall(part)
    answer = receive(stream)
    check(struct.unpack(">HH", answer[:4]) == (7, 1 << 15 | 6 << 11), f"the subscription is accepted, split: {splits}")
    if splits:
        receive(stream)
    name = "pushed-too" if splits else "pushed"
    run(WAYHOUSE, "register", "--directory", COAP, "--name", name, "--base", "coap://192.168.3.5",
        "--link", "</light>;rt=light")
    push = receive(stream)
    check(struct.unpack(">HH", push[:4]) == (0, 6 << 11), "the change is pushed over TLS")
    check(push[16:].startswith(wire(NAME)) and name.encode() in push, "it is about the name")
    ticket = stream.session
    stream.unwrap()
stream = context.wrap_socket(socket.create_connection((HOST, int(PORT)), timeout=10), session=ticket)
check(stream.session_reused, "a client that comes back is known")
stream.close()
