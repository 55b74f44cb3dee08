"""One thing, every face: what aiocoap registers is in the DNS and pushed over TLS at once, what it removes goes in one
message of few words, and what registers by signed update is told to an aiocoap observer of the endpoint lookup."""

import asyncio
import ssl
import struct
import tempfile
import time

import aiocoap
from aiocoap import resource
from aiocoap.resourcedirectory.client.register import Registerer

from case import COAP, DNS, DNS_TLS, WAYHOUSE, check, run

ZONE = "services.home.arpa"
SERVICES = f"_coap._udp.{ZONE}"
INSTANCE = f"aio-lamp.{SERVICES}"
HOST = f"aio-lamp.{ZONE}"
TYPES = {1: "A", 12: "PTR", 16: "TXT", 28: "AAAA", 33: "SRV", 255: "ANY"}
# RFC 8765 §6.3.1: the time to live of what removes many records at once.
MANY_REMOVED = 0xFFFFFFFE


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def read_name(message, at):
    labels = []
    end = None
    while message[at]:
        if message[at] >= 0xC0:
            end = end or at + 2
            at = struct.unpack(">H", message[at:at + 2])[0] & 0x3FFF
            continue
        labels.append(message[at + 1:at + 1 + message[at]].decode())
        at += 1 + message[at]
    return ".".join(labels), end or at + 1


def changes(message):
    """What a PUSH tells: name, type, class, time to live."""
    check(struct.unpack(">H", message[12:14])[0] == 0x41, "it is a PUSH")
    at, end = 16, 16 + struct.unpack(">H", message[14:16])[0]
    told = []
    while at < end:
        name, at = read_name(message, at)
        rtype, rclass, ttl, octets = struct.unpack(">HHIH", message[at:at + 10])
        at += 10 + octets
        told.append((name, TYPES.get(rtype, rtype), rclass, ttl))
    return told


class Subscriber:
    """A push client on Python's TLS."""

    async def connect(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        host, port = DNS_TLS.rsplit(":", 1)
        self.reader, self.writer = await asyncio.open_connection(host, int(port), ssl=context)

    async def message(self):
        length = struct.unpack(">H", await self.reader.readexactly(2))[0]
        return await self.reader.readexactly(length)

    async def subscribe(self, number, name, rtype):
        tlv = wire(name) + struct.pack(">HH", rtype, 1)
        message = struct.pack(">HHHHHHHH", number, 6 << 11, 0, 0, 0, 0, 0x40, len(tlv)) + tlv
        self.writer.write(struct.pack(">H", len(message)) + message)
        answer = await asyncio.wait_for(self.message(), 15)
        check(struct.unpack(">HH", answer[:4]) == (number, 1 << 15 | 6 << 11), f"{name} can be subscribed to")


def dig(name, rtype):
    host, port = DNS.rsplit(":", 1)
    return run("dig", "-p", port, f"@{host}", "+time=5", "+tries=1", "+short", name, rtype)


async def main():
    site = resource.Site()
    site.add_resource([".well-known", "core"], resource.WKCResource(site.get_resources_as_linkheader))
    server = await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", None))
    client = await aiocoap.Context.create_client_context()

    subscriber = Subscriber()
    await subscriber.connect()
    await subscriber.subscribe(1, SERVICES, 12)
    await subscriber.subscribe(2, INSTANCE, 255)
    await subscriber.subscribe(3, HOST, 28)

    started = time.monotonic()
    registerer = Registerer(server, rd=COAP, lt=60, name_from_hostname=False,
                            registration_parameters={"ep": "aio-lamp", "base": "coap://[fd00::7]"})
    told = changes(await asyncio.wait_for(subscriber.message(), 15))
    passed = time.monotonic() - started
    wanted = {(SERVICES, "PTR"), (INSTANCE, "SRV"), (INSTANCE, "TXT"), (HOST, "AAAA")}
    check({(name, rtype) for name, rtype, _, _ in told} == wanted, "PTR, SRV, TXT and AAAA come in one message")
    check(all(ttl < 1 << 31 for _, _, _, ttl in told), "they are additions")
    check("aio-lamp" in dig(INSTANCE, "SRV"), "dig finds the service")
    print(f"    told over TLS {passed * 1e3:.1f} ms after aiocoap began to register (directory discovery included)")

    while registerer.state != "registered":
        await asyncio.sleep(0.01)
    await registerer.shutdown()
    told = changes(await asyncio.wait_for(subscriber.message(), 15))
    # RFC 8765 §6.3.1: class ANY and type 0 take everything from a name, and nothing is left of any of these.
    wanted = {(name, 0, 255, MANY_REMOVED) for name in (SERVICES, INSTANCE, HOST)}
    check(set(told) == wanted and len(told) == 3, "the removals come in one message, one for each name with all it had")
    check(dig(INSTANCE, "SRV") == "", "dig finds it no more")

    observation = client.request(aiocoap.Message(code=aiocoap.GET, uri=COAP + "/rd-lookup/ep", observe=0))
    check((await observation.response).code == aiocoap.CONTENT, "the endpoint lookup accepts an observer")
    with tempfile.TemporaryDirectory() as folder:
        words = ["publish", "Signed Lamp", "_coap._udp", "5683", "--host", "signed-lamp", "--address", "192.0.2.8",
                 "--txt", "path=/light", "--server", DNS, "--key", f"{folder}/key", "--immediately", "--once"]
        asyncio.get_running_loop().run_in_executor(None, lambda: run(WAYHOUSE, *words))
        async for notification in observation.observation:
            text = notification.payload.decode()
            if 'ep="signed-lamp"' in text:
                break
        check("coap://192.0.2.8" in text, "an aiocoap observer is told of what registers by signed update")
    links = await client.request(aiocoap.Message(code=aiocoap.GET, uri=COAP + "/rd-lookup/res?ep=signed-lamp")).response
    check("<coap://192.0.2.8/light>" in links.payload.decode(), "and the resource lookup shows where it is")
    await client.shutdown()
    await server.shutdown()


asyncio.run(asyncio.wait_for(main(), 60))
