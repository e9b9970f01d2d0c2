"""Image files of every kind that is read, small and deterministic: name -> bytes.

PIL writes what it can; the rest is written here, or by make_jpeg (environment MAKE_JPEG).
"""
import io
import os
import struct
import subprocess
import zlib

import numpy as np
from PIL import Image


def picture(width, height, bands=3, seed=0):
    """Soft waves with some noise, so that filters, subsampling and quantisation all show."""
    random = np.random.default_rng(seed + 1000 * width + height)
    y, x = np.mgrid[0:height, 0:width]
    waves = [127 + 90 * np.sin(x / (7 + 3 * band) + band) * np.cos(y / (5 + 2 * band)) for band in range(bands)]
    noise = random.integers(-30, 30, (height, width, bands))
    return np.clip(np.stack(waves, axis=2) + noise, 0, 255).astype(np.uint8)


def saved(pixels, kind, mode=None, **options):
    data = io.BytesIO()
    if pixels.shape[-1] == 1 and pixels.ndim == 3:
        pixels = pixels[:, :, 0]
    Image.fromarray(pixels, mode).save(data, kind, **options)
    return data.getvalue()


# EXIF ---------------------------------------------------------------------------------------------------------------


def exif(orientation, order="<", field=3, count=1, before=()):
    """A TIFF block whose first directory holds Orientation. `before`: entries (tag, type, count, 4 bytes)."""
    letter = {1: "B", 3: "H", 4: "L", 6: "b", 8: "h", 9: "l"}[field]
    value = struct.pack(order + letter, orientation).ljust(4, b"\0")
    entries = [*before, (0x0112, field, count, value)]
    body = b"".join(struct.pack(order + "HHL", tag, kind, number) + data for tag, kind, number, data in entries)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "LH", 8, len(entries)) + body + b"\0\0\0\0"


def with_app1(jpeg, block):
    """Puts an APP1 segment behind the start marker."""
    return jpeg[:2] + b"\xFF\xE1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


def orientation_files():
    turned = picture(61, 40)
    base = saved(turned, "JPEG", quality=92)
    for orientation in range(0, 10):
        order = "<>"[orientation % 2]
        yield f"orient{orientation}.jpg", with_app1(base, b"Exif\0\0" + exif(orientation, order))
    yield "orient6_long.jpg", with_app1(base, b"Exif\0\0" + exif(6, field=4))
    yield "orient6_signed.jpg", with_app1(base, b"Exif\0\0" + exif(6, ">", field=8))
    yield "orient6_byte.jpg", with_app1(base, b"Exif\0\0" + exif(6, field=1))
    yield "orient6_many.jpg", with_app1(base, b"Exif\0\0" + exif(6, count=2))
    make = (0x010F, 2, 4, b"ABC\0")
    lost = (0x010F, 2, 400, struct.pack("<L", 5000))
    odd = (0x010E, 99, 7, b"1234")
    yield "orient8_after_make.jpg", with_app1(base, b"Exif\0\0" + exif(8, before=[make, odd]))
    yield "orient8_after_lost.jpg", with_app1(base, b"Exif\0\0" + exif(8, before=[lost]))
    yield "orient_cut.jpg", with_app1(base, b"Exif\0\0" + exif(3)[:14])
    yield "orient_twice.jpg", with_app1(with_app1(base, b"Exif\0\0" + exif(3)), b"Exif\0\0" + exif(5))
    yield "orient_xmp_first.jpg", with_app1(with_app1(base, b"Exif\0\0" + exif(3)),
                                            b"http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation=\"6\"/>")
    for orientation in range(1, 9):
        yield f"orient{orientation}.png", png(turned, 8, 2, before=[(b"eXIf", exif(orientation, "<>"[orientation % 2]))])
        yield f"orient{orientation}.webp", saved(turned, "WEBP", lossless=True, exif=b"Exif\0\0" + exif(orientation))
    yield "orient7_raw.webp", saved(turned, "WEBP", quality=90, exif=exif(7, ">"))
    raw = b"\nexif\n%8d\n" % (len(exif(6)) + 6) + (b"Exif\0\0" + exif(6)).hex().encode() + b"\n"
    xmp = b'<rdf:Description tiff:Orientation="5"/> tiff:Orientation="2"'
    element = b"tiff:Orientation <tiff:Orientation>8</tiff:Orientation>"
    key, xmp_key = b"Raw profile type exif\0", b"XML:com.adobe.xmp\0"
    texts = {
        "after": ([], [(b"eXIf", exif(3))]),
        "raw": ([(b"tEXt", key + raw)], []),
        "raw_packed": ([(b"zTXt", key + b"\0" + zlib.compress(raw))], []),
        "raw_and_exif": ([(b"tEXt", key + raw), (b"eXIf", exif(3))], []),
        "text_exif": ([(b"tEXt", b"exif\0" + exif(8))], []),
        "xmp": ([(b"iTXt", xmp_key + b"\0\0\0\0" + xmp)], []),
        "xmp_packed": ([(b"iTXt", xmp_key + b"\1\0en\0x\0" + zlib.compress(element))], []),
        "xmp_after": ([], [(b"tEXt", xmp_key + element)]),
        "xmp_and_exif": ([(b"iTXt", xmp_key + b"\0\0\0\0" + xmp), (b"eXIf", exif(9))], []),
        "two": ([(b"eXIf", exif(3)), (b"eXIf", exif(6))], []),
        "broken_texts": ([(b"iTXt", xmp_key + b"\1"), (b"zTXt", xmp_key), (b"tEXt", b"nothing")], []),
    }
    for name, (before, after) in texts.items():
        yield f"orient_{name}.png", png(turned, 8, 2, before=before, after=after)


