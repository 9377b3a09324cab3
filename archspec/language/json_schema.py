"""The JSON Schema of the language for editors: draft 7, which the YAML language server reads.

Pydantic writes the fixed keys; steps are described from the operations themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archspec.blocks import blocks
from archspec.language import Spec
from archspec.language.spec import ROLES, VERSION
from archspec.language.step import MAX_REPEAT, ROWS, SHARE, STEPS
from archspec.ops import MERGES, OPS
from archspec.ops.arguments import Int, Real
from archspec.ops.starts import FILTERS, NORMAL, OF_FANS

DRAFT = "http://json-schema.org/draft-07/schema#"


def json_schema() -> dict[str, Any]:
    """The schema. It accepts every sound spec, and refuses what can be refused without computing."""
    raw = Spec.model_json_schema(ref_template="#/definitions/{model}", mode="validation")
    definitions = {name: _draft7(body) for name, body in raw.pop("$defs").items()}
    schema = _draft7(raw)
    properties: dict[str, Any] = schema["properties"]
    properties["stages"] = {
        "anyOf": [
            properties["stages"],
            {"type": "object", "description": "patches of the stages of the spec that is extended, by name",
             "additionalProperties": {"type": "object"}},
        ]
    }  # fmt: skip
    properties["presets"]["additionalProperties"] = {
        "type": ["object", "null"]
    }  # null drops that of the spec that is extended
    properties["presets"]["properties"] = {
        "columns": {"type": ["array", "object"], "items": {"type": "string"}, "minItems": 1},
        "table": {"type": "object", "description": "a preset in each row, as a list with a value for each column"},
    }
    properties["extends"] = {"type": "string", "description": "a zoo name, or a file relative to this one"}
    outputs = properties["outputs"]["additionalProperties"]
    properties["outputs"]["additionalProperties"] = {"anyOf": [{"type": "string"}, *outputs["anyOf"]]}
    for key in (*("args", "presets", "defaults", "init", "expect", "blocks", "shortcuts"),
                *("stem", "stages", "head", "outputs")):  # fmt: skip
        properties[key] = {"anyOf": [properties[key], {"type": "null"}]}  # a key with nothing under it
    definitions |= _steps()
    _relax(definitions)
    return {
        "$schema": DRAFT,
        "title": f"archspec, version {VERSION} of the language",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "required": ["archspec"],
        "anyOf": [{"required": ["extends"]}, {"required": ["input"]}],
        "definitions": definitions,
    }


def _draft7(node: Any) -> Any:
    """Pydantic writes draft 2020-12; the few keywords that differ are rewritten."""
    if isinstance(node, list):
        return [_draft7(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "x-definition" in node:  # Pydantic knows only its own definitions
        node = {k: v for k, v in node.items() if k == "description"} | {
            "$ref": f"#/definitions/{node['x-definition']}"
        }
    if "$ref" in node and "description" in node:  # draft 7 reads nothing beside a reference
        node = {"allOf": [{"$ref": node["$ref"]}], "description": node["description"]}
    result = {k: _draft7(v) for k, v in node.items() if k not in ("default", "title") or isinstance(v, dict)}
    if "prefixItems" in result:
        result["items"] = result.pop("prefixItems")
    return result


def _relax(definitions: dict[str, Any]) -> None:
    """What validators accept beside the plain form: words for mappings, and references to arguments."""
    reference = {"type": "string", "pattern": r"^\$[A-Za-z_]\w*$"}
    for name in ("Augment", "Loss", "Optimizer", "Distribution"):
        body = definitions[name]
        body |= {"minProperties": 1, "maxProperties": 1}
        definitions[name] = {"anyOf": [{"enum": list(body["properties"])}, body]}
        for key, value in body["properties"].items():
            body["properties"][key] = {"anyOf": [*value.get("anyOf", [value]), {"type": "null"}]}
    augment = definitions["Augment"]["anyOf"][1]["properties"]
    augment["resize_shorter"]["anyOf"].append(
        {"type": "array", "items": Int(1).schema(), "minItems": 2, "maxItems": 2}
    )
    augment["pad_crop"]["anyOf"].append(Int(1).schema())
    train = definitions["Train"]["properties"]
    data = definitions["Data"]["properties"]
    train["lr"] = {"anyOf": [train["lr"], {"$ref": "#/definitions/Phase"}]}
    for properties, key in ((train, "lr"), (train, "ema"), (data, "size")):
        properties[key] = {"anyOf": [properties[key], {"type": "number"}, {"type": "string"}]}
    for key in ("recipe", "precision"):
        train[key] = {"anyOf": [*train[key].get("anyOf", [train[key]]), reference]}
    definitions["BlockModel"]["properties"]["args"]["additionalProperties"] = {
        "description": "int, float or bool; a default; or the words of a choice, the first being the default"
    }


def _steps() -> dict[str, Any]:
    branches = {"$ref": "#/definitions/branches"}
    calls: dict[str, Any] = {kind: {"$ref": f"#/definitions/op_{kind}"} for kind in OPS}
    calls |= {kind: {"anyOf": [calls[kind], branches]} for kind in MERGES}
    library = sorted(blocks())
    word = {"type": "string", "description": "an operation, a block, or the role `norm` or `act`"}
    anything = {"type": ["object", "null"]}
    ops = {
        f"op_{kind}": {
            "anyOf": [{"type": "null"}, _arguments(op.arguments())],
            "description": (op.__doc__ or "").split("\n")[0],
        }
        for kind, op in OPS.items()
    }
    modifiers = {
        "from": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]},
        "when": {"type": ["string", "boolean"]},
        "repeat": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": MAX_REPEAT}, {"type": "string"}]},
        "init": {"$ref": "#/definitions/starts"},
    }
    applied = {**calls, **dict.fromkeys(ROLES, anything), **dict.fromkeys(library, anything)}
    several = {ROWS: {"$ref": "#/definitions/rows"}, STEPS: {"$ref": "#/definitions/chain"}}
    chain = {"type": "array", "items": {"$ref": "#/definitions/numbered"}, "minItems": 1}
    shared = {SHARE: {"type": "string", "description": "the step whose layers are applied again"}}
    # what stands below a name may be the arguments of the spec's own block, of which one may be called as an operation is
    value = {"type": ["string", "number", "boolean"]}
    either = {name: {"anyOf": [call, value]} for name, call in applied.items()}
    named = {
        "anyOf": [
            word,
            {"type": "object", "properties": {**either, **several, **shared, **modifiers}, "minProperties": 1},
            {"$ref": "#/definitions/chain"},
        ]
    }
    return {
        **ops,
        "named": named,
        "starts": _starts(),
        "number": Int(1).schema(),
        "pair": {
            "anyOf": [
                *Int(1).schema()["anyOf"],
                {"type": "array", "items": Int(1).schema(), "minItems": 2, "maxItems": 2},
            ]
        },
        "call": {"anyOf": [word, {"type": "object", "minProperties": 1, "maxProperties": 1}, {"type": "null"}]},
        "step": {"anyOf": [word, {"type": "null"}, _step({**applied, **several}, modifiers)]},
        "rows": _rows(),
        "branches": {
            "type": "array",
            "items": {"anyOf": [{"$ref": "#/definitions/step"}, {"$ref": "#/definitions/steps"}]},
            "minItems": 2,
            "description": "branches, each a step or a list of steps, which are merged",
        },
        "steps": {"type": "array", "items": {"$ref": "#/definitions/step"}},
        "numbered": {"anyOf": [{"$ref": "#/definitions/step"}, {"$ref": "#/definitions/chain"}]},
        "chain": {**chain, "description": "steps that are called 0, 1, 2, ... in order"},
    }


def _step(applied: Mapping[str, Any], modifiers: Mapping[str, Any]) -> dict[str, Any]:
    """A step: one operation or name, and modifiers. What a name that is also an operation's means, only the compiler tells."""
    either = {key: {"anyOf": [value, {"$ref": "#/definitions/named"}]} for key, value in applied.items()}
    return {
        "type": "object",
        "properties": {**either, **modifiers},
        "additionalProperties": {"$ref": "#/definitions/named"},
        "minProperties": 1,
        "maxProperties": 5,
    }


