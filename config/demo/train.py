"""Train the demo network: a torchvision ResNet of basic blocks, one a stage, with ImageNet's
1000-way head, on the images of a few of ImageNet's classes. On the CPU.

train.py DATA_DIR OUT.safetensors [MINUTES]

DATA_DIR holds what prepare.py wrote: train.npz and val.npz with x uint8 [n, 160, 160, 3] (the
image in the top left corner), s int16 [n, 2] (its height and width) and y (the class id).
85 minutes on two cores gave demo.safetensors. How far a run comes depends on the machine's speed,
so another run gives other, equally good numbers.
"""
import json
import math
import struct
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet

BLOCKS = [1, 1, 1, 1]
BATCH, PEAK_RATE, WARM_UP = 96, 0.25, 0.15  # WARM_UP: share of the time
SMALL_PX, LARGE_PX, LARGE_FROM = 64, 96, 0.6  # the last part of the time sees larger images
CANVAS = 160
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
METADATA = {"architecture": "torchvision ResNet, BasicBlock, layers 1,1,1,1",
            "resize": "142", "crop": "128", "mean": "0.485,0.456,0.406",
            "std": "0.229,0.224,0.225", "labels": "imagenet1k"}


class Images:
    """One split, and random or central crops of it."""

    def __init__(self, path, rng):
        arrays = np.load(path)
        self.x = torch.from_numpy(arrays["x"])
        self.sizes = arrays["s"].astype(np.float32)
        self.y = torch.from_numpy(arrays["y"].astype(np.int64))
        self.rng = rng

    def boxes(self, ids, is_training):
        """Crop boxes as affine matrices over the canvas: random resized crops, or the centre."""
        count = len(ids)
        height, width = self.sizes[ids, 0], self.sizes[ids, 1]
        if is_training:
            area = self.rng.uniform(0.3, 1.0, count) * height * width
            ratio = np.exp(self.rng.uniform(math.log(3 / 4), math.log(4 / 3), count))
            box_width = np.minimum(np.sqrt(area * ratio), width)
            box_height = np.minimum(np.sqrt(area / ratio), height)
            left = self.rng.uniform(0, 1, count) * (width - box_width)
            top = self.rng.uniform(0, 1, count) * (height - box_height)
            flip = np.where(self.rng.random(count) < 0.5, -1.0, 1.0)
        else:
            box_width = box_height = np.minimum(height, width) * 0.9
            left, top, flip = (width - box_width) / 2, (height - box_height) / 2, np.ones(count)
        matrices = np.zeros((count, 2, 3), np.float32)
        matrices[:, 0, 0] = box_width / CANVAS * flip
        matrices[:, 0, 2] = (2 * left + box_width) / CANVAS - 1
        matrices[:, 1, 1] = box_height / CANVAS
        matrices[:, 1, 2] = (2 * top + box_height) / CANVAS - 1
        return torch.from_numpy(matrices)

    def batch(self, ids, is_training, px):
        """The normalised crops [n, 3, px, px]; sampled finer and averaged where that is smaller
        than the image."""
        finer = max(1, round(128 / px))
        image = self.x[ids].permute(0, 3, 1, 2).float()
        grid = F.affine_grid(self.boxes(ids, is_training), (len(ids), 3, px * finer, px * finer),
                             align_corners=False)
        image = F.grid_sample(image, grid, mode="bilinear", padding_mode="border",
                              align_corners=False)
        if finer > 1:
            image = F.avg_pool2d(image, finer)
        if is_training:
            image = image * torch.empty(len(ids), 1, 1, 1).uniform_(0.8, 1.2)
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) * 255 for values in (MEAN, STD))
        return ((image - mean) / std).contiguous(memory_format=torch.channels_last)


def accuracy(net, images, ids, px):
    """Top-1 and top-5 of the images `ids`."""
    net.eval()
    top1 = top5 = 0
    with torch.no_grad():
        for part in np.array_split(ids, max(1, len(ids) // 250)):
            best = net(images.batch(part, False, px)).topk(5).indices
            hits = best == images.y[part][:, None]
            top1 += hits[:, 0].sum().item()
            top5 += hits.any(1).sum().item()
    return top1 / len(ids), top5 / len(ids)


def rate(done):
    """The learning rate when `done` of the time is over: up in a line, down in a cosine."""
    if done < WARM_UP:
        return max(PEAK_RATE * done / WARM_UP, 1e-4)
    return max(PEAK_RATE * 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))), 1e-4)


def optimiser_of(net):
    """Plain SGD; BatchNorm and biases do not decay."""
    decaying = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": decaying, "weight_decay": 2e-4}, {"params": others, "weight_decay": 0}]
    return torch.optim.SGD(groups, 0.1, momentum=0.9, nesterov=True)


def train(net, images, validation, minutes):
    """Train for that long; returns the running average of the weights."""
    optimiser, loss_of = optimiser_of(net), nn.CrossEntropyLoss(label_smoothing=0.1)
    average = {name: value.clone() for name, value in net.state_dict().items()}
    sample = np.random.default_rng(0).permutation(len(validation.y))[:1000]
    begin, step, epoch, done = time.time(), 0, 0, 0.0
    while done < 1:
        order = images.rng.permutation(len(images.y))
        net.train()
        for first in range(0, len(order) - BATCH + 1, BATCH):
            done = (time.time() - begin) / 60 / minutes
            if done >= 1:
                break
            for group in optimiser.param_groups:
                group["lr"] = rate(done)
            ids = order[first:first + BATCH]
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = net(images.batch(ids, True, SMALL_PX if done < LARGE_FROM else LARGE_PX))
            loss = loss_of(logits.float(), images.y[ids])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
            keep = min(0.998, 1 - 1 / (step + 1))
            for name, value in net.state_dict().items():
                if value.is_floating_point():
                    average[name].mul_(keep).add_(value, alpha=1 - keep)
        epoch += 1
        top1, top5 = accuracy(net, validation, sample, LARGE_PX)
        print(f"epoch {epoch} {done:.2f} loss {loss.item():.3f} top1 {top1:.3f} top5 {top5:.3f}",
              flush=True)
    return average


def save(state, path):
    """Write the state as float16 safetensors, BatchNorm's counters left out."""
    tensors = {name: value.contiguous().half().numpy() for name, value in state.items()
               if value.is_floating_point()}
    header, offset = {"__metadata__": METADATA}, 0
    for name, value in tensors.items():
        header[name] = {"dtype": "F16", "shape": list(value.shape),
                        "data_offsets": [offset, offset + value.nbytes]}
        offset += value.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for value in tensors.values():
            out.write(value.tobytes())


def main():
    data, out = sys.argv[1:3]
    minutes = float(sys.argv[3]) if len(sys.argv) > 3 else 85.0
    torch.set_num_threads(2)
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    images, validation = Images(f"{data}/train.npz", rng), Images(f"{data}/val.npz", rng)
    net = ResNet(BasicBlock, BLOCKS, zero_init_residual=True).to(memory_format=torch.channels_last)
    net.load_state_dict(train(net, images, validation, minutes))
    for px in (64, 96, 112, 128):
        top1, top5 = accuracy(net, validation, np.arange(len(validation.y)), px)
        print(f"average {px} px: top1 {top1:.4f} top5 {top5:.4f}", flush=True)
    save(net.state_dict(), out)


if __name__ == "__main__":
    main()
