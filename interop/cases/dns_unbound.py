"""Unbound as the resolver of a network, with our zones behind it: what is registered is found through it."""

import pathlib
import socket
import subprocess
import tempfile

from case import COAP, DNS, WAYHOUSE, check, run

HOST, PORT = DNS.rsplit(":", 1)
ZONE = "services.home.arpa"


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def dig(*words):
    return run("dig", "-p", str(resolver), "@127.0.0.1", "+time=5", "+tries=3", *words)


resolver = free_port()
with tempfile.TemporaryDirectory() as folder:
    settings = pathlib.Path(folder, "unbound.conf")
    settings.write_text(f"""server:
  interface: 127.0.0.1@{resolver}
  do-not-query-localhost: no
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: "{folder}/pid"
  use-syslog: no
  num-threads: 1
  module-config: "iterator"
  local-zone: "home.arpa." nodefault
  local-zone: "10.in-addr.arpa." nodefault
  max-udp-size: 512
remote-control:
  control-enable: no
stub-zone:
  name: "{ZONE}"
  stub-addr: {HOST}@{PORT}
stub-zone:
  name: "10.in-addr.arpa"
  stub-addr: {HOST}@{PORT}
""")
    unbound = subprocess.Popen(["unbound", "-d", "-c", str(settings)], stderr=subprocess.DEVNULL)
    try:
        for number in range(8):
            run(WAYHOUSE, "register", "--directory", COAP, "--name", f"behind-{number}", "--base", f"coap://10.9.0.{number + 1}",
                "--link", "</light>;rt=behind")
        browsed = dig("+short", f"_behind._sub._coap._udp.{ZONE}", "PTR")
        check(len(browsed.split()) == 8, "services are browsed through the resolver")
        service = dig(f"behind-3._coap._udp.{ZONE}", "SRV")
        check("status: NOERROR" in service and f"behind-3.{ZONE}." in service, "a service is resolved")
        check(dig("+short", f"behind-3.{ZONE}", "A").strip() == "10.9.0.4", "so is its host")
        check(f"behind-3.{ZONE}." in dig("+short", "-x", "10.9.0.4"), "its address leads back")
        missing = dig(f"nobody.{ZONE}", "A")
        check("status: NXDOMAIN" in missing and "SOA" in missing, "what is not there is not there, with the SOA that says for how long")
        empty = dig(f"behind-3.{ZONE}", "MX")
        check("status: NOERROR" in empty and "ANSWER: 0" in empty, "what has no such record has none")
        check("behind-0" in dig("+tcp", "+short", f"BEHIND-0._coap._udp.{ZONE}", "SRV"), "over TCP and in capitals as well")
    finally:
        unbound.terminate()
        unbound.wait()
