"""What a step computes, with every option of a recipe."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest

import archspec
from archspec.emission.folder import job_fields
from archspec_cli.common import overrides
from archspec_runtime.batches.normalization import measure
from archspec_runtime.batches.order import Batches
from archspec_runtime.data.splits import open_dataset
from archspec_runtime.job.job import Job, Options, effective
from runs import measurements, newest, same, weights
from trainers import training

torch = pytest.importorskip("torch")

PLAIN = """archspec: 1
name: small
input: {channels: 1, size: 8}
classes: 10
stem: [{conv1: {conv: {out: 8, kernel: 3}}}, {bn1: batch_norm}, {relu: relu}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train:
  data: {dataset: digits, augment: [{pad_crop: 1}, hflip], normalize: per_pixel_mean}
  batch_size: 32
  steps: 5
  seed: 2
"""

RECIPES = {
    "sgd": {"train.optimizer": "{sgd: {}}"},
    "momentum": {"train.optimizer": "{sgd: {momentum: 0.9, weight_decay: 0.01}}"},
    "nesterov": {"train.optimizer": "{sgd: {momentum: 0.9, weight_decay: 0.01, nesterov: true}}"},
    "no decay of norms": {"train.optimizer": "{sgd: {weight_decay: 0.5, decay_norm_and_bias: false}}"},
    "adamw": {"train.optimizer": "{adamw: {beta1: 0.8, weight_decay: 0.1}}"},
    "adamw no decay": {"train.optimizer": "{adamw: {weight_decay: 0.5, decay_norm_and_bias: false}}"},
    "clip_norm": {"train.clip_norm": "0.05"},
    "label_smoothing": {"train.label_smoothing": "0.2"},
    "ema": {"train.ema": "0.7"},
    "lamb": {"train.optimizer": "{lamb: {weight_decay: 0.1}}", "train.accumulate": "2", "train.loss": "bce"},
    "mixed": {
        "train.data": "{dataset: digits, augment: [trivial_augment, hflip, random_erasing], repeats: 2,"
        " mix: {mixup: 1, cutmix: 1}}",
        "train.ema": "{decay: 0.9, every: 3, after: step 9}",
        "train.clip_norm": "1.0",
    },
    "bf16": {"train.precision": "bf16"},
    "fp64": {"train.precision": "fp64"},
    "rates": {"train.lr": "[{linear: {from: 0, to: 0.2}, until: step 3}, {cosine: {from: 0.2, to: 0.1}}]"},
}


def hand_written(model, recipe, inputs, rates):
    """The loop that a person would write; gives the model and the average of its weights."""
    optimizer, lr = recipe.optimizer, rates[0]
    if recipe.precision == "fp64":
        model, inputs = model.double(), [(images.double(), labels) for images, labels in inputs]
    decayed = [p for n, p in model.named_parameters() if n in ("conv1.weight", "fc.weight")]
    others = [p for n, p in model.named_parameters() if n not in ("conv1.weight", "fc.weight")]
    decay = optimizer.weight_decay
    groups = [{"params": decayed}, {"params": others, "weight_decay": decay * optimizer.decay_norm_and_bias}]
    if optimizer.kind == "sgd":
        made = torch.optim.SGD(groups, lr, optimizer.momentum, weight_decay=decay, nesterov=optimizer.nesterov)
    else:
        made = torch.optim.AdamW(groups, lr, (optimizer.beta1, optimizer.beta2), optimizer.eps, decay)
    average = {n: p.detach().clone() for n, p in model.named_parameters()}
    model.train().to(memory_format=torch.channels_last)
    for (images, labels), rate in zip(inputs, rates, strict=True):
        for group in made.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bf16"):
            logits = model(images)
            target = torch.nn.functional.one_hot(labels, 10) * (1 - recipe.label_smoothing)
            target = target + recipe.label_smoothing / 10
            logits = logits.float() if recipe.precision == "bf16" else logits
            loss = -(target * logits.log_softmax(1)).sum(1).mean()
        made.zero_grad()
        loss.backward()
        if recipe.clip_norm:
            norm = sum(p.grad.square().sum() for p in model.parameters()).sqrt()
            assert norm > recipe.clip_norm
            for p in model.parameters():
                p.grad.mul_(recipe.clip_norm / (norm + 1e-6))
        made.step()
        for name, p in model.named_parameters():
            kept = recipe.ema.decay if recipe.ema else 0
            average[name] = kept * average[name] + (1 - kept) * p.detach()
    return model, average


@pytest.mark.parametrize("name", [name for name in RECIPES if name not in ("lamb", "mixed")])
def test_five_steps_equal_a_loop_written_by_hand(name, tmp_path):
    from archspec_runtime.schedule.phases import Schedule
    from archspec_torch.trainer.stepper import TorchStepper

    (tmp_path / "small.yaml").write_text(PLAIN)
    chosen = overrides([f"{key}={value}" for key, value in RECIPES[name].items()])
    net = archspec.load(tmp_path / "small.yaml", set=chosen)
    job = effective(Job.from_dict(job_fields(net)), Options())
    recipe, shape = job.recipe, job.input_shape
    dataset = open_dataset(recipe.data, None, input_shape=shape, classes=10, seed=recipe.seed)
    normalization = measure(recipe.data.normalize, dataset.train, shape)
    batches = Batches(dataset.train, recipe.data, recipe.batch_size, recipe.seed, shape, normalization)
    schedule = Schedule(recipe.lr, 5, batches.per_epoch)
    stepper = TorchStepper(
        lambda: archspec.build(net, backend="torch", seed=recipe.seed),
        training("torch", net, job),
        job,
        dataset,
        normalization,
        torch.device("cpu"),
        False,
    )
    inputs, rates = [], []
    for step, batch in enumerate(batches.run(0, 5)):
        pixels = batch.plan.apply(normalization.apply(dataset.train.images[batch.indices]))
        inputs.append(
            (
                torch.from_numpy(np.ascontiguousarray(pixels)).contiguous(memory_format=torch.channels_last),
                torch.from_numpy(batch.labels),
            )
        )
        rates.append(schedule.lr(step))
        stepper.step(batch, rates[-1], step)
        schedule.after_step(step + 1, {})
    model, average = hand_written(archspec.build(net, backend="torch", seed=recipe.seed), recipe, inputs, rates)
    tolerance = {"bf16": 2e-2, "adamw": 1e-5, "adamw no decay": 1e-5}.get(name, 1e-6)
    tolerance = 1e-12 if name == "fp64" else tolerance
    for key, expected in model.state_dict().items():
        found = stepper.model.state_dict()[key]
        assert found.dtype == expected.dtype
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    if recipe.ema:
        found = dict(stepper.average.model.named_parameters())
        for key, expected in average.items():
            torch.testing.assert_close(found[key].data, expected, rtol=1e-6, atol=1e-6)
            assert not torch.equal(expected, model.state_dict()[key])
    outcomes = stepper.drain()
    assert len(outcomes) == 5
    assert all(math.isfinite(outcome.loss) and 0 <= outcome.errors <= 32 for outcome in outcomes)


@pytest.mark.parametrize("name", ["bf16", "fp64", "adamw", "ema", "lamb", "mixed"])
def test_every_recipe_trains_and_resumes(name, train, tmp_path):
    (tmp_path / "small.yaml").write_text(PLAIN)
    sets = [word for pair in RECIPES[name].items() for word in ("--set", "=".join(pair))]
    train("small.yaml", "straight", *sets, "--steps", 30, "--checkpoint-every", 15)
    shutil.copytree("straight", "cut")
    shutil.rmtree(newest(Path("cut")))
    train("small.yaml", "cut", *sets, "--steps", 30, "--checkpoint-every", 15, "--resume")
    assert same(weights(Path("cut")), weights(Path("straight")))
    assert measurements(Path("cut")) == measurements(Path("straight"))
