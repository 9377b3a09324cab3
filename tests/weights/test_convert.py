"""Weights between PyTorch, safetensors and Flax: bit for bit, in every precision, as models and folders take them."""

from pathlib import Path

import numpy as np
import pytest

import archspec
import zoo_nets
from archspec.errors import WeightsError
from converting import EVERYTHING, in_order, same, smaller
from emitting import imported

torch = pytest.importorskip("torch")
from safetensors.torch import load_file, save_file  # noqa: E402


@pytest.mark.parametrize("name", [*zoo_nets.NETS, EVERYTHING], ids=lambda name: Path(name).stem)
def test_each_net_of_the_zoo_goes_to_flax_and_back_bit_by_bit(name, tmp_path):
    pytest.importorskip("orbax.checkpoint")
    net = smaller(name)
    with torch.device("meta"):
        model = archspec.build(net, "torch")
    random = torch.Generator().manual_seed(0)
    state = {
        key: torch.randn(t.shape, generator=random).abs() if t.is_floating_point() else torch.full(t.shape, 7)
        for key, t in model.state_dict().items()
    }
    assert {key: tuple(t.shape) for key, t in state.items()} == net.tensor_shapes()
    torch.save(state, tmp_path / "w.pth")
    done = archspec.convert(net, tmp_path / "w.pth", tmp_path / "flax", target_backend="flax")
    assert (done.tensors, done.dtypes, done.notes) == (len(state), ("float32",), ())
    archspec.convert(net, tmp_path / "flax", tmp_path / "back.pt")
    same(torch.load(tmp_path / "back.pt", weights_only=True), in_order(net, state))


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
def test_precision_is_kept_through_every_format(kind, small_net, small_weights, tmp_path):
    pytest.importorskip("orbax.checkpoint")
    small_weights = {
        k: t.to(getattr(torch, kind)) if t.is_floating_point() else t for k, t in small_weights.items()
    }
    save_file(small_weights, tmp_path / "w.safetensors")
    archspec.convert(small_net, tmp_path / "w.safetensors", tmp_path / "a.pt")
    archspec.convert(small_net, tmp_path / "a.pt", tmp_path / "b", target_backend="flax")
    done = archspec.convert(small_net, tmp_path / "b", tmp_path / "c.safetensors")
    assert done.dtypes == (kind,)
    found = load_file(tmp_path / "c.safetensors")
    same({name: found[name] for name in small_weights}, small_weights)


MANY = {"stages.layer2.repeat": 10}
"""So many equal blocks that they are one layer of the Flax model."""


@pytest.mark.parametrize(
    ("spec", "changes"), [(EVERYTHING, {}), ("cifar_resnet", MANY)], ids=["everything", "many"]
)
def test_flax_restores_what_was_written_with_nothing_of_archspec(spec, changes, tmp_path):
    ocp = pytest.importorskip("orbax.checkpoint")
    import jax
    from flax import nnx

    from archspec_flax import names

    net = archspec.load(spec, set=changes)
    state = archspec.build(net, "torch", seed=3).state_dict()
    torch.save(state, tmp_path / "w.pt")
    archspec.convert(net, tmp_path / "w.pt", tmp_path / "w", target_backend="flax")
    made = getattr(imported(net, "flax"), net.class_name)
    model = nnx.eval_shape(lambda: made(rngs=nnx.Rngs(0)))
    weights = nnx.state(model, (nnx.Param, nnx.BatchStat))
    with ocp.StandardCheckpointer() as checkpointer:
        restored = checkpointer.restore(tmp_path / "w", weights)
    assert jax.tree.structure(restored) == jax.tree.structure(weights)
    nnx.update(model, restored)
    found = names.state_dict(model)
    assert found.keys() == state.keys()
    for name, tensor in state.items():
        np.testing.assert_array_equal(found[name], tensor.numpy(), strict=True)


