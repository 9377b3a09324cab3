"""`archspec eval --mistakes --predictions FILE`, and what the report makes of it."""

import csv
import io
import json
import re

import pytest

from archspec_experiments.mistakes import kept_mistakes
from predicting import NAMES, ON, command, found, room_with_run
from runs import said

pytest.importorskip("torch")

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A run whose images have names that a page must escape, measured image by image."""
    room = room_with_run(tmp_path_factory.mktemp("mistakes"), "<b>.jpg")
    done = command("eval", room / "run", "--predictions", room / "found.csv", *ON)
    assert done.exit_code == 0, done.output
    assert f"the predictions are in {room / 'found.csv'}" in done.stderr
    assert f"the mistakes are in {room / 'run/mistakes.json'}" in done.stderr
    return room


def test_the_file_has_what_predict_says_of_each_image(room):
    rows = list(csv.DictReader(io.StringIO((room / "found.csv").read_text())))
    ours = found(room / "run", room / "images/val")
    assert [row["path"] for row in rows] == list(ours)
    for row in rows:
        guesses = ours[row["path"]]
        assert f"/val/{row['label']}/" in row["path"]
        assert row["prediction"] == row["class_1"] == guesses[0]["class"]
        chances = [float(row[f"probability_{rank}"]) for rank in (1, 2, 3)]
        assert chances == pytest.approx([guess["probability"] for guess in guesses], abs=1e-6)


def test_image_by_image_the_numbers_are_those_of_eval(room):
    plain = json.loads(command("eval", room / "run", "--format", "json", *ON).stdout)
    each = json.loads(command("eval", room / "run", "--mistakes", "--format", "json", *ON).stdout)
    assert each == pytest.approx(plain, abs=1e-5)
    rows = list(csv.DictReader(io.StringIO((room / "found.csv").read_text())))
    kept = kept_mistakes(room / "run", "run").found
    assert kept.images == [3, 3, 3]
    assert (
        sum(kept.wrong)
        == sum(count for _, _, count in kept.confused)
        == sum(r["label"] != r["prediction"] for r in rows)
    )
    losses = [float(row["loss"]) for row in rows]
    assert [one.loss for one in kept.worst] == pytest.approx(sorted(losses, reverse=True), abs=1e-6)


def test_the_report_shows_classes_confusions_and_the_worst_images(room):
    assert command("report", room / "run", "--out", room / "page.html").exit_code == 0
    page = (room / "page.html").read_text()
    assert "Confusion matrix" in page
    assert page.count('<img src="data:image/png;base64,') == 9
    assert "0&lt;b&gt;.jpg" in page
    assert "<b>" not in page
    shown = kept_mistakes(room / "run", "run")
    assert [count for _, row in shown.matrix for count, _ in row if count] == [
        int(count) for count in re.findall(r"color-mix\([^\"]*\">(\d+)", page)
    ]


def test_a_record_of_mistakes_that_was_edited_is_left_out(room, tmp_path):
    record = json.loads((room / "run/mistakes.json").read_text())
    assert kept_mistakes(room / "run", "run") is not None
    for change in ({"confused": [[0, 9, 1]]}, {"wrong": [1]}, {"worst": [{"image": EVIL}]}, {"split": 3}):
        (tmp_path / "mistakes.json").write_text(json.dumps(record | change))
        assert kept_mistakes(tmp_path, "run") is None


def test_predictions_as_json_lines_of_val_alone(room, tmp_path):
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone/val").symlink_to(room / "images/val")
    asked = ("eval", room / "run", "--data", tmp_path / "alone", "--predictions", tmp_path / "found.jsonl", *ON)
    assert command(*asked).exit_code == 0
    lines = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert len(lines) == 9
    assert all(set(line["probabilities"]) == set(NAMES) for line in lines)
    assert "is there already" in said(command(*asked), 2)
    assert "one crop" in said(command("eval", room / "run", "--mistakes", "--crops", "10", *ON), 2)
    assert "none is written" in said(command("eval", room / "run", "--force", *ON), 2)
