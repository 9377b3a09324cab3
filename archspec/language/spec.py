"""The models of a spec and of a block."""

from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from archspec.language.base import (
    Boolean,
    Count,
    Model,
    NonNegative,
    NonNegativeReal,
    Number,
    OneOf,
    Positive,
    PositiveReal,
    fault,
    none_as_empty,
    none_as_no_items,
    scalar,
)
from archspec.language.recipe import Train
from archspec.ops.arguments import MAX_SIZE, describe
from archspec.syntax.identifiers import class_name_fault, identifier_fault, net_name_fault, output_name_fault

VERSION = 1
ROLES = ("norm", "act")
"""Words that stand for the operation that a spec chooses once."""

Steps = Annotated[list[Any], BeforeValidator(none_as_no_items), WithJsonSchema({"x-definition": "steps"})]
Step = Annotated[Any, WithJsonSchema({"x-definition": "step"})]
Callee = Annotated[Any, WithJsonSchema({"x-definition": "call"})]


def other_version(value: Any) -> tuple[str, str]:
    """Message and help for a version that is not this one."""
    return (f"this is version {VERSION} of the language, and the spec asks for {value!r}",
            f"write `archspec: {VERSION}`")  # fmt: skip


def is_other_language(value: Any) -> bool:
    """Whether a spec asks for another version, and not for this one in other words, such as `'1'`."""
    return isinstance(value, (int, float, str)) and str(value) not in (str(VERSION), f"{VERSION}.0", "True")


def _version(value: Any) -> Any:
    if type(value) is not int or value != VERSION:
        raise fault("AS105", *other_version(value), instead=None if is_other_language(value) else str(VERSION))
    return value


def _net_name(value: Any) -> Any:
    if isinstance(value, str) and (why := net_name_fault(value)):
        raise fault("AS106", f"`{value[:80]}` cannot name a net", why)
    return value


def _class_name(value: Any) -> Any:
    if isinstance(value, str) and (why := class_name_fault(value)):
        raise fault("AS106", f"`{value[:80]}` cannot name a class", why)
    return value


def _identifier(value: Any) -> Any:
    if isinstance(value, str) and (why := identifier_fault(value)):
        raise fault("AS106", f"`{value[:80]}` is not a usable name", why)
    return value


def _output_name(value: Any) -> Any:
    if isinstance(value, str) and (why := output_name_fault(value)):
        raise fault("AS106", f"`{value[:80]}` cannot name an output", why)
    return value


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not isfinite(value):
        raise fault("AS104", f"expected a finite number, not {value}", "such as `1e-4` or `0.5`")
    return value


NetName = Annotated[str, BeforeValidator(_net_name)]
ClassName = Annotated[str, BeforeValidator(_class_name)]
Identifier = Annotated[str, BeforeValidator(_identifier)]
OutputName = Annotated[str, BeforeValidator(_output_name)]


def _argument(value: Any) -> Any:
    """Refuse what is neither a value nor a list of values or of lists of them."""
    rows = [value] if not isinstance(value, list) else value
    values = [v for row in rows for v in (row if isinstance(row, list) and rows is value else [row])]
    wrong = next((v for v in values if isinstance(v, (dict, list)) or v is None), values)
    if wrong is not values:
        expected = "a number, a word, true or false, or a list" if rows is not value else "values in the list"
        help_ = "such as `width: 64`, or `table: [[64, 2], [128, 2]]`"
        raise fault("AS103", f"expected {expected}, not {describe(wrong)}", help_)
    return value


ArgValue = Annotated[str | int | float | bool | list[Any], BeforeValidator(_finite), BeforeValidator(_argument)]
Doc = Annotated[str, Field(max_length=2000)]


def _size(raw: Any) -> Any:
    if isinstance(raw, list) and len(raw) != 2:
        values = "1 value" if len(raw) == 1 else f"{len(raw)} values"
        raise fault("AS103", f"expected one number or [height, width], not {values}", "such as `size: 32`")
    one = isinstance(raw, (int, str)) or (isinstance(raw, float) and raw.is_integer())
    return [raw, raw] if one and not isinstance(raw, bool) else raw


class Input(Model):
    """The images that the net takes: channels and height and width in pixels."""

    channels: Positive = 3
    size: Annotated[
        tuple[Positive, Positive],
        Field(strict=False),
        BeforeValidator(_size),
        WithJsonSchema({"x-definition": "pair"}),
    ]


