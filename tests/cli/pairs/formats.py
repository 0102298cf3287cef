# SPDX-License-Identifier: BSD-3-Clause
"""formats - invocations about qcow2, VHD, VHDX and VDI.

No pairs, since ours tells more: `check` of VHD, which qemu-img cannot; `map` of
VHD, VHDX and VDI, where blocks that are not stored count as present for
qemu-img, VHD's sector bitmaps and a data file's holes as data, and VHDX's data
as lying nowhere; block sizes of VHDX that others refuse, sizes of VHD that are
rounded to a geometry (other-formats.md B.2).
"""
from pairs.gallery import QCOW2S, VDISKS
from pairs.table import Pair, each, left, upto

FORMS = ("", "--output=json")
FIXED = ("-f vpc f.vhd",)
# But human-readable, "qx.qcow2" would do: QEMU tells places of subclusters that
# are not stored.
MAPPED = tuple(i for i in QCOW2S if i not in ("qd.qcow2", "qx.qcow2"))
# Of a data file ours does not count the holes.
FILLED = tuple(i for i in QCOW2S if i != "qd.qcow2")
TARGETS = (("qcow2", "x.qcow2", ""),
           ("vpc", "x.vhd", "-o force_size=on"),
           ("vhdx", "x.vhdx", "-o block_size=8M"),
           ("vdi", "x.vdi", ""))


def create(form, name, options, sizes=("10M",)):
    return each("create -f %s -o {option} %s {size}" % (form, name),
                option=options, size=sizes)


