"""The fetcher against servers that answer well, badly, slowly and never."""
import hashlib
import http.server
import re
import socket
import subprocess
import threading

import pytest

import conftest
from fetch_server import PNG, REDIRECTS

SHA256 = hashlib.sha256(PNG).hexdigest()


def assert_image(outcome):
    assert (outcome["code"], outcome["detail"]) == ("ok", "")
    assert (outcome["bytes"], outcome["sha256"]) == (len(PNG), SHA256)


def assert_problem(outcome, code, *parts):
    assert outcome["code"] == code, outcome
    for part in parts:
        assert part in outcome["detail"]
    assert outcome["bytes"] == -1


def test_an_image_arrives_with_as_much_memory_as_it_needs(server, fetcher):
    outcome = fetcher.get(server.url("plain/a.png"))
    assert_image(outcome)
    assert outcome["charged_bytes"] == len(PNG)
    assert outcome["fetch_us"] > 0


def test_the_request_says_who_asks_and_nothing_more(server, make_fetcher, tmp_path):
    (tmp_path / ".netrc").write_text("machine localhost login me password secret\n")
    fetcher = make_fetcher(server.server_port, env={"HOME": str(tmp_path)})
    fetcher.get(server.url("plain/a.png?q=1#part"))
    fetcher.get(server.url("plain/b.png"))
    (path, headers), (_, second) = server.requests
    assert path == "/plain/a.png?q=1"
    agent = headers.pop("User-Agent")
    assert agent.startswith("classifyd/") and agent[10].isdigit()
    assert headers == {"Host": f"localhost:{server.server_port}", "Accept": "image/*"}
    assert "Cookie" not in second


@pytest.mark.parametrize("code", [204, 206, 304, 400, 401, 403, 404, 410, 429, 500, 503])
def test_any_other_status_is_told(server, fetcher, code):
    outcome = fetcher.get(server.url(f"status/{code}/a.png"))
    assert_problem(outcome, "fetch_status", "localhost: the server answered", str(code))


@pytest.mark.parametrize("code", sorted(REDIRECTS))
def test_redirects_are_followed(server, fetcher, code):
    assert_image(fetcher.get(server.url(f"to/{code}/a.png?/plain/a.png")))
    assert_image(fetcher.get(server.url(f"to/{code}/a.png?../../plain/b.png")))
    target = server.url("plain/c.png", host="127.0.0.1")
    assert_image(fetcher.get(server.url(f"to/{code}/a.png?{target}")))
    assert [path for path, _ in server.requests][1::2] == [f"/plain/{x}.png" for x in "abc"]


def test_redirects_are_counted(server, make_fetcher):
    fetcher = make_fetcher(server.server_port, max_redirects=3)
    assert_image(fetcher.get(server.url("redirect/3/a.png")))
    for path in ("redirect/4/a.png", "loop/a.png"):
        before = len(server.requests)
        outcome = fetcher.get(server.url(path))
        assert_problem(outcome, "fetch_failed", "localhost: it redirects more than 3 times")
        assert len(server.requests) == before + 4
    none = make_fetcher(server.server_port, max_redirects=0)
    assert_problem(none.get(server.url("redirect/1/a.png")), "fetch_failed", "more than 0 times")


@pytest.mark.parametrize("target, code, reason", [
    ("http://10.0.0.1/", "address_not_allowed", "10.0.0.1 is not a public address"),
    ("http://169.254.169.254/latest/", "address_not_allowed", "169.254.169.254"),
    ("http://0xa9fea9fe/", "address_not_allowed", "169.254.169.254"),
    ("//[::ffff:10.0.0.1]/", "address_not_allowed", "private use"),
    ("http://localhost:1/", "address_not_allowed", "port 1 of localhost"),
    ("file:///etc/passwd", "fetch_failed", "http and https"),
    ("ftp://localhost/a.png", "fetch_failed", "http and https"),
    ("gopher://localhost/1", "fetch_failed", "http and https"),
    ("foo://localhost/1", "fetch_failed", "http"),
    ("http://user:secret@localhost/", "fetch_failed", "credentials"),
    ("http://a b/", "fetch_failed", "not a URL"),
])
def test_a_redirect_to_something_forbidden_is_refused(server, make_fetcher, target, code, reason):
    fetcher = make_fetcher(server.server_port, 80)
    outcome = fetcher.get(server.url(f"to/302/a.png?{target}"))
    assert_problem(outcome, code, "localhost: ", reason)
    assert "secret" not in outcome["detail"]


