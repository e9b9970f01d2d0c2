"""The catalogue, the labels and the demo model against what torchvision says."""
import json
import pathlib
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms
from torchvision.models import _meta, resnet

CONFIG = pathlib.Path(__file__).resolve().parents[2] / "config"
ENTRIES = json.loads((CONFIG / "models.json").read_text())["models"]
ENUMS = {
    "resnet18": resnet.ResNet18_Weights,
    "resnet34": resnet.ResNet34_Weights,
    "resnet50": resnet.ResNet50_Weights,
    "resnet101": resnet.ResNet101_Weights,
    "resnet152": resnet.ResNet152_Weights,
    "resnext50_32x4d": resnet.ResNeXt50_32X4D_Weights,
    "resnext101_32x8d": resnet.ResNeXt101_32X8D_Weights,
    "resnext101_64x4d": resnet.ResNeXt101_64X4D_Weights,
    "wide_resnet50_2": resnet.Wide_ResNet50_2_Weights,
    "wide_resnet101_2": resnet.Wide_ResNet101_2_Weights,
}


def test_every_set_is_there_once():
    ours = sorted((entry["model"], entry["weights"]) for entry in ENTRIES)
    theirs = sorted((model, weights.name.replace("IMAGENET1K_", ""))
                    for model, enum in ENUMS.items() for weights in enum)
    assert ours == theirs and len(ours) == 17


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["model"] + entry["weights"])
def test_entry_is_what_torchvision_publishes(entry):
    enum = ENUMS[entry["model"]]
    weights = enum[f"IMAGENET1K_{entry['weights']}"]
    accuracy = weights.meta["_metrics"]["ImageNet-1K"]
    recipe = weights.transforms()
    assert entry["default"] == (weights == enum.DEFAULT)
    assert entry["url"] == weights.url
    # torch.hub checks a download against the digits in the file's name.
    assert entry["sha256"] == weights.url.rpartition("-")[2].removesuffix(".pth")
    assert entry["parameters"] == weights.meta["num_params"]
    assert (entry["acc_at_1"], entry["acc_at_5"]) == (accuracy["acc@1"], accuracy["acc@5"])
    assert ([entry["resize"]], [entry["crop"]]) == (recipe.resize_size, recipe.crop_size)
    # The recipe's defaults, which the catalogue does not repeat.
    assert (recipe.mean, recipe.std) == ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    assert recipe.interpolation == transforms.InterpolationMode.BILINEAR


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["model"] + entry["weights"])
def test_size_is_plausible(entry):
    """torchvision 0.14 does not publish sizes: float32, or float16 in the wide V1 files."""
    is_half = entry["model"].startswith("wide") and entry["weights"] == "V1"
    bytes_expected = entry["parameters"] * (2 if is_half else 4)
    assert 1.0 <= entry["size_mib"] * 2 ** 20 / bytes_expected < 1.01


def test_labels_are_torchvisions():
    rows = [row.split("\t") for row in
            (CONFIG / "labels" / "imagenet_classes.tsv").read_text().splitlines()]
    assert rows[0] == ["class_id", "wnid", "label"]
    assert [int(row[0]) for row in rows[1:]] == list(range(1000))
    assert [row[2] for row in rows[1:]] == list(_meta._IMAGENET_CATEGORIES)
    wnids = [row[1] for row in rows[1:]]
    # ImageNet numbers its classes in the order of their WordNet ids.
    assert wnids == sorted(set(wnids)) and len(wnids) == 1000


def read_safetensors(path):
    content = path.read_bytes()
    length, = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + length])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, info in header.items():
        assert info["dtype"] == "F16"
        first, end = info["data_offsets"]
        values = np.frombuffer(content[8 + length + first:8 + length + end], np.float16)
        tensors[name] = torch.from_numpy(values.reshape(info["shape"]).astype(np.float32))
    return tensors, metadata


def test_demo_model_knows_the_sample():
    tensors, metadata = read_safetensors(CONFIG / "demo" / "demo.safetensors")
    net = resnet.ResNet(resnet.BasicBlock, [1, 1, 1, 1]).eval()
    missing, unexpected = net.load_state_dict(tensors, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing)
    prepare = transforms.Compose([
        transforms.Resize(int(metadata["resize"])), transforms.CenterCrop(int(metadata["crop"])),
        transforms.ToTensor(),
        transforms.Normalize(*([float(value) for value in metadata[key].split(",")]
                               for key in ("mean", "std")))])
    with torch.no_grad():
        image = prepare(Image.open(CONFIG / "demo" / "sample.jpg"))
        probabilities = net(image[None]).softmax(1)[0]
    assert _meta._IMAGENET_CATEGORIES[probabilities.argmax()] == "golf ball"
    assert probabilities.max() > 0.6


def golden_of(path):
    """What config/demo/golden.py says of a file."""
    done = subprocess.run([sys.executable, CONFIG / "demo" / "golden.py", path], check=True,
                          stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def assert_golden(carried, found):
    assert carried["tolerance"] == found["tolerance"]
    assert [pair[0] for pair in carried["logits"]] == [pair[0] for pair in found["logits"]]
    for ours, torchs in zip(carried["logits"], found["logits"]):
        assert ours[1] == pytest.approx(torchs[1], abs=1e-4)


def test_demo_model_carries_torchs_logits():
    path = CONFIG / "demo" / "demo.safetensors"
    _, metadata = read_safetensors(path)
    assert_golden(json.loads(metadata["golden"]), golden_of(path))


def test_golden_values_of_a_file_of_ones_own(tmp_path):
    torch.manual_seed(5)
    net = resnet.ResNet(resnet.Bottleneck, [1, 1, 1, 1], 7, groups=32, width_per_group=4).eval()
    path = tmp_path / "own.pth"
    torch.save(net.state_dict(), path)
    recipe = {"crop": 48, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.25]}
    (tmp_path / "own.pth.json").write_text(json.dumps(recipe))
    rows, columns, channels = np.mgrid[:48, :48, :3]
    pixels = (rows * (channels + 1) + columns * (3 - channels) + rows * columns // 16) % 256
    values = (pixels / 255 - np.array(recipe["mean"])) / np.array(recipe["std"])
    with torch.no_grad():
        logits = net(torch.from_numpy(values.transpose(2, 0, 1)[None]).float())[0]
    pairs = sorted(enumerate(logits.tolist()), key=lambda pair: -pair[1])
    assert_golden({"logits": pairs, "tolerance": 0.001}, golden_of(path))
