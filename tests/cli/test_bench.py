"""bench: shape and consistency of what it prints; no speed is asked for."""
import contextlib
import http.server
import json
import os
import re
import signal
import subprocess
import threading
import time
import xml.etree.ElementTree

import pytest

import conftest


@pytest.fixture
def photographs(tmp_path):
    """A folder of two JPEGs of the same content, and things that are none."""
    folder = tmp_path / "photographs"
    (folder / "more.jpg").mkdir(parents=True)
    for name in ("a.jpg", "B.JPEG"):
        (folder / name).write_bytes(conftest.SAMPLE.read_bytes())
    (folder / "notes.txt").write_text("no image")
    os.mkfifo(folder / "pipe.jpg")
    (folder / ".hidden.jpg").write_text("no image")
    return folder


def test_the_document(classifyd):
    done = classifyd("bench", "--json", "--batch", "1,3", "--threads", "1,2", "--seconds", "0")
    assert (done.status, done.err) == (0, "")
    document = json.loads(done.out)
    assert document["model"]["name"] == "demo"
    assert document["input"] == "noise"
    assert [(r["batch"], r["threads"]) for r in document["results"]] == [(1, 1), (3, 1), (1, 2), (3, 2)]
    for result in document["results"]:
        assert result["runs"] == 3
        assert "profile" not in result
        assert 0 < result["latency_ms"]["p50"] <= result["latency_ms"]["p99"]
        assert result["images_per_second"] == pytest.approx(result["batch"] * 1e3 / result["latency_ms"]["p50"],
                                                            rel=1e-6)
        assert result["gmac_per_second"] == pytest.approx(
            result["images_per_second"] * document["macs"] / 1e9, rel=1e-6)


def test_the_table(classifyd):
    done = classifyd("bench", "-b", "2", "-t", "1", "-s", "0", "--kernels", "generic")
    assert (done.status, done.err) == (0, "")
    head, line = done.out.splitlines()[-2:]
    assert head.split()[:3] == ["batch", "threads", "images/s"]
    assert line.split()[:2] == ["2", "1"]


def test_photographs_instead_of_noise(classifyd, photographs):
    done = classifyd("bench", "--json", "-b", "3", "-t", "1", "-s", "0", "--images", photographs)
    assert (done.status, done.err) == (0, "")
    assert json.loads(done.out)["input"] == "2 photographs"


@pytest.mark.parametrize("content, text", [
    (None, "no images"),
    (b"", "broken.jpg: "),
    (b"\xff\xd8\xff\xe0 not much of a JPEG", "broken.jpg: "),
])
def test_a_folder_that_is_no_use(classifyd, tmp_path, content, text):
    if content is not None:
        (tmp_path / "broken.jpg").write_bytes(content)
    done = classifyd("bench", "-s", "0", "--images", tmp_path)
    assert (done.status, done.out) == (1, "")
    assert text in done.err


def profile_of(classifyd, *words):
    done = classifyd("bench", "--json", "-t", "1", "-s", "1", "--profile", *words)
    assert (done.status, done.err) == (0, "")
    document = json.loads(done.out)
    [result] = document["results"]
    return document, result, result["profile"]


def test_the_layers_are_the_model(classifyd):
    document, result, profile = profile_of(classifyd, "--batch", "4")
    layers = profile["layers"]
    assert sum(layer["macs"] for layer in layers) == 4 * document["macs"]
    assert [layer["name"] for layer in layers if "maxpool" in layer["name"]] == ["maxpool"]
    assert profile["time_ms"] == pytest.approx(sum(layer["time_ms"] for layer in layers))
    assert sum(layer["share"] for layer in layers) == pytest.approx(1)
    for layer in layers:
        assert layer["arithmetic"] == "float32"
        assert layer["bytes"] > 0
        if layer["macs"] > 0 and layer["time_ms"] > 0:
            assert layer["gop_per_second"] == pytest.approx(2e-6 * layer["macs"] / layer["time_ms"])
            peak = profile["peaks"]["gop_per_second"][layer["arithmetic"]]
            assert layer["peak_share"] == pytest.approx(layer["gop_per_second"] / peak)


def test_the_layers_take_the_batchs_time(classifyd):
    """Run by run, so that what interrupts one interrupts the other; what is left of it is looking on."""
    _, result, profile = profile_of(classifyd, "--batch", "2")
    assert 0.8 * result["latency_ms"]["p50"] < profile["run_ms"] <= 1.01 * result["latency_ms"]["p50"]


