#!/usr/bin/python3
"""Every C file looks as the root's .clang-format says, by the one version that all of us use.

Usage: check_format.py [--fix] [ROOT]     (--fix rewrites the files)
"""
import pathlib
import re
import shutil
import subprocess
import sys

import tree

VERSION = "14"
EXIT_SKIPPED = 77


def find_tool():
    """None where clang-format of the pinned version is not installed."""
    for tool in (f"clang-format-{VERSION}", "clang-format"):
        if shutil.which(tool):
            said = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True)
            if re.search(rf"version {VERSION}\.", said.stdout):
                return tool
    return None


def find_faults(root, tool):
    names = tree.list_code(root)
    if not names:
        return []
    done = subprocess.run([tool, "--dry-run", *names], cwd=root, capture_output=True, text=True,
                          check=True)
    first = {}
    for match in re.finditer(r"^(\S+?):(\d+):\d+: warning: ", done.stderr, re.MULTILINE):
        first.setdefault(match[1], int(match[2]))
    return [tree.Fault(name, line, "not formatted; `make format` mends it")
            for name, line in first.items()]


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--fix"]
    root = pathlib.Path(arguments[0]).resolve() if arguments else tree.OWN_ROOT
    tool = find_tool()
    if not tool:
        print(f"clang-format {VERSION} is not installed")
        return EXIT_SKIPPED
    if "--fix" in sys.argv[1:]:
        subprocess.run([tool, "-i", *tree.list_code(root)], cwd=root, check=True)
    return tree.report("format", find_faults(root, tool))


if __name__ == "__main__":
    sys.exit(main())
