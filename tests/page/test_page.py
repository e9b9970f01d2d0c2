"""The page, in a browser, from the real service: cases.js does what a person does, one test a case here.

Wants node, npm (for playwright-core and axe-core) and Debian's chromium."""
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import urllib.parse

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "serve"))
from service import Service  # noqa: E402

BUILD = pathlib.Path(os.environ.get("BUILD_DIR", ROOT / "build"))
SAMPLE = ROOT / "config" / "demo" / "sample.jpg"
CASES = re.findall(r'^  "([^"]+)": async', (HERE / "cases.js").read_text(), re.MULTILINE)
CHROMIUM = shutil.which("chromium") or "chromium"


@pytest.fixture(scope="session")
def node_modules():
    """playwright-core and axe-core, installed into the build folder once a version."""
    for program in ("node", "npm", "chromium"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    folder = BUILD / "tests" / "page" / "packages"
    wanted, got = (HERE / "package.json").read_text(), folder / "installed.json"
    if not got.exists() or got.read_text() != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "package.json", folder)
        done = subprocess.run(["npm", "install", "--loglevel=error", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"],
                              cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            pytest.skip(f"npm cannot install playwright-core: {done.stderr.strip().splitlines()[0]}")
        got.write_text(wanted)
    return folder / "node_modules"


@pytest.fixture(scope="session")
def image_url():
    """The sample on another server, which the service may fetch from."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "image/jpeg")
            self.end_headers()
            self.wfile.write(SAMPLE.read_bytes())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/dog.jpg"
    server.shutdown()


@pytest.fixture(scope="session")
def site(image_url):
    """The address of a service that may fetch from this machine."""
    port = urllib.parse.urlsplit(image_url).port
    with Service("--set", "fetch.allow_networks=127.0.0.0/8", "--set", f"fetch.allow_ports={port}") as service:
        yield service.url


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="session")
def outcomes(node_modules, site, image_url, folder):
    """Name of each case -> what became of it."""
    environment = {**os.environ, "NODE_PATH": str(node_modules), "CHROMIUM": CHROMIUM}
    done = subprocess.run(["node", HERE / "cases.js", site, image_url, SAMPLE, folder], env=environment,
                          stdout=subprocess.PIPE, text=True, timeout=240, check=False)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return {one["name"]: one for one in told}


@pytest.mark.parametrize("name", CASES)
def test_case(outcomes, name):
    assert name in outcomes, "the browser did not get that far"
    if "failure" in outcomes[name]:
        pytest.fail(outcomes[name]["failure"], pytrace=False)


def without_what_differs(answer):
    """The times, the id and the name of what came from a pipe differ from one request to the next."""
    kept = ("url", "model", "predictions", "image", "code", "detail")
    return {key: answer[key] for key in kept if key in answer}


def test_shown_commands_do_the_same(outcomes, folder):
    """Each command line that the page showed, pasted into a shell where the files are."""
    shown = [one for case in outcomes.values() for one in case["commands"]]
    assert len(shown) >= 4
    for one in shown:
        done = subprocess.run(["sh", "-c", one["command"]], cwd=folder, capture_output=True, text=True, timeout=30,
                              check=True)
        answer = json.loads(done.stdout)
        if one["answer"]:
            assert without_what_differs(answer) == without_what_differs(json.loads(one["answer"])), one["command"]
        else:
            assert answer["code"] == "unsupported_media_type", one["command"]
