"""The words of other systems: what users of PyTorch, Keras, timm, torchvision and Ultralytics write, and what it is called here.

Letters alone mislead: `filters` looks like `first`, and `activation` like `dilation`. Whoever finds an unknown word asks here
before looking for one that is spelt like it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a word stands for: the help to give, and the word of the language where one stands in its place."""

    help: str
    word: str | None = None


def _each(words: str, meaning: _T) -> dict[str, _T]:
    return dict.fromkeys(words.split(), meaning)


_ACT = "an activation is a step of its own: `- act`, or `- relu`"
_NORM = "a normalization is a step of its own: `- norm`"
_INFERRED = "take it out: the channels that arrive are known"

_ARGUMENTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            "filters",
            "out_channels",
            "out_features",
            "units",
            "features",
            "channels",
            "planes",
            "n_filters",
            "num_filters",
            "num_features_out",
            "out_chs",
            "c2",
            "ch_out",
            "num_output",
            "outputs",
            "output_channels",
            "dim",
            "hidden",
        ),
        ("out", "width"),
    ),
    **_each("kernel_size ksize pool_size window filter_size k", ("kernel",)),
    **_each("strides subsample step s", ("stride",)),
    **_each("pad pads", ("padding",)),
    **_each("dilation_rate dilations atrous_rate", ("dilation",)),
    **_each("group num_groups feature_group_count cardinality g", ("groups",)),
    **_each("use_bias bias_term has_bias", ("bias",)),
    **_each("epsilon variance_epsilon", ("eps",)),
    **_each("p prob drop_prob drop_rate dropout_rate probability survival", ("rate",)),
    **_each("center elementwise_affine trainable learnable", ("affine", "learned")),
    **_each("ceil_mode", ("ceil",)),
    **_each("scale_factor", ("scale", "value")),
    **_each("window_size", ("size", "kernel")),
    **_each("output_size", ("size",)),
    **_each("num_heads n_heads", ("heads",)),
    **_each("shifts shift_size", ("shift",)),
    **_each("negative_slope", ("slope",)),
    **_each("count_include_pad", ("count_padding",)),
    **_each("factor gamma init_value layer_scale", ("value",)),
    **_each("rd_ratio se_ratio squeeze_factor ratio r", ("reduction",)),
    **_each("expand expand_ratio expansion_factor e mult", ("expansion",)),
    **_each("width_per_group base_channels", ("base_width",)),
    **_each("drop_path_rate stochastic_depth stochastic_depth_prob", ("drop_path",)),
}
"""Arguments of layers and blocks by the words of others; the first that the operation or block takes is meant."""

_SAID_OTHERWISE: dict[str, str] = {
    **_each("activation act_layer activation_layer act act_type nonlinearity", _ACT),
    **_each("norm norm_layer normalization batch_norm bn use_bn", _NORM),
    **_each(
        "in_channels in_features inplanes in_chs num_features c1 input_dim num_channels normalized_shape", _INFERRED
    ),
    **_each("inplace data_format padding_mode device dtype", "take it out: a backend decides that"),
    **_each(
        "kernel_initializer bias_initializer weight_init init",
        "what weights start from stands beside the operation, as in `{fc: {linear: {out: 10}}, init: {weight: 0}}`",
    ),
    **_each(
        "kernel_regularizer weight_decay",
        "weight decay is the optimizer's: `train: {optimizer: {sgd: {weight_decay: 1e-4}}}`",
    ),
    **_each("input_shape input_size", "the input is said once, as in `input: {channels: 3, size: 224}`"),
    **_each("name id", "the name of a step stands before it: `- conv1: {conv: {...}}`"),
    **_each(
        "repeat depth num_blocks num_layers layers blocks n",
        "blocks are repeated in a stage: `stages: [{name: layer1, block: basic, repeat: 2, width: 64}]`",
    ),
    **_each(
        "downsample skip residual use_shortcut",
        "a block with `merge: add` takes its shortcut from `shortcut: projection`, of the spec or of a stage",
    ),
}
"""What is no argument here, and where it is said."""

