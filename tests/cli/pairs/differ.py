# SPDX-License-Identifier: BSD-3-Clause
"""differ - rows of the tables that are no pairs, by the reason why.

Ours is meant to be so; sections are those of img-cli.md, the contract.
"""

DEVIATES = {
    # 6 [+]: what is done counts work, that is bytes read; 8.5 [+]: both sides
    # are read in parallel, and so ahead of the verdict.
    "progress counts what was read, not what was found equal": (
        'compare -p a.vmdk c.vmdk',
        'compare -p a.raw b.raw',
    ),
    # 8.7: -S defaults to 4k, and -C excludes only an -S that is given.
    "zeroes are looked for in what could not be offloaded": (
        'convert -f raw -O raw -C zeroes.raw x.raw',
    ),
    # 8.7: they are "written with write-zeroes (may unmap)"; a grain that is
    # not stored is zero.  QEMU stores a grain for each.
    'zeroes written to an existing VMDK store nothing': (
        'convert -n -f raw a.raw target.vmdk -O vmdk',
        'convert -n empty.vmdk target.vmdk -O vmdk',
        'convert -n -p -f raw a.raw target.vmdk -O vmdk',
        'convert -n -f raw -W zeroes.raw target.vmdk -O vmdk',
        'convert -n -f raw odd.raw target.vmdk -O vmdk',
    ),
    # 1, common options [+].
    'a new plain file may be a --target-image-opts target': (
        'convert --target-image-opts -f raw a.raw driver=raw,file.f'
        'ilename=x',
    ),
    # 8.7 [+]: -m up to 256, 0 = auto.
    'up to 256 requests in parallel, 0 chooses': (
        'convert -m 0 a.raw x',
        'convert -m 17 -r',
        'convert -m x a.raw x',
        'convert -m -1 a.raw x',
    ),
    # 4: fractions are cut to whole bytes; QEMU's have 53 bits, and this one
    # is rounded up.
    'a fraction is exact': (
        'create x 7.9999E',
    ),
    # Design, 9: each size is checked against a named maximum.  QEMU makes an
    # image whose tables cannot be that long.
    'a sparse VMDK has at most 1 PiB': (
        'create -f vmdk x.vmdk 8191P',
    ),
    # 4: "out of range in both: ... Must be between A and B"; to QEMU, sizes
    # of resize above 2^63 are negative.
    'a size that is too large is not too small': (
        'resize -f raw target.raw 9E',
    ),
    # 7.6: file, offset and cause.
    'a failed write tells the file and what was to be done': (
        'resize -f raw target.raw +8191P',
    ),
    # 4: "Not: ... hex with suffix".
    'hex takes no suffix': (
        'create x 0x200k',
    ),
    # 4: fraction and suffix are optional, and "0.5M" means the same; refusing
    # it would be of no use to anybody.
    'digits before the point may be left out': (
        'create x .5M',
    ),
    # 8.12: the default is -l, and a list needs no writer; -a opens an image once.
    # QEMU warns of raw as it opens for writing, for -a twice.
    'whoever does not write is not warned of writing': (
        'snapshot  a.raw',
        'snapshot -a x a.raw',
    ),
    # vmdk.md: grains of a stream are appended once; that comes first.
    'a streamOptimized image that is full is not opened for writing': (
        'snapshot -c x s.vmdk',
        'snapshot -q -c x s.vmdk',
        'snapshot -a x s.vmdk',
        'snapshot -d x s.vmdk',
        'bitmap --add s.vmdk x',
        'bitmap --remove s.vmdk x',
        'bitmap --clear s.vmdk x',
        'bitmap --enable s.vmdk x',
        'bitmap --disable s.vmdk x',
        'bitmap --merge y s.vmdk x',
    ),
    # 6: the newline ends a line of progress; QEMU prints it without one.
    'no progress is ended that has not begun': (
        'amend -f raw -p -o x=1 a.raw',
    ),
    # QEMU cannot open what it makes: "Unsupported image type", or a failed
    # assertion.  No extent has 0 sectors.
    'a VMDK is not of size 0': (
        'create -f vmdk -o subformat=monolithicSparse x.vmdk 0',
        'create -f vmdk -o subformat=monolithicFlat x.vmdk 0',
        'create -f vmdk -o subformat=twoGbMaxExtentSparse x.vmdk 0',
        'create -f vmdk -o subformat=twoGbMaxExtentFlat x.vmdk 0',
        'create -f vmdk -o subformat=streamOptimized x.vmdk 0',
        'dd -O vmdk if=none.raw of=x',
    ),
}

DIFFER = set().union(*DEVIATES.values())
