"""What trainers share, without a framework: choices, images, the schedule, checkpoints, metrics."""

import functools
import importlib.util
import io
import json
import os
import pickle
import subprocess
import sys
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import archspec
from archspec_runtime import checkpoints
from archspec_runtime.augment import Plan, epoch_plan
from archspec_runtime.batches import Batches
from archspec_runtime.datasets import open_dataset
from archspec_runtime.datasets.cifar import LAYOUTS, read_cifar
from archspec_runtime.datasets.decoding import Photo
from archspec_runtime.datasets.encoded import EncodedSplit
from archspec_runtime.datasets.pickles import read_pickle
from archspec_runtime.datasets.sources import Files, Names
from archspec_runtime.datasets.splits import ArraySplit
from archspec_runtime.draws import epoch_order, holdout_split
from archspec_runtime.errors import CheckpointError, DataError, RunError
from archspec_runtime.normalize import Normalization, measure
from archspec_runtime.recipe import (
    BCE,
    EMA,
    SGD,
    AdamW,
    Data,
    Epoch,
    HFlip,
    Measured,
    Mix,
    PadCrop,
    PcaLighting,
    Phase,
    Plateau,
    RandomCrop,
    RandomResizedCrop,
    Recipe,
    ResizeShorter,
    Size,
    Step,
)
from archspec_runtime.run_folder import Metrics, lock, read_metrics
from archspec_runtime.schedule import Schedule
from conftest import SHARED

MOVED = (PadCrop(2), HFlip())


def noise(count=70, shape=(3, 8, 8), classes=10):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, *shape), np.uint8)
    return ArraySplit(images, random.integers(0, classes, count))


def batches(split=None, size=8, seed=0, augment=MOVED):
    split = split or noise()
    shape = split.shape or (3, 8, 8)
    return Batches(split, Data(augment=augment), size, seed, shape, measure("none", noise(1), shape))


# --- which samples a step sees -------------------------------------------------------------------------


def test_a_step_sees_the_same_samples_whatever_was_asked_before():
    in_order = batches()
    forward = [in_order.at(step) for step in range(40)]
    backward = batches()
    for step in reversed(range(40)):
        again = backward.at(step)
        for name in ("indices", "labels"):
            np.testing.assert_array_equal(getattr(again, name), getattr(forward[step], name))
        for name in ("top", "left", "flip"):
            np.testing.assert_array_equal(getattr(again.plan, name), getattr(forward[step].plan, name))
    np.testing.assert_array_equal(batches().at(33).indices, forward[33].indices)


@pytest.mark.parametrize(("count", "size"), [(70, 8), (64, 8), (9, 8), (8, 8)])
def test_an_epoch_shows_every_image_at_most_once_and_leaves_out_less_than_a_batch(count, size):
    made = batches(noise(count), size)
    for epoch in range(3):
        steps = range(epoch * made.per_epoch, (epoch + 1) * made.per_epoch)
        seen = np.concatenate([made.at(step).indices for step in steps])
        assert len(set(seen.tolist())) == len(seen) > count - size


def test_orders_and_moves_differ_between_seeds_and_epochs():
    orders = {tuple(epoch_order(seed, epoch, 50)) for seed in range(5) for epoch in range(5)}
    plans = {epoch_plan(MOVED, seed, epoch, 50).top.tobytes() for seed in range(5) for epoch in range(5)}
    assert len(orders) == len(plans) == 25
    assert all(sorted(order) == list(range(50)) for order in orders)


def test_labels_belong_to_the_images():
    made = batches()
    batch = made.at(5)
    np.testing.assert_array_equal(batch.labels, made.split.labels[batch.indices])


def test_too_few_images_for_a_batch_are_said():
    with pytest.raises(DataError, match="7 training images do not fill a batch of 8"):
        batches(noise(7))


# --- what augmentation does to pixels ------------------------------------------------------------------


def test_every_crop_and_both_mirrors_are_drawn_evenly():
    plan = epoch_plan((PadCrop(4), HFlip()), 0, 0, 9000)
    for starts in (plan.top, plan.left):
        counts = np.bincount(starts, minlength=9)
        assert len(counts) == 9
        assert counts.min() > 850
    assert abs(plan.flip.mean() - 0.5) < 0.02
    assert abs(np.corrcoef([plan.top, plan.left, plan.flip])[np.triu_indices(3, 1)]).max() < 0.04


def test_a_crop_is_cut_from_the_image_padded_with_zeros_and_then_mirrored():
    images = np.random.default_rng(0).normal(size=(2, 3, 5, 6)).astype(np.float32)
    plan = Plan(2, np.array([0, 3]), np.array([4, 1]), np.array([False, True]))
    padded = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2)))
    moved = plan.apply(images)
    np.testing.assert_array_equal(moved[0], padded[0, :, 0:5, 4:10])
    np.testing.assert_array_equal(moved[1], padded[1, :, 3:8, 1:7][:, :, ::-1])


