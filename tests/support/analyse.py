#!/usr/bin/python3
"""Runs one analyser over each C file of ours that a build compiles; a file with a finding fails.

Usage: analyse.py gcc|clang-tidy|cppcheck BUILD_DIR [--jobs N]

gcc wants a build made with gcc, clang-tidy one made with clang. What is not ours to mend is
exempted on the line before it, with its reason (check_text.py looks for it):
    /* NOLINTNEXTLINE(check): reason */   /* cppcheck-suppress id; reason */
    /* gcc-suppress analyzer-malloc-leak; reason */     (gcc itself has no such comment)
The last line is `N passed, N failed, N skipped`, counted in files.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Not the unit tests: cmocka's macros hide from an analyser which assertion ends a test.
ANALYSED = ("model/", "server/", "vendor/", "tests/fuzz/")
TIME_LIMIT_S = 300


def list_entries(build):
    """name -> compile command, a file once."""
    entries = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        if not source.is_relative_to(ROOT):
            continue
        name = source.relative_to(ROOT).as_posix()
        if name.startswith(ANALYSED) and name.endswith(".c"):
            entries.setdefault(name, shlex.split(entry["command"]))
    return dict(sorted(entries.items()))


def drop_outputs(command):
    """The compile command without what it writes."""
    words, kept = iter(command), []
    for word in words:
        if word in ("-o", "-MF", "-MQ", "-MT"):
            next(words)
        elif word != "-MD":
            kept.append(word)
    return kept


def gcc_command(_build, _name, compile_command):
    # -O2: the analyser reads the program after the first inlining; below, gcc 12 takes what a struct
    # assignment carries over to the caller for leaked.
    return drop_outputs(compile_command) + ["-O2", "-fanalyzer", "-fdiagnostics-color=never",
                                            "-o", os.devnull]


def clang_tidy_command(build, name, _compile_command):
    return ["clang-tidy", "--quiet", "-p", str(build), str(ROOT / name)]


def cppcheck_command(_build, name, compile_command):
    defines = [word for word in compile_command if re.match(r"-[DU]\w", word)]
    # No --enable=style: what our style is, is said elsewhere.
    return ["cppcheck", "--quiet", "--std=c11", "--platform=unix64", "--library=posix,gnu",
            "--enable=warning,performance,portability", "--inline-suppr", "--error-exitcode=1",
            "--template={file}:{line}: {severity}: {message} [{id}]", f"-I{ROOT}", *defines,
            str(ROOT / name)]


def is_exempted(build, path, line, warning):
    lines = (build / path).read_text().splitlines()[max(0, line - 2):line]
    return any(f"gcc-suppress {warning};" in text for text in lines)


def has_gcc_finding(build, output):
    """Whether gcc said anything that its file does not exempt."""
    said = re.findall(r"^(\S+?):(\d+):\d+: (?:fatal )?(?:warning|error): (.*)$", output, re.MULTILINE)
    for path, line, text in said:
        warning = re.search(r"\[-W(?:error=)?(analyzer-[\w-]+)\]$", text)
        if not warning or not is_exempted(build, path, int(line), warning[1]):
            return True
    return not said


TOOLS = {"gcc": gcc_command, "clang-tidy": clang_tidy_command, "cppcheck": cppcheck_command}


def analyse(tool, build, name, compile_command):
    """What the tool found; an empty string where it found nothing."""
    try:
        done = subprocess.run(TOOLS[tool](build, name, compile_command), cwd=build, text=True,
                              capture_output=True, check=False, timeout=TIME_LIMIT_S)
    except subprocess.TimeoutExpired:
        return f"{name}: {tool} took more than {TIME_LIMIT_S} s"
    output = (done.stdout + done.stderr).strip()
    has_found = done.returncode != 0 or re.search(r": (warning|error): ", output)
    if has_found and tool == "gcc":
        has_found = has_gcc_finding(build, output)
    return (output or f"exit status {done.returncode}") if has_found else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tool", choices=TOOLS)
    parser.add_argument("build_dir", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    build = options.build_dir.resolve()

    if not shutil.which(options.tool):
        print(f"{options.tool} is not installed\n0 passed, 1 failed, 0 skipped")
        return 1
    entries, failed = list_entries(build), 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        jobs = {pool.submit(analyse, options.tool, build, name, command): name
                for name, command in entries.items()}
        for number, job in enumerate(concurrent.futures.as_completed(jobs), 1):
            found = job.result()
            failed += bool(found)
            verdict = "FINDING" if found else "ok"
            print(f"[{number}/{len(jobs)}] {options.tool} {jobs[job]} {verdict}", flush=True)
            if found:
                print(found, flush=True)
    print(f"{len(entries) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not entries else 0


if __name__ == "__main__":
    sys.exit(main())
