"""Probes are answered whatever else goes on. The 50 ms that they may take are measured by
tests/bench/service.py; here only the order of magnitude has to be right."""
import socket
import threading
import time

from conftest import fetching_from
from service import PATIENCE_S, SAMPLE, Service

PROBES = ["/livez", "/readyz", "/startupz", "/healthz"]
SOON_S = 2


def timed_get(service, path):
    start = time.monotonic()
    reply = service.get(path)
    assert time.monotonic() - start < SOON_S, path
    return reply


def test_when_every_connection_is_taken(sample):
    with Service("--set", "server.max_connections=20") as service:
        held = [service.connect() for _ in range(200)]
        for path in PROBES * 5:
            assert timed_get(service, path).status == 200
        reply = service.post("/classify", sample)
        assert (reply.status, reply.json()["code"]) == (503, "overloaded")
        assert reply.headers["Retry-After"]
        for connection in held:
            connection.close()
        deadline = time.monotonic() + PATIENCE_S
        while service.post("/classify", sample).status != 200:
            assert time.monotonic() < deadline


def test_at_full_load(sample):
    with Service("--model", "random:resnet18") as service:
        go_on = threading.Event()
        go_on.set()

        def client():
            while go_on.is_set():
                assert service.post("/classify", sample).status == 200

        clients = [threading.Thread(target=client) for _ in range(16)]
        for thread in clients:
            thread.start()
        try:
            for path in PROBES * 10:
                assert timed_get(service, path).status == 200
        finally:
            go_on.clear()
            for thread in clients:
                thread.join(PATIENCE_S)


def test_over_the_limit_of_requests(sample):
    with socket.create_server(("127.0.0.1", 0)) as silent, \
            Service("--set", "server.max_requests=1",
                    *fetching_from(silent.getsockname()[1])) as service:
        waiting = service.connect()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.jpg"
        waiting.sendall(f"GET /classify?url={url} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        peer, _ = silent.accept()
        reply = service.post("/classify", sample)
        assert (reply.status, reply.json()["code"]) == (503, "overloaded")
        assert timed_get(service, "/readyz").status == 200
        assert service.metric('classifyd_rejections_total{reason="overloaded"}') == 1
        assert service.metric("classifyd_requests_in_flight") >= 1
        waiting.close()
        peer.close()


def test_health_tells_what_runs():
    with Service() as service:
        health = service.get("/healthz").json()
        assert health["status"] == "ok"
        assert health["models"][0]["name"] == "demo" and health["models"][0]["state"] == "ready"
        text = str(health)
        for word in ("kernels", "queue", "pinned"):
            assert word in text, health
        assert service.get("/healthz").headers["Content-Type"] == "application/json"
        for path in PROBES:
            head = service.request("HEAD", path)
            assert head.status == 200 and head.body == b""
