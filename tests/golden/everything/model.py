"""everything: 16,255 parameters, 1,229,952 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ChannelNorm(nn.LayerNorm):
    """Layer normalization over the channels of (N, C, H, W), at each pixel for itself."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class ChannelScale(nn.Module):
    """A learned factor for each channel."""

    def __init__(self, channels: int, value: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), float(value)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, ...) to the same shape."""
        return x * self.weight.view(-1, *(1 for _ in x.shape[2:]))


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


class HardSigmoid(nn.Module):
    """relu6(x + 3) / 6."""

    def forward(self, x: Tensor) -> Tensor:
        """Map a tensor to one of the same shape."""
        return F.relu6(x + 3) / 6


class ConvNormAct(nn.Sequential):
    """A convolution, its normalization and its activation."""

    def __init__(self, in_channels: int, width: int, kernel: int = 3) -> None:
        super().__init__(
            nn.Conv2d(
                in_channels, width, kernel_size=kernel, padding=(kernel - 1) // 2, bias=False
            ),
            nn.GroupNorm(4, width),
            nn.SiLU(),
        )


class Inception(nn.Module):
    """Three branches of different reach, side by side."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.narrow = ConvNormAct(in_channels, width, kernel=1)
        self.wide = ConvNormAct(in_channels, width, kernel=5)
        self.pool = nn.AvgPool2d(kernel_size=3, stride=1, padding=1, count_include_pad=False)
        self.reduce = nn.Conv2d(in_channels, width, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, width * 3, H, W)."""
        narrow: Tensor = self.narrow(x)
        out: Tensor = self.pool(x)
        out = self.reduce(out)
        out = torch.cat((narrow, self.wide(x), out), dim=1)
        return out


class SqueezeExcite(nn.Module):
    """Channels weighted by a gate computed from their means (Hu et al., 2018)."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        width = in_channels // 4
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


class SqueezeBottleneck(nn.Module):
    """A bottleneck whose channels are weighted, and that is dropped now and then."""

    def __init__(self, in_channels: int, width: int, stride: int = 1, rate: float = 0.0) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.group_norm = nn.GroupNorm(4, width)
        self.silu = nn.SiLU(inplace=True)
        self.conv2 = nn.Conv2d(
            width, width, kernel_size=3, stride=stride, padding=1, groups=min(width, 4), bias=False
        )
        self.group_norm2 = nn.GroupNorm(4, width)
        self.conv3 = nn.Conv2d(width, width * 4, kernel_size=1, bias=False)
        self.group_norm3 = nn.GroupNorm(4, width * 4)
        self.se = SqueezeExcite(width * 4)
        self.drop_path = DropPath(p=rate) if rate > 0 else nn.Identity()
        self.downsample = (
            nn.Sequential(
                nn.Conv2d(in_channels, width * 4, kernel_size=1, stride=stride, bias=False),
                nn.GroupNorm(4, width * 4),
            )
            if stride != 1 or in_channels != width * 4
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, width * 4, H / stride, W / stride)."""
        out: Tensor = self.conv1(x)
        out = self.group_norm(out)
        out = self.silu(out)
        out = self.conv2(out)
        out = self.group_norm2(out)
        out = self.silu(out)
        out = self.conv3(out)
        out = self.group_norm3(out)
        out = self.se(out)
        out = self.drop_path(out)
        out = out + self.downsample(x)
        out = self.silu(out)
        return out


class Everything(nn.Module):
    """everything: 3x20x24 images to 7 classes."""

    def __init__(self, num_classes: int = 7) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, kernel_size=4, stride=2, padding=1)
        self.norm0 = ChannelNorm(16, eps=1e-06)
        self.scale0 = ChannelScale(16, value=0.5)
        self.act0 = HardSigmoid()
        self.mixed = nn.Sequential(Inception(16, 8), Inception(24, 8))
        self.squeezed = nn.Sequential(
            SqueezeBottleneck(24, 8, stride=2),
            *(SqueezeBottleneck(32, 8, rate=0.1) for _ in range(2)),
        )
        self.pool = nn.MaxPool2d(kernel_size=2, stride=2, ceil_mode=True)
        self.drop = nn.Dropout(p=0.1)
        self.fc = nn.Linear(288, num_classes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialize convolutions, linear layers and constants; the rest starts as in PyTorch."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for module in self.modules():
            if isinstance(module, SqueezeBottleneck):
                nn.init.zeros_(module.group_norm3.weight)
        for name, parameter in self.named_parameters():
            if name.endswith("reduce.bias"):
                nn.init.constant_(parameter, 0.1)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 3, 20, 24) to logits (N, num_classes)."""
        x = self.patch(x)
        x = self.norm0(x)
        x = self.scale0(x)
        x = self.act0(x)
        x = self.mixed(x)
        x = self.squeezed(x)
        x = self.pool(x)
        x = torch.flatten(x, 1)
        x = self.drop(x)
        x = self.fc(x)
        return x