@pytest.mark.parametrize("augment", [(), (HFlip(),), (PadCrop(1),), (PadCrop(4), HFlip())], ids=str)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 7, 10)], ids=str)
@pytest.mark.parametrize("normalize", ["none", "per_pixel_mean", "per_channel"])
def test_a_device_gives_a_net_the_same_pixels_bit_for_bit(augment, shape, normalize):
    torch = pytest.importorskip("torch")
    from archspec_torch.trainer.images import Images

    split = noise(50, shape)
    normalization = measure(normalize, split, shape)
    made = Batches(split, Data(augment=augment), 16, 3, shape, normalization)
    images = Images(split, normalization, torch.device("cpu"), torch.float32)
    for step in range(4):
        batch = made.at(step)
        expected = batch.plan.apply(normalization.apply(split.images[batch.indices]))
        pixels, labels = images.batch(batch)
        np.testing.assert_array_equal(pixels.numpy(), expected)
        np.testing.assert_array_equal(labels.numpy(), batch.labels)


# --- the learning rate ---------------------------------------------------------------------------------


def rates(schedule, steps, per_epoch=5, error=lambda epoch: 50.0, measured=lambda step: {}):
    """The rate of each step, as the loop drives a schedule."""
    found = []
    for done in range(1, steps + 1):
        found.append(schedule.lr(done - 1))
        schedule.after_step(done, measured(done))
        if done % per_epoch == 0:
            schedule.after_epoch(done, error(done // per_epoch))
    return found


@pytest.mark.parametrize(
    ("until", "error", "measured", "ends_after"),
    [
        ((Step(7),), None, None, 7),
        ((Epoch(2),), None, None, 10),
        ((Step(13), Epoch(2)), None, None, 10),
        ((Plateau(2),), lambda epoch: [60, 50, 40, 41, 40][min(epoch, 5) - 1], None, 25),
        ((Plateau(2), Step(12)), lambda epoch: 50.0, None, 12),
        ((Measured("train_error", "<", 80.0),), None, lambda step: {"train_error": 101.0 - 3 * step}, 8),
        ((Measured("train_loss", ">", 2.0),), None, lambda step: {"train_loss": step / 4}, 9),
        ((Measured("val_error", "<", 20.0), Step(6)), None, lambda step: {"train_error": 1.0}, 6),
    ],
    ids=["step", "epoch", "epoch first", "plateau", "step first", "below", "above", "other metric"],
)
def test_a_phase_ends_on_the_first_of_its_conditions(until, error, measured, ends_after):
    schedule = Schedule((Phase(0.1, until), Phase(0.01)), 30, 5)
    found = rates(schedule, 30, error=error or (lambda e: 50.0), measured=measured or (lambda s: {}))
    assert found == [0.1] * ends_after + [0.01] * (30 - ends_after)


def test_resnet110_warms_up_until_its_training_error_is_below_80_percent():
    recipe = Recipe.from_dict(archspec.load("cifar_resnet:resnet110").recipe)
    for error, end in [(lambda step: 80.0 if step < 400 else 79.99, 400), (lambda step: 80.0, 4000)]:
        schedule = Schedule(recipe.lr, 64_000, 351)
        found = rates(schedule, 64_000, 351, measured=lambda step, error=error: {"train_error": error(step)})
        changes = [i for i in range(1, 64_000) if found[i] != found[i - 1]]
        assert changes == [end, 32_000, 48_000]
        assert [found[0], *(found[i] for i in changes)] == [0.01, 0.1, 0.01, 0.001]


def test_moving_rates_begin_and_end_where_they_say():
    warm = Phase(0.0, (Step(10),), end=1.0, shape="linear")
    found = rates(Schedule((warm, Phase(1.0, end=0.0, shape="cosine")), 30, 5), 30)
    np.testing.assert_allclose(found[:11], np.arange(11) / 10)
    np.testing.assert_allclose(found[10:], (1 + np.cos(np.pi * np.arange(20) / 20)) / 2, atol=1e-12)


@pytest.mark.parametrize("cut", [3, 10, 15, 20, 29])
def test_a_schedule_goes_on_after_a_resume_as_if_nothing_had_happened(cut):
    phases = (
        Phase(0.1, (Plateau(2),)),
        Phase(0.05, (Step(21),), end=0.01, shape="linear"),
        Phase(0.001, (Measured("train_error", "<", 30.0),)),
        Phase(0.0001),
    )
    errors = [50, 40, 45, 46, 20, 20, 20, 20]
    measured = [{"train_error": 100.0 - 3 * step} for step in range(41)]
    whole, before, after = (Schedule(phases, 40, 5) for _ in range(3))
    expected = rates(whole, 40, error=lambda e: errors[e - 1], measured=lambda s: measured[s])
    assert len(set(expected)) > 3
    head = rates(before, cut, error=lambda e: errors[e - 1], measured=lambda s: measured[s])
    after.restore(json.loads(json.dumps(before.state())))
    tail = []
    for done in range(cut + 1, 41):
        tail.append(after.lr(done - 1))
        after.after_step(done, measured[done])
        if done % 5 == 0:
            after.after_epoch(done, errors[done // 5 - 1])
    assert head + tail == expected
    assert after.state() == whole.state()


RECIPES = [
    Recipe(steps=3),
    Recipe(
        data=Data(
            dataset="image_folder",
            holdout=3,
            augment=(
                PadCrop(4),
                HFlip(),
                ResizeShorter(8, 9),
                RandomCrop(),
                PcaLighting(0.2),
                RandomResizedCrop((0.1, 0.9)),
            ),
            size=(Size(4, Epoch(1)), Size(8)),
            mix=Mix(cutmix=1.0),
            normalize="per_channel",
            eval_resize=9,
        ),
        epochs=2,
        optimizer=AdamW(beta1=0.8),
        lr=(
            Phase(0.0, (Step(3), Epoch(4)), 0.1, "linear"),
            Phase(0.1, (Plateau(5), Measured("val_error", ">", 3.5))),
            Phase(0.01),
        ),
        label_smoothing=0.1,
        precision="bf16",
        clip_norm=1.0,
        ema=EMA(0.99, after=Epoch(2)),
        loss=BCE(0.2),
        seed=7,
    ),
    Recipe(steps=9, optimizer=SGD(momentum=0.9, nesterov=True, decay_norm_and_bias=False)),
]


@pytest.mark.parametrize("recipe", RECIPES, ids=["plain", "everything", "sgd"])
def test_a_recipe_travels_through_json(recipe):
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


# --- splits and statistics -----------------------------------------------------------------------------


def digits(**data):
    return open_dataset(Data(**data), None, input_shape=(1, 8, 8), classes=10, seed=data.pop("seed", 0))


def test_digits_are_split_as_the_papers_table_needs():
    found = digits()
    assert (len(found.train), len(found.test), found.validation) == (1437, 360, None)
    assert found.split("val") is found.test
    assert (found.train.images.min(), found.train.images.max()) == (0, 255)


def test_a_holdout_is_disjoint_drawn_by_the_seed_and_together_with_the_rest_whole():
    whole, part = digits(), digits(holdout=400)
    assert (len(part.train), len(part.validation), len(part.test)) == (1037, 400, 360)
    both = np.concatenate([part.train.images, part.validation.images]).reshape(1437, -1)
    assert sorted(map(bytes, both)) == sorted(map(bytes, whole.train.images.reshape(1437, -1)))
    kept, held = holdout_split(0, 1437, 400)
    assert not set(kept) & set(held)
    np.testing.assert_array_equal(part.validation.images, whole.train.images[held])
    assert set(holdout_split(1, 1437, 400)[1]) != set(held)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"classes": 7}, "digits has 10 classes, and the net 7"),
        ({"input_shape": (3, 32, 32)}, "digits has images of 1x8x8, and the net takes 3x32x32"),
        ({"data": Data(holdout=1437)}, "leaves nothing of 1437 training images"),
    ],
    ids=lambda v: str(v)[:20],
)
def test_images_that_are_not_the_nets_are_refused_with_a_remedy(asked, message):
    given = {"data": Data(), "input_shape": (1, 8, 8), "classes": 10, "seed": 0} | asked
    data = given.pop("data")
    with pytest.raises(DataError, match=message) as caught:
        open_dataset(data, None, **given)
    assert caught.value.hint


