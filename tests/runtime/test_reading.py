"""Photos on their way from files to pixels: the same numbers whoever reads them, at every size."""

import contextlib
import io
import tarfile
import threading

import numpy as np
import pytest
from PIL import Image

from archspec_runtime.augment.single import transform
from archspec_runtime.batches.normalization import measure
from archspec_runtime.batches.order import evaluation_batches
from archspec_runtime.data.splits import open_dataset
from archspec_runtime.errors import DataError, RunError
from archspec_runtime.images import libraries, resampling
from archspec_runtime.images.decoding import Photo
from archspec_runtime.images.geometry import Window
from archspec_runtime.recipe.augmentations import PcaLighting, RandomCrop, ResizeShorter
from archspec_runtime.recipe.images import Data
from conftest import SHARED
from photographs import AUGMENT, SHAPE, as_folder, batches, photograph


@pytest.fixture
def photos(tmp_path):
    return as_folder(tmp_path / "photos")


def test_a_window_is_what_resizing_all_and_cropping_gives():
    photo = Photo.open(photograph(1), "x", 3)
    for side, left, top in ((30, 3, 9), (45, 0, 0), (61, 40, 13)):
        whole = photo.image()
        size = (round(whole.width * side / 45), side)
        slow = np.asarray(whole.resize(size, Image.Resampling.BILINEAR))[top : top + 16, left : left + 16]
        window = Window.whole(*photo.size).shorter_side(side).cropped(left, top, 16, 16)
        fast = photo.view(window)
        assert np.abs(fast.astype(int) - slow).max() <= 1, side


