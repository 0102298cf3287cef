#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-img - vdisk-img, vdisk-io and vdisk-nbd with --vi-*: disks of servers as
images, and passwords that nobody sees."""
import os
import select
import signal
import subprocess
import sys
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from hotadd_world import MIB, SIZE, HotaddWorld  # noqa: E402
from nbd_peers import VDISK_NBD  # noqa: E402
from soap_client import element  # noqa: E402
from tap import Suite  # noqa: E402
from terminal import Terminal  # noqa: E402
from tools import (  # noqa: E402
    VDISK_IMG, VDISK_IO, Failed, Result, run, scratch)
from vsphere_fake import (  # noqa: E402
    PASSWORD, FakeVsphere, disk, rule, vm)

suite = Suite()


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def equal(found, wanted, what):
    if found != wanted:
        raise Failed("%s: %r instead of %r" % (what, found, wanted))


def has(text, *words):
    for word in words:
        if word not in text:
            raise Failed("no %r in %s" % (word, text))


def discreet(world, result):
    """Nobody has told the password, nor left anything behind."""
    for text in (result.stdout, result.stderr):
        for secret in (PASSWORD, "vmware_soap_session", "/exp/"):
            if secret.encode() in text:
                raise Failed("%r has been told: %s" % (secret, result))
    equal(world.fake.state()["sessions"], 0, "sessions")
    return result


def options(fake, secret, machine, **more):
    """Options for the disk of @machine, logging in by the file unless something
    else is said; None leaves one out."""
    keys = {"server": "127.0.0.1:%d" % fake.port, "user": fake.user,
            "password_file": secret, "thumbprint": fake.thumbprint,
            "transport": "nbdssl",
            "vm": machine and "moref=" + fake.vms[machine]["moref"], **more}
    return ["--vi-%s=%s" % (key.replace("_", "-"), value)
            for key, value in keys.items() if value is not None]


class World(HotaddWorld):
    def start(self):
        super().start()
        self.secret = self.path("password")
        with open(self.secret, "w", encoding="utf-8") as file:
            file.write(PASSWORD + "\nnot this\n")

    def options(self, machine, **more):
        return options(self.fake, self.secret, machine, **more)

    def url(self, machine):
        return "vsphere://127.0.0.1:%d/?vm=moref=%s" % (
            self.fake.port, self.fake.vms[machine]["moref"])

    def img(self, *words, code=0, **env):
        result = run([VDISK_IMG, *words], env=dict(self.environment(), **env))
        if result.code != code:
            raise Failed("wanted exit %d: %s" % (code, result))
        return discreet(self, result)

    def fails(self, *words):
        return self.img(*words, code=1).stderr.decode()

    def fails_beside(self, *words):
        """While another program has a session."""
        result = run([VDISK_IMG, *words], env=self.environment())
        equal(result.code, 1, result)
        return result.stderr.decode()

    def logins(self):
        return self.fake.ops().count("Login")


@suite.case("info, map and convert read, over the network and attached")
def _():
    with World() as w:
        name, copy, log = w.files["on"], w.path("copy"), w.path("log")
        for transport in ("nbdssl", "hotadd"):
            words = [*w.options("on", transport=transport, snapshot="backup"),
                     name]
            before = w.logins()
            has(w.img("info", *words).stdout.decode(), "transport=" + transport,
                "file format: raw")
            equal(w.logins() - before, 1, "logins of a command")
            has(w.img("map", "--output=json", *words).stdout.decode(),
                '"length": %d' % SIZE)
            w.img("-T", "*", "convert", "--log", log, "--output=json", *words,
                  copy)
            equal(read_file(copy), w.contents["on"], transport)
            with open(log, encoding="utf-8") as file:
                if PASSWORD in file.read():
                    raise Failed("the password is in the log")
        w.assert_clean()


@suite.case("convert and dd write onto disks that are there")
def _():
    with World() as w:
        name, source = w.files["off"], w.path("on")
        for transport in ("nbdssl", "hotadd"):
            words = w.options("off", transport=transport)
            w.img("convert", "-n", *words, source, name)
            equal(w.fake.guest_read(name, 0, SIZE), w.contents["on"],
                  "restored")
            w.fake.guest_write(name, 0, w.contents["off"])
        w.img("dd", "conv=notrunc", "bs=4096", "count=1", "seek=2",
              *w.options("off"), "if=" + source, "of=" + name)
        equal(w.fake.guest_read(name, 8192, 4096), w.contents["on"][:4096],
              "part")
        for words in (("convert", source, name),
                      ("dd", "if=" + source, "of=" + name)):
            has(w.fails(*words, *w.options("off")), "made there", "-n",
                "conv=notrunc")
        w.fake.guest_write(name, 0, w.contents["off"])
        w.assert_clean()


@suite.case("a copy that may be interrupted opens its source once")
def _():
    with World() as w:
        name, copy = w.files["on"], w.path("copy")
        for transport in ("nbdssl", "hotadd"):
            with open(copy, "wb") as file:
                file.truncate(SIZE)
            w.img("convert", "-n", "-O", "raw", "--resume", w.path("journal"),
                  *w.options("on", transport=transport, snapshot="backup"),
                  name, copy)
            with open(copy, "rb") as file:
                equal(file.read(), w.contents["on"], transport)
        w.assert_clean()


@suite.case("two disks of a server take one login; names may be whole")
def _():
    with World() as w:
        before = w.logins()
        w.img("compare", *w.options("off", vm=None), w.url("off"),
              w.url("off") + "&transport=nbd")
        equal(w.logins() - before, 1, "logins")


@suite.case("what is wrong or missing is told")
def _():
    with World() as w:
        name, wrong = w.files["off"], w.path("wrong")
        with open(wrong, "w", encoding="utf-8") as file:
            file.write("no-such-secret\n")
        for more, text in (
                ({"password_file": wrong}, "InvalidLogin"),
                ({"password_file": w.path("none")}, "password file"),
                ({"password_file": None, "password_env": "NOBODY"},
                 "'NOBODY'"),
                ({"password_env": "NOBODY"}, "mutually exclusive"),
                ({"thumbprint": "00" * 20}, "thumbprint"),
                ({"thumbprint": None}, "certificate"),
                ({"user": None, "password_file": None}, "--vi-user"),
                ({"server": None}, "--vi-server"),
                ({"server": "a/b"}, "expects HOST"),
                ({"vm": None}, "--vi-vm"),
                ({"vm": "moref=vm-0"}, "vm-0"),
                ({"snapshot": "never"}, "never")):
            told = w.fails("info", *w.options("off", **more), name)
            has(told, text)
            if "no-such-secret" in told:
                raise Failed(told)
        w.img("info", *w.options("off", thumbprint=None, insecure=""), name,
              code=1)  # a switch takes nothing
        w.img("info", *w.options("off", thumbprint=None), "--vi-insecure", name)
        w.img("info", *w.options("off", thumbprint=None,
                                 ca_file=w.fake.certs.ca), name)


@suite.case("names that make no sense are told before anybody logs in")
def _():
    with World() as w:
        words, before = w.options("off", vm=None), w.logins()
        start = "vsphere://127.0.0.1:%d/?" % w.fake.port
        for query, text in (("", "which virtual machine"),
                            ("vm=", "which virtual machine"),
                            ("vm=x&disc=y", "unknown key"),
                            ("vm=x&insecure=perhaps", "insecure"),
                            ("vm=x&transport=pigeon", "no transport in"),
                            ("vm=x&datastore=d", "'new-vm'"),
                            ("fcd=x", "datastore must be named"),
                            ("new-vm=x", "needs both"),
                            ("new-vm=x&datastore=d&vm=y", "makes no sense")):
            for code, *argv in ((1, "info", start + query),
                                (2, "compare", w.url("off"), start + query)):
                has(w.img(*argv, *words, code=code).stderr.decode(), text,
                    "Could not open")
        has(w.fails("info", *w.options("off", transport="pigeon"),
                    w.files["off"]), "no transport in")
        shell = run([VDISK_IO, *words, "-r", "-c", "open -r " + start, "-c",
                     "open -r " + w.url("off"), "-c", "length"])
        has(discreet(w, shell).stderr.decode(), "which virtual machine")
        has(shell.stdout.decode(), "%d MiB" % (SIZE // MIB))
        equal(w.logins() - before, 1, "logins")  # of the shell


@suite.case("vdisk-io: what is named on its command line, and to open")
def _():
    with World() as w:
        name = w.files["off"]
        words = w.options("off", password_file=None, password_env="VI_SECRET")
        again = "open -r %s&transport=nbdssl" % w.url("off")
        for argv in ((*words, "-c", "write -P 7 4096 4096", "-c", "close",
                      "-c", again, "-c", "read -P 7 4096 4096", name),
                     (*words, "-r", "-c", "read -P 7 4k 4k", name)):
            result = discreet(w, run([VDISK_IO, *argv],
                                     env={"VI_SECRET": PASSWORD}))
            has(result.stdout.decode(), "read 4096/4096 bytes")
            if b"verification" in result.stdout:
                raise Failed(result)
        equal(w.fake.guest_read(name, 4096, 4096), b"\7" * 4096, "written")
        w.fake.guest_write(name, 0, w.contents["off"])
        result = run([VDISK_IO, *w.options("off", server=None), name])
        equal(result.code, 1, result)
        has(result.stderr.decode(), "--vi-server")
        with Terminal([VDISK_IO, *w.options("off", password_file=None), "-c",
                       "length", name], w.environment()) as t:
            t.await_text("Password of %s@" % w.fake.user)
            t.type(PASSWORD + "\n")
            equal(discreet(w, t.finish()).code, 0, "exit")


@suite.case("other words are left alone: values, and files called so")
def _():
    with World() as w:
        words = w.options("off")
        w.img("create", "-f", "vmdk", w.path("[a] b.vmdk"), "1M")
        w.img("meta", "set", *words, w.path("[a] b.vmdk"), "toolsVersion",
              w.files["off"])
        equal(w.img("meta", "get", w.path("[a] b.vmdk"), "toolsVersion")
              .stdout.decode().strip(), w.files["off"], "value")
        equal(w.logins(), 1, "logins")  # of the world's own client


# -- first class disks ---------------------------------------------------------

def fcd_answer(path, consumer=""):
    """What the server says of one; the simulator's have no size."""
    if consumer:
        consumer = "<consumerId>%s</consumerId>" % element("id", consumer)
    return '<RetrieveVStorageObjectResponse xmlns="urn:vim25"><returnval>' \
        "<config><id><id>F</id></id><name>n</name><backing>%s</backing>%s%s" \
        "</config></returnval></RetrieveVStorageObjectResponse>" % (
            element("filePath", path), element("capacityInMB", SIZE >> 20),
            consumer)


