"""What a phase ends on."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from archspec.language.base import fault

_UNTIL = re.compile(
    r"(?:(?P<kind>step|epoch|plateau)\s+(?P<count>\d+)(?P<of>\s+of\s+(?P<error>val_error|test_error))?"
    r"|(?P<metric>train_error|val_error|test_error|train_loss)\s*(?P<relation>[<>])\s*(?P<value>\d+(?:\.\d+)?)\s*(?P<unit>%?))",
    re.ASCII,
)

_END = re.compile(r"(step|epoch)\s+\d+", re.ASCII)
_EVERY = re.compile(r"(\d+)\s+(step|epoch)s?", re.ASCII)


def parse_until(raw: Any) -> list[dict[str, Any]]:
    """`step 32000`, `epoch 90`, `plateau 5`, `train_error < 80%`, several joined by `or`, as tagged conditions."""
    conditions = []
    for part in re.split(r"\s+or\s+", raw.strip()) if isinstance(raw, str) else [""]:
        match = _UNTIL.fullmatch(part)
        if match is None:
            raise fault("AS602", f"a phase cannot end on {str(raw)[:60]!r}",
                        "say `step N`, `epoch N`, `plateau EPOCHS`, `train_error < 80%`, or several joined by `or`")  # fmt: skip
        if match["kind"]:
            count = int(match["count"][:12])
            field = "epochs" if match["kind"] == "plateau" else match["kind"]
            if count == 0:
                raise fault("AS602", f"a phase that ends on `{part}` has no steps", "count from 1")
            if match["of"] and match["kind"] != "plateau":
                raise fault(
                    "AS602", f"`{part}`: only a plateau is one of an error", f"write `{match['kind']} {count}`"
                )
            of = {"metric": match["error"] or "val_error"} if match["kind"] == "plateau" else {}
            conditions.append({"kind": match["kind"], field: count, **of})
        else:
            if match["metric"].endswith("error") != (match["unit"] == "%"):
                better = f"{match['metric']} {match['relation']} {match['value']}{'' if match['unit'] else '%'}"
                raise fault("AS602", f"`{part}`: errors are in percent and losses are not", f"write `{better}`")
            if match["unit"] and (
                float(match["value"]) > 100 or (match["relation"], float(match["value"])) == ("<", 0)
            ):
                help_ = "errors go from 0% to 100%, as in `train_error < 80%`"
                raise fault("AS602", f"`{part}` holds always or never", help_)
            conditions.append(
                {
                    "kind": "measured",
                    "metric": match["metric"],
                    "relation": match["relation"],
                    "value": float(match["value"]),
                }
            )
    if len({c["metric"] for c in conditions if c["kind"] == "plateau"}) > 1:
        raise fault("AS602", "a phase waits for a plateau of one error, not of two", "take one of them out")
    return conditions


def parse_end(raw: Any) -> dict[str, Any]:
    """`step 1000` or `epoch 5`, as one tagged condition: what can be told before a run."""
    match = _END.fullmatch(raw.strip()) if isinstance(raw, str) else None
    if match is None:
        raise fault("AS602", f"this cannot wait for {str(raw)[:60]!r}", "say `step N` or `epoch N`")
    return parse_until(raw)[0]


def check_growing(ends: list[list[dict[str, Any]]], key: str) -> None:
    """Check that of several phases each but the last ends, and later than the one before."""
    last: dict[str, int] = {}
    for index, conditions in enumerate(ends):
        if not conditions and index < len(ends) - 1:
            message = f"phase {index + 1} of `{key}` never ends, so the next never begins"
            raise fault("AS602", message, "give it `until`", (key, index))
        for condition in (c for c in conditions if c["kind"] in ("step", "epoch")):
            kind = condition["kind"]
            if condition[kind] <= last.get(kind, 0):
                message = (
                    f"phase {index + 1} of `{key}` would end on {kind} {condition[kind]}, not after {last[kind]}"
                )
                help_ = f"{kind}s count from the start of the run and must grow"
                raise fault("AS602", message, help_, (key, index, "until"))
            last[kind] = condition[kind]


def parse_every(raw: Any) -> dict[str, Any]:
    """`500 steps` or `2 epochs`, as a tagged count."""
    match = _EVERY.fullmatch(raw.strip()) if isinstance(raw, str) else None
    if match is None or int(match[1][:12]) == 0:
        raise fault("AS602", f"{str(raw)[:60]!r} does not say how often", "say `500 steps` or `2 epochs`")
    return {"kind": match[2], match[2]: int(match[1][:12])}


Until = Annotated[
    list[dict[str, Any]],
    BeforeValidator(parse_until),
    WithJsonSchema(
        {"type": "string", "description": "step N, epoch N, plateau N, plateau N of test_error, train_error < 80%"}
    ),
]
End = Annotated[
    dict[str, Any],
    BeforeValidator(parse_end),
    WithJsonSchema({"type": "string", "description": "step N or epoch N"}),
]
Every = Annotated[
    dict[str, Any],
    BeforeValidator(parse_every),
    Field(validate_default=True),
    WithJsonSchema({"type": "string", "description": "N steps or N epochs"}),
]
