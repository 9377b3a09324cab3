"""googlenet: 13,004,888 parameters, 1,498,376,192 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class BasicConv2d(nn.Module):
    """A convolution with batch normalization and ReLU."""

    def __init__(self, in_channels: int, width: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            width,
            kernel_size=kernel,
            stride=stride,
            padding=(kernel - 1) // 2,
            bias=False,
        )
        self.bn = nn.BatchNorm2d(width, eps=0.001)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, width, H / stride, W / stride)."""
        x = self.conv(x)
        x = self.bn(x)
        x = self.relu(x)
        return x


class Inception(nn.Module):
    """Convolutions of three sizes and a pooling beside each other."""

    def __init__(
        self,
        in_channels: int,
        one: int,
        reduce3: int,
        three: int,
        reduce5: int,
        five: int,
        pool: int,
    ) -> None:
        super().__init__()
        self.branch1 = BasicConv2d(in_channels, one, kernel=1)
        self.branch2 = nn.Sequential(
            BasicConv2d(in_channels, reduce3, kernel=1), BasicConv2d(reduce3, three)
        )
        self.branch3 = nn.Sequential(
            BasicConv2d(in_channels, reduce5, kernel=1), BasicConv2d(reduce5, five)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            BasicConv2d(in_channels, pool, kernel=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, one + three + five + pool, H, W)."""
        out: Tensor = self.branch1(x)
        out = torch.cat((out, self.branch2(x), self.branch3(x), self.branch4(x)), dim=1)
        return out


class InceptionAux(nn.Module):
    """A classifier of what lies in the middle of the network."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.adaptive_avg_pool = nn.AdaptiveAvgPool2d(4)
        self.conv = BasicConv2d(in_channels, 128, kernel=1)
        self.fc1 = nn.Linear(2048, 1024)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(p=0.7)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, num_classes)."""
        x = self.adaptive_avg_pool(x)
        x = self.conv(x)
        x = torch.flatten(x, 1)
        x = self.fc1(x)
        x = self.relu(x)
        x = self.dropout(x)
        x = self.fc2(x)
        return x


class GoogLeNet(nn.Module):
    """googlenet: 3x224x224 images to `logits`, `aux2` and `aux1`."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = BasicConv2d(3, 64, kernel=7, stride=2)
        self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.conv2 = BasicConv2d(64, 64, kernel=1)
        self.conv3 = BasicConv2d(64, 192)
        self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.inception3a = Inception(192, 64, reduce3=96, three=128, reduce5=16, five=32, pool=32)
        self.inception3b = Inception(256, 128, reduce3=128, three=192, reduce5=32, five=96, pool=64)
        self.maxpool3 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.inception4a = Inception(480, 192, reduce3=96, three=208, reduce5=16, five=48, pool=64)
        self.inception4b = Inception(512, 160, reduce3=112, three=224, reduce5=24, five=64, pool=64)
        self.inception4c = Inception(512, 128, reduce3=128, three=256, reduce5=24, five=64, pool=64)
        self.inception4d = Inception(512, 112, reduce3=144, three=288, reduce5=32, five=64, pool=64)
        self.inception4e = Inception(
            528, 256, reduce3=160, three=320, reduce5=32, five=128, pool=128
        )
        self.maxpool4 = nn.MaxPool2d(kernel_size=2, stride=2, ceil_mode=True)
        self.inception5a = Inception(
            832, 256, reduce3=160, three=320, reduce5=32, five=128, pool=128
        )
        self.inception5b = Inception(
            832, 384, reduce3=192, three=384, reduce5=48, five=128, pool=128
        )
        self.aux1 = InceptionAux(512, num_classes)
        self.aux2 = InceptionAux(528, num_classes)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(p=0.2)
        self.fc = nn.Linear(1024, num_classes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialize convolutions and linear layers; the rest starts as in PyTorch."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.trunc_normal_(module.weight, std=0.01)
            elif isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.01)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images (N, 3, 224, 224) to outputs by name.

        `logits`: (N, num_classes)
        `aux2`: (N, num_classes), only in training
        `aux1`: (N, num_classes), only in training
        """
        x = self.conv1(x)
        x = self.maxpool1(x)
        x = self.conv2(x)
        x = self.conv3(x)
        x = self.maxpool2(x)
        x = self.inception3a(x)
        x = self.inception3b(x)
        x = self.maxpool3(x)
        inception4a: Tensor = self.inception4a(x)
        x = self.inception4b(inception4a)
        x = self.inception4c(x)
        inception4d: Tensor = self.inception4d(x)
        x = self.inception4e(inception4d)
        x = self.maxpool4(x)
        x = self.inception5a(x)
        x = self.inception5b(x)
        x = torch.flatten(self.avgpool(x), 1)
        x = self.dropout(x)
        logits: Tensor = self.fc(x)
        if not self.training:
            return {"logits": logits}
        aux1: Tensor = self.aux1(inception4a)
        aux2: Tensor = self.aux2(inception4d)
        return {"logits": logits, "aux2": aux2, "aux1": aux1}
