"""Walks through a network: each operation once in order, or equal blocks once; what is counted by them is exact."""

import pytest

import archspec
from archspec.analysis.receptive_field import receptive_field
from archspec.ir import walk


def names(net, **how):
    """The operations that a walk meets, where a value is the number of operations on the longest way to it."""
    met = []

    def apply(name, call, op, given):
        met.append(name)
        return max(given, default=0) + 1

    return met, walk(net.root, [0], apply, **how)


@pytest.mark.parametrize("name", ["resnet50", "cifar_highway", "vgg19"])
def test_a_walk_meets_every_operation_in_order(name):
    net = archspec.load(name)
    met, _ = names(net)
    assert met == [row.name for row in net.modules()]


def test_equal_blocks_on_equal_values_are_walked_once():
    net = archspec.load("cifar_resnet:resnet110")

    def kind(name, call, op, given):
        met.append(name)
        return op.kind

    met = []
    walk(net.root, [""], kind, once=True)
    assert "layer1.0.conv1" in met
    assert "layer1.5.conv1" not in met


def test_the_gate_of_a_highway_sees_what_its_block_is_given():
    """Not what its branch gives: each input of a block has a field of its own."""
    gated, plain = (receptive_field(archspec.load(name)) for name in ("cifar_highway", "cifar_resnet"))
    assert gated == plain == (81, 81)
