#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""make-nfc - what decent hosts say to the NFC client, as seeds of its fuzzer.

    make-nfc.py corpus/nfc
"""
import os
import struct
import sys
import zlib

BLOCK = 4096
GREETING = (b"220 VMware Authentication Daemon Version 1.10: SSL Required, "
            b"ServerDaemonProtocol:SOAP, NFCSSL supported/t, SHA256 supported"
            b"\r\n")
DIGEST = b"200 " + b":".join(b"%02X" % i for i in range(32)) + b"\r\n"
OLD_DIGEST = b"200 " + b"00" * 20 + b"\r\n"
LOGIN = DIGEST + b"200 Connect ha-nfc\r\n"


def classic(kind, *fields, text=b""):
    head = struct.pack("<I%dI" % len(fields), kind, *fields)
    return head + bytes(264 - len(head)) + text


def frame(kind, number, payload=b"", extra=b""):
    return struct.pack("<IIII", 0xA100DA7A, kind, len(payload), number) + \
        payload + extra


def part(number, at, data, how=0, total=BLOCK, extra=None, direction=1):
    extra = data if extra is None else extra
    return frame(7, number, struct.pack(
        "<QIIQIIIII", 0, direction, how, number * BLOCK, total, at, len(data),
        len(extra), 0), extra)


def acknowledged(number):
    return frame(7, number, struct.pack("<QIIQIIIII", 0, 0, 0, number * BLOCK,
                                        BLOCK, 0, BLOCK, 0, 0))


AGREED = classic(36, 0, 0, 0, 1) + classic(51, 11) + classic(52)
HALF = bytes(range(256)) * 8
FRAMES = b"".join((
    part(5, 2048, HALF), acknowledged(1), part(0, 0, HALF),
    frame(11, 2, struct.pack("<QII", 0, 0, 4), b"6000"),
    frame(13, 3, struct.pack("<QQQQQQ", 0, 0, 65536, 0, 33, 0),
          b"\x55" * 8),
    frame(4, 4, bytes(8) + struct.pack("<QIIIQIIII", 1, 2, 30, 0, 1 << 20, 512,
                                       1, 2, 3) + bytes(8)),
    part(5, 0, HALF), part(0, 2048, HALF)))
REFUSED = b"".join(
    frame(1, i, struct.pack("<IIII", 11 if i % 2 else 5, 0, 0, 0))
    for i in range(6))


def packed(how, block):
    return b"".join(part(i, 0, bytes(BLOCK), how, extra=block)
                    for i in (0, 5))


SEEDS = {
    "greeting": b"\x00" + GREETING + LOGIN + FRAMES,
    "login": b"\x01" + LOGIN + FRAMES,
    "login-old": b"\x01530 Please login with USER and PASS\r\n" + OLD_DIGEST +
    b"200 Connect ha-nfcssl\r\n" + FRAMES,
    "login-refused": b"\x11" + DIGEST + b"530 Login incorrect\r\n",
    "classic": b"\x02" + AGREED + FRAMES,
    "classic-refused": b"\x02" + classic(20, 1, 5, 8, text=b"too much\0"),
    "frames": b"\x03" + FRAMES,
    "refused": b"\x03" + REFUSED,
    "zlib": b"\x07" + packed(1, zlib.compress(bytes(BLOCK))),
    # A literal, then matches of 9 + 255 bytes; the last one is shorter.
    "fastlz": b"\x0b" + packed(2, b"\0\0" + b"\xe0\xff\0" * 15 + b"\xe0\x7e\0"),
    "fastlz-2": b"\x0b" + packed(2, b"\x20\0\xe0" + b"\xff" * 16 + b"\x06\0"),
    "skipz": b"\x0f" + packed(3, struct.pack("<IIII", BLOCK, 0, 8, 2) + b"ab"),
}


def main():
    os.makedirs(sys.argv[1], exist_ok=True)
    for name, content in SEEDS.items():
        with open(os.path.join(sys.argv[1], name), "wb") as file:
            file.write(content)


main()
