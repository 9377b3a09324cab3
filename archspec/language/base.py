"""What the models share: strictness, and numbers that may be written as expressions.

The modules of models have annotations that are objects, not text that Pydantic would have to evaluate at every start.
"""

from dataclasses import MISSING, dataclass
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationInfo,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import with_info_plain_validator_function

from archspec.language import vocabulary
from archspec.language.values import compute
from archspec.ops.arguments import ArgumentError, Flag, Int, Kind, Real, describe
from archspec.syntax.expressions import ExpressionError


class Model(BaseModel):
    """Nothing unknown is accepted and nothing is converted."""

    # A model `of` one of the runtime's dataclasses says which values its fields take; what they mean, and what they are where
    # they are not given, is taken from there.

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True, defer_build=True)

    def __init_subclass__(cls, of: Any = None, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if of is not None:
            cls._take(of)

    @classmethod
    def __pydantic_init_subclass__(cls, of: Any = None, **rest: Any) -> None:
        super().__pydantic_init_subclass__(**rest)

    def recipe(self) -> dict[str, Any]:
        """The fields as a recipe states them, as plain JSON."""
        return {name: plain(getattr(self, name)) for name in type(self).model_fields}

    @classmethod
    def _take(cls, stated: Any) -> None:
        cls.__doc__ = vocabulary.summary(stated)
        for name, meaning in vocabulary.documentation(stated).items():
            usual = vars(cls)[name] if name in vars(cls) else vocabulary.default(stated, name)
            setattr(cls, name, Field(... if usual is MISSING else usual, description=meaning))


def fault(
    code: str, message: str, help: str | None = None, at: tuple[str | int, ...] = (), instead: str | None = None
) -> PydanticCustomError:
    """An error that becomes the diagnostic `code`.

    `at` leads further to its place from where it is raised; `instead` is what the value surely was meant to be.
    """
    return PydanticCustomError(code, "{message}", {"message": message, "help": help, "at": at, "instead": instead})


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """In an annotation: a number of this kind, or an expression in the spec's arguments that gives one."""

    kind: Kind

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return with_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return dict(self.kind.schema())

    def _validate(self, raw: Any, info: ValidationInfo) -> Any:
        try:
            return compute(raw, self.kind, (info.context or {}).get("scope", {}))[0]
        except ArgumentError as error:
            instead = str(error.meant) if error.meant is not None and isinstance(raw, float) else None
            raise fault(error.code, str(error), error.help, instead=instead) from None
        except ExpressionError as error:
            instead = self.kind.replacement(raw) if isinstance(raw, str) else None
            help_ = error.help if instead is None else f"write `{instead}`"
            raise fault(error.code, str(error), help_, instead=instead) from None


Positive = Annotated[int, Computed(Int(1))]
NonNegative = Annotated[int, Computed(Int(0))]
Count = Annotated[int, Computed(Int(0, 10**15))]  # parameters or multiply-adds of a whole net
Number = Annotated[float, Computed(Real())]
NonNegativeReal = Annotated[float, Computed(Real(0.0))]
PositiveReal = Annotated[float, Computed(Real(1e-12))]
Fraction = Annotated[float, Computed(Real(0.0, 1.0, below=1.0))]
Probability = Annotated[float, Computed(Real(0.0, 1.0))]
Boolean = Annotated[bool, Computed(Flag())]


def word_as_mapping(raw: Any) -> Any:
    """`hflip` is short for `{hflip: {}}`."""
    return {raw: {}} if isinstance(raw, str) else raw


def none_as_empty(raw: Any) -> Any:
    """`{hflip: }` is short for `{hflip: {}}`."""
    return {} if raw is None else raw


def none_as_no_items(raw: Any) -> Any:
    """`stem:` is short for `stem: []`."""
    return [] if raw is None else raw


def scalar(expected: str, example: str, *, optional: bool = False) -> BeforeValidator:
    """A validator that refuses mappings and lists, and nothing unless it is optional, with one message for all."""

    def validate(raw: Any) -> Any:
        if isinstance(raw, (dict, list)) or (raw is None and not optional):
            raise fault("AS103", f"expected {expected}, not {describe(raw)}", f"such as `{example}`")
        return raw

    return BeforeValidator(validate)


class OneOf(Model):
    """A mapping with exactly one of its keys, or that key alone as a word.

    Where it is `of` a union of the runtime's dataclasses, each key says what its class is.
    """

    @classmethod
    def _take(cls, stated: Any) -> None:
        for name, one in vocabulary.kinds(stated).items():
            setattr(cls, name, Field(None, description=vocabulary.summary(one)))

    @classmethod
    def normalize(cls, raw: Any) -> Any:
        """Accept the short forms. Raises an error that becomes a diagnostic where there is not one key."""
        raw = word_as_mapping(raw)
        if isinstance(raw, dict):
            raw = {k: none_as_empty(v) for k, v in raw.items()}
            if len(raw) != 1:
                known = ", ".join(f"`{k}`" for k in cls.model_fields)
                help_ = "keep one of them" if raw else "name one"
                raise fault("AS103", f"expected exactly one of {known}", help_)
        return raw

    @model_validator(mode="before")
    @classmethod
    def _short(cls, raw: Any) -> Any:
        return cls.normalize(raw)

    @property
    def chosen(self) -> tuple[str, Any]:
        """The one key that is given, and its value."""
        for name in type(self).model_fields:
            if (value := getattr(self, name)) is not None:
                return name, value
        raise AssertionError("validated to have one key")

    def recipe(self) -> dict[str, Any]:
        """What is chosen, with its arguments, as a recipe states it."""
        kind, value = self.chosen
        return {"kind": kind, **value.recipe()}


def plain(value: Any) -> Any:
    """A value of a model as a recipe states it, as plain JSON."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.recipe() if isinstance(value, Model) else value
