"""Styles of models that are found in the wild: each is imported as few lines, or refused with its reason."""

import pytest

import archspec

torch = pytest.importorskip("torch")
import attention_nets  # noqa: E402
import importing_nets  # noqa: E402


def imported(name, size=8):
    torch.manual_seed(0)
    nets = attention_nets if hasattr(attention_nets, name) else importing_nets
    return archspec.import_model(getattr(nets, name)(), torch.zeros(2, 3, size, size), name="net")


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


def test_pixels_attend_to_each_other_in_heads_whose_channels_lie_together():
    spec = imported("Pixels").spec
    assert "slice: {start: 4, stop: 8, groups: 2}" in spec
    assert "attention: {heads: 2}, from: [query, key, value]" in spec
    assert "attention: {heads: 1}, from: [query, key, value]" in spec


def test_places_of_tokens_are_cut_off():
    spec = imported("Pixels").spec
    assert "slice: {start: 1, over: places}" in spec
    assert "conv: {out: 8, kernel: 3" in spec


def test_weights_that_are_standardized_and_numbers_for_all_channels():
    found = imported("NormFree")
    assert "std_conv: {out: 6, kernel: 3, bias: true, eps: 1e-05, gain: true, gamma: 1.5}" in found.spec
    assert "{scale: {learned: true, shared: true}}" in found.spec
    assert found.weights["affine.bias.bias"].shape == (1,)
    assert "upsample: {scale: 2, mode: bilinear}" in found.spec
    assert "max_pool: {kernel: 3, stride: 2, ceil: true}" in found.spec
    assert found.weights["norm.running_var"].shape == (6,)


def test_biases_of_an_attention_are_looked_up_and_values_are_mixed_by_a_softmax():
    spec = imported("Biased").spec
    assert "attention_bias: {size: 4, stride: stride}}, from: biases" in spec
    assert "from: [query, key, value, attention_bias]" in spec
    assert "- sigmoid: sigmoid" in spec


def test_windows_are_cut_and_put_together_by_views():
    spec = imported("Windowed").spec
    assert "windows: {size: 4}" in spec
    assert "unwindow: {size: 4}" in spec


def test_modules_that_hand_on_several_values_are_steps_with_paths_and_so_are_those_named_like_words_of_steps():
    spec = imported("Pairs").spec
    assert "repeat.2: {conv: {out: 8, kernel: 1}}" in spec
    assert "{pairs.1.other: {conv: {out: 8, kernel: 1}}" in spec
    assert "slice: {start: 7}" in spec
