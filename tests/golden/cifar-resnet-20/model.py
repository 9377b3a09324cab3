"""cifar-resnet-20: 269,722 parameters, 40,551,040 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ZeroPad(nn.Module):
    """The input, subsampled where the branch strides, with zeros for new channels.

    Option A of He et al. (2015), free of parameters.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.before = (out_channels - in_channels) // 2
        self.after = out_channels - in_channels - (out_channels - in_channels) // 2

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, out_channels, H / stride, W / stride)."""
        # every stride-th pixel; the gradient of a slice would not keep the memory format of x
        x = F.avg_pool2d(x, kernel_size=1, stride=self.stride)
        x = F.pad(x, (0, 0, 0, 0, self.before, self.after))
        return x


class BasicBlock(nn.Module):
    """Two 3x3 convolutions. He et al. (2015), Figure 5 left."""

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_channels, width, kernel_size=3, stride=stride, padding=1, bias=False
        )
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = (
            ZeroPad(in_channels, width, stride=stride)
            if stride != 1 or in_channels != width
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, width, H / stride, W / stride)."""
        out: Tensor = self.conv1(x)
        out = self.bn1(out)
        out = self.relu(out)
        out = self.conv2(out)
        out = self.bn2(out)
        out += self.shortcut(x)
        out = self.relu(out)
        return out


class CifarResNet(nn.Module):
    """cifar-resnet-20: 3x32x32 images to 10 classes."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(*(BasicBlock(16, 16) for _ in range(3)))
        self.layer2 = nn.Sequential(
            BasicBlock(16, 32, stride=2),
            *(BasicBlock(32, 32) for _ in range(2)),
        )
        self.layer3 = nn.Sequential(
            BasicBlock(32, 64, stride=2),
            *(BasicBlock(64, 64) for _ in range(2)),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, num_classes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialize convolutions; the rest starts as in PyTorch."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 3, 32, 32) to logits (N, num_classes)."""
        x = self.conv1(x)
        x = self.bn1(x)
        x = self.relu(x)
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        x = torch.flatten(self.avgpool(x), 1)
        x = self.fc(x)
        return x
