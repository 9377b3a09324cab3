"""What a file defines before its classes: layers that start as the spec says, and small things that Flax has not."""

from __future__ import annotations

from collections.abc import Collection

from archspec.emission.source import Invocation, call, lay_out
from archspec.language.spec import Init
from archspec_flax.emit import function_sources as functions
from archspec_flax.emit import layer_sources as layers
from archspec_flax.emit import weighted_sources as weighted
from archspec_flax.emit.initializers import drawn_weights

FUNCTION_NAMES = (
    *("tapped", "named_tapped"),
    *(
        "uniform",
        "dirac",
        "ceil_padding",
        "ceil_max_pool",
        "avg_pool",
        "ceil_avg_pool",
        "adaptive_pool",
        "channel_shuffle",
    ),
    *(
        "upsample",
        "blur_pool",
        "center_crop",
        "merge_patches",
        "interleave",
        "windows",
        "unwindow",
        "shift_mask",
        "relative_position_index",
        "relative_position_bias",
        "attention_bias",
        "apply_linear",
        "attention",
        "biased_attention",
        "cosine_attention",
        "relative_coordinates",
    ),
)


NAMES = (
    *FUNCTION_NAMES,
    *(
        "Conv",
        "StdConv",
        "ConvTranspose",
        "ChannelConv",
        "Linear",
        "MaskedBiasLinear",
        "GroupNorm",
        "LayerNorm",
        "RMSNorm",
        "BatchNorm",
    ),
    *("ChannelScale", "ChannelShift", "Multiplier", "Bias", "GlobalResponseNorm", "PReLU"),
    *("Sequential", "NamedSequential", "Repeated"),
)
"""All that a file may define, in the order in which it does."""


IMPORTED = ("Array", "Callable", "DTypeLike", "Iterable")


def definitions(init: Init, batch_norm_options: Collection[str], *, biased: bool, masked: bool) -> dict[str, str]:
    """The source of each helper by its name.

    Where no convolution is `biased`, that is said once; where no attention is `masked`, none can be.
    """
    found = {
        "ceil_padding": functions.CEIL_PADDING,
        "ceil_max_pool": functions.CEIL_MAX_POOL,
        "avg_pool": functions.AVG_POOL,
        "ceil_avg_pool": functions.CEIL_AVG_POOL,
        "uniform": functions.UNIFORM,
        "dirac": functions.DIRAC,
        "Conv": weighted.UNIFORM_CONV,
        "Linear": weighted.UNIFORM_LINEAR,
        "BatchNorm": _batch_norm(init, batch_norm_options),
        "ChannelScale": layers.CHANNEL_SCALE,
        "ChannelShift": layers.CHANNEL_SHIFT,
        "Multiplier": layers.MULTIPLIER,
        "Bias": layers.BIAS,
        "Sequential": layers.SEQUENTIAL,
        "NamedSequential": layers.NAMED_SEQUENTIAL,
        "Repeated": layers.REPEATED,
        "PReLU": layers.PRELU,
        "GlobalResponseNorm": layers.GLOBAL_RESPONSE_NORM,
        "adaptive_pool": functions.ADAPTIVE_POOL,
        "channel_shuffle": functions.CHANNEL_SHUFFLE,
        "upsample": functions.UPSAMPLE,
        "blur_pool": functions.BLUR_POOL,
        "center_crop": functions.CENTER_CROP,
        "interleave": functions.INTERLEAVE,
        "windows": functions.WINDOWS,
        "merge_patches": functions.MERGE_PATCHES,
        "unwindow": functions.UNWINDOW,
        "shift_mask": functions.SHIFT_MASK,
        "relative_position_index": functions.POSITION_INDEX,
        "relative_position_bias": functions.POSITION_BIAS,
        "attention_bias": functions.ATTENTION_BIAS,
        "apply_linear": functions.APPLY_LINEAR,
        "attention": functions.ATTENTION,
        "biased_attention": functions.BIASED_ATTENTION if masked else functions.UNMASKED_ATTENTION,
        "cosine_attention": functions.COSINE_ATTENTION,
        "relative_coordinates": functions.COORDINATES,
        "tapped": functions.TAPPED,
        "named_tapped": functions.NAMED_TAPPED,
        "StdConv": weighted.STD_CONV,
        "ConvTranspose": weighted.CONV_TRANSPOSE,
        "ChannelConv": weighted.CHANNEL_CONV,
    }
    for kind, how in (("Conv", init.conv), ("Linear", init.linear)):
        if (drawn := drawn_weights(how)) is not None:
            once = ["use_bias=False"] if kind == "Conv" and not biased else []
            found[kind] = _partial(kind, [*once, f"kernel_init={drawn}"])
    for kind in ("GroupNorm", "LayerNorm", "RMSNorm"):
        found[kind] = _partial(kind, _norm_starts(init)[: 1 if kind == "RMSNorm" else 2])
    drawn = drawn_weights(init.conv)
    transposed = "out_features // feature_group_count * math.prod(kernel_size)"
    found["ConvTranspose"] = weighted.CONV_TRANSPOSE.replace(
        "{start}", f"draw = {drawn or f'uniform({transposed})'}"
    ).replace("{bias}", _bias("draw" if drawn is None else None, "out_features"))
    start = f"draw = {drawn_weights(init.linear) or 'uniform(in_features)'}"
    found["MaskedBiasLinear"] = weighted.MASKED_BIAS_LINEAR.replace("{start}", start)
    found["StdConv"] = weighted.STD_CONV.replace("{start}", f"draw = {drawn or 'uniform(math.prod(shape[:3]))'}")
    return {name: found[name] for name in NAMES}


