"""classify: documents, texts, exit statuses, broken images among good ones."""
import json
import os
import re
import subprocess

import PIL.Image
import PIL.ImageDraw
import pytest

from conftest import BINARY


def documents(done):
    return [json.loads(line) for line in done.out.splitlines()]


@pytest.fixture
def picture(tmp_path):
    """Writes a small image of that name and kind."""
    def write(name, size=(60, 40), **options):
        image = PIL.Image.new("RGB", size, (200, 180, 20))
        PIL.ImageDraw.Draw(image).ellipse((5, 5, 30, 30), fill=(10, 90, 200))
        path = os.path.join(os.fsencode(tmp_path), os.fsencode(name))
        with open(path, "wb") as file:
            image.save(file, **{"format": "PNG", **options})
        return path
    return write


def test_the_document_of_an_image(classifyd, sample):
    done = classifyd("classify", "--json", sample)
    assert (done.status, done.err) == (0, "")
    (document,) = documents(done)
    assert list(document) == ["file", "model", "predictions", "image", "timing_ms"]
    assert document["file"] == str(sample)
    assert list(document["model"]) == ["name", "weights", "precision", "note"]
    assert document["model"]["name"] == "demo"
    assert document["model"]["precision"] == "float32"
    assert "demo" in document["model"]["note"]
    predictions = document["predictions"]
    assert len(predictions) == 5
    for prediction in predictions:
        assert list(prediction) == ["class_id", "wnid", "label", "probability"]
        assert re.fullmatch(r"n\d{8}", prediction["wnid"])
    shares = [prediction["probability"] for prediction in predictions]
    assert shares == sorted(shares, reverse=True)
    assert 0 < shares[-1] and sum(shares) <= 1 + 1e-6
    with PIL.Image.open(sample) as image:
        assert document["image"] == {"format": "jpeg", "width": image.width,
                                     "height": image.height, "orientation": 1}
    times = document["timing_ms"]
    assert list(times) == ["decode", "preprocess", "inference", "total"]
    assert all(value >= 0 for value in times.values())
    assert times["total"] >= times["decode"] + times["preprocess"] + times["inference"] - 0.01


def test_every_class_sums_to_one(classifyd, sample):
    (document,) = documents(classifyd("classify", "--json", "--top-k", "1000", sample))
    predictions = document["predictions"]
    assert sorted(prediction["class_id"] for prediction in predictions) == list(range(1000))
    assert sum(prediction["probability"] for prediction in predictions) == pytest.approx(1, abs=1e-5)


def test_top_k_is_cut_at_the_classes(classifyd, picture):
    words = ["classify", "--json", "-m", "random:resnet18?seed=1&classes=10"]
    (document,) = documents(classifyd(*words, "-k", "20", picture("a.png")))
    assert len(document["predictions"]) == 10
    assert document["model"]["name"] == "resnet18"
    assert "random" in document["model"]["note"]
    assert all("wnid" not in prediction for prediction in document["predictions"])
    (document,) = documents(classifyd(*words, "-k", "1", picture("a.png")))
    assert len(document["predictions"]) == 1


def test_the_text_says_the_same(classifyd, sample):
    (document,) = documents(classifyd("classify", "--json", sample))
    done = classifyd("classify", sample)
    assert (done.status, done.err) == (0, "")
    head, *lines = done.out.splitlines()
    assert head.startswith(f"{sample}  jpeg, ")
    assert len(lines) == 6 and "demo model" in lines[-1]
    for line, prediction in zip(lines, document["predictions"]):
        found = re.fullmatch(r"\s*([\d.]+) %  (.*?) +(\d+)  (n\d{8})", line)
        assert float(found[1]) == pytest.approx(prediction["probability"] * 100, abs=0.0051)
        assert found[2] == prediction["label"]
        assert int(found[3]) == prediction["class_id"]
        assert found[4] == prediction["wnid"]


def test_broken_images_do_not_stop_the_others(classifyd, picture, tmp_path, sample):
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_bytes(b"this is not an image\n")
    (tmp_path / "cut.jpg").write_bytes(sample.read_bytes()[:2000])
    good = os.fsdecode(picture("good.png"))
    files = [str(tmp_path / "empty.jpg"), good, str(tmp_path / "text.jpg"),
             str(tmp_path / "cut.jpg"), str(tmp_path / "missing.jpg"), str(tmp_path), good]
    done = classifyd("classify", "--json", *files)
    assert (done.status, done.err) == (1, "")
    found = documents(done)
    assert [document["file"] for document in found] == files
    codes = [document.get("error", {}).get("code") for document in found]
    assert codes == ["unsupported", None, "unsupported", "not_decodable", "not_found", "io", None]
    for document in found:
        if "error" in document:
            assert list(document) == ["file", "model", "error"]
            assert list(document["error"]) == ["code", "detail"]
            assert document["error"]["detail"]
    assert found[1]["predictions"] == found[6]["predictions"]

    done = classifyd("classify", *files)
    assert done.status == 1
    assert done.out.count("good.png") == 2
    lines = done.err.splitlines()
    assert len(lines) == 5
    for line, document in zip(lines, (d for d in found if "error" in d)):
        assert line == f"classifyd classify: {document['file']}: {document['error']['detail']}"


def test_standard_input(classifyd, sample):
    (by_name,) = documents(classifyd("classify", "--json", sample))
    done = classifyd("classify", "--json", "-", stdin=sample.read_bytes())
    (by_pipe,) = documents(done)
    assert done.status == 0 and by_pipe["file"] == "-"
    assert by_pipe["predictions"] == by_name["predictions"]
    with open(sample, "rb") as file:
        done = subprocess.run([BINARY, "classify", "--json", "-"], stdin=file, capture_output=True,
                              check=True)
    assert json.loads(done.stdout)["predictions"] == by_name["predictions"]