_OPERATIONS: dict[str, str] = {
    **_each("conv2d convolution convolution2d conv2dlayer convlayer", "conv"),
    **_each("dense fc fullyconnected innerproduct denselayer", "linear"),
    **_each("batchnorm2d batchnormalization batchnorm bn bn2d spatialbatchnorm", "batch_norm"),
    **_each("layernorm layernormalization layernorm2d ln", "layer_norm"),
    **_each("groupnorm groupnormalization gn", "group_norm"),
    **_each("maxpool2d maxpooling2d maxpool maxpooling mp", "max_pool"),
    **_each("avgpool2d averagepooling2d avgpool averagepool meanpool", "avg_pool"),
    **_each(
        (
            "adaptiveavgpool2d globalaveragepooling2d globalaveragepooling gap globalavgpool globalpool "
            "adaptiveavgpool selectadaptivepool2d"
        ),
        "global_avg_pool",
    ),
    **_each("adaptiveavgpooling2d adaptiveaveragepool2d", "adaptive_avg_pool"),
    **_each("adaptivemaxpool2d adaptivemaxpool adaptivemaxpooling2d", "adaptive_max_pool"),
    **_each("leakyrelu lrelu", "leaky_relu"),
    **_each("parametricrelu", "prelu"),
    **_each("channelshuffle shuffle shufflechannels", "channel_shuffle"),
    **_each("zeropadding2d zeropad2d reflectionpad2d replicationpad2d constantpad2d padding", "pad"),
    **_each("upsampling2d interpolate resize upsamplenearest2d upsamplingbilinear2d", "upsample"),
    **_each("convtranspose2d conv2dtranspose deconv convtranspose transposedconv", "conv_transpose"),
    **_each("instancenorm2d instancenorm", "instance_norm"),
    **_each("rmsnorm rootmeansquarenorm", "rms_norm"),
    **_each("blurpool blurpool2d", "blur_pool"),
    **_each("scaleddotproductattention sdpa", "attention"),
    **_each("stdconv2d weightstandardizedconv", "std_conv"),
    **_each("windowpartition partition", "windows"),
    **_each("windowreverse", "unwindow"),
    **_each("subtract minus", "sub"),
    **_each("divide", "div"),
    **_each("narrow getitem", "slice"),
    **_each("swish", "silu"),
    **_each("hardswish hswish", "hard_swish"),
    **_each("hardsigmoid hsigmoid", "hard_sigmoid"),
    **_each("rectifier rectifiedlinear", "relu"),
    **_each("activation actlayer nonlinearity", "act"),
    **_each("normalization normlayer", "norm"),
    **_each("concatenate cat route join", "concat"),
    **_each("multiply product gate", "mul"),
    **_each("sum plus eltwise merge", "add"),
    **_each("droppath stochasticdepth", "drop_path"),
    **_each("dropout2d spatialdropout2d drop", "dropout"),
    **_each("layerscale affine rescaling", "scale"),
    **_each("zeropadchannels channelpad", "pad_channels"),
    **_each("se semodule squeezeexcitation selayer squeezeandexcitation", "squeeze_excite"),
    **_each("convbnact convbnrelu convnormactivation conv2dnormactivation convbn", "conv_norm_act"),
    **_each("basicblock residualblock resblock", "basic"),
    **_each("bottleneckblock", "bottleneck"),
    **_each("noop passthrough linearactivation", "identity"),
}
"""Operations, roles and blocks by the names of others, without case, `_` and a module before them."""

_LACKING = "there is no such operation or block"
_FORMS: dict[str, str] = {
    **_each(
        "depthwiseconv depthwiseconv2d dwconv depthwise depthwiseconvolution",
        "groups as many as channels: `conv: {out: in_channels, kernel: 3, groups: in_channels}`",
    ),
    **_each(
        "separableconv separableconv2d",
        "two steps: `conv: {out: in_channels, kernel: 3, groups: in_channels}`, then `conv: {out: 64, kernel: 1}`",
    ),
    **_each("pointwiseconv conv1x1", "`conv: {out: 64, kernel: 1}`"),
    **_each("conv3x3", "`conv: {out: 64, kernel: 3}`"),
    **_each("logsoftmax", "take it out: the net gives logits, and the loss has the softmax"),
    **_each("sequential modulelist", "a chain is a list under a name: `- features: [...]`"),
    **_each("input inputlayer", "the input is said once, as in `input: {channels: 3, size: 224}`"),
    **_each(
        "skip shortcut residual", "join by `{add: {}, from: [a, b]}`, or give a block `merge: add` and a `shortcut`"
    ),
    **_each("selu", f"{_LACKING} yet; near it are `elu`, `leaky_relu` and `gelu`"),
    **_each(
        "globalmaxpool globalmaxpooling2d",
        "`adaptive_max_pool: {size: 1}`, with `flatten` after it",
    ),
    **_each(
        "lrn localresponsenorm",
        f"{_LACKING} yet; there are `batch_norm`, `layer_norm`, `group_norm`, `instance_norm` and `rms_norm`",
    ),
    **_each(
        "permute",
        "between maps and grids of tokens `channels_last` and `channels_first`, of tokens in a row `transpose`",
    ),
    **_each(
        "multiheadattention selfattention mha msa",
        "projections are steps: `linear` for queries, keys and values, then `{attention: {heads: 8}, from: [q, k, v]}`",
    ),
    **_each(
        "split chunk",
        "a step for each part: `- left: {slice: {stop: 32}}` and `- right: {slice: {start: 32}, from: input}`",
    ),
    **_each("reshape view squeeze", f"{_LACKING} yet; near it are `flatten`, `tokens` and `image`"),
}
"""What is said in another form, or cannot be said yet."""


