# SPDX-License-Identifier: BSD-3-Clause
"""jobs - what tests/bench/compare measures, a module a kind of job.

A job is a function of a Bench (bench.py) with a name and a group, by which the
command line asks for it.
"""
import collections

Job = collections.namedtuple("Job", "name group run")
JOBS = {}


def job(name, group):
    def register(func):
        JOBS[name] = Job(name, group, func)
        return func
    return register


def groups():
    return sorted({each.group for each in JOBS.values()})


def chosen(words):
    """The jobs that @words (names, groups, "all") stand for, in their order;
    None if a word stands for nothing."""
    known = {*JOBS, *groups(), "all"}
    if set(words) - known:
        return None
    return [each for each in JOBS.values()
            if "all" in words or each.name in words or each.group in words]