def test_what_is_moved(classifyd):
    """By hand: layer3.0.conv1 of the demo model takes 128x16x16 to 256x8x8 with a 3x3."""
    _, _, profile = profile_of(classifyd, "--batch", "2", "--kernels", "generic")
    [layer] = [layer for layer in profile["layers"] if layer["name"] == "layer3.0.conv1"]
    assert layer["shape"] == "3x3/2 128>256 8x8"
    assert layer["macs"] == 2 * 256 * 8 * 8 * 128 * 9
    least = 4 * (2 * (128 * 16 * 16 + 256 * 8 * 8) + 256 * 128 * 9)
    assert least <= layer["bytes"] <= least + 4 * 256 + 4096


def test_the_stages_are_the_layers(classifyd):
    _, _, profile = profile_of(classifyd, "--batch", "1")
    assert [stage["name"] for stage in profile["stages"]] == ["stem", "layer1", "layer2", "layer3", "layer4", "head"]
    for stage in profile["stages"]:
        layers = [layer for layer in profile["layers"] if layer["stage"] == stage["name"]]
        assert stage["time_ms"] == pytest.approx(sum(layer["time_ms"] for layer in layers))
        assert stage["macs"] == sum(layer["macs"] for layer in layers)


def test_the_peaks_are_sane(classifyd):
    _, _, profile = profile_of(classifyd, "--batch", "1")
    operations, reads = profile["peaks"]["gop_per_second"], profile["peaks"]["gb_per_second"]
    assert 0.1 < operations["float32"] < 1e4
    assert list(reads)[-1] == "memory"
    assert all(0.1 < rate < 1e4 for rate in reads.values())
    bounds = {layer["bound"] for layer in profile["layers"]}
    assert bounds <= {"compute", *reads}


def test_the_peaks_are_of_cpus(classifyd, tmp_path):
    """Threads that share a CPU have what one has: it is measured once."""
    one_cpu = {min(os.sched_getaffinity(0))}
    done = classifyd("bench", "--json", "-b", "1", "-t", "1,2,5", "-s", "0", "--profile", "--roofline", tmp_path / "r.svg",
                     preexec_fn=lambda: os.sched_setaffinity(0, one_cpu))
    assert (done.status, done.err) == (0, "")
    results = json.loads(done.out)["results"]
    assert [result["threads"] for result in results] == [1, 2, 5]
    peaks = [result["profile"]["peaks"] for result in results]
    assert peaks[0]["threads"] == 1
    assert peaks[0] == peaks[1] == peaks[2]
    picture = (tmp_path / "r.svg").read_text()
    assert "batch 1, 5 threads: " in picture and " reads of 1 thread of this machine" in picture


def test_the_profile_for_a_person(classifyd):
    done = classifyd("bench", "-b", "1", "-t", "1", "-s", "0", "--profile")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    head = next(line for line in lines if line.startswith("layer  "))
    assert "of peak" in head and head.endswith("bound")
    assert any(line.startswith("conv1 ") and "7x7/2 3>64 64x64" in line for line in lines)
    assert any(line.startswith("peaks of 1 thread, measured: float32 ") for line in lines)
    assert any(line.startswith("layer4  ") for line in lines)


def test_the_picture(classifyd, tmp_path):
    file = tmp_path / "roofline.svg"
    done = classifyd("bench", "--json", "-b", "1,2", "-t", "1", "-s", "0", "--roofline", file)
    assert (done.status, done.err) == (0, "")
    layers = json.loads(done.out)["results"][-1]["profile"]["layers"]
    space = "{http://www.w3.org/2000/svg}"
    root = xml.etree.ElementTree.parse(file).getroot()
    assert root.tag == space + "svg"
    dots = [circle for circle in root.iter(space + "circle") if circle.get("class").startswith("dot")]
    assert len(dots) == len(layers)
    told = {dot.find(space + "title").text.split(",")[0] for dot in dots}
    assert told == {layer["name"] for layer in layers}
    _, _, width, height = map(float, root.get("viewBox").split())
    for dot in dots:
        assert 0 < float(dot.get("cx")) < width and 0 < float(dot.get("cy")) < height
    text = file.read_text()
    assert "batch 2" in text and "prefers-color-scheme" in text
    assert not re.search(r'(href|src|url\()', text), "self-contained"