def _starts() -> dict[str, Any]:
    """What the parameters of a step start from: a number or an expression, or a distribution."""
    number = dict(Real(0.0).schema())
    std = {"type": "object", "properties": {"std": number}, "required": ["std"], "additionalProperties": False}
    gain = {"type": ["object", "null"], "properties": {"gain": number}, "additionalProperties": False}
    alone = {"type": ["object", "null"], "maxProperties": 0}
    kinds = {**dict.fromkeys(OF_FANS, gain), **dict.fromkeys(NORMAL, std), **dict.fromkeys(FILTERS, alone)}
    drawn = {
        "type": "object",
        "properties": kinds,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    start = {"anyOf": [*Real().schema()["anyOf"], {"type": "string"}, drawn]}
    return {
        "type": "object",
        "description": "what parameters of a step start from, by their names",
        "additionalProperties": start,
        "minProperties": 1,
    }


def _rows() -> dict[str, Any]:
    """A table of rows."""
    cell = {"type": ["number", "string", "boolean", "array", "object", "null"]}
    return {
        "type": "object",
        "description": "a table whose rows are blocks or steps and whose columns are their arguments",
        "properties": {
            "block": {"anyOf": [{"$ref": "#/definitions/call"}, {"$ref": "#/definitions/chain"}]},
            "columns": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            "table": {"type": "array", "items": cell, "minItems": 1},
            "repeat": {"type": ["integer", "string"]},
            "name": {"type": "string"},
            "group": {"type": ["boolean", "string"]},
        },
        "required": ["block", "columns", "table"],
        "additionalProperties": False,
    }


def _arguments(kinds: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: dict(kind.schema()) for name, kind in kinds.items()},
        "additionalProperties": False,
    }