def test_a_crop_before_resizing_hides_the_rest_from_the_filter():
    photo = Photo.open(photograph(2), "x", 3)
    expected = photo.image().crop((7, 5, 47, 35)).resize((16, 16), Image.Resampling.BILINEAR)
    seen = photo.view(Window.whole(*photo.size).cropped(7, 5, 40, 30).resized(16, 16), "pillow")
    np.testing.assert_array_equal(seen, np.asarray(expected))
    untouched = photo.view(Window.whole(*photo.size).cropped(7, 5, 40, 30))
    np.testing.assert_array_equal(untouched, np.asarray(photo.image().crop((7, 5, 47, 35))))


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [False, True])
def test_both_decoders_give_the_same_pixels_at_every_size(subsampling, progressive, monkeypatch):
    pytest.importorskip("simplejpeg")
    made = [photograph(i, size, 85, subsampling=subsampling, progressive=progressive)
            for i, size in enumerate([(500, 375), (333, 501), (97, 64)])]  # fmt: skip
    for raw in [*made, grey()]:
        photo = Photo.open(raw, "x", 3)
        for width in (photo.size[0], 100, 60, 40, 16):
            window = Window.whole(*photo.size).resized(width, max(1, photo.size[1] * width // photo.size[0]))
            found = []
            for without in (None, "simplejpeg"):
                leave_out(monkeypatch, without)
                found.append(photo.view(window))
            np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("saved", [{"subsampling": "4:4:4"}, {"subsampling": "4:2:2"}, {"subsampling": "4:2:0"},
                                   {"restart_marker_blocks": 5}, {"progressive": True}], ids=str)  # fmt: skip
def test_what_lies_below_a_crop_need_not_be_decoded(saved, monkeypatch):
    simplejpeg = pytest.importorskip("simplejpeg")
    pytest.importorskip("cv2")
    photo = Photo.open(photograph(5, (161, 402), 85, **saved), "x", 3)
    whole, random = Window.whole(*photo.size), np.random.default_rng(0)
    decoded = []
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda raw, *a, decode=simplejpeg.decode_jpeg, **kw: (
        decoded.append(Image.open(io.BytesIO(raw)).height), decode(raw, *a, **kw))[1])  # fmt: skip
    for _ in range(40):
        width, height, side = random.integers(8, 150), random.integers(8, 300), random.integers(8, 90)
        left, top = random.integers(0, photo.size[0] - width), random.integers(0, photo.size[1] - height)
        cut = whole.cropped(left, top, width, height)
        later = whole.shorter_side(int(side)).cropped(3, int(top * side / 161), int(side - 5), 5)
        for window, resizing in ((cut, "fastest"), (cut.resized(31, 33), "fastest"), (later, "pillow"),
                                 (cut.resized(20, 40), "plain")):  # fmt: skip
            for how in (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC):
                found = []
                for without in (None, "simplejpeg"):
                    leave_out(monkeypatch, without)
                    found.append(photo.view(window, resizing, how))
                np.testing.assert_array_equal(*found)
    assert (min(decoded) < 150) != ("progressive" in saved)


def test_damage_is_found_in_what_is_seen_and_a_file_cut_short_anywhere():
    pytest.importorskip("simplejpeg")
    raw = bytearray(photograph(7, (160, 400), 85))
    upper = Window.whole(160, 400).cropped(0, 0, 160, 100)
    sound = Photo.open(bytes(raw), "x", 3).view(upper)
    with pytest.raises(DataError, match="x cannot be read as an image"):
        Photo.open(bytes(raw[:-200]), "x", 3).view(upper)
    for place, seen in ((len(raw) // 10, True), (len(raw) * 9 // 10, False)):
        damaged = bytearray(raw)
        damaged[place : place + 4] = b"\xff\xd9\xff\xd9"
        photo = Photo.open(bytes(damaged), "x", 3)
        with pytest.raises(DataError, match="x cannot be read as an image"):
            photo.view(Window.whole(160, 400).resized(160, 399))
        if seen:
            with pytest.raises(DataError, match="x cannot be read as an image"):
                photo.view(upper)
        else:
            np.testing.assert_array_equal(photo.view(upper), sound)


OPTIONAL = libraries.optional


def leave_out(monkeypatch, missing):
    """As if one of the libraries were not installed."""
    monkeypatch.setattr(libraries, "optional", lambda name: None if name == missing else OPTIONAL(name))


def grey():
    file = io.BytesIO()
    Image.open(io.BytesIO(photograph(3))).convert("L").save(file, "JPEG")
    return file.getvalue()


def test_real_photographs_are_the_same_from_both_decoders(monkeypatch):
    pytest.importorskip("simplejpeg")
    if not (SHARED / "imagenet-sample.tar").exists():
        pytest.skip("the sample of ImageNet is not on this machine")
    with tarfile.open(SHARED / "imagenet-sample.tar") as archive:
        members = [m for m in archive if m.isfile()][::6]
        files = [archive.extractfile(m).read() for m in members]
    augment = (ResizeShorter(256, 480), RandomCrop(), PcaLighting())
    for number, raw in enumerate(files):
        found = []
        for without in (None, "simplejpeg"):
            leave_out(monkeypatch, without)
            photo = Photo.open(raw, "x", 3)
            found.append(transform(photo, augment, (3, 224, 224), np.random.default_rng(number)))
        np.testing.assert_array_equal(found[0][0], found[1][0])
        np.testing.assert_array_equal(found[0][1], found[1][1])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("how", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC])
def test_the_fastest_resizer_sees_what_pillow_sees(channels, how, monkeypatch):
    library = pytest.importorskip("cykooz_resizer")
    photo = Photo.open(photograph(6, (400, 300), quality=60), "x", channels)
    whole = Window.whole(*photo.size)
    for window in (whole.cropped(21, 10, 260, 244).resized(64, 64), whole.shorter_side(170).cropped(30, 9, 64, 64),
                   whole.cropped(50, 60, 30, 40).resized(64, 64)):  # fmt: skip
        exact, fast = photo.view(window, "pillow", how).astype(int), photo.view(window, "fastest", how)
        assert fast.shape == (64, 64, channels)
        far = np.abs(fast - exact)
        assert far.mean() < 0.5
        assert how == Image.Resampling.BICUBIC or far.max() <= 1  # a cubic's overshoot is cut off after either axis
        leave_out(monkeypatch, "cykooz_resizer")
        np.testing.assert_array_equal(photo.view(window, "fastest", how), exact)
        leave_out(monkeypatch, None)
        for extensions in library.CpuExtensions:  # the same numbers on any processor
            made = library.Resizer()
            with contextlib.suppress(ValueError):  # those that this processor does not have
                made.cpu_extensions = extensions
            monkeypatch.setattr(library, "Resizer", lambda made=made: made)
            monkeypatch.setattr(resampling, "_kept", threading.local())
            np.testing.assert_array_equal(photo.view(window, "fastest", how), fast)
            monkeypatch.undo()


def test_the_libraries_that_make_pixels_are_recorded():
    pytest.importorskip("cykooz_resizer")
    assert "cykooz-resizer" in libraries.libraries(Data())
    assert "cykooz-resizer" not in libraries.libraries(Data(resizer="pillow"))
    assert "cykooz-resizer" not in libraries.libraries(Data(antialias=False))


def test_without_antialiasing_opencv_resizes_and_its_absence_is_said(monkeypatch):
    photo = Photo.open(photograph(4, (400, 300)), "x", 3)
    window = Window.whole(*photo.size).cropped(20, 10, 60, 44).resized(40, 40)
    if OPTIONAL("cv2") is not None:
        sharp, smooth = photo.view(window, "plain"), photo.view(window)
        assert sharp.shape == smooth.shape == (40, 40, 3)
        assert 1 < np.abs(sharp.astype(int) - smooth).mean() < 12
        enlarged = window.resized(70, 70)  # where nothing can be aliased
        assert np.abs(photo.view(enlarged, "plain").astype(int) - photo.view(enlarged)).max() <= 2
    monkeypatch.setattr(libraries, "optional", lambda name: None)
    with pytest.raises(RunError, match=r"antialias: false.* by cv2, which is not installed") as caught:
        photo.view(window, "plain")
    assert caught.value.hint == "pip install opencv-python-headless"


@pytest.mark.parametrize("normalize", ["none", "per_pixel_mean", "per_channel"])
def test_both_trainers_make_the_same_numbers_of_photos(photos, normalize):
    torch = pytest.importorskip("torch")
    from archspec_torch.trainer.images import Images

    made = batches(photos, augment=(*AUGMENT, PcaLighting()))
    normalization = measure(normalize, made.split, SHAPE)
    for batch in made.run(0, 3):
        expected = batch.floats(normalization)
        images = Images(made.split, normalization, torch.device("cpu"), torch.float32)
        np.testing.assert_array_equal(images.batch(batch)[0].numpy(), expected)
        jax = pytest.importorskip("jax")
        from archspec_flax.trainer.images import batch_of, pick, store

        device = jax.devices("cpu")[0]
        pixels, labels = batch_of(store(made.split, normalization, device), pick(batch), 0, "float32")
        np.testing.assert_array_equal(np.asarray(pixels).transpose(0, 3, 1, 2), expected)
        np.testing.assert_array_equal(labels, batch.labels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_with_exif_data_is_turned_by_either_reader(orientation, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = orientation
    raw = photograph(5, (60, 40), exif=exif)
    photo = Photo.open(raw, "x", 3)
    assert photo.size == ((60, 40) if orientation < 5 else (40, 60))
    upright = np.asarray(photo.image())
    np.testing.assert_array_equal(photo.view(Window.whole(*photo.size)), upright)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_evaluation_resizes_as_the_recipe_says(photos, interpolation):
    """By what torchvision's Resize and CenterCrop do with a Pillow image: its own `resize`."""
    data = Data(dataset="image_folder", eval_resize=24, eval_interpolation=interpolation)
    test = open_dataset(data, photos, input_shape=SHAPE, classes=2, seed=0).test
    ((_, seen),) = evaluation_batches(test, 8, SHAPE, data)
    for number, pixels in enumerate(seen):
        whole = test.image(number).resize((32, 24), Image.Resampling[interpolation.upper()])
        expected = np.asarray(whole.crop((8, 4, 24, 20))).transpose(2, 0, 1)
        np.testing.assert_array_equal(pixels, expected)


def test_verify_finds_the_damage_that_training_does(cli, photos):
    pytest.importorskip("simplejpeg")
    file = photos / "train" / "cat" / "3.jpg"
    raw = bytearray(file.read_bytes())
    start = raw.index(b"\xff\xda") + 50
    raw[start : start + 20] = bytes(byte ^ 0x5A for byte in raw[start : start + 20])
    file.write_bytes(raw)
    with pytest.raises(DataError, match=r"cat/3\.jpg cannot be read as an image"):
        list(batches(photos).run(0, 4))
    result = cli("data", "verify", photos)
    assert result.exit_code == 1
    assert "train/cat/3.jpg" in result.output
    assert cli("data", "pack", photos, "packed").exit_code == 1
