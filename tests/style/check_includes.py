#!/usr/bin/python3
"""The include rule: who may include whom, no cycles, one folder for each foreign header.

Usage: check_includes.py [ROOT]
"""
import collections
import posixpath
import re
import sys

import tree

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)

# A zone is a folder or a file of server/ or model/ (noun.c with its noun_*.c), found by its longest
# prefix; the value lists what it may include beside itself. An entry ending in .h is that header,
# others are zones.
# As the table itself has no cycle (test_checks.py), neither have the folders.
MODEL_LEAF = ["model/base"]
KERNEL_FACE = ["model/kernels/kernels.h", "model/kernels/tensor.h", "model/kernels/requantize.h"]
# What kernels of several instruction sets share.
KERNEL_SHARED = ["model/kernels/burst.h", "model/kernels/cpu.h", "model/kernels/direct_conv.h",
                 "model/kernels/max_pool_template.h", "model/kernels/winograd4x4.h",
                 "model/kernels/winograd4x4_template.h"]
SERVER_LEAVES = ["server/answer", "server/blob", "server/budget", "server/config", "server/document",
                 "server/fetch", "server/log", "server/metrics", "server/notify", "server/problem"]
MODEL_FACES = ["model/model", "model/base", "model/image", "model/net", "model/catalogue",
               "model/batch", "model/calibration/calibration.h", "model/kernels/burst.h", "model/kernels/cpu.h",
               "model/kernels/kernels.h"]
ALLOWED = {
    "model/base": [],
    "model/image": MODEL_LEAF + ["model/image/<isa>"],
    "model/image/<isa>": MODEL_LEAF + ["model/image/resize_kernel.h"],
    "model/catalogue": MODEL_LEAF,
    "model/batch": MODEL_LEAF,
    "model/kernels": MODEL_LEAF + ["model/kernels/<isa>"],
    "model/kernels/<isa>": MODEL_LEAF + KERNEL_FACE + KERNEL_SHARED,
    "model/net": MODEL_LEAF + KERNEL_FACE,
    "model/calibration": MODEL_LEAF + ["model/net"] + KERNEL_FACE,
    "model/model": MODEL_FACES,
    "server/document": MODEL_FACES,
    "server/answer": ["server/document"] + MODEL_FACES,
    "server/budget": MODEL_FACES,
    "server/blob": ["server/budget"] + MODEL_FACES,
    "server/problem": MODEL_FACES,
    "server/config": MODEL_FACES,
    "server/log": MODEL_FACES,
    "server/notify": MODEL_FACES,
    "server/metrics": ["server/problem"] + MODEL_FACES,
    "server/fetch": ["server/blob", "server/budget", "server/problem"] + MODEL_FACES,
    "server/models": SERVER_LEAVES + MODEL_FACES,
    "server/web": SERVER_LEAVES + MODEL_FACES,
    "server/pipeline": SERVER_LEAVES + ["server/models"] + MODEL_FACES,
    "server/api": SERVER_LEAVES + ["server/models", "server/pipeline/item.h",
                                   "server/web"] + MODEL_FACES,
    "server/http": SERVER_LEAVES + ["server/api/adapter.h", "server/pipeline"] + MODEL_FACES,
    "server/commands": SERVER_LEAVES + ["server/http", "server/api", "server/pipeline",
                                        "server/models", "server/web"] + MODEL_FACES,
    "server/main": ["server/commands"] + MODEL_FACES,
}
# What comes with the compiler, the C library and the kernel; any other <header> is third-party.
STANDARD = set("""
assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign
stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar
wchar wctype aio cpio dirent dlfcn endian execinfo fcntl fnmatch ftw getopt glob grp iconv ifaddrs
langinfo libgen link malloc monetary mqueue netdb nl_types poll pthread pwd regex sched search
semaphore spawn strings syslog termios ucontext ulimit unistd utime wordexp cpuid
""".split())
STANDARD_FOLDERS = ("sys/", "linux/", "asm/", "arpa/", "net/", "netinet/", "sanitizer/")
INTRINSICS = re.compile(r"^(\w*mmintrin|\w*intrin|arm_\w+)\.h$")
# The folders of one instruction set each: the network's kernels and the image's.
ISA_FOLDER = re.compile(r"^model/(kernels|image)/(\w+)/")