@suite.case("first class disks: of a machine, and of none")
def _():
    with World() as w:
        url = "vsphere://127.0.0.1:%d/?fcd=F&fcd-datastore=%s&transport=" % (
            w.fake.port, w.fake.datastore["moref"])
        words = w.options("off", vm=None, transport=None)

        def reads(transport, consumer):
            w.fake.knobs(soap_rules=[rule(
                "RetrieveVStorageObject", "body",
                message=fcd_answer(w.files["off"], consumer))])
            copy = w.path("copy")
            w.img("convert", *words, url + transport, copy)
            with open(copy, "rb") as file:
                equal(file.read(), w.contents["off"], (transport, consumer))

        reads("hotadd:nbdssl", w.fake.vms["off"]["instance_uuid"])
        reads("nbdssl", w.fake.vms["off"]["instance_uuid"])
        reads("nbdssl:hotadd", "")
        for transport in ("nbdssl", "folder", "lease"):
            has(w.fails("info", *words, url + transport),
                "to no virtual machine")
        w.assert_clean()


# -- files of datastores -------------------------------------------------------

def used_disk(w, name):
    return w.fake.state()["vms"][name]["disks"][0]["path"]


@suite.case("transport folder reads files of datastores, chains too")
def _():
    with World() as w:
        copy, words = w.path("copy"), w.options("off", transport="folder")
        has(w.img("info", *words, w.files["off"]).stdout.decode(),
            "transport=folder", "file format: raw")
        w.img("-T", "*", "convert", *words, w.files["off"], copy)
        equal(read_file(copy) == w.contents["off"], True, "the copy")
        w.img("convert", *w.options("on", transport="folder",
                                    snapshot="backup"), w.files["on"], copy)
        equal(read_file(copy) == w.contents["on"], True, "the snapshot")
        w.take_snapshot("off")
        link = used_disk(w, "off")
        w.fake.guest_write(link, 4096, b"late" * 1024)
        w.img("convert", *words, link, copy)
        equal(read_file(copy), w.contents["off"][:4096] + b"late" * 1024
              + w.contents["off"][8192:], "the chain")
        w.img("convert", *words, w.files["off"], copy)
        equal(read_file(copy) == w.contents["off"], True, "the parent")
        has(w.fails("convert", "-n", *words, copy, link), "only read")


