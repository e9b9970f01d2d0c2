"""Files that are broken, cut off, or more than they seem: an error with its code, or what PIL makes of them."""
import struct
import zlib

import image_files
import numpy as np
import pixels
import pytest

GEOMETRY = (40, 32)
FILES = image_files.all_files()
CUT = ["sub2.jpg", "sub2_progressive.jpg", "cmyk.jpg", "ycc_221111_r5_progressive.jpg", "ycc_221111_r0_scans.jpg",
       "orient6_long.jpg", "type2_8.png", "palette4_interlaced.png", "type6_16.png", "orient_raw_packed.png", "lossy.webp",
       "alpha.webp", "alpha_lossless.webp", "animated_place.webp", "rgb24_40.bmp", "palette4.bmp", "masks_short.bmp",
       "rgb565.bmp", "palette8_short.bmp", "global.gif", "interlaced.gif", "smaller_local.gif", "pil_palette.gif"]


def reference_of(data):
    """PIL's crop, or None where it refuses the file."""
    try:
        return pixels.crop(pixels.load(data), *GEOMETRY)
    except Exception:  # PIL raises whatever comes up: OSError, SyntaxError, ValueError, struct.error ...
        return None


def check_like_pil(name, data, result, codes):
    if result.code != "ok":
        assert result.code in codes, f"{name}: {result.code}: {result.text}"
        return False
    reference = reference_of(data)
    assert reference is not None, f"{name}: PIL refuses what we decode"
    assert np.array_equal(result.pixels, reference), f"{name}: other pixels than PIL's"
    return True


