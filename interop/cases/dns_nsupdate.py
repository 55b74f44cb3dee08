"""BIND's nsupdate registers a host and a service with a key that dnssec-keygen made, and another key gets nowhere: at the
listener that takes such updates, while another one of the same daemon takes none."""

import os
import pathlib
import tempfile

from case import COAP, DNS, DNS_DRAFT, WAYHOUSE, check, run

HOST, PORT = DNS.rsplit(":", 1)
ZONE = "services.home.arpa"
NAME = f"lamp.{ZONE}"


def dig(name, rtype):
    return run("dig", "-p", PORT, f"@{HOST}", "+time=5", "+tries=1", "+short", name, rtype)


def key(name):
    """Makes a key for a name; returns its file, and what stands in its KEY record."""
    stem = run("dnssec-keygen", "-q", "-T", "KEY", "-n", "HOST", "-a", "ECDSAP256SHA256", name).strip()
    records = [line for line in pathlib.Path(f"{stem}.key").read_text().splitlines() if not line.startswith(";")]
    return f"{stem}.private", records[0].split(" KEY ")[1]


def update(private, *lines, words=(), at=DNS_DRAFT, expect=0):
    host, port = at.rsplit(":", 1)
    script = "\n".join([f"server {host} {port}", f"zone {ZONE}", *lines, "send", ""])
    return run("nsupdate", *words, "-k", private, stdin=script.encode(), expect=expect)


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    private, public = key(NAME)
    first = [f"prereq nxdomain {NAME}", f"update add {NAME} 120 A 192.168.7.7", f"update add {NAME} 120 KEY {public}"]
    update(private, *first, at=DNS, expect=2)
    check(dig(NAME, "A") == "", "a listener that follows the RFC takes no such update")
    update(private, *first)
    check(dig(NAME, "A").strip() == "192.168.7.7", "a host registers with its key, over UDP")
    spot = f"Spot._coap._udp.{ZONE}"
    update(private, f"update add {spot} 120 SRV 0 0 5683 {NAME}.", f'update add {spot} 120 TXT "path=/l" "rt=light"',
           f"update add _coap._udp.{ZONE} 120 PTR {spot}.", words=["-v"])
    check(spot in dig(f"_coap._udp.{ZONE}", "PTR"), "and a service, over TCP")
    listed = run(WAYHOUSE, "list", "--json", "--resources", "--directory", COAP)
    check("coap://192.168.7.7/l" in listed, "the directory shows the service")
    update(private, f"update delete {NAME} A", f"update add {NAME} 120 A 192.168.7.8")
    check(dig(NAME, "A").strip() == "192.168.7.8", "another address")
    other, public = key(NAME)
    update(other, f"update add {NAME} 120 A 192.168.7.9", expect=2)
    update(other, f"update add {NAME} 120 KEY {public}", f"update add {NAME} 120 A 192.168.7.9", expect=2)
    check(dig(NAME, "A").strip() == "192.168.7.8", "another key changes nothing")
    update(private, f"update delete {NAME}")
    check(dig(NAME, "A") == "" and dig(f"_coap._udp.{ZONE}", "PTR") == "", "what leaves takes its services along")
