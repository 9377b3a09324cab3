"""Accelerators by name: what their vendors' data sheets say of arithmetic and memory.

H200 (https://www.nvidia.com/en-us/data-center/h200/, SXM): 67 TFLOPS in FP64 by tensor cores and in FP32; with sparsity 989 in
TF32 and 1,979 in BF16 and FP16; 141 GB, 4.8 TB/s. A100 (NVIDIA's data sheet 1758950, 80GB SXM): 19.5 TFLOPS in FP64 by tensor
cores and in FP32, 156 in TF32, 312 in BF16 and FP16; 80 GB, 2,039 GB/s. v5e (https://cloud.google.com/tpu/docs/v5e): 197 TFLOPs
in bf16; 16 GB, 819 GB/s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from archspec.diagnostics.printable import printable

TERA, GIGA = 1e12, 1e9

LAUNCH = 4e-6
"""Seconds that the host takes to launch a kernel, which no data sheet says: an assumption for PyTorch's eager operations."""


@dataclass(frozen=True, slots=True)
class Accelerator:
    """Floating-point operations a second by precision, dense; bytes a second of its memory, and how many it has.

    `launch` is how long the host takes for each kernel; 0 where a step is one program.
    """

    name: str
    flops: Mapping[str, float]
    bandwidth: float
    memory: float
    source: str
    launch: float = LAUNCH
    derived: Mapping[str, str] = field(
        default_factory=dict
    )  # where a precision's figure comes from, if not from there


class AcceleratorError(Exception):
    """An accelerator that is not known, or that has no figure for a precision; `help` says which there are."""

    exit_code = 2  # of the command that named it

    def __init__(self, message: str, help: str) -> None:
        super().__init__(printable(message))
        self.help = printable(help)


_SPARSE = 0.5  # NVIDIA states Hopper's tensor cores with half of the weights zero
_V5E = 197 * TERA

ACCELERATORS = {
    "h200": Accelerator(
        "H200", {"fp64": 67 * TERA, "fp32": 67 * TERA, "tf32": 989 * _SPARSE * TERA,
                 "bf16": 1979 * _SPARSE * TERA, "fp16": 1979 * _SPARSE * TERA},
        4.8 * TERA, 141 * GIGA, "NVIDIA's data sheet of the H200 SXM",
    ),
    "a100": Accelerator(
        "A100", {"fp64": 19.5 * TERA, "fp32": 19.5 * TERA, "tf32": 156 * TERA, "bf16": 312 * TERA, "fp16": 312 * TERA},
        2.039 * TERA, 80 * GIGA, "NVIDIA's data sheet of the A100 80GB SXM",
    ),
    "v5e": Accelerator(
        "TPU v5e", {"bf16": _V5E, "tf32": _V5E / 3, "fp32": _V5E / 6},
        819 * GIGA, 16 * GIGA, "Google's page of the TPU v5e", launch=0.0,
        derived={"fp32": "JAX multiplies in fp32 there by six products in bf16",
                 "tf32": "JAX multiplies in this precision there by three products in bf16"},
    ),
}  # fmt: skip
"""By what they are called on the command line."""


def accelerator(name: str) -> Accelerator:
    """The accelerator of a name, in any case, with its vendor's "TPU" or without. Raises AcceleratorError."""
    found = ACCELERATORS.get(name.lower().removeprefix("tpu").strip(" -_"))
    if found is None:
        known = ", ".join(f"`{name}`" for name in sorted(other.name for other in ACCELERATORS.values()))
        raise AcceleratorError(f"no data sheet of an accelerator {name!r} is known", f"known here: {known}")
    return found


def peak(on: Accelerator, precision: str) -> float:
    """Floating-point operations a second. Raises AcceleratorError where the data sheet says none for a precision."""
    if precision not in on.flops:
        which = ", ".join(f"`{known}`" for known in on.flops)
        raise AcceleratorError(f"{on.source} says nothing of {precision}", f"take a precision of {which}")
    return on.flops[precision]
