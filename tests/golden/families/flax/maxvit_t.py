"""maxvit_t: 30,919,624 parameters, 5,381,025,792 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

Conv = partial(nnx.Conv, kernel_init=nnx.initializers.normal(0.02))
Linear = partial(nnx.Linear, kernel_init=nnx.initializers.normal(0.02))


def interleave(x: Array, groups: tuple[int, int]) -> Array:
    """Reorder rows and columns of grids (N, H, W, D): the first of each group come first."""
    n, height, width, depth = x.shape
    high, wide = groups
    x = x.reshape(n, high, height // high, wide, width // wide, depth)
    return x.swapaxes(1, 2).swapaxes(3, 4).reshape(n, height, width, depth)


def windows(x: Array, size: tuple[int, int]) -> Array:
    """Cut grids (N, H, W, D) into windows (N, H W / (h w), h w, D)."""
    n, height, width, depth = x.shape
    high, wide = size
    x = x.reshape(n, height // high, high, width // wide, wide, depth)
    return x.swapaxes(2, 3).reshape(n, -1, high * wide, depth)


def unwindow(x: Array, grid: Array, size: tuple[int, int]) -> Array:
    """Put windows (N, H W / (h w), h w, D) together to grids (N, H, W, D), as large as another."""
    n, height, width = grid.shape[:3]
    high, wide = size
    x = x.reshape(n, height // high, width // wide, high, wide, -1)
    return x.swapaxes(2, 3).reshape(n, height, width, -1)


def relative_position_index(height: int, width: int) -> Array:
    """The row of the table of distances that each pair of places in a window takes, flat."""
    rows, columns = jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij")
    down = rows.reshape(-1, 1) - rows.reshape(-1) + height - 1
    right = columns.reshape(-1, 1) - columns.reshape(-1) + width - 1
    return (down * (2 * width - 1) + right).reshape(-1).astype(jnp.int32)


def relative_position_bias(table: Array, index: Array, area: int) -> Array:
    """Look up the bias (heads, area, area) of each pair of places in a window."""
    return table[index].reshape(area, area, -1).transpose(2, 0, 1)


def biased_attention(
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
    return x.reshape(*query.shape[:-1], -1)


class BatchNorm(nnx.BatchNorm):
    """Batch normalization that gathers the unbiased variance of each batch, and counts batches."""

    def __init__(
        self,
        num_features: int,
        *,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        rngs: nnx.Rngs,
    ) -> None:
        super().__init__(num_features, momentum=momentum, epsilon=epsilon, rngs=rngs)
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
        return mean, var


class Sequential(nnx.List[Callable[[Array], Array]]):
    """Layers applied one after the other, under the names 0, 1, 2, ..."""

    def __init__(self, *layers: Callable[[Array], Array]) -> None:
        super().__init__(layers)

    def __call__(self, x: Array) -> Array:
        """Map x through all layers."""
        for layer in self:
            x = layer(x)
        return x


class NamedSequential(nnx.Module):
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
        return x


class ConvNormAct(Sequential):
    """A convolution, its normalization and its activation."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        super().__init__(
            Conv(
                in_channels,
                width,
                (kernel, kernel),
                strides=stride,
                padding=(kernel - 1) // 2,
                feature_group_count=groups,
                use_bias=False,
                rngs=rngs,
            ),
            BatchNorm(width, momentum=0.99, epsilon=0.001, rngs=rngs),
            partial(nnx.gelu, approximate=False),
        )


