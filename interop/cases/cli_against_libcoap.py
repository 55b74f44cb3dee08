"""Our client verbs against libcoap's server."""

import json
import socket
import subprocess
import time

from case import WAYHOUSE, check, run

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
server = subprocess.Popen(["coap-server-notls", "-A", "127.0.0.1", "-p", str(port), "-d", "100"])
try:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if subprocess.run([WAYHOUSE, "ping", "--count", "1", "--timeout", "1", f"coap://127.0.0.1:{port}"], capture_output=True).returncode == 0:
            break
    for scheme in ("coap", "coap+tcp"):
        base = f"{scheme}://127.0.0.1:{port}"
        check(":" in run(WAYHOUSE, "get", f"{base}/time"), f"{scheme}: GET /time")
        core = json.loads(run(WAYHOUSE, "discover", "--json", base))
        check(len(core) >= 3 or len(core.get("links", [])) >= 3, f"{scheme}: discover lists the resources")
        body = "0123456789abcdef" * 300
        run(WAYHOUSE, "put", "--content-format", "0", f"{base}/made-{scheme.replace('+', '-')}", "-", stdin=body.encode())
        back = run(WAYHOUSE, "get", "--raw", f"{base}/made-{scheme.replace('+', '-')}")
        check(back == body, f"{scheme}: {len(body)} octets put and got back in blocks")
        run(WAYHOUSE, "delete", f"{base}/made-{scheme.replace('+', '-')}")
        run(WAYHOUSE, "get", f"{base}/nowhere", expect=1)
    seen = run(WAYHOUSE, "observe", "--count", "3", "--json", f"coap://127.0.0.1:{port}/time")
    check(len([line for line in seen.splitlines() if line.strip()]) >= 3, "three notifications of /time")
finally:
    server.kill()
run(WAYHOUSE, "get", "--timeout", "1", f"coap://127.0.0.1:{port}/time", expect=3)
check(True, "exit code 3 when nobody answers")
