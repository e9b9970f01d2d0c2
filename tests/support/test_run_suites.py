"""run_suites.py on small meson projects whose programs pass, fail, skip, crash, hang or lie."""
import pathlib
import subprocess
import sys

import pytest

RUN_SUITES = pathlib.Path(__file__).with_name("run_suites.py")
PYTEST_FILE = """
import pytest
def test_good(): pass
def test_bad(): assert 1 == 2
@pytest.mark.skip(reason="the moon is full")
def test_skipped(): pass
"""


def shell(script):
    quoted = script.replace("\\", "\\\\").replace("'", "\\'")
    return f"find_program('sh'), args: ['-c', '{quoted}']"


def tap(*lines, end="true"):
    return shell("; ".join([f'echo "{line}"' for line in lines] + [end]))


def run(folder, programs, *arguments):
    """Closing line, exit status and everything printed, for a project of these meson tests."""
    text = "project('fixture')\n"
    for index, program in enumerate(programs):
        text += f"test('t{index}', {program}, suite: 's{index}')\n"
    (folder / "meson.build").write_text(text)
    subprocess.run(["meson", "setup", "build"], cwd=folder, check=True, capture_output=True)
    done = subprocess.run([sys.executable, RUN_SUITES, "build", *arguments], cwd=folder,
                          capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[-1], done.returncode, done.stdout


@pytest.mark.parametrize("program, closing, status", [
    (tap("1..2", "ok 1 - a", "ok 2 - b"), "2 passed, 0 failed, 0 skipped", 0),
    (tap("1..2", "ok 1 - a", "not ok 2 - b", end="exit 1"), "1 passed, 1 failed, 0 skipped", 1),
    (tap("1..2", "ok 1 - a", "not ok 2 - b"), "1 passed, 1 failed, 0 skipped", 1),
    (tap("1..2", "ok 1 - a", "ok 2 # SKIP b"), "1 passed, 0 failed, 1 skipped", 0),
    (tap("1..2", "ok 1 - a", "not ok 2 # SKIP b"), "1 passed, 0 failed, 1 skipped", 0),
    (tap("1..3", "ok 1 - a"), "1 passed, 2 failed, 0 skipped", 1),
    (tap("1..1", "ok 1 - a", end="exit 1"), "1 passed, 1 failed, 0 skipped", 1),
    (tap("1..1", "ok 1 - a", end="kill -SEGV $$"), "1 passed, 1 failed, 0 skipped", 1),
    (shell("exit 0"), "1 passed, 0 failed, 0 skipped", 0),
    (shell("exit 3"), "0 passed, 1 failed, 0 skipped", 1),
    (shell("echo no camera here; exit 77"), "0 passed, 0 failed, 1 skipped", 1),
    (shell("sleep 60") + ", timeout: 1", "0 passed, 1 failed, 0 skipped", 1),
])
def test_counts_a_program(tmp_path, program, closing, status):
    assert run(tmp_path, [program])[:2] == (closing, status)


def test_counts_pytest_and_shows_why_it_skipped(tmp_path):
    (tmp_path / "test_fixture.py").write_text(PYTEST_FILE)
    program = (f"find_program('{sys.executable}'), "
               "args: ['-m', 'pytest', '-q', meson.current_source_dir() / 'test_fixture.py']")
    closing, status, output = run(tmp_path, [program])
    assert (closing, status) == ("1 passed, 1 failed, 1 skipped", 1)
    assert "the moon is full" in output
    assert "test_bad" in output


def test_a_suite_that_is_not_there_is_a_failure(tmp_path):
    closing, status, _ = run(tmp_path, [shell("exit 0")], "--suite", "misspelt")
    assert (closing, status) == ("0 passed, 1 failed, 0 skipped", 1)


def test_runs_only_the_suites_asked_for(tmp_path):
    programs = [shell("exit 0"), shell("exit 1"), tap("1..2", "ok 1 - a", "ok 2 - b")]
    arguments = ["--suite", "s0", "--suite", "s2"]
    assert run(tmp_path, programs, *arguments)[:2] == ("3 passed, 0 failed, 0 skipped", 0)


def test_the_reason_of_a_skipped_program_is_shown(tmp_path):
    case = tap("1..2", "# no film", "not ok 1 # SKIP develop", "ok 2 - a")
    output = run(tmp_path, [shell("echo no camera here; exit 77"), case])[2]
    assert "t0: no camera here" in output
    assert "t1: # SKIP develop # no film" in output
