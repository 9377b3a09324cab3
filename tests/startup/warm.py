"""Processes that begin with what they import: each is forked from one that has imported it, instead of started.

A process of a test spends two seconds on importing PyTorch, and as much on JAX, before it does what is tested. Where a test,
or a command that it runs, starts `archspec` or a `train.py` by `subprocess`, a process which has imported the framework (and
for `archspec` has read a spec and drawn a picture) forks it. It is a child of whoever started it, with the folder, environment,
streams, session and signals that it was given. What has another environment, other limits or another program is started as
ever. How one is forked, and what it becomes, is in `forking`.
"""

import contextlib
import ctypes
import functools
import inspect
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

PROGRAMS = {"from archspec_cli.main import main; main()"}
"""What is forked besides `-m archspec_cli`; tests add what begins in the same way."""
SCRIPTS = {"first_gpu.py"}
"""Scripts that train in their own process and in those that they start, by `torchrun` too."""
KINDS: dict[str, str] = {}
"""What programs of tests import that run no command of `archspec`."""
STRICT = ["-W", "error"]
TRAINING = {"train", "eval", "sweep"}
COLD = {"ARCHSPEC_TESTS_COLD": "1"}
"""In the environment of a process that is to be started as users start it."""
OWN = (
    "PYTEST_", "RANK", "LOCAL_", "WORLD_SIZE", "MASTER_", "GROUP_", "ROLE_", "TORCHELASTIC_", "TORCH_NCCL_", "ARCHSPEC_SAID",
    "ARCHSPEC_INSTALLED",
    "JAX_PLATFORMS", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "PYTHONUNBUFFERED", "TMPDIR", "PYDANTIC_DISABLE_PLUGINS",
    "XLA_", "TF_CPP_", "TPU_", "TORCHINDUCTOR_", "THP_MEM_ALLOC_ENABLE", "CUBLAS_", "COLUMNS", "PWD",
)  # fmt: skip
"""How variables begin that are looked at after the imports, and not before: a process may have its own."""
ROOM = "ARCHSPEC_TESTS_ROOM"
"""A variable that holds room where the system shows a process's environment, for one that is longer."""
SUBREAPER = 36  # of prctl
MOST = 100_000  # bytes of a request, which is sent as one


class Forker:
    """A process that forks others, which become children of this one."""

    def __init__(self, channel, imported, process=None):
        self.channel = channel
        self.imported = imported
        self.process = process
        self.lock = threading.Lock()

    def start(self, request, streams):
        """The number of a new process."""
        with self.lock, adopting():
            socket.send_fds(self.channel, [request], streams)
            answer = self.channel.recv(64)
        if not answer:
            raise RuntimeError("the process that forks is gone")
        number = int(answer)
        with open(f"/proc/{number}/stat") as file:
            parent = int(file.read().rpartition(")")[2].split()[1])
        if parent != os.getpid():
            raise RuntimeError("the system does not let processes be adopted: run the tests with --cold")
        return number


class Session:
    """The processes of one run of the tests that fork others, each begun when it is first asked for."""

    def __init__(self, environment):
        self.environment = dict(environment)
        self.forkers = {}

    def forker(self, kind):
        if kind not in self.forkers:
            here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with there:
                program = f"import forking; forking.serve({kind!r}, {there.fileno()})"
                process = subprocess.Popen(
                    [sys.executable, "-c", program], pass_fds=[there.fileno()], env={**self.environment, ROOM: "." * 16_000},
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                )  # fmt: skip
            self.forkers[kind] = Forker(here, kind, process)
        return self.forkers[kind]

    def close(self):
        for forker in self.forkers.values():
            forker.channel.close()  # which it ends at
            forker.process.wait()
        self.forkers.clear()


class Nested:
    """The forker of a process which was forked itself, for those that it starts."""

    def __init__(self, environment, forker):
        self.environment = environment
        self.only = forker

    def forker(self, kind):
        imported = self.only.imported
        return self.only if kind == imported or (kind, imported) == ("torch", "shard") else None


