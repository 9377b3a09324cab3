import gc
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

import archspec
from archspec_cli.main import app
from loops import LONG
from runs import CPU, SEVERAL, TINY

# What Python caches beside sources is no part of what tests compare, and takes the room on the disks that they fill.
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"

pytest_plugins = ["written_specs"]

REPO = Path(__file__).parent.parent
SHARED = REPO.parent / "shared" / "data"
PROCESSORS = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # of each process: the suite has one for each core, and nets are small

# Programs of JAX are compiled once, however many runs, processes and workers of the suite begin with them, be
# they ever so small. A process that is killed may leave one of them in part; it is then compiled anew, with a warning.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _programs = tempfile.TemporaryDirectory(prefix="archspec-tests-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _programs.name
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
QUICKLY = (
    "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    " --xla_llvm_disable_expensive_passes=true --xla_backend_optimization_level=1"
)
"""How XLA compiles in half the time: small nets compute as fast all the same, and to the same numbers but for their last bits."""

# Processes that tests start leave what they do not use unloaded.
STARTUP = str(Path(__file__).with_name("startup"))
if STARTUP not in os.environ.get("PYTHONPATH", ""):
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [STARTUP, os.environ.get("PYTHONPATH")]))
sys.path.append(STARTUP)
LONGEST = (
    "lost_devices", "many_devices", "sweep", "same_numbers", "flax_training", "edited_trainers", "surroundings",
    "flax_faults", "failing_saves", "built_folders", "operations", "flax_models", "zoo", "bad_losses",
    "what_runs_leave", "docs", "given_twice", "launches", "starts_and_ends", "two_trainers", "measuring",
    "asked_to_end", "starting", "recorded_runs", "edited_layers", "random_blocks", "ended_evaluations",
    "spread", "compiling", "cifar", "other_formats", "report", "steps", "unreadable_images", "port",
    "hostile_files", "claimed_sizes", "fine_tuning", "interrupts", "convert", "starts_from_images", "doctor",
    "memory", "imported_models", "cli", "flax_emission", "train_options", "checkpoints", "example_backend",
    "paths_and_disks", "flax_weights", "damaged_runs", "auxiliary_losses", "docs_examples", "torchvision",
    "whole_nets", "emission", "random_nets", "skipped_updates", "not_finite", "left_out", "earlier_runs",
    "fixing", "damaged_weights",
)  # fmt: skip
"""What begins first where files are shared out, so that no worker is left with one of them at the end: 12 seconds and more."""
LAST = ("test_loggers", "test_other_frameworks")
"""What needs libraries that `make test-all` installs while tests run."""


