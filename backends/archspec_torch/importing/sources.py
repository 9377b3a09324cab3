"""Where models come from: `torchvision:NAME`, `timm:NAME`, `package.module:factory` and `path/to/file.py:Class`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archspec.backends.extras import install_command
from archspec.diagnostics.spelling import did_you_mean
from archspec.errors import ModelError
from archspec_runtime.run.progress import said_if_slow


def module_of(source: str, arguments: Mapping[str, Any]) -> tuple[Any, str]:
    """The model of a source, made with arguments, and a name for its net. Raises ModelError."""
    place, colon, name = source.rpartition(":")
    if not colon or not place or not name:
        raise ModelError(f"{source!r} is no source of a model",
                         "write torchvision:NAME, timm:NAME, package.module:factory or path/to/file.py:Class")  # fmt: skip
    if place == "torchvision":
        return _made(_torchvision(name), {"weights": None, **arguments}, source), name
    if place == "timm":
        return _made(_timm(name), arguments, source), re.sub(r"\W", "_", name)
    return _made(_attribute(_imported(place), name, source), arguments, source), _snake(name)


def _made(factory: Any, arguments: Mapping[str, Any], source: str) -> Any:
    from torch import nn

    if isinstance(factory, nn.Module):
        if arguments:
            raise ModelError(f"{source} is a model already, which takes no arguments", "leave --arg out")
        return factory
    if not callable(factory):
        raise ModelError(
            f"{source} is a {type(factory).__name__}, and makes no model", "name a class or a function"
        )
    try:
        found = inspect.signature(factory)
        found.bind(**arguments)
    except TypeError as error:
        raise ModelError(f"{source} cannot be made: {error}", _needed(found, arguments)) from None
    except ValueError:  # it has no signature
        pass
    try:
        with said_if_slow(f"making {source}"):
            return factory(**arguments)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever the user's own code raises
        raise ModelError(
            f"{source} could not be made: {type(error).__name__}: {error}", "run it in Python first"
        ) from None


def _needed(signature: inspect.Signature, arguments: Mapping[str, Any]) -> str:
    """How the arguments are given that a factory needs, or which ones it takes."""
    open_ = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    taken = {name: one for name, one in signature.parameters.items() if one.kind not in open_}
    lacking = [name for name, one in taken.items() if one.default is one.empty and name not in arguments]
    if lacking:
        return f"give them: {' '.join(f'--arg {name}=VALUE' for name in lacking)}"
    return f"it takes {', '.join(taken)}" if taken else "it takes no arguments: leave --arg out"


def _torchvision(name: str) -> Any:
    models = _installed("torchvision").models
    if name not in models.list_models():
        raise ModelError(f"torchvision has no model {name!r}", did_you_mean(name, models.list_models()))
    return models.get_model_builder(name)


def _timm(name: str) -> Any:
    _installed("torchvision")
    timm = _installed("timm")
    if not timm.is_model(name):
        raise ModelError(f"timm has no model {name!r}", did_you_mean(name, timm.list_models()))
    return lambda **arguments: timm.create_model(name, **arguments)


def _installed(package: str) -> Any:
    if importlib.util.find_spec(package) is None:
        raise ModelError(f"this source needs {package}, which is not installed",
                         f"{install_command('import')}, or any version that fits your PyTorch")  # fmt: skip
    if package == "torchvision":
        _declare_operators()
    return importlib.import_module(package)


def _declare_operators() -> None:
    """Operators that torchvision's Python expects of its compiled part, which builds for other devices lack."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        try:
            torch._C._dispatch_find_schema_or_throw(f"torchvision::{name}", "")
        except RuntimeError:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    _KEPT.append(library)


_KEPT: list[Any] = []
"""Declared operators live as long as their library."""


def _imported(place: str) -> Any:
    """A module by its dotted name or by the path of its file; its code runs."""
    if not place.endswith(".py"):
        sys.path.insert(0, str(Path.cwd()))
        try:
            return importlib.import_module(place)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever the user's own code raises
            raise ModelError(f"{place} cannot be imported: {type(error).__name__}: {error}",
                             "check the name, and that `python -c 'import ...'` takes it") from None  # fmt: skip
        finally:
            sys.path.remove(str(Path.cwd()))
    path = Path(place)
    if not path.is_file():
        raise ModelError(f"there is no file {place}", "check the path")
    name = f"archspec_imported_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ModelError(f"{place} is no Python file", "give a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever the user's own code raises
        raise ModelError(
            f"{place} cannot be run: {type(error).__name__}: {error}", "run it with Python first"
        ) from None
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def _attribute(module: Any, name: str, source: str) -> Any:
    found = module
    for part in name.split("."):
        if not hasattr(found, part):
            own = [key for key in vars(module) if not key.startswith("_")]
            raise ModelError(f"there is no {name} in {source.rpartition(':')[0]}", did_you_mean(name, own))
        found = getattr(found, part)
    return found


def _snake(name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.rpartition(".")[2]).lower()
    return re.sub(r"\W", "_", words)
