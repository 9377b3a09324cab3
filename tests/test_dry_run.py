"""What a dry run says of memory and schedule holds of the run."""

from dataclasses import replace

import pytest

import archspec
from archspec.emission.folder import job_fields
from archspec.liveness import kept_for_gradient
from archspec_runtime.dry_run import plot
from archspec_runtime.estimates import memory
from archspec_runtime.job import Job
from archspec_runtime.recipe import EMA, LAMB, SGD, Phase, Plateau, Recipe, Step

torch = pytest.importorskip("torch")


def job(**changes):
    made = Job.from_dict(job_fields(archspec.load("digits_resnet:resnet8")))
    return replace(made, recipe=Recipe(**{"steps": 100, **changes}))


def kept_by_torch(net):
    """Numbers in the tensors that autograd keeps for one image, the model's own left out; each once."""
    model = archspec.build(net, backend="torch").train()
    own = {t.untyped_storage().data_ptr() for t in model.state_dict().values()}
    images, kept = torch.randn(2, *net.input_shape), {}

    def keep(tensor):
        place = tensor.untyped_storage().data_ptr()
        if place not in own and tensor.ndim and len(tensor) == len(images) and tensor.is_floating_point():
            kept[place] = tensor  # held, so that its place is not used again
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(images).sum().backward()
    return sum(t.numel() for t in kept.values()) // len(images)


@pytest.mark.parametrize(
    ("spec", "changes"),
    [
        ("resnet18", {"input.size": 64}),
        ("resnet50", {"input.size": 64}),
        ("cifar_resnet:resnet20", {}),
        ("cifar_resnet:plain20", {}),
        ("cifar_highway", {}),
        ("digits_resnet:resnet8", {"act": "tanh"}),
        ("digits_resnet:resnet8", {"act": "gelu"}),
    ],
)
def test_what_is_counted_is_what_pytorch_keeps(spec, changes):
    net = archspec.load(spec, set=changes)
    assert kept_for_gradient(net) == pytest.approx(kept_by_torch(net), rel=0.02)


def test_memory_counts_parameters_gradients_optimizer_average_and_a_part_of_the_batch():
    plain = memory(job(batch_size=64, optimizer=SGD()))
    params, kept = job().params, job().kept
    assert (plain.weights, plain.gradients, plain.optimizer, plain.average) == (4 * params, 4 * params, 0, 0)
    assert plain.activations == 4 * 64 * kept
    full = memory(job(batch_size=64, optimizer=LAMB(), ema=EMA(0.9), accumulate=4, precision="bf16"))
    assert (full.optimizer, full.average, full.activations) == (8 * params, 4 * params, 2 * 16 * kept)
    assert full.total == sum((full.weights, full.gradients, full.optimizer, full.average, full.activations))


def test_the_plot_falls_where_the_rate_does():
    lines = plot(job(lr=(Phase(1.0, (Step(50),)), Phase(0.1))))
    counts = [line.partition("|")[2].count("*") for line in lines]
    assert sum(counts) == 60
    assert counts[0] == pytest.approx(30, abs=1)
    assert lines[0].startswith("       1 |*")
    assert "drawn evenly" in plot(job(lr=(Phase(1.0, (Plateau(5),)), Phase(0.001))))[-1]


@pytest.mark.parametrize("lr", [(Phase(0.0),), (Phase(0.0, (), 1.0, "linear"),), (Phase(1e-30),)])
def test_any_schedule_can_be_drawn(lr):
    plot(job(lr=lr))
