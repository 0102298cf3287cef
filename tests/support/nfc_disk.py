# SPDX-License-Identifier: BSD-3-Clause
"""nfc_disk - disks of a fakevsphere for the driver nfc.

    with FakeVsphere(vms=[...]) as fake, NfcDisk(fake, "a") as disk:
        vdisk_img("convert", "-O", "raw", disk.name(), "out.raw")

The driver has its tickets from a pipe, which gives a fresh one to whoever opens
it.
"""
import contextlib
import json
import os
import threading

from nfc_client import get_ticket
from soap_client import SoapClient


class NfcDisk:
    def __init__(self, fake, vm, disk=0, writable=False):
        self.fake = fake
        self.vm = fake.vms[vm]["moref"]
        self.disk = fake.vms[vm]["disks"][disk]
        self.writable = writable
        self.file = fake.path("tickets-%s-%d" % (vm, id(self)))
        self.tickets = []  # session ids, none of which may ever be shown
        self.client = SoapClient(fake.port)
        self.client.login(fake.user, fake.password)
        self.service = "vpxa-nfc" if fake.api_type == "VirtualCenter" else "nfc"
        self.over = False
        os.mkfifo(self.file)
        self.thread = threading.Thread(target=self.give, daemon=True)
        self.thread.start()

    def new_ticket(self):
        if self.writable:
            ticket = get_ticket(self.client, self.vm, "NfcRandomAccessOpenDisk",
                                self.disk["key"], self.fake.host["moref"])
        else:
            ticket = get_ticket(self.client, self.vm, "NfcGetVmFiles")
        assert ticket["service"] == self.service
        self.tickets.append(ticket["sessionId"])
        return ticket["sessionId"]

    def give(self):
        while not self.over:
            pipe = os.open(self.file, os.O_WRONLY)  # waits for a reader
            with contextlib.suppress(BrokenPipeError):
                if not self.over:
                    os.write(pipe, (self.new_ticket() + "\n").encode())
            os.close(pipe)

    def options(self, **more):
        """Those of the driver; None takes one away, "_" stands for "-"."""
        options = {"driver": "nfc", "host": "127.0.0.1",
                   "port": self.fake.authd_port, "path": self.disk["path"],
                   "thumbprint": self.fake.host_thumbprint,
                   "service": self.service, "session-id-file": self.file}
        options.update((key.replace("_", "-"), value)
                       for key, value in more.items())
        return {key: value for key, value in options.items()
                if value is not None}

    def name(self, **more):
        return "json:" + json.dumps({"driver": "raw",
                                     "file": self.options(**more)})

    def content(self):
        return self.fake.guest_read(self.disk["path"], 0,
                                    self.disk["capacity"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over = True
        with contextlib.suppress(OSError):
            os.close(os.open(self.file, os.O_RDONLY | os.O_NONBLOCK))
        self.thread.join()
        self.client.close()
