"""What is computed for nothing, zeroed whole, or normalized over one value is said with its place."""

import json
import re
from pathlib import Path

import pytest

import archspec
from mistaken import marked

HEAD = "input: {size: 8}\nclasses: 10\nhead: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"
STEM = "input: {size: 8}\nclasses: 10\nstem: [{conv: {out: 8, kernel: 3}}]\n"


def said(text, mistakes):
    """The code of each diagnostic, what is marked, and the module that its message begins with."""
    return [(d.code, marked(d), re.match(r"`([\w.]+)`", d.message)[1]) for d in mistakes(text)]


UNUSED = {
    "a side branch": (
        HEAD + "stem: [{a: {conv: {out: 8, kernel: 3}}}, {b: {conv: {out: 8, kernel: 3}}, from: input}]\n",
        [("AS310", "conv", "a")],
    ),
    "a chain of them, once, at its end": (
        HEAD + "stem: [{a: {conv: {out: 8, kernel: 3}}}, {r: relu}, {s: sigmoid}, {conv: {out: 8, kernel: 3}, from: input}]\n",
        [("AS310", "sigmoid", "s")],
    ),
    "without parameters": (
        HEAD + "stem: [{r: relu}, {conv: {out: 8, kernel: 3}, from: input}]\n", [("AS311", "relu", "r")],
    ),
    "a stage that the head passes by": (
        STEM + "stages: [{name: one, block: basic, width: 8}, {name: two, block: basic, width: 8, repeat: 3}]\n"
        "head: [{global_avg_pool: {}, from: one}, {fc: {linear: {out: classes}}}]\n",
        [("AS310", "{name: two, block: basic, width: 8, repeat: 3}", "two")],
    ),
    "in one instance of a block, where it has parameters": (
        STEM + "blocks: {b: {args: {wide: false}, body: [{c: {conv: {out: 8, kernel: 3}}}, {d: {conv: {out: 8, kernel: 1}}, "
        "from: input}, {add: {}, from: [c, d], when: wide}, {sub: {add: {}}, from: [c, input], when: not wide}]}}\n"
        "head: [{x: {b: {wide: true}}}, {y: b}, global_avg_pool, {fc: {linear: {out: classes}}}]\n",
        [("AS310", "{add: {}, from: [c, d], when: wide}", "x.add"), ("AS310", "conv", "y.d")],
    ),
    "what a join leaves of the branch": (
        STEM + "shortcut: s\nshortcuts: {s: {join: [{relu: {}, from: input}]}}\n"
        "head: [{basic: {width: 8}}, global_avg_pool, {fc: {linear: {out: classes}}}]\n",
        [("AS310", "basic", "basic.bn2")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSED)
def test_what_reaches_no_output_is_said_with_its_place(name, mistakes):
    text, expected = UNUSED[name]
    found = said(text, mistakes)
    assert sorted((code, module) for code, _, module in found) == sorted(
        (code, module) for code, _, module in expected
    )


@pytest.mark.parametrize("name", ["a side branch", "without parameters", "a stage that the head passes by"])
def test_what_reaches_no_output_is_marked(name, mistakes):
    text, expected = UNUSED[name]
    assert said(text, mistakes) == expected


def test_a_value_that_some_instances_of_a_block_use_is_no_mistake(mistakes):
    text = (
        STEM
        + """\
blocks:
  b:
    args: {gated: false}
    body:
      - c: {conv: {out: 8, kernel: 3}}
      - gate: sigmoid
      - {mul: {}, from: [c, gate], when: gated}
      - {plain: {add: {}}, from: [c, input], when: not gated}
head: [{x: {b: {gated: true}}}, {y: b}, global_avg_pool, {fc: {linear: {out: classes}}}]
"""
    )
    # `plain` passes on the first of its inputs where it is absent, so that `mul` is what `x` gives
    assert [
        d.code for d in mistakes(text.replace("[c, input], when: not gated", "[mul, input], when: not gated"))
    ] == []


def test_a_stage_of_a_parent_is_marked_where_the_spec_passes_it_by(spec):
    path = spec(
        "archspec: 1\nextends: resnet18\nhead: [{global_avg_pool: {}, from: layer3}, {fc: {linear: {out: classes}}}]\n"
    )
    (found,) = archspec.check(path)
    assert (found.code, marked(found)) == ("AS310", "head")
    assert found.related[0].span.source.name == "specs/resnet18.yaml"


TAIL = "global_avg_pool, {linear: {out: classes}}]\n"
DROPPED = {
    "a plain net": (
        STEM + "stages: [{name: s, block: basic, width: 8, repeat: 3, drop_path: 0.1 * index}]\nhead: [" + TAIL, "s.1.drop_path"),
    "the trunk": (STEM.replace("}}]", "}}, {drop_path: {rate: 0.1}}]") + "head: [" + TAIL, "drop_path"),
    "after the merge": (
        STEM + "blocks: {b: {body: [{conv: {out: 8, kernel: 3}}], merge: add, after: [{d: {drop_path: {rate: 0.1}}}]}}\n"
        "shortcut: identity\nstages: [{name: s, block: b}]\nhead: [" + TAIL, "s.0.d"),
    "a factor": (STEM + "head: [{g: sigmoid}, {d: {drop_path: {rate: 0.1}}}, {mul: {}, from: [d, g]}, " + TAIL, "d"),
    "both branches by one": (
        STEM + "head: [{d: {drop_path: {rate: 0.1}}}, {g: sigmoid}, {add: {}, from: [d, g]}, " + TAIL, "d"),
}  # fmt: skip


@pytest.mark.parametrize("name", DROPPED)
def test_dropping_the_only_path_is_warned_of(name, mistakes):
    text, module = DROPPED[name]
    found = mistakes(text)
    assert [(d.code, re.match(r"`([\w.]+)`", d.message)[1]) for d in found] == [("AS312", module)]
    assert "net.yaml" in str(found[0].span)


KEPT = [
    (
        "shortcut: identity\nstages: [{name: s, block: basic, width: 8, repeat: 2, drop_path: 0.1}]\n",
        "[global_avg_pool",
    ),
    ("stages: [{name: s, block: basic, width: 8, repeat: 2, drop_path: 0}]\n", "[global_avg_pool"),
    ("", "[{d: {drop_path: {rate: 0.1}}}, {concat: {}, from: [d, conv]}, global_avg_pool"),
    ("", "[{d: {drop_path: {rate: 0.1}}}, {add: {}, from: [d, input, conv]}, global_avg_pool"),
]


@pytest.mark.parametrize(("lines", "head"), KEPT)
def test_a_branch_beside_another_may_be_dropped(lines, head, mistakes):
    text = (
        STEM.replace("size: 8", "size: 8, channels: 8") + lines + f"head: {head}, {{linear: {{out: classes}}}}]\n"
    )
    assert mistakes(text) == ()


ONE_PIXEL = (
    "input: {size: 8}\nclasses: 10\nstem: [{conv: {out: 8, kernel: 3}}, {global_avg_pool: {keep: true}}, {n: norm}, flatten]\n"
    "head: [{linear: {out: classes}}]\n"
)
RECIPE = "train: {data: {dataset: synthetic}, steps: 2, lr: 0.1, batch_size: 4"


@pytest.mark.parametrize(
    ("recipe", "place"),
    [("accumulate: 4}\n", "4"), ("accumulate: 2}\n", None), ("data: {dataset: synthetic, size: 8}}\n", None)],
)
def test_batch_norm_over_one_value_is_said_before_a_run(recipe, place, mistakes):
    text = ONE_PIXEL + RECIPE + (", " + recipe if "data" not in recipe else "}\n")
    assert [(d.code, marked(d)) for d in mistakes(text)] == ([("AS607", place)] if place else [])


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_no_backend_trains_on_the_variance_of_one_value(backend, cli, spec):
    path = spec(ONE_PIXEL + RECIPE + "}\n")
    result = cli("train", path, "--backend", backend, "--set", "train.batch_size=1", "--dry-run")
    assert result.exit_code == 1
    assert "error[AS607]: `n` normalizes over one value of each channel" in result.output
    assert "--> --set train.batch_size=1" in result.output


@pytest.mark.parametrize(
    "norm", ["{group_norm: {groups: 8}}", "{group_norm: {groups: 4}}", "layer_norm", "batch_norm"]
)
def test_a_norm_of_one_value_is_refused_whatever_the_batch(norm, mistakes):
    found = mistakes(f"norm: {norm}\n" + ONE_PIXEL)
    assert [d.code for d in found] == (["AS607"] if "8" in norm else [])


SHARED = Path(__file__).parents[3] / "shared" / "relatives"
AUXILIARY = {"googlenet": ["aux1", "aux2"], "inception_v3": ["AuxLogits"]}
"""Relatives with heads whose published weights are loaded and whose values nothing takes."""


@pytest.mark.skipif(not SHARED.is_dir(), reason="the relatives are not here")
def test_nets_that_are_well_known_have_no_mistakes():
    for path in sorted(SHARED.glob("*.yaml")):
        found = archspec.check(path)
        assert {d.code for d in found} <= {"AS310", "AS313"}, path.name
        assert [d.message.split("`")[1] for d in found if d.code == "AS310"] == AUXILIARY.get(path.stem, [])


def test_a_share_of_one_image_is_refused_where_batch_norm_takes_its_own_statistics(cli, spec):
    path = spec(ONE_PIXEL + RECIPE + ", sync_batch_norm: false}\n")
    result = cli("train", path, "--nproc", 4, "--dry-run")
    assert result.exit_code == 1
    assert "one image at a time by each of 4 processes, since `sync_batch_norm` is false" in result.stderr
    assert cli("train", path, "--nproc", 2, "--dry-run").exit_code == 0


def test_a_sweep_warns_once_of_what_all_of_its_nets_have(cli, spec):
    text, _ = UNUSED["a side branch"]
    path = spec(text + "train: {data: {dataset: synthetic}, steps: 2, lr: 0.1}\n")
    result = cli("sweep", path, "--over", "train.lr=0.1,0.2", "--dry-run", "--out", "sweep")
    assert (result.exit_code, result.stderr.count("warning[AS310]"), result.stderr.count("and 1 more")) == (0, 1, 1)


PLATEAU = "input: {channels: 1, size: 8}\nclasses: 10\nhead: [flatten, {linear: {out: classes}}]\n"


@pytest.mark.parametrize(
    ("until", "data", "said"),
    [
        ("plateau 3", "dataset: digits", "`plateau 3`: there is no `val_error` without a holdout"),
        ("plateau 3", "dataset: digits, holdout: 100", None),
        ("plateau 3 of test_error", "dataset: digits", None),
        ("plateau 3 of val_error", "dataset: digits", "there is no `val_error` without a holdout"),
        ("plateau 3 of train_loss", "dataset: digits", "a phase cannot end on"),
        ("step 5 of test_error", "dataset: digits", "only a plateau is one of an error"),
        (
            "plateau 3 of test_error or plateau 5",
            "dataset: digits, holdout: 100",
            "a plateau of one error, not of two",
        ),
    ],
)
def test_a_plateau_is_of_an_error_that_is_measured(until, data, said, mistakes):
    found = mistakes(
        PLATEAU + f"train: {{data: {{{data}}}, epochs: 9, lr: [{{value: 1, until: {until}}}, {{value: 0.1}}]}}\n"
    )
    assert [said in d.message for d in found] == ([] if said is None else [True])


@pytest.mark.parametrize(
    ("length", "lr", "code"),
    [
        ("steps: 44", "{value: 1, until: step 11}, {cosine: {from: 1, to: 0}, until: step 22}", "AS602"),
        ("steps: 44", "{value: 1, until: step 11}, {cosine: {from: 1, to: 0}, until: step 44}", None),
        ("steps: 44", "{value: 1, until: step 11}, {cosine: {from: 1, to: 0}, until: step 99}", "AS606"),
        ("steps: 44", "{value: 1, until: step 11}, {value: 0.1, until: plateau 3 of test_error}", "AS602"),
        ("steps: 44", "{value: 1, until: step 44}, {value: 0.1}", "AS606"),
        ("steps: 44", "{value: 1, until: step 44 or train_error < 9%}, {value: 0.1}", None),
        ("epochs: 4", "{value: 1, until: step 44}, {value: 0.1}", "AS606"),
        ("epochs: 4", "{value: 1, until: step 43}, {value: 0.1}", None),
        ("steps: 44", "{value: 1, until: epoch 4}, {value: 0.1}", "AS606"),
        ("epochs: 4", "{linear: {from: 1, to: 0}, until: step 40}", "AS602"),
    ],
)
def test_phases_and_the_run_end_together(length, lr, code, mistakes):
    found = mistakes(PLATEAU + f"train: {{data: {{dataset: digits}}, {length}, lr: [{lr}]}}\n")  # 11 steps an epoch
    assert [d.code for d in found] == ([code] if code else [])


@pytest.mark.parametrize(
    ("option", "begins"),
    [
        ("ema: {decay: 0.9, after: epoch 4}", False),
        ("ema: {decay: 0.9, after: step 43}", True),
        ("eval_every: 45 steps", False),
        ("eval_every: 5 epochs", False),
        ("eval_every: 44 steps", True),
        (
            "data: {dataset: digits, augment: [random_resized_crop], size: [{value: 6, until: step 44}, {value: 8}]}",
            False,
        ),
        (
            "data: {dataset: digits, augment: [random_resized_crop], size: [{value: 6, until: epoch 3}, {value: 8}]}",
            True,
        ),
    ],
)
def test_what_never_begins_in_a_run_is_said(option, begins, mistakes):
    net = PLATEAU.replace("flatten", "global_avg_pool")
    found = mistakes(net + f"train: {{epochs: 4, lr: 0.1, {option}}}\n")
    assert [d.code for d in found] == ([] if begins else ["AS606"])


def test_a_plateau_without_images_to_validate_on_is_refused_or_asked_for_by_name(cli, spec, photos):
    net = "input: {size: 8}\nclasses: 2\nhead: [global_avg_pool, {linear: {out: classes}}]\n"
    recipe = (
        "train: {data: {dataset: image_folder, augment: [random_resized_crop], eval_resize: 8}, batch_size: 2, steps: 1, "
        "lr: [{value: 1, until: plateau 1}, {value: 0.1}]}\n"
    )
    path = spec(net + recipe)
    words = ["--data", photos, "--device", "cpu", "--threads", 1, "--workers", 0]
    refused = cli("train", path, "--out", "refused", *words)
    assert refused.exit_code == 1
    assert "the recipe asks for a `val_error`, and there are no images to validate on" in refused.stderr
    assert "`plateau 5 of test_error`" in refused.stderr
    path.write_text(path.read_text().replace("plateau 1", "plateau 1 of test_error"))
    assert cli("train", path, "--out", "taken", *words).exit_code == 0


def test_val_alone_is_tested_and_validated_on_which_is_said(cli, spec, photos, shards, tmp_path):
    """Whatever it lies in: a folder, tars, or packed."""
    net = "input: {size: 8}\nclasses: 2\nhead: [global_avg_pool, {linear: {out: classes}}]\n"
    recipe = (
        "train: {{data: {{dataset: {0}, augment: [random_resized_crop], eval_resize: 8}}, batch_size: 6, steps: 4, "
        "keep: {{best: val_error}}, lr: [{{value: 1, until: plateau 1 or val_error < 1%}}, {{value: 0.1}}]}}\n"
    )
    folder, tars = (
        spec(net + recipe.format("image_folder"), "f.yaml"),
        spec(net + recipe.format("webdataset"), "t.yaml"),
    )
    cli("data", "pack", photos, tmp_path / "packed_test")
    for path, data in ((folder, photos), (folder, "packed_test"), (tars, shards)):
        refused = cli("train", path, "--data", data, "--dry-run")
        assert (refused.exit_code, "no images to validate on" in refused.stderr) == (1, True), data

    (photos / "test").rename(photos / "val")
    for file in shards.glob("test*"):
        file.rename(shards / file.name.replace("test", "val"))
    cli("data", "pack", photos, tmp_path / "packed")
    for path, data in ((folder, photos), (folder, "packed"), (tars, shards)):
        done = cli("train", path, "--data", data, "--dry-run")
        assert (done.exit_code, "val/ alone is there to measure on" in done.stderr) == (0, True), data

    words = ["--device", "cpu", "--threads", 1, "--workers", 0]
    done = cli("train", folder, "--data", "packed", "--out", "run", *words)
    assert done.exit_code == 0, done.output
    assert "the lowest val error" in done.output
    kept = next((tmp_path / "run" / "checkpoints").glob("*/manifest.json"))
    measured = json.loads(kept.read_text())["measured"]
    assert measured["val_error"] == measured["test_error"]
