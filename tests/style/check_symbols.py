#!/usr/bin/python3
"""Every external symbol of model/ and server/ begins with the stem of its file.

Usage: check_symbols.py BUILD_DIR [ROOT]     (nm on the objects of an ordinary build)
"""
import json
import pathlib
import re
import subprocess
import sys

import tree

# File -> (prefixes beside its stem, why).
EXCEPTIONS = {
    "model/base/json_doc.c": (["json_node_"], "a document and its nodes are one noun's two faces"),
    "model/image/jpeg_shortcut_none.c": (["jpeg_shortcut_"], "stands in for jpeg_shortcut.c"),
    "model/image/prepare.c": (["image_prepare"], "the folder's one way in; prepare_ alone says too "
                              "little where it is called"),
    "model/base/status.c": (["error_"], "an error is a status with its text"),
}


def list_objects(build):
    """(source relative to the root, object file) of everything compiled from model/ and server/."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        yield source, build / entry["output"]


def external_symbols(objects):
    """object -> names, with one call of nm."""
    command = ["nm", "--extern-only", "--defined-only", "--format=posix", "--print-file-name"]
    output = subprocess.run(command + [str(path) for path in objects], check=True,
                            capture_output=True, text=True).stdout
    symbols = {}
    for line in output.splitlines():
        match = re.match(r"(.+): (\S+) [A-Z]\b", line)
        if match:
            symbols.setdefault(match[1], []).append(match[2])
    return symbols


def is_own_name(name, symbol, exceptions):
    stem = pathlib.PurePosixPath(name).stem
    prefixes = [stem + "_"] + exceptions.get(name, ([], ""))[0]
    return symbol == stem or symbol.startswith(tuple(prefixes))


def find_line(root, name, symbol):
    """Where the file says the symbol first; 1 where a macro made it."""
    for number, line in enumerate((root / name).read_text().splitlines(), 1):
        if re.search(rf"\b{re.escape(symbol)}\b", line):
            return number
    return 1


def find_faults(root, build, exceptions=None):
    exceptions = EXCEPTIONS if exceptions is None else exceptions
    sources = {}
    for source, path in list_objects(build):
        if not source.is_relative_to(root):
            continue
        name = source.relative_to(root).as_posix()
        if name.startswith(("model/", "server/")) and name.endswith(".c"):
            sources[str(path)] = name
    if not sources:
        return [tree.Fault("meson.build", 1, f"{build} holds no objects of model/ or server/")]
    missing = [path for path in sources if not pathlib.Path(path).exists()]
    if missing:
        return [tree.Fault(sources[path], 1, f"{path} is not built") for path in missing]
    faults, used = [], set()
    for path, symbols in external_symbols(sources).items():
        name = sources[path]
        stem = pathlib.PurePosixPath(name).stem
        for symbol in symbols:
            if not is_own_name(name, symbol, exceptions):
                faults.append(tree.Fault(name, find_line(root, name, symbol), f"external {symbol} "
                                         f"does not begin with {stem}_; rename or make it static"))
            elif not is_own_name(name, symbol, {}):
                used.add(name)
    return faults + tree.unused_exceptions(exceptions, used, "tests/style/check_symbols.py")


if __name__ == "__main__":
    build_dir = pathlib.Path(sys.argv[1]).resolve()
    tree_root = pathlib.Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else tree.OWN_ROOT
    sys.exit(tree.report("symbol prefixes", find_faults(tree_root, build_dir)))
