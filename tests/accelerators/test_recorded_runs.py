"""What steps, evaluations and checkpoints ask of a device, by the trainer's own code on one that is not there.

A step uploads once, from page-locked memory, and never waits; an evaluation waits once, at its end; a checkpoint copies each
tensor once.
"""

import numpy as np
import pytest

import archspec
from archspec.emission.folder import job_fields
from archspec_runtime.batches.normalization import Normalization
from archspec_runtime.batches.order import Batches
from archspec_runtime.data.splits import ArraySplit, Dataset
from archspec_runtime.job.job import Job
from archspec_runtime.run.bad_losses import Judge

torch = pytest.importorskip("torch")
from recording import Recording, stand_in  # noqa: E402

from archspec_torch.trainer.stepper import TorchStepper  # noqa: E402
from settings_of_runs import setting  # noqa: E402
from trainers import training  # noqa: E402
from zoo_nets import TRAINED, rarely  # noqa: E402

RECIPES = {
    "momentum": {},
    "ema": {"ema": "0.9"},
    "clip and micro-batches": {"clip_norm": "1.0", "accumulate": "2"},
    "mixup and cutmix": {"data.mix": "{mixup: 1, cutmix: 1}", "loss": "bce"},
    "erasing": {"data.augment": "[{pad_crop: 1}, hflip, random_erasing]", "label_smoothing": "0.1"},
    "one by one": {"data.augment": "[trivial_augment, hflip]"},
    "bf16": {"precision": "bf16"},
    "fp16 and clip": {"precision": "fp16", "clip_norm": "1.0"},
    "adamw": {"optimizer": "{adamw: {weight_decay: 0.1}}"},
    "lamb": {"optimizer": "{lamb: {weight_decay: 0.1}}", "ema": "0.9"},
    "lamb in fp16": {"optimizer": "{lamb: {weight_decay: 0.1}}", "precision": "fp16"},
    "skip": {"bad_loss": "skip", "ema": "0.9"},
    "skip and clip in fp16": {"bad_loss": "{skip: {spike: 4}}", "clip_norm": "1.0", "precision": "fp16"},
    "skip with adamw": {"bad_loss": "skip", "optimizer": "{adamw: {weight_decay: 0.1}}", "accumulate": "2"},
    "skip with lamb in fp16": {"bad_loss": "skip", "optimizer": "{lamb: {}}", "precision": "fp16"},
}
NETS = [
    "cifar_resnet:resnet20",
    "cifar_highway",
    "resnet18",
    "resnet50:a2",
    "vgg19",
    "mobilenet_v2",
]
LONGER = ["plain18", "densenet"]  # the one is as resnet18, the other has the most launches of all


def stepper_of(net, device, images=None):
    """A stepper of a net by its own recipe, and its batches; images are noise, unless they are given."""
    job = Job.from_dict(job_fields(net))
    recipe = job.recipe
    if images is None:
        draw = np.random.default_rng(0)
        pixels = draw.integers(0, 256, (3 * recipe.batch_size, *job.input_shape), dtype=np.uint8)
        split = ArraySplit(pixels, draw.integers(0, job.classes, len(pixels)))
        images = Dataset(split, None, split, tuple(map(str, range(job.classes))))
    channels = job.input_shape[0]
    normalization = Normalization(
        np.full((channels, 1, 1), 0.5, np.float32), np.full((channels, 1, 1), 0.2, np.float32)
    )
    batches = Batches(images.train, recipe.data, recipe.batch_size, 0, job.input_shape, normalization, 0)

    def make():
        with torch.device(device):
            return archspec.build(net, "torch")

    return TorchStepper(make, training("torch", net, job), job, images, normalization, device, False), batches


def recorded(action):
    with Recording() as seen:
        found = action()
    return seen, found


