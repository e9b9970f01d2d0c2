"""Many clients, few descriptors, little memory, bad clients: the service stays up and answers."""
import os
import pathlib
import resource
import socket
import threading

import pytest

from conftest import fetching_from, wait_until
from service import PATIENCE_S, Service, receive_all

def thread_count(service):
    return len(list(pathlib.Path(f"/proc/{service.process.pid}/task").iterdir()))


def descriptor_count(service):
    return len(list(pathlib.Path(f"/proc/{service.process.pid}/fd").iterdir()))


def resident_bytes(service):
    pages = pathlib.Path(f"/proc/{service.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def test_200_clients_at_once(service, sample):
    connections = [service.send_image(sample) for _ in range(200)]
    assert all(receive_all(connection).startswith(b"HTTP/1.1 200 ") for connection in connections)


def test_2000_waiting_requests_need_no_threads():
    """All wait for a server that does not answer; then they leave, and nothing of them stays."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 8192:
        pytest.skip(f"only {hard} descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, hard))
    try:
        with socket.create_server(("127.0.0.1", 0), backlog=4096) as silent, \
                Service(*fetching_from(silent.getsockname()[1]), "--set", "server.max_connections=2500", "--set",
                        "server.max_requests=2500", "--set", "fetch.timeout_ms=600000", "--set",
                        "server.request_timeout_ms=600000") as service:
            before_threads, before_fds = thread_count(service), descriptor_count(service)
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.jpg"
            request = f"GET /classify?url={url} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
            waiting = []
            for _ in range(2000):
                connection = service.connect()
                connection.sendall(request)
                waiting.append(connection)
            wait_until(lambda: service.metric("classifyd_requests_in_flight") >= 2000, "2000 waiting")
            assert thread_count(service) <= before_threads
            assert service.get("/readyz").status == 200
            for connection in waiting:
                connection.close()
            wait_until(lambda: service.metric("classifyd_requests_in_flight") <= 1, "all gone")
            wait_until(lambda: descriptor_count(service) <= before_fds + 80, "descriptors closed")
            assert service.metric('classifyd_rejections_total{reason="client_gone"}') == 2000
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_with_few_descriptors(sample):
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
    with Service(preexec=few) as service:
        held = []
        for _ in range(300):
            try:
                held.append(service.connect(timeout=2))
            except OSError:
                break
        assert service.get("/livez").status == 200
        for connection in held:
            connection.close()
        wait_until(lambda: service.post("/classify", sample).status == 200, "served again")


def test_memory_stays_bounded(sample):
    """Bodies that are announced, begun and never ended: the budget bounds what they hold."""
    with Service("--set", f"limits.memory_bytes={8 << 20}", "--set",
                 f"limits.body_bytes={1 << 20}", "--set", f"fetch.max_bytes={1 << 20}") as service:
        assert service.post("/classify", sample).status == 200
        before = resident_bytes(service)
        held, refused = [], 0
        for _ in range(64):
            connection = service.connect()
            connection.sendall(b"POST /classify HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n"
                               + sample[:60000])
            held.append(connection)
        for connection in held:
            connection.settimeout(0.2)
            try:
                refused += connection.recv(100).startswith(b"HTTP/1.1 503 ")
            except TimeoutError:
                pass
        assert refused >= 64 - 8
        assert resident_bytes(service) - before < 64 << 20
        for connection in held:
            connection.close()
        wait_until(lambda: service.post("/classify", sample).status == 200, "memory given back")
        wait_until(lambda: service.metric("classifyd_request_bytes") == 0, "all given back")


def test_a_flood_of_broken_requests_leaves_it_as_it_was(service, sample):
    """Whatever is sent, the next client has its answer."""
    def send(data):
        try:
            with service.connect() as connection:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
        except OSError:
            pass

    head = b"POST /classify HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
    boundary = b"POST /classify HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n" \
               b"Content-Length: %d\r\n\r\n"
    part = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
    bodies = [b"", b"GET", b"\x00" * 100, b"GET / HTTP/9.9\r\n\r\n", b"POST /classify HTTP/1.1\r\n\r\n",
              head % 5 + b"abc", head % len(sample) + sample[:1000], head % 0,
              b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
              b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 10000 + b"\r\n",
              boundary % len(part) + part, boundary % 3 + b"--b",
              boundary % (len(part) + 1000) + part + sample[:1000],
              b"POST /classify HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
              b"POST /classify HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
              b"POST /classify HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
              b"POST /classify HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
              b"GET /classify?url=%00 HTTP/1.1\r\nHost: a\r\n\r\n",
              b"GET /classify?url=%ff%fe HTTP/1.1\r\nHost: a\r\n\r\n",
              head % 40 + b'{"url": ' + b"[" * 32]
    threads = [threading.Thread(target=send, args=(body,)) for body in bodies * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert service.post("/classify", sample).status == 200
    assert service.process.poll() is None
