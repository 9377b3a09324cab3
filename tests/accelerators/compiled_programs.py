"""What compiled programs for TPUs exchange among chips, and what they multiply in."""

import math
import re
from typing import Any

import jax
from flax import nnx

KINDS = "all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute|collective-broadcast"
COLLECTIVE = re.compile(rf"= (.*?) ({KINDS})(?:-start)?\(")
SHAPE = re.compile(r"([a-z]+\d+)\[([\d,]*)\]")
PRODUCT = re.compile(r"^\s*(?:ROOT )?\S+ = (\w+)\[.* (?:convolution|dot)\(")


def collectives(text: str) -> list[tuple[str, str, int]]:
    """Of each collective operation of a compiled program: its kind, the type of its values, and how many it exchanges."""
    found = []
    for line in text.splitlines():
        if match := COLLECTIVE.search(line):
            shapes = SHAPE.findall(match[1])
            sizes = [math.prod(int(n) for n in shape.split(",") if n) for _, shape in shapes]
            found.append((match[2], shapes[0][0], sum(sizes)))
    return found


def check_collectives(train: str, evaluate: str, found: Any, chips: int) -> None:
    """Chips exchange statistics, neighbours of mixed images, the gradient once, and the sums of an evaluation; no more."""
    exchanged = [count for kind, _, count in collectives(train) if kind == "all-reduce"]
    others = [(kind, count) for kind, _, count in collectives(train) if kind != "all-reduce"]
    if (
        found.job.recipe.data.mix is not None and chips > 1
    ):  # each chip takes the last image of the one before it, and its shares
        given = math.prod(found.job.input_shape) + found.job.classes
        assert [kind for kind, _ in others] == ["collective-permute"] * 2
        assert sum(count for _, count in others) <= 2 * given + 4, "what goes out and comes in, and a flag of each"
    else:
        assert others == []
    assert bool(exchanged) == (chips > 1)
    statistics = nnx.filter_state(found.state.rest, nnx.BatchStat)
    channels = (
        sum(leaf.size for leaf in jax.tree.leaves(statistics) if leaf.ndim) // 2
    )  # a mean and a variance of each
    if chips > 1:
        # forwards two sums of each channel of a norm; backwards two more, which are the gradients of its scale and shift
        most = found.job.params + 2 * channels + 8  # and the loss and the errors
        # a gain's gradient is computed of its weights', after the exchange; of a table's, what was looked up is exchanged
        assert 0.95 * found.job.params <= sum(exchanged) <= 1.05 * most, (found.job.params, most, exchanged)
        # one operation has values of one type, and gradients of weights that are standardized come in fp32
        largest: dict[str, int] = {}
        for kind, name, count in collectives(train):
            if kind == "all-reduce":
                largest[name] = max(count, largest.get(name, 0))
        statistics_and_their_gradients = 4 * channels
        assert sum(exchanged) - sum(largest.values()) <= statistics_and_their_gradients + 8, "gradients go together"
    assert sum(count for _, _, count in collectives(evaluate)) <= 3, "the sums"


def check_precision(text: str, precision: str) -> None:
    """Each product is computed in the precision of the recipe."""
    products = [line for line in text.splitlines() if PRODUCT.search(line)]
    assert products
    for line in products:
        if precision == "fp32":
            assert "operand_precision={highest,highest}" in line
        else:
            assert "operand_precision" not in line