def test_a_model_of_any_name(classifyd, tmp_path):
    """What is XML in a file's name is text in the picture."""
    model = tmp_path / 'a<b>&"c.safetensors'
    model.write_bytes((conftest.ROOT / "config" / "demo" / "demo.safetensors").read_bytes())
    file = tmp_path / "roofline.svg"
    done = classifyd("bench", "-m", model, "-b", "1", "-t", "1", "-s", "0", "--roofline", file)
    assert (done.status, done.err) == (0, "")
    title = xml.etree.ElementTree.parse(file).getroot().find("{http://www.w3.org/2000/svg}title")
    assert 'a<b>&"c.safetensors' in title.text


@pytest.mark.parametrize("place, text", [("no/r.svg", "No such file or directory"), ("folder", "Is a directory")])
def test_a_picture_that_cannot_be_written_is_told_at_once(classifyd, tmp_path, place, text):
    """Before anything is loaded or measured."""
    (tmp_path / "folder").mkdir()
    done = classifyd("bench", "-m", "none", "-s", "3600", "--roofline", tmp_path / place)
    assert (done.status, done.out) == (1, "")
    assert done.err == f"classifyd bench: {tmp_path / place}: {text}\n"


def test_a_picture_takes_the_place_of_an_older_one(classifyd, tmp_path):
    file = tmp_path / "r.svg"
    file.write_text("old" * 100_000)
    assert classifyd("bench", "-b", "1", "-t", "1", "-s", "0", "--roofline", file).status == 0
    assert xml.etree.ElementTree.parse(file).getroot().tag.endswith("svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "r.svg"]


@pytest.mark.parametrize("words, text", [
    (["--url", "http://a", "--images", "x", "--batch", "1"], "--batch does not go with --url"),
    (["--url", "http://a", "--images", "x", "--profile"], "--profile does not go with --url"),
    (["--url", "http://a", "--images", "x", "--model", "demo"], "--model does not go with --url"),
    (["--url", "http://a", "--images", "x", "--no-cache"], "--no-cache does not go with --url"),
    (["--url", "http://a"], "--url wants --images DIR"),
    (["--clients", "2"], "--clients goes with --url only"),
    (["--rate", "2"], "--rate goes with --url only"),
    (["--rate", "0", "--url", "http://a", "--images", "x"], "--rate wants a number from 1 to 100000"),
    (["--clients", "0", "--url", "http://a"], "--clients wants a number from 1 to 1024"),
])
def test_options_that_do_not_go_together(classifyd, words, text):
    done = classifyd("bench", *words)
    assert (done.status, done.out) == (2, "")
    assert text in done.err


@contextlib.contextmanager
def service(home, *words):
    process = subprocess.Popen(
        [conftest.BINARY, "serve", "--host", "127.0.0.1", "--port", "0", "--set", "log.format=json", "--set",
         "server.drain_delay_ms=0", *words],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, "HOME": str(home)})
    try:
        for line in process.stderr:
            event = json.loads(line) if line.startswith("{") else {}
            if event.get("event") == "ready":
                break
        else:
            pytest.fail("the service did not start")
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield event["url"]
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_a_service(classifyd, tmp_path, photographs):
    with service(tmp_path) as url:
        done = classifyd("bench", "--url", url, "--images", photographs, "--clients", "3", "--seconds", "1", "--json")
        assert (done.status, done.err) == (0, "")
        document = json.loads(done.out)
        assert (document["url"], document["clients"], document["images"]) == (url, 3, 2)
        assert document["errors"] == [] and document["interrupted"] is False
        assert document["answered"] >= 3
        assert document["images_per_second"] == pytest.approx(document["answered"] / document["seconds"], rel=1e-6)
        latency = document["latency_ms"]
        assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"]
        text = classifyd("bench", "--url", url, "--images", photographs, "--clients", "1", "--seconds", "0")
        assert text.status == 0
        assert "answers  1 in " in text.out and "latency  p50 " in text.out


def test_a_service_that_says_no(classifyd, tmp_path, photographs):
    with service(tmp_path) as url:
        done = classifyd("bench", "--url", url + "/nowhere", "--images", photographs, "--clients", "2",
                         "--seconds", "0", "--json")
    assert done.status == 1
    document = json.loads(done.out)
    assert document["answered"] == 0
    assert document["errors"] == [{"status": 404, "count": 2}]


def test_nobody_there(classifyd, photographs):
    done = classifyd("bench", "--url", "http://127.0.0.1:1", "--images", photographs, "--clients", "2", "--json")
    assert done.status == 1
    [error] = json.loads(done.out)["errors"]
    assert (error["status"], error["count"]) == (0, 6)  # each client gives up after three
    assert "connect" in error["detail"]


