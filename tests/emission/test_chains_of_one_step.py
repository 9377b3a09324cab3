"""Chains in blocks that repeat one step, whose first layer differs from the others: one class, with a loop for these."""

import pytest

import archspec
from comparing import check

STRIDED = """
input: {channels: 3, size: 16}
classes: 3
blocks:
  layer:
    args: {width: int, stride: 1, scale: float}
    out: width
    body: [{c: {conv: {out: width, kernel: 3, stride: stride}}}, {s: {scale: {value: scale}}}, relu]
  stage:
    args: {width: int, deep: int, before: int}
    body: [{layers: {layer: {width: width, stride: 2, scale: (i + before + 1) / 4}, repeat: deep}}, relu]
stem:
  - one: {stage: {width: 4, deep: 2, before: 0}}
  - two: {stage: {width: 6, deep: 4, before: 2}}
  - three: {stage: {width: 6, deep: 1, before: 6}}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


@pytest.fixture(params=["torch", "flax"])
def backend(request):
    pytest.importorskip(request.param)
    return request.param


def test_a_number_of_layers_that_an_argument_says_is_that_argument(backend, spec):
    net = archspec.load(spec(STRIDED))
    check(net, tolerance=1e-8, backend=backend)
    source = archspec.emit(net, backend)["model.py"]
    assert source.count("class Stage") == 1
    assert source.count("for i in range(1, deep)") == 1
    assert "deep=4" in source


def test_one_that_none_says_is_an_argument_of_the_class(backend, spec):
    net = archspec.load(spec(STRIDED.replace("repeat: deep", "repeat: 2 * deep - 1")))
    check(net, tolerance=1e-8, backend=backend)
    source = archspec.emit(net, backend)["model.py"]
    assert source.count("class Stage") == 1
    assert source.count("for i in range(1, layers_count)") == 1
    assert "layers_count=7" in source


def test_of_one_length_layers_are_written_as_they_were(backend, spec):
    net = archspec.load(spec(STRIDED.replace("deep: 4", "deep: 2").replace("deep: 1", "deep: 2")))
    check(net, tolerance=1e-8, backend=backend)
    assert "range(1" not in archspec.emit(net, backend)["model.py"]


def test_layers_whose_numbers_follow_from_nothing_keep_classes_of_their_own(backend, spec):
    text = STRIDED.replace("width: width, stride: 2", "width: width + 2 * i, stride: 2")
    net = archspec.load(spec(text))
    check(net, tolerance=1e-8, backend=backend)
    assert archspec.emit(net, backend)["model.py"].count("class Stage") > 1
