"""A spec in another version of the language: that is said, and nothing that may be right in that version."""

import pytest

import archspec

WRONG = "name: net\ninput:\n  size: 8\n  colour: 3\nmodel: 4\nclasses: ten\n"


@pytest.mark.parametrize("version", ["2", "0", "1.5", "'2'", "v1"])
@pytest.mark.parametrize("text", ["archspec: {}\n" + WRONG, WRONG + "archspec: {}\n"], ids=["above", "below"])
def test_another_version_is_said_alone(version, text, cli, tmp_path):
    (tmp_path / "net.yaml").write_text(text.format(version))
    result = cli("check", "net.yaml")
    assert result.exit_code == 1
    assert result.output.startswith("error[AS105]: `archspec`: this is version 1 of the language")
    assert "1 error in 1 file" in result.output


@pytest.mark.parametrize("version", ["'1'", "1.0", "true", "[1]", "{}"])
def test_this_version_in_other_words_is_one_mistake_of_all(version, mistakes):
    found = [mistake.code for mistake in mistakes(f"archspec: {version}\n{WRONG}")]
    assert found[0] == "AS105"
    assert len(found) > 2


def test_the_version_of_a_spec_that_is_extended_is_said_where_it_stands(spec):
    spec(f"archspec: 2\n{WRONG}", "base.yaml")
    (mistake,) = archspec.check(spec("archspec: 1\nextends: base.yaml\nclasses: 10\n"))
    assert mistake.code == "AS105"
    assert mistake.span.source.name.endswith("base.yaml")
