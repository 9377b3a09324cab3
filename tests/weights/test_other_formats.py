"""Weights in the msgpack files of Flax and in ONNX files are taken, and what these claim is not believed."""

import random
import re
import shlex

import numpy as np
import pytest

import archspec
from archspec.weights.convert import read_fitting
from converting import run

torch = pytest.importorskip("torch")


@pytest.fixture
def taken(cli, tmp_path):
    """The tensors that a file gives, with the options that it is told where it does not fit."""

    def read(name):
        done = run(cli, name, "out.pt")
        if done.exit_code:
            options = re.search(r"it would fit with (--map .*?); compare", done.output)
            assert options, done.output
            done = run(cli, name, "out.pt", *shlex.split(options[1]))
        assert done.exit_code == 0, done.output
        return torch.load(tmp_path / "out.pt", weights_only=True), done.output

    return read


def equal(found, expected):
    counters = [name for name in expected if name.endswith("num_batches_tracked")]
    assert all(found[name] == 0 for name in counters)
    assert found.keys() == expected.keys()
    return all(torch.equal(found[name], t) for name, t in expected.items() if name not in counters)


def linen_tree(weights):
    """Variables of a Linen module, written as Flax's example is, with the same numbers."""
    leaf = {"weight": "kernel", "bias": "bias", "running_mean": "mean", "running_var": "var"}
    tree = {"params": {}, "batch_stats": {}}
    for name, tensor in weights.items():
        *path, last = re.sub(r"layer(\d)\.0\.", lambda m: f"ResNetBlock_{int(m[1]) - 1}.", name).split(".")
        if last == "num_batches_tracked":
            continue
        norm = path[-1].startswith("bn")
        inner = re.sub(
            r"(conv|bn)(\d)", lambda m: f"{'Conv' if m[1] == 'conv' else 'BatchNorm'}_{int(m[2]) - 1}", path[-1]
        )
        path[-1] = inner if len(path) > 1 else {"conv1": "conv_init", "bn1": "bn_init", "fc": "Dense_0"}[path[-1]]
        place = tree["batch_stats" if last.startswith("running") else "params"]
        for word in path:
            place = place.setdefault(word, {})
        array = tensor.numpy()
        turned = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
        place["scale" if norm and last == "weight" else leaf[last]] = np.ascontiguousarray(turned)
    return tree


def in_order_of_keys(tree):
    return {key: in_order_of_keys(tree[key]) for key in sorted(tree)} if isinstance(tree, dict) else tree


@pytest.mark.parametrize("compiled", [False, True], ids=["as it was made", "sorted, as JAX does"])
def test_variables_of_linen_are_taken_with_the_maps_that_are_told(compiled, taken, small_weights, tmp_path):
    serialization = pytest.importorskip("flax.serialization")
    tree = linen_tree(small_weights)
    state = {"step": 7, **(in_order_of_keys(tree) if compiled else tree), "opt_state": {"trace": np.zeros(3)}}
    (tmp_path / "w.msgpack").write_bytes(serialization.to_bytes(state))
    found, said = taken("w.msgpack")
    assert equal(found, small_weights)
    assert "found under `params`; left out: `step`, `opt_state`" in said


def test_a_state_of_nnx_is_taken_by_its_own_names(taken, small_net, small_weights, weights_file, tmp_path):
    serialization = pytest.importorskip("flax.serialization")
    from flax import nnx

    model = archspec.build(small_net, "flax", weights=weights_file)
    state = nnx.to_pure_dict(nnx.state(model, (nnx.Param, nnx.BatchStat)))
    (tmp_path / "state").write_bytes(serialization.to_bytes(state))
    found, _ = taken("state")
    assert all(torch.equal(found[name], tensor) for name, tensor in small_weights.items())


