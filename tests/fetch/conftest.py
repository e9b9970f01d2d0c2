"""The fetcher behind fetch_driver, and servers for it. FETCH_DRIVER names the program (meson does)."""
import json
import os
import pathlib
import subprocess
import sys
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import fetch_server  # noqa: E402
import https_server  # noqa: E402

DRIVER = os.environ.get("FETCH_DRIVER", str(pathlib.Path(__file__).resolve().parents[2] /
                                            "build" / "tests" / "fetch" / "fetch_driver"))
LIMIT_S = 60  # for anything that should happen at all


class Fetcher:
    """One process with one fetcher; its options are the driver's."""

    def __init__(self, ports, env=None, **options):
        options = {"allow_network": ["127.0.0.0/8", "::1"], "allow_port": ports, **options}
        words = [f"{key}={value}" for key, values in options.items()
                 for value in (values if isinstance(values, list) else [values])]
        environment = {name: value for name, value in os.environ.items()
                       if not name.lower().endswith("_proxy")}
        self.process = subprocess.Popen([DRIVER, *words], stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env={**environment, **(env or {})})
        self.changed = threading.Condition()
        self.outcomes, self.end, self.tags = {}, None, 0
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            outcome = json.loads(line)
            with self.changed:
                if "tag" in outcome:
                    assert outcome["tag"] not in self.outcomes
                    self.outcomes[outcome["tag"]] = outcome
                else:
                    self.end = outcome
                self.changed.notify_all()

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def submit(self, url, deadline_ms=0):
        self.tags += 1
        self.tell(f"get {self.tags} {deadline_ms} {url}")
        return self.tags

    def drop(self, tag):
        self.tell(f"drop {tag}")

    def wait(self, tag, limit_s=LIMIT_S):
        with self.changed:
            assert self.changed.wait_for(lambda: tag in self.outcomes, limit_s), "no outcome"
            return self.outcomes[tag]

    def get(self, url, **more):
        return self.wait(self.submit(url, **more))

    def close(self):
        """Destroys the fetcher; what that took. Nothing may be left charged."""
        self.process.stdin.close()
        self.reader.join(LIMIT_S)
        status = self.process.wait(LIMIT_S)
        errors = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        assert (status, errors) == (0, "")
        assert self.end["charged_bytes"] == 0
        return self.end


@pytest.fixture
def make_fetcher():
    made = []

    def make(*ports, **options):
        made.append(Fetcher(list(ports) or [80], **options))
        return made[-1]

    yield make
    for fetcher in made:
        if not fetcher.process.stdin.closed:
            fetcher.close()


@pytest.fixture
def make_server():
    made = []

    def make(*words, **options):
        made.append(fetch_server.Server(*words, **options))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def server(make_server):
    return make_server()


@pytest.fixture
def fetcher(make_fetcher, server):
    return make_fetcher(server.server_port)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A folder with two authorities, ours and theirs, and certificates that ours has signed."""
    folder = tmp_path_factory.mktemp("certificates")
    https_server.make_authority(folder, "theirs")
    https_server.make_authority(folder, "ours")
    https_server.make_server_certificate(folder, "ours")
    fetch_server.make_certificate(folder, "elsewhere", "ours", "elsewhere.example", 2)
    fetch_server.make_certificate(folder, "expired", "ours", "localhost", 0)
    return folder
