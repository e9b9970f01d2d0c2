"""The exposition, as Prometheus' own linter and a running Prometheus read it."""
import contextlib
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import pytest

from conftest import ROOT
from service import SAMPLE, Service

PRINTER = os.environ.get("PRINT_METRICS", str(ROOT / "build/tests/deploy/print_metrics"))
VERSION = re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text())[1]

needs_prometheus = pytest.mark.skipif(not shutil.which("prometheus"), reason="no prometheus here")


def print_metrics():
    return subprocess.run([PRINTER], stdout=subprocess.PIPE, timeout=60, check=True).stdout


@needs_prometheus
def test_promtool_finds_nothing():
    done = subprocess.run(["promtool", "check", "metrics"], input=print_metrics(), timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert (done.returncode, done.stdout.decode()) == (0, "")


@needs_prometheus
def test_promtool_would_find_something():
    text = print_metrics().replace(b"classifyd_images_total", b"classifyd_images")
    done = subprocess.run(["promtool", "check", "metrics"], input=text, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode != 0 and b"classifyd_images" in done.stdout


class Exposition(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # the name that http.server asks for
        body = print_metrics()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *arguments):
        pass


@contextlib.contextmanager
def serve_exposition():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exposition)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def find_free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextlib.contextmanager
def run_prometheus(folder, target):
    """A Prometheus that scrapes `target`; yields the URL of its API."""
    config = folder / "prometheus.yml"
    config.write_text("global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
                      "scrape_configs:\n"
                      "- job_name: classifyd\n"
                      f"  static_configs: [{{targets: ['{target}']}}]\n")
    address = f"127.0.0.1:{find_free_port()}"
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
             f"--web.listen-address={address}", "--log.level=warn"],
            stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def ask(url, query):
    """Labels and value of each series that a PromQL query finds; [] where it is not up yet."""
    with contextlib.suppress(OSError):
        address = f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        with urllib.request.urlopen(address, timeout=5) as answer:
            return [(series["metric"], float(series["value"][1]))
                    for series in json.load(answer)["data"]["result"]]
    return []


def wait_for(url, query):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = ask(url, query)
        if found:
            return found
        time.sleep(0.2)  # another program's start: there is nothing to wait on
    raise AssertionError(f"nothing for {query} within a minute")


@needs_prometheus
def test_prometheus_scrapes_it(tmp_path):
    with serve_exposition() as target, run_prometheus(tmp_path, target) as url:
        assert wait_for(url, 'up{job="classifyd"} == 1')

        def value(query):
            (_, number), = wait_for(url, query)
            return number

        name = "classifyd_http_request_duration_seconds"
        assert value(f'{name}_count{{route="classify",code="200"}}') == 2
        assert value(f'{name}_sum{{route="classify",code="200"}}') == pytest.approx(70.012345)
        assert value(f'{name}_bucket{{code="200",le="0.025"}}') == 1
        assert value(f'{name}_bucket{{code="200",le="+Inf"}}') == 2
        assert value(f'sum({name}_count)') == 3
        # Half of 2 lie in 10..25 ms; over the last bound a quantile is that bound.
        assert 0.01 < value(f'histogram_quantile(0.5, {name}_bucket{{code="200"}})') <= 0.025
        assert value(f'histogram_quantile(0.99, {name}_bucket{{code="200"}})') == 60
        assert value("classifyd_batch_size_sum / classifyd_batch_size_count") == 5.5
        assert value("classifyd_images_total") == 11
        assert value('classifyd_queue_depth{queue="prepare"}') == 17
        assert value('classifyd_rejections_total{reason="overloaded"}') == 1
        assert value('sum(classifyd_rejections_total)') == 1
        assert value('classifyd_fetches_total{outcome="fetch_timeout"}') == 1
        assert value("classifyd_pinned_bytes") == 102400000
        assert value("classifyd_ready") == 1
        assert value(f'classifyd_build_info{{version="{VERSION}"}}') == 1
        assert value("process_resident_memory_bytes") > 100000
        assert abs(time.time() - value("process_start_time_seconds")) < 300


@needs_prometheus
def test_prometheus_scrapes_the_service(tmp_path):
    with Service() as service:
        for _ in range(3):
            assert service.post("/classify", SAMPLE.read_bytes()).status == 200
        assert service.post("/classify", b"no image").status == 415
        reply = service.get("/metrics")
        assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        done = subprocess.run(["promtool", "check", "metrics"], input=reply.body, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert (done.returncode, done.stdout.decode()) == (0, "")
        with run_prometheus(tmp_path, f"127.0.0.1:{service.port}") as url:
            def value(query):
                (_, number), = wait_for(url, query)
                return number

            name = "classifyd_http_request_duration_seconds"
            assert value(f'{name}_count{{route="classify",code="200"}}') == 3
            assert value(f'{name}_count{{route="classify",code="415"}}') == 1
            assert value('classifyd_rejections_total{reason="unsupported_media_type"}') == 1
            assert value("classifyd_images_total") >= 3  # the self-check may run some
            for stage in ("decode", "preprocess", "queue", "inference"):
                assert value(f'classifyd_stage_duration_seconds_count{{stage="{stage}"}}') == 3
            assert value("classifyd_ready") == 1
            with service.connect() as half:
                half.sendall(b"POST /classify HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\nhalf")
                assert value("classifyd_request_bytes >= 500000")
            memory = service.get("/healthz").json()["memory"]
            assert value("classifyd_pinned_bytes") == memory["pinned_bytes"]
            # Its own scrapes are requests, too.
            assert value(f'{name}_count{{route="metrics",code="200"}}') >= 1
            assert value("classifyd_open_connections") >= 1