session = None
"""What forks processes for this one, if anything does."""


@contextlib.contextmanager
def adopting():
    """Processes whose parent ends become children of this one."""
    prctl = ctypes.CDLL(None).prctl
    prctl(SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(SUBREAPER, 0, 0, 0, 0)


def begin(environment):
    """From now on `subprocess` forks what it can."""
    global session
    session = Session(environment)
    started = subprocess.Popen._execute_child

    @functools.wraps(started)
    def execute(process, *given):
        asked = inspect.signature(started).bind(process, *given).arguments
        if session is None or not _fork(process, asked):
            started(process, *given)

    subprocess.Popen._execute_child = execute


def _fork(process, asked):
    """Whether a process is one that can be forked, and was."""
    words = [os.fsdecode(word) for word in asked["args"]] if not isinstance(asked["args"], (str, bytes)) else []
    folder = os.path.realpath(os.fsdecode(asked["cwd"] or os.getcwd()))
    if (kind := _kind(words, folder)) is None or not _is_plain(asked):
        return False
    environment = os.environ if asked["env"] is None else asked["env"]
    environment = {os.fsdecode(key): os.fsdecode(value) for key, value in environment.items()}
    if _inherited(environment) != _inherited(session.environment):
        return False
    request = json.dumps({
        "words": words, "folder": folder, "environment": environment, "new_session": bool(asked["start_new_session"]),
        "ignored": [number for number in signal.valid_signals() if signal.getsignal(number) == signal.SIG_IGN],
        "umask": _umask(),
    }).encode()  # fmt: skip
    if not os.path.isdir(folder) or len(request) > MOST or (forker := session.forker(kind)) is None:
        return False
    streams = [
        own if given == -1 else given
        for own, given in enumerate(asked[s] for s in ("p2cread", "c2pwrite", "errwrite"))
    ]
    process.pid = forker.start(request, streams)
    process._child_created = True
    ends = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
    process._close_pipe_fds(*(asked[end] for end in ends))
    return True


def _kind(words, folder):
    """What a command imports, or None for one that is neither `archspec` nor a `train.py`, nor a program of tests."""
    match plain(words):
        case [python, script, *_] if python == sys.executable and Path(script).name == "train.py":
            return _kind_of_trainer(Path(folder, script))
        case [python, *given] if python == sys.executable and runs_script(given):
            return "shard"
        case [python, "-m", "archspec_cli", *given] if python == sys.executable:
            pass
        case [python, "-c", program, *_] if python == sys.executable and program in KINDS:
            return KINDS[program]
        case [python, "-c", program, *given] if python == sys.executable and program in PROGRAMS:
            pass
        case _:
            return None
    # what a program runs several commands from has them in one word
    text = " ".join(given)
    if not any(command in given[:1] or f'["{command}"' in text for command in TRAINING):
        return "core"
    if re.search(r"--backend\W+flax\b", text):
        return "flax"
    return "shard" if "--shard" in text else "torch"  # which loads PyTorch's compiler, as `sitecustomize` has it


def runs_script(words):
    """Whether words of a command name one of the scripts, which it runs itself or by `torchrun`."""
    return any(Path(word).name in SCRIPTS for word in words)


def plain(words):
    """A command without the option that warnings are errors."""
    return [words[0], *words[3:]] if words[1:3] == STRICT else words


def _kind_of_trainer(path):
    """A built folder has all but the framework in it, and so nothing of `archspec` may be there before."""
    if not path.is_file():
        return None
    return "flax alone" if "import nnx" in path.read_text(encoding="utf-8", errors="replace") else "torch alone"


def _is_plain(asked):
    usual = {"preexec_fn": None, "close_fds": True, "pass_fds": (), "shell": False, "restore_signals": True, "gid": None,
             "gids": None, "uid": None, "umask": -1, "process_group": -1}  # fmt: skip
    program = asked["executable"] in (None, sys.executable)
    return program and all(asked.get(name, value) == value for name, value in usual.items())


def _inherited(environment):
    return {name: value for name, value in environment.items() if not name.startswith(OWN)}


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
