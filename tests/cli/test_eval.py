"""eval: trees and lists, compared with torchvision's own answers."""
import json
import struct

import numpy
import PIL.Image
import pytest
import torch
import torchvision
import torchvision.transforms as transforms

from conftest import ROOT

LABELS = [line.split("\t") for line in
          (ROOT / "config/labels/imagenet_classes.tsv").read_text().splitlines()[1:]]


def load_demo():
    """The demo network in torchvision, from its file's bytes."""
    data = (ROOT / "config/demo/demo.safetensors").read_bytes()
    size, = struct.unpack("<Q", data[:8])
    tensors = json.loads(data[8:8 + size])
    metadata = tensors.pop("__metadata__", {})
    state = {}
    for name, tensor in tensors.items():
        kind = {"F16": "<f2", "F32": "<f4", "I64": "<i8"}[tensor["dtype"]]
        begin, end = tensor["data_offsets"]
        values = numpy.frombuffer(data[8 + size + begin:8 + size + end], kind)
        values = values.astype(numpy.int64 if kind == "<i8" else numpy.float32)
        state[name] = torch.from_numpy(values.reshape(tensor["shape"]))
    model = torchvision.models.resnet.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1])
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing)
    return model.eval(), metadata


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """path -> classes, the most probable first, as torchvision has them."""
    folder = tmp_path_factory.mktemp("images")
    model, metadata = load_demo()
    recipe = transforms.Compose([
        transforms.Resize(int(metadata.get("resize", 142))),
        transforms.CenterCrop(int(metadata.get("crop", 128))), transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    random = numpy.random.default_rng(7)
    ranks = {}
    with PIL.Image.open(ROOT / "config/demo/sample.jpg") as opened:
        sample = opened.convert("RGB")
    for number in range(23):
        left, top = (int(x) for x in random.integers(0, [sample.width // 2, sample.height // 2]))
        image = sample.crop((left, top, left + sample.width // 3, top + sample.height // 3))
        image = image.rotate(90 * (number % 4), expand=True)
        path = folder / f"{number}.png"
        image.save(path)
        with torch.no_grad():
            logits = model(recipe(image)[None])[0]
        ranks[path] = torch.argsort(logits, descending=True).tolist()
    return ranks


@pytest.fixture
def tree(images, tmp_path):
    """A tree where image n has its rank-(n % 8) class for its true one, and what eval must say."""
    root = tmp_path / "tree"
    top1 = top5 = 0
    truth = {}
    for number, (path, ranks) in enumerate(sorted(images.items())):
        rank = number % 8
        class_id = ranks[rank]
        top1, top5 = top1 + (rank < 1), top5 + (rank < 5)
        spelling = truth.setdefault(class_id, [LABELS[class_id][1], LABELS[class_id][2],
                                               str(class_id)][len(truth) % 3])
        folder = root / spelling.replace("/", "_") / ("deep" if number % 2 else "")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.PNG").write_bytes(path.read_bytes())
    return root, top1, top5, truth


def read_json(done, status=0):
    assert done.status == status, done.err
    return json.loads(done.out)


@pytest.mark.parametrize("threads, batch", [(1, 1), (2, 3), (3, 8)])
def test_a_tree(classifyd, tree, threads, batch):
    root, top1, top5, truth = tree
    document = read_json(classifyd("eval", "demo", "--json", "-t", str(threads), "-b", str(batch), root))
    assert document["images"] == 23
    assert document["top1"] == pytest.approx(top1 / 23, abs=1e-8)
    assert document["top5"] == pytest.approx(top5 / 23, abs=1e-8)
    assert document["images_per_second"] == pytest.approx(23 / document["seconds"], rel=1e-3)
    assert (document["threads"], document["batch"]) == (threads, batch)
    assert document["unreadable"] == [] and document["passed_over"] == 0
    assert [entry["class_id"] for entry in document["classes"]] == sorted(truth)
    assert sum(entry["images"] for entry in document["classes"]) == 23
    for share in ("top1", "top5"):
        hits = sum(entry[share] * entry["images"] for entry in document["classes"])
        assert hits / 23 == pytest.approx(document[share], abs=1e-6)


def test_the_text(classifyd, tree):
    root, top1, top5, _ = tree
    done = classifyd("eval", "demo", root)
    assert (done.status, done.err) == (0, "")
    assert f"\ntop-1   {100 * top1 / 23:.3f} %\ntop-5   {100 * top5 / 23:.3f} %\n" in done.out


def test_a_list(classifyd, images, tmp_path):
    folder = next(iter(images)).parent
    lines = [f"{path.name if number % 2 else path}\t{ranks[3 * (number % 3)]}"
             for number, (path, ranks) in enumerate(images.items())]
    listed = folder / "list.tsv"
    listed.write_text("\n".join(lines[:4]) + "\n\n" + "\r\n".join(lines[4:]))
    document = read_json(classifyd("eval", "demo", "--json", listed, cwd=tmp_path))
    assert document["images"] == 23
    assert document["top1"] == pytest.approx(8 / 23, abs=1e-8)
    assert document["top5"] == pytest.approx(16 / 23, abs=1e-8)


def test_a_limit_is_spread_evenly(classifyd, tree):
    root, *_ = tree
    whole = read_json(classifyd("eval", "demo", "--json", root))
    part = read_json(classifyd("eval", "demo", "--json", "--limit", "7", root))
    assert part["images"] == 7
    assert len(part["classes"]) > 1
    again = read_json(classifyd("eval", "demo", "--json", "--limit", "7", root))
    assert again["top1"] == part["top1"] and again["classes"] == part["classes"]
    more = read_json(classifyd("eval", "demo", "--json", "--limit", "1000", root))
    assert more["images"] == whole["images"]


def test_a_scaled_dct(classifyd, tmp_path):
    """Noise, which a DCT scaled to a half answers for otherwise: the truth is what it answers."""
    random = numpy.random.default_rng(11)
    for number in range(40):
        pixels = random.integers(0, 256, (300, 320, 3)).astype(numpy.uint8)
        PIL.Image.fromarray(pixels).save(tmp_path / f"{number}.jpg", quality=95)
        with PIL.Image.open(tmp_path / f"{number}.jpg") as image:
            image.draft("RGB", (160, 150))
            image.save(tmp_path / f"{number}.png")
    halves = classifyd("classify", "--json", *(tmp_path / f"{number}.png" for number in range(40)))
    best = [json.loads(line)["predictions"][0]["class_id"] for line in halves.out.splitlines()]
    (tmp_path / "list").write_text("".join(f"{number}.jpg\t{best[number]}\n" for number in range(40)))
    assert read_json(classifyd("eval", "demo", "--json", "--scale-dct", tmp_path / "list"))["top1"] == 1
    assert read_json(classifyd("eval", "demo", "--json", tmp_path / "list"))["top1"] < 1


def test_unreadable_images_are_listed_and_left_out(classifyd, tree):
    root, top1, top5, _ = tree
    some = sorted(path for path in root.iterdir())[0]
    (some / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no")
    (some / "notes.txt").write_text("not an image, and not named like one")
    (some / ".hidden.jpg").write_bytes(b"")
    document = read_json(classifyd("eval", "demo", "--json", root), 1)
    assert document["images"] == 23 and document["passed_over"] == 1
    assert document["top1"] == pytest.approx(top1 / 23, abs=1e-8)
    (broken,) = document["unreadable"]
    assert broken["file"] == str(some / "broken.jpg")
    assert broken["error"]["code"] == "not_decodable"
    done = classifyd("eval", "demo", root)
    assert done.status == 1
    assert done.err == f"classifyd eval: {some}/broken.jpg: {broken['error']['detail']}\n"
    assert "images  23, and 1 that could not be read" in done.out


def test_of_no_image_there_are_no_shares(classifyd, tmp_path):
    folder = tmp_path / "set" / "n03445777"
    folder.mkdir(parents=True)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no")
    done = classifyd("eval", "demo", folder.parent)
    assert done.status == 1
    assert done.out == "model   demo\nimages  0, and 1 that could not be read\n"


def test_a_broken_link_is_an_unreadable_image(classifyd, tree):
    root = tree[0]
    link = sorted(path for path in root.iterdir())[0] / "gone.jpg"
    link.symlink_to("nowhere.jpg")
    document = read_json(classifyd("eval", "demo", "--json", root), 1)
    assert document["images"] == 23
    assert [image["file"] for image in document["unreadable"]] == [str(link)]


def test_no_more_threads_than_batches(classifyd, tree):
    document = read_json(classifyd("eval", "demo", "--json", "--threads", "1000", "--batch", "8", tree[0]))
    assert document["threads"] == 3  # 23 images


@pytest.mark.parametrize("make, text", [
    (lambda root: None, "no images"),
    (lambda root: (root / "n99999999").mkdir(), 'no class "n99999999"'),
    (lambda root: (root / "1000").mkdir(), 'no class "1000"'),
    (lambda root: (root / "a.jpg").write_bytes(b""), "no images"),
])
def test_trees_that_are_none(classifyd, tmp_path, make, text):
    root = tmp_path / "set"
    root.mkdir()
    make(root)
    done = classifyd("eval", "demo", root)
    assert (done.status, done.out) == (1, "")
    assert text in done.err and done.err.count("\n") == 1


@pytest.mark.parametrize("content, text", [
    ("", "no images"),
    ("a.jpg 3\n", ":1: not"),
    ("a.jpg\t3\nb.jpg\t1000\n", ':2: the model has no class "1000"'),
    ("a.jpg\t-1\n", ':1: the model has no class "-1"'),
    ("\t3\n", ":1: not"),
])
def test_lists_that_are_none(classifyd, tmp_path, content, text):
    (tmp_path / "list").write_text(content)
    done = classifyd("eval", "demo", tmp_path / "list")
    assert (done.status, done.out) == (1, "")
    assert text in done.err and done.err.count("\n") == 1


def test_no_such_model(classifyd, tree):
    root, *_ = tree
    done = classifyd("eval", "resnet5", root)
    assert (done.status, done.out) == (1, "")
    assert "resnet50" in done.err and done.err.count("\n") == 1


def test_nothing_there(classifyd, tmp_path):
    done = classifyd("eval", "demo", tmp_path / "nothing")
    assert (done.status, done.out) == (1, "")
    assert done.err == f"classifyd eval: {tmp_path}/nothing: No such file or directory\n"


def test_symbolic_links_in_a_circle(classifyd, tmp_path):
    (tmp_path / "set" / "3").mkdir(parents=True)
    (tmp_path / "set" / "3" / "up").symlink_to("..")
    done = classifyd("eval", "demo", tmp_path / "set")
    assert done.status == 1 and "nested deeper" in done.err
