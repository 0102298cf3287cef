#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-hotadd - disks of other machines, attached to the one "we" run in."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from hotadd_world import SIZE, HotaddWorld, Ran  # noqa: E402
from tap import Suite  # noqa: E402
from tools import Failed, Result, scratch  # noqa: E402
from vsphere_fake import properties, rule  # noqa: E402

suite = Suite()

RECENT_TASK = '<propSet><name>recentTask</name><val xsi:type=' \
    '"ArrayOfManagedObjectReference"><ManagedObjectReference type="Task">' \
    'task-7</ManagedObjectReference></val></propSet>'


def equal(found, wanted, what):
    if found != wanted:
        raise Failed("%s: %r instead of %r" % (what, found, wanted))


@suite.case("reads a running machine's base, and leaves no trace")
def _():
    with HotaddWorld() as world:
        ran = world.host("read", "on").ok()
        equal(ran.digest, world.digest("on"), "bytes")
        equal(ran.told("warning"), [], "warnings")
        world.assert_clean()


@suite.case("what was written to it stays")
def _():
    with HotaddWorld() as world:
        world.host("write", "off", offset=4000, text="restored").ok()
        wanted = bytearray(world.contents["off"])
        wanted[4000:4008] = b"restored"
        equal(world.fake.guest_read(world.files["off"], 0, SIZE),
              bytes(wanted), "bytes")
        equal(world.proxy_state(), world.own, "disks")


@suite.case("a leaf of a running machine is not attached")
def _():
    with HotaddWorld() as world:
        leaf = world.fake.state()["vms"]["on"]["disks"][0]["path"]
        world.host("read", "on", file=leaf).refused("snapshot")
        world.host("write", "on").refused("only be read")
        world.assert_clean()


@suite.case("a disk of our own machine is not attached a second time")
def _():
    with HotaddWorld(on=False) as world:
        own = world.fake.vms["proxy"]["disks"][0]["path"]
        world.host("read", "proxy", file=own).refused(
            "a disk of the machine that we run in")
        world.assert_clean()


@suite.case("not in a machine of VMware's, or of this server")
def _():
    with HotaddWorld() as world, scratch() as elsewhere:
        world.host("read", "on", root=elsewhere).refused(
            "does not run in a virtual machine")
        equal(world.cleanup(root=elsewhere), (0, 0), "Cleanup")
        dmi = os.path.join(elsewhere, "sys/class/dmi/id")
        shutil.copytree(os.path.join(world.root, "sys/class/dmi/id"), dmi)
        with open(os.path.join(dmi, "product_uuid"), "w",
                  encoding="ascii") as file:
            file.write("00000000-1111-2222-3333-444444444444\n")
        os.unlink(os.path.join(dmi, "product_serial"))
        world.host("read", "on", root=elsewhere).refused(
            "does not know the machine")
        equal(world.cleanup(root=elsewhere), (0, 0), "Cleanup")


# -- devices ------------------------------------------------------------------

@suite.case("a device that comes late is waited for")
def _():
    with HotaddWorld() as world:
        world.fake.knobs(hotadd_delay_ms=300)
        equal(world.host("read", "on").ok().digest, world.digest("on"),
              "bytes")


@suite.case("a device that does not come: detached again")
def _():
    with HotaddWorld() as world:
        world.fake.knobs(hotadd="never")
        world.host("read", "on", appear=300).refused("has not appeared")
        world.assert_clean()


@suite.case("another size or another name: refused and detached")
def _():
    for fault, text in (("wrong-size", "bytes, not"),
                        ("wrong-id", "has not appeared")):
        with HotaddWorld() as world:
            world.fake.knobs(hotadd=fault)
            world.host("read", "on", appear=300).refused(text)
            world.assert_clean()


@suite.case("two new devices: told apart by name, without names by place")
def _():
    for enable_uuid in (True, False):
        with HotaddWorld(enable_uuid=enable_uuid) as world:
            world.fake.knobs(hotadd="two")
            equal(world.host("read", "on").ok().digest, world.digest("on"),
                  "bytes")
            equal(world.proxy_state(), world.own, "disks")


@suite.case("a disk of ours that is a copy of it is never taken for it")
def _():
    with HotaddWorld(twin="6000c295aaaabbbbcccc0123456789ab") as world:
        equal(world.host("read", "on").ok().digest, world.digest("on"),
              "bytes")
        world.fake.knobs(hotadd="never")
        world.host("read", "on", appear=300).refused("has not appeared")
        own = world.fake.state()["hotadd"]
        equal([line for line in world.fake.log("hotadd", event="deleted")
               if line["device"] in own], [], "what the kernel has forgotten")
        world.assert_clean()


