#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-hotadd-kill - kill -9 at each step of attaching, detaching and cleaning
up: Cleanup finds what is left, and nothing else."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from hotadd_world import HotaddWorld  # noqa: E402
from tap import Suite  # noqa: E402
from tools import Failed  # noqa: E402
from vsphere_fake import rule  # noqa: E402

MAX_STEPS = 50
suite = Suite()


def is_attached(world):
    return world.proxy_state() != world.own


def check_cleanup(world, where):
    """One Cleanup, whatever was left, and a second one with nothing to do."""
    attached = is_attached(world)
    done = world.cleanup()
    if done != (int(attached), 0):
        raise Failed("%s: Cleanup says %r" % (where, done))
    world.assert_clean()
    if world.cleanup() != (0, 0):
        raise Failed("%s: there was more to clean up" % where)


def sweep(world, prepare, command, name=None, **args):
    """Kill the command at step 0, 1, ... until it gets to its end."""
    seen = []
    for n in range(MAX_STEPS):
        prepare()
        ran = world.host(command, name, kill=n, **args)
        if not ran.killed:
            ran.ok()
            world.assert_clean()
            return seen
        seen.append(ran.steps[-1])
        check_cleanup(world, "killed at %s" % seen[-1])
    raise Failed("it does not end: %s" % seen)


def wanted(seen, *steps):
    for step in steps:
        if step not in seen:
            raise Failed("never killed at %r: %s" % (step, seen))


@suite.case("attaching and detaching")
def _():
    with HotaddWorld() as world:
        seen = sweep(world, lambda: None, "read", "on")
        wanted(seen, "plan", "add", "attached", "found", "detach", "remove",
               "forget")


@suite.case("cleaning up")
def _():
    with HotaddWorld() as world:
        seen = sweep(world, lambda: world.host("leave", "on").ok(), "cleanup")
        wanted(seen, "detach", "remove", "forget")


@suite.case("while the server attaches: Cleanup waits until it has")
def _():
    with HotaddWorld() as world:
        world.fake.knobs(soap_rules=[
            rule("ReconfigVM_Task", "task-slow", ms=1500, times=1)])
        with world.running("read", "on") as process:
            world.fake.wait_for("rule", on="ReconfigVM_Task")
            process.kill()
            process.wait()
        check_cleanup(world, "killed while the task ran")


@suite.case("an entry of another server, or of another machine, is not ours")
def _():
    with HotaddWorld() as world:
        world.host("leave", "on").ok()
        path = os.path.join(world.tmp, "vdisk-hotadd", world.journal()[0])
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for key in ("proxy", "instance"):
            lines = [line + "0" if line.startswith(key + "=") else line
                     for line in text.split("\n")]
            with open(path, "w", encoding="utf-8") as file:
                file.write("\n".join(lines))
            if world.cleanup() != (0, 0) or not is_attached(world):
                raise Failed("detached what another %s had" % key)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        check_cleanup(world, "at last")


@suite.case("an entry whose disk is somebody else's by now detaches nothing")
def _():
    with HotaddWorld() as world:
        world.host("leave", "on").ok()
        path = os.path.join(world.tmp, "vdisk-hotadd", world.journal()[0])
        with open(path, encoding="utf-8") as file:
            text = file.read()
        own = world.fake.vms["proxy"]["disks"][0]
        with open(path + "x.attach", "w", encoding="utf-8") as file:
            for line in text.split("\n"):
                if line.startswith("key="):
                    line = "key=%d" % own["key"]
                file.write(line + "\n")
        check_cleanup(world, "with a strange entry")


suite.run()
