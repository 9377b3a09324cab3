"""vit_b_16: 86,567,656 parameters, 16,848,500,736 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
from flax import nnx
from jax import Array

from layers import NamedSequential, Sequential, apply_linear, attention, uniform

Conv = partial(nnx.Conv, kernel_init=nnx.initializers.normal(0.03608439182435161))
Linear = partial(nnx.Linear, kernel_init=nnx.initializers.xavier_uniform())


class SelfAttention(nnx.Module):
    """Self-attention with packed projections, under the names of PyTorch's MultiheadAttention
    (Vaswani et al., 2017).
    """

    def __init__(self, in_channels: int, heads: int, *, rngs: nnx.Rngs) -> None:
        self.in_proj_weight = nnx.Param(
            nnx.initializers.xavier_uniform()(
                rngs.params(), (in_channels, 3 * in_channels), jnp.float32
            ),
        )
        self.in_proj_bias = nnx.Param(jnp.zeros((3 * in_channels,), jnp.float32))
        self.out_proj = Linear(
            in_channels, in_channels, kernel_init=uniform(in_channels), rngs=rngs
        )
        self.heads = heads

    def __call__(self, x: Array) -> Array:
        """Map x (N, L, in_channels) to (N, L, in_channels)."""
        qkv = apply_linear(x, self.in_proj_weight[...], self.in_proj_bias[...])
        query, key, value = jnp.split(qkv, 3, axis=-1)
        x = attention(query, key, value, self.heads)
        x = self.out_proj(x)
        return x


class EncoderLayer(nnx.Module):
    """Self-attention and two linear layers on each token, each after a normalization and added
    to what it took (Dosovitskiy et al., 2021).
    """

    def __init__(self, in_channels: int, heads: int, *, rngs: nnx.Rngs) -> None:
        hidden = 4 * in_channels
        self.ln_1 = nnx.LayerNorm(in_channels, rngs=rngs)
        self.self_attention = SelfAttention(in_channels, heads, rngs=rngs)
        self.ln_2 = nnx.LayerNorm(in_channels, rngs=rngs)
        self.mlp = Sequential(
            Linear(in_channels, hidden, bias_init=nnx.initializers.normal(1e-06), rngs=rngs),
            partial(nnx.gelu, approximate=False),
            nnx.Dropout(0.0, rngs=rngs),
            Linear(hidden, in_channels, bias_init=nnx.initializers.normal(1e-06), rngs=rngs),
            nnx.Dropout(0.0, rngs=rngs),
        )

    def __call__(self, x: Array) -> Array:
        """Map x (N, L, in_channels) to (N, L, in_channels)."""
        out: Array = self.ln_1(x)
        out = self.self_attention(out)
        # in this order XLA on CPUs fuses the sum into the branch
        attended = x + out
        out = self.ln_2(attended)
        out = self.mlp(out)
        out = attended + out
        return out


class Encoder(nnx.Module):
    """Transformer layers on tokens that know their place."""

    def __init__(self, in_channels: int, length: int, heads: int, *, rngs: nnx.Rngs) -> None:
        self.pos_embedding = nnx.Param(
            nnx.initializers.normal(0.02)(rngs.params(), (1, length, in_channels), jnp.float32)
        )
        self.layers = NamedSequential(
            (f"encoder_layer_{i}", EncoderLayer(in_channels, heads, rngs=rngs)) for i in range(12)
        )
        self.ln = nnx.LayerNorm(in_channels, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Map x (N, L, in_channels) to (N, L, in_channels)."""
        # in this order XLA on CPUs fuses the sum into the branch
        x = self.pos_embedding[...] + x
        x = self.layers(x)
        x = self.ln(x)
        return x


class VisionTransformer(nnx.Module):
    """vit_b_16: 224x224x3 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000, *, rngs: nnx.Rngs) -> None:
        self.class_token = nnx.Param(jnp.zeros((1, 1, 768), jnp.float32))
        self.conv_proj = Conv(3, 768, (16, 16), strides=16, padding=0, rngs=rngs)
        self.encoder = Encoder(768, 197, heads=12, rngs=rngs)
        self.heads = NamedSequential(
            [("head", Linear(768, num_classes, kernel_init=nnx.initializers.zeros, rngs=rngs))]
        )

    def __call__(self, x: Array) -> Array:
        """Map images (N, 224, 224, 3) to logits (N, num_classes)."""
        x = self.conv_proj(x)
        x = x.reshape(x.shape[0], -1, x.shape[-1])
        class_token = jnp.broadcast_to(
            self.class_token[...], (x.shape[0], *self.class_token[...].shape[-2:])
        )
        x = jnp.concatenate((class_token, x), axis=1)
        x = self.encoder(x)
        x = x[:, 0]
        x = self.heads(x)
        return x
