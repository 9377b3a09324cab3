"""Steps and evaluations of Flax compiled for TPU v5e, without one, by the compiler that runs beside them.

`make test-all` installs libtpu into `.venv/tpu`: 200 MB that are of no use to anything else, and beside JAX it would look for
chips in every process. To compile a step takes a processor ten seconds to minutes (in fp32 the longest), so basic blocks and
bottlenecks are here by small members of their families. Left out: gates, dense layers and members that repeat the same blocks,
which `test_flax_lowered.py` lowers; other precisions of the same net; images of 224 pixels; and whether any of it runs.
"""

import re
from dataclasses import dataclass, field

import numpy as np
import pytest

jax = pytest.importorskip("jax")
nnx = pytest.importorskip("flax.nnx")
from jax.sharding import Mesh  # noqa: E402
from steps_elsewhere import host_calls, libtpu, steps, tpus  # noqa: E402

pytestmark = [
    pytest.mark.skipif(not libtpu(), reason="libtpu is not there: `make test-all` installs it into .venv/tpu"),
    pytest.mark.release,
]

KINDS = "all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute|collective-broadcast"
COLLECTIVE = re.compile(rf"= (.*?) ({KINDS})(?:-start)?\(")
SHAPE = re.compile(r"[a-z]+\d+\[([\d,]*)\]")
PRODUCT = re.compile(r"^\s*(?:ROOT )?\S+ = (\w+)\[.* (?:convolution|dot)\(")


@dataclass(frozen=True)
class Case:
    """A net on so many chips, and by how much a step exceeds what the net needs.

    A TPU lays out memory in tiles of 128 channels, so nets of 16 channels take eight times what they need.
    """

    name: str
    precision: str
    images: int  # of a chip
    chips: int
    memory: float  # temporary memory, as a multiple of activations that are kept and gradients
    traffic: float  # bytes accessed, as a multiple of `needed_traffic`
    overrides: dict = field(default_factory=dict)

    def __str__(self):
        return f"{self.name}-{self.precision}-{self.chips}"


ONE_BLOCK_EACH = {f"stages.layer{n}.repeat": 1 for n in (1, 2, 3, 4)}
CASES = [
    Case("digits_resnet:resnet8", "fp32", 32, 1, memory=5, traffic=13),
    Case("digits_resnet:resnet8", "bf16", 16, 8, memory=10, traffic=16),
    Case("resnet50", "bf16", 4, 4, memory=0.5, traffic=4.5, overrides={"input.size": 64, **ONE_BLOCK_EACH}),
]


def collectives(text):
    """The kind of each collective operation of a compiled program, and how many values it exchanges."""
    found = []
    for line in text.splitlines():
        if match := COLLECTIVE.search(line):
            sizes = [[int(n) for n in shape.split(",") if n] for shape in SHAPE.findall(match[1])]
            found.append((match[2], sum(int(np.prod(size, dtype=np.int64)) for size in sizes)))
    return found


@pytest.fixture(scope="module", params=CASES, ids=str)
def compiled(request):
    """A case, its steps, and its two programs."""
    case = request.param
    mesh = Mesh(np.asarray(tpus(case.chips)), ("data",))
    found = steps(case.name, case.precision, case.images * case.chips, mesh, case.overrides)
    programs = {"train": found.train.lower().compile(), "evaluate": found.evaluate.lower().compile()}
    jax.config.update("jax_default_matmul_precision", None)
    return case, found, programs


def test_chips_exchange_statistics_and_the_gradient_once_and_nothing_else(compiled):
    case, found, programs = compiled
    exchanged = collectives(programs["train"].as_text())
    assert {kind for kind, _ in exchanged} == ({"all-reduce"} if case.chips > 1 else set())
    statistics = nnx.filter_state(found.state.rest, nnx.BatchStat)
    channels = (
        sum(leaf.size for leaf in jax.tree.leaves(statistics) if leaf.ndim) // 2
    )  # a mean and a variance of each
    if case.chips > 1:
        # forwards two sums of each channel of a norm; backwards two more, which are the gradients of its scale and shift
        most = found.job.params + 2 * channels + 8  # and the loss and the errors
        assert found.job.params <= sum(count for _, count in exchanged) <= most
        assert max(count for _, count in exchanged) > 0.9 * found.job.params, "gradients go together"
    evaluated = collectives(programs["evaluate"].as_text())
    assert sum(count for _, count in evaluated) <= 3, "the sums"


def test_chips_multiply_in_the_precision_of_the_recipe(compiled):
    case, _, programs = compiled
    for program in programs.values():
        products = [line for line in program.as_text().splitlines() if PRODUCT.search(line)]
        assert products
        for line in products:
            if case.precision == "fp32":
                assert "operand_precision={highest,highest}" in line
            else:
                assert "operand_precision" not in line


def test_no_program_reaches_for_the_host(compiled):
    for program in compiled[-1].values():
        assert host_calls(program.as_text()) == []


def test_a_step_takes_the_memory_and_the_traffic_that_the_net_needs(compiled):
    case, found, programs = compiled
    width = 4 if case.precision == "fp32" else 2
    activations, weights = found.job.kept * case.images * width, 4 * found.job.params
    # what is kept is written, read, and its gradient written; weights are read twice, their gradients written and read, and
    # so are the velocity and the update
    needed_traffic = 3 * activations + 8 * weights
    step = programs["train"]
    memory, traffic = step.memory_analysis(), step.cost_analysis()["bytes accessed"]
    assert memory.temp_size_in_bytes <= case.memory * (activations + weights)
    assert traffic <= case.traffic * needed_traffic
    assert 4 * found.job.macs * case.images <= step.cost_analysis()["flops"] <= 9 * found.job.macs * case.images
    whole = programs["evaluate"]
    assert whole.memory_analysis().temp_size_in_bytes <= case.memory * (activations + weights)
