# SPDX-License-Identifier: BSD-3-Clause
"""table - rows of results: for the terminal, for documents, as JSON.

A ratio over 1 means that ours is faster (or takes less processor time).
"""
import collections

# What a row should reach; of: "wall" or "cpu"; bytes: at most so many times the
# peer's file.
Goal = collections.namedtuple("Goal", "at_least aim of bytes",
                              defaults=("wall", None))

TEXT = ("%-60s %-7s %-14s %8s %8s %6s %8s %8s %6s %11s %13s %6s  %s")
HEAD = ("job", "engine", "beside", "ours s", "theirs s", "ratio", "ours CPU",
        "th. CPU", "ratio", "peak MiB", "calls/MiB", "size", "goal")


def seconds(value):
    return "%.4f" % value if value < 0.1 else "%.3f" % value


def ratio(value):
    return "-" if value is None else "%.2f" % value


def size_text(value):
    """Nothing if both files are as large."""
    return "" if value is None or value == 1 else "%.2f" % value


def of_both(row, key, form):
    pair = [row["ours"].get(key), row["theirs"].get(key)]
    if pair == [None, None]:
        return ""
    return " / ".join("-" if v is None else form % v for v in pair)


def divide(above, below):
    return above / below if above and below else None


def make(name, engine, versus, ours, theirs, goal):
    """@ours and @theirs: seconds, cpu, peak-mib, bytes, calls-per-mib."""
    row = {"name": name, "engine": engine or "", "versus": versus,
           "ours": ours, "theirs": theirs,
           "ratio": divide(theirs["seconds"], ours["seconds"]),
           "cpu-ratio": divide(theirs["cpu"], ours["cpu"]),
           "size-ratio": divide(ours.get("bytes"), theirs.get("bytes"))}
    if goal:
        row.update({"at-least": goal.at_least, "aim": goal.aim,
                    "of": goal.of, "size-at-most": goal.bytes,
                    "reached": reached(row, goal)})
    return row


def reached(row, goal):
    if goal.bytes and (row["size-ratio"] or 0) > goal.bytes:
        return "too large"
    got = row["cpu-ratio" if goal.of == "cpu" else "ratio"]
    if got is None or got < goal.at_least:
        return "missed"
    return "aim" if got >= goal.aim else "at least"


def goal_text(row):
    if "reached" not in row:
        return ""
    text = "%s (%s%gx, aim %gx" % (
        row["reached"], "CPU " if row["of"] == "cpu" else "",
        row["at-least"], row["aim"])
    if row["size-at-most"]:
        text += ", size %.2f" % row["size-at-most"]
    return text + ")"


def cells(row):
    """As HEAD has them."""
    return (row["name"], row["engine"], row["versus"],
            seconds(row["ours"]["seconds"]), seconds(row["theirs"]["seconds"]),
            ratio(row["ratio"]), "%.3f" % row["ours"]["cpu"],
            "%.3f" % row["theirs"]["cpu"], ratio(row["cpu-ratio"]),
            of_both(row, "peak-mib", "%.0f"),
            of_both(row, "calls-per-mib", "%.1f"),
            size_text(row["size-ratio"]),
            goal_text(row))


def head():
    return TEXT % HEAD


def line(row):
    return (TEXT % cells(row)).rstrip()


def markdown(rows):
    """The columns in which there is something."""
    table = [cells(row) for row in rows]
    used = [n for n in range(len(HEAD)) if any(row[n] for row in table)]
    words = {0, 1, 2, len(HEAD) - 1}
    lines = [[HEAD[n] for n in used],
             ["---" if n in words else "---:" for n in used]]
    lines += [[row[n].replace("->", "→") for n in used] for row in table]
    return "".join("| %s |\n" % " | ".join(each) for each in lines)


# -- documents ----------------------------------------------------------------

def updated(text, facts, rows):
    """@text with the tables of these @rows anew: that of a group stands between
    the lines <!-- compare GROUP --> and <!-- end -->."""
    for group in {row["group"] for row in rows}:
        before, begin, rest = text.partition("<!-- compare %s -->\n" % group)
        old, end, after = rest.partition("<!-- end -->")
        if end:
            mine = [row for row in rows if row["group"] == group]
            text = (before + begin + "\n" + about(facts) + "\n\n"
                    + markdown(mine) + "\n" + end + after)
    return text


def about(facts):
    return ("%s, %d rounds, %d CPUs, Linux %s, %s, load %.1f before." % (
        facts["date"], facts["rounds"], facts["cpus"],
        facts["kernel"].split("-")[0],
        facts["qemu-img"].split(" (")[0].replace(" version", ""),
        facts["load"][0]))
