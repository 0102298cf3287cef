# SPDX-License-Identifier: BSD-3-Clause
"""resize - invocations of `resize`; qemu-img cannot resize a VMDK."""
from pairs.table import each, upto

PAIRS = [
    *each("resize -f raw {flags} target.raw {size}", flags=("", "-q"),
          size=("2M", "+1M", "+512", "1M", "+0", "1048577", "3M")),
    *each("resize -f raw {flags} target.raw {size}",
          flags=("", "--shrink", "--shrink -q"),
          size=("512k", "-512k", "-1", "1", "0", "-1M", "-2M")),
    *each("resize -f raw --preallocation={mode} target.raw {size}",
          mode=("off", "metadata", "falloc", "full", "frob"),
          size=("2M", "1M", "512k")),
    *each("resize {words}", words=(
        "target.raw 2M", "-f raw target.raw", "-f raw", "", "2M",
        "target.raw x", "target.raw -", "-f raw target.raw +-1",
        "-f raw odd.raw -- +700", "-f raw target.raw ' 2M'",
        "-f raw target.raw ''", "-f raw target.raw 1X",
        "-f raw target.raw +", "-f raw target.raw -", "-f raw target.raw ++1",
        "-f raw target.raw 9E", "-f raw target.raw +8191P",
        "-f raw missing 1M", "-f raw folder 1M", "-f frob target.raw 1M",
        "-f raw target.raw 1M 2M",
        "-f raw --shrink --preallocation=full target.raw 512k",
        "--image-opts driver=raw,file.filename=target.raw 2M",
        "--image-opts -f raw driver=raw,file.filename=target.raw 2M",
        "-f raw target.raw 2M -q", "-f raw 'target.raw' 1.5M",
        "--frob target.raw 1M", "-f", "-f raw ./co:lon.raw 2M",
        "-f raw -- -dash.raw 2M", "-f raw ./-dash.raw +1k",
        "-f raw odd.raw +1", "-f raw none.raw 1M", "-f raw s.vmdk +1M",
        "-f raw --object frob target.raw 2M",
    )),
    *upto("Could not open 'target.raw': ", ["resize -f vmdk target.raw 1M"]),
]