@pytest.mark.parametrize("kind", ["none", "per_pixel_mean", "per_channel_mean", "per_channel"])
def test_normalization_is_measured_over_training_images_only(kind):
    whole, part = digits(), digits(holdout=400)
    pixels = part.train.images.astype(np.float64) / 255
    mean = {"none": np.zeros((1, 1, 1)), "per_pixel_mean": pixels.mean(0)}.get(kind, pixels.mean().reshape(1, 1, 1))
    found = measure(kind, part.train, (1, 8, 8))
    np.testing.assert_allclose(found.mean, mean, rtol=1e-6, atol=1e-9)
    if kind == "per_channel":
        np.testing.assert_allclose(found.std, pixels.std().reshape(1, 1, 1), rtol=1e-6)
    else:
        assert found.std is None
    if kind != "none":
        assert not np.array_equal(found.mean, measure(kind, whole.train, (1, 8, 8)).mean)
    result = found.apply(part.train.images)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, (pixels - mean) / (1 if found.std is None else found.std), atol=2e-6)
    same = Normalization.from_arrays(found.to_arrays())
    np.testing.assert_array_equal(same.apply(part.test.images), found.apply(part.test.images))


def test_statistics_of_many_images_equal_numpys():
    split = noise(9000, (3, 4, 4))  # more than are taken at once
    found = measure("per_channel", split, (3, 4, 4))
    pixels = split.images / 255
    np.testing.assert_allclose(found.mean[:, 0, 0], pixels.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(found.std[:, 0, 0], pixels.std((0, 2, 3)), rtol=1e-6)


# --- CIFAR ---------------------------------------------------------------------------------------------


def read(name, folder):
    return read_cifar(name)(folder, (3, 32, 32), 10, Data())


def test_real_cifar10_is_the_same_in_every_published_form(tmp_path):
    script = SHARED / "cifar10.py"
    if not script.exists():
        pytest.skip("the CIFAR-10 images are not on this machine")
    spec = importlib.util.spec_from_file_location("cifar10_images", script)
    images = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(images)
    images.read = functools.cache(images.read)  # the JPEGs are decoded once for all forms
    images.write_python(tmp_path)
    images.write_targz(tmp_path)
    train_x, train_y = images.read("train")
    forms = ["cifar-10-batches-py", "cifar-10-batches-bin", "cifar-10-binary.tar.gz"]
    for form in forms:
        found = read("cifar10", tmp_path / form)
        np.testing.assert_array_equal(found.train.images, train_x)
        np.testing.assert_array_equal(found.train.labels, train_y)
        np.testing.assert_array_equal(found.test.images, images.read("test")[0])
        np.testing.assert_array_equal(np.bincount(found.test.labels), [1000] * 10)
    assert read("cifar10", tmp_path).classes == tuple(images.CLASSES)
    # measured on the official release; stored as JPEG they differ in the fourth digit
    mean = measure("per_channel_mean", found.train, (3, 32, 32)).mean
    np.testing.assert_allclose(mean[:, 0, 0], [0.4914, 0.4822, 0.4465], atol=2e-3)


def records(count, labels, label_bytes=1):
    made = np.zeros((count, label_bytes + 3072), np.uint8)
    made[:, label_bytes - 1] = labels
    made[:, label_bytes] = np.arange(count) % 251  # the first pixel tells records apart
    return made


@pytest.fixture(scope="module")
def made10(tmp_path_factory):
    """Files in the binary form of CIFAR-10 that hold next to nothing."""
    out = tmp_path_factory.mktemp("made10") / "cifar-10-batches-bin"
    out.mkdir()
    for file, count in (*LAYOUTS["cifar10"]["binary"].train, *LAYOUTS["cifar10"]["binary"].test):
        records(count, np.arange(count) % 10).tofile(out / file)
    return out


@pytest.fixture
def damaged(made10, tmp_path):
    """The folder of CIFAR-10 with one file changed."""

    def make(name, change):
        folder = tmp_path / "cifar-10-batches-bin"
        folder.mkdir()
        for path in made10.iterdir():
            if path.name != name:
                os.link(path, folder / path.name)
        change(made10 / name, folder / name)
        return folder

    return make


def cut(source, target):
    target.write_bytes(source.read_bytes()[:-5])


def label_12(source, target):
    rows = np.fromfile(source, np.uint8).reshape(-1, 3073)
    rows[17, 0] = 12
    rows.tofile(target)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda source, target: None, ["No such file"]),
        (cut, ["30,729,995 bytes", "30,730,000"]),
        (lambda source, target: target.touch(), ["0 bytes"]),
        (label_12, ["record 17 is 12", "10 classes"]),
        (lambda source, target: target.mkdir(), ["Is a directory"]),
    ],
    ids=["missing", "cut off", "empty", "label out of range", "a folder"],
)
@pytest.mark.parametrize("file", ["data_batch_1.bin", "test_batch.bin"])
def test_a_damaged_cifar_file_is_named_with_a_remedy(damaged, file, change, says):
    folder = damaged(file, change)
    with pytest.raises(DataError) as caught:
        read("cifar10", folder.parent)
    assert str(folder / file) in caught.value.message
    assert all(word in caught.value.message for word in says)
    assert "official archive" in caught.value.hint


