"""POST an image or a URL, get the top-k: every way that a client has, with the real curl."""
import base64
import json

import pytest

from conftest import IMAGES, classify_on_the_command_line, curl, predictions_text
from service import SAMPLE

GOLF_BALL = "n03445777"
EXPECTED = {"predictions", "image", "timing_ms", "model", "batch_size", "request_id"}


@pytest.fixture(scope="module")
def expected():
    return predictions_text(classify_on_the_command_line(SAMPLE))


def check(answer, expected):
    status, headers, body = answer
    assert status == 200, body
    assert headers["content-type"] == "application/json"
    document = json.loads(body)
    assert EXPECTED <= set(document), body
    assert set(document["timing_ms"]) == {"fetch", "decode", "preprocess", "queue", "inference",
                                          "total"}
    assert document["request_id"] == headers["x-request-id"]
    assert document["batch_size"] == 1
    assert predictions_text(body) == expected
    assert document["predictions"][0]["wnid"] == GOLF_BALL
    return document, headers


def test_multipart(service, expected):
    document, _ = check(curl("-F", f"image=@{SAMPLE}", service.url + "/classify"), expected)
    assert document["file"] == "sample.jpg"


def test_raw_body_with_the_header_that_curl_makes_up(service, expected):
    document, _ = check(curl("--data-binary", f"@{SAMPLE}", service.url + "/classify"), expected)
    assert "file" not in document


def test_put(service, expected):
    check(curl("-T", SAMPLE, service.url + "/classify"), expected)


def test_chunked(service, expected):
    check(curl("-H", "Transfer-Encoding: chunked", "--data-binary", f"@{SAMPLE}",
               service.url + "/classify"), expected)


@pytest.mark.parametrize("kind", ["image/jpeg", "application/json", "text/plain",
                                  "multipart/form-data; boundary=x"])
def test_image_magic_wins_over_the_content_type(service, expected, kind):
    check(curl("-H", f"Content-Type: {kind}", "--data-binary", f"@{SAMPLE}",
               service.url + "/classify"), expected)


def test_url_in_the_query(service, site, expected):
    document, _ = check(curl("-G", "--data-urlencode", f"url={site.url}/golf.jpg?a=b",
                             service.url + "/classify"), expected)
    assert document["url"] == f"{site.url}/golf.jpg?a=b"
    assert document["timing_ms"]["fetch"] > 0


def test_url_posted_as_a_form(service, site, expected):
    check(curl("-d", f"url={site.url}/golf.jpg", service.url + "/classify"), expected)
    check(curl("-F", f"url={site.url}/golf.jpg", service.url + "/classify"), expected)


def test_url_in_json(service, site, expected):
    check(curl("--json", json.dumps({"url": f"{site.url}/golf.jpg"}), service.url + "/classify"),
          expected)


def test_base64_in_json(service, sample, expected):
    body = json.dumps({"image": base64.b64encode(sample).decode()})
    check(curl("--json", "@-", service.url + "/classify", stdin=body.encode()), expected)
    body = json.dumps({"image": "data:image/jpeg;base64," + base64.b64encode(sample).decode()})
    check(curl("--json", "@-", service.url + "/classify", stdin=body.encode()), expected)


@pytest.mark.parametrize("k", [1, 2, 1000])
def test_top_k(service, k):
    expected = predictions_text(classify_on_the_command_line(SAMPLE, "--top-k", str(k)))
    for answer in (curl("--data-binary", f"@{SAMPLE}", f"{service.url}/classify?top_k={k}"),
                   curl("-F", f"image=@{SAMPLE}", "-F", f"top_k={k}", service.url + "/classify")):
        document, _ = check(answer, expected)
        assert len(document["predictions"]) == k


def test_min_probability(service):
    _, _, body = curl("-F", f"image=@{SAMPLE}", service.url + "/classify?top_k=1000")
    everything = [entry["probability"] for entry in json.loads(body)["predictions"]]
    bound = everything[3] * 0.999999
    _, _, body = curl("-F", f"image=@{SAMPLE}",
                      f"{service.url}/classify?top_k=1000&min_probability={bound}")
    assert [entry["probability"] for entry in json.loads(body)["predictions"]] == everything[:4]
    _, _, body = curl("-F", f"image=@{SAMPLE}", f"{service.url}/classify?min_probability=1")
    assert json.loads(body)["predictions"] == []


