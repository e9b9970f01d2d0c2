"""Each style check finds what it is there to find, in small trees made for it, and nothing else."""
import itertools
import pathlib
import re
import subprocess

import pytest

import check_format
import check_headers
import check_includes
import check_lengths
import check_links
import check_symbols
import check_text
import tree

GUARD = "#ifndef CLASSIFYD_{0}\n#define CLASSIFYD_{0}\n{1}#endif\n"
UNFINISHED = "TO" + "DO"
HOME = "/ho" + "me/"


def header(name, body=""):
    return {name: GUARD.format(re.sub(r"\W", "_", name).upper(), body)}


def plant(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def told(faults):
    return [str(fault) for fault in faults]


def include(*names):
    return "".join(f"#include {name if name[0] == '<' else chr(34) + name + chr(34)}\n"
                   for name in names)


BASE = header("model/base/span.h")
NET = header("model/net/engine.h", include("model/kernels/kernels.h", "model/base/span.h"))
KERNELS = header("model/kernels/kernels.h", include("model/base/span.h"))
GOOD = {**BASE, **NET, **KERNELS, **header("model/kernels/avx2/set.h"),
        **header("model/image/image.h"), **header("model/image/resize_kernel.h"),
        **header("model/image/avx2/a.h"), **header("server/api/adapter.h"),
        **header("server/log.h"), **header("vendor/stb/stb.h")}


@pytest.mark.parametrize("name, text, fault", [
    ("model/base/a.c", include("model/net/engine.h"), ":1: model/base may not include model/net"),
    ("model/image/a.c", include("model/net/engine.h"), ":1: model/image may not include"),
    ("model/net/a.c", include("model/kernels/avx2/set.h"), ":1: model/net may not include"),
    ("model/net/a.c", include("server/log.h"), ":1: model/net may not include server/log.h"),
    ("model/kernels/amx/a.c", include("model/kernels/avx2/set.h"), "kernels of amx may not"),
    ("model/image/avx512/a.c", include("model/image/avx2/a.h"), "kernels of avx512 may not"),
    ("model/image/avx2/a.c", include("model/image/image.h"), "model/image/<isa> may not include"),
    ("server/log.c", "\n" + include("server/api/adapter.h"), ":2: server/log may not include"),
    ("server/http/a.c", include("model/kernels/avx2/set.h"), ":1: server/http may not include"),
    ("model/new/a.c", include("model/base/span.h"), "lies in no folder"),
    ("model/base/a.c", include("span.h"), '"span.h" is not a path from the root'),
    ("model/base/a.c", include("model/base/../base/no.h"), "is not a path from the root"),
    ("model/base/a.c", include("model/base/b.c"), "is not a header"),
    ("model/base/a.c", include("tests/fuzz/fuzz.h"), "nothing includes tests"),
    ("vendor/stb/a.c", include("model/base/span.h"), "vendor/ includes nothing of ours"),
    ("model/image/a.c", include("<immintrin.h>"), "belong into model/kernels/<isa>/"),
    ("model/image/a.h", include("<png.h>"), "third-party <png.h> in a header"),
])
def test_include_that_is_not_allowed(tmp_path, name, text, fault):
    fuzz = header("tests/fuzz/fuzz.h")
    root = plant(tmp_path, {**GOOD, **fuzz, "model/base/b.c": "", name: text})
    faults = told(check_includes.find_faults(root))
    assert len(faults) == 1
    assert faults[0].startswith(name + ":") and fault in faults[0]


def test_includes_that_are_allowed(tmp_path):
    root = plant(tmp_path, {
        **GOOD,
        "model/model.c": include("model/net/engine.h", "<stdio.h>", "<sys/mman.h>"),
        "model/kernels/kernels.c": include("model/kernels/avx2/set.h"),
        "model/kernels/avx2/gemm.c": include("model/kernels/kernels.h", "<immintrin.h>"),
        "model/image/a.c": include("model/image/avx2/a.h"),
        "model/image/avx2/a.c": include("model/image/resize_kernel.h", "<immintrin.h>"),
        "model/image/decode_png.c": include("<png.h>", "vendor/stb/stb.h"),
        "server/http/daemon.c": include("server/api/adapter.h", "server/log.h"),
        "tests/unit/test_png.c": include("<png.h>", "model/net/engine.h", "vendor/stb/stb.h"),
        "vendor/stb/stb.c": include("vendor/stb/stb.h", "<stb/stb_image.h>"),
        "server/commands/a.c": "/* " + include("model/nowhere.h") + " */\n",
    })
    assert told(check_includes.find_faults(root)) == []


@pytest.mark.parametrize("foreign", ["<jansson.h>", "vendor/stb/stb.h"])
def test_a_foreign_header_in_two_folders(tmp_path, foreign):
    root = plant(tmp_path, {**GOOD, "model/base/a.c": include(foreign),
                            "model/base/b.c": include(foreign),
                            "model/net/c.c": "\n" + include(foreign)})
    faults = told(check_includes.find_faults(root))
    assert len(faults) == 1
    assert faults[0].startswith("model/net/c.c:2: ") and "model/base's already" in faults[0]


def test_a_cycle_of_headers(tmp_path):
    root = plant(tmp_path, {**header("model/net/a.h", include("model/net/b.h")),
                            **header("model/net/b.h", include("model/net/a.h"))})
    faults = told(check_includes.find_faults(root))
    assert faults == ["model/net/a.h:1: cycle of headers: "
                      "model/net/a.h -> model/net/b.h -> model/net/a.h"]


def test_the_table_of_allowed_includes_has_no_cycle():
    graph = {zone: {check_includes.zone_of(entry) or entry for entry in allowed} - {zone}
             for zone, allowed in check_includes.ALLOWED.items()}
    # kernels.c lists the sets, and each set is a `struct kernel_set` of kernels.h.
    graph["model/kernels/<isa>"].discard("model/kernels")
    # resize_kernel.c likewise.
    graph["model/image/<isa>"].discard("model/image")
    assert check_includes.find_cycle(graph) is None


def compile_tree(root, sources):
    build = root / "build"
    build.mkdir()
    commands = []
    for name in sources:
        output = name.replace("/", "_") + ".o"
        subprocess.run(["cc", "-c", root / name, "-o", build / output], check=True)
        commands.append(f'{{"directory": "{build}", "file": "../{name}", "output": "{output}"}}')
    (build / "compile_commands.json").write_text("[" + ",".join(commands) + "]")
    return build


def test_symbol_without_its_files_stem(tmp_path):
    sources = {
        "model/base/clock.c": "int clock_now(void);\nint clock_now(void) { return 0; }\n"
                              "int ticks;\nstatic int hidden;\nint *clock_ticks = &hidden;\n",
        "model/kernels/avx2/gemm_f32.c": "void gemm_f32(void) {}\n",
        "server/problem.c": "const int problems = 1;\n",
    }
    build = compile_tree(plant(tmp_path, sources), sources)
    faults = told(check_symbols.find_faults(tmp_path, build, {}))
    assert [fault.split(" does")[0] for fault in faults] == [
        "model/base/clock.c:3: external ticks", "server/problem.c:1: external problems"]
    exceptions = {"model/base/clock.c": (["ticks"], "why"), "server/problem.c": (["problem"], "")}
    assert told(check_symbols.find_faults(tmp_path, build, exceptions)) == []
    exceptions["model/base/gone.c"] = (["x_"], "why")
    assert "not needed" in told(check_symbols.find_faults(tmp_path, build, exceptions))[0]


def test_a_build_without_objects_is_a_fault(tmp_path):
    build = compile_tree(tmp_path, [])
    assert "holds no objects" in told(check_symbols.find_faults(tmp_path, build, {}))[0]
    sources = {"model/a.c": "int a;\n"}
    plant(tmp_path, sources)
    (build / "compile_commands.json").unlink()
    build.rmdir()
    build = compile_tree(tmp_path, sources)
    (build / "model_a.c.o").unlink()
    assert "is not built" in told(check_symbols.find_faults(tmp_path, build, {}))[0]


@pytest.mark.parametrize("text, fault", [
    (GUARD.format("MODEL_A_H", "size_t size;\n"), "model/a.h:3: model/a.h does not compile alone"),
    (GUARD.format("MODEL_B_H", ""), "model/a.h:1: its include guard should be CLASSIFYD_MODEL_A_H"),
    ("struct a {\n    int b;\n};\n", "model/a.h:1: its include guard"),
    ("#pragma once\n", "model/a.h:1: its include guard"),
    (GUARD.format("MODEL_A_H", "int f();\n") + "extern int g;\n", "its include guard"),
])
def test_header_that_does_not_stand_alone(tmp_path, text, fault):
    faults = told(check_headers.find_faults(plant(tmp_path, {"model/a.h": text})))
    assert fault in faults[0]


def test_headers_that_stand_alone(tmp_path):
    good = "/* A purpose. */\n" + GUARD.format("MODEL_BASE_A_H", "struct a {\n    int b;\n};\n\n")
    assert told(check_headers.find_faults(plant(tmp_path, {"model/base/a.h": good}))) == []


def test_format(tmp_path):
    tool = check_format.find_tool()
    if not tool:
        pytest.skip(f"clang-format {check_format.VERSION} is not installed")
    style = (tree.OWN_ROOT / ".clang-format").read_text()
    root = plant(tmp_path, {".clang-format": style, "model/good.c": "int a;\n",
                            "model/bad.c": "int a;\nint  *b;\n"})
    assert told(check_format.find_faults(root, tool)) == [
        "model/bad.c:2: not formatted; `make format` mends it"]


def function(lines):
    return "static int f(int a)\n{\n" + "    a++;\n" * lines + "}\n"


@pytest.mark.parametrize("name, text, fault", [
    ("model/a.c", "int a;\n" * 601, "model/a.c:601: 601 lines, the limit is 600"),
    ("model/a.h", "int a;\n" * 151, "model/a.h:151: 151 lines, the limit is 150"),
    ("tests/unit/test_a.c", function(61), "test_a.c:2: f has 61 lines, the limit is 60"),
    ("model/kernels/avx2/set.c", function(61), "set.c:2: f has 61 lines, the limit is 60"),
    ("model/a.c", 'char q = \'"\';\n' + function(61) + 'char r = \'"\';\n', "f has 61 lines, the limit is 60"),
], ids=itertools.count())
def test_too_long(tmp_path, name, text, fault):
    faults = told(check_lengths.find_faults(plant(tmp_path, {name: text}), {}))
    assert len(faults) == 1 and faults[0].endswith(fault)


def test_long_enough(tmp_path):
    root = plant(tmp_path, {"model/a.c": "int a;\n" * 537 + function(60), "model/b.h": "\n" * 150,
                            "model/kernels/avx2/gemm.c": function(700),
                            "server/table.c": "int a;\n" * 700})
    assert told(check_lengths.find_faults(root, {"server/table.c": "a table"})) == []
    assert "not needed" in told(check_lengths.find_faults(root, {
        "server/table.c": "a table", "model/a.c": "short after all"}))[0]


@pytest.mark.parametrize("name, text, fault", [
    ("model/a.c", f"\n/* {UNFINISHED}: later */\n", f":2: {UNFINISHED}: finish it"),
    ("a.md", "XX" + "X\n", "finish it"),
    ("model/a.c", "  # if 0\nint a;\n#endif\n", ":1: switched-off code"),
    ("model/a.c", "/* NOLINTNEXTLINE */\n", ":1: exempted from an analyser without"),
    ("model/a.c", "/* NOLINTNEXTLINE(cert-a-c) */\n", ":1: exempted from an analyser without"),
    ("model/a.c", "/* cppcheck-suppress memleak */\n", ":1: exempted from an analyser without"),
    ("tests/a.py", f"open('{HOME}me/a')\n", "is a path of somebody's machine"),
    ("README.md", f"see {HOME}me\n", "is a path of somebody's machine"),
    ("model/a.c", "\tint a;\n", ":1: a tab"),
    ("a.md", "text \n", ":1: space at the end"),
    ("a.md", "text\r\n", ":1: space at the end"),
    ("a.md", "text", "should end with one newline"),
    ("a.md", "text\n\n", "should end with one newline"),
])
def test_text_that_should_not_be(tmp_path, name, text, fault):
    root = tmp_path / "tree"  # pytest may have named tmp_path after a parameter
    (plant(root, {}) / name).parent.mkdir(parents=True)
    (root / name).write_bytes(text.encode())
    faults = told(check_text.find_faults(root))
    assert len(faults) == 1
    assert faults[0].startswith(name + ":") and fault in faults[0]


def test_text_that_may_be(tmp_path):
    root = plant(tmp_path, {
        "Makefile": "all:\n\ttrue\n", "config/labels.tsv": "a\tb\t\n", "model/empty.c": "",
        "a.md": "mkstemp wants XXXXXX, see https://example.org/home/page and ~/home/x\n",
        "model/a.c": "/* NOLINTNEXTLINE(cert-a-c): because */\n/* cppcheck-suppress b; why */\n",
        "tests/fuzz/corpus/json/a": f"\t{UNFINISHED} ",
    })
    (root / "binary").write_bytes(b"\t \n\0\xff")
    assert told(check_text.find_faults(root)) == []


@pytest.mark.parametrize("text, fault", [
    ("see\n[a](b.md)\n", "docs/a.md:2: b.md leads nowhere"),
    ("[a](../../b.md)\n", "leads out of the project"),
    ("[a](/etc/passwd)\n", "leads out of the project"),
    ("![a](picture.png)\n", "picture.png leads nowhere"),
    ("[a][1]\n\n[1]: gone.md\n", "docs/a.md:3: gone.md leads nowhere"),
    ("[a](../README.md#no-such)\n", "README.md has no heading #no-such"),
    ("# Here\n[a](#there)\n", "docs/a.md has no heading #there"),
])
def test_link_that_leads_nowhere(tmp_path, text, fault):
    root = plant(tmp_path, {"docs/a.md": text, "README.md": "# Title\n"})
    faults = told(check_links.find_faults(root))
    assert len(faults) == 1 and fault in faults[0]


def test_links_that_lead_somewhere(tmp_path):
    root = plant(tmp_path, {
        "docs/a.md": "# A `b`, c\n[1](../README.md#the-title) [2](#a-b-c) [3](https://x.org/y)\n"
                     "`[4](gone.md)`\n```\n[5](gone.md)\n```\n[6](../docs/)\n",
        "README.md": "# The title\n"})
    assert told(check_links.find_faults(root)) == []


def test_the_files_are_those_that_git_would_take(tmp_path):
    root = plant(tmp_path, {"a.c": "", "b.c": "", "build/c.c": "", ".gitignore": "/b.c\n/build/\n"})
    assert tree.list_files(root) == ["a.c", "b.c"]
    subprocess.run(["git", "init", "-q", root], check=True)
    assert tree.list_files(root) == [".gitignore", "a.c"]


def test_every_check_is_tested_here():
    source = pathlib.Path(__file__).read_text()
    for check in pathlib.Path(__file__).parent.glob("check_*.py"):
        assert f"{check.stem}.find_faults" in source, f"{check.stem} is not tested"
