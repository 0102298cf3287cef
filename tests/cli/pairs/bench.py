# SPDX-License-Identifier: BSD-3-Clause
"""bench - invocations of `bench`; what it measured is taken away, and the lines
with which ours tells more.
"""
from pairs.table import each

# What has one outcome whatever the storage does.
RUNS = (
    "-c 10", "-c 0", "-c 10 -d 1", "-c 3 -d 99", "-c 10 -s 1k",
    "-c 10 -s 1k -S 4k", "-c 10 -S 0", "-c 10 -o 64k", "-c 10 -t none",
    "-c 10 -t directsync", "-c 10 -t writethrough", "-c 10 -t unsafe",
    "-c 10 -n -t none", "-c 10 -n", "-c 10 -i native", "-c 10 -i native -t none", "-c 10 -i threads",
    "-c 10 -U", "-c 10 --pattern 7", "-c 10 --no-drain", "-w -c 10",
    "-w -c 10 --pattern 0x5a", "-w -c 100 --flush-interval 64",
    "-w -c 100 --flush-interval 64 --no-drain",
    "-w -c 5 -d 2 --flush-interval 2", "-c 300 -s 64k",
)

PAIRS = [
    *each("bench {quiet} -f {image} {run}", quiet=("", "-q"),
          image=("raw a.raw", "vmdk a.vmdk"), run=RUNS),
    *each("bench {words}", words=(
        "", "a.raw b.raw", "-c x a.raw", "-c -1 a.raw",
        "-c 99999999999 a.raw", "-d x a.raw", "-s x a.raw", "-s 3G a.raw",
        "-S x a.raw", "-S 3G a.raw", "-o x a.raw", "-o -1 a.raw",
        "-t x a.raw", "-i x a.raw", "-w --pattern x a.raw",
        "-w --pattern 256 a.raw", "-w --pattern -1 a.raw",
        "--flush-interval x a.raw", "--flush-interval 5 a.raw",
        "-w --flush-interval 5 a.raw", "-w -d 4 --flush-interval 3 a.raw",
        "--flush-interval 5", "-c 10 no", "-c 10 -f frob a.raw", "-x a.raw",
        "-c", "-d", "-c 10 --image-opts -f raw a.raw", "-w -U -c 10 a.raw",
    )),
]
