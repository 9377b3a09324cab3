"""Every net of the zoo, its training step and its evaluation, compiled for chips of TPU v5e that are not here.

The compiler's time goes by the number of layers and the size of their maps, so each net has its own kinds of blocks, widths and
recipe, but no more blocks and pixels than it needs for them (`small_nets.py`), and libtpu searches for the fastest program as
little as it can: 3 to 40 seconds of a processor. `test_flax_on_tpus.py` has a few nets that are compiled as a run has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import numpy as np
import pytest

import archspec

jax = pytest.importorskip("jax")
pytest.importorskip("flax")
from compiled_programs import check_collectives, check_precision  # noqa: E402
from jax.sharding import Mesh  # noqa: E402
from small_nets import small  # noqa: E402
from steps_elsewhere import host_calls, steps, tpus  # noqa: E402

from zoo_nets import TRAINED  # noqa: E402

QUICK = {"exec_time_optimization_effort": -1.0}
"""To the compiler: a third of the time, for a program that is slower."""
WIDE, NARROW = 2, 128
"""Images of a chip. Nets of 16 channels have as many as a tile of a TPU has places, so that images lie side by side in it and
not channels, of which seven in eight would be empty."""
MEMORY, TRAFFIC = 9, 9
"""What a step takes and moves at most, as multiples of what weights and activations need.

Needed is to keep what the backward pass asks for and the gradients; and to write, read and differentiate the former once, and
to pass eight times over the weights (two passes, the gradient, the velocity, the update). Maps of some dozens of channels fill
tiles of 128 by 8 in part, and a compiler in a hurry fuses little: the step of `stochastic_depth` takes 7.8 times what it needs,
and 1.6 times where the compiler takes its time.
"""
TWINS = {"plain34": "plain18", "resnet34": "resnet18", "resnet101": "resnet50", "resnet152": "resnet50"}
"""Nets that are others when they are shortened."""
NETS = [name for name in TRAINED if name not in TWINS]
CASES = [
    *((name, "bf16", chips) for name, chips in zip(NETS, cycle((4, 8)), strict=False)),
    *((name, "fp32", chips) for name, chips in zip(NETS, cycle((8, 4)), strict=False)),
]


def marked(name: str, precision: str, chips: int) -> Any:
    """When a case is compiled."""
    when = pytest.mark.release if precision == "fp32" else pytest.mark.long
    return pytest.param(name, precision, chips, marks=when)


@pytest.fixture(autouse=True)
def precision() -> Iterator[None]:
    yield
    jax.config.update("jax_default_matmul_precision", None)
    jax.clear_caches()


@pytest.mark.parametrize(("name", "precision", "chips"), [marked(*case) for case in CASES])
def test_every_net_of_the_zoo_compiles_for_tpus(name: str, precision: str, chips: int) -> None:
    net, mesh = archspec.load(name), Mesh(np.asarray(tpus(chips)), ("data",))
    dataset = net.recipe["data"]["dataset"] if net.recipe else None
    images = NARROW if net.input_shape[1] <= 32 else WIDE
    found = steps(small(name), precision, images * chips, mesh, dataset=dataset)
    train, evaluate = (traced.lower().compile(compiler_options=QUICK) for traced in (found.train, found.evaluate))
    check_collectives(train.as_text(), evaluate.as_text(), found, chips)
    for program in (train, evaluate):
        check_precision(program.as_text(), precision)
        assert host_calls(program.as_text()) == []
    activations, weights = found.job.kept * images * (4 if precision == "fp32" else 2), 4 * found.job.params
    for program in (train, evaluate):
        assert program.memory_analysis().temp_size_in_bytes <= MEMORY * (activations + weights)
    assert train.cost_analysis()["bytes accessed"] <= TRAFFIC * (3 * activations + 8 * weights)


@pytest.mark.long
@pytest.mark.parametrize(("name", "twin"), TWINS.items())
def test_a_net_that_is_left_out_is_another_when_it_is_shortened(name: str, twin: str) -> None:
    ours, theirs = archspec.load(small(name)), archspec.load(small(twin))
    assert (ours.fingerprint, ours.recipe) == (theirs.fingerprint, theirs.recipe)
