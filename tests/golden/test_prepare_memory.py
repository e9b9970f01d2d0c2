"""What image_prepare says it will take in memory is what it takes, for a large image of each kind."""
import os
import subprocess

import image_files
import numpy as np
import pytest
from PIL import Image

WIDTH, HEIGHT = 3000, 2000
WINDOW_BYTES = 16 * 3 * (WIDTH - 224 * HEIGHT // 232)  # 16 rows are said whole; those of a baseline JPEG end with the crop
SLACK_BYTES = 3 << 20  # rows, tables, the library's code: nothing that grows with the image


@pytest.fixture(scope="module")
def pixels():
    return np.tile(image_files.picture(600, 400), (5, 5, 1))


def bands(pixels, count):
    return np.concatenate([pixels, pixels[:, :, :1]], axis=2)[:, :, :count]


CASES = {
    "baseline.jpg": lambda p: image_files.saved(p, "JPEG", quality=85),
    "progressive.jpg": lambda p: image_files.saved(p, "JPEG", quality=85, progressive=True),
    "progressive_444.jpg": lambda p: image_files.saved(p, "JPEG", quality=85, progressive=True, subsampling=0),
    "cmyk.jpg": lambda p: image_files.saved(bands(p, 4), "JPEG", "CMYK", quality=85, progressive=True),
    "rgb.png": lambda p: image_files.saved(p, "PNG", compress_level=1),
    "alpha.png": lambda p: image_files.saved(bands(p, 4), "PNG", "RGBA", compress_level=1),
    "lossy.webp": lambda p: image_files.saved(p, "WEBP", method=0),
    "alpha.webp": lambda p: image_files.saved(bands(p, 4), "WEBP", "RGBA", method=0),
    "lossless.webp": lambda p: image_files.saved(p, "WEBP", lossless=True, method=0, quality=0),
    "rgb.bmp": lambda p: image_files.saved(p, "BMP"),
    "alpha.bmp": lambda p: image_files.saved(bands(p, 4), "BMP", "RGBA"),
    "palette.gif": lambda p: image_files.saved(p[:, :, :1], "GIF"),
}


@pytest.mark.parametrize("name", CASES)
def test_as_much_as_it_says(name, pixels, tmp_path):
    path = tmp_path / name
    path.write_bytes(CASES[name](pixels))
    assert Image.open(path).size == (WIDTH, HEIGHT)
    # Every byte that is allocated is written to, and so counts.
    environment = {**os.environ, "MALLOC_PERTURB_": "1"}
    result = subprocess.run([os.environ["MEASURE_PREPARE"], path], check=True, capture_output=True, text=True,
                            env=environment)
    said, taken = map(int, result.stdout.split())
    print(name, said / 1e6, taken / 1e6)
    assert said <= 1.1 * taken + WINDOW_BYTES, f"{said} bytes said, {taken} taken"
    # A baseline JPEG is decoded row by row.
    assert said < 1e6 if name == "baseline.jpg" else said >= WIDTH * HEIGHT * 3
    assert taken <= said + SLACK_BYTES, f"{said} bytes said, {taken} taken"