# JPEG ---------------------------------------------------------------------------------------------------------------

SIZES = [(1, 1), (2, 3), (3, 1), (1, 50), (50, 1), (7, 5), (16, 16), (17, 33), (64, 48), (255, 256), (300, 200),
         (200, 300), (224, 224), (256, 256), (400, 256), (639, 427)]


def made_jpeg(width, height, space, sampling, restart=0, kind="baseline"):
    bands = {"gray": 1, "rgb": 3, "ycc": 3, "cmyk": 4, "ycck": 4}[space]
    command = [os.environ["MAKE_JPEG"], str(width), str(height), space, sampling, str(restart), kind]
    return subprocess.run(command, input=picture(width, height, bands).tobytes(), check=True, capture_output=True).stdout


def jpeg_files():
    for index, (width, height) in enumerate(SIZES):
        yield f"size_{width}x{height}.jpg", saved(picture(width, height), "JPEG", quality=60 + 2 * index)
    for subsampling in range(3):
        for progressive in (False, True):
            yield (f"sub{subsampling}{'_progressive' * progressive}.jpg",
                   saved(picture(101, 77), "JPEG", subsampling=subsampling, progressive=progressive, quality=85))
    yield "grey.jpg", saved(picture(90, 61, 1), "JPEG", quality=80)
    yield "grey_progressive.jpg", saved(picture(90, 61, 1), "JPEG", progressive=True)
    yield "cmyk.jpg", saved(picture(90, 61, 4), "JPEG", mode="CMYK", quality=90)
    yield "cmyk_progressive.jpg", saved(picture(61, 90, 4), "JPEG", mode="CMYK", progressive=True)
    for space, sampling, restart, kind in [
            ("ycck", "11111111", 0, "baseline"), ("ycck", "22111122", 0, "baseline"),
            ("ycck", "21111121", 3, "progressive"), ("cmyk", "11111111", 2, "baseline"),
            ("rgb", "111111", 0, "baseline"), ("rgb", "111111", 1, "progressive"), ("gray", "22", 0, "baseline"),
            ("ycc", "221111", 1, "baseline"), ("ycc", "221111", 5, "progressive"), ("ycc", "211111", 4, "arithmetic"),
            ("ycc", "411111", 0, "baseline"), ("ycc", "121111", 0, "baseline"), ("ycc", "212111", 0, "baseline"),
            ("ycc", "221212", 0, "baseline"), ("ycc", "222121", 0, "baseline"), ("ycc", "421111", 0, "baseline"),
            ("ycc", "112222", 0, "baseline"), ("ycc", "221111", 0, "scans"), ("ycc", "111111", 7, "scans"),
            ("gray", "11", 2, "arithmetic")]:
        yield f"{space}_{sampling}_r{restart}_{kind}.jpg", made_jpeg(83, 59, space, sampling, restart, kind)
    base = saved(picture(70, 50), "JPEG")
    yield "trailing.jpg", base + b"PK\3\4 and more" * 50
    yield "comment.jpg", base[:2] + b"\xFF\xFE" + struct.pack(">H", 65002) + b"x" * 65000 + base[2:]
    yield "fill.jpg", base[:2] + b"\xFF\xFF\xFF" + base[3:]


