import http.server
import json
import pathlib
import re
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from service import BINARY, PATIENCE_S, ROOT, SAMPLE, Service  # noqa: E402

CLOSED_PORT = 1  # tcpmux: nobody listens there any more
IMAGES = ROOT.parent / "shared" / "images"


@pytest.fixture(scope="session")
def sample():
    return SAMPLE.read_bytes()


@pytest.fixture(scope="module")
def service(site):
    """One for all tests of a module that leave it as it was. It may fetch from this machine."""
    with Service(*fetching_from(site.port, CLOSED_PORT), "--set", "fetch.timeout_ms=5000") as running:
        yield running


def fetching_from(*ports):
    """Options that let the service fetch from these ports of this machine."""
    return ["--set", "fetch.allow_networks=127.0.0.0/8", "--set",
            "fetch.allow_ports=80,443," + ",".join(map(str, ports))]


class Site(http.server.ThreadingHTTPServer):
    """A local web server with a few files."""
    daemon_threads = True

    def __init__(self):
        self.files = {}
        super().__init__(("127.0.0.1", 0), Site.Handler)
        self.port = self.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            name = self.path.split("?")[0]
            kind, body = self.server.files.get(name, (None, b"no such file"))
            self.send_response(200 if kind else 404)
            self.send_header("Content-Type", kind or "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass


@pytest.fixture(scope="session")
def site(sample):
    server = Site()
    server.files["/golf.jpg"] = ("image/jpeg", sample)
    server.files["/page.html"] = ("text/html", b"<!doctype html><title>no image</title>")
    yield server
    server.shutdown()


def wait_until(condition, what):
    """For a condition of another process, on which nothing here can wait."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def predictions_text(document):
    """The bytes of "predictions" as they stand in a document."""
    match = re.search(rb'"predictions": ?(\[.*?\])', document, re.DOTALL)
    assert match, document
    return match[1]


def classify_on_the_command_line(path, *words):
    """What `classifyd classify --json` prints of a file."""
    done = subprocess.run([BINARY, "classify", "--json", *words, str(path)], check=True,
                          stdout=subprocess.PIPE)
    return done.stdout


def curl(*words, stdin=None):
    """Status, headers (lower-case names) and body as the real curl has them."""
    done = subprocess.run(["curl", "-sS", "-i", "--max-time", "60", *map(str, words)], input=stdin,
                          stdout=subprocess.PIPE, check=True)
    rest = done.stdout
    while True:  # 100 Continue comes first
        head, rest = rest.split(b"\r\n\r\n", 1)
        status = int(head.split(b" ", 2)[1])
        if status != 100:
            break
    headers = {name.lower(): value.strip() for name, _, value in
               (line.partition(":") for line in head.decode().split("\r\n")[1:])}
    return status, headers, rest


def json_of(body):
    return json.loads(body)
