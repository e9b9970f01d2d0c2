"""What every style check stands on: the project's own files, and how a fault is told.

A check is a file check_<rule>.py with `find_faults(root, ...)`; it exits 1 and prints a line
`path:line: what is wrong` a fault. test_checks.py proves that each rule can fail.
"""
import pathlib
import re
import subprocess
import sys
from typing import NamedTuple

OWN_ROOT = pathlib.Path(__file__).resolve().parents[2]
CODE_FOLDERS = ("model", "server", "tests", "vendor")
C_COMMENT_OR_LITERAL = re.compile(
    r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+'""", re.DOTALL)


class Fault(NamedTuple):
    path: str
    line: int
    text: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.text}"


def list_files(root):
    """Paths relative to `root`, with / between: what git knows or would, or all but builds."""
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others",
                   "--exclude-standard"]
        listed = subprocess.run(command, check=True, capture_output=True).stdout.decode()
        names = [name for name in listed.split("\0") if name]
    else:
        names = [path.relative_to(root).as_posix() for path in root.rglob("*")]
        names = [name for name in names
                 if not re.match(r"build[^/]*/|\.|.*(__pycache__|node_modules)/", name)]
    return sorted(name for name in set(names) if (root / name).is_file())


def list_code(root, suffixes=(".c", ".h")):
    return [name for name in list_files(root)
            if name.endswith(suffixes) and name.startswith(tuple(f + "/" for f in CODE_FOLDERS))]


def read_text(root, name):
    """None for a file that is not text."""
    data = (root / name).read_bytes()
    if b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def blank_comments(text, keep_literals=True):
    """The code with comments (and literals) blanked out, every line where it was."""
    def blank(match):
        is_literal = match[0][0] in "\"'"
        return match[0] if is_literal and keep_literals else re.sub(r"[^\n]", " ", match[0])
    return C_COMMENT_OR_LITERAL.sub(blank, text)


def unused_exceptions(table, used, where):
    """An exception that nothing needs is a fault too: the table must not outlive its reasons."""
    return [Fault(where, 1, f"the exception for {key} is not needed any more")
            for key in table if key not in used]


def report(rule, faults):
    """Prints the faults; the exit status of the check."""
    for fault in sorted(faults):
        print(fault)
    print(f"{rule}: {len(faults)} faults" if faults else f"{rule}: holds")
    return 1 if faults else 0


def root_of_arguments():
    """The tree to check: the first argument, else the one that this file lies in."""
    return pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else OWN_ROOT
