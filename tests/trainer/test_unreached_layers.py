"""Layers that reach no output have no gradient: they stay as they began, whatever the optimizer does to the others."""

import numpy as np
import pytest
from safetensors.numpy import load_file

NET = """
input: {channels: 1, size: 8}
classes: 10
stem:
  - {conv1: {conv: {out: 4, kernel: 3}}}
  - {aux: {conv: {out: 2, kernel: 3, bias: true}}, from: conv1}
  - {act: {}, from: conv1}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train: {data: {dataset: digits}, batch_size: 8, steps: 4, lr: 0.1, optimizer: {sgd: {momentum: 0.9, weight_decay: 0.1}}}
"""


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_they_do_not_decay_in_either_backend(backend, spec, train, tmp_path):
    pytest.importorskip(backend)
    train(spec(NET), "run", "--backend", backend, "--checkpoint-every", 2)
    first, last = (load_file(file) for file in sorted(tmp_path.glob("run/checkpoints/*/weights.safetensors")))
    changed = {name for name in first if not np.array_equal(first[name], last[name])}
    assert changed == {"conv1.weight", "fc.weight", "fc.bias"}
