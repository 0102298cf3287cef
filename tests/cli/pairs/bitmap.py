# SPDX-License-Identifier: BSD-3-Clause
"""bitmap - invocations of `bitmap`, which VMDK and raw have none of."""
from pairs.table import each

PAIRS = [
    *each("bitmap {action} {image} x",
          action=("--add", "--remove", "--clear", "--enable", "--disable",
                  "--merge y"),
          image=("a.raw", "a.vmdk", "c.vmdk", "s.vmdk", "f.vmdk")),
    *each("bitmap {words}", words=(
        "", "a.vmdk x", "--add", "--add a.vmdk", "--add a.vmdk x y",
        "--add -f raw a.raw x", "--add --clear a.vmdk x",
        "--clear --add a.vmdk x", "--add -g 1000 a.vmdk x",
        "--add -g 256 a.vmdk x", "--add -g 0 a.vmdk x",
        "--add -g foo a.vmdk x", "--add -g 64k a.vmdk x",
        "--remove -g 64k a.vmdk x", "--remove -g 64k",
        "--add -b a.vmdk a.vmdk x", "--merge y -F vmdk a.vmdk x",
        "--add -F vmdk a.vmdk x", "--merge y -b none a.vmdk x",
        "--add none x", "--merge y -b a.raw -F raw a.vmdk x",
        "--add -f vmdk --image-opts driver=raw,file.filename=a.raw x",
        "--add --image-opts driver=raw,file.filename=a.raw x",
        "--add -f nope a.vmdk x", "--no-such a.vmdk x",
    )),
]
