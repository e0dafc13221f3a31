#!/usr/bin/env python3
"""Makes resize/ and decode/ with Pillow, the implementation that Graft's pictures are compared with. Needs Pillow only.

    python3 make_fixtures.py

resize/<mode>.png is an input, resize/<mode>.<filter>.<width>x<height>.png what Pillow makes of it; resize/plane.bin is a
37 x 23 plane of float32, resize/plane.<filter>.<width>x<height>.bin the same in mode F.
decode/<name>.png|jpg is an input, decode/<name>.expected.png what Pillow reads (converted to the mode in the JSON).
"""
import io, json, math, os, random, struct, zlib
from PIL import Image, __version__

here = os.path.dirname(os.path.abspath(__file__))
random.seed(20240607)
FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR,
           "box": Image.Resampling.BOX, "lanczos": Image.Resampling.LANCZOS}


def pixels(mode, w, h):
    n = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}[mode]
    out = bytearray()
    for y in range(h):
        for x in range(w):
            for c in range(n):
                wave = 127.5 + 127.5 * math.sin((x * (c + 1) + y * 2) / 5)
                v = random.choice((0, 255)) if random.random() < 0.3 else int(wave)
                if mode in ("LA", "RGBA") and c == n - 1:
                    v = random.choice((0, 0, 255, 255, v))
                out.append(v)
    return bytes(out)


def save(image, *name):
    image.save(os.path.join(here, *name), optimize=True)


def resize():
    for mode in ("L", "LA", "RGB", "RGBA"):
        image = Image.frombytes(mode, (37, 23), pixels(mode, 37, 23))
        save(image, "resize", f"{mode}.png")
        sizes = [(16, 16), (64, 40), (37, 10), (5, 23), (1, 1), (100, 7)]
        for size in sizes:
            save(image.resize(size, FILTERS["bicubic"]), "resize", f"{mode}.bicubic.{size[0]}x{size[1]}.png")
        for name in ("bilinear", "box", "lanczos"):
            for size in ((16, 16), (64, 40)):
                save(image.resize(size, FILTERS[name]), "resize", f"{mode}.{name}.{size[0]}x{size[1]}.png")
        if mode in ("LA", "RGBA"):
            over = Image.new("RGB", image.size, (200, 30, 77))
            over.paste(image.convert("RGB"), mask=image.getchannel("A"))
            save(over, "resize", f"{mode}.over.png")
        if mode == "RGB":
            save(image.convert("L"), "resize", "RGB.grey.png")
    values = [random.uniform(-50, 300) for _ in range(37 * 23)]
    data = struct.pack(f"<{len(values)}f", *values)
    plane = Image.frombytes("F", (37, 23), data)
    open(os.path.join(here, "resize", "plane.bin"), "wb").write(data)
    for name, size in (("bicubic", (16, 16)), ("bicubic", (50, 31)), ("bicubic", (37, 9)), ("lanczos", (12, 30))):
        out = plane.resize(size, FILTERS[name])
        open(os.path.join(here, "resize", f"plane.{name}.{size[0]}x{size[1]}.bin"), "wb").write(out.tobytes())


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(w, h, depth, colour, rows, extra=b"", interlace=0):
    """rows: the filtered scanlines (of all passes, if interlaced)."""
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, interlace)) + extra
            + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def bits(w, h, per_pixel):
    row = (w * per_pixel + 7) // 8
    return b"".join(b"\0" + bytes(random.randrange(256) for _ in range(row)) for _ in range(h))


def adam7(w, h, n):
    at = lambda x, y: bytes((x * 9 + y * 5 + c * 60) % 256 for c in range(n))
    out = b""
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        for y in range(y0, h, dy):
            if x0 < w:
                out += b"\0" + b"".join(at(x, y) for x in range(x0, w, dx))
    return out


