# SPDX-License-Identifier: BSD-3-Clause
"""rebase - invocations of `rebase`; qemu-img cannot change a VMDK's parent,
so that only what is wrong before that makes a pair."""
from pairs.table import each, upto

PAIRS = upto("Could not open 'a.raw': ", [
    "rebase -f vmdk -b a.vmdk a.raw"]) + each("rebase {words}", words=(
    "-b missing -F vmdk c.vmdk", "-b missing c.vmdk",
    "-b folder -F vmdk c.vmdk",
    "", "c.vmdk", "-f vmdk c.vmdk", "-b a.vmdk", "-b a.vmdk missing",
    "-u -b a.vmdk missing", "-b a.vmdk -F vmdk c.vmdk x", "--frob c.vmdk",
    "-b a.vmdk -f frob c.vmdk", "-t frob -b a.vmdk c.vmdk",
    "-T frob -b a.vmdk c.vmdk",
    "-f raw -b a.vmdk folder", "-b",
    "--image-opts -f vmdk -b a.vmdk driver=vmdk,file.filename=c.vmdk",
    "-u -b b.raw -F raw -f raw target.raw", "-b b.raw -F raw -f raw a.raw",
    "-u -b '' -f raw target.raw",
))
