"""Every net of the zoo, its training step and its evaluation, compiled for chips of TPU v5e that are not here.

The compiler's time goes by the structure of a program and the size of its maps. So each net has its own widths, kinds of blocks
and recipe, but small images and at most two equal blocks in a row, and libtpu searches for the fastest program as little as it
can. `test_flax_on_tpus.py` has a few nets that are compiled as a run has them compiled.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import numpy as np
import pytest

import archspec
from archspec.diagnostics import SpecError

jax = pytest.importorskip("jax")
nnx = pytest.importorskip("flax.nnx")
from compiled_programs import check_collectives, check_precision  # noqa: E402
from jax.sharding import Mesh  # noqa: E402
from steps_elsewhere import host_calls, steps, tpus  # noqa: E402

from zoo_nets import TRAINED  # noqa: E402

IMAGES = 2
"""Of a chip."""
QUICK = {"exec_time_optimization_effort": -1.0}
"""To the compiler: a third of the time, for a program that is slower."""
SIDES = (8, 32, 64, 96, 128, 224)
"""Of images: the smallest that a net takes is taken."""
MEMORY, TRAFFIC = (5, 20), (4, 40)
"""What a step may take and move at most, as multiples of what its activations and weights need: nets of ImageNet, and those
of CIFAR and digits.

A TPU lays out maps in tiles of 128 channels, which in nets of 16 channels are mostly empty.
"""

SLOWEST = "maxvit_t"
"""Three minutes of a processor, as it takes no images below 224 pixels: before releases alone."""
ALL = [(name, "bf16", chips) for name, chips in zip(TRAINED, cycle((4, 8)), strict=False) if name != SLOWEST]
BEFORE_RELEASES = [
    (SLOWEST, "bf16", 4),
    *((name, "bf16", 12 - chips) for name, _, chips in ALL),
    *((name, "fp32", chips) for name in TRAINED for chips in (4, 8)),
]


@pytest.fixture(autouse=True)
def precision() -> Iterator[None]:
    yield
    jax.config.update("jax_default_matmul_precision", None)
    jax.clear_caches()


def shortened(value: Any) -> Any:
    """A spec in which no step is repeated more than twice."""
    if isinstance(value, list):
        return [shortened(item) for item in value]
    if not isinstance(value, dict):
        return value
    cut = {key: shortened(item) for key, item in value.items()}
    if "repeat" in cut:
        cut["repeat"] = f"min(2, {cut['repeat']})"
    elif "repeat" in cut.get("columns", ()) and "table" in cut:
        place = cut["columns"].index("repeat")
        cut["table"] = [[*row[:place], f"min(2, {row[place]})", *row[place + 1 :]] for row in cut["table"]]
    return cut


def small(name: str) -> dict[str, Any]:
    """The spec of a net of the zoo, its rows of equal blocks cut and its images as small as it takes."""
    net = archspec.load(name)
    spec = shortened(net.resolved.root.plain())
    spec.pop("expect", None)
    spec.pop("presets", None)
    if net.recipe is None:
        spec["train"] = {"recipe": "imagenet_resnet"}
    for side in SIDES:
        tried = spec | {"input": {**spec.get("input", {}), "size": side}}
        try:
            archspec.load(tried)
        except SpecError:
            continue
        return tried
    return spec


def check(name: str, precision: str, chips: int) -> None:
    mesh = Mesh(np.asarray(tpus(chips)), ("data",))
    found = steps(small(name), precision, IMAGES * chips, mesh)
    train, evaluate = (traced.lower().compile(compiler_options=QUICK) for traced in (found.train, found.evaluate))
    check_collectives(train.as_text(), evaluate.as_text(), found, chips)
    for program in (train, evaluate):
        check_precision(program.as_text(), precision)
        assert host_calls(program.as_text()) == []
    width = 4 if precision == "fp32" else 2
    activations, weights = found.job.kept * IMAGES * width, 4 * found.job.params
    narrow = archspec.load(name).input_shape[1] <= 32
    memory, traffic = MEMORY[narrow] * (activations + weights), TRAFFIC[narrow] * (3 * activations + 8 * weights)
    assert train.memory_analysis().temp_size_in_bytes <= memory
    assert evaluate.memory_analysis().temp_size_in_bytes <= memory
    assert train.cost_analysis()["bytes accessed"] <= traffic


@pytest.mark.release
@pytest.mark.parametrize(("name", "precision", "chips"), ALL)
def test_every_net_of_the_zoo_compiles_for_tpus(name: str, precision: str, chips: int) -> None:
    check(name, precision, chips)


@pytest.mark.release
@pytest.mark.parametrize(("name", "precision", "chips"), BEFORE_RELEASES)
def test_every_net_of_the_zoo_compiles_in_single_and_half_precision_for_4_and_8(
    name: str, precision: str, chips: int
) -> None:
    check(name, precision, chips)
