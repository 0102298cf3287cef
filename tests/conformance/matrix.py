# SPDX-License-Identifier: BSD-3-Clause
"""matrix - the rows and columns of docs/CONFORMANCE.md."""
from kinds import (Cowd, Flat, Lines, Mixed, SeSparse, Sparse, Stream,
                   lines_device, lines_mixed, lines_partitions)

OPERATIONS = ("create", "read", "write", "grow", "shrink", "check", "repair",
              "discard", "child")

# Bytes in place: there are no grains to give back or to move.
SHRINK = ("shrink",)

SESPARSE = dict.fromkeys(
    ("write", "grow", "shrink", "repair", "discard"),
    "in-place writing of seSparse extents is not supported; convert the disk")
STREAM = dict.fromkeys(
    ("write", "grow", "shrink", "discard"),
    "a streamOptimized extent cannot be written in place; convert it")

KINDS = (
    Sparse("monolithicSparse"),
    Sparse("monolithicSparse, zeroed grains",
           "subformat=monolithicSparse,zeroed_grain=on"),
    Sparse("monolithicSparse, 4 KiB grains",
           "subformat=monolithicSparse,grain_size=4k", peers=("qemu-img",)),
    Sparse("twoGbMaxExtentSparse", suffix="-s001"),
    Sparse("twoGbMaxExtentSparse, 8 MiB extents, 16 KiB grains",
           "subformat=twoGbMaxExtentSparse,split_size=8M,grain_size=16k",
           suffix="-s001"),
    Flat("monolithicFlat", suffix="-flat", idle=SHRINK),
    Flat("twoGbMaxExtentFlat", suffix="-f001", idle=SHRINK),
    Flat("vmfs", suffix="-flat", idle=SHRINK),
    Flat("vmfsThin", suffix="-flat", idle=SHRINK),
    Flat("vmfsEagerZeroedThick", suffix="-flat", idle=SHRINK),
    Cowd("vmfsSparse", suffix="-delta"),
    SeSparse("seSparse", suffix="-sesparse", refuses=SESPARSE),
    Stream("streamOptimized", refuses=STREAM),
    Mixed("custom (flat, sparse, zero, flat)", "custom", lines_mixed,
          "-d.vmdk", idle=SHRINK, lacks=("write",), peers=()),
    Lines("partitionedDevice", "partitionedDevice", lines_partitions,
          "-device.img", idle=SHRINK, lacks=("grow",), peers=(),
          refuses={"grow": "a disk with several extents in one file cannot be "
                           "resized"}),
    Lines("fullDevice", "fullDevice", lines_device, "-device.img",
          idle=SHRINK, peers=()),
)
