"""pull against a local HTTPS server with its own authority."""
import hashlib
import json
import os
import pathlib
import random
import resource
import signal
import socket
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import https_server  # noqa: E402

CONTENT = random.Random(1).randbytes(600_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    https_server.make_authority(folder, "ours")
    https_server.make_authority(folder, "stranger")
    https_server.make_server_certificate(folder, "ours")
    return folder


@pytest.fixture
def server(certificates):
    running = https_server.Server(certificates, CONTENT)
    yield running
    running.close()


class Puller:
    """Pulls the one model of a catalogue that names `url`."""

    def __init__(self, run, folder, certificates):
        self.run, self.certificates = run, certificates
        self.catalogue = folder / "catalogue.json"
        self.models = folder / "models"
        self.file = self.models / "net.pth"
        self.part = self.models / "net.pth.part"

    def words(self, url, sha256=SHA256[:8], ca="ours", more=(), **entry):
        entry = {"model": "net", "weights": "V1", "default": True, "url": url, "sha256": sha256,
                 **entry}
        self.catalogue.write_text(json.dumps({"models": [entry]}))
        authority = ["--ca-file", str(self.certificates / f"{ca}.pem")] if ca else []
        return ["pull", "--catalogue", str(self.catalogue), "--model-dirs", str(self.models),
                *authority, *more, "net"]

    def __call__(self, url, env=None, run=None, **more):
        return self.run(*self.words(url, **more), env=env, **(run or {}))

    def put_part(self, content):
        self.models.mkdir(exist_ok=True)
        self.part.write_bytes(content)

    def assert_whole(self, done):
        assert (done.status, done.err) == (0, "")
        assert self.file.read_bytes() == CONTENT
        assert os.listdir(self.models) == ["net.pth"]
        assert str(self.file) in done.out and SHA256 in done.out

    def assert_failed(self, done, reason):
        assert (done.status, done.out) == (1, "")
        assert reason in done.err
        assert not self.file.exists()


@pytest.fixture
def pull(classifyd, tmp_path, certificates):
    return Puller(classifyd, tmp_path, certificates)


def ranges(server):
    return [headers.get("Range") for _, headers in server.requests]


def test_fetches_and_leaves_alone_what_is_there(pull, server):
    pull.assert_whole(pull(server.url("plain/net.pth")))
    again = pull(server.url("plain/net.pth"))
    pull.assert_whole(again)
    assert "was there already" in again.out
    assert ranges(server) == [None]


@pytest.mark.parametrize("mode", ["chunked", "noranges", "redirect/5"])
def test_ways_to_send_a_file(pull, server, mode):
    pull.assert_whole(pull(server.url(f"{mode}/net.pth")))


def test_all_64_digits_are_compared(pull, server):
    pull.assert_whole(pull(server.url("plain/net.pth"), sha256=SHA256))
    pull.file.unlink()
    other = SHA256[:-1] + ("0" if SHA256[-1] != "0" else "1")
    pull.assert_failed(pull(server.url("plain/net.pth"), sha256=other), SHA256)


def test_a_wrong_hash_leaves_nothing(pull, server):
    done = pull(server.url("plain/net.pth"), sha256="0badcafe")
    pull.assert_failed(done, SHA256)
    assert "0badcafe" in done.err
    assert os.listdir(pull.models) == []
    assert ranges(server) == [None]


def test_a_broken_file_in_place_is_replaced(pull, server):
    pull.models.mkdir()
    pull.file.write_bytes(b"broken")
    pull.assert_whole(pull(server.url("plain/net.pth")))


def test_a_wrong_download_does_not_replace_what_is_there(pull, server):
    pull.models.mkdir()
    pull.file.write_bytes(b"mine")
    assert pull(server.url("plain/net.pth"), sha256="0badcafe").status == 1
    assert pull.file.read_bytes() == b"mine"


def test_goes_on_where_it_broke_off(pull, server):
    done = pull(server.url("cut/net.pth"))
    pull.assert_failed(done, "300000 bytes are kept")
    assert pull.part.read_bytes() == CONTENT[:300_000]
    pull.assert_whole(pull(server.url("cut/net.pth")))
    assert ranges(server) == [None, "bytes=300000-"]


def test_goes_on_after_an_interruption(pull, server):
    words = pull.words(server.url("hold/net.pth"))
    process = subprocess.Popen([os.environ["CLASSIFYD"], *words])
    assert server.is_holding.wait(60)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == -signal.SIGINT
    assert not pull.file.exists()
    server.let_go.set()
    pull.assert_whole(pull(server.url("plain/net.pth")))


@pytest.mark.parametrize("mode,part,expected", [
    ("plain", CONTENT, []),
    ("noranges", CONTENT[:1000], ["bytes=1000-"]),
    ("plain", b"x" * 1000, ["bytes=1000-", None]),
    ("plain", CONTENT + b"more", ["bytes=600004-", None]),
    ("wrongrange", CONTENT[:1000], ["bytes=1000-", None]),
], ids=["whole", "no ranges", "another file's", "too long", "wrong range"])
def test_parts_that_are_there(pull, server, mode, part, expected):
    pull.put_part(part)
    pull.assert_whole(pull(server.url(f"{mode}/net.pth")))
    assert ranges(server) == expected


def test_two_at_once_fetch_once(pull, server):
    words = [os.environ["CLASSIFYD"], *pull.words(server.url("hold/net.pth"))]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    first = subprocess.Popen(words, **pipes)
    assert server.is_holding.wait(60)
    second = subprocess.Popen(words, **pipes)
    assert "waiting for it" in second.stderr.readline()
    server.let_go.set()
    assert SHA256 in first.communicate(timeout=60)[0] and first.returncode == 0
    assert "was there already" in second.communicate(timeout=60)[0] and second.returncode == 0
    assert pull.file.read_bytes() == CONTENT
    assert ranges(server) == [None]


@pytest.mark.parametrize("mode,reason", [
    ("nowhere", "the server answered 404"),
    ("redirect/6", "redirects"),
    ("insecure", "only https"),
    ("unasked", "unasked"),
])
def test_answers_that_are_refused(pull, server, mode, reason):
    done = pull(server.url(f"{mode}/net.pth"))
    pull.assert_failed(done, reason)
    assert os.listdir(pull.models) == []


def test_http_is_refused(pull, server):
    done = pull(f"http://localhost:{server.server_port}/plain/net.pth")
    assert done.status != 0 and "https" in done.err
    assert server.requests == [] and not pull.file.exists()


@pytest.mark.parametrize("ca", ["stranger", None])
def test_strangers_are_not_trusted(pull, server, ca):
    pull.assert_failed(pull(server.url("plain/net.pth"), ca=ca), "certificate")
    assert server.requests == []


@pytest.mark.parametrize("variable", ["CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_authorities_from_the_environment(pull, server, certificates, variable):
    trusted = {variable: str(certificates / "ours.pem")}
    pull.assert_whole(pull(server.url("plain/net.pth"), ca=None, env=trusted))


def test_a_missing_authority_file_is_named(pull, server):
    pull.assert_failed(pull(server.url("plain/net.pth"), ca="nowhere"), "nowhere.pem")


def test_no_secrets_are_sent(pull, server, tmp_path):
    netrc = tmp_path / "home" / ".netrc"
    netrc.write_text("machine localhost login me password secret\n")
    netrc.chmod(0o600)
    pull.assert_whole(pull(server.url("plain/net.pth")))
    headers = server.requests[0][1]
    assert "Authorization" not in headers and headers["User-Agent"].startswith("classifyd")


def test_a_proxy_of_the_environment_is_used(pull, server):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        proxy = {"https_proxy": f"http://127.0.0.1:{deaf.getsockname()[1]}"}
        pull.assert_failed(pull(server.url("plain/net.pth"), env=proxy), "connect")
        assert server.requests == []
        pull.assert_whole(pull(server.url("plain/net.pth"),
                               env={**proxy, "no_proxy": "localhost"}))


def test_offline_says_which_file_to_put_where(pull):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        url = f"https://localhost:{deaf.getsockname()[1]}/plain/net.pth"
        done = pull(url)
    pull.assert_failed(done, "connect")
    hint = done.err.splitlines()[-1]
    assert url in hint and str(pull.file) in hint
    assert os.listdir(pull.models) == []
    done = pull("https://nowhere.invalid/net.pth")
    pull.assert_failed(done, "nowhere.invalid")
    assert str(pull.file) in done.err


def test_a_stall_ends(pull, server):
    done = pull(server.url("hold/net.pth"), more=["--timeout", "1"])
    pull.assert_failed(done, "bytes are kept")
    assert pull.part.read_bytes() == CONTENT[:300_000]


@pytest.mark.parametrize("mode", ["plain", "chunked"])
def test_a_file_larger_than_published_is_refused(pull, server, mode):
    server.content = bytes(3 << 20)
    done = pull(server.url(f"{mode}/net.pth"), size_mib=0.5)
    pull.assert_failed(done, "larger than")
    assert os.listdir(pull.models) == []


def test_a_full_disk_is_reported(pull, server):
    def allow_little():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    # Python ignores SIGXFSZ; so does the child then, and sees an error, as on a full disk.
    done = pull(server.url("plain/net.pth"),
                run={"preexec_fn": allow_little, "restore_signals": False})
    pull.assert_failed(done, f"{pull.part}: File too large")
    pull.assert_whole(pull(server.url("plain/net.pth")))


def test_a_folder_that_cannot_be_is_named(pull, server, tmp_path):
    (tmp_path / "file").write_text("")
    pull.models = tmp_path / "file" / "models"
    done = pull(server.url("plain/net.pth"))
    pull.assert_failed(done, str(tmp_path / "file"))
    assert "--model-dirs" in done.err and server.requests == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(pull, server):
    pull.models.mkdir()
    pull.models.chmod(0o555)
    pull.assert_failed(pull(server.url("plain/net.pth")), f"{pull.part}: Permission denied")


def read_screen(terminal):
    """What is left to read of a terminal that nobody writes to any more."""
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 65536)
        except OSError:
            os.close(terminal)
            return shown.decode()


def test_a_bar_on_a_terminal_and_none_elsewhere(pull, server):
    ours, theirs = os.openpty()
    done = pull(server.url("plain/net.pth"), env={"TERM": "xterm"}, run={"stderr": theirs})
    os.close(theirs)
    shown = read_screen(ours)
    assert done.status == 0 and SHA256 in done.out
    assert shown.startswith("\rnet:V1 [") and "586 KiB/586 KiB" in shown
    # The last thing done is to wipe the line.
    assert shown.endswith("\r\x1b[K")
    pull.file.unlink()
    pull.assert_whole(pull(server.url("plain/net.pth")))


def test_names_are_checked_before_anything_is_fetched(pull, server):
    words = pull.words(server.url("plain/net.pth"))
    done = pull.run(*words, "nett")
    assert (done.status, done.out) == (2, "") and "net" in done.err
    assert server.requests == []
    done = pull.run("pull", "demo")
    assert done.status == 2 and "built in" in done.err
    done = pull.run("pull", "resnet5O")
    assert done.status == 2 and "resnet50" in done.err


def test_one_failure_does_not_stop_the_others(pull, server):
    words = pull.words(server.url("plain/net.pth"))
    entries = json.loads(pull.catalogue.read_text())["models"]
    entries.append({**entries[0], "model": "other", "url": server.url("nowhere/other.pth")})
    pull.catalogue.write_text(json.dumps({"models": entries}))
    done = pull.run(*words[:-1], "other", "net")
    assert done.status == 1 and "other:V1" in done.err
    assert done.out.startswith("net:V1") and pull.file.read_bytes() == CONTENT


def test_a_broken_catalogue_is_named(pull, tmp_path):
    broken = tmp_path / "broken.json"
    broken.write_text('{"models": [{"model": 1}]}')
    done = pull.run("pull", "--catalogue", str(broken), "net")
    assert done.status == 2 and f"{broken}: models[0]: model" in done.err
