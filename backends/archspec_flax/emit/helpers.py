"""What a file defines before its classes: layers that start as the spec says, and small things that Flax has not."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from archspec.emission.source import Invocation, call, lay_out
from archspec.language.spec import Init

CEIL_PADDING = '''def ceil_padding(
    x: Array, window: tuple[int, int], strides: tuple[int, int], padding: tuple[int, int]
) -> list[tuple[int, int]]:
    """Padding with which windows reach the last pixels of (N, H, W, C), but never start behind."""
    ends = []
    for size, extent, stride, pad in zip(x.shape[1:3], window, strides, padding, strict=True):
        steps = min(-(-(size + 2 * pad - extent) // stride), (size + pad - 1) // stride)
        ends.append((pad, max(steps * stride + extent - size - pad, 0)))
    return ends'''

CEIL_MAX_POOL = '''def ceil_max_pool(
    x: Array,
    window_shape: tuple[int, int],
    strides: tuple[int, int],
    padding: tuple[int, int] = (0, 0),
) -> Array:
    """Max pooling of (N, H, W, C) whose result has its size rounded up."""
    y: Array = nnx.max_pool(
        x, window_shape, strides, ceil_padding(x, window_shape, strides, padding)
    )
    return y'''

AVG_POOL = '''def avg_pool(
    x: Array, window_shape: tuple[int, int], strides: tuple[int, int], padding: tuple[int, int]
) -> Array:
    """Average pooling of (N, H, W, C) over real pixels: padding does not count."""
    ends = [(pad, pad) for pad in padding]
    pixels = jnp.ones((1, *x.shape[1:3], 1), x.dtype)
    total: Array = nnx.pool(x, 0.0, jax.lax.add, window_shape, strides, ends)
    count: Array = nnx.pool(pixels, 0.0, jax.lax.add, window_shape, strides, ends)
    return total / count'''

CEIL_AVG_POOL = '''def ceil_avg_pool(
    x: Array,
    window_shape: tuple[int, int],
    strides: tuple[int, int],
    padding: tuple[int, int] = (0, 0),
    *,
    count_padding: bool = False,
) -> Array:
    """Average pooling of (N, H, W, C) whose result has its size rounded up.

    What lies beyond the padding never counts.
    """
    ends = ceil_padding(x, window_shape, strides, padding)
    counted = padding if count_padding else (0, 0)
    rest = [(low - c, max(high - c, 0)) for (low, high), c in zip(ends, counted, strict=True)]
    height, width = (size + 2 * c for size, c in zip(x.shape[1:3], counted, strict=True))
    pixels = jnp.ones((1, height, width, 1), x.dtype)
    total: Array = nnx.pool(x, 0.0, jax.lax.add, window_shape, strides, ends)
    count: Array = nnx.pool(pixels, 0.0, jax.lax.add, window_shape, strides, rest)
    return total / count'''

ADAPTIVE_POOL = '''def adaptive_pool(x: Array, size: tuple[int, int], reduce: Callable[..., Array]) -> Array:
    """Pool (N, H, W, C) to a size: cell i of n has pixels floor(i H / n) to ceil((i + 1) H / n)."""
    for axis, cells in zip((1, 2), size, strict=True):
        length = x.shape[axis]
        edges = [(i * length // cells, -(-(i + 1) * length // cells)) for i in range(cells)]
        parts = [jax.lax.slice_in_dim(x, low, high, axis=axis) for low, high in edges]
        x = jnp.stack([reduce(part, axis=axis) for part in parts], axis)
    return x'''

CHANNEL_SHUFFLE = '''def channel_shuffle(x: Array, groups: int) -> Array:
    """Reorder the channels (groups, C / groups) of (..., C) as (C / groups, groups)."""
    return x.reshape(*x.shape[:-1], groups, -1).swapaxes(-1, -2).reshape(x.shape)'''

UPSAMPLE = '''def upsample(
    x: Array, size: tuple[int, ...], mode: str = "nearest", *, align_corners: bool = False
) -> Array:
    """Resize (N, H, W, C): by the pixel before, or bilinear between edges or centers."""
    for axis, out in zip((1, 2), size, strict=True):
        n = x.shape[axis]
        if mode == "nearest":
            x = jnp.take(x, jnp.arange(out) * n // out, axis=axis)
            continue
        if align_corners:
            at = jnp.arange(out) * ((n - 1) / max(out - 1, 1))
        else:
            at = jnp.maximum((jnp.arange(out) + 0.5) * (n / out) - 0.5, 0)
        low = jnp.minimum(at.astype(int), n - 1)
        part = jnp.expand_dims((at - low).astype(x.dtype), tuple(range(1, 4 - axis)))
        high = jnp.take(x, jnp.minimum(low + 1, n - 1), axis=axis)
        x = jnp.take(x, low, axis=axis) * (1 - part) + high * part
    return x'''

BLUR_POOL = '''def blur_pool(x: Array, window: int = 3, stride: int = 2) -> Array:
    """Blur (N, H, W, C) by a binomial, borders mirrored, and take every stride-th pixel."""
    padding, channels = (stride + window - 2) // 2, x.shape[-1]
    taps = jnp.array([math.comb(window - 1, i) for i in range(window)], x.dtype)
    kernel = jnp.outer(taps, taps) / taps.sum() ** 2
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)), mode="reflect")
    return jax.lax.conv_general_dilated(
        x,
        jnp.broadcast_to(kernel[..., None, None], (window, window, 1, channels)),
        (stride, stride),
        "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=channels,
    )'''

POSITION_BIAS = '''def relative_position_bias(table: Array, index: Array, area: int) -> Array:
    """Look up the bias (heads, area, area) of each pair of places in a window."""
    return table[index].reshape(area, area, -1).transpose(2, 0, 1)'''

MERGE_PATCHES = '''def merge_patches(x: Array) -> Array:
    """Put the channels of each 2x2 tokens of (N, H, W, D) one after the other, column by column."""
    return jnp.concatenate([x[:, i::2, j::2] for j in range(2) for i in range(2)], axis=-1)'''

INTERLEAVE = '''def interleave(x: Array, groups: tuple[int, int]) -> Array:
    """Reorder rows and columns of grids (N, H, W, D): the first of each group come first."""
    n, height, width, depth = x.shape
    high, wide = groups
    x = x.reshape(n, high, height // high, wide, width // wide, depth)
    return x.swapaxes(1, 2).swapaxes(3, 4).reshape(n, height, width, depth)'''

WINDOWS = '''def windows(x: Array, size: tuple[int, int]) -> Array:
    """Cut grids (N, H, W, D) into windows (N, H W / (h w), h w, D)."""
    n, height, width, depth = x.shape
    high, wide = size
    x = x.reshape(n, height // high, high, width // wide, wide, depth)
    return x.swapaxes(2, 3).reshape(n, -1, high * wide, depth)'''

UNWINDOW = '''def unwindow(x: Array, grid: Array, size: tuple[int, int]) -> Array:
    """Put windows (N, H W / (h w), h w, D) together to grids (N, H, W, D), as large as another."""
    n, height, width = grid.shape[:3]
    high, wide = size
    x = x.reshape(n, height // high, width // wide, high, wide, -1)
    return x.swapaxes(2, 3).reshape(n, height, width, -1)'''

SHIFT_MASK = '''def shift_mask(grid: Array, size: tuple[int, int], shift: tuple[int, int]) -> Array:
    """What a shifted window may not attend to, (W, h w, h w): -100 where places were apart."""
    _, height, width, _ = grid.shape
    rows, columns = (
        (jnp.arange(n) >= n - w).astype(int) + (jnp.arange(n) >= n - s).astype(int) * (s > 0)
        for n, w, s in zip((height, width), size, shift, strict=True)
    )
    regions = windows((3 * rows[:, None] + columns)[None, :, :, None], size)[0, ..., 0]
    apart = regions[:, :, None] != regions[:, None, :]
    return jnp.where(apart, -100.0, 0.0).astype(grid.dtype)'''

POSITION_INDEX = '''def relative_position_index(height: int, width: int) -> Array:
    """The row of the table of distances that each pair of places in a window takes, flat."""
    rows, columns = jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij")
    down = rows.reshape(-1, 1) - rows.reshape(-1) + height - 1
    right = columns.reshape(-1, 1) - columns.reshape(-1) + width - 1
    return (down * (2 * width - 1) + right).reshape(-1).astype(jnp.int32)'''

APPLY_LINEAR = '''def apply_linear(x: Array, kernel: Array, bias: Array | None = None) -> Array:
    """Multiply by a kernel (in, out), in the precision of x."""
    x = x @ kernel.astype(x.dtype)
    return x if bias is None else x + bias.astype(x.dtype)'''

ATTENTION = '''def attention(query: Array, key: Array, value: Array, heads: int) -> Array:
    """Attend from (..., L, D) in several heads, as precisely as what comes in."""
    q, k, v = (x.reshape(*x.shape[:-1], heads, -1) for x in (query, key, value))
    scores = jnp.einsum("...qhd,...khd->...hqk", q, k) * q.shape[-1] ** -0.5
    x = jnp.einsum("...hqk,...khd->...qhd", nnx.softmax(scores), v)
    return x.reshape(*query.shape[:-1], -1)'''

BIASED_ATTENTION = '''def biased_attention(
    query: Array,
    key: Array,
    value: Array,
    heads: int,
    bias: Array,
    *,
    mask: Array | None = None,
) -> Array:
    """Attend from (..., L, D) in several heads, with a bias (heads, L, L) and a mask (W, L, L)."""
    q, k, v = (x.reshape(*x.shape[:-1], heads, -1) for x in (query, key, value))
    scores = jnp.einsum("...qhd,...khd->...hqk", q, k) * q.shape[-1] ** -0.5 + bias
    if mask is not None:
        scores = scores + mask[:, None]
    x = jnp.einsum("...hqk,...khd->...qhd", nnx.softmax(scores).astype(v.dtype), v)
    return x.reshape(*query.shape[:-1], -1)'''

STD_CONV = '''class StdConv(nnx.Module):
    """A convolution whose weights have mean 0 and variance 1 for each output channel."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: tuple[int, int],
        *,
        strides: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        kernel_dilation: int | tuple[int, int] = 1,
        feature_group_count: int = 1,
        use_bias: bool = True,
        bias_init: nnx.Initializer = nnx.initializers.zeros,
        epsilon: float = 1e-6,
        gain: bool = False,
        rngs: nnx.Rngs,
    ) -> None:
        self.strides = strides if isinstance(strides, tuple) else (strides, strides)
        padding = padding if isinstance(padding, tuple) else (padding, padding)
        self.padding = tuple((side, side) for side in padding)
        self.kernel_dilation = (
            kernel_dilation
            if isinstance(kernel_dilation, tuple)
            else (kernel_dilation, kernel_dilation)
        )
        self.groups = feature_group_count
        self.epsilon = epsilon
        shape = (*kernel_size, in_features // feature_group_count, out_features)
        {start}
        self.kernel = nnx.Param(draw(rngs.params(), shape, jnp.float32))
        self.bias = (
            nnx.Param(bias_init(rngs.params(), (out_features,), jnp.float32)) if use_bias else None
        )
        self.gain = nnx.Param(jnp.ones((1, 1, 1, out_features), jnp.float32)) if gain else None

    def __call__(self, x: Array) -> Array:
        """Map (N, H, W, in) to (N, H', W', out)."""
        kernel = self.kernel[...]
        mean, var = kernel.mean((0, 1, 2)), kernel.var((0, 1, 2))
        kernel = (kernel - mean) * jax.lax.rsqrt(var + self.epsilon)
        if self.gain is not None:
            kernel = kernel * self.gain[...] * math.prod(kernel.shape[:3]) ** -0.5
        x = jax.lax.conv_general_dilated(
            x,
            kernel.astype(x.dtype),
            self.strides,
            self.padding,
            rhs_dilation=self.kernel_dilation,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=self.groups,
        )
        return x if self.bias is None else x + self.bias[...].astype(x.dtype)'''

CONV_TRANSPOSE = '''class ConvTranspose(nnx.Module):
    """A transposed convolution, whose kernel is (height, width, out, in)."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: tuple[int, int],
        *,
        strides: tuple[int, int] = (1, 1),
        padding: tuple[int, int] = (0, 0),
        output_padding: tuple[int, int] = (0, 0),
        kernel_dilation: tuple[int, int] = (1, 1),
        feature_group_count: int = 1,
        use_bias: bool = True,
        rngs: nnx.Rngs,
    ) -> None:
        self.strides = strides
        self.kernel_dilation = kernel_dilation
        self.groups = feature_group_count
        reach = [
            d * (k - 1) - p for d, k, p in zip(kernel_dilation, kernel_size, padding, strict=True)
        ]
        self.padding = tuple((r, r + more) for r, more in zip(reach, output_padding, strict=True))
        shape = (*kernel_size, out_features // feature_group_count, in_features)
        {start}
        self.kernel = nnx.Param(draw(rngs.params(), shape, jnp.float32))
        {bias}

    def __call__(self, x: Array) -> Array:
        """Map (N, H, W, in) to (N, H', W', out)."""
        kernel = self.kernel[...].astype(x.dtype)[::-1, ::-1]
        height, width, out, _ = kernel.shape
        kernel = kernel.reshape(height, width, out, self.groups, -1)
        kernel = kernel.transpose(0, 1, 4, 3, 2).reshape(height, width, -1, self.groups * out)
        x = jax.lax.conv_general_dilated(
            x,
            kernel,
            (1, 1),
            self.padding,
            lhs_dilation=self.strides,
            rhs_dilation=self.kernel_dilation,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=self.groups,
        )
        return x if self.bias is None else x + self.bias[...].astype(x.dtype)'''

CHANNEL_CONV = '''class ChannelConv(nnx.Module):
    """A convolution along the channels of (N, C) or (N, 1, 1, C), zeros at the ends."""

    def __init__(self, kernel_size: int, *, rngs: nnx.Rngs) -> None:
        bound = kernel_size**-0.5
        self.kernel = nnx.Param(
            jax.random.uniform(rngs.params(), (1, 1, kernel_size), jnp.float32, -bound, bound)
        )

    def __call__(self, x: Array) -> Array:
        """Map (N, ..., C) to the same shape."""
        flat = x.reshape(x.shape[0], 1, -1)
        padding = self.kernel.shape[-1] // 2
        y = jax.lax.conv_general_dilated(
            flat,
            self.kernel[...].astype(x.dtype),
            (1,),
            [(padding, padding)],
            dimension_numbers=("NCH", "OIH", "NCH"),
        )
        return y.reshape(x.shape)'''

UNIFORM = '''def uniform(fan_in: int) -> nnx.Initializer:
    """Draw numbers within 1 / sqrt(fan_in) of zero."""
    bound = fan_in**-0.5

    def draw(key: Array, shape: tuple[int, ...], dtype: DTypeLike = float) -> Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return draw'''

UNIFORM_CONV = '''class Conv(nnx.Conv):
    """A convolution whose weights and bias start within 1 / sqrt(fan_in) of zero."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: tuple[int, int],
        *,
        strides: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        kernel_dilation: int | tuple[int, int] = 1,
        feature_group_count: int = 1,
        use_bias: bool = True,
        bias_init: nnx.Initializer | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        start = uniform(in_features // feature_group_count * math.prod(kernel_size))
        super().__init__(
            in_features,
            out_features,
            kernel_size,
            strides=strides,
            padding=padding,
            kernel_dilation=kernel_dilation,
            feature_group_count=feature_group_count,
            use_bias=use_bias,
            kernel_init=start,
            bias_init=bias_init or start,
            rngs=rngs,
        )'''

UNIFORM_LINEAR = '''class Linear(nnx.Linear):
    """A linear layer whose weights and bias start within 1 / sqrt(in_features) of zero."""

    def __init__(
        self, in_features: int, out_features: int, *, use_bias: bool = True, rngs: nnx.Rngs
    ) -> None:
        super().__init__(
            in_features,
            out_features,
            use_bias=use_bias,
            kernel_init=uniform(in_features),
            bias_init=uniform(in_features),
            rngs=rngs,
        )'''

BATCH_NORM = '''class BatchNorm(nnx.BatchNorm):
    """Batch normalization that gathers the unbiased variance of each batch, and counts batches."""

    {init}
        {super}
        self.num_batches_tracked = nnx.BatchStat(jnp.zeros((), jnp.int32))

    def __call__(self, x: Array) -> Array:  # type: ignore[override]
        """Map (..., C) to the same shape."""
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        if self.use_running_average:
            mean, var = self.mean[...], self.var[...]
        else:
            mean, var = self.statistics(x)
        factor = jax.lax.rsqrt(var + self.epsilon)
        if self.scale is not None:
            factor = factor * self.scale[...]
        shift = -mean * factor
        if self.bias is not None:
            shift = shift + self.bias[...]
        y = x * factor + shift
        return y if self.dtype is None else y.astype(self.dtype)

    def statistics(self, x: Array) -> tuple[Array, Array]:
        """Mean and variance of a batch, which the running ones move towards."""
        axes, count = tuple(range(x.ndim - 1)), x.size // x.shape[-1]
        mean = x.mean(axes)
        var = jnp.maximum(jnp.square(x).mean(axes) - jnp.square(mean), 0.0)
        unbiased = var * (count / max(count - 1, 1))
        for running, batch in ((self.mean, mean), (self.var, unbiased)):
            kept = self.momentum * running[...] + (1 - self.momentum) * batch
            running.set_value(kept.astype(running.dtype))
        self.num_batches_tracked.set_value(self.num_batches_tracked[...] + 1)
        return mean, var'''

CHANNEL_SCALE = '''class ChannelScale(nnx.Module):
    """A learned factor for each channel."""

    def __init__(self, num_features: int, value: float = 1.0) -> None:
        self.scale = nnx.Param(jnp.full((num_features,), value, jnp.float32))

    def __call__(self, x: Array) -> Array:
        """Map (..., C) to the same shape."""
        return x * self.scale[...]'''

PRELU = '''class PReLU(nnx.Module):
    """A rectifier with a learned slope for negative numbers: one for each channel, or one for all."""

    def __init__(self, num_slopes: int, value: float = 0.25) -> None:
        self.scale = nnx.Param(jnp.full((num_slopes,), value, jnp.float32))

    def __call__(self, x: Array) -> Array:
        """Map (..., C) to the same shape."""
        return jnp.where(x > 0, x, x * self.scale[...])'''

SEQUENTIAL = '''class Sequential(nnx.List[Callable[[Array], Array]]):
    """Layers applied one after the other, under the names 0, 1, 2, ..."""

    def __init__(self, *layers: Callable[[Array], Array]) -> None:
        super().__init__(layers)

    def __call__(self, x: Array) -> Array:
        """Map x through all layers."""
        for layer in self:
            x = layer(x)
        return x'''

NAMED_SEQUENTIAL = '''class NamedSequential(nnx.Module):
    """Layers that are applied one after the other and called by names."""

    def __init__(self, layers: Iterable[tuple[str, Callable[[Array], Array]]]) -> None:
        self.names: tuple[str, ...] = ()
        for name, layer in layers:
            setattr(self, name, layer)
            self.names += (name,)

    def __call__(self, x: Array) -> Array:
        """Map x through all layers."""
        for name in self.names:
            x = getattr(self, name)(x)
        return x'''

REPEATED = '''class Repeated(nnx.Module):
    """Equal blocks one after the other, compiled once: their parameters are stacked."""

    def __init__(
        self,
        make: Callable[[nnx.Rngs], Callable[[Array], Array]],
        count: int,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.repeats = count
        self.blocks = nnx.vmap(make)(rngs.split(count))

    def __call__(self, x: Array) -> Array:
        """Map x through all blocks."""
        scan: Callable[..., Array] = nnx.scan(
            lambda block, x: block(x), in_axes=(0, nnx.Carry), out_axes=nnx.Carry
        )
        return scan(self.blocks, x)'''

TAPPED = '''def tapped(layers: Sequential, x: Array, *places: int) -> tuple[Array, ...]:
    """Map x through layers; the results of those at these places come before the last one's."""
    results = []
    for place, layer in enumerate(layers):
        x = layer(x)
        if place in places:
            results.append(x)
    return (*results, x)'''

NAMED_TAPPED = '''def named_tapped(layers: NamedSequential, x: Array, *names: str) -> tuple[Array, ...]:
    """Map x through layers; the results of those with these names come before the last one's."""
    results = []
    for name in layers.names:
        x = getattr(layers, name)(x)
        if name in names:
            results.append(x)
    return (*results, x)'''

FUNCTION_NAMES = (
    *("tapped", "named_tapped"),
    *("uniform", "ceil_padding", "ceil_max_pool", "avg_pool", "ceil_avg_pool", "adaptive_pool", "channel_shuffle"),
    *(
        "upsample",
        "blur_pool",
        "merge_patches",
        "interleave",
        "windows",
        "unwindow",
        "shift_mask",
        "relative_position_index",
        "relative_position_bias",
        "apply_linear",
        "attention",
        "biased_attention",
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
        "GroupNorm",
        "LayerNorm",
        "RMSNorm",
        "BatchNorm",
    ),
    *("ChannelScale", "PReLU", "Sequential", "NamedSequential", "Repeated"),
)
"""All that a file may define, in the order in which it does."""

IMPORTED = ("Array", "Callable", "DTypeLike", "Iterable")

_DRAWN = {
    "he_normal_fan_out": 'nnx.initializers.variance_scaling(2.0, "fan_out", "normal")',
    "he_normal_fan_in": 'nnx.initializers.variance_scaling(2.0, "fan_in", "normal")',
    "xavier_uniform": "nnx.initializers.xavier_uniform()",
}


def definitions(init: Init, batch_norm_options: Collection[str], biased: bool) -> dict[str, str]:
    """The source of each helper by its name; where no convolution is `biased`, that is said once."""
    found = {
        "ceil_padding": CEIL_PADDING, "ceil_max_pool": CEIL_MAX_POOL, "avg_pool": AVG_POOL,
        "ceil_avg_pool": CEIL_AVG_POOL, "uniform": UNIFORM, "Conv": UNIFORM_CONV, "Linear": UNIFORM_LINEAR,
        "BatchNorm": _batch_norm(init, batch_norm_options), "ChannelScale": CHANNEL_SCALE, "Sequential": SEQUENTIAL,
        "NamedSequential": NAMED_SEQUENTIAL, "Repeated": REPEATED, "PReLU": PRELU, "adaptive_pool": ADAPTIVE_POOL,
        "channel_shuffle": CHANNEL_SHUFFLE, "upsample": UPSAMPLE, "blur_pool": BLUR_POOL, "interleave": INTERLEAVE,
        "windows": WINDOWS,
        "merge_patches": MERGE_PATCHES, "unwindow": UNWINDOW, "shift_mask": SHIFT_MASK,
        "relative_position_index": POSITION_INDEX, "relative_position_bias": POSITION_BIAS,
        "apply_linear": APPLY_LINEAR, "attention": ATTENTION, "biased_attention": BIASED_ATTENTION,
        "tapped": TAPPED, "named_tapped": NAMED_TAPPED,
        "StdConv": STD_CONV, "ConvTranspose": CONV_TRANSPOSE, "ChannelConv": CHANNEL_CONV,
    }  # fmt: skip
    for kind, how in (("Conv", init.conv), ("Linear", init.linear)):
        name, value = how.chosen
        if name != "uniform_fan_in":
            drawn = _drawn(name, value)
            once = ["use_bias=False"] if kind == "Conv" and not biased else []
            found[kind] = _partial(kind, [*once, f"kernel_init={drawn}"])
    for kind in ("GroupNorm", "LayerNorm", "RMSNorm"):
        found[kind] = _partial(kind, _norm_starts(init)[: 1 if kind == "RMSNorm" else 2])
    name, value = init.conv.chosen
    drawn = _drawn(name, value)
    transposed = "out_features // feature_group_count * math.prod(kernel_size)" if name == "uniform_fan_in" else ""
    found["ConvTranspose"] = CONV_TRANSPOSE.replace(
        "{start}", f"draw = {drawn or f'uniform({transposed})'}"
    ).replace("{bias}", _bias("draw" if drawn is None else None, "out_features"))
    found["StdConv"] = STD_CONV.replace("{start}", f"draw = {drawn or 'uniform(math.prod(shape[:3]))'}")
    return {name: found[name] for name in NAMES}


def differs(init: Init, name: str) -> bool:
    """Whether a layer that Flax has too is not Flax's own here."""
    return name not in ("GroupNorm", "LayerNorm", "RMSNorm") or bool(_norm_starts(init))


def _drawn(name: str, value: Any) -> str | None:
    """The initializer of weights; None for the uniform one, which is a function of the fan in."""
    if name == "uniform_fan_in":
        return None
    return f"nnx.initializers.normal({value.std!r})" if name == "normal" else _DRAWN[name]


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
             "use_scale": "bool = True", "scale_init": "nnx.Initializer = nnx.initializers.ones"}  # fmt: skip
    taken = {name: name for name in kinds if name in options}
    if (start := starts.get("scale_init")) is not None and "scale_init" in taken:
        kinds["scale_init"], starts["scale_init"] = "nnx.Initializer | None = None", f"scale_init or {start}"
    given = {"momentum": "0.9", **taken, **starts}
    signature = ["self", "num_features: int", "*", *(f"{name}: {kinds[name]}" for name in taken), "rngs: nnx.Rngs"]
    arguments = ["num_features", *(f"{name}={value}" for name, value in given.items()), "rngs=rngs"]
    return BATCH_NORM.format(
        init=call("def __init__", signature, 4, " -> None:"), super=call("super().__init__", arguments, 8)
    )
