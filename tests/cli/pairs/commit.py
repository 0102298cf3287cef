# SPDX-License-Identifier: BSD-3-Clause
"""commit - invocations of `commit`.

qemu-img leaves the child behind with the old content ID of its parent, which
no reader takes for its parent any more (img-cli.md 8.11).
"""
from pairs.table import Pair, each

CHILD = "qemu-img leaves a child that cannot be read any more"

PAIRS = [
    *(Pair("commit %s c.vmdk" % words, apart={"c.vmdk": CHILD})
      for words in ("", "-q", "-p", "-d", "-f vmdk", "-t none",
                    "-t writethrough", "-p -d -q", "-b a.vmdk",
                    "-r 100M", "-d -f vmdk -t unsafe")),
    Pair("commit sub/c.vmdk", apart={"sub/c.vmdk": CHILD}),
    Pair("commit absolute.vmdk", apart={"absolute.vmdk": CHILD}),
    Pair("commit g.vmdk", apart={"g.vmdk": CHILD}),
    Pair("commit --image-opts driver=vmdk,file.filename=c.vmdk",
         apart={"c.vmdk": CHILD}),
    *each("commit {words}", words=(
        "", "a.vmdk", "a.raw", "-f raw a.raw", "missing", "folder",
        "c.vmdk g.vmdk", "-b missing c.vmdk", "-b c.vmdk c.vmdk",
        "-t frob c.vmdk", "-r x c.vmdk", "-r -1 c.vmdk", "-f frob c.vmdk",
        "-f raw c.vmdk", "--frob c.vmdk", "-b", "-q a.vmdk", "-p a.vmdk",
        "--image-opts -f vmdk driver=vmdk,file.filename=c.vmdk",
    )),
]