def operation(word: str) -> Meaning | None:
    """What a name of an operation, role or block means elsewhere."""
    bare = word.rpartition(".")[2].replace("_", "").replace("-", "").lower()
    if bare in _FORMS:
        return Meaning(_FORMS[bare])
    named = _OPERATIONS.get(bare)
    return None if named is None else Meaning(f"did you mean `{named}`?", named)


def argument(word: str, takes: Collection[str]) -> Meaning | None:
    """What an argument means elsewhere, of an operation or block that takes these."""
    lower = word.lower().replace("-", "_")
    meant = next((name for name in _ARGUMENTS.get(lower, ()) if name in takes), None)
    if meant is not None:
        return Meaning(f"did you mean `{meant}`?", meant)
    return Meaning(_SAID_OTHERWISE[lower]) if lower in _SAID_OTHERWISE else None


PHASES = "`lr` is a number or a list of phases: `lr: [{cosine: {from: 0.1, to: 0}}]`"


def _merged(*parts: Mapping[str, tuple[tuple[str, str], ...]]) -> dict[str, tuple[tuple[str, str], ...]]:
    merged: dict[str, tuple[tuple[str, str], ...]] = {}
    for part in parts:
        for word, helps in part.items():
            merged[word] = merged.get(word, ()) + helps
    return merged


_KEYS = _merged(
    _each(
        "learning_rate lr0 base_lr initial_lr max_lr",
        (
            ("optimizer", "did you mean `lr`?"),
            ("momentum", "the rate is `train.lr`, beside the optimizer"),
            ("beta1", "the rate is `train.lr`, beside the optimizer"),
        ),
    ),
    {
        "lr": (
            ("momentum", "the rate is `train.lr`, beside the optimizer"),
            ("beta1", "the rate is `train.lr`, beside the optimizer"),
            ("stem", "write it in the recipe: `train: {lr: 0.1}`"),
        )
    },
    _each("scheduler lr_scheduler lr_schedule schedule lrf cos_lr", (("optimizer", PHASES),)),
    _each(
        "warmup warmup_epochs warmup_steps warmup_lr",
        (
            (
                "optimizer",
                "a warm-up is the first phase: `lr: [{linear: {from: 0, to: 0.1}, until: epoch 5}, {value: 0.1}]`",
            ),
        ),
    ),
    _each("min_lr eta_min gamma milestones step_size lr_decay decay_epochs", (("optimizer", PHASES),)),
    _each(
        "weight_decay wd l2",
        (
            ("optimizer", "it is the optimizer's: `optimizer: {sgd: {weight_decay: 1e-4}}`"),
            ("momentum", "did you mean `weight_decay`?"),
            ("beta1", "did you mean `weight_decay`?"),
        ),
    ),
    _each(
        "momentum nesterov",
        (("optimizer", "it is the optimizer's: `optimizer: {sgd: {momentum: 0.9, nesterov: true}}`"),),
    ),
    {
        "betas": (
            ("beta1", "write `beta1: 0.9, beta2: 0.999`"),
            ("optimizer", "they are the optimizer's: `optimizer: {adamw: {beta1: 0.9, beta2: 0.999}}`"),
        )
    },
    {"epsilon": (("beta1", "did you mean `eps`?"),)},
    _each("opt optim", (("optimizer", "did you mean `optimizer`?"),)),
    _each(
        "batch bs batchsize batch-size batches train_batch_size", (("batch_size", "did you mean `batch_size`?"),)
    ),
    _each(
        "max_epochs num_epochs n_epochs max_steps iterations num_steps max_iter",
        (("epochs", "the length is `epochs` or `steps`"),),
    ),
    _each(
        (
            "epochs steps batch_size optimizer loss seed precision ema recipe label_smoothing learning_rate "
            "scheduler augment augmentation dataset data weight_decay momentum"
        ),
        (("stem", "it belongs into the recipe: `train: {...}`"),),
    ),
    _each(
        "dataset normalize augment mix mixup cutmix eval_resize holdout size img_size imgsz",
        (
            (
                "optimizer",
                "it belongs into `data`, as in `data: {dataset: cifar10, augment: [hflip], mix: {mixup: 0.2}}`",
            ),
        ),
    ),
    _each(
        "transforms transform augmentation augmentations aug",
        (("augment", "did you mean `augment`?"), ("optimizer", "write `data: {augment: [{pad_crop: 4}, hflip]}`")),
    ),
    _each("criterion loss_fn loss_function objective", (("loss", "did you mean `loss`?"),)),
    _each(
        "amp mixed_precision fp16 bf16 half use_amp",
        (("precision", "write `precision: bf16` or `precision: fp16`"),),
    ),
    _each("smoothing", (("label_smoothing", "did you mean `label_smoothing`?"),)),
    _each(
        "clip_grad grad_clip gradient_clipping max_grad_norm clip_grad_norm",
        (("clip_norm", "did you mean `clip_norm`?"),),
    ),
    _each(
        "accumulate_grad_batches gradient_accumulation_steps grad_accum",
        (("accumulate", "did you mean `accumulate`?"),),
    ),
    _each("model_ema ema_decay", (("ema", "did you mean `ema`?"),)),
    _each("num_classes nc n_classes num_labels", (("classes", "did you mean `classes`?"),)),
    {"names": (("classes", "`classes` is how many there are; their names are those of the data's folders"),)},
    _each(
        "backbone layers model features neck blocks_args architecture net",
        (("stem", "a net is its `stem`, its `stages` and its `head`"),),
    ),
    _each("output aux auxiliary", (("stem", "name them: `outputs: {out: fc, aux: aux_classifier}`"),)),
    _each(
        "inputs input_shape image_size img_size imgsz input_size",
        (("stem", "write `input: {channels: 3, size: 224}`"),),
    ),
    _each("height width resolution shape", (("channels", "write `size: 224`, or `size: [height, width]`"),)),
    _each(
        "ch in_chans in_channels",
        (("stem", "write `input: {channels: 3, size: 224}`"), ("size", "did you mean `channels`?")),
    ),
    _each("activation act_layer nonlinearity", (("act", "did you mean `act`?"),)),
    _each("normalization norm_layer", (("act", "did you mean `norm`?"),)),
    _each("base inherit inherits parent _base_", (("extends", "did you mean `extends`?"),)),
    _each("variables params parameters vars", (("args", "did you mean `args`?"),)),
    _each(
        "depth_multiple width_multiple scales",
        (("args", "write `args: {width: 64}` and use `width` in expressions"),),
    ),
    _each("steps layers modules", (("join", "did you mean `body`?"),)),
)
"""Keys by the words of others. Each help is given where its first word is a key that could stand there."""

