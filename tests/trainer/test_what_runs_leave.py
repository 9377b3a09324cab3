"""What a run leaves, and what is measured and drawn of it afterwards."""

import json
import re
import shutil
from pathlib import Path

import pytest

import archspec
from archspec_runtime.job.memory import bytes_as_text
from archspec_runtime.record.folder import read_metrics, read_run
from archspec_runtime.run.curves import draw_curves, summarize
from runs import TINY, newest, weights

torch = pytest.importorskip("torch")


def test_a_run_leaves_its_source_its_recipe_the_versions_metrics_checkpoints_and_curves(finished):
    out, _ = finished
    assert {p.name for p in out.iterdir()} == {
        "code", "run.json", "metrics.jsonl", "checkpoints", "curves.png", "curves.svg"}  # fmt: skip
    resolved = archspec.load(out / "code" / "spec.yaml")
    assert resolved.fingerprint == archspec.load("digits_resnet:resnet8").fingerprint
    run = read_run(out)
    assert run["job"]["recipe"]["steps"] == 60
    release, said = (v.partition("+")[0] for v in (run["versions"]["torch"], torch.__version__))
    assert release == said  # PyPI's builds name CUDA in the latter alone
    assert {"python", "numpy", "archspec-nn"} <= set(run["versions"])
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (out / "curves.svg").read_bytes()
    assert [p.name for p in sorted((out / "checkpoints").iterdir())] == ["step-00000040", "step-00000060"]
    assert weights(out).keys() == archspec.build(resolved, backend="torch").state_dict().keys()


