# SPDX-License-Identifier: BSD-3-Clause
"""bitmap - invocations of `bitmap`; VMDK and raw have none.

No pair: a disk of 0 bytes, of whose bitmap qemu-img says that it was lost, and
ends well; ours refuses it.
"""
from pairs.table import Pair, each

CHANGES = ("--remove", "--clear", "--enable", "--disable", "--merge one",
           "--merge two", "--disable --enable --disable", "--remove --add")
ADDITIONS = ("--add", "--add --disable", "--add --merge one",
             "--add --remove")


def refused(name, rows):
    return [Pair(row, apart={name: "qemu-img stores all bitmaps anew"})
            for row in rows]


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
    # "one" has known of a write, "two" has slept.
    *each("bitmap {action} qb.qcow2 {name}", action=CHANGES,
          name=("one", "two")),
    *each("bitmap {action} qb.qcow2 new", action=ADDITIONS),
    *refused("qb.qcow2", [
        *each("bitmap {action} qb.qcow2 {name}", action=ADDITIONS,
              name=("one", "two")),
        *each("bitmap {action} qb.qcow2 new", action=CHANGES),
        *each("bitmap --merge no qb.qcow2 {name}", name=("one", "new")),
        "bitmap --merge one -b missing -F qcow2 qb.qcow2 two"]),
    # The bitmap is made before the second --add fails.
    "bitmap --add --enable --add qb.qcow2 new",
    "bitmap --clear --merge two --remove qb.qcow2 one",
    *each("bitmap --add -g {granularity} {image} new",
          granularity=("512", "4k", "2G", "256", "1000", "0", "4G", "3G"),
          image=("q.qcow2", "qx.qcow2")),
    *each("bitmap {words}", words=(
        "--add q2.qcow2 x", "--remove q2.qcow2 x", "--add q.qcow2 ''",
        "--add q.qcow2 " + "x" * 1023, "--add q.qcow2 " + "x" * 1024,
        "--add qs.qcow2 x", "--add qc.qcow2 x",
        "--add -f raw q.qcow2 x",
        "--add --merge one -b qb.qcow2 -F qcow2 q.qcow2 x",
        "--add --merge no -b qb.qcow2 -F qcow2 q.qcow2 x",
        "--add --merge one -b qb.qcow2 -F raw q.qcow2 x",
        "--merge one -b qb.qcow2 -F qcow2 q.qcow2 x",
        "--merge one --merge two qb.qcow2 one",
        "--add --image-opts driver=qcow2,file.filename=q.qcow2 x",
    )),
    Pair("bitmap --add qd.qcow2 x",
         apart={"qd.qcow2": "its data file is kept elsewhere"}),
]