def oriented(jpeg, orientation):
    return with_app1(jpeg, b"Exif\0\0" + exif(orientation))


def large_jpeg_files():
    """Of which a crop shows a part alone: wide, tall, square; every usual sampling, and an unusual one."""
    for width, height in ((1501, 707), (703, 1597), (1033, 1100)):
        for space, sampling in (("ycc", "111111"), ("ycc", "211111"), ("ycc", "121111"), ("ycc", "221111"),
                                ("ycc", "411111"), ("rgb", "111111"), ("gray", "11")):
            for restart in (0, 1, 37):
                yield (f"large_{width}x{height}_{space}_{sampling}_r{restart}.jpg",
                       made_jpeg(width, height, space, sampling, restart))
    for sampling in ("221111", "211111"):
        base = made_jpeg(1279, 719, "ycc", sampling)
        for orientation in range(1, 9):
            yield f"large_{sampling}_orient{orientation}.jpg", oriented(base, orientation)


def random_jpeg(seed):
    """Any size from 700 to 1600, sampling, restart interval and orientation."""
    random = np.random.default_rng(seed)
    width, height, restart = random.integers(700, 1601), random.integers(700, 1601), random.integers(0, 200)
    space, sampling = [("ycc", "111111"), ("ycc", "211111"), ("ycc", "121111"), ("ycc", "221111"),
                       ("gray", "11")][random.integers(5)]
    return oriented(made_jpeg(width, height, space, sampling, restart if restart < 100 else 0),
                    random.integers(1, 9))


# PNG ----------------------------------------------------------------------------------------------------------------

ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(kind, data):
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def packed_rows(samples, depth):
    """[h, w, bands] whole numbers -> list of the rows' bytes at `depth` bits a sample."""
    flat = samples.reshape(samples.shape[0], -1)
    if depth == 16:
        return [row.astype(">u2").tobytes() for row in flat]
    bits = (flat[:, :, None] >> np.arange(depth - 1, -1, -1)) & 1
    return [np.packbits(row.reshape(-1).astype(np.uint8)).tobytes() for row in bits]


