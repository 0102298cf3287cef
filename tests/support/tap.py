# SPDX-License-Identifier: BSD-3-Clause
"""tap - test programs in Python that speak the TAP protocol.

    from tap import Suite, Skip
    suite = Suite()

    @suite.case("reads what it wrote")
    def _(): ...

    suite.run()

One line per case.  A failing case prints its traceback as a diagnostic and
the run goes on; names given on the command line (glob patterns) select cases.
A case raises Skip with the name of what is missing here.
"""
import fnmatch
import sys
import traceback


class Skip(Exception):
    """Raised by a case that cannot run here; the text says what is missing."""


class Suite:
    def __init__(self):
        self.cases = []

    def add(self, name, func, *args):
        self.cases.append((name, func, args))

    def case(self, name):
        def register(func):
            self.add(name, func)
            return func
        return register

    def run(self, argv=None):
        patterns = sys.argv[1:] if argv is None else argv
        cases = [c for c in self.cases
                 if not patterns or any(fnmatch.fnmatch(c[0], p)
                                        for p in patterns)]
        if not cases:
            sys.exit("no case matches %s" % " ".join(patterns))

        print("1..%d" % len(cases), flush=True)
        failed = 0
        for number, (name, func, args) in enumerate(cases, 1):
            failed += not run_case(number, name, func, args)
        sys.exit(1 if failed else 0)


def skip_all(reason):
    """The whole program cannot run here."""
    print("1..0 # SKIP %s" % reason)
    sys.exit(0)


def run_case(number, name, func, args):
    label = name.replace("#", "_")
    try:
        func(*args)
    except Skip as skip:
        print("ok %d %s # SKIP %s" % (number, label, skip), flush=True)
        return True
    except Exception:
        for line in traceback.format_exc().splitlines():
            print("# " + line)
        print("not ok %d %s" % (number, label), flush=True)
        return False
    print("ok %d %s" % (number, label), flush=True)
    return True