@suite.case("transport folder: a session that expires is renewed")
def _():
    with World() as w:
        copy, words = w.path("copy"), w.options("off", transport="folder")
        before = w.logins()
        w.fake.knobs(soap_rules=[rule("GET /folder", "expire", skip=skip,
                                      times=1) for skip in (0, 2)])
        w.img("convert", *words, w.files["off"], copy)
        equal(read_file(copy) == w.contents["off"], True, "the copy")
        equal(w.logins() - before, 3, "logins")
        for action, text in (("cut", "/folder/"), ("close", "/folder/"),
                             ("status", "HTTP status 500")):
            w.fake.knobs(soap_rules=[rule("GET /folder", action, status=500)])
            has(w.fails("info", *words, w.files["off"]), "folder:", text)
        w.fake.knobs(soap_rules=[rule("GET /folder", "status", status=401)])
        has(w.fails("info", *words, w.files["off"]), "HTTP status 401")


@suite.case("transport folder: names of any kind, vCenter and host")
def _():
    for api in ("vc", "esx"):
        with scratch() as directory:
            content, secret, copy = (os.path.join(directory, name)
                                     for name in ("content", "secret", "copy"))
            for path, data in ((content, b"some bytes " * 9000),
                               (secret, PASSWORD.encode())):
                with open(path, "wb") as file:
                    file.write(data[:SIZE])
            with FakeVsphere([vm("a", [disk(content=content,
                                            name="a +%&#.vmdk")])], api=api,
                             datacenter="D C&+", datastore="d s&+") as fake:
                name = fake.vms["a"]["disks"][0]["path"]
                result = run([VDISK_IMG, "convert",
                              *options(fake, secret, "a", transport="folder"),
                              name, copy])
                equal(result.code, 0, result)
            data = read_file(content)
            equal(read_file(copy)[:len(data)] == data, True, api)


