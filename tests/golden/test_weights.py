"""Weight files as PyTorch writes them against what our reader makes of them, bit by bit; and files
that are broken or mean harm."""
import argparse
import builtins
import collections
import json
import os
import pathlib
import pickle
import struct
import subprocess
import zipfile

import numpy as np
import pytest
import torch
from torchvision import models

DUMP = os.environ["DUMP_WEIGHTS"]
MANGLE = os.environ["MANGLE_WEIGHTS"]
SHARED = pathlib.Path(__file__).resolve().parents[3] / "shared"
TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64",
         torch.int64: "I64"}
FORMS = {"zip": True, "legacy": False}
MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps(
    {"protocol_version": 1001, "little_endian": True}, 2)


def list_tensors(path, out="/dev/null"):
    """The format and the list of (name, type, shape); the values go to `out`."""
    result = subprocess.run([DUMP, str(path), str(out)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    form, *lines = result.stdout.splitlines()
    tensors = []
    for line in lines:
        name, kind, shape = line.split("\t")
        tensors.append((name, kind, [int(size) for size in shape.split(",")] if shape else []))
    return form, tensors


def dump(path, tmp_path):
    """The format and the list of (name, type, shape, values as bits)."""
    form, listed = list_tensors(path, tmp_path / "out.raw")
    values, at, tensors = np.fromfile(tmp_path / "out.raw", "<u4"), 0, []
    for name, kind, shape in listed:
        count = int(np.prod(shape)) if kind in ("F32", "F16", "BF16", "F64") else 0
        tensors.append((name, kind, shape, values[at:at + count]))
        at += count
    assert at == len(values)
    return form, tensors


def refuse(path, tmp_path):
    """The words of the refusal, without the file's path."""
    result = subprocess.run([DUMP, str(path), str(tmp_path / "out.raw")], capture_output=True,
                            text=True)
    assert result.returncode == 1, (result.returncode, result.stdout[:200], result.stderr)
    code, _, text = result.stderr.strip().partition(": ")
    return code, text.removeprefix(f"{path}: ")


def bits(tensor):
    return tensor.detach().to(torch.float32).contiguous().numpy().reshape(-1).view("<u4")


def check(path, expected, tmp_path, form):
    """`expected`: names and tensors in the file's order."""
    found_form, tensors = dump(path, tmp_path)
    assert found_form == form
    assert [name for name, *_ in tensors] == list(expected)
    for name, kind, shape, values in tensors:
        tensor = expected[name]
        assert (kind, shape) == (TYPES.get(tensor.dtype, "other"), list(tensor.shape)), name
        if tensor.dtype.is_floating_point:
            assert np.array_equal(values, bits(tensor)), name


def save(value, path, form, **more):
    torch.save(value, path, _use_new_zipfile_serialization=FORMS[form], **more)
    return path


def sample():
    torch.manual_seed(3)
    return collections.OrderedDict([
        ("conv1.weight", torch.randn(8, 3, 7, 7)),
        ("bn1.running_var", torch.rand(8)),
        ("bn1.num_batches_tracked", torch.tensor(12345)),
        ("empty", torch.zeros(3, 0)),
        ("scalar", torch.tensor(2.5)),
        ("fc.weight", torch.randn(10, 8)),
    ])


def resnet_state(name="resnet18", **more):
    torch.manual_seed(1)
    return getattr(models, name)(weights=None, **more).state_dict()


@pytest.fixture(params=FORMS)
def form(request):
    return request.param


# What torch.save writes

def test_state_dict_with_metadata(tmp_path, form):
    state = resnet_state()
    assert hasattr(state, "_metadata")
    check(save(state, tmp_path / "a.pth", form), state, tmp_path, f"torch {form}")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_types(tmp_path, form, dtype):
    state = {name: tensor.to(dtype) if tensor.dtype == torch.float32 else tensor
             for name, tensor in sample().items()}
    check(save(state, tmp_path / "a.pth", form), state, tmp_path, f"torch {form}")


def test_every_half_and_bfloat(tmp_path):
    every = torch.arange(-2 ** 15, 2 ** 15).to(torch.int16)
    state = {"half": every.view(torch.float16), "bfloat": every.clone().view(torch.bfloat16)}
    _, tensors = dump(save(state, tmp_path / "a.pth", "zip"), tmp_path)
    for name, _, _, values in tensors:
        ours, theirs = values.view("<f4"), state[name].float().numpy()
        is_nan = np.isnan(theirs)
        assert np.array_equal(np.isnan(ours), is_nan) and is_nan.sum() > 0
        assert np.array_equal(values[~is_nan], theirs[~is_nan].view("<u4"))


@pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool])
def test_other_types_are_listed(tmp_path, form, dtype):
    state = {"a": torch.ones(5).to(dtype), "b": torch.ones(2)}
    check(save(state, tmp_path / "a.pth", form), state, tmp_path, f"torch {form}")


