"""Weights between PyTorch, safetensors and Flax: bit for bit, all or nothing, and every fault said."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import archspec
from archspec import zoo
from archspec.errors import WeightsError
from archspec.files import FolderError
from archspec.weights.renaming import Renaming, rename

torch = pytest.importorskip("torch")
from safetensors.torch import load_file, save_file  # noqa: E402

EVERYTHING = str(Path(__file__).parent / "golden" / "everything.yaml")
NET = {"n": 1}


@pytest.fixture(scope="module")
def net():
    return archspec.load("digits_resnet", set=NET)


@pytest.fixture(scope="module")
def state(net):
    """Weights after a step's statistics."""
    model = archspec.build(net, "torch", seed=3)
    model(torch.randn(4, *net.input_shape))
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.fixture
def given(state, tmp_path):
    torch.save(state, tmp_path / "w.pt")
    return tmp_path / "w.pt"


def same(found, expected):
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype, name
        assert torch.equal(found[name].flatten().view(torch.uint8) if tensor.ndim else found[name],
                           tensor.flatten().view(torch.uint8) if tensor.ndim else tensor), name  # fmt: skip


def in_order(net, state):
    return {name: state[name] for name in net.tensor_shapes()}


# --- round trips ----------------------------------------------------------------------------------------------------

WIDTHS = {f"stages.layer{i}.width": width for i, width in enumerate((4, 8, 12, 16), 1)}
SMALLER = {name: {**WIDTHS, "classes": 10} for name in zoo.names() if re.match(r"resnet|plain", name)}
SMALLER["vgg19"] = {
    "input.size": 32, "classes": 10, **{f"stages.stage{i}.width": 4 * i for i in range(1, 6)},
    "head": ["flatten", *({name: {"linear": {"out": out}}} for name, out in (("fc1", 32), ("fc2", 32), ("fc3", 10)))],
}  # fmt: skip
"""What is large goes narrower, with all its layers."""


def smaller(name):
    return archspec.load(name, set=SMALLER.get(name, {}))


@pytest.mark.parametrize("name", [*zoo.names(), EVERYTHING], ids=lambda name: Path(name).stem)
def test_each_net_of_the_zoo_goes_to_flax_and_back_bit_by_bit(name, tmp_path):
    pytest.importorskip("orbax.checkpoint")
    net = smaller(name)
    with torch.device("meta"):
        model = archspec.build(net, "torch")
    random = torch.Generator().manual_seed(0)
    state = {
        key: torch.randn(t.shape, generator=random) if t.is_floating_point() else torch.tensor(7)
        for key, t in model.state_dict().items()
    }
    assert {key: tuple(t.shape) for key, t in state.items()} == net.tensor_shapes()
    torch.save(state, tmp_path / "w.pth")
    done = archspec.convert(net, tmp_path / "w.pth", tmp_path / "flax", target_backend="flax")
    assert (done.tensors, done.dtypes, done.notes) == (len(state), ("float32",), ())
    archspec.convert(net, tmp_path / "flax", tmp_path / "back.pt")
    same(torch.load(tmp_path / "back.pt", weights_only=True), in_order(net, state))


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
def test_precision_is_kept_through_every_format(kind, net, state, tmp_path):
    pytest.importorskip("orbax.checkpoint")
    state = {k: t.to(getattr(torch, kind)) if t.is_floating_point() else t for k, t in state.items()}
    save_file(state, tmp_path / "w.safetensors")
    archspec.convert(net, tmp_path / "w.safetensors", tmp_path / "a.pt")
    archspec.convert(net, tmp_path / "a.pt", tmp_path / "b", target_backend="flax")
    done = archspec.convert(net, tmp_path / "b", tmp_path / "c.safetensors")
    assert done.dtypes == (kind,)
    found = load_file(tmp_path / "c.safetensors")
    same({name: found[name] for name in state}, state)


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
    space: dict[str, object] = {}
    exec(compile(archspec.emit(net, "flax")["model.py"], "model.py", "exec", dont_inherit=True), space)
    model = nnx.eval_shape(lambda: space[net.class_name](rngs=nnx.Rngs(0)))
    weights = nnx.state(model, (nnx.Param, nnx.BatchStat))
    with ocp.StandardCheckpointer() as checkpointer:
        restored = checkpointer.restore(tmp_path / "w", weights)
    assert jax.tree.structure(restored) == jax.tree.structure(weights)
    nnx.update(model, restored)
    found = names.state_dict(model)
    assert found.keys() == state.keys()
    for name, tensor in state.items():
        np.testing.assert_array_equal(found[name], tensor.numpy(), strict=True)


