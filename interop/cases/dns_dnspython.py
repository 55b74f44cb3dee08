"""dnspython, which refuses what is not well-formed to the last octet, against the names of our daemon."""

import ssl

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.update
import dns.xfr

from case import COAP, DNS, DNS_TLS, WAYHOUSE, check, run

HOST, PORT = DNS.rsplit(":", 1)
TLS_HOST, TLS_PORT = DNS_TLS.rsplit(":", 1)
ZONE = "services.home.arpa"
SERVICES = f"_coap._udp.{ZONE}."
LAMP = f"Hall\\032Lamp.{SERVICES}"
# RFC 8467: what padded answers are a multiple of.
BLOCK = 468

context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE


def over_udp(query):
    return dns.query.udp(query, HOST, port=int(PORT), timeout=5)


def over_tcp(query):
    return dns.query.tcp(query, HOST, port=int(PORT), timeout=5)


def over_tls(query):
    return dns.query.tls(query, TLS_HOST, port=int(TLS_PORT), timeout=5, ssl_context=context)


def texts(section, rtype):
    return sorted(str(rdata) for rrset in section if rrset.rdtype == dns.rdatatype.from_text(rtype) for rdata in rrset)


run(WAYHOUSE, "register", "--directory", COAP, "--name", "Spot", "--base", "coap://192.168.3.4:5699",
    "--link", '</light>;rt=light;exp;ins="Hall Lamp"')
for name, ask in (("UDP", over_udp), ("TCP", over_tcp), ("TLS", over_tls)):
    answer = ask(dns.message.make_query(SERVICES, "PTR", use_edns=0, payload=1232))
    check(answer.flags & dns.flags.AA and not answer.flags & dns.flags.RA, f"{name}: it is the authority, and asks nobody")
    check(LAMP in texts(answer.answer, "PTR"), f"{name}: browsing")
    check(f"0 0 5699 Spot.{ZONE}." in texts(answer.additional, "SRV"), f"{name}: SRV comes along")
    check(texts(answer.additional, "A") == ["192.168.3.4"], f"{name}: so does the address")
    answer = ask(dns.message.make_query(LAMP, "TXT"))
    check('"path=/light"' in " ".join(texts(answer.answer, "TXT")), f"{name}: TXT")
    answer = ask(dns.message.make_query(LAMP, "ANY"))
    check(answer.answer and all(rrset.name == dns.name.from_text(LAMP) for rrset in answer.answer), f"{name}: ANY")
    answer = ask(dns.message.make_query(f"nobody.{ZONE}", "A"))
    check(answer.rcode() == dns.rcode.NXDOMAIN and texts(answer.authority, "SOA"), f"{name}: NXDOMAIN, with the SOA")
    answer = ask(dns.message.make_query(f"spot.{ZONE}", "HINFO"))
    check(answer.rcode() == dns.rcode.NOERROR and not answer.answer and texts(answer.authority, "SOA"), f"{name}: no such data")
    check(ask(dns.message.make_query("example.com", "A")).rcode() == dns.rcode.REFUSED, f"{name}: REFUSED elsewhere")

query = dns.message.make_query(ZONE, "SOA", use_edns=0, options=[dns.edns.GenericOption(dns.edns.COOKIE, b"8 octets")])
cookie = over_udp(query).options[0].to_wire()
check(cookie[:8] == b"8 octets" and len(cookie) == 24, "a cookie comes back, with the server's part")

answer = over_tls(dns.message.make_query(SERVICES, "PTR", use_edns=0, pad=128))
check(any(option.otype == 12 for option in answer.options), "over TLS whoever pads is padded to")
check(len(answer.wire) % BLOCK == 0, "to whole blocks")

try:
    list(dns.query.inbound_xfr(HOST, dns.zone.Zone(ZONE), port=int(PORT), timeout=5))
    check(False, "a transfer ends")
except dns.xfr.TransferError as error:
    check(error.rcode in (dns.rcode.REFUSED, dns.rcode.NOTIMP), "transfers are refused")

update = dns.update.UpdateMessage(ZONE)
update.add("mine", 120, "A", "192.168.3.5")
check(over_tcp(update).rcode() == dns.rcode.REFUSED, "an update without a signature is refused")
check(not over_udp(dns.message.make_query(f"mine.{ZONE}", "A")).answer, "and changes nothing")
