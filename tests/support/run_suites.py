#!/usr/bin/python3
"""Runs `meson test` on a build and counts what really ran: cases, not programs.

Usage: run_suites.py BUILD_DIR [--suite S ...] [--no-suite S ...] [--timeout-multiplier N]

A cmocka program counts each of its cases, pytest each of its tests, any other program counts as
one. The last line is `N passed, N failed, N skipped`; the exit status is 0 only where nothing
failed and something passed. A program that crashed, ran out of time or reported fewer cases than
it announced has failed at least once, whatever it printed before.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys

LOG_NAME = "run_suites"
EXIT_SKIPPED = 77
# TAP as cmocka 1.1 writes it: "ok 1 - name", "not ok 2 - name", "not ok 3 # SKIP name".
TAP_PLAN = re.compile(r"^1\.\.(\d+)\s*$")
TAP_CASE = re.compile(r"^(not )?ok \d+\b[ -]*(.*)$")
PYTEST_CLOSING = re.compile(r"^=*\s*(\d+ [a-z]+(?:, \d+ [a-z]+)*) in [\d.]+s\b")
PYTEST_OUTCOMES = {
    "passed": "passed", "xfailed": "passed",
    "failed": "failed", "error": "failed", "errors": "failed", "xpassed": "failed",
    "skipped": "skipped",
}


@dataclasses.dataclass
class Count:
    """What became of the cases of one program, with a line for each that did not pass."""
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list = dataclasses.field(default_factory=list)
    reasons: list = dataclasses.field(default_factory=list)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures
        self.reasons += other.reasons

    def line(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def count_tap(output):
    """None where the output is not TAP. A comment before a skipped case is taken for its reason."""
    count, planned, seen, comment = Count(), None, 0, ""
    for line in output.splitlines():
        plan, case = TAP_PLAN.match(line), TAP_CASE.match(line)
        if plan:
            planned = (planned or 0) + int(plan[1])
        elif case and planned is not None:
            seen += 1
            if "# skip" in line.lower():
                count.skipped += 1
                count.reasons.append(f"{case[2].strip()} {comment}".strip())
            elif case[1]:
                count.failed += 1
                count.failures.append(case[2].strip())
            else:
                count.passed += 1
            comment = ""
        elif line.startswith("# "):
            comment = line
    if planned is None:
        return None
    if seen < planned:
        count.failed += planned - seen
        count.failures.append(f"{planned - seen} of {planned} cases never ended")
    return count


def count_pytest(output):
    """None where pytest did not get as far as its closing line."""
    closing = None
    for line in output.splitlines():
        closing = PYTEST_CLOSING.match(line) or closing
    if not closing:
        return None
    count = Count()
    for item in closing[1].split(", "):
        number, word = item.split(" ")
        outcome = PYTEST_OUTCOMES.get(word)
        if outcome:
            setattr(count, outcome, getattr(count, outcome) + int(number))
    for line in output.splitlines():
        if line.startswith("SKIPPED ["):
            count.reasons.append(line.removeprefix("SKIPPED "))
        elif line.startswith(("FAILED ", "ERROR ")):
            count.failures.append(line)
    return count


def last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no reason given"


def count_program(record):
    """One line of meson's log: a program with its output and result."""
    output = record.get("stdout", "")
    is_pytest = any("pytest" in word for word in record["command"])
    count = count_pytest(output) if is_pytest else count_tap(output)
    if record["result"] == "SKIP" or record["returncode"] == EXIT_SKIPPED:
        reason = last_line(output + "\n" + record.get("stderr", ""))
        return Count(skipped=1, reasons=[reason])
    has_ended_well = record["result"] == "OK"
    if count is None:
        count = Count(passed=1) if has_ended_well and not is_pytest else Count()
        if is_pytest and has_ended_well:
            count = Count(failed=1, failures=["pytest ended without its closing line"])
    is_cut_short = record["result"] in ("TIMEOUT", "INTERRUPT", "ERROR") or record["returncode"] < 0
    if is_cut_short or (not has_ended_well and count.failed == 0):
        count.failed += 1
        count.failures.append(f"{record['result']}, exit status {record['returncode']}")
    return count


def count_log(path):
    total = Count()
    with open(path, encoding="utf-8") as log:
        for line in log:
            record = json.loads(line)
            count = count_program(record)
            count.failures = [f"{record['name']}: {text}" for text in count.failures]
            count.reasons = [f"{record['name']}: {text}" for text in count.reasons]
            total.add(count)
    return total


def run_meson(options):
    """Meson's exit status; what the programs said is in its log."""
    command = ["meson", "test", "-C", options.build_dir, "--print-errorlogs",
               "--logbase", LOG_NAME, "--timeout-multiplier", str(options.timeout_multiplier)]
    for suite in options.suite:
        command += ["--suite", suite]
    for suite in options.no_suite:
        command += ["--no-suite", suite]
    environment = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="tap",
                       PYTEST_ADDOPTS=os.environ.get("PYTEST_ADDOPTS", "") + " -rsfE --color=no")
    return subprocess.run(command, env=environment, check=False).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build_dir")
    parser.add_argument("--suite", action="append", default=[])
    parser.add_argument("--no-suite", action="append", default=[])
    parser.add_argument("--timeout-multiplier", type=float, default=1)
    options = parser.parse_args()

    log = pathlib.Path(options.build_dir, "meson-logs", LOG_NAME + ".json")
    log.unlink(missing_ok=True)
    meson_status = run_meson(options)
    total = count_log(log) if log.exists() else Count()
    if meson_status != 0 and total.failed == 0:
        total.add(Count(failed=1, failures=[f"meson test: exit status {meson_status}"]))
    if total.passed + total.failed + total.skipped == 0:
        total.add(Count(failed=1, failures=["no test ran"]))

    print()
    for reason in total.reasons:
        print("skipped:", reason)
    for failure in total.failures:
        print("FAILED:", failure)
    print(total.line(), flush=True)
    return 0 if total.failed == 0 and total.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
