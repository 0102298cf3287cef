# SPDX-License-Identifier: BSD-3-Clause
"""stage - one directory in which both tools run, one after the other.

It has the same name, inodes' sizes and holes for both, so that paths, disk
sizes and host offsets need no normalising.  What a tool wrote is taken out
after its run and what it changed is put back from a pristine copy.
"""
import os
import shutil
import stat
import subprocess

from prepared import copy_sparse
from tools import Failed, Result

# A time that no command sets: whoever writes to a file changes it.
PAST = 1_000_000_000


def copy_unused(source, target):
    """Data and holes as they are, mode, and PAST as time."""
    copy_sparse(source, target)
    os.utime(target, (PAST, PAST))


def files_below(top):
    for folder, _, names in os.walk(top):
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), top)
        if folder != top:
            yield os.path.relpath(folder, top)


class Stage:
    def __init__(self, root, make):
        self.work = os.path.join(root, "work")
        self.pristine = os.path.join(root, "pristine")
        self.kept = {who: os.path.join(root, who)
                     for who in ("theirs", "ours")}
        os.mkdir(self.work)
        make(self.work)
        for name in sorted(files_below(self.work)):
            self.mirror(name)
        self.state = self.look()

    def mirror(self, name):
        source = os.path.join(self.work, name)
        target = os.path.join(self.pristine, name)
        if os.path.isdir(source):
            os.makedirs(target, exist_ok=True)
            return
        os.makedirs(os.path.dirname(target), exist_ok=True)
        copy_unused(source, target)
        self.restore(name)

    def restore(self, name):
        path = os.path.join(self.work, name)
        if os.path.lexists(path):
            os.unlink(path)
        copy_unused(os.path.join(self.pristine, name), path)

    def look(self):
        state = {}
        for name in files_below(self.work):
            status = os.lstat(os.path.join(self.work, name))
            state[name] = (status.st_ino, status.st_mode)
            if not stat.S_ISDIR(status.st_mode):
                state[name] += (status.st_size, status.st_mtime_ns)
        return state

    def run(self, who, argv, env, before=None):
        """Run to the end and take out what it wrote: a Result with
        `written`, the sorted names, and `gone`, those of before it removed."""
        process = subprocess.Popen(
            argv, cwd=self.work, env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, preexec_fn=before)
        try:
            stdout, stderr = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        result = Result(argv, subprocess.CompletedProcess(
            argv, process.returncode, stdout, stderr))
        result.orphans = has_group(process.pid)
        self.take(who, result)
        return result

    def take(self, who, result):
        now = self.look()
        result.gone = sorted(set(self.state) - set(now))
        touched = sorted(n for n in now if now[n] != self.state.get(n))
        result.written = [n for n in touched if not self.is_same(n)]
        if not result.gone and not touched:
            return
        kept = self.kept[who]
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(self.pristine, kept, copy_function=os.link)
        for name in result.written:
            self.keep(name, os.path.join(kept, name))
        for name in result.gone:
            os.unlink(os.path.join(kept, name))
        for name in set(touched + result.gone) & set(self.state):
            self.restore(name)
        self.state = self.look()

    def is_same(self, name):
        """To have been opened for writing, or set to the size it has, is no
        change."""
        paths = [os.path.join(top, name) for top in (self.work, self.pristine)]
        return (os.path.isfile(paths[1]) and
                os.path.getsize(paths[0]) == os.path.getsize(paths[1]) and
                same_bytes(*paths))

    def keep(self, name, target):
        if os.path.isdir(os.path.join(self.work, name)):
            raise Failed("the folder %s was made or changed" % name)
        if os.path.lexists(target):
            os.unlink(target)
        os.rename(os.path.join(self.work, name), target)

    def is_pristine(self):
        """Every file and folder is there with its bytes, and no other."""
        names = set(files_below(self.work))
        wanted = set(files_below(self.pristine))
        if names != wanted:
            raise Failed("files: %s" % sorted(names ^ wanted))
        for name in names:
            paths = [os.path.join(top, name)
                     for top in (self.work, self.pristine)]
            if os.path.isfile(paths[0]) and not same_bytes(*paths):
                raise Failed("%s has changed" % name)


def has_group(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def same_bytes(a, b):
    with open(a, "rb") as file_a, open(b, "rb") as file_b:
        return file_a.read() == file_b.read()
