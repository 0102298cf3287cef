# SPDX-License-Identifier: BSD-3-Clause
"""vix - libvixDiskLib, beside libvdisk, of which it consists."""
import json
import statistics

from jobs.bench import Ours, Peer, Side
from jobs import job
from jobs.requests import ours
from jobs.process import read_all, run

START_ALLOWED = 0.005


@job("vix-start", "vix")
def start(b):
    """From InitEx to Exit with a disk between, beside what it may take."""
    image = b.inputs.vmdk("monolithicSparse")
    read_all(image)
    told = [json.loads(run([*b.inputs.vix, "-c", "100", "start", image]))
            for _ in range(3 * b.options.rounds)]
    for name, key in (("first in its process", "first-ms"),
                      ("again", "median-ms")):
        b.beside_limit("InitEx ... Open, Close ... Exit, " + name,
                       statistics.median(each[key] for each in told) / 1e3,
                       START_ALLOWED, "allowed: 5 ms")


@job("vix-async", "vix")
def asynchronous(b):
    image = b.inputs.vmdk("monolithicSparse")
    words = ["-c", "200000", "-d", "32", "-s", "4096", "-R", "7"]
    mine = [Ours("submitted by " + name, Side(
        [*b.inputs.vix, *more, *words, "read", image], inputs=(image,),
        seconds_of=lambda out: json.loads(out)["seconds"]))
        for name, more in (("callbacks", ["-t"]), ("a thread", []))]
    b.compare("4 KiB random ReadAsync, depth 32", mine, [
        Peer("libvdisk", [ours(b, image, words, buffers=[],
                                inputs=(image,))])])
