"""Small modules that PyTorch has not, written into a file that needs them."""

HELPERS = {
    "ChannelNorm": '''class ChannelNorm(nn.Module):
    """Layer normalization over the channels of (N, C, H, W), at each pixel for itself."""

    def __init__(self, channels: int, eps: float = 1e-6, elementwise_affine: bool = True) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels)) if elementwise_affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if elementwise_affine else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, ...) to the same shape."""
        channels = (x.shape[1],)
        x = F.layer_norm(x.movedim(1, -1), channels, self.weight, self.bias, self.eps)
        return x.movedim(-1, 1)''',
    "ChannelScale": '''class ChannelScale(nn.Module):
    """A learned factor for each channel."""

    def __init__(self, channels: int, value: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), float(value)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, ...) to the same shape."""
        return x * self.weight.view(-1, *(1 for _ in x.shape[2:]))''',
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
