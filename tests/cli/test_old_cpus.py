"""CPUs that this machine is not, emulated by qemu: the program starts, tells OpenBLAS the right core, and answers."""
import json
import shutil
import subprocess

import pytest

from conftest import BINARY, SAMPLE

# (qemu's CPU, OpenBLAS's core): 2008, without AVX; 2011, with AVX; 2013, with AVX2 and FMA.
CPUS = [("Nehalem", "Nehalem"), ("SandyBridge", "Sandybridge"), ("Haswell", "Haswell")]


def run_on(cpu, *arguments):
    done = subprocess.run(["qemu-x86_64", "-cpu", cpu, BINARY, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{cpu}: exit {done.returncode}: {done.stderr}"
    return done.stdout


@pytest.mark.skipif(not shutil.which("qemu-x86_64"), reason="no qemu-x86_64 here: this machine is not an x86-64")
@pytest.mark.parametrize("cpu, core", CPUS)
def test_answers_on_an_older_cpu(cpu, core):
    assert run_on(cpu, "--version").splitlines()[1].endswith("core " + core)
    here = json.loads(subprocess.run([BINARY, "classify", "--json", SAMPLE], capture_output=True, check=True).stdout)
    there = json.loads(run_on(cpu, "classify", "--json", "--threads", "1", str(SAMPLE)))
    assert here["predictions"][0]["class_id"] == there["predictions"][0]["class_id"]
    assert abs(here["predictions"][0]["probability"] - there["predictions"][0]["probability"]) < 1e-5
