"""aiocoap's registration client and an aiocoap observer against our Resource Directory."""

import asyncio

import aiocoap
from aiocoap import resource
from aiocoap.resourcedirectory.client.register import Registerer

from case import COAP, check


class Temperature(resource.Resource):
    def get_link_description(self):
        return {"rt": "temperature-c", "if": "sensor"}

    async def render_get(self, request):
        return aiocoap.Message(payload=b"21.5")


async def registered(registerer):
    """Waits until the client has been told that it is registered; it has no other way of saying so."""
    while registerer.state != "registered":
        await asyncio.sleep(0.01)


async def main():
    site = resource.Site()
    site.add_resource([".well-known", "core"], resource.WKCResource(site.get_resources_as_linkheader))
    site.add_resource(["sensors", "temp"], Temperature())
    server = await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", None))
    client = await aiocoap.Context.create_client_context()

    async def post(path, payload=b"", content_format=None, code=aiocoap.POST):
        message = aiocoap.Message(code=code, uri=COAP + path, payload=payload)
        if content_format is not None:
            message.opt.content_format = content_format
        return await client.request(message).response

    notifications = asyncio.Queue()
    observation = client.request(aiocoap.Message(code=aiocoap.GET, uri=COAP + "/rd-lookup/ep", observe=0))
    first = await observation.response
    check(first.code == aiocoap.CONTENT and first.opt.observe is not None, "the endpoint lookup accepts an observer")

    async def collect():
        async for notification in observation.observation:
            await notifications.put(notification.payload.decode())

    collector = asyncio.create_task(collect())

    async def until(condition, what):
        while True:
            text = await asyncio.wait_for(notifications.get(), 15)
            if condition(text):
                check(True, what)
                return text

    registerer = Registerer(server, rd=COAP, lt=60, name_from_hostname=False,
                            registration_parameters={"ep": "aio-lamp", "d": "floor-1"})
    text = await until(lambda text: 'ep="aio-lamp"' in text, "the observer is told of aiocoap's registration")
    check('d="floor-1"' in text, "the sector is shown")
    lookup = await client.request(aiocoap.Message(code=aiocoap.GET, uri=COAP + "/rd-lookup/res?ep=aio-lamp")).response
    check("/sensors/temp>" in lookup.payload.decode() and "temperature-c" in lookup.payload.decode(),
          "the resource lookup shows aiocoap's link, resolved")
    # An observer may be told before the registrant has its 2.01, and aiocoap removes only what it knows to be registered.
    await asyncio.wait_for(registered(registerer), 15)
    await registerer.shutdown()
    await until(lambda text: "aio-lamp" not in text, "the observer is told of the removal when the client shuts down")

    made = await post("/rd?ep=short&lt=2", b"</a>;rt=x", 40)
    check(made.code == aiocoap.CREATED and made.opt.location_path, "2.01 with a location")
    location = "/" + "/".join(made.opt.location_path)
    await until(lambda text: 'ep="short"' in text, "the observer is told of the addition")
    changed = await post(location + "?et=probe")
    check(changed.code == aiocoap.CHANGED, "2.04 for the update")
    await until(lambda text: 'et="probe"' in text, "the observer is told of the change")
    await until(lambda text: "short" not in text, "the observer is told of the expiry")
    gone = await post("/rd?ep=removed", b"</a>", 40)
    location = "/" + "/".join(gone.opt.location_path)
    await until(lambda text: "removed" in text, "added")
    deleted = await post(location, code=aiocoap.DELETE)
    check(deleted.code == aiocoap.DELETED, "2.02 for the removal")
    await until(lambda text: "removed" not in text, "the observer is told of the removal")
    collector.cancel()
    await client.shutdown()
    await server.shutdown()


asyncio.run(main())
