"""What is not YAML is said in the same words by both parsers of PyYAML: that of libyaml, and the one in Python."""

import pytest
import yaml

from archspec.syntax.yaml_faults import said


def fault(text, loader):
    with pytest.raises(yaml.MarkedYAMLError) as raised:
        list(yaml.parse(text, Loader=loader))
    return said(raised.value)


@pytest.mark.skipif(not hasattr(yaml, "CLoader"), reason="libyaml is not installed")
@pytest.mark.parametrize(
    "text",
    [
        "a: {b: 1\nc: 2\n",
        "a: [1\nb: 2\n",
        "a: 'x\n",
        "a: b: c\n",
        "a:\n\t- 1\n",
        "- a\nb: 1\n",
        "a: &\n",
        "a: @b\n",
        'a: "\\q"\n',
        "{a: 1}}\n",
        "a: !<x\n",
        "? a\n- b\n",
    ],
)
def test_a_fault_has_the_same_words_with_libyaml_and_without(text):
    assert fault(text, yaml.CLoader) == fault(text, yaml.Loader)
