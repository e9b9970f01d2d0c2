"""Small files that would keep the loader busy for minutes, or ask for more memory than there is."""
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
import safetensors_file  # noqa: E402

NORM = ("weight", "bias", "running_mean", "running_var")


def layer(name, norm, shape):
    return {f"{name}.weight": torch.full(shape, 0.5),
            **{f"{norm}.{part}": torch.ones(shape[0]) for part in NORM}}


def stem(channels):
    return {**layer("conv1", "bn1", (channels, 3, 7, 7)),
            "fc.weight": torch.ones(2, channels), "fc.bias": torch.ones(2)}


def test_as_many_layers_as_are_read(classifyd, tmp_path):
    """8 stages of 512 blocks; `classifyd` waits no longer than two minutes."""
    state = stem(1)
    for stage in range(1, 9):
        for block in range(512):
            for part, kernel in ((1, 1), (2, 3), (3, 1)):
                prefix = f"layer{stage}.{block}"
                state |= layer(f"{prefix}.conv{part}", f"{prefix}.bn{part}", (1, 1, kernel, kernel))
        if stage > 1:
            state |= layer(f"layer{stage}.0.downsample.0", f"layer{stage}.0.downsample.1", (1, 1, 1, 1))
    path = tmp_path / "deep.safetensors"
    safetensors_file.save(path, state)
    done = classifyd("inspect", path)
    assert (done.status, done.err) == (0, "")


def test_many_tensors_of_one_storage(classifyd, tmp_path):
    shared = torch.zeros(64 * 64 * 3 * 3).view(64, 64, 3, 3)
    state = stem(64)
    for block in range(4):
        for part in (1, 2):
            prefix = f"layer1.{block}"
            state |= layer(f"{prefix}.conv{part}", f"{prefix}.bn{part}", (64, 64, 3, 3))
            state[f"{prefix}.conv{part}.weight"] = shared
    path = tmp_path / "shared.pth"
    torch.save(state, path)
    done = classifyd("inspect", path)
    assert done.status == 1
    assert f"{path}: its tensors share their storage: " in done.err
