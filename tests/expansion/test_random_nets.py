"""Nets that nobody thought of count as built and equal the reference: stages of library blocks, and blocks in blocks."""

import ast

import pytest
from hypothesis import HealthCheck, Phase, given, settings

import archspec
from comparing import check
from drawn_nets import OUTER, UNIT, nested_nets, random_nets
from loops import tries

torch = pytest.importorskip("torch")


@pytest.mark.longer
@settings(max_examples=tries(25, 300), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=random_nets())
def test_random_nets_count_as_built_and_equal_the_reference(text, spec):
    path = spec(text)
    mistakes = {d.code for d in archspec.check(path)}
    if mistakes:
        assert mistakes <= {"AS401", "AS402", "AS405"}, "only shapes can be wrong in these"
        return
    net = archspec.load(path)
    check(net, batch=2, tolerance=1e-7)
    model = archspec.build(net, "torch")
    assert sum(p.numel() for p in model.parameters()) == net.cost.params


@pytest.mark.longer
@settings(max_examples=tries(3, 12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture],
          phases=[Phase.generate])  # fmt: skip
@given(text=random_nets())
def test_random_nets_equal_the_reference(text, spec):
    path = spec(text)
    if archspec.check(path):
        return
    check(archspec.load(path), batch=2, tolerance=1e-7, backend="flax")


@pytest.mark.longer
@settings(max_examples=tries(30, 300), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=nested_nets())
def test_blocks_inside_blocks_are_emitted_as_they_are(text, spec):
    net = archspec.load(spec(text))
    check(net, batch=2, tolerance=1e-7)


def test_blocks_that_a_flag_sets_apart_are_one_class_that_asks_for_it(spec):
    text = "input: {size: 8}\nclasses: 3\nshortcut: identity\nblocks:" + UNIT.replace("{out}", "    out: width\n")
    text += OUTER.format(a="a", b="b", out="out: width", gated="gated", when="true", merge="add", after="[]")
    text += "stem: [{conv: {out: 4, kernel: 1}}]\nstages:\n  - {name: plain, block: outer, width: 4}\n"
    text += "  - {name: gated, block: outer, width: 4, gated: true}\nhead: [global_avg_pool, {fc: {linear: {out: 3}}}]\n"
    net = archspec.load(spec(text))
    check(net, tolerance=1e-7)
    source = archspec.emit(net, "torch")["model.py"]
    assert [n.name for n in ast.parse(source).body if isinstance(n, ast.ClassDef)] == ["Unit", "Outer", "Net"]
    assert "x = conv * x if self.gated else conv\n" in source
