# SPDX-License-Identifier: BSD-3-Clause
"""amend - invocations of `amend`, which QEMU has for no format of ours.

No pairs: VMDK, whose descriptor we can amend (img-cli.md 8.14 [+]).
"""
from pairs.gallery import RAWS
from pairs.table import each

PAIRS = [
    *each("amend -f raw {options} {image}", image=RAWS,
          options=("-o size=1M", "-o preallocation=off", "-o x=1,y=2 -q")),
    "amend -f raw -p -o x=1 a.raw",
    *each("amend {words}", words=(
        "", "a.raw", "-f raw a.raw", "-o x=1", "-o x=1 a b", "-o help",
        "-f raw -o x=1 a.raw", "-f raw -o help", "-f raw -o help a.raw",
        "-f raw -o '?' a.raw", "-f nope -o help", "-f nope -o a=1 a.raw",
        "-o a=1 none", "-o , a.raw", "-o help none",
        "-f raw -t foo -o a=1 a.raw", "-f raw --force -o a=1 a.raw",
        "-f raw -q -o a=1 a.raw", "--no-such a.raw",
        "--image-opts -o a=1 driver=raw,file.filename=a.raw",
    )),
]
