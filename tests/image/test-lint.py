#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-lint - check --profile=esxi-import on streams of other products.

What VMware's software and tools that vSphere takes files of have written is
clean but for notes; what qemu-img has written breaks exactly the rules that
importers refuse it for.  Each finding was looked at in the bytes.
"""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import samples  # noqa: E402
from readers import expect  # noqa: E402
from tap import Suite, skip_all  # noqa: E402
from tools import VDISK_IMG, run, scratch  # noqa: E402

# sample -> rules broken, rules noted
WANTED = {
    "cot-blank": ([], []),
    "cot-ubuntu": ([], ["descriptor-adapter", "descriptor-blanks"]),
    "gvp-streamoptimized": (["eos-missing", "header-flags",
                             "header-redundant"], ["descriptor-adapter"]),
    "openvmdk-a-c1-n1": ([], ["record-size"]),
    "openvmdk-b-33g": ([], []),
    "qemu-iotest-version3": ([], ["descriptor-blanks"]),
    "sr-compressed_stream_opt": (["eos-tail", "header-flags",
                                  "header-redundant"], ["descriptor-adapter"]),
    "vmdkrs-streamOptimized": ([], ["descriptor-adapter",
                                    "descriptor-blanks"]),
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
    suite.run()


main()
