# SPDX-License-Identifier: BSD-3-Clause
"""differ - rows of the tables that are no pairs, by the reason why.

DEVIATES: ours is meant to be so.  OPEN: what is still to be mended.
"""

DEVIATES = {
    "a map's tail of less than a sector has no place in the file; nothi"
    'ng beyond the end is an empty list': (
        'map --output=json odd.raw',
        'map --output=json none.raw',
        'map --output=json -s 0 odd.raw',
        'map --output=json -s 100k odd.raw',
        'map --output=json --start-offset=1M --max-length=1G a.raw',
        'map --output=json --start-offset=1M --max-length=1G odd.raw',
    ),
    'progress follows the reading, which is ahead of the verdict': (
        'compare -p a.vmdk c.vmdk',
        'compare -p a.raw b.raw',
    ),
    'zeroes are looked for when copying is offloaded, too': (
        'convert -f raw -O raw -C zeroes.raw x.raw',
    ),
    'zeroes are not written to an existing VMDK that has none stored': (
        'convert -n -f raw a.raw target.vmdk -O vmdk',
        'convert -n empty.vmdk target.vmdk -O vmdk',
        'convert -n -p -f raw a.raw target.vmdk -O vmdk',
        'convert -n -f raw -W zeroes.raw target.vmdk -O vmdk',
        'convert -n -f raw odd.raw target.vmdk -O vmdk',
    ),
    'an unreadable place is told with its cause and a sum follows': (
        'convert --salvage -O raw \'json:{"driver":"raw","file":{"dr'
        'iver":"blkdebug","image":{"driver":"file","filename":"full'
        '.raw"},"inject-error":[{"event":"read_aio","errno":5,"sect'
        'or":256}]}}\' x',
    ),
    'a new plain file may be a --target-image-opts target (img-cli.md 1'
    ' [+])': (
        'convert --target-image-opts -f raw a.raw driver=raw,file.f'
        'ilename=x',
    ),
    'up to 256 requests in parallel, 0 chooses (img-cli.md 8.7 [+])': (
        'convert -m 0 a.raw x',
        'convert -m 17 -r',
        'convert -m x a.raw x',
        'convert -m -1 a.raw x',
    ),
    'an empty or unset value of an option is refused': (
        'convert -O vmdk -o hwversion= a.raw x',
        'create -f vmdk -o compat6 x.vmdk 10M',
        'create -f vmdk -o hwversion= x.vmdk 10M',
        'create -f raw -o preallocation x 1M',
    ),
    'errors tell option, file, found and wanted': (
        'info --image-opts driver=raw,file.filename=a.raw,frob=1',
        'info \'json:{"driver":"raw","frob":1,"file.filename":"a.raw"}\'',
        'measure -O raw -o frob=1 --size 1M',
        'convert -O vmdk -o subformat=frob a.raw x',
        'convert -O vmdk -o compat6=frob a.raw x',
        'convert -O vmdk -o adapter_type=frob a.raw x',
        'convert -O raw -o preallocation=frob a.raw x',
        'convert -n -O vmdk a.raw target.raw',
        'convert -O vmdk -B missing -F vmdk a.raw x',
        'convert -O vmdk -B a.raw -F raw a.raw x',
        'create x 8191P',
        'create x 7.9999E',
        'create -f vmdk -o adapter_type=frob x.vmdk 10M',
        'create -f vmdk -o adapter_type= x.vmdk 10M',
        'create -f vmdk -o subformat=frob x.vmdk 10M',
        'create -f vmdk -o subformat= x.vmdk 10M',
        'create -f vmdk -o backing_file=a.vmdk,backing_fmt=raw x.vm'
        'dk 10M',
        'create -f raw -o preallocation=metadata x 1M',
        'create -f raw -o preallocation=frob x 1M',
        'create -f raw -o preallocation= x 1M',
        'create -f raw -o preallocation=off,, x 1M',
        'create -f vmdk -u -b missing.vmdk -F vmdk x.vmdk 1M',
        'create -f vmdk -b a.raw -F raw x.vmdk',
        'create -f vmdk -b a.raw x.vmdk',
        'create -f vmdk -b a.raw -F vmdk x.vmdk',
        'create -f vmdk -b orphan.vmdk -F vmdk x.vmdk',
        'create -f vmdk x.vmdk 8191P',
        'create --object secret,id=s,frob=x x 1M',
        'resize -f raw --preallocation=metadata target.raw 2M',
        'resize -f raw target.raw 9E',
        'resize -f raw target.raw +8191P',
        'resize -f vmdk target.raw 1M',
        'rebase -f vmdk -b a.vmdk a.raw',
    ),
    'space is preallocated as extents that SEEK_DATA does not tell alik'
    'e': (
        'convert -O raw -o preallocation=falloc a.raw x',
        'create -f raw -o preallocation=falloc x 1M',
    ),
    'hex with a suffix, signs and blanks are no sizes (img-cli.md 4)': (
        'create x 0x200k',
        "create x ' 1M'",
        'create x +1M',
        'create x .5M',
        'resize -f raw target.raw ++1',
    ),
    'a VMDK is not of size 0, nor of another size than its parent': (
        'create -f vmdk -o subformat=monolithicSparse x.vmdk 0',
        'create -f vmdk -o subformat=monolithicFlat x.vmdk 0',
        'create -f vmdk -o subformat=twoGbMaxExtentSparse x.vmdk 0',
        'create -f vmdk -o subformat=twoGbMaxExtentFlat x.vmdk 0',
        'create -f vmdk -o subformat=streamOptimized x.vmdk 0',
        'create -f vmdk -b a.vmdk -F vmdk x.vmdk 20M',
        'create -f vmdk -b a.vmdk -F vmdk x.vmdk 5M',
        'create -f vmdk -b c.vmdk -F vmdk x.vmdk 20M',
        'create -f vmdk -b c.vmdk -F vmdk x.vmdk 5M',
        'create -f vmdk -b g.vmdk -F vmdk x.vmdk 20M',
        'create -f vmdk -b g.vmdk -F vmdk x.vmdk 5M',
        'create -f vmdk -b f.vmdk -F vmdk x.vmdk 20M',
        'create -f vmdk -b f.vmdk -F vmdk x.vmdk 5M',
        'create -f vmdk -b s.vmdk -F vmdk x.vmdk 20M',
        'create -f vmdk -b s.vmdk -F vmdk x.vmdk 5M',
        'create -f vmdk -u -b a.vmdk -F vmdk x.vmdk 1M',
    ),
    'a value is printed as it counts: on, off': (
        'create -f vmdk -o compat6=true x.vmdk 10M',
    ),
    'raw images are resized to the byte; only whole sectors make sense '
    'to QEMU': (
        'resize -f raw  target.raw 1048577',
        'resize -f raw -q target.raw 1048577',
        'resize -f raw --shrink target.raw -1',
        'resize -f raw --shrink target.raw 1',
        'resize -f raw --shrink -q target.raw -1',
        'resize -f raw --shrink -q target.raw 1',
        'resize -f raw odd.raw +1',
    ),
    'cache modes are looked at before the target is made': (
        'convert -t x a.raw y',
    ),
}

