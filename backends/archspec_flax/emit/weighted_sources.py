"""Source of convolutions and linear layers that emitted files define, since Flax has none like them."""

from __future__ import annotations

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
        gain_init: float = 1.0,
        gamma: float = 1.0,
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
        self.gamma = gamma
        shape = (*kernel_size, in_features // feature_group_count, out_features)
        {start}
        self.kernel = nnx.Param(draw(rngs.params(), shape, jnp.float32))
        self.bias = (
            nnx.Param(bias_init(rngs.params(), (out_features,), jnp.float32)) if use_bias else None
        )
        self.gain = (
            nnx.Param(jnp.full((1, 1, 1, out_features), gain_init, jnp.float32)) if gain else None
        )

    def __call__(self, x: Array) -> Array:
        """Map (N, H, W, in) to (N, H', W', out)."""
        kernel = self.kernel[...]
        mean, var = kernel.mean((0, 1, 2)), kernel.var((0, 1, 2))
        kernel = (kernel - mean) * jax.lax.rsqrt(var + self.epsilon) * self.gamma
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


MASKED_BIAS_LINEAR = '''class MaskedBiasLinear(nnx.Module):
    """A linear layer that adds no bias to some of its outputs."""

    def __init__(
        self, in_features: int, out_features: int, unbiased: tuple[int, int], *, rngs: nnx.Rngs
    ) -> None:
        {start}
        shape = (in_features, out_features)
        self.kernel = nnx.Param(draw(rngs.params(), shape, jnp.float32))
        self.bias = nnx.Param(jnp.zeros((out_features,), jnp.float32))
        self.start, self.stop = unbiased

    def __call__(self, x: Array) -> Array:
        """Map (..., in) to (..., out)."""
        bias = self.bias[...].at[self.start : self.stop].set(0)
        return x @ self.kernel[...].astype(x.dtype) + bias.astype(x.dtype)'''