@suite.case("a full controller: a new one is added")
def _():
    with HotaddWorld(proxy_disks=15) as world:
        equal(world.host("read", "on").ok().digest, world.digest("on"),
              "bytes")
        world.assert_clean()


# -- servers ------------------------------------------------------------------

@suite.case("an answer that is lost: what was done is found")
def _():
    for action in ("close", "cut"):
        with HotaddWorld() as world:
            world.fake.knobs(soap_rules=[
                rule("ReconfigVM_Task", action, times=1)])
            ran = world.host("read", "on")
            if ran.result.code == 0:
                equal(ran.digest, world.digest("on"), "bytes")
            else:
                ran.refused()
            world.assert_clean()


@suite.case("an answer that is lost, and whether it goes on is not to be learned")
def _():
    ask = "RetrievePropertiesEx"
    with HotaddWorld() as world:
        before = len(world.fake.ops())
        world.host("read", "on").ok()
        ops = world.fake.ops()[before:]
        asked = ops[:ops.index("ReconfigVM_Task")].count(ask)
        proxy = ("VirtualMachine", world.fake.vms["proxy"]["moref"])
        world.fake.knobs(soap_rules=[
            rule("ReconfigVM_Task", "cut", times=1),
            rule(ask, "body", skip=asked, times=1,
                 message=properties(proxy, RECENT_TASK)),
            rule(ask, "status", skip=asked + 1, times=1, status=503)])
        world.host("read", "on").refused("ReconfigVM_Task")
        world.assert_clean()


@suite.case("a refused request: the fault is told, nothing is left")
def _():
    with HotaddWorld() as world:
        world.fake.knobs(soap_rules=[
            rule("ReconfigVM_Task", "task-fault", times=1,
                 fault="CannotAccessVmDisk", message="no way there")])
        world.host("read", "on").refused("no way there")
        world.assert_clean()


@suite.case("detaching fails: the entry stays, Cleanup finishes it")
def _():
    with HotaddWorld() as world:
        world.fake.knobs(soap_rules=[
            rule("ReconfigVM_Task", "task-fault", skip=1, times=1,
                 fault="TaskInProgress", message="later")])
        world.host("read", "on").refused("later")
        equal(len(world.journal()), 1, "entries")
        equal(world.cleanup(), (1, 0), "Cleanup")
        world.assert_clean()


# -- others -------------------------------------------------------------------

@suite.case("what somebody holds is neither attached twice nor cleaned up")
def _():
    with HotaddWorld() as world, world.running("hold", "on") as holder:
        while holder.stdout.readline() != b"held\n":
            equal(holder.poll(), None, "the holder")
        world.host("read", "on").refused("attached to this machine by process")
        equal(world.host("read", "off").ok().digest, world.digest("off"),
              "another disk")
        equal(world.cleanup(), (0, 1), "Cleanup")
        holder.kill()
        holder.wait()
        equal(world.cleanup(), (1, 0), "Cleanup")
        world.assert_clean()


@suite.case("leftovers of the same disk are detached first")
def _():
    with HotaddWorld() as world:
        world.host("leave", "on").ok()
        equal(len(world.journal()), 1, "entries")
        equal(world.host("read", "on").ok().digest, world.digest("on"),
              "bytes")
        world.assert_clean()


def at_once(world, jobs):
    """Start all, then wait: what each has said."""
    processes = [subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=dict(os.environ, **world.environment())) for argv in jobs]
    ran = []
    for argv, process in zip(jobs, processes):
        out, err = process.communicate(timeout=300)
        ran.append(Ran(Result(argv, subprocess.CompletedProcess(
            argv, process.returncode, out, err))))
    return ran


@suite.case("many at once, with one journal or with their own")
def _():
    for shared in (True, False):
        with HotaddWorld() as world:
            jobs = []
            for n, name in enumerate(("on", "off", "on", "off")):
                tmp = world.tmp if shared else world.path("tmp%d" % n)
                os.makedirs(tmp, exist_ok=True)
                jobs.append(world.argv("read", name, tmp=tmp))
            for ran, name in zip(at_once(world, jobs),
                                 ("on", "off", "on", "off")):
                if ran.result.code == 0:
                    equal(ran.digest, world.digest(name), "bytes")
                else:
                    ran.refused()
            world.assert_clean()


@suite.case("Cleanup by many at once: each disk is detached once")
def _():
    with HotaddWorld() as world:
        world.host("leave", "on").ok()
        world.host("leave", "off").ok()
        ran = at_once(world, [world.argv("cleanup") for _ in range(3)])
        cleaned = [int(r.ok().told("cleaned")[0].split()[0]) for r in ran]
        equal(sum(cleaned), 2, "detached")
        world.assert_clean()


suite.run()
