#!/usr/bin/python3
"""Text files hold nothing unfinished, no switched-off code, no machine's paths, no stray spaces,
and nothing is kept from an analyser without a reason.

Usage: check_text.py [ROOT]
"""
import pathlib
import re
import sys

import tree

# Not ours to write, or made of bytes on purpose.
SKIPPED = re.compile(r"^(LICENSE|tests/fuzz/corpus/|tests/cases/|subprojects/)")
# The words in two halves, so that this file passes its own check.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"])
                        + r")\b")
SWITCHED_OFF = re.compile(r"^\s*#\s*if\s+[01]\b")
MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(?:root|home|Users|work|workspace|mnt|media)/\w")
EXEMPTION = re.compile(r"NOLINT|(cppcheck|gcc)-suppress")
EXEMPTION_WITH_REASON = re.compile(
    r"NOLINT(NEXTLINE|BEGIN)?\([\w.,-]+\): \w|NOLINTEND|(cppcheck|gcc)-suppress [\w-]+; \w")
TAB_IS_SYNTAX = re.compile(r"(^|/)(Makefile|.*\.(mk|tsv|gitmodules))$")
C_SUFFIXES = (".c", ".h", ".S")


def find_line_faults(name, number, line):
    def fault(text):
        return tree.Fault(name, number, text)

    if UNFINISHED.search(line):
        yield fault(f"{UNFINISHED.search(line)[0]}: finish it, or write an issue")
    if name.endswith(C_SUFFIXES) and SWITCHED_OFF.match(line):
        yield fault("switched-off code; git remembers it")
    if name.endswith(C_SUFFIXES) and EXEMPTION.search(line):
        if not EXEMPTION_WITH_REASON.search(line):
            yield fault("exempted from an analyser without a reason: NOLINT...(check): reason, or "
                        "cppcheck-suppress id; reason, or gcc-suppress id; reason")
    if MACHINE_PATH.search(line):
        yield fault(f"{MACHINE_PATH.search(line)[0]}... is a path of somebody's machine")
    if "\t" in line and not TAB_IS_SYNTAX.search(name):
        yield fault("a tab")
    if line != line.rstrip() and not name.endswith(".tsv"):
        yield fault("space at the end of the line")


def find_faults(root):
    faults = []
    for name in tree.list_files(root):
        if SKIPPED.match(name) or pathlib.PurePosixPath(name).suffix in (".patch", ".svg"):
            continue
        text = tree.read_text(root, name)
        if text is None or not text:
            continue
        for number, line in enumerate(text.split("\n"), 1):
            faults += find_line_faults(name, number, line)
        if not text.endswith("\n") or text.endswith("\n\n"):
            faults.append(tree.Fault(name, text.count("\n") + 1, "should end with one newline"))
    return faults


if __name__ == "__main__":
    sys.exit(tree.report("text", find_faults(tree.root_of_arguments())))
