"""An option is never overridden in silence: what two options say of one thing is used, refused, or said."""

import json

import pytest

SMALL = ("digits_resnet", "--set", "n=1")


def seeds(result):
    """The seeds of a sweep's dry run, by the names of its runs."""
    assert result.exit_code == 0, result.output
    return [line.split()[0] for line in result.stdout.splitlines()[1:]]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ((), ["seed=0"]),
        (("--over", "train.seed=1,2"), ["seed=1", "seed=2"]),
        (("--set", "train.seed=5"), ["seed=5"]),
        (("--set", "train={recipe: digits, seed: 7}"), ["seed=7"]),
        (("--seeds", 2), ["seed=0", "seed=1"]),
        (("--over", "train.seed=3", "--over", "shortcut=none,zero_pad"),
         ["shortcut=none,seed=3", "shortcut=zero_pad,seed=3"]),
    ],
)  # fmt: skip
def test_the_seeds_of_a_sweep_are_those_that_were_asked_for(cli, words, names):
    assert seeds(cli("sweep", *SMALL, *words, "--dry-run")) == names


def test_a_sweep_takes_the_seed_of_its_spec(cli, spec):
    net = spec("extends: digits_resnet\nargs: {n: 1, s: 4}\ntrain: {recipe: digits, seed: $s}\n")
    assert seeds(cli("sweep", net, "--dry-run")) == ["seed=4"]
    assert seeds(cli("sweep", net, "--over", "s=8,9", "--dry-run")) == ["s=8,seed=8", "s=9,seed=9"]
    assert seeds(cli("sweep", net, "--seeds", 2, "--dry-run")) == ["seed=0", "seed=1"]
    refused = cli("sweep", net, "--over", "s=8,9", "--seeds", 2, "--dry-run")
    assert refused.exit_code == 2
    assert "--seeds and --over both give train.seed" in refused.stderr


def test_the_runs_of_a_sweep_have_the_seeds_of_their_names(cli, tmp_path):
    pytest.importorskip("torch")
    words = ("--over", "train.seed=1,2", "--steps", 1, "--device", "cpu", "--threads", 1, "--out", "out")
    assert cli("sweep", *SMALL, *words).exit_code == 0
    for seed in (1, 2):
        run = json.loads((tmp_path / "out" / f"seed={seed}" / "run.json").read_text())
        assert run["job"]["recipe"]["seed"] == seed
    again = cli("sweep", *SMALL, *words)
    assert again.stderr.count("is kept") == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("sweep", *SMALL, "--set", "train.seed=5", "--seeds", 2), "--seeds and --set both give train.seed"),
        (("sweep", *SMALL, "--over", "train.seed=5,6", "--seeds", 2), "--seeds and --over train.seed"),
        (("sweep", *SMALL, "--over", "train.steps=5,6", "--steps", 3), "--steps and --over both give train.steps"),
        (("sweep", *SMALL, "--over", "n=1,2"), "--set n would be replaced by --over n"),
        (("sweep", *SMALL, "--set", "train.lr.0.value=1", "--over", "train.lr=[{value: 1}],[{value: 2}]"),
         "--set train.lr.0.value would be replaced by --over train.lr"),
        (("train", *SMALL, "--set", "train.seed=5", "--seed", 6), "--seed and --set both give train.seed"),
        (("train", *SMALL, "--set", "train.steps=400", "--steps", 300), "--steps and --set both give train.steps"),
    ],
)  # fmt: skip
def test_two_options_that_say_the_same_are_refused(cli, words, says):
    result = cli(*words, "--dry-run")
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stderr.count("help: ") == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--set", "n=2"), "--set n is replaced by a later --set n"),
        (("--set", "train.lr.0.value=1", "--set", "train.lr=[{value: 1}]"),
         "--set train.lr.0.value is replaced by a later --set train.lr"),
        (("--preset", "resnet8", "--preset", "plain8"), "--preset is given twice; the last counts"),
        (("--depth", 1, "--depth", 2, "--depth", 3), "--depth is given 3 times; the last counts"),
    ],
)  # fmt: skip
def test_what_a_later_option_replaces_is_said(cli, words, says):
    result = cli("summary", *SMALL, *words)
    assert result.exit_code == 0, result.output
    assert result.stderr == f"warning: {says}\n"


def test_later_settings_of_parts_are_not_said(cli):
    result = cli("summary", *SMALL, "--set", "train.lr=[{value: 1}]", "--set", "train.lr.0.value=0.5")
    assert (result.exit_code, result.stderr) == (0, "")
