"""What every case shares: where the daemon is, running programs, telling what was seen."""

import os
import subprocess
import sys

COAP = os.environ["COAP"]
COAP_TCP = os.environ["COAP_TCP"]
DNS = os.environ["DNS"]
DNS_DRAFT = os.environ["DNS_DRAFT"]
DNS_TLS = os.environ["DNS_TLS"]
DNS_TLS_PIN = os.environ["DNS_TLS_PIN"]
HTTP = os.environ["HTTP"]
WAYHOUSE = os.environ["WAYHOUSE"]


def check(condition, what):
    """Ends the case with a sentence when something does not hold."""
    if not condition:
        print(f"FAILED: {what}")
        sys.exit(1)
    print(f"ok: {what}")


def run(*words, stdin=None, expect=0, timeout=60):
    """Runs a program; returns what it printed on standard output."""
    done = subprocess.run(words, input=stdin, capture_output=True, timeout=timeout)
    if expect is not None and done.returncode != expect:
        print(f"FAILED: {' '.join(words)} ended with {done.returncode}, expected {expect}")
        print(done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        sys.exit(1)
    return done.stdout.decode(errors="replace")
