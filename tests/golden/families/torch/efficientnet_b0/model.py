"""efficientnet_b0: 5,288,548 parameters, 385,814,752 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


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


class ConvNormAct(nn.Sequential):
    """A convolution, its normalization and its activation."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__(
            nn.Conv2d(
                in_channels,
                width,
                kernel_size=kernel,
                stride=stride,
                padding=(kernel - 1) // 2,
                groups=groups,
                bias=False,
            ),
            nn.BatchNorm2d(width),
            nn.SiLU(),
        )


class SqueezeExcite(nn.Module):
    """Channels weighted by a gate computed from their means (Hu et al., 2018)."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(in_channels, width, kernel_size=1)
        self.act = nn.SiLU(inplace=True)
        self.fc2 = nn.Conv2d(width, in_channels, kernel_size=1)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, in_channels, H, W)."""
        out: Tensor = x.mean(dim=(2, 3), keepdim=True)
        out = self.fc1(out)
        out = self.act(out)
        out = self.fc2(out)
        out = self.gate(out)
        out = x * out
        return out


class MBConv(nn.Module):
    """A 1x1 convolution that widens, a depthwise one, weighted channels and a 1x1 one that
    narrows (Tan and Le, 2019). Where the result has the input's shape, the two are added, and
    a sample's branch is dropped with probability drop_path.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int = 1,
        kernel: int = 3,
        expand: int = 1,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        expanded = in_channels * expand
        self.has_shortcut = stride == 1 and in_channels == width
        self.block = nn.Sequential(
            *([ConvNormAct(in_channels, expanded, kernel=1)] if expanded != in_channels else []),
            ConvNormAct(expanded, expanded, kernel=kernel, stride=stride, groups=expanded),
            SqueezeExcite(expanded, max(1, in_channels // 4)),
            nn.Sequential(
                nn.Conv2d(expanded, width, kernel_size=1, bias=False), nn.BatchNorm2d(width)
            ),
        )
        self.stochastic_depth = (
            DropPath(p=drop_path) if drop_path > 0 and self.has_shortcut else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, width, H / stride, W / stride)."""
        out: Tensor = self.block(x)
        out = self.stochastic_depth(out)
        if self.has_shortcut:
            out = out + x
        return out


class EfficientNet(nn.Module):
    """efficientnet_b0: 3x224x224 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.features = nn.Sequential(
            ConvNormAct(3, 32, stride=2),
            nn.Sequential(MBConv(32, 16)),
            nn.Sequential(
                MBConv(16, 24, stride=2, expand=6, drop_path=0.2 * 1 / 16),
                MBConv(24, 24, expand=6, drop_path=0.2 * 2 / 16),
            ),
            nn.Sequential(
                MBConv(24, 40, stride=2, kernel=5, expand=6, drop_path=0.2 * 3 / 16),
                MBConv(40, 40, kernel=5, expand=6, drop_path=0.2 * 4 / 16),
            ),
            nn.Sequential(
                MBConv(40, 80, stride=2, expand=6, drop_path=0.2 * 5 / 16),
                MBConv(80, 80, expand=6, drop_path=0.2 * 6 / 16),
                MBConv(80, 80, expand=6, drop_path=0.2 * 7 / 16),
            ),
            nn.Sequential(
                MBConv(80, 112, kernel=5, expand=6, drop_path=0.2 * 8 / 16),
                MBConv(112, 112, kernel=5, expand=6, drop_path=0.2 * 9 / 16),
                MBConv(112, 112, kernel=5, expand=6, drop_path=0.2 * 10 / 16),
            ),
            nn.Sequential(
                MBConv(112, 192, stride=2, kernel=5, expand=6, drop_path=0.2 * 11 / 16),
                *(
                    MBConv(192, 192, kernel=5, expand=6, drop_path=0.2 * (i + 12) / 16)
                    for i in range(3)
                ),
            ),
            nn.Sequential(MBConv(192, 320, expand=6, drop_path=0.2 * 15 / 16)),
            ConvNormAct(320, 1280, kernel=1),
        )
        self.classifier = nn.Sequential(nn.Dropout(p=0.2), nn.Linear(1280, num_classes))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialize convolutions; the rest starts as in PyTorch."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 3, 224, 224) to logits (N, num_classes)."""
        x = self.features(x)
        x = x.mean(dim=(2, 3))
        x = self.classifier(x)
        return x