def test_what_flax_saved_is_read_in_either_api(net, tmp_path):
    ocp = pytest.importorskip("orbax.checkpoint")
    import jax
    from flax import nnx

    from archspec_flax import names

    with jax.default_prng_impl("unsafe_rbg"):  # which compiles in a fifth of the time
        model = archspec.build(net, "flax", seed=4)
    state = nnx.state(model, (nnx.Param, nnx.BatchStat))
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "one", state)
    ocp.v1.save(tmp_path / "other", state)
    with ocp.CheckpointManager(tmp_path / "steps") as manager:
        manager.save(10, args=ocp.args.StandardSave(state))
    for folder in ("one", "other", "steps"):
        archspec.convert(net, tmp_path / folder, tmp_path / f"{folder}.pt")
        found = torch.load(tmp_path / f"{folder}.pt", weights_only=True)
        for name, array in names.state_dict(model).items():
            np.testing.assert_array_equal(found[name].numpy(), array, strict=True)


def test_models_take_weights_of_every_format(net, state, given, tmp_path):
    same(archspec.build(net, "torch", weights=given).state_dict(), state)
    pytest.importorskip("orbax.checkpoint")
    import jax

    from archspec_flax import names

    archspec.convert(net, given, tmp_path / "flax", target_backend="flax")
    same(archspec.build(net, "torch", weights=tmp_path / "flax").state_dict(), state)
    with jax.default_prng_impl("unsafe_rbg"):
        found = names.state_dict(archspec.build(net, "flax", weights=given))
    assert all(np.array_equal(found[name], tensor.numpy()) for name, tensor in state.items())


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_a_folder_can_be_built_with_weights(backend, cli, net, state, given, tmp_path):
    done = cli("build", "digits_resnet", "--set", "n=1", "--backend", backend, "--weights", given, "--out", "built")
    assert done.exit_code == 0, done.output
    found = load_file(tmp_path / "built" / "weights.safetensors")
    same({name: found[name] for name in state}, state)
    assert "weights.safetensors" in (tmp_path / "built" / "README.md").read_text()
    assert "safetensors" in (tmp_path / "built" / "requirements.txt").read_text()
    assert (tmp_path / "built" / "archspec_flax" / "names.py").exists() == (backend == "flax")


def test_dtype_rounds_to_the_nearest_and_says_what_is_too_large(net, state, given, tmp_path):
    for kind in ("float16", "bfloat16", "float64"):
        done = archspec.convert(net, given, tmp_path / f"{kind}.pt", dtype=kind)
        assert done.dtypes == (kind,)
        expected = {k: t.to(getattr(torch, kind)) if t.is_floating_point() else t for k, t in state.items()}
        same(torch.load(tmp_path / f"{kind}.pt", weights_only=True), in_order(net, expected))
    torch.save({**state, "fc.bias": torch.full((10,), 1e5)}, given)
    with pytest.raises(WeightsError, match=r"`fc.bias` does not fit into float16.*1e\+05"):
        archspec.convert(net, given, tmp_path / "large.pt", dtype="float16")
    with pytest.raises(WeightsError, match="int8 is no type"):
        archspec.convert(net, given, tmp_path / "large.pt", dtype="int8")
    assert not (tmp_path / "large.pt").exists()


# --- files of others ------------------------------------------------------------------------------------------------


def run(cli, source, target="out.safetensors", *options):
    return cli("convert", source, target, "--spec", "digits_resnet", "--set", "n=1", *options)


WRAPPED = {
    "state_dict": lambda s: {"epoch": 3, "state_dict": s, "args": argparse.Namespace(lr=0.1)},
    "model": lambda s: {"model": s, "optimizer": {"state": {}}, "model_ema": {k: t * 0 for k, t in s.items()}},
    "model_ema": lambda s: {
        "model": {k: t * 0 for k, t in s.items()},
        "model_ema": {"n_averaged": torch.tensor(5), **{f"module.{k}": t for k, t in s.items()}},
    },
    "state_dict_ema": lambda s: {"state_dict_ema": s},
}