@pytest.mark.parametrize("there", ["nothing", "no folder", "other files", "other archive"])
def test_a_folder_without_cifar_says_what_to_fetch(tmp_path, there):
    folder = tmp_path / "data"
    if there != "no folder":
        folder.mkdir()
        (folder / "notes.txt").write_text("x")
    given = {"other archive": folder / "notes.txt", "nothing": None}.get(there, folder)
    with pytest.raises(DataError) as caught:
        read("cifar10", given)
    assert "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz" in caught.value.hint
    assert "--data" in caught.value.hint


def test_cifar100_labels_are_the_fine_ones_in_both_forms(tmp_path):
    fine, coarse = np.arange(50_000) % 100, np.arange(50_000) % 20
    rows = records(50_000, fine, 2)
    rows[:, 0] = coarse
    binary, python = tmp_path / "cifar-100-binary", tmp_path / "cifar-100-python"
    for folder in (binary, python):
        folder.mkdir()
    for name, count in (("train", 50_000), ("test", 10_000)):
        rows[:count].tofile(binary / f"{name}.bin")
        batch = {b"data": rows[:count, 2:], b"fine_labels": fine[:count].tolist(), b"coarse_labels": [0] * count}
        (python / name).write_bytes(pickle.dumps(batch, protocol=2))
    for folder in (binary, python):
        found = read("cifar100", folder)
        np.testing.assert_array_equal(found.train.labels, fine)
        np.testing.assert_array_equal(found.train.images[:, 0, 0, 0], np.arange(50_000) % 251)
        assert (len(found.test), len(found.classes)) == (10_000, 100)
    wrong = {b"data": rows[:, 2:], b"fine_labels": [100, *fine[1:].tolist()]}
    (python / "train").write_bytes(pickle.dumps(wrong, protocol=2))
    with pytest.raises(DataError, match="record 0 is 100, and there are 100 classes"):
        read("cifar100", python)