class SqueezeExcite(nnx.Module):
    """Channels weighted by a gate computed from their means (Hu et al., 2018)."""

    def __init__(self, in_channels: int, *, rngs: nnx.Rngs) -> None:
        width = in_channels // 16
        self.fc1 = Conv(in_channels, width, (1, 1), padding=0, rngs=rngs)
        self.fc2 = Conv(width, in_channels, (1, 1), padding=0, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H, W, in_channels)."""
        out: Array = x.mean(axis=(1, 2), keepdims=True)
        out = self.fc1(out)
        out = nnx.silu(out)
        out = self.fc2(out)
        out = nnx.sigmoid(out)
        out = x * out
        return out


class MBConv(nnx.Module):
    """An inverted residual whose norm comes first, and whose projection has means before it."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        drop_path: float,
        stride: int = 1,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.proj = (
            Sequential(
                partial(
                    nnx.avg_pool, window_shape=(3, 3), strides=(2, 2), padding=((1, 1), (1, 1))
                ),
                Conv(in_channels, width, (1, 1), padding=0, rngs=rngs),
            )
            if stride > 1
            else nnx.identity
        )
        self.layers = NamedSequential(
            [
                ("pre_norm", BatchNorm(in_channels, momentum=0.99, epsilon=0.001, rngs=rngs)),
                ("conv_a", ConvNormAct(in_channels, 4 * width, kernel=1, rngs=rngs)),
                (
                    "conv_b",
                    ConvNormAct(4 * width, 4 * width, stride=stride, groups=4 * width, rngs=rngs),
                ),
                ("squeeze_excitation", SqueezeExcite(4 * width, rngs=rngs)),
                ("conv_c", Conv(4 * width, width, (1, 1), padding=0, rngs=rngs)),
            ]
        )
        self.stochastic_depth = (
            nnx.Dropout(drop_path, broadcast_dims=(1, 2, 3), rngs=rngs)
            if drop_path > 0
            else nnx.identity
        )

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / stride, W / stride, width)."""
        out: Array = self.layers(x)
        out = self.stochastic_depth(out)
        # in this order XLA on CPUs fuses the sum into the branch
        out = self.proj(x) + out
        return out


class RelativeAttention(nnx.Module):
    """Attention with a learned bias for each distance."""

    def __init__(self, in_channels: int, heads: int, *, rngs: nnx.Rngs) -> None:
        self.relative_position_bias_table = nnx.Param(
            nnx.initializers.normal(0.02)(rngs.params(), (heads, 169), jnp.float32)
        )
        self.relative_position_index = nnx.BatchStat(
            relative_position_index(7, 7).reshape(7 * 7, -1).T
        )
        self.to_qkv = Linear(in_channels, 3 * in_channels, rngs=rngs)
        self.merge = Linear(in_channels, in_channels, rngs=rngs)
        self.scaled_value = math.sqrt(32 / in_channels)
        self.heads = heads

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H, W, in_channels)."""
        bias: Array = relative_position_bias(
            self.relative_position_bias_table[...].T, self.relative_position_index[...].T, 49
        )
        to_qkv: Array = self.to_qkv(x)
        query, key, value = jnp.split(to_qkv, 3, axis=-1)
        scaled = key * self.scaled_value
        x = biased_attention(query, scaled, value, self.heads, bias)
        x = self.merge(x)
        return x


