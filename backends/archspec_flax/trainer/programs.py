"""Compiled programs: where JAX keeps them from one run to the next, and how they are compiled to compute the same each time."""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax

CompilerOptions = dict[str, bool | str | int]
CPUINFO = Path("/proc/cpuinfo")
DETERMINISTIC: CompilerOptions = {"xla_gpu_deterministic_ops": True, "xla_gpu_autotune_level": 0}
"""Options of XLA: no sums in the order in which threads arrive, and no algorithm that is chosen by the clock."""
SILENT = (0, 10, 2)
"""The release of JAX from which on it reads programs for its own CPU without saying of each that it may end by SIGILL."""
PART = ".part"
STALE = 3600.0  # seconds after which nobody writes a part any more


def compiler_options(deterministic: bool) -> CompilerOptions | None:
    """Options for programs whose numbers are a run's; CPUs and TPUs compute the same each time without them."""
    return dict(DETERMINISTIC) if deterministic else None


def keep_programs(platform: str) -> str:
    """Have JAX keep what takes more than a second to compile, so that a resumed run need not wait; says where.

    JAX_COMPILATION_CACHE_DIR moves the folder, and JAX_ENABLE_COMPILATION_CACHE=false keeps nothing.
    """
    settings: Any = jax.config  # whose names are made when JAX is loaded
    if not settings.jax_enable_compilation_cache:
        return "programs are not kept"
    if settings.jax_compilation_cache_dir is None:
        if platform == "cpu" and jax.__version_info__ < SILENT:
            return "programs are not kept, as JAX before 0.10.2 warns of each that it reads for a CPU"
        try:
            folder = _folder(platform)
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK):
                raise PermissionError(f"{folder} cannot be written")
        except (OSError, RuntimeError) as error:  # no home, or one that is full or cannot be written
            return f"programs are not kept: {getattr(error, 'strerror', None) or error}"
        settings.update("jax_compilation_cache_dir", str(folder))
    folder = settings.jax_compilation_cache_dir
    write_whole()
    clear_parts(Path(folder))
    warnings.filterwarnings("ignore", "Error reading persistent compilation cache entry", UserWarning)
    return f"programs are kept in {folder}"


def write_whole() -> None:
    """Have JAX write each program beside its place, and rename it, so that a killed process leaves no part of one there.

    JAX writes at the place itself, and never again: such a part would be compiled anew, with a warning, by all who come after.
    Here what cannot be read is written anew. Where another JAX keeps its programs otherwise, it does so.
    """
    with suppress(ImportError, AttributeError):
        from jax._src.lru_cache import LRUCache

        kept: Any = LRUCache
        if kept.put is not put_whole:
            bounded.append(kept.put)
            kept.put = put_whole


bounded: list[Any] = []
"""JAX's own way, which a cache of a limited size keeps, where a lock is held meanwhile."""


def put_whole(cache: Any, key: str, value: bytes) -> None:
    """Write a program to a cache, a file that is there already too: JAX compiles what it could not read."""
    if cache.eviction_enabled:
        bounded[0](cache, key, value)
        return
    part = cache.path / f"{key}-{os.getpid()}{PART}"
    part.write_bytes(value)
    part.replace(cache.path / f"{key}-cache")


def clear_parts(folder: Path) -> None:
    """Remove what processes that were killed have written in part."""
    with suppress(OSError):
        for part in folder.glob(f"*{PART}"):
            if part.stat().st_mtime < time.time() - STALE:
                part.unlink()


def _folder(platform: str) -> Path:
    """`$XDG_CACHE_HOME/archspec/jax-PLATFORM`, or `~/.cache/...`; programs for a CPU are those of its own instructions.

    The processors of machines that share a home folder may have others, and a program would end there by SIGILL.
    """
    given = os.environ.get("XDG_CACHE_HOME")
    kind = platform
    if platform == "cpu":
        lines = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.is_file() else []
        told = next((line for line in lines if line.startswith(("flags", "Features"))), "")
        kind = f"cpu-{hashlib.sha256(told.encode()).hexdigest()[:8]}"
    return (Path(given) if given else Path.home() / ".cache") / "archspec" / f"jax-{kind}"
