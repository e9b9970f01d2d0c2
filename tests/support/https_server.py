"""A local HTTPS server with its own authority, that misbehaves as its tests want.

The first part of a URL's path says how: /plain/net.pth. What was asked is in `requests`.
"""
import http.server
import socketserver
import ssl
import subprocess
import threading

OPENSSL_CONFIG = """
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
[server]
basicConstraints = CA:FALSE
subjectAltName = DNS:localhost, IP:127.0.0.1
"""


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def make_authority(folder, name):
    """FOLDER/NAME.pem, a certificate that signs others, and its key."""
    (folder / "openssl.cnf").write_text(OPENSSL_CONFIG)
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2",
            "-subj", f"/CN={name}", "-config", "openssl.cnf", "-extensions", "authority")
    return folder / f"{name}.pem"


def make_server_certificate(folder, authority):
    """FOLDER/server.pem and server.key for localhost, signed by FOLDER/AUTHORITY.pem."""
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost",
            "-config", "openssl.cnf")
    openssl(folder, "x509", "-req", "-in", "server.csr", "-CA", f"{authority}.pem",
            "-CAkey", f"{authority}.key", "-CAcreateserial", "-days", "2", "-out", "server.pem",
            "-extfile", "openssl.cnf", "-extensions", "server")


class Handler(http.server.BaseHTTPRequestHandler):
    """GET /MODE[/NUMBER]/FILE."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        mode = self.path.split("/")[1]
        self.server.requests.append((self.path, dict(self.headers)))
        getattr(self, f"answer_{mode}", self.answer_missing)()

    def wanted_range(self):
        """The first byte that is asked for; None: all."""
        value = self.headers.get("Range")
        return int(value.removeprefix("bytes=").removesuffix("-")) if value else None

    def send(self, code, body, length=None, **headers):
        self.send_response(code)
        self.send_header("Content-Length", len(body) if length is None else length)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def answer_missing(self):
        self.send(404, b"not here")

    def answer_plain(self):
        content, first = self.server.content, self.wanted_range()
        if first is None:
            self.send(200, content)
        elif first >= len(content):
            self.send(416, b"", Content_Range=f"bytes */{len(content)}")
        else:
            end = f"{len(content) - 1}/{len(content)}"
            self.send(206, content[first:], Content_Range=f"bytes {first}-{end}")

    def answer_noranges(self):
        self.send(200, self.server.content)

    def answer_wrongrange(self):
        if self.wanted_range() is None:
            self.answer_plain()
        else:
            size = len(self.server.content)
            self.send(206, self.server.content, Content_Range=f"bytes 0-{size - 1}/{size}")

    def answer_unasked(self):
        size = len(self.server.content)
        self.send(206, self.server.content[5:], Content_Range=f"bytes 5-{size - 1}/{size}")

    def answer_chunked(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(self.server.content), 50000):
            chunk = self.server.content[at:at + 50000]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")

    def answer_cut(self):
        """The whole once something is there; else the first half, and the line is dead."""
        if self.wanted_range() is not None:
            self.answer_plain()
            return
        half = self.server.content[:len(self.server.content) // 2]
        self.send(200, half, len(self.server.content))
        self.close_connection = True

    def answer_hold(self):
        """The first half, and the rest when the test lets go."""
        content = self.server.content
        half = len(content) // 2
        if self.wanted_range() is not None:
            self.answer_plain()
            return
        self.send(200, content[:half], len(content))
        self.server.is_holding.set()
        self.server.let_go.wait(60)
        self.wfile.write(content[half:])

    def answer_redirect(self):
        """As often as the number says, then the file."""
        left = int(self.path.split("/")[2])
        target = f"/redirect/{left - 1}/net.pth" if left > 1 else "/plain/net.pth"
        self.send(302, b"elsewhere", Location=target)

    def answer_insecure(self):
        self.send(302, b"", Location=f"http://localhost:{self.server.server_port}/plain/net.pth")

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Serves `content` until closed; the certificate lies in `folder`."""
    daemon_threads = True

    def __init__(self, folder, content):
        super().__init__(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem", folder / "server.key")
        # The handshake belongs to the connection's thread, not to the one that accepts.
        self.socket = context.wrap_socket(self.socket, server_side=True,
                                          do_handshake_on_connect=False)
        self.content = content
        self.requests = []
        self.is_holding, self.let_go = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self.thread.start()

    def handle_error(self, request, client_address):
        """A client that hangs up or does not trust us is what some tests are about."""

    def url(self, path):
        return f"https://localhost:{self.server_port}/{path}"

    def close(self):
        self.let_go.set()
        self.shutdown()
        self.thread.join()
        self.server_close()
