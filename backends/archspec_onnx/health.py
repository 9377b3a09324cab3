"""What the ONNX backend needs, for `archspec doctor`."""

from __future__ import annotations

from collections.abc import Iterator

from archspec.diagnostics import Diagnostic, SpecError

NEEDED, TESTED = "1.17", "1.23"
EXTRA = "pip install 'archspec-nn[onnx]'"


def examine() -> Iterator[tuple[str, str, bool, str | None]]:
    """The onnx package, and the runtime where there is one."""
    try:
        import onnx
    except ImportError as error:
        yield "onnx", f"does not import ({error}): no ONNX files can be written", False, EXTRA
        return
    yield "onnx", f"{onnx.__version__} (needs {NEEDED} or newer, tested with {TESTED})", True, None
    try:
        import onnxruntime
    except ImportError:
        yield "onnxruntime", "missing: files can be written, and are run elsewhere", True, None
    else:
        yield "onnxruntime", onnxruntime.__version__, True, None


def need_onnx() -> None:
    """Import onnx. Raises SpecError that says how to get it where that fails."""
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise SpecError([Diagnostic("AS701", f"onnx does not import: {error}", None, EXTRA)]) from None