DAMAGED = {
    "long.msgpack": b"\x81\xa1a\xc9\xff\xff\xff\xff\x01",
    "many.msgpack": b"\x81\xa1a\xdd\xff\xff\xff\xff",
    "deep.msgpack": b"\x81\xa1a" + b"\x91" * 5000,
    "shape.msgpack": b"\x81\xa1a\xc7\x12\x01\x93\x91\xce\xff\xff\xff\xff\xa7float32\xc4\x00",
    "twice.msgpack": b"\x82\xa1a\x01\xa1a\x01",
    "more.msgpack": b"\x81\xa1a\x01\x00",
    "number.msgpack": b"\x81\xa1a\x01",
    "cut.onnx": b"\x08\x0a\x12\xff",
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_one_message(name, cli, tmp_path):
    pytest.importorskip("flax" if name.endswith("msgpack") else "onnx")
    (tmp_path / name).write_bytes(DAMAGED[name])
    done = run(cli, name)
    assert done.exit_code == 1
    assert done.output.startswith("error: ")
    assert name in done.output


@pytest.fixture
def exported(small_net, weights_file, tmp_path):
    """The net as ONNX file."""
    onnx = pytest.importorskip("onnx")
    model = archspec.build(small_net, "onnx", weights=weights_file)
    onnx.save(model, tmp_path / "w.onnx")
    return model


def test_the_weights_of_an_onnx_file_are_taken(exported, taken, small_weights):
    found, said = taken("w.onnx")
    assert equal(found, small_weights)
    assert "from an ONNX file" in said


def test_numbers_beside_an_onnx_file_are_taken_and_those_outside_are_not(
    exported, taken, small_net, small_weights, tmp_path
):
    import onnx

    room = tmp_path / "room"
    room.mkdir()
    path = room / "w.onnx"
    onnx.save(exported, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    found, _ = taken("room/w.onnx")
    assert equal(found, small_weights)
    (tmp_path / "secret.bin").write_bytes((room / "w.bin").read_bytes())
    (room / "link.bin").symlink_to(tmp_path / "secret.bin")
    model = onnx.load(path, load_external_data=False)
    for location, words in (
        ("../secret.bin", "outside of its folder"), (str(tmp_path / "secret.bin"), "outside of its folder"),
        ("link.bin", "outside of its folder"), ("none.bin", "which is not there"),
    ):  # fmt: skip
        for tensor in model.graph.initializer:
            next(entry for entry in tensor.external_data if entry.key == "location").value = location
        path.write_bytes(model.SerializeToString())
        with pytest.raises(archspec.WeightsError, match=words):
            read_fitting(small_net, path)


def test_an_onnx_file_that_claims_much_takes_no_memory(small_net, tmp_path):
    onnx = pytest.importorskip("onnx")
    tensor = onnx.TensorProto(name="fc.weight", dims=[10**6, 10**6], data_type=onnx.TensorProto.FLOAT)
    model = onnx.helper.make_model(onnx.helper.make_graph([], "net", [], [], [tensor]))
    (tmp_path / "w.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(archspec.WeightsError, match=r"\(1000000, 1000000\) in the file, \(10, 64\) in the net"):
        read_fitting(small_net, tmp_path / "w.onnx")


def mutated(content, random):
    """The content with some bytes changed, taken away or put in, most of them at its beginning or its end."""
    whole = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 8))):
        reach = min(len(whole), random.choice((64, 600, 4000)))
        at = random.randrange(reach) if random.random() < 0.7 else len(whole) - 1 - random.randrange(reach)
        few = bytes(random.randrange(256) for _ in range(random.randrange(1, 9)))
        whole[at : at + random.choice((0, 1, len(few), 20))] = random.choice((few, b"\xff" * 8, bytes(8), b""))
    return bytes(whole)


@pytest.mark.parametrize("name", ["w.pt", "old.pt", "w.safetensors", "w.msgpack", "w.onnx"])
def test_whatever_a_file_holds_it_is_taken_or_one_message(name, request, small_net, small_weights, tmp_path):
    if name.endswith("onnx"):
        request.getfixturevalue("exported")
    elif name.endswith("msgpack"):
        tree = linen_tree(small_weights)
        (tmp_path / name).write_bytes(pytest.importorskip("flax.serialization").to_bytes(tree))
    elif name.endswith("safetensors"):
        archspec.convert(small_net, request.getfixturevalue("weights_file"), tmp_path / name)
    else:
        torch.save(
            {"epoch": 3, "state_dict": small_weights},
            tmp_path / name,
            _use_new_zipfile_serialization=name == "w.pt",
        )
    whole = (tmp_path / name).read_bytes()
    draws = random.Random(name)
    refused = 0
    for _ in range(80):
        (tmp_path / name).write_bytes(mutated(whole, draws))
        try:
            read_fitting(small_net, tmp_path / name)
        except archspec.WeightsError as error:
            refused += 1
            assert "\n" not in str(error).replace("\n  ", ""), error
    assert refused > 30
