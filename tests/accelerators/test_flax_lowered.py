"""Steps and evaluations of Flax lowered for GPUs: what each product computes in, and that none of it reaches for the host.

They are translated to what the compiler takes; no compiler for GPUs sees them. What one makes of a step for TPUs is in
`test_flax_on_tpus.py`.
"""

import pytest

jax = pytest.importorskip("jax")
from jax.sharding import AbstractMesh  # noqa: E402
from steps_elsewhere import host_calls, products, steps  # noqa: E402

from zoo_nets import TRAINED, marked  # noqa: E402

PRODUCTS = {
    "fp32": ("f32", "HIGHEST"),
    "tf32": ("f32", "HIGH"),
    "bf16": ("bf16", "DEFAULT"),
    "fp16": ("f16", "DEFAULT"),
}


@pytest.fixture(autouse=True)
def precision():
    yield
    jax.config.update("jax_default_matmul_precision", None)


def check(name, precision, devices):
    mesh = AbstractMesh((devices,), ("data",))
    found = steps(name, precision, 8, mesh)
    for program in (found.train, found.evaluate):
        text = program.lower(lowering_platforms=("cuda",)).as_text()
        assert set(products(text)) == {PRODUCTS[precision]}
        assert host_calls(text) == []
        assert "inlineable" not in text, "the compiler for GPUs knows no calls"


@pytest.mark.parametrize(("precision", "devices"), [("fp32", 1), ("bf16", 8)])
def test_a_step_lowers_for_gpus_in_the_precision_of_its_recipe(precision, devices):
    check("digits_resnet:resnet8", precision, devices)


@pytest.mark.long
@pytest.mark.parametrize(("precision", "devices"), [("fp32", 4), ("bf16", 8)])
@pytest.mark.parametrize("name", [marked(name) for name in TRAINED])
def test_every_net_of_the_zoo_lowers_for_gpus(name, precision, devices):
    check(name, precision, devices)


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "precision"),
    [("resnet50:a1", "fp16"), ("resnet50:torchvision_v2", "bf16"), ("resnet50:a3", "tf32")],
)
def test_recipes_with_everything_in_them_lower_for_gpus(name, precision):
    check(name, precision, 1)
