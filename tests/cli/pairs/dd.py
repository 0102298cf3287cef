# SPDX-License-Identifier: BSD-3-Clause
"""dd - invocations of `dd`.

No pairs: count= with skip=, which we read as dd(1) does (img-cli.md 8.13 [D]).
"""
from pairs.gallery import IMAGES
from pairs.table import each

PAIRS = [
    *each("dd -O {form} if={image} of=x", form=("raw", "vmdk"), image=IMAGES),
    *each("dd -f raw {part} if={image} of=x",
          part=("bs=64k", "bs=1M count=1", "bs=1 count=700", "bs=4k skip=16",
                "bs=1000 skip=1049"),
          image=("a.raw", "odd.raw", "none.raw", "full.raw")),
    *each("dd {words}", words=(
        "", "if=a.raw", "of=out", "-f raw if=a.raw of=out",
        "-f raw bs=0 if=a.raw of=out", "-f raw bs=x if=a.raw of=out",
        "-f raw bs=3G if=a.raw of=out", "-f raw bs= if=a.raw of=out",
        "-f raw count=x if=a.raw of=out", "-f raw skip=-1 if=a.raw of=out",
        "-f raw count=0 if=a.raw of=out", "-f raw skip=2048 if=a.raw of=out",
        "-f raw skip=2049 if=a.raw of=out",
        "-f raw skip=99999 if=a.raw of=out",
        "-f raw bs=64k skip=1 if=a.raw of=out",
        "-f raw bs=64k count=3 if=a.raw of=out",
        "-f raw bs=3k skip=341 if=a.raw of=out",
        "-f raw bs=1000 count=3 if=a.raw of=out",
        "-f raw bs=1000 count=3 if=odd.raw of=out",
        "-f raw count=0x10 if=a.raw of=out", "-f raw bs=1E if=a.raw of=out",
        "-f raw count=9E if=a.raw of=out",
        "-f raw bs=2147483647 if=a.raw of=out",
        "-f raw bs=2147483648 if=a.raw of=out",
        "-f raw skip=18014398509481984 if=a.raw of=out",
        "-f raw foo=1 if=a.raw of=out", "-f raw foo if=a.raw of=out",
        "-f raw -O nope if=a.raw of=out", "-f raw -O nope if=none of=out",
        "-f nope if=a.raw of=out", "-f raw -q if=a.raw of=out",
        "-f raw -n if=a.raw of=out", "-f raw --no-such if=a.raw of=out",
        "-f raw -U if=a.raw of=out", "-f raw --image-opts if=a.raw of=out",
        "--image-opts if=driver=raw,file.filename=a.raw of=out",
        "-f raw if=none of=out", "-f raw if=a.raw of=none/out",
        "-f raw if=a.raw of=foo:out", "-f vmdk bs=1M skip=1 if=a.vmdk of=out",
        "-f vmdk bs=64k skip=1 if=c.vmdk of=out",
        "-f vmdk bs=128k count=5 if=s.vmdk of=out",
    )),
]
