"""What of a spec is chosen without an edit, and where its steps stand."""

from pathlib import Path

import pytest

from archspec.loading import zoo
from archspec.service.arguments import arguments, presets
from archspec.service.document import Workspace
from archspec.service.steps import Steps


def opened(text):
    return Workspace().open(Path("/nowhere/net.yaml"), text)


@pytest.fixture(scope="module")
def cifar():
    return opened((zoo.folder() / "cifar_resnet.yaml").read_text())


def test_arguments_have_their_words_and_the_range_of_the_presets(cifar):
    found = {argument.name: argument for argument in arguments(cifar)}
    assert (found["n"].value, found["n"].low, found["n"].high) == (3, 1, 200)
    assert {"zero_pad", "none", "projection"} <= set(found["shortcut"].words)
    assert (found["input.size"].value, found["classes"].value) == (32, 10)
    assert "resnet110" in presets(cifar)


def test_a_spec_that_extends_another_has_its_arguments_and_presets():
    document = opened("archspec: 1\nextends: cifar_resnet\nargs: {n: 9}\n")
    assert next(argument.value for argument in arguments(document) if argument.name == "n") == 9
    assert "resnet110" in presets(document)


def test_what_is_chosen_changes_hints_facts_and_mistakes_until_it_is_taken_back():
    document = opened((zoo.folder() / "resnet50.yaml").read_text())
    plain = document.facts().net.cost.macs
    document.choose("paper", {})
    assert document.facts().net.cost.macs < plain
    document.choose(None, {"classes": "many"})
    assert any(diagnostic.is_error for diagnostic in document.diagnostics())
    document.choose(None, {})
    assert document.facts().net.cost.macs == plain
    assert document.diagnostics() == ()


def test_steps_are_where_they_are_written_with_their_names(cifar):
    steps, text = Steps.of(cifar), cifar.text.text
    told = {step.names: text[step.start : step.end] for step in steps.steps}
    assert told[("layer2",)].startswith("{name: layer2, block: $block")
    assert told[("conv1",)] == "conv1: {conv: {out: 16, kernel: 3}}"


def test_rows_of_a_table_are_steps():
    document = opened((zoo.folder() / "mobilenet_v2.yaml").read_text())
    told = {document.text.text[step.start : step.end]: step.names for step in Steps.of(document).steps}
    assert told["[6, 24, 2, 2]"] == ("features.2", "features.3")


@pytest.mark.parametrize("text", ["", "archspec: 1\n", "archspec: 1\nextends: gone\n", "- 1"])
def test_without_a_network_there_is_nothing_to_choose(text):
    document = opened(text)
    assert (arguments(document), presets(document), Steps.of(document).steps) == ([], [], ())
