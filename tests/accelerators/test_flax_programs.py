"""What JAX compiles for a run: how long loops are, what it computes the same each time, and where it is kept."""

import json
import math
import os
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import archspec
from archspec.emission.folder import job_fields
from archspec_runtime.batches.normalization import measure
from archspec_runtime.batches.order import Batches
from archspec_runtime.data.splits import open_dataset
from archspec_runtime.job.job import Job
from archspec_runtime.recipe.recipe import Recipe
from runs import TINY
from trainers import training

jax = pytest.importorskip("jax")
from archspec_flax.trainer import programs  # noqa: E402
from archspec_flax.trainer.drawing import apart  # noqa: E402
from archspec_flax.trainer.stepper import FlaxStepper  # noqa: E402


@pytest.fixture(scope="module")
def stepper(tmp_path_factory):
    """A run of epochs of 20 steps, all of which may go in one dispatch."""
    path = tmp_path_factory.mktemp("spec") / "tiny.yaml"
    path.write_text(TINY)
    net = archspec.load(path)
    job = Job.from_dict(job_fields(net))
    job = replace(job, recipe=replace(Recipe.from_dict(net.recipe), batch_size=61))
    dataset = open_dataset(job.recipe.data, None, input_shape=job.input_shape, classes=10, seed=0)
    normalization = measure(job.recipe.data.normalize, dataset.train, job.input_shape)
    model = type(archspec.build(net, "flax"))
    batches = Batches(dataset.train, job.recipe.data, 61, 0, job.input_shape, normalization)
    given = training("flax", net, job), job, dataset, normalization, jax.devices("cpu")[0], 20
    return FlaxStepper(model, *given), list(batches.run(0, 20))


def after(stepper, batches, *dispatches):
    """The files of a run after so many steps in each dispatch, and the losses."""
    stepper.start = stepper.start if hasattr(stepper, "start") else jax.tree.map(jax.numpy.copy, stepper.state)
    stepper.state = jax.tree.map(jax.numpy.copy, stepper.start)
    losses, steps = [], iter(enumerate(batches))
    for count in dispatches:
        for _ in range(count):
            number, batch = next(steps)
            stepper.step(batch, 0.1, number)
        losses += [outcome.loss for outcome in stepper.drain()]
    return stepper.snapshot().files(), losses


def test_steps_of_a_dispatch_are_a_loop_whose_length_is_known_and_weights_do_not_depend_on_where_it_is_cut(stepper):
    made, batches = stepper
    assert made.size == 20
    whole, losses = after(made, batches, 20)
    parts, others = after(made, batches, 7, 12, 1)
    assert whole == parts
    assert losses == others
    assert len(set(losses)) == 20
    inputs = [made._inputs(batch, 0.1, number) for number, batch in enumerate(batches)]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *inputs)
    text = made._steps.lower(made.state, made.data, stacked, np.int32(20)).compile().as_text()
    loops = [line for line in text.splitlines() if " while(" in line]
    assert loops
    assert all("known_trip_count" in line for line in loops)
    assert any('"known_trip_count":{"n":"20"}' in line.replace(" ", "") for line in loops)
    assert " conditional(" not in text


def test_a_dispatch_ends_where_an_epoch_does(stepper):
    made, _ = stepper
    for batch_size, steps in ((62, 19), (100, 12)):
        job = replace(made.job, recipe=replace(made.job.recipe, batch_size=batch_size))
        given = made.run.training, job, made.dataset, made.normalization, made.device, 20
        found = FlaxStepper(lambda rngs: made.model, *given)
        assert (found.steps_per_epoch, found.size) == (steps, math.gcd(20, steps))


def test_draws_are_functions_of_their_own_on_cpus_alone():
    def lowered(platform):
        def draw():
            with apart(platform):
                return jax.random.normal(jax.random.key(0), (2,))

        return jax.jit(draw).trace().lower(lowering_platforms=("cuda",)).as_text()

    assert "inlineable" in lowered("cpu")
    assert "inlineable" not in lowered("gpu")