def differs(init: Init, name: str) -> bool:
    """Whether a layer that Flax has too is not Flax's own here."""
    return name not in ("GroupNorm", "LayerNorm", "RMSNorm") or bool(_norm_starts(init))


def _bias(draw: str | None, size: str) -> str:
    made = f"{draw}(rngs.params(), ({size},), jnp.float32)" if draw else f"jnp.zeros(({size},), jnp.float32)"
    return lay_out("self.bias = ", f"nnx.Param({made}) if use_bias else None", 8)


def _partial(kind: str, arguments: list[str]) -> str:
    return lay_out(f"{kind} = ", Invocation("partial", (f"nnx.{kind}", *arguments)), 0)


def _norm_starts(init: Init) -> list[str]:
    starts = {"scale_init": (init.norm.scale, 1.0), "bias_init": (init.norm.bias, 0.0)}
    return [f"{k}=nnx.initializers.constant({v!r})" for k, (v, default) in starts.items() if v != default]


def _batch_norm(init: Init, options: Collection[str]) -> str:
    """The class with the options that a file makes use of."""
    starts = dict(text.split("=", 1) for text in _norm_starts(init))
    kinds = {"momentum": "float = 0.9", "epsilon": "float = 1e-5", "use_bias": "bool = True",
             "use_scale": "bool = True", "scale_init": "nnx.Initializer = nnx.initializers.ones",
             "bias_init": "nnx.Initializer = nnx.initializers.zeros"}  # fmt: skip
    taken = {name: name for name in kinds if name in options}
    for name, start in starts.items():
        if name in taken:
            kinds[name], starts[name] = "nnx.Initializer | None = None", f"{name} or {start}"
    given = {"momentum": "0.9", **taken, **starts}
    signature = ["self", "num_features: int", "*", *(f"{name}: {kinds[name]}" for name in taken), "rngs: nnx.Rngs"]
    arguments = ["num_features", *(f"{name}={value}" for name, value in given.items()), "rngs=rngs"]
    return layers.BATCH_NORM.format(
        init=call("def __init__", signature, 4, " -> None:"), super=call("super().__init__", arguments, 8)
    )
