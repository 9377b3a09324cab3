"""What is too deep, too long or without end: refused with its place, and taken up to there."""

import types

import pytest

import archspec
from mistaken import marked

HEAD = "input: {channels: 2, size: 4}\nclasses: 2\n"
TAIL = "head: [global_avg_pool]\n"


def blocks(bodies, stem):
    listed = "".join(f"  {name}: {{body: [{body}]}}\n" for name, body in bodies.items())
    return f"{HEAD}blocks:\n{listed}stem: [{stem}]\n{TAIL}"


def nested(levels):
    bodies = {f"b{i}": f"{{inner: b{i + 1}}}" for i in range(levels - 1)}
    return blocks({**bodies, f"b{levels - 1}": "relu"}, "b0")


def test_blocks_are_nested_to_a_limit_that_has_a_place(mistakes, spec):
    (found,) = mistakes(nested(1000))
    assert (found.code, marked(found)) == ("AS005", "b32")
    assert "more than 32 blocks" in found.message
    net = archspec.load(spec(nested(32)))
    assert [row.name.count(".") for row in net.modules()] == [32, 0]
    for backend in ("torch", "flax"):
        assert "class B30" in archspec.emit(net, backend)["model.py"]


def test_a_deep_block_is_no_deeper_for_having_been_built_before(mistakes):
    bodies = {f"b{i}": f"{{inner: b{i + 1}}}" for i in range(20)}
    outer = {f"c{i}": f"{{inner: c{i + 1}}}" for i in range(20)}
    (found,) = mistakes(blocks({**bodies, "b20": "relu", **outer, "c20": "b0"}, "b0, c0"))
    assert found.code == "AS005"


def test_every_value_of_a_file_is_counted_once(spec, mistakes):
    steps = ", ".join(["{conv: {out: 2, kernel: 1}}"] * 2000)
    assert sum(1 for row in archspec.load(spec(blocks({"b": steps}, "b"))).modules()) == 2001
    (found,) = mistakes(f"{HEAD}stem: [{', '.join(['relu'] * 50_001)}]\n")
    assert found.code == "AS005"
    aliases = f"{HEAD}stem: [&a {{x: [{', '.join(['relu'] * 9000)}]}}, *a, *a, *a, *a, *a]\n"
    assert [d.code for d in mistakes(aliases)] == ["AS004"]


@pytest.mark.parametrize("merge", ["concat", "add", "mul"])
def test_any_number_of_values_is_merged(spec, merge):
    values = ", ".join(["input"] * 300)
    net = archspec.load(
        spec(f"{HEAD}stem: [{{{merge}: {{}}, from: [{values}]}}]\n{TAIL}"),
        set={"classes": "600" if merge == "concat" else 2},
    )
    assert net.output_shape == ((600,) if merge == "concat" else (2,))


TWICE = {
    "absent after present": "{d: relu}, {d: tanh, when: 1 > 2}",
    "absent before present": "{d: relu, when: 1 > 2}, {d: tanh}",
    "absent twice": "{d: relu, when: 1 > 2}, {d: tanh, when: 1 > 2}",
    "absent, of itself": "{d: relu}, {d: {add: {}}, from: [d, d], when: 1 > 2}, {d: relu, from: d, when: 1 > 2}",
}


@pytest.mark.parametrize("way", TWICE)
def test_a_name_that_is_given_twice_ends(mistakes, way):
    found = mistakes(blocks({"b": TWICE[way]}, "b"))
    assert {d.code for d in found} == {"AS107"}
    assert all("is here" in d.related[0].message for d in found)


def test_specs_extend_one_another_to_a_limit(spec):
    for index in range(100):
        base = f"extends: ./{index + 1}.yaml" if index < 99 else HEAD + TAIL
        spec(f"archspec: 1\nname: net\n{base}\n", f"{index}.yaml")
    (found,) = archspec.check(spec("archspec: 1\nextends: ./0.yaml\n"))
    assert (found.code, found.span.source.name.rpartition("/")[2]) == ("AS005", "62.yaml")


@pytest.mark.parametrize("text", ["-" * 400 + "classes", "+".join(["classes"] * 102), "not " * 101 + "true"])
def test_an_expression_has_so_many_operators(mistakes, text):
    assert [d.code for d in mistakes(f"{HEAD}stem: [{{conv: {{out: '{text}', kernel: 1}}}}]\n{TAIL}")] == ["AS201"]


def of_levels(make):
    value = 1
    for _ in range(3000):
        value = make(value)
    return value


def containing_itself():
    value = []
    value.append(value)
    return value


NO_VALUES = {
    "itself": (containing_itself, "contains itself"),
    "deep lists": (lambda: of_levels(lambda v: [v]), "more than 64 levels"),
    "deep mappings": (lambda: of_levels(lambda v: {"a": v}), "more than 64 levels"),
    "shared lists": (lambda: [[[[[[0] * 10] * 10] * 10] * 10] * 10] * 10, "more than 50,000 values"),
    "an object": (object, "cannot be part of a spec"),
    "a key that is none": (lambda: {(1, 2): 3}, "cannot be a key"),
}  # fmt: skip


@pytest.mark.parametrize("what", NO_VALUES)
@pytest.mark.parametrize("key", ["classes", "train", "defaults.conv"])
def test_what_python_gives_in_place_of_a_value_of_yaml(what, key):
    make, told = NO_VALUES[what]
    with pytest.raises(TypeError, match=told):
        archspec.load("resnet18", set={key: make()})


@pytest.mark.parametrize("what", NO_VALUES)
def test_what_python_gives_in_a_mapping_is_no_spec(what):
    make, told = NO_VALUES[what]
    with pytest.raises(TypeError, match=told):
        archspec.load({"archspec": 1, "extends": "resnet18", "doc": make()})


def test_mappings_of_any_kind_and_numbers_of_any_length_are_read():
    assert archspec.load("resnet18", set={"input": types.MappingProxyType({"size": 64})}).input_shape == (3, 64, 64)
    assert [d.code for d in archspec.check("resnet18", set={"classes": 10**5000})] == ["AS104"]
    assert archspec.check({"archspec": 1, "extends": "resnet18", "classes": 10**5000})[0].code == "AS104"
    assert [d.code for d in archspec.check("resnet18", set={"train" + ".a" * 3000: 1})] == ["AS005"]