@pytest.mark.parametrize("url, text", [
    ("ftp://127.0.0.1", "not a URL that begins with http:// or https://"),
    ("localhost:8080", "not a URL that begins with http:// or https://"),
    ("http://", "No host part in the URL"),
])
def test_a_url_that_is_none(classifyd, photographs, url, text):
    done = classifyd("bench", "--url", url, "--images", photographs)
    assert (done.status, done.out) == (1, "")
    assert done.err == f"classifyd bench: {url}: {text}\n"


class Recorder(http.server.BaseHTTPRequestHandler):
    """Notes what arrives on which connection; answers the first with 503."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.requests.append((self.client_address, self.path, body, self.headers.get("Expect")))
            status = 503 if len(self.server.requests) == 1 else 200
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_what_is_sent(classifyd, photographs):
    """By a server that is not ours: a connection a client, the files' bytes in turn, the path."""
    (photographs / "B.JPEG").write_bytes(b"second")
    (photographs / "a.jpg").write_bytes(b"first")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    server.requests, server.lock = [], threading.Lock()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    done = classifyd("bench", "--url", f"http://127.0.0.1:{server.server_port}", "--images", photographs, "--clients",
                     "2", "--seconds", "1", "--json")
    server.shutdown()
    server.server_close()
    document = json.loads(done.out)
    assert done.status == 1 and document["errors"] == [{"status": 503, "count": 1}]
    assert document["answered"] == len(server.requests) - 1
    assert len({request[0] for request in server.requests}) == 2
    assert {request[1] for request in server.requests} == {"/classify"}
    assert {request[2] for request in server.requests} == {b"first", b"second"}
    assert {request[3] for request in server.requests} == {None}


class Sluggish(http.server.BaseHTTPRequestHandler):
    """Notes when a request comes, and answers after a while."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        with self.server.lock:
            self.server.times.append(time.monotonic())
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.server.delay_s)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def load_sluggish(classifyd, photographs, delay_s, *words):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sluggish)
    server.times, server.lock, server.delay_s = [], threading.Lock(), delay_s
    threading.Thread(target=server.serve_forever, daemon=True).start()
    done = classifyd("bench", "--url", f"http://127.0.0.1:{server.server_port}", "--images", photographs, *words, "--json")
    server.shutdown()
    server.server_close()
    assert (done.status, done.err) == (0, "")
    return json.loads(done.out), server.times


def test_a_rate(classifyd, photographs):
    """Requests come at the rate, not when others are answered, and at moments that know nothing of each other."""
    document, times = load_sluggish(classifyd, photographs, 0.2, "--clients", "64", "--rate", "100", "--seconds", "3")
    assert document["rate"] == 100 and document["unsent"] == 0
    assert document["answered"] == 300
    assert document["answered"] == len(times)
    gaps = sorted(b - a for a, b in zip(times, times[1:]))
    assert gaps[len(gaps) // 4] < 0.006 and gaps[-1] > 0.02  # 0.0029 and about 0.06 expected; regular ones are all 0.01
    assert document["latency_ms"]["p50"] >= 200


def test_a_rate_that_is_too_much(classifyd, photographs):
    """Two clients and 0.1 s: 20 a second of 100. Who arrived waits, and his time runs."""
    document, times = load_sluggish(classifyd, photographs, 0.1, "--clients", "2", "--rate", "100", "--seconds", "2")
    assert document["answered"] == len(times) <= 44
    assert 190 <= document["answered"] + document["unsent"] <= 200
    assert document["latency_ms"]["p99"] > 1000


def test_an_interrupt_ends_it(tmp_path, photographs):
    with service(tmp_path) as url:
        process = subprocess.Popen([conftest.BINARY, "bench", "--url", url, "--images", photographs, "--clients", "2",
                                    "--seconds", "60", "--json"], stdout=subprocess.PIPE, text=True)
        metrics = url + "/metrics"
        wait_for_an_answer(metrics)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    document = json.loads(out)
    assert process.returncode == 0
    assert document["interrupted"] is True
    assert document["answered"] >= 1 and document["seconds"] < 30


def wait_for_an_answer(metrics):
    import urllib.request
    for _ in range(500):
        with urllib.request.urlopen(metrics) as answer:
            match = re.search(r"^classifyd_batch_size_count\S* (\S+)$", answer.read().decode(), re.MULTILINE)
        if match and float(match[1]) >= 2:
            return
        time.sleep(0.02)
    pytest.fail("nothing was asked")