def test_a_socket_as_standard_input(sample):
    """Node.js gives its children sockets, and those cannot be opened as /dev/stdin."""
    import socket
    ours, theirs = socket.socketpair()
    with ours, theirs, subprocess.Popen([BINARY, "classify", "--json", "-"], stdin=theirs,
                                        stdout=subprocess.PIPE) as child:
        theirs.close()
        ours.sendall(sample.read_bytes())
        ours.close()
        out, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    assert json.loads(out)["predictions"]


@pytest.mark.parametrize("name", ["dög 犬 🐕.png", " leading", "-dash.png", "new\nline.png"])
def test_names_of_every_kind(classifyd, picture, tmp_path, name):
    picture(name)
    (document,) = documents(classifyd("classify", "--json", "--", name, cwd=tmp_path))
    assert document["file"] == name and document["predictions"]


def test_a_name_that_is_not_utf8(classifyd, picture, tmp_path):
    path = picture(b"caf\xe9.png")
    (document,) = documents(classifyd("classify", "--json", path))
    assert document["file"] == f"{tmp_path}/caf\ufffd.png" and document["predictions"]
    assert f"{tmp_path}/caf?.png" in classifyd("classify", path).out


def test_escape_sequences_in_a_name_do_not_reach_the_terminal(classifyd, picture, tmp_path):
    picture("a\033]0;x\007.png")
    done = classifyd("classify", tmp_path / "a\033]0;x\007.png", tmp_path / "\033[2J.png")
    assert done.status == 1
    assert "\033" not in done.out and "\033" not in done.err
    assert "a?]0;x?.png" in done.out and "?[2J.png" in done.err


def test_orientation(classifyd, tmp_path):
    image = PIL.Image.radial_gradient("L").crop((0, 0, 256, 128)).convert("RGB")
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    with PIL.Image.open(tmp_path / "turned.jpg") as stored:
        stored.load()
        PIL.ImageOps.exif_transpose(stored).save(tmp_path / "upright.png")
        PIL.Image.Image.save(stored.convert("RGB"), tmp_path / "stored.png", exif=b"")
    ask = lambda *words: documents(classifyd("classify", "--json", *words))[0]
    turned = ask(tmp_path / "turned.jpg")
    assert turned["image"] == {"format": "jpeg", "width": 256, "height": 128, "orientation": 6}
    assert turned["predictions"] == ask(tmp_path / "upright.png")["predictions"]
    as_stored = ask("--no-orientation", tmp_path / "turned.jpg")
    assert as_stored["predictions"] == ask(tmp_path / "stored.png")["predictions"]
    assert as_stored["predictions"] != turned["predictions"]


def test_a_scaled_dct(classifyd, sample, tmp_path):
    """Of more than twice the demo model's pixels half are decoded, as PIL's draft mode does."""
    with PIL.Image.open(sample) as image:
        image.draft("RGB", (image.width // 2, image.height // 2))
        image.save(tmp_path / "half.png")
        assert (image.width, image.height) == (250, 188)
    ask = lambda *words: documents(classifyd("classify", "--json", *words))[0]
    scaled = ask("--scale-dct", sample)
    assert scaled["predictions"] == ask(tmp_path / "half.png")["predictions"]
    assert scaled["predictions"] != ask(sample)["predictions"]
    assert (scaled["image"]["width"], scaled["image"]["height"]) == (500, 375)


def test_threads_and_kernels_do_not_change_the_answer(classifyd, sample):
    ask = lambda *words: documents(classifyd("classify", "--json", *words, sample))[0]
    expected = ask()["predictions"]
    for threads in ("1", "2", "3"):
        assert ask("--threads", threads)["predictions"] == expected
    generic = ask("--kernels", "generic")["predictions"]
    assert [p["class_id"] for p in generic] == [p["class_id"] for p in expected]
    for ours, theirs in zip(generic, expected):
        assert ours["probability"] == pytest.approx(theirs["probability"], abs=1e-4)


@pytest.mark.parametrize("model, text", [
    ("resnet5", "resnet50"),
    ("resnet50", "classifyd pull resnet50"),
    ("./nothing.pth", "nothing.pth"),
    ("random:resnet1", "resnet1"),
])
def test_a_model_that_is_not_there(classifyd, sample, tmp_path, model, text):
    done = classifyd("classify", "--json", "--model", model, "--model-dirs", tmp_path, sample)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("classifyd classify: ") and done.err.count("\n") == 1
    assert text in done.err


def test_nobody_reads_on(sample):
    """A reader that goes away ends it as it ends any program: by SIGPIPE, without a word."""
    with subprocess.Popen([BINARY, "classify", "--json", *[str(sample)] * 50],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        child.stdout.readline()
        child.stdout.close()
        assert child.wait(timeout=60) == -13
        assert child.stderr.read() == b""


def test_a_full_disk(classifyd, sample):
    with open("/dev/full", "wb") as full:
        done = classifyd("classify", "--json", sample, stdout=full)
    assert done.status == 1
    assert done.err == "classifyd: standard output: No space left on device\n"


def test_closed_standard_output(classifyd, sample):
    done = classifyd("classify", "--json", sample, preexec_fn=lambda: os.close(1), stdout=None)
    assert done.status == 1
    assert done.err.startswith("classifyd: standard output: ")


def test_interrupt(sample):
    """Ctrl-C ends it at once and without a word; a shell reports 130."""
    import signal
    with subprocess.Popen([BINARY, "classify", "--json", str(sample), "-"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        child.stdout.readline()
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=60) in (-signal.SIGINT, 130)
        assert child.stderr.read() == b""
