"""Runs with the Flax backend, as they are typed: what they leave behind, how they resume, what a built folder needs."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from safetensors import safe_open

import archspec
from trainers import training

torch = pytest.importorskip("torch")
pytest.importorskip("flax.nnx")
jax = pytest.importorskip("jax")

QUIET = ("--device", "cpu", "--threads", "1")


@pytest.fixture(scope="module")
def process():
    """Runs a command line in a process of its own."""

    def run(*command, **options):
        done = subprocess.run(
            [sys.executable, *map(str, command)], capture_output=True, text=True, timeout=280, **options
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    return run


@pytest.fixture(scope="module")
def train(process):
    def run(out, steps, *more, net="digits_resnet:resnet8"):
        given = ("train", net, "--backend", "flax", "--out", out, "--steps", steps)
        return process("-m", "archspec_cli", *given, *QUIET, *more)

    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory, train):
    """A finished run, and what it said."""
    out = tmp_path_factory.mktemp("flax") / "run"
    return out, train(out, 21, "--checkpoint-every", 7)


def weights_of(run):
    return sorted((run / "checkpoints").glob("step-*"))[-1] / "weights.safetensors"


def test_a_run_measures_and_draws_as_with_torch(run, cli):
    out, said = run
    assert (out / "curves.png").is_file()
    error = re.findall(r"test error ([\d.]+%)", said)[-1]
    assert f"top-1 error {error}" in cli("eval", out, "--device", "cpu").output
    assert cli("compare", out, "--out", "c.png").exit_code == 0


def test_a_run_says_what_it_is_in_its_record_its_checkpoints_and_their_weights(run):
    record = json.loads((run[0] / "run.json").read_text())["identity"]
    assert record["classes"] == [str(digit) for digit in range(10)]
    recipe = archspec.load(run[0] / "code" / "spec.yaml").recipe
    assert record["normalization"]["kind"] == recipe["data"]["normalize"]
    with safe_open(weights_of(run[0]), framework="np") as file:
        assert json.loads(file.metadata()["archspec"]) == record
    assert json.loads(weights_of(run[0]).with_name("loop.json").read_text())["identity"] == record


def test_weights_of_a_run_are_the_other_backends_too(run, cli):
    weights = weights_of(run[0])
    net = archspec.load("digits_resnet:resnet8")
    images = np.random.default_rng(0).normal(size=(4, 1, 8, 8)).astype(np.float32)
    with torch.inference_mode():
        expected = archspec.build(net, "torch", weights=weights).eval()(torch.from_numpy(images)).numpy()
    model = archspec.build(net, "flax", weights=weights)
    model.eval()
    np.testing.assert_allclose(model(images.transpose(0, 2, 3, 1)), expected, atol=1e-4)


def test_a_resumed_run_ends_in_the_same_weights(run, train, tmp_path):
    shutil.copytree(run[0], tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "checkpoints" / "step-00000021")
    train(tmp_path / "cut", 21, "--checkpoint-every", 7, "--resume")
    assert weights_of(tmp_path / "cut").read_bytes() == weights_of(run[0]).read_bytes()


def test_a_run_compiles_its_step_and_the_evaluation_of_each_split_once(cli, tiny, tmp_path, caplog):
    with jax.log_compiles():
        given = ("train", tiny, "--backend", "flax", "--steps", 33, "--out", tmp_path / "r", *QUIET)
        assert cli(*given).exit_code == 0
    said = "\n".join(caplog.messages)
    assert [len(re.findall(rf"^Compiling jit\({name}\)", said, re.MULTILINE)) for name in ("one", "measured")] == [
        1,
        2,
    ]


def test_a_run_of_the_other_backend_is_not_resumed(run, cli, tmp_path):
    shutil.copytree(run[0], tmp_path / "run")
    given = ("train", "digits_resnet:resnet8", "--backend", "torch", "--out", tmp_path / "run", "--steps", 40)
    result = cli(*given, "--resume")
    assert result.exit_code == 2
    assert "--backend flax" in result.output
    assert "archspec convert" in result.output
    assert "warning" not in result.output


def test_a_run_of_another_net_is_not_resumed_and_its_tensors_are_named(run, cli, tmp_path):
    shutil.copytree(run[0], tmp_path / "run")
    given = (
        "train",
        "digits_resnet:resnet8",
        "--backend",
        "flax",
        "--out",
        tmp_path / "run",
        "--steps",
        21,
        *QUIET,
    )
    result = cli(*given, "--resume", "--set", "stages.layer3.repeat=2")
    assert result.exit_code == 1
    assert "step-00000021 is of another net\n" in result.stderr
    assert "only now: layer3.1." in result.stderr
    assert "only before" not in result.stderr


def test_a_built_folder_trains_without_archspec(process, cli, tmp_path):
    assert cli("build", "digits_resnet:resnet8", "--backend", "flax", "--out", "built").exit_code == 0
    code = """
