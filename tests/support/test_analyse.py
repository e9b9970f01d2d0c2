"""analyse.py tells a file with a finding from one without, with each of its tools."""
import json
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

SUPPORT = pathlib.Path(__file__).parent
GOOD = "int add(int a, int b);\nint add(int a, int b)\n{\n    return a + b;\n}\n"
BAD = ("#include <stdlib.h>\nint leak(void);\nint leak(void)\n{\n    int *number = malloc(4);\n"
       "    if (!number)\n        return 0;\n    *number = 1;\n    return *number;\n}\n")


def exempt(comment, line):
    return BAD.replace(line, f"    /* {comment} why */\n{line}")


# Each tool tells the leak at a line of its own.
EXEMPTED = {
    "gcc": exempt("gcc-suppress analyzer-malloc-leak;", "    if (!number)"),
    "clang-tidy": exempt("NOLINTNEXTLINE(clang-analyzer-unix.Malloc):", "    return *number"),
    "cppcheck": exempt("cppcheck-suppress memleak;", "    return *number"),
}


@pytest.mark.parametrize("tool", ["gcc", "clang-tidy", "cppcheck"])
def test_a_leak_is_found(tmp_path, tool):
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    root = tmp_path / "tree"
    build = root / "build"
    (root / "tests/support").mkdir(parents=True)
    (root / "model").mkdir()
    build.mkdir()
    shutil.copy(SUPPORT / "analyse.py", root / "tests/support")
    shutil.copy(SUPPORT.parents[1] / ".clang-tidy", root)
    commands = []
    for name, text in (("model/good.c", GOOD), ("model/bad.c", BAD),
                       ("model/exempted.c", EXEMPTED[tool])):
        (root / name).write_text(text)
        commands.append({"directory": str(build), "file": f"../{name}", "output": "a.o",
                         "command": f"cc -Wall -o a.o -c ../{name}"})
    (build / "compile_commands.json").write_text(json.dumps(commands))
    done = subprocess.run([sys.executable, "tests/support/analyse.py", tool, "build"], cwd=root,
                          capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert (lines[-1], done.returncode) == ("2 passed, 1 failed, 0 skipped", 1)
    for name in ("good", "exempted"):
        assert any(re.search(f"{tool} model/{name}.c ok$", line) for line in lines)
    assert any("bad.c:" in line and "leak" in line.lower() for line in lines)
