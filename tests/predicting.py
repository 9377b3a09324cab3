"""A run on a small folder of images, and what it predicts, for the tests of commands that name what is on pictures."""

import json

from typer.testing import CliRunner

from archspec_cli.main import app
from image_sets import jpeg
from runs import CPU

SPEC = """archspec: 1
name: small
input: {channels: 3, size: 16}
classes: 3
stem: [{conv1: {conv: {out: 4, kernel: 3, stride: 2}}}, {bn1: norm}, {relu: act}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train:
  data: {dataset: image_folder, normalize: per_channel, augment: [{resize_shorter: [18, 24]}, random_crop], eval_resize: 18}
  batch_size: 4
  steps: 9
  optimizer: {sgd: {momentum: 0.9}}
  lr: 0.05
"""
NAMES = ("blue", "green", "red")
ON = ("--device", "cpu")


def command(*words, stdin=None):
    result = CliRunner().invoke(app, [str(word) for word in words], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def room_with_run(room, ending=".jpg"):
    """Train a run in a folder on images whose names end so."""
    (room / "small.yaml").write_text(SPEC)
    for split, count in (("train", 4), ("val", 3)):
        for label, name in enumerate(NAMES):
            folder = room / "images" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                (folder / f"{number}{ending}").write_bytes(jpeg(50 * label + number, (24, 20)))
    done = command("train", room / "small.yaml", "--data", room / "images", "--out", room / "run", *CPU)
    assert done.exit_code == 0, done.output
    return room


def found(*words, code=0, **more):
    """What a command predicts, by picture: the classes and their probabilities."""
    done = command("predict", *words, "--format", "json", *ON, **more)
    assert done.exit_code == code, done.output
    return {one["image"]: one.get("predictions", one.get("error")) for one in json.loads(done.stdout)}