@pytest.mark.parametrize("name", CUT)
def test_cut_off_at_many_lengths(name):
    data = FILES[name]
    lengths = sorted({*range(0, 64), *range(64, len(data), max(1, len(data) // 60)), *range(len(data) - 24, len(data))})
    results = pixels.dump([data[:length] for length in lengths], *GEOMETRY)
    for length, result in zip(lengths, results):
        decoded = check_like_pil(f"{name}, {length} of {len(data)} bytes", data[:length], result,
                                 {"not_decodable"} if length >= 18 else {"not_decodable", "unsupported"})
        assert not decoded or length > len(data) * 0.9, f"{name} was decoded from {length} of {len(data)} bytes"


@pytest.mark.parametrize("name", [name for name in CUT if not name.endswith((".bmp", ".gif"))])
def test_flipped_bits(name):
    """BMP and GIF are left out: damage there may be valid, and PIL and stb_image paint over it differently."""
    random = np.random.default_rng(len(name))
    damaged = []
    for _ in range(60):
        data = bytearray(FILES[name])
        for at in random.integers(12, len(data), random.integers(1, 4)):
            data[at] ^= 1 << random.integers(0, 8)
        damaged.append(bytes(data))
    for number, result in enumerate(pixels.dump(damaged, *GEOMETRY)):
        if result.code == "ok":
            reference = reference_of(damaged[number])
            assert reference is None or np.array_equal(result.pixels, reference), f"{name}, case {number}"
        else:
            assert result.code in {"not_decodable", "unsupported", "too_large"}, result.text


def jpeg_header(width, height, precision=8, components=3, frame=0xC0):
    parts = b"".join(bytes([number + 1, 0x11, 0]) for number in range(components))
    table = b"\xFF\xDB" + struct.pack(">H", 67) + b"\0" + b"\1" * 64
    head = bytes([precision]) + struct.pack(">HHB", height, width, components) + parts
    scan = bytes([components]) + b"".join(bytes([number + 1, 0]) for number in range(components)) + b"\0\x3F\0"
    return (b"\xFF\xD8" + table + bytes([0xFF, frame]) + struct.pack(">H", len(head) + 2) + head
            + b"\xFF\xDA" + struct.pack(">H", len(scan) + 2) + scan)


def png_header(width, height, depth=8, color=2):
    header = struct.pack(">LLBBBBB", width, height, depth, color, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + image_files.chunk(b"IHDR", header)
            + image_files.chunk(b"IDAT", zlib.compress(bytes(100))) + image_files.chunk(b"IEND", b""))


def webp_header(width, height):
    size = image_files.number24(width - 1) + image_files.number24(height - 1)
    return image_files.riff([(b"VP8X", b"\0\0\0\0" + size), (b"VP8L", lossless_header(width, height))])


def lossless_header(width, height):
    return b"\x2F" + struct.pack("<L", (width - 1) & 0x3FFF | ((height - 1) & 0x3FFF) << 14) + bytes(20)


def bmp_header(width, height, bits=24, compression=0, header=40, planes=1):
    head = struct.pack("<LllHHLLllLL", header, width, height, planes, bits, compression, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<LHHL", 54, 0, 0, 54) + head + bytes(3000)


def gif_header(screen, frame):
    return (b"GIF89a" + struct.pack("<HHBBB", *screen, 0, 0, 0) + b"," + struct.pack("<HHHHB", 0, 0, *frame, 0)
            + b"\x08\x02\x00\x01\x00;")


BASE = FILES["sub0.jpg"]
WRONG = {
    "empty": (b"", "unsupported"),
    "text": (b"hello, world\n" * 100, "unsupported"),
    "zeros": (bytes(5000), "unsupported"),
    "html before a JPEG": (b"<html></html>" + BASE, "unsupported"),
    "a space before a PNG": (b" " + FILES["type2_8.png"], "unsupported"),
    "TIFF": (b"II*\0" + bytes(100), "unsupported"),
    "a word that begins like BMP": (b"BMW is a car and no bitmap, as anyone can see", "unsupported"),
    "RIFF, but sound": (b"RIFF\x24\0\0\0WAVEfmt " + bytes(40), "unsupported"),
    "JPEG mark only": (b"\xFF\xD8\xFF", "not_decodable"),
    "PNG mark only": (b"\x89PNG\r\n\x1a\n", "not_decodable"),
    "GIF mark only": (b"GIF89a", "not_decodable"),
    "PNG 60000 x 60000": (png_header(60000, 60000), "too_large"),
    "PNG 2^31 - 1": (png_header(0x7FFFFFFF, 0x7FFFFFFF, 16, 6), "too_large"),
    "PNG 20001 x 1": (png_header(20001, 1), "too_large"),
    "PNG 10001 x 10000": (png_header(10001, 10000), "too_large"),
    "PNG 10000 x 10000, without the pixels": (png_header(10000, 10000, 1, 0), "not_decodable"),
    "PNG 0 x 5": (png_header(0, 5), "not_decodable"),
    "PNG of a kind that is none": (png_header(5, 5, 4, 6), "not_decodable"),
    "JPEG 65000 x 65000": (jpeg_header(65000, 65000), "too_large"),
    "JPEG 20001 x 1": (jpeg_header(20001, 1), "too_large"),
    "JPEG 0 x 7": (jpeg_header(0, 7), "not_decodable"),
    "JPEG of 12 bits": (jpeg_header(8, 8, 12), "unsupported"),
    "JPEG of two components": (jpeg_header(8, 8, 8, 2), "unsupported"),
    "JPEG, lossless": (jpeg_header(8, 8, 8, 3, 0xC3), "unsupported"),
    "WebP 16384 x 16384": (webp_header(16384, 16384), "too_large"),
    "WebP with a canvas of 2^24": (image_files.animated_webp((1 << 24, 200), (0, 0), FILES["size_17x16.webp"]), "too_large"),
    "BMP 30000 x 30000": (bmp_header(30000, 30000, 1), "too_large"),
    "BMP 2^31 - 1": (bmp_header(0x7FFFFFFF, 0x7FFFFFFF, 32), "too_large"),
    "BMP of height -2^31": (bmp_header(1, -0x80000000), "not_decodable"),
    "BMP of width -5": (bmp_header(-5, 5), "not_decodable"),
    "BMP 10000 x 10000, without the pixels": (bmp_header(10000, 10000), "not_decodable"),
    "BMP, run-length coded": (bmp_header(8, 8, 8, 1), "unsupported"),
    "BMP of 2 bits": (bmp_header(8, 8, 2), "unsupported"),
    "BMP around a JPEG": (bmp_header(8, 8, 24, 4), "unsupported"),
    "BMP with odd masks": (image_files.bmp(np.zeros((4, 4), int), 32, masks=(0xF, 0xF0, 0xF00)), "unsupported"),
    "GIF 65535 x 65535": (gif_header((65535, 65535), (1, 1)), "too_large"),
    "GIF grown by its frame": (gif_header((1, 1), (65535, 65535)), "too_large"),
    "GIF 2000 x 2000, without the pixels": (gif_header((9, 9), (2000, 2000)), "not_decodable"),
    "GIF without a frame": (b"GIF89a" + struct.pack("<HHBBB", 5, 5, 0, 0, 0) + b";", "not_decodable"),
    "GIF with an empty frame": (gif_header((5, 5), (0, 5)), "not_decodable"),
    "GIF with a table that stays full": (image_files.gif((100, 100), [image_files.gif_frame(
        np.arange(10000).reshape(100, 100) * 7 % 256, clears=False)]), "unsupported"),
    "GIF of an endless code": (gif_header((5, 5), (5, 5)).replace(b"\x08\x02", b"\x0D\x02"), "not_decodable"),
}


def test_wrong_files_have_their_codes():
    results = pixels.dump([data for data, _ in WRONG.values()], *GEOMETRY)
    found = {name: result.code for name, result in zip(WRONG, results)}
    assert found == {name: code for name, (_, code) in WRONG.items()}


def repeat_last_scan(progressive, times):
    scan = progressive.rindex(b"\xFF\xDA")
    return progressive[:scan] + progressive[scan:-2] * times + progressive[-2:]


def test_bombs():
    """More behind the image than in it: decoded like any other, or refused; never unpacked."""
    rgb = image_files.picture(20, 20)
    flood = zlib.compress(bytes(20 * 61) + bytes(50_000_000), 1)
    plain = image_files.png(rgb, 8, 2)
    start = plain.index(b"IDAT") - 4
    end = plain.index(b"IEND") - 4
    idat = plain[:start] + image_files.chunk(b"IDAT", flood) + plain[end:]
    text = [(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(bytes(20_000_000), 1))] * 3
    texts = image_files.png(rgb, 8, 2, before=text)
    profile = image_files.png(rgb, 8, 2, before=[(b"iCCP", b"p\0\0" + zlib.compress(bytes(20_000_000), 1))])
    scans = repeat_last_scan(FILES["sub2_progressive.jpg"], 200)
    results = pixels.dump([idat, texts, profile, scans], *GEOMETRY)
    assert [result.code for result in results] == ["ok", "ok", "ok", "too_large"]
    assert np.array_equal(results[0].pixels, np.zeros((32, 32, 3)))
    for result in results[1:3]:
        assert np.array_equal(result.pixels, pixels.crop(pixels.load(plain), *GEOMETRY))


def test_a_few_more_scans_are_fine():
    data = repeat_last_scan(FILES["sub2_progressive.jpg"], 20)
    assert check_like_pil("20 scans", data, pixels.dump([data], *GEOMETRY)[0], set())


def test_polyglots_are_what_their_first_bytes_say():
    files = [FILES[name] for name in ("sub0.jpg", "type2_8.png", "lossy.webp", "rgb24_40.bmp", "global.gif")]
    pairs = [first + second for first in files for second in files]
    for number, result in enumerate(pixels.dump(pairs, *GEOMETRY)):
        assert check_like_pil(f"pair {number}", pairs[number], result, set())
