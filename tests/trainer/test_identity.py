"""What a run is, kept with it: another data set, other classes, another source are not taken for the run's."""

import json
import shutil
import subprocess
import sys

import pytest
from safetensors import safe_open
from typer.testing import CliRunner

import archspec
from archspec_cli.main import app
from image_sets import jpeg, tar
from runs import CPU, newest, said

torch = pytest.importorskip("torch")

SMALL = """archspec: 1
name: small
input: {channels: 3, size: 16}
classes: 3
stem: [{conv1: {conv: {out: 4, kernel: 3, stride: 2}}}, {bn1: norm}, {relu: act}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train:
  data: {dataset: image_folder, normalize: per_channel, augment: [{resize_shorter: [18, 24]}, random_crop], eval_resize: 18}
  batch_size: 4
  epochs: 2
  optimizer: {sgd: {momentum: 0.9}}
  lr: 0.05
"""
COLOURS = ("blue", "green", "red")


def colours(root, splits=(("train", 4), ("val", 2))):
    for split, count in splits:
        for label, name in enumerate(COLOURS):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                (folder / f"{number}.jpg").write_bytes(jpeg(50 * label + number, (24, 20)))
    return root


def command(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run on a folder of images, and what it was made with."""
    room = tmp_path_factory.mktemp("identity")
    (room / "small.yaml").write_text(SMALL)
    images = colours(room / "images")
    done = command("train", room / "small.yaml", "--data", images, "--out", room / "run", "--steps", 9,
                   "--checkpoint-every", 5, *CPU)  # fmt: skip
    assert done.exit_code == 0, done.output
    shutil.rmtree(newest(room / "run"))  # as if it had been killed after step 5
    return room


@pytest.fixture
def run(trained, tmp_path):
    """A copy of that run with a copy of its images, for tests that change either."""
    shutil.copytree(trained / "run", tmp_path / "run")
    shutil.copytree(trained / "images", tmp_path / "images")
    return tmp_path / "run"


def go_on(run, spec, *words):
    asked = ("--data", run.parent / "images", "--out", run, "--steps", 9, *CPU)
    return command("train", spec, *asked, "--resume", *words)


@pytest.fixture
def resumed(trained, run):
    """Go on with that copy."""
    return lambda *words: go_on(run, trained / "small.yaml", *words)


def test_a_run_records_what_it_is(trained):
    record = json.loads((trained / "run" / "run.json").read_text())["identity"]
    assert record["format"] == 1
    assert record["net"]["fingerprint"] == archspec.load(trained / "small.yaml").fingerprint
    assert record["classes"] == list(COLOURS)
    assert record["data"]["splits"]["train"]["of_classes"] == [4, 4, 4]
    assert len(record["normalization"]["mean"]) == len(record["normalization"]["std"]) == 3
    assert record["source"]["edited"] is False


def test_what_a_run_writes_of_itself_is_what_ran(trained):
    code = trained / "run" / "code"
    recipe = archspec.load(code / "spec.yaml").recipe
    assert (recipe["steps"], recipe["epochs"]) == (9, None)
    assert "steps=9" in (code / "train.py").read_text()
    assert json.loads((trained / "run" / "run.json").read_text())["identity"]["recipe"]["steps"] == 9


def test_class_names_and_normalization_are_in_a_checkpoint_and_its_weights(trained):
    checkpoint = newest(trained / "run")
    with safe_open(checkpoint / "weights.safetensors", framework="np") as file:
        tagged = json.loads(file.metadata()["archspec"])
    assert tagged == json.loads((checkpoint / "loop.json").read_text())["identity"]
    assert tagged["classes"] == list(COLOURS)
    assert tagged["normalization"]["kind"] == "per_channel"


def test_images_that_were_added_are_refused_with_how_many_of_which_class(run, resumed):
    blue = run.parent / "images" / "train" / "blue"
    for number in range(9):
        (blue / f"more{number}.jpg").write_bytes(jpeg(number))
    error = said(resumed(), 1)
    assert "train images: 12 before, 21 now: 'blue' 4 before, 13 now" in error
    assert "added: train/blue/more0.jpg, train/blue/more1.jpg" in error
    assert "more4.jpg and 4 more" in error
    assert "--override" in error
    result = resumed("--override")
    assert result.exit_code == 0, result.output
    record = json.loads((run / "run.json").read_text())
    assert record["identity"]["data"]["splits"]["train"]["images"] == 21
    assert any("12 before, 21 now" in line for line in record["overridden"][0])


def test_a_renamed_image_is_not_the_runs(run, resumed):
    red = run.parent / "images" / "val" / "red"
    (red / "0.jpg").rename(red / "9.jpg")
    error = said(resumed(), 1)
    assert "test images: as many as before, 6, and others" in error
    assert "added: test/red/9.jpg" in error
    assert "removed: test/red/0.jpg" in error


def test_a_renamed_class_is_refused_when_a_run_goes_on(run, resumed):
    for split in ("train", "val"):
        folder = run.parent / "images" / split
        (folder / "blue").rename(folder / "zblue")
    error = said(resumed(), 1)
    assert "classes: 'blue' before, and no longer" in error
    assert "classes: 'zblue' now, and not before" in error


def test_a_run_goes_on_where_its_images_were_moved_as_they_are(resumed):
    result = resumed()
    assert result.exit_code == 0, result.output


def evaluated(run, images, *words):
    return command("eval", run, "--data", images, "--device", "cpu", *words)


def test_a_renamed_class_is_not_measured_as_another(run):
    images = run.parent / "images"
    for split in ("train", "val"):
        (images / split / "blue").rename(images / split / "zblue")
    error = said(evaluated(run, images), 1)
    assert (
        f"{images / 'val'} has the class 'zblue', which the net was not trained on, and has no images of its 'blue'"
        in error
    )
    assert said(command("responses", run, "--data", images, "--device", "cpu"), 1)


def test_classes_are_matched_by_name_where_there_are_some_of_them_or_the_split_alone(run):
    """What is measured of a part is what it is of the whole, counted image by image."""
    images = run.parent / "images"
    done = evaluated(run, images, "--format", "json")
    assert not done.stderr
    whole = json.loads(done.stdout)
    shutil.rmtree(images / "train")
    assert json.loads(evaluated(run, images, "--format", "json").stdout) == whole
    assert json.loads(evaluated(run, images / "val", "--format", "json").stdout) == whole
    parts = []
    for name in COLOURS:
        alone = run.parent / name / "val" / name
        shutil.copytree(images / "val" / name, alone)
        part = evaluated(run, alone.parent.parent, "--format", "json")
        parts.append(json.loads(part.stdout))
        others = ", ".join(repr(other) for other in COLOURS if other != name)
        assert f"has no images of 2 of the net's 3 classes in test: {others}\n" in part.stderr
    assert [part["images"] for part in parts] == [2, 2, 2]
    assert sum(part["top1_error"] for part in parts) / 3 == pytest.approx(whole["top1_error"])
    assert sum(part["loss"] for part in parts) / 3 == pytest.approx(whole["loss"], rel=1e-5)


def test_images_that_changed_since_are_not_measured_as_the_runs_own_without_being_asked(run):
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "data": str(run.parent / "images")}))
    assert command("eval", run, "--device", "cpu").exit_code == 0
    (run.parent / "images" / "val" / "red" / "0.jpg").unlink()
    error = said(command("eval", run, "--device", "cpu"), 1)
    assert "test images: 6 before, 5 now: 'red' 2 before, 1 now" in error
    assert f"--data {run.parent / 'images'} measures on the images as they are now" in error
    assert "5 images" in evaluated(run, run.parent / "images").stdout


def test_runs_of_different_data_sets_are_said_to_be_measured_on_different_images(trained, tmp_path):
    digits = tmp_path / "digits"
    spec = ("digits_resnet:resnet8",)
    assert command("train", *spec, "--out", digits, "--steps", 2, *CPU).exit_code == 0
    result = command("compare", trained / "run", digits, "--out", tmp_path / "both.png")
    assert result.exit_code == 0, result.output
    assert "warning: not measured on the same test images: image_folder: " in result.stderr
    assert " (6) | digits: " in result.stderr
    alone = command("compare", digits, "--out", tmp_path / "one.png")
    assert "not measured on the same" not in alone.stderr


def test_other_batches_go_on_at_the_same_place_of_the_epochs(trained, tmp_path):
    """After 4 epochs of 3 steps, batches of twice the size: 2 more epochs are left of 6, of 1 step each."""
    (tmp_path / "epochs.yaml").write_text(SMALL.replace("epochs: 2", "epochs: 4"))
    words = ("--data", trained / "images", "--out", tmp_path / "run", *CPU)
    assert command("train", tmp_path / "epochs.yaml", *words).exit_code == 0
    assert newest(tmp_path / "run").name == "step-00000012"
    longer = ("--set", "train.epochs=6", "--set", "train.batch_size=8", "--resume")
    assert said(command("train", tmp_path / "epochs.yaml", *words, *longer), 1)
    result = command("train", tmp_path / "epochs.yaml", *words, *longer, "--override")
    assert result.exit_code == 0, result.output
    assert (
        "epochs are of 1 steps now, and were of 3: the run goes on in epoch 4, after step 4, which was step 12"
        in result.stderr
    )
    assert newest(tmp_path / "run").name == "step-00000006"
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == sorted(row["step"] for row in rows)
    assert (rows[-1]["step"], rows[-1]["epoch"]) == (6, 6.0)
    assert "nothing is left to do" in command("train", tmp_path / "epochs.yaml", *words, *longer).stdout


@pytest.mark.parametrize("how", ["archspec train", "python train.py"])
def test_options_that_change_the_recipe_are_in_the_spec_that_a_run_keeps(trained, tmp_path, how):
    spec = tmp_path / "phases.yaml"
    spec.write_text(
        SMALL.replace("epochs: 2", "steps: 300").replace(
            "lr: 0.05", "lr: [{value: 0.1, until: step 200}, {value: 0.01}]"
        )
    )
    words = ["--data", trained / "images", "--out", tmp_path / "run", "--steps", 3, "--seed", 7, *CPU]
    if how == "archspec train":
        assert command("train", spec, *words, "--scale-schedule").exit_code == 0
    else:
        assert command("build", spec, "--out", tmp_path / "built").exit_code == 0
        done = [sys.executable, "train.py", *map(str, words)]
        assert (
            subprocess.run(done, cwd=tmp_path / "built", capture_output=True, timeout=240, check=False).returncode
            == 0
        )
    kept = archspec.load(tmp_path / "run" / "code" / "spec.yaml").recipe
    ran = json.loads((tmp_path / "run" / "run.json").read_text())["job"]["recipe"]
    assert (ran["steps"], ran["seed"]) == (3, 7)
    assert (kept["steps"], kept["epochs"], kept["seed"], kept["lr"]) == (3, None, 7, ran["lr"])


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("format", lambda record: record.update(format="x")),
        ("classes", lambda record: record.update(classes=[1, 2, 3])),
        ("data.splits", lambda record: record["data"]["splits"]["train"].update(images="many")),
        ("normalization", lambda record: record["normalization"].update(mean=[[1, 2], [3]])),
        ("normalization", lambda record: record["normalization"].update(std=["x"])),
        ("source.edited", lambda record: record["source"].update(edited="no")),
    ],
)
def test_a_record_that_was_edited_is_named_by_its_key(run, resumed, key, change):
    whole = json.loads((run / "run.json").read_text())
    change(whole["identity"])
    (run / "run.json").write_text(json.dumps(whole))
    assert f"run.json is not one: see its `{key}`" in said(resumed(), 1)
    assert f"run.json is not one: see its `{key}`" in said(command("compare", run, "--out", run / "a.png"), 1)


def test_a_record_of_a_later_version_is_not_guessed_at(run, resumed):
    whole = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**whole, "identity": {"format": 2}}))
    error = said(resumed(), 1)
    assert "has format 2, and this version reads up to 1" in error
    assert "install a newer archspec" in error


def test_tars_to_test_on_are_measured_alone_with_classes_matched_by_name(trained, tmp_path):
    """The classes of tars are the folders of their images: a renamed one is refused, some of them are measured as themselves."""
    spec = tmp_path / "tars.yaml"
    spec.write_text(SMALL.replace("image_folder", "webdataset"))
    members = {
        split: [(f"{name}/{file.name}", file.read_bytes()) for name in COLOURS
                for file in sorted((trained / "images" / split / name).iterdir())]
        for split in ("train", "val")
    }  # fmt: skip
    both, alone, renamed = (tmp_path / name for name in ("both", "alone", "renamed"))
    for folder in (both, alone, renamed):
        folder.mkdir()
    tar(both / "train-0.tar", members["train"])
    tar(both / "val-0.tar", members["val"])
    tar(alone / "val-0.tar", [one for one in members["val"] if one[0].startswith("red")])
    tar(renamed / "val-0.tar", [(name.replace("blue", "zblue"), raw) for name, raw in members["val"]])
    run = tmp_path / "run"
    result = command("train", spec, "--data", both, "--out", run, "--steps", 2, *CPU)
    assert result.exit_code == 0, result.output
    assert json.loads((run / "run.json").read_text())["identity"]["classes"] == list(COLOURS)
    measured = evaluated(run, alone)
    assert "2 images" in measured.stdout, measured.output
    error = said(evaluated(run, renamed), 1)
    assert "the class 'zblue', which the net was not trained on, and has no images of its 'blue'" in error
    assert "no images of the split train" in said(evaluated(run, alone, "--split", "train"), 1)
