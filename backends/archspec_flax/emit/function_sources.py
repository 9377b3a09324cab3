"""Source of the functions that emitted files define, since Flax and JAX have none like them."""

from __future__ import annotations

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


ATTENTION_BIAS = '''def attention_bias(table: Array, size: tuple[int, int], stride: int = 1) -> Array:
    """Look up the bias (heads, L, h w) of each pair of pixels, by the rows and columns between them."""
    rows, columns = (jnp.arange(n) for n in size)
    down, right = (jnp.abs(x[::stride, None] - x) for x in (rows, columns))
    index = size[1] * down[:, None, :, None] + right[:, None]
    return table[:, index.reshape(-1, size[0] * size[1])]'''


CENTER_CROP = '''def center_crop(x: Array, like: Array) -> Array:
    """Take the middle of (N, H, W, C), as large as another."""
    top, left = ((n - m) // 2 for n, m in zip(x.shape[1:3], like.shape[1:3], strict=True))
    return x[:, top : top + like.shape[1], left : left + like.shape[2]]'''


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


COORDINATES = '''def relative_coordinates(height: int, width: int) -> Array:
    """The distances of places in a window (1, 2 h - 1, 2 w - 1, 2), on a logarithmic scale."""
    sides = (jnp.arange(1 - n, n, dtype=jnp.float32) / (n - 1) for n in (height, width))
    x = 8 * jnp.stack(jnp.meshgrid(*sides, indexing="ij"), axis=-1)[None]
    return jnp.sign(x) * jnp.log2(jnp.abs(x) + 1) / 3'''


COSINE_ATTENTION = '''def cosine_attention(
    query: Array,
    key: Array,
    value: Array,
    heads: int,
    scale: Array,
    *,
    bias: Array | None = None,
    mask: Array | None = None,
) -> Array:
    """Attend from (..., L, D) in several heads by directions, with a scale (1, 1, heads)."""
    q, k, v = (x.reshape(*x.shape[:-1], heads, -1) for x in (query, key, value))
    q, k = (x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), 1e-12) for x in (q, k))
    scores = jnp.einsum("...qhd,...khd->...hqk", q, k) * scale.transpose(2, 0, 1)
    if bias is not None:
        scores = scores + bias
    if mask is not None:
        scores = scores + mask[:, None]
    x = jnp.einsum("...hqk,...khd->...qhd", nnx.softmax(scores).astype(v.dtype), v)
    return x.reshape(*query.shape[:-1], -1)'''


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


UNMASKED_ATTENTION = '''def biased_attention(query: Array, key: Array, value: Array, heads: int, bias: Array) -> Array:
    """Attend from (..., L, D) in several heads, with a bias (heads, L, L)."""
    q, k, v = (x.reshape(*x.shape[:-1], heads, -1) for x in (query, key, value))
    scores = jnp.einsum("...qhd,...khd->...hqk", q, k) * q.shape[-1] ** -0.5 + bias
    x = jnp.einsum("...hqk,...khd->...qhd", nnx.softmax(scores).astype(v.dtype), v)
    return x.reshape(*query.shape[:-1], -1)'''


UNIFORM = '''def uniform(fan_in: int) -> nnx.Initializer:
    """Draw numbers within 1 / sqrt(fan_in) of zero."""
    bound = fan_in**-0.5

    def draw(key: Array, shape: tuple[int, ...], dtype: DTypeLike = float) -> Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return draw'''


DIRAC = '''def dirac(others: nnx.Initializer) -> nnx.Initializer:
    """Let the first filters pass a channel each, and draw the others."""

    def draw(key: Array, shape: tuple[int, ...], dtype: DTypeLike = float) -> Array:
        kernel = others(key, shape, dtype)
        height, width, *channels = shape
        passed = jnp.arange(min(channels))
        kernel = kernel.at[..., : len(passed)].set(0)
        return kernel.at[height // 2, width // 2, passed, passed].set(1)

    return draw'''


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