def test_a_redirect_to_a_name_with_a_private_address_is_refused(server, make_fetcher, make_server):
    """Only the socket knows: 127.0.0.2 is allowed, what localhost turns out to be is not."""
    first = make_server("127.0.0.2")
    fetcher = make_fetcher(server.server_port, first.server_port, allow_network="127.0.0.2")
    target = server.url("plain/a.png")
    outcome = fetcher.get(first.url(f"to/302/a.png?{target}", host="127.0.0.2"))
    assert_problem(outcome, "address_not_allowed", "127.0.0.2, redirected to localhost: ",
                   "not public")
    assert (server.connections, server.requests) == (0, [])


def test_a_redirect_off_the_allowed_hosts_is_refused(server, make_fetcher):
    fetcher = make_fetcher(server.server_port, allow_host="localhost")
    assert_image(fetcher.get(server.url("to/302/a.png?/plain/a.png")))
    target = server.url("plain/a.png", host="127.0.0.1")
    outcome = fetcher.get(server.url(f"to/302/a.png?{target}"))
    assert_problem(outcome, "address_not_allowed", "127.0.0.1 is none of the hosts")


def test_a_redirect_without_a_target_is_a_status(server, fetcher):
    outcome = fetcher.get(server.url("nowhere/a.png"))
    assert_problem(outcome, "fetch_status", "the server answered 302 without saying where to")


def test_a_redirect_to_a_very_long_url_is_refused(server, fetcher):
    assert_problem(fetcher.get(server.url("far/a.png")), "fetch_failed", "not a URL")


@pytest.mark.parametrize("path", ["chatty/a.png", "wordy/a.png"])
def test_the_body_of_a_redirect_is_not_waited_for(server, make_fetcher, path):
    """Nor is one too large that says so: max_bytes is about images."""
    fetcher = make_fetcher(server.server_port, timeout_ms=20000)
    assert_image(fetcher.get(server.url(path)))


def test_what_is_redirected_goes_before_what_waits(server, make_fetcher):
    fetcher = make_fetcher(server.server_port, max_concurrent=1)
    first = fetcher.submit(server.url("holdto/0.png"))
    assert server.is_holding.wait(conftest.LIMIT_S)
    later = [fetcher.submit(server.url(f"plain/{i}.png")) for i in range(2)]
    fetcher.get("nonsense")  # told once those before it are in the queue
    server.let_go.set()
    for tag in (first, *later):
        assert_image(fetcher.wait(tag))
    assert [path for path, _ in server.requests] == ["/holdto/0.png", "/plain/a.png",
                                                     "/plain/0.png", "/plain/1.png"]


@pytest.mark.parametrize("path", ["endless/a.png", "endlesschunks/a.png", "huge/a.png",
                                  "bomb/a.png"])
def test_too_much_is_refused(server, fetcher, path):
    outcome = fetcher.get(server.url(path))
    if "Unsolicited" in (outcome["detail"] or ""):  # libcurl 8: it did not ask for gzip
        assert_problem(outcome, "fetch_failed", "localhost: ", "Transfer-Encoding (gzip)")
    else:
        assert_problem(outcome, "fetch_too_large", "localhost: larger than the 1048576 bytes")
    assert server.broken.wait(conftest.LIMIT_S)


def test_the_limit_is_exact(server, make_fetcher):
    for mode in ("plain", "chunked"):
        fits = make_fetcher(server.server_port, max_bytes=len(PNG))
        assert_image(fits.get(server.url(f"{mode}/a.png")))
        does_not = make_fetcher(server.server_port, max_bytes=len(PNG) - 1)
        assert_problem(does_not.get(server.url(f"{mode}/a.png")), "fetch_too_large")


@pytest.mark.parametrize("path", ["drip/a.png", "silent/a.png", "dripheader/a.png"])
def test_too_slow_is_given_up(server, make_fetcher, path):
    fetcher = make_fetcher(server.server_port, timeout_ms=500)
    outcome = fetcher.get(server.url(path))
    assert_problem(outcome, "fetch_timeout", "localhost: ")
    assert 400_000 < outcome["fetch_us"] < 20_000_000


def test_redirects_share_one_time(server, make_fetcher):
    fetcher = make_fetcher(server.server_port, timeout_ms=500)
    outcome = fetcher.get(server.url("to/302/a.png?/drip/a.png"))
    assert_problem(outcome, "fetch_timeout")
    assert outcome["fetch_us"] < 20_000_000


