# SPDX-License-Identifier: BSD-3-Clause
"""samples - images that other products wrote, with known contents.

They lie beside the project (../shared/samples) or where VDISK_SAMPLES says;
MANIFEST.tsv there has a row per file.  Without them the tests skip.
"""
import csv
import gzip
import lzma
import os
import re
import shutil
import tarfile

from tools import SOURCE_ROOT, scratch

ROOT = os.environ.get("VDISK_SAMPLES") or os.path.join(
    SOURCE_ROOT, "../shared/samples")
MANIFEST = os.path.join(ROOT, "MANIFEST.tsv")


class Sample:
    """One row of the manifest that is to be opened."""

    def __init__(self, row):
        self.name = row["sample"]
        self.stored = row["file"]
        self.format = row["format"]
        # A remark may stand behind the number.
        self.size = int((row["virtual size"].split() or ["0"])[0])
        column = "sha256 of raw content, or the expected error"
        self.expected = row[column]
        self.nz64k = row["nz64k digest of raw content"]
        self.notes = row["notes"]
        self.agree = row["readers that agreed"]

    @property
    def must_fail(self):
        return self.expected.startswith("must fail")

    def unpack(self, directory):
        """Put all files of the sample there; the path of the one to open."""
        origin = os.path.join(ROOT, os.path.dirname(self.stored))
        for name in os.listdir(origin):
            unpack_file(os.path.join(origin, name), directory)
        return os.path.join(directory,
                            unpacked_name(os.path.basename(self.stored)))


def unpacked_name(name):
    return re.sub(r"\.(xz|gz)$", "", name)


def unpack_file(path, directory):
    """Unpack or copy; runs of zeroes become holes."""
    opener = {".xz": lzma.open, ".gz": gzip.open}.get(
        os.path.splitext(path)[1], open)
    target = os.path.join(directory, unpacked_name(os.path.basename(path)))
    with opener(path, "rb") as source, open(target, "wb") as out:
        while block := source.read(1 << 20):
            if block.count(0) == len(block):
                out.seek(len(block), os.SEEK_CUR)
            else:
                out.write(block)
        out.truncate()


def available():
    return os.path.exists(MANIFEST)


def load(*formats):
    """Samples of these formats ("VMDK", "RAW", "OVA" ...)."""
    with open(MANIFEST, newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [Sample(row) for row in rows if row["opens as"] == "yes"
                and row["format"].upper() in formats]


def ova_disks(sample):
    """(member, size, sha256) of an OVA's good disks, from the manifest."""
    pattern = r"disk(\d+) (\d+) bytes ([0-9a-f]{64})"
    return [(int(number), int(size), digest) for number, size, digest
            in re.findall(pattern, sample.expected)]


def unpack_ova(sample, directory):
    """Take the disks out of an OVA; their paths, disk 1 first."""
    paths = []
    with scratch() as tmp:
        with tarfile.open(sample.unpack(tmp)) as archive:
            for member in archive:
                if member.name.endswith(".vmdk"):
                    path = os.path.join(directory,
                                        os.path.basename(member.name))
                    with archive.extractfile(member) as source, \
                            open(path, "wb") as out:
                        shutil.copyfileobj(source, out)
                    paths.append(path)
    return sorted(paths)