def decode():
    w, h = 19, 13
    palette = lambda n: chunk(b"PLTE", bytes(random.randrange(256) for _ in range(3 * n)))
    files = {
        "grey1.png": ("L", png(w, h, 1, 0, bits(w, h, 1))),
        "grey2.png": ("L", png(w, h, 2, 0, bits(w, h, 2))),
        "grey4.png": ("L", png(w, h, 4, 0, bits(w, h, 4))),
        "grey8.png": ("L", png(w, h, 8, 0, bits(w, h, 8))),
        "grey8_transparent.png": ("LA", png(w, h, 8, 0, adam7(w, h, 1), chunk(b"tRNS", struct.pack(">H", 45)), 1)),
        "grey_alpha.png": ("LA", png(w, h, 8, 4, bits(w, h, 16))),
        "palette1.png": ("RGB", png(w, h, 1, 3, bits(w, h, 1), palette(2))),
        "palette2.png": ("RGB", png(w, h, 2, 3, bits(w, h, 2), palette(4))),
        "palette4.png": ("RGB", png(w, h, 4, 3, bits(w, h, 4), palette(16))),
        "palette8.png": ("RGB", png(w, h, 8, 3, bits(w, h, 8), palette(256))),
        "palette8_transparent.png": ("RGBA", png(w, h, 8, 3, bits(w, h, 8), palette(256) + chunk(b"tRNS", bytes(range(0, 250, 7))))),
        "rgb8.png": ("RGB", png(w, h, 8, 2, bits(w, h, 24))),
        "rgb8_gamma.png": ("RGB", png(w, h, 8, 2, bits(w, h, 24), chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(b"sRGB", b"\0"))),
        "rgb8_transparent.png": ("RGBA", png(w, h, 8, 2, adam7(w, h, 3), chunk(b"tRNS", struct.pack(">3H", 9, 69, 129)), 1)),
        "rgb8_interlaced.png": ("RGB", png(w, h, 8, 2, adam7(w, h, 3), b"", 1)),
        "rgb16.png": ("RGB", png(w, h, 16, 2, bits(w, h, 48))),
        "rgba8.png": ("RGBA", png(w, h, 8, 6, bits(w, h, 32))),
        "rgba16.png": ("RGBA", png(w, h, 16, 6, bits(w, h, 64))),
    }
    photo = Image.frombytes("RGB", (61, 45), pixels("RGB", 61, 45)).resize((45, 61), FILTERS["bilinear"])
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, image, options in (
            ("jpeg_grey.jpg", photo.convert("L"), {}), ("jpeg_420.jpg", photo, {"subsampling": 2}),
            ("jpeg_422.jpg", photo, {"subsampling": 1}), ("jpeg_444.jpg", photo, {"subsampling": 0}),
            ("jpeg_progressive.jpg", photo, {"progressive": True}), ("jpeg_orientation6.jpg", photo, {"exif": exif})):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=80, **options)
        files[name] = (image.mode, buffer.getvalue())
    # Inks without and with black; then the same bytes said to be YCCK, by the last byte of Adobe's segment.
    cyan, magenta, yellow, _ = photo.convert("CMYK").split()
    inks = Image.merge("CMYK", (cyan, magenta, yellow, photo.convert("L").rotate(180)))
    for name, image in (("cmyk.jpg", photo.convert("CMYK")), ("cmyk_black.jpg", inks)):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG")
        files[name] = ("RGB", buffer.getvalue())
    adobe = bytearray(files["cmyk_black.jpg"][1])
    adobe[adobe.index(b"Adobe") + 11] = 2
    files["ycck.jpg"] = ("RGB", bytes(adobe))
    modes = {}
    for name, (mode, data) in files.items():
        open(os.path.join(here, "decode", name), "wb").write(data)
        image = Image.open(io.BytesIO(data))
        image.load()
        save(image.convert(mode), "decode", name + ".expected.png")
        modes[name] = mode
    with open(os.path.join(here, "decode", "modes.json"), "w") as f:
        json.dump({"pillow": __version__, "modes": modes}, f, indent=2)
        f.write("\n")


resize()
decode()