def test_channels_last(tmp_path, form):
    model = models.resnet18(weights=None).to(memory_format=torch.channels_last)
    state = model.state_dict()
    assert not state["layer1.0.conv1.weight"].is_contiguous()
    check(save(state, tmp_path / "a.pth", form), state, tmp_path, f"torch {form}")


def test_strides_offsets_and_shared_storage(tmp_path, form):
    base = torch.randn(6, 5, 4)
    state = {"whole": base, "part": base[2:4, 1:, ::2], "turned": base.permute(2, 0, 1),
             "last": base[5, 4, 3], "again": base, "row": base[3]}
    path = save(state, tmp_path / "a.pth", form)
    assert path.stat().st_size < 2 * base.numel() * 4 + 3000
    check(path, state, tmp_path, f"torch {form}")


def test_parameters(tmp_path, form):
    state = {name: torch.nn.Parameter(tensor) if tensor.is_floating_point() else tensor
             for name, tensor in sample().items()}
    check(save(state, tmp_path / "a.pth", form), state, tmp_path, f"torch {form}")


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_checkpoint_around_a_state_dict(tmp_path, form, wrapper):
    model = torch.nn.Sequential(collections.OrderedDict(fc=torch.nn.Linear(4, 3)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    steps = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 3, 9])
    checkpoint = {
        "epoch": 90, "arch": "resnet50", "best_acc1": torch.tensor(76.1), "lr": 0.1, "none": None,
        "yes": True, "big": 10 ** 12, "huge": 10 ** 30, "below": -5, "list": [1, [2, (3, 4, 5, 6)]],
        "set": {1, 2}, "optimizer": optimizer.state_dict(), "lr_scheduler": steps.state_dict(),
        "args": argparse.Namespace(lr=0.1, model="resnet50", data=None), "size": torch.Size([3]),
        wrapper: model.state_dict(), "model_ema": {"module.x": torch.ones(1)},
    }
    check(save(checkpoint, tmp_path / "a.pth", form), model.state_dict(), tmp_path, f"torch {form}")


def test_module_prefix(tmp_path, form):
    state = sample()
    prefixed = {"state_dict": {"module." + name: tensor for name, tensor in state.items()}}
    check(save(prefixed, tmp_path / "a.pth", form), state, tmp_path, f"torch {form}")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickle_protocols(tmp_path, form, protocol):
    state = sample()
    path = save(state, tmp_path / "a.pth", form, pickle_protocol=protocol)
    check(path, state, tmp_path, f"torch {form}")


def test_legacy_view_of_a_storage(tmp_path):
    """PyTorch before 0.4 wrote slices of storages; and Python 2 an OrderedDict as its pairs."""
    def storage(count, view):
        return pickle.MARK + b"U\x07storagectorch\nFloatStorage\nU\x01kU\x03cpuK" + bytes([count]) \
            + view + b"tQ"

    def tensor(storage_pickle, offset, size):
        return b"ctorch._utils\n_rebuild_tensor\n(" + storage_pickle + b"K" + bytes([offset]) \
            + b"K" + bytes([size]) + b"\x85K\x01\x85tR"

    objects = b"\x80\x02ccollections\nOrderedDict\n](](U\x01a" + tensor(storage(6, b"N"), 1, 3) \
        + b"e](U\x01b" + tensor(storage(6, b"(U\x01vK\x02K\x03t"), 1, 2) + b"ee\x85R."
    path = tmp_path / "a.pth"
    values = np.arange(6, dtype="<f4")
    path.write_bytes(MAGIC + objects + pickle.dumps(["k"], 2) + struct.pack("<q", 6) +
                     values.tobytes())
    expected = {"a": torch.tensor([1.0, 2, 3]), "b": torch.tensor([3.0, 4])}
    check(path, expected, tmp_path, "torch legacy")
    reference = torch.load(path)
    assert all(torch.equal(reference[name], expected[name]) for name in expected)
    # A slice that reaches outside.
    path.write_bytes(path.read_bytes().replace(b"K\x02K\x03t", b"K\x04K\x03t"))
    assert refuse(path, tmp_path) == (
        "bad_model", "tensor 'b': its view of storage 'k' reaches outside")


