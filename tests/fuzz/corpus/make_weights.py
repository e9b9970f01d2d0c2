#!/usr/bin/python3
"""Writes the first inputs of corpus/quantization, corpus/safetensors and corpus/torch; README.md says more."""
import collections
import io
import json
import pathlib
import pickle
import struct
import zipfile

import torch

HERE = pathlib.Path(__file__).resolve().parent


def write(folder, name, raw):
    path = HERE / folder
    path.mkdir(exist_ok=True)
    (path / name).write_bytes(raw)


def safetensors(header, block):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + block


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def save(value, **more):
    out = io.BytesIO()
    torch.save(value, out, **more)
    return out.getvalue()


def make_safetensors():
    good = {"__metadata__": {"note": "ä", "resize": "142"}, "a": entry("F32", [1, 2], 0, 8),
            "b": entry("F16", [3], 8, 14), "module.c": entry("BF16", [], 14, 16),
            "d": entry("F64", [1], 16, 24), "e": entry("I64", [0, 4], 24, 24)}
    write("safetensors", "good", safetensors(good, bytes(range(24))))
    write("safetensors", "padded", safetensors(json.dumps(good).encode() + b"   ", bytes(24)))
    write("safetensors", "overlap", safetensors({"a": entry("U8", [4], 0, 4),
                                                 "b": entry("U8", [4], 2, 6)}, bytes(6)))
    write("safetensors", "hole", safetensors({"a": entry("U8", [2], 2, 4)}, bytes(4)))
    write("safetensors", "outside", safetensors({"a": entry("F32", [4], 0, 16)}, bytes(8)))
    write("safetensors", "overflow", safetensors({"a": entry("F32", [2 ** 62], 0, 0)}, b""))
    write("safetensors", "deep", safetensors(b'{"a":' + b"[" * 3000, b""))
    write("safetensors", "long_header", struct.pack("<Q", 2 ** 63) + b"{}")
    write("safetensors", "empty", safetensors({}, b""))


def make_torch():
    base = torch.arange(24.0).reshape(2, 3, 4)
    state = collections.OrderedDict([
        ("module.a", base), ("module.b", base[1, :, ::2]), ("module.c", base.half().permute(2, 0, 1)),
        ("module.n", torch.tensor(7)), ("module.p", torch.nn.Parameter(torch.ones(2)))])
    state._metadata = collections.OrderedDict([("", {"version": 1})])
    checkpoint = {"epoch": 3, "lr": 0.1, "none": None, "set": {1}, "state_dict": state}
    for name, value in {"state": state, "checkpoint": checkpoint}.items():
        raw = save(value)
        write("torch", name + ".zip", raw)
        write("torch", name + ".legacy", save(value, _use_new_zipfile_serialization=False))
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            inner = next(entry for entry in archive.namelist() if entry.endswith("/data.pkl"))
            write("torch", name + ".pickle", archive.read(inner))
    write("torch", "protocol4.legacy", save({"a": base}, _use_new_zipfile_serialization=False,
                                            pickle_protocol=4))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a/data.pkl"), bytes(100), zipfile.ZIP_DEFLATED)
    write("torch", "deflated.zip", packed.getvalue())
    write("torch", "system.pickle", b"\x80\x02cposix\nsystem\nX\x04\0\0\0true\x85R.")
    write("torch", "inst.pickle", b"(X\x04\0\0\0trueios\nsystem\n.")
    write("torch", "marks.pickle", b"\x80\x02" + b"(" * 500)
    write("torch", "itself.pickle", b"\x80\x02]q\0h\0a.")
    write("torch", "python2.pickle",
          b"\x80\x02ccollections\nOrderedDict\n](](U\x01aK\x01e](U\x01bK\x02ee\x85R.")
    write("torch", "objects.pickle", pickle.dumps([{1, 2}, collections.Counter("ab"),
                                                   10 ** 30, -10 ** 12, b"x", 1.5], 4))


def make_quantization():
    layers = [{"name": "conv1", "arithmetic": "int8", "output_scale": 0.1},
              {"name": "layer1.0.conv1", "arithmetic": "bf16", "output_scale": 0.2}]
    tensors = {"quantization.conv1.scale": entry("F32", [2], 0, 8), "quantization.conv1.bias": entry("F32", [2], 8, 16),
               "quantization.layer1.0.conv1.bias": entry("F32", [3], 16, 28)}
    block = struct.pack("<7f", 0.5, 0.25, 1, -1, 0, 2, 3)
    for name, value in {"good": {"version": 1, "layers": layers}, "version": {"version": 2},
                        "twice": {"version": 1, "layers": layers[:1] * 2},
                        "scale": {"version": 1, "layers": [{**layers[0], "output_scale": 0}]}}.items():
        metadata = {"quantization": json.dumps(value)}
        write("quantization", name, safetensors({"__metadata__": metadata, **tensors}, block))
    write("quantization", "no_metadata", safetensors(tensors, block))
    metadata = {"quantization": json.dumps({"version": 1, "layers": layers})}
    write("quantization", "not_finite", safetensors({"__metadata__": metadata, **tensors}, b"\xff" * 28))


make_quantization()
make_safetensors()
make_torch()
