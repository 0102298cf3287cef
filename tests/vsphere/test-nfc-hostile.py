#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-nfc-hostile - hosts that lie: an error in words, soon, in bounded memory,
never other data than there are."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from nfc_setting import KIB, reading  # noqa: E402
from tap import Suite  # noqa: E402
from tools import Failed, VDISK_IMG, VDISK_IO, run  # noqa: E402
from vsphere_fake import rule  # noqa: E402

DEADLINE = 60  # nothing of all this takes five, but machines are slow
MEMORY = 2 << 30
# Only where it is the end of time that is expected: else a slow machine, too,
# would see it.
QUICK = {"reconnect_delay": 0, "request_timeout": 1, "handshake_timeout": 1}
PATIENT = {"reconnect_delay": 0, "request_timeout": 50, "handshake_timeout": 50}
TIME = "timed out|time"

suite = Suite()


def convert(setting, **options):
    out = setting.path("out.raw")
    result = run([VDISK_IMG, "convert", "-O", "raw",
                  setting.disk.name(**options), out],
                 timeout=DEADLINE, memory=MEMORY)
    if result.code == 0:
        with open(out, "rb") as file:
            if file.read() != setting.data:
                raise Failed("wrong data, without a word: %s" % result)
    return result


def write(setting, **options):
    return run([VDISK_IO, "-c", "write -P 1 0 200k", "-c", "flush",
                setting.disk.name(**options)], timeout=DEADLINE,
               memory=MEMORY)


def refused(result, words):
    if result.code == 0:
        raise Failed("it was believed: %s" % result)
    text = (result.stdout + result.stderr).decode()
    if not re.search(words, text, re.I):
        raise Failed("no /%s/ in: %s" % (words, text))
    if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text):
        raise Failed("control characters: %s" % text)


def add(title, words, rules=(), do=convert, options=None, **knobs):
    patience = QUICK if words == TIME else PATIENT

    def case():
        with reading(check=False, nfc_rules=list(rules), **knobs) as s:
            refused(do(s, **patience, **(options or {})), words)
    suite.add(title, case)


# -- frames --------------------------------------------------------------------

VIOLATION = "breaks the protocol"

for action in ("bad-magic", "bad-type", "huge-size", "wrong-op"):
    for place in ("open-session", "open", "ddb", "allocated", "read"):
        add("%s in the answer to %s" % (action, place), VIOLATION,
            [rule(place, action)])
    add("%s in the answer to write" % action, VIOLATION,
        [rule("write", action)], do=write)

for action in ("too-much", "too-long", "wrong-offset", "wrong-total",
               "zero-length"):
    add("a fragment: %s" % action, VIOLATION, [rule("read", action)])
add("a fragment that comes twice", VIOLATION,
    [rule("read", "duplicate")], fragment=4 * KIB)
add("a fragment that never comes", TIME,
    [rule("read", "short")], fragment=4 * KIB)
for how in ("zlib", "fastlz", "skipz"):
    add("damaged %s" % how, VIOLATION, [rule("read", "bad-extra")],
        options={"compression": how})
add("compressed data that take no end of memory", "take more than",
    [rule("read", "bloated")], options={"compression": "zlib"})
add("compression that nobody has asked for", VIOLATION,
    [rule("read", "bad-extra")])

for place in ("open-session", "open", "ddb", "read"):
    add("the end instead of an answer to " + place, "closed",
        [rule(place, "cut")])
    add("the end inside of an answer to " + place, "closed",
        [rule(place, "cut-inside")])
    add("silence instead of an answer to " + place, TIME,
        [rule(place, "stall")])

# -- before them ---------------------------------------------------------------

add("a greeting without end", "line of authd", banner="endless")
add("a greeting of another service", "no authd", banner="SSH-2.0-x")
add("a greeting that steers the terminal", "no authd",
    banner="\x1b[31mred\x07 SSL")
add("an answer that steers the terminal", "530",
    [rule("proxy", "refuse", message="530 \x1b[31mred\x07")])
add("a digest that is none", "thumbprint", nfc_digest="zz:zz")
add("silence instead of a greeting", TIME,
    [rule("accept", "stall")])
add("silence behind the ticket", TIME, [rule("proxy", "stall")])
add("silence inside the second handshake", TIME,
    [rule("tls", "stall")])
add("the end of a connection that was accepted", "closed",
    [rule("accept", "cut")])
add("the end behind the ticket", "closed", [rule("proxy", "cut")])
add("the end inside the second handshake", "TLS|closed", [rule("tls", "cut")])
add("silence instead of a session", TIME,
    [rule("classic", "stall")])
add("an opening in which each answer takes long", TIME,
    [rule(place, "delay", ms=700) for place in ("open-session", "open")])
add("an error instead of a session", "does not want a session.*busy",
    [rule("classic", "error", status=3, message="busy")])

suite.run()
