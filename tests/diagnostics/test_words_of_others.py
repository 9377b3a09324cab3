"""Words of PyTorch, Keras, timm, torchvision and Ultralytics, and mistakes on the command line: the help says what to write."""

import pytest

import archspec
from mistaken import marked

HEAD = "archspec: 1\nname: net\ninput: {channels: 3, size: 8}\nclasses: 4\n"
TAIL = "head: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"
CONV = "{conv: {out: 8, kernel: 3}}"

STEPS = {
    "Interpolate: {scale: 2}": ("AS301", "Interpolate", "`upsample`"),
    "ChannelShuffle: {groups: 2}": ("AS301", "ChannelShuffle", "`channel_shuffle`"),
    "MultiheadAttention: {}": ("AS301", "MultiheadAttention", "{attention: {heads: 8}"),
    "RMSNorm: {}": ("AS301", "RMSNorm", "`rms_norm`"),
    "permute: {}": ("AS301", "permute", "`channels_last`"),
    "upsample: {scale_factor: 2}": ("AS303", "scale_factor", "`scale`"),
    "chunk: {}": ("AS301", "chunk", "slice: {start: 32}"),
    "ZeroPad2d: {top: 1}": ("AS301", "ZeroPad2d", "`pad`"),
    "leaky_relu: {negative_slope: 0.1}": ("AS303", "negative_slope", "`slope`"),
    "depthwise_conv: {kernel: 3}": ("AS301", "depthwise_conv", "groups: in_channels"),
    "nn.Conv2d: {out: 8, kernel: 3}": ("AS301", "nn.Conv2d", "`conv`"),
    "BatchNorm2d: {}": ("AS301", "BatchNorm2d", "`batch_norm`"),
    "ReLU: {}": ("AS301", "ReLU", "`relu`"),
    "Dense: {units: 4}": ("AS301", "Dense", "`linear`"),
    "MaxPooling2D: {pool_size: 2}": ("AS301", "MaxPooling2D", "`max_pool`"),
    "x: {SELayer: {reduction: 2}}": ("AS301", "SELayer", "`squeeze_excite`"),
    "LeakyReLU: {}": ("AS301", "LeakyReLU", "`leaky_relu`"),
    "conv: {filters: 8, kernel: 3}": ("AS303", "filters", "`out`"),
    "conv: {out: 8, kernel_size: 3}": ("AS303", "kernel_size", "`kernel`"),
    "conv: {out: 8, kernel: 3, strides: 2}": ("AS303", "strides", "`stride`"),
    "conv: {out: 8, kernel: 3, activation: relu}": ("AS303", "activation", "- act"),
    "conv: {in_channels: 3, out: 8, kernel: 3}": ("AS303", "in_channels", "take it out"),
    "conv: {out: 8, kernel: 3, padding: same}": ("AS202", "same", "padding: 1"),
    "conv: {out: 8, kernel: 3, use_bias: false}": ("AS303", "use_bias", "`bias`"),
    "max_pool: {pool_size: 2}": ("AS303", "pool_size", "`kernel`"),
    "dropout: {p: 0.5}": ("AS303", "p", "`rate`"),
    "dropout: {rate: 50%}": ("AS201", "50%", "0.5"),
    "conv_norm_act: {filters: 8}": ("AS303", "filters", "`width`"),
    "conv: {out: 8, kernel: 3}, times: 2": ("AS305", None, "one step"),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_in_words_of_others(mistakes, step):
    code, place, told = STEPS[step]
    (found,) = [d for d in mistakes(f"{HEAD}stem:\n  - {CONV}\n  - {{{step}}}\n{TAIL}") if d.code == code]
    assert place is None or marked(found) == place
    assert told in found.help


RECIPES = {
    "lr: cosine": "lr: [{cosine: {from: 0.1, to: 0}}]",
    "optimizer: {sgd: {lr: 0.1}}": "train.lr",
    "optimizer: adam": "adamw: {weight_decay: 0}",
    "learning_rate: 0.1": "`lr`",
    "scheduler: cosine": "lr: [{cosine: {from: 0.1, to: 0}}]",
    "weight_decay: 1e-4": "optimizer: {sgd: {weight_decay: 1e-4}}",
    "momentum: 0.9": "optimizer: {sgd: {momentum: 0.9",
    "batch-size: 32": "`batch_size`",
    "warmup_epochs: 5": "linear: {from: 0, to: 0.1}, until: epoch 5",
    "loss: CrossEntropyLoss": "`cross_entropy`",
    "criterion: bce": "`loss`",
    "transforms: [hflip]": "augment",
    "amp: true": "precision: bf16",
}


@pytest.mark.parametrize("words", RECIPES)
def test_a_recipe_in_words_of_others(mistakes, words):
    (found,) = mistakes(f"{HEAD}stem: [{CONV}]\n{TAIL}train: {{data: {{dataset: synthetic}}, steps: 5, {words}}}\n")
    assert RECIPES[words] in found.help


def test_padding_of_a_crop(mistakes):
    train = "train: {data: {dataset: synthetic, augment: [{random_crop: {padding: 4}}]}, steps: 5}\n"
    (found,) = mistakes(f"{HEAD}stem: [{CONV}]\n{TAIL}{train}")
    assert "pad_crop: 4" in found.help


@pytest.mark.parametrize(
    ("line", "told"),
    [("auxiliary: fc", "aux: aux_classifier"), ("epochs: 3", "train: {...}"), ("backbone: resnet", "`stem`"),
     ("act_layer: relu", "`act`"), ("_base_: resnet18", "`extends`")],
)  # fmt: skip
def test_a_key_of_others(mistakes, line, told):
    found = mistakes(f"{HEAD}stem: [{CONV}]\n{TAIL}{line}\n")
    assert told in found[0].help


@pytest.mark.parametrize("names", ["{cat: 0, dog: 1}", "[cat, dog]"])
def test_names_of_classes_cannot_be_said(mistakes, names):
    (found,) = mistakes(HEAD.replace("classes: 4", f"classes: {names}") + f"stem: [{CONV}]\n{TAIL}")
    assert "how many" in found.message
    assert "cannot be said" in found.help


def test_a_net_that_ends_in_a_map(mistakes):
    (found,) = mistakes(f"{HEAD}head: [{{conv: {{out: classes, kernel: 1}}}}]\n")
    assert found.code == "AS406"
    assert "name what the net gives: `outputs: {out: VALUE}`" in found.help


# --- what --set made ----------------------------------------------------------------------------------

SETS = {
    "n=three": "n=3",
    "n=-1": "at least 0",
    "classes=11": "classes: 10",
    "batch_size=32": "`train.batch_size`",
    "epochs=3": "`train.epochs`",
    "lr=0.1": "`train.lr`",
    "dataset=digits": "`train.data.dataset`",
    "depth=3": "`n`, `shortcut`",
    "shortcut=projektion": "`projection`",
    "shortcut=5": "name",
    "train.lr=cosine": "lr: [{cosine",
}


@pytest.mark.parametrize("pair", SETS)
def test_a_mistake_that_set_made_is_said_once_and_there(cli, pair):
    done = cli("summary", "cifar_resnet", "--set", pair)
    assert done.exit_code == 1
    assert done.stderr.count("error[") == 1
    assert f"--> --set {pair}" in done.stderr
    assert SETS[pair] in done.stderr


def test_of_several_sets_the_one_that_is_wrong_is_named():
    for given in ({"n": 2, "classes": 11}, {"classes": 11, "n": 2}, {"train.seed": 1, "classes": 11, "n": 1}):
        (found,) = archspec.check("cifar_resnet", set=given)
        assert str(found.span) == "--set classes=11"
        assert any("cifar_resnet.yaml" in str(r.span) for r in found.related)


def test_a_mistake_of_the_spec_stays_where_it_is(spec):
    path = spec(f"{HEAD}stem: [{{conv: {{out: 8, kernal: 3}}}}]\n{TAIL}")
    found = archspec.check(path, set={"classes": 5})
    assert {marked(d) for d in found} == {"kernal"}


def test_one_phase_needs_no_list(spec):
    net = archspec.load("cifar_resnet", set={"train.lr": {"cosine": {"from": 0.1, "to": 0}}})
    same = archspec.load("cifar_resnet", set={"train.lr": [{"cosine": {"from": 0.1, "to": 0}}]})
    assert net.recipe == same.recipe


# --- places --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "place"),
    [("block: basic, width: 8, stride: 0", "0"), ("block: basic, width: 0", "0"), ("block: {basic: {width: 0}}", "0"),
     ("block: conv_norm_act, width: 8, groups: 3", "3"), ("block: basic, width: 8 // 9", "8 // 9")],
)  # fmt: skip
def test_the_line_of_the_user_comes_before_that_of_the_library(mistakes, stage, place):
    found = mistakes(f"{HEAD}stem: [{CONV}]\nstages:\n  - {{name: s, {stage}}}\n{TAIL}")
    first = found[0]
    assert first.span.source.name.endswith("net.yaml")
    assert marked(first) == place
    assert any(r.span.source.library for r in first.related)


def test_a_name_without_its_suffix_and_a_zoo_file_that_is_not_here(cli, spec):
    spec(f"{HEAD}stem: [{CONV}]\n{TAIL}", "mynet.yaml")
    for command in ("train", "check", "build", "summary"):
        done = cli(command, "mynet", *(["--out", "out"] if command == "build" else []))
        assert "did you mean `mynet.yaml`?" in done.output, command
    assert "comes with archspec is `resnet50`" in cli("build", "specs/resnet50.yaml", "--out", "out").stderr
