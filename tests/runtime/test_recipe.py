"""Recipes as plain values."""

import json

import pytest

from archspec_runtime.recipe.augmentations import Mix, PcaLighting, RandomCrop, RandomResizedCrop, ResizeShorter
from archspec_runtime.recipe.changes import changes
from archspec_runtime.recipe.images import Data, Epoch, HFlip, PadCrop, Size, Step
from archspec_runtime.recipe.recipe import Phase, Recipe
from archspec_runtime.recipe.vocabulary import BCE, EMA, SGD, AdamW, Measured, Plateau

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


def test_options_that_an_older_version_did_not_have_are_no_changes():
    recipe = RECIPES[1]
    before = recipe.to_dict()
    for name in ("repeats", "eval_interpolation", "antialias"):
        del before["data"][name]
    del before["accumulate"]
    assert changes(before, recipe) == []
    assert changes({**before, "batch_size": 1}, recipe) == [f"batch_size: 1 before, {recipe.batch_size} now"]
    before["data"]["holdout"] = 4
    assert changes(before, recipe) == ["data.holdout: 4 before, 3 now"]
    newer = {**recipe.to_dict(), "of_tomorrow": 1}
    assert changes(newer, recipe) == ["of_tomorrow: 1 before, none now"]


def test_a_rate_that_has_changed_is_told_as_specs_write_it():
    ended = Phase(0.1, (Measured("train_error", "<", 80.0), Step(5)))
    before = Recipe(steps=9, lr=(ended, Phase(0.1, (Epoch(3),), 0.0, "cosine"), Phase(0.01)))
    (line,) = changes(before.to_dict(), Recipe(steps=9, lr=(Phase(0.1, (Plateau(2, "test_error"),)), Phase(0.01))))
    assert line == (
        "lr: [{value: 0.1, until: 'train_error < 80% or step 5'}, {cosine: {from: 0.1, to: 0}, until: epoch 3}, {value: 0.01}] "
        "before, [{value: 0.1, until: 'plateau 2 of test_error'}, {value: 0.01}] now"
    )
