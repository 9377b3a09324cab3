"""Recipes of one's own as files beside the spec."""

import pytest

import archspec
from mistaken import NET, marked


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.yaml").write_text("recipe: digits\nepochs: 3\nbatch_size: 16\n")
    (tmp_path / "round.yaml").write_text("recipe: ./round.yaml\n")
    (tmp_path / "further.yaml").write_text("recipe: mine.yaml\nlr: 0.5\n")
    (tmp_path / "spec.yaml").write_text("archspec: 1\nextends: resnet18\n")
    return tmp_path


def written(folder, recipe, more=""):
    path = folder / "net.yaml"
    path.write_text(f"archspec: 1\n{NET.replace('channels: 3', 'channels: 1').replace('classes: 4', 'classes: 10')}"
                    f"train: {{recipe: {recipe}{more}}}\n")  # fmt: skip
    return path


@pytest.mark.parametrize("recipe", ["./mine.yaml", "mine.yaml", "further.yaml"])
def test_a_recipe_is_a_file(folder, recipe):
    net = archspec.load(written(folder, recipe, ", batch_size: 8"))
    assert (net.recipe["batch_size"], net.recipe["epochs"], net.recipe["data"]["dataset"]) == (8, 3, "digits")
    assert net.recipe["lr"][0]["value"] == (
        0.5 if recipe == "further.yaml" else archspec.load("digits_resnet").recipe["lr"][0]["value"]
    )


def test_a_recipe_may_be_set(folder):
    path = written(folder, "digits")
    (folder / "sub").mkdir()
    assert archspec.load(path).recipe["epochs"] != 3
    found = archspec.check(path, set={"train.recipe": "none.yaml"})
    assert [d.code for d in found] == ["AS601"]


MISTAKES = {
    "min.yaml": "AS601",
    "../net.yaml": "AS112",
    "round.yaml": "AS601",
    "spec.yaml": "AS601",
    '"a\\0.yaml"': "AS601",
}


@pytest.mark.parametrize("recipe", MISTAKES)
def test_mistakes_have_their_places_and_remedies(folder, recipe):
    (found,) = archspec.check(written(folder, recipe))
    assert found.code == MISTAKES[recipe]
    assert found.help
    assert marked(found) in (recipe, "./round.yaml", "archspec")