class NormInit(Model):
    """What the affine parameters of normalizations start from."""

    scale: Number = 1.0
    bias: Number = 0.0


class Normal(Model):
    """A normal distribution around zero."""

    std: PositiveReal


class Distribution(OneOf):
    """How weights are drawn; deviations of He's are for ReLU: sqrt(2 / fan)."""

    he_normal_fan_out: Model | None = None
    he_normal_fan_in: Model | None = None
    xavier_uniform: Model | None = None
    uniform_fan_in: Model | None = None
    normal: Normal | None = None
    trunc_normal: Normal | None = None


class Init(Model):
    """How parameters are initialized."""

    conv: Distribution = Distribution(he_normal_fan_out=Model())
    linear: Distribution = Distribution(uniform_fan_in=Model())
    norm: NormInit = NormInit()
    zero_last_norm: Boolean = False


class Expect(Model):
    """What the net must come to, whatever its arguments are; `check` fails when it does not.

    Layers on top have nets of their own: a spec that extends this one, and `--set` of anything but an argument, leave
    these behind and may state others.
    """

    params: Count | None = None
    macs: Count | None = None
    attention_macs: Count | None = None
    depth: NonNegative | None = None


def _value_alone(raw: Any) -> Any:
    """`{out: fc}` is short for `{out: {value: fc}}`."""
    return {"value": raw} if isinstance(raw, str) else raw


class OutputModel(Model):
    """A named output: the value that it gives, and what training makes of it."""

    value: str
    loss_weight: PositiveReal = 1.0
    train_only: Boolean = False


class Stage(Model):
    """A chain of equal blocks; whatever else it holds are arguments of its block.

    `stride` is that of the first block, the others have 1; `first` overrides the first block.
    """

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: Identifier
    block: Callee
    repeat: NonNegative = 1
    stride: Annotated[Any, WithJsonSchema({"x-definition": "number"})] = 1
    shortcut: Callee = None
    first: dict[str, Any] = {}


class BlockModel(Model):
    """A block or shortcut: a small graph of operations with arguments."""

    doc: Doc = ""
    class_name: ClassName | None = None
    args: Annotated[dict[Identifier, Any], BeforeValidator(none_as_empty)] = {}
    out: Annotated[int | str | None, scalar("a number or an expression", "out: width * 4", optional=True)] = None
    when: Annotated[str | bool | None, scalar("a condition", "when: stride > 1", optional=True)] = None
    otherwise: Literal["input", "none"] = "input"
    name: Identifier | None = None
    inputs: list[Identifier] | None = None
    outputs: list[str] | None = None
    body: Steps = []
    chain: Annotated[list[Any] | None, WithJsonSchema({"x-definition": "chain"})] = None
    join: Steps | None = None
    merge: Step = None
    first: Literal["branch", "shortcut"] = "branch"
    after: Steps = []
    shortcut: Callee = None


Blocks = Annotated[dict[Identifier, BlockModel], BeforeValidator(none_as_empty)]


class Spec(Model):
    """A net and its training."""

    archspec: Annotated[int, BeforeValidator(_version), WithJsonSchema({"const": VERSION})]
    name: NetName
    class_name: ClassName | None = None
    doc: Doc = ""
    args: Annotated[dict[Identifier, ArgValue], BeforeValidator(none_as_empty)] = {}
    presets: Annotated[dict[str, dict[str, Any]], BeforeValidator(none_as_empty)] = {}
    extends: str | None = None
    input: Input
    classes: Positive | None = None
    defaults: Annotated[dict[str, dict[str, Any]], BeforeValidator(none_as_empty)] = {}
    norm: Callee = "batch_norm"
    act: Callee = "relu"
    shortcut: Callee = "none"
    stem: Steps = []
    stages: Annotated[list[Stage], BeforeValidator(none_as_no_items)] = []
    head: Steps = []
    outputs: Annotated[
        dict[OutputName, Annotated[OutputModel | None, BeforeValidator(_value_alone)]],
        BeforeValidator(none_as_empty),
    ] = {}
    blocks: Blocks = {}
    shortcuts: Blocks = {}
    init: Annotated[Init, BeforeValidator(none_as_empty)] = Init()
    train: Train | None = None
    expect: Annotated[Expect, BeforeValidator(none_as_empty)] = Expect()


__all__ = [
    "MAX_SIZE",
    "VERSION",
    "BlockModel",
    "Expect",
    "Init",
    "Input",
    "Literal",
    "NonNegativeReal",
    "Spec",
    "Stage",
]
