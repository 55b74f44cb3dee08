"""Our client verbs and registrant against aiocoap's resource directory."""

import os
import socket
import subprocess
import sys
import time

from case import WAYHOUSE, check, run

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
program = os.path.join(os.path.dirname(sys.executable), "aiocoap-rd")
server = subprocess.Popen([program, "--bind", f"127.0.0.1:{port}"])
base = f"coap://127.0.0.1:{port}"
try:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if subprocess.run([WAYHOUSE, "ping", "--count", "1", "--timeout", "1", base], capture_output=True).returncode == 0:
            break
    run(WAYHOUSE, "register", "--directory", base, "--name", "way-lamp", "--lifetime", "300", "--link", "</lamp>;rt=light")
    listed = run(WAYHOUSE, "list", "--directory", base, "--json")
    check("way-lamp" in listed, "our registrant registers at aiocoap's directory and our list shows it")
    resources = run(WAYHOUSE, "list", "--resources", "--directory", base, "--json")
    check("/lamp" in resources, "the resource lookup shows the link")
finally:
    server.kill()