@pytest.mark.parametrize("name", ["resnet18.pth", "resnet50.pth"])
def test_real_weights(tmp_path, name):
    path = SHARED / "models" / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    check(path, torch.load(path), tmp_path, "torch zip")


# safetensors, written after the format's specification

def safetensors(tensors, metadata=None):
    header, block = ({"__metadata__": metadata} if metadata else {}), b""
    for name, tensor in tensors.items():
        raw = tensor.contiguous().view(torch.uint8 if tensor.dim() else tensor.dtype).numpy()
        raw = raw.tobytes()
        header[name] = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [len(block), len(block) + len(raw)]}
        block += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + block


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_safetensors(tmp_path, dtype):
    state = collections.OrderedDict(
        (name, tensor.to(dtype) if tensor.is_floating_point() and tensor.dim() else tensor)
        for name, tensor in sample().items() if tensor.numel())
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors(state, {"resize": "142"}))
    check(path, state, tmp_path, "safetensors")


def test_demo_model(tmp_path):
    path = pathlib.Path(__file__).resolve().parents[2] / "config" / "demo" / "demo.safetensors"
    raw = path.read_bytes()
    length, = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8:8 + length])
    header.pop("__metadata__")
    expected = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = np.frombuffer(raw[8 + length + begin:8 + length + end], "<f2").copy()
        expected[name] = torch.from_numpy(values).reshape(entry["shape"])
    check(path, expected, tmp_path, "safetensors")


# Random weights

@pytest.mark.parametrize("name", [
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d",
    "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"])
def test_random_weights_have_torchvisions_names_and_shapes(monkeypatch, name):
    for function in ("kaiming_normal_", "kaiming_uniform_", "uniform_"):
        monkeypatch.setattr(torch.nn.init, function, lambda tensor, *_, **__: tensor)
    state = getattr(models, name)(weights=None).state_dict()
    form, tensors = list_tensors(f"random:{name}:1")
    assert form == "random"
    assert tensors == [
        (key, TYPES[value.dtype], list(value.shape)) for key, value in state.items()]


@pytest.mark.parametrize("name", ["resnet18", "resnext50_32x4d"])
def test_random_weights_are_drawn_as_torchvision_draws_them(tmp_path, name):
    state = resnet_state(name)
    _, tensors = dump(f"random:{name}:1", tmp_path)
    for key, _, _, values in tensors:
        ours, theirs = values.view("<f4"), state[key].float().numpy().reshape(-1)
        if "bn" in key or "downsample.1" in key:
            assert "num_batches" in key or np.array_equal(ours, theirs), key
            continue
        # Two draws from one distribution: the deviation of a normal's deviation is 0.71 / sqrt(n).
        tolerance = 5 * 1.42 / np.sqrt(len(theirs))
        assert abs(ours.std() / theirs.std() - 1) < tolerance, key
        assert abs(ours.mean() - theirs.mean()) < 2 * tolerance * theirs.std(), key


