"""The text of a first spec: the net that it begins with, and the images that it is trained on."""

from __future__ import annotations

import re
from dataclasses import dataclass

KNOWN_IMAGES = {"digits": (10, 1, 8), "cifar10": (10, 3, 32)}
"""Classes, channels and size of data sets that are called by name."""
FOLDER_SIZE = 224
SMALL = 64  # pixels: up to here the stem keeps the resolution, as in section 4.2 of He et al. (2015)

OWN = """\
args: {{n: 1, shortcut: projection}}
name: {name}
input: {{channels: {channels}, size: {size}}}
classes: {classes}
shortcut: $shortcut
stem:
{stem}
stages:
{stages}
head: [global_avg_pool, {{fc: {{linear: {{out: classes}}}}}}]
init: {{conv: he_normal_fan_out, norm: {{scale: 1, bias: 0}}}}
{train}"""

SMALL_STEM = """\
  - conv1: {conv: {out: 16, kernel: 3}}
  - bn1: norm
  - relu: act"""
LARGE_STEM = """\
  - conv1: {conv: {out: 32, kernel: 7, stride: 2}}
  - bn1: norm
  - relu: act
  - maxpool: {max_pool: {kernel: 3, stride: 2, padding: 1}}"""

RECIPES = {
    "digits": "train: {recipe: digits}\n",
    "cifar10": """\
train:
  recipe: cifar_resnet
  steps: null
  epochs: 30
  lr: [{linear: {from: 0.01, to: 0.1}, until: epoch 1}, {cosine: {from: 0.1, to: 0}}]
""",
}
FOLDER_RECIPE = """\
train:
  data: {{{data}}}
  batch_size: 32
  epochs: 30
  optimizer: {{sgd: {{momentum: 0.9, weight_decay: 1e-4}}}}
  lr: [{{linear: {{from: 0.001, to: 0.05}}, until: epoch 2}}, {{cosine: {{from: 0.05, to: 0}}}}]
"""


@dataclass(frozen=True)
class Choices:
    """What a first spec is made of."""

    name: str
    base: str | None
    """A net of the zoo that it extends, such as `resnet18`; None for a small residual net that is written out."""
    images: str
    """A data set of `KNOWN_IMAGES`, or `folder`."""
    classes: int
    channels: int
    size: int
    has_test: bool = True
    """Whether the folder of images has some to test on."""


def first_spec(choices: Choices) -> str:
    """The text of a spec by some choices, which `archspec check` has nothing to say of."""
    return _own(choices) if choices.base is None else _extending(choices)


def _own(choices: Choices) -> str:
    small = choices.size <= SMALL
    widths = [16, 32, 64] if small else [32, 64, 128, 256]
    stages = "\n".join(
        f"  - {{name: layer{i}, block: basic, repeat: n, width: {width}{', stride: 2' if i > 1 else ''}}}"
        for i, width in enumerate(widths, 1)
    )
    comment = (
        "# A small residual net: `--set n=3` is a deeper one, `--set shortcut=none` its plain twin.\narchspec: 1\n"
    )
    return comment + OWN.format(
        name=_word(choices.name),
        channels=choices.channels,
        size=choices.size,
        classes=choices.classes,
        stem=SMALL_STEM if small else LARGE_STEM,
        stages=stages,
        train=_recipe(choices),
    )


def _extending(choices: Choices) -> str:
    base = choices.base
    if choices.images == "folder":
        data = ", ".join(filter(None, [_eval_resize(choices, unless=256), _test(choices)]))
        train = f"train: {{recipe: finetune, data: {{{data}}}}}\n" if data else "train: {recipe: finetune}\n"
        comment = f"# {base} for images of one's own: `archspec train ... --weights FILE --fresh fc` begins with its weights.\n"
    else:
        train, comment = _recipe(choices), f"# {base} for other images.\n"
    return (
        f"{comment}archspec: 1\nextends: {base}\nname: {_word(choices.name)}\n"
        f"input: {{channels: {choices.channels}, size: {choices.size}}}\nclasses: {choices.classes}\n{train}"
    )


def _recipe(choices: Choices) -> str:
    if choices.images != "folder":
        return RECIPES[choices.images]
    data = [
        "dataset: image_folder",
        _test(choices),
        "augment: [random_resized_crop, hflip]",
        f"normalize: {'imagenet' if choices.channels == 3 else 'per_pixel_mean'}",  # ImageNet's mean is of three channels
        _eval_resize(choices),
    ]
    return FOLDER_RECIPE.format(data=", ".join(filter(None, data)))


def _test(choices: Choices) -> str:
    return "" if choices.has_test else "test: 20%"


def _eval_resize(choices: Choices, unless: int | None = None) -> str:
    """The short edge of images whose centre is tested on: 256 for 224 pixels, as in He et al. (2015), section 3.4."""
    side = round(choices.size * 256 / 224)
    return "" if side == unless else f"eval_resize: {side}"


def _word(text: str) -> str:
    """A file's name as that of a net: letters, digits, `_` and `-`, a letter first, and no word of YAML."""
    word = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")
    return word if re.match("[A-Za-z]", word) and word.lower() not in ("true", "false", "null") else f"net-{word}"
