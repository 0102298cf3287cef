#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-sample-calls - how vdisk-vixsample calls a library: order, arguments,
and what it does when calls fail.  The library is a fake, which tells."""
import os
import re
import sys

for folder in ("support", "lint"):
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", folder))

import tree  # noqa: E402
from tap import Suite  # noqa: E402
from tools import Failed  # noqa: E402
from vix_sample import vixsample_run  # noqa: E402

ROOT = os.environ.get("VDISK_VIX_FAKE_ROOT", os.path.join(
    tree.ROOT, "build/tests/vix/fake"))
LOGIN = ("-host", "h", "-user", "u", "-password", "p")
VM = LOGIN + ("-vm", "moref=vm-1")
ID = "vdisk-vixsample"


def run_fake(*args, fail=None, code=0):
    env = {"FAKE_FAIL": fail, "FAKE_CODE": str(code)} if fail else {}
    return vixsample_run("-libdir", ROOT, *args, env=env)


def calls(result):
    return re.findall(r"^call: (.*)$", result.stderr.decode(), re.M)


def messages(result):
    return re.findall(r"^vdisk-vixsample: (.*)$", result.stderr.decode(),
                      re.M)


def expect(result, code, wanted):
    if result.code != code or calls(result) != wanted:
        raise Failed("wanted exit %d, calls %s: %s" % (code, wanted, result))


def expect_message(result, wanted):
    if messages(result) != wanted:
        raise Failed("wanted %s, got %s" % (wanted, messages(result)))


suite = Suite()
BEGIN = ["Init 6 5"]
REMOTE_PARAMS = ["host=h thumb=- port=0 nfc=0", "user=u password=p",
                 "vm=moref=vm-1"]


@suite.case("local: Connect, and everything undone in the end")
def _():
    expect(run_fake("-info", "x"), 0, BEGIN + [
        "Connect local", "Open 0 x flags=0x4", "GetInfo", "Close",
        "Disconnect 0", "Exit"])


@suite.case("remote machine: access prepared before, ended after")
def _():
    expect(run_fake("-info", *VM, "-cleanup", "[ds] x"), 0, BEGIN + [
        "PrepareForAccess " + ID, "Connect remote", *REMOTE_PARAMS,
        "Open 0 [ds] x flags=0x4", "GetInfo", "Close", "Disconnect 0",
        "EndAccess " + ID, "Cleanup", "Exit"])


@suite.case("-mode or -snapshot: ConnectEx, read-only if the command reads")
def _():
    result = run_fake("-info", *VM, "-ssmoref", "snapshot-2", "x")
    if ("ConnectEx remote readOnly=1 snapshot=snapshot-2 modes=-"
            not in calls(result)):
        raise Failed(str(result))
    result = run_fake("-clone", "src", "-mode", "file:nbd", "x")
    if ("ConnectEx local readOnly=0 snapshot=- modes=file:nbd"
            not in calls(result)):
        raise Failed(str(result))


@suite.case("all that options say of a server reaches the library")
def _():
    result = run_fake("-info", *LOGIN, "-thumb", "ab:cd", "-port", "444",
                      "-nfchostport", "903", "-cookie", "c", "-fcdid", "f",
                      "-fcdssid", "s", "-ds", "d")
    for line in ("host=h thumb=ab:cd port=444 nfc=903",
                 "cookie=c user=u key=p", "fcd=f ds=d snapshot=s",
                 "Open 0 [d] VStorageObject:f flags=0x4",
                 "PrepareForAccess " + ID):
        if line not in calls(result):
            raise Failed("no '%s': %s" % (line, result))
    result = run_fake("-info", *LOGIN, "-ds", "d", "-folder", "dir", "x")
    if "ds=d folder=dir" not in calls(result):
        raise Failed(str(result))


@suite.case("a clone to a server reads its source over a local connection")
def _():
    expect(run_fake("-clone", "src", "-type", "vmfs_thin", *VM, "[ds] x"), 0,
           BEGIN + ["PrepareForAccess " + ID, "Connect remote",
                    *REMOTE_PARAMS, "Connect local",
                    "Clone 0 [ds] x 1 src type=7 overWrite=1",
                    "Disconnect 1", "Disconnect 0", "EndAccess " + ID,
                    "Exit"])


@suite.case("progress goes to 100 % on one line")
def _():
    result = run_fake("-clone", "src", "x")
    if result.stdout != b"\rclone: 0 %\rclone: 50 %\rclone: 100 %\n":
        raise Failed(str(result))


@suite.case("options of Open")
def _():
    for args, flags in [(["-single"], 0x6), (["-unbuffered"], 0x5),
                        (["-compress", "zlib"], 0x14),
                        (["-compress", "fastlz", "-single"], 0x26),
                        (["-compress", "skipz"], 0x44)]:
        result = run_fake("-dump", *args, "x")
        if "Open 0 x flags=0x%x" % flags not in calls(result):
            raise Failed(str(result))


@suite.case("-initex names the configuration file; \"\" is none")
def _():
    for name, told in (("/etc/x", "/etc/x"), ("", "-")):
        result = run_fake("-info", "-initex", name, "x")
        if "InitEx 6 5 config=" + told not in calls(result):
            raise Failed(str(result))


@suite.case("warnings and panics are printed, the log with -verbose only")
def _():
    for args, log in (([], b""), (["-verbose"], b"log: goes to the log\n")):
        stderr = run_fake("-info", *args, "x").stderr
        wanted = log + b"warning: is a warning\npanic: without a newline\n"
        if wanted not in stderr or (not log and b"log: " in stderr):
            raise Failed(stderr.decode())


# -- what fails ------------------------------------------------------------------

@suite.case("each error code is printed in hexadecimal, with its text")
def _():
    header = tree.strip(tree.read("include/vixDiskLib.h"))
    codes = [int(n) for n in re.findall(r"\bVIX_E_\w+ = (\d+)", header)]
    if len(codes) < 80:
        raise Failed("the header was not understood")
    for code in codes:
        result = run_fake("-info", "x", fail="Open", code=code)
        expect_message(result, ["VixDiskLib_Open: error 0x%x (%d): text of %d"
                                % (code, code, code)])


@suite.case("extra bits of an error are printed, too")
def _():
    result = run_fake("-info", "x", fail="Open", code=0x0000000204000004)
    expect_message(result,
                   ["VixDiskLib_Open: error 0x204000004 (4): text of 4"])


@suite.case("whatever fails, what was begun is ended")
def _():
    whole = BEGIN + ["PrepareForAccess " + ID, "Connect remote",
                     *REMOTE_PARAMS, "Open 0 x flags=0x4", "GetInfo",
                     "Read 0 1", "Close", "Disconnect 0", "EndAccess " + ID, "Cleanup",
                     "Exit"]
    for fail, missing in [
            ("Init", whole[1:]),
            ("Connect", ["Open 0 x flags=0x4", "GetInfo", "Read 0 1",
                         "Close", "Disconnect 0"]),
            ("Open", ["GetInfo", "Read 0 1", "Close"]),
            ("GetInfo", ["Read 0 1"]), ("Read", []), ("Close", []),
            ("Disconnect", []), ("EndAccess", []), ("Cleanup", [])]:
        result = run_fake("-dump", *VM, "-cleanup", "x", fail=fail, code=1)
        expect(result, 1, [c for c in whole if c not in missing])
        expect_message(result, ["VixDiskLib_%s: error 0x1 (1): text of 1"
                                % fail])


@suite.case("a host that cannot prepare access is used all the same")
def _():
    result = run_fake("-dump", *VM, "x", fail="PrepareForAccess", code=6)
    if result.code != 0 or "EndAccess " + ID not in calls(result):
        raise Failed(str(result))
    expect_message(result, ["VixDiskLib_PrepareForAccess: error 0x6 (6): "
                            "text of 6"])


@suite.case("a missing function is missed when it is called, then all ends")
def _():
    result = run_fake("-fill", "x")
    expect(result, 1, BEGIN + ["Connect local", "Open 0 x flags=0x0", "Close",
                               "Disconnect 0", "Exit"])
    expect_message(result, ["this library has no VixDiskLib_Write"])
    result = run_fake("-extents", "x")
    expect_message(result, ["this library has no VixDiskLibExt_GetExtents"])


@suite.case("sector sizes of 0, as old libraries have, do not loop")
def _():
    result = run_fake("-dump", "-count", "3", "x")
    if calls(result)[-6:-3] != ["Read 0 1", "Read 1 1", "Read 2 1"]:
        raise Failed(str(result))


# -- asynchronous requests -------------------------------------------------------

@suite.case("asynchronous reads cover all, then wait")
def _():
    result = run_fake("-readasyncbench", "300", "x")
    reads = [c for c in calls(result) if c.startswith("ReadAsync")]
    if reads != ["ReadAsync 0 300", "ReadAsync 300 300", "ReadAsync 600 300",
                 "ReadAsync 900 100"] or "Wait" not in calls(result):
        raise Failed(str(result))
    if b"total: 512000 bytes read" not in result.stdout:
        raise Failed(str(result))


@suite.case("a callback with an error stops the bench")
def _():
    result = run_fake("-readasyncbench", "1", "x", fail="callback", code=7)
    if result.code != 1 or "ReadAsync 1 1" in calls(result) or \
            b"total" in result.stdout:
        raise Failed(str(result))
    expect_message(result, ["VixDiskLib_ReadAsync: error 0x7 (7): text of 7"])


@suite.case("only VIX_ASYNC is success for an asynchronous request")
def _():
    result = run_fake("-readasyncbench", "1", "x", fail="ReadAsync", code=0)
    if result.code != 1 or "Close" not in calls(result):
        raise Failed(str(result))
    expect_message(result, ["VixDiskLib_ReadAsync: answered VIX_OK instead of "
                            "VIX_ASYNC"])


suite.run()