def test_random_numbers_are_the_documented_generators(tmp_path):
    """SplitMix64 and Marsaglia's polar method once more, with Python's own logarithm."""
    mask = 2 ** 64 - 1

    def stream(seed, name):
        value = 0xCBF29CE484222325
        for byte in name.encode():
            value = (value ^ byte) * 0x100000001B3 & mask
        first = bits_of([seed])
        return [first ^ value]

    def bits_of(state):
        state[0] = (state[0] + 0x9E3779B97F4A7C15) & mask
        z = state[0]
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
        return z ^ z >> 31

    def signed(state):
        return (bits_of(state) >> 11) * 2.0 ** -52 - 1

    def normals(state):
        while True:
            u, v = signed(state), signed(state)
            square = u * u + v * v
            if 0 < square < 1:
                factor = np.sqrt(-2 * np.log(square) / square)
                yield u * factor
                yield v * factor

    _, tensors = dump("random:resnet18:7", tmp_path)
    conv = next(values.view("<f4") for name, *_, values in tensors if name == "conv1.weight")
    source = normals(stream(7, "conv1.weight"))
    expected = np.array([next(source) for _ in range(len(conv))]) * np.sqrt(2 / (64 * 49))
    assert np.allclose(conv, expected.astype("f4"), rtol=2e-7, atol=0)


# Files that mean harm

