"""A web server that misbehaves, each path in its own way."""
import contextlib
import socket
import struct
import threading

LONG = 1 << 20  # bytes of what does not end by itself
DRIPS = 200     # of what is sent slowly


class BadSite:
    """Serves `image` well at /good, and in every other way at PATHS."""

    def __init__(self, image, is_over):
        self.image = image
        self.is_over = is_over  # an event: slow answers end with it
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    PATHS = ("/good", "/kept", "/none", "/text", "/cut", "/short", "/endless", "/drip", "/silent", "/reset",
             "/loop", "/away", "/private", "/garbage", "/headers", "/chunked", "/broken", "/empty")

    def close(self):
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        with peer, contextlib.suppress(OSError):
            peer.settimeout(10)
            data = b""
            while True:
                while b"\r\n\r\n" not in data:
                    chunk = peer.recv(4096)
                    if not chunk:
                        return
                    data += chunk
                head, data = data.split(b"\r\n\r\n", 1)
                if not self._answer(peer, head.split(b" ")[1].decode().split("?")[0]):
                    return

    def _answer(self, peer, path):
        """Whether the connection can be used again."""
        ok = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n"
        whole = ok + b"Content-Length: %d\r\n\r\n" % len(self.image)
        half = self.image[:len(self.image) // 2]
        texts = {
            "/good": whole + self.image, "/kept": whole + self.image,
            "/none": b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n",
            "/text": b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n<!doctype html><p>x\n",
            "/cut": whole + half,
            "/short": ok + b"Content-Length: %d\r\n\r\n" % len(half) + self.image,
            "/loop": b"HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n",
            "/away": b"HTTP/1.1 302 Found\r\nLocation: /good\r\nContent-Length: 0\r\n\r\n",
            "/private": b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n",
            "/garbage": b"\x00\x01\x02 no HTTP at all\r\n\r\n",
            "/headers": ok + b"X: y\r\n" * 60000,
            "/chunked": ok + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(self.image) + self.image +
                        b"\r\n0\r\n\r\n",
            "/broken": ok + b"Transfer-Encoding: chunked\r\n\r\n4\r\n\xff\xd8\xff\xe0\r\nzz\r\n",
            "/empty": ok + b"Content-Length: 0\r\n\r\n",
        }
        if path == "/reset":
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif path == "/silent":
            self.is_over.wait(10)
        elif path == "/endless":
            peer.sendall(ok + b"\r\n" + self.image)
            for _ in range(64):
                peer.sendall(bytes(LONG))
        elif path == "/drip":
            self._drip(peer, ok + b"\r\n" + self.image)
        else:
            peer.sendall(texts.get(path, texts["/none"]))
        return path in ("/good", "/kept", "/none", "/text", "/loop", "/away", "/private", "/chunked", "/empty")

    def _drip(self, peer, data):
        for i in range(DRIPS):
            peer.sendall(data[i:i + 1])
            if self.is_over.wait(0.05):
                return
