"""Styles of models that are found in the wild: each is imported as few lines, or refused with its reason."""

import pytest

import archspec

torch = pytest.importorskip("torch")
import importing_nets  # noqa: E402


def imported(name, size=8):
    torch.manual_seed(0)
    return archspec.import_model(getattr(importing_nets, name)(), torch.zeros(2, 3, size, size), name="net")


def test_layers_that_join_all_before_them_are_one_block_repeated():
    found = imported("Dense")
    assert '"layer{i}": grow' in found.spec
    assert found.spec.count("concat") == 1


def test_names_with_hyphens_are_steps_of_chains():
    assert '"block-{i}"' in imported("Hyphens").spec


def test_a_normalization_with_its_activation_is_two_steps():
    found = imported("Activated")
    assert "norm: batch_norm" in found.spec
    assert "norm.weight" in found.weights


def test_rates_that_grow_are_an_expression():
    assert "rate: 0.3 * i / 3" in imported("Deep").spec.replace('"', "")


def test_a_chain_of_one_use_needs_no_block():
    assert "blocks:" not in imported("Once").spec


def test_blocks_with_and_without_a_shortcut_are_one():
    found = imported("Sometimes")
    assert "shortcut: identity_or_none" in found.spec
    assert list(found.network.resolved.spec.blocks) == ["conv_norm", "inverted"]


def test_results_of_training_alone_are_outputs():
    found = imported("Auxiliary")
    assert "outputs: {out: fc, aux: {value: aux, train_only: true}}" in found.spec


def test_an_attention_that_is_written_out_is_one():
    found = imported("Attending")
    assert "attention: {heads: 2}, from: [query, key, value]" in found.spec
    assert "gamma: {scale: {learned: true, value: 0.5}}" in found.spec
    assert "`gamma` of the model is `gamma.weight` of the spec" in found.report
    assert found.weights["gamma.weight"].shape == (8,)


def test_channels_that_are_cut_and_shuffled_by_functions():
    found = imported("Shuffling")
    assert "channel_shuffle: {groups: 2}" in found.spec
    assert found.spec.count("slice") >= 2
