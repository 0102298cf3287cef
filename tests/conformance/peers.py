# SPDX-License-Identifier: BSD-3-Clause
"""peers - what qemu-img and libvmdk do with the same files.

Measured, not asserted: each function tries the operation and gives a verdict
and, unless that is YES, the peer's own words or what was seen.
"""
import os
import re

from kinds import MIB
from ours import SIZE, Disk, model_of
from readers import read_with_libvmdk, read_with_qemu, read_with_vdisk
from tap import Skip
from tools import Failed, need, run, scratch

YES, NO, WRONG, NONE = "yes", "no", "WRONG", "-"


def words(result):
    """The first line of what a program says, without names of files."""
    text = (result.stderr or result.stdout).decode(errors="replace").strip()
    line = text.split("\n")[0] if text else "exit %d" % result.code
    line = re.sub(r"^[\w-]+: (warning: )?", "", line)
    line = re.sub(r"'?/[^ ':]*/([\w.-]+)'?", r"\1", line)
    if result.code < 0:
        line = "killed by signal %d" % -result.code
    return line[:120]


class Refused(Exception):
    """The peer does not do it; the text is its own."""


def qemu(*argv):
    result = run([need(argv[0]), *map(str, argv[1:])], timeout=120)
    text = (result.stdout + result.stderr).decode(errors="replace")
    if result.code or "failed:" in text:
        raise Refused(words(result))
    return text


def commands_for(writes):
    """Words for qemu-io."""
    commands = []
    for kind, offset, length, path in writes:
        source = "-s %s" % path if kind == "write" else "-z"
        commands += ["-c", "write -q %s %d %d" % (source, offset, length)]
    return commands


def same(got, wanted, what):
    return (YES, "") if got == wanted else (WRONG, what)


# -- qemu-img ------------------------------------------------------------------

def qemu_create(disk):
    path = os.path.join(disk.directory, "peer.vmdk")
    if disk.kind.options == "-":
        return NONE, ""
    qemu("qemu-img", "create", "-q", "-f", "vmdk", "-o", disk.kind.options,
         path, SIZE)
    return same(read_with_vdisk(path)[0], SIZE, "another size")


def qemu_read(disk):
    qemu("qemu-img", "info", "-f", "vmdk", disk.path)
    try:
        got = read_with_qemu(disk.path)
    except Failed as failure:
        raise Refused(str(failure).strip().split("\n")[-1][:120]) from None
    return same(got, disk.content(), "other bytes than were written")


def qemu_write(disk):
    model = model_of(disk)
    model.may_write = disk.kind.may_write
    commands = commands_for(model.random_writes(disk.directory, 40))
    qemu("qemu-io", "-f", "vmdk", *commands, disk.path)
    return same(read_with_vdisk(disk.path), model.content(),
                "the image does not hold what was written")


def qemu_grow(disk):
    qemu("qemu-img", "resize", "-f", "vmdk", disk.path, "+%d" % (64 * MIB))
    size, digest = disk.content()
    return same(read_with_vdisk(disk.path), (size + 64 * MIB, digest),
                "other contents")


def qemu_check(disk):
    command = [need("qemu-img"), "check", "-f", "vmdk", disk.path]
    good = run(command)
    disk.kind.damage(disk.path)
    bad = run(command)
    if good.code in (2, 3):
        return WRONG, "finds fault with a sound image"
    if good.code:
        raise Refused(words(good))
    return (YES, "") if bad.code else (NO, "does not see the damage")


def qemu_repair(disk):
    disk.kind.damage(disk.path)
    qemu("qemu-img", "check", "-f", "vmdk", "-r", "all", disk.path)
    return same(read_with_vdisk(disk.path), disk.content(), "other contents")


def qemu_discard(disk):
    before = disk.data_blocks()
    qemu("qemu-io", "-f", "vmdk", "-d", "unmap", "-c",
         "discard %d %d" % (4 * MIB, 2 * MIB), disk.path)
    if disk.data_blocks() >= before:
        return NO, "gives no space back"
    return YES, ""


def qemu_child(disk):
    child = os.path.join(disk.directory, "child.vmdk")
    model = model_of(disk)
    qemu("qemu-img", "create", "-q", "-f", "vmdk", "-b", disk.path, "-F",
         "vmdk", child)
    commands = commands_for(model.random_writes(disk.directory, 30))
    qemu("qemu-io", "-f", "vmdk", *commands, child)
    return same(read_with_vdisk(child), model.content(),
                "the chain does not hold what was written")


QEMU = {"create": qemu_create, "read": qemu_read, "write": qemu_write,
        "grow": qemu_grow, "check": qemu_check, "repair": qemu_repair,
        "discard": qemu_discard, "child": qemu_child}


# -- libvmdk: a reader ----------------------------------------------------------

def libvmdk_words(text):
    """The innermost of the reasons that it strings together, the first one
    that is more than "unable to"."""
    line = text.strip().split("\n")[-1]
    reasons = [part.split(": ")[-1].rstrip(".") for part in line.split(". ")]
    telling = [r for r in reasons if not r.startswith("unable to")]
    return (telling or reasons)[0][:120]


def libvmdk_read(disk):
    try:
        got = read_with_libvmdk(disk.path)
    except Failed as failure:
        raise Refused(libvmdk_words(str(failure))) from None
    return same(got, disk.content(), "other bytes than were written")


LIBVMDK = {"read": libvmdk_read}


def measure(operations, kind, operation):
    """(verdict, words) of a peer for one cell."""
    if operation not in operations:
        return NONE, ""
    with scratch() as directory:
        disk = Disk(kind, directory)
        try:
            return operations[operation](disk)
        except Refused as refusal:
            return NO, str(refusal)
        except Failed:
            return WRONG, "reports success and leaves an unreadable image"
        except Skip:
            return NONE, ""
