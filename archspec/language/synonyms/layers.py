"""Layers and their arguments by the words of others."""

from __future__ import annotations

from collections.abc import Collection

from archspec.language.synonyms.meaning import Meaning, each

_ACT = "an activation is a step of its own: `- act`, or `- relu`"
_NORM = "a normalization is a step of its own: `- norm`"
_INFERRED = "take it out: the channels that arrive are known"

_ARGUMENTS: dict[str, tuple[str, ...]] = {
    **each(
        (
            "filters out_channels out_features units features channels planes n_filters num_filters num_features_out "
            "out_chs c2 ch_out num_output outputs output_channels dim hidden"
        ),
        ("out", "width"),
    ),
    **each("kernel_size ksize pool_size window filter_size k", ("kernel",)),
    **each("strides subsample step s", ("stride",)),
    **each("pad pads", ("padding",)),
    **each("dilation_rate dilations atrous_rate", ("dilation",)),
    **each("group num_groups feature_group_count cardinality g", ("groups",)),
    **each("use_bias bias_term has_bias", ("bias",)),
    **each("epsilon variance_epsilon", ("eps",)),
    **each("p prob drop_prob drop_rate dropout_rate probability survival", ("rate",)),
    **each("center elementwise_affine trainable learnable", ("affine", "learned")),
    **each("ceil_mode", ("ceil",)),
    **each("scale_factor", ("scale", "value")),
    **each("window_size", ("size", "kernel")),
    **each("output_size", ("size",)),
    **each("num_heads n_heads", ("heads",)),
    **each("shifts shift_size", ("shift",)),
    **each("negative_slope", ("slope",)),
    **each("count_include_pad", ("count_padding",)),
    **each("factor gamma init_value layer_scale", ("value",)),
    **each("rd_ratio se_ratio squeeze_factor ratio r", ("reduction",)),
    **each("expand expand_ratio expansion_factor e mult", ("expansion",)),
    **each("width_per_group base_channels", ("base_width",)),
    **each("drop_path_rate stochastic_depth stochastic_depth_prob", ("drop_path",)),
}
"""Arguments of layers and blocks by the words of others; the first that the operation or block takes is meant."""

_SAID_OTHERWISE: dict[str, str] = {
    **each("activation act_layer activation_layer act act_type nonlinearity", _ACT),
    **each("norm norm_layer normalization batch_norm bn use_bn", _NORM),
    **each(
        "in_channels in_features inplanes in_chs num_features c1 input_dim num_channels normalized_shape", _INFERRED
    ),
    **each("inplace data_format padding_mode device dtype", "take it out: a backend decides that"),
    **each(
        "kernel_initializer bias_initializer weight_init init",
        "what weights start from stands beside the operation, as in `{fc: {linear: {out: 10}}, init: {weight: 0}}`",
    ),
    **each(
        "kernel_regularizer weight_decay",
        "weight decay is the optimizer's: `train: {optimizer: {sgd: {weight_decay: 1e-4}}}`",
    ),
    **each("input_shape input_size", "the input is said once, as in `input: {channels: 3, size: 224}`"),
    **each("name id", "the name of a step stands before it: `- conv1: {conv: {...}}`"),
    **each(
        "repeat depth num_blocks num_layers layers blocks n",
        "blocks are repeated in a stage: `stages: [{name: layer1, block: basic, repeat: 2, width: 64}]`",
    ),
    **each(
        "downsample skip residual use_shortcut",
        "a block with `merge: add` takes its shortcut from `shortcut: projection`, of the spec or of a stage",
    ),
}
"""What is no argument here, and where it is said."""