@pytest.mark.parametrize("wrapper", WRAPPED)
def test_wrappers_are_found_and_said(wrapper, cli, state, tmp_path):
    torch.save(WRAPPED[wrapper](state), tmp_path / "w.pt")
    done = run(cli, "w.pt", "out.pt", *(["--key", "model_ema"] if wrapper == "model_ema" else []))
    assert done.exit_code == 0, done.output
    assert (f"found under `{wrapper}`" in done.output) == (wrapper != "model_ema")
    assert ("--key chooses among `model`, `model_ema`" in done.output) == (wrapper == "model")
    found = torch.load(tmp_path / "out.pt", weights_only=True)
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())


def test_files_without_counters_are_taken_and_it_is_said(cli, state, tmp_path):
    """As those of torchvision's that date from PyTorch 0.3."""
    torch.save({k: t for k, t in state.items() if not k.endswith("num_batches_tracked")}, tmp_path / "w.pth")
    done = run(cli, "w.pth", "out.pt")
    assert done.exit_code == 0, done.output
    assert "counters of batches" in done.output
    assert torch.load(tmp_path / "out.pt", weights_only=True)["bn1.num_batches_tracked"] == 0


def test_old_files_of_any_name_are_known(net, state, tmp_path):
    torch.save({"state_dict": state}, tmp_path / "model_best.pth.tar", _use_new_zipfile_serialization=False)
    torch.save(state, tmp_path / "pytorch_model.bin")
    for name in ("model_best.pth.tar", "pytorch_model.bin"):
        archspec.convert(net, tmp_path / name, tmp_path / "OUT.PT", force=True)
        same(torch.load(tmp_path / "OUT.PT", weights_only=True), in_order(net, state))


@pytest.mark.parametrize(
    ("rename_", "options"),
    [
        (lambda k: f"module.{k}", ["module.="]),
        (lambda k: f"module._orig_mod.{k}", ["module._orig_mod.="]),
        (lambda k: k.replace("fc.", "linear."), ["linear.=fc."]),
        (lambda k: "_orig_mod." + k.replace("fc.", "head.top."), ["_orig_mod.=", "head.top.=fc."]),
    ],
)
def test_names_of_others_are_suggested_and_mapped(rename_, options, cli, state, tmp_path):
    torch.save({rename_(k): t for k, t in state.items()}, tmp_path / "w.pt")
    refused = run(cli, "w.pt")
    assert refused.exit_code == 1
    assert f"it would fit with {' '.join(f'--map {o}' for o in options)}\n" in refused.output
    assert os.listdir(tmp_path) == ["w.pt"]
    done = run(cli, "w.pt", "out.safetensors", *(f"--map={o}" for o in options))
    assert done.exit_code == 0, done.output
    assert all(torch.equal(t, state[k]) for k, t in load_file(tmp_path / "out.safetensors").items())


@pytest.mark.parametrize(
    ("maps", "names", "expected"),
    [
        (["module.="], ["module.a.weight", "module.b"], ["a.weight", "b"]),
        (["a=b"], ["a", "a.a"], ["b", "a.a"]),
        (["*.gamma=*.weight"], ["x.y.gamma", "x.beta"], ["x.y.weight", "x.beta"]),
        (["b.*.c*.=layer1.*.conv*."], ["b.0.c1.weight", "b.10.c2.bias"], ["layer1.0.conv1.weight", "layer1.10.conv2.bias"]),
        (["a.=b.", "b.=c."], ["a.x", "d.y"], ["c.x", "d.y"]),
        (["a.b=a.c"], ["a.b", "aXb"], ["a.c", "aXb"]),
    ],
)  # fmt: skip
def test_patterns(maps, names, expected):
    assert list(rename(names, [Renaming.parse(m) for m in maps]).values()) == expected


@pytest.mark.parametrize(
    ("option", "code", "message"),
    [
        ("nothing", 2, "says not what becomes of what"),
        ("=fc.", 2, "says not what becomes of what"),
        ("fc.=head", 2, "mixes the beginning of a name with a whole one"),
        ("*.a=b", 2, r"1 `\*` before the `=` and 0 behind"),
        ("module.=", 1, "--map module.= matches no name of the file"),
        ("fcc.=head.", 1, r"matches no name of the file\n  help: did you mean `fc\.`"),
        ("bn1.=conv1.", 1, "gives the name `conv1.weight` to both `conv1.weight` and `bn1.weight`"),
        ("fc.bias=", 1, "leaves nothing of the name `fc.bias`"),
    ],
)
def test_patterns_that_cannot_be_meant_are_refused(option, code, message, cli, given, tmp_path):
    done = run(cli, given, "out.safetensors", "--map", option)
    assert done.exit_code == code
    assert re.search(message, done.output), done.output
    assert os.listdir(tmp_path) == ["w.pt"]


