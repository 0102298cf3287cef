# SPDX-License-Identifier: BSD-3-Clause
"""check - invocations of `check`.

zero.vmdk is no pair: QEMU leaks a grain when it zeroes one, and does not count
leaks.  Nor are repairs: qemu-img has none for VMDK.
"""
from pairs.gallery import DAMAGED, IMAGES, NAMES
from pairs.table import damaged, each, quoted, upto

# A lost extent or parent is found, not a failure of the check.
CHECK_DAMAGED = tuple(name for name in DAMAGED
                      if name not in ("extent.vmdk", "orphan.vmdk"))

PAIRS = [
    *each("check {form} {image}", form=("", "--output=json", "-q"),
          image=[name for name in IMAGES if name != "zero.vmdk"]),
    *each("check {name}", name=quoted(NAMES)),
    *damaged("check {form} {image}", CHECK_DAMAGED,
             form=("", "--output=json", "-q")),
    *upto("Could not open 'a.raw': ", ["check -f vmdk a.raw"]),
    *each("check {words}", words=(
        "-f vmdk a.vmdk", "-f raw a.vmdk", "-f frob a.vmdk",
        "-U a.vmdk", "-T none a.vmdk", "-T writeback a.vmdk",
        "-T unsafe a.vmdk", "-T frob a.vmdk", "-r frob a.vmdk",
        "-r leaks a.raw", "-r all a.raw", "-r all -U a.vmdk", "-r",
        "--image-opts driver=vmdk,file.filename=a.vmdk",
        "--image-opts driver=vmdk,file.filename=missing",
        """'json:{"driver":"vmdk","file.filename":"a.vmdk"}'""",
        "missing", "--output=json missing", "-q missing", "", "a.vmdk b.raw",
        "--output=frob a.vmdk", "-x a.vmdk",
        "--image-opts -f raw driver=raw,file.filename=a.raw",
    )),
    # Each option's and operand's own words, as in test-arguments.py.
    *each("check {words}", words=(
        "-r some a.vmdk", "--output=x a.raw", "no",
    )),
]
