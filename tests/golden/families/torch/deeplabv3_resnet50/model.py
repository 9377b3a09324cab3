"""deeplabv3_resnet50: 42,004,074 parameters, 178,721,945,088 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
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

    def __init__(self, in_channels: int, width: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(
            width,
            width,
            kernel_size=3,
            stride=stride,
            padding=dilation,
            dilation=dilation,
            bias=False,
        )
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


class ConvNormAct(nn.Sequential):
    """A convolution, its normalization and its activation."""

    def __init__(self, in_channels: int, width: int, kernel: int = 3, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(
                in_channels,
                width,
                kernel_size=kernel,
                padding=dilation * (kernel - 1) // 2,
                dilation=dilation,
                bias=False,
            ),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling.

    Convolutions of four dilations and the mean over all pixels, side by side.
    """

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                ConvNormAct(in_channels, width, kernel=1),
                *(ConvNormAct(in_channels, width, dilation=12 + 12 * i) for i in range(3)),
                nn.Sequential(
                    nn.AdaptiveAvgPool2d(1),
                    nn.Conv2d(in_channels, width, kernel_size=1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(),
                ),
            ]
        )
        self.project = nn.Sequential(
            nn.Conv2d(5 * width, width, kernel_size=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Dropout(p=0.5),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, width, H, W)."""
        convs0: Tensor = self.convs[0](x)
        out: Tensor = self.convs[4](x)
        out = F.interpolate(out, size=x.shape[-2:], mode="bilinear")
        out = torch.cat((convs0, self.convs[1](x), self.convs[2](x), self.convs[3](x), out), dim=1)
        out = self.project(out)
        return out


class DeepLabV3(nn.Module):
    """deeplabv3_resnet50: 3x520x520 images to `out` and `aux`."""

    def __init__(self, num_classes: int = 21) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
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
                            Bottleneck(512, 256),
                            *(Bottleneck(1024, 256, dilation=2) for _ in range(5)),
                        ),
                    ),
                    (
                        "layer4",
                        nn.Sequential(
                            Bottleneck(1024, 512, dilation=2),
                            *(Bottleneck(2048, 512, dilation=4) for _ in range(2)),
                        ),
                    ),
                ]
            )
        )
        self.classifier = nn.Sequential(
            ASPP(2048, 256),
            nn.Conv2d(256, 256, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(256),
            nn.ReLU(),
            nn.Conv2d(256, num_classes, kernel_size=1),
        )
        self.aux_classifier = nn.Sequential(
            nn.Conv2d(1024, 256, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(256),
            nn.ReLU(),
            nn.Dropout(p=0.1),
            nn.Conv2d(256, num_classes, kernel_size=1),
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialize convolutions; the rest starts as in PyTorch."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images (N, 3, 520, 520) to outputs by name.

        `out`: (N, num_classes, 520, 520)
        `aux`: (N, num_classes, 520, 520)
        """
        layer3, features = tapped(self.backbone, x, "layer3")
        features = self.classifier(features)
        out = F.interpolate(features, size=x.shape[-2:], mode="bilinear")
        features = self.aux_classifier(layer3)
        aux = F.interpolate(features, size=x.shape[-2:], mode="bilinear")
        return {"out": out, "aux": aux}
