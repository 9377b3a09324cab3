"""regnet_y_400mf: 4,344,144 parameters, 401,842,848 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from collections import OrderedDict

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
            nn.ReLU(),
        )


class SqueezeExcite(nn.Module):
    """Channels weighted by a gate computed from their means (Hu et al., 2018)."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(in_channels, width, kernel_size=1)
        self.act = nn.ReLU(inplace=True)
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


class FBlock(nn.Module):
    """A bottleneck of one width in groups."""

    def __init__(self, in_channels: int, width: int, squeeze: int, stride: int = 1) -> None:
        super().__init__()
        self.a = ConvNormAct(in_channels, width, kernel=1)
        self.b = ConvNormAct(width, width, stride=stride, groups=width // min(8, width))
        self.se = SqueezeExcite(width, squeeze)
        self.c = nn.Sequential(
            nn.Conv2d(width, width, kernel_size=1, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, width, H / stride, W / stride)."""
        x = self.a(x)
        x = self.b(x)
        x = self.se(x)
        x = self.c(x)
        return x


class Residual(nn.Module):
    """A bottleneck beside its shortcut."""

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.f = FBlock(in_channels, width, squeeze=round(0.25 * in_channels), stride=stride)
        self.proj = (
            nn.Sequential(
                nn.Conv2d(in_channels, width, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(width),
            )
            if stride != 1 or in_channels != width
            else nn.Identity()
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, width, H / stride, W / stride)."""
        out: Tensor = self.f(x)
        out = out + self.proj(x)
        out = self.relu(out)
        return out


class RegNet(nn.Module):
    """regnet_y_400mf: 3x224x224 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.stem = ConvNormAct(3, 32, stride=2)
        self.trunk_output = nn.Sequential(
            OrderedDict(
                [
                    (
                        "block1",
                        nn.Sequential(OrderedDict([("block1-0", Residual(32, 48, stride=2))])),
                    ),
                    (
                        "block2",
                        nn.Sequential(
                            OrderedDict(
                                [
                                    ("block2-0", Residual(48, 104, stride=2)),
                                    *((f"block2-{i + 1}", Residual(104, 104)) for i in range(2)),
                                ]
                            )
                        ),
                    ),
                    (
                        "block3",
                        nn.Sequential(
                            OrderedDict(
                                [
                                    ("block3-0", Residual(104, 208, stride=2)),
                                    *((f"block3-{i + 1}", Residual(208, 208)) for i in range(5)),
                                ]
                            )
                        ),
                    ),
                    (
                        "block4",
                        nn.Sequential(
                            OrderedDict(
                                [
                                    ("block4-0", Residual(208, 440, stride=2)),
                                    *((f"block4-{i + 1}", Residual(440, 440)) for i in range(5)),
                                ]
                            )
                        ),
                    ),
                ]
            )
        )
        self.fc = nn.Linear(440, num_classes)
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
        x = self.stem(x)
        x = self.trunk_output(x)
        x = x.mean(dim=(2, 3))
        x = self.fc(x)
        return x
