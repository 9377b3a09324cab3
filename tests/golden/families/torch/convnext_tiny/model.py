"""convnext_tiny: 28,589,128 parameters, 4,455,531,264 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Permute(nn.Module):
    """The axes of a tensor in another order."""

    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        """Reorder the axes."""
        return x.permute(self.axes)


class ChannelNorm(nn.LayerNorm):
    """Layer normalization over the channels of (N, C, H, W), at each pixel for itself."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class DropPath(nn.Module):
    """In training, drop samples with probability p; divide what is kept by 1 - p."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, ...) to the same shape."""
        if not self.training or self.p == 0.0:
            return x
        keep = torch.rand(x.shape[0], *(1 for _ in x.shape[1:]), device=x.device) >= self.p
        return x * keep.to(x.dtype) / (1.0 - self.p)


class ConvNeXtBlock(nn.Module):
    """A 7x7 depthwise convolution, then two linear layers on each pixel, whose result is scaled
    for each channel (Liu et al., 2022).
    """

    def __init__(self, in_channels: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.layer_scale = nn.Parameter(torch.full((in_channels, 1, 1), 1e-06))
        self.block = nn.Sequential(
            nn.Conv2d(in_channels, in_channels, kernel_size=7, padding=3, groups=in_channels),
            Permute(0, 2, 3, 1),
            nn.LayerNorm(in_channels, eps=1e-06),
            nn.Linear(in_channels, 4 * in_channels),
            nn.GELU(),
            nn.Linear(4 * in_channels, in_channels),
            Permute(0, 3, 1, 2),
        )
        self.stochastic_depth = DropPath(p=drop_path) if drop_path > 0 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, in_channels, H, W)."""
        out: Tensor = self.block(x)
        out = self.layer_scale * out
        out = self.stochastic_depth(out)
        out = out + x
        return out


class Downsample(nn.Sequential):
    """A normalization and a 2x2 convolution with stride 2."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__(
            ChannelNorm(in_channels, eps=1e-06),
            nn.Conv2d(in_channels, width, kernel_size=2, stride=2),
        )


class ConvNeXt(nn.Module):
    """convnext_tiny: 3x224x224 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Sequential(nn.Conv2d(3, 96, kernel_size=4, stride=4), ChannelNorm(96, eps=1e-06)),
            nn.Sequential(*(ConvNeXtBlock(96, drop_path=0.1 * i / 17) for i in range(3))),
            Downsample(96, 192),
            nn.Sequential(*(ConvNeXtBlock(192, drop_path=0.1 * (i + 3) / 17) for i in range(3))),
            Downsample(192, 384),
            nn.Sequential(*(ConvNeXtBlock(384, drop_path=0.1 * (i + 6) / 17) for i in range(9))),
            Downsample(384, 768),
            nn.Sequential(*(ConvNeXtBlock(768, drop_path=0.1 * (i + 15) / 17) for i in range(3))),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            ChannelNorm(768, eps=1e-06), nn.Flatten(1), nn.Linear(768, num_classes)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialize convolutions and linear layers; the rest starts as in PyTorch."""
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 3, 224, 224) to logits (N, num_classes)."""
        x = self.features(x)
        x = self.avgpool(x)
        x = self.classifier(x)
        return x