# -- exported streams ----------------------------------------------------------

def last_lease(w):
    return w.fake.state()["leases"][-1]


@suite.case("transport lease copies what a server exports, and keeps it awake")
def _():
    with World() as w:
        copy, words = w.path("copy"), w.options("off", transport="lease")
        w.fake.knobs(lease_timeout_s=1, lease_progress=2, lease_state="slow")
        w.img("-T", "*", "convert", *words, w.files["off"], copy)
        equal(read_file(copy) == w.contents["off"], True, "the copy")
        lease = last_lease(w)
        equal((lease["state"], lease["done"]), ("done", 1), "the lease")
        equal(lease["progress_calls"] >= 2, True, "calls")
        w.fake.knobs(lease_progress=0, lease_url="https://localhost:PORT")
        w.img("convert", "-O", "vmdk", "-o", "subformat=streamOptimized",
              *w.options("on", transport="lease", snapshot="backup"),
              w.files["on"], copy)
        equal(last_lease(w)["state"], "done", "the lease")
        w.img("compare", "-f", "raw", "-F", "vmdk", w.path("on"), copy)
        w.take_snapshot("off")
        before = len(w.fake.state()["leases"])
        has(w.fails("info", *words, w.files["off"]), "other files build on it")
        has(w.fails("convert", "-n", *words, copy, used_disk(w, "off")),
            "only read")
        equal(len(w.fake.state()["leases"]), before, "leases")


@suite.case("transport lease: of several disks the one that is meant")
def _():
    with scratch() as directory:
        contents = [bytes([n]) * (1 << 20) for n in (1, 2, 3)]
        paths = [os.path.join(directory, str(n)) for n in range(3)]
        for path, data in zip(paths, contents):
            with open(path, "wb") as file:
                file.write(data)
        secret, copy = (os.path.join(directory, name)
                        for name in ("secret", "copy"))
        with open(secret, "w", encoding="utf-8") as file:
            file.write(PASSWORD)
        with FakeVsphere([vm("a", [disk(content=path)
                                   for path in paths])], api="esx") as fake:
            for place, data in zip(fake.vms["a"]["disks"], contents):
                result = run([VDISK_IMG, "convert",
                              *options(fake, secret, "a", transport="lease"),
                              place["path"], copy])
                equal(result.code, 0, result)
                equal(read_file(copy) == data, True, place)


SOUND_LEASE = {"lease_state": "", "lease_thumbprint": "", "lease_url": "",
               "lease_info": "", "lease_timeout_s": 300, "lease_progress": 0,
               "lease_lost": 0, "soap_rules": []}
