"""Blocks that nobody thought of: arguments, defaults, conditions, repeats and places in any order, emitted and made."""

import ast

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import archspec
from archspec.emission.lint import faults
from loops import is_long, tries

NAMES = (
    "width",
    "k",
    "mid",
    "pad",
    "stride",
    "e",
    "nn",
    "F",
    "int",
    "jnp",
    "num_classes",
    "classes",
    "i",
    "partial",
)
"""Of arguments that are whole numbers: among them what source imports, calls or is called itself."""

TYPES = ("int", "bool", "float", "pair", "layer")
PLACES = ("index + 1", "2 * index + 1", "index // 2 + 1", "blocks - index")


def pick(draw, *choices):
    return draw(st.sampled_from(choices))


def flow(pairs):
    """A YAML mapping on one line, its values quoted where they are expressions."""
    quoted = {k: f"'{v}'" if " " in v and v[0] not in "{[" else v for k, v in pairs.items()}
    return "{" + ", ".join(f"{k}: {v}" for k, v in quoted.items()) + "}"


def arguments(draw):
    """The arguments of a block in any order: required ones, ones with defaults, and ones that follow from those before."""
    declared, whole = {}, ["in_channels"]
    for name in draw(st.permutations([*NAMES, "deep", "rate", "reach", "layer"]))[: draw(st.integers(1, 5))]:
        if name == "deep":
            declared[name] = pick(draw, "bool", "false", "true")
        elif name == "rate":
            declared[name] = pick(draw, "float", "0.0", "0.25")
        elif name == "reach":
            declared[name] = pick(draw, "pair", "[1,3]", "[3,3]")
        elif name == "layer":
            declared[name] = pick(draw, "layer", "{layer: act}", "{layer: none}")
        else:
            of = pick(draw, *whole)
            follows = [f"{of} * 2", f"max(1, {of} // 2)", f"{of} + 1", f"({of} - 1) * 1 + 1", f"{of} * 4 // 2"]
            declared[name] = pick(draw, "int", "int", "1", "2", "3", *follows)
            whole.append(name)
    return declared, whole


def value(draw, name, whole=(), flags=(), places=()):
    """What an argument is given."""
    if name == "deep":
        return pick(draw, "true", "false", *flags)
    if name == "reach":
        return pick(draw, "1", "3", "[1,3]", "[3,1]")
    if name == "layer":
        return pick(draw, "none", "norm", "tanh", "act")
    if name == "rate":
        return pick(draw, "0.0", "0.5", *(["index / blocks / 2", "0.1 * index / blocks"] if places else []))
    return pick(
        draw, "1", "2", "4", *whole, *(f"{w} * 2" for w in whole), *(f"max({w}, 3)" for w in whole), *places
    )


def step(draw, index, before, whole, declared, others):
    """One step of a block, which keeps the size of images."""
    flags = [name for name in declared if name == "deep"]
    out = pick(draw, "4", "6", *whole, *(f"{w} * 2" for w in whole), *(f"{w} + 2 * {whole[-1]}" for w in whole))
    kind = pick(
        draw,
        "conv",
        "conv",
        "norm",
        "act",
        "scale",
        "dropout",
        "concat",
        "pad_channels",
        "avg_pool",
        *others,
        *(["$layer"] if "layer" in declared else []),
    )
    reaches = ["1", "3", "2 * 1 + 1", *(["reach"] if "reach" in declared else [])]
    given_ = {
        "conv": {"out": out, "kernel": pick(draw, *reaches), "bias": pick(draw, "false", *flags)},
        "scale": {"value": "0.5", "learned": pick(draw, "false", "true")},
        "dropout": {"rate": "rate" if "rate" in declared else "0.5"},
        "pad_channels": {"after": out},
        "avg_pool": {"kernel": "3", "padding": "1"},
    }.get(kind, {})
    if kind in others:
        takes = [name for name, kind_ in others[kind].items() if kind_ in TYPES or draw(st.booleans())]
        given_ = {name: value(draw, name, whole, flags) for name in takes}
    named = f"s{index}: {{{kind}: {flow(given_)}}}"
    if kind == "concat":
        return f"- {{{named}, from: [{pick(draw, *before)}, input]}}"
    conditions = [*flags, *(f"not {f}" for f in flags), *(f"{w} > {n}" for w in whole for n in (1, 3))]
    when = f", when: '{pick(draw, *conditions)}'" if draw(st.integers(0, 3)) == 0 else ""
    repeat = pick(draw, "0", "1", "2", "3", *(f"min({w}, 2)" for w in whole))
    many = f"{when}, repeat: '{repeat}'"
    match draw(st.integers(0, 9)):
        case 0:
            return f"- {{{named}{many}}}"
        case 1:
            if "out" in given_:
                given_["out"] = pick(draw, given_["out"], "2 * i + 2", "4 - i")
            return f"- {{'p{index}x{{i + 1}}': {{{kind}: {flow(given_)}}}{many}}}"
        case 2:
            return f"- {{{kind}: {flow(given_)}{many}}}"
        case 3:
            return f"- {{s{index}: [{{first: {{{kind}: {flow(given_)}}}}}, act, [norm, {{'n-{{i}}': act, repeat: 2}}]]{when}}}"
    return f"- {{{named if draw(st.booleans()) else f'{kind}: {flow(given_)}'}{when}}}"