_OPERATIONS: dict[str, str] = {
    **each("conv2d convolution convolution2d conv2dlayer convlayer", "conv"),
    **each("dense fc fullyconnected innerproduct denselayer", "linear"),
    **each("batchnorm2d batchnormalization batchnorm bn bn2d spatialbatchnorm", "batch_norm"),
    **each("layernorm layernormalization layernorm2d ln", "layer_norm"),
    **each("groupnorm groupnormalization gn", "group_norm"),
    **each("maxpool2d maxpooling2d maxpool maxpooling mp", "max_pool"),
    **each("avgpool2d averagepooling2d avgpool averagepool meanpool", "avg_pool"),
    **each(
        (
            "adaptiveavgpool2d globalaveragepooling2d globalaveragepooling gap globalavgpool globalpool "
            "adaptiveavgpool selectadaptivepool2d"
        ),
        "global_avg_pool",
    ),
    **each("adaptiveavgpooling2d adaptiveaveragepool2d", "adaptive_avg_pool"),
    **each("adaptivemaxpool2d adaptivemaxpool adaptivemaxpooling2d", "adaptive_max_pool"),
    **each("leakyrelu lrelu", "leaky_relu"),
    **each("parametricrelu", "prelu"),
    **each("channelshuffle shuffle shufflechannels", "channel_shuffle"),
    **each("zeropadding2d zeropad2d reflectionpad2d replicationpad2d constantpad2d padding", "pad"),
    **each("upsampling2d interpolate resize upsamplenearest2d upsamplingbilinear2d", "upsample"),
    **each("convtranspose2d conv2dtranspose deconv convtranspose transposedconv", "conv_transpose"),
    **each("instancenorm2d instancenorm", "instance_norm"),
    **each("rmsnorm rootmeansquarenorm", "rms_norm"),
    **each("blurpool blurpool2d", "blur_pool"),
    **each("scaleddotproductattention sdpa", "attention"),
    **each("stdconv2d weightstandardizedconv", "std_conv"),
    **each("windowpartition partition", "windows"),
    **each("windowreverse", "unwindow"),
    **each("subtract minus", "sub"),
    **each("divide", "div"),
    **each("narrow getitem", "slice"),
    **each("swish", "silu"),
    **each("hardswish hswish", "hard_swish"),
    **each("hardsigmoid hsigmoid", "hard_sigmoid"),
    **each("rectifier rectifiedlinear", "relu"),
    **each("activation actlayer nonlinearity", "act"),
    **each("normalization normlayer", "norm"),
    **each("concatenate cat route join", "concat"),
    **each("multiply product gate", "mul"),
    **each("sum plus eltwise merge", "add"),
    **each("droppath stochasticdepth", "drop_path"),
    **each("dropout2d spatialdropout2d drop", "dropout"),
    **each("layerscale affine rescaling", "scale"),
    **each("zeropadchannels channelpad", "pad_channels"),
    **each("se semodule squeezeexcitation selayer squeezeandexcitation", "squeeze_excite"),
    **each("convbnact convbnrelu convnormactivation conv2dnormactivation convbn", "conv_norm_act"),
    **each("basicblock residualblock resblock", "basic"),
    **each("bottleneckblock", "bottleneck"),
    **each("noop passthrough linearactivation", "identity"),
}
"""Operations, roles and blocks by the names of others, without case, `_` and a module before them."""

_LACKING = "there is no such operation or block"
_FORMS: dict[str, str] = {
    **each(
        "depthwiseconv depthwiseconv2d dwconv depthwise depthwiseconvolution",
        "groups as many as channels: `conv: {out: in_channels, kernel: 3, groups: in_channels}`",
    ),
    **each(
        "separableconv separableconv2d",
        "two steps: `conv: {out: in_channels, kernel: 3, groups: in_channels}`, then `conv: {out: 64, kernel: 1}`",
    ),
    **each("pointwiseconv conv1x1", "`conv: {out: 64, kernel: 1}`"),
    **each("conv3x3", "`conv: {out: 64, kernel: 3}`"),
    **each("logsoftmax", "take it out: the net gives logits, and the loss has the softmax"),
    **each("sequential modulelist", "a chain is a list under a name: `- features: [...]`"),
    **each("input inputlayer", "the input is said once, as in `input: {channels: 3, size: 224}`"),
    **each(
        "skip shortcut residual", "join by `{add: {}, from: [a, b]}`, or give a block `merge: add` and a `shortcut`"
    ),
    **each("selu", f"{_LACKING} yet; near it are `elu`, `leaky_relu` and `gelu`"),
    **each(
        "globalmaxpool globalmaxpooling2d",
        "`adaptive_max_pool: {size: 1}`, with `flatten` after it",
    ),
    **each(
        "lrn localresponsenorm",
        f"{_LACKING} yet; there are `batch_norm`, `layer_norm`, `group_norm`, `instance_norm` and `rms_norm`",
    ),
    **each(
        "permute",
        "between maps and grids of tokens `channels_last` and `channels_first`, of tokens in a row `transpose`",
    ),
    **each(
        "multiheadattention selfattention mha msa",
        "projections are steps: `linear` for queries, keys and values, then `{attention: {heads: 8}, from: [q, k, v]}`",
    ),
    **each(
        "split chunk",
        "a step for each part: `- left: {slice: {stop: 32}}` and `- right: {slice: {start: 32}, from: input}`",
    ),
    **each("reshape view squeeze", f"{_LACKING} yet; near it are `flatten`, `tokens` and `image`"),
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