def check(stepper, batches):
    """What every recipe and net must do."""
    size = stepper.job.recipe.batch_size
    made = batches.run(0, 3)
    limit = Judge(stepper.job.recipe.bad_loss).bound
    first, *steps = [
        recorded(lambda batch=batch, n=n: stepper.step(batch, 0.1, n, limit))[0] for n, batch in enumerate(made)
    ]
    assert first.downloads == first.waits == []  # it begins the state of the optimizer
    for seen in steps:
        ((count, pinned, later),) = seen.uploads
        assert pinned
        assert later
        assert count < 2 * size * np.prod(stepper.job.input_shape) + 4096
        assert seen.downloads == seen.waits == []
    one, other = (seen.allocated for seen in steps)
    if stepper.job.recipe.data.mix is None:  # whose kinds take turns
        assert one == other, "a step takes what the one before took"

    seen, _ = recorded(stepper.drain)
    assert (len(seen.downloads), seen.uploads, seen.waits) == (1, [], [])

    seen, _ = recorded(lambda: stepper.evaluate("test"))
    assert all(pinned and later for _, pinned, later in seen.uploads)
    assert (seen.downloads, seen.waits) == ([3 * 8], []), "one question, at the end"
    seen, _ = recorded(lambda: stepper.evaluate("test"))
    assert seen.uploads == [], "images in memory go over once in a run"

    seen, snapshot = recorded(stepper.snapshot)
    kept = [t for t in torch.utils._pytree.tree_leaves(snapshot.optimizer) if isinstance(t, torch.Tensor)]
    there = [*snapshot.weights.values(), *(snapshot.average or {}).values(), *kept]
    on_device = sorted(t.nbytes for t in there if t.ndim or t.dtype != torch.float32)
    assert sorted(b for b in seen.downloads if b != 4) == [b for b in on_device if b != 4], (
        "each tensor is copied once"
    )
    assert seen.uploads == []
    assert sum(seen.allocated.values()) == 0, "and none on the device"


def test_what_waits_is_noticed():
    with Recording() as seen:
        there = torch.ones(3).to("meta")
        there.sum().item()
        there.cpu()
    assert (seen.uploads, seen.downloads, len(seen.waits)) == ([(12, False, False)], [12], 1)
    assert sum(seen.allocated.values()) == 12 + 4
    with pytest.raises((RuntimeError, NotImplementedError)), Recording():
        there[there > 0]


@pytest.mark.parametrize("name", RECIPES)
def test_no_recipe_makes_a_step_wait(name, monkeypatch):
    sets = {f"train.{key}": archspec_value(value) for key, value in RECIPES[name].items()}
    net = archspec.load("digits_resnet:resnet8", set=sets)
    _, _, images, *_ = setting()
    with stand_in(monkeypatch) as device:
        check(*stepper_of(net, device, images))


@pytest.mark.parametrize(
    "name",
    [
        *NETS,
        *(pytest.param(name, marks=pytest.mark.long) for name in LONGER),
        *rarely(*(name for name in TRAINED if name not in NETS + LONGER)),
    ],
)
def test_no_net_makes_a_step_of_its_recipe_wait(name, monkeypatch):
    own = archspec.load(name).recipe is not None
    sets = {"train.batch_size": 8, "train.accumulate": 1} | ({} if own else {"train.recipe": "imagenet_resnet"})
    net = archspec.load(name, set=sets)
    with stand_in(monkeypatch) as device:
        check(*stepper_of(net, device))


def test_images_for_which_a_device_has_no_room_go_over_in_each_evaluation(monkeypatch):
    _, _, images, *_ = setting()
    with stand_in(monkeypatch) as device:
        stepper, _ = stepper_of(archspec.load("digits_resnet:resnet8"), device, images)
        each = stepper.job.recipe.batch_size
        stepper.fitting.room = 2 * each * 64
        counts = [len(recorded(lambda: stepper.evaluate("test"))[0].uploads) for _ in range(2)]
    batches = -(-len(images.test) // each)
    assert counts == [1 + batches, batches - 2], (
        "the constants of normalization, and each batch; then what is not there"
    )


def archspec_value(text):
    from archspec_cli.common import overrides

    return overrides([f"x={text}"])["x"]