@pytest.mark.parametrize(
    "batch",
    [
        [],
        {},
        {b"labels": [0] * 10_000},
        {b"data": np.zeros((9_999, 3072), np.uint8), b"labels": [0] * 9_999},
        {b"data": np.zeros((10_000, 3072), np.float32), b"labels": [0] * 10_000},
        {b"data": np.zeros((10_000, 3072), np.uint8), b"labels": [0] * 9_999},
        {b"data": np.zeros((10_000, 3072), np.uint8), b"labels": ["x"] * 10_000},
        {b"data": np.zeros((10_000, 3072), np.uint8), b"labels": [[0], [0, 1]]},
    ],
    ids=["list", "empty", "no data", "short", "floats", "few labels", "text labels", "ragged labels"],
)
def test_a_pickle_of_something_else_is_named(tmp_path, batch):
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(batch, protocol=2))
    with pytest.raises(DataError, match="data_batch_1 does not hold 10,000 "):
        read("cifar10", tmp_path)


class Call:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def refers(module, name, *arguments):
    """A pickle that calls module.name, which need not exist here."""
    tail = b"".join(pickle.dumps(a, 0)[:-1] for a in arguments)
    return b"c" + f"{module}\n{name}\n".encode() + b"(" + tail + b"tR."


MALICE = {
    "os.system": pickle.dumps({b"data": Call(os.system, "touch hit")}, protocol=2),
    "subprocess": pickle.dumps(Call(subprocess.call, ["touch", "hit"]), protocol=4),
    "eval": pickle.dumps(Call(eval, "open('hit', 'w')"), protocol=2),
    "exec in protocol 0": refers("__builtin__", "exec", "open('hit', 'w')"),
    "getattr": refers("builtins", "getattr", "x", "y"),
    "numpy's own loader": refers("numpy", "load", "hit"),
    "numpy through an attribute": refers("numpy.core.multiarray", "_reconstruct.__class__", 1),
    "dotted": refers("numpy", "ndarray.__reduce__", 1),
    "importing": refers("antigravity", "fly"),
    "codec": refers("_codecs", "encode", "x", "zlib"),
    "persistent": b"Phit\n.",
    "extension": b"\x82\x01.",
    "dtype that does not parse": pickle.dumps(Call(np.dtype, "i4,("), protocol=2),
    "huge array": pickle.dumps(Call(np.ndarray, (1 << 50,)), protocol=2),
    "empty": b"",
    "text": b"<html>404</html>",
    "cut off": pickle.dumps({b"data": np.zeros(1000, np.uint8)}, protocol=2)[:-100],
}


@pytest.mark.parametrize("name", MALICE)
def test_a_pickle_that_would_run_code_is_refused_and_does_nothing(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="some/batch is not an official CIFAR pickle") as caught:
        read_pickle(MALICE[name], "some/batch")
    assert "official archive" in caught.value.hint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("protocol", range(5))  # official files are older than the fifth, which has buffers
def test_pickles_of_plain_arrays_are_read_in_every_protocol(protocol):
    given = {"data": np.arange(12, dtype=np.uint8).reshape(3, 4), "labels": [1, 2, 300]}
    found = {str(k, "ascii") if isinstance(k, bytes) else k: v for k, v in read_pickle(
        pickle.dumps(given, protocol=protocol), "x").items()}  # fmt: skip
    np.testing.assert_array_equal(found["data"], given["data"])
    assert found["labels"] == given["labels"]


def archive(path, members, folder="cifar-10-batches-bin"):
    with tarfile.open(path, "w:gz", compresslevel=1) as made:
        for name, content in members:
            info = tarfile.TarInfo(name if name.startswith(("/", "..", "./")) else f"{folder}/{name}")
            if isinstance(content, bytes):
                info.size = len(content)
                made.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content
                made.addfile(info)
    return path


