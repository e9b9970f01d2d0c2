#!/usr/bin/python3
"""Files and functions stay short: .c 600 lines, .h 150, a function 60.

Usage: check_lengths.py [ROOT]
"""
import re
import sys

import tree

MAX_LINES = {".c": 600, ".h": 150}
MAX_FUNCTION_LINES = 60
# Kernels are long because they are unrolled by hand; nothing else in their folders is.
KERNEL = re.compile(r"^model/kernels/(\w+/(?!set\.)\w+\.c|(\w+/)?\w+_template\.h)$")
# File -> why it may be longer: only tables, whose rows are data.
TABLES = {}


def find_functions(text):
    """(first line, name, lines between the braces): clang-format puts both into column 0."""
    lines = tree.blank_comments(text, keep_literals=False).splitlines()
    start = None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == "{":
            start = number
        elif line.rstrip() == "}" and start:
            head = " ".join(lines[max(0, start - 6):start - 1])
            name = re.findall(r"(\w+)\s*\(", head)
            yield start, name[-1] if name else "function", number - start - 1
            start = None


def find_faults(root, tables=None):
    tables = TABLES if tables is None else tables
    faults, used = [], set()
    for name in tree.list_code(root):
        text = tree.read_text(root, name)
        limit, count = MAX_LINES[name[-2:]], text.count("\n")
        if count > limit:
            used.add(name)
            if name not in tables and not KERNEL.match(name):
                faults.append(tree.Fault(name, count, f"{count} lines, the limit is {limit}"))
        for line, function, lines in find_functions(text):
            if lines > MAX_FUNCTION_LINES and not KERNEL.match(name):
                faults.append(tree.Fault(name, line, f"{function} has {lines} lines, the limit is "
                                         f"{MAX_FUNCTION_LINES}"))
    return faults + tree.unused_exceptions(tables, used, "tests/style/check_lengths.py")


if __name__ == "__main__":
    sys.exit(tree.report("lengths", find_faults(tree.root_of_arguments())))
