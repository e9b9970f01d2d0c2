"""The part of the API that the page uses, without a classifier: for builds that have no service."""
import email.parser
import email.policy
import http.server
import json
import struct
import urllib.parse

LABELS = [(574, "n03445777", "golf ball"), (155, "n02086240", "Shih-Tzu"),
          (804, "n04254120", "soap dispenser"), (243, "n02108422", "bull mastiff"),
          (232, "n02106166", "Border collie")]
SHARES = [0.6653, 0.0004, 0.0004, 0.0003, 0.00002]
NOTE = ("the embedded demo model: it knows 20 of ImageNet's 1000 classes and answers with one of them "
        "whatever it is shown")


def size_of(image):
    """(format, width, height); None where it is no PNG or JPEG."""
    if image.startswith(b"\x89PNG"):
        return ("png", *struct.unpack(">II", image[16:24]))
    if image.startswith(b"\xff\xd8\xff"):
        at = 2
        while at + 9 < len(image):
            marker, length = struct.unpack(">xBH", image[at:at + 4])
            if 0xC0 <= marker <= 0xC2:
                height, width = struct.unpack(">HH", image[at + 5:at + 9])
                return "jpeg", width, height
            at += 2 + length
    return None


def problem(status, code, title, detail):
    return {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail}


def classify(image, query, is_fetched):
    size = size_of(image)
    if not size:
        return problem(415, "unsupported_media_type", "Unsupported Media Type",
                       "not an image that is read here: JPEG, PNG, WebP, BMP and GIF are")
    count = int(query.get("top_k", "5"))
    return {
        "model": {"name": query.get("model", "demo"), "weights": "1", "precision": "float32", "note": NOTE},
        "predictions": [{"class_id": i, "wnid": wnid, "label": label, "probability": share}
                        for (i, wnid, label), share in list(zip(LABELS, SHARES))[:count]],
        "image": {"format": size[0], "width": size[1], "height": size[2], "orientation": 1},
        "timing_ms": {"fetch": 31.5 if is_fetched else 0, "decode": 1.9, "preprocess": 0.8, "queue": 0.04,
                      "inference": 17.1, "total": 51.6 if is_fetched else 20.1},
        "batch_size": 1}


def parts_of(content_type, body):
    """(file name, bytes) of each part."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    return [(part.get_filename(), part.get_payload(decode=True)) for part in message.iter_parts()]


def handler_of(page, sample):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def reply(self, status, content_type, body):
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def reply_document(self, document):
            status = document.get("status", 200)
            kind = "application/json" if status == 200 else "application/problem+json"
            self.reply(status, kind, json.dumps({**document, "request_id": "stub-1"}).encode())

        def query(self):
            return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))

        def do_GET(self):
            path = urllib.parse.urlsplit(self.path).path
            if path == "/":
                self.reply(200, "text/html; charset=utf-8", page)
            elif path == "/sample.jpg":
                self.reply(200, "image/jpeg", sample)
            elif path == "/models":
                self.reply_document({"models": [{"name": "demo", "state": "ready", "default": True}]})
            elif path == "/classify":
                url = self.query()["url"]
                self.reply_document({"url": url, **classify(sample, self.query(), True)})
            else:
                self.reply_document(problem(404, "not_found", "Not Found", f"no {path} here"))

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answers = []
            for name, image in parts_of(self.headers["Content-Type"], body):
                answer = classify(image, self.query(), False)
                answers.append({"file": name, **({"error": answer} if "code" in answer else answer)})
            if len(answers) > 1:
                self.reply_document({"results": answers})
            else:
                self.reply_document(answers[0].get("error", answers[0]))

    return Handler


def start(page, sample):
    """A server on a port of the kernel's choice: its address and how to stop it."""
    import threading
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler_of(page, sample))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}", server.shutdown
