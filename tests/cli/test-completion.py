#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-completion - in each shell, completion offers what --help tells of.

The shells run the scripts: bash calls the function as readline would, fish
completes a line, and zsh calls the function with an _arguments that prints its
specifications.
"""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from manual import help_options, same  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (VDISK_IO, Failed, need, run, vdisk_img,  # noqa: E402
                   vdisk_img_fails)

COMMANDS = re.findall(r"^  (\w+)  ", vdisk_img("--help").split("Commands")[1],
                      re.M)
OPTION = re.compile(r"--?[A-Za-z][\w-]*")

BASH = r"""
source "$1"; program=$2; shift 2
COMP_WORDS=($program "$@"); COMP_CWORD=$#
_${program/-/_}
printf '%s\n' "${COMPREPLY[@]}"
"""
ZSH = r"""
compdef() {}
_arguments() {
    if [[ $1 == -C ]]; then state=argument; fi
    if [[ $1 == -C && -n $words ]]; then return; fi
    print -l -- "$@"
}
_describe() { print -l -- $commands }
words=(${@:3}); [[ -n $words ]] || _arguments() { state=command; print -l -- "$@" }
source $1
_$2
"""


def io_text(*args):
    result = run([VDISK_IO, *args])
    if result.code or result.stderr:
        raise Failed(str(result))
    return result.stdout.decode()


def script_of(program, shell):
    if program == "vdisk-img":
        return vdisk_img("completion", shell)
    return io_text("--completion", shell)


class Shell:
    """What a shell offers behind words, the last of which is unfinished."""

    def __init__(self, name, folder, of="vdisk-img"):
        self.name = name
        self.of = of
        self.program = need(name)
        self.script = os.path.join(folder, "%s.%s" % (of, name))
        with open(self.script, "w", encoding="utf-8") as file:
            file.write(script_of(of, name))
        self.env = dict(os.environ, HOME=folder, XDG_CONFIG_HOME=folder,
                        XDG_DATA_HOME=folder)

    def run(self, *args):
        done = subprocess.run([self.program, *args], capture_output=True,
                              env=self.env, text=True, check=False)
        if done.returncode or done.stderr:
            raise Failed("%s: %d, %s" % (args, done.returncode, done.stderr))
        return done.stdout.splitlines()

    def offers(self, *words):
        raise NotImplementedError

    def options(self, *words):
        return {o for o in self.offers(*words, "-") if OPTION.fullmatch(o)}


class Bash(Shell):
    def offers(self, *words):
        return self.run("--norc", "-c", BASH, "bash", self.script, self.of,
                        *words)


class Fish(Shell):
    def offers(self, *words):
        line = " ".join([self.of, *words])
        code = "source %s; complete -C '%s'" % (self.script, line)
        return [row.split("\t")[0] for row in self.run("-c", code)]

    def options(self, *words):
        return {o for dash in ("-", "--")
                for o in (row.rstrip("=")
                          for row in self.offers(*words, dash))
                if re.fullmatch(r"-[A-Za-z]|--[a-z][\w-]*", o)}


class Zsh(Shell):
    def offers(self, *words):
        return self.run("-f", "-c", ZSH, "zsh", self.script, self.of,
                        *words[:-1])

    def options(self, *words):
        return {OPTION.match(row).group()
                for row in self.offers(*words, "-")
                if re.match(r"--?[A-Za-z][\w-]*(=-?|\+)?\[", row)}


def wanted(*command):
    return help_options(vdisk_img(*command, "--help=all"))


def check_value(shell, words, value):
    if value not in shell.offers(*words):
        raise Failed("%s: %r not in %s" % (words, value,
                                           shell.offers(*words)))


def check_not(shell, words, value):
    if value in shell.offers(*words):
        raise Failed("%s: %r among %s" % (words, value, shell.offers(*words)))


def add_cases(suite, kind, name, folder):
    @suite.case("%s: commands and standard options" % name)
    def _():
        shell = kind(name, folder)
        rows = [row.split(":")[0] for row in shell.offers("")]
        if not set(COMMANDS) <= set(rows):
            raise Failed(str(rows))
        same(help_options(vdisk_img("--help")), shell.options(), name)

    for command in COMMANDS:
        def options(command=command):
            same(wanted(command), kind(name, folder).options(command), command)
        suite.add("%s: options of %s" % (name, command), options)


def add_values(suite, kind, name, folder):
    """What the argument of an option may be, as one line and as two words."""
    @suite.case("%s: words behind options" % name)
    def _():
        shell = kind(name, folder)
        equal = ["--output", "=", "j"] if name == "bash" else ["--output=j"]
        full = "json" if name == "bash" else "--output=json"
        check_value(shell, ["check", *equal], full)
        check_value(shell, ["check", "--output", "j"], "json")
        check_value(shell, ["convert", "-O", "vm"], "vmdk")
        check_value(shell, ["convert", "-t", "un"], "unsafe")
        check_not(shell, ["convert", "-O", "ra"], "vmdk")
        check_value(shell, ["meta", "s"], "set")
        check_value(shell, ["completion", "b"], "bash")


def add_io(suite, kind, name, folder):
    @suite.case("%s: options of vdisk-io" % name)
    def _():
        shell = kind(name, folder, "vdisk-io")
        same(help_options(io_text("--help=all")), shell.options(), name)
        if name != "zsh":
            check_value(shell, ["-t", "un"], "unsafe")


def main():
    suite = Suite()
    with tempfile.TemporaryDirectory() as folder:
        for kind, name in ((Bash, "bash"), (Fish, "fish"), (Zsh, "zsh")):
            add_cases(suite, kind, name, folder)
        for kind, name in ((Bash, "bash"), (Fish, "fish")):
            add_values(suite, kind, name, folder)
        for kind, name in ((Bash, "bash"), (Fish, "fish"), (Zsh, "zsh")):
            add_io(suite, kind, name, folder)

        @suite.case("zsh: words behind options")
        def _():
            rows = Zsh("zsh", folder).offers("check", "")
            for row in ("-r+[give back space that nothing uses; or mend all]"
                        ":value:(leaks all)", "*:file:_files"):
                if row not in rows:
                    raise Failed("\n".join(rows))

        @suite.case("other shells are refused")
        def _():
            vdisk_img_fails("completion", "tcsh", code=2)
            vdisk_img_fails("completion", code=2)

        suite.run()


main()
