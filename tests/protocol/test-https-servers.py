#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-https-servers - what servers gone bad come to: an error that says why,
and never another disk than the one that was opened."""
import os
import random
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from http_servers import Script  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (Failed, scratch, vdisk_img, vdisk_img_fails,  # noqa: E402
                   working_engines)

SIZE = 3 << 20
SECONDS = 120
DATA = random.Random(1).randbytes(SIZE)

suite = Suite()


def expect(condition, what):
    if not condition:
        raise Failed(str(what))


def good(request, **headers):
    request.part(DATA, ETag='"1"', **headers)


def convert(answer, engine):
    with Script(answer) as server, scratch() as tmp:
        out = os.path.join(tmp, "out.raw")
        vdisk_img("convert", "-f", "raw", "-O", "raw", server.url(), out,
                  engine=engine, timeout=SECONDS)
        with open(out, "rb") as file:
            expect(file.read() == DATA, "another content")
        return server.requests


def fails(answer, words, engine):
    with Script(answer) as server, scratch() as tmp:
        text = vdisk_img_fails("convert", "-f", "raw", "-O", "raw",
                               server.url(), os.path.join(tmp, "out.raw"),
                               engine=engine, timeout=SECONDS)
        expect(words in text, "wanted '%s': %s" % (words, text))
        expect(os.listdir(tmp) == [], "something is left")


# -- what is survived ---------------------------------------------------------

def dropping(request):
    """Each connection ends in the middle of its second answer."""
    if request.number % 2:
        return good(request)
    first, last = request.range()
    last = min(last, SIZE - 1)
    request.part(DATA, body=DATA[first:first + (last - first) // 2],
                 length=last - first + 1, ETag='"1"')
    return False


def closing(request):
    """Connections that were to be kept are not."""
    good(request)
    return False


def busy():
    seen = set()
    lock = threading.Lock()

    def answer(request):
        with lock:
            new = request.headers["range"] not in seen
            seen.add(request.headers["range"])
        if new and request.range()[0] > 0:
            return request.answer("503 Later")
        return good(request)
    return answer


def whole(request):
    """No parts; in chunks."""
    request.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for off in range(0, SIZE, 100000):
        part = DATA[off:off + 100000]
        request.send(b"%x\r\n%s\r\n" % (len(part), part))
    request.send(b"0\r\n\r\n")


# -- by way of others ---------------------------------------------------------

def proxied(request):
    """Both the proxy and what is behind it."""
    if not request.path.startswith("http://elsewhere.example/"):
        return request.answer("400 No proxy is wanted here")
    return good(request)


def by_proxy(engine):
    with Script(proxied) as proxy:
        there = "http://127.0.0.1:%d" % proxy.port
        name = "http://elsewhere.example/disk.raw"
        os.environ["no_proxy"] = "*"
        try:
            vdisk_img("info", name + "#proxy=" + there, engine=engine,
                      timeout=SECONDS)
        finally:
            del os.environ["no_proxy"]
        os.environ["http_proxy"] = there
        try:
            vdisk_img("info", name + "#proxy=environment", engine=engine,
                      timeout=SECONDS)
            with Script(good) as server:  # else nobody looks at it
                seen = proxy.requests
                vdisk_img("info", server.url(), engine=engine, timeout=SECONDS)
                expect(proxy.requests == seen, "the proxy was asked")
        finally:
            del os.environ["http_proxy"]


# -- new files ----------------------------------------------------------------

def taking(files):
    """PUT of whole files, with their length."""
    def answer(request):
        length = int(request.headers["content-length"])
        if "expect" in request.headers:
            request.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        data = request.file.read(length)
        if len(data) == length:
            files.append(data)
        request.answer("201 Created")
    return answer


def sends_last(engine):
    """What fails when all has been written leaves no whole file either."""
    files = []
    with Script(taking(files)) as server, scratch() as tmp:
        source = os.path.join(tmp, "source.raw")
        with open(source, "wb") as file:
            file.write(DATA)
        vdisk_img("convert", "-f", "raw", "-O", "raw", source, server.url(),
                  engine=engine, timeout=SECONDS)
        expect(files == [DATA], "another content")
        vdisk_img_fails("convert", "--verify", "-f", "raw", "-O", "raw",
                        source, server.url(), engine=engine, timeout=SECONDS)
        expect(len(files) == 1, "a file came")


# -- what is not --------------------------------------------------------------

def changed(request):
    request.part(DATA, ETag='"%d"' % request.number)


def grown(request):
    request.part(DATA, total=SIZE + (512 if request.number > 1 else 0))


def other_part(request):
    first, last = request.range()
    if request.number == 1:
        return good(request)
    return request.part(DATA, first=first + 512, last=min(last, SIZE - 1),
                        body=DATA[first + 512:last + 1], ETag='"1"')


def lying_part(request):
    first, last = request.range()
    if request.number == 1:
        return good(request)
    return request.part(DATA, body=DATA[first:first + 512], ETag='"1"')


def longer_part(request):
    first, last = request.range()
    if request.number == 1:
        return good(request)
    return request.part(DATA, body=DATA[first:last + 1] + b"more", ETag='"1"')


def no_range(request):
    first, last = request.range()
    request.answer("206 Partial Content", DATA[first:last + 1])


def huge_range(request):
    first, last = request.range()
    request.answer("206 Partial Content", DATA[first:last + 1],
                   Content_Range="bytes 0-65535/99999999999999999999999")


def unknown_total(request):
    first, last = request.range()
    request.answer("206 Partial Content", DATA[first:last + 1],
                   Content_Range="bytes %d-%d/*" % (first, last))


def suddenly_whole(request):
    return good(request) if request.number == 1 else \
        request.answer("200 OK", DATA)


def packed(request):
    good(request, Content_Encoding="gzip")


def shorter(request):
    return good(request) if request.number == 1 else \
        request.answer("416 Range", Content_Range="bytes */10")


def to_file(request):
    request.answer("302 Found", Location="file:///etc/passwd")


def to_other(request):
    request.answer("302 Found", Location="http://127.0.0.2:1/secret?x=y")


def in_circles(request):
    request.answer("302 Found", Location=request.path + "x")


def whole_without_end(request):
    request.send(b"HTTP/1.1 200 OK\r\n\r\n" + DATA)
    return False


def whole_and_short(request):
    request.answer("200 OK", DATA[:SIZE // 2], length=SIZE)
    return False


def always_dropping(request):
    first, last = request.range()
    if first == 0:
        return good(request)
    request.part(DATA, body=b"x", length=last - first + 1, ETag='"1"')
    return False


def status(line):
    return lambda request: request.answer(line)


for engine in working_engines():
    suite.add("%s: a proxy is used if it is named" % engine, by_proxy, engine)
    suite.add("%s: a file is sent with its length" % engine, sends_last,
              engine)
    for answer in (good, closing, dropping, busy(), whole):
        suite.add("%s: %s" % (engine, answer.__name__), convert, answer,
                  engine)
    for answer, words in (
            (changed, "has changed"), (grown, "has changed"),
            (other_part, "sends bytes"), (lying_part, "less than it has said"),
            (longer_part, "more than it has said"),
            (no_range, "how long the file is"),
            (huge_range, "how long the file is"),
            (unknown_total, "how long the file is"),
            (suddenly_whole, "no parts"), (packed, "packed"),
            (shorter, "shorter than it was"), (to_file, "no URL of a server"),
            (to_other, "another server, http://127.0.0.2:1"),
            (in_circles, "from one place to the next"),
            (whole_without_end, "where the file ends"),
            (whole_and_short, "disk.raw"), (always_dropping, "disk.raw")):
        suite.add("%s: %s" % (engine, answer.__name__), fails, answer, words,
                  engine)
    for line, words in (("403 No", "403"), ("404 Gone", "no such file"),
                        ("423 Locked", "locked"), ("500 Oops", "failed"),
                        ("204 Nothing", "204"), ("999 What", "999")):
        suite.add("%s: status %s" % (engine, line), fails, status(line), words,
                  engine)


suite.run()
