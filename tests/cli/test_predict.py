"""`archspec predict`: the names of what is on pictures, by a run, a built folder or a file of weights."""

import csv
import io
import json
import runpy
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

import archspec
from image_sets import jpeg
from predicting import NAMES, ON, command, found, room_with_run
from runs import newest, said

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A run on a folder of images, and what it was made with."""
    return room_with_run(tmp_path_factory.mktemp("predict"))


def test_predictions_are_those_of_the_net_in_evaluation(room):
    model = archspec.build(archspec.load(room / "small.yaml"), "torch", weights=room / "run").eval()
    normal = json.loads((room / "run/run.json").read_text())["identity"]["normalization"]
    answers = found(room / "run", room / "images/val")
    assert len(answers) == 9
    for path, guesses in answers.items():
        image = Image.open(path).convert("RGB")
        image = image.resize((18 * image.width // image.height, 18), Image.Resampling.BILINEAR)
        left, top = (image.width - 16) // 2, (image.height - 16) // 2
        pixels = np.asarray(image.crop((left, top, left + 16, top + 16)), np.float32).transpose(2, 0, 1) / 255
        normalized = (pixels - np.asarray(normal["mean"])) / np.asarray(normal["std"])
        with torch.no_grad():
            chances = torch.softmax(model(torch.from_numpy(normalized[None].astype(np.float32))), 1)[0].tolist()
        assert [guess["class"] for guess in guesses] == [NAMES[i] for i in np.argsort(chances)[::-1]]
        assert [guess["probability"] for guess in guesses] == pytest.approx(sorted(chances, reverse=True), abs=1e-5)
        assert all(NAMES[guess["label"]] == guess["class"] for guess in guesses)
    wrong = sum(guesses[0]["class"] not in path for path, guesses in answers.items())
    measured = json.loads(command("eval", room / "run", *ON, "--format", "json").stdout)
    assert measured["top1_error"] == pytest.approx(100 * wrong / 9)


def test_both_backends_predict_the_same_of_one_run(room):
    pytest.importorskip("flax")
    pictures = room / "images/val/red"
    ours, theirs = found(room / "run", pictures), found(room / "run", pictures, "--backend", "flax")
    for path, guesses in ours.items():
        assert [g["probability"] for g in guesses] == pytest.approx(
            [g["probability"] for g in theirs[path]], abs=1e-4
        )


def test_a_picture_that_cannot_be_read_is_said_and_the_others_go_on(room, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(jpeg(1)[:200])
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "empty").mkdir()
    good = room / "images/val/blue/0.jpg"
    bad = [tmp_path / name for name in ("broken.jpg", "notes.txt", "empty", "nosuch.jpg")]
    done = command("predict", room / "run", bad[0], good, *bad[1:], *ON)
    assert done.exit_code == 1
    assert done.stderr.count("error: ") == 4
    assert "Traceback" not in done.stderr
    assert all(str(path) in done.stderr for path in bad)
    assert done.stdout.startswith(str(good))
    assert len(done.stdout.splitlines()) == 1
    answers = found(room / "run", bad[0], good, code=1)
    assert "cannot be read" in answers[str(bad[0])]
    assert len(answers[str(good)]) == 3


def test_a_turned_picture_is_seen_upright(room, tmp_path):
    upright = Image.open(io.BytesIO(jpeg(7, (24, 20))))
    turned, exif = upright.transpose(Image.Transpose.ROTATE_90), Image.Exif()
    exif[0x0112] = 6
    upright.save(tmp_path / "upright.png")
    turned.save(tmp_path / "turned.png", exif=exif)
    one, other = found(room / "run", tmp_path / "upright.png", tmp_path / "turned.png").values()
    assert one == other


def test_standard_input_is_one_picture(room):
    picture = room / "images/val/green/1.jpg"
    assert found(room / "run", "-", stdin=picture.read_bytes())["-"] == found(room / "run", picture)[str(picture)]
    assert "given twice" in said(command("predict", room / "run", "-", "-", *ON), 2)
    assert "- cannot be read as an image" in said(command("predict", room / "run", "-", *ON, stdin=b""), 1)


def test_more_classes_than_the_net_has_are_said_to_be_too_many(room):
    picture = room / "images/val/red"
    done = command("predict", room / "run", picture, "--top", 9, *ON)
    assert "warning: 9 classes of each image are asked for, and the net has 3\n" in done.stderr
    assert len(done.stdout.splitlines()[0].split()) == 1 + 2 * 3
    assert not command("predict", room / "run", picture, *ON).stderr


def test_a_table_has_a_row_for_each_picture(room):
    done = command("predict", room / "run", room / "images/val", "--top", 2, *ON)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert len(rows) == 9
    for path, first, chance, second, less in rows:
        assert {first, second} < set(NAMES)
        assert path.startswith(str(room))
        assert 100 > float(chance[:-1]) >= float(less[:-1]) > 0


def test_predictions_in_a_file_are_whole_and_never_replace_another(room, tmp_path):
    asked = ("predict", room / "run", room / "images/val/blue", *ON, "--out")
    done = command(*asked, tmp_path / "found.csv")
    assert done.exit_code == 0
    assert f"the predictions of 3 images are in {tmp_path / 'found.csv'}" in done.stderr
    written = (tmp_path / "found.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(written)))
    assert [row["rank"] for row in rows] == ["1", "2", "3"] * 3
    assert sum(float(row["probability"]) for row in rows) == pytest.approx(3)
    assert "is there already" in said(command(*asked, tmp_path / "found.csv"), 2)
    assert command(*asked, tmp_path / "found.csv", "--force", "--format", "json").exit_code == 0
    assert len(json.loads((tmp_path / "found.csv").read_text())) == 3
    assert "is a folder" in said(command(*asked, tmp_path), 2)
    assert "is no folder" in said(command(*asked, tmp_path / "no" / "found.csv"), 2)
    assert [path.name for path in tmp_path.iterdir()] == ["found.csv"]


def test_built_folders_and_weights_that_say_what_they_are_predict_as_their_run(room, tmp_path):
    picture, chosen = room / "images/val/red/0.jpg", newest(room / "run")
    ours = found(room / "run", picture)
    assert (
        command("build", room / "small.yaml", "--weights", room / "run", "--out", tmp_path / "built").exit_code == 0
    )
    assert command("convert", room / "run", tmp_path / "w.safetensors").exit_code == 0
    for source in ((tmp_path / "built",), (tmp_path / "w.safetensors", "--spec", room / "small.yaml"), (chosen,),
                   (chosen / "weights.safetensors",)):  # fmt: skip
        assert found(source[0], picture, *source[1:]) == ours
    for asked in (
        ("predict", tmp_path / "w.safetensors", picture),
        ("convert", tmp_path / "w.safetensors", tmp_path / "w.pt"),
    ):
        lacking = said(command(*asked), 2)
        assert f"holds weights of {archspec.load(room / 'small.yaml').name}, and not its spec" in lacking
        assert "--spec RUN/code/spec.yaml" in lacking
    model = tmp_path / "built/model.py"
    model.write_text(model.read_text().replace("x = self.fc(x)", "x = 0 * self.fc(x)"))
    (guesses,) = found(tmp_path / "built", picture).values()
    assert [guess["probability"] for guess in guesses] == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("kind", ["crops", "whole"])
def test_the_script_beside_an_onnx_file_says_what_the_run_says(
    kind, room, tmp_path, cli, train, monkeypatch, capsys
):
    pytest.importorskip("onnxruntime")
    run, spec = room / "run", room / "small.yaml"
    if kind == "whole":
        run, spec = tmp_path / "run", "digits_resnet:resnet8"
        train(spec, "run", "--steps", 1)
    Image.fromarray(np.arange(30 * 17 * 4, dtype=np.uint8).reshape(17, 30, 4)).save(tmp_path / "clear.png")
    Image.open(io.BytesIO(jpeg(3, (9, 12)))).convert("CMYK").save(tmp_path / "small.jpg")
    pictures = [room / "images/val/red/0.jpg", tmp_path / "clear.png", tmp_path / "small.jpg"]
    done = command("build", spec, "--backend", "onnx", "--weights", run, "--out", tmp_path / "built")
    assert done.exit_code == 0, done.output
    monkeypatch.setattr(sys, "argv", ["predict.py", *map(str, pictures)])
    runpy.run_path(str(tmp_path / "built/predict.py"))
    rows = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    ours = [
        (path, guess["class"], guess["probability"])
        for path, found_ in found(run, *pictures).items()
        for guess in found_
    ]
    assert [tuple(row[:2]) for row in rows] == [row[:2] for row in ours]
    assert [float(row[2][:-1]) / 100 for row in rows] == pytest.approx([row[2] for row in ours], abs=1e-4)


def test_a_net_without_names_and_normalization_is_refused(room, tmp_path):
    picture = room / "images/val/red/0.jpg"
    torch.save(archspec.build(archspec.load(room / "small.yaml"), "torch").state_dict(), tmp_path / "w.pt")
    assert "which classes" in said(command("predict", tmp_path / "w.pt", picture, "--spec", room / "small.yaml"), 1)
    assert "is not there" in said(command("predict", tmp_path / "nosuch", picture), 2)
    assert "which net" in said(command("predict", room / "images", picture), 2)
    assert "leave --spec out" in said(command("predict", room / "run", picture, "--spec", "resnet18"), 2)
    shutil.copytree(room / "run", tmp_path / "run")
    shutil.rmtree(tmp_path / "run/checkpoints")
    assert "has no checkpoint" in said(command("predict", tmp_path / "run", picture), 1)


def test_pictures_of_another_size_are_shown_whole_to_a_net_of_a_data_set_of_one_size(train, tmp_path):
    train("digits_resnet:resnet8", "run", "--steps", 1)
    small = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4)
    small.resize((64, 64), Image.Resampling.NEAREST).save(tmp_path / "large.png")
    small.save(tmp_path / "small.png")
    large, same = found("run", tmp_path / "large.png", tmp_path / "small.png").values()
    assert [g["probability"] for g in large] == pytest.approx([g["probability"] for g in same], abs=0.02)
    assert len(same) == 5


def test_python_predicts_paths_bytes_and_images(room):
    picture = room / "images/val/red/0.jpg"
    expected = found(room / "run", picture)[str(picture)]
    for given in (picture, str(picture), picture.read_bytes(), Image.open(picture), [picture]):
        (one,) = archspec.predict(room / "run", given, device="cpu")
        assert [(g.name, g.label, g.probability) for g in one.guesses] == [tuple(g.values()) for g in expected]
    assert len(archspec.predict(room / "run", room / "images/val", top=1)) == 9
    with pytest.raises(Exception, match=r"nosuch.jpg cannot be read"):
        archspec.predict(room / "run", "nosuch.jpg")