def zone_of(name):
    isa = ISA_FOLDER.match(name)
    if isa:
        return f"model/{isa[1]}/<isa>"
    stem = re.sub(r"\.[chS]$", "", name)
    for zone in sorted(ALLOWED, key=len, reverse=True):
        if stem == zone or stem.startswith((zone + "/", zone + "_")):
            return zone
    return None


def find_zone_fault(name, target):
    """Why `name` may not include `target`, both of model/ or server/; None where it may."""
    zone, target_zone = zone_of(name), zone_of(target)
    if zone is None or target_zone is None:
        unknown = name if zone is None else target
        return f"{unknown} lies in no folder that check_includes.py knows; give it a line there"
    if zone == target_zone and zone.endswith("/<isa>"):
        own, other = ISA_FOLDER.match(name)[2], ISA_FOLDER.match(target)[2]
        return None if own == other else f"kernels of {own} may not include those of {other}"
    if zone == target_zone or target in ALLOWED[zone] or target_zone in ALLOWED[zone]:
        return None
    return f"{zone} may not include {target}"


def find_own_fault(root, name, target):
    """What is wrong with `#include "target"` in `name`; None where nothing is."""
    if not target.endswith(".h"):
        return f'"{target}" is not a header'
    if not (root / target).is_file():
        return f'"{target}" is not a path from the root of the project'
    if name.startswith("tests/"):
        return None
    if target.startswith("tests/"):
        return f"nothing includes tests, but this includes {target}"
    if name.startswith("vendor/"):
        return None if target.startswith("vendor/") else "vendor/ includes nothing of ours"
    if target.startswith("vendor/"):
        return None
    return find_zone_fault(name, target)


def find_intrinsics_fault(name, header):
    if INTRINSICS.match(header) and not ISA_FOLDER.match(name):
        return f"intrinsics (<{header}>) belong into model/kernels/<isa>/ or model/image/<isa>/"
    return None


def is_third_party(header):
    return not (header.removesuffix(".h") in STANDARD or header.startswith(STANDARD_FOLDERS)
                or INTRINSICS.match(header))


def find_cycle(edges):
    """The nodes of one cycle in order, or None. `edges`: node -> nodes."""
    state, path = {}, []

    def visit(node):
        state[node] = "open"
        path.append(node)
        for target in sorted(edges.get(node, ())):
            if state.get(target) == "open":
                return path[path.index(target):] + [target]
            if target not in state:
                cycle = visit(target)
                if cycle:
                    return cycle
        state[node] = "done"
        path.pop()
        return None

    for node in sorted(edges):
        if node not in state:
            cycle = visit(node)
            if cycle:
                return cycle
    return None


def find_cycle_faults(edges):
    """`edges`: (name, target) between files of ours. Include guards hide a cycle of headers."""
    headers = collections.defaultdict(set)
    for name, target in edges:
        if name.endswith(".h"):
            headers[name].add(target)
    cycle = find_cycle(headers)
    return [tree.Fault(cycle[0], 1, "cycle of headers: " + " -> ".join(cycle))] if cycle else []


def find_includer_faults(includers):
    """`includers`: header -> {name: line}, of all that is ours but vendor/ (the wall) and tests."""
    faults = []
    for header, places in includers.items():
        owner = posixpath.dirname(min(places))
        for name, line in places.items():
            if name.endswith(".h"):
                faults.append(tree.Fault(name, line, f"third-party {header} in a header; only .c "
                                         "files of ours may know it"))
            elif posixpath.dirname(name) != owner:
                faults.append(tree.Fault(name, line, f"third-party {header} is {owner}'s already; "
                                         "each belongs to one folder"))
    return faults


def find_faults(root):
    faults, edges, includers = [], [], collections.defaultdict(dict)
    for name in tree.list_code(root, (".c", ".h", ".S")):
        text = tree.blank_comments(tree.read_text(root, name))
        for match in INCLUDE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            if match[1]:
                target = posixpath.normpath(match[1])
                fault = find_own_fault(root, name, target)
                edges.append((name, target))
                is_foreign = target.startswith("vendor/")
            else:
                target = f"<{match[2]}>"
                fault = find_intrinsics_fault(name, match[2])
                is_foreign = is_third_party(match[2])
            if is_foreign and not name.startswith(("vendor/", "tests/")):
                includers[target][name] = line
            if fault:
                faults.append(tree.Fault(name, line, fault))
    return faults + find_includer_faults(includers) + find_cycle_faults(edges)


if __name__ == "__main__":
    sys.exit(tree.report("include rule", find_faults(tree.root_of_arguments())))
