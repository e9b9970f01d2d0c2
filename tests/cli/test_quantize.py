"""quantize: what it refuses, what its file holds, and that it runs in every precision."""
import json
import os
import pathlib
import resource
import signal
import struct
import subprocess
import sys

import PIL.Image
import pytest
import torch

from conftest import BINARY, ROOT, SAMPLE

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
import safetensors_file  # noqa: E402

QUICK = ["--no-check", "--activation-scales", "mse", "--bf16-budget", "0", "-t", "1"]


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    with PIL.Image.open(SAMPLE) as sample:
        for number in range(6):
            place = folder / ("deep" if number % 2 else ".")
            place.mkdir(exist_ok=True)
            sample.crop((number * 20, number * 10, number * 20 + 250, number * 10 + 250)).save(place / f"{number}.png")
    return folder


def read_file(path):
    """Metadata, tensors' headers and their bytes, read as the format's specification says."""
    data = pathlib.Path(path).read_bytes()
    size, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    metadata = header.pop("__metadata__", {})
    block = data[8 + size:]
    return metadata, header, {name: block[slice(*entry["data_offsets"])] for name, entry in header.items()}


@pytest.fixture(scope="session")
def document_and_file(images, tmp_path_factory):
    """One calibration of the demo model, for the tests that only look at it."""
    file = tmp_path_factory.mktemp("models") / "demo8.safetensors"
    done = subprocess.run([BINARY, "quantize", "demo", "--images", images, "-o", file, "--json", "-t", "1",
                           "--search-images", "2", "--bf16-budget", "15"],
                          capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"], "HOME": "/"})
    return json.loads(done.stdout), file


def test_the_file_holds_the_model_as_it_was(document_and_file):
    _, file = document_and_file
    metadata, header, tensors = read_file(file)
    old_metadata, old_header, old_tensors = read_file(ROOT / "config/demo/demo.safetensors")
    for name, entry in old_header.items():
        if entry["dtype"][0] == "F" or entry["dtype"] == "BF16":
            assert header[name]["dtype"] == entry["dtype"] and header[name]["shape"] == entry["shape"]
            assert tensors[name] == old_tensors[name], name
    for key in ("resize", "crop"):
        assert metadata[key] == old_metadata[key]
    assert "golden" in metadata or "golden" not in old_metadata
    layers = json.loads(metadata["quantization"])["layers"]
    assert [layer["name"] for layer in layers][:2] == ["conv1", "layer1.0.conv1"]
    for layer in layers:
        names = {f"quantization.{layer['name']}.bias", f"quantization.{layer['name']}.scale"}
        assert (names <= set(header)) == (layer["arithmetic"] == "int8")


def test_the_document(document_and_file):
    document, file = document_and_file
    assert document["output"] == str(file) and document["unreadable"] == []
    quantization = document["quantization"]
    assert quantization["version"] == 1 and quantization["images"] == 6
    assert {layer["arithmetic"] for layer in quantization["layers"]} == {"int8", "bf16"}
    macs = sum(layer["macs"] for layer in quantization["layers"])
    assert sum(layer["macs"] for layer in quantization["layers"] if layer["arithmetic"] == "bf16") <= 0.15 * macs
    assert all(layer["sqnr_db"] > 15 for layer in quantization["layers"])
    assert quantization["check"]["int8"]["images"] == 6
    assert quantization["check"]["bf16"]["sqnr_db"] > quantization["check"]["int8"]["sqnr_db"] > 10


@pytest.mark.parametrize("precision", ["float32", "bf16", "int8"])
def test_the_result_classifies(classifyd, document_and_file, sample, precision):
    done = classifyd("classify", "-m", document_and_file[1], "--precision", precision, "--json", sample)
    assert done.status == 0, done.err
    document = json.loads(done.out)
    assert document["model"]["precision"] == precision
    assert document["predictions"][0]["label"] == "golf ball"
    inspected = json.loads(classifyd("inspect", document_and_file[1], "--precision", precision, "--json").out)
    assert inspected["model"]["precision"] == precision


def test_int8_is_the_same_on_every_kernel_set(classifyd, images, sample, tmp_path):
    file = tmp_path / "small.safetensors"
    (tmp_path / "other.json").write_text("")
    done = classifyd("quantize", "demo", "-i", images, "-o", file, *QUICK)
    assert done.status == 0, done.err
    answers = []
    for kernels in ("auto", "generic"):
        done = classifyd("classify", "-m", file, "--precision", "int8", "--kernels", kernels, "--json", "-k", "20", sample)
        assert done.status == 0, done.err
        answers.append(json.loads(done.out)["predictions"])
    assert answers[0] == answers[1]


@pytest.mark.parametrize("command", [["classify", "--precision", "int8", "-m", "demo", str(SAMPLE)],
                                     ["inspect", "--precision", "int8", "demo"],
                                     ["bench", "--precision", "int8", "-m", "demo"],
                                     ["eval", "--precision", "int8", "demo", "."]])
def test_a_float_model_is_refused_with_the_command_to_run(classifyd, command):
    done = classifyd(*command)
    assert (done.status, done.out) == (1, "")
    assert "classifyd quantize MODEL --images DIR" in done.err


def test_wrong_uses(classifyd, tmp_path):
    done = classifyd("quantize", "demo")
    assert (done.status, done.out) == (2, "")
    assert "--images is missing" in done.err
    assert classifyd("quantize", "-i", tmp_path).status == 2
    done = classifyd("quantize", "demo", "-i", tmp_path, "--bf16-budget", "101")
    assert done.status == 2 and "--bf16-budget" in done.err
    assert classifyd("quantize", "demo", "-i", tmp_path, "--weight-scales", "best").status == 2


def test_no_images(classifyd, tmp_path):
    (tmp_path / "text.txt").write_text("x")
    os.mkfifo(tmp_path / "pipe.jpg")  # nothing ever comes from it
    output = tmp_path / "out.safetensors"
    done = classifyd("quantize", "demo", "-i", tmp_path, "-o", output)
    assert (done.status, done.out) == (1, "")
    assert done.err == f"classifyd quantize: {tmp_path}: no images: a file's name says by its ending that it is one\n"
    assert classifyd("quantize", "demo", "-i", tmp_path / "none", "-o", output).status == 1
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    done = classifyd("quantize", "demo", "-i", tmp_path, "-o", output)
    assert done.status == 1 and "broken.png" in done.err and "0 images could be read" in done.err
    assert not output.exists()


def test_memory_is_not_taken_for_all_names(classifyd, tmp_path):
    """The prepared images of 30000 names would be 4.5 GB."""
    state = small_network()
    model = tmp_path / "small.safetensors"
    safetensors_file.save(model, state, {"resize": "224", "crop": "224"})
    folder = tmp_path / "names"
    folder.mkdir()
    for number in range(30_000):
        (folder / f"{number}.png").symlink_to("none")
    limit = 2 << 30
    done = classifyd("quantize", model, "-i", folder, "-o", tmp_path / "out.safetensors", "-n", "100000", "-t", "1",
                     preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    assert done.status == 1
    assert "classifyd quantize: 0 images could be read; " in done.err, done.err[-1000:]


@pytest.mark.parametrize("place", ["none/out.safetensors", "folder"])
def test_an_output_that_cannot_be_written_is_told_at_once(classifyd, images, tmp_path, place):
    (tmp_path / "folder").mkdir()
    done = classifyd("quantize", "demo", "-i", images, "-o", tmp_path / place)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith(f"classifyd quantize: {tmp_path / place}: ")
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_an_interrupt_leaves_no_part_of_a_file(images, tmp_path):
    """The head is 120 MB, so that writing takes its time."""
    state = small_network(classes=3)
    state["fc.weight"], state["fc.bias"] = torch.zeros(60_000, 512), torch.zeros(60_000)
    state["layer2.0.conv2.weight"] = torch.ones(512, 16, 3, 3) / 100
    state["layer2.0.downsample.0.weight"] = torch.ones(512, 8, 1, 1)
    for norm in ("layer2.0.bn2", "layer2.0.downsample.1"):
        for name, fill in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
            state[f"{norm}.{name}"] = torch.full((512,), float(fill))
    folder = tmp_path / "out"
    folder.mkdir()
    process = subprocess.Popen([BINARY, "quantize", save_small(tmp_path / "large.safetensors", state), "-i", images,
                                "-o", folder / "large8.safetensors", *QUICK, "-n", "2", "--search-images", "1"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, "HOME": str(tmp_path)})
    sizes = []
    while process.poll() is None and not (sizes and sizes[0] > 0):
        try:
            sizes = [path.stat().st_size for path in folder.iterdir()]
        except FileNotFoundError:  # that the place can be written to was tried
            sizes = []
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == -signal.SIGINT, process.stderr.read()
    assert [path.name for path in folder.iterdir()] in ([], ["large8.safetensors"])


def test_a_damaged_calibration_is_refused(classifyd, document_and_file, sample, tmp_path):
    data = document_and_file[1].read_bytes()
    for old, new, text in ((b'\\"version\\": 1', b'\\"version\\": 2', "version 2"),
                           (b'\\"arithmetic\\": \\"int8\\"', b'\\"arithmetic\\": \\"int4\\"', "int8"),
                           (b'quantization.conv1.bias', b'quantization.conv9.bias', "quantization.conv1.bias is missing"),
                           (b'\\"name\\": \\"conv1\\"', b'\\"name\\": \\"conv7\\"', "no convolution's")):
        compact = [(a.replace(b": ", b":"), b.replace(b": ", b":")) for a, b in ((old, new),)][0]
        old, new = compact if compact[0] in data else (old, new)
        assert old in data, old
        file = tmp_path / "damaged.safetensors"
        file.write_bytes(data.replace(old, new, 1))
        done = classifyd("classify", "-m", file, sample)
        assert done.status == 1 and text in done.err, done.err


def small_network(classes=3):
    """A state dict of one block a stage, two stages, 8 and 16 channels."""
    generator = torch.Generator().manual_seed(1)
    state = {}

    def add(conv, norm, out, channels, side):
        state[f"{conv}.weight"] = torch.randn(out, channels, side, side, generator=generator) / (channels * side * side) ** 0.5
        state[f"{norm}.weight"], state[f"{norm}.bias"] = torch.ones(out), torch.zeros(out)
        state[f"{norm}.running_mean"], state[f"{norm}.running_var"] = torch.zeros(out), torch.ones(out)

    add("conv1", "bn1", 8, 3, 7)
    for stage, channels in ((1, 8), (2, 16)):
        add(f"layer{stage}.0.conv1", f"layer{stage}.0.bn1", channels, 8, 3)
        add(f"layer{stage}.0.conv2", f"layer{stage}.0.bn2", channels, channels, 3)
    add("layer2.0.downsample.0", "layer2.0.downsample.1", 16, 8, 1)
    state["fc.weight"], state["fc.bias"] = torch.randn(classes, 16, generator=generator), torch.zeros(classes)
    return state


def save_small(path, state):
    safetensors_file.save(path, state, {"resize": "64", "crop": "64"})
    return path


@pytest.mark.parametrize("gain", [0.0, 1e-13, 1e-37, 1e-44])
def test_a_layer_that_gives_next_to_nothing(classifyd, images, sample, tmp_path, gain):
    """What is written can be read again, whatever the layer's steps would have to be."""
    state = small_network()
    state["layer1.0.bn1.weight"].fill_(gain)
    file = tmp_path / "small8.safetensors"
    done = classifyd("quantize", save_small(tmp_path / "small.safetensors", state), "-i", images, "-o", file, *QUICK)
    assert done.status == 0, done.err
    answers = [json.loads(classifyd("classify", "-m", file, "--precision", precision, "--json", sample).out)["predictions"]
               for precision in ("float32", "int8")]
    assert answers[0][0]["label"] == answers[1][0]["label"]


@pytest.mark.parametrize("layer, gain", [("bn1", 1e20), ("layer1.0.bn1", 3e17)])
def test_a_layer_that_no_scale_fits(classifyd, images, tmp_path, layer, gain):
    state = small_network()
    state[f"{layer}.weight"].fill_(gain)
    file = tmp_path / "small8.safetensors"
    done = classifyd("quantize", save_small(tmp_path / "small.safetensors", state), "-i", images, "-o", file, *QUICK)
    assert done.status == 1 and "is the model damaged?" in done.err, done.err
    assert not file.exists()


def test_one_class_is_measured_by_its_value(classifyd, images, tmp_path):
    """Around the mean of its logits, a network of one class has no signal at all."""
    file = tmp_path / "one8.safetensors"
    done = classifyd("quantize", save_small(tmp_path / "one.safetensors", small_network(classes=1)), "-i", images, "-o", file,
                     "--activation-scales", "mse", "--bf16-budget", "0", "-t", "1", "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["quantization"]["check"]["int8"]["sqnr_db"] > 10
    assert file.exists()
