# SPDX-License-Identifier: BSD-3-Clause
"""table - docs/CONFORMANCE.md from the matrix: ours as the tests demand it,
the peers' as measured."""
import peers
from matrix import KINDS, OPERATIONS

DOCUMENT = "docs/CONFORMANCE.md"


def rows(cell, operations=OPERATIONS):
    lines = ["| kind | %s |" % " | ".join(operations),
             "|---|%s" % ("---|" * len(operations))]
    for kind in KINDS:
        cells = [cell(kind, operation) for operation in operations]
        lines.append("| %s | %s |" % (kind.name, " | ".join(cells)))
    return "\n".join(lines) + "\n"


def ours():
    def cell(kind, operation):
        if operation in kind.refuses:
            return "refused"
        return "nothing to do" if operation in kind.idle else "yes"
    return rows(cell)


class Notes:
    """Footnotes: the same words have the same number."""

    def __init__(self):
        self.texts = []

    def number(self, text):
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1

    def listing(self):
        return "".join("%d. %s\n" % (n, text)
                       for n, text in enumerate(self.texts, 1))


def measured(operations, columns=OPERATIONS):
    """(table, footnotes) of a peer."""
    notes = Notes()

    def cell(kind, operation):
        verdict, text = peers.measure(operations, kind, operation)
        text = text.replace("|", "/").replace("`", "'")
        return "%s (%d)" % (verdict, notes.number(text)) if text else verdict

    return rows(cell, columns), notes.listing()


def refusals():
    lines = []
    for kind in KINDS:
        for operation, words in kind.refuses.items():
            lines.append("- %s, %s: \"%s\"" % (kind.name, operation, words))
    return "\n".join(lines) + "\n"
