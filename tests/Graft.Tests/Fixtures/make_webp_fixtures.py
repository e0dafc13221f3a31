#!/usr/bin/env python3
"""Makes webp/ with Pillow, the implementation that Graft's pictures are compared with. Needs Pillow with WebP only.

    python3 make_webp_fixtures.py

webp/<name>.webp is an input, webp/<name>.webp.expected.png what Pillow reads of it, in the mode that webp/modes.json names.
bad_*.webp are to be refused.
"""
import json, math, os, random, struct
from PIL import Image, __version__, features

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "webp")
random.seed(20240811)


def picture(mode, w, h, phase=0):
    n = len(mode)
    out = bytearray()
    for y in range(h):
        for x in range(w):
            for c in range(n):
                v = int(127.5 + 127.5 * math.sin((x * (c + 1) + y * 2 + phase) / 5))
                if random.random() < 0.05:
                    v = random.choice((0, 255))
                if mode == "RGBA" and c == 3:
                    v = random.choice((0, 255, v)) if random.random() < 0.2 else max(0, min(255, x * 9))
                out.append(v)
    return Image.frombytes(mode, (w, h), bytes(out))


def at(name):
    return os.path.join(here, name)


def chunk(name, body):
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)


def riff(chunks):
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def good():
    rgb, rgba = picture("RGB", 45, 31), picture("RGBA", 37, 23)
    rgb.save(at("lossy.webp"), quality=80)
    rgb.save(at("lossy_low.webp"), quality=5, method=6)
    rgb.save(at("lossless.webp"), lossless=True)
    rgba.save(at("lossy_alpha.webp"), quality=70, alpha_quality=60)
    rgba.save(at("lossless_alpha.webp"), lossless=True)
    rgba.save(at("lossless_alpha_exact.webp"), lossless=True, exact=True)
    picture("RGB", 1, 1).save(at("one_pixel.webp"), quality=90)
    picture("RGBA", 1, 7).save(at("one_column.webp"), lossless=True, exact=True)
    picture("RGB", 33, 1).save(at("one_row.webp"), quality=60)
    Image.new("RGB", (300, 200), (9, 200, 77)).save(at("flat.webp"), lossless=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb.save(at("orientation6.webp"), quality=75, exif=exif.tobytes())
    turned = Image.Exif()
    turned[0x0112] = 8
    rgba.save(at("orientation8_alpha.webp"), lossless=True, exif=turned.tobytes())
    # EXIF without JPEG's prefix, as the format's own description has it.
    whole = open(at("orientation6.webp"), "rb").read()
    where = whole.index(b"EXIF")
    body = whole[where + 8:where + 8 + struct.unpack("<I", whole[where + 4:where + 8])[0]]
    other = body[6:] if body.startswith(b"Exif\0\0") else b"Exif\0\0" + body
    open(at("orientation6_other_prefix.webp"), "wb").write(riff(whole[12:where] + chunk(b"EXIF", other)))
    frames = [picture("RGB", 24, 17, 3 * i) for i in range(3)]
    frames[0].save(at("animated.webp"), save_all=True, append_images=frames[1:], duration=50, quality=70)
    # A first frame of 10 x 7 at (4, 6) of a canvas of 24 x 17: transparent around it.
    part = picture("RGBA", 10, 7)
    part.save(at("part.tmp.webp"), lossless=True, exact=True)
    lossless = open(at("part.tmp.webp"), "rb").read()[12:]
    os.remove(at("part.tmp.webp"))
    if lossless.startswith(b"VP8X"):
        lossless = lossless[18:]
    u24 = lambda v: struct.pack("<I", v)[:3]
    frame = u24(2) + u24(3) + u24(9) + u24(6) + u24(40) + b"\0" + lossless
    head = bytes([0x12, 0, 0, 0]) + u24(23) + u24(16)
    open(at("animated_part.webp"), "wb").write(
        riff(chunk(b"VP8X", head) + chunk(b"ANIM", struct.pack("<IH", 0xFFFFFFFF, 0)) + chunk(b"ANMF", frame) * 2))

    modes = {}
    for name in sorted(os.listdir(here)):
        if not name.endswith(".webp") or name.startswith("bad_"):
            continue
        image = Image.open(at(name))
        image.load()
        modes[name] = image.mode
        image.save(at(name + ".expected.png"), optimize=True)
    json.dump({"pillow": __version__, "libwebp": features.version("webp"), "modes": modes}, open(at("modes.json"), "w"), indent=2)
    open(at("modes.json"), "a").write("\n")


def bad():
    lossy, lossless = open(at("lossy.webp"), "rb").read(), open(at("lossless.webp"), "rb").read()
    animated = open(at("animated.webp"), "rb").read()
    def write(name, data):
        open(at(f"bad_{name}.webp"), "wb").write(data)
    write("truncated_lossy", lossy[:len(lossy) // 2])
    write("truncated_lossless", lossless[:len(lossless) // 2])
    write("truncated_animated", animated[:len(animated) // 2])
    write("header_only", lossy[:12])
    write("garbage", b"RIFF" + struct.pack("<I", 600) + b"WEBP" + random.randbytes(596))
    write("empty_riff", riff(b""))
    # Whole containers around data that are cut: only the decoder can tell.
    body = lossy[20:20 + 300]
    write("short_lossy", riff(chunk(b"VP8 ", body)))
    write("short_lossless", riff(chunk(b"VP8L", lossless[20:20 + 100])))
    # 12000 x 12000 lossy in a few hundred bytes; lossless above the limit of pixels, and below it.
    huge = bytearray(body)
    huge[6:10] = struct.pack("<HH", 12000, 12000)
    write("huge_lossy", riff(chunk(b"VP8 ", bytes(huge))))
    for side in (16384, 13000):
        bits = (side - 1) | (side - 1) << 14
        write(f"huge_lossless_{side}", riff(chunk(b"VP8L", b"\x2f" + struct.pack("<I", bits) + bytes(40))))
    canvas = bytes([2, 0, 0, 0]) + struct.pack("<I", 9999)[:3] + struct.pack("<I", 9999)[:3]
    at_frames = animated.index(b"ANIM")
    write("huge_animated", riff(chunk(b"VP8X", canvas) + animated[at_frames:]))
    # The canvas and the picture on it are of different sizes.
    still = bytes([0, 0, 0, 0]) + struct.pack("<I", 99)[:3] + struct.pack("<I", 99)[:3]
    write("contradicting", riff(chunk(b"VP8X", still) + lossy[12:]))


os.makedirs(here, exist_ok=True)
good()
bad()
