"""densenet121: 7,978,856 parameters, 2,834,161,664 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn


class DenseLayer(nn.Module):
    """A 1x1 and a 3x3 convolution, each behind its normalization and activation, whose channels
    are added to those of the input (Huang et al., 2017).
    """

    def __init__(self, in_channels: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(in_channels, 4 * growth, kernel_size=1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(4 * growth, growth, kernel_size=3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, in_channels + growth, H, W)."""
        out: Tensor = self.norm1(x)
        out = self.relu1(out)
        out = self.conv1(out)
        out = self.norm2(out)
        out = self.relu2(out)
        out = self.conv2(out)
        out = torch.cat((x, out), dim=1)
        return out


class DenseBlock(nn.Sequential):
    """Layers that each add `growth` channels to those before (Huang et al., 2017)."""

    def __init__(self, in_channels: int, layers: int, growth: int) -> None:
        super().__init__(
            OrderedDict(
                (f"denselayer{i + 1}", DenseLayer(in_channels + growth * i, growth))
                for i in range(layers)
            )
        )


class Transition(nn.Sequential):
    """Half of the channels, at half of the resolution (Huang et al., 2017)."""

    def __init__(self, in_channels: int) -> None:
        super().__init__(
            OrderedDict(
                [
                    ("norm", nn.BatchNorm2d(in_channels)),
                    ("relu", nn.ReLU()),
                    ("conv", nn.Conv2d(in_channels, in_channels // 2, kernel_size=1, bias=False)),
                    ("pool", nn.AvgPool2d(kernel_size=2, stride=2)),
                ]
            )
        )


class DenseNet(nn.Module):
    """densenet121: 3x224x224 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(
                [
                    ("conv0", nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)),
                    ("norm0", nn.BatchNorm2d(64)),
                    ("relu0", nn.ReLU()),
                    ("pool0", nn.MaxPool2d(kernel_size=3, stride=2, padding=1)),
                    ("denseblock1", DenseBlock(64, 6, growth=32)),
                    ("transition1", Transition(256)),
                    ("denseblock2", DenseBlock(128, 12, growth=32)),
                    ("transition2", Transition(512)),
                    ("denseblock3", DenseBlock(256, 24, growth=32)),
                    ("transition3", Transition(1024)),
                    ("denseblock4", DenseBlock(512, 16, growth=32)),
                    ("norm5", nn.BatchNorm2d(1024)),
                ]
            )
        )
        self.relu = nn.ReLU()
        self.classifier = nn.Linear(1024, num_classes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialize convolutions and parameters; the rest starts as in PyTorch."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        nn.init.zeros_(self.get_parameter("classifier.bias"))

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 3, 224, 224) to logits (N, num_classes)."""
        x = self.features(x)
        x = self.relu(x)
        x = x.mean(dim=(2, 3))
        x = self.classifier(x)
        return x
