"""The engine against torchvision in float64: every architecture, kernel set, batches of 1, 3 and 8, after each stage."""
import numpy
import pytest
import torch

import engine_case
import safetensors_file

ARCHITECTURES = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
                 "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"]
TOLERANCE = 1e-5  # of the largest magnitude; torch's own float32 errs by up to 3e-6 here
# Of the worst of some 100,000 values within the network. Winograd's transforms add and subtract the pixels of a window
# before they are weighed, so a small value errs with its large neighbours; after the 33 or 50 blocks of the deep networks
# that comes to 1.1e-5 at most, which the pooling averages away.
STAGE_TOLERANCE = {"blas": 1e-5, "avx2": 2e-5, "avx512": 2e-5}
STAGES = ["maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc"]
IMAGES = 8


def last_layer(network, stage):
    """The name of the layer whose output is the stage's."""
    module = getattr(network, stage)
    if not isinstance(module, torch.nn.Sequential):
        return stage
    return f"{stage}.{len(module) - 1}.{'conv3' if hasattr(module[-1], 'conv3') else 'conv2'}"


def reference(network, inputs):
    """Logits and stage outputs in float64, NHWC."""
    outputs = {}
    for stage in STAGES:
        getattr(network, stage).register_forward_hook(
            lambda module, given, output, stage=stage: outputs.update({stage: output.numpy()}))
    with torch.no_grad():
        logits = network.double()(inputs.double()).numpy()
    return logits, {stage: o.transpose(0, 2, 3, 1) if o.ndim == 4 else o for stage, o in outputs.items()}


def error(found, expected):
    return numpy.abs(found - expected).max() / numpy.abs(expected).max()


@pytest.fixture(scope="module")
def kernel_sets(tmp_path_factory):
    """Those that this CPU can run."""
    found = []
    for kernels in ("avx512", "avx2", "blas"):
        try:
            engine_case.needs_kernels(kernels, tmp_path_factory.mktemp("probe"))
            found.append(kernels)
        except pytest.skip.Exception as why:
            print(why)
    assert found
    return found


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_matches_torchvision(name, kernel_sets, tmp_path):
    network = engine_case.seeded_network(name)
    safetensors_file.save(tmp_path / "weights.safetensors", network.state_dict())
    inputs = engine_case.pictures(IMAGES, 224, 7)
    engine_case.write_inputs(tmp_path / "inputs.f32", inputs)
    layers = {stage: last_layer(network, stage) for stage in STAGES}
    logits, stages = reference(network, inputs)
    del network
    for kernels in kernel_sets:
        for batch in (1, 3, 8):
            found, description = engine_case.run_engine(
                tmp_path / "weights.safetensors", tmp_path / "inputs.f32", 224, IMAGES, tmp_path, batch=batch,
                kernels=kernels, layers=layers.values() if batch == 3 else ())
            assert description.startswith(f"{name} {kernels}: ")
            print(f"{name} {kernels} batch {batch}: logits {error(found, logits):.1e}")
            assert error(found, logits) <= TOLERANCE
        for stage, layer in layers.items():
            found = engine_case.layer_output(tmp_path, layer)
            expected = stages[stage][:3].ravel()
            assert found.shape == expected.shape, stage
            print(f"{name} {kernels} {stage}: {error(found, expected):.1e}")
            assert error(found, expected) <= STAGE_TOLERANCE[kernels], f"{kernels} {stage}"


@pytest.mark.parametrize("name, px", [("resnet18", 96), ("resnet50", 64), ("resnext50_32x4d", 64)])
def test_generic_kernels_match_torchvision(name, px, tmp_path):
    network = engine_case.seeded_network(name, px, num_classes=10)
    safetensors_file.save(tmp_path / "weights.safetensors", network.state_dict())
    inputs = engine_case.pictures(3, px, 7)
    engine_case.write_inputs(tmp_path / "inputs.f32", inputs)
    logits, _ = reference(network, inputs)
    found, _ = engine_case.run_engine(tmp_path / "weights.safetensors", tmp_path / "inputs.f32", px, 3, tmp_path,
                                      kernels="generic")
    assert error(found, logits) <= TOLERANCE
