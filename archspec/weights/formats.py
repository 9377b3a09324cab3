"""Which format a file or folder of weights has: safetensors, which is everybody's, or one that a backend owns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from archspec.backends import WeightsFormat, backend_names, errors_of, find_backend, formats_of
from archspec.diagnostics import SpecError
from archspec.errors import WeightsError
from archspec.weights.file_kinds import kind_of
from archspec.weights.safetensors import Safetensors


@dataclass(frozen=True, slots=True)
class Known:
    """A format, and what its owner raises where a user can mend it."""

    format: WeightsFormat
    owner: str | None = None
    errors: tuple[type[Exception], ...] = ()


def known(backend: str | None) -> list[Known]:
    """Safetensors, and the formats of a backend, or of all that load. Raises SpecError where the one asked for does not."""
    found = [Known(Safetensors())]
    for name in backend_names() if backend is None else [backend]:
        try:
            owner = find_backend(name)
        except SpecError:
            if backend is not None:
                raise
            continue  # `doctor` names it; whoever needs its formats asks for it
        found += [Known(format, name, errors_of(owner)) for format in formats_of(owner)]
    return found


def format_to_read(path: Path, backend: str | None) -> Known:
    """The format of what is there, by its content, then by its suffix. Raises WeightsError."""
    try:
        if not path.exists():
            raise WeightsError(
                f"there is no {path}", "give a file of weights, or the folder of a run or a checkpoint"
            )
        candidates = known(backend)
        for candidate in candidates:
            if candidate.format.recognizes(path):
                if backend is not None and candidate.owner is None:
                    raise WeightsError(f"{path} is {candidate.format.title}, which is of no backend, and --from is {backend}",
                                       "leave --from out", 2)  # fmt: skip
                return candidate
        if path.is_file() and (kind := kind_of(path)) is not None:
            raise WeightsError(f"{path} is {kind[0]}", kind[1])
        for candidate in candidates:
            if path.suffix.lower() in candidate.format.suffixes and path.is_file():
                return candidate
        # whoever says whose it is hears from it what is wrong with it
        for candidate in candidates if backend is not None and path.is_file() else []:
            if candidate.owner is not None and candidate.format.suffixes:
                return candidate
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}") from None
    raise WeightsError(f"{path} holds no weights that anything here reads",
                       "it may be " + ", ".join(dict.fromkeys(k.format.title for k in candidates)))  # fmt: skip


def format_to_write(path: Path, backend: str | None) -> Known:
    """The format that a suffix names, or where it names none the first of a backend. Raises WeightsError."""
    writable = [k for k in known(None) if k.format.writable]
    named = [k for k in writable if path.suffix.lower() in k.format.suffixes]
    if backend is None and named:
        return named[0]
    if backend is None:
        suffixes = ", ".join(suffix for k in writable for suffix in k.format.suffixes)
        owners = " or ".join(dict.fromkeys(f"--to {k.owner}" for k in writable if k.owner))
        raise WeightsError(f"{path} does not say what to write", f"end it in {suffixes}, or say {owners}", 2)
    own = [k for k in known(backend) if k.format.writable]
    for candidate in own:
        if path.suffix.lower() in candidate.format.suffixes and candidate.owner is not None:
            return candidate
    if named:
        raise WeightsError(f"{path} would be {named[0].format.title}, which is not --to {backend}",
                           "leave --to out, or give another suffix", 2)  # fmt: skip
    for candidate in own:
        if candidate.owner is not None:
            return candidate
    raise WeightsError(f"the backend `{backend}` writes no weights of its own", "end it in .safetensors", 2)
