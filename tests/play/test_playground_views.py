"""What the playground shows beside the text: table, picture, code, differences and the learning rate."""

import sys

import pytest

pytest.importorskip("starlette", reason="the playground needs the extra `play`")

from archspec_play.opened import Opened
from playgrounds import SPEC, ask, playground


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return playground(Opened("tiny", SPEC, folder=tmp_path_factory.mktemp("play")))


def test_the_table_counts_what_the_network_has(page):
    found = ask(page, "look", text=SPEC, views={"table": {}})
    table = found["views"]["table"]
    assert (
        sum(row["params"] for row in table["rows"] if row["depth"] == 0)
        == table["params"]
        == found["net"]["params"]
    )
    assert {"layer1", "layer1.0", "layer1.0.conv"} <= {row["path"] for row in table["rows"]}


def test_the_picture_is_a_tree_of_few_elements_with_a_path_for_each_box(page):
    text = SPEC.replace("archspec: 1", 'archspec: 1\nname: "x"\ndoc: "<script>alert(1)</script>"')
    tree = ask(page, "look", text=text.replace('name: "x"', "name: x"), views={"picture": {"depth": 3}})["views"][
        "picture"
    ]["tree"]
    names, paths = set(), set()

    def visit(node):
        name, attributes, inner = node
        names.add(name)
        paths.add(attributes.get("data-path"))
        for each in inner:
            if not isinstance(each, str):
                visit(each)

    visit(tree)
    assert names <= {"svg", "g", "title", "rect", "path", "text", "tspan"}
    assert {"layer1", "layer1.0.conv", "fc"} <= paths


@pytest.mark.parametrize(
    ("backend", "line"), [("torch", "self.fc = nn.Linear"), ("flax", "self.fc = "), ("onnx", "[fc]")]
)
def test_lines_of_code_lead_to_their_steps_and_back(page, backend, line):
    if backend == "onnx":
        pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
    found = ask(page, "look", text=SPEC, views={"code": {"backend": backend}})
    code, steps = found["views"]["code"], found["steps"]
    lines = code["text"].splitlines()
    of = {
        number: [SPEC[steps[step]["from"] : steps[step]["to"]] for step in among]
        for number, among in code["lines"].items()
    }
    number = next(str(n) for n, text in enumerate(lines) if line in text)
    assert any("fc: {linear" in text for text in of[number])
    conv = [int(n) for n, texts in of.items() if any(text.startswith("{conv: {out: width") for text in texts)]
    assert conv, "a step of a block is the lines of its class"
    if backend != "onnx":
        (first, last) = next((first, last) for first, last, _ in code["classes"] if "class Mine" in lines[first])
        assert all(first < n <= last for n in conv)
        assert lines[conv[0]].strip().startswith("self.conv = ")


def difference(page, text, other):
    return ask(page, "look", text=text, views={"difference": {"other": other}})["views"]["difference"]


def test_a_network_is_compared_with_its_twin_its_former_text_and_others(page):
    residual = SPEC.replace("block: mine", "block: basic").replace(
        "act: $act", "act: $act\nshortcut: identity_or_none"
    )
    twin = difference(page, residual, "shortcut: none")
    assert twin["names"] == ["tiny without shortcuts", "tiny"]
    assert any(line.startswith("+ ") and "add" in line for line in twin["lines"])
    assert difference(page, SPEC, "as it was opened")["same"]
    wider = difference(page, SPEC.replace("classes: 10", "classes: 11"), "as it was opened")
    assert wider["costs"][0] == {"name": "parameters", "before": 2970, "after": 2987}, (
        "a row of 16 weights and a bias"
    )
    assert difference(page, SPEC, "resnet18")["names"] == ["resnet18", "tiny"]
    assert difference(page, SPEC, "resnet81")["lacking"][0]["help"] == "did you mean `resnet18`?"
    for odd in ("", "a/b", "..", "gone.yaml", "\x00", "archspec: 1\n"):
        assert difference(page, SPEC, odd)["lacking"]


def test_the_schedule_is_that_of_the_recipe(page):
    found = ask(page, "look", text=SPEC, views={"schedule": {}})["views"]["schedule"]
    assert (found["total"], found["steps"][0], found["steps"][-1]) == (64_000, 0, 63_999)
    assert (max(found["rates"]), found["rates"][-1]) == (0.1, 0.001)
    assert len(found["steps"]) == len(found["rates"])
    none = ask(page, "look", text=SPEC.replace("train:", "# train:"), views={"schedule": {}})["views"]["schedule"]
    assert "no `train`" in none["lacking"][0]["message"]


def test_a_backend_without_its_package_says_what_to_install(page, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    for name in [
        name for name in sys.modules if name.startswith("archspec_onnx.") and name != "archspec_onnx.backend"
    ]:
        monkeypatch.delitem(sys.modules, name)
    found = ask(page, "look", text=SPEC, views={"code": {"backend": "onnx"}})["views"]["code"]
    assert "onnx" in found["lacking"][0]["message"]
    assert "pip install" in found["lacking"][0]["help"]
