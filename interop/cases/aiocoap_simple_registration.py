"""A simple registration (RFC 9176 section 5.1) by an aiocoap server."""

import asyncio

import aiocoap
from aiocoap import resource

from case import COAP, check


class Lamp(resource.Resource):
    def get_link_description(self):
        return {"rt": "light"}


async def main():
    site = resource.Site()
    site.add_resource([".well-known", "core"], resource.WKCResource(site.get_resources_as_linkheader))
    site.add_resource(["lamp"], Lamp())
    context = await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", None), transports=["simple6", "udp6"])
    asked = await context.request(
        aiocoap.Message(code=aiocoap.POST, uri=COAP + "/.well-known/rd?ep=simple-lamp&lt=600")).response
    check(asked.code == aiocoap.CHANGED, f"simple registration is answered with 2.04 ({asked.code})")
    check(not asked.opt.location_path, "without a location")
    found = await context.request(aiocoap.Message(code=aiocoap.GET, uri=COAP + "/rd-lookup/res?ep=simple-lamp")).response
    check("/lamp>" in found.payload.decode(), "the fetched link is shown")
    refused = await context.request(
        aiocoap.Message(code=aiocoap.POST, uri=COAP + "/.well-known/rd?ep=x&base=coap://127.0.0.9")).response
    check(refused.code == aiocoap.BAD_REQUEST, "a base is refused")
    await context.shutdown()


asyncio.run(main())
