"""Every way a request can fail, provoked as server/API.md says, and told as RFC 9457 wants it."""
import base64
import json
import re
import socket

import pytest

from conftest import CLOSED_PORT, curl, fetching_from, wait_until
from service import ROOT, SAMPLE, Service


def check(answer, status, code, detail=""):
    got, headers, body = answer
    assert got == status, body
    assert headers["content-type"] == "application/problem+json"
    document = json.loads(body)
    assert set(document) == {"type", "title", "status", "code", "detail", "request_id"}
    assert document["type"] == "about:blank"
    assert (document["status"], document["code"]) == (status, code)
    assert document["request_id"] == headers["x-request-id"]
    assert re.search(detail, document["detail"], re.IGNORECASE), document["detail"]
    assert (status == 503) == ("retry-after" in headers)
    return document


def post_json(service, value):
    return curl("--json", json.dumps(value), service.url + "/classify")


@pytest.mark.parametrize("query, detail", [
    ("top_k=0", "top_k"), ("top_k=1001", "1000"), ("top_k=five", "top_k"), ("top_k=-1", "top_k"),
    ("top_k=", "top_k"), ("top_k=5.5", "top_k"), ("top_k=99999999999999999999", "top_k"),
    ("min_probability=2", "min_probability"), ("min_probability=-0.1", "min_probability"),
    ("min_probability=nan", "min_probability"), ("topk=5", "top_k"),
])
def test_parameters(service, query, detail):
    check(curl("-F", f"image=@{SAMPLE}", f"{service.url}/classify?{query}"), 400, "bad_request",
          detail)


@pytest.mark.parametrize("value, detail", [
    ({}, "image"), ([], "object"), ({"url": 5}, "url"), ({"urls": "http://a/"}, "urls"),
    ({"urls": []}, "urls must"), ({"image": "***"}, "base64"),
    ({"image": "https://example.org/a.jpg"}, '"url"'),
    ({"url": "ftp://example.org/a.jpg"}, "http"), ({"url": "nonsense"}, "http|url"),
    ({"url": "http://user:secret@example.org/"}, "credentials|user"), ({"ulr": "http://a/"}, "url"),
    ({"url": "http://a.example/", "top_k": "many"}, "top_k"),
])
def test_json(service, value, detail):
    document = check(post_json(service, value), 400, "bad_request", detail)
    assert "secret" not in document["detail"]


def test_more_predictions_than_one_answer_holds(service):
    value = {"urls": ["http://10.0.0.1/"] * 11, "top_k": 1000}
    check(post_json(service, value), 400, "bad_request", "10000")
    status, _, body = post_json(service, {**value, "urls": value["urls"][:10]})
    assert status == 200 and len(json.loads(body)["results"]) == 10


@pytest.mark.parametrize("body", ["{", '{"url": "x"', '{"url": "a", "url": "b"}', '{"a": \x00}',
                                  '{"url": "\ud800"}'.encode("utf-8", "surrogatepass").decode(
                                      "latin-1")])
def test_broken_json(service, body):
    check(curl("-H", "Content-Type: application/json", "--data-binary", "@-",
               service.url + "/classify", stdin=body.encode()), 400, "bad_request")


def test_nothing_sent(service):
    check(curl("-X", "POST", service.url + "/classify"), 400, "bad_request", "image")
    check(curl(service.url + "/classify"), 400, "bad_request", "url")


def test_unknown_path(service):
    check(curl(service.url + "/clasify"), 404, "not_found", "/classify")


def test_unknown_model(service):
    check(curl("-F", f"image=@{SAMPLE}", service.url + "/classify?model=resnet999"), 404,
          "model_not_found", "/models")


@pytest.mark.parametrize("method, path, allow", [
    ("DELETE", "/classify", {"GET", "POST", "PUT"}), ("POST", "/livez", {"GET"}),
    ("PUT", "/metrics", {"GET"}), ("PATCH", "/", {"GET"})])
def test_method(service, method, path, allow):
    answer = curl("-X", method, service.url + path)
    check(answer, 405, "method_not_allowed")
    assert allow <= set(re.split(r",\s*", answer[1]["allow"]))


def test_options(service):
    status, headers, _ = curl("-X", "OPTIONS", service.url + "/classify")
    assert status == 204 and "POST" in headers["allow"]


