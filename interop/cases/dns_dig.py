"""BIND's dig and Knot's kdig against the names of our daemon."""

from case import COAP, DNS, WAYHOUSE, check, run

HOST, PORT = DNS.rsplit(":", 1)
ZONE = "services.home.arpa"


def dig(*words):
    return run("dig", "-p", PORT, f"@{HOST}", "+time=5", "+tries=1", *words)


def kdig(*words):
    return run("kdig", "-p", PORT, f"@{HOST}", "+time=5", "+retry=0", *words)


run(WAYHOUSE, "register", "--directory", COAP, "--name", "Spot", "--base", "coap://192.168.3.4:5699",
    "--link", '</light>;rt=light;exp;ins="Lab Spot"')
for name, ask in (("dig", dig), ("kdig", kdig)):
    found = ask("+short", f"_light._sub._coap._udp.{ZONE}", "PTR")
    check("Lab\\032Spot._coap._udp" in found, f"{name}: browsing by type finds the exported link")
    found = ask("+short", f"Lab\\032Spot._coap._udp.{ZONE}", "SRV")
    check(f"0 0 5699 Spot.{ZONE}." in found, f"{name}: SRV")
    found = ask("+short", f"Lab\\032Spot._coap._udp.{ZONE}", "TXT")
    check('"path=/light"' in found, f"{name}: TXT")
    check("192.168.3.4" in ask("+short", f"spot.{ZONE}", "A"), f"{name}: address, in another case")
    check(f"Spot.{ZONE}." in ask("+short", "-x", "192.168.3.4"), f"{name}: reverse")
    check("NXDOMAIN" in ask(f"nobody.{ZONE}", "A"), f"{name}: NXDOMAIN")
    check("REFUSED" in ask("example.com", "A"), f"{name}: REFUSED")
    check(f"_coap._udp.{ZONE}." in ask("+tcp", "+short", f"_services._dns-sd._udp.{ZONE}", "PTR"), f"{name}: over TCP")
    check(ZONE in ask("+short", f"b._dns-sd._udp.{ZONE}", "PTR"), f"{name}: domain enumeration")
cookie = dig("+cookie", f"{ZONE}", "SOA")
check("(good)" in cookie, "dig takes our cookie for a good one")
check("BADVERS" in dig("+edns=1", "+noednsnegotiation", ZONE, "SOA"), "dig: an EDNS version above 0")