def test_several_parts_each_with_its_own_fate(service, sample, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(sample[:len(sample) // 2])
    text = tmp_path / "notes.txt"
    text.write_text("no image at all")
    status, headers, body = curl("-F", f"image=@{SAMPLE}", "-F", f"image=@{broken}",
                                 "-F", f"image=@{text}", "-F", f"image=@{SAMPLE};filename=again.jpg",
                                 service.url + "/classify")
    assert status == 200, body
    document = json.loads(body)
    assert document["request_id"] == headers["x-request-id"]
    first, second, third, fourth = document["results"]
    assert first["file"] == "sample.jpg" and fourth["file"] == "again.jpg"
    assert first["predictions"] == fourth["predictions"]
    assert first["predictions"][0]["wnid"] == GOLF_BALL
    assert second["file"] == "broken.jpg"
    assert (second["error"]["code"], second["error"]["status"]) == ("not_decodable", 422)
    assert third["file"] == "notes.txt"
    assert (third["error"]["code"], third["error"]["status"]) == ("unsupported_media_type", 415)


def test_urls_answer_in_order(service, site):
    body = json.dumps({"urls": [f"{site.url}/golf.jpg", f"{site.url}/none.jpg",
                                f"{site.url}/page.html"], "top_k": 1})
    status, _, text = curl("--json", body, service.url + "/classify")
    assert status == 200, text
    first, second, third = json.loads(text)["results"]
    assert first["url"] == f"{site.url}/golf.jpg" and len(first["predictions"]) == 1
    assert second["error"]["code"] == "fetch_status" and "404" in second["error"]["detail"]
    assert third["error"]["code"] == "fetch_not_an_image"


def test_one_of_urls_is_a_list_too(service, site):
    body = json.dumps({"urls": [f"{site.url}/golf.jpg"]})
    _, _, text = curl("--json", body, service.url + "/classify")
    assert len(json.loads(text)["results"]) == 1


def test_request_id_is_taken_or_made(service):
    _, headers, body = curl("-H", "X-Request-Id: my.id-7_", "-F", f"image=@{SAMPLE}",
                            service.url + "/classify")
    assert headers["x-request-id"] == "my.id-7_" == json.loads(body)["request_id"]
    service.wait_for("request", id="my.id-7_")
    made = set()
    for sent in ("", "a" * 129, "with space", "ünicode"):
        _, headers, _ = curl("-H", f"X-Request-Id: {sent}", "-F", f"image=@{SAMPLE}",
                             service.url + "/classify")
        assert headers["x-request-id"] != sent
        made.add(headers["x-request-id"])
    assert len(made) == 4


def test_server_timing(service):
    _, headers, _ = curl("-F", f"image=@{SAMPLE}", service.url + "/classify")
    stages = {part.split(";")[0].strip() for part in headers["server-timing"].split(",")}
    assert {"decode", "preprocess", "queue", "inference"} <= stages


def test_the_log_has_one_line_a_request(service):
    curl("-H", "X-Request-Id: logged-1", "-F", f"image=@{SAMPLE}", service.url + "/classify")
    line = service.wait_for("request", id="logged-1")
    assert line["status"] == 200 and line["method"] == "POST" and line["path"] == "/classify"
    curl("-H", "X-Request-Id: logged-2", "-d", "url=http://user:secret@127.0.0.1/a?token=hidden",
         service.url + "/classify")
    line = service.wait_for("request", id="logged-2")
    assert line["status"] == 400
    assert "secret" not in json.dumps(line) and "hidden" not in json.dumps(line)


@pytest.mark.skipif(not IMAGES.is_dir(), reason="no photographs in ../shared/images")
def test_photographs_get_the_answers_of_the_command_line(service):
    for path in sorted(IMAGES.iterdir())[::20]:
        if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"):
            _, _, body = curl("-F", f"image=@{path}", service.url + "/classify?top_k=10")
            assert predictions_text(body) == predictions_text(
                classify_on_the_command_line(path, "--top-k", "10")), path.name
