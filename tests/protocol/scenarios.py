# SPDX-License-Identifier: BSD-3-Clause
"""scenarios - what a seed stands for: an operation, a server, and the harm that
is done to the connections between.

Payload is never changed on a connection in clear text, nor a reply that would be
right for another request as it is: nobody could notice.
"""
import random

import nbd_proxy

KIB = 1 << 10
SIZE = 512 * KIB
BLOCK = 4 * KIB
ZONE = 16 * KIB  # of one byte, as the disk is in the beginning
HALF = SIZE // 2  # below it nothing is written by "io"

# What is done to whom: operation, server, weight.
OURS = [(operation, server) for operation in
        ("io", "io", "read", "write", "compare", "map")
        for server in ("nbdkit", "nbdkit simple", "qemu-nbd", "vdisk-nbd",
                       "nbdkit TLS")]
THEIRS = [(operation, "vdisk-nbd") for operation in
          ("nbdcopy read", "nbdcopy write", "qemu-io")] * 3
CASES = OURS + THEIRS

# Nothing that a client would have to notice.
HARMLESS = ("nothing", "delay", "fragment", "drip", "reorder")
PLAIN = HARMLESS + ("cut", "cut", "cut twice", "refuse", "stall", "mute", "corrupt",
                    "corrupt", "option", "garbage", "repeat", "swap")
SEALED = ("nothing", "delay", "fragment", "drip", "cut", "cut twice", "refuse",
          "stall", "mute", "flip", "flip", "insert")
# A server must survive all, but what was asked of it, it does.
ASKED = ("nothing", "delay", "fragment", "drip", "cut", "cut", "refuse", "stall",
         "flip", "insert")

HANDSHAKE = 300  # bytes, about
MUTE_SECONDS = 1


class Scenario:
    def __init__(self, seed):
        self.seed = seed
        self.rng = random.Random(seed)
        self.operation, self.server = CASES[seed % len(CASES)]
        self.theirs = (self.operation, self.server) in THEIRS
        harms = ASKED if self.theirs else \
            SEALED if "TLS" in self.server else PLAIN
        self.harm = self.rng.choice(harms)
        self.early = self.rng.random() < 0.4  # in the handshake, mostly
        self.place = self.rng.randrange(
            HANDSHAKE if self.early else self.rng.choice((2000, SIZE)))
        self.direction = self.rng.choice(("up", "down"))
        self.delay = self.rng.choice((0, 60))
        self.connections = self.rng.choice((1, 1, 4))
        self.plan = nbd_proxy.Plan(seed, **self.harm_words())

    def __str__(self):
        return "seed %d: %s, %s, %s" % (self.seed, self.operation, self.server,
                                        self.harm)

    def options(self):
        """Of our client."""
        words = {"connections": self.connections, "reconnect-delay": self.delay}
        if self.harm == "mute":
            words["handshake-timeout"] = MUTE_SECONDS
        return words

    def must_succeed(self):
        """Nothing was lost, or all of it can be had again."""
        if self.harm in HARMLESS:
            return True
        return (self.harm in ("cut", "cut twice", "stall") and self.delay
                and self.operation in ("read", "compare", "map")
                and self.place > 2 * HANDSHAKE and self.direction == "down")

    def spoils_contents(self):
        """What a server is asked for may be something else than was meant."""
        return self.theirs and self.harm in ("flip", "insert")

    def harm_words(self):
        place = (self.direction, self.place)
        rng = self.rng
        early = rng.randrange(100)  # no handshake is shorter
        reply = rng.randrange(2 if self.early else 20)
        return {
            "nothing": {},
            "delay": {"bad": 0, "delay": 0.004},
            "fragment": {"bad": 0, "fragment": rng.choice((1, 7, 40, 500))},
            "drip": {"bad": 0, "drip": place},
            "reorder": {"bad": 0, "reorder": rng.randint(1, 8)},
            "cut": {"bad": 1, "cut": place},
            "cut twice": {"bad": 2, "cut": place},
            "refuse": {"bad": 1, "refuse": rng.randint(1, 2), "cut": place},
            "stall": {"bad": 1, "stall": place},
            "mute": {"bad": 1, "stall": ("down", early), "endless": True},
            "corrupt": {"bad": 1, "corrupt": (reply, rng.randrange(32))},
            "option": {"bad": 1, "option": (rng.randrange(6), rng.randrange(20))},
            "garbage": {"bad": 1, "garbage": reply},
            "repeat": {"bad": 1, "repeat": reply},
            "swap": {"bad": 1, "swap": reply},
            "flip": {"bad": 1, "flip": place},
            "insert": {"bad": 1, "insert": place},
        }[self.harm]


def zone_byte(seed, zone):
    return 1 + (zone * 7 + seed) % 250


def start_content(seed):
    """Two zones are holes where the server knows such."""
    return b"".join(bytes(ZONE) if zone % 16 == 5 else
                    bytes([zone_byte(seed, zone)]) * ZONE
                    for zone in range(SIZE // ZONE))


def other_content(seed):
    """What is to be there after "write"."""
    rng = random.Random(~seed)
    return b"".join(rng.choice((bytes(ZONE), rng.randbytes(ZONE)))
                    for _ in range(SIZE // ZONE))


class Script:
    """Requests for vdisk-io or qemu-io, and the disk as it should be then."""

    def __init__(self, scenario, content, parallel=True):
        self.rng = scenario.rng
        self.parallel = parallel
        self.disk = bytearray(content)
        self.busy = []     # ranges that are being written
        self.commands = []
        for _ in range(self.rng.randint(6, 16)):
            self.rng.choice((self.read, self.read, self.read_back, self.write,
                             self.write, self.zero, self.flush))()
        self.flush()
        self.commands += ["aio_flush", "flush"]

    def settle(self, start, end):
        if any(a < end and start < b for a, b in self.busy):
            self.commands.append("aio_flush")
            self.busy = []

    def some_range(self, low, high, most):
        start = self.rng.randrange(low, high, BLOCK)
        return start, min(high, start + BLOCK * self.rng.randint(1, most))

    def read(self):
        zone = self.rng.randrange(HALF // ZONE)
        start = zone * ZONE + self.rng.randrange(ZONE // 2)
        self.commands.append("%s -P %d %d %d" % (
            self.word("read"), self.disk[start], start, ZONE // 2))

    def word(self, name):
        return self.rng.choice((name, "aio_" + name, "aio_" + name)) \
            if self.parallel else name

    def read_back(self):
        """One block of what was written."""
        start = self.rng.randrange(HALF, SIZE, BLOCK)
        self.settle(start, start + BLOCK)
        self.commands.append("read -P %d %d %d" % (self.disk[start], start, BLOCK))

    def write(self):
        start, end = self.some_range(HALF, SIZE, 16)
        self.settle(start, end)
        byte = self.rng.randrange(1, 255)
        word = self.rng.choice((self.word("write"), "write -f"))
        self.commands.append("%s -P %d %d %d" % (word, byte, start, end - start))
        if word == "aio_write":
            self.busy.append((start, end))
        self.disk[start:end] = bytes([byte]) * (end - start)

    def zero(self):
        start, end = self.some_range(HALF, SIZE, 16)
        self.settle(start, end)
        self.commands.append("%s %d %d" % (
            self.rng.choice(("write -z", "write -z -u")), start, end - start))
        self.disk[start:end] = bytes(end - start)

    def flush(self):
        self.commands.append("flush")
