"""What a key means is said once: `archspec explain`, the schema and editors read it from the models."""

import json

import pytest

from archspec.language import keys


def test_every_key_has_one_sentence():
    assert not [path for path, key in keys.walk() if not key.doc.endswith(".") or "\n" in key.doc]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("train.lr", "The learning rate: a number, or phases one after the other."),
        ("train.lr.until", "plateau N"),
        ("train.optimizer.sgd.momentum", "takes: a number from 0 to below 1"),
        ("blocks.mine.body", "Steps of the branch."),
        ("train.lr.0.cosine", "half a cosine"),
        ("train.data.normalize", "`imagenet`"),
    ],
)
def test_explain_says_what_a_key_is(cli, path, said):
    assert said in cli("explain", path).output


@pytest.mark.parametrize(
    ("path", "meant"),
    [("train.optimizr", "train.optimizer"), ("train.mix", "train.data.mix"), ("train.x.lr", "train.lr")],
)
def test_a_key_that_there_is_not_is_a_message(cli, path, meant):
    result = cli("explain", path)
    assert result.exit_code == 2
    assert f"did you mean `{meant}`?" in result.output


def test_the_schema_describes_keys_in_the_same_words(cli):
    schema = json.loads(cli("schema").output)
    train = schema["definitions"]["Train"]["properties"]
    assert train["clip_norm"]["description"] == keys.find("train.clip_norm").doc
    assert train["keep"]["description"] == keys.find("train.keep").doc