def test_a_connection_that_is_not_taken_is_given_up(make_fetcher):
    """A full backlog: the kernel leaves the next connection unanswered."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        fetcher = make_fetcher(port, connect_timeout_ms=300, timeout_ms=30000)
        outcome = fetcher.get(f"http://127.0.0.1:{port}/a.png")
        for one in waiting:
            one.close()
    assert_problem(outcome, "fetch_timeout", "127.0.0.1: ")
    assert outcome["fetch_us"] < 20_000_000


def test_a_shorter_body_than_promised_is_a_failure(server, fetcher):
    outcome = fetcher.get(server.url("long/a.png"))
    assert_problem(outcome, "fetch_failed", "localhost: ", "1000 bytes ")  # remaining, or missing


def test_a_longer_body_than_promised_is_cut(server, fetcher):
    outcome = fetcher.get(server.url("short/a.png"))
    assert (outcome["code"], outcome["bytes"]) == ("ok", 1000)


def test_chunks_arrive(server, fetcher):
    assert_image(fetcher.get(server.url("chunked/a.png")))


@pytest.mark.parametrize("path, reason", [
    ("brokenchunks", ""), ("cutchunks", ""), ("garbage", ""), ("hangup", "Empty reply"),
    ("headers", "more than 262144 bytes of headers"), ("longheader", "too long|grew larger"),
])
def test_broken_answers_are_failures(server, fetcher, path, reason):
    outcome = fetcher.get(server.url(f"{path}/a.png"))
    assert_problem(outcome, "fetch_failed", "localhost: ")
    assert re.search(reason, outcome["detail"])  # its words are libcurl's, and change


def test_what_is_no_image_is_told_by_its_first_bytes(server, make_fetcher):
    """Long before the limits of time and bytes."""
    fetcher = make_fetcher(server.server_port, timeout_ms=60000, max_bytes=1 << 30)
    outcome = fetcher.get(server.url("text/a.png"))
    assert_problem(outcome, "fetch_not_an_image", "localhost: ", "text/html; charset=utf-8")
    assert outcome["fetch_us"] < 30_000_000
    assert server.broken.wait(conftest.LIMIT_S)


def test_a_type_is_shown_without_control_characters(server, fetcher):
    outcome = fetcher.get(server.url("odd/a.png"))
    assert_problem(outcome, "fetch_not_an_image", "image/svg??xml")
    assert outcome["detail"].isascii() and outcome["detail"].isprintable()


def test_nothing_is_no_image(server, fetcher):
    assert_problem(fetcher.get(server.url("empty/a.png")), "fetch_not_an_image", "image/png")


def test_a_coding_that_was_not_asked_for_is_no_image(server, fetcher):
    assert_problem(fetcher.get(server.url("gzip/a.png")), "fetch_not_an_image")


def test_a_name_that_does_not_exist(make_fetcher):
    outcome = make_fetcher(80).get("http://no-such-host.invalid/a.png?secret")
    assert_problem(outcome, "fetch_failed")
    assert outcome["detail"].startswith("no-such-host.invalid: ")
    assert outcome["detail"].count("no-such-host.invalid") == 1 and "resolve" in outcome["detail"]
    assert "secret" not in outcome["detail"]


def test_a_port_where_nobody_listens(make_fetcher):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        outcome = make_fetcher(port).get(f"http://127.0.0.1:{port}/a.png")
    assert_problem(outcome, "fetch_failed", "127.0.0.1: Failed to connect")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.1", "2130706433",
                                  "127.0.0.1.", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]"])
def test_private_addresses_never_see_a_connection(server, make_fetcher, host):
    fetcher = make_fetcher(server.server_port, allow_network="192.168.77.0/24")
    outcome = fetcher.get(server.url("plain/a.png", host=host))
    assert_problem(outcome, "address_not_allowed", "not public" if "ocal" in host.lower() else
                   "is not a public address")
    assert (server.connections, server.requests) == (0, [])


def test_ipv6(make_server, make_fetcher):
    try:
        server = make_server("::1")
    except OSError:
        pytest.skip("this machine has no ::1")
    fetcher = make_fetcher(server.server_port)
    assert_image(fetcher.get(server.url("plain/a.png", host="[::1]")))
    outcome = make_fetcher(server.server_port, allow_network="127.0.0.0/8").get(
        server.url("plain/a.png", host="[::1]"))
    assert_problem(outcome, "address_not_allowed", "::1")


def test_bad_urls_are_the_clients_fault(make_fetcher):
    fetcher = make_fetcher(80)
    for url in ("nonsense", "ftp://a.example/", "http://user:secret@a.example/",
                "http://a.example/\x01", "http://" + "a" * 9000):
        outcome = fetcher.get(url)
        assert_problem(outcome, "bad_request")
        assert "secret" not in outcome["detail"]
        assert outcome["fetch_us"] == 0


def test_tls(make_server, make_fetcher, certificates):
    server = make_server(certificate=certificates / "server.pem")
    fetcher = make_fetcher(server.server_port, ca_file=certificates / "ours.pem")
    for _ in range(3):
        assert_image(fetcher.get(server.url("plain/a.png")))
    assert server.connections == 1
    assert_image(fetcher.get(server.url("redirect/2/a.png")))


@pytest.mark.parametrize("certificate, authority, reason", [
    ("server", "theirs", "certificate"),
    ("server", "", "certificate"),
    ("ours", "theirs", "self-signed"),
    ("elsewhere", "ours", "localhost"),
    ("expired", "ours", "expired"),
])
def test_certificates_that_are_not_trusted(make_server, make_fetcher, certificates, certificate,
                                           authority, reason):
    server = make_server(certificate=certificates / f"{certificate}.pem")
    ca_file = certificates / f"{authority}.pem" if authority else ""
    fetcher = make_fetcher(server.server_port, ca_file=ca_file)
    outcome = fetcher.get(server.url("plain/a.png?secret"))
    assert_problem(outcome, "fetch_tls", "localhost: ", reason)
    assert "secret" not in outcome["detail"] and not server.requests


def test_a_server_that_does_not_speak_tls(server, fetcher):
    url = server.url("plain/a.png").replace("http:", "https:")
    assert_problem(fetcher.get(url), "fetch_tls", "localhost: ")


def test_connections_are_used_again(server, make_fetcher):
    fetcher = make_fetcher(server.server_port, max_concurrent=2)
    for path in ("plain/a.png", "chunked/a.png", "missing/a.png", "status/500/a.png", "nowhere/a",
                 "redirect/2/a.png", "empty/a.png", "plain/a.png?b"):
        fetcher.get(server.url(path))
    assert server.connections == 1
    assert len(server.requests) == 10


def test_a_connection_that_was_closed_meanwhile_is_made_anew(server, fetcher):
    assert_image(fetcher.get(server.url("plain/a.png")))
    fetcher.get(server.url("hangup/a.png"))
    assert_image(fetcher.get(server.url("plain/a.png")))


def test_a_host_gets_its_share_and_blocks_nobody(server, make_server, make_fetcher):
    other = make_server()
    fetcher = make_fetcher(server.server_port, other.server_port, max_concurrent=5,
                           max_concurrent_per_host=3)
    held = [fetcher.submit(server.url("hold/a.png")) for _ in range(12)]
    assert server.wait_for_requests(3)
    assert_image(fetcher.get(other.url("plain/a.png", host="127.0.0.1")))
    assert not any(tag in fetcher.outcomes for tag in held)
    server.let_go.set()
    for tag in held:
        assert_image(fetcher.wait(tag))
    assert server.most["localhost"] == 3


def test_a_redirect_counts_for_the_host_that_it_leads_to(server, make_server, make_fetcher):
    first = make_server()
    fetcher = make_fetcher(server.server_port, first.server_port, max_concurrent=8,
                           max_concurrent_per_host=2)
    target = server.url("hold/a.png", host="127.0.0.1")
    tags = [fetcher.submit(first.url(f"to/302/a.png?{target}")) for _ in range(8)]
    assert first.wait_for_requests(8) and server.wait_for_requests(2)
    server.let_go.set()
    for tag in tags:
        assert_image(fetcher.wait(tag))
    assert server.most["127.0.0.1"] == 2


def test_many_wait_for_few(server, make_fetcher):
    fetcher = make_fetcher(server.server_port, max_concurrent=4, timeout_ms=60000)
    tags = [fetcher.submit(server.url(f"plain/{i}.png")) for i in range(200)]
    for tag in tags:
        assert_image(fetcher.wait(tag))
    assert server.most[""] <= 4 and server.connections <= 4
    waits = [fetcher.outcomes[tag]["wait_us"] for tag in tags]
    assert waits[-1] > waits[0]


def test_nobody_waits_any_more(server, make_fetcher):
    """While the server is silent, and while it is another's turn."""
    fetcher = make_fetcher(server.server_port, max_concurrent=1, timeout_ms=600000)
    running, queued = (fetcher.submit(server.url("silent/a.png")) for _ in range(2))
    assert server.is_holding.wait(conftest.LIMIT_S)
    fetcher.drop(queued)
    assert_problem(fetcher.wait(queued), "client_gone")
    fetcher.drop(running)
    outcome = fetcher.wait(running)
    assert_problem(outcome, "client_gone")
    assert outcome["fetch_us"] < 30_000_000
    assert len(server.requests) == 1
    assert_image(fetcher.get(server.url("plain/a.png")))