OPEN = (
    'info file:co:lon.raw',
    'info --output=json file:co:lon.raw',
    'map file:co:lon.raw',
    'convert -F vmdk a.raw x',
    'convert -O raw -o help ',
    'convert -O raw -o ? ',
    'create -f vmdk -o backing_file=a.vmdk x.vmdk 10M',
    'create -f raw -o extent_size_hint=x x 1M',
    'create -f vmdk -b a.vmdk -F vmdk -o backing_file=c.vmdk x.vmdk',
    'create -F vmdk x 1M',
    'create -f vmdk -o subformat=monolithicFlat x.vmdk 1T',
    'create -o size=x x',
    'create -o size=-1 x',
    'create -o size= x',
    'create -f raw -o help ',
    'create -f raw -o ? ',
    'create -f raw -o size=1M,help ',
    'resize ',
    'resize 2M',
    'resize target.raw x',
    "resize -f raw target.raw ''",
    'resize -f raw target.raw 1X',
    'resize -f raw target.raw +',
    'resize -f raw target.raw -',
    'resize -f',
    'rebase -u -b b.raw -F raw -f raw target.raw',
    'rebase -b b.raw -F raw -f raw a.raw',
    "rebase -u -b '' -f raw target.raw",
)

DIFFER = set(OPEN).union(*DEVIATES.values())
