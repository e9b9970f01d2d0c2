"""The uint8 pixels after the crop are those of PIL and torchvision.transforms, to the last bit."""
import functools
import pathlib

import image_files
import numpy as np
import pixels
import pytest

GEOMETRIES = [(256, 224), (232, 224), (142, 128), (40, 32), (200, 224), (33, 64), (1, 3), (500, 7)]
FILES = image_files.all_files()
PHOTOGRAPHS = pathlib.Path(__file__).resolve().parents[2].parent / "shared" / "images"


@functools.lru_cache(maxsize=None)
def ours(geometry, orient=True):
    return dict(zip(FILES, pixels.dump(list(FILES.values()), *geometry, orient)))


@functools.lru_cache(maxsize=None)
def is_oriented(name):
    return not np.array_equal(*[np.asarray(pixels.load(FILES[name], orient)) for orient in (True, False)])


def check_same(name, result, reference):
    assert result.code == "ok", f"{name}: {result.code}: {result.text}"
    difference = np.abs(result.pixels.astype(int) - reference)
    assert difference.max() == 0, f"{name}: {np.count_nonzero(difference)} bytes differ by up to {difference.max()}"


@pytest.mark.parametrize("name", FILES)
def test_file_has_torchvisions_pixels(name):
    image = pixels.load(FILES[name])
    for geometry in GEOMETRIES:
        check_same(f"{name} {geometry}", ours(geometry)[name], pixels.crop(image, *geometry))


@pytest.mark.parametrize("geometry", GEOMETRIES[:4])
def test_plain_libjpeg_has_the_same_pixels(geometry):
    """As they are decoded where libjpeg is of a version that the shortcut does not know."""
    names = [name for name in FILES if name.endswith(".jpg")]
    results = pixels.dump([FILES[name] for name in names], *geometry, program="DUMP_PIXELS_PLAIN")
    for name, result in zip(names, results):
        check_same(f"{name} {geometry}", result, pixels.crop(pixels.load(FILES[name]), *geometry))


@functools.lru_cache(maxsize=None)
def large_files():
    return dict(image_files.large_jpeg_files())


@pytest.mark.parametrize("geometry, program", [
    ((256, 224), "DUMP_PIXELS"), ((640, 300), "DUMP_PIXELS"), ((699, 40), "DUMP_PIXELS"), ((703, 701), "DUMP_PIXELS"),
    ((640, 300), "DUMP_PIXELS_PLAIN")])
def test_the_inside_of_large_jpegs(geometry, program):
    """What the crop does not show is not decoded; what it does show must not change by it."""
    files = large_files()
    results = pixels.dump(list(files.values()), *geometry, program=program)
    for name, result in zip(files, results):
        check_same(f"{name} {geometry}", result, pixels.crop(pixels.load(files[name]), *geometry))


@pytest.mark.parametrize("seed", range(16))
def test_any_crop_of_any_large_jpeg(seed):
    data, random = image_files.random_jpeg(seed), np.random.default_rng(1000 + seed)
    for _ in range(3):
        resize = int(random.integers(100, 900))
        geometry = (resize, int(random.integers(1, resize + 1)))
        check_same(f"{seed} {geometry}", pixels.dump([data], *geometry)[0], pixels.crop(pixels.load(data), *geometry))
        scale = shrinking(data, resize)
        check_same(f"{seed} {geometry} 1/{scale}", pixels.dump([data], *geometry, scale_dct=True)[0],
                   pixels.crop(pixels.load(data, shrinking=scale), *geometry))


@pytest.mark.parametrize("seed", range(24, 40))
def test_a_damaged_large_jpeg(seed):
    """Some bytes of the scan are others: as PIL paints it. What PIL refuses libjpeg alone may take, without a look at
    what follows the rows."""
    random = np.random.default_rng(seed)
    whole = image_files.random_jpeg(seed)
    scan = whole.index(b"\xFF\xDA") + 14
    for _ in range(3):
        data = bytearray(whole)
        for place in random.integers(scan, len(data) - 2, random.integers(1, 4)):
            data[place] = random.integers(256)
        result = pixels.dump([bytes(data)], 256, 224)[0]
        try:
            reference = pixels.crop(pixels.load(bytes(data)), 256, 224)
        except OSError:
            plain = pixels.dump([bytes(data)], 256, 224, program="DUMP_PIXELS_PLAIN")[0]
            assert result.code == plain.code and np.array_equal(result.pixels, plain.pixels)
        else:
            check_same(str(seed), result, reference)