PAIRS = [
    *each("info {form} {image}", form=FORMS,
          image=VDISKS + FIXED),
    *each("map {form} {image}", form=FORMS, image=MAPPED),
    *each("check {form} {image}", form=FORMS,
          image=QCOW2S + ("h.vhdx", "i.vdi", "t.vdi")),
    *each("info --backing-chain {form} {image}", form=FORMS,
          image=("qc.qcow2", "sub/q.qcow2", "q.qcow2")),
    *each("measure {form} {image}", form=FORMS, image=VDISKS + FIXED),
    *each("measure -O qcow2 {form} {image}", form=FORMS,
          image=FILLED + ("a.raw", "dots.raw", "odd.raw", "a.vmdk", "i.vdi")),
    *each("measure -O qcow2 {form} {option} {image}", form=FORMS,
          option=("-o compat=0.10", "-o cluster_size=512", "-l first"),
          image=("qb.qcow2", "qs.qcow2")),
    *each("measure -O qcow2 {form} {option} --size {size}", form=FORMS,
          option=("", "-o cluster_size=4k", "-o cluster_size=2M",
                  "-o extended_l2=on", "-o compat=0.10",
                  "-o refcount_bits=1", "-o preallocation=full"),
          size=("0", "1M", "1000000", "1T")),
    *each("compare {a} {b}", a=VDISKS, b=("content.raw",)),
    *each("convert --bitmaps -O qcow2 {options} {image} x.qcow2",
          options=("", "-o cluster_size=4k", "-c", "--skip-broken-bitmaps"),
          image=("qb.qcow2", "q.qcow2")),
    "convert --bitmaps -O qcow2 q2.qcow2 x.qcow2",
    *[left("x", row) for row in each(
        "convert --bitmaps -O {form} qb.qcow2 x",
        form=("raw", "vmdk", "vdi", "qcow2 -o compat=0.10"))],
    Pair("convert --bitmaps -n -O qcow2 qb.qcow2 q.qcow2",
         apart={"q.qcow2": "what is zero is left out"}),
    *each("convert -O raw {image} x.raw", image=VDISKS + FIXED),
    *[Pair(row, apart={"x.vdi": "zeroes within a block are holes of the file"})
      for form, name, options in TARGETS
      for row in each("convert -f raw -O %s %s {source} %s" %
                      (form, options, name),
                      source=("a.raw", "full.raw", "dots.raw", "b.raw"))],
    *[row for form, name, options in TARGETS
      for row in each("create -f %s %s {flags} %s {size}" %
                      (form, options, name),
                      flags=("", "-q"),
                      size=("10M", "1G", "100000", "", "x"))],
    *create("qcow2", "x.qcow2", (
        "cluster_size=512", "cluster_size=4k", "cluster_size=2M",
        "cluster_size=4M", "cluster_size=100", "cluster_size=x",
        "compat=0.10", "compat=1.1", "compat=v2", "compat=v3",
        "refcount_bits=1", "refcount_bits=64", "refcount_bits=3",
        "refcount_bits=128", "compat=0.10,refcount_bits=8",
        "lazy_refcounts=on", "compat=0.10,lazy_refcounts=on",
        "extended_l2=on", "extended_l2=on,cluster_size=4k",
        "compat=0.10,extended_l2=on", "preallocation=metadata",
        "preallocation=falloc", "preallocation=full",
        "compression_type=zlib", "data_file_raw=on", "frob=1",
        "size=5M")),
    *upto("(try using a larger cluster size)", [
        "measure -O qcow2 -o cluster_size=512 --size 1T"]),
    *create("vpc", "x.vhd", ("subformat=dynamic,force_size=on", "frob=1")),
    *create("vhdx", "x.vhdx", (
        "subformat=dynamic,block_size=8M", "subformat=fixed,block_size=8M",
        "block_size=1M", "log_size=2M,block_size=8M", "log_size=x",
        "block_size=8M,block_state_zero=off", "frob=1")),
    *create("vdi", "x.vdi", ("static=off", "static=x", "preallocation=off",
                             "frob=1")),
    # The contents are another row's; here a block of zeroes is one that QEMU
    # wrote, or that we do not store.
    *[Pair(row, apart={"x.vdi": "what of it is written zeroes"})
      for row in create("vdi", "x.vdi", ("static=on", "preallocation=full"))],
    *[Pair(row, apart={"x.vhd": "what of it is written zeroes"})
      for row in create("vpc", "x.vhd", ("subformat=fixed,force_size=on",))],
    # Ours tells which values there are.
    *upto("x.qcow2: ", create("qcow2", "x.qcow2", (
        "compat=frob", "preallocation=frob", "compression_type=frob"))),
    *[left("x.vhd", row, "x.vhd: ")
      for row in create("vpc", "x.vhd", ("subformat=frob",))],
    *[left("x.vhdx", row, "x.vhdx: ")
      for row in create("vhdx", "x.vhdx", ("subformat=frob",
                                           "block_size=3M"))],
    *upto("x.vdi: ", create("vdi", "x.vdi", ("preallocation=frob",))),
    # qemu-img could not find the data file where x.qcow2 is kept.
    *[Pair(row, apart={"x.qcow2": "its data file is kept elsewhere"})
      for row in create("qcow2", "x.qcow2", (
          "data_file=x.data", "data_file=x.data,data_file_raw=on"))],
    *each("create -f qcow2 -b {parent} x.qcow2", parent=(
        "q.qcow2 -F qcow2", "a.vmdk -F vmdk", "a.raw -F raw", "a.raw",
        "missing -F raw", "q.qcow2 -F frob")),
    *each("create -f qcow2 -b {parent} x.qcow2 20M", parent=(
        "q.qcow2 -F qcow2", "a.vmdk -F vmdk", "d.vhd -F vpc",
        "h.vhdx -F vhdx", "i.vdi -F vdi")),
    *each("create -f {form} -b a.raw -F raw x 10M",
          form=("vpc", "vhdx", "vdi")),
    *each("convert -O qcow2 -B {parent} -F qcow2 {source} x.qcow2",
          parent=("q.qcow2",), source=("qc.qcow2", "q.qcow2", "a.vmdk")),
    # Zeroes above nothing are not stored.
    *[Pair("commit %s%s" % (flags, image), apart=dict.fromkeys(
        (image, base), "what is zero is left out"))
      for flags, image, base in (
          ("", "qc.qcow2", "q.qcow2"), ("-q ", "qc.qcow2", "q.qcow2"),
          ("-d ", "qc.qcow2", "q.qcow2"), ("", "sub/q.qcow2", "a.vmdk"))],
    *each("{words} qs.qcow2", words=(
        "snapshot -l", "snapshot -d first", "snapshot -a first",
        "snapshot -a 1", "snapshot -d no", "snapshot -a no",
        "snapshot -q -d first")),
    *each("convert -l {name} -O raw qs.qcow2 x.raw", name=(
        "first", "1", "no", "snapshot.name=first", "snapshot.id=1",
        "snapshot.id=1,snapshot.name=first", "snapshot.name=no")),
    *each("{words}", words=(
        "resize q.qcow2 20M", "resize -q q.qcow2 +1M",
        "resize --preallocation=metadata q.qcow2 20M",
        "resize --preallocation=full q2.qcow2 20M",
        "resize --shrink q.qcow2 5M", "resize q.qcow2 5M",
        "resize qc.qcow2 20M", "resize q.qcow2 10M",
        "commit q.qcow2",
        "rebase -u -b '' qc.qcow2", "rebase -b '' qc.qcow2",
        "rebase -u -b q2.qcow2 -F qcow2 qc.qcow2",
        "rebase -b q2.qcow2 -F qcow2 qc.qcow2",
        "rebase -b a.vmdk -F vmdk qc.qcow2",
        "rebase -b missing -F qcow2 qc.qcow2",
        "amend -o compat=0.10 q.qcow2", "amend -o compat=1.1 q2.qcow2",
        "amend -o lazy_refcounts=on q.qcow2",
        "amend -o refcount_bits=32 q.qcow2", "amend -o size=20M q.qcow2",
        "amend -o frob=1 q.qcow2", "amend -o cluster_size=4k q.qcow2",
        "check -r leaks q.qcow2", "check -r all q.qcow2",
        "dd if=q.qcow2 of=x.raw bs=1M", "dd -O qcow2 if=a.raw of=x.qcow2",
        "compare q.qcow2 qz.qcow2", "compare q.qcow2 qc.qcow2",
        "convert -c -O qcow2 a.raw x.qcow2",
        "convert -c -O qcow2 -o cluster_size=4k dots.raw x.qcow2",
        "convert -c -O vpc a.raw x.vhd", "convert -c -O vdi a.raw x.vdi",
        "convert -O qcow2 -o preallocation=metadata a.raw x.qcow2")),
    *upto("Could not open 'a.raw': ", each(
        "info -f {form} a.raw", form=("qcow2", "vpc", "vhdx", "vdi"))),
]
