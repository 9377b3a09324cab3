"""What XLA says that a step of Flax takes is what the estimate says before anything is loaded."""

import pytest

import archspec
from archspec.analysis.accelerators import accelerator
from archspec.analysis.roofline import bound
from archspec.emission.folder import job_fields
from archspec_runtime.job.job import Job
from archspec_runtime.job.memory import memory

jax = pytest.importorskip("jax")
from jax.sharding import Mesh  # noqa: E402
from steps_elsewhere import IMAGES, steps, tpus  # noqa: E402


@pytest.fixture(autouse=True)
def precision():
    yield
    jax.config.update("jax_default_matmul_precision", None)


def estimated(spec, batch, precision="fp32"):
    net = archspec.load(spec, set={"train.batch_size": batch, "train.precision": precision})
    return memory(Job.from_dict(job_fields(net)), framework="flax")


def said(spec, batch, precision, device):
    return steps(spec, precision, batch, Mesh([device], ("data",))).train.lower().compile().memory_analysis()


@pytest.mark.parametrize(
    ("spec", "batch"),
    [("digits_resnet:resnet8", 1024), pytest.param("cifar_resnet:resnet20", 128, marks=pytest.mark.release)],
)
def test_what_a_step_takes_besides_its_state_on_a_cpu_is_as_estimated(spec, batch):
    needed = estimated(spec, batch)
    found = said(spec, batch, "fp32", jax.devices("cpu")[0])
    assert needed.gradients + needed.activations == pytest.approx(found.temp_size_in_bytes, rel=0.15)


@pytest.mark.release
def test_what_a_step_takes_and_moves_on_a_tpu_is_as_estimated():
    """At so many images that a TPU lays them side by side: with few it pads channels to 128."""
    spec, batch = "digits_resnet:resnet8", 1024
    net = archspec.load(spec, set={"train.batch_size": batch, "train.precision": "bf16"})
    needed = estimated(spec, batch, "bf16")
    compiled = steps(spec, "bf16", batch, Mesh(tpus(1), ("data",))).train.lower().compile()
    peak = compiled.memory_analysis().peak_memory_in_bytes
    images = (
        IMAGES * net.input_shape[1] * net.input_shape[2]
    )  # of the rig, which puts more there than there are digits
    assert needed.tensors + needed.activations + images == pytest.approx(peak, rel=0.25)
    moved = bound(net, net.recipe, accelerator("v5e"), fused=True).moved
    assert moved == pytest.approx(compiled.cost_analysis()["bytes accessed"], rel=0.15)
