"""The bound that a dry run prints is what one calculates by hand, and counts the kernels that PyTorch launches."""

import sys
from pathlib import Path

import pytest

import archspec
from archspec.analysis.accelerators import ACCELERATORS, accelerator
from archspec.analysis.roofline import bound
from archspec.analysis.traffic import step_kernels

RECIPE = {"batch_size": 256, "accumulate": 1, "precision": "bf16", "optimizer": {"kind": "sgd", "momentum": 0.9}}


def recipe(**changes):
    return RECIPE | changes


def test_arithmetic_of_resnet50_is_three_forward_passes_but_for_the_gradient_of_the_image():
    found = bound(archspec.load("resnet50"), recipe(), accelerator("H200"))
    stem = 64 * 3 * 7 * 7 * 112 * 112
    assert found.macs == 3 * 4_089_184_256 - stem
    assert found.arithmetic == pytest.approx(2 * 256 * found.macs / 989.5e12)
    assert found.arithmetic == pytest.approx(6.287e-3, rel=1e-3)
    assert found.limit == "memory"


@pytest.mark.parametrize("name", ["vit", "deit"])
def test_products_of_attention_and_of_packed_weights_are_counted_three_times(name):
    net = archspec.load(name)
    found = bound(net, recipe(), accelerator("H200"))
    stem = next(row.macs for row in net.modules() if row.op == "conv")
    assert found.macs == 3 * (net.cost.macs + net.cost.attention_macs) - stem


def test_launches_of_resnet50_are_those_of_its_layers():
    found = bound(archspec.load("resnet50"), recipe(precision="fp32"), accelerator("H200"))
    forward = 53 + 53 + 53 + 49 + 16 + 3  # convolutions, norms and their counters, ReLUs, additions; pools and fc
    backward = (2 * 53 - 1) + 53 + 49 + 16 + 2 + 3  # 16 blocks' inputs are used twice; fc has a bias
    assert found.launches == forward + backward + 4 + 1, "the loss and the optimizer"
    fused = bound(archspec.load("resnet50"), recipe(precision="fp32"), accelerator("H200"), fused=True)
    assert fused.launches == 53 + 53 + 3 + (2 * 53 - 1) + 53 + 2 + 3 + 1


def test_bytes_of_resnet20_are_those_of_its_maps():
    a, b, c = 16 * 32 * 32, 32 * 16 * 16, 64 * 8 * 8
    convolutions = (3072 + a) + 12 * a + (a + b) + 10 * b + (b + c) + 10 * c
    maps = 7 * a + 6 * b + 6 * c  # after each of the 19 convolutions
    padded = (a + a // 4) + (a // 4 + b) + (b + b // 4) + (b // 4 + c)  # both zero-padded shortcuts
    sums = 3 * (a + b + c)
    forward = convolutions + 2 * maps + 2 * maps + 3 * sums + padded + (c + 64) + (64 + 10)
    shared = 4 * a + 3 * b + 2 * c  # the inputs of blocks, whose gradients are added up
    backward = (
        (2 * convolutions - (3072 + a)) + 3 * maps + 3 * maps + 3 * shared + padded + (c + 64) + (2 * 74 + 10)
    )
    kernels = step_kernels(archspec.load("cifar_resnet:resnet20"), recipe(precision="fp32"))
    assert sum(kernel.bytes_an_image for kernel in kernels) == 4 * (forward + backward)


@pytest.mark.parametrize("name", ["resnet50", "cifar_resnet:resnet20", "cifar_highway"])
def test_kernels_and_bytes_are_those_that_pytorch_dispatches(name):
    torch = pytest.importorskip("torch")
    sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
    from kernels import Kernels

    net = archspec.load(name)
    model = archspec.build(net, backend="torch").to("meta").train()
    images, labels = torch.empty((8, *net.input_shape), device="meta"), torch.zeros(8, dtype=int, device="meta")
    with Kernels() as seen:
        torch.nn.functional.cross_entropy(model(images), labels).backward()
    *counted, update = step_kernels(net, recipe(precision="fp32"))
    assert update.bytes_a_step == 5 * 4 * net.cost.params
    assert sum(kernel.launches for kernel in counted) == pytest.approx(seen.launches, rel=0.03)
    moved = sum(kernel.bytes_a_step + 8 * kernel.bytes_an_image for kernel in counted)
    assert moved == pytest.approx(seen.bytes, rel=0.03)


@pytest.mark.parametrize(
    ("name", "changes", "limit"),
    [
        ("cifar_resnet:resnet20", {"batch_size": 128}, "launches"),
        ("resnet50", {}, "memory"),
        ("resnet50", {"precision": "fp32"}, "arithmetic"),
    ],
)
def test_what_limits_a_net_is_what_takes_longest(name, changes, limit):
    found = bound(archspec.load(name), recipe(**changes), accelerator("h200"))
    assert found.limit == limit
    assert found.seconds >= max(found.arithmetic, found.launching)
    assert found.seconds <= found.arithmetic + found.memory + found.launching


def test_micro_batches_and_optimizers_are_counted():
    net = archspec.load("resnet18")
    once, split = (bound(net, recipe(accumulate=n), accelerator("a100")) for n in (1, 4))
    assert split.macs == once.macs
    assert split.launches > 3 * once.launches
    assert split.moved > once.moved
    rich = recipe(optimizer={"kind": "lamb"}, clip_norm=1.0, ema={"decay": 0.9})
    assert bound(net, rich, accelerator("a100")).moved - once.moved == 4 * net.cost.params * (12 - 5 + 3 + 3)


@pytest.mark.parametrize("name", ACCELERATORS)
def test_a_dry_run_says_how_fast_a_step_can_be_and_by_which_source(name, cli):
    found = cli("train", "resnet50", "--set", "train.precision=bf16", "--dry-run", "--on", name)
    assert found.exit_code == 0, found.output
    said = found.stdout.partition("at most, on one ")[2]
    assert accelerator(name).source in said
    assert "images/s" in said
    assert "limited by memory" in said
    assert ("launches" in said) == (name != "v5e"), "on a TPU a step is one program"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            ("--dry-run", "--on", "H20"),
            "no data sheet of an accelerator 'H20' is known\n  help: known here: `A100`, `H200`, `TPU v5e`",
        ),
        (("--dry-run", "--on", "abacus"), "known here: `A100`, `H200`, `TPU v5e`"),
        (("--dry-run", "--on", "v5e", "--set", "train.precision=fp64"), "take a precision of `bf16`"),
        (("--on", "H200"), "give --dry-run as well"),
    ],
)
def test_an_accelerator_that_cannot_be_meant_is_refused(given, says, cli):
    found = cli("train", "resnet50", *given)
    assert found.exit_code == 2, found.output
    assert says in found.stderr