def test_the_metrics_are_json_lines_of_training_and_of_an_evaluation_each_epoch(finished):
    rows = [json.loads(line) for line in (finished[0] / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["kind"] == "train"] == [11, 20, 22, 33, 40, 44, 55, 60]
    assert [row["step"] for row in rows if row["kind"] == "eval"] == [11, 22, 33, 44, 55, 60]
    assert {row["lr"] for row in rows if row["kind"] == "train"} == {0.05}
    assert rows[-2]["train_error"] < 5 < rows[0]["train_error"]


@pytest.mark.parametrize("checkpoint", [False, True], ids=["run", "checkpoint"])
def test_eval_gives_the_error_that_the_runs_last_line_says(finished, cli, checkpoint):
    out, lines = finished
    *_, last, memory, where = lines.splitlines()
    assert re.fullmatch(r"memory on the CPU, the whole process: took .* at its peak; about .* was expected", memory)
    assert f"archspec eval {out}" in where
    said = re.search(r"test error ([\d.]+%)", last)[1]
    result = cli("eval", newest(out) if checkpoint else out, "--device", "cpu")
    assert result.exit_code == 0
    assert f"top-1 error {said}" in result.output
    assert result.output.startswith("test: 360 images  loss ")


def test_a_run_keeps_what_memory_it_took(finished):
    kept = json.loads((finished[0] / "run.json").read_text())["memory"]
    assert kept["peak"] > 2**25
    assert bytes_as_text(kept["peak"]) in finished[1]
    assert bytes_as_text(kept["expected"]) in finished[1]


@pytest.mark.parametrize(
    "change",
    [["train.precision=bf16"], ["train.precision=fp64"], ["train.ema=0.9"], ["train.data.holdout=100"]],
    ids=str,
)
def test_eval_gives_the_error_that_the_run_measured_with_every_recipe(train, cli, change):
    sets = [word for pair in change for word in ("--set", pair)]
    train("digits_resnet:resnet8", "run", "--steps", 12, *sets)
    row = read_metrics(Path("run"))[-1]
    result = cli("eval", "run", "--device", "cpu")
    assert f"loss {row['loss']:.4f}  top-1 error {row['top1_error']:.2f}%" in result.output
    measured = json.loads(cli("eval", "run", "--device", "cpu", "--format", "json").stdout)
    assert measured["top1_error"] == row["top1_error"]


def test_eval_measures_every_split(tiny, train, cli):
    train(tiny, "run", "--steps", 1)
    for split, images in (("train", "1,237"), ("val", "200"), ("test", "360")):
        assert f"{split}: {images} images" in cli("eval", "run", "--split", split, "--device", "cpu").output


def test_eval_finds_the_images_of_a_run_from_another_folder(cli, train, tmp_path, monkeypatch):
    from PIL import Image

    for split in ("train", "test"):
        for colour in ("black", "white"):
            (tmp_path / "images" / split / colour).mkdir(parents=True)
            for index in range(2):
                Image.new("L", (8, 8), colour).save(tmp_path / "images" / split / colour / f"{index}.png")
    spec = Path("two.yaml")
    spec.write_text(TINY.replace("classes: 10", "classes: 2").replace("dataset: digits, holdout: 200",
                    "dataset: image_folder").replace("batch_size: 64", "batch_size: 4")
                    .replace("plateau 2", "plateau 2 of test_error"))  # fmt: skip
    train(spec, "run", "--steps", 1, "--data", "images")
    monkeypatch.chdir("/")
    result = cli("eval", tmp_path / "run", "--device", "cpu")
    assert result.exit_code == 0, result.output


def test_compare_draws_a_picture_and_prints_the_table(finished, train, cli):
    out, _ = finished
    train("digits_resnet:plain8", "plain", "--steps", 30)
    shutil.copytree(out, "twin")
    result = cli("compare", "plain", out, "twin", "--out", "both.png", "--title", "Plain and residual")
    assert result.exit_code == 0
    assert Path("both.png").read_bytes().startswith(b"\x89PNG")
    rows = json.loads(cli("compare", "plain", out, "--out", "both.png", "--format", "json").stdout)
    assert [row["step"] for row in rows] == [30, 60]
    plain, first, twin = result.output.splitlines()[1:4]
    assert re.fullmatch(r"digits-plain-8 +30 +[\d.]+% +[\d.]+% +[\d.]+%", plain)
    assert str(Path(*out.parts[-2:])) in first  # two runs of one name are told apart
    assert "twin" in twin
    assert cli("compare", "plain", "--out", "one.svg").exit_code == 0
    assert b"<svg" in Path("one.svg").read_bytes()


def test_compare_says_of_a_run_that_was_stopped_where_it_stopped(finished, cli):
    out = Path(shutil.copytree(finished[0], "run"))
    rows = (out / "metrics.jsonl").read_text().splitlines(keepends=True)
    (out / "metrics.jsonl").write_text("".join(row for row in rows if json.loads(row)["step"] < 60))
    result = cli("compare", out, "--out", "both.png", "--format", "json")
    assert [row["step"] for row in json.loads(result.stdout)] == [60], "that of its newest checkpoint"


def test_a_long_evaluation_says_how_far_it_is(finished, cli, monkeypatch):
    words = ("eval", finished[0], "--device", "cpu")
    assert "measured" not in cli(*words).stderr
    monkeypatch.setattr("archspec_runtime.batches.evaluation_progress.FIRST", 0.0)
    assert "measured 128 of 360 images, 0:0" in cli(*words).stderr


def test_an_evaluation_computes_with_the_threads_that_it_is_given(finished, cli):
    before = torch.get_num_threads()
    try:
        for count in (1, 2):
            assert cli("eval", finished[0], "--device", "cpu", "--threads", count).exit_code == 0
            assert torch.get_num_threads() == count
        refused = cli("eval", finished[0], "--device", "cpu", "--threads", 10**9)
        assert (refused.exit_code, torch.get_num_threads()) == (2, 2)
        assert "1,000,000,000 CPU threads are more than 1,024" in refused.stderr
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("command", ["compare", "responses"])
def test_a_picture_takes_the_place_of_one_that_archspec_drew_and_of_no_other_file(finished, cli, command):
    out = shutil.copytree(finished[0], "run")  # in which `responses` keeps what it measures
    for name in ("mine.png", "mine.svg"):
        Path(name).write_text("mine")
        refused = cli(command, out, "--out", name)
        assert refused.exit_code == 2
        assert f"{name} is there, and archspec did not draw it" in refused.output
        assert Path(name).read_text() == "mine"
        assert cli(command, out, "--out", name, "--force").exit_code == 0
        assert cli(command, out, "--out", name).exit_code == 0
    assert cli(command, out, "--out", "new/folder/mine.png").exit_code == 0


def test_compare_takes_a_folder_of_runs(finished, cli):
    out, _ = finished
    shutil.copytree(out, "runs/one")
    shutil.copytree(out, "runs/deeper/two")
    result = cli("compare", "runs")
    assert result.exit_code == 0
    assert "(one)" in result.output
    assert "(deeper/two)" in result.output


def test_the_table_and_the_curves_are_of_the_test_images_alone(tmp_path):
    rows = [{"kind": "eval", "step": step, "split": split, "top1_error": error}
            for step, errors in ((10, {"val": 5.0, "test": 30.0}), (20, {"val": 4.0, "test": 20.0}))
            for split, error in errors.items()]  # fmt: skip
    summary = summarize("run", rows)
    assert (summary.test_error, summary.best_test_error) == (20.0, 20.0)
    draw_curves([("run", rows)], [tmp_path / "one.svg"])
    draw_curves([("run", [row for row in rows if row["split"] == "test"])], [tmp_path / "other.svg"])
    shape = [re.findall(r' d="([^"]*)"', (tmp_path / name).read_text()) for name in ("one.svg", "other.svg")]
    assert shape[0] == shape[1]
