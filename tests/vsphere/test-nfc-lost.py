#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-nfc-lost - connections that end, hosts that refuse: what is tried again,
what is told."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from nfc_setting import KIB, Setting, reading  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (Failed, VDISK_IO, run, vdisk_img,  # noqa: E402
                   vdisk_img_fails)
from vsphere_fake import rule  # noqa: E402

suite = Suite()


def vdisk_io(setting, *commands, **options):
    """What vdisk-io says, of its success or failure."""
    argv = [VDISK_IO]
    for command in commands:
        argv += ["-c", command]
    done = run([*argv, setting.disk.name(**options)])
    if done.code < 0:
        raise Failed(str(done))
    return (done.stdout + done.stderr).decode()


def must_have(text, *words):
    for word in words:
        if word not in text:
            raise Failed("no '%s' in: %s" % (word, text))


# -- losing --------------------------------------------------------------------

for action in ("cut", "cut-inside", "reset"):
    def reads_go_on(action=action):
        rules = [rule("read", action, skip=3, times=1)]
        with reading(nfc_rules=rules, fragment=16 * KIB) as s:
            s.assert_reads(buffer_size=64 * KIB)
            if len(s.log(event="proxy")) < 2:
                raise Failed("there was one connection only")
    suite.add("reads go on after %s, with another ticket" % action,
              reads_go_on)


@suite.case("an answer that never comes is given up, and asked for again")
def _():
    # Keeping alive goes on meanwhile, and is answered.
    with reading(nfc_rules=[rule("read", "short", times=1)],
                 fragment=4 * KIB) as s:
        s.assert_reads(request_timeout=3, keep_alive=1)


@suite.case("without a delay a read has one more chance, and no more")
def _():
    with reading(nfc_rules=[rule("read", "cut", skip=1)]) as s:
        text = vdisk_img_fails("convert", "-O", "raw",
                               s.disk.name(reconnect_delay=0),
                               s.path("out.raw"))
        must_have(text, "closed the connection")


@suite.case("a write that was cut off is done again, and the flush tells")
def _():
    rules = [rule("write", "cut", skip=1, times=1)]
    with Setting(writable=True, nfc_rules=rules) as s:
        text = vdisk_io(s, "write -P 1 0 4k", "write -P 2 8k 4k", "flush",
                        "read -P 1 0 4k", "read -P 2 8k 4k", "flush")
        must_have(text, "may have forgotten them")
        if "verification" in text:
            raise Failed(text)
        if s.disk.content()[8 * KIB:12 * KIB] != b"\2" * 4 * KIB:
            raise Failed("the write is not there")


@suite.case("what was flushed is not lost with a connection")
def _():
    rules = [rule("write", "cut", skip=1, times=1)]
    with Setting(writable=True, nfc_rules=rules) as s:
        text = vdisk_io(s, "write -P 1 0 4k", "flush", "write -P 2 8k 4k",
                        "flush")
        if "forgotten" in text:
            raise Failed(text)


@suite.case("a host that is silent is left, and nothing is changed any more")
def _():
    with Setting(writable=True,
                 nfc_rules=[rule("write", "stall", times=1)]) as s:
        text = vdisk_io(s, "write -P 1 0 4k", "write -P 2 8k 4k",
                        "read 0 4k", "flush", request_timeout=1)
        must_have(text, "read 4096/4096")
        if text.count("no more changes") < 2:  # the second write, the flush
            raise Failed(text)


@suite.case("a disk that is not opened again is told so")
def _():
    # The fake opens it, and then says that it has not.
    with reading(check=False,
                 nfc_rules=[rule("read", "cut", skip=2, times=1),
                            rule("open", "error", skip=1, status=7)]) as s:
        text = vdisk_img_fails("convert", "-O", "raw",
                               s.disk.name(reconnect_delay=3,
                                           buffer_size=64 * KIB),
                               s.path("out.raw"))
        must_have(text, "does not open the disk")


@suite.case("an attempt ends with the time for which requests wait")
def _():
    rules = [rule("read", "cut"), rule("accept", "stall", skip=1)]
    with reading(nfc_rules=rules) as s:
        must_have(vdisk_io(s, "read 0 4k", reconnect_delay=1,
                           handshake_timeout=86400), "waiting for authd")


@suite.case("a host that has no room for a moment is asked again")
def _():
    rules = [rule("read", "cut", times=1),
             rule("classic", "error", skip=1, times=1, status=5,
                  message="no memory")]
    with reading(nfc_rules=rules) as s:
        must_have(vdisk_io(s, "read 0 4k"), "read 4096/4096")
        if len(s.log(event="proxy")) != 3:
            raise Failed("it was not asked again")


# -- buffers -------------------------------------------------------------------