def test_data_that_nobody_waits_for_is_not_read(server, make_fetcher):
    fetcher = make_fetcher(server.server_port, timeout_ms=600000)
    tag = fetcher.submit(server.url("drip/a.png"))
    fetcher.drop(tag)
    assert_problem(fetcher.wait(tag), "client_gone")


def test_a_deadline_ends_waiting_and_running(server, make_fetcher):
    fetcher = make_fetcher(server.server_port, max_concurrent=1, timeout_ms=600000)
    running = fetcher.submit(server.url("silent/a.png"), deadline_ms=3000)
    assert server.is_holding.wait(conftest.LIMIT_S)
    queued = fetcher.submit(server.url("plain/a.png"), deadline_ms=300)
    outcome = fetcher.wait(queued)
    assert_problem(outcome, "fetch_timeout", "localhost: the time was up before it was its turn")
    assert 250_000 < outcome["wait_us"] < 20_000_000 and outcome["fetch_us"] == 0
    assert_problem(fetcher.wait(running), "fetch_timeout", "localhost: ")


def test_destroying_ends_what_runs_and_what_waits(server, make_fetcher):
    fetcher = make_fetcher(server.server_port, max_concurrent=8, timeout_ms=600000)
    tags = [fetcher.submit(server.url("silent/a.png")) for _ in range(60)]
    names = [fetcher.submit(f"http://host-{i}.invalid:{server.server_port}/") for i in range(4)]
    assert server.is_holding.wait(conftest.LIMIT_S)
    end = fetcher.close()
    assert end["destroy_us"] < 10_000_000
    assert {fetcher.outcomes[tag]["code"] for tag in tags} == {"draining"}
    assert {fetcher.outcomes[tag]["code"] for tag in names} <= {"draining", "fetch_failed"}


