# SPDX-License-Identifier: BSD-3-Clause
"""checks - what "vdisk-img check" has to say of an image."""
import json

from tools import VDISK_IMG, Failed, run


def lags(finding):
    """The redundant tables repeat the primary ones; in an image that was not
    closed cleanly they may be behind."""
    return "redundant" in finding["detail"]


def assert_sound(image, where, allow_lagging=False):
    """No damage; leaks are no damage."""
    result = run([VDISK_IMG, "check", "-f", "vmdk", "--output=json", image])
    if result.code in (0, 3):
        return
    findings = json.loads(result.stdout).get("findings", [])
    bad = [f for f in findings if f["kind"] not in ("leak", "note")]
    unclean = any("not closed cleanly" in f["detail"] for f in findings)
    if not (bad and allow_lagging and unclean and all(map(lags, bad))):
        raise Failed("%s: %s" % (where, result))
