"""Clients that do at random what clients do: well, badly, slowly, and half."""
import base64
import contextlib
import json
import random
import re
import socket
import struct
import time
import zlib

ANSWER_S = 60      # in which whatever was asked is answered, on a machine with other things to do
BOUNDARY = b"----chaos"


class Unanswered(Exception):
    """Of what was sent whole at `sent_at`."""

    def __init__(self, what, sent_at):
        super().__init__(what)
        self.sent_at = sent_at


def png(rng, width, height):
    """A PNG of noise: no two are alike."""
    rows = b"".join(b"\0" + rng.randbytes(3 * width) for _ in range(height))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


class Connection:
    """A socket and what came of it."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S)
        self.data = b""
        self.answers = 0
        self.sent_at = time.monotonic()

    def send(self, *pieces):
        """Whether the server took it all; it may have answered, and closed, before the end."""
        try:
            for piece in pieces:
                self.socket.sendall(piece)
            self.sent_at = time.monotonic()
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def unanswered(self, why):
        return Unanswered(f"{why} after {self.answers} answers and {self.data[:80]!r}", self.sent_at)

    def _more(self):
        try:
            chunk = self.socket.recv(65536)
        except OSError as error:
            raise self.unanswered(repr(error)) from None
        if not chunk:
            raise self.unanswered("closed")
        self.data += chunk

    def answer(self, is_head=False):
        while True:
            while b"\r\n\r\n" not in self.data:
                self._more()
            head, self.data = self.data.split(b"\r\n\r\n", 1)
            status = int(head.split(b" ", 2)[1])
            if status != 100:
                break
        fields = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
        headers = {name.lower(): value.strip() for name, _, value in fields}
        size = 0 if is_head or status == 204 else int(headers["content-length"])
        while len(self.data) < size:
            self._more()
        body, self.data = self.data[:size], self.data[size:]
        self.answers += 1
        return Answer(status, headers, body)

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def multipart(images, **fields):
    parts = [b'--%s\r\nContent-Disposition: form-data; name="image"; filename="%d"\r\n\r\n%s\r\n' %
             (BOUNDARY, i, image) for i, image in enumerate(images)]
    parts += [b'--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' %
              (BOUNDARY, name.encode(), str(value).encode()) for name, value in fields.items()]
    return b"".join(parts) + b"--%s--\r\n" % BOUNDARY


def predictions(body):
    return re.findall(rb'"predictions": ?(\[.*?\])', body, re.DOTALL)


class Client:
    """One thread's. `world` has: port, images {name: bytes}, expected {(model, name): predictions},
    models, site (a BadSite), is_over, answers (counted), and answers_until: what was sent whole before
    that moment has to be answered."""

    def __init__(self, world, seed):
        self.world = world
        self.rng = random.Random(seed)
        self.count = 0
        self.seed = seed

    # What is asked.

    def head(self, method, target, *fields, size=None):
        self.count += 1
        lines = [f"{method} {target} HTTP/1.1", "Host: a", f"X-Request-Id: {self.seed}-{self.count}", *fields]
        if size is not None:
            lines.append(f"Content-Length: {size}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def pick_image(self):
        return self.rng.choice(list(self.world.images))

    def target(self, model):
        return "/classify" if model == self.world.models[0] else f"/classify?model={model}"

    def post(self, *fields):
        """A good request, and what its answer has to hold."""
        model, name = self.rng.choice(self.world.models), self.pick_image()
        image = self.world.images[name]
        if self.rng.random() < 0.3:
            body = multipart([image])
            fields = (*fields, "Content-Type: multipart/form-data; boundary=" + BOUNDARY.decode())
        elif self.rng.random() < 0.2:
            body = json.dumps({"image": base64.b64encode(image).decode()}).encode()
        else:
            body = image
        if self.rng.random() < 0.2:
            return (self.head("POST", self.target(model), "Transfer-Encoding: chunked", *fields) +
                    self.chunked(body), (model, name))
        return self.head("POST", self.target(model), *fields, size=len(body)) + body, (model, name)

    def chunked(self, body):
        out = []
        while body:
            size = self.rng.choice([1, 10, 1000, 30000, 100000])
            out.append(b"%x\r\n%s\r\n" % (len(body[:size]), body[:size]))
            body = body[size:]
        return b"".join(out) + b"0\r\n\r\n"

    # What is expected.

    def check(self, answer, *wanted):
        assert answer.status in wanted, (answer.status, wanted, answer.body[:300])
        self.world.answers[answer.status] = self.world.answers.get(answer.status, 0) + 1
        return answer

    def check_prediction(self, answer, key):
        """Overloaded and too late are answers, too; another image's classes are not."""
        self.check(answer, 200, 503, 504)
        if answer.status == 200:
            assert predictions(answer.body) == [self.world.expected[key]], (key, answer.body[:300])

    # What a client does.

    def classify(self):
        request, key = self.post()
        with Connection(self.world.port) as connection:
            connection.send(request)
            self.check_prediction(connection.answer(), key)

    def keep_alive(self):
        with Connection(self.world.port) as connection:
            for _ in range(self.rng.randint(2, 6)):
                kind = self.rng.random()
                if kind < 0.5:
                    request, key = self.post()
                    if not connection.send(request):
                        raise connection.unanswered("closed before the request was taken")
                    answer = connection.answer()
                    self.check_prediction(answer, key)
                elif kind < 0.7:
                    connection.send(self.head("POST", "/classify", size=5) + b"hello")
                    answer = self.check(connection.answer(), 415, 503)
                else:
                    connection.send(self.head("GET", self.rng.choice(["/nothing", "/classify?url=", "/classify"])))
                    answer = self.check(connection.answer(), 400, 404, 503)
                if answer.headers.get("connection") == "close":
                    return

    def pipeline(self):
        """Several requests at once; the answers come in their order."""
        asked = []
        for _ in range(self.rng.randint(2, 8)):
            if self.rng.random() < 0.4:
                asked.append(self.post())
            else:
                asked.append((self.head("GET", self.rng.choice(["/livez", "/models", "/nothing"])), None))
        data = b"".join(request for request, _ in asked)
        with Connection(self.world.port) as connection:
            at = 0
            while at < len(data):
                size = self.rng.choice([1, 100, 5000, 100000])
                connection.send(data[at:at + size])
                at += size
            for _, key in asked:
                answer = connection.answer()
                if key:
                    self.check_prediction(answer, key)
                else:
                    self.check(answer, 200, 404, 503)
                if answer.headers.get("connection") == "close":
                    return

    def several(self):
        model = self.rng.choice(self.world.models)
        names = [self.pick_image() for _ in range(self.rng.randint(2, 8))]
        images = [self.world.images[name] for name in names]
        bad = self.rng.randrange(len(images))
        images[bad] = images[bad][:len(images[bad]) // 2] if self.rng.random() < 0.5 else b"no image"
        body = multipart(images, model=model)
        with Connection(self.world.port) as connection:
            connection.send(self.head("POST", "/classify", "Content-Type: multipart/form-data; boundary=" +
                                      BOUNDARY.decode(), size=len(body)) + body)
            answer = self.check(connection.answer(), 200, 503)
        if answer.status != 200:
            return
        results = json.loads(answer.body)["results"]
        assert len(results) == len(images)
        assert results[bad]["error"]["code"] in ("not_decodable", "unsupported_media_type", "timeout",
                                                   "draining"), results[bad]
        found = {json.dumps(result["predictions"]): name for result, name in zip(results, names)
                 if "predictions" in result}
        for text, name in found.items():
            assert text == json.dumps(json.loads(self.world.expected[model, name])), name

    def fetch(self):
        paths = [self.rng.choice(self.world.site.PATHS) for _ in range(self.rng.choice([1, 1, 3, 12]))]
        urls = [self.world.site.url + path for path in paths]
        leaves = self.rng.random() < 0.2
        body = json.dumps({"urls": urls}).encode()
        with Connection(self.world.port) as connection:
            connection.send(self.head("POST", "/classify", size=len(body)) + body)
            if leaves:
                time.sleep(self.rng.random() * 0.2)
                connection.reset()
                return
            answer = self.check(connection.answer(), 200, 503)
        if answer.status != 200:
            return
        for path, result in zip(paths, json.loads(answer.body)["results"]):
            is_good = path in ("/good", "/kept", "/away", "/chunked")
            code = result["error"]["code"] if "error" in result else "ok"
            assert code == "ok" or not is_good or code in ("timeout", "fetch_timeout", "overloaded", "draining"), (path, result)
            assert code != "internal" and (code != "ok" or is_good), (path, result)

    def probe(self):
        for path in ("/livez", "/readyz", "/healthz", "/metrics"):
            with Connection(self.world.port) as connection:
                connection.send(self.head("GET", path, "Connection: close"))
                answer = connection.answer()
            is_stopping = path == "/readyz" and time.monotonic() > self.world.answers_until
            self.check(answer, 200, 503 if is_stopping else 200)

    def expect_continue(self):
        request, key = self.post("Expect: 100-continue")
        head, body = request.split(b"\r\n\r\n", 1)
        with Connection(self.world.port) as connection:
            connection.send(head + b"\r\n\r\n")
            connection.send(body)
            self.check_prediction(connection.answer(), key)

    def refused_early(self):
        """An answer that does not wait for the body, which comes all the same."""
        method, target, status = self.rng.choice([("POST", "/livez", 405), ("PUT", "/nothing", 404),
                                                  ("GET", "/livez", 200), ("DELETE", "/classify", 405)])
        size = self.rng.choice([1, 1000, 300000])
        with Connection(self.world.port) as connection:
            connection.send(self.head(method, target, size=size), bytes(size))
            self.check(connection.answer(), status, 503)

    def too_large(self):
        size = self.world.max_body_bytes + 1
        with Connection(self.world.port) as connection:
            if self.rng.random() < 0.5:
                connection.send(self.head("POST", "/classify", size=size), bytes(self.rng.choice([0, size])))
            else:
                connection.send(self.head("POST", "/classify", "Transfer-Encoding: chunked") +
                                b"%x\r\n" % size + bytes(size) + b"\r\n0\r\n\r\n")
            self.check(connection.answer(), 413, 503)

    def slow(self):
        """In time, byte by byte where it matters."""
        request, key = self.post()
        start = time.monotonic()
        with Connection(self.world.port) as connection:
            at = 0
            while at < len(request):
                size = self.rng.choice([1, 7, 50]) if at < 200 else len(request) // 3
                connection.send(request[at:at + size])
                at += size
                time.sleep(0.01)
            if time.monotonic() - start < self.world.timeout_s / 2:
                self.check_prediction(connection.answer(), key)

    # What nobody can answer.

    def cut(self):
        """Leaves anywhere in the request."""
        request, _ = self.post()
        with Connection(self.world.port) as connection:
            connection.send(request[:self.rng.choice([0, 1, 20, 200, self.rng.randrange(len(request))])])
            if self.rng.random() < 0.3:
                time.sleep(self.rng.random() * 0.1)
            if self.rng.random() < 0.5:
                connection.reset()
            elif self.rng.random() < 0.5:
                connection.socket.shutdown(socket.SHUT_WR)
                with contextlib.suppress(Unanswered):
                    connection.answer()

    def leave(self):
        """Asks and does not wait."""
        requests = [self.post()[0] for _ in range(self.rng.choice([1, 1, 3]))]
        with Connection(self.world.port) as connection:
            connection.send(*requests)
            time.sleep(self.rng.choice([0, 0.001, 0.01, 0.05, 0.2]))
            if self.rng.random() < 0.7:
                connection.reset()

    def stall(self):
        """Begins, and says no more until the server has had enough."""
        request, _ = self.post()
        with Connection(self.world.port) as connection:
            connection.send(request[:self.rng.choice([0, 30, 150, len(request) - 1])])
            with contextlib.suppress(Unanswered):
                while True:
                    connection.answer()

    def read_slowly(self):
        """Asks for much and reads little of it."""
        with Connection(self.world.port) as connection:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.send(b"".join(self.head("GET", "/openapi.json") for _ in range(40)))
            for _ in range(self.rng.randint(0, 10)):
                connection.socket.recv(1000)
                time.sleep(0.02)
            if self.rng.random() < 0.5:
                connection.reset()

    def babble(self):
        head = b"POST /classify HTTP/1.1\r\nHost: a\r\n"
        data = self.rng.choice([
            self.rng.randbytes(300), b"\r\n" * 50, b"GET / HTTP/7.7\r\n\r\n", b"GET /" + b"a" * 70000,
            head + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
            head + b"Content-Length: -3\r\n\r\n", head + b"Content-Length: x\r\n\r\n",
            head + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", head + b"A: b\r\n" * 3000 + b"\r\n",
            head + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
            head + b"Transfer-Encoding: gzip\r\n\r\n",
        ])
        with Connection(self.world.port) as connection:
            connection.send(data)
            with contextlib.suppress(Unanswered, OSError):
                connection.socket.shutdown(socket.SHUT_WR)
                self.check(connection.answer(), 400, 413, 414, 431, 501, 503, 505)

    def crowd(self):
        connections = []
        with contextlib.suppress(OSError):
            for _ in range(30):
                connections.append(socket.create_connection(("127.0.0.1", self.world.port), timeout=1))
        for connection in connections:
            connection.close()

    ANSWERED = ((classify, 6), (keep_alive, 3), (pipeline, 3), (several, 3), (fetch, 4), (probe, 2),
                (expect_continue, 1), (refused_early, 2), (too_large, 1), (slow, 2))
    UNANSWERED = ((cut, 4), (leave, 5), (stall, 1), (read_slowly, 1), (babble, 3), (crowd, 1))

    def run(self):
        """Until all is over; what went wrong, or None."""
        actions = [*self.ANSWERED, *self.UNANSWERED]
        answered = [act for act, _ in self.ANSWERED]
        while not self.world.is_over.is_set():
            action = self.rng.choices([act for act, _ in actions], [weight for _, weight in actions])[0]
            what = f"{action.__name__} {self.seed}-{self.count}"
            try:
                action(self)
            except Unanswered as error:
                if action in answered and error.sent_at < self.world.answers_until:
                    return f"{what}: {error}"
            except AssertionError as error:
                return f"{what}: {error}"
            except ConnectionError as error:
                if time.monotonic() < self.world.answers_until:
                    return f"{what}: {error!r}"
                if isinstance(error, ConnectionRefusedError):
                    return None
        return None
