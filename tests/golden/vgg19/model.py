"""vgg19: 143,667,240 parameters, 19,632,062,464 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConvPool(nn.Module):
    """Convolutions of one width, then a 2x2 max pool."""

    def __init__(self, in_channels: int, width: int, deep: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=3, padding=1)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1)
        self.conv3 = nn.Conv2d(width, width, kernel_size=3, padding=1) if deep else nn.Identity()
        self.relu3 = nn.ReLU() if deep else nn.Identity()
        self.conv4 = nn.Conv2d(width, width, kernel_size=3, padding=1) if deep else nn.Identity()
        self.relu4 = nn.ReLU() if deep else nn.Identity()
        self.max_pool = nn.MaxPool2d(kernel_size=2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, width, H / 2, W / 2)."""
        x = self.conv1(x)
        x = self.relu(x)
        x = self.conv2(x)
        x = self.relu(x)
        x = self.conv3(x)
        x = self.relu3(x)
        x = self.conv4(x)
        x = self.relu4(x)
        x = self.max_pool(x)
        return x


class VGG(nn.Module):
    """vgg19: 3x224x224 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(ConvPool(3, 64))
        self.stage2 = nn.Sequential(ConvPool(64, 128))
        self.stage3 = nn.Sequential(ConvPool(128, 256, deep=True))
        self.stage4 = nn.Sequential(ConvPool(256, 512, deep=True))
        self.stage5 = nn.Sequential(ConvPool(512, 512, deep=True))
        self.fc1 = nn.Linear(25088, 4096)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(p=0.5)
        self.fc2 = nn.Linear(4096, 4096)
        self.fc3 = nn.Linear(4096, num_classes)
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
        x = self.stage1(x)
        x = self.stage2(x)
        x = self.stage3(x)
        x = self.stage4(x)
        x = self.stage5(x)
        x = torch.flatten(x, 1)
        x = self.fc1(x)
        x = self.relu(x)
        x = self.dropout(x)
        x = self.fc2(x)
        x = self.relu(x)
        x = self.dropout(x)
        x = self.fc3(x)
        return x
