"""mobilenet_v2: 3,504,872 parameters, 300,774,272 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from torch import Tensor, nn


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
            nn.ReLU6(),
        )


class InvertedResidual(nn.Module):
    """A 1x1 convolution that widens, a depthwise one and a 1x1 one that narrows (Sandler et al.,
    2018). Where the result has the input's shape, the two are added.
    """

    def __init__(self, in_channels: int, width: int, stride: int = 1, expand: int = 6) -> None:
        super().__init__()
        expanded = in_channels * expand
        self.conv = nn.Sequential(
            *([ConvNormAct(in_channels, expanded, kernel=1)] if expand > 1 else []),
            ConvNormAct(expanded, expanded, stride=stride, groups=expanded),
            nn.Conv2d(expanded, width, kernel_size=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.has_shortcut = stride == 1 and in_channels == width

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, width, H / stride, W / stride)."""
        out: Tensor = self.conv(x)
        if self.has_shortcut:
            out = out + x
        return out


class MobileNetV2(nn.Module):
    """mobilenet_v2: 3x224x224 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.features = nn.Sequential(
            ConvNormAct(3, 32, stride=2),
            InvertedResidual(32, 16, expand=1),
            InvertedResidual(16, 24, stride=2),
            InvertedResidual(24, 24),
            InvertedResidual(24, 32, stride=2),
            *(InvertedResidual(32, 32) for _ in range(2)),
            InvertedResidual(32, 64, stride=2),
            *(InvertedResidual(64, 64) for _ in range(3)),
            InvertedResidual(64, 96),
            *(InvertedResidual(96, 96) for _ in range(2)),
            InvertedResidual(96, 160, stride=2),
            *(InvertedResidual(160, 160) for _ in range(2)),
            InvertedResidual(160, 320),
            ConvNormAct(320, 1280, kernel=1),
        )
        self.classifier = nn.Sequential(nn.Dropout(p=0.2), nn.Linear(1280, num_classes))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialize convolutions and linear layers; the rest starts as in PyTorch."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
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
