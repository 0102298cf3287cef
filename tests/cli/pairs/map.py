# SPDX-License-Identifier: BSD-3-Clause
"""map - invocations of `map`."""
from pairs.gallery import BY_US, DAMAGED, IMAGES, NAMES
from pairs.table import damaged, each, quoted, upto

PAIRS = [
    *each("map {form} {image}", form=("--output=human", "--output=json"),
          image=IMAGES),
    *each("map {name}", name=quoted(NAMES)),
    *each("map {form} {image}",
          form=("--output=human", "--output=json",
                "--output=json -s 100k -l 1M"), image=BY_US),
    *each("map --output=json {name}", name=quoted(NAMES)),
    *damaged("map {form} {image}", DAMAGED, form=("", "--output=json")),
    *upto("Could not open 'a.raw': ", ["map -f vmdk a.raw"]),
    *each("map --output=json {part} {image}",
          part=("-s 0", "-s 100k", "-l 100k", "-s 64k -l 64k",
                "--start-offset=1M --max-length=1G", "-s 1025 -l 513"),
          image=("a.raw", "odd.raw", "a.vmdk", "g.vmdk", "s.vmdk")),
    *each("map {words}", words=(
        "-s 100k -l 1M g.vmdk", "-s 1M a.raw", "-s 2M a.raw --output=json",
        "-s 100M a.vmdk --output=json", "-l 0 a.raw", "-s -1 a.raw",
        "-l -1 a.raw", "-s 1X a.raw", "-l x a.raw", "-s '' a.raw",
        "-s 9E a.raw", "-s 0x1000 a.raw", "-s 1.5k a.raw", "-s 1e3 a.raw",
        "-f raw a.vmdk", "-f frob a.raw", "-U a.vmdk",
        "--image-opts driver=vmdk,file.filename=g.vmdk --output=json",
        "--image-opts driver=raw,offset=64k,size=64k,file.filename=a.raw",
        "--image-opts driver=raw,size=100k,file.filename=a.raw --output=json",
        """--output=json 'json:{"driver":"raw","file.filename":"a.raw"}'""",
        "missing", "", "a.raw b.raw", "-p a.raw", "--output=frob a.raw",
        "--image-opts -f raw driver=raw,file.filename=a.raw",
    )),
    # Each option's and operand's own words, as in test-arguments.py.
    *each("map {words}", words=(
        "--output=x a.raw", "-s y a.raw", "-l y a.raw", "no",
    )),
]
