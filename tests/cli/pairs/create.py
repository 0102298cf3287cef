# SPDX-License-Identifier: BSD-3-Clause
"""create - invocations of `create`."""
from pairs.table import Pair, each, left, upto

KINDS = ("monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse",
         "twoGbMaxExtentFlat", "streamOptimized")

PAIRS = [
    *each("create {size}", size=(
        "x 0", "x 1", "x 511", "x 512", "x 1M", "x 1.5M", "x 0.5k", "x 0x200",
        "x 10k", "x 1G", "x 1T", "x 1b", "x 1K", "x 1g", "x 1e3", "x 0x200k",
        "x ' 1M'", "x '1M '", "x +1M", "x ''", "x 1.M", "x .5M", "x 010",
        "x 8E", "x 7.9999E", "x 99999999999999999999", "x 1MM",
        "-- x -1M", "x 1M 2M")),
    *each("create -f vmdk -o subformat={kind} x.vmdk {size}", kind=KINDS,
          size=("10M", "1000k", "0", "512", "3G", "100")),
    *each("create -f vmdk -o {option} x.vmdk 10M", option=(
        "adapter_type=ide", "adapter_type=lsilogic", "adapter_type=buslogic",
        "adapter_type=legacyESX", "adapter_type=frob", "adapter_type=",
        "nocompat6", "compat6=on", "compat6=off", "compat6=true", "compat6=frob", "compat6",
        "hwversion=4", "hwversion=6", "hwversion=undefined",
        "compat6=on,hwversion=6", "toolsversion=1", "zeroed_grain=on",
        "zeroed_grain=off", "zeroed_grain=frob", "subformat=frob",
        "subformat=", "frob=1", "backing_file=a.vmdk",
        "backing_file=a.vmdk,backing_fmt=vmdk",
        "backing_file=a.vmdk,backing_fmt=raw",
        "backing_file=missing,backing_fmt=vmdk", "size=10M",
        "subformat=monolithicFlat,zeroed_grain=on",
        "subformat=monolithicFlat,backing_file=a.vmdk,backing_fmt=vmdk",
        "subformat=streamOptimized,adapter_type=lsilogic",
        "subformat=twoGbMaxExtentSparse,hwversion=7")),
    *each("create -f raw -o {option} x 1M", option=(
        "preallocation=off", "preallocation=falloc", "preallocation=full",
        "preallocation=frob", "preallocation=",
        "nocow=off", "nocow=on", "nocow=frob", "extent_size_hint=1M",
        "extent_size_hint=0", "extent_size_hint=4G", "extent_size_hint=1000",
        "extent_size_hint=x", "size=2M", "''", ",", "size=1M,",
        "preallocation=off,,", "preallocation", "nocow", "size=1M,nocow=yes",
        "frob", "=x", "preallocation=off,,x")),
    *each("create -f vmdk -b {parent} -F vmdk {size}",
          parent=("a.vmdk", "c.vmdk", "g.vmdk", "f.vmdk", "s.vmdk"),
          size=("x.vmdk", "x.vmdk 20M", "x.vmdk 5M", "-q x.vmdk",
                "sub/x.vmdk", "'x y.vmdk'")),
    *each("create {words}", words=(
        "-f vmdk -b ../a.vmdk -F vmdk sub/x.vmdk",
        "-f vmdk -b {dir}/a.vmdk -F vmdk x.vmdk",
        "-f vmdk -u -b a.vmdk -F vmdk x.vmdk 1M",
        "-f vmdk -b a.raw -F raw x.vmdk", "-f vmdk -b a.raw x.vmdk",
        "-f vmdk -b a.vmdk -F frob x.vmdk",
        "-f vmdk -b folder -F vmdk x.vmdk",
        "-f vmdk -b 'with space.vmdk' -F vmdk x.vmdk",
        "-f vmdk -b comma,comma.vmdk -F vmdk x.vmdk",
        "-f vmdk -b a.vmdk -F vmdk -o backing_file=c.vmdk x.vmdk",
        "-f vmdk -F vmdk x.vmdk 1M", "-F vmdk x 1M",
        "-f raw -b a.raw x", "-q x 1M", "-q -f vmdk x.vmdk 1M", "-q x", "-q",
        "'x y' 1M", "x,y 1M", "\u00fc 1M", "./x:y 1M", "sub/x 1M",
        "missing/x 1M", "folder 1M", "-f vmdk folder 1M", "'' 1M",
        "a.raw 1M", "-f raw a.raw 2M", "target.raw 512k",
        "-f vmdk target.vmdk 5M", "readonly.raw 1M", "-f '' x 1M",
        "-f vmdk x.vmdk 8191P", "-f vmdk -o subformat=monolithicFlat "
        "x.vmdk 1T", "-f vmdk x.vmdk", "-f vmdk x.vmdk x",
        "-o size=1M x", "-o size=x x", "-o size=-1 x", "-o size= x",
        "-o size=1M -o preallocation=off x", "-o preallocation=off "
        "-o preallocation=full x 64k", "--frob x", "-o", "-f",
        "--object secret,id=s,data=x x 1M", "--object secret,data=x x 1M",
        "--object secret,id=s,frob=x x 1M",
    )),
    *upto("x.vmdk: ", ["create -f vmdk -b a.raw -F vmdk x.vmdk",
                       "create -f vmdk -b orphan.vmdk -F vmdk x.vmdk"]),
    left("x", "create x 8191P"),
    left("x", "create -f raw -o preallocation=metadata x 1M"),
    left("x.vmdk", "create -f vmdk -u -b missing.vmdk -F vmdk x.vmdk 1M",
         upto="x.vmdk: "),
    # QEMU writes the empty version, which VMware takes for none.
    Pair("create -f vmdk -o hwversion= x.vmdk 10M",
         apart={"x.vmdk": "an empty version is the default one"}),
    *each("create -f {form} -o {word} {names}", form=("raw",),
          word=("help", "?", "size=1M,help"), names=("", "x 1M")),
    # A child of another size than its parent's, which VMware has none of.
    *each("create -f vmdk -b {parent} -F vmdk {size}", parent=("a.vmdk",),
          size=("x.vmdk 10485761", "x.vmdk 1", "x.vmdk 3G")),
    # Each option's and operand's own words, as in test-arguments.py.
    *each("create {words}", words=(
        "--frob", "-Z", "", "-f raw", "x 1M z", "x 1X", "x -- -1", "x 1.5",
        "x 9E", "-f frob x 1M", "x", "-o size=1M x 1M", "-o frob=1 x 1M",
        "-o , x 1M", "-o '' x 1M", "-o size=1M, x", "-b a.raw -F raw x",
        "-f vmdk -b no -F vmdk x", "-f vmdk -b no -F vmdk x 1M",
        "-f vmdk -b a.vmdk x", "-f vmdk -u -b a.vmdk x 1M",
        "-f vmdk -u -b no -F vmdk x", "-f vmdk -b x -F vmdk x 1M",
        "-f vmdk -b '' x 1M", "-f frob -o help", "frob:x 1M",
    )),
]
