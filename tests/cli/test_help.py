"""--help, help, --version: the same tables everywhere."""
import pytest

from conftest import COMMANDS


def test_the_list_names_every_command(classifyd):
    done = classifyd("--help")
    assert (done.status, done.err) == (0, "")
    for command in COMMANDS:
        assert f"\n  {command} " in done.out
    assert classifyd("-h").out == done.out
    assert classifyd("help").out == done.out


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_explains_itself(classifyd, command):
    done = classifyd(command, "--help")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(f"Usage: classifyd {command}")
    assert "Exit status:" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    assert classifyd("help", command).out == done.out
    assert classifyd(command, "-h").out == done.out


def test_nothing_at_all_is_a_wrong_use(classifyd):
    done = classifyd()
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("Usage: classifyd COMMAND")


def test_an_unknown_command_is_refused(classifyd, tmp_path):
    done = classifyd("clasify")
    assert (done.status, done.out) == (2, "")
    assert done.err == 'classifyd: no command "clasify"; did you mean classify?\n'
    assert classifyd("zzzzzzzz").err == ('classifyd: no command "zzzzzzzz"; '
                                         "classifyd --help lists them\n")
    (tmp_path / "a.jpg").write_bytes(b"")
    done = classifyd("a.jpg", cwd=tmp_path)
    assert done.status == 2
    assert "classifyd classify a.jpg" in done.err


def test_help_of_an_unknown_command(classifyd):
    done = classifyd("help", "evl")
    assert (done.status, done.out) == (2, "")
    assert done.err == 'classifyd help: no command "evl"; did you mean eval?\n'


def test_version_says_what_computes(classifyd):
    done = classifyd("--version")
    assert (done.status, done.err) == (0, "")
    lines = dict(reversed([line.split(maxsplit=1) for line in done.out.splitlines()]))
    assert lines["classifyd"][0].isdigit()
    name, description = lines["kernels"].split(": ", 1)  # the best, which comes first
    assert name in ("amx", "avx512", "avx2", "blas") and description
    assert "blas: OpenBLAS 0.3" in done.out and "generic: plain C" in done.out
    assert int(lines["threads"]) >= 1
    assert lines["locked"].startswith("memory ")


def test_the_core_name_follows_the_environment(classifyd):
    forced = classifyd("--version", env={"OPENBLAS_CORETYPE": "Nehalem"})
    assert "core Nehalem" in forced.out


def test_threads_follow_the_affinity_mask(classifyd):
    import os
    one = min(os.sched_getaffinity(0))
    done = classifyd("--version", preexec_fn=lambda: os.sched_setaffinity(0, {one}))
    assert "\nthreads        1\n" in done.out
