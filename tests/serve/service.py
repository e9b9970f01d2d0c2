"""The real binary serving on a free port, as a process that a test owns."""
import http.client
import json
import os
import pathlib
import queue
import signal
import socket
import subprocess
import threading
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("CLASSIFYD", str(ROOT / "build" / "server" / "classifyd"))
SAMPLE = ROOT / "config" / "demo" / "sample.jpg"
PATIENCE_S = 60  # for what should take a moment, on a machine with other things to do


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


def receive_all(connection):
    """All that comes until the other side closes."""
    data = b""
    with connection:
        while chunk := connection.recv(65536):
            data += chunk
    return data


class Service:
    """`with Service("--set", "server.max_requests=1") as service: service.get("/livez")`."""

    def __init__(self, *words, env=None, wait="ready", cwd=None, preexec=None, before=()):
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8",
                       "HOME": "/nonexistent"}
        for name, value in os.environ.items():
            if name.endswith("SAN_OPTIONS") or name == "OPENBLAS_CORETYPE":
                environment[name] = value
        environment.update(env or {})
        command = [*before, BINARY, "serve", "--port", "0", "--host", "127.0.0.1", "--set", "log.format=json",
                   "--set", "server.drain_delay_ms=0", *map(str, words)]
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, cwd=cwd,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        preexec_fn=preexec)
        self.events, self.other_lines = [], []
        self._news = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = None
        if wait:
            self.url = self.wait_for("listening")["url"]
            self.port = urllib.parse.urlsplit(self.url).port
        if wait == "ready":
            self.wait_for("ready")

    def _read(self):
        for line in self.process.stderr:
            try:
                self._news.put(json.loads(line))
            except ValueError:
                self.other_lines.append(line)
        self._news.put(None)

    def wait_for(self, event, **fields):
        """The first line, already read or still to come, of that event with those fields."""
        def matches(line):
            return line["event"] == event and all(line.get(key) == value
                                                  for key, value in fields.items())
        for line in self.events:
            if matches(line):
                return line
        while True:
            line = self._news.get(timeout=PATIENCE_S)
            if line is None:
                self._news.put(None)
                raise AssertionError(f"no event {event} {fields}; it said {self.events} "
                                     f"{''.join(self.other_lines)}")
            self.events.append(line)
            if matches(line):
                return line

    def connect(self, timeout=PATIENCE_S):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def send_image(self, image, keep_alive=False):
        """A connection on which a whole request was sent."""
        connection = self.connect()
        connection.sendall(b"POST /classify HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n%s\r\n" %
                           (len(image), b"" if keep_alive else b"Connection: close\r\n") + image)
        return connection

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, headers=None):
        return self.request("GET", path, headers=headers)

    def post(self, path, body=b"", headers=None):
        return self.request("POST", path, body, headers)

    def metric(self, line_start):
        """The value of the metrics line that begins so."""
        for line in self.get("/metrics").body.decode().splitlines():
            if line.startswith(line_start):
                return float(line.rsplit(" ", 1)[1])
        raise AssertionError(f"no metric {line_start}")

    def stop(self, how=signal.SIGTERM):
        """Its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(timeout=PATIENCE_S)

    def wait(self):
        """Its exit status, when it was told to stop before: a second signal would kill it."""
        return self.process.wait(timeout=PATIENCE_S)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            status = self.process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self._reader.join(timeout=PATIENCE_S)
            self.process.stdout.close()
            self.process.stderr.close()
        if kind is None:
            assert status in (0, -signal.SIGKILL), (status, "".join(self.other_lines))
            assert not self.other_lines, "".join(self.other_lines)
