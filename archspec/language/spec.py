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
    asked = "none" if value is None else repr(value)
    return (f"this is version {VERSION} of the language, and the spec asks for {asked}",
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

    channels: Positive = Field(default=3, description="Channels of the images.")
    size: Annotated[
        tuple[Positive, Positive],
        Field(strict=False),
        BeforeValidator(_size),
        WithJsonSchema({"x-definition": "pair"}),
    ] = Field(description="Height and width of the images in pixels: one number, or `[height, width]`.")


class NormInit(Model):
    """What the affine parameters of normalizations start from."""

    scale: Number = Field(default=1.0, description="Initial scale of normalizations.")
    bias: Number = Field(default=0.0, description="Initial bias of normalizations.")


class Normal(Model):
    """A normal distribution around zero."""

    std: PositiveReal = Field(description="Standard deviation.")


class Distribution(OneOf):
    """How weights are drawn; deviations of He's are for ReLU: sqrt(2 / fan)."""

    he_normal_fan_out: Model | None = Field(
        default=None, description="Normal with standard deviation sqrt(2 / fan-out)."
    )
    he_normal_fan_in: Model | None = Field(
        default=None, description="Normal with standard deviation sqrt(2 / fan-in)."
    )
    xavier_uniform: Model | None = Field(default=None, description="Uniform within sqrt(6 / (fan-in + fan-out)).")
    uniform_fan_in: Model | None = Field(
        default=None, description="Uniform within 1 / sqrt(fan-in), PyTorch's default."
    )
    normal: Normal | None = Field(
        default=None, description="Normal with a standard deviation of its own, `{std: 0.01}`."
    )
    trunc_normal: Normal | None = Field(
        default=None, description="Truncated normal with a standard deviation of its own, `{std: 0.02}`."
    )


class Init(Model):
    """How parameters are initialized."""

    conv: Distribution = Field(
        default=Distribution(he_normal_fan_out=Model()), description="Distribution of the weights of convolutions."
    )
    linear: Distribution = Field(
        default=Distribution(uniform_fan_in=Model()), description="Distribution of the weights of linear layers."
    )
    norm: NormInit = Field(default=NormInit(), description="What scale and bias of normalizations start from.")
    zero_last_norm: Boolean = Field(
        default=False, description="Whether the last normalization of each residual branch starts from scale 0."
    )


class Expect(Model):
    """What the net must come to, whatever its arguments are; `check` fails when it does not.

    Layers on top have nets of their own: a spec that extends this one, and `--set` of anything but an argument, leave
    these behind and may state others.
    """

    params: Count | None = Field(default=None, description="Parameters of the net.")
    macs: Count | None = Field(
        default=None, description="Multiply-adds of convolutions and linear layers for one image."
    )
    attention_macs: Count | None = Field(
        default=None, description="Multiply-adds of products of two values in attention, for one image."
    )
    depth: NonNegative | None = Field(
        default=None,
        description="Convolutions and linear layers on the longest path, without those of shortcuts and gates.",
    )


def _value_alone(raw: Any) -> Any:
    """`{out: fc}` is short for `{out: {value: fc}}`."""
    return {"value": raw} if isinstance(raw, str) else raw


class OutputModel(Model):
    """A named output: the value that it gives, and what training makes of it."""

    value: str = Field(description="The step whose value it is.")
    loss_weight: PositiveReal = Field(default=1.0, description="Weight of its loss in the sum.")
    train_only: Boolean = Field(default=False, description="Whether it is there only in training.")


class Stage(Model):
    """A chain of equal blocks; whatever else it holds are arguments of its block.

    `stride` is that of the first block, the others have 1; `first` overrides the first block.
    """

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: Identifier = Field(description="Name of the stage, by which checkpoints and later steps know it.")
    block: Callee = Field(description="The block that is repeated.")
    repeat: NonNegative = Field(default=1, description="How many blocks.")
    stride: Annotated[Any, WithJsonSchema({"x-definition": "number"})] = Field(
        default=1, description="Stride of the first block; the others have 1."
    )
    shortcut: Callee = Field(default=None, description="The shortcut of its blocks, if not that of the net.")
    first: dict[str, Any] = Field(default={}, description="Arguments of the first block alone.")


class BlockModel(Model):
    """A block or shortcut: a small graph of operations with arguments."""

    doc: Doc = Field(default="", description="What it computes, and where it is from.")
    class_name: ClassName | None = Field(default=None, description="Name of the emitted class.")
    args: Annotated[dict[Identifier, Any], BeforeValidator(none_as_empty)] = Field(
        default={}, description="Arguments, each with its type or its default."
    )
    out: Annotated[int | str | None, scalar("a number or an expression", "out: width * 4", optional=True)] = Field(
        default=None, description="Channels of the result, as an expression."
    )
    when: Annotated[str | bool | None, scalar("a condition", "when: stride > 1", optional=True)] = Field(
        default=None, description="Condition under which a shortcut is there."
    )
    otherwise: Literal["input", "none"] = Field(
        default="input", description="What a shortcut that is not there gives: its input, or nothing."
    )
    name: Identifier | None = Field(default=None, description="Name of a shortcut's module.")
    inputs: list[Identifier] | None = Field(default=None, description="Names of several inputs.")
    outputs: list[str] | None = Field(
        default=None, description="Steps whose values it gives, where there are several."
    )
    body: Steps = Field(default=[], description="Steps of the branch.")
    chain: Annotated[list[Any] | None, WithJsonSchema({"x-definition": "chain"})] = Field(
        default=None, description="Steps that are called 0, 1, 2, ... in order, in place of `body`."
    )
    join: Steps | None = Field(default=None, description="Steps on the shortcut before the merge.")
    merge: Step = Field(
        default=None, description="Operation that merges the branch with the shortcut, such as `add`."
    )
    first: Literal["branch", "shortcut"] = Field(
        default="branch", description="Which side of the merge comes first."
    )
    after: Steps = Field(default=[], description="Steps after the merge.")
    shortcut: Callee = Field(default=None, description="The shortcut that it has whatever the net says.")


Blocks = Annotated[dict[Identifier, BlockModel], BeforeValidator(none_as_empty)]


class Spec(Model):
    """A net and its training."""

    archspec: Annotated[int, BeforeValidator(_version), WithJsonSchema({"const": VERSION})] = Field(
        description="Version of the language."
    )
    name: NetName = Field(description="Name of the net; that of the file where it is left out.")
    class_name: ClassName | None = Field(default=None, description="Name of the emitted class.")
    doc: Doc = Field(default="", description="What the net is, and where it is from.")
    args: Annotated[dict[Identifier, ArgValue], BeforeValidator(none_as_empty)] = Field(
        default={},
        description="Arguments of the spec with their defaults, for `$name` and expressions; `--set` changes them.",
    )
    presets: Annotated[dict[str, dict[str, Any]], BeforeValidator(none_as_empty)] = Field(
        default={}, description="Named sets of changes to arguments and keys, chosen as `net:preset`."
    )
    extends: str | None = Field(
        default=None, description="The spec that this one changes: a zoo name, or a file relative to this one."
    )
    input: Input = Field(description="The images that the net takes.")
    classes: Positive | None = Field(default=None, description="Number of classes.")
    defaults: Annotated[dict[str, dict[str, Any]], BeforeValidator(none_as_empty)] = Field(
        default={}, description="Arguments that blocks have in this net, by block."
    )
    norm: Callee = Field(default="batch_norm", description="What the word `norm` stands for.")
    act: Callee = Field(default="relu", description="What the word `act` stands for.")
    shortcut: Callee = Field(default="none", description="The shortcut of every block that has one.")
    stem: Steps = Field(default=[], description="Steps before the stages.")
    stages: Annotated[list[Stage], BeforeValidator(none_as_no_items)] = Field(
        default=[], description="Stages: chains of equal blocks."
    )
    head: Steps = Field(default=[], description="Steps after the stages.")
    outputs: Annotated[
        dict[OutputName, Annotated[OutputModel | None, BeforeValidator(_value_alone)]],
        BeforeValidator(none_as_empty),
    ] = Field(default={}, description="Named outputs, where the net has several.")
    blocks: Blocks = Field(default={}, description="Blocks of this spec's own, by name.")
    shortcuts: Blocks = Field(default={}, description="Shortcuts of this spec's own, by name.")
    init: Annotated[Init, BeforeValidator(none_as_empty)] = Field(
        default=Init(), description="How parameters are initialized."
    )
    train: Train | None = Field(default=None, description="The training recipe.")
    expect: Annotated[Expect, BeforeValidator(none_as_empty)] = Field(
        default=Expect(), description="What the net must come to; `check` fails where it does not."
    )


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