# --- what does not fit, what is damaged, what is in the way --------------------------------------------------------------


def test_what_does_not_fit_is_a_table(cli, state, tmp_path):
    other = dict(state)
    other["fc.wieght"] = other.pop("fc.weight")
    other["bn1.bias"] = torch.zeros(3)
    other["bn1.weight"] = torch.zeros(16, dtype=torch.int32)
    other["extra"] = torch.zeros(2, 2)
    torch.save(other, tmp_path / "w.pt")
    done = run(cli, "w.pt")
    assert done.exit_code == 1
    *table, help_ = done.output.splitlines()[1:]
    assert "--map OLD=NEW" in help_
    rows = [re.split(r"  +", line.strip()) for line in table]
    assert rows == [
        ["missing", "fc.weight", "(10, 64)"],
        ["unexpected", "fc.wieght", "(10, 64)", "did you mean `fc.weight`?"],
        ["unexpected", "extra", "(2, 2)"],
        ["type", "bn1.weight", "int32 in the file, a floating-point number in the net"],
        ["shape", "bn1.bias", "(3,) in the file, (16,) in the net"],
    ], done.output  # fmt: skip
    assert os.listdir(tmp_path) == ["w.pt"]


class Code:
    def __reduce__(self):
        return os.system, ("touch hacked",)


@pytest.mark.parametrize("wrapped", [False, True])
def test_code_is_not_run(wrapped, cli, state, tmp_path):
    torch.save({"model": state, "hook": Code()} if wrapped else Code(), tmp_path / "w.pt")
    done = run(cli, "w.pt")
    assert done.exit_code == 1
    assert "w.pt holds code (`posix.system`), which is not run" in done.output
    assert os.listdir(tmp_path) == ["w.pt"]


