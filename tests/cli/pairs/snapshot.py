# SPDX-License-Identifier: BSD-3-Clause
"""snapshot - invocations of `snapshot`, which VMDK and raw have none of."""
from pairs.gallery import DAMAGED, IMAGES, RAWS
from pairs.table import damaged, each

PAIRS = [
    *each("snapshot {action} {image}",
          action=("-l", "-c x", "-d x", "-q -c x"), image=IMAGES),
    *each("snapshot {action} {image}", action=("", "-a x"),
          image=("a.raw", *(name for name in IMAGES if name not in RAWS))),
    *damaged("snapshot -l {image}", DAMAGED),
    *each("snapshot {words}", words=(
        "", "a.vmdk c.vmdk", "none", "-q -l s.vmdk", "-l -U f.vmdk",
        "-l -c x a.vmdk", "-l -l a.vmdk", "-a x -d x a.vmdk",
        "-U -c x a.vmdk", "--image-opts -l driver=raw,file.filename=a.raw",
        "--image-opts -c x driver=raw,file.filename=a.raw",
        "--no-such a.vmdk", "-c",
    )),
]
