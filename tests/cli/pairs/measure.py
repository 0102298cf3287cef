# SPDX-License-Identifier: BSD-3-Clause
"""measure - invocations of `measure`.

No pairs: VMDK targets, which qemu-img cannot measure; -o, which we heed for raw
targets and qemu-img does not read; unknown options, at which qemu-img prints
its help and succeeds.
"""
from pairs.gallery import DAMAGED, IMAGES
from pairs.table import damaged, each, upto

PAIRS = [
    *each("measure {form} {image}", form=("", "--output=json"),
          image=IMAGES),
    *damaged("measure {form} {image}", DAMAGED, form=("", "--output=json")),
    *upto("Could not open 'a.raw': ", ["measure -f vmdk a.raw"]),
    *each("measure {form} --size {size}", form=("", "--output=json"),
          size=("0", "1", "511", "1M", "10G", "1.5M", "0x200", "8191P",
                "-1", "x", "1X", "8E", "''")),
    *each("measure {words}", words=(
        "-O raw a.vmdk", "-O frob a.vmdk", "-O raw -o size=1M",
        "-O raw -o frob=1 --size 1M", "-o , --size 1M", "", "-f raw a.vmdk",
        "-f frob a.raw", "a.raw b.raw", "-U a.vmdk",
        "--size 1M a.raw", "-f raw --size 1M",
        "--image-opts --size 1M", "-l x --size 1M", "-l x a.raw",
        "--image-opts driver=vmdk,file.filename=a.vmdk",
        "--image-opts -f raw driver=raw,file.filename=a.raw",
        "--output=frob a.raw", "missing", "--output=json missing",
        "-o help -O raw",
        "-O raw -o preallocation=full a.raw",
    )),
    # Each option's and operand's own words, as in test-arguments.py.
    *each("measure {words}", words=(
        "-l s1 a.vmdk", "-l s1 a.raw", "-l s1 --size 1M",
    )),
]
