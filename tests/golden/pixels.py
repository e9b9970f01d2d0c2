"""What our program and torchvision make of image files: the two sides that the tests compare."""
import io
import os
import subprocess
import tempfile
import warnings
from typing import NamedTuple, Optional

import numpy as np
from PIL import Image, ImageOps
from torchvision import transforms


class Ours(NamedTuple):
    code: str                     # "ok" or the error's
    text: str                     # the rest of the line
    pixels: Optional[np.ndarray]  # [crop, crop, 3]


def dump_files(paths, resize, crop, orient=True, scale_dct=False, program="DUMP_PIXELS"):
    """What dump_pixels says of each file, in order, from one run of it."""
    command = [os.environ[program], str(resize), str(crop), str(int(orient)), str(int(scale_dct))]
    output = subprocess.run(command + [str(path) for path in paths], check=True, capture_output=True).stdout
    results, at, size = [], 0, crop * crop * 3
    for _ in paths:
        end = output.index(b"\n", at)
        first, _, rest = output[at:end].decode().partition(" ")
        at = end + 1
        if first == "error":
            code, _, text = rest.partition(" ")
            results.append(Ours(code, text, None))
            continue
        assert first == "ok", first
        results.append(Ours("ok", rest, np.frombuffer(output, np.uint8, size, at).reshape(crop, crop, 3)))
        at += size
    assert at == len(output)
    return results


def dump(datas, resize, crop, orient=True, scale_dct=False, program="DUMP_PIXELS"):
    """The same for bytes."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, str(number)) for number in range(len(datas))]
        for path, data in zip(paths, datas):
            with open(path, "wb") as file:
                file.write(data)
        return dump_files(paths, resize, crop, orient, scale_dct, program)


def as_rgb(image):
    """convert("RGB"), and the right thing where PIL does a wrong one: it clips 16-bit grey to white."""
    if image.mode == "I":
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")


def load(file, orient=True, shrinking=1):
    """A path or bytes -> PIL's RGB image; of a JPEG with the DCT scaled to 1/shrinking."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file) as image:
            if shrinking > 1:
                image.draft("RGB", [side // shrinking for side in image.size])
            return as_rgb(ImageOps.exif_transpose(image) if orient else image)


def crop(image, resize_px, crop_px):
    """torchvision's view of it."""
    resized = transforms.Resize(resize_px)(image)
    return np.asarray(transforms.CenterCrop(crop_px)(resized))
