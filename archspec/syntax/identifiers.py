"""Names that may reach emitted source: a grammar, what is reserved, and how a name becomes a class name."""

from __future__ import annotations

import keyword
import re
from functools import lru_cache

from archspec.diagnostics.spelling import stranger

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
_NET = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]{0,99}", re.ASCII)

# What emitted files import or define, or may.
IMPORTED = frozenset(
    (
        "Any",
        "Array",
        "Callable",
        "DTypeLike",
        "F",
        "Iterable",
        "JOB",
        "Module",
        "OrderedDict",
        "Tensor",
        "jax",
        "jnp",
        "main",
        "math",
        "nn",
        "nnx",
        "torch",
    )
)
# Attributes of the module classes of PyTorch and Flax that a child of that name would hide.
RESERVED = frozenset(
    {
        *(
            "add_module",
            "apply",
            "bfloat16",
            "buffers",
            "call_super_init",
            "children",
            "compile",
            "cpu",
            "cuda",
        ),
        *("double", "dump_patches", "eval", "extra_repr", "float", "forward", "get_buffer", "get_extra_state"),
        *(
            "get_parameter",
            "get_submodule",
            "half",
            "init_weights",
            "input",
            "ipu",
            "iter_children",
            "iter_modules",
        ),
        *(
            "load_state_dict",
            "modules",
            "mtia",
            "named_buffers",
            "named_children",
            "named_modules",
            "named_parameters",
        ),
        *(
            "output",
            "parameters",
            "perturb",
            "requires_grad_",
            "reset_parameters",
            "rngs",
            "self",
            "set_attributes",
        ),
        *(
            "set_extra_state",
            "set_submodule",
            "share_memory",
            "sow",
            "split",
            "state_dict",
            "to",
            "to_empty",
            "train",
        ),
        *("training", "type", "xpu", "zero_grad"),
    }
)

# Methods of PyTorch's ModuleDict and Flax's Dict.
CONTAINER_WORDS = frozenset(("clear", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values"))
MAX_PARTS = 8


def identifier_fault(name: str) -> str | None:
    """Why a name cannot name a module, a block or an argument; None when it can."""
    if not _IDENTIFIER.fullmatch(name):
        return f"{_why(name)}use ASCII letters, digits and `_`, a letter first, at most 64"
    if _is_word(name):
        return "it is a word of Python's"
    if name in RESERVED or name.startswith("register_"):
        return "frameworks use it for something else"
    return None


@lru_cache(maxsize=4096)  # a block is built anew for each place that it is at, and its steps keep their names
def step_name_fault(name: str) -> str | None:
    """Why a name cannot name a step; None when it can. Only chains have steps with hyphens.

    A path such as `convs.0` has a name first, and behind each dot a name or a whole number.
    """
    first, *parts = name.split(".")
    if len(parts) >= MAX_PARTS:
        return f"a path has at most {MAX_PARTS} parts"
    if parts and not all((first, *parts)):
        return "there is nothing at one side of a dot: write such as `convs.0`"
    for part in parts:
        number = part.isascii() and part.isdigit()
        if number and (part != str(int(part)) or len(part) > 5):
            return f"`{part}` is no place: count from 0, without zeros in front"
        if part in CONTAINER_WORDS:
            return f"`{part}` is a method of the container that `{first}` would be"
        if not number and (why := _part_fault(part)):
            return f"`{part}`: {why}"
    if parts and first.isdigit():
        return "a path begins with a name, such as `convs.0`"
    return f"`{first}`: {why}" if (why := _part_fault(first)) and parts else _part_fault(first)


def _part_fault(part: str) -> str | None:
    return identifier_fault(part.replace("-", "_") if part[-1:] != "-" else part)


def containers(name: str) -> list[str]:
    """The paths of the containers that a step of this name stands in, the outermost first: of `a.b.0`, `a` and `a.b`."""
    if "." not in name:
        return []
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def output_name_fault(name: str) -> str | None:
    """Why a name cannot name an output of a net; None when it can: it is a key of what the model returns."""
    if not re.fullmatch(r"\w{1,64}", name, re.ASCII):
        return f"{_why(name)}use ASCII letters, digits and `_`, at most 64"
    return "so the input of a built net is called" if name == "images" else None


def class_name_fault(name: str) -> str | None:
    """Why a name cannot be that of an emitted class; None when it can."""
    if not _IDENTIFIER.fullmatch(name):
        return f"{_why(name)}use ASCII letters, digits and `_`, a letter first, at most 64"
    if _is_word(name):
        return "it is a word of Python's"
    return "the source imports something of that name" if name in IMPORTED else None


def net_name_fault(name: str) -> str | None:
    """Why a name cannot name a net (it becomes folder and class names); None when it can."""
    if not _NET.fullmatch(name):
        return f"{_why(name)}use ASCII letters, digits and `-_.+`, a letter first, at most 100"
    return (
        None if class_name(name) and not keyword.iskeyword(class_name(name)) else "no class name can be made of it"
    )


def _is_word(name: str) -> bool:
    return keyword.iskeyword(name) or keyword.issoftkeyword(name)


def _why(name: str) -> str:
    return f"{why}: " if (why := stranger(name)) else ""


def net_class_name(name: str) -> str:
    """The name of the class of a net: that of what it imports it cannot have."""
    return f"{name}Net" if name in IMPORTED else name


def class_name(name: str) -> str:
    """`cifar-resnet-20` as `CifarResnet20`; capitals that are there stay."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name))