def shrinking(data, resize):
    """By how much the DCT of a JPEG is scaled: to a quarter at most, and not below what the resize wants."""
    side = min(pixels.load(data).size)
    return max(scale for scale in (1, 2, 4) if scale == 1 or side // scale >= resize)


@pytest.mark.parametrize("geometry", [(13, 9), (23, 20), (29, 24), (100, 64)])
def test_a_scaled_dct_is_pils_draft(geometry):
    names = [name for name in FILES if name.endswith(".jpg") and "cmyk" not in name and "ycck" not in name]
    scales = {name: shrinking(FILES[name], geometry[0]) for name in names}
    assert sum(scale > 1 for scale in scales.values()) >= 4
    results = pixels.dump([FILES[name] for name in names], *geometry, scale_dct=True)
    for name, result in zip(names, results):
        image = pixels.load(FILES[name], shrinking=scales[name])
        check_same(f"{name} {geometry}", result, pixels.crop(image, *geometry))


@pytest.mark.parametrize("name", [name for name in FILES if "orient" in name])
def test_orientation_can_be_left_out(name):
    geometry = (40, 32)
    check_same(name, ours(geometry, False)[name], pixels.crop(pixels.load(FILES[name], False), *geometry))


def test_the_files_turn_pixels():
    """Or the orientation tests could not fail."""
    turned = [name for name in FILES if "orient" in name and is_oriented(name)]
    assert len(turned) > 30


def test_header_is_told():
    for name, result in ours((40, 32)).items():
        kind, width, height, orientation = result.text.split()
        stored = pixels.load(FILES[name], False)
        assert kind == {"jpg": "jpeg"}.get(name.rsplit(".")[-1], name.rsplit(".")[-1])
        assert (int(width), int(height)) == stored.size, name
        assert (int(orientation) != 1) == is_oriented(name), name


def test_where_pil_is_wrong():
    """Each of these PIL reads as something else (MODEL.md); the second file says what is right."""
    random = np.random.default_rng(3)
    index = random.integers(0, 256, (31, 45))
    colors = random.integers(0, 256, (256, 3))
    ramp = np.repeat(np.arange(256)[:, None], 3, axis=1)
    deep = random.integers(0, 1 << 16, (31, 45, 1))
    black_white = np.array([[0, 0, 0], [255, 255, 255]])
    pairs = {
        "a local palette of greys beside a global one":
            (image_files.gif((45, 31), [image_files.gif_frame(index, palette=ramp)], colors),
             image_files.gif((45, 31), [image_files.gif_frame(index)])),
        "16-bit grey": (image_files.png(deep, 16, 0), image_files.png(deep >> 8, 8, 0)),
        "black and white at 8 bits": (image_files.bmp(index & 1, 8, palette=black_white),
                                      image_files.bmp(index & 1, 1, palette=black_white)),
        "black and white at 4 bits": (image_files.bmp(index & 1, 4, palette=black_white),
                                      image_files.bmp(index & 1, 1, palette=black_white)),
    }
    results = pixels.dump([data for pair in pairs.values() for data in pair], 40, 32)
    for number, (name, (wrong, right)) in enumerate(pairs.items()):
        reference = pixels.crop(pixels.load(right), 40, 32)
        check_same(name, results[2 * number], reference)
        check_same(name, results[2 * number + 1], reference)


@pytest.mark.parametrize("size", [(1, 700), (900, 1), (2, 1500), (1200, 7)])
def test_absurd_shapes(size):
    """PIL computes the whole long side, we what the crop shows."""
    data = image_files.saved(image_files.picture(*size), "BMP")
    for geometry in [(40, 32), (64, 64), (7, 30)]:
        check_same(f"{size} {geometry}", pixels.dump([data], *geometry)[0], pixels.crop(pixels.load(data), *geometry))


def test_a_thin_line_of_the_largest_size():
    """Resized as a whole it would have 5 million rows; torchvision could not be asked."""
    rows = np.repeat(image_files.picture(1, 20, 3, seed=8), 1000, axis=0)
    result = pixels.dump([image_files.png(rows, 8, 2)], 256, 224)[0]
    assert result.code == "ok", result.text
    middle = rows[9999:10001, 0]
    assert (result.pixels.reshape(-1, 3).min(axis=0) >= middle.min(axis=0)).all()
    assert (result.pixels.reshape(-1, 3).max(axis=0) <= middle.max(axis=0)).all()


@pytest.mark.parametrize("geometry", GEOMETRIES[:5])
def test_photographs(geometry):
    if not PHOTOGRAPHS.is_dir():
        pytest.skip("no ../shared/images: photographs are not compared")
    paths = sorted(PHOTOGRAPHS.glob("*.JPEG"))
    assert len(paths) >= 200
    for path, result in zip(paths, pixels.dump_files(paths, *geometry)):
        check_same(path.name, result, pixels.crop(pixels.load(path), *geometry))
