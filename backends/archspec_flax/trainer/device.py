"""Which device a run uses, and what is said when its memory runs out."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import jax

from archspec_runtime.errors import RunError, no_device
from archspec_runtime.job.out_of_memory import address_space, remedy
from archspec_runtime.parts import part
from archspec_runtime.processes.platforms import share_gpu, share_heap
from archspec_runtime.processes.world import World

KINDS = {"cpu": "cpu", "cuda": "gpu", "gpu": "gpu", "rocm": "gpu", "tpu": "tpu"}
ROOM = 320 << 20
"""Bytes that JAX takes before there is a net: XLA ends the process where it gets no more, and says nothing that helps."""
NAME = re.compile(r"(\w+)(?::(\d{1,9}))?", re.ASCII)


def choose_device(name: str) -> jax.Device:
    """The device of this name among this process's, or for `auto` the best there is. Raises RunError."""
    check_room(ROOM)
    share_gpu()
    share_heap()  # before JAX has threads
    try:
        best = jax.local_devices()
    except RuntimeError as error:  # a platform that was asked for and is not there
        why = str(error).partition("\n")[0]
        raise RunError(f"JAX finds no device: {why}", "unset JAX_PLATFORMS, or make it cpu", 2) from None
    if name == "auto":
        return best[0]
    if named := NAME.fullmatch(name):  # JAX takes the best device for one without a name
        kind, index = named.groups("0")
        with suppress(RuntimeError, IndexError):
            return jax.local_devices(backend=KINDS.get(kind, kind))[int(index)]
    raise no_device(name, sorted({d.platform for d in jax.devices()} | {"cpu"}))


def check_room(needed: int) -> None:
    """Raise RunError where the limit of memory leaves less than XLA ends the process for."""
    limit, taken = address_space(), Path("/proc/self/statm")
    if limit is None or not taken.is_file():
        return
    left = limit - int(taken.read_text(encoding="ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")
    if left < needed:
        takes, has, of = (f"{size / 2**20:.1f} MiB" for size in (needed, max(0, left), limit))
        message = f"out of memory: JAX takes about {takes} before a net is built, and {has} are left of {of}"
        raise RunError(message, remedy())


def use_threads(count: int) -> None:
    """Compute on this many processors. XLA sizes its pool of threads when it starts, by those that it may use."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def is_too_much(error: jax.errors.JaxRuntimeError) -> bool:
    """Whether a device had too little memory."""
    return "RESOURCE_EXHAUSTED" in str(error)


@contextmanager
def out_of_memory(instead: Callable[[], RunError]) -> Iterator[None]:
    """Say what was too much, instead of how an allocator failed."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if is_too_much(error):
            raise instead() from None
        raise


SEVERAL = "a run of several processes"


def launcher() -> Any:
    """What joins processes, and adds up what they have."""
    return part("archspec_flax.trainer.world", SEVERAL)


def peers_answer(world: World) -> AbstractContextManager[None]:
    """Say who was waited for in vain, instead of how a socket closed."""
    found: AbstractContextManager[None] = nullcontext() if world.size == 1 else launcher().peers_answer()
    return found


def added_up(values: Sequence[float], world: World) -> list[float]:
    """Each value, summed over all processes."""
    found: list[float] = [float(v) for v in values] if world.size == 1 else launcher().added_up(values, world)
    return found