class Call:
    """Pickles as the call of a function."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def write_pickle(path, form, raw):
    """`raw` in the place of the objects of a file of this form."""
    if form == "legacy":
        path.write_bytes(MAGIC + raw + pickle.dumps([], 2))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/data.pkl", raw)
            archive.writestr("a/version", "3\n")
    return path


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("what", ["system", "eval", "exec", "open", "import"])
def test_calls_are_refused_by_name_and_not_run(tmp_path, form, protocol, what):
    marker = tmp_path / "marker"
    code = f"open({str(marker)!r}, 'w').close()"
    function, arguments = {
        "system": (os.system, (f"touch {marker}",)), "eval": (eval, (code,)),
        "exec": (exec, (code,)), "open": (open, (str(marker), "w")),
        "import": (builtins.__import__, ("os",)),
    }[what]
    call = Call(function, *arguments)
    raw = pickle.dumps({"a": call} if protocol else call, protocol)
    path = write_pickle(tmp_path / "a.pth", form, raw)
    code, text = refuse(path, tmp_path)
    module = "builtins" if protocol > 2 else "__builtin__"
    name = {"system": "posix.system", "open": "io.open"}.get(
        what, f"{module}.{function.__name__}")
    assert code == "unsupported"
    assert text.startswith(f"{name} at byte ")
    assert text.endswith(": not something a state dict needs; nothing was run")
    assert not marker.exists()
    # The file is what it pretends to be: Python does run it.
    pickle.loads(raw)
    assert marker.exists() or what == "import"


@pytest.mark.parametrize("raw, message", [
    (b"(S'touch x'\nios\nsystem\n.", "pickle: STRING at byte 1%s: not something a state dict"),
    (b"(X\x01\0\0\0xios\nsystem\n.", "os.system at byte 7%s: not something a state dict needs"),
    (b"\x80\x02ctorch\nFloatStorage\n)R.",
     "pickle: REDUCE at byte 23%s: a type of storage cannot be called"),
    (b"\x80\x02ccollections\nOrderedDict\nK\x01\x85R.",
     "pickle: REDUCE at byte 30%s: an OrderedDict is not made of this"),
    (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
     "pickle: REDUCE at byte 36%s: a tensor is not made of this"),
    (b"\x80\x02ctorch._utils\n_rebuild_parameter\nNNN\x87R.",
     "pickle: REDUCE at byte 39%s: a parameter is not made of this"),
    (b"\x80\x02ccollections\nOrderedDict\n)\x81.",
     "pickle: NEWOBJ at byte 28%s: the name is no class that is made this way"),
    (b"\x80\x02K\x01Q.", "pickle: BINPERSID at byte 4%s: is no storage"),
    (b"\x80\x02\x82\x01.", "pickle: EXT1 at byte 2%s: not something a state dict needs"),
    (b"\x80\x09.", "pickle: protocol 9 at byte 0%s"),
    (b"\x80\x02\xff.", "pickle: no opcode has number 0xff, which is at byte 2%s"),
    (b"\x80\x02R.", "pickle: REDUCE at byte 2%s: there are no name and arguments"),
    (b"\x80\x02h\x05.", "pickle: BINGET at byte 2%s: nothing is kept under that number"),
    (b"\x80\x02q\x05.", "pickle: BINPUT at byte 2%s: there is nothing to keep"),
    (b"\x80\x02(K\x01e.", "pickle: APPENDS at byte 5%s: there is nothing to put its items into"),
    (b"\x80\x02}(K\x01u.", "pickle: SETITEMS at byte 6%s: a key has no value"),
    (b"\x80\x02t.", "pickle: TUPLE at byte 2%s: there is no mark"),
    (b"\x80\x02K\x01\x86.", "pickle: TUPLE2 at byte 4%s: the stack is too short"),
    (b"\x80\x02K\x01K\x01.", "pickle: STOP at byte 6%s: the stack does not hold one value"),
    (b"\x80\x02X\xff\xff\xff\xffabc.", "pickle: BINUNICODE at byte 2%s: reaches behind the end"),
    (b"\x80\x02J\x01", "pickle: BININT at byte 2%s: is cut short"),
    (b"\x80\x02]", "pickle: ends at byte 3%s without a STOP"),
    (b"\x80\x02]b.", "pickle: BUILD at byte 3%s: there is no object to give a state to"),
    (b"\x80\x02c" + b"a" * 300 + b"\nb\n.", "pickle: GLOBAL at byte 2%s: no name of at most 255"),
])
def test_broken_pickles_name_opcode_and_byte(tmp_path, raw, message):
    path = write_pickle(tmp_path / "a.pth", "zip", raw)
    assert refuse(path, tmp_path)[1].startswith(message % " of data.pkl")


def test_legacy_pickles_count_bytes_of_the_file(tmp_path):
    path = write_pickle(tmp_path / "a.pth", "legacy", b"\x80\x02cposix\nsystem\n.")
    assert refuse(path, tmp_path)[1].startswith(f"posix.system at byte {len(MAGIC) + 2}: ")


def test_bare_pickles_are_refused(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(pickle.dumps({"a": [1.0]}, 2))
    assert refuse(path, tmp_path) == ("bad_model", "a pickle, but not one that torch.save wrote")
    path.write_bytes(pickle.dumps(Call(os.system, "true"), 2))
    assert refuse(path, tmp_path)[1].startswith("posix.system at byte 2: ")


def test_a_whole_model_is_refused_by_its_class(tmp_path, form):
    path = save(models.resnet18(weights=None), tmp_path / "a.pth", form)
    code, text = refuse(path, tmp_path)
    assert code == "unsupported" and text.startswith("torchvision.models.resnet.ResNet at byte ")


def test_a_scripted_model_is_refused_by_its_code(tmp_path):
    path = tmp_path / "a.pt"
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))
    code, text = refuse(path, tmp_path)
    assert code == "unsupported"
    assert text.startswith("zip entry 'a/code/__torch__/torch/nn/modules/linear.py': is compressed")


@pytest.mark.parametrize("raw, message", [
    (b"\x80\x02" + b"(" * 1_000_000, "pickle: more than 65536 stack entries at byte 65538"),
    (b"\x80\x02" + b"]" * 1_000_000, "pickle: more than 65536 stack entries at byte 65538"),
    (b"\x80\x02" + b"N0" * 1_100_000, "pickle: more than 1048576 values at byte 2097154"),
    (b"\x80\x02Nr\xff\xff\xff\xff.", "pickle: more than 1048576 memo entries at byte 3"),
    # A list of itself.
    (b"\x80\x02]q\0h\0a.", "the pickle holds no dict of tensors"),
    # 40 lists, each ten times the one before: 10^40 items, were they copied.
    (b"\x80\x02]q\0" + b"".join(b"](" + (b"h" + bytes([i])) * 10 + b"eq" + bytes([i + 1])
                                for i in range(40)) + b"0" * 40 + b".",
     "the pickle holds no dict of tensors"),
    # 100,000 lists inside one another.
    (b"\x80\x02]]q\0" + b"h\0]q\x01a0h\x01q\x000" * 100_000 + b"a.",
     "the pickle holds no dict of tensors"),
], ids=["marks", "stack", "values", "memo", "itself", "laughs", "deep"])
def test_bombs(tmp_path, form, raw, message):
    path = write_pickle(tmp_path / "a.pth", form, raw)
    limit = f"ulimit -v 400000; exec {DUMP} {path} {tmp_path / 'out.raw'}"
    result = subprocess.run(["sh", "-c", limit], capture_output=True, text=True, timeout=20)
    assert result.returncode == 1, result
    if form == "zip":
        assert message in result.stderr, result.stderr
    else:
        assert result.stderr.startswith(("too_large: ", "bad_model: ")), result.stderr


def test_expanded_tensors_cost_no_memory(tmp_path, form):
    path = save({"a": torch.ones(1).expand(2 ** 40)}, tmp_path / "a.pth", form)
    assert refuse(path, tmp_path) == (
        "unsupported",
        f"tensor 'a': an expanded view, {2 ** 40} elements that share 1 in storage")


def edit_numbers(state, path, form, old, new):
    save(state, path, form)
    raw = path.read_bytes()
    assert raw.count(old) == 1
    path.write_bytes(raw.replace(old, new))
    return path


@pytest.mark.parametrize("old, new, message", [
    (b"K\x00K\x03K\x04\x86", b"K\x01K\x03K\x04\x86", "reach outside their storage of 44 bytes"),
    (b"K\x00K\x03K\x04\x86", b"K\x0dK\x03K\x04\x86", "begins at element 13 of a storage of 48"),
    (b"K\x00K\x03K\x04\x86", b"K\x00K\x03K\x05\x86", "reach outside their storage of 48 bytes"),
    (b"K\x04K\x01\x86", b"K\xffK\x01\x86", "reach outside their storage of 48 bytes"),
    (b"K\x04K\x01\x86", b"K\x04NN\x86", "offset, sizes and strides are not numbers that fit"),
])
def test_tensors_outside_their_storage(tmp_path, form, old, new, message):
    path = edit_numbers({"a": torch.rand(3, 4)}, tmp_path / "a.pth", form, old, new)
    code, text = refuse(path, tmp_path)
    assert code == "bad_model" and message in text


def test_legacy_storages_are_checked(tmp_path):
    path = save({"a": torch.rand(3)}, tmp_path / "a.pth", "legacy")
    raw = path.read_bytes()
    count = raw.rindex(struct.pack("<q", 3))
    for number in (2, 4, -1, 2 ** 62):
        path.write_bytes(raw[:count] + struct.pack("<q", number) + raw[count + 8:])
        code, text = refuse(path, tmp_path)
        assert code == "bad_model"
        assert text.endswith(f"12 bytes are wanted, which byte {count} does not begin")
    path.write_bytes(raw.replace(b"little_endian" + raw[raw.index(b"little_endian") + 13:][:2] +
                                 b"\x88", b"little_endian" +
                                 raw[raw.index(b"little_endian") + 13:][:2] + b"\x89"))
    assert refuse(path, tmp_path) == ("unsupported", "was not written on a little-endian machine")


# The archive

def archive_of(state, path, change):
    """torch's entries written again by Python's zipfile; `change` gets the list of (name, bytes)
    and returns the (name, bytes, compression) to write."""
    save(state, path, "zip")
    with zipfile.ZipFile(path) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, raw, compression in change(entries):
            archive.writestr(zipfile.ZipInfo(name), raw, compression)
    return path


def stored(entries):
    return [(name, raw, zipfile.ZIP_STORED) for name, raw in entries]


def test_archives_of_another_writer(tmp_path):
    state = sample()
    path = archive_of(state, tmp_path / "a.pth", stored)
    check(path, state, tmp_path, "torch zip")


@pytest.mark.parametrize("change, code, message", [
    (lambda entries: [(name, raw, zipfile.ZIP_DEFLATED if name.endswith("/data/1") else 0)
                      for name, raw in entries],
     "unsupported", "zip entry 'a/data/1': is compressed (method 8), as nothing in a state dict is"),
    (lambda entries: stored(entries[1:]), "bad_model",
     "a zip archive without a data.pkl: not a PyTorch file"),
    (lambda entries: [entry for entry in stored(entries) if not entry[0].endswith("/data/1")],
     "bad_model", "tensor 'b': its storage, entry 'data/1', is not in the file"),
    (lambda entries: [(name, raw[:-1] if name.endswith("/data/1") else raw, 0)
                      for name, raw in entries],
     "bad_model", "tensor 'b': its storage, entry 'data/1', has 7 bytes, which the pickle denies"),
    (lambda entries: stored(entries + [("a/byteorder", b"big")]),
     "unsupported", "was not written on a little-endian machine"),
])
def test_archives_that_do_not_fit(tmp_path, change, code, message):
    state = {"a": torch.rand(3), "b": torch.rand(2)}
    assert refuse(archive_of(state, tmp_path / "a.pth", change), tmp_path) == (code, message)


def test_entries_that_are_there_twice(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = archive_of({"a": torch.rand(3)}, tmp_path / "a.pth",
                          lambda entries: stored(entries + entries[1:2]))
    assert refuse(path, tmp_path) == ("bad_model", "zip entry 'a/data/0': is there twice")


def test_local_headers_must_agree(tmp_path):
    """Else a reader that walks the local headers sees another file."""
    path = archive_of({"a": torch.rand(3)}, tmp_path / "a.pth", stored)
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"a/data/0", b"a/data/1", 1))
    code, text = refuse(path, tmp_path)
    assert code == "bad_model" and text.startswith("zip entry 'a/data/0': the header at byte ")


def test_zip64_entries(tmp_path):
    """Sizes and offsets in the extra field, as a file over 4 GiB has them."""
    state = {"a": torch.rand(3)}
    path = save(state, tmp_path / "a.pth", "zip")
    raw = path.read_bytes()
    end64 = raw.rindex(b"PK\x06\x06")
    start, = struct.unpack_from("<Q", raw, end64 + 48)
    central, at, entries = b"", start, 0
    while raw[at:at + 4] == b"PK\x01\x02":
        fields = list(struct.unpack_from("<4s6H3I5H2I", raw, at))
        name = raw[at + 46:at + 46 + fields[10]]
        extra = struct.pack("<HH", 0x7777, 3) + b"abc" + struct.pack(
            "<HHQQQ", 1, 24, fields[9], fields[8], fields[16])
        at += 46 + fields[10] + fields[11] + fields[12]
        fields[8] = fields[9] = fields[16] = 0xFFFFFFFF
        fields[11] = len(extra)
        central += struct.pack("<4s6H3I5H2I", *fields) + name + extra
        entries += 1
    tail = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries,
                       len(central), start)
    tail += struct.pack("<4sIQI", b"PK\x06\x07", 0, start + len(central), 1)
    tail += struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(raw[:start] + central + tail)
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == entries
    check(path, state, tmp_path, "torch zip")


# Damage

def mangle(path, count, begin, end):
    result = subprocess.run([MANGLE, str(path), str(count), "1", str(begin), str(end)],
                            capture_output=True, text=True, timeout=250)
    assert result.returncode == 0, result
    read, refused = (int(part.split()[0]) for part in result.stdout.split(","))
    return read, refused


def test_damaged_safetensors(tmp_path):
    path = tmp_path / "a.safetensors"
    raw = safetensors({name: tensor for name, tensor in sample().items() if tensor.numel()},
                      {"note": "x"})
    path.write_bytes(raw)
    length, = struct.unpack_from("<Q", raw)
    read, refused = mangle(path, 10000, 0, 8 + length)
    assert refused > 5000 and read > 50


def test_damaged_zip(tmp_path):
    state = sample()
    path = save({"epoch": 1, "state_dict": state}, tmp_path / "a.pth", "zip")
    raw = path.read_bytes()
    begin = raw.index(b"\x80\x02}")
    parts = {"first header": (0, begin), "pickle": (begin, raw.index(b"PK\x07\x08")),
             "directory": (raw.index(b"PK\x01\x02"), len(raw))}
    for name, (begin, end) in parts.items():
        read, refused = mangle(path, 10000, begin, end)
        assert refused > 1000 and read > 10, (name, read, refused)


def test_damaged_legacy(tmp_path):
    state = sample()
    path = save(state, tmp_path / "a.pth", "legacy")
    storages = sum(8 + tensor.numel() * tensor.element_size() for tensor in state.values())
    read, refused = mangle(path, 20000, 0, path.stat().st_size - storages + 8)
    assert refused > 1000 and read > 10
