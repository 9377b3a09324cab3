"""Small modules that PyTorch has not, written into a file that needs them."""

HELPERS = {
    "tapped": '''def tapped(layers: nn.Module, x: Tensor, *names: str) -> tuple[Tensor, ...]:
    """Map x through layers; the results of those with these names come before the last one's."""
    results = []
    for name, layer in layers.named_children():
        x = layer(x)
        if name in names:
            results.append(x)
    return (*results, x)''',
    "relative_position_index": '''def relative_position_index(height: int, width: int) -> Tensor:
    """The row of the table of distances that each pair of places in a window takes, flat."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    down = rows.flatten()[:, None] - rows.flatten() + height - 1
    right = columns.flatten()[:, None] - columns.flatten() + width - 1
    return (down * (2 * width - 1) + right).flatten()''',
    "relative_coordinates": '''def relative_coordinates(height: int, width: int) -> Tensor:
    """The distances of places in a window (1, 2 h - 1, 2 w - 1, 2), on a logarithmic scale."""
    sides = (torch.arange(1.0 - n, n) / (n - 1) for n in (height, width))
    x = 8 * torch.stack(torch.meshgrid(*sides, indexing="ij"), dim=-1)[None]
    return torch.sign(x) * torch.log2(x.abs() + 1) / 3''',
    "relative_position_bias": '''def relative_position_bias(table: Tensor, index: Tensor, area: int) -> Tensor:
    """Look up the bias (heads, area, area) of each pair of places in a window."""
    return table[index].view(area, area, -1).permute(2, 0, 1)''',
    "attention_bias": '''def attention_bias(table: Tensor, size: tuple[int, int], stride: int = 1) -> Tensor:
    """Look up the bias (heads, L, h w) of each pair of pixels, by the rows and columns between them."""
    rows, columns = (torch.arange(n, device=table.device) for n in size)
    down, right = ((x[::stride, None] - x).abs() for x in (rows, columns))
    index = size[1] * down[:, None, :, None] + right[:, None]
    return table[:, index.flatten(2).flatten(0, 1)]''',
    "merge_patches": '''def merge_patches(x: Tensor) -> Tensor:
    """Put the channels of each 2x2 tokens of (N, H, W, D) one after the other, column by column."""
    return torch.cat([x[:, i::2, j::2] for j in range(2) for i in range(2)], dim=-1)''',
    "interleave": '''def interleave(x: Tensor, groups: tuple[int, int]) -> Tensor:
    """Reorder rows and columns of grids (N, H, W, D): the first of each group come first."""
    high, wide = groups
    x = torch.unflatten(torch.unflatten(x, 2, (wide, -1)), 1, (high, -1))
    return x.transpose(1, 2).transpose(3, 4).flatten(3, 4).flatten(1, 2)''',
    "windows": '''def windows(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut grids (N, H, W, D) into windows (N, H W / (h w), h w, D)."""
    high, wide = size
    x = torch.unflatten(torch.unflatten(x, 2, (-1, wide)), 1, (-1, high))
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)''',
    "unwindow": '''def unwindow(x: Tensor, grid: Tensor, size: tuple[int, int]) -> Tensor:
    """Put windows (N, H W / (h w), h w, D) together to grids (N, H, W, D), as large as another."""
    high, wide = size
    x = torch.unflatten(torch.unflatten(x, 2, (high, wide)), 1, (grid.shape[1] // high, -1))
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)''',
    "shift_mask": '''def shift_mask(grid: Tensor, size: tuple[int, int], shift: tuple[int, int]) -> Tensor:
    """What a shifted window may not attend to, (W, h w, h w): -100 where places were apart."""
    _, height, width, _ = grid.shape
    rows, columns = (
        (torch.arange(n, device=grid.device) >= n - w).long()
        + (torch.arange(n, device=grid.device) >= n - s).long() * (s > 0)
        for n, w, s in zip((height, width), size, shift, strict=True)
    )
    regions = windows((3 * rows[:, None] + columns)[None, :, :, None], size)[0, ..., 0]
    apart = regions[:, :, None] != regions[:, None, :]
    return torch.zeros_like(apart, dtype=grid.dtype).masked_fill(apart, -100.0)''',
    "attention": '''def attention(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Attend from (..., L, D) in several heads."""
    q, k, v = (torch.unflatten(x, -1, (heads, -1)).transpose(-3, -2) for x in (query, key, value))
    return F.scaled_dot_product_attention(q, k, v).transpose(-3, -2).flatten(-2)''',
    "biased_attention": '''def biased_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    heads: int,
    bias: Tensor,
    *,
    mask: Tensor | None = None,
) -> Tensor:
    """Attend from (..., L, D) in several heads, with a bias (heads, L, L) and a mask (W, L, L)."""
    q, k, v = (torch.unflatten(x, -1, (heads, -1)).transpose(-3, -2) for x in (query, key, value))
    if mask is not None:
        bias = bias + mask[:, None]
    x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    return x.transpose(-3, -2).flatten(-2)''',
    "center_crop": '''def center_crop(x: Tensor, like: Tensor) -> Tensor:
    """Take the middle of (N, C, H, W), as large as another."""
    top, left = ((n - m) // 2 for n, m in zip(x.shape[2:], like.shape[2:], strict=True))
    return x[:, :, top : top + like.shape[2], left : left + like.shape[3]]''',
    "GlobalResponseNorm": '''class GlobalResponseNorm(nn.Module):
    """A learned part of x, larger where a channel is strong among all, is added to x."""

    def __init__(self, channels: int, eps: float = 1e-6, channels_last: bool = False) -> None:
        super().__init__()
        self.eps = eps
        self.channels_last = channels_last
        self.weight = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W), or with channels last (N, ..., C), to the same shape."""
        channels = x.ndim - 1 if self.channels_last else 1
        pixels = [axis for axis in range(1, x.ndim) if axis != channels]
        length = torch.linalg.vector_norm(x, dim=pixels, keepdim=True)
        share = length / (length.mean(dim=channels, keepdim=True) + self.eps)
        shape = [-1 if axis == channels else 1 for axis in range(x.ndim)]
        return x + x * share * self.weight.view(shape) + self.bias.view(shape)''',
    "cosine_attention": '''def cosine_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    heads: int,
    scale: Tensor,
    *,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Attend from (..., L, D) in several heads by directions, with a scale (heads, 1, 1)."""
    q, k, v = (torch.unflatten(x, -1, (heads, -1)).transpose(-3, -2) for x in (query, key, value))
    q, k = F.normalize(q, dim=-1) * scale, F.normalize(k, dim=-1)
    if mask is not None:
        bias = mask[:, None] if bias is None else bias + mask[:, None]
    x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=1.0)
    return x.transpose(-3, -2).flatten(-2)''',
    "MaskedBiasLinear": '''class MaskedBiasLinear(nn.Linear):
    """A linear layer that adds no bias to some of its outputs."""

    def __init__(self, in_features: int, out_features: int, unbiased: tuple[int, int]) -> None:
        super().__init__(in_features, out_features)
        self.start, self.stop = unbiased

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        zeros = self.bias.new_zeros(self.stop - self.start)
        bias = torch.cat([self.bias[: self.start], zeros, self.bias[self.stop :]])
        return F.linear(x, self.weight, bias)''',
    "Permute": '''class Permute(nn.Module):
    """The axes of a tensor in another order."""

    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        """Reorder the axes."""
        return x.permute(self.axes)''',
    "StdConv2d": '''class StdConv2d(nn.Conv2d):
    """A convolution whose weights have mean 0 and variance 1 for each output channel."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        eps: float = 1e-6,
        gain: bool = False,
        gain_init: float = 1.0,
        gamma: float = 1.0,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias
        )
        self.eps = eps
        self.gamma = gamma
        start = torch.full((out_channels, 1, 1, 1), float(gain_init))
        self.gain = nn.Parameter(start) if gain else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H', W')."""
        var, mean = torch.var_mean(self.weight, (1, 2, 3), correction=0, keepdim=True)
        weight = (self.weight - mean) * torch.rsqrt(var + self.eps) * self.gamma
        if self.gain is not None:
            weight = weight * self.gain * self.weight[0].numel() ** -0.5
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)''',
    "ChannelConv": '''class ChannelConv(nn.Conv1d):
    """A convolution along the channels of (N, C) or (N, C, 1, 1), zeros at the ends."""

    def __init__(self, kernel_size: int) -> None:
        super().__init__(1, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, ...) to the same shape."""
        return super().forward(x.flatten(1).unsqueeze(1)).view_as(x)''',
    "ChannelRMSNorm": '''class ChannelRMSNorm(nn.RMSNorm):
    """Division by the root mean square over the channels of (N, C, H, W), at each pixel for itself."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)''',
    "BlurPool": '''class BlurPool(nn.Module):
    """A binomial blur before every stride-th pixel is taken, borders mirrored."""

    def __init__(self, kernel_size: int = 3, stride: int = 2) -> None:
        super().__init__()
        self.stride = stride
        self.padding = (stride + kernel_size - 2) // 2
        self.taps = [math.comb(kernel_size - 1, i) / 2 ** (kernel_size - 1) for i in range(kernel_size)]

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H', W')."""
        taps = torch.tensor(self.taps, dtype=x.dtype, device=x.device)
        kernel = torch.outer(taps, taps).expand(x.shape[1], 1, -1, -1)
        x = F.pad(x, (self.padding,) * 4, mode="reflect")
        return F.conv2d(x, kernel, stride=self.stride, groups=x.shape[1])''',
    "TokenScale": '''class TokenScale(nn.Module):
    """A learned factor for each channel of tokens."""

    def __init__(self, channels: int, value: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), float(value)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, ..., C) to the same shape."""
        return x * self.weight''',
    "TokenShift": '''class TokenShift(nn.Module):
    """A learned summand for each channel of tokens."""

    def __init__(self, channels: int, value: float = 0.0) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.full((channels,), float(value)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, ..., C) to the same shape."""
        return x + self.bias''',
    "Multiplier": '''class Multiplier(nn.Module):
    """A learned factor."""

    def __init__(self, value: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1,), float(value)))

    def forward(self, x: Tensor) -> Tensor:
        """Map a tensor to one of the same shape."""
        return x * self.weight''',
    "Bias": '''class Bias(nn.Module):
    """A learned summand."""

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.full((1,), float(value)))

    def forward(self, x: Tensor) -> Tensor:
        """Map a tensor to one of the same shape."""
        return x + self.bias''',
    "ChannelNorm": '''class ChannelNorm(nn.LayerNorm):
    """Layer normalization over the channels of (N, C, H, W), at each pixel for itself."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)''',
    "ChannelScale": '''class ChannelScale(nn.Module):
    """A learned factor for each channel."""

    def __init__(self, channels: int, value: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), float(value)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, ...) to the same shape."""
        return x * self.weight.view(-1, *(1 for _ in x.shape[2:]))''',
    "ChannelShift": '''class ChannelShift(nn.Module):
    """A learned summand for each channel."""

    def __init__(self, channels: int, value: float = 0.0) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.full((channels,), float(value)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, ...) to the same shape."""
        return x + self.bias.view(-1, *(1 for _ in x.shape[2:]))''',
    "DropPath": '''class DropPath(nn.Module):
    """In training, drop samples, or the batch, with probability p; divide what is kept by 1 - p."""

    def __init__(self, p: float, per_batch: bool = False) -> None:
        super().__init__()
        self.p = p
        self.per_batch = per_batch

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, ...) to the same shape."""
        if not self.training or self.p == 0.0:
            return x
        draws = 1 if self.per_batch else x.shape[0]
        keep = torch.rand(draws, *(1 for _ in x.shape[1:]), device=x.device) >= self.p
        return x * keep.to(x.dtype) / (1.0 - self.p)''',
    "HardSigmoid": '''class HardSigmoid(nn.Module):
    """relu6(x + 3) / 6."""

    def forward(self, x: Tensor) -> Tensor:
        """Map a tensor to one of the same shape."""
        return F.relu6(x + 3) / 6''',
    "Lambda": '''class Lambda(nn.Module):
    """A function as a module of a sequence."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function."""
        return self.function(x)''',
    "Scale": '''class Scale(nn.Module):
    """A constant factor."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        """Map a tensor to one of the same shape."""
        return x * self.value''',
}
