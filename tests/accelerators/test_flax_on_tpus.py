"""Steps and evaluations of Flax compiled for TPU v5e, without one, by the compiler that runs beside them.

libtpu stands aside, below `.venv/aside`: beside JAX it would look for chips in every process. To compile a step takes a
processor ten seconds to minutes, so basic blocks and bottlenecks are here by small members of their families;
`test_zoo_on_tpus.py` has every net, compiled in a hurry. Left out: images of 224 pixels, and whether any of it runs.
"""

from dataclasses import dataclass, field

import numpy as np
import pytest

jax = pytest.importorskip("jax")
pytest.importorskip("flax")
from compiled_programs import check_collectives, check_precision  # noqa: E402
from jax.sharding import Mesh  # noqa: E402
from steps_elsewhere import host_calls, steps, tpus  # noqa: E402

pytestmark = pytest.mark.release


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
    check_collectives(programs["train"].as_text(), programs["evaluate"].as_text(), found, case.chips)


def test_chips_multiply_in_the_precision_of_the_recipe(compiled):
    case, _, programs = compiled
    for program in programs.values():
        check_precision(program.as_text(), case.precision)


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
