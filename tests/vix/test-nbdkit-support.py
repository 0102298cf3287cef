#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-nbdkit-support - what the tests with nbdkit rely on: finding the vddk
plugin, starting and stopping a server, reading its log."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import nbdkit  # noqa: E402
import vddk_plugin  # noqa: E402
from tap import Skip, Suite  # noqa: E402
from tools import Failed, qemu_io, run, need, scratch  # noqa: E402

suite = Suite()


def equal(got, wanted):
    assert got == wanted, "got %r, wanted %r" % (got, wanted)


# -- sources of packages -------------------------------------------------------

DEB822 = """\
# Our mirror.
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: oldname oldname-updates
Components: main contrib
Signed-By:
 -----BEGIN-----
 .
 abc
 -----END-----

Types: deb
URIs: http://security.example/
Suites: oldname-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example/
Suites: oldname
Components: main
"""

LINES = """\
# deb http://comment.example oldname main
deb [signed-by=/k.gpg arch=amd64] https://mirror.example/debian oldname main # x
deb-src https://mirror.example/debian oldname main
deb http://other.example oldname other
deb http://plain.example/ oldname contrib main
"""


@suite.case("a source keeps its address and its key, not its suite")
def _():
    equal(vddk_plugin.deb822_for_release(DEB822, "oldname"),
          "types: deb\nuris: http://mirror.example/debian\n"
          "suites: trixie\ncomponents: contrib\n"
          "signed-by: \n -----BEGIN-----\n .\n abc\n -----END-----\n")


@suite.case("so do sources of one line")
def _():
    equal(vddk_plugin.lines_for_release(LINES, "oldname"),
          "deb [signed-by=/k.gpg arch=amd64] https://mirror.example/debian "
          "trixie contrib\n"
          "deb http://plain.example/ trixie contrib\n")


@suite.case("without a source of Debian's there is a reason to skip")
def _():
    with scratch() as etc, scratch() as out:
        os.makedirs(etc + "/apt/sources.list.d")
        vddk_plugin.write(etc + "/os-release", "VERSION_CODENAME=oldname\n")
        vddk_plugin.write(etc + "/apt/sources.list",
                          "deb http://x.example/ othername main\n")
        try:
            vddk_plugin.write_sources(out, etc)
        except Skip as skip:
            assert "no source" in str(skip), skip
        else:
            raise Failed("found some: %s" % os.listdir(out))
        equal(os.listdir(out), [])


@suite.case("both forms of sources are found")
def _():
    with scratch() as etc, scratch() as out:
        os.makedirs(etc + "/apt/sources.list.d")
        vddk_plugin.write(etc + "/os-release",
                          'ID=debian\nVERSION_CODENAME="oldname"\n')
        vddk_plugin.write(etc + "/apt/sources.list", LINES)
        vddk_plugin.write(etc + "/apt/sources.list.d/x.sources", DEB822)
        vddk_plugin.write(etc + "/apt/sources.list.d/x.sources.off", DEB822)
        vddk_plugin.write_sources(out, etc)
        equal(sorted(os.path.splitext(name)[1] for name in os.listdir(out)),
              [".list", ".sources"])


@suite.case("the vddk plugin can be had, and is found again")
def _():
    program = [sys.executable, vddk_plugin.__file__]
    first = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    found = vddk_plugin.find()
    equal(first.communicate()[0].strip(), found)
    equal(os.path.basename(found), "nbdkit-vddk-plugin.so")
    result = run([need("nbdkit"), found, "--dump-plugin"])
    assert b"\nname=vddk\n" in result.stdout, result


# -- the log -------------------------------------------------------------------

LOG = """\
nbdkit: debug: nbdkit 1.32.5
nbdkit: vddk[3]: debug: Opened 'error: none'
nbdkit: vddk[3]: error: VixDiskLib_Open: File not found
nbdkit: error: no
nbdkit: vddk[1]: debug: error: no
"""


@suite.case("errors and debug lines of the log are told apart")
def _():
    equal(nbdkit.errors_of(LOG), ["VixDiskLib_Open: File not found", "no"])
    equal(nbdkit.debug_of(LOG), ["nbdkit 1.32.5", "Opened 'error: none'",
                                 "error: no"])


# -- the server ----------------------------------------------------------------

@suite.case("a server serves, says what it has, and ends")
def _():
    with nbdkit.serve("memory", "10M") as server:
        qemu_io(server.uri, "write -P 7 1M 64k", "read -P 7 1M 64k", fmt="raw")
        equal(nbdkit.size_of(server.uri), 10 << 20)
        assert nbdkit.export_of(server.uri)["can_multi_conn"]
        equal(nbdkit.map_of(server.uri),
              [(0, 1 << 20, "hole,zero"), (1 << 20, 64 << 10, "data"),
               ((1 << 20) + (64 << 10), (9 << 20) - (64 << 10), "hole,zero")])
    equal(server.process.returncode, 0)
    assert not os.path.exists(server.socket)


@suite.case("a server is stopped when the test fails")
def _():
    try:
        with nbdkit.serve("memory", "1M") as server:
            raise ValueError("the test")
    except ValueError:
        pass
    assert server.process.returncode is not None


@suite.case("a server that cannot start tells why")
def _():
    try:
        with nbdkit.serve("file", "/nowhere/at/all"):
            raise ValueError("it started")
    except Failed as failure:
        assert "/nowhere/at/all" in str(failure), failure


@suite.case("a complaint fails the test that did not expect it")
def _():
    args = ("eval", "get_size=echo 1M",
            "pread=echo EIO no luck >&2; exit 1")
    with nbdkit.serve(*args, may_complain=True) as server:
        run([need("nbdcopy"), server.uri, "null:"])
    assert any("no luck" in error for error in server.errors()), server.log()
    try:
        with nbdkit.serve(*args) as server:
            run([need("nbdcopy"), server.uri, "null:"])
    except Failed as failure:
        assert "no luck" in str(failure), failure
    else:
        raise Failed("nobody minds")


suite.run()
