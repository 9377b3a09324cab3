"""What tests of whole runs share: small nets, the words that keep a run to one core, and what a run left."""

import json
import os
import re
import sys

import numpy as np
from safetensors.numpy import load_file

from archspec_runtime.checkpoints import store
from archspec_runtime.record.folder import read_metrics

CPU = ("--device", "cpu", "--threads", "1", "--compile", "off")
MAIN = [sys.executable, "-m", "archspec_cli"]
SEVERAL = """
import json, os, sys
from archspec_cli.main import app
for environment, arguments in json.loads(sys.argv[1]):
    os.environ.update(environment)
    try:
        app(arguments)
    except SystemExit as ended:
        assert not ended.code, ended.code
"""


def forked(program, kind=None):
    """A program that begins as `archspec` does: it is forked as `archspec` is, where tests fork processes.

    One of a `kind` that `tests/startup/forking.py` has runs no command and is forked from what has imported that.
    """
    if warm := sys.modules.get("warm"):
        if kind is None:
            warm.PROGRAMS.add(program)
        else:
            warm.KINDS[program] = kind
    return program


def several(commands):
    """A process that runs commands one after the other, each with what it changes in the environment."""
    return [sys.executable, "-c", SEVERAL, json.dumps([(e, list(map(str, words))) for e, words in commands])]


# Everything whose state a resumed run must go on with: dropout, moves, momentum, the average, every kind of phase.
TINY = """archspec: 1
name: tiny
input: {channels: 1, size: 8}
classes: 10
stem: [{conv1: {conv: {out: 8, kernel: 3, stride: 2}}}, {bn1: batch_norm}, {r: relu}, {d: {dropout: {rate: 0.2}}}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train:
  data: {dataset: digits, holdout: 200, augment: [{pad_crop: 1}, hflip], normalize: per_channel}
  batch_size: 64
  steps: 200
  optimizer: {sgd: {momentum: 0.9, weight_decay: 1e-3, nesterov: true}}
  lr:
    - {value: 0.02, until: train_error < 80% or step 90}
    - {linear: {from: 0.1, to: 0.05}, until: step 130}
    - {value: 0.05, until: plateau 2 or step 170}
    - {cosine: {from: 0.05, to: 0}}
  label_smoothing: 0.1
  clip_norm: 1.0
  ema: 0.98
  seed: 3
"""


def newest(out):
    return store.newest(out, None)[0]


def weights(out, name="weights"):
    return load_file(newest(out) / f"{name}.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


def measurements(out):
    """The rows of a run without when they were written, and how fast it was."""
    return [{k: v for k, v in row.items() if k not in ("images_per_second", "time")} for row in read_metrics(out)]


def tree(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def said(result, code):
    """The one error of a command that failed as it should: a line, and how to mend it."""
    stderr = result.stderr
    assert (result.returncode if hasattr(result, "returncode") else result.exit_code) == code, stderr
    assert "Traceback" not in stderr
    assert len(re.findall("^error: ", stderr, re.M)) == 1, stderr
    error = stderr[stderr.index("error: ") :]
    assert re.fullmatch(r"error: [^\n]+\n(  (?!help)[^\n]+\n)*  help: [^\n]+\n", error), error
    return error


def fill(disk, leave):
    """Leave so many KiB."""
    state = os.statvfs(disk)
    (disk / "other").write_bytes(bytes(max(0, state.f_bavail * state.f_frsize - (leave << 10))))


# Everything that has to be the same over devices: statistics, clipping by the whole gradient, the average, both evaluations.
SMALL = """archspec: 1
name: small
input: {channels: 1, size: 8}
classes: 10
stem: [{conv1: {conv: {out: 8, kernel: 3, stride: 2}}}, {bn1: batch_norm}, {relu: relu}]
shortcut: projection
stages: [{name: layer1, block: basic, repeat: 2, width: 8}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train:
  data: {dataset: digits, holdout: 803, augment: [{pad_crop: 1}, hflip], normalize: per_channel}
  batch_size: 64
  steps: 20
  optimizer: {sgd: {momentum: 0.9, weight_decay: 1e-3, nesterov: true}}
  lr: 0.1
  label_smoothing: 0.1
  clip_norm: 1.0
  ema: 0.9
  precision: fp64
"""
FLAT = re.sub("^(shortcut|stages): .*\n", "", SMALL, flags=re.MULTILINE)
"""The same without blocks, for runs with Flax, which compile most of the time."""
