# SPDX-License-Identifier: BSD-3-Clause
"""info - invocations of `info`."""
from pairs.gallery import BY_US, CHAINS, DAMAGED, IMAGES, NAMES
from pairs.table import damaged, each, quoted, upto

# `info` reads no more than headers: a lost extent or parent does not matter,
# where qemu-img wants all extents.
INFO_DAMAGED = tuple(name for name in DAMAGED
                     if name not in ("extent.vmdk", "orphan.vmdk"))

PAIRS = [
    *each("info {form} {image}", form=("--output=human", "--output=json"),
          image=IMAGES),
    *each("info {name}", name=quoted(NAMES)),
    *each("info --output=json {name}", name=quoted(NAMES)),
    *damaged("info {form} {image}", INFO_DAMAGED,
             form=("--output=human", "--output=json")),
    *each("info --backing-chain {form} {image}", form=("", "--output=json"),
          image=CHAINS + ("l.vmdk", "a.raw")),
    *each("info {form} {image}",
          form=("--output=human", "--output=json", "--backing-chain",
                "--backing-chain --output=json"), image=BY_US),
    *each("info {words}", words=(
        "-f raw a.raw", "-f raw a.vmdk", "-f vmdk a.vmdk",
        "-f vmdk empty.vmdk -U", "--force-share a.vmdk",
        "-f file a.raw", "-f '' a.raw", "-U a.raw", "{dir}/a.raw",
        "{dir}/c.vmdk", "missing", "missing.vmdk --output=json", "'' ",
        "a.raw/x", "folder/x",
        "--image-opts driver=raw,file.filename=a.raw",
        "--image-opts driver=vmdk,file.filename=a.vmdk",
        "--image-opts file.filename=a.vmdk",
        "--image-opts driver=vmdk,file.driver=file,file.filename=c.vmdk",
        "--image-opts driver=frob,file.filename=a.raw",
        "--image-opts driver=raw,file.filename=missing",
        "--image-opts driver=raw,file.filename=a.raw,frob=1",
        "--image-opts driver=raw",
        "--image-opts driver=raw,file.driver=file",
        "--image-opts driver=raw,file.driver=file,file.filename=a.raw,"
        "file.frob=1",
        "--image-opts driver=raw,file.driver=file,file.filename=a.raw,"
        "file.locking=frob",
        "--image-opts driver=raw,file.driver=file,file.filename=a.raw,"
        "file.aio=frob",
        "--image-opts driver=raw,offset=x,file.filename=a.raw",
        "file:a.raw", "file:./a.raw", "file:sub/../a.raw", "file:missing",
        "file:{dir}/a.raw", "file:a.vmdk", "file:c.vmdk",
        "--image-opts driver=file,filename=a.raw",
        "--image-opts 'driver=vmdk,file.filename=comma,,comma.vmdk'",
        "--image-opts -f raw driver=raw,file.filename=a.raw",
        """'json:{"driver":"raw","file":{"driver":"file","filename":"a.raw"}}'""",
        """'json:{"driver":"raw","file.filename":"a.raw"}'""",
        """'json:{"driver":"vmdk","file.filename":"a.vmdk"}'""",
        """'json:{"file.filename":"a.vmdk"}'""",
        """'json:{"driver":"raw"}'""", """'json:[]'""",
        """'json:{"driver":"frob","file.filename":"a.raw"}'""",
        """'json:{"driver":"raw","frob":1,"file.filename":"a.raw"}'""",
        "--output", "--output=frob a.raw", "--output=json -- a.raw",
        "a.raw b.raw", "", "-x a.raw", "--frob a.raw", "-f", "-l a.raw",
        "--object secret,id=x,data=abc a.raw", "--object frob,id=x a.raw",
        "--object secret a.raw", "--object secret,id=x a.raw",
        "--object secret,id=x,data=a,file=b a.raw",
    )),
    *upto("Could not open 'a.raw': ", ["info -f vmdk a.raw"]),
    *upto("Could not parse the JSON options: ", [
        "info 'json:{'", "info json:frob",
        """info 'json:{{"driver":"raw"}}'""", "info --output=json json:frob",
        "info 'json:{a}'", """info 'json:{"a":}'""",
    ]),
    *upto("Could not open 'json:{}': ", ["info 'json:{}'"]),
    *each("info --backing-chain {words}", words=(
        "-f vmdk g.vmdk", "-f raw g.vmdk", "missing",
        "--image-opts driver=vmdk,file.filename=g.vmdk")),
    # Each option's and operand's own words, as in test-arguments.py.
    *each("info {words}", words=(
        "--object frob a.raw", "--output=x a.raw", "--", "no",
        "--image-opts -f raw a.raw", "-f frob a.raw", "frob:a",
    )),
]
