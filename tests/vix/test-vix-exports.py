#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-vix-exports - the libraries show include/vixDiskLib.h, no more and no
less, under their names; compilers of C and C++ take that header.

Arguments: the libraries.
"""
import os
import re
import shutil
import subprocess
import sys

for folder in ("support", "lint"):
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", folder))

import tree  # noqa: E402
from tap import Skip, Suite  # noqa: E402
from tools import (TRANSPORTS, UNDER_SANITIZER, need, run,  # noqa: E402
                   scratch)

HEADER = "include/vixDiskLib.h"
# What VMware's sample program ends without, and what came later.
CLIENTS_NEED = """
    InitEx Init Exit ListTransportModes Cleanup Connect ConnectEx Disconnect
    Create CreateChild Open GetInfo FreeInfo GetTransportMode Close Read Write
    ReadMetadata WriteMetadata GetMetadataKeys Unlink Grow Shrink Defragment
    Rename Clone GetErrorText FreeErrorText Attach SpaceNeededForClone
    CheckRepair ReadAsync WriteAsync Wait Flush QueryAllocatedBlocks
    FreeBlockList AllocateConnectParams FreeConnectParams GetConnectParams
    IsAttachPossible PrepareForAccess EndAccess""".split()
# Programs bring other versions of these along.
CLASHES = ("libcrypto", "libssl", "libstdc++", "libcurl", "libxml2", "libvdisk")

suite = Suite()


def declared():
    return set(re.findall(r"\b(VixDiskLib(?:Ext)?_\w+)\(",
                          re.sub(r"/\*.*?\*/", "", tree.read(HEADER),
                                 flags=re.S)))


def differ(what, found, wanted):
    assert found == wanted, "%s: too many %s, missing %s" % (
        what, sorted(found - wanted), sorted(wanted - found))


def dynamic(library, tag):
    out = run([need("readelf"), "-d", "-W", library]).stdout.decode()
    return re.findall(r"\(%s\)\s+(?:.*\[)?([^\]\n]+)" % tag, out)


@suite.case("the header declares every function of the interface")
def _():
    missing = {"VixDiskLib_" + name for name in CLIENTS_NEED} - declared()
    assert not missing, sorted(missing)


@suite.case("the version script lists what the header declares")
def _():
    script = tree.read("vix/libvixDiskLib.map")
    differ("version script",
           set(re.findall(r"^\s+(Vix\w+);", script, re.M)), declared())


def check_library(library):
    soname = os.path.basename(library)
    assert re.fullmatch(r"libvixDiskLib\.so\.[678]", soname), soname

    @suite.case(soname + ": exports what the header declares")
    def _():
        out = run([need("nm"), "-D", "--defined-only", library]).stdout
        rows = [line.split() for line in out.decode().splitlines()]
        differ("symbols", {row[-1] for row in rows}, declared())
        kinds = {row[-2] for row in rows}
        assert kinds == {"T"}, kinds

    @suite.case(soname + ": bears its name")
    def _():
        assert dynamic(library, "SONAME") == [soname], library

    @suite.case(soname + ": brings nothing that programs have in other versions")
    def _():
        needed = dynamic(library, "NEEDED")
        assert any(name.startswith("libc.") for name in needed), needed
        bad = [name for name in needed if name.startswith(CLASHES)]
        assert not bad, bad

    @suite.case(soname + ": loads twice in sequence, all symbols bound")
    def _():
        program = ("import ctypes, os\n"
                   "for _ in range(2):\n"
                   "    lib = ctypes.CDLL(%r, os.RTLD_NOW)\n"
                   "    lib.VixDiskLib_ListTransportModes.restype ="
                   " ctypes.c_char_p\n"
                   "    print(lib.VixDiskLib_ListTransportModes().decode())\n"
                   % library)
        if UNDER_SANITIZER:
            raise Skip("Python is not built with the sanitizer")
        done = run([sys.executable, "-c", program])
        assert done.stdout.decode().split() == [TRANSPORTS] * 2, done


for path in sys.argv[1:]:
    check_library(path)


# -- compilers -----------------------------------------------------------------

PROGRAM = """\
#include "vixDiskLib.h"
static void log_it(const char *fmt, va_list args) { (void) fmt; (void) args; }
int main(void)
{
    VixDiskLibConnectParams params = {0};
    VixDiskLibCreateParams create;
    VixDiskLibConnection connection = NULL;
    Bool yes = TRUE;

    create.physicalSectorSize = 512;
    (void) create;
    if (VIX_FAILED(VixDiskLib_InitEx(8, 0, log_it, log_it, &log_it, "", NULL)))
        return 1;
    return VixDiskLib_ConnectEx(&params, yes, "", NULL, &connection) != VIX_OK;
}
"""
DIALECTS = [("cc", "c99"), ("cc", "c11"), ("cc", "gnu17"), ("c++", "c++11"),
            ("c++", "c++17"), ("c++", "gnu++20"),
            ("clang", "c11"), ("clang++", "c++17")]


def check_dialect(compiler, standard):
    @suite.case("%s -std=%s takes the header without a word"
                % (compiler, standard))
    def _():
        if not shutil.which(compiler):
            raise Skip("%s is missing" % compiler)
        language = "c++" if "++" in compiler else "c"
        with scratch() as folder:
            source = os.path.join(folder, "program." + language.replace("+", "x"))
            with open(source, "w", encoding="ascii") as file:
                # C++ has its own idea of {0}.
                file.write(PROGRAM.replace("{0}", "{}")
                           if language == "c++" else PROGRAM)
            done = subprocess.run(
                [compiler, "-std=" + standard, "-Wall", "-Wextra", "-pedantic",
                 "-Werror", "-Wstrict-aliasing", "-fsyntax-only", "-x",
                 language, "-I", os.path.join(tree.ROOT, "include"), source],
                capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


for compiler_and_standard in DIALECTS:
    check_dialect(*compiler_and_standard)

suite.run([])
