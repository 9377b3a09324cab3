"""Every residual net has a plain twin: `shortcut: none`, whether its blocks merge a shortcut or add by themselves."""

import pytest

import archspec

LEFT = {
    "vit_b_16": 1, "deit_small_patch16_224": 1,  # of the positions to the patches
    "res2net50_26w_4s": 24, "skresnet50": 32, "resnest50d": 32,  # between the parts of a block
}  # fmt: skip
ADDING = ["vit_b_16", "swin_t", "swin_v2_t", "deit_small_patch16_224", "mixer_b16_224", "resnetv2_50", "wrn28_10",
          "nf_resnet50", "fixup_resnet50", "maxvit_t"]  # fmt: skip
MERGING = ["resnet50", "mobilenet_v2", "efficientnet_b0", "convnext_tiny", "regnet_y_400mf", "mnasnet0_5",
           "res2net50_26w_4s", "skresnet50", "resnest50d", "preact110", "stochastic_depth110", "fixup110"]  # fmt: skip


def additions(net):
    return sum(row.op == "add" for row in net.modules())


@pytest.mark.parametrize("name", ADDING + MERGING)
def test_without_shortcuts_nothing_is_added_to_what_a_block_took(name):
    net, plain = archspec.load(name), archspec.load(name, set={"shortcut": "none"})
    assert additions(net) > additions(plain) == LEFT.get(name, 0)
    assert plain.cost.params <= net.cost.params
    assert plain.fingerprint != net.fingerprint


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_the_plain_twin_of_a_transformer_is_emitted(backend):
    pytest.importorskip(backend)
    small = {"args.width": 8, "args.heads": 2, "args.depth": 2, "args.size": 32, "shortcut": "none"}
    source = archspec.emit(archspec.load("vit_b_16", set=small), backend)["model.py"]
    (encoder,) = [part for part in source.split("\n\n\n") if "class EncoderLayer" in part]
    assert " + " not in encoder.replace('"', "")


BLOCK = """archspec: 1
input: {channels: 4, size: 4}
classes: 2
blocks:
  own:
    args: {residual: true}
    body: [conv: {conv: {out: in_channels, kernel: 1}}, {add: {}, from: [conv, input], when: residual}]
stages: [{name: one, block: own}, {name: two, block: own, shortcut: none}, {name: three, block: {own: {residual: false}}}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


def test_a_stage_and_a_use_say_it_for_themselves(tmp_path):
    (tmp_path / "net.yaml").write_text(BLOCK)
    found = {row.name: row.op for row in archspec.load(tmp_path / "net.yaml").modules()}
    assert [name for name, op in found.items() if op == "add"] == [
        next(n for n in found if n.startswith("one.0.add"))
    ]
    (tmp_path / "net.yaml").write_text(
        BLOCK.replace("{own: {residual: false}}", "{own: {residual: true}}") + "shortcut: none\n"
    )
    found = {row.name: row.op for row in archspec.load(tmp_path / "net.yaml").modules()}
    assert [name.split(".")[0] for name, op in found.items() if op == "add"] == ["three"]