def test_memory_is_charged_and_may_run_out(server, make_fetcher):
    fetcher = make_fetcher(server.server_port, budget_bytes=len(PNG) - 1)
    for mode in ("plain", "chunked"):
        outcome = fetcher.get(server.url(f"{mode}/a.png"))
        assert_problem(outcome, "overloaded", "localhost: ", "try again")
        assert outcome["charged_bytes"] == 0


def test_proxies_of_the_environment_are_not_asked(server, make_fetcher):
    dead = "http://127.0.0.1:9"
    fetcher = make_fetcher(server.server_port, env={"http_proxy": dead, "all_proxy": dead,
                                                    "HTTP_PROXY": dead, "ALL_PROXY": dead})
    assert_image(fetcher.get(server.url("plain/a.png")))


class Proxy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(PNG)))
        self.end_headers()
        self.wfile.write(PNG)

    def log_message(self, *_):
        pass


@pytest.fixture
def proxy():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_proxy_is_used_for_the_hosts_that_are_allowed(proxy, make_fetcher):
    address = f"http://127.0.0.1:{proxy.server_port}"
    fetcher = make_fetcher(80, proxy=address, allow_host="images.example",
                           env={"no_proxy": "images.example"})
    assert_image(fetcher.get("http://images.example/a.png"))
    assert proxy.asked == ["http://images.example/a.png"]
    assert_problem(fetcher.get("http://other.example/a.png"), "address_not_allowed")
    strict = make_fetcher(80, proxy=address, allow_host="images.example",
                          allow_network="10.0.0.0/8")
    assert_problem(strict.get("http://images.example/a.png"), "address_not_allowed")
    assert len(proxy.asked) == 1


def run_driver(*words):
    return subprocess.run([conftest.DRIVER, *words], input="", capture_output=True, text=True,
                          timeout=conftest.LIMIT_S, check=False)


def test_options_that_cannot_work_are_refused_at_start(tmp_path):
    done = run_driver("proxy=http://127.0.0.1:1")
    assert done.returncode == 2 and "allow_hosts" in done.stderr
    done = run_driver(f"ca_file={tmp_path}/none.pem")
    assert done.returncode == 2 and "none.pem: No such file" in done.stderr
    (tmp_path / "empty.pem").write_text("nothing\n")
    done = run_driver(f"ca_file={tmp_path}/empty.pem")
    assert done.returncode == 2 and "holds no certificate" in done.stderr


def test_a_server_that_leaves_in_the_middle_of_tls_kills_nobody(make_server, make_fetcher,
                                                               certificates):
    """No SIGPIPE from writing to a connection that was closed."""
    server = make_server(certificate=certificates / "server.pem")
    fetcher = make_fetcher(server.server_port, ca_file=certificates / "ours.pem")
    for _ in range(20):
        fetcher.get(server.url("hangup/a.png"))
    assert_image(fetcher.get(server.url("plain/a.png")))
