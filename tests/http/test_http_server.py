"""server/http over sockets: framing, routing, limits, deadlines, clients that leave, shutdown."""
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from conftest import PATIENCE_S, Client

BODY = bytes(range(256)) * 64


def curl(*arguments, stdin=b""):
    done = subprocess.run(["curl", "-s", "-S", "--max-time", str(PATIENCE_S), *arguments],
                          input=stdin, capture_output=True, check=False, timeout=2 * PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def chunked(body, size):
    pieces = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


POST_CHUNKED = "POST {} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"


class TestAnswers:
    def test_a_route_sees_the_request(self, server):
        answer = server.connect().send(
            "GET /show?a=1&b=two%20words&a=%C3%A9+x&c HTTP/1.1\r\nHost: h:1\r\n"
            "Content-Type: x/y\r\nX-Request-Id: my-id.1\r\n\r\n").answer()
        assert answer.status == 200
        assert answer.body.decode() == ("method GET\npath /show\nhost h:1\ntype x/y\nid my-id.1\n"
                                        "a=1\nb=two words\na=é x\nc=\n")

    def test_fields_of_an_answer(self, server):
        answer = server.connect().get("/show")
        assert answer.headers["content-type"] == "text/plain"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "connection" not in answer.headers and "retry-after" not in answer.headers
        assert server.connect().get("/probe").headers["cache-control"] == "max-age=1"
        worked = server.connect().post("/work", b"x")
        assert worked.headers["server-timing"] == "inference;dur=1.0"

    @pytest.mark.parametrize("name", ["a", "A-z_0.9", "x" * 128])
    def test_a_request_id_is_taken(self, server, name):
        answer = server.connect().get("/show", X_Request_Id=name)
        assert answer.headers["x-request-id"] == name
        assert server.request_logged(id=name)

    @pytest.mark.parametrize("name", ["", "x" * 129, "a b", "a;b", "é"])
    def test_a_bad_request_id_is_replaced(self, server, name):
        client = server.connect()
        ids = {client.get("/show", X_Request_Id=name).headers["x-request-id"] for _ in range(2)}
        assert len(ids) == 2
        assert all(re.fullmatch("[0-9a-f]{32}", made) for made in ids)

    @pytest.mark.parametrize("when", ["now", "thread"])
    @pytest.mark.parametrize("size", [0, 1, 100_000, 3_000_000])
    def test_a_body_arrives_as_sent(self, server, when, size):
        body = (BODY * (size // len(BODY) + 1))[:size]
        answer = server.connect().post(f"/work?when={when}", body)
        assert (answer.status, answer.body) == (200, body)

    @pytest.mark.parametrize("size", [1, 7, 4096, 100_000])
    def test_a_chunked_body_arrives_as_sent(self, server, size):
        body = BODY * (1 if size < 4096 else 40)
        answer = server.connect().send(POST_CHUNKED.format("/work"), chunked(body, size)).answer()
        assert (answer.status, answer.body) == (200, body)

    def test_trailers_of_chunks_are_passed_over(self, server):
        answer = server.connect().send(POST_CHUNKED.format("/work"),
                                       "3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n").answer()
        assert (answer.status, answer.body) == (200, b"abc")

    def test_extensions_of_chunks_are_passed_over(self, server):
        """Or refused, as libmicrohttpd 1.0 does."""
        answer = server.connect().send(POST_CHUNKED.format("/work"),
                                       "3;x=y\r\nabc\r\n0\r\n\r\n").answer()
        assert (answer.status, answer.body) == (200, b"abc") \
            or answer.status == 400 and b"chunked encoding" in answer.body

    def test_a_body_in_single_bytes(self, server):
        client = server.connect().send("PUT /work HTTP/1.1\r\nHost: t\r\nContent-Length: 20\r\n\r\n")
        for i in range(20):
            client.send(b"%d" % (i % 10))
        assert client.answer().body == b"01234567890123456789"

    def test_a_head_in_single_bytes(self, server):
        client = server.connect()
        for byte in b"GET /show?x=1 HTTP/1.1\r\nHost: test\r\n\r\n":
            client.send(bytes([byte]))
        assert b"x=1\n" in client.answer().body

    def test_many_images(self, server):
        assert server.connect().get("/work?images=3").body == b"ok ok ok "
        assert server.request_logged(path="/work", images=3, status=200)

    def test_a_parser_that_refuses(self, server):
        client = server.connect()
        answer = client.post("/work?refuse=1", b"xyz", X_Request_Id="r1")
        assert (answer.status, answer.body) == (
            415, b"unsupported_media_type: refused as asked\nr1\n")
        assert server.request_logged(id="r1", status=415, stage="parse", bytes_in=3,
                                     code="unsupported_media_type")
        assert client.get("/show").status == 200

    def test_keep_alive(self, server):
        client = server.connect()
        for i in range(20):
            assert client.post(f"/work?when={'now' if i % 2 else 'thread'}", b"%d" % i).body == b"%d" % i
        assert server.numbers().connections == 1

    def test_pipelined_requests_are_answered_in_order(self, server):
        client = server.connect()
        client.ask("POST", "/work?when=wait", b"first").ask("GET", "/show?second=1")
        client.ask("POST", "/work?when=thread", b"third")
        assert server.command("await", 1) == "yes"
        assert server.command("finish", 1) == "1"
        assert client.answer().body == b"first"
        assert b"second=1" in client.answer().body
        assert client.answer().body == b"third"

    def test_http_1_0(self, server):
        client = server.connect().send("GET /show HTTP/1.0\r\n\r\n")
        assert client.answer().status == 200 and client.is_ended()
        client = server.connect().send("POST /work?when=thread HTTP/1.0\r\nContent-Length: 2\r\n"
                                       "Connection: keep-alive\r\n\r\nhi")
        assert client.answer().body == b"hi"
        client.send("GET /show HTTP/1.0\r\n\r\n")
        assert client.answer().status == 200 and client.is_ended()

    def test_connection_close_is_granted(self, server):
        client = server.connect()
        answer = client.get("/show", Connection="close")
        assert answer.headers["connection"].lower() == "close" and client.is_ended()

    def test_head(self, server):
        client = server.connect()
        got, head = client.get("/show"), client.ask("HEAD", "/show").answer("HEAD")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == got.headers["content-length"]
        assert client.ask("HEAD", "/work").answer("HEAD").status == 200

    def test_options(self, server):
        client = server.connect()
        for path, allow in (("/show", "GET, HEAD, OPTIONS"),
                            ("/work", "GET, POST, PUT, HEAD, OPTIONS"),
                            ("*", "GET, HEAD, POST, PUT, OPTIONS")):
            answer = client.ask("OPTIONS", path).answer()
            assert (answer.status, answer.headers["allow"], answer.body) == (204, allow, b"")

    @pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH", "get", "X" * 100])
    def test_other_methods(self, server, method):
        answer = server.connect().ask(method, "/show").answer()
        assert answer.status == 405 and answer.headers["allow"] == "GET, HEAD, OPTIONS"
        assert answer.body.startswith(b"method_not_allowed: ")
        assert server.request_logged(status=405, path="/show")

    @pytest.mark.parametrize("path", ["/", "/nothing", "/show/", "//show", "/SHOW", "show"])
    def test_unknown_paths(self, server, path):
        client = server.connect()
        answer = client.get(path)
        assert answer.status == 404 and answer.body.startswith(b"not_found: ")
        assert client.get("/show").status == 200
        assert server.request_logged(status=404, path=path)

    @pytest.mark.parametrize("target", ["/%73how", "http://other:1/show", "HTTP://h/show", "/show?"])
    def test_other_spellings_of_a_path(self, server, target):
        assert server.connect().get(target).status == 200

    @pytest.mark.parametrize("target", [
        "/show?a=%00", "/show?%00=1", "/show?a=%ff", "/show?a=%C3", "/show?a=%", "/show?a=%4",
        "/show?a=%g1", "/sh%00ow", "/%ff", pytest.param("/show?" + "a&" * 300, id="many")])
    def test_broken_urls(self, server, target):
        client = server.connect()
        answer = client.get(target, X_Request_Id="u")
        assert answer.status == 400 and answer.body.startswith(b"bad_request: the URL ")
        assert answer.headers["x-request-id"] == "u"
        assert client.get("/show").status == 200

    def test_a_problem_of_a_request_with_a_body_ends_the_connection_politely(self, server):
        client = server.connect()
        answer = client.post("/nothing", b"x" * 5_000_000)
        assert answer.status == 404 and answer.headers["connection"].lower() == "close"
        assert client.is_ended()

    def test_ipv6(self, start):
        server = start(host="::1")
        assert server.url.startswith("http://[::1]:")
        client = Client(("::1", server.address[1]), family=socket.AF_INET6)
        assert client.get("/show").status == 200
        assert server.request_logged(client="::1")
        client.close()

    @pytest.mark.parametrize("host", ["localhost", "", "*"])
    def test_both_families(self, start, host):
        server = start(host=host)
        assert server.url.startswith("http://127.0.0.1:")
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            client = Client((address, server.address[1]), family=family)
            assert client.get("/show").status == 200
            assert server.request_logged(client=address)
            client.close()

    @pytest.mark.parametrize("host, reason", [("127.0.0.1", "Address already in use"),
                                              ("localhost", "Address already in use")])
    def test_a_busy_port(self, server, host, reason):
        done = subprocess.run([server.process.args[0], f"host={host}", f"port={server.address[1]}"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                              check=False)
        assert done.returncode == 2
        assert f"cannot listen on {host} port {server.address[1]}: {reason}" in done.stderr

    def test_an_unknown_host(self, server):
        done = subprocess.run([server.process.args[0], "host=no-such-host.invalid"], check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and "cannot listen on no-such-host.invalid" in done.stderr

    def test_curl(self, server):
        url = server.url + "/work?when=thread"
        big = BODY * 100
        assert curl("--data-binary", "@-", url, stdin=BODY) == BODY
        assert curl("--data-binary", "@-", url, stdin=big) == big  # Expect: 100-continue
        assert curl("-T", "-", url, stdin=big) == big              # chunked PUT


class TestFraming:
    @pytest.mark.parametrize("fields, detail", [
        ("Content-Length: 1\r\nContent-Length: 1", b"more than one Content-Length"),
        ("Content-Length: 0\r\nContent-Length: 5", b"more than one Content-Length"),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", b"Content-Length beside"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", b"Content-Length beside"),
        ("Transfer-Encoding: gzip", b"other than chunked"),
        ("Transfer-Encoding: gzip, chunked", b"other than chunked"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"other than chunked"),
    ])
    def test_where_a_body_ends_must_be_certain(self, server, fields, detail):
        client = server.connect().send(
            f"POST /work HTTP/1.1\r\nHost: t\r\n{fields}\r\n\r\n", "0\r\n\r\nGET /show HTTP/1.1\r\n\r\n")
        answer = client.answer()
        assert answer.status == 400
        # libmicrohttpd 1.0 refuses some itself, with a page of its own.
        assert detail in answer.body or b"The Transfer-Encoding used" in answer.body \
            or b"both Transfer-Encoding and Content-Length" in answer.body
        assert answer.headers["connection"].lower() == "close"
        assert client.is_ended()
        assert server.request_logged(status=400, code="bad_request", stage="head")

    def test_an_encoding_in_http_1_0(self, server):
        client = server.connect().send("POST /work HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert client.answer().status == 400 and client.is_ended()

    @pytest.mark.parametrize("fields", ["Host: a\r\nHost: b",
                                        "Host: a\r\nContent-Type: a/b\r\nContent-Type: c/d"])
    def test_fields_that_may_come_once(self, server, fields):
        assert server.connect().send(f"GET /show HTTP/1.1\r\n{fields}\r\n\r\n").answer().status == 400

    @pytest.mark.parametrize("text", [
        "nonsense\r\n\r\n", "GET /show HTTP/1.1\r\n\r\n", "GET /show HTTP/9.9\r\nHost: t\r\n\r\n",
        "POST /work HTTP/1.1\r\nHost: t\r\nContent-Length: x\r\n\r\n",
        "POST /work HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n",
        "POST /work HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST /work HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        pytest.param("GET /" + "a" * 200_000 + " HTTP/1.1\r\nHost: t\r\n\r\n", id="long target"),
        pytest.param("GET /show HTTP/1.1\r\nHost: t\r\n" + "X-A: b\r\n" * 50_000 + "\r\n",
                     id="long head"),
    ])
    def test_what_is_not_http(self, server, text):
        """libmicrohttpd's own pages; the connection ends, the server lives."""
        client = server.connect()
        try:
            client.send(text)
            while client.receive():
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert not client.buffer or re.match(rb"HTTP/1.[01] (4|50)", client.buffer)
        assert server.connect().get("/show").status == 200

    def test_a_head_of_16_kib(self, server):
        answer = server.connect().get("/show?a=" + "x" * 8000, X_Long="y" * 8000)
        assert answer.status == 200 and b"x" * 8000 in answer.body


class TestLimits:
    def test_a_declared_body_that_is_too_long(self, start):
        server = start(max_body_bytes=1000)
        client = server.connect()
        assert client.post("/work", b"x" * 1000).status == 200
        answer = client.post("/work", b"x" * 1001)
        assert answer.status == 413 and answer.headers["connection"].lower() == "close"
        assert answer.body.startswith(b"too_large: the body has 1001 bytes; at most 1000 are taken")
        assert client.is_ended()

    def test_it_is_refused_before_it_is_sent(self, start):
        server = start(max_body_bytes=1000)
        client = server.connect().send("POST /work HTTP/1.1\r\nHost: t\r\nContent-Length: "
                                       "10000000000\r\nExpect: 100-continue\r\n\r\n")
        assert client.answer().status == 413

    def test_a_client_that_sends_all_the_same_reads_its_answer(self, start):
        """Closed with unread bytes the connection would be reset, and the answer lost."""
        server = start(max_body_bytes=1000)
        for _ in range(10):
            client = server.connect().ask("POST", "/work", b"x" * 3_000_000)
            assert client.answer().status == 413
            assert client.is_ended()
            client.close()

    def test_expectations_are_met(self, server):
        client = server.connect().send("POST /work HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n"
                                       "Expect: 100-continue\r\n\r\n")
        assert client.answer().status == 100
        assert client.send("abc").answer().body == b"abc"

    def test_a_chunked_body_that_is_too_long(self, start):
        server = start(max_body_bytes=100_000)
        client = server.connect().send(POST_CHUNKED.format("/work"), chunked(b"x" * 150_000, 5000))
        answer = client.answer()
        assert answer.status == 413 and answer.body.startswith(b"too_large: ")
        assert client.get("/show").status == 200
        assert server.request_logged(status=413, stage="body", bytes_in=150_000)

    def test_a_chunked_body_without_end(self, start):
        server = start(max_body_bytes=100_000)
        client = server.connect().send(POST_CHUNKED.format("/work"))
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(100_000):
                client.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        line = server.request_logged(status=413, code="too_large", stage="body")
        assert 200_000 < line["bytes_in"] < 300_000
        server.until(lambda now: now.connections == 0 and now.bytes == 0)

    def test_memory_is_charged_and_given_back(self, start):
        server = start(memory_bytes=1_000_000, max_body_bytes=900_000)
        waiting = server.connect().ask("POST", "/work?when=wait", b"x" * 600_000)
        assert server.command("await", 1) == "yes"
        assert server.numbers().bytes == 600_000
        refused = server.connect().post("/work", b"x" * 600_000)
        assert refused.status == 503 and refused.headers["retry-after"] == "1"
        assert refused.body.startswith(b"overloaded: ")
        chunky = server.connect().send(POST_CHUNKED.format("/work"), chunked(b"x" * 600_000, 9000))
        assert chunky.answer().status == 503
        assert server.command("finish", 1) == "1"
        assert waiting.answer().status == 200
        server.until(lambda now: now.bytes == 0)  # the pipeline lets go when it comes to it
        assert server.connect().post("/work", b"x" * 600_000).status == 200
        server.until(lambda now: now.bytes == 0)

    def test_a_body_is_charged_when_it_is_announced(self, start):
        server = start(memory_bytes=1_000_000, max_body_bytes=900_000)
        server.connect().send("POST /work HTTP/1.1\r\nHost: t\r\nContent-Length: 800000\r\n\r\nx")
        server.until(lambda now: now.bytes == 800_000)
        assert server.connect().post("/work", b"x" * 300_000).status == 503

    def test_tickets(self, start):
        server = start(max_requests=3)
        waiting = []
        for i in range(3):
            waiting.append(server.connect().ask("POST", "/work?when=wait", b"%d" % i))
            assert server.command("await", i + 1) == "yes"
        assert server.numbers().requests == 3
        refused = server.connect().post("/work", b"x" * 2_000_000)
        assert refused.status == 503 and refused.headers["retry-after"] == "1"
        assert server.request_logged(status=503, code="overloaded", stage="admit")
        assert server.connect().get("/show").status == 200
        assert server.connect().get("/probe").status == 200
        assert server.command("finish", 1) == "1"
        assert waiting[0].answer().body == b"0"
        assert waiting[0].post("/work", b"next").body == b"next"
        assert server.command("finish", 9) == "2"
        assert [client.answer().body for client in waiting[1:]] == [b"1", b"2"]
        assert server.numbers().requests == 0

    def test_a_body_under_way_holds_a_ticket(self, start):
        server = start(max_requests=1)
        slow = server.connect().send("POST /work HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nab")
        server.until(lambda now: now.requests == 1)
        assert server.connect().post("/work", b"x").status == 503
        assert slow.send(b"cd").answer().body == b"abcd"
        assert server.connect().post("/work", b"x").status == 200

    def test_connections_over_the_limit_answer_probes_only(self, start):
        server = start(max_connections=20)
        kept = [server.connect() for _ in range(20)]
        server.until(lambda now: now.connections == 20)
        for _ in range(3):
            begun = time.monotonic()
            probe = server.connect()
            assert probe.get("/probe").body == b"alive\n" and probe.is_ended()
            assert time.monotonic() - begun < 5
            refused = server.connect()
            answer = refused.post("/work", b"x" * 1_000_000)
            assert answer.status == 503 and answer.headers["connection"].lower() == "close"
            assert answer.body.startswith(b"overloaded: all 20 connections are taken")
            assert server.connect().get("/nothing").status == 503
        for client in kept:
            assert client.get("/show").status == 200
        kept[0].close()
        server.until(lambda now: now.connections == 19)
        assert server.connect().post("/work", b"x").status == 200

    def test_the_reserve_makes_room_for_the_next_probe(self, start):
        server = start(max_connections=5, header_timeout=60_000)
        kept = [server.connect() for _ in range(5)]
        silent = [server.connect() for _ in range(300)]
        for _ in range(20):
            assert server.connect().get("/probe").body == b"alive\n"
        assert all(client.get("/show").status == 200 for client in kept)
        assert silent[0].is_ended()

    def test_the_reserve_waits_two_seconds(self, start):
        server = start(max_connections=1, header_timeout=60_000)
        server.connect()
        silent = server.connect()
        begun = time.monotonic()
        assert silent.is_ended()
        assert 1 < time.monotonic() - begun < 15

    def test_without_descriptors(self, start):
        server = start(limits=["--nofile=128:128"])
        line = server.logged(event="fewer_connections")
        assert line["server.max_connections"] == 1000 and line["connections"] == 64
        before = cpu_seconds(server)
        server.command("hog", 1000)
        stuck = [socket.create_connection(server.address) for _ in range(10)]
        time_passes(2)
        assert cpu_seconds(server) - before < 0.3, "it spins"
        server.command("hog", 0)
        for connection in stuck:
            connection.sendall(b"GET /show HTTP/1.1\r\nHost: t\r\n\r\n")
            connection.settimeout(PATIENCE_S)
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
            connection.close()

    def test_two_hundred_clients_at_once(self, server):
        failures = []

        def run(number):
            try:
                client = Client(server.address)
                for i in range(5):
                    body = b"%d/%d " % (number, i) * 1000
                    answer = client.post("/work?when=thread", body)
                    assert (answer.status, answer.body) == (200, body)
                client.close()
            except Exception as error:  # pylint: disable=broad-except
                failures.append(error)

        threads = [threading.Thread(target=run, args=(i,)) for i in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        server.until(lambda now: now.connections == 0 and now.requests == 0 and now.bytes == 0)

    def test_two_thousand_wait(self, start):
        server = start(limits=["--nofile=8192:8192"], max_connections=3000, max_requests=3000)
        threads = server.numbers().threads
        clients = [server.connect().ask("POST", "/work?when=wait", b"%d" % i) for i in range(2000)]
        assert server.command("await", 2000) == "yes"
        now = server.numbers()
        assert now.requests == 2000 and now.threads == threads <= 8
        assert server.connect().get("/probe").status == 200
        assert server.command("finish", 2000) == "2000"
        assert all(client.answer().body == b"%d" % i for i, client in enumerate(clients))


    @pytest.mark.parametrize("count", [128, 512])
    def test_all_ask_at_once(self, start, count):
        """As many events in one go as libmicrohttpd takes of them, and none after that wakes it."""
        server = start(event_threads=1)
        clients = [server.connect() for _ in range(count)]
        assert all(client.get("/show").status == 200 for client in clients)
        server.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, server.process.pid, os.WSTOPPED | os.WNOWAIT)
        for client in clients:
            client.ask("GET", "/show")
        server.process.send_signal(signal.SIGCONT)
        assert all(client.answer().status == 200 for client in clients)


def cpu_seconds(server):
    fields = open(f"/proc/{server.process.pid}/stat", encoding="ascii").read().split()
    return (int(fields[13]) + int(fields[14])) / 100


def time_passes(seconds):
    """For what must not happen meanwhile."""
    threading.Event().wait(seconds)


class TestDeadlines:
    @pytest.mark.parametrize("text", ["", "GET /show HT", "GET /show HTTP/1.1\r\nHost: t\r\nX-A"])
    def test_a_slow_head(self, start, text):
        server = start(header_timeout=300)
        client = server.connect().send(text)
        assert client.is_ended()
        assert server.numbers().connections <= 1

    def test_a_dripping_head(self, start):
        """Bytes now and then do not put the deadline off."""
        server = start(header_timeout=1000)
        client = server.connect().send("GET /show HTTP/1.1\r\nHost: t\r\n")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(600):
                client.send("X: y\r\n")
                time_passes(0.05)
        assert server.request_logged(status=408, code="timeout", stage="head")

    def test_a_slow_body(self, start):
        server = start(body_timeout=300)
        client = server.connect().send("POST /work HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nx")
        assert client.is_ended()
        assert server.request_logged(status=408, code="timeout", stage="body", bytes_in=1)
        server.until(lambda now: now == now._replace(connections=0, requests=0, bytes=0))

    def test_a_dripping_chunked_body(self, start):
        server = start(body_timeout=1000)
        client = server.connect().send(POST_CHUNKED.format("/work"))
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(600):
                client.send("1\r\nx\r\n")
                time_passes(0.05)
        assert server.request_logged(status=408, stage="body")

    def test_an_idle_connection(self, start):
        server = start(idle_timeout=300)
        client = server.connect()
        assert client.get("/show").status == 200
        assert client.is_ended()

    def test_a_slow_reader(self, start):
        server = start(send_timeout=500)
        client = server.connect(receive_bytes=4096)
        client.ask("GET", "/big?size=30000000")
        line = server.request_logged(path="/big", status=200)
        assert (line["stage"], line["code"]) == ("send", "client_gone")
        server.until(lambda now: now.connections == 0)

    def test_a_reader_in_time_gets_all(self, server):
        client = server.connect(receive_bytes=65536)
        assert len(client.get("/big?size=10000000").body) == 10_000_000

    def test_work_that_takes_too_long(self, start):
        server = start(request_timeout=300)
        client = server.connect()
        answer = client.post("/work?when=wait", b"x")
        assert answer.status == 504 and answer.body.startswith(b"timeout: ")
        assert server.request_logged(status=504, code="timeout", stage="queue")
        assert server.command("finish", 1) == "0"
        assert client.get("/work?images=2&when=wait").body == b"timeout timeout "
        assert client.post("/work", b"y").body == b"y"

    def test_a_ticket_is_back_after_a_deadline(self, start):
        server = start(max_requests=1, request_timeout=300)
        assert server.connect().post("/work?when=wait", b"x").status == 504
        assert server.connect().post("/work", b"x").status == 200


class TestLeaving:
    def test_before_a_request(self, server):
        for _ in range(20):
            server.connect().close()
        server.until(lambda now: now.connections == 0)

    def test_within_the_head(self, server):
        server.connect().send("GET /show HTTP/1.1\r\nHo").close()
        assert server.request_logged(status=499, stage="head", code="client_gone")

    @pytest.mark.parametrize("body", ["Content-Length: 9\r\n\r\nx",
                                      "Transfer-Encoding: chunked\r\n\r\n5\r\nx"])
    def test_within_the_body(self, server, body):
        server.connect().send("POST /work HTTP/1.1\r\nHost: t\r\n" + body).close()
        assert server.request_logged(status=499, stage="body", code="client_gone")
        server.until(lambda now: now == now._replace(connections=0, requests=0, bytes=0))

    @pytest.mark.parametrize("is_reset", [False, True])
    def test_while_its_request_is_worked_on(self, server, is_reset):
        client = server.connect().ask("POST", "/work?when=wait", b"x" * 1000)
        assert server.command("await", 1) == "yes"
        if is_reset:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        assert server.request_logged(status=499, stage="queue", code="client_gone")
        assert server.command("finish", 1) == "0"
        server.until(lambda now: now == now._replace(connections=0, requests=0, bytes=0))
        name = 'classifyd_http_request_duration_seconds_count{route="classify",code="499"}'
        assert server.metrics()[name] == 1

    def test_half_closed_counts_as_gone(self, server):
        client = server.connect().ask("POST", "/work?when=wait", b"x")
        client.socket.shutdown(socket.SHUT_WR)
        assert server.request_logged(status=499, code="client_gone")
        assert client.is_ended()

    def test_half_closed_may_be_allowed(self, start):
        server = start(allow_half_close="true")
        client = server.connect().ask("POST", "/work?when=wait", b"x")
        client.socket.shutdown(socket.SHUT_WR)
        assert server.command("await", 1) == "yes"
        time_passes(0.3)
        assert server.command("finish", 1) == "1"
        assert client.answer().body == b"x" and client.is_ended()

    def test_half_closed_is_no_matter_where_the_answer_is_at_hand(self, server):
        client = server.connect().ask("GET", "/show")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.answer().status == 200

    def test_while_it_is_answered(self, server):
        client = server.connect(receive_bytes=4096).ask("GET", "/big?size=30000000")
        assert client.receive()
        client.close()
        assert server.request_logged(path="/big", stage="send", code="client_gone")

    def test_everybody_at_once_while_work_ends(self, start):
        """Aborts, finishes and closes race; nothing is answered twice or left behind."""
        server = start(request_timeout=200)
        for _ in range(10):
            clients = [server.connect().ask("POST", "/work?when=wait", b"x") for _ in range(50)]
            server.tell("finish", 25)
            for client in clients:
                client.close()
            server.read()
        server.until(lambda now: now == now._replace(connections=0, requests=0))
        server.command("finish", 10_000)
        server.until(lambda now: now.bytes == 0)


class TestEnd:
    def test_closing(self, server):
        client = server.connect()
        assert "connection" not in client.get("/show").headers
        assert server.command("close") == "ok"
        assert client.get("/show").headers["connection"].lower() == "close"
        assert client.is_ended()
        fresh = server.connect()
        assert fresh.post("/work", b"x").headers["connection"].lower() == "close"
        assert fresh.is_ended()

    def test_idle_connections_end_at_once(self, server):
        client, silent = server.connect(), server.connect()
        client.get("/show")
        server.tell("drain", 20_000)
        assert client.is_ended() and silent.is_ended()
        assert server.read().strip() == "drained 0"
        with pytest.raises(ConnectionRefusedError):
            Client(server.address)

    def test_work_is_awaited(self, server):
        clients = [server.connect().ask("POST", "/work?when=wait", b"%d" % i) for i in range(50)]
        half = server.connect().send("POST /work HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nab")
        assert server.command("await", 50) == "yes"
        assert server.command("close") == "ok"
        server.tell("drain", 20_000)
        half.send("cd")
        answer = half.answer()
        assert answer.body == b"abcd" and answer.headers["connection"].lower() == "close"
        server.tell("finish", 50)
        for i, client in enumerate(clients):
            answer = client.answer()
            assert (answer.body, answer.headers["connection"].lower()) == (b"%d" % i, "close")
            assert client.is_ended()
        assert {server.read().strip(), server.read().strip()} == {"50", "drained 0"}

    def test_work_that_does_not_end_is_aborted(self, server):
        clients = [server.connect().ask("POST", "/work?when=wait", b"x") for _ in range(10)]
        assert server.command("await", 10) == "yes"
        server.tell("drain", 200)
        for client in clients:
            answer = client.answer()
            assert answer.status == 503 and answer.body.startswith(b"draining: ")
            assert answer.headers["retry-after"] == "1"
        assert server.read().strip() == "drained 10"

    def test_a_long_answer_is_written_out(self, server):
        client = server.connect(receive_bytes=65536).ask("GET", "/big?size=10000000")
        assert client.receive()
        server.tell("drain", 20_000)
        assert len(client.answer().body) == 10_000_000
        assert server.read().strip() == "drained 0"

    def test_under_load_with_a_backlog(self, start):
        """Whoever could connect and had sent its request is answered, whoever else is refused."""
        server = start(event_threads=1, max_connections=5000, limits=["--nofile=16384:16384"])
        results, lock = [], threading.Lock()

        def run():
            while True:
                try:
                    client = Client(server.address)
                except ConnectionRefusedError:
                    return
                answer = None
                try:
                    client.ask("POST", "/work?when=thread", b"body")
                    answer = client.answer()
                except OSError as error:
                    answer = error
                with lock:
                    results.append(answer)
                client.close()

        threads = [threading.Thread(target=run) for _ in range(32)]
        for thread in threads:
            thread.start()
        server.until(lambda now: len(results) > 200)
        server.tell("drain", 20_000)
        for thread in threads:
            thread.join(timeout=2 * PATIENCE_S)
        assert server.read().strip() == "drained 0"
        lost = [result for result in results if not result or isinstance(result, Exception)
                or result.body != b"body"]
        assert not lost, f"{len(lost)} of {len(results)}: {lost[:3]}"

    def test_what_waits_in_the_backlog_is_accepted(self, start):
        server = start(limits=["--nofile=128:128"])
        server.command("hog", 1000)
        waiting = [Client(server.address).ask("POST", "/work?when=thread", b"%d" % i)
                   for i in range(40)]
        server.tell("hog 0\ndrain 20000")
        for i, client in enumerate(waiting):
            assert client.answer().body == b"%d" % i
            client.close()
        assert [server.read().strip(), server.read().strip()] == ["0", "drained 0"]

    def test_destroyed_without_a_drain(self, start):
        server = start()
        clients = [server.connect().ask("POST", "/work?when=wait", b"x") for _ in range(20)]
        server.connect().get("/show")
        server.connect().send("POST /work HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nab")
        server.connect()
        assert server.command("await", 20) == "yes"
        assert server.end() == (0, "")
        for client in clients:
            client.receive()
            assert not client.buffer or client.buffer.startswith(b"HTTP/1.1 503")

    def test_destroyed_at_once(self, start):
        for _ in range(5):
            assert start().end() == (0, "")


class TestRecords:
    def test_a_line_for_each_request(self, server):
        server.connect().post("/work?when=thread&url=http://user:secret@host/", b"xyz",
                              X_Request_Id="one")
        line = server.request_logged(id="one")
        assert (line["level"], line["method"], line["path"], line["status"], line["bytes_in"],
                line["images"], line["client"], line["inference_ms"]) == (
                    "info", "POST", "/work", 200, 3, 1, "127.0.0.1", 1.0)
        assert "code" not in line and "stage" not in line and "fetch_ms" not in line
        assert line["total_ms"] >= 0 and "secret" not in str(line)

    def test_probes_are_not_worth_a_line(self, server):
        server.connect().get("/probe", X_Request_Id="p")
        assert server.request_logged(id="p")["level"] == "debug"

    def test_requests_are_counted(self, start):
        server = start(max_requests=1)
        server.connect().get("/nothing")
        server.connect().get("/probe")
        client = server.connect()
        client.post("/work", b"x")
        client.post("/work?refuse=1", b"x")
        waiting = server.connect().ask("POST", "/work?when=wait", b"x")
        assert server.command("await", 1) == "yes"
        assert server.connect().post("/work", b"x").status == 503
        metrics = server.metrics()
        count = "classifyd_http_request_duration_seconds_count"
        for labels, value in ((f'{count}{{route="other",code="404"}}', 1),
                              (f'{count}{{route="probe",code="200"}}', 1),
                              (f'{count}{{route="classify",code="200"}}', 1),
                              (f'{count}{{route="classify",code="415"}}', 1),
                              (f'{count}{{route="classify",code="503"}}', 1),
                              ('classifyd_rejections_total{reason="overloaded"}', 1),
                              ('classifyd_rejections_total{reason="not_found"}', 1)):
            assert metrics[labels] == value, labels
        server.command("finish", 1)
        assert waiting.answer().status == 200
