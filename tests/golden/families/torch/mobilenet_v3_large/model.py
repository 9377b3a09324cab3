"""mobilenet_v3_large: 5,483,032 parameters, 216,589,760 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class HardSigmoid(nn.Module):
    """relu6(x + 3) / 6."""

    def forward(self, x: Tensor) -> Tensor:
        """Map a tensor to one of the same shape."""
        return F.relu6(x + 3) / 6


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
            nn.BatchNorm2d(width, eps=0.001, momentum=0.01),
            nn.Hardswish(),
        )


class ReluConvNormAct(nn.Sequential):
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
            nn.BatchNorm2d(width, eps=0.001, momentum=0.01),
            nn.ReLU(),
        )


class ConvNorm(nn.Sequential):
    """A convolution, its normalization and its activation."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, width, kernel_size=1, bias=False),
            nn.BatchNorm2d(width, eps=0.001, momentum=0.01),
        )


class SqueezeExcite(nn.Module):
    """Channels weighted by a gate computed from their means (Hu et al., 2018)."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(in_channels, width, kernel_size=1)
        self.act = nn.ReLU(inplace=True)
        self.fc2 = nn.Conv2d(width, in_channels, kernel_size=1)
        self.gate = HardSigmoid()

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
    narrows (Tan and Le, 2019). With squeeze 0 channels are not weighted.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        expanded: int,
        squeeze: int,
        stride: int = 1,
        kernel: int = 3,
    ) -> None:
        super().__init__()
        self.block = nn.Sequential(
            *(
                [ReluConvNormAct(in_channels, expanded, kernel=1)]
                if expanded != in_channels
                else []
            ),
            ReluConvNormAct(expanded, expanded, kernel=kernel, stride=stride, groups=expanded),
            *([SqueezeExcite(expanded, squeeze)] if squeeze > 0 else []),
            ConvNorm(expanded, width),
        )
        self.has_shortcut = stride == 1 and in_channels == width

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, width, H / stride, W / stride)."""
        out: Tensor = self.block(x)
        if self.has_shortcut:
            out = out + x
        return out


class HardSwishMBConv(nn.Module):
    """A 1x1 convolution that widens, a depthwise one, weighted channels and a 1x1 one that
    narrows (Tan and Le, 2019). With squeeze 0 channels are not weighted.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        expanded: int,
        squeeze: int,
        stride: int = 1,
        kernel: int = 3,
    ) -> None:
        super().__init__()
        self.block = nn.Sequential(
            ConvNormAct(in_channels, expanded, kernel=1),
            ConvNormAct(expanded, expanded, kernel=kernel, stride=stride, groups=expanded),
            *([SqueezeExcite(expanded, squeeze)] if squeeze > 0 else []),
            ConvNorm(expanded, width),
        )
        self.has_shortcut = stride == 1 and in_channels == width

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, width, H / stride, W / stride)."""
        out: Tensor = self.block(x)
        if self.has_shortcut:
            out = out + x
        return out


class MobileNetV3(nn.Module):
    """mobilenet_v3_large: 3x224x224 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.features = nn.Sequential(
            ConvNormAct(3, 16, stride=2),
            MBConv(16, 16, expanded=16, squeeze=0),
            MBConv(16, 24, expanded=64, squeeze=0, stride=2),
            MBConv(24, 24, expanded=72, squeeze=0),
            MBConv(24, 40, expanded=72, squeeze=24, stride=2, kernel=5),
            *(MBConv(40, 40, expanded=120, squeeze=32, kernel=5) for _ in range(2)),
            HardSwishMBConv(40, 80, expanded=240, squeeze=0, stride=2),
            HardSwishMBConv(80, 80, expanded=200, squeeze=0),
            *(HardSwishMBConv(80, 80, expanded=184, squeeze=0) for _ in range(2)),
            HardSwishMBConv(80, 112, expanded=480, squeeze=120),
            HardSwishMBConv(112, 112, expanded=672, squeeze=168),
            HardSwishMBConv(112, 160, expanded=672, squeeze=168, stride=2, kernel=5),
            *(HardSwishMBConv(160, 160, expanded=960, squeeze=240, kernel=5) for _ in range(2)),
            ConvNormAct(160, 960, kernel=1),
        )
        self.classifier = nn.Sequential(
            nn.Linear(960, 1280), nn.Hardswish(), nn.Dropout(p=0.2), nn.Linear(1280, num_classes)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialize convolutions and linear layers; the rest starts as in PyTorch."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 3, 224, 224) to logits (N, num_classes)."""
        x = self.features(x)
        x = x.mean(dim=(2, 3))
        x = self.classifier(x)
        return x