def pytest_addoption(parser):
    parser.addoption(
        "--cold",
        action="store_true",
        help="start processes as users do; else they are forked where they have imported",
    )
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew; read the diff")
    parser.addoption("--long", action="store_true", help="run the long loops, and these alone")
    parser.addoption(
        "--release", action="store_true", help="run what takes too long for every change, and that alone"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    if config.option.long:
        os.environ[LONG] = "1"  # before test modules are imported, and in every worker
        if config.option.hypothesis_seed is None:  # one that is told, before Hypothesis and workers take it
            config.option.hypothesis_seed = str(random.randrange(2**32))
    if not (config.option.cold or config.option.long or config.option.release):
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = flags if QUICKLY in flags else f"{QUICKLY} {flags}".strip()
    if sys.platform == "linux" and not config.option.cold:
        import warm

        warm.PROGRAMS.add(SEVERAL)
        warm.begin(os.environ)


def pytest_sessionstart(session):
    """Say how a long run is drawn again, `-q` or not, before anything can break it off."""
    config = session.config
    if config.option.long and not hasattr(config, "workerinput"):
        line = f"random examples: --hypothesis-seed={config.option.hypothesis_seed} draws them again"
        config.pluginmanager.get_plugin("terminalreporter").write_line(line)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection():
    """Tests and modules stay until the end: nothing looks through them for cycles, and seldom through what tests make."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000)
        gc.enable()


def pytest_collection_modifyitems(config, items):
    release, long = config.option.release, config.option.long

    def is_chosen(item):
        if release or item.get_closest_marker("release"):
            return release and item.get_closest_marker("release") is not None
        if long:
            return any(map(item.get_closest_marker, ("long", "longer")))
        return not item.get_closest_marker("long")

    chosen = [item for item in items if is_chosen(item)]
    kept = set(chosen)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = chosen
    places = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places) + (item.path.stem in LAST)))


def pytest_sessionfinish():
    if (warm := sys.modules.get("warm")) and warm.session:
        warm.session.close()


def pytest_collection_finish():
    sys.dont_write_bytecode = True  # from now on: pytest has kept the test modules as it rewrote them


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With `-n`: whole files go to workers, so that runs which the tests of a file share are made once."""
    if config.option.dist != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False  # as `LONGEST` has it
    return LoadScopeScheduling(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """With `-n auto`: three to a core, since tests wait as long as they compute, and long loops less; each takes up to 3 GiB."""
    cores = os.cpu_count() or 1
    most = cores + 2 if config.option.long or config.option.release else 3 * cores
    if hasattr(os, "sysconf"):
        most = min(most, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // (3 << 30))
    return max(most, 1)


@pytest.fixture(autouse=True)
def own_process():
    """A run sets JAX's precision, and the processors that it computes on, for its whole process, in which other tests follow."""
    yield
    if PROCESSORS is not None:
        os.sched_setaffinity(0, PROCESSORS)
    if (jax := sys.modules.get("jax")) and hasattr(jax, "config"):
        jax.config.update("jax_enable_x64", False)
        jax.config.update("jax_default_matmul_precision", None)


@pytest.fixture
def cli(tmp_path, monkeypatch):
    """Run a command in a temporary folder; gives exit code and output. A traceback fails the test."""
    monkeypatch.chdir(tmp_path)

    def run(*args: object):
        result = CliRunner().invoke(app, [str(a) for a in args])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def process(tmp_path):
    """Run `archspec` as a process of its own."""

    def run(*args: object, **options):
        command = [sys.executable, "-c", "from archspec_cli.main import main; main()", *map(str, args)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, **options)

    return run


@pytest.fixture
def tiny(tmp_path):
    """The spec of a net that has everything whose state a resumed run goes on with."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture
def train(cli, tmp_path):
    """Train in this process; gives the result of the command."""

    def run(spec, out, *args, code=0):
        result = cli("train", spec, "--out", tmp_path / out, *CPU, *args)
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A short run that came to its end: its folder and what it said."""
    out = tmp_path_factory.mktemp("finished") / "run"
    command = ["train", "digits_resnet:resnet8", "--out", out, "--steps", 60, "--checkpoint-every", 20, *CPU]
    done = CliRunner().invoke(app, [str(word) for word in command])
    assert done.exit_code == 0, done.output
    return out, done.stderr


@pytest.fixture
def photos(tmp_path):
    """A small data set of photos as a folder."""
    from image_sets import as_folder

    return as_folder(tmp_path / "photos")


@pytest.fixture
def shards(tmp_path):
    """The same in tars."""
    from image_sets import as_tars

    return as_tars(tmp_path / "shards")


@pytest.fixture(scope="module")
def small_net():
    """What weights are converted for."""
    return archspec.load("digits_resnet", set={"n": 1})


@pytest.fixture(scope="module")
def small_weights(small_net):
    """Weights of PyTorch after a step's statistics."""
    from converting import weights_of

    return weights_of(small_net)


@pytest.fixture
def weights_file(small_weights, tmp_path):
    """The same in a file."""
    import torch

    torch.save(small_weights, tmp_path / "w.pt")
    return tmp_path / "w.pt"


@pytest.fixture(autouse=True)
def environment_is_put_back():
    """What a test, or a command in its process, sets in the environment is not there in the next one."""
    before = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    yield
    for name in [name for name in os.environ if name not in before and not name.startswith("PYTEST_")]:
        del os.environ[name]
    for name, value in before.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


@pytest.fixture
def drawn_quickly():
    """Random numbers of JAX by a generator that compiles in a fifth of the time."""
    import jax

    with jax.default_prng_impl("unsafe_rbg"):
        yield


@pytest.fixture
def small_disk(tmp_path):
    """Mount a file system of so many KiB."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(kilobytes):
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", place]
        if (
            os.geteuid() != 0
            or not shutil.which("mount")
            or subprocess.run(command, capture_output=True, check=False).returncode
        ):
            pytest.skip("a small file system cannot be mounted here")
        return place

    yield mount
    if os.path.ismount(place):
        subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture(autouse=True, scope="module")
def programs_are_let_go():
    """Programs that JAX compiled for the tests of a file are of no use to those of another, and are gigabytes together."""
    yield
    if jax := sys.modules.get("jax"):
        jax.clear_caches()
