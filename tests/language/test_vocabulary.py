"""A recipe's keys, their defaults and their documentation stand once: in the runtime's dataclasses, of which models are made."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, get_args

import pytest

from archspec.language import vocabulary
from archspec.language.base import Boolean, Fraction, Model, OneOf
from archspec.language.data import Augment, Data, Mix
from archspec.language.policies import BadLoss, Keep
from archspec.language.recipe import Ema, Loss, Optimizer, Train
from archspec_runtime.recipe import augmentations, images, recipe
from archspec_runtime.recipe import vocabulary as said
from archspec_runtime.recipe.recipe import Recipe

REPO = Path(__file__).parents[2]
UNIONS = {
    Augment: augmentations.Augmentation,
    Optimizer: said.Optimizer,
    Loss: said.Loss,
    BadLoss: said.BadLoss,
}
ALONE = {Train: Recipe, Data: images.Data, Mix: augmentations.Mix, Ema: said.EMA, Keep: recipe.Keep}
OWN = {Train: {"recipe_name"}}


def pairs():
    """Each model with its dataclass."""
    yield from ALONE.items()
    for model, union in UNIONS.items():
        assert set(model.model_fields) == set(vocabulary.kinds(union))
        for name, one in vocabulary.kinds(union).items():
            (made, _) = get_args(model.model_fields[name].annotation)
            yield made, one


@pytest.mark.parametrize(("model", "stated"), [*pairs()])
def test_a_model_has_the_fields_and_the_words_of_its_dataclass(model, stated):
    assert set(model.model_fields) - OWN.get(model, set()) == {field.name for field in fields(stated)}
    for field in fields(stated):
        meant = model.model_fields[field.name]
        assert meant.description == vocabulary.documentation(stated)[field.name] != ""


def texts():
    return [
        path.read_text(encoding="utf-8")
        for part in ("archspec", "backends", "cli")
        for path in (REPO / part).rglob("*.py")
    ]


def test_what_a_key_means_is_written_once():
    """Each text stands in one line of the sources, those of keys and those of what one chooses from."""
    words = {word for _, stated in pairs() for word in vocabulary.documentation(stated).values()}
    words |= {vocabulary.summary(one) for union in UNIONS.values() for one in get_args(union)}
    sources = "\n".join(texts())
    assert {word: sources.count(word) for word in words if sources.count(word) != 1} == {}


@dataclass
class Tried:
    """A way that is tried."""

    kind = "tried"
    share: Annotated[float, "How much of it."] = 0.25
    twice: Annotated[bool, "Whether it is done again."] = False


def test_a_model_takes_words_and_defaults_and_says_what_fits():
    class One(Model, of=Tried):
        share: Fraction
        twice: Boolean = True  # where a spec that says nothing means another

    assert One.__doc__ == "A way that is tried."
    assert One() == One(share=0.25, twice=True)
    assert One.model_json_schema()["properties"]["share"]["description"] == "How much of it."

    class Ways(OneOf, of=Tried | images.HFlip):
        tried: One | None
        hflip: Model | None

    assert Ways.model_validate("tried").recipe() == {"kind": "tried", "share": 0.25, "twice": True}


def test_a_recipe_that_says_nothing_is_the_runtimes():
    """But for what a `train.py` states in code, which is the spec's alone."""
    plain = Train(epochs=1).recipe()
    wanted = Recipe(epochs=1).to_dict()
    assert {name for name in wanted if plain[name] != wanted[name]} == {"optimizer", "loss", "label_smoothing"}
    assert Recipe.from_dict(plain).to_dict() == plain
