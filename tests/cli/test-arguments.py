#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-arguments - what is wrong with a command line is told in the words that
scripts know, with the exit code they test.

Each row of the table is checked twice: the texts of generation 10 and of 7.2
as written here.  That the latter are qemu-img's is the business of pairs/.
"""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__))

from fixture import (assert_equal, copy_images, link_vdisk_img,  # noqa: E402
                     make_images, run_link)
from tap import Suite  # noqa: E402
from tools import Failed, run  # noqa: E402

TRY_10 = "Try 'qemu-img [COMMAND] --help' for more info"
TRY_72 = "Try 'qemu-img --help' for more information"
SUFFIXES_10 = ("You may use k, M, G, T, P or E suffixes for kilobytes, "
               "megabytes, gigabytes, terabytes, petabytes and exabytes.")


class Row:
    """@text: lines of stderr in both generations; old: those of 7.2 if they
    differ."""

    def __init__(self, args, code, text, old=None):
        self.args = args
        self.code = code
        self.text = text if isinstance(text, list) else [text]
        self.old = self.text if old is None else old


def usage(args, text, code=1):
    return Row(args, code, ["qemu-img: " + text, TRY_10],
               ["qemu-img: " + text, TRY_72])


def bad_size(args, what, word):
    return Row(args, 1,
               ["qemu-img: Invalid %s specified: '%s'." % (what, word),
                SUFFIXES_10],
               ["qemu-img: Invalid %s specified. You may use k, M, G, T, P or "
                "E suffixes for" % what,
                "qemu-img: kilobytes, megabytes, gigabytes, terabytes, "
                "petabytes and exabytes."])


def fails(args, text, code=1):
    return Row(args, code, "qemu-img: " + text)


def bad_output(command, operands):
    return Row([command, "--output=x", *operands], 1,
               ["qemu-img: --output expects 'human' or 'json' not 'x'"],
               ["qemu-img: --output must be used with human or json as "
                "argument."])


def not_there(args, code=1):
    return fails(args, "Could not open 'no': Could not open 'no': "
                       "No such file or directory", code)


SPARSE = ("Invalid buffer size for sparse output specified. Valid sizes are "
          "multiples of 512 up to 16777216. Select 0 to disable sparse "
          "detection (fully allocates output).")
EXCLUSIVE = "--image-opts and --format are mutually exclusive"

LACKS_SNAPSHOTS = ("Failed to load snapshot: Block format '%s' used by device "
                   "'' does not support temporarily loading internal "
                   "snapshots")

ROWS = [
    # the program
    usage([], "Not enough arguments"),
    usage(["frobnicate"], "Command not found: frobnicate"),
    usage(["nosuch", "a.raw"], "Command not found: nosuch"),
    usage(["--frob"], "unrecognized option '--frob'"),
    usage(["-T"], "missing argument for option '-T'"),

    fails(["-T", "file=x", "info", "a.raw"], "Invalid trace option: file=x"),

    # options of commands
    usage(["create", "--frob"], "unrecognized option '--frob'"),
    usage(["create", "-Z"], "unrecognized option '-Z'"),
    usage(["create", "-f"], "missing argument for option '-f'"),
    usage(["map", "-p", "a.raw"], "unrecognized option '-p'"),
    Row(["check", "-r", "some", "a.vmdk"], 1,
        ["qemu-img: --repair expects 'leaks' or 'all' not 'some'", TRY_10],
        ["qemu-img: Unknown option value for -r "
         "(expecting 'leaks' or 'all'): some", TRY_72]),
    fails(["info", "--object", "frob", "a.raw"],
          "Parameter 'qom-type' does not accept value 'frob'"),
    fails(["info", "-i", "frob", "a.raw"], "Invalid aio option: frob"),
    fails(["info", "--workers=0", "a.raw"],
          "Invalid number of workers: 0 (between 1 and 1024)"),
    bad_output("info", ["a.raw"]),
    bad_output("map", ["a.raw"]),
    bad_output("check", ["a.raw"]),

    # operands
    usage(["create"], "Expecting image file name"),
    usage(["create", "-f", "raw"], "Expecting image file name"),
    usage(["create", "x", "1M", "z"], "Unexpected argument: z"),
    usage(["info"], "Expecting one image file name"),
    usage(["info", "a.raw", "b.raw"], "Expecting one image file name"),
    usage(["info", "--"], "Expecting one image file name"),
    usage(["map"], "Expecting one image file name"),
    usage(["check"], "Expecting one image file name"),
    usage(["compare", "a.raw"], "Expecting two image file names", code=2),
    fails(["convert"], "Must specify image file name"),
    fails(["convert", "a.raw"], "Must specify image file name"),

    # sizes
    bad_size(["create", "x", "1X"], "image size", "1X"),
    bad_size(["create", "x", "--", "-1"], "image size", "-1"),
    bad_size(["create", "x", "1.5"], "image size", "1.5"),
    bad_size(["map", "-s", "y", "a.raw"], "start offset", "y"),
    bad_size(["map", "-l", "y", "a.raw"], "max length", "y"),
    bad_size(["convert", "-S", "y", "a.raw", "x"],
             "buffer size for sparse output", "y"),
    bad_size(["convert", "-r", "y", "a.raw", "x"], "rate limit", "y"),
    fails(["create", "x", "9E"], "Invalid image size specified. Must be "
                                 "between 0 and 9223372036854775807."),

    # opening
    not_there(["info", "no"]),
    not_there(["map", "no"]),
    not_there(["check", "no"]),
    not_there(["convert", "no", "x"]),
    not_there(["compare", "no", "a.raw"], code=2),
    not_there(["compare", "a.raw", "no"], code=2),
    not_there(["convert", "-n", "a.raw", "no"]),
    fails(["info", "--image-opts", "-f", "raw", "a.raw"], EXCLUSIVE),
    fails(["compare", "--image-opts", "-f", "raw", "a.raw", "b.raw"],
          EXCLUSIVE, code=2),
    fails(["convert", "--image-opts", "-f", "raw", "a.raw", "x"], EXCLUSIVE),
    fails(["info", "-f", "frob", "a.raw"],
          "Could not open 'a.raw': Unknown driver 'frob'"),
    fails(["info", "frob:a"],
          "Could not open 'frob:a': Unknown protocol 'frob'"),
    fails(["check", "a.raw"], "This image format does not support checks",
          code=63),

    # create
    fails(["create", "-f", "frob", "x", "1M"],
          "x: Unknown file format 'frob'"),
    fails(["create", "x"], "x: Image creation needs a size parameter"),
    fails(["create", "-o", "size=1M", "x", "1M"],
          "x: The image size must be specified only once"),
    fails(["create", "-o", "frob=1", "x", "1M"],
          "x: Invalid parameter 'frob'"),
    fails(["create", "-o", ",", "x", "1M"], "Invalid option list: ,"),
    fails(["create", "-o", "", "x", "1M"], "Invalid option list: "),
    fails(["create", "-o", "size=1M,", "x"], "Invalid option list: size=1M,"),
    fails(["create", "-b", "a.raw", "-F", "raw", "x"],
          "x: Backing file not supported for file format 'raw'"),
    Row(["create", "-f", "vmdk", "-b", "no", "-F", "vmdk", "x"], 1,
        ["qemu-img: x: Could not open 'no': No such file or directory",
         "Could not open backing image."]),
    Row(["create", "-f", "vmdk", "-b", "no", "-F", "vmdk", "x", "1M"], 1,
        ["qemu-img: x: Could not open 'no': No such file or directory",
         "Could not open backing image."]),
    Row(["create", "-f", "vmdk", "-b", "a.vmdk", "x"], 1,
        ["qemu-img: x: Backing file specified without backing format",
         "Detected format of vmdk."]),
    fails(["create", "-f", "vmdk", "-u", "-b", "a.vmdk", "x", "1M"],
          "x: Backing file specified without backing format"),
    fails(["create", "-f", "vmdk", "-u", "-b", "no", "-F", "vmdk", "x"],
          "x: Image creation needs a size parameter"),
    fails(["create", "-f", "vmdk", "-b", "x", "-F", "vmdk", "x", "1M"],
          "x: Error: Trying to create an image with the same filename as the "
          "backing file"),
    fails(["create", "-f", "vmdk", "-b", "", "x", "1M"],
          "x: Expected backing file name, got empty string"),
    fails(["create", "-f", "frob", "-o", "help"],
          "Unknown file format 'frob'"),
    fails(["create", "frob:x", "1M"], "frob:x: Unknown protocol 'frob'"),
    fails(["create", "json:{}", "1M"], "json:{}: Unknown protocol 'json'"),
    fails(["create", "null:x", "1M"], "null:x: Protocol driver 'null' does "
                                      "not support image creation"),

    # convert
    fails(["convert", "-O", "frob", "a.raw", "x"],
          "Unknown file format 'frob'"),
    fails(["convert", "-O", "raw", "a.raw", "frob:x"],
          "Unknown protocol 'frob'"),
    fails(["convert", "-O", "", "a.raw", "x"], "Unknown file format ''"),
    fails(["convert", "-O", "vmdk", "-o", "frob=1", "a.raw", "x"],
          "Invalid parameter 'frob'"),
    fails(["convert", "-o", ",", "a.raw", "x"], "Invalid option list: ,"),
    fails(["convert", "-S", "1000", "a.raw", "x"], SPARSE),
    fails(["convert", "-S", "100M", "a.raw", "x"], SPARSE),
    fails(["convert", "-m", "300", "a.raw", "x"],
          "Invalid number of coroutines. Allowed number of coroutines is "
          "between 1 and 256, or 0"),
    fails(["convert", "-t", "frob", "a.raw", "x"],
          "Invalid cache option: frob"),
    fails(["convert", "-T", "frob", "a.raw", "x"],
          "Invalid source cache option: frob"),
    fails(["convert", "-C", "-c", "a.raw", "x"],
          "Cannot enable copy offloading when -c is used"),
    fails(["convert", "-C", "-S", "4k", "a.raw", "x"],
          "Cannot enable copy offloading when -S is used"),
    fails(["convert", "-C", "--salvage", "a.raw", "x"],
          "Cannot use copy offloading in salvaging mode"),
    fails(["convert", "-n", "-o", "x=1", "a.raw", "b.raw"],
          "-o has no effect when skipping image creation"),
    fails(["convert", "--target-is-zero", "a.raw", "x"],
          "--target-is-zero requires use of -n flag"),
    fails(["convert", "-c", "-O", "raw", "a.raw", "x"],
          "Compression not supported for this file format"),
    fails(["convert", "-c", "-O", "vmdk", "a.raw", "x"],
          "Compression not supported for this file format"),
    fails(["convert", "-n", "-f", "raw", "-O", "raw", "b.raw", "a.raw"],
          "output file is smaller than input file"),
    fails(["convert", "-O", "vmdk", "-B", "a.vmdk", "c.vmdk", "x"],
          "Use of backing file requires explicit backing format"),
    fails(["convert", "-O", "raw", "-B", "a.raw", "-F", "raw", "a.raw", "x"],
          "Backing file not supported for file format 'raw'"),
    fails(["convert", "-O", "vmdk", "-B", "a.vmdk", "-F", "vmdk", "a.raw",
           "b.raw", "x"],
          "Having a backing file for the target makes no sense when "
          "concatenating multiple input images"),
    fails(["convert", "-O", "vmdk", "-o", "subformat=monolithicFlat", "-B",
           "a.vmdk", "-F", "vmdk", "c.vmdk", "x"],
          "x: error while converting vmdk: Flat image can't have backing "
          "file"),
    fails(["convert", "-O", "raw", "a.raw", "no/x"],
          "no/x: error while converting raw: Could not create 'no/x': "
          "No such file or directory"),
    fails(["convert", "-O", "vmdk", "a.raw", "no/x"],
          "no/x: error while converting vmdk: Could not create 'no/x': "
          "No such file or directory"),
    *(Row(["convert", "-l", word, "-O", "raw", image, "x"], 1,
          "qemu-img: " + LACKS_SNAPSHOTS % image[2:])
      for word in ("s1", "snapshot.id=1,snapshot.name=s1", "")
      for image in ("a.raw", "a.vmdk")),
    Row(["convert", "-l", "snapshot.frob=1", "a.raw", "x"], 1,
        ["qemu-img: Invalid parameter 'snapshot.frob'",
         "qemu-img: Failed in parsing snapshot param 'snapshot.frob=1'"]),
    fails(["convert", "-l", "s1", "a.raw", "b.raw", "x"],
          "No support for concatenating multiple snapshot"),
    fails(["convert", "--bitmaps", "a.vmdk", "x"],
          "Source lacks bitmap support"),
    fails(["convert", "--bitmaps", "a.raw", "b.raw", "x"],
          "Copying bitmaps only possible with single source"),
    fails(["convert", "--skip-broken-bitmaps", "a.raw", "x"],
          "Use of --skip-broken-bitmaps requires --bitmaps"),
    fails(["convert", "--require-space", "-n", "a.raw", "b.raw"],
          "--require-space is for targets that are created"),
    fails(["measure", "-l", "s1", "a.vmdk"], LACKS_SNAPSHOTS % "vmdk"),
    fails(["measure", "-l", "s1", "a.raw"], LACKS_SNAPSHOTS % "raw"),
    fails(["measure", "-l", "s1", "--size", "1M"],
          "--image-opts, -f, and -l require a filename argument."),
    fails(["convert", "--sync=frob", "a.raw", "x"], "Invalid sync mode: frob"),
    fails(["convert", "--progress=frob", "a.raw", "x"],
          "Invalid progress mode: frob"),
    fails(["convert", "--compress-level=10", "a.raw", "x"],
          "Invalid compression level: 10"),
    fails(["convert", "--compress-level=3", "-O", "vmdk", "a.raw", "x"],
          "x: error while converting vmdk: compress_level is for "
          "subformat=streamOptimized only"),
    fails(["compare", "-T", "frob", "a.raw", "b.raw"],
          "Invalid source cache option: frob", code=2),
]


class Stage:
    """One directory of images for all rows; a row leaves none behind."""

    def __init__(self):
        self.root = tempfile.TemporaryDirectory(prefix="vdisk-test-cli-")
        self.pristine = None
        self.link = link_vdisk_img(self.root.name)

    def path(self):
        if not self.pristine:
            directory = tempfile.mkdtemp(dir=self.root.name)
            make_images(directory)
            self.pristine = directory
        return self.pristine

    def copy(self):
        self.path()
        target = tempfile.mkdtemp(dir=self.root.name)
        os.rmdir(target)
        copy_images(self.pristine, target)
        return target


STAGE = Stage()


def lines(raw):
    return raw.decode().rstrip("\n").split("\n")


def check_text(row, compat, wanted):
    cwd = STAGE.path()
    before = sorted(os.listdir(cwd))
    result = run_link(STAGE.link, row.args, cwd, compat)
    assert_equal(row.code, result.code, str(result))
    assert_equal(wanted, lines(result.stderr), "stderr, level " + compat)
    assert_equal(b"", result.stdout, "stdout")
    assert_equal(before, sorted(os.listdir(cwd)), "files")


def check_row(row):
    check_text(row, "10", row.text)
    check_text(row, "7.2", row.old)


def main():
    suite = Suite()
    for row in ROWS:
        suite.add("tells: " + " ".join(row.args), check_row, row)

    @suite.case("options and operands mix, -- ends options")
    def _():
        cwd = STAGE.copy()
        result = run_link(STAGE.link, ["create", "-x", "-q", "1M", "-f",
                                       "raw"], cwd)
        assert_equal(1, result.code, str(result))
        result = run_link(STAGE.link, ["create", "-f", "raw", "-q", "--",
                                       "-x", "1M"], cwd)
        assert_equal(0, result.code, str(result))
        assert_equal(1 << 20, os.path.getsize(os.path.join(cwd, "-x")),
                     "size")
        result = run_link(STAGE.link, ["create", "y", "-f", "raw", "1M",
                                       "-q"], cwd)
        assert_equal(0, result.code, str(result))

    @suite.case("a secret object is accepted")
    def _():
        result = run_link(STAGE.link, ["info", "--object",
                                       "secret,id=a,data=b", "a.raw"],
                          STAGE.path())
        assert_equal(0, result.code, str(result))

    @suite.case("--help of every command exits 0 and names its options")
    def _():
        for name in ("check", "compare", "convert", "create", "info", "map"):
            result = run_link(STAGE.link, [name, "--help"], STAGE.path())
            assert_equal(0, result.code, str(result))
            if b"--output=human|json" not in result.stdout:
                raise Failed(str(result))

    @suite.case("-T stands before the command")
    def _():
        for words in (["-T", "nothing*"], ["--trace=enable=nothing*"],
                      ["-Tnothing*"]):
            result = run_link(STAGE.link, [*words, "info", "a.raw"],
                              STAGE.path())
            assert_equal(0, result.code, str(result))

    @suite.case("an engine of the environment that is none is named")
    def _():
        result = run([STAGE.link, "info", "a.raw"], cwd=STAGE.path(),
                     env={"VDISK_ENGINE": "warp"})
        assert_equal(1, result.code, str(result))
        if b"'warp'" not in result.stderr:
            raise Failed(str(result))

    @suite.case("--version begins with the program's name")
    def _():
        result = run_link(STAGE.link, ["--version"], STAGE.path())
        if not result.stdout.startswith(b"qemu-img version "):
            raise Failed(str(result))

    suite.run()


main()
