"""Writes a safetensors file from its public specification: 8 bytes of header length, JSON, raw tensors."""
import json
import struct

import torch

TYPE_NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64",
              torch.int64: "I64"}


def tensor_bytes(tensor):
    tensor = tensor.detach().contiguous()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.int16)
    return tensor.numpy().tobytes()


def save(path, state, metadata=None):
    header = {"__metadata__": metadata} if metadata else {}
    bodies, offset = [], 0
    for name, tensor in state.items():
        body = tensor_bytes(tensor)
        header[name] = {"dtype": TYPE_NAMES[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [offset, offset + len(body)]}
        offset += len(body)
        bodies.append(body)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(bodies))
