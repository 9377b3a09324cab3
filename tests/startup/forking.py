"""The process that forks others, and what each becomes: a Python that runs the program which was asked for.

It ends as any Python does, but for one thing, save in the long run: what it has in memory is not taken apart.
"""

import atexit
import ctypes
import functools
import gc
import importlib
import inspect
import io
import json
import os
import runpy
import signal
import socket
import sys
import tempfile
import threading
import types
import warnings
from importlib.machinery import SourceFileLoader
from pathlib import Path

import warm

CORE = ("archspec_cli.main", "archspec_cli.commands.check", "archspec.api")
ALONE = ("matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "PIL.JpegImagePlugin",
         "numpy", "safetensors.numpy")  # fmt: skip
RUNS = (*CORE, *ALONE, "archspec_cli.commands.train", "archspec_experiments.trial", "jinja2")
IMPORTED = {
    "core": CORE,
    "torch": (*RUNS, "archspec_torch.trainer", "archspec_torch.backend", "archspec_torch.emit.folder"),
    "shard": (
        *RUNS,
        "archspec_torch.trainer",
        "archspec_torch.backend",
        "archspec_torch.emit.folder",
        "torch._dynamo",
        "torch.distributed.fsdp",
    ),
    "flax": (*RUNS, "archspec_flax.trainer", "archspec_flax.backend", "archspec_flax.emit.folder"),
    "torch alone": (*ALONE, "torch", "torch.optim", "torch.distributed", "torch.nn.parallel", "safetensors.torch"),
    "flax alone": (*ALONE, "jax", "flax.nnx", "optax"),
}
"""What commands of each kind import in any case."""
LAUNCHING = {"--nproc", "sweep"}
WHOLE = "ARCHSPEC_TESTS_LONG" in os.environ
"""Whether processes take themselves apart at their end, which takes as long as a short run: its threads may be late then."""