@pytest.fixture
def kept_elsewhere(tmp_path):
    """A folder of programs of its own, and the settings of JAX as they were afterwards."""
    from jax.experimental.compilation_cache import compilation_cache

    names = (
        "jax_compilation_cache_dir",
        "jax_enable_compilation_cache",
        "jax_persistent_cache_min_compile_time_secs",
    )
    before = {name: getattr(jax.config, name) for name in names}
    compilation_cache.reset_cache()
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "programs"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.clear_caches()
    yield tmp_path / "programs"
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def test_a_resumed_run_compiles_nothing_that_is_kept_and_goes_on_deterministically(
    cli, tiny, tmp_path, kept_elsewhere, caplog
):
    given = ("train", tiny, "--backend", "flax", "--device", "cpu", "--out", tmp_path / "run", "--eval-every", 99)
    begun = cli(*given, "--steps", 4, "--deterministic")
    assert begun.exit_code == 0, begun.output
    said = f"compiled, 1 to a dispatch, deterministic; programs are kept in {kept_elsewhere}"
    assert said in begun.output.replace("\n", "")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["settings"] == {"steps_a_dispatch": 1, "deterministic": True}
    assert record["options"]["deterministic"] is True
    jax.clear_caches()
    with jax.log_compiles():
        assert cli(*given, "--steps", 8, "--resume", "--override").exit_code == 0
    text = "\n".join(caplog.messages)
    hits = set(re.findall(r"Persistent compilation cache hit for '(\w+)'", text))
    assert {"jit_one", "jit_measured", "jit_copied"} <= hits


def test_a_program_that_a_killed_process_left_in_part_is_written_anew_in_silence(kept_elsewhere):
    """Warnings are errors here."""
    programs.keep_programs("cpu")

    def compiled():
        jax.clear_caches()
        return jax.jit(lambda x: 2 * x + 1)(1.0)

    compiled()
    files = {path: path.read_bytes() for path in kept_elsewhere.glob("*-cache")}
    assert files
    for path, content in files.items():
        path.write_bytes(content[: len(content) // 2])
    stale, fresh = (kept_elsewhere / f"{name}.part" for name in ("stale", "fresh"))
    for path in (stale, fresh):
        path.write_bytes(b"")
    os.utime(stale, (0, 0))
    programs.keep_programs("cpu")
    assert (stale.exists(), fresh.exists()) == (False, True)
    assert compiled() == 3
    assert all(len(path.read_bytes()) >= len(content) - 64 for path, content in files.items()), "whole again"


def test_a_process_that_is_killed_while_it_writes_a_program_leaves_none(tmp_path, monkeypatch):
    def killed(path, content):
        path.touch()
        raise KeyboardInterrupt

    cache = SimpleNamespace(path=tmp_path, eviction_enabled=False)
    monkeypatch.setattr(type(tmp_path), "write_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
        programs.put_whole(cache, "step", b"program")
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]


def test_programs_are_kept_in_the_users_cache_unless_jax_is_told_otherwise(kept_elsewhere, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert programs.keep_programs("gpu") == f"programs are kept in {kept_elsewhere}"
    jax.config.update("jax_compilation_cache_dir", None)
    assert programs.keep_programs("gpu") == f"programs are kept in {tmp_path / 'cache' / 'archspec' / 'jax-gpu'}"
    assert (tmp_path / "cache" / "archspec" / "jax-gpu").is_dir()
    jax.config.update("jax_compilation_cache_dir", None)
    monkeypatch.setattr(jax, "__version_info__", (0, 10, 1))
    assert "not kept, as JAX before 0.10.2 warns" in programs.keep_programs("cpu")
    assert jax.config.jax_compilation_cache_dir is None
    monkeypatch.setattr(jax, "__version_info__", (0, 10, 2))
    monkeypatch.setattr(programs, "CPUINFO", tmp_path / "cpuinfo")
    places = []
    for flags in ("sse", "sse avx"):
        (tmp_path / "cpuinfo").write_text(f"processor: 0\nflags\t: {flags}\n")
        places.append(programs.keep_programs("cpu"))
        jax.config.update("jax_compilation_cache_dir", None)
    assert places[0] != places[1], "another processor has other instructions"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cpuinfo"))
    assert programs.keep_programs("gpu") == "programs are not kept: Not a directory"
    jax.config.update("jax_enable_compilation_cache", False)
    assert programs.keep_programs("gpu") == "programs are not kept"