import contextlib, io, runpy, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("archspec", "archspec_cli", "archspec_torch", "torch"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
sys.path.insert(0, ".")
sys.argv = ["train.py", "--help"]
with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
    runpy.run_path("train.py", run_name="__main__")
assert "--devices" in said.getvalue() and "--shard" not in said.getvalue()
sys.argv = ["train.py", "--steps", "5", "--out", "run", "--device", "cpu", "--threads", "1"]
runpy.run_path("train.py", run_name="__main__")
"""
    process("-c", code, cwd=tmp_path / "built")
    assert {path.name for path in (tmp_path / "built" / "run").iterdir()} >= {
        "metrics.jsonl",
        "checkpoints",
        "code",
    }


def test_whole_steps_lower_for_other_devices():
    import jax

    from archspec_flax.trainer.stepper import FlaxStepper
    from settings_of_runs import MANY, setting

    net, job, dataset, normalization, batches = setting(net=MANY)
    model = type(archspec.build(net, "flax"))
    stated = training("flax", net, job)
    stepper = FlaxStepper(model, stated, job, dataset, normalization, jax.devices("cpu")[0], 1)
    inputs = stepper._inputs(next(iter(batches.run(0, 1))), 0.1, 0)
    exported = jax.export.export(stepper._steps, platforms=["tpu", "cuda"])(stepper.state, stepper.data, inputs)
    assert exported.platforms == ("tpu", "cuda")
    assert "convolution" in exported.mlir_module()


def test_a_run_that_another_version_recorded_is_said(run, cli, tmp_path):
    shutil.copytree(run[0], tmp_path / "run")
    record = tmp_path / "run" / "run.json"
    record.write_text(record.read_text().replace('"label_smoothing"', '"smoothing"'))
    result = cli("eval", tmp_path / "run", "--device", "cpu")
    assert result.exit_code == 1
    assert "run.json is not one that this version" in result.output


def test_a_missing_device_is_said(cli):
    result = cli("train", "digits_resnet:resnet8", "--backend", "flax", "--device", "tpu", "--out", "r")
    assert result.exit_code == 2
    assert "no device 'tpu'" in result.output


@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 1, 1), (2, 1, 1), (2, 0, 1), (1, 2, 2)])
def test_fast_gradients_are_those_of_jax(stride, padding, dilation):
    import jax
    import jax.numpy as jnp
    from flax import nnx

    from archspec_flax.trainer.convolution import use_fast_gradients

    conv = nnx.Conv(
        3, 5, (3, 3), strides=stride, padding=padding, kernel_dilation=dilation, use_bias=False, rngs=nnx.Rngs(0)
    )
    x = jax.random.normal(jax.random.key(1), (2, 9, 8, 3))

    def gradients():
        graph, state = nnx.split(conv)
        found = jax.grad(lambda state, x: jnp.sin(nnx.merge(graph, state)(x)).sum(), (0, 1))(state, x)
        return jax.tree.leaves(found)

    expected = gradients()
    use_fast_gradients(conv)
    for ours, theirs in zip(gradients(), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_what_a_convolution_was_given_is_not_computed_anew_for_its_gradient():
    import jax
    from flax import nnx

    from archspec_flax.trainer.convolution import use_fast_gradients

    conv = nnx.Conv(4, 4, (3, 3), padding=1, rngs=nnx.Rngs(0))
    use_fast_gradients(conv)
    graph, state = nnx.split(conv)
    x = jax.random.normal(jax.random.key(1), (2, 8, 8, 4))
    grad = jax.jit(jax.grad(lambda state, x: nnx.merge(graph, state)(jax.numpy.sin(x)).sum()))
    as_users_have_it = {"xla_cpu_use_fusion_emitters": True, "xla_llvm_disable_expensive_passes": False}
    compiled = grad.lower(state, x).compile(compiler_options=as_users_have_it)
    fusions = compiled.as_text().split("\n\n")
    assert any(" sine(" in fusion for fusion in fusions)
    assert not any(" sine(" in fusion and " copy(" in fusion for fusion in fusions)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is the allocator of glibc that is set")
def test_what_a_step_frees_lies_ready_for_the_next(process):
    code = """
import resource, sys
from archspec_flax.trainer.device import choose_device
from archspec_runtime.processes.platforms import keep_freed
choose_device("cpu")
keep_freed()
import jax, jax.numpy as jnp
x, w = jnp.ones((1 << 20, 16)), jnp.ones((16, 32))
step = jax.jit(lambda x: (jnp.sin(x @ w) @ w.T).sum())
faults = []
for _ in range(12):
    step(x).block_until_ready()
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(min(b - a for a, b in zip(faults, faults[1:])), file=sys.stderr)
"""
    assert int(process("-c", code).splitlines()[-1]) < 1000  # pages of 4 KiB; a step needs 128 MiB of them


@pytest.mark.parametrize(
    ("package", "title", "old", "needed"), [("flax", "Flax", "0.10.4", "0.12.8"), ("jax", "JAX", "0.6.2", "0.10.0")]
)
def test_a_framework_that_is_too_old_is_named_with_the_versions_that_work(
    package, title, old, needed, cli, monkeypatch
):
    monkeypatch.setattr(f"{package}.__version__", old)
    assert f"--   {package}: {old} (needs {needed} or newer" in cli("doctor").output
    result = cli("train", "digits_resnet:resnet8", "--backend", "flax", "--out", "run", "--steps", 1)
    assert result.exit_code == 1
    assert f"{title} {old} is too old: {needed} or newer is needed" in result.output


def test_no_command_has_jax_take_most_of_a_gpu_at_once(cli, tiny, tmp_path, monkeypatch):
    torch.save(archspec.build(archspec.load(tiny), "torch").state_dict(), tmp_path / "w.pt")
    commands = {
        "doctor": ("doctor",),
        "convert": ("convert", tmp_path / "w.pt", tmp_path / "w", "--to", "flax", "--spec", tiny),
        "train": ("train", tiny, "--backend", "flax", "--out", "r", "--steps", 1, "--device", "nosuch"),
    }
    for name, words in commands.items():
        monkeypatch.delenv("XLA_PYTHON_CLIENT_PREALLOCATE", raising=False)
        cli(*words)
        assert os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE") == "false", name
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "true")
    cli("doctor")
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "true", "whoever says otherwise is heard"


def test_a_platform_of_jax_that_is_not_there_is_said(tiny):
    program = f"""
from typer.testing import CliRunner
from archspec_cli.main import app
for words in (["doctor"], ["train", {str(tiny)!r}, "--backend", "flax", "--out", "r", "--steps", "1"]):
    result = CliRunner().invoke(app, words)
    print(result.exit_code, result.output, "unset JAX_PLATFORMS" in result.output)
"""
    environment = os.environ | {"JAX_PLATFORMS": "nosuch"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120,
                          env=environment, check=True)  # fmt: skip
    doctor, train = re.fullmatch(r"(1 .*True)\n(2 .*True)\n", done.stdout, re.DOTALL).groups()
    assert "--   devices of jax: " in doctor
    assert "error: JAX finds no device: " in train
