"""Golden values of a torchvision ResNet: what torch's logits are for an image that a formula draws.

golden.py FILE [--write]

Prints the JSON object for the key "golden", with the ten largest logits and the six smallest. The
recipe (crop, mean, std) is the one in the safetensors metadata, in FILE.json, or ImageNet's. With
--write it goes into FILE's own metadata, where FILE is safetensors; else put it into FILE.json.
"""
import json
import os
import struct
import sys

import numpy as np
import torch
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

TOLERANCE = 0.001
TYPES = {"F16": np.float16, "F32": np.float32, "F64": np.float64, "I64": np.int64}


def read_safetensors(path):
    """The header and the bytes behind it."""
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(size)), file.read()


def load(path):
    """The state and what the file says of itself."""
    said = {}
    if path.endswith(".safetensors"):
        header, block = read_safetensors(path)
        said.update(header.pop("__metadata__", {}))
        state = {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            values = np.frombuffer(block[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
            state[name] = torch.from_numpy(values.copy())
    else:
        state = torch.load(path, map_location="cpu")
    if os.path.exists(f"{path}.json"):
        with open(f"{path}.json", encoding="utf-8") as file:
            said.update(json.load(file))
    return {name: value.float() if value.is_floating_point() else value
            for name, value in state.items()}, said


def numbers(value):
    return [float(part) for part in value.split(",")] if isinstance(value, str) else value


def network(state):
    """The ResNet that the shapes describe."""
    counts = [len({name.split(".")[1] for name in state if name.startswith(f"layer{stage}.")})
              for stage in (1, 2, 3, 4)]
    is_bottleneck = "layer1.0.conv3.weight" in state
    groups, width = 1, 64
    if is_bottleneck:
        middle = state["layer1.0.conv2.weight"]
        groups = middle.shape[0] // middle.shape[1]
        width = middle.shape[0] // groups
    net = ResNet(Bottleneck if is_bottleneck else BasicBlock, counts, len(state["fc.bias"]),
                 groups=groups, width_per_group=width)
    missing, unexpected = net.load_state_dict(state, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing)
    return net.eval()


def drawn(side):
    """The image of MODEL.md, uint8 [side, side, 3]."""
    y, x, c = np.ogrid[:side, :side, :3]
    return ((y * (c + 1) + x * (3 - c) + x * y // 16) % 256).astype(np.uint8)


def golden(state, said):
    side = int(said.get("crop", 224))
    mean = torch.tensor(numbers(said.get("mean", [0.485, 0.456, 0.406])))
    std = torch.tensor(numbers(said.get("std", [0.229, 0.224, 0.225])))
    image = (torch.from_numpy(drawn(side)).float() / 255 - mean) / std
    with torch.no_grad():
        logits = network(state)(image.permute(2, 0, 1)[None])[0]
    order = logits.argsort(descending=True).tolist()
    chosen = order if len(order) <= 16 else order[:10] + order[-6:]
    return {"logits": [[class_id, round(logits[class_id].item(), 6)] for class_id in chosen],
            "tolerance": TOLERANCE}


def write(path, text):
    """Put `text` into the metadata of the safetensors file; its tensors stay as they are."""
    header, block = read_safetensors(path)
    header.setdefault("__metadata__", {})["golden"] = text
    start = json.dumps(header, separators=(",", ":")).encode()
    start += b" " * (-len(start) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(start)) + start + block)


def main():
    path = sys.argv[1]
    text = json.dumps(golden(*load(path)), separators=(",", ":"))
    print(text)
    if "--write" in sys.argv[2:]:
        write(path, text)


if __name__ == "__main__":
    main()
