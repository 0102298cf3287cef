# SPDX-License-Identifier: BSD-3-Clause
"""hotadd_world - a vCenter with a machine that "we" run in, for HotAdd.

    with HotaddWorld() as world:
        found = world.host("read", "off")       found.lines, found.error ...
        world.assert_clean()

Machines: "proxy" (ours), "on" (powered on, with a snapshot: its base is what
can be attached) and "off", each with a disk of world.content.
"""
import contextlib
import hashlib
import os
import re
import signal
import subprocess

from soap_client import SoapClient, element
from tools import (BUILD_ROOT, Failed, assert_no_crash, run, scratch)
from vsphere_fake import FakeVsphere, disk, vm

HOST = os.environ.get("VDISK_HOTADD_HOST",
                      os.path.join(BUILD_ROOT, "tests/vsphere/hotadd-host"))
MIB = 1 << 20
SIZE = 2 * MIB


def content(seed):
    return b"".join(hashlib.sha512(b"%d %d" % (seed, i)).digest()
                    for i in range(SIZE // 64))


class Ran:
    """What a host has printed, by its first words."""

    def __init__(self, result):
        self.result = result
        self.lines = result.stdout.decode().splitlines()
        self.killed = result.code == -signal.SIGKILL
        if not self.killed:
            assert_no_crash(result)

    def told(self, word):
        """The rest of each line that begins with @word."""
        return [line[len(word) + 1:] for line in self.lines
                if line.startswith(word + " ")]

    @property
    def digest(self):
        return (self.told("digest") or [None])[0]

    @property
    def error(self):
        """(code, text), or None."""
        found = re.findall(r"^error (\d+): (.*)$", self.result.stdout.decode(),
                           re.M)
        return (int(found[0][0]), found[0][1]) if found else None

    @property
    def steps(self):
        return [line.split()[1] for line in self.told("step")]

    def ok(self):
        if self.result.code != 0:
            raise Failed(str(self.result))
        return self

    def refused(self, *texts):
        if self.result.code != 1 or not self.error:
            raise Failed("not refused: %s" % self.result)
        for text in texts:
            if text not in self.error[1]:
                raise Failed("no %r in: %s" % (text, self.result))
        return self


class HotaddWorld:
    def __init__(self, proxy_disks=1, twin=None, server=None, **machine):
        """machine: what "proxy" has besides; proxy_disks: how many; twin: the
        UUID, and the size, of one more of its disks and of that of "on";
        server: options of FakeVsphere."""
        self.server = server or {}
        self.disks = [disk(capacity=MIB)] * proxy_disks
        self.same = {}
        if twin:
            self.same = {"uuid": twin}
            self.disks.append(disk(capacity=SIZE, uuid=twin))
        self.machine = dict({"on": True, "enable_uuid": True}, **machine)
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *exc):
        return self.stack.__exit__(*exc)

    def start(self):
        self.directory = self.stack.enter_context(scratch())
        self.root = self.path("guest")
        self.tmp = os.path.join(self.root, "var/tmp")  # the usual one there
        os.makedirs(self.tmp)
        self.contents = {"on": content(1), "off": content(2)}
        for name, data in self.contents.items():
            with open(self.path(name), "wb") as file:
                file.write(data)
        self.fake = self.stack.enter_context(FakeVsphere([
            vm("proxy", self.disks, **self.machine),
            vm("on", [disk(content=self.path("on"), **self.same)], on=True),
            vm("off", [disk(content=self.path("off"))]),
        ], proxy="proxy", hotadd=self.root, **self.server))
        self.files = {name: self.fake.vms[name]["disks"][0]["path"]
                      for name in self.contents}
        self.own = self.proxy_state()
        self.take_snapshot()

    def path(self, name):
        return os.path.join(self.directory, name)

    def take_snapshot(self, name="on"):
        client = SoapClient(self.fake.port)
        client.login(self.fake.user, self.fake.password)
        client.run("CreateSnapshot_Task",
                   ("VirtualMachine", self.fake.vms[name]["moref"]),
                   element("name", "backup"), element("memory", False),
                   element("quiesce", False))
        client.call("Logout", client.content["sessionManager"])
        client.close()

    def digest(self, name):
        return hashlib.sha256(self.contents[name]).hexdigest()

    # -- programs -------------------------------------------------------------

    def argv(self, command, name=None, **args):
        keys = dict({"port": self.fake.port, "user": self.fake.user,
                     "thumbprint": self.fake.thumbprint, "root": self.root,
                     "tmp": self.tmp}, **args)
        if name:
            keys["vm"] = self.fake.vms[name]["moref"]
            keys.setdefault("file", self.files.get(name))
        return [HOST, command] + ["%s=%s" % item for item in keys.items()]

    def environment(self):
        return {"VDISK_TEST_PASSWORD": self.fake.password,
                "VDISK_HOTADD_ROOT": self.root}

    def host(self, command, name=None, **args):
        """Run the program to its end."""
        return Ran(run(self.argv(command, name, **args),
                       env=self.environment()))

    @contextlib.contextmanager
    def running(self, command, name, **args):
        """The program while it runs, with pipes; killed if it still does."""
        process = subprocess.Popen(
            self.argv(command, name, **args), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=dict(os.environ, **self.environment()))
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def cleanup(self, **args):
        """(cleaned, remaining)"""
        told = self.host("cleanup", **args).ok().result.stdout.decode()
        found = re.search(r"^cleaned (\d+) remaining (\d+)$", told, re.M)
        return tuple(map(int, found.groups()))

    # -- what is there --------------------------------------------------------

    def proxy_state(self):
        """The disks of our machine: what the server and the kernel say."""
        state = self.fake.state()
        return (sorted(d["path"] for d in state["vms"]["proxy"]["disks"]),
                sorted(state["hotadd"]))

    def journal(self):
        """Names of the entries, finished or not."""
        directory = os.path.join(self.tmp, "vdisk-hotadd")
        names = os.listdir(directory) if os.path.isdir(directory) else []
        return [name for name in names if ".attach" in name]

    def assert_clean(self):
        """Nothing is attached, nothing is written down, files are there."""
        if self.proxy_state() != self.own:
            raise Failed("attached: %s" % (self.proxy_state(),))
        if self.journal():
            raise Failed("in the journal: %s" % self.journal())
        for name, data in self.contents.items():
            if self.fake.guest_read(self.files[name], 0, SIZE) != data:
                raise Failed("%s has changed" % name)
