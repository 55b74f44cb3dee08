"""An aiocoap server that is a member of the groups of all CoAP nodes on an interface: aiocoap_member.py INTERFACE NAME."""

import asyncio
import sys

import aiocoap
from aiocoap import resource


class Time(resource.Resource):
    """What every member answers, with its name."""

    async def render_get(self, request):
        return aiocoap.Message(payload=f"aiocoap {sys.argv[2]}".encode())


async def main():
    site = resource.Site()
    site.add_resource(["time"], Time())
    site.add_resource([".well-known", "core"], resource.WKCResource(site.get_resources_as_linkheader))
    groups = [(group, sys.argv[1]) for group in ("224.0.1.187", "ff02::fd", "ff05::fd")]
    await aiocoap.Context.create_server_context(site, multicast=groups)
    print("ready", flush=True)
    await asyncio.get_running_loop().create_future()


asyncio.run(main())
