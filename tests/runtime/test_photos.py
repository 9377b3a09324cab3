"""Image files of every kind, as a person sees them, and those that cannot be read."""

import zlib

import numpy as np
import pytest
from PIL import Image

from archspec_runtime.data.encoded import EncodedSplit
from archspec_runtime.data.sources import Files, Names
from archspec_runtime.errors import DataError
from archspec_runtime.images.decoding import Photo
from making import BLUE, RED, WHITE, halves


def palette(path, transparency=0):
    image = Image.new("P", (16, 8), 0)
    image.putpalette([*RED, *BLUE, *(0,) * 762])
    image.paste(1, (8, 0, 16, 8))
    image.save(path, **({} if transparency is None else {"transparency": transparency}))


def turned(orientation):
    def save(path):
        exif = Image.Exif()
        exif[0x0112] = orientation
        halves().save(path, quality=100, subsampling=0, exif=exif)

    return save


def sixteen_bit(dtype):
    def save(path):
        values = np.full((8, 16), 0x8000, dtype)
        values[:, 8:] = 0xFFFF
        image = Image.fromarray(values.astype("<u2"))
        if dtype != "<u2":
            image = Image.frombytes("I;16B", (16, 8), values.tobytes())
        (image.convert("I") if path.suffix == ".pgm" else image).save(path)

    return save


IMAGES = {  # how a file is made, its size, and its colours near the first and the last pixel
    "grey.png": (lambda p: halves(77, 200, "L").save(p), (16, 8), (77,) * 3, (200,) * 3),
    "bit.png": (lambda p: halves(0, 1, "1").save(p), (16, 8), (0, 0, 0), WHITE),
    "cmyk.jpg": (lambda p: halves((0, 255, 255, 0), (255, 255, 0, 0), "CMYK").save(p, quality=100), (16, 8),
                 RED, BLUE),
    "clear.png": (palette, (16, 8), WHITE, BLUE),
    "half.png": (lambda p: halves((255, 0, 0, 0), (0, 0, 255, 255), "RGBA").save(p), (16, 8), WHITE, BLUE),
    "grey_clear.png": (lambda p: halves((9, 0), (9, 255), "LA").save(p), (16, 8), WHITE, (9, 9, 9)),
    "turned_left.jpg": (turned(6), (8, 16), RED, BLUE),
    "upside_down.jpg": (turned(3), (16, 8), BLUE, RED),
    "moving.gif": (lambda p: halves().save(p, save_all=True, append_images=[halves(BLUE, RED)]),
                   (16, 8), RED, BLUE),
    "moving.webp": (lambda p: halves().save(p, lossless=True, save_all=True, append_images=[halves(BLUE, RED)]),
                    (16, 8), RED, BLUE),
    "deep.png": (sixteen_bit("<u2"), (16, 8), (128,) * 3, WHITE),
    "deep.tiff": (sixteen_bit(">u2"), (16, 8), (128,) * 3, WHITE),
    "deep.pgm": (sixteen_bit("<u2"), (16, 8), (128,) * 3, WHITE),
    "palette.png": (lambda p: palette(p, None), (16, 8), RED, BLUE),
    "palette.gif": (palette, (16, 8), WHITE, BLUE),
    "part_clear.png": (lambda p: palette(p, bytes([0, 128])), (16, 8), WHITE, (127, 127, 255)),
    "one_clear_colour.png": (lambda p: halves().save(p, transparency=RED), (16, 8), WHITE, BLUE),
    "one_clear_grey.png": (lambda p: halves(10, 200, "L").save(p, transparency=10), (16, 8), WHITE, (200,) * 3),
    "bit.pbm": (lambda p: halves(0, 1, "1").save(p, "PPM"), (16, 8), (0, 0, 0), WHITE),
    "print.tiff": (lambda p: halves((0, 255, 255, 0), (255, 255, 0, 0), "CMYK").save(p), (16, 8), RED, BLUE),
    "video.tiff": (lambda p: halves().convert("YCbCr").save(p), (16, 8), RED, BLUE),
    "grey_clear.tiff": (lambda p: halves((9, 0), (9, 255), "LA").save(p), (16, 8), WHITE, (9, 9, 9)),
    "misnamed.png": (lambda p: halves().save(p, "BMP"), (16, 8), RED, BLUE),
}  # fmt: skip


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_read_as_a_person_sees_it(name, tmp_path):
    save, size, first, last = IMAGES[name]
    save(tmp_path / name)
    image = Photo.open((tmp_path / name).read_bytes(), name, 3).image()
    assert (image.mode, image.size) == ("RGB", size)
    np.testing.assert_allclose(image.getpixel((1, 1)), first, atol=3)
    np.testing.assert_allclose(image.getpixel((size[0] - 2, size[1] - 2)), last, atol=3)
    grey = Photo.open((tmp_path / name).read_bytes(), name, 1).image()
    assert (grey.mode, grey.size) == ("L", size)


@pytest.mark.parametrize(
    ("name", "mode", "says"),
    [
        ("float.tiff", "F", "32-bit floating-point numbers"),
        ("float.pfm", "F", "32-bit floating-point numbers"),
        ("whole.tiff", "I", "32-bit whole numbers"),
        ("lab.tiff", "LAB", r"L\*a\*b\*"),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_of_which_nobody_knows_what_is_white_are_named_and_not_shown_black(
    name, mode, says, channels, tmp_path
):
    path = tmp_path / name
    first, last = {"F": (0.0, 255.0), "I": (0, 255), "LAB": ((0, 0, 0), (255, 9, 9))}[mode]
    halves(first, last, mode).save(path, "PPM" if name.endswith("pfm") else "TIFF")
    photo = Photo.open(path.read_bytes(), name, channels)
    with pytest.raises(DataError, match=rf"{name} cannot be read as an image: .*{says}.*convert it"):
        photo.image()


def test_sixteen_bits_that_hold_eight_are_found_by_verification(tmp_path):
    path = tmp_path / "dark.png"
    Image.fromarray(np.full((8, 16), 200, np.uint16)).save(path)
    photo = Photo.open(path.read_bytes(), "dark.png", 3)
    assert photo.image().getpixel((0, 0)) == (0, 0, 0)  # the high byte
    with pytest.raises(DataError, match="all of its 16-bit values are below 256"):
        photo.verified()


def bomb(path):
    def chunk(kind, content):
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    size = (60_000).to_bytes(4, "big") * 2
    head = chunk(b"IHDR", size + b"\x08\x02\0\0\0")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b""))


def half_of(suffix):
    def save(path):
        halves(size=(64, 64)).save(path, suffix)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return save


@pytest.mark.parametrize(
    "damage",
    [half_of("JPEG"), half_of("PNG"), half_of("BMP"), bomb, lambda p: p.touch(), lambda p: p.mkdir(),
     lambda p: p.write_text("<html>404</html>"), lambda p: p.symlink_to("/nowhere")],
    ids=["jpeg", "png", "bmp", "bomb", "empty", "folder", "text", "link"],
)  # fmt: skip
def test_an_unreadable_image_is_named_with_a_remedy(damage, tmp_path, monkeypatch):
    monkeypatch.setattr("archspec_runtime.data.sources.PATIENCE", (0.01, 0.01))
    damage(tmp_path / "photo.jpg")
    with pytest.raises(DataError, match=r"photo\.jpg cannot be read as an image") as caught:
        EncodedSplit.of(Files(tmp_path, Names.of(["photo.jpg"])), np.zeros(1, np.int64), 3).image(0)
    assert caught.value.hint