@suite.case("a host that wants small buffers gets them")
def _():
    for knobs in ({"max_buffer": 64 * KIB}, {"memory": 256 * KIB}):
        with Setting(writable=True, **knobs) as s:
            s.assert_reads()
            sizes = [line["bufSize"] for line in
                     s.log(event="open-session")]
            if sizes[-1] != 64 * KIB or sizes[0] <= 64 * KIB:
                raise Failed("sizes: %s" % sizes)


@suite.case("a request that is refused is tried with small buffers")
def _():
    # 11: for reading only, which a read cannot mean.
    with reading(nfc_rules=[rule("read", "error", skip=2, times=2,
                                 status=11)]) as s:
        s.assert_reads()
    rules = [rule("io", "error", skip=2, times=2, status=5)]
    with Setting(writable=True, nfc_rules=rules) as s:
        s.assert_reads()
        text = vdisk_io(s, "write -P 3 64k 64k", "flush", "read -P 3 64k 64k")
        if "rror" in text or "fail" in text:
            raise Failed(text)


@suite.case("a connection that is lost while it is given up takes its writes")
def _():
    with Setting(writable=True) as s:
        for action in ("delay", "reset"):
            s.fake.knobs(nfc_rules=[
                rule("write", "error", skip=1, times=1, status=5),
                rule("close", action, times=1)])
            text = vdisk_io(s, "write -P 1 0 4k", "write -P 2 64k 4k", "flush",
                            "read -P 1 0 4k", "read -P 2 64k 4k")
            if ("may have forgotten" in text) != (action == "reset"):
                raise Failed(action + ": " + text)
            if "verification" in text:
                raise Failed(text)
        if len(s.log(event="proxy")) != 4:
            raise Failed("it was not given up")


@suite.case("what is refused with small buffers, too, has failed")
def _():
    with reading(nfc_rules=[rule("read", "error", skip=2, status=9)]) as s:
        text = vdisk_img_fails("convert", "-O", "raw", s.disk.name(),
                               s.path("out.raw"))
        must_have(text, "the server refuses it", "09000000")


# -- admission -----------------------------------------------------------------

@suite.case("another certificate is not told the session")
def _():
    for knobs, more in (
            ({}, {"thumbprint": "00:" * 19 + "11"}),
            ({}, {"thumbprint": "00" * 31 + "11"}),
            ({"nfc_digest": "wrong"}, {})):
        with reading(**knobs) as s:
            text = vdisk_img_fails("info", s.disk.name(**more))
            must_have(text, "thumbprint", ", not ")
            said = [line for line in s.log(event="authd")]
            if more and said:
                raise Failed("it was told: %s" % said)


@suite.case("no certificate is trusted without a reason")
def _():
    with reading() as s:
        must_have(vdisk_img_fails("info", s.disk.name(thumbprint=None)),
                  "TLS: certificate of the other end")
        # nor is it asked for one that is signed worse
        if len(s.log(event="connected")) != 1:
            raise Failed("it was tried with less security")


@suite.case("a session is not told in clear")
def _():
    with reading(banner="no-ssl") as s:
        must_have(vdisk_img_fails("info", s.disk.name()), "in clear")


@suite.case("a ticket that is used up is refused, and not shown")
def _():
    with reading(check=False) as s:
        used = s.disk.new_ticket()
        once = s.path("once")
        with open(once, "w", encoding="ascii") as file:
            file.write(used)
        vdisk_img("info", s.disk.name(session_id_file=once))
        text = vdisk_img_fails("info", s.disk.name(session_id_file=once))
        must_have(text, "authd refuses", "530")
        if used in text:
            raise Failed("it is shown")


@suite.case("a server that repeats the session has it not repeated")
def _():
    with reading() as s:
        secret = s.disk.new_ticket()
        told = s.path("told")
        with open(told, "w", encoding="ascii") as file:
            file.write(secret)
        s.fake.knobs(nfc_rules=[rule("proxy", "refuse",
                                     message="530 No: " + secret)])
        text = vdisk_img_fails("info", s.disk.name(session_id_file=told))
        must_have(text, "530")
        if secret in text:
            raise Failed("it is shown: " + text)


@suite.case("a ticket for reading does not open for writing")
def _():
    with Setting() as s:
        text = vdisk_io(s, "write 0 512")
        must_have(text, "for reading only")


@suite.case("names of options and what they may be")
def _():
    with reading() as s:
        for more, word in (({"path": None}, "path"),
                           ({"host": None}, "host"),
                           ({"session_id_file": None}, "ticket-source"),
                           ({"ticket_source": "nobody"}, "either"),
                           ({"session_id_file": None,
                             "ticket_source": "nobody"}, "no such"),
                           ({"thumbprint": "abc"}, "thumbprint"),
                           ({"buffer_size": 1000}, "buffer-size"),
                           ({"compression": "lzma"}, "compression"),
                           ({"session_id_file": s.path("none")}, "none"),
                           ({"port": 70000}, "port")):
            must_have(vdisk_img_fails("info", s.disk.name(**more)), word)


suite.run()
