"""What the Dockerfile must hold. build_image.sh, which takes minutes and the network, builds it."""
import contextlib
import http.server
import json
import os
import pathlib
import re
import subprocess
import threading

import pytest

from conftest import BINARY, ROOT, read_option_defaults

TEXT = (ROOT / "Dockerfile").read_text()
# Opened by name at run time, so no header of the binary tells of them.
LOADED = {"libopenblas0-pthread", "ca-certificates"}


def parse(text):
    """[(instruction, arguments)], continued lines joined."""
    lines = [line for line in text.split("\n") if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(None, 1)) for line in joined.split("\n") if line.strip()]


INSTRUCTIONS = parse(TEXT)


def split_stages():
    stages = []
    for instruction in INSTRUCTIONS:
        if instruction[0] == "FROM":
            stages.append([])
        stages[-1].append(instruction)
    return stages


FINAL = split_stages()[-1]


def find(instruction):
    """The arguments of the only such instruction of the final stage."""
    (arguments,) = [words for name, words in FINAL if name == instruction]
    return arguments


def test_two_stages_of_a_debian_that_is_named():
    bases = [words for name, words in INSTRUCTIONS if name == "FROM"]
    assert bases == ["debian:12-slim AS build", "debian:12-slim"]


def test_runs_as_a_number_that_is_not_root():
    user, group = find("USER").split(":")
    assert int(user) >= 10000 and int(group) >= 10000
    position = [name for name, _ in FINAL].index("USER")
    assert not [name for name, _ in FINAL[position:] if name in ("RUN", "COPY", "ADD")]


def test_what_an_orchestrator_reads():
    assert find("STOPSIGNAL") == "SIGTERM"
    assert json.loads(find("ENTRYPOINT")) == ["classifyd"]
    assert json.loads(find("CMD")) == ["serve"]


def test_the_port_is_the_default():
    assert int(find("EXPOSE")) == read_option_defaults()["server.port"]


def test_variables_are_options():
    names = {"CLASSIFYD_" + name.replace(".", "_").upper() for name in read_option_defaults()}
    variables = dict(word.split("=", 1) for word in find("ENV").split())
    assert variables["CLASSIFYD_SERVER_HOST"] == "*"
    assert set(variables) <= names | {"CLASSIFYD_MODEL_DIRS"}


def test_labels():
    labels = dict(re.findall(r'org\.opencontainers\.image\.([\w.]+)="([^"]*)"', find("LABEL")))
    build = (ROOT / "meson.build").read_text()
    assert labels["version"] == re.search(r"version: '([^']+)'", build)[1]
    assert labels["licenses"] == re.search(r"license: '([^']+)'", build)[1]
    assert labels["title"] == "classifyd"
    assert labels["base.name"].endswith(find("FROM"))


def list_copied():
    """Paths of the tree that are copied into the image."""
    return [word for name, words in INSTRUCTIONS if name == "COPY" and "--from" not in words
            for word in words.split()[:-1]]


def test_what_is_copied_is_there_and_not_ignored():
    let_through = [line[1:] for line in (ROOT / ".dockerignore").read_text().split("\n")
                   if line.startswith("!")]
    assert sorted(let_through) == sorted(set(list_copied()))
    for name in list_copied():
        assert (ROOT / name).exists()


def test_what_is_copied_from_a_stage_was_made_there():
    copies = [words.split() for name, words in FINAL if name == "COPY" and "--from" in words]
    assert [words[0] for words in copies] == ["--from=build"]
    made = " ".join(words for name, words in split_stages()[0] if name == "RUN")
    assert f"strip -o {copies[0][1]} " in made


def test_meson_needs_no_more_than_is_copied():
    folders = re.findall(r"subdir\('(\w+)'\)", (ROOT / "meson.build").read_text())
    assert set(folders) <= set(list_copied())


def list_installed():
    words = next(words for name, words in FINAL if name == "RUN" and "apt-get install" in words)
    listed = re.search(r"--no-install-recommends\s+([^&]+)&&", words)[1]
    return set(listed.split())


def is_debian_12():
    release = pathlib.Path("/etc/os-release")
    return release.exists() and "bookworm" in release.read_text(encoding="utf-8")


@pytest.mark.skipif(not is_debian_12(), reason="the image's Debian 12 knows whose a library is")
def test_the_packages_are_those_of_the_libraries():
    headers = subprocess.run(["readelf", "-d", BINARY], stdout=subprocess.PIPE, text=True,
                             check=True, timeout=60).stdout
    packages = set()
    for name in re.findall(r"\(NEEDED\).*\[(.*)\]", headers):
        if name.startswith(("libasan", "libubsan", "libtsan")):
            pytest.skip("a sanitizer's build")
        found = subprocess.run(["dpkg", "-S", f"*/{name}"], stdout=subprocess.PIPE, text=True,
                               check=True, timeout=60).stdout
        packages |= {line.split(":")[0] for line in found.splitlines()
                     if not line.split(":")[0].endswith(("-cross", "-i386", "-dev"))}
    packages = {package for package in packages if not re.match(r"libc6|lib32|libx32", package)}
    assert list_installed() == packages | LOADED


class Answer(http.server.BaseHTTPRequestHandler):
    paths, status = [], 200

    def do_GET(self):
        self.paths.append(self.path)
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format, *arguments):
        pass


@contextlib.contextmanager
def serve(status):
    Answer.status = status
    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def check_health(port):
    command = json.loads(find("HEALTHCHECK").split("CMD", 1)[1])
    environment = {"PATH": os.environ["PATH"], "CLASSIFYD_SERVER_PORT": str(port)}
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=30, check=False).returncode


def test_the_health_check_asks_for_readiness():
    with serve(200) as port:
        assert check_health(port) == 0
    assert Answer.paths[-1] == "/readyz"
    with serve(503) as port:
        assert check_health(port) == 1
    assert check_health(port) == 1  # nobody listens any more
