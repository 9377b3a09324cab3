"""Photos on their way from files to batches: the same pixels whoever reads them, and faults that are named."""

import contextlib
import io
import os
import signal
import tarfile
import threading
import time

import numpy as np
import pytest
from PIL import Image

from archspec_runtime import patience
from archspec_runtime.augment import transform
from archspec_runtime.batches import Batches, evaluation_batches
from archspec_runtime.datasets import libraries, open_dataset
from archspec_runtime.datasets.decoding import Photo
from archspec_runtime.errors import DataError, RunError
from archspec_runtime.geometry import Window
from archspec_runtime.normalize import measure
from archspec_runtime.recipe import Data, HFlip, PcaLighting, RandomCrop, ResizeShorter
from conftest import SHARED

AUGMENT = (ResizeShorter(20, 40), RandomCrop(), HFlip())
SHAPE = (3, 16, 16)


def photograph(seed, size=(60, 45), quality=90, **options):
    """A JPEG of something with edges, shades and noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: size[1], : size[0]]
    pixels = np.stack([x * 4 % 256, y * 5 % 256, (x + y) * (seed + 1) % 256], axis=-1)
    pixels = np.clip(pixels + random.normal(0, 12, pixels.shape), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, **options)
    return file.getvalue()


@pytest.fixture
def photos(tmp_path):
    """A folder of two classes with 8 JPEGs each for training."""
    for split, count in (("train", 8), ("test", 2)):
        for label, name in enumerate(("cat", "dog")):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                (folder / f"{index}.jpg").write_bytes(photograph(100 * label + index))
    return tmp_path / "photos"


def batches(folder, workers=0, size=4, **data):
    recipe = Data(dataset="image_folder", **({"augment": AUGMENT} | data))
    found = open_dataset(recipe, folder, input_shape=SHAPE, classes=2, seed=0)
    skip = recipe.corrupt == "skip"
    return Batches(
        found.train, recipe, size, 0, SHAPE, measure("none", found.train, SHAPE, skip=skip), workers=workers
    )


def same(some, others):
    for one, other in zip(some, others, strict=True):
        for name in ("indices", "labels", "pixels"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


# --- from a file to pixels -----------------------------------------------------------------------------


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
    assert caught.value.hint == "pip install 'archspec-nn[images]'"


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
    normalization = measure("none", test, SHAPE)
    ((_, seen),) = evaluation_batches(test, 8, normalization, SHAPE, data)
    for number, pixels in enumerate(seen):
        whole = test.image(number).resize((32, 24), Image.Resampling[interpolation.upper()])
        expected = np.asarray(whole.crop((8, 4, 24, 20)), np.float32).transpose(2, 0, 1)
        np.testing.assert_array_equal(pixels, expected * np.float32(1 / 255))


# --- workers -------------------------------------------------------------------------------------------


def test_a_worker_that_is_killed_is_named_and_replaced_and_nothing_changes(photos, capfd):
    expected = list(batches(photos).run(0, 12))
    before = children()
    run = batches(photos, workers=2).run(0, 12)
    found = [next(run)]
    (victim, _) = sorted(children() - before)
    os.kill(victim, signal.SIGKILL)
    same([*found, *run], expected)
    said = capfd.readouterr().err
    assert f"(process {victim}) was killed by signal 9 while it read {photos}" in said
    assert "another takes its place" in said
    assert children() == before


def test_workers_that_keep_dying_stop_the_run(photos):
    before = children()
    run = batches(photos, workers=1).run(0, 100_000)
    next(run)

    def kill():
        while not done.wait(0.05):
            for child in children() - before:
                os.kill(child, signal.SIGKILL)

    done = threading.Event()
    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with pytest.raises(
            RunError, match=r"worker 0 \(process \d+\) was killed by signal 9 while .*; 4 have died"
        ):
            for _ in run:
                pass
    finally:
        done.set()
        killer.join()
    assert children() == before


def children():
    """The processes that this one has started and that live."""
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    state, parent = file.read().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if int(parent) == os.getpid() and state != "Z":
                found.add(int(name))
    return found


def test_workers_end_when_the_run_is_left_and_let_signals_to_the_trainer(photos):
    before = children()
    run = batches(photos, workers=2).run(0, 1000)
    next(run)
    for child in children() - before:
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(child, number)
    next(run)
    assert len(children() - before) == 2
    run.close()
    assert children() == before


def test_a_file_that_vanishes_is_waited_for_and_read_when_it_is_back(photos):
    expected = list(batches(photos).run(0, 4))
    made = batches(photos, workers=1)
    os.rename(photos / "train" / "dog", photos / "train" / "away")
    back = threading.Timer(0.8, os.rename, (photos / "train" / "away", photos / "train" / "dog"))
    back.start()
    same(made.run(0, 4), expected)


def test_a_file_that_is_gone_is_named_with_what_to_do(photos):
    made = batches(photos, workers=1)
    (photos / "train" / "dog" / "3.jpg").unlink()
    begun = time.monotonic()
    with pytest.raises(DataError, match=r"dog/3\.jpg cannot be read as an image: No such file") as caught:
        list(made.run(0, 4))
    assert time.monotonic() - begun < 30
    assert "--resume" in caught.value.hint


@pytest.fixture
def impatient(monkeypatch):
    """As if a minute were a tenth of a second."""
    monkeypatch.setattr(patience, "LOOK_EVERY", 0.05)
    monkeypatch.setattr("archspec_runtime.workers.LOOK_EVERY", 0.05)
    monkeypatch.setattr(patience, "SILENCE", 0.1)
    monkeypatch.setattr(patience, "PATIENCE", 0.5)


def stalled(path):
    """A file that can be opened and never answers, as those of a network disk that is away; gives a function that ends it."""
    content = path.read_bytes()
    path.unlink()
    os.mkfifo(path)

    def answer():
        with open(path, "wb") as file:
            file.write(content)

    return answer


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
@pytest.mark.parametrize("workers", [0, 1])
def test_a_disk_that_does_not_answer_is_named_and_waited_for_no_longer_than_is_sensible(
    workers, photos, impatient, capfd
):
    run = batches(photos, workers=workers).run(0, 100)
    same([next(run)], batches(photos).run(0, 1))
    stalled(photos / "train" / "dog" / "3.jpg")
    with pytest.raises(RunError, match=r"no image has been read for . seconds; waiting for .*dog/3\.jpg") as caught:
        list(run)
    assert "--resume" in caught.value.hint
    assert f"warning: no image has been read for 0 seconds; waiting for {photos}" in capfd.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
@pytest.mark.parametrize("workers", [0, 1])
def test_a_disk_that_answers_late_changes_nothing(workers, photos, impatient, monkeypatch):
    monkeypatch.setattr(patience, "PATIENCE", 60)
    expected = list(batches(photos).run(0, 4))
    late = threading.Timer(0.4, stalled(photos / "train" / "dog" / "3.jpg"))
    late.start()
    same(batches(photos, workers=workers).run(0, 4), expected)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_disk_that_does_not_answer_while_the_error_is_measured_is_named(photos, impatient):
    data = Data(dataset="image_folder", eval_resize=24)
    test = open_dataset(data, photos, input_shape=SHAPE, classes=2, seed=0).test
    stalled(photos / "test" / "cat" / "1.jpg")
    with pytest.raises(RunError, match=r"waiting for .*test/cat/1\.jpg"):
        list(evaluation_batches(test, 8, measure("none", test, SHAPE), SHAPE, data))


# --- corrupt images ------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 1])
def test_a_corrupt_image_stops_or_is_skipped_and_counted(photos, workers, capfd):
    file = photos / "train" / "cat" / "7.jpg"
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(DataError, match=r"cat/7\.jpg cannot be read as an image"):
        list(batches(photos, workers).run(0, 4))
    capfd.readouterr()
    sound = batches(photos, corrupt="skip")
    sound.split = sound.split.subset(np.array([*range(7), *range(8, 16)]))
    made = list(batches(photos, workers, corrupt="skip").run(0, 4))
    seen = np.concatenate([batch.indices for batch in made])
    assert 7 not in seen
    assert sorted(seen) == sorted([*range(7), 8, *range(8, 16)])  # the next of the split, with its label
    for batch in made:
        np.testing.assert_array_equal(batch.labels, batch.indices >= 8)
    said = [line for line in capfd.readouterr().err.splitlines() if "cat/7.jpg" in line and "so far" in line]
    assert len(said) >= 1
    assert all("the next image takes its place (1 so far)" in line for line in said)
    same(made, list(batches(photos, 1 - workers, corrupt="skip").run(0, 4)))


def test_a_data_set_of_nothing_but_damage_is_not_skipped_through(photos):
    made = batches(photos, corrupt="skip")
    for file in (photos / "train").rglob("*.jpg"):
        file.write_bytes(b"\xff\xd8\xff no photograph")
    with pytest.raises(DataError, match="16 images in a row cannot be read"):
        list(made.run(0, 1))


def test_images_of_one_size_are_skipped_by_the_same_rule(photos, capfd):
    (photos / "train" / "cat" / "0.jpg").write_bytes(b"x")
    data = Data(dataset="image_folder", corrupt="skip")
    found = open_dataset(data, photos, input_shape=(3, 45, 60), classes=2, seed=0)
    np.testing.assert_array_equal(found.train.images[0], found.train.images[1])
    assert "cat/0.jpg" in capfd.readouterr().err
    (photos / "test" / "cat" / "0.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match=r"test/cat/0\.jpg"):
        open_dataset(data, photos, input_shape=(3, 45, 60), classes=2, seed=0)
