#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""vddk_plugin - where nbdkit's vddk plugin is, unmodified, as it is packaged.

Looked for in this order:

1. $VDISK_VDDK_PLUGIN;
2. among the plugins of the nbdkit that is installed;
3. in the build directory, where apt puts it: the package of a Debian release
   that has one, from the mirror that this machine takes its packages from.
   apt works with lists and caches of its own there; the package is unpacked,
   never installed.  No root.

Run as a program it prints the path, or exits with 77 and says why not.
"""
import contextlib
import fcntl
import functools
import glob
import os
import re
import shutil
import subprocess
import sys

from tap import Skip
from tools import SOURCE_ROOT

PACKAGE = "nbdkit-plugin-vddk"
# The first release with the package, and the archive's section.
RELEASE, SECTION = "trixie", "contrib"
NAME = "nbdkit-vddk-plugin.so"

BUILD_ROOT = os.environ.get("VDISK_BUILD_ROOT",
                            os.path.join(SOURCE_ROOT, "build"))
HOME = os.path.join(BUILD_ROOT, "vddk-plugin")
SECONDS = 180

# The system's own hooks clean the system's own caches: not ours to do.
APT_CONF = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Sandbox::User "";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{home}/sources";
Dir::State::lists "{home}/lists";
Dir::Cache "{home}/cache";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
"""


# -- sources -------------------------------------------------------------------

def codename(os_release):
    found = re.search(r'^VERSION_CODENAME="?(\w+)', os_release, re.M)
    return found.group(1) if found else None


def stanza_for_release(stanza, suite):
    """A deb822 @stanza that has @suite's main section, turned to the release;
    None if it is about something else.  All else stays: address, keys."""
    fields = dict(re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", stanza,
                             re.M))
    fields = {name.lower(): value for name, value in fields.items()}
    if ("deb" not in fields.get("types", "").split()
            or suite not in fields.get("suites", "").split()
            or "main" not in fields.get("components", "").split()
            or fields.get("enabled", "yes").lower() in ("no", "false", "0")):
        return None
    fields.update(types="deb", suites=RELEASE, components=SECTION)
    return "".join("%s: %s\n" % item for item in fields.items())


def deb822_for_release(text, suite):
    text = re.sub(r"^#.*\n?", "", text, flags=re.M)
    stanzas = [stanza_for_release(stanza, suite)
               for stanza in re.split(r"\n\s*\n", text)]
    return "\n".join(filter(None, stanzas))


def lines_for_release(text, suite):
    """The same for the format with one line a source."""
    lines = []
    for line in text.splitlines():
        found = re.match(r"\s*deb\s+(\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+([^#]*)",
                         line)
        if found and found.group(3) == suite and \
                "main" in found.group(4).split():
            lines.append("deb %s%s %s %s\n" % (
                found.group(1) or "", found.group(2), RELEASE, SECTION))
    return "".join(lines)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def write_sources(directory, etc="/etc"):
    """Sources of the release in @directory, after those of this machine."""
    try:
        suite = codename(read(os.path.join(etc, "os-release")))
    except OSError:
        suite = None
    apt = os.path.join(etc, "apt")
    written = 0
    for number, path in enumerate(
            [os.path.join(apt, "sources.list"),
             *sorted(glob.glob(apt + "/sources.list.d/*"))]):
        ending = os.path.splitext(path)[1]
        change = {".list": lines_for_release,
                  ".sources": deb822_for_release}.get(ending)
        text = change(read(path), suite) if (
            suite and change and os.access(path, os.R_OK)) else ""
        if text:
            write(os.path.join(directory, "%d%s" % (number, ending)), text)
            written += 1
    if not written:
        raise Skip("no vddk plugin for nbdkit: apt has no source for Debian "
                   "here")


# -- fetching ------------------------------------------------------------------

def command(*argv, cwd=None):
    try:
        done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True,
                              timeout=SECONDS, check=False,
                              env=dict(os.environ, LC_ALL="C"))
    except FileNotFoundError:
        raise Skip("no vddk plugin for nbdkit: %s is not installed"
                   % argv[0]) from None
    except subprocess.TimeoutExpired:
        raise Skip("no vddk plugin for nbdkit: %s took too long"
                   % argv[0]) from None
    # apt succeeds with old lists, or none, if it cannot get new ones.
    if done.returncode or re.search("^[WE]: Failed", done.stderr, re.M):
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise Skip("no vddk plugin for nbdkit: %s: %s"
                   % (" ".join(argv[:1]), last[0] if last else "failed"))


def fetch():
    """Have apt bring the package, and unpack it."""
    for folder in ("sources", "lists/partial", "cache/archives/partial"):
        os.makedirs(os.path.join(HOME, folder), exist_ok=True)
    write_sources(os.path.join(HOME, "sources"))
    conf = os.path.join(HOME, "apt.conf")
    write(conf, APT_CONF.format(home=HOME))
    command("apt-get", "-q", "-c", conf, "update")
    command("apt-get", "-q", "-c", conf, "download", PACKAGE, cwd=HOME)
    unpack(sorted(glob.glob(HOME + "/*.deb"))[-1])


def unpack(package):
    """All or nothing, should somebody interrupt it."""
    new = os.path.join(HOME, "package.new")
    shutil.rmtree(new, ignore_errors=True)
    command("dpkg-deb", "-x", package, new)
    os.rename(new, os.path.join(HOME, "package"))


def unpacked():
    """Path of the plugin in the package that was unpacked, or None."""
    found = glob.glob(HOME + "/package/usr/lib/**/" + NAME, recursive=True)
    return found[0] if found else None


@contextlib.contextmanager
def lock():
    """Tests start side by side; one of them fetches."""
    try:
        os.makedirs(HOME, exist_ok=True)
        file = open(os.path.join(HOME, "lock"), "w", encoding="utf-8")
    except OSError as error:
        raise Skip("no vddk plugin for nbdkit: %s" % error) from None
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def installed():
    """Path of the plugin beside nbdkit's own ones, or None."""
    try:
        config = subprocess.run(["nbdkit", "--dump-config"], check=True,
                                capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search("^plugindir=(.*)$", config, re.M)
    path = found and os.path.join(found.group(1), NAME)
    return path if path and os.path.exists(path) else None


@functools.cache
def find():
    """Path of the plugin; Skip if it cannot be had."""
    given = os.environ.get("VDISK_VDDK_PLUGIN") or installed()
    if given:
        return given
    with lock():
        if not unpacked():
            fetch()
        found = unpacked()
    if not found:
        raise Skip("no vddk plugin for nbdkit: %s does not have %s"
                   % (PACKAGE, NAME))
    return found


def main():
    try:
        print(find())
    except Skip as skip:
        print(skip, file=sys.stderr)
        sys.exit(77)


if __name__ == "__main__":
    main()