_INSIDE: dict[tuple[str, str], str] = {
    ("random_crop", "padding"): "write `pad_crop: 4` in place of `random_crop`",
    ("random_crop", "size"): "take it out: it crops the training size, which is `train.data.size` or the input's",
    ("hflip", "p"): "take it out: it mirrors with probability one half",
    (
        "random_resized_crop",
        "size",
    ): "take it out: it crops the training size, which is `train.data.size` or the input's",
}
"""Keys of something that has none, or none like it."""


def key(word: str, around: str, known: Collection[str]) -> Meaning | None:
    """What a key means elsewhere, in something called `around` whose keys are `known`."""
    inside = _INSIDE.get((around, word))
    if inside is not None:
        return Meaning(inside)
    for beside, help_ in _KEYS.get(word.lower(), ()):
        if beside in known and word not in known:
            named = help_.removeprefix("did you mean `").removesuffix("`?")
            return Meaning(help_, named if named in known else None)
    return None


_VALUES: dict[str, dict[str, str]] = {
    "lr": _each("cosine linear step poly exponential plateau onecycle constant multistep", PHASES),
    "optimizer": {
        **_each("adam Adam", "write `{adamw: {weight_decay: 0}}`, which is Adam"),
        "rmsprop": "there are `sgd`, `adamw` and `lamb`",
        "lion": "there are `sgd`, `adamw` and `lamb`",
        **_each("SGD momentum", "write `{sgd: {momentum: 0.9}}`"),
    },
    "loss": {
        **_each(
            "CrossEntropyLoss ce softmax categorical_crossentropy sparse_categorical_crossentropy nll",
            "did you mean `cross_entropy`?",
        ),
        **_each("BCEWithLogitsLoss binary_crossentropy sigmoid", "did you mean `bce`?"),
    },
    "precision": {
        **_each("mixed 16 half float16 amp", "write `fp16`, or `bf16`"),
        **_each("bfloat16", "did you mean `bf16`?"),
        **_each("float32 32 full single", "did you mean `fp32`?"),
    },
}


def value(key: str, word: str) -> str | None:
    """What a word means elsewhere as the value of a key: the form to write."""
    return _VALUES.get(key, {}).get(word)