def serve(kind, descriptor):
    """Import, and fork a process for each request, until nobody is left to ask. In a new process: run what was asked for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's is meant for the tests
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # as the command does
    for module in IMPORTED[kind]:
        importlib.import_module(module)
    if kind.startswith("flax"):
        _keep_programs_of_all()
    if kind in {"torch", "shard", "flax"}:
        _do_once(kind)
    gc.collect()
    gc.freeze()  # what is here is of all: a process that looked through it for what to free would copy it
    gc.unfreeze = lambda: None  # so it stays when a spec has been loaded (`no_collection`), and when Python ends
    # PyTorch's launcher looks for the modules of its callers, and for one that has no file in all there are, again and again
    inspect.modulesbyfile.update({"<string>": "__main__", "<frozen runpy>": "runpy"})
    gc.set_threshold(20_000)  # a short run makes no cycles that are worth as many searches as Python makes
    warm.begin({name: value for name, value in os.environ.items() if name != warm.ROOM})
    _serve(socket.socket(fileno=descriptor), kind)


def _do_once(kind):
    """What every run does in the same way: read a spec, write its source, draw a picture; fonts and templates are kept."""
    import archspec
    from archspec_runtime.run.curves import draw_curves

    backend = "flax" if kind == "flax" else "torch"
    archspec.emit(archspec.load("digits_resnet:resnet8"), backend)
    with tempfile.TemporaryDirectory() as folder:
        draw_curves([("net", [])], [Path(folder, f"curves.{kind}") for kind in ("png", "svg")])


def _keep_programs_of_all():
    """Have JAX keep what any process of a run has compiled, and not the first alone: on a CPU each has programs of its own."""
    from jax._src import compiler, distributed

    write = compiler._cache_write

    @functools.wraps(write)
    def write_of_any(*given):
        state = distributed.global_state
        rank, state.process_id = state.process_id, 0
        try:
            write(*given)
        finally:
            state.process_id = rank

    compiler._cache_write = write_of_any


def _serve(channel, kind):
    assert len(os.listdir("/proc/self/task")) == 1, "a thread would not be there in a fork"
    while True:
        text, streams, *_ = socket.recv_fds(channel, warm.MOST, 3)
        if not text:
            os._exit(0)
        number, ready = _forked()
        if number is None:
            channel.close()
            _become(json.loads(text), streams, kind, ready)
            return
        channel.send(str(number).encode())
        for stream in streams:
            os.close(stream)


def _forked():
    """The number of a process which has become a child of whoever adopts it, when it is ready.

    In that process: None, and a descriptor that it closes when it is.
    """
    told, tell = os.pipe()
    wait, go = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of JAX, which has threads once it has computed
        between = os.fork()
        number = os.fork() if between == 0 else None
    if number:
        os.write(tell, str(number).encode())
        os._exit(0)
    if number == 0:
        os.close(told)
        os.close(go)
        os.read(wait, 1)  # until its parent has ended
        os.close(wait)
        return None, tell
    os.close(tell)
    os.close(wait)
    found = int(os.read(told, 64))
    os.waitpid(between, 0)
    os.close(go)
    os.read(told, 1)
    os.close(told)
    return found, None


def _become(request, streams, kind, ready):
    """Be the process that was asked for, and run its program."""
    words = request["words"]
    if request["new_session"]:
        os.setsid()
    os.chdir(request["folder"])
    os.umask(request["umask"])
    for stream, descriptor in enumerate(streams):
        os.dup2(descriptor, stream, inheritable=True)
    for descriptor in streams:
        if descriptor > 2:
            os.close(descriptor)
    _take_environment(request["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for number in request["ignored"]:
        signal.signal(number, signal.SIG_IGN)
    _open_streams(at_once=words[1] == "-u" or bool(os.environ.get("PYTHONUNBUFFERED")))
    os.close(ready)
    _nest(words, kind)
    sys.orig_argv = words
    _run(words)


def _take_environment(environment):
    os.environ.clear()
    os.environ.update(environment)
    _show(environment)
    tempfile.tempdir = None
    if jax := sys.modules.get("jax"):  # which has read these when it was imported
        jax.config.update("jax_platforms", environment.get("JAX_PLATFORMS"))
        if least := environment.get("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"):
            jax.config.update("jax_persistent_cache_min_compile_time_secs", float(least))


def _show(environment):
    """Write the environment where the system shows it."""
    with open("/proc/self/stat") as file:
        start, end = map(int, file.read().rpartition(")")[2].split()[47:49])
    text = b"".join(os.fsencode(f"{name}={value}") + b"\0" for name, value in environment.items())
    ctypes.memmove(start, text[: end - start].ljust(end - start, b"\0"), end - start)


def _open_streams(*, at_once):
    """The standard streams of Python, as it opens them at its start."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        before, mode = getattr(sys, name), "w" if descriptor else "r"
        raw = io.FileIO(descriptor, mode, closefd=False)
        raw.name = f"<{name}>"
        buffer = io.BufferedReader(raw) if not descriptor else raw if at_once else io.BufferedWriter(raw)
        stream = io.TextIOWrapper(
            buffer, before.encoding, before.errors,
            line_buffering=not at_once and (descriptor == 2 or raw.isatty()), write_through=at_once and descriptor > 0,
        )  # fmt: skip
        stream.mode = mode
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _nest(words, kind):
    """What starts others has a process that forks them, which is as this one is now."""
    if LAUNCHING.isdisjoint(words) and not warm.runs_script(words):
        warm.session = None
        return
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork():
        there.close()
        warm.session = warm.Nested({**os.environ}, warm.Forker(here, kind))
        return
    here.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(os.devnull, "r+b", 0) as null:
        for stream in range(3):
            os.dup2(null.fileno(), stream)
    _serve(there, kind)
    sys.exit()


def _run(words):
    """Run the program, and end as Python does."""
    try:
        _run_main(words)
        code = 0
    except SystemExit as ended:
        code = 0 if ended.code is None else ended.code
        if not isinstance(code, int):
            raise
    if WHOLE:
        sys.exit(code)
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        sys.exit(code)  # which says what became of it
    os._exit(code & 0xFF)


def _run_main(words):
    if words[1:3] == warm.STRICT:
        warnings.simplefilter("error")
    words = warm.plain(words)
    main = types.ModuleType("__main__")
    main.__builtins__ = sys.modules["builtins"]
    sys.modules["__main__"] = main
    if words[1] == "-u":
        words = [words[0], *words[2:]]
    if words[1].endswith(".py"):
        main.__file__ = os.path.abspath(words[1])
        sys.argv, sys.path[0] = words[1:], os.path.dirname(main.__file__)
        main.__loader__ = SourceFileLoader("__main__", main.__file__)
        exec(compile(main.__loader__.get_data(main.__file__), main.__file__, "exec"), vars(main))
    elif words[1] == "-m":
        sys.argv = ["-m", *words[3:]]
        sys.path[0] = os.getcwd()
        runpy._run_module_as_main(words[2])
    else:
        sys.argv = ["-c", *words[3:]]
        sys.path[0] = ""
        exec(compile(words[2], "<string>", "exec"), vars(main))
