"""Models that `build` gives: the emitted source, started as the recipe says, with weights that fit or none."""

import inspect
import sys

import numpy as np
import pytest

import archspec
from archspec_runtime.draws import short_seed

torch = pytest.importorskip("torch")


def test_what_is_built_is_the_emitted_source():
    net = archspec.load("cifar_resnet:resnet20")
    model = archspec.build(net, "torch")
    assert inspect.getsource(sys.modules[type(model).__module__]) == archspec.emit(net, "torch")["model.py"]


def test_a_traceback_shows_the_emitted_line():
    import traceback

    model = archspec.build(archspec.load("cifar_resnet:resnet20"), "torch")
    with pytest.raises(RuntimeError) as raised:
        model(torch.zeros(1, 4, 32, 32))
    assert "x = self.conv1(x)" in [frame.line for frame in traceback.extract_tb(raised.value.__traceback__)]


def test_one_seed_gives_one_model():
    net = archspec.load("cifar_resnet:resnet20")
    before = torch.random.get_rng_state()
    first, same, other = (archspec.build(net, "torch", seed=s).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(first[k], same[k]) for k in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])
    assert torch.equal(before, torch.random.get_rng_state()), "building a model leaves the user's generator alone"


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_all_63_bits_of_a_seed_count_and_32_are_the_framework_s_own(backend, spec):
    pytest.importorskip(backend)
    stem = "stem: [{conv1: {conv: {out: 2, kernel: 1}}}]"
    net = archspec.load(spec(f"input: {{size: 4}}\nclasses: 2\n{stem}\nhead: [global_avg_pool]\n"))

    def first(seed):
        layer = archspec.build(net, backend, seed=seed).conv1
        return (layer.weight.detach().numpy() if backend == "torch" else np.asarray(layer.kernel[...])).tobytes()

    drawn = [first(seed) for seed in (1, 2**32 + 1, 2**62 + 1, 2**63 - 1)]
    assert len({*drawn}) == len(drawn)
    made = sys.modules[type(archspec.build(net, backend)).__module__].Net
    if backend == "torch":
        with torch.random.fork_rng():
            torch.manual_seed(1)
            assert made().conv1.weight.detach().numpy().tobytes() == drawn[0]
    else:
        from flax import nnx

        assert np.asarray(made(rngs=nnx.Rngs(1)).conv1.kernel[...]).tobytes() == drawn[0]


def test_a_step_s_dropout_differs_from_process_to_process_and_from_seed_to_seed():
    seeds = [
        short_seed(seed, step, rank)
        for seed in (0, 1, 2**32, 2**32 + 1, 2**63 - 1)
        for step in range(50)
        for rank in range(4)
    ]
    assert len({*seeds}) == len(seeds)
    drawn = set()
    with torch.random.fork_rng():
        for seed in seeds[:8]:
            torch.manual_seed(seed)
            drawn.add(torch.rand(8).numpy().tobytes())
    assert len(drawn) == 8, "all that is in a seed reaches PyTorch's generator on CPUs"


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(ValueError, match=f"from 0 to 2\\^63 - 1, not {seed}"):
        archspec.build(archspec.load("digits_resnet:resnet8"), "torch", seed=seed)


def test_initialization_is_that_of_the_recipe():
    model = archspec.build(archspec.load("resnet18", set={"init.zero_last_norm": True}), "torch")
    weight = model.layer4[0].conv2.weight  # 512 channels out through 3x3: He et al. (2015b), fan-out
    assert weight.std().item() == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.01)
    assert model.layer4[0].bn2.weight.abs().max() == 0
    assert model.layer4[0].bn1.weight.min() == 1
    highway = archspec.build(archspec.load("cifar_highway", set={"shortcut": {"highway": {"bias": -3.5}}}), "torch")
    assert torch.equal(highway.layer1[0].gate.conv.bias, torch.full((16,), -3.5))


def test_weights_that_do_not_fit_are_listed_and_nothing_is_loaded(tmp_path):
    from safetensors.torch import save_file

    net = archspec.load("cifar_resnet:resnet20")
    state = archspec.build(net, "torch").state_dict()
    save_file(state, tmp_path / "whole.safetensors")
    again = archspec.build(net, "torch", seed=5, weights=tmp_path / "whole.safetensors").state_dict()
    assert all(torch.equal(state[k], again[k]) for k in state)

    state["extra"] = state.pop("fc.bias")
    state["fc.weight"] = state["fc.weight"][:5].clone()
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(archspec.WeightsError) as raised:
        archspec.build(net, "torch", weights=tmp_path / "other.safetensors")
    for part in ("missing", "fc.bias", "unexpected", "extra", "fc.weight", "(5, 64)", "(10, 64)"):
        assert part in str(raised.value)


@pytest.mark.parametrize("backend", ["torch", "flax"])
@pytest.mark.parametrize("content", [None, b"", b"\xff" * 64, (1 << 40).to_bytes(8, "little") + b"{}"])
def test_unreadable_weights_are_said_in_one_line(tmp_path, content, backend):
    pytest.importorskip(backend)
    path = tmp_path / "w.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(archspec.WeightsError, match=r"w\.safetensors"):
        archspec.build(archspec.load("digits_resnet", set={"n": 1}), backend, weights=path)
