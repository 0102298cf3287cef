# SPDX-License-Identifier: BSD-3-Clause
"""convert - invocations of `convert`.

No pairs: compressed targets other than streamOptimized, resuming, syncing and
whatever else only ours can.
"""
from pairs.gallery import CHAINS, IMAGES, RAWS, SPLITS
from pairs.table import Pair, damaged, each, left, upto
from pairs.gallery import DAMAGED

KINDS = ("monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse",
         "twoGbMaxExtentFlat", "streamOptimized")
# Reads of 64 KiB at 128 KiB fail, as often as they come.
FAULTY = ('\'json:{"driver":"raw","file":{"driver":"blkdebug","image":'
          '{"driver":"file","filename":"full.raw"},"inject-error":'
          '[{"event":"read_aio","errno":5,"sector":256}]}}\'')

PAIRS = [
    *each("convert -O raw {image} x.raw", image=IMAGES),
    *each("convert -f raw -O vmdk -o subformat={kind} {image} x.vmdk",
          kind=KINDS, image=("a.raw", "b.raw", "full.raw", "dots.raw",
                             "zeroes.raw")),
    *each("convert -O vmdk -o subformat={kind} {image} x.vmdk", kind=KINDS,
          image=("a.vmdk", "s.vmdk", "f.vmdk", "g.vmdk", "zero.vmdk")),
    *each("convert -O {form} -S {size} {image} x",
          form=("raw", "vmdk"), size=("0", "512", "4k", "64k", "1M"),
          image=("zeroes.raw", "a.vmdk")),
    *each("convert -f raw -O raw {words} {image} x.raw",
          words=("-p", "-q", "-p -q", "-m 1", "-m 16", "-W", "-W -m 4", "-U",
                 "-t none", "-t writeback", "-t writethrough",
                 "-t directsync", "-t unsafe", "-T none", "-T writeback",
                 "-T unsafe", "-r 100M", "-C"),
          image=("a.raw", "zeroes.raw")),
    *each("convert -O vmdk {words} {image} x.vmdk",
          words=("-p", "-W", "-m 4", "-t none", "-T none", "-C",
                 "-o adapter_type=lsilogic", "-o hwversion=7",
                 "-o compat6=on", "-o zeroed_grain=on",
                 "-o toolsversion=7",
                 "-o subformat=monolithicFlat,adapter_type=buslogic",
                 "-o subformat=streamOptimized -c"),
          image=("a.vmdk", "dots.raw")),
    *each("convert -n {words} target.{form}",
          words=("-f raw a.raw", "-f raw -S 0 a.raw", "empty.vmdk",
                 "-p -f raw a.raw", "-f raw full.raw",
                 "-f raw -W zeroes.raw", "-f raw odd.raw"),
          form=("raw -O raw", "vmdk -O vmdk")),
    *each("convert -O vmdk -B {parent} -F vmdk {words} {image} x.vmdk",
          parent=("a.vmdk",), words=("", "-p", "-S 0", "-W"),
          image=("c.vmdk", "a.vmdk", "content.raw")),
    *each("convert -O {form} {sources} x", form=("raw", "vmdk"),
          sources=("a.raw b.raw", "a.raw a.vmdk", "a.vmdk s.vmdk f.vmdk",
                   "odd.raw a.raw", "none.raw a.raw")),
    *each("convert {words}", words=(
        "--target-is-zero -n -f raw -O raw a.raw b.raw",
        "-f raw -O raw --salvage a.raw x",
        "--salvage -q -O raw " + FAULTY + " x",
        "--image-opts -O raw driver=vmdk,file.filename=g.vmdk x",
        "--image-opts -O raw driver=raw,offset=64k,size=64k,"
        "file.filename=a.raw x",
        "-n --target-image-opts -f raw a.raw "
        "driver=raw,file.filename=target.raw",
        "--target-image-opts -f raw a.raw driver=raw,file.filename=x",
        "-O raw 'json:{\"driver\":\"vmdk\",\"file.filename\":\"c.vmdk\"}' x",
        "-O raw 'with space.vmdk' 'x y.raw'", "-O raw a.vmdk ./x:y.raw",
        "-O raw a.vmdk sub/x.raw", "-O raw comma,comma.vmdk x,y.raw",
        "-O vmdk a.vmdk 'x y.vmdk'", "-O vmdk a.vmdk \u00fc.vmdk",
        "-O vmdk -o subformat=monolithicFlat a.vmdk 'x y.vmdk'",
        # what is wrong
        "-O vmdk -o subformat=frob a.raw x", "-O vmdk -o frob a.raw x",
        "-O vmdk -o compat6=frob a.raw x",
        "-O vmdk -o adapter_type=frob a.raw x",
        "-O vmdk -o compat6=on,hwversion=7 a.raw x",
        "-O vmdk -o subformat=monolithicFlat,zeroed_grain=on a.raw x",
        "-O raw -o preallocation=frob a.raw x",
        "-O raw -o preallocation=full a.raw x",
        "-O raw -o preallocation=falloc a.raw x",
        "--bitmaps a.raw x", "--bitmaps -O raw a.vmdk x",
        "--skip-broken-bitmaps a.raw x", "-l x a.raw x", "-m 0 a.raw x",
        "-m 17 -r", "-m x a.raw x", "-m -1 a.raw x",
        "--target-image-opts -O raw a.raw x", "-n -O raw a.raw missing",
        "-O raw a.raw", "-O raw", "--frob",
        "-O raw a.raw b.raw c.raw x", "-O raw a.raw folder",
        "-O vmdk a.raw folder", "-B a.vmdk a.raw x",
        "-O vmdk -B a.raw -F raw a.raw x", "-S -1 a.raw x",
        "-S 511 a.raw x", "-S 16M a.raw x", "-S 17M a.raw x", "-S '' a.raw x",
        "-r 0 a.raw x", "-r -1 a.raw x", "-c -f raw a.raw x",
        "-C -f raw -r 1M -c a.raw x", "-U -O raw missing x",
        "-n -c -O raw a.raw target.raw", "-f frob a.raw x",
        "-f vmdk -O frob a.vmdk x", "-F vmdk a.raw x",
        "-O raw -F raw -B b.raw a.raw x", "-T x a.raw y",
        "-O raw -f '' a.raw x", "-O vmdk '' x", "-O raw a.raw ''",
    )),
    # A sum follows the places.
    *upto("error while reading offset 131072: ", [
        "convert --salvage -O raw " + FAULTY + " x"]),
    *upto("Could not open 'target.raw': ", [
        "convert -n -O vmdk a.raw target.raw"]),
    left("x", "convert -O vmdk -B missing -F vmdk a.raw x"),
    left("y", "convert -t x a.raw y"),
    # QEMU writes the empty version, which VMware takes for none.
    Pair("convert -O vmdk -o hwversion= a.raw x",
         apart={"x": "an empty version is the default one"}),
    *each("convert -O {form} -o {word} {names}", form=("raw",),
          word=("help", "?"), names=("", "a.raw x")),
    *damaged("convert -O raw {image} x", DAMAGED),
    # Each option's and operand's own words, as in test-arguments.py.
    *each("convert {words}", words=(
        "", "a.raw", "-S y a.raw x", "-r y a.raw x", "no x", "-n a.raw no",
        "--image-opts -f raw a.raw x", "-O frob a.raw x",
        "-O raw a.raw frob:x", "-O '' a.raw x", "-O vmdk -o frob=1 a.raw x",
        "-o , a.raw x", "-S 1000 a.raw x", "-S 100M a.raw x",
        "-T frob a.raw x", "-C -c a.raw x",
        "-C -S 4k a.raw x", "-C --salvage a.raw x", "-n -o x=1 a.raw b.raw",
        "--target-is-zero a.raw x", "-c -O raw a.raw x",
        "-n -f raw -O raw b.raw a.raw", "-O vmdk -B a.vmdk c.vmdk x",
        "-O raw -B a.raw -F raw a.raw x",
        "-O vmdk -B a.vmdk -F vmdk a.raw b.raw x",
        "-O vmdk -o subformat=monolithicFlat -B a.vmdk -F vmdk c.vmdk x",
        "-O raw a.raw no/x", "-O vmdk a.raw no/x", "-l s1 -O raw a.raw x",
        "-l s1 -O raw a.vmdk x",
        "-l snapshot.id=1,snapshot.name=s1 -O raw a.raw x",
        "-l snapshot.id=1,snapshot.name=s1 -O raw a.vmdk x",
        "-l '' -O raw a.raw x", "-l '' -O raw a.vmdk x",
        "-l snapshot.frob=1 a.raw x", "-l s1 a.raw b.raw x",
        "--bitmaps a.vmdk x", "--bitmaps a.raw b.raw x",
    )),
]