def test_an_archive_writes_nothing_and_its_strange_members_are_passed_over(made10, tmp_path):
    strange = [
        ("../evil", b"x"), ("../../cifar-10-batches-bin/data_batch_1.bin", b"x"), ("/tmp/evil-archspec", b"x"),
        ("link", (tarfile.SYMTYPE, "/etc/passwd")), ("pipe", (tarfile.FIFOTYPE, "")),
    ]  # fmt: skip
    whole = [(p.name, p.read_bytes()) for p in made10.iterdir()]
    path = archive(tmp_path / "cifar-10-binary.tar.gz", [*strange, *whole, *strange])
    found = read("cifar10", path)
    np.testing.assert_array_equal(found.train.labels, np.tile(np.arange(10), 5000))
    assert list(tmp_path.iterdir()) == [path]
    assert not (tmp_path.parent / "evil").exists()
    assert not Path("/tmp/evil-archspec").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_a_link_in_place_of_an_archives_file_is_not_followed(kind, tmp_path):
    path = archive(tmp_path / "cifar-10-binary.tar.gz", [("data_batch_1.bin", (kind, "/etc/passwd"))])
    with pytest.raises(DataError, match=r"has no data_batch_1\.bin") as caught:
        read("cifar10", path)
    assert "download it again" in caught.value.hint


def test_an_archives_member_that_claims_to_be_huge_is_refused(tmp_path):
    info = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
    info.size = 1 << 40
    import gzip

    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(gzip.compress(info.tobuf() + bytes(4096)))
    with pytest.raises(DataError, match=r"data_batch_1\.bin is far larger than the official file"):
        read("cifar10", tmp_path)


def test_a_damaged_archive_is_named_wherever_the_damage_is(tmp_path):
    random = np.random.default_rng(0)
    text = bytes(random.integers(48, 58, 30_000, np.uint8))  # compresses, so that damage reaches the code tables
    path = archive(tmp_path / "cifar-10-binary.tar.gz", [("data_batch_1.bin", text), ("data_batch_2.bin", text)])
    whole = path.read_bytes()
    for place in [*range(0, len(whole), 97), *range(10, 400, 3)]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz"):
            read("cifar10", path)
    for end in (0, 5, 20, len(whole) // 2, len(whole) - 4):
        path.write_bytes(whole[:end])
        with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz"):
            read("cifar10", path)


# --- image folders -------------------------------------------------------------------------------------

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def halves(left=RED, right=BLUE, mode="RGB", size=(16, 8)):
    image = Image.new(mode, size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    return image


def palette(path):
    image = Image.new("P", (16, 8), 0)
    image.putpalette([*RED, *BLUE, *(0,) * 762])
    image.paste(1, (8, 0, 16, 8))
    image.save(path, transparency=0)


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
        (image if dtype == "<u2" else Image.frombytes("I;16B", (16, 8), values.tobytes())).save(path)

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
    monkeypatch.setattr("archspec_runtime.datasets.sources.PATIENCE", (0.01, 0.01))
    damage(tmp_path / "photo.jpg")
    with pytest.raises(DataError, match=r"photo\.jpg cannot be read as an image") as caught:
        EncodedSplit.of(Files(tmp_path, Names.of(["photo.jpg"])), np.zeros(1, np.int64), 3).image(0)
    assert caught.value.hint


@pytest.fixture
def folder(tmp_path):
    """An image folder: two classes, images of one size, beside files that are no images."""
    for split, count in (("train", 4), ("test", 2)):
        for name, colour in (("cat", RED), ("dog", BLUE)):
            (tmp_path / "images" / split / name).mkdir(parents=True)
            for index in range(count):
                halves(colour, (index, index, index)).save(tmp_path / "images" / split / name / f"{index}.png")
            (tmp_path / "images" / split / name / "Thumbs.db").write_text("x")
    return tmp_path / "images"


def open_folder(folder, shape=(3, 8, 16), classes=2, **data):
    return open_dataset(Data(dataset="image_folder", **data), folder, input_shape=shape, classes=classes, seed=0)


def test_classes_are_the_folders_in_sorted_order(folder):
    found = open_folder(folder)
    assert found.classes == ("cat", "dog")
    np.testing.assert_array_equal(found.train.labels, [0] * 4 + [1] * 4)
    np.testing.assert_array_equal(found.train.images[:, :, 0, 0], [RED] * 4 + [BLUE] * 4)
    assert open_folder(folder, (1, 8, 16)).train.images.shape == (8, 1, 8, 16)


def rename(source, target):
    return lambda folder: (folder / source).rename(folder / target)


def empty(folder):
    for path in (folder / "test").rglob("*.png"):
        path.unlink()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: (f / "test" / "bird").mkdir(), "there is no class 'bird' in train/"),
        (rename("train/dog", "bird"), "there is no class 'dog' in train/"),
        (lambda f: (f / "train" / "bird").mkdir(), "image_folder has 3 classes, and the net 2"),
        (rename("test", "check"), "has neither test/ nor val/"),
        (rename("train", "training"), "has no train/"),
        (empty, "test holds no images"),
        (lambda f: halves(size=(9, 9)).save(f / "train" / "cat" / "0.png"), "0.png is 3x9x9, and the net takes "),
        (lambda f: (f / "train" / "dog" / "3.png").write_text("x"), "dog/3.png cannot be read as an image"),
    ],
    ids=["new class", "lost class", "empty class", "no test", "no train", "no images", "other size", "corrupt"],
)  # fmt: skip
def test_what_is_wrong_in_an_image_folder_is_said_with_a_remedy(folder, change, says):
    change(folder)
    with pytest.raises(DataError) as caught:
        open_folder(folder)
    assert says in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("given", [None, Path("/nowhere"), Path(__file__)], ids=["none", "missing", "file"])
