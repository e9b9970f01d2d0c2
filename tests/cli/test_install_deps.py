"""deploy/install-deps and the Makefile's list, with stand-ins for dpkg, apt and sudo."""
import os
import subprocess

import pytest

from conftest import ROOT

SCRIPT = ROOT / "deploy" / "install-deps"


@pytest.fixture
def machine(tmp_path):
    """A machine that lacks some packages; what was done to it, call by call."""
    tools = tmp_path / "tools"
    tools.mkdir()
    calls = tmp_path / "calls"
    calls.write_text("")

    def put(name, text):
        (tools / name).write_text(f"#!/bin/bash\n{text}\n")
        (tools / name).chmod(0o755)

    def run(*words, missing=(), user=0, without=()):
        known = "|".join(missing) or "none-at-all"
        put("dpkg-query", f'case "${{@: -1}}" in {known}) exit 1 ;; esac; echo -n installed')
        put("apt-get", f'echo "apt-get $*" >>{calls}')
        put("sudo", f'echo -n "sudo " >>{calls}; exec "$@"')
        put("id", f"echo {user}")
        for name in without:
            (tools / name).unlink()
        done = subprocess.run(["/bin/bash", SCRIPT, *words], capture_output=True, text=True,
                              env={"PATH": f"{tools}:{tmp_path}/bin"}, check=False)
        return done, calls.read_text().splitlines()

    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "env").symlink_to("/usr/bin/env")
    (tmp_path / "bin" / "bash").symlink_to("/bin/bash")
    return run


@pytest.mark.parametrize("purpose", [(), ("run",), ("test",), ("ci",)])
def test_apt_is_not_touched_where_nothing_is_missing(machine, purpose):
    done, calls = machine(*purpose)
    assert (done.returncode, done.stdout, done.stderr, calls) == (0, "", "", [])


def test_only_what_is_missing(machine):
    done, calls = machine("run", missing=["meson", "libpng-dev", "cppcheck"])
    assert done.returncode == 0, done.stderr
    assert calls == ["apt-get update",
                     "apt-get install --yes --no-install-recommends meson libpng-dev"]
    assert "installing 2 packages: meson libpng-dev" in done.stdout


def test_the_lists_contain_each_other(machine):
    assert "cppcheck" not in machine("test", missing=["cppcheck", "meson"])[1][-1]
    assert machine("ci", missing=["cppcheck", "meson"])[1][-1].endswith(" meson cppcheck")


def test_sudo_where_not_root(machine):
    done, calls = machine("run", missing=["meson"], user=1000)
    assert done.returncode == 0
    assert calls == ["sudo apt-get update",
                     "sudo apt-get install --yes --no-install-recommends meson"]


def test_neither_root_nor_sudo(machine):
    done, calls = machine("run", missing=["meson"], user=1000, without=["sudo"])
    assert (done.returncode, calls) == (1, [])
    assert "as root: apt-get install meson" in done.stderr


def test_another_distribution(machine):
    done, calls = machine("run", without=["dpkg-query"])
    assert (done.returncode, calls) == (0, [])
    assert "libjansson-dev" in done.stderr


def test_an_unknown_list(machine):
    done, calls = machine("everything")
    assert (done.returncode, calls) == (2, [])
    assert "run, test and ci" in done.stderr


def test_make_alone_says_what_there_is():
    done = subprocess.run(["make", "--no-print-directory", "-C", ROOT], capture_output=True,
                          text=True, check=True,
                          env={name: value for name, value in os.environ.items()
                               if not name.startswith("MAKE")})
    for target in ("run", "build", "test", "ci", "install", "bench", "format", "clean"):
        assert f"  make {target} " in done.stdout
