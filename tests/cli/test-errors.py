#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-errors - failures with --output=json: one document on stdout beside the
line on stderr, in every command, and the exit code of the human form."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(__file__))

from fixture import Place, assert_equal  # noqa: E402
from tap import Suite  # noqa: E402
from tools import VDISK_IMG, Failed, run  # noqa: E402

# Command line without --output, exit code, errno (None: the failure has none),
# file (None: it is of no file).
FAILURES = (
    (["amend", "-o", "description=x", "no.vmdk"], 1, "ENOENT", "no.vmdk"),
    (["amend", "a.vmdk"], 1, None, None),
    (["bench", "no.vmdk"], 1, "ENOENT", "no.vmdk"),
    (["bench", "-s", "0", "a.vmdk"], 1, None, None),
    (["bitmap", "--add", "no.vmdk", "b"], 1, "ENOENT", "no.vmdk"),
    (["bitmap", "--add", "a.vmdk", "b"], 1, "ENOTSUP", "a.vmdk"),
    (["chain", "no.vmdk"], 1, "ENOENT", "no.vmdk"),
    (["check", "no.vmdk"], 1, "ENOENT", "no.vmdk"),
    (["check", "a.raw"], 63, "ENOTSUP", "a.raw"),
    (["clone", "no.vmdk", "x.vmdk"], 1, "ENOENT", "x.vmdk"),
    (["clone", "a.vmdk", "f.vmdk"], 1, "EEXIST", "f.vmdk"),
    (["commit", "no.vmdk"], 1, "ENOENT", "no.vmdk"),
    (["commit", "a.vmdk"], 1, "EINVAL", "a.vmdk"),
    (["compact", "no.vmdk"], 1, "ENOENT", "no.vmdk"),
    (["compare", "no.vmdk", "a.vmdk"], 2, "ENOENT", "no.vmdk"),
    (["compare", "a.vmdk"], 2, None, None),
    (["convert", "no.vmdk", "x"], 1, "ENOENT", "no.vmdk"),
    (["convert", "-O", "raw", "a.raw", "a.raw"], 1, None, "a.raw"),
    (["convert", "-O", "raw", "a.raw", "no/x"], 1, "ENOENT", "no/x"),
    (["create", "-q", "no/x", "1M"], 1, "ENOENT", "no/x"),
    (["create", "-q", "--no-clobber", "a.raw", "1M"], 1, "EEXIST", "a.raw"),
    (["dd", "if=no", "of=x"], 1, "ENOENT", "no"),
    (["dd", "if=a.raw"], 1, None, None),
    (["dump", "no.vmdk"], 1, "ENOENT", "no.vmdk"),
    (["dump", "-o", "1T", "a.raw"], 1, None, "a.raw"),
    (["fill", "-l", "512", "no.vmdk"], 1, "ENOENT", "no.vmdk"),
    (["fill", "a.vmdk"], 2, None, None),
    (["info", "no.vmdk"], 1, "ENOENT", "no.vmdk"),
    (["info", "-f", "frob", "a.vmdk"], 1, "EMEDIUMTYPE", "a.vmdk"),
    (["ls", "vmfs:no.img"], 1, "ENOENT", "vmfs:no.img"),
    (["ls", "a.vmdk"], 1, "ENOTSUP", "a.vmdk"),
    (["map", "no.vmdk"], 1, "ENOENT", "no.vmdk"),
    (["measure", "no.vmdk"], 1, "ENOENT", "no.vmdk"),
    (["measure"], 1, None, None),
    (["meta", "list", "no.vmdk"], 1, "ENOENT", "no.vmdk"),
    (["meta", "get", "a.vmdk", "no"], 1, None, "a.vmdk"),
    (["rebase", "-b", "", "no.vmdk"], 1, "ENOENT", "no.vmdk"),
    (["rebase", "-b", "no.vmdk", "-F", "vmdk", "c.vmdk"], 1, "ENOENT",
     "c.vmdk"),
    (["rename", "no.vmdk", "y.vmdk"], 1, "ENOENT", "no.vmdk"),
    (["repair", "no.vmdk"], 1, "ENOENT", "no.vmdk"),
    (["resize", "no.vmdk", "1M"], 1, "ENOENT", "no.vmdk"),
    (["resize", "b.raw", "1x"], 1, None, None),
    (["resize", "-f", "raw", "b.raw", "1M"], 1, None, "b.raw"),
    (["rm", "no.vmdk"], 1, "ENOENT", "no.vmdk"),
    (["serve", "no.vmdk"], 1, "ENOENT", "no.vmdk"),
    (["snapshot", "no.vmdk"], 1, "ENOENT", "no.vmdk"),
    (["snapshot", "-c", "x", "a.vmdk"], 1, "ENOTSUP", "a.vmdk"),
    (["transports", "x"], 2, None, None),
)
# Prints a script, not a result: has no --output.
WITHOUT = {"completion"}


def commands():
    text = run([VDISK_IMG, "--help"]).stdout.decode()
    rows = re.search(r"(?s)Commands.*?:\n(.*?)\n\n", text).group(1)
    return {row.split()[0] for row in rows.splitlines()}


def document(place, args, code):
    result = run([VDISK_IMG, *args], cwd=place.dir)
    assert_equal(code, result.code, str(result))
    try:
        error = json.loads(result.stdout)["error"]
    except (ValueError, KeyError) as problem:
        raise Failed(str(result)) from problem
    text = result.stderr.decode()
    if "vdisk-img: %s\n" % error["message"] not in text:
        raise Failed(str(result))
    return error


def check_failure(place, args, code, errno, file):
    error = document(place, [args[0], "--output=json", *args[1:]], code)
    assert_equal(errno, error.get("errno"), "errno")
    assert_equal(file, error.get("file"), "file")
    assert_equal([], [key for key in error
                      if key not in ("message", "errno", "file")], "keys")
    human = run([VDISK_IMG, *args], cwd=place.dir)
    assert_equal((code, b""), (human.code, human.stdout), str(human))


def check_usage(place, name):
    """Wherever the word stands."""
    human = run([VDISK_IMG, name, "--frob"], cwd=place.dir)
    for words in (["--output=json", "--frob"], ["--frob", "--output=json"],
                  ["--frob", "--output", "json", "x", "1M"]):
        error = document(place, [name, *words], human.code)
        assert_equal("unrecognized option '--frob'", error["message"],
                     "message")


def check_password(place, name):
    """Whoever gives one where none belongs does not find it in a log."""
    result = run([VDISK_IMG, "info", "--output=json", name], cwd=place.dir)
    assert_equal(1, result.code, str(result))
    for text in (result.stdout, result.stderr):
        if b"mine" in text or b"me:*@" not in text:
            raise Failed(str(result))


def main():
    suite = Suite()
    with Place() as place:
        @suite.case("no command is left out")
        def _():
            assert_equal(commands() - WITHOUT,
                         {row[0][0] for row in FAILURES}, "commands")

        for args, code, errno, file in FAILURES:
            suite.add("failure of " + " ".join(args), check_failure, place,
                      args, code, errno, file)
        for name in ("https://me:mine@127.0.0.1:1/a", "iscsi://me:mi:mine@h/t",
                     "nbd://me:mine@127.0.0.1:1/a",
                     "vsphere://me:mine@127.0.0.1:1/?vm=moref=a"):
            suite.add("a password in " + name, check_password, place, name)
        for name in sorted({row[0][0] for row in FAILURES}):
            suite.add("wrong option of " + name, check_usage, place, name)
        suite.run()


main()
