# SPDX-License-Identifier: BSD-3-Clause
"""bench - sides of a comparison, run in turn.

A side is a command line; a comparison has sides of ours, each with every engine
that was asked for, and peers.  All of them run once without counting, in which
time each peer finds out its better setting; then in turn, round by round, and
medians are taken.  What is outside of the time: reading the input, removing the
output, holding it against what it should be.
"""
import collections
import dataclasses
import os
import shutil
import statistics

from jobs import table
from jobs.process import Runner, Sample, count_calls, read_all, remove

# A side that takes so long is not run more often than so.
SLOW_SECONDS, SLOW_ROUNDS = 8, 3
# Memory for outputs that are written into the page cache.
WARM_MIB = 2048

# label: "" or what is different; goals: {label of a peer: table.Goal}
Ours = collections.namedtuple("Ours", "label side goals", defaults=({},))
# settings: sides of which the fastest is the peer
Peer = collections.namedtuple("Peer", "label settings")


@dataclasses.dataclass
class Side:
    argv: list
    inputs: tuple = ()             # are read before each run
    output: str = None             # is removed, too
    prepare: object = None         # called with it before each run
    seconds_of: object = None      # of what it prints; None: wall clock
    verify: object = None          # called with it after the last run
    mib: float = None              # counts system calls, for each of so many
    engine: str = None
    repeat: int = 1                # runs are so short that many make one

    def with_engine(self, engine):
        """An output of its own, too."""
        output = self.output and "%s.%s" % (self.output, engine or "auto")
        return dataclasses.replace(
            self, engine=engine, output=output,
            argv=[output if word == self.output else word
                  for word in self.argv])

    def ready(self):
        remove(self.output)
        if self.prepare:
            self.prepare(self.output)
        for path in self.inputs:
            read_all(path)

    def once(self, runner):
        self.ready()
        sample, out = runner.measured(self.argv, self.engine, self.repeat,
                                      WARM_MIB if self.output else 0)
        if self.seconds_of:
            sample = sample._replace(seconds=self.seconds_of(out))
        return sample


def turned(sides, number):
    """There and back, so that not always the same one comes after another."""
    return list(sides)[::-1 if number % 2 else 1]


def median_of(samples):
    return Sample(*(statistics.median(column) for column in zip(*samples)))


class Bench:
    def __init__(self, options, inputs):
        self.options = options
        self.inputs = inputs
        self.runner = Runner(options.build)
        self.rows = []
        self.group = None

    # -- measuring ----------------------------------------------------------

    def compare(self, name, ours, peers):
        """Print and keep a row for each of @ours, its engines and @peers."""
        sides = {(mine.label, engine): mine.side.with_engine(engine)
                 for mine in ours for engine in self.options.engines}
        sides.update({("peer", peer.label): self.better(peer.settings)
                      for peer in peers})
        results = self.alternate(sides)
        for mine in ours:
            for engine in self.options.engines:
                for peer in peers:
                    self.report(table.make(
                        name + (", " + mine.label if mine.label else ""),
                        engine, peer.label, results[mine.label, engine],
                        results["peer", peer.label],
                        mine.goals.get(peer.label)))

    def better(self, settings):
        """The side that is faster at its first attempt."""
        if len(settings) == 1:
            return settings[0]
        times = []
        for side in settings:
            times.append(side.once(self.runner).seconds)
            remove(side.output)
        return settings[times.index(min(times))]

    def alternate(self, sides):
        """{key: what table.make() takes}"""
        samples = {key: [] for key in sides}
        for number in range(self.options.rounds + 1):
            for key, side in turned(sides.items(), number):
                if self.has_enough(samples[key], number):
                    continue
                sample = side.once(self.runner)
                if number:
                    samples[key].append(sample)
                if number < self.options.rounds:
                    remove(side.output)
        return {key: self.result(side, median_of(samples[key]))
                for key, side in sides.items()}

    def has_enough(self, samples, number):
        """Slow ones rest, but not in the last round: its output is checked."""
        return (len(samples) >= SLOW_ROUNDS - 1
                and number < self.options.rounds
                and min(s.seconds for s in samples) > SLOW_SECONDS)

    def result(self, side, sample):
        found = {"seconds": sample.seconds, "cpu": sample.cpu,
                 "peak-mib": sample.rss / 1024, "argv": side.argv}
        if side.verify:
            side.verify(side.output)
        if side.output:
            found["bytes"] = os.path.getsize(side.output)
            remove(side.output)
        if side.mib and self.options.calls and shutil.which("strace"):
            side.ready()
            found["calls-per-mib"] = count_calls(
                side.argv, side.engine) / side.mib
            remove(side.output)
        return found

    def beside_limit(self, name, sample, limit, versus):
        """No peer, but a time that it may take."""
        self.report(table.make(
            name, None, versus, {"seconds": sample, "cpu": 0},
            {"seconds": limit, "cpu": 0}, None))

    def report(self, row):
        row["group"] = self.group
        self.rows.append(row)
        print(table.line(row), flush=True)