def test_unsupported_media(service):
    for words in (["-H", "Content-Type: text/plain", "--data-binary", "hello"],
                  ["-F", "image=@-;filename=a.txt"],
                  ["-H", "Content-Type: application/pdf", "--data-binary", "%PDF-1.4"]):
        check(curl(*words, service.url + "/classify", stdin=b"no image"), 415,
              "unsupported_media_type")
    check(post_json(service, {"image": ""}), 415, "unsupported_media_type", "no bytes")


def test_not_decodable(service, sample):
    check(curl("--data-binary", "@-", service.url + "/classify", stdin=sample[:3000]), 422,
          "not_decodable")
    check(post_json(service, {"image": base64.b64encode(sample[:3000]).decode()}), 422,
          "not_decodable")


def test_too_large_and_too_many(sample):
    with Service("--set", f"limits.body_bytes={len(sample) + 2000}", "--set", "limits.images=2",
                 "--set", "limits.image_pixels=1000") as service:
        big = sample + bytes(3000)
        check(curl("--data-binary", "@-", service.url + "/classify", stdin=big), 413, "too_large")
        check(curl("-H", "Transfer-Encoding: chunked", "--data-binary", "@-",
                   service.url + "/classify", stdin=big), 413, "too_large")
        check(curl("--data-binary", "@-", service.url + "/classify", stdin=sample), 413, "too_large",
              "1000|pixel")
        check(post_json(service, {"urls": ["http://a.example/"] * 3}), 413, "too_many_images", "2")


def test_memory_is_one_budget(sample):
    with Service("--set", "limits.memory_bytes=65536", "--set", "limits.body_bytes=65536", "--set",
                 "fetch.max_bytes=65536") as service:
        half_sent = service.connect()
        half_sent.sendall(b"POST /classify HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n")
        wait_until(lambda: service.metric("classifyd_request_bytes") == 60000, "a body begun")
        check(curl("--data-binary", "@-", service.url + "/classify", stdin=sample), 503,
              "overloaded")
        half_sent.close()


def test_fetching(service, site):
    check(post_json(service, {"url": site.url + "/none.jpg"}), 502, "fetch_status", "404")
    check(post_json(service, {"url": site.url + "/page.html"}), 502, "fetch_not_an_image",
          "text/html")
    check(post_json(service, {"url": f"http://127.0.0.1:{CLOSED_PORT}/"}), 502, "fetch_failed")
    check(post_json(service, {"url": "https" + site.url[4:] + "/golf.jpg"}), 502, "fetch_tls")
    check(post_json(service, {"url": "http://nowhere.invalid/a.jpg"}), 502, "fetch_failed",
          "nowhere.invalid")
    check(post_json(service, {"url": "http://10.1.2.3/a.jpg"}), 403, "address_not_allowed")


def test_fetching_with_limits(site, sample):
    with Service("--set", "fetch.max_bytes=1024", *fetching_from(site.port)) as service:
        check(post_json(service, {"url": site.url + "/golf.jpg"}), 502, "fetch_too_large", "1024")
    with Service() as service:
        for url in (site.url + "/golf.jpg", "http://localhost/", "http://[::1]/",
                    "http://2130706433/", "http://169.254.169.254/latest/meta-data/"):
            check(post_json(service, {"url": url}), 403, "address_not_allowed")
    with Service("--set", "fetch.enabled=false") as service:
        check(post_json(service, {"url": "http://example.org/a.jpg"}), 403, "fetch_disabled")


@pytest.mark.parametrize("setting, code", [("fetch.timeout_ms=100", "fetch_timeout"),
                                           ("server.request_timeout_ms=100", "timeout")])
def test_a_server_that_never_answers(setting, code):
    with socket.create_server(("127.0.0.1", 0)) as silent, \
            Service(*fetching_from(silent.getsockname()[1]), "--set", setting) as service:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.jpg"
        check(post_json(service, {"url": url}), 504, code)


def test_the_document_names_every_code():
    """API.md's table and the C table agree; each code is provoked here or in another test, but our
    own faults, of which none is known."""
    source = (ROOT / "server" / "problem.c").read_text()
    codes = set(re.findall(r'\[PROBLEM_\w+\]\s*=\s*\{"(\w+)"', source)) - {"ok"}
    table = set(re.findall(r"^\| \d+ \| `(\w+)` \|", (ROOT / "server" / "API.md").read_text(),
                           re.MULTILINE))
    assert table <= codes and codes - table <= {"client_gone"}
    tests = "".join(path.read_text() for path in (ROOT / "tests" / "serve").glob("test_*.py"))
    ours = "internal"
    assert {code for code in codes if f'"{code}"' not in tests.replace(f'"{ours}"', "")} == {ours}