class PartitionAttention(nnx.Module):
    """Attention in windows of 7x7 tokens; those of a window are `apart` places apart."""

    def __init__(
        self,
        in_channels: int,
        drop_path: float,
        apart: int = 1,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.attn_layer = Sequential(
            nnx.LayerNorm(in_channels, epsilon=1e-05, rngs=rngs),
            RelativeAttention(in_channels, in_channels // 32, rngs=rngs),
        )
        self.drop_path = (
            nnx.Dropout(drop_path, broadcast_dims=(1, 2, 3), rngs=rngs)
            if drop_path > 0
            else nnx.identity
        )
        self.mlp_layer = Sequential(
            nnx.LayerNorm(in_channels, epsilon=1e-05, rngs=rngs),
            Linear(in_channels, 4 * in_channels, rngs=rngs),
            partial(nnx.gelu, approximate=False),
            Linear(4 * in_channels, in_channels, rngs=rngs),
        )
        self.stochastic_dropout = (
            nnx.Dropout(drop_path, broadcast_dims=(1, 2, 3), rngs=rngs)
            if drop_path > 0
            else nnx.identity
        )
        self.apart = apart

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H, W, in_channels)."""
        interleaved = interleave(x, (7, 7)) if self.apart > 1 else x
        cut = windows(interleaved, (7, 7))
        x = self.attn_layer(cut)
        x = self.drop_path(x)
        # in this order XLA on CPUs fuses the sum into the branch
        attended = cut + x
        x = self.mlp_layer(attended)
        x = self.stochastic_dropout(x)
        x = attended + x
        x = unwindow(x, interleaved, (7, 7))
        if self.apart > 1:
            x = interleave(x, (self.apart, self.apart))
        return x


class MaxViTLayer(nnx.Module):
    """Convolutions, attention in windows, and attention of tokens that stand apart."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        apart: int,
        drop_path: float,
        stride: int = 1,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.layers = NamedSequential(
            [
                (
                    "MBconv",
                    MBConv(in_channels, width, drop_path=drop_path, stride=stride, rngs=rngs),
                ),
                ("window_attention", PartitionAttention(width, drop_path, rngs=rngs)),
                ("grid_attention", PartitionAttention(width, drop_path, apart=apart, rngs=rngs)),
            ]
        )

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / stride, W / stride, width)."""
        x = self.layers(x)
        return x


class MaxViTBlock(nnx.Module):
    """Layers of one width, the first of which halves the resolution."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        before: int,
        apart: int,
        drop_path: float,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.layers = Sequential(
            MaxViTLayer(
                in_channels,
                width,
                apart=apart,
                drop_path=drop_path * before / 10,
                stride=2,
                rngs=rngs,
            ),
            MaxViTLayer(
                width, width, apart=apart, drop_path=drop_path * (1 + before) / 10, rngs=rngs
            ),
        )

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / 2, W / 2, width)."""
        x = self.layers(x)
        return x


class MaxViTBlock2(nnx.Module):
    """Layers of one width, the first of which halves the resolution."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        before: int,
        apart: int,
        drop_path: float,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.layers = Sequential(
            MaxViTLayer(
                in_channels,
                width,
                apart=apart,
                drop_path=drop_path * before / 10,
                stride=2,
                rngs=rngs,
            ),
            *(
                MaxViTLayer(
                    width,
                    width,
                    apart=apart,
                    drop_path=drop_path * (i + 1 + before) / 10,
                    rngs=rngs,
                )
                for i in range(4)
            ),
        )

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / 2, W / 2, width)."""
        x = self.layers(x)
        return x


class MaxViT(nnx.Module):
    """maxvit_t: 224x224x3 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000, *, rngs: nnx.Rngs) -> None:
        self.stem = Sequential(
            ConvNormAct(3, 64, stride=2, rngs=rngs),
            Sequential(Conv(64, 64, (3, 3), padding=1, rngs=rngs)),
        )
        self.blocks = Sequential(
            MaxViTBlock(64, 64, before=0, apart=8, drop_path=0.2, rngs=rngs),
            MaxViTBlock(64, 128, before=2, apart=4, drop_path=0.2, rngs=rngs),
            MaxViTBlock2(128, 256, before=4, apart=2, drop_path=0.2, rngs=rngs),
            MaxViTBlock(256, 512, before=9, apart=1, drop_path=0.2, rngs=rngs),
        )
        self.classifier = Sequential(
            lambda x: x.mean(axis=(1, 2), keepdims=True),
            lambda x: x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1),
            nnx.LayerNorm(512, epsilon=1e-05, rngs=rngs),
            Linear(512, 512, rngs=rngs),
            nnx.tanh,
            Linear(512, num_classes, use_bias=False, rngs=rngs),
        )

    def __call__(self, x: Array) -> Array:
        """Map images (N, 224, 224, 3) to logits (N, num_classes)."""
        x = self.stem(x)
        x = self.blocks(x)
        x = self.classifier(x)
        return x
