"""A network with a 10-class head, its own recipe and labels, said in each of the ways there are;
compared with torchvision on the same image."""
import json
import pathlib
import sys

import pytest
import torch
from PIL import Image
from torchvision import models, transforms

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
import safetensors_file  # noqa: E402

RECIPE = {"resize": 40, "crop": 32, "mean": [0.491, 0.482, 0.447], "std": [0.247, 0.243, 0.262]}
LABELS = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(10)
    return models.resnet18(weights=None, num_classes=10).eval()


@pytest.fixture
def expected(network, sample):
    """(label, probability) of each class, the most probable first."""
    prepare = transforms.Compose([
        transforms.Resize(RECIPE["resize"]), transforms.CenterCrop(RECIPE["crop"]),
        transforms.ToTensor(), transforms.Normalize(RECIPE["mean"], RECIPE["std"])])
    with torch.no_grad():
        probabilities = network(prepare(Image.open(sample))[None]).softmax(1)[0]
    order = probabilities.argsort(descending=True)
    return [(LABELS[i], probabilities[i].item()) for i in order]


def assert_answers(done, expected):
    assert (done.status, done.err) == (0, "")
    predictions = json.loads(done.out)["predictions"]
    assert [found["label"] for found in predictions] == [label for label, _ in expected]
    for found, (_, probability) in zip(predictions, expected):
        assert found["probability"] == pytest.approx(probability, abs=1e-5)


def classify(classifyd, sample, *words):
    return classifyd("classify", "--json", "--top-k", "10", *words, sample)


def test_a_file_beside_it(classifyd, network, expected, sample, tmp_path):
    path = tmp_path / "cifar.pth"
    torch.save(network.state_dict(), path)
    (tmp_path / "cifar.pth.json").write_text(json.dumps(
        {**RECIPE, "labels": LABELS, "note": "an experiment"}))
    done = classify(classifyd, sample, "--model", path)
    assert_answers(done, expected)
    model = json.loads(done.out)["model"]
    assert (model["name"], model["weights"]) == ("cifar.pth", "file")
    assert model["note"] == "an experiment"


def test_safetensors_metadata(classifyd, network, expected, sample, tmp_path):
    path = tmp_path / "cifar.safetensors"
    metadata = {key: ",".join(map(str, value)) if isinstance(value, list) else str(value)
                for key, value in RECIPE.items()}
    safetensors_file.save(path, network.state_dict(), {**metadata, "labels": json.dumps(LABELS)})
    assert_answers(classify(classifyd, sample, "--model", path), expected)


def test_a_catalogue(classifyd, network, expected, sample, tmp_path):
    torch.save(network.state_dict(), tmp_path / "cifar10-0badcafe.pth")
    entry = {"model": "cifar10", "weights": "C1", "default": True, **RECIPE, "labels": LABELS,
             "url": "https://example.org/cifar10-0badcafe.pth", "sha256": "0badcafe"}
    catalogue = tmp_path / "models.json"
    catalogue.write_text(json.dumps({"models": [entry]}))
    words = ["--catalogue", catalogue, "--model-dirs", tmp_path]
    done = classify(classifyd, sample, "--model", "cifar10", *words)
    assert_answers(done, expected)
    assert json.loads(done.out)["model"]["weights"] == "C1"
    listed = json.loads(classifyd("models", "--json", *words).out)["models"]
    assert [(model["model"], model["here"]) for model in listed] == [("cifar10", True)]
    unknown = classify(classifyd, sample, "--model", "resnet50", *words)
    assert unknown.status != 0 and "resnet50" in unknown.err


def test_labels_must_fit_the_network(classifyd, network, sample, tmp_path):
    path = tmp_path / "cifar.pth"
    torch.save(network.state_dict(), path)
    (tmp_path / "cifar.pth.json").write_text(json.dumps({"labels": LABELS[:9]}))
    done = classify(classifyd, sample, "--model", path)
    assert done.status != 0
    assert f"{path}: 9 labels for a network of 10 classes" in done.err


def test_values_that_are_no_numbers(classifyd, network, sample, tmp_path):
    path = tmp_path / "overflow.pth"
    huge = torch.full_like(network.state_dict()["fc.weight"], 3e38)
    torch.save({**network.state_dict(), "fc.weight": huge}, path)
    done = classify(classifyd, sample, "--model", path)
    assert done.status == 1
    assert json.loads(done.out)["error"]["code"] == "bad_model"
    torch.save({**network.state_dict(), "fc.weight": huge * float("inf")}, path)
    done = classify(classifyd, sample, "--model", path)
    assert (done.status, done.out) == (1, "")
    assert f"{path}: fc.weight: element 0 is not a finite number" in done.err


def test_without_labels_classes_have_numbers(classifyd, network, sample, tmp_path):
    path = tmp_path / "plain.pth"
    torch.save(network.state_dict(), path)
    done = classify(classifyd, sample, "--model", path)
    assert done.status == 0
    labels = {found["label"] for found in json.loads(done.out)["predictions"]}
    assert labels == {f"class {i}" for i in range(10)}
