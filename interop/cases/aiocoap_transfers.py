"""Block-wise transfers, TCP, observation over TCP and errors, with aiocoap as the client."""

import asyncio

import aiocoap

from case import COAP, COAP_TCP, check


async def main():
    client = await aiocoap.Context.create_client_context()

    async def ask(base, path, code=aiocoap.GET, payload=b"", **options):
        message = aiocoap.Message(code=code, uri=base + path, payload=payload)
        for name, value in options.items():
            setattr(message.opt, name, value)
        return await asyncio.wait_for(client.request(message).response, 20)

    document = ",".join(f'</sensors/{i}>;rt="kind-{i}";title="number {i} of a long list"' for i in range(120)).encode()
    check(len(document) > 6000, "a document of several blocks")
    for base, name in ((COAP, "udp"), (COAP_TCP, "tcp")):
        made = await ask(base, f"/rd?ep=big-{name}&base=coap://192.0.2.7", aiocoap.POST, document, content_format=40)
        check(made.code == aiocoap.CREATED, f"{name}: a body of {len(document)} octets registers")
        found = await ask(base, f"/rd-lookup/res?ep=big-{name}")
        check(found.payload.count(b"<coap://192.0.2.7/sensors/") == 120, f"{name}: the lookup returns all of them")
        unknown = await ask(base, "/nowhere")
        check(unknown.code == aiocoap.NOT_FOUND, f"{name}: 4.04")
        accept = await ask(base, "/rd-lookup/ep", accept=50)
        check(accept.code == aiocoap.NOT_ACCEPTABLE, f"{name}: 4.06 for a format we do not speak")
        wrong = await ask(base, "/rd?ep=bad", aiocoap.POST, b"<relative>", content_format=40)
        check(wrong.code == aiocoap.BAD_REQUEST, f"{name}: not in Limited Link Format: 4.00")
        method = await ask(base, "/rd-lookup/ep", aiocoap.DELETE)
        check(method.code == aiocoap.METHOD_NOT_ALLOWED, f"{name}: 4.05")

    request = client.request(aiocoap.Message(code=aiocoap.GET, uri=COAP_TCP + "/rd-lookup/ep?ep=over-tcp", observe=0))
    first = await request.response
    check(first.payload == b"" and first.opt.observe is not None, "an empty result can be observed over TCP")
    notification = asyncio.ensure_future(anext(aiter(request.observation)))
    await ask(COAP, "/rd?ep=over-tcp", aiocoap.POST, b"</a>", content_format=40)
    told = await asyncio.wait_for(notification, 10)
    check(b"over-tcp" in told.payload, "and is notified")
    await client.shutdown()


asyncio.run(main())