def test_what_flax_saved_is_read_in_either_api(small_net, tmp_path):
    ocp = pytest.importorskip("orbax.checkpoint")
    import jax
    from flax import nnx

    from archspec_flax import names

    with jax.default_prng_impl("unsafe_rbg"):  # which compiles in a fifth of the time
        model = archspec.build(small_net, "flax", seed=4)
    state = nnx.state(model, (nnx.Param, nnx.BatchStat))
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "one", state)
    ocp.v1.save(tmp_path / "other", state)
    with ocp.CheckpointManager(tmp_path / "steps") as manager:
        manager.save(10, args=ocp.args.StandardSave(state))
    for folder in ("one", "other", "steps"):
        archspec.convert(small_net, tmp_path / folder, tmp_path / f"{folder}.pt")
        found = torch.load(tmp_path / f"{folder}.pt", weights_only=True)
        for name, array in names.state_dict(model).items():
            np.testing.assert_array_equal(found[name].numpy(), array, strict=True)


def test_models_take_weights_of_every_format(small_net, small_weights, weights_file, tmp_path):
    same(archspec.build(small_net, "torch", weights=weights_file).state_dict(), small_weights)
    pytest.importorskip("orbax.checkpoint")
    import jax

    from archspec_flax import names

    archspec.convert(small_net, weights_file, tmp_path / "flax", target_backend="flax")
    same(archspec.build(small_net, "torch", weights=tmp_path / "flax").state_dict(), small_weights)
    with jax.default_prng_impl("unsafe_rbg"):
        found = names.state_dict(archspec.build(small_net, "flax", weights=weights_file))
    assert all(np.array_equal(found[name], tensor.numpy()) for name, tensor in small_weights.items())


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_a_folder_can_be_built_with_weights(backend, cli, small_net, small_weights, weights_file, tmp_path):
    done = cli(
        "build", "digits_resnet", "--set", "n=1", "--backend", backend, "--weights", weights_file, "--out", "built"
    )
    assert done.exit_code == 0, done.output
    found = load_file(tmp_path / "built" / "weights.safetensors")
    same({name: found[name] for name in small_weights}, small_weights)
    assert "weights.safetensors" in (tmp_path / "built" / "README.md").read_text()
    assert "safetensors" in (tmp_path / "built" / "requirements.txt").read_text()
    assert (tmp_path / "built" / "archspec_flax" / "names.py").exists() == (backend == "flax")


def test_dtype_rounds_to_the_nearest_and_says_what_is_too_large(small_net, small_weights, weights_file, tmp_path):
    for kind in ("float16", "bfloat16", "float64"):
        done = archspec.convert(small_net, weights_file, tmp_path / f"{kind}.pt", dtype=kind)
        assert done.dtypes == (kind,)
        expected = {k: t.to(getattr(torch, kind)) if t.is_floating_point() else t for k, t in small_weights.items()}
        same(torch.load(tmp_path / f"{kind}.pt", weights_only=True), in_order(small_net, expected))
    torch.save({**small_weights, "fc.bias": torch.full((10,), 1e5)}, weights_file)
    with pytest.raises(WeightsError, match=r"`fc.bias` does not fit into float16.*1e\+05"):
        archspec.convert(small_net, weights_file, tmp_path / "large.pt", dtype="float16")
    with pytest.raises(WeightsError, match="int8 is no type"):
        archspec.convert(small_net, weights_file, tmp_path / "large.pt", dtype="int8")
    assert not (tmp_path / "large.pt").exists()


def test_of_many_faults_the_first_of_each_kind_are_shown(small_net, small_weights, tmp_path):
    others = {f"net.{key}.v2": t for key, t in small_weights.items()}
    save_file(others, tmp_path / "others.safetensors")
    with pytest.raises(WeightsError, match="does not fit the net:") as caught:
        archspec.build(small_net, "torch", weights=tmp_path / "others.safetensors")
    rows = [line.split() for line in str(caught.value).splitlines()[1:]]
    assert [row[0] for row in rows] == ["missing"] * 11 + ["unexpected"] * 11
    assert [" ".join(row[1:]) for row in rows if row[1] == "and"] == [
        f"and {len(others) - 10 - sum(key.endswith('tracked') for key in small_weights)} more", f"and {len(others) - 10} more",
    ]  # fmt: skip


def test_a_way_back_through_a_folder_that_is_to_be_made_is_seen_before_it_is(cli, weights_file, tmp_path):
    before = sorted(tmp_path.iterdir())
    result = cli("convert", weights_file, "new/..", "--to", "flax", "--spec", "digits_resnet:resnet8")
    assert result.exit_code == 2
    assert result.stderr == f"error: {tmp_path} exists\n  help: give another name, or overwrite it with --force\n"
    assert sorted(tmp_path.iterdir()) == before
