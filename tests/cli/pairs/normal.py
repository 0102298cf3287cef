# SPDX-License-Identifier: BSD-3-Clause
"""normal - what two results of one invocation may differ in, and why.

Each function below takes away one difference, as narrowly as it can be told;
whatever else differs fails the pair.  Those that begin with ours_ are applied
to our output only: they take away what we print and qemu-img does not.
"""
import json
import re

from tools import Failed

# img-cli.md 8.1: keys that we add to what qemu-img tells of a VMDK.
OUR_DATA_KEYS = (
    "hw-version", "tools-version", "adapter-type", "geometry",
    "long-content-id", "uuid", "encoding", "header-version", "zeroed-grain",
    "embedded-descriptor", "parent-hint", "change-tracking",
    "dirty-shutdown")
# QEMU tells nothing specific of these.
UNTOLD = ("vpc", "vhdx", "vdi")
OUR_DESCRIPTOR_KEYS = ("encoding", "isNativeSnapshot", "ddb.longContentID",
                       "ddb.uuid")
# What importers ask of a streamOptimized image: a SCSI adapter and its
# geometry, and no guess at the guest's tools.
STREAM_KEYS = ("ddb.adapterType", "ddb.toolsVersion",
               "ddb.geometry.cylinders", "ddb.geometry.heads",
               "ddb.geometry.sectors")
IDE_MAX_CYLINDERS = 16383
OUR_CHECK_KEYS = (
    "image-end-offset", "total-clusters", "allocated-clusters",
    "fragmented-clusters", "compressed-clusters")
COUNTED = (".qcow2",)
OUR_EXTENT_KEYS = ("access", "offset")


def progress(text):
    """When progress is shown depends on how the work is cut into pieces: a
    line of it that begins at 0, never falls and ends at 100 is one that does.
    """
    def collapse(match):
        shares = [float(s) for s in re.findall(r"\((\d+\.\d\d)/",
                                               match.group(0))]
        if shares != sorted(shares):
            raise Failed("progress falls: %s" % shares)
        return "<progress %.2f to %.2f>" % (shares[0], shares[-1])

    return re.sub(r"(    \(\d+\.\d\d/100%\)\r)+", collapse, text)


def seconds(text):
    """The time that bench took."""
    return re.sub(r"^Run completed in \d+\.\d{3} seconds\.$",
                  "Run completed in <time> seconds.", text, flags=re.M)


def ours_bench(words, text):
    """What ours measures beyond the time (img-cli.md 8.6 [+])."""
    if words[:1] != ["bench"]:
        return text
    return re.sub(r"^(engine|requests|IOPS|throughput|processor time|"
                  r"((read|write|flush) )?"
                  r"latency): .*\n", "", text, flags=re.M)


def bitmap_image(text):
    """QEMU names the node, which nobody gave a name, and not the file."""
    text = re.sub(r"(Can't make bitmap '.*' persistent in )'\S+'(?=: )",
                  r"\1<image>", text)
    return re.sub(r"(?<=Can't store persistent bitmaps to )\S+(?=: )",
                  "<image>", text)


def thin_info(info):
    """Our keys of an info object, and the format of a sparse extent in the
    image's own file, which qemu-img leaves empty (img-cli.md 8.1 [D])."""
    if info["format"] in UNTOLD:
        info.pop("format-specific", None)
    data = info.get("format-specific", {}).get("data", {})
    for key in OUR_DATA_KEYS:
        data.pop(key, None)
    for extent in data.get("extents", []):
        for key in OUR_EXTENT_KEYS:
            extent.pop(key, None)
        if (extent["format"] == "SPARSE" and
                extent["filename"] == info["filename"]):
            extent["format"] = ""


def empty_list(text):
    """Both print one on two lines, Python's json on one."""
    return re.sub(r"\[\n *\]", "[]", text)


def ours_info_json(words, text):
    """What we add to `info --output=json`; the form of the document stays
    compared, for it is printed again as both print it."""
    if words[:1] != ["info"] or not text or "--output=json" not in words:
        return text
    document = json.loads(text)
    if (json.dumps(document, indent=4, ensure_ascii=False) + "\n" !=
            empty_list(text)):
        raise Failed("this is not the form of a document: %s" % text)
    for info in document if isinstance(document, list) else [document]:
        thin_info(info)
    return json.dumps(document, indent=4, ensure_ascii=False) + "\n"


def ours_info_human(words, text):
    """The same in the form for people: lines of our keys and what stands
    indented below them."""
    if words[:1] != ["info"] or "Format specific" not in text:
        return text
    kept, skipping, image, extent = [], None, None, None
    untold = re.search("^file format: (%s)$" % "|".join(UNTOLD), text, re.M)
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip())
        if skipping is not None and indent > skipping:
            continue
        skipping = None
        if untold and line == "Format specific information:":
            skipping = 0
            continue
        key = line.strip().split(":")[0].replace(" ", "-")
        if ((indent == 4 and key in OUR_DATA_KEYS) or
                (indent == 12 and key in OUR_EXTENT_KEYS)):
            skipping = indent
            continue
        if line.startswith("image: "):
            image = line[len("image: "):]
        if indent == 12 and key == "filename":
            extent = line.strip()[len("filename: "):]
        if (indent == 12 and line.strip() == "format: SPARSE" and
                extent == image):
            line = line.replace("SPARSE", "")
        kept.append(line)
    return "\n".join(kept)


