"""Properties of the reader, of expressions and of shape inference, over generated input."""

import json
import math
import operator

import pytest
import yaml
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

import archspec
from archspec.diagnostics import Diagnostics
from archspec.ops import ArgumentError, AvgPool, Conv, MaxPool, ShapeError
from archspec.syntax.expressions import LIMIT, ExpressionError, evaluate, render
from archspec.syntax.parse import parse
from archspec.syntax.reader import read_text
from archspec.syntax.scalars import resolve_scalar

keys = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | keys
documents = st.dictionaries(
    keys, st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4)),
    min_size=1, max_size=5,
)  # fmt: skip


@given(documents)
def test_json_is_read_as_json(document):
    """YAML 1.2 is a superset of JSON, merge keys aside."""
    text = json.dumps(document, ensure_ascii=False)  # libyaml reads no surrogate pairs
    assume('"<<"' not in text)
    problems = Diagnostics()
    root = read_text(text, "net.yaml", problems)
    assert not list(problems)
    assert root.plain() == document


@given(documents)
def test_every_value_knows_its_line(document):
    text = yaml.safe_dump(document, allow_unicode=True, default_flow_style=False)
    root = read_text(text, "net.yaml", Diagnostics())
    if root is None:
        return
    lines = text.split("\n")
    for key, node in root.items():
        assert 0 <= root.key_span(key).line <= node.span.line <= len(lines)
        assert 0 <= root.key_span(key).column <= len(lines[root.key_span(key).line])


@given(st.text(max_size=300))
@example("a: &a [*a]")
@example("- - - -\t-")
@example("{a: b")
@example("\ufeff")
@example("a: !!python/object:os.system x")
def test_no_text_breaks_the_reader(text):
    problems = Diagnostics()
    root = read_text(text, "net.yaml", problems)
    assert (root is None) == bool(len(problems))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_break_check(tmp_path, raw):
    path = tmp_path / "net.yaml"
    path.write_bytes(raw)
    assert all(d.code and d.message for d in archspec.check(path))


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-4", 1e-4), ("1E5", 1e5), ("1.", 1.0), (".5", 0.5), ("-0", 0), ("+3", 3), ("0o17", 15), ("0x1F", 31),
     ("017", 17), ("no", "no"), ("on", "on"), ("yes", "yes"), ("1_000", "1_000"), ("12:30", "12:30"), ("~", None),
     ("True", True), ("tRue", "tRue"), (".inf", math.inf), ("-.INF", -math.inf), ("2015-12-10", "2015-12-10"),
     ("0b11", "0b11"), ("1e", "1e"), ("e5", "e5"), ("null", None), ("1.5e3", 1500.0)],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(text, value):
    result = resolve_scalar(text)
    assert (type(result), result) == (type(value), value)


# --- expressions ---------------------------------------------------------------------------------------------------

SCOPE = {"width": 64, "n": 3, "rate": 0.5, "deep": True}
atoms = (
    st.sampled_from(["width", "n", "rate"])
    | st.integers(0, 1000).map(str)
    | st.floats(0, 100).map(lambda f: f"{f:.3f}")
)


def combine(inner):
    binary = st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner).map(
        lambda t: f"({t[0]} {t[1]} {t[2]})"
    )
    least = st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})")
    choice = st.tuples(inner, st.sampled_from(["<", "<=", "==", "!="]), inner, inner, inner).map(
        lambda t: f"({t[3]} if {t[0]} {t[1]} {t[2]} else {t[4]})"
    )
    return binary | least | choice | inner.map(lambda e: f"(-{e})")


expressions = st.recursive(atoms, combine, max_leaves=12).filter(lambda text: len(text) < 500)


@given(expressions)
def test_expressions_compute_what_python_computes(text):
    """Python is the oracle: the grammar is a part of its own."""
    try:
        expected = eval(text, {"min": min, "max": max, "__builtins__": {}}, dict(SCOPE))  # noqa: S307
    except ZeroDivisionError:
        with pytest.raises(ExpressionError, match="zero"):
            evaluate(parse(text), SCOPE)
        return
    try:
        result = evaluate(parse(text), SCOPE)
    except ExpressionError as error:
        assert error.code == "AS203"
        return
    assert abs(result) <= LIMIT
    assert result == pytest.approx(expected, rel=1e-12)
    assert type(result) is type(expected)


@given(expressions)
def test_rendered_expressions_mean_the_same(text):
    tree = parse(text)
    again = parse(render(tree, {}))
    try:
        expected = evaluate(tree, SCOPE)
    except ExpressionError:
        return
    assert evaluate(again, SCOPE) == expected


@given(st.text(max_size=80))
@example("__import__('os').system('x')")
@example("().__class__")
@example("1 if")
@example("(" * 400)
@example("9" * 400)
@example("9**9**9")
@example("width.__class__")
@example("lambda: 0")
@example("n n")
@example("１ + ２")
def test_no_text_breaks_expressions(text):
    try:
        evaluate(parse(text), SCOPE)
    except ExpressionError as error:
        assert error.code in {"AS201", "AS202", "AS203", "AS204"}
        assert str(error)


@pytest.mark.parametrize("op", ["+", "-", "*", "/", "//", "%"])
@given(a=st.integers(-50, 50), b=st.integers(1, 50))
def test_integer_arithmetic(op, a, b):
    python = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
              "%": operator.mod}[op]  # fmt: skip
    assert evaluate(parse(f"({a}) {op} {b}"), {}) == python(a, b)


# --- shapes --------------------------------------------------------------------------------------------------------

windows = st.fixed_dictionaries({
    "kernel": st.tuples(st.integers(1, 7), st.integers(1, 7)), "stride": st.tuples(st.integers(1, 4), st.integers(1, 4)),
    "padding": st.tuples(st.integers(0, 3), st.integers(0, 3)),
})  # fmt: skip
images = st.tuples(st.integers(1, 4), st.integers(1, 20), st.integers(1, 20))


@settings(deadline=None)
@given(images, windows, st.integers(1, 3))
def test_convolutions_have_the_shape_that_the_framework_gives(shape, window, dilation):
    torch = pytest.importorskip("torch")
    op = Conv(out=5, dilation=(dilation, dilation), groups=1, bias=False, **window)
    module = torch.nn.Conv2d(
        shape[0], 5, window["kernel"], window["stride"], window["padding"], dilation, device="meta"
    )
    agree(op, module, shape)


@settings(deadline=None)
@given(images, windows, st.booleans(), st.sampled_from([MaxPool, AvgPool]))
def test_pools_have_the_shape_that_the_framework_gives(shape, window, ceil, kind):
    torch = pytest.importorskip("torch")
    try:
        op = kind.of({**window, "ceil": ceil})
    except ArgumentError:
        assert any(2 * p > k for p, k in zip(window["padding"], window["kernel"], strict=True))
        return
    module = {MaxPool: torch.nn.MaxPool2d, AvgPool: torch.nn.AvgPool2d}[kind]
    agree(op, module(window["kernel"], window["stride"], window["padding"], ceil_mode=ceil), shape)


def agree(op, module, shape):
    import torch

    try:
        ours = op.output_shape(shape)
    except ShapeError as error:
        assert error.code == "AS402"
        if getattr(op, "ceil", False):
            return  # PyTorch lets a window that is larger than its input hang over it; we call that a mistake
        with pytest.raises(RuntimeError):
            module(torch.empty(1, *shape, device="meta"))
        return
    assert ours == tuple(module(torch.empty(1, *shape, device="meta")).shape[1:])