# What goes wrong, what is told, and how the lease has ended.
LEASE_TROUBLES = [
    ({"lease_state": "error"}, "Timedout", "error"),
    ({"lease_thumbprint": "wrong"}, "thumbprint", "error"),
    ({"lease_url": "http://localhost:PORT"}, "is none", "error"),
    ({"lease_url": "https://u@localhost:PORT"}, "is none", "error"),
    ({"lease_url": "https://localhost:PORT/#password-file=/etc/passwd,a=b"},
     "is none", "error"),
    ({"lease_url": "https://*x:PORT"}, "is none", "error"),
    ({"lease_url": "https://127.0.0.1:1"}, "127.0.0.1:1", "error"),
    ({"lease_url": "https://*:PORT/exp"}, "HTTP status 404", "error"),
    ({"lease_info": "wrong-key"}, "is not among the 1", "error"),
    ({"lease_timeout_s": 1, "lease_progress": 1 << 30, "lease_lost": 2},
     "has ended the lease: 127.0.0.1", "error"),
] + [({"soap_rules": [rule(on, action, **more)]}, text, state)
     for on, action, more, text, state in (
         ("ExportVm", "fault", {"fault": "FileLocked"}, "FileLocked", None),
         ("GET /exp", "cut", {}, "/lease: ", "error"),
         ("GET /exp", "close", {}, "/lease: ", "error"),
         ("GET /exp", "expire", {}, "has ended the lease: 127.0.0.1", "error"),
         ("GET /exp", "not-xml", {}, "/lease", "error"),
         ("GET /exp", "endless", {}, "sends more", "error"),
         ("GET /exp", "status", {"status": 206}, "does not say", "error"),
         ("HttpNfcLeaseComplete", "fault", {"fault": "Timedout"}, "Timedout",
          "error"))]


@suite.case("transport lease: what goes wrong is told, and no lease stays")
def _():
    with World() as w:
        words = w.options("off", transport="lease")
        for knobs, text, state in LEASE_TROUBLES:
            w.fake.knobs(**dict(SOUND_LEASE, **knobs))
            has(w.fails("info", *words, w.files["off"]), text)
            if state:
                equal(last_lease(w)["state"], state, knobs)


@suite.case("transport lease: what is copied is read while it comes")
def _():
    with World() as w:
        copy, words = w.path("copy"), w.options("off", transport="lease")
        for knobs, *texts in (
                ({"soap_rules": [rule("GET /exp", "cut")]}, "/lease"),
                ({"lease_timeout_s": 1, "lease_progress": 1 << 30,
                  "lease_lost": 2}, "reading block status",
                 "has ended the lease: 127.0.0.1", "The host was lost.")):
            w.fake.knobs(**dict(SOUND_LEASE, **knobs))
            has(w.fails("convert", *words, w.files["off"], copy), *texts)
            equal((last_lease(w)["state"], os.path.exists(copy)),
                  ("error", False), knobs)