DAMAGED = {
    "empty.pt": b"",
    "text.pt": b"hello",
    "prose.pt": b"garbage",
    "empty.safetensors": b"",
    "huge.safetensors": (1 << 40).to_bytes(8, "little") + b"{}",
    "large.safetensors": (99_000_000).to_bytes(8, "little") + b"{" * 64,
    "text.safetensors": b"\xff" * 64,
    "image.png": b"\x89PNG\r\n\x1a\n",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_no_weights_is_said_in_one_message(name, cli, tmp_path):
    (tmp_path / name).write_bytes(DAMAGED[name])
    done = run(cli, name)
    assert done.exit_code == 1
    assert done.output.startswith("error: ")
    assert name in done.output
    assert "weights_only" not in done.output, "torch's advice to run what the file holds"
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_truncated_and_flipped_files_are_said_or_read(suffix, net, state, tmp_path):
    path = tmp_path / f"w.{suffix}"
    torch.save(state, path) if suffix == "pt" else save_file(state, path)
    whole = path.read_bytes()
    seen = 0
    for cut in (1, 9, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(WeightsError, match=re.escape(path.name)):
            archspec.convert(net, path, tmp_path / "out.pt")
    for place in [*range(0, 2000, 97), *range(2000, len(whole), 19_973)]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            archspec.convert(net, path, tmp_path / "out.pt", force=True)
        except WeightsError:
            seen += 1
    assert seen > 10
    assert {p.name for p in tmp_path.iterdir()} <= {path.name, "out.pt"}


def test_damaged_orbax_checkpoints_are_said(net, given, tmp_path):
    pytest.importorskip("orbax.checkpoint")
    archspec.convert(net, given, tmp_path / "whole", target_backend="flax")
    files = [p.relative_to(tmp_path / "whole") for p in (tmp_path / "whole").rglob("*") if p.is_file()]
    needed = [f for f in files if f.name in ("_METADATA", "manifest.ocdbt") or f.parent.name == "d"]
    assert len(needed) > 2
    for file in needed:
        shutil.copytree(tmp_path / "whole", tmp_path / "part", dirs_exist_ok=True)
        (tmp_path / "part" / file).write_bytes((tmp_path / "part" / file).read_bytes()[:20])
        try:
            archspec.convert(net, tmp_path / "part", tmp_path / "out.pt", force=True)
        except WeightsError as error:
            assert "part" in str(error)
        shutil.rmtree(tmp_path / "part")


def test_nothing_is_overwritten_unless_asked_for(net, given, cli, tmp_path):
    (tmp_path / "out.pt").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("mine")
    done = run(cli, given, "out.pt")
    assert (done.exit_code, "out.pt exists" in done.output) == (2, True)
    assert (tmp_path / "out.pt").read_text() == "mine"
    done = run(cli, given, "folder", "--to", "flax", "--force")
    assert (done.exit_code, "folder of something else" in done.output) == (2, True)
    assert (tmp_path / "folder" / "mine").read_text() == "mine"
    assert run(cli, given, "out.pt", "--force").exit_code == 0
    assert zipfile.is_zipfile(tmp_path / "out.pt")
    archspec.convert(net, given, tmp_path / "flax", target_backend="flax")
    archspec.convert(net, given, tmp_path / "flax", target_backend="flax", force=True)
    with pytest.raises(FolderError, match="is a folder"):
        archspec.convert(net, given, tmp_path / "flax", target_backend="torch", force=True)
    with pytest.raises(FolderError, match="exists"):
        archspec.convert(net, given, given)
    assert {p.name for p in tmp_path.iterdir()} == {"w.pt", "out.pt", "folder", "flax"}


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("out", [], "does not say what to write"),
        ("out.bin", [], "does not say what to write"),
        ("out.pt", ["--to", "flax"], "would be a PyTorch file, which is not --to flax"),
        ("out.pt", ["--dtype", "int8"], "no type of weights"),
        ("out.pt", ["--from", "tensorflow"], "there is no backend `tensorflow`"),
        ("out.pt", ["--key", "ema"], "has no weights under `ema`"),
    ],
)
def test_misuse_is_said(target, options, message, cli, given, tmp_path):
    done = run(cli, given, target, *options)
    assert done.exit_code in (1, 2)
    assert message in done.output
    assert os.listdir(tmp_path) == ["w.pt"]


SMALL_DISK = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from archspec_cli.main import main
main()
"""


@pytest.mark.parametrize("options", [["out.pt"], ["out", "--to", "flax"]], ids=["torch", "flax"])
def test_a_full_disk_leaves_nothing_behind(options, given, tmp_path):
    command = ["convert", "w.pt", *options, "--spec", "digits_resnet", "--set", "n=1"]
    done = subprocess.run(
        [sys.executable, "-c", SMALL_DISK, *command], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: cannot write out")
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == ["w.pt"]


# --- runs -----------------------------------------------------------------------------------------------------------


def test_the_weights_of_runs_go_anywhere(cli, tmp_path):
    options = ["--set", "n=1", "--set", "train.ema=0.9", "--steps", "3", "--device", "cpu", "--out", "run"]
    assert cli("train", "digits_resnet", *options).exit_code == 0
    done = run(cli, "run", "average.pt")
    assert done.exit_code == 0, done.output
    assert "step-00000003: the averaged weights" in done.output
    assert run(cli, "run/checkpoints/step-00000003", "last.pt", "--key", "weights").exit_code == 0
    for name, file in (("average", "average"), ("last", "weights")):
        expected = load_file(tmp_path / "run" / "checkpoints" / "step-00000003" / f"{file}.safetensors")
        found = torch.load(tmp_path / f"{name}.pt", weights_only=True)
        assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())
    assert cli("convert", "run", "own.pt").exit_code == 0, "a run keeps its spec"
    assert "give --spec" in cli("convert", "own.pt", "other.pt").output
    refused = run(cli, "run", "other.pt", "--key", "best")
    assert (refused.exit_code, "has no best.safetensors" in refused.output) == (1, True)
    resumed = cli("train", "digits_resnet", *options, "--resume", "--backend", "flax")
    assert resumed.exit_code == 2
    assert "archspec convert run weights.safetensors" in resumed.output
    (tmp_path / "run" / "checkpoints" / "step-00000003" / "average.safetensors").write_bytes(b"")
    damaged = run(cli, "run", "other.pt")
    assert damaged.exit_code == 1
    assert "no checkpoint in run can be used" in damaged.output