def ours_check(words, text):
    """qemu-img counts no clusters of a VMDK and finds nothing in it that is
    a note, not an error (img-cli.md 8.3)."""
    if words[:1] != ["check"] or any(
            words[-1].endswith(e) for e in COUNTED):
        return text
    if text.startswith("{"):
        document = json.loads(text)
        for key in OUR_CHECK_KEYS:
            document.pop(key, None)
        findings = document.get("findings", [])
        if findings and {f["kind"] for f in findings} == {"note"}:
            del document["findings"]
        return json.dumps(document, indent=4, ensure_ascii=False) + "\n"
    text = re.sub(r"^note: .*\n", "", text, flags=re.M)
    return re.sub(r"^\d+/\d+ = \d+\.\d\d% allocated, \d+\.\d\d% fragmented, "
                  r"\d+\.\d\d% compressed clusters\n"
                  r"|^Image end offset: \d+\n", "", text, flags=re.M)


def ours_error_document(words, text, result):
    """With --output=json an error is a document on stdout too (img-cli.md
    5 [+]): it must be one, tell what stderr tells, and be all there is."""
    if (result.code == 0 or not text.startswith('{\n    "error": {') or
            not wants_json(words)):
        return text
    message = json.loads(text)["error"]["message"]
    if "qemu-img: " + message.split("\n")[0] not in result.stderr.decode():
        raise Failed("the document tells another error: %s" % text)
    return ""


def wants_json(words):
    return "--output=json" in words or "json" in words


def ours_hint(text):
    """Hints that follow a message on a line of their own, and commit's warning
    of other children of the same parent (img-cli.md 8.11)."""
    for hint in HINTS:
        text = re.sub("^" + hint + "\n", "", text, flags=re.M)
    return text


HINTS = (
    r"qemu-img: warning: .*: is another child of .*, and will not be valid "
    r"any more",
    r"qemu-img: warning: .*: VMware's products open no child that is not as "
    r"large as its parent, which has \d+ bytes",
    # bench -w, as all that writes to a parent
    r"qemu-img: warning: .*: is the parent of .*; it is being changed, and will "
    r"no longer fit",
    # snapshot -c, img-cli.md 8.12
    r"A child disk keeps the state that its parent has now: .*",
    # map in human form, img-cli.md 8.2
    r"Use --output=json to see all of them\.",
    # convert --target-image-opts
    r"Without it, only driver=FMT,file\.filename=FILE is understood\.",
    # What is wanted where qemu-img tells what was found.
    r"Parameter '.*' is one of: .*\.",
    r".*: images of format 'raw' have no parent\.",
    r".*: a plain file has none of its own\.",
    r".*: changing the size from \d+ to \d+ bytes: File too large",
    # The sum of what could not be read.
    r"qemu-img: warning: \d+ bytes could not be read and are zeroes in '.*'",
)


def theirs_utf8(text):
    """QEMU escapes in JSON what is not ASCII; ours is UTF-8 (img-cli.md 5).
    """
    return re.sub(r"\\u([0-9A-F]{4})", lambda m: chr(int(m.group(1), 16)),
                  text)


def theirs_guess(text):
    """Our warnings all begin with the program's name, this one too."""
    return re.sub(
        r"^WARNING: (Image format was not specified for '.*' and probing "
        r"guessed raw\.\n) {9}(.*\n) {9}", r"qemu-img: warning: \1\2", text,
        flags=re.M)


def theirs_newline(text):
    """One hint ends without one ("Detected format of ...")."""
    return text + "\n" if text and not text.endswith("\n") else text


def theirs(words, result):
    """(stdout, stderr) to compare."""
    text = seconds(progress(result.stdout.decode()))
    if wants_json(words):
        text = theirs_utf8(text)
    if words[:1] == ["info"]:
        text = empty_list(text)
    return (text,
            theirs_newline(theirs_guess(bitmap_image(result.stderr.decode()))))


def ours(words, result):
    text = seconds(progress(result.stdout.decode()))
    text = ours_error_document(words, text, result)
    text = ours_check(words, text)
    text = ours_bench(words, text)
    text = ours_info_json(words, text)
    text = ours_info_human(words, text)
    return text, bitmap_image(ours_hint(result.stderr.decode()))


def descriptor(text):
    """The facts of a descriptor that QEMU writes, too, in any order.

    Ours are written as VMware writes them: more keys, sorted.  A content ID is
    drawn by lot; it must be one.  No geometry has zero cylinders or more than
    IDE can tell, and those of SCSI disks follow VMware's rule where QEMU has one
    for all sizes.
    """
    facts = {}
    for line in text.splitlines():
        key, separator, value = line.partition("=")
        key = key.strip()
        if key == "CID" and re.fullmatch("[0-9a-f]{1,8}", value):
            continue
        if key == "parentCID" and re.fullmatch("[0-9a-f]{1,8}", value):
            value = value.zfill(8)  # QEMU writes no leading zeroes
        if key == "ddb.geometry.cylinders":
            cylinders = int(value.strip(' "'))
            value = ' "%d"' % max(1, min(cylinders, IDE_MAX_CYLINDERS))
        if line.startswith(("RW ", "RDONLY ", "NOACCESS ")):
            facts.setdefault("extents", []).append(line)
        elif separator and key not in OUR_DESCRIPTOR_KEYS:
            facts[key] = value.strip()
    if facts.get("createType") == '"streamOptimized"':
        for key in STREAM_KEYS:
            facts.pop(key, None)
    if facts.get("ddb.adapterType") != '"ide"':
        for key in [key for key in facts if key.startswith("ddb.geometry")]:
            del facts[key]
    return facts
