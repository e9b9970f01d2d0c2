"""Real weights, real photographs: `classifyd classify` gives torchvision's top-5 in torchvision's order.

The weights and photographs may not be part of the project: they lie beside it on the developers' machines."""
import json
import os
import pathlib
import subprocess

import numpy
import pytest
import torch
import torchvision
from PIL import Image, ImageOps

SHARED = pathlib.Path(__file__).resolve().parents[3] / "shared"
PHOTOGRAPHS = sorted((SHARED / "images").glob("*.JPEG"))
TIE = 1e-5  # of the largest |logit|: closer than that, float32 may order two classes either way


def torchvision_logits(name, weights):
    network = getattr(torchvision.models, name)(weights=None)
    network.load_state_dict(torch.load(weights, map_location="cpu"))
    network.eval()
    transform = torchvision.transforms.Compose([
        torchvision.transforms.Resize(256), torchvision.transforms.CenterCrop(224), torchvision.transforms.ToTensor(),
        torchvision.transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    logits = []
    with torch.no_grad():
        for start in range(0, len(PHOTOGRAPHS), 8):
            images = [transform(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
                      for path in PHOTOGRAPHS[start:start + 8]]
            logits.append(network(torch.stack(images)).numpy())
    return numpy.concatenate(logits)


def classify(weights):
    command = [os.environ["CLASSIFYD"], "classify", "--json", "--model", str(weights), *map(str, PHOTOGRAPHS)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def same_order(found, logits):
    """Whether `found` is the order of the largest logits, neighbours within TIE of each other excepted."""
    expected = numpy.argsort(-logits, kind="stable")[:len(found)]
    largest = numpy.abs(logits).max()
    return all(a == b or abs(logits[a] - logits[b]) <= TIE * largest for a, b in zip(found, expected))


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_top_5_of_photographs(name, capsys):
    weights = SHARED / "models" / f"{name}.pth"
    if not weights.exists() or not PHOTOGRAPHS:
        pytest.skip("no ../shared beside the project: real weights and photographs are not part of it")
    logits = torchvision_logits(name, weights)
    documents = classify(weights)
    assert len(documents) == len(PHOTOGRAPHS)
    top1 = top5 = 0
    for path, document, row in zip(PHOTOGRAPHS, documents, logits):
        predictions = document["predictions"]
        found = [prediction["class_id"] for prediction in predictions]
        assert len(found) == 5
        assert same_order(found, row), f"{path.name}: {found}, torchvision {numpy.argsort(-row)[:5]}"
        exact = torch.softmax(torch.tensor(row, dtype=torch.float64), 0).numpy()
        assert max(abs(p["probability"] - exact[p["class_id"]]) for p in predictions) < 1e-4
        wnids = [prediction["wnid"] for prediction in predictions]
        top1 += wnids[0] == path.name.split("_")[0]
        top5 += path.name.split("_")[0] in wnids
    with capsys.disabled():
        print(f"\n{name}: {100 * top1 / len(documents):.1f} % top-1, {100 * top5 / len(documents):.1f} % top-5 "
              f"of {len(documents)} photographs")
