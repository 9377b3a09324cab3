"""The processes of a run, joined by `torch.distributed`, and started by PyTorch's elastic launcher."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from archspec_runtime.console import complain, warn
from archspec_runtime.errors import RunError
from archspec_runtime.job.job import Options
from archspec_runtime.processes.distributed import ROOM, SAID, PeersLost, stop_watching, take_part, this_process
from archspec_runtime.processes.signals import CODES
from archspec_runtime.processes.world import Answer, World

from .device import is_out_of_memory

BACKENDS = "cpu:gloo,cuda:nccl"
"""The processes talk through gloo, so that a question of theirs waits for no GPU; gradients go through NCCL where they are."""

NOTHING_TO_SPLIT = "--shard splits the run over its processes, and there is one"

_left: list[dist.ProcessGroup | None] = []
_meshes: list[DeviceMesh] = []


def mesh_of_all(device: torch.device) -> DeviceMesh:
    """All processes in a row, as FSDP2 makes it by itself, but known to `Joined.close`."""
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    _meshes.append(mesh)
    return mesh


class Joined:
    """All processes of the default group."""

    def highest(self, values: Sequence[int]) -> list[int]:
        """The highest of each value over all processes."""
        found = torch.tensor(list(values))
        with peers_answer():
            dist.all_reduce(found, dist.ReduceOp.MAX)
        return [int(v) for v in found.tolist()]

    def ask(self, values: Sequence[int]) -> Answer:
        """The same, on its way while this process goes on."""
        found = torch.tensor(list(values))
        with peers_answer():
            work = dist.all_reduce(found, dist.ReduceOp.MAX, async_op=True)

        def answer() -> list[int]:
            with peers_answer():
                work.wait()
            return [int(v) for v in found.tolist()]

        return answer

    def close(self) -> None:
        """Leave the group, when all have come this far, and end its threads before Python ends.

        They drop tensors of the last collectives, for which they need Python's lock: one that asks for it while Python ends
        is unwound through code that may not be, and the process aborts. The group joins them as it is taken down, without
        the lock if nobody but this function has it: what holds it in C++, as DDP's reducer does, goes first. Before PyTorch
        2.8 it joins them with the lock, for which they would wait for ever: the tensor of the last collective stays here.
        """
        last = torch.zeros(1)
        with peers_answer():
            dist.all_reduce(last)
        gc.collect()
        for mesh in _meshes:
            vars(mesh).get("_pg_registry", {}).clear()  # cached layouts of tensors keep a mesh for good
        _meshes.clear()
        group = dist.group.WORLD
        dist.destroy_process_group()
        if (
            sys.getrefcount(group) > 2
        ):  # this name and the argument: somebody has it still, who may let it go with the lock
            _left.append(group)
        del last
        stop_watching()


def join(world: World, options: Options) -> World:
    """Find the other processes through MASTER_ADDR and MASTER_PORT. Raises PeersLost, and RunError for what one has not."""
    if options.devices > 1:
        raise RunError("PyTorch drives one device to a process", f"--nproc {options.devices}", 2)
    if options.shard and world.size == 1:
        if not world.launch:
            raise RunError(
                NOTHING_TO_SPLIT, "start several: --nproc N, a process a GPU, or torchrun; or leave --shard out", 2
            )
        warn(NOTHING_TO_SPLIT)  # a launcher may have fewer than it was once asked for
    if world.size == 1:
        return world
    if options.threads is None and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // world.local_size) if LINUX else 1)
    patience = timedelta(seconds=options.patience)
    backend = BACKENDS if torch.cuda.is_available() else "gloo"
    # before there is a group, which their functions would take as a default value and keep for good
    importlib.import_module("torch.distributed.nn.functional")
    if options.shard:
        importlib.import_module("torch.distributed.fsdp")
    with peers_answer():
        store, rank, size = next(rendezvous("env://", world.rank, world.size, timeout=patience))
        # the launcher keeps its store when it restarts, with the addresses of those that are gone
        store = PrefixStore(f"attempt {world.restarts}", store)
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=patience)
    take_part()
    return replace(world, peers=Joined())


LINUX = hasattr(os, "sched_getaffinity")


@contextmanager
def peers_answer() -> Iterator[None]:
    """Say who was waited for in vain, instead of how a socket closed."""
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if is_out_of_memory(error) or not (isinstance(error, dist.DistError) or any(w in text for w in OF_PEERS)):
            raise
        cause = told(text)
        if any(sign in text.lower() for sign in SILENT):
            raise PeersLost.of(this_process(), silent=True, cause=cause) from error
        if any(sign in text.lower() for sign in GONE):
            raise PeersLost.of(this_process(), silent=False, cause=cause) from error
        raise RunError(
            f"{this_process()} cannot reach or use the others:",
            "see what it says of addresses, ports and devices; NCCL_DEBUG=INFO or TORCH_CPP_LOG_LEVEL=INFO has it say more",
            rows=cause,
        ) from error


OF_PEERS = ("gloo", "Gloo", "NCCL", "nccl")
"""What errors of the libraries that processes talk through name, beside PyTorch's own `DistError`."""
SILENT = ("timed out", "timeout")
"""What they say of a process that does not answer, in lower case."""
GONE = (
    "connection closed", "connection reset", "connection was likely closed", "connection refused", "broken pipe",
    "socket closed", "remote process exit", "process exiting", "ncclremoteerror", "pair closure", "peer closed",
)  # fmt: skip
"""What they say of one whose connection broke."""
LAST = "Last error:"  # of NCCL, on a line of its own


def told(text: str) -> list[str]:
    """What an error says, without the place in its source that it begins with: the first line, and NCCL's own last words."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()] or [""]
    first = re.sub(r"^\[[^]]*\.(?:cc|cpp|h):\d+\]\s*", "", lines[0])
    return [first, *lines[lines.index(LAST) + 1 :][:1]] if LAST in lines else [first]


def launch(command: Sequence[str], processes: int, restarts: int) -> int:
    """Run a command as so many processes of this machine, by what `torchrun` uses; gives the exit code.

    Signals are passed on. Where one process fails the others are ended, and all are started anew as often as `restarts`.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # what is wrong, the processes say
    with tempfile.TemporaryDirectory(prefix=ROOM) as folder:
        os.environ[SAID] = str(Path(folder, "said"))
        config = LaunchConfig(
            min_nodes=1, max_nodes=1, nproc_per_node=processes, run_id=uuid4().hex, max_restarts=restarts,
            rdzv_backend="c10d", rdzv_endpoint="localhost:0", local_addr="localhost",
            logs_specs=DefaultLogsSpecs(log_dir=folder),
        )  # fmt: skip
        try:
            elastic_launch(config, command[0])(*command[1:])
        except SignalException as ended:
            return 128 + int(ended.sigval)
        except ChildFailedError as failed:
            codes = {rank: failure.exitcode for rank, failure in failed.failures.items()}
            return _exit_code(codes, said=any(Path(folder).glob("said-*")))
        finally:
            del os.environ[SAID]
    return 0


def _exit_code(codes: dict[int, int], *, said: bool) -> int:
    """Of what processes ended with, below zero for a signal: a stop that was asked for, else what came first."""
    for code in codes.values():
        if code in CODES.values():
            return code
    own = {
        rank: code for rank, code in codes.items() if code != -signal.SIGTERM
    }  # which the launcher sends to the others
    rank, code = min((own or codes).items(), key=lambda item: item[1])
    if code >= 0:
        return code
    if not said:
        complain(RunError(f"process {rank} was ended by {signal.Signals(-code).name}", "go on with --resume"))
    return 1
