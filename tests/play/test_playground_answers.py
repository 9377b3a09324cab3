"""The playground's answers on the text: mistakes with their fixes, hints, completion, definitions, what can be chosen."""

import pytest

pytest.importorskip("starlette", reason="the playground needs the extra `play`")

from archspec.loading import zoo
from archspec_play.opened import Opened
from archspec_play.units import Units
from playgrounds import SPEC, ask, playground


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return playground(Opened("tiny", SPEC, folder=tmp_path_factory.mktemp("play")))


def test_what_is_said_beside_the_text(page):
    found = ask(page, "look", text=SPEC)
    assert found["diagnostics"] == []
    assert found["current"]
    assert [step["names"] for step in found["steps"]][:3] == [["conv1"], ["bn1"], ["relu"]]
    assert any(hint["text"].startswith("16×32×32") for hint in found["hints"])
    assert found["presets"] == ["deep"]
    told = {each["name"]: (each["sort"], each["value"], each["low"], each["high"]) for each in found["arguments"]}
    assert told["n"] == ("number", 1, 1, 5)
    assert told["wide"][:2] == ("flag", False)
    assert told["input.size"][1] == 32


def test_a_mistake_has_its_place_and_its_fix_which_mends_it(page):
    text = f"# \U0001f600\n{SPEC.replace('kernel: 3}}, bn1', 'kernl: 3}}, bn1')}"
    found = ask(page, "look", text=text)
    (mistake,) = found["diagnostics"]
    units = text.encode("utf-16-le")
    assert units[2 * mistake["from"] : 2 * mistake["to"]].decode("utf-16-le") == "kernl"
    for edit in mistake["fix"]["edits"]:
        units = units[: 2 * edit["from"]] + edit["insert"].encode("utf-16-le") + units[2 * edit["to"] :]
    assert ask(page, "look", text=units.decode("utf-16-le"))["diagnostics"] == []
    assert not found["current"]


@pytest.mark.parametrize(("text", "code"), [("", "AS007"), ("classes: 10\n", "AS102")])
def test_text_that_is_not_yet_a_spec_is_told_what_it_lacks(page, text, code):
    found = ask(page, "look", text=text)
    assert code in [each["code"] for each in found["diagnostics"]]
    assert not found["current"]


def test_what_is_chosen_is_what_is_shown_and_what_the_command_line_says(page):
    before = ask(page, "look", text=SPEC)["net"]["params"]
    chosen = ask(page, "look", text=SPEC, preset="deep", values={"wide": "true"}, views={"table": {}})
    assert chosen["net"]["params"] > before
    assert chosen["options"] == "tiny --preset deep --set wide=true"
    assert next(row for row in chosen["views"]["table"]["rows"] if row["path"] == "layer1")["what"] == "5 blocks"
    assert ask(page, "look", text=SPEC)["net"]["params"] == before


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"values": {"n": "many"}}, "--set n=many"),
        ({"values": {"n": "["}}, "--set n=["),
        ({"values": {"gone": "1"}}, "--set gone=1"),
        ({"preset": "gone"}, ""),
    ],
)
def test_a_value_that_cannot_be_is_a_mistake_that_says_where_it_stands(page, chosen, told):
    found = ask(page, "look", text=SPEC, **chosen)
    assert found["diagnostics"][0]["where"] == told
    assert not found["current"]


def test_presets_that_are_not_chosen_are_looked_at_when_that_is_asked(page):
    text = SPEC.replace("{n: 5}", "{n: 5, expect: {params: 1}}")
    found = ask(page, "look", text=text)
    assert (found["diagnostics"], found["current"]) == ([], True)
    (wrong,) = ask(page, "presets", text=text)
    assert "expected 1 parameter" in wrong["message"]
    assert ask(page, "look", text=text, preset="deep")["diagnostics"] == [wrong]


@pytest.mark.parametrize(
    "text", ["", "archspec: 1", "archspec: [", "\u2028{", "a\x00b", "- 1", "\ud800: 1", f"{SPEC}\ud83d", SPEC[:200]]
)
def test_any_text_has_an_answer(page, text):
    found = ask(page, "look", text=text, views={"picture": {}, "table": {}, "code": {}})
    assert isinstance(found["diagnostics"], list)
    ask(page, "complete", text=text, offset=len(text))
    ask(page, "hover", text=text, offset=10_000)


def test_completion_and_hover_at_a_place(page):
    text = SPEC.replace("kernel: 3}}, bn1", "k}}, bn1")
    offset = text.index("k}}, bn1") + 1
    found = ask(page, "complete", text=text, offset=offset)
    kernel = next(item for item in found["items"] if item["label"] == "kernel")
    assert (found["from"], found["to"], kernel["insert"]) == (offset - 1, offset, "kernel: ")
    about = ask(page, "hover", text=SPEC, offset=SPEC.index("layer1"))
    assert "**16x32x32**" in about["text"]


def test_a_definition_is_here_or_in_a_file_that_comes_along(page):
    text = SPEC.replace("block: mine", "block: basic")
    assert ask(page, "define", text=SPEC, offset=SPEC.index("block: mine") + 8) == {"from": SPEC.index("mine:")}
    elsewhere = ask(page, "define", text=text, offset=text.index("block: basic") + 8)
    assert elsewhere["title"] == "basic.yaml"
    assert "body" in elsewhere["text"]
    assert ask(page, "define", text=SPEC, offset=0) is None


def test_a_code_is_explained_and_others_are_not(page):
    assert ask(page, "explain", code="AS303")["markdown"].startswith("# AS303")
    assert ask(page, "explain", code="../../README") is None


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2", "unet"])
def test_a_spec_that_is_being_written_has_an_answer_at_each_point(page, name):
    text = (zoo.folder() / f"{name}.yaml").read_text()
    for length in range(0, len(text), len(text) // 12):
        some = text[:length]
        found = ask(
            page, "look", text=some, views={"table": {}, "code": {}, "picture": {"depth": 1}, "schedule": {}}
        )
        places = [(each["from"], each["to"]) for each in (*found["diagnostics"], *found["steps"])]
        assert all(0 <= start <= end <= length for start, end in places)
        among = [
            step for steps in found.get("views", {}).get("code", {}).get("lines", {}).values() for step in steps
        ]
        assert all(step < len(found["steps"]) for step in among)


def test_pages_do_not_see_each_other(page):
    one = ask(page, "look", page="left", text=SPEC)
    other = ask(page, "look", page="right", text=SPEC.replace("out: 16", "out: 64", 1))
    assert one["net"]["params"] != other["net"]["params"]
    assert ask(page, "look", page="left", text=SPEC) == one


@pytest.mark.parametrize("text", ["plain", "a\U0001f600b\U0001f600", "\U0001f600"])
def test_places_are_counted_as_browsers_do_and_back(text):
    units = Units.of(text)
    for offset in range(len(text) + 1):
        out = len(text[:offset].encode("utf-16-le")) // 2
        assert (units.out(offset), units.into(out)) == (out, offset)
