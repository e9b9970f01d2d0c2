#!/usr/bin/python3
"""Each header compiles alone as C17 and has the include guard that its path gives.

A kernel's template (*_template.h in model/kernels/ or one of its folders) wants the instruction
set's flags and what its includer defines, so it has a guard and is compiled with each of its
includers.

Usage: check_headers.py [ROOT]
"""
import concurrent.futures
import os
import re
import subprocess
import sys

import tree

COMPILER = os.environ.get("CC", "cc").split() + [
    "-std=c17", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
    "-x", "c", "-"]


TEMPLATE = re.compile(r"^model/kernels/(\w+/)?\w+_template\.h$")


def guard_of(name):
    return "CLASSIFYD_" + re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def find_guard_fault(root, name):
    guard = guard_of(name)
    lines = [line for line in tree.blank_comments(tree.read_text(root, name)).splitlines()
             if line.strip()]
    has_guard = (lines[:2] == [f"#ifndef {guard}", f"#define {guard}"]
                 and lines[-1].strip() == "#endif")
    return None if has_guard else tree.Fault(name, 1, f"its include guard should be {guard}")


def find_compile_fault(root, name):
    """Included twice, so that the guard has to work, and nothing before it."""
    program = f'#include "{name}"\n#include "{name}"\nextern int not_empty;\n'
    done = subprocess.run(COMPILER + ["-I", str(root)], input=program, cwd=root,
                          capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    first = re.search(r"^(\S+?):(\d+):.*?(error: .*)$", done.stderr, re.MULTILINE)
    if first and first[1] != "<stdin>":
        return tree.Fault(first[1], int(first[2]), f"{name} does not compile alone: {first[3]}")
    return tree.Fault(name, 1, "does not compile alone: " + done.stderr.strip())


def find_faults(root):
    headers = tree.list_code(root, (".h",))
    complete = [name for name in headers if not TEMPLATE.match(name)]
    guards = [find_guard_fault(root, name) for name in headers]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        compiled = pool.map(lambda name: find_compile_fault(root, name), complete)
    return [fault for fault in [*guards, *compiled] if fault]


if __name__ == "__main__":
    sys.exit(tree.report("headers", find_faults(tree.root_of_arguments())))
