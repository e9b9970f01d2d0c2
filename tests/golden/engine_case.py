"""Seeded networks and pictures for the engine's golden tests, and runs of the program run_engine."""
import os
import subprocess

import numpy
import pytest
import torch
import torchvision

RUN_ENGINE = os.environ["RUN_ENGINE"]


def pictures(count, px, seed):
    """Smooth noise at several scales, nearer to photographs than white noise; [count, 3, px, px]."""
    generator = torch.Generator().manual_seed(seed)
    return 0.6 * sum(
        torch.nn.functional.interpolate(torch.randn(count, 3, side, side, generator=generator), size=(px, px),
                                        mode="bicubic", align_corners=False)
        for side in (4, 8, 16, 56, px))


def seeded_network(name, px=224, seed=0, **options):
    """torchvision's network with seeded weights and calibrated BatchNorm.

    The last BatchNorm of a block weighs 0.2, as in trained networks, where the residual branch is the smaller
    part. With 1.0 an untrained bottleneck network amplifies rounding from block to block: torch's own float32 is then
    off by 4e-5 after the last stage, which would drown what is tested here."""
    torch.manual_seed(seed)
    network = getattr(torchvision.models, name)(weights=None, **options)
    blocks = torchvision.models.resnet.BasicBlock, torchvision.models.resnet.Bottleneck
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
        if isinstance(module, blocks):
            torch.nn.init.constant_((module.bn3 if isinstance(module, blocks[1]) else module.bn2).weight, 0.2)
    network.train()
    with torch.no_grad():
        network(pictures(4, px, seed + 1))
    return network.eval()


def needs_kernels(kernels, folder):
    """Skips where this CPU cannot run the set."""
    inputs = f"{folder}/one.f32"
    os.makedirs(folder, exist_ok=True)
    write_inputs(inputs, pictures(1, 32, 1))
    try:
        run_engine("random:resnet18?1", inputs, 32, 1, folder, batch=1, threads=1, kernels=kernels)
    except AssertionError as failure:
        if "this CPU" not in str(failure):
            raise
        pytest.skip(f"this CPU cannot run the kernels {kernels}")


def write_inputs(path, inputs):
    inputs.permute(0, 2, 3, 1).contiguous().numpy().tofile(path)


def run_engine(weights, inputs, px, images, folder, batch=8, threads=2, kernels="blas", images_per_pass=0, layers=(),
               environment=None):
    """The logits [images, classes], and what the program said of itself."""
    os.makedirs(folder, exist_ok=True)
    arguments = [RUN_ENGINE, weights, inputs, px, images, batch, threads, kernels, images_per_pass, folder, *layers]
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True,
                          env={**os.environ, **(environment or {})})
    assert done.returncode == 0, f"{arguments}: exit {done.returncode}: {done.stderr}"
    return numpy.fromfile(f"{folder}/logits.f32", numpy.float32).reshape(images, -1), done.stdout.strip()


def layer_output(folder, layer):
    return numpy.fromfile(f"{folder}/{layer}.f32", numpy.float32)