def test_a_missing_image_folder_says_how_one_looks(given):
    with pytest.raises(DataError, match="an image folder is needed") as caught:
        open_folder(given)
    assert "train/<class>" in caught.value.hint


def test_images_read_as_needed_depend_on_the_seed_the_epoch_and_the_place_alone(folder):
    augment = (ResizeShorter(9, 14), RandomCrop(), HFlip(), PcaLighting())
    split = open_folder(folder, (3, 8, 8), augment=augment).train
    assert isinstance(split, EncodedSplit)
    one, other = (batches(split, 3, 0, augment) for _ in range(2))
    one.workers, other.workers = 0, 3
    straight = list(one.run(0, 6))
    for step in (5, 2):
        for again, expected in zip(other.run(step, 6), straight[step:], strict=True):
            for name in ("indices", "labels", "pixels", "shift"):
                np.testing.assert_array_equal(getattr(again, name), getattr(expected, name))
    assert straight[0].pixels.shape == (3, 3, 8, 8)
    assert len({batch.pixels.tobytes() for batch in straight}) == 6
    assert len({batch.shift.tobytes() for batch in straight}) == 6


def test_an_image_that_vanishes_while_training_is_named(folder):
    augment = (RandomCrop(),)
    made = batches(open_folder(folder, (3, 8, 8), augment=augment).train, 2, 0, augment)
    run = made.run(0, 40)
    next(run)
    (folder / "train" / "dog" / "2.png").unlink()
    with pytest.raises(DataError, match=r"dog/2\.png cannot be read as an image"):
        list(run)


def test_real_photographs_of_many_sizes_are_read(tmp_path):
    if not (SHARED / "imagenet-sample.tar").exists():
        pytest.skip("the sample of ImageNet is not on this machine")
    with tarfile.open(SHARED / "imagenet-sample.tar") as photographs:
        members = [m for m in photographs if m.name.startswith("val/n017")]
        photographs.extractall(tmp_path, members, filter="data")
    (tmp_path / "train").symlink_to(tmp_path / "val")
    names = sorted(p.name for p in (tmp_path / "val").iterdir())
    augment = (ResizeShorter(64, 96), RandomCrop(), HFlip())
    data = {"augment": augment, "normalize": "per_pixel_mean", "eval_resize": 64}
    found = open_folder(tmp_path, (3, 56, 56), len(names), **data)
    assert found.classes == tuple(names)
    normalization = measure("per_pixel_mean", found.train, (3, 56, 56))
    made = Batches(found.train, Data(**data), 2, 0, (3, 56, 56), normalization)
    for batch in made.run(0, made.per_epoch):
        assert batch.pixels.shape == (2, 3, 56, 56)
        assert np.abs(batch.floats(normalization)).max() <= 1


# --- checkpoints ---------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    """A folder with the checkpoints of steps 1 to 3, of which the last two are kept."""
    for step in (1, 2, 3):

        def write(folder, step=step):
            (folder / "weights").write_bytes(np.random.default_rng(step).bytes(1000))
            (folder / "loop.json").write_text(json.dumps({"step": step}))

        assert checkpoints.save(tmp_path, step, "net", write) is not None
    return tmp_path


def test_the_newest_two_checkpoints_are_kept(run):
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == ["step-00000002", "step-00000003"]
    path, manifest = checkpoints.newest(run, "net")
    assert (path.name, manifest["step"]) == ("step-00000003", 3)


def flips(path):
    whole = path.read_bytes()
    for place in range(0, len(whole), 97):
        yield whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]


@pytest.mark.parametrize("name", ["weights", "loop.json"])
@pytest.mark.parametrize("changes", [flips, lambda p: [p.read_bytes()[:-1], b""]], ids=["flipped", "cut off"])
def test_damage_anywhere_in_a_checkpoint_is_noticed_and_the_one_before_is_used(run, name, changes, capsys):
    file = run / "checkpoints" / "step-00000003" / name
    for damaged in changes(file):
        file.write_bytes(damaged)
        assert checkpoints.newest(run, "net")[0].name == "step-00000002"
        warning = capsys.readouterr().err
        assert f"{file} is damaged: its checksum differs; trying the one before" in warning


