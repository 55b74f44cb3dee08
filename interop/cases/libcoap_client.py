"""libcoap's command-line client against our daemon."""

import os
import subprocess
import tempfile
import time

from case import COAP, COAP_TCP, check, run

client = "coap-client-notls"
for base, name in ((COAP, "udp"), (COAP_TCP, "tcp")):
    run(client, "-m", "post", "-t", "40", "-e", "</lamp>;rt=light", f"{base}/rd?ep=lib-{name}&lt=300")
    found = run(client, "-m", "get", f"{base}/rd-lookup/ep?ep=lib-{name}")
    check(f'ep="lib-{name}"' in found, f"{name}: registered and found")
    with tempfile.NamedTemporaryFile(suffix=".wlnk") as file:
        file.write(",".join(f"</s/{i}>;rt=k{i};title=\"thing {i}\"" for i in range(200)).encode())
        file.flush()
        run(client, "-b", "256", "-m", "post", "-t", "40", "-f", file.name, f"{base}/rd?ep=lib-big-{name}&base=coap://192.0.2.9")
    found = run(client, "-m", "get", f"{base}/rd-lookup/res?ep=lib-big-{name}")
    check(found.count("<coap://192.0.2.9/s/") == 200, f"{name}: 200 links in blocks both ways")
    core = run(client, "-m", "get", f"{base}/.well-known/core?rt=core.rd*")
    check("core.rd-lookup-ep" in core, f"{name}: discovery")

with tempfile.TemporaryDirectory() as folder:
    seen = os.path.join(folder, "seen")
    observer = subprocess.Popen([client, "-s", "6", "-w", "-o", seen, "-m", "get", f"{COAP}/rd-lookup/ep?ep=lib-watch"])
    deadline = time.monotonic() + 3
    while not os.path.exists(seen) and time.monotonic() < deadline:
        time.sleep(0.05)
    run(client, "-m", "post", "-t", "40", "-e", "</x>", f"{COAP}/rd?ep=lib-watch")
    observer.wait(20)
    with open(seen, encoding="utf-8") as file:
        check("lib-watch" in file.read(), "libcoap's observer of the lookup is notified")
