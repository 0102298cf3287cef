#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-stream-lint - check --profile=esxi-import on streams of other products.

What VMware's software and tools that vSphere takes files of have written is
clean but for notes; what qemu-img has written breaks exactly the rules that
importers refuse it for.  Each finding was looked at in the bytes.
"""
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import samples  # noqa: E402
from digest import raw_sha256  # noqa: E402
from readers import expect  # noqa: E402
from tap import Suite, skip_all  # noqa: E402
from tools import (VDISK_IMG, run, scratch, vdisk_img,  # noqa: E402
                   vdisk_img_fails)

# sample -> rules broken, rules noted
WANTED = {
    "cot-blank": ([], []),
    "cot-ubuntu": ([], ["descriptor-adapter"]),
    "gvp-streamoptimized": (["eos-missing", "header-flags",
                             "header-redundant"], ["descriptor-adapter"]),
    "openvmdk-a-c1-n1": ([], ["record-size"]),
    "openvmdk-b-33g": ([], []),
    "qemu-iotest-version3": ([], ["descriptor-blanks"]),
    "sr-compressed_stream_opt": (["eos-tail", "header-flags",
                                  "header-redundant"], ["descriptor-adapter"]),
    "vmdkrs-streamOptimized": ([], ["descriptor-adapter"]),
}


def lint(image):
    """Exit code, rules broken, rules noted."""
    result = run([VDISK_IMG, "check", "--profile=esxi-import",
                  "--output=json", image])
    findings = json.loads(result.stdout).get("findings", [])
    rules = {kind: sorted(f["rule"] for f in findings if f["kind"] == kind)
             for kind in ("breach", "note")}
    expect(len(findings), len(rules["breach"]) + len(rules["note"]), image)
    return result.code, rules["breach"], rules["note"]


def sample_is_judged(sample):
    broken, noted = WANTED[sample.name]
    with scratch() as tmp:
        expect(lint(sample.unpack(tmp)), (2 if broken else 0, broken, noted),
               sample.name)


def ova_disks_are_clean(sample):
    with scratch() as tmp:
        for image in samples.unpack_ova(sample, tmp):
            status, broken, _ = lint(image)
            expect((status, broken), (0, []), image)


def cut_sample_is_recovered(sample):
    """An export of ovftool that ends at 1 MiB: its 35 whole grains stay."""
    wanted = re.search(r"in (\d+) bytes, give sha256 ([0-9a-f]{64})",
                       sample.expected + sample.agree + sample.notes)
    with scratch() as tmp:
        image = samples.unpack_ova(sample, tmp)[0]
        os.chmod(image, 0o600)
        vdisk_img_fails("info", image)
        result = run([VDISK_IMG, "repair", "--stream", "--output=json", image])
        answer = json.loads(result.stdout)
        expect((result.code, answer["cut"], answer["grains"]), (3, True, 35),
               "repair")
        expect(lint(image)[:2], (0, []), "lint")
        raw = os.path.join(tmp, "out.raw")
        vdisk_img("convert", "-O", "raw", image, raw)
        expect(raw_sha256(raw), (int(wanted[1]), wanted[2]), "content")


def main():
    if not samples.available():
        skip_all("no sample images at " + samples.ROOT)

    suite = Suite()
    for sample in samples.load("VMDK"):
        if sample.name in WANTED:
            suite.add("%s is judged rightly" % sample.name, sample_is_judged,
                      sample)
    for sample in samples.load("OVA"):
        if "the disk must fail" not in sample.expected:
            suite.add("disks of %s are clean" % sample.name,
                      ova_disks_are_clean, sample)
        else:
            suite.add("%s is recovered" % sample.name,
                      cut_sample_is_recovered, sample)
    suite.run()


main()
