# SPDX-License-Identifier: BSD-3-Clause
"""compare - invocations of `compare`.

Wrong usage is no pair: it exits 2, not 1, which would say "different"
(img-cli.md 2 [D]).
"""
from pairs.gallery import DAMAGED, RAWS
from pairs.table import damaged, each, upto

SAME = ("a.vmdk", "s.vmdk", "f.vmdk", "ts.vmdk", "tf.vmdk", "content.raw")

PAIRS = [
    *each("compare {a} {b}", a=SAME, b=SAME),
    *each("compare {form} {b} a.vmdk", form=("", "-s", "-q"),
          b=("c.vmdk", "g.vmdk", "empty.vmdk", "zero.vmdk", "full.vmdk")),
    *each("compare -f raw -F raw {a} {b}", a=RAWS, b=RAWS),
    *damaged("compare a.vmdk {image}", DAMAGED),
    *upto("Could not open 'a.raw': ", [
        "compare -f vmdk a.raw a.vmdk", "compare -F vmdk a.vmdk a.raw"]),
    *each("compare {words}", words=(
        "-s a.raw b.raw", "-s a.vmdk a.vmdk", "-s empty.vmdk empty.vmdk",
        "-p a.vmdk s.vmdk", "-p a.vmdk c.vmdk", "-p -q a.vmdk s.vmdk",
        "-p a.raw b.raw", "-f vmdk -F raw a.vmdk content.raw",
        "-f raw -F vmdk content.raw a.vmdk", "-f frob a.vmdk a.vmdk",
        "-F frob a.vmdk a.vmdk", "missing a.raw", "a.raw missing",
        "-T none a.raw a.raw", "-T frob a.raw a.raw", "-U a.vmdk c.vmdk",
        "--image-opts driver=vmdk,file.filename=a.vmdk "
        "driver=raw,file.filename=content.raw",
        "--image-opts -f raw a b",
        """'json:{"driver":"vmdk","file.filename":"a.vmdk"}' s.vmdk""",
        "-q a.raw b.raw", "-q missing a.raw", "-s a.raw odd.raw",
        "-s none.raw none.raw", "a.raw none.raw", "none.raw b.raw",
        "-p none.raw none.raw", "-s content.raw content.raw",
        "--object secret,id=x,data=y a.raw a.raw",
    )),
    # Each option's and operand's own words, as in test-arguments.py.
    *each("compare {words}", words=(
        "no a.raw", "a.raw no", "--image-opts -f raw a.raw b.raw",
        "-T frob a.raw b.raw",
    )),
]
