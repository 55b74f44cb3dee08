"""An aiocoap client of a group: aiocoap_client.py URI; prints the first answer, as this client takes no more than one."""

import asyncio
import sys

import aiocoap


async def main():
    context = await aiocoap.Context.create_client_context()
    request = aiocoap.Message(code=aiocoap.GET, uri=sys.argv[1], transport_tuning=aiocoap.Unreliable)
    response = await asyncio.wait_for(context.request(request).response, 15)
    print(response.code, response.payload.decode(), flush=True)
    await context.shutdown()


asyncio.run(main())
