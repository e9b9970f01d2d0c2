"""Starts echo_server (ECHO_SERVER names it; meson does) and speaks HTTP to it byte by byte."""
import collections
import json
import os
import pathlib
import queue
import socket
import subprocess
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVER = os.environ.get("ECHO_SERVER", str(ROOT / "build" / "tests" / "http" / "echo_server"))
PATIENCE_S = 30  # nothing is timed more tightly than this, unless a test says so

Answer = collections.namedtuple("Answer", "status headers body version")
Numbers = collections.namedtuple("Numbers", "connections requests bytes descriptors threads")


def read_lines(stream):
    """A queue of the lines of `stream`, filled by a thread; None is its end."""
    lines = queue.Queue()

    def pump():
        for line in stream:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=pump, daemon=True).start()
    return lines


class Client:
    """A connection; reads answers by their framing, so that nothing is left to luck."""

    def __init__(self, address, family=socket.AF_INET, receive_bytes=None):
        self.socket = socket.socket(family)
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(address)
        self.buffer = b""

    def send(self, *pieces):
        for piece in pieces:
            self.socket.sendall(piece if isinstance(piece, bytes) else piece.encode())
        return self

    def receive(self):
        """More bytes into the buffer; False at the end, RST included."""
        try:
            got = self.socket.recv(65536)
        except ConnectionResetError:
            got = b""
        self.buffer += got
        return bool(got)

    def read_head(self):
        while b"\r\n\r\n" not in self.buffer:
            if not self.receive():
                assert not self.buffer, f"cut within a head: {self.buffer!r}"
                return None
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        line, *fields = head.decode("latin-1").split("\r\n")
        version, status, _ = line.split(" ", 2)
        headers = {}
        for field in fields:
            name, value = field.split(":", 1)
            assert name.lower() not in headers, f"twice: {name}"
            headers[name.lower()] = value.strip()
        return version, int(status), headers

    def answer(self, method="GET"):
        """The next answer, None where the connection ended before its first byte."""
        head = self.read_head()
        if head is None:
            return None
        version, status, headers = head
        size = int(headers.get("content-length", 0))
        if method == "HEAD" or status in (100, 204):
            size = 0
        while len(self.buffer) < size:
            assert self.receive(), "cut within a body"
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return Answer(status, headers, body, version)

    def ask(self, method, target, body=None, **headers):
        lines = [f"{method} {target} HTTP/1.1", "Host: test"]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join(lines) + "\r\n\r\n", body or b"")
        return self

    def get(self, target, **headers):
        return self.ask("GET", target, **headers).answer()

    def post(self, target, body, **headers):
        return self.ask("POST", target, body, **headers).answer()

    def is_ended(self):
        """Waits for the server's end of the connection; there must be nothing before it."""
        return not self.receive() and not self.buffer

    def close(self):
        self.socket.close()


class Server:
    def __init__(self, settings, limits):
        command = [SERVER, *(f"{name}={value}" for name, value in settings.items())]
        if limits:
            command = ["prlimit", *limits, *command]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, bufsize=1)
        self.lines, self.log = read_lines(self.process.stdout), read_lines(self.process.stderr)
        self.seen = []
        self.url = self.read()
        assert self.url, "".join(iter(self.log.get, None))
        self.url = self.url.strip()
        host, port = self.url.removeprefix("http://").rsplit(":", 1)
        self.address = (host.strip("[]"), int(port))
        self.clients = []

    def read(self):
        return self.lines.get(timeout=PATIENCE_S)

    def tell(self, *words):
        print(*words, file=self.process.stdin, flush=True)

    def command(self, *words):
        self.tell(*words)
        return self.read().strip()

    def numbers(self):
        return Numbers(*map(int, self.command("numbers").split()))

    def metrics(self):
        """name with labels -> value"""
        self.tell("metrics")
        lines = iter(lambda: self.read().strip(), ".")
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
                for line in lines if line and not line.startswith("#")}

    def until(self, condition, get=None):
        """Asks the server again and again until `condition` holds of its numbers."""
        for _ in range(20000):
            numbers = (get or self.numbers)()
            if condition(numbers):
                return numbers
        raise AssertionError(f"never came: {numbers}")

    def connect(self, **more):
        client = Client(self.address, **more)
        self.clients.append(client)
        return client

    def logged(self, **expected):
        """The next line of the log of which all of `expected` holds; earlier ones are kept."""
        def fits(line):
            return all(line.get(name) == value for name, value in expected.items())

        for line in self.seen:
            if fits(line):
                self.seen.remove(line)
                return line
        while True:
            text = self.log.get(timeout=PATIENCE_S)
            assert text is not None, f"the log ended before {expected}; {self.seen}"
            line = json.loads(text) if text.startswith("{") else {"event": "text", "text": text}
            if fits(line):
                return line
            self.seen.append(line)

    def request_logged(self, **expected):
        return self.logged(event="request", **expected)

    def end(self):
        """Ends it as its input ends; its exit status, and what it wrote that is no log line."""
        self.process.stdin.close()
        status = self.process.wait(timeout=PATIENCE_S)
        rest = [line for line in iter(lambda: self.log.get(timeout=PATIENCE_S), None)
                if not line.startswith("{")]
        rest += [line["text"] for line in self.seen if line["event"] == "text"]
        for stream in (self.process.stdout, self.process.stderr):
            stream.close()
        return status, "".join(rest)


@pytest.fixture
def start():
    servers = []

    def run(limits=(), **settings):
        servers.append(Server(settings, limits))
        return servers[-1]

    yield run
    for server in servers:
        if server.process.returncode is None:
            assert server.end() == (0, "")
        for client in server.clients:
            client.close()


@pytest.fixture
def server(start):
    return start()