def filtered(rows, pixel_bytes):
    """Each row under another of the five filters."""
    before, out = bytes(len(rows[0])) if rows else b"", []
    for number, row in enumerate(rows):
        a = np.frombuffer(bytes(pixel_bytes) + row[:-pixel_bytes] if len(row) > pixel_bytes else bytes(len(row)),
                          np.uint8)[:len(row)].astype(int)
        b = np.frombuffer(before, np.uint8).astype(int)
        c = np.concatenate([np.zeros(pixel_bytes, int), b])[:len(row)]
        estimate = a + b - c
        distance = [abs(estimate - a), abs(estimate - b), abs(estimate - c)]
        paeth = np.where((distance[0] <= distance[1]) & (distance[0] <= distance[2]), a,
                         np.where(distance[1] <= distance[2], b, c))
        kind = number % 5
        prediction = [0 * a, a, b, (a + b) // 2, paeth][kind]
        out.append(bytes([kind]) + ((np.frombuffer(row, np.uint8).astype(int) - prediction) % 256).astype(np.uint8).tobytes())
        before = row
    return b"".join(out)


def png(samples, depth, color, interlace=False, palette=None, before=(), after=(), raw=None):
    height, width = samples.shape[:2]
    samples = samples.reshape(height, width, -1).astype(int)
    pixel_bytes = max(1, samples.shape[2] * depth // 8)
    passes = ADAM7 if interlace else [(0, 0, 1, 1)]
    parts = [samples[y::dy, x::dx] for x, y, dx, dy in passes]
    data = b"".join(filtered(packed_rows(part, depth), pixel_bytes) for part in parts if part.size)
    packed = zlib.compress(data if raw is None else raw, 9)
    header = struct.pack(">LLBBBBB", width, height, depth, color, 0, 0, int(interlace))
    chunks = [(b"IHDR", header)]
    if palette is not None:
        chunks.append((b"PLTE", palette.astype(np.uint8).tobytes()))
    half = len(packed) // 2
    chunks += [*before, (b"IDAT", packed[:half]), (b"IDAT", b""), (b"IDAT", packed[half:]), *after, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, body) for kind, body in chunks)


def png_files():
    random = np.random.default_rng(7)
    for interlace in (False, True):
        tail = "_interlaced" * interlace
        for depth in (1, 2, 4, 8, 16):
            grey = random.integers(0, 1 << depth, (43, 61, 1))
            yield f"grey{depth}{tail}.png", png(grey, depth, 0, interlace)
        for depth in (1, 2, 4, 8):
            index = random.integers(0, 1 << depth, (43, 61, 1))
            colors = random.integers(0, 256, (1 << depth, 3))
            yield f"palette{depth}{tail}.png", png(index, depth, 3, interlace, colors)
            if depth > 1:
                yield f"palette{depth}_short{tail}.png", png(index, depth, 3, interlace, colors[:(1 << depth) - 2])
        for depth in (8, 16):
            for color, bands in ((2, 3), (4, 2), (6, 4)):
                values = random.integers(0, 1 << depth, (43, 61, bands))
                yield f"type{color}_{depth}{tail}.png", png(values, depth, color, interlace)
        for width, height in ((1, 1), (1, 9), (9, 1), (5, 3), (8, 8), (3, 300)):
            yield f"size_{width}x{height}{tail}.png", png(picture(width, height), 8, 2, interlace)
    rgb = picture(47, 31)
    colors = random.integers(0, 256, (200, 3))
    index = random.integers(0, 200, (31, 47, 1))
    yield "palette_alpha.png", png(index, 8, 3, palette=colors, before=[(b"tRNS", bytes(range(0, 200, 2)))])
    yield "palette_one_alpha.png", png(index, 8, 3, palette=colors, before=[(b"tRNS", b"\xFF" * 5 + b"\0" + b"\xFF" * 9)])
    yield "rgb_key.png", png(rgb, 8, 2, before=[(b"tRNS", bytes([0, rgb[0, 0, 0], 0, rgb[0, 0, 1], 0, rgb[0, 0, 2]]))])
    yield "grey_key.png", png(rgb[:, :, :1], 8, 0, before=[(b"tRNS", bytes([0, rgb[0, 0, 0]]))])
    yield "grey1_key.png", png(rgb[:, :, :1] & 1, 1, 0, before=[(b"tRNS", b"\0\1")])
    yield "gamma.png", png(rgb, 8, 2, before=[(b"gAMA", struct.pack(">L", 100000)), (b"sRGB", b"\0")])
    yield "background.png", png(picture(47, 31, 4), 8, 6, before=[(b"bKGD", b"\0\x80\0\x80\0\x80"), (b"sBIT", b"\5\5\5\5")])
    yield "suggested.png", png(rgb, 8, 2, palette=colors)
    yield "profile.png", png(rgb, 8, 2, before=[(b"iCCP", b"p\0\0" + zlib.compress(b"no profile"))])
    yield "private.png", png(rgb, 8, 2, before=[(b"prVt", b"x" * 100)], after=[(b"tIME", b"\7\xE0\1\1\1\1\1")])
    yield "trailing.png", png(rgb, 8, 2) + b"<html>" * 99
    frame = struct.pack(">LLLLLHHBB", 0, 47, 31, 0, 0, 1, 10, 0, 0)
    yield "animated.png", png(rgb, 8, 2, before=[(b"acTL", struct.pack(">LL", 1, 0)), (b"fcTL", frame)])


# WebP ---------------------------------------------------------------------------------------------------------------


def riff(chunks):
    body = b"WEBP" + b"".join(kind + struct.pack("<L", len(data)) + data + b"\0" * (len(data) % 2)
                              for kind, data in chunks)
    return b"RIFF" + struct.pack("<L", len(body)) + body


def number24(value):
    return struct.pack("<L", value)[:3]


def animated_webp(canvas, place, frame, blend=False):
    """One frame, a still file, at `place` of a larger canvas."""
    data = frame[12:]
    size = Image.open(io.BytesIO(frame)).size
    head = (number24(place[0] // 2) + number24(place[1] // 2) + number24(size[0] - 1) + number24(size[1] - 1)
            + number24(100) + bytes([0 if blend else 2]))
    return riff([(b"VP8X", b"\x12\0\0\0" + number24(canvas[0] - 1) + number24(canvas[1] - 1)),
                 (b"ANIM", b"\x20\x40\x80\xFF\0\0"), (b"ANMF", head + data), (b"ANMF", head + data)])


def webp_files():
    rgb, rgba = picture(75, 53), picture(75, 53, 4)
    rgba[:20, :20, 3] = 0
    for width, height in ((1, 1), (2, 5), (17, 16), (130, 97)):
        yield f"size_{width}x{height}.webp", saved(picture(width, height), "WEBP", quality=75)
    yield "lossy.webp", saved(rgb, "WEBP", quality=50)
    yield "lossless.webp", saved(rgb, "WEBP", lossless=True)
    yield "alpha.webp", saved(rgba, "WEBP", quality=80)
    yield "alpha_lossless.webp", saved(rgba, "WEBP", lossless=True, exact=True)
    yield "alpha_exact.webp", saved(rgba, "WEBP", quality=80, exact=True)
    yield "grey.webp", saved(picture(75, 53, 1), "WEBP", quality=80)
    yield "profile.webp", saved(rgb, "WEBP", quality=80, icc_profile=b"nothing")
    frames = [Image.fromarray(picture(75, 53, 3, seed)) for seed in range(3)]
    data = io.BytesIO()
    frames[0].save(data, "WEBP", save_all=True, append_images=frames[1:], duration=40, background=(255, 0, 0, 255))
    yield "animated.webp", data.getvalue()
    yield "animated_place.webp", animated_webp((100, 80), (10, 6), saved(rgb, "WEBP", quality=70))
    yield "animated_blend.webp", animated_webp((100, 80), (24, 20), saved(rgba, "WEBP", lossless=True, exact=True), True)
    yield "trailing.webp", saved(rgb, "WEBP", quality=50) + b"more" * 40


# BMP ----------------------------------------------------------------------------------------------------------------


def bmp(samples, bits, header=40, palette=None, masks=None, top_down=False, gap=0, colors=None, offset=None):
    """`samples` [h, w] of whole pixel values; `palette` [n, 3] as RGB."""
    height, width = samples.shape[:2]
    if bits < 8:
        rows = packed_rows(samples[:, :, None].astype(int), bits)
    else:
        rows = [row.astype("<u4").view(np.uint8).reshape(-1, 4)[:, :bits // 8].tobytes() for row in samples]
    rows = [row + b"\0" * (-len(row) % 4) for row in rows]
    body = b"".join(rows if top_down else rows[::-1])
    entries = b""
    if palette is not None:
        entries = b"".join(bytes([b, g, r]) + b"\0" * (header != 12) for r, g, b in palette)
    mask_bytes = struct.pack(f"<{len(masks)}L", *masks) if masks else b""
    if header == 12:
        head = struct.pack("<LHHHH", 12, width, height, 1, bits)
    else:
        head = struct.pack("<LllHHLLllLL", header, width, -height if top_down else height, 1, bits,
                           3 if masks else 0, len(body), 2835, 2835,
                           colors if colors is not None else (len(palette) if palette is not None else 0), 0)
        if header > 40:
            head = (head + mask_bytes).ljust(header, b"\0")
            mask_bytes = b""
    start = 14 + len(head) + len(mask_bytes) + len(entries) + gap
    at = start if offset is None else offset
    return (b"BM" + struct.pack("<LHHL", start + len(body), 0, 0, at) + head + mask_bytes + entries + b"\0" * gap + body)


def bmp_files():
    random = np.random.default_rng(9)
    rgb = picture(37, 29).astype(np.uint32)
    packed = rgb[:, :, 2] | rgb[:, :, 1] << 8 | rgb[:, :, 0] << 16
    for bits in (1, 4, 8):
        index = random.integers(0, 1 << bits, (29, 37))
        colors = random.integers(0, 256, (1 << bits, 3))
        grey = np.repeat(np.linspace(0, 255, 1 << bits).astype(int)[:, None], 3, axis=1)
        yield f"palette{bits}.bmp", bmp(index, bits, palette=colors)
        yield f"palette{bits}_grey.bmp", bmp(index, bits, palette=grey)
        yield f"palette{bits}_down.bmp", bmp(index, bits, palette=colors, top_down=True)
        yield f"palette{bits}_old.bmp", bmp(index, bits, 12, palette=colors)
        yield f"palette{bits}_v5.bmp", bmp(index, bits, 124, palette=colors)
        yield f"palette{bits}_gap.bmp", bmp(index, bits, palette=colors, gap=10)
        yield f"palette{bits}_zero.bmp", bmp(index, bits, palette=colors, colors=0)
    colors = random.integers(0, 256, (100, 3))
    yield "palette8_short.bmp", bmp(random.integers(0, 100, (29, 37)), 8, palette=colors)
    yield "palette8_beyond.bmp", bmp(random.integers(0, 256, (29, 37)), 8, palette=colors)
    yield "palette4_short.bmp", bmp(random.integers(0, 10, (29, 37)), 4, palette=colors[:10])
    yield "palette8_offset_palette.bmp", bmp(random.integers(0, 100, (29, 37)), 8, palette=colors, offset=54)
    yield "palette8_offset_none.bmp", bmp(random.integers(0, 100, (29, 37)), 8, palette=colors, offset=0)
    for header in (12, 40, 64, 108, 124):
        yield f"rgb24_{header}.bmp", bmp(packed, 24, header)
        yield f"rgb16_{header}.bmp", bmp(random.integers(0, 1 << 15, (29, 37)), 16, header)
        yield f"rgb32_{header}.bmp", bmp(packed | 0x7F000000, 32, header)
    yield "rgb24_down.bmp", bmp(packed, 24, top_down=True)
    yield "rgb24_gap.bmp", bmp(packed, 24, gap=100)
    wide = random.integers(0, 1 << 16, (29, 37))
    yield "rgb565.bmp", bmp(wide, 16, masks=(0xF800, 0x7E0, 0x1F))
    yield "rgb565_v4.bmp", bmp(wide, 16, 108, masks=(0xF800, 0x7E0, 0x1F, 0))
    yield "rgb555.bmp", bmp(wide, 16, masks=(0x7C00, 0x3E0, 0x1F))
    full = random.integers(0, 1 << 32, (29, 37))
    for number, masks in enumerate([(0xFF0000, 0xFF00, 0xFF, 0), (0xFF000000, 0xFF0000, 0xFF00, 0),
                                    (0xFF000000, 0xFF0000, 0xFF00, 0xFF), (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
                                    (0xFF0000, 0xFF00, 0xFF, 0xFF000000), (0, 0, 0, 0)]):
        yield f"masks{number}.bmp", bmp(full, 32, 124, masks=masks)
    yield "masks_short.bmp", bmp(full, 32, masks=(0xFF0000, 0xFF00, 0xFF))
    yield "masks24.bmp", bmp(packed, 24, 124, masks=(0xFF0000, 0xFF00, 0xFF, 0))
    for width, height in ((1, 1), (2, 1), (3, 7), (301, 2)):
        yield f"size_{width}x{height}.bmp", saved(picture(width, height), "BMP")
    yield "pil_1.bmp", saved(picture(37, 29, 1) > 127, "BMP")
    yield "pil_l.bmp", saved(picture(37, 29, 1), "BMP")
    yield "pil_rgba.bmp", saved(picture(37, 29, 4), "BMP")
    yield "no_last_padding.bmp", bmp(packed, 24)[:-1]
    yield "trailing.bmp", bmp(packed, 24) + b"junk" * 30


# GIF ----------------------------------------------------------------------------------------------------------------


def lzw(indices, bits, clears=True):
    """Data blocks of one code a pixel. With `clears` the table never grows past its first code width; without it
    fills and stays full."""
    clear, out, pending, count = 1 << bits, bytearray(), 0, 0
    width, entries = bits + 1, (1 << bits) + 2

    def put(code):
        nonlocal pending, count
        pending |= code << count
        count += width
        while count >= 8:
            out.append(pending & 255)
            pending >>= 8
            count -= 8

    for number, index in enumerate(indices):
        if number == 0 or (clears and number % (clear - 2) == 0):
            put(clear)
        put(int(index))
        if not clears and number > 0:
            entries += 1
            width = min(12, max(width, entries.bit_length()))
    put(clear + 1)
    if count:
        out.append(pending)
    blocks = b"".join(bytes([len(out[at:at + 255])]) + out[at:at + 255] for at in range(0, len(out), 255))
    return bytes([bits]) + blocks + b"\0"


def gif_frame(index, place=(0, 0), palette=None, interlace=False, bits=8, clears=True):
    height, width = index.shape
    flags, colors = 0x40 if interlace else 0, b""
    if palette is not None:
        flags |= 0x80 | (len(palette).bit_length() - 2)
        colors = palette.astype(np.uint8).tobytes()
    rows = index
    if interlace:
        rows = np.concatenate([index[0::8], index[4::8], index[2::4], index[1::2]])
    return (b"," + struct.pack("<HHHHB", *place, width, height, flags) + colors + lzw(rows.reshape(-1), bits, clears))


def gif(screen, frames, palette=None, background=0, transparent=None, version=b"89a"):
    flags, colors = 0x70, b""
    if palette is not None:
        flags |= 0x80 | (len(palette).bit_length() - 2)
        colors = palette.astype(np.uint8).tobytes()
    control = b"" if transparent is None else b"!\xF9\4\1\0\0" + bytes([transparent]) + b"\0"
    return (b"GIF" + version + struct.pack("<HHBBB", *screen, flags, background, 0) + colors + control
            + b"".join(frames) + b";")


def gif_files():
    random = np.random.default_rng(5)
    colors = random.integers(0, 256, (256, 3))
    other = random.integers(0, 256, (256, 3))
    index = random.integers(0, 256, (31, 45))
    small = random.integers(0, 16, (31, 45))
    yield "global.gif", gif((45, 31), [gif_frame(index)], colors)
    yield "local.gif", gif((45, 31), [gif_frame(index, palette=other)], colors)
    yield "local_only.gif", gif((45, 31), [gif_frame(index, palette=other)])
    yield "no_palette.gif", gif((45, 31), [gif_frame(index)])
    yield "ramp.gif", gif((45, 31), [gif_frame(index)], np.repeat(np.arange(256)[:, None], 3, 1))
    yield "short.gif", gif((45, 31), [gif_frame(small, bits=4)], colors[:8])
    yield "two_colors.gif", gif((45, 31), [gif_frame(small & 1, bits=2)], colors[:2])
    yield "interlaced.gif", gif((45, 31), [gif_frame(index, interlace=True)], colors)
    for height in (1, 2, 3, 5):
        yield f"interlaced_{height}.gif", gif((45, height), [gif_frame(index[:height], interlace=True)], colors)
    yield "transparent.gif", gif((45, 31), [gif_frame(index)], colors, transparent=index[3, 3])
    yield "smaller.gif", gif((60, 50), [gif_frame(index, (7, 11))], colors, background=9)
    yield "smaller_transparent.gif", gif((60, 50), [gif_frame(index, (7, 11))], colors, 9, transparent=77)
    yield "smaller_local.gif", gif((60, 50), [gif_frame(index, (7, 11), other)], colors, 9)
    yield "beyond.gif", gif((20, 40), [gif_frame(index, (3, 2))], colors)
    yield "two_frames.gif", gif((45, 31), [gif_frame(index), gif_frame(index[::-1])], colors)
    comment = b"!\xFE\5hello\3abc\0!\xFF\x0BNETSCAPE2.0\3\1\0\0\0!\1\2xx\0"
    yield "extensions.gif", gif((45, 31), [comment, b"\0\0", gif_frame(index)], colors, transparent=3)
    yield "old_version.gif", gif((45, 31), [gif_frame(index)], colors, version=b"87a")
    yield "trailing.gif", gif((45, 31), [gif_frame(index)], colors) + b"/*" * 100
    yield "no_trailer.gif", gif((45, 31), [gif_frame(index)], colors)[:-1]
    yield "no_terminator.gif", gif((45, 31), [gif_frame(index)], colors)[:-2]
    full = random.integers(0, 256, (70, 70))
    yield "full_table.gif", gif((70, 70), [gif_frame(full, clears=False)], colors)
    for width, height in ((1, 1), (3, 200), (320, 240)):
        waves = (picture(width, height, 1, seed=3) // 4)[:, :, 0]
        yield f"pil_{width}x{height}.gif", saved(waves, "GIF")
    quantised, data = Image.fromarray(picture(120, 90)).quantize(64), io.BytesIO()
    quantised.save(data, "GIF", interlace=1)
    yield "pil_palette.gif", data.getvalue()
    frames, data = [Image.fromarray(picture(60, 40, 3, seed)).quantize(32) for seed in range(3)], io.BytesIO()
    frames[0].save(data, "GIF", save_all=True, append_images=frames[1:], transparency=4, disposal=2)
    yield "pil_animated.gif", data.getvalue()


def all_files():
    files = {}
    for source in (jpeg_files, png_files, webp_files, bmp_files, gif_files, orientation_files):
        for name, data in source():
            assert name not in files, name
            files[name] = data
    return files
