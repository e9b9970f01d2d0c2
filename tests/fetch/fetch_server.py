"""A local HTTP or HTTPS server that misbehaves as its tests want.

The first part of a URL's path says how: /plain/a.png. What was asked is in `requests`, and what
went on at one time is counted.
"""
import collections
import http.server
import pathlib
import socket
import socketserver
import ssl
import sys
import threading
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import https_server  # noqa: E402

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
REDIRECTS = {"301", "302", "303", "307", "308"}


class Handler(http.server.BaseHTTPRequestHandler):
    """GET /MODE[/ARGUMENT]/FILE."""
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self):
        self.server.note(self.path, self.headers)
        parts = self.path.split("?")[0].split("/")
        self.argument = parts[2] if len(parts) > 2 else ""
        self.counted = ("", self.headers.get("Host", "").rsplit(":", 1)[0])
        self.server.count(self.counted, 1)
        try:
            getattr(self, f"answer_{parts[1]}", self.answer_missing)()
        except OSError:
            self.server.broken.set()
            self.close_connection = True
        finally:
            self.leave()

    def leave(self):
        """Before the answer is out, after which the next request may come on another connection."""
        self.server.count(self.counted, -1)
        self.counted = ()

    def send(self, code, body, length=None, **headers):
        self.leave()
        self.send_response(code)
        self.send_header("Content-Length", len(body) if length is None else length)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def send_until_broken(self, block, pause=0.0):
        """What a client that is done with us does not read; at most 60 s."""
        end = time.monotonic() + 60
        while time.monotonic() < end and not self.server.let_go.wait(pause):
            self.wfile.write(block)
            self.wfile.flush()

    def send_chunked_head(self, **headers):
        self.send_response(200)
        self.send_header("Transfer-Encoding", headers.pop("transfer", "chunked"))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def send_chunk(self, data):
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def answer_missing(self):
        self.send(404, b"not here")

    def answer_plain(self):
        self.send(200, PNG, Content_Type="image/png", Set_Cookie="a=b")

    def answer_status(self):
        code = int(self.argument)
        self.send(code, b"" if code in (204, 304) else PNG, length=len(PNG) * (code != 204))

    def answer_hold(self):
        self.server.is_holding.set()
        self.server.let_go.wait(60)
        self.answer_plain()

    def answer_silent(self):
        """Takes the request and says nothing."""
        self.server.is_holding.set()
        self.server.let_go.wait(60)
        self.close_connection = True

    def answer_redirect(self):
        """As often as the number says, then the image."""
        left = int(self.argument)
        target = f"/redirect/{left - 1}/a.png" if left > 1 else "/plain/a.png"
        self.send(302, b"elsewhere", Location=target)

    def answer_to(self):
        """/to/CODE/a.png?TARGET"""
        self.send(int(self.argument), b"elsewhere", Location=self.path.split("?", 1)[1])

    def answer_nowhere(self):
        self.send(302, b"elsewhere")

    def answer_far(self):
        self.send(302, b"", Location="/plain/" + "a" * 9000)

    def answer_loop(self):
        self.send(302, b"", Location="/loop/a.png")

    def answer_chatty(self):
        """A redirect whose body does not end."""
        self.send_response(302)
        self.send_header("Location", "/plain/a.png")
        self.end_headers()
        self.send_until_broken(bytes(4096))

    def answer_wordy(self):
        """A redirect whose body is said to be long."""
        self.send(302, b"", length=1 << 40, Location="/plain/a.png")
        self.send_until_broken(bytes(4096))

    def answer_holdto(self):
        self.server.is_holding.set()
        self.server.let_go.wait(60)
        self.send(302, b"", Location="/plain/a.png")

    def answer_endless(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(PNG)
        self.send_until_broken(bytes(65536))

    def answer_endlesschunks(self):
        self.send_chunked_head()
        self.send_chunk(PNG)
        self.send_until_broken(b"10000\r\n" + bytes(65536) + b"\r\n")

    def answer_text(self):
        """No image, and no end of it."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.send_until_broken(b"<!doctype html>" * 100, pause=0.05)

    def answer_odd(self):
        self.send(200, b"<svg/>", Content_Type="image/svg\x07\xffxml; secret=\x1b[31m")

    def answer_empty(self):
        self.send(200, b"", Content_Type="image/png")

    def answer_drip(self):
        self.send(200, PNG[:100], length=1000)
        self.send_until_broken(b"x", pause=0.05)

    def answer_long(self):
        """Says more than it sends."""
        self.send(200, PNG, length=len(PNG) + 1000)
        self.close_connection = True

    def answer_short(self):
        """Sends more than it says."""
        self.send(200, PNG, length=1000)
        self.close_connection = True

    def answer_huge(self):
        self.send(200, b"", length=1 << 40)
        self.send_until_broken(b"x", pause=0.05)

    def answer_chunked(self):
        self.send_chunked_head()
        for at in range(0, len(PNG), 1000):
            self.send_chunk(PNG[at:at + 1000])
        self.send_chunk(b"")

    def answer_brokenchunks(self):
        self.send_chunked_head()
        self.wfile.write(b"zz\r\nno number\r\n")
        self.close_connection = True

    def answer_cutchunks(self):
        self.send_chunked_head()
        self.send_chunk(PNG)
        self.close_connection = True

    def answer_gzip(self):
        self.send(200, zlib.compress(PNG, wbits=31), Content_Encoding="gzip")

    def answer_bomb(self):
        """A transfer coding that nobody asked for: 1 GiB in 1 MiB."""
        self.send_chunked_head(transfer="gzip, chunked")
        packer = zlib.compressobj(9, wbits=31)
        block = bytes(1 << 20)
        self.send_chunk(packer.compress(PNG) + packer.flush(zlib.Z_SYNC_FLUSH))
        for _ in range(1024):
            data = packer.compress(block)
            if data:
                self.send_chunk(data)
        self.send_chunk(packer.flush())
        self.send_chunk(b"")

    def answer_dripheader(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        self.wfile.flush()
        self.send_until_broken(b"x", pause=0.05)

    def answer_headers(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        self.send_until_broken(b"X-More: %b\r\n" % (b"x" * 1000) * 50)

    def answer_longheader(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        self.send_until_broken(b"x" * 65536)

    def answer_garbage(self):
        self.wfile.write(b"\x00\x01 this is not HTTP\r\n\r\n")
        self.close_connection = True

    def answer_hangup(self):
        self.close_connection = True

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Serves until closed; over TLS where a certificate is given: FOLDER/NAME.pem and .key."""
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, address="127.0.0.1", certificate=None):
        if ":" in address:
            self.address_family = socket.AF_INET6
        super().__init__((address, 0), Handler)
        self.scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, certificate.with_suffix(".key"))
            # The handshake belongs to the connection's thread, not to the one that accepts.
            self.socket = context.wrap_socket(self.socket, server_side=True,
                                              do_handshake_on_connect=False)
        self.lock = threading.Lock()
        self.has_request = threading.Condition(self.lock)
        self.requests = []
        self.connections = 0
        self.active, self.most = collections.Counter(), collections.Counter()
        self.is_holding, self.let_go = threading.Event(), threading.Event()
        self.broken = threading.Event()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self.thread.start()

    def get_request(self):
        request = super().get_request()
        self.connections += 1
        return request

    def note(self, path, headers):
        with self.lock:
            self.requests.append((path, dict(headers)))
            self.has_request.notify_all()

    def wait_for_requests(self, count):
        with self.lock:
            return self.has_request.wait_for(lambda: len(self.requests) >= count, 60)

    def count(self, names, change):
        """What runs at one time: in all ("") and for each name that we are called by."""
        with self.lock:
            for name in names:
                self.active[name] += change
                self.most[name] = max(self.most[name], self.active[name])

    def handle_error(self, request, client_address):
        """A client that hangs up or does not trust us is what some tests are about."""

    def url(self, path, host="localhost"):
        return f"{self.scheme}://{host}:{self.server_port}/{path}"

    def close(self):
        self.let_go.set()
        self.shutdown()
        self.thread.join()
        self.server_close()


def make_certificate(folder, name, authority, subject, days):
    """FOLDER/NAME.pem and .key for the host `subject`, signed by FOLDER/AUTHORITY.pem."""
    (folder / f"{name}.cnf").write_text(
        "[req]\ndistinguished_name = name\n[name]\n[server]\nbasicConstraints = CA:FALSE\n"
        f"subjectAltName = DNS:{subject}\n")
    https_server.openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                         "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
                         "-subj", f"/CN={subject}", "-config", f"{name}.cnf")
    https_server.openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem",
                         "-CAkey", f"{authority}.key", "-CAcreateserial", "-days", str(days),
                         "-out", f"{name}.pem", "-extfile", f"{name}.cnf",
                         "-extensions", "server")
    return folder / f"{name}.pem"
