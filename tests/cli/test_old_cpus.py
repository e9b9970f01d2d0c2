"""CPUs that this machine is not, emulated by qemu: the program starts, tells OpenBLAS the right core, and answers."""
import json
import shutil
import subprocess

import pytest

from conftest import BINARY, SAMPLE

# (qemu's CPU, OpenBLAS's core, kernel set): 2008, without AVX; 2011, with AVX; 2013, with AVX2 and FMA; 2017,
# with AVX-512, where qemu emulates it.
CPUS = [("Nehalem", "Nehalem", "blas"), ("SandyBridge", "Sandybridge", "blas"), ("Haswell", "Haswell", "avx2"),
        ("Skylake-Server", "SkylakeX", "avx512")]
needs_qemu = pytest.mark.skipif(not shutil.which("qemu-x86_64"),
                                reason="no qemu-x86_64 here: this machine is not an x86-64")


def emulate(cpu, *arguments):
    return subprocess.run(["qemu-x86_64", "-cpu", cpu, BINARY, *arguments], capture_output=True, text=True, timeout=300)


def run_on(cpu, *arguments):
    done = emulate(cpu, *arguments)
    assert done.returncode == 0, f"{cpu}: exit {done.returncode}: {done.stderr}"
    return done.stdout


@needs_qemu
@pytest.mark.parametrize("cpu, core, kernels", CPUS)
def test_answers_on_an_older_cpu(cpu, core, kernels):
    about = run_on(cpu, "--version")
    if kernels == "avx512" and "avx512: not here" in about:
        pytest.skip("this qemu-x86_64 does not emulate AVX-512")
    assert [line for line in about.splitlines() if line.endswith("core " + core)]
    chosen = next(line for line in run_on(cpu, "inspect", "demo").splitlines() if line.startswith("kernels "))
    assert chosen.split()[1] == kernels + ":"
    here = json.loads(subprocess.run([BINARY, "classify", "--json", SAMPLE], capture_output=True, check=True).stdout)
    there = json.loads(run_on(cpu, "classify", "--json", "--threads", "1", str(SAMPLE)))
    assert here["predictions"][0]["class_id"] == there["predictions"][0]["class_id"]
    assert abs(here["predictions"][0]["probability"] - there["predictions"][0]["probability"]) < 1e-5


@needs_qemu
@pytest.mark.parametrize("cpu, kernels, lacks", [
    ("Haswell", "avx512", "AVX-512"), ("Nehalem", "avx512", "AVX-512"), ("Nehalem", "avx2", "AVX2 with FMA")])
def test_kernels_that_the_cpu_lacks_are_refused(cpu, kernels, lacks):
    done = emulate(cpu, "classify", "--kernels", kernels, str(SAMPLE))
    assert done.returncode == 1
    assert f"this CPU (or the system it runs) has no {lacks}; try --kernels auto" in done.stderr