def started(*words):
    return subprocess.Popen([VDISK_IMG, "convert", *words],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(process):
    out, err = process.communicate(timeout=120)
    return Result(process.args, subprocess.CompletedProcess(
        process.args, process.returncode, out, err))


def interrupted(w, *words, kind="soap", **moment):
    """convert, stopped when the log has that moment; if none is told, when the
    server has been told that it goes on."""
    moment = moment or {"op": "HttpNfcLeaseProgress"}
    seen = len(w.fake.log(kind, **moment))
    process = started(*words)
    w.fake.wait_for(kind, since=seen, **moment)
    process.send_signal(signal.SIGINT)
    return discreet(w, ended(process))


def exported_by_two(w):
    """The one that comes second is told."""
    words = [*w.options("off", transport="lease"), w.files["off"]]
    w.fake.knobs(lease_progress=1 << 30)
    process = started(*words, w.path("first"))
    w.fake.wait_for("soap", op="ExportVm")
    has(w.fails_beside("convert", *words, w.path("copy")), "TaskInProgress")
    w.fake.knobs(lease_progress=0)
    equal(discreet(w, ended(process)).code, 0, "the first")
    equal(read_file(w.path("first")) == w.contents["off"], True, "bytes")


@suite.case("transport lease: one at a time; whoever is stopped gives it back")
def _():
    with World() as w:
        exported_by_two(w)
        w.fake.knobs(lease_timeout_s=1, lease_progress=1 << 30)
        result = interrupted(w, *w.options("off", transport="lease"),
                             w.files["off"], w.path("copy"))
        equal((last_lease(w)["state"], os.path.exists(w.path("copy"))),
              ("error", False), result)


# -- imported streams ----------------------------------------------------------

def new_vm(fake, **more):
    """The name of a machine that is to be made, "made"; None leaves a key
    out."""
    keys = {"new-vm": fake.datacenter["path"][1:] + "/vm/made",
            "datastore": fake.datastore["name"], "transport": "lease",
            **{key.replace("_", "-"): value for key, value in more.items()}}
    return "vsphere://127.0.0.1:%d/?%s" % (fake.port, "&".join(
        key + "=" + quote(value) for key, value in keys.items() if value))


def vm_path(w, name):
    return "%s/vm/%s" % (w.fake.datacenter["path"][1:], name)


def check_made(fake, data, name="made"):
    found = fake.state()["vms"][name]["disks"]
    equal([d["capacity"] for d in found], [len(data)], "disks")
    equal(fake.guest_read(found[0]["path"], 0, len(data)) == data, True,
          "the disk")
    lease = fake.state()["leases"][-1]
    equal((lease["state"], lease["done"], lease["import"]), ("done", 1, True),
          "the lease")


@suite.case("a new machine is made of what is sent, and kept awake meanwhile")
def _():
    with World() as w:
        words = w.options("off", vm=None, transport=None)
        w.fake.knobs(lease_timeout_s=1, lease_progress=1, lease_state="slow")
        before = w.logins()
        w.img("-T", "*", "convert", *words, w.path("on"), new_vm(w.fake))
        check_made(w.fake, w.contents["on"])
        equal(last_lease(w)["progress_calls"] > 0, True, "calls")
        equal(w.logins() - before, 1, "logins")
        has(w.fails("convert", *words, w.path("on"), new_vm(w.fake)),
            "/vm/made' exists")
        with open(w.path("odd"), "wb") as file:
            file.truncate(65 << 10)  # a grain and a bit
        w.fake.knobs(**SOUND_LEASE)
        w.img("convert", "-f", "raw", *words, w.path("odd"),
              new_vm(w.fake, new_vm=vm_path(w, "odd")))
        check_made(w.fake, bytes(65 << 10), "odd")


@suite.case("a new machine: of a host, too, and where it is told to be")
def _():
    with scratch() as directory:
        source, secret = (os.path.join(directory, name)
                          for name in ("source", "secret"))
        data = b"not much" * 1024 + bytes(MIB - 8192)
        for path, text in ((source, data), (secret, PASSWORD.encode())):
            with open(path, "wb") as file:
                file.write(text)
        for api in ("esx", "vc"):
            with FakeVsphere([], api=api) as fake:
                words = options(fake, secret, None, vm=None, transport=None)
                above, host = fake.host["path"][1:].rsplit("/", 1)
                for name, pool in (("a", None), ("b", above),
                                   ("c", "%s/%s" % (above, host)),
                                   ("d", above + "/Resources")):
                    result = run([
                        VDISK_IMG, "convert", "-O", "vmdk", *words, source,
                        new_vm(fake, pool=pool, new_vm="%s/vm/%s" % (
                            fake.datacenter["path"][1:], name))])
                    equal(result.code, 0, result)
                    check_made(fake, data, name)


# What goes wrong and what is told; no machine stays.
IMPORT_TROUBLES = [
    ({"lease_state": "error"}, "Timedout"),
    ({"lease_thumbprint": "wrong"}, "thumbprint"),
    ({"lease_url": "http://localhost:PORT"}, "is none"),
    ({"lease_url": "https://127.0.0.1:1"}, "127.0.0.1:1"),
    ({"lease_url": "https://*:PORT/exp"}, "/lease"),
    ({"lease_info": "none"}, "wants 0 disks"),
    ({"lease_info": "two"}, "wants 2 disks"),
    ({"lease_info": "wrong-key"}, "not one at VirtualLsiLogicController0:0"),
    ({"lease_timeout_s": 1, "lease_lost": 2, "soap_rules": [
        rule("POST /exp", "stall")]}, "The host was lost."),
] + [({"soap_rules": [rule(on, action, **more)]}, text)
     for on, action, more, text in (
         ("ImportVApp", "fault", {"fault": "NoPermission"}, "NoPermission"),
         ("POST /exp", "close", {}, "/lease"),
         ("POST /exp", "close", {"bytes": 65536}, "/lease"),
         ("POST /exp", "status", {"status": 500}, "/lease"),
         ("POST /exp", "status", {"status": 507, "bytes": 65536},
          "the server has no space"),
         ("POST /exp", "expire", {}, "HTTP status 404"),
         ("ImportVApp", "fault", {"fault": "DuplicateName"}, "DuplicateName"),
         ("HttpNfcLeaseComplete", "fault", {"fault": "Timedout"}, "Timedout"))]


@suite.case("a new machine: what goes wrong is told, and no half of it stays")
def _():
    with World() as w:
        words = w.options("off", vm=None, transport=None)
        for knobs, text in IMPORT_TROUBLES:
            w.fake.knobs(**dict(SOUND_LEASE, **knobs))
            has(w.fails("convert", *words, w.path("on"), new_vm(w.fake)), text)
            equal("made" in w.fake.state()["vms"], False, knobs)


def import_words(w, name="made"):
    return [*w.options("off", vm=None, transport=None), w.path("on"),
            new_vm(w.fake, new_vm=vm_path(w, name))]


def stopped(w):
    """At every step: no half of one is left."""
    for on, action in (("Login", "stall"), ("FindByInventoryPath", "stall"),
                       ("ImportVApp", "delay"), ("POST /exp", "delay"),
                       ("POST /exp", "stall"),
                       ("HttpNfcLeaseComplete", "delay")):
        w.fake.knobs(soap_rules=[rule(on, action, ms=300)])
        result = interrupted(w, *import_words(w), kind="rule", on=on)
        made = "made" in w.fake.state()["vms"]
        equal(result.code == 0, made, result)
        if made:
            check_made(w.fake, w.contents["on"])
            equal(on, "HttpNfcLeaseComplete", "stopped too late")


def names_read(w):
    return w.fake.ops().count("RetrievePropertiesEx")


def lost_ends(w):
    """The answer to the last question does not come."""
    lost = rule("HttpNfcLeaseComplete", "cut")
    counts = []
    for name, rules in (("done", [lost]),
                        ("again", [dict(lost, do="close", times=1)])):
        counts.append(names_read(w))
        w.fake.knobs(soap_rules=rules)
        w.img("convert", *import_words(w, name))
        check_made(w.fake, w.contents["on"], name)
    # The last one asks what became of the lease.
    w.fake.knobs(soap_rules=[lost, rule(
        "RetrievePropertiesEx", "close", skip=counts[1] - counts[0] - 1)])
    has(w.fails("convert", *import_words(w, "unknown")),
        "nobody can tell whether the server has completed it")
    w.fake.knobs(soap_rules=[])
    check_made(w.fake, w.contents["on"], "unknown")


def wanted_twice(w):
    """Of two that want one name one gets it."""
    w.fake.knobs(soap_rules=[rule("ImportVApp", "delay", ms=500)])
    results = [ended(process) for process in
               [started(*import_words(w, "twice")) for _ in range(2)]]
    equal(sorted(result.code for result in results), [0, 1], results)
    for result in results:
        if result.code and not any(
                word in result.stderr.decode()
                for word in ("DuplicateName (twice)", "/vm/twice' exists")):
            raise Failed(result)
    check_made(w.fake, w.contents["on"], "twice")


@suite.case("a new machine: stopped, of an end that is lost, wanted by two")
def _():
    with World() as w:
        stopped(w)
        lost_ends(w)
        wanted_twice(w)


@suite.case("a new machine: words that make no sense ask for no lease")
def _():
    with World() as w:
        words = w.options("off", vm=None, transport=None)
        center = w.fake.datacenter["path"][1:]
        for more, text in (
                ({"datastore": None}, "needs both"),
                ({"datastore": "none"}, "no datastore 'none'"),
                ({"new_vm": "made"}, "is no place"),
                ({"new_vm": center + "/vm/no/made"}, "/vm/no' in the inv"),
                ({"new_vm": center + "/vm/off"}, "/vm/off' exists"),
                ({"new_vm": center + "/vm/off/made"}, "no folder"),
                ({"pool": center + "/vm"}, "no resource pool"),
                ({"transport": "nbdssl"}, "transport lease, not"),
                ({"vm": "x"}, "makes no sense")):
            has(w.fails("convert", *words, w.path("on"),
                        new_vm(w.fake, **more)), text)
        for more, text in ((("-O", "raw"), "streamOptimized VMDK only"),
                           (("-O", "vmdk", "-o", "subformat=monolithicSparse"),
                            "streamOptimized"),
                           (("-n",), "is to be made"),
                           (("--verify",), "cannot read back")):
            has(w.fails("convert", *more, *words, w.path("on"),
                        new_vm(w.fake)), text)
        for size, text in ((0, "a size of 0"), (1536, "not of 1536 bytes")):
            with open(w.path("odd"), "wb") as file:
                file.truncate(size)
            has(w.fails("convert", "-f", "raw", *words, w.path("odd"),
                        new_vm(w.fake)), text)
        has(w.fails("info", *words, new_vm(w.fake)), "is to be made")
        equal(w.fake.state()["leases"], [], "leases")


# -- passwords that are typed --------------------------------------------------

def prompted(w, *words):
    return Terminal([VDISK_IMG, *words, *w.options("off", password_file=None),
                     w.files["off"]], w.environment())


@suite.case("the terminal is asked and shows nothing")
def _():
    with World() as w, prompted(w, "info", "--output=json") as t:
        t.await_text("Password of %s@127.0.0.1: " % w.fake.user)
        equal(t.echoes(), False, "echo")
        t.type(PASSWORD + "\n")
        result = discreet(w, t.finish())
        equal((result.code, t.echoes()), (0, True), result)
        if PASSWORD.encode() in t.shown:
            raise Failed("it has been shown: %r" % t.shown)


@suite.case("without a terminal, a line, or patience it is refused")
def _():
    with World() as w:
        result = run(["setsid", "--wait", VDISK_IMG, "info",
                      *w.options("off", password_file=None), w.files["off"]])
        equal(result.code, 1, result)
        has(discreet(w, result).stderr.decode(), "there is no terminal",
            "--vi-password-file")
        for line in ("\n", "\x04", "x" * 2000 + "\n"):
            with prompted(w, "info") as t:
                t.await_text("Password")
                t.type(line)
                result = t.finish()
                equal((result.code, t.echoes()), (1, True), result)
                has(result.stderr.decode(), "no password of")


@suite.case("signals end or stop it with the terminal as it was")
def _():
    with World() as w:
        for sent, typed in ((signal.SIGTERM, None), (signal.SIGHUP, None),
                            (signal.SIGINT, "\x03")):
            with prompted(w, "info") as t:
                t.await_text("Password")
                t.type("half a pass")
                if typed:
                    t.type(typed)
                else:
                    t.process.send_signal(sent)
                result = t.finish()
                equal((result.code, t.echoes()), (-sent, True), result)
        with prompted(w, "info") as t:
            t.await_text("Password")
            t.process.send_signal(signal.SIGTSTP)
            # A terminal's only process has no shell to stop for: asked again.
            t.await_text("Password", times=2)
            equal(t.echoes(), False, "echo")
            t.type(PASSWORD + "\n")
            equal(t.finish().code, 0, "exit")


# -- servers -------------------------------------------------------------------

def served(w, *argv):
    """What a server of the disk "off" gives its clients."""
    copy = w.path("served")
    result = run([VDISK_IMG, "convert", *argv, copy])
    equal(result.code, 0, result)
    equal(read_file(copy), w.contents["off"], "bytes")


@suite.case("vdisk-nbd: in /proc, and for what it runs, there is no password")
def _():
    with World() as w:
        seen = w.path("seen")
        script = "cat /proc/$PPID/environ /proc/$PPID/cmdline " \
            "/proc/self/environ >'%s'; '%s' convert \"$uri\" '%s'" % (
                seen, VDISK_IMG, w.path("copy"))
        words = w.options("off", password_file=None, password_env="VI_SECRET")
        result = run([VDISK_NBD, "-r", *words, "--run", script,
                      w.files["off"]], env={"VI_SECRET": PASSWORD})
        equal(discreet(w, result).code, 0, result)
        with open(seen, "rb") as file:
            text = file.read()
        if PASSWORD.encode() in text or b"--vi-password-env" not in text:
            raise Failed(text)
        served(w, w.path("copy"))


@suite.case("vdisk-nbd --fork asks before it leaves the terminal")
def _():
    with World() as w:
        pid_file, socket = w.path("pid"), w.path("socket")
        argv = [VDISK_NBD, "--fork", "-r", "-k", socket, "--pid-file",
                pid_file, *w.options("off", password_file=None),
                w.files["off"]]
        with Terminal(argv, w.environment()) as t:
            t.await_text("Password")
            t.type(PASSWORD + "\n")
            result = t.finish()
        equal(result.code, 0, result)
        with open(pid_file, encoding="ascii") as file:
            ended = os.pidfd_open(int(file.read()))
        served(w, "nbd+unix:///?socket=" + socket)
        equal(select.select([ended], [], [], 60)[0], [ended], "its end")
        os.close(ended)


suite.run()
