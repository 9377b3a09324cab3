"""Wheels of packages that are installed here, without what was compiled for this machine: pure Python for any other."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, distribution
from importlib.util import find_spec
from pathlib import Path

from archspec.diagnostics import codes
from archspec.loading import zoo
from archspec.version import __version__

PURE = {"Jinja2": "jinja2", "MarkupSafe": "markupsafe", "PyYAML": "yaml"}
"""Distributions that are all Python, or run without what they have compiled, with the package that is imported."""
OURS = ("archspec", "archspec_runtime", "archspec_torch", "archspec_flax", "archspec_play")
LEFT_OUT = frozenset({"__pycache__", "page"})
COMPILED = frozenset({".so", ".pyd", ".pyc", ".c", ".pyx", ".pxd"})
ENTRY_POINTS = """\
[archspec.backends]
flax = archspec_flax.backend:FlaxBackend
torch = archspec_torch.backend:TorchBackend
"""


def wheels() -> Iterator[tuple[str, bytes]]:
    """The wheels, by the names of their files."""
    for name, package in PURE.items():
        installed = distribution(name)
        licenses = {Path(path).name: text for path, text in _licenses(installed)}
        yield wheel(name, installed.version, dict(_files(package)), licenses)
    files = {path: content for package in OURS for path, content in _files(package)}
    files |= {f"archspec/specs/{path}": content for path, content in _below(zoo.folder())}
    files |= {f"archspec/explanations/{code}.md": codes.page(code).encode() for code in codes.CODES}
    yield wheel("archspec-nn", __version__, files, {"entry_points.txt": ENTRY_POINTS.encode()})


def wheel(name: str, version: str, files: Mapping[str, bytes], about: Mapping[str, bytes]) -> tuple[str, bytes]:
    """A wheel of pure Python, the same each time; `about` are further files of its `.dist-info`."""
    stem = f"{name.lower().replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    content = dict(files) | {f"{info}/{path}": text for path, text in about.items()}
    content[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    content[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: archspec\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = [f"{path},sha256={_hash(data)},{len(data)}" for path, data in sorted(content.items())]
    content[f"{info}/RECORD"] = "".join(f"{line}\n" for line in [*record, f"{info}/RECORD,,"]).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in sorted(content.items()):
            archive.writestr(zipfile.ZipInfo(path), data, zipfile.ZIP_DEFLATED)
    return f"{stem}-py3-none-any.whl", out.getvalue()


def _files(package: str) -> Iterator[tuple[str, bytes]]:
    spec = find_spec(package)
    assert spec is not None, f"{package} is what this is made of"
    for folder in spec.submodule_search_locations or ():
        yield from ((f"{package}/{path}", content) for path, content in _below(Path(folder)))


def _below(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        within = path.relative_to(folder)
        if path.is_file() and path.suffix not in COMPILED and not LEFT_OUT.intersection(within.parts):
            yield within.as_posix(), path.read_bytes()


def _licenses(installed: Distribution) -> Iterator[tuple[str, bytes]]:
    for path in installed.files or ():
        if path.name.upper().startswith(("LICENSE", "LICENCE")) and ".dist-info" in str(path):
            yield path.name, path.read_binary()


def _hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
