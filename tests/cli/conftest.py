"""The real binary, and what the tests ask it. CLASSIFYD names it (meson does)."""
import collections
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("CLASSIFYD", str(ROOT / "build" / "server" / "classifyd"))
COMMANDS = ["serve", "classify", "pull", "models", "inspect", "eval", "quantize", "bench", "help"]
SAMPLE = ROOT / "config" / "demo" / "sample.jpg"

Outcome = collections.namedtuple("Outcome", "status out err")


@pytest.fixture
def classifyd(tmp_path):
    """Runs it in an empty home, without what the developer's environment says."""
    home = tmp_path / "home"
    home.mkdir()

    def run(*words, stdin=b"", env=None, cwd=None, **more):
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "OPENBLAS_CORETYPE"):
            if name in os.environ:
                environment[name] = os.environ[name]
        environment.update(env or {})
        done = subprocess.run([BINARY, *map(os.fsencode, words)], input=stdin, env=environment,
                              cwd=cwd, timeout=120, check=False,
                              **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more})
        decode = lambda data: None if data is None else data.decode("utf-8")
        return Outcome(done.returncode, decode(done.stdout), decode(done.stderr))

    return run


@pytest.fixture
def sample():
    return SAMPLE
