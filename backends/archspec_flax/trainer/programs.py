"""Compiled programs: where JAX keeps them from one run to the next, and how they are compiled to compute the same each time."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import jax

CompilerOptions = dict[str, bool | str | int]
CPUINFO = Path("/proc/cpuinfo")
DETERMINISTIC: CompilerOptions = {"xla_gpu_deterministic_ops": True, "xla_gpu_autotune_level": 0}
"""Options of XLA: no sums in the order in which threads arrive, and no algorithm that is chosen by the clock."""


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
        try:
            folder = _folder(platform)
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK):
                raise PermissionError(f"{folder} cannot be written")
        except (OSError, RuntimeError) as error:  # no home, or one that is full or cannot be written
            return f"programs are not kept: {getattr(error, 'strerror', None) or error}"
        settings.update("jax_compilation_cache_dir", str(folder))
    return f"programs are kept in {settings.jax_compilation_cache_dir}"


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
