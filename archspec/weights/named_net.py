"""The net that a file of weights names, where a spec of it has to be asked for."""

from __future__ import annotations

from pathlib import Path

from archspec.loading import zoo
from archspec.weights.identity import KEY, parsed
from archspec.weights.safetensors import Safetensors, stored


def named_net(path: Path) -> str | None:
    """The name of the net in the metadata of a file of weights; None where nothing says it."""
    try:
        about = stored(path)[1] if Safetensors().recognizes(path) else {}
    except (OSError, ValueError):  # of which who reads the weights will say what is wrong
        return None
    known = (parsed(about.get(KEY)) or {}).get("net")
    name = known.get("name") if isinstance(known, dict) else None
    return name if isinstance(name, str) else None


def without_spec(path: Path) -> tuple[str, str]:
    """What is said of weights whose spec is not given: which net they are of, as far as they tell, and how it is given."""
    name = named_net(path)
    if name is None:
        return (
            f"{path} does not say which net it is of",
            "give its spec: --spec FILE, or a net of the zoo as --spec resnet50",
        )
    if zoo.find(name) is not None or zoo.member(name) is not None:
        return f"{path} holds weights of {name}, and not its spec", f"give --spec {name}"
    return (
        f"{path} holds weights of {name}, and not its spec",
        "give its spec, which its run keeps: --spec RUN/code/spec.yaml",
    )
