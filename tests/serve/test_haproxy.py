"""Two instances behind a real haproxy: one is stopped under load, and no client notices."""
import collections
import contextlib
import http.client
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from service import PATIENCE_S, Service

CLIENTS = 6
CHECK_EVERY_MS = 200
# The health check has to fail and be noticed within it, on a machine with other things to do.
DRAIN_DELAY_MS = 4000

pytestmark = pytest.mark.skipif(not shutil.which("haproxy") and not shutil.which("/usr/sbin/haproxy"),
                                reason="no haproxy here")


@contextlib.contextmanager
def run_haproxy(folder, ports):
    """Yields its port. It neither retries nor goes to another server: what fails is seen."""
    servers = "\n".join(f"  server s{index} 127.0.0.1:{port} check inter {CHECK_EVERY_MS}ms fall 1 rise 1"
                        for index, port in enumerate(ports))
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        config = folder / "haproxy.cfg"
        config.write_text(f"""
global
  maxconn 200
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  retries 0
  no option redispatch
frontend all
  bind fd@{listener.fileno()}
  default_backend instances
backend instances
  balance roundrobin
  option httpchk GET /readyz
  http-check expect status 200
  http-response set-header X-Server %s
{servers}
""")
        with open(folder / "haproxy.log", "wb") as log:
            process = subprocess.Popen([shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-f",
                                        str(config)], pass_fds=[listener.fileno()],
                                       stdout=log, stderr=subprocess.STDOUT)
        try:
            yield listener.getsockname()[1]
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE_S)


class Load:
    """Clients that classify one after another, half of them on one connection each."""

    def __init__(self, port, image):
        self._port, self._image = port, image
        self._go_on = threading.Event()
        self._go_on.set()
        self._changed = threading.Condition()
        self.answers = collections.Counter()  # of each server; guarded by _changed
        self.failures = []  # guarded by _changed
        self._threads = [threading.Thread(target=self._run, args=(index % 2 == 0,))
                         for index in range(CLIENTS)]

    def _note(self, server, failure):
        with self._changed:
            self.answers[server] += 1
            if failure:
                self.failures.append(failure)
            self._changed.notify_all()

    def _ask(self, connection):
        try:
            connection.request("POST", "/classify", self._image, {"Content-Type": "image/jpeg"})
            response = connection.getresponse()
            body, server = response.read(), response.headers["X-Server"]
            is_good = response.status == 200 and b'"predictions"' in body
            self._note(server, None if is_good else (server, response.status, body[:300]))
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self._note(None, repr(error))

    def _run(self, keeps_its_connection):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        while self._go_on.is_set():
            self._ask(connection)
            if not keeps_its_connection:
                connection.close()
        connection.close()

    def wait_for_more(self, servers, count):
        """Until each of `servers` has given `count` more answers."""
        with self._changed:
            goals = {server: self.answers[server] + count for server in servers}
            assert self._changed.wait_for(
                lambda: all(self.answers[server] >= goal for server, goal in goals.items()),
                timeout=PATIENCE_S), (self.answers, self.failures[:3])

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._go_on.clear()
        for thread in self._threads:
            thread.join(PATIENCE_S)


def test_an_instance_is_drained_and_no_request_fails(sample, tmp_path):
    delay = ("--set", f"server.drain_delay_ms={DRAIN_DELAY_MS}")
    with Service(*delay) as first, Service("--set", "server.drain_delay_ms=0") as second, \
            run_haproxy(tmp_path, [first.port, second.port]) as port, Load(port, sample) as load:
        load.wait_for_more(["s0", "s1"], 20)
        first.process.send_signal(signal.SIGTERM)
        first.wait_for("draining")
        assert first.process.wait(timeout=PATIENCE_S) == 0
        first.wait_for("stopped", aborted_requests=0)
        load.wait_for_more(["s1"], 50)
        log = (tmp_path / "haproxy.log").read_text()
    assert load.failures == [], log
    assert load.answers["s0"] >= 20
