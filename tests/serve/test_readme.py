"""The lines of the README's service part work as they stand."""
import json
import re
import subprocess

import pytest

from service import PATIENCE_S, ROOT

README = (ROOT / "README.md").read_text()
BLOCK = re.search(r"## The service\n.*?```sh\n(.*?)```", README, re.DOTALL)[1]
FIRST = re.search(r"^    (curl .*)$", README, re.MULTILINE)[1]
LINES = [FIRST, *BLOCK.strip().splitlines()]


def run(line, service, site):
    """With this test's server in the place of localhost:8080, and a local site in dog.ceo's."""
    assert "localhost:8080" in line
    line = line.replace("localhost:8080", f"127.0.0.1:{service.port}")
    line = re.sub(r"https://images\.dog\.ceo/\S+?\.jpg", site.url + "/golf.jpg", line)
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], cwd=ROOT, capture_output=True,
                          text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("line", [line for line in LINES if "/classify" in line])
def test_a_line_that_classifies(service, site, line):
    document = json.loads(run(line, service, site))
    first = document["results"][0] if "results" in document else document
    assert first["predictions"][0]["label"] == "golf ball"


@pytest.mark.parametrize("line", [line for line in LINES if "/classify" not in line])
def test_another_line(service, site, line):
    out = run(line, service, site)
    assert out == "ok\n" or "classifyd_" in out or isinstance(json.loads(out), dict)


def test_the_block_has_lines():
    assert len(LINES) > 10


def test_the_limits_are_the_defaults(service):
    """The table of limits beside what --print-options says."""
    options = json.loads((ROOT / "config" / "classifyd.json").read_text())
    table = re.search(r"\| limit \| default \| option \|\n(.*?)\n\n", README, re.DOTALL)[1]
    assert f"| body | {options['limits']['body_bytes'] >> 20} MiB |" in table
    assert f"{options['limits']['memory_bytes'] >> 20} MiB |" in table
    assert f"| {options['limits']['images']} |" in table
    assert f"{options['limits']['image_pixels'] // 10**6} megapixels, " \
           f"{options['limits']['image_side_px']:,} px" in table
    assert f"| {options['server']['max_requests']} each |" in table
    assert options["server"]["max_requests"] == options["server"]["max_connections"]
    assert f"| {options['server']['request_timeout_ms'] // 1000} s, then 504 |" in table
    fetch = options["fetch"]
    assert f"| {fetch['max_bytes'] >> 20} MiB, {fetch['timeout_ms'] // 1000} s, " \
           f"{fetch['max_redirects']} redirects, {fetch['max_concurrent']} at once, " \
           f"{fetch['max_concurrent_per_host']} a host |" in table