def test_a_damaged_manifest_is_noticed_or_changes_nothing(run):
    path = run / "checkpoints" / "step-00000003"
    whole = (path / "manifest.json").read_bytes()
    before = checkpoints.verify(path, "net")
    for place in range(len(whole)):
        (path / "manifest.json").write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            after = checkpoints.verify(path, "net")
        except CheckpointError:
            continue
        assert all(after[name] == before[name] for name in ("format", "fingerprint", "sha256"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no readable manifest"),
        ("[]", "has no readable manifest"),
        ('{"format": 1, "sha256": [], "fingerprint": "net"}', "has no readable manifest"),
        ('{"format": 1, "sha256": {"gone": "00"}, "fingerprint": "net"}', "gone is missing"),
        ('{"format": 2, "sha256": {}, "fingerprint": "net"}', "has format 2, and this version reads 1"),
        ('{"format": 1, "sha256": {}, "fingerprint": "other"}', "is of another net"),
    ],
    ids=["empty", "list", "sums", "missing", "newer", "other net"],
)
def test_a_foreign_or_newer_checkpoint_is_refused_and_the_one_before_is_used(run, text, says, capsys):
    (run / "checkpoints" / "step-00000003" / "manifest.json").write_text(text)
    assert checkpoints.newest(run, "net")[0].name == "step-00000002"
    assert f"step-00000003{'/' if 'gone' in says else ' '}{says}" in capsys.readouterr().err


def test_where_no_checkpoint_can_be_used_nothing_is_resumed(run):
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* can be used") as caught:
        checkpoints.newest(run, "another net")
    assert "--out" in caught.value.hint
    assert len(list((run / "checkpoints").iterdir())) == 2
    assert checkpoints.newest(run / "elsewhere", "net") is None


def test_a_kill_inside_a_write_leaves_the_checkpoints_as_they_were(run):
    program = """
import os, signal, sys
from pathlib import Path
from archspec_runtime import checkpoints

def write(folder):
    (folder / "weights").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

checkpoints.save(Path(sys.argv[1]), 4, "net", write)
"""
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", program, run], check=False).returncode == -9
    assert checkpoints.newest(run, "net")[1]["step"] == 3
    assert checkpoints.save(run, 5, "net", lambda folder: (folder / "weights").write_bytes(b"whole")) is not None
    # what the killed processes had begun to write is cleared away, or a run that is killed often fills the disk
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == ["step-00000003", "step-00000005"]


# --- the run's folder ----------------------------------------------------------------------------------


def test_metrics_are_json_lines_and_a_line_that_a_kill_cut_off_is_dropped(tmp_path):
    metrics = Metrics(tmp_path)
    rows = [{"kind": "train", "step": step, "loss": 1 / step} for step in (1, 2, 3)]
    for row in rows:
        metrics.append(row)
    text = (tmp_path / "metrics.jsonl").read_text()
    assert [json.loads(line) for line in text.splitlines()] == rows
    (tmp_path / "metrics.jsonl").write_text(text + '{"kind": "tra')
    assert read_metrics(tmp_path) == rows
    metrics.rewind(2)
    metrics.append({"step": 4})
    assert read_metrics(tmp_path) == [*rows[:2], {"step": 4}]


def test_a_folder_is_held_by_one_process_and_released(tmp_path):
    with lock(tmp_path):
        with pytest.raises(RunError, match=f"in use by process {os.getpid()} on ") as caught, lock(tmp_path):
            pass
        assert str(tmp_path / "lock") in caught.value.hint
    with lock(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("left", ["dead", "garbage", "empty"])
def test_a_lock_that_a_dead_process_left_is_taken_over(tmp_path, left):
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    import socket

    holder = json.dumps({"pid": dead.pid, "host": socket.gethostname()})
    (tmp_path / "lock").write_text({"dead": holder, "garbage": "{", "empty": ""}[left])
    with lock(tmp_path):
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


def test_a_lock_of_another_machine_is_never_taken_over(tmp_path):
    (tmp_path / "lock").write_text(json.dumps({"pid": 1, "host": "elsewhere"}))
    with pytest.raises(RunError, match="in use by process 1 on elsewhere"), lock(tmp_path):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
def test_a_lock_of_another_user_is_not_taken_over(tmp_path):
    """The process that holds it is alive and may not be signalled."""
    import socket

    (tmp_path / "lock").write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
    program = """
import os
from pathlib import Path
from archspec_runtime.run_folder import lock
os.setuid(65534)
with lock(Path(".")):
    pass
"""
    tmp_path.chmod(0o777)
    second = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert f"in use by process {os.getpid()}" in second.stderr
    assert (tmp_path / "lock").exists()