def table(draw, used, takes):
    """A step that is a table of one to four rows of a block."""
    columns = [name for name, kind in takes.items() if kind in TYPES or draw(st.booleans())]
    counts = draw(st.sampled_from([[], ["repeat"]]))
    rows = [
        [*(value(draw, name) for name in columns), *("123"[draw(st.integers(0, 2))] for _ in counts)]
        for _ in range(draw(st.integers(1, 4)))
    ]
    if not columns and not counts:
        columns, rows = ["unused"], [["1"]]
    written = ", ".join(f"[{', '.join(row)}]" for row in rows)
    beside = pick(
        draw, "", ", group: true", ", group: 'g{row}', name: 'g{row}-{i}'", ", name: 'b{index}of{blocks}'"
    )
    return f"- {{tabled: {{rows: {{block: {used}, columns: [{', '.join([*columns, *counts])}], table: [{written}]{beside}}}}}}}"


def block(draw, name, others):
    """The text of a block, and its arguments."""
    declared, whole = arguments(draw)
    steps = []
    for index in range(draw(st.integers(1, 4))):
        before = ["input", *(f"s{i}" for i, made in enumerate(steps) if made.startswith(f"- {{s{i}: "))]
        steps.append(step(draw, index, before, whole, declared, others))
    body = "".join(f"\n      {made}" for made in steps)
    return f"  {name}:\n    args: {flow(declared)}\n    body:{body}", declared


@st.composite
def nets(draw):
    """A net of stages of two blocks, one of which may use the other."""
    inner, inner_takes = block(draw, "inner", {})
    outer, outer_takes = block(draw, "outer", {"inner": inner_takes})
    takes = {"inner": inner_takes, "outer": outer_takes}
    lines = [
        "archspec: 1",
        "name: net",
        "input: {channels: 2, size: 5}",
        "classes: 3",
        "blocks:",
        inner,
        outer,
        "stages:",
    ]
    for index in range(draw(st.integers(1, 3))):
        used = pick(draw, "inner", "outer")
        names = [name for name, kind in takes[used].items() if kind in TYPES or draw(st.integers(0, 2)) == 0]
        chosen = {name: value(draw, name, places=PLACES) for name in names}
        repeat = draw(st.integers(1, 4))
        lines.append(f"  - {{name: t{index}, block: {{{used}: {flow(chosen)}}}, repeat: {repeat}}}")
    if draw(st.booleans()):
        used = pick(draw, "inner", "outer")
        lines += ["stem:", f"  {table(draw, used, takes[used])}"]
    return "\n".join([*lines, "head: [global_avg_pool, {fc: {linear: {out: classes}}}]", ""])


SOUND = {"AS103", "AS104", "AS203", "AS204", "AS308"}
"""What may be wrong with such a net: a number of 0, or too many channels."""


def check_net(text, spec, backend):
    path = spec(text)
    mistakes = {d.code for d in archspec.check(path) if d.severity == "error"}
    assert mistakes <= SOUND
    if mistakes:
        return
    net = archspec.load(path)
    if net.cost.params < 10**7:
        source = archspec.emit(net, backend, tried=True)["model.py"]  # compares tensors and output with the core's
        assert faults(source) == []
        classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
        for node in classes:
            node.name = ""
        assert len({ast.dump(node) for node in classes}) == len(classes), "no two classes are equal"


@pytest.mark.longer
@pytest.mark.parametrize(("backend", "usual"), [("torch", 150), ("flax", 50)])
def test_blocks_are_emitted_as_models_that_the_core_counts(backend, usual, spec):
    pytest.importorskip(backend)

    @settings(max_examples=tries(usual, 2000 if backend == "torch" else 100), deadline=None, database=None,
              derandomize=not is_long(), suppress_health_check=list(HealthCheck), print_blob=True,
              phases=[Phase.generate, Phase.shrink])  # fmt: skip
    @given(text=nets())
    def holds(text):
        check_net(text, spec, backend)

    holds()
