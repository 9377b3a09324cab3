"""resnet50_fpn: 26,852,416 parameters, 88,381,440,000 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from collections import OrderedDict

import torch.nn.functional as F
from torch import Tensor, nn


def tapped(layers: nn.Module, x: Tensor, *names: str) -> tuple[Tensor, ...]:
    """Map x through layers; the results of those with these names come before the last one's."""
    results = []
    for name, layer in layers.named_children():
        x = layer(x)
        if name in names:
            results.append(x)
    return (*results, x)


class Bottleneck(nn.Module):
    """A 1x1 convolution that narrows, a 3x3 one and a 1x1 one that widens.

    He et al. (2015), Figure 5 right.
    """

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * 4, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * 4)
        self.downsample = (
            nn.Sequential(
                nn.Conv2d(in_channels, width * 4, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(width * 4),
            )
            if stride != 1 or in_channels != width * 4
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, width * 4, H / stride, W / stride)."""
        out: Tensor = self.conv1(x)
        out = self.bn1(out)
        out = self.relu(out)
        out = self.conv2(out)
        out = self.bn2(out)
        out = self.relu(out)
        out = self.conv3(out)
        out = self.bn3(out)
        out += self.downsample(x)
        out = self.relu(out)
        return out


class FeaturePyramid(nn.Module):
    """Features of several levels, to each of which those of the level above are added."""

    def __init__(
        self,
        c2_channels: int,
        c3_channels: int,
        c4_channels: int,
        c5_channels: int,
        width: int,
    ) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(c2_channels, width, kernel_size=1)),
                nn.Sequential(nn.Conv2d(c3_channels, width, kernel_size=1)),
                nn.Sequential(nn.Conv2d(c4_channels, width, kernel_size=1)),
                nn.Sequential(nn.Conv2d(c5_channels, width, kernel_size=1)),
            ]
        )
        self.layer_blocks = nn.ModuleList(
            [nn.Sequential(nn.Conv2d(width, width, kernel_size=3, padding=1)) for _ in range(4)]
        )
        self.pool = nn.MaxPool2d(kernel_size=1, stride=2)

    def forward(self, c2: Tensor, c3: Tensor, c4: Tensor, c5: Tensor) -> tuple[Tensor, ...]:
        """Map c2, c3, c4 and c5 to `layer_blocks.0`, `layer_blocks.1`, `layer_blocks.2`,
        `layer_blocks.3` and `pool`.
        """
        inner_blocks3: Tensor = self.inner_blocks[3](c5)
        inner_blocks2: Tensor = self.inner_blocks[2](c4)
        inner_blocks1: Tensor = self.inner_blocks[1](c3)
        inner_blocks0: Tensor = self.inner_blocks[0](c2)
        up5 = F.interpolate(inner_blocks3, size=c4.shape[-2:])
        m4 = inner_blocks2 + up5
        up4 = F.interpolate(m4, size=c3.shape[-2:])
        m3 = inner_blocks1 + up4
        up3 = F.interpolate(m3, size=c2.shape[-2:])
        m2 = inner_blocks0 + up3
        layer_blocks0: Tensor = self.layer_blocks[0](m2)
        layer_blocks1: Tensor = self.layer_blocks[1](m3)
        layer_blocks2: Tensor = self.layer_blocks[2](m4)
        layer_blocks3: Tensor = self.layer_blocks[3](inner_blocks3)
        pool: Tensor = self.pool(layer_blocks3)
        return layer_blocks0, layer_blocks1, layer_blocks2, layer_blocks3, pool


class BackboneWithFPN(nn.Module):
    """resnet50_fpn: 3x800x800 images to `0`, `1`, `2`, `3` and `pool`."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            OrderedDict(
                [
                    ("conv1", nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)),
                    ("bn1", nn.BatchNorm2d(64)),
                    ("relu", nn.ReLU()),
                    ("maxpool", nn.MaxPool2d(kernel_size=3, stride=2, padding=1)),
                    (
                        "layer1",
                        nn.Sequential(Bottleneck(64, 64), *(Bottleneck(256, 64) for _ in range(2))),
                    ),
                    (
                        "layer2",
                        nn.Sequential(
                            Bottleneck(256, 128, stride=2),
                            *(Bottleneck(512, 128) for _ in range(3)),
                        ),
                    ),
                    (
                        "layer3",
                        nn.Sequential(
                            Bottleneck(512, 256, stride=2),
                            *(Bottleneck(1024, 256) for _ in range(5)),
                        ),
                    ),
                    (
                        "layer4",
                        nn.Sequential(
                            Bottleneck(1024, 512, stride=2),
                            *(Bottleneck(2048, 512) for _ in range(2)),
                        ),
                    ),
                ]
            )
        )
        self.fpn = FeaturePyramid(256, 512, c4_channels=1024, c5_channels=2048, width=256)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialize convolutions; the rest starts as in PyTorch."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images (N, 3, 800, 800) to outputs by name.

        `0`: (N, 256, 200, 200)
        `1`: (N, 256, 100, 100)
        `2`: (N, 256, 50, 50)
        `3`: (N, 256, 25, 25)
        `pool`: (N, 256, 13, 13)
        """
        layer1, layer2, layer3, x = tapped(self.body, x, "layer1", "layer2", "layer3")
        x0, x1, x2, x3, pool = self.fpn(layer1, layer2, layer3, x)
        return {"0": x0, "1": x1, "2": x2, "3": x3, "pool": pool}
