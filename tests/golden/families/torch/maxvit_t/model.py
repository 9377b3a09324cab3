"""maxvit_t: 30,919,624 parameters, 5,381,025,792 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def relative_position_index(height: int, width: int) -> Tensor:
    """The row of the table of distances that each pair of places in a window takes, flat."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    down = rows.flatten()[:, None] - rows.flatten() + height - 1
    right = columns.flatten()[:, None] - columns.flatten() + width - 1
    return (down * (2 * width - 1) + right).flatten()


def relative_position_bias(table: Tensor, index: Tensor, area: int) -> Tensor:
    """Look up the bias (heads, area, area) of each pair of places in a window."""
    return table[index].view(area, area, -1).permute(2, 0, 1)


def interleave(x: Tensor, groups: tuple[int, int]) -> Tensor:
    """Reorder rows and columns of grids (N, H, W, D): the first of each group come first."""
    high, wide = groups
    x = torch.unflatten(torch.unflatten(x, 2, (wide, -1)), 1, (high, -1))
    return x.transpose(1, 2).transpose(3, 4).flatten(3, 4).flatten(1, 2)


def windows(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut grids (N, H, W, D) into windows (N, H W / (h w), h w, D)."""
    high, wide = size
    x = torch.unflatten(torch.unflatten(x, 2, (-1, wide)), 1, (-1, high))
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def unwindow(x: Tensor, grid: Tensor, size: tuple[int, int]) -> Tensor:
    """Put windows (N, H W / (h w), h w, D) together to grids (N, H, W, D), as large as another."""
    high, wide = size
    x = torch.unflatten(torch.unflatten(x, 2, (high, wide)), 1, (grid.shape[1] // high, -1))
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def biased_attention(query: Tensor, key: Tensor, value: Tensor, heads: int, bias: Tensor) -> Tensor:
    """Attend from (..., L, D) in several heads, with a bias (heads, L, L)."""
    q, k, v = (torch.unflatten(x, -1, (heads, -1)).transpose(-3, -2) for x in (query, key, value))
    x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    return x.transpose(-3, -2).flatten(-2)


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
            nn.GELU(),
        )


class SqueezeExcite(nn.Module):
    """Channels weighted by a gate computed from their means (Hu et al., 2018)."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        width = in_channels // 16
        self.fc1 = nn.Conv2d(in_channels, width, kernel_size=1)
        self.act = nn.SiLU(inplace=True)
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


class MBConv(nn.Module):
    """An inverted residual whose norm comes first, and whose projection has means before it."""

    def __init__(self, in_channels: int, width: int, drop_path: float, stride: int = 1) -> None:
        super().__init__()
        self.proj = (
            nn.Sequential(
                nn.AvgPool2d(kernel_size=3, stride=2, padding=1),
                nn.Conv2d(in_channels, width, kernel_size=1),
            )
            if stride > 1
            else nn.Identity()
        )
        self.layers = nn.Sequential(
            OrderedDict(
                [
                    ("pre_norm", nn.BatchNorm2d(in_channels, eps=0.001, momentum=0.01)),
                    ("conv_a", ConvNormAct(in_channels, 4 * width, kernel=1)),
                    ("conv_b", ConvNormAct(4 * width, 4 * width, stride=stride, groups=4 * width)),
                    ("squeeze_excitation", SqueezeExcite(4 * width)),
                    ("conv_c", nn.Conv2d(4 * width, width, kernel_size=1)),
                ]
            )
        )
        self.stochastic_depth = DropPath(p=drop_path) if drop_path > 0 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, width, H / stride, W / stride)."""
        out: Tensor = self.layers(x)
        out = self.stochastic_depth(out)
        out = out + self.proj(x)
        return out


class RelativeAttention(nn.Module):
    """Attention with a learned bias for each distance."""

    def __init__(self, in_channels: int, heads: int) -> None:
        super().__init__()
        self.relative_position_bias_table = nn.Parameter(torch.empty(169, heads))
        self.relative_position_index = nn.Buffer(relative_position_index(7, 7).view(7 * 7, -1))
        self.to_qkv = nn.Linear(in_channels, 3 * in_channels)
        self.merge = nn.Linear(in_channels, in_channels)
        self.scaled_value = math.sqrt(32 / in_channels)
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, H, W, in_channels) to (N, H, W, in_channels)."""
        bias: Tensor = relative_position_bias(
            self.relative_position_bias_table, self.relative_position_index, 49
        )
        to_qkv: Tensor = self.to_qkv(x)
        query, key, value = to_qkv.chunk(3, dim=-1)
        scaled = key * self.scaled_value
        x = biased_attention(query, scaled, value, self.heads, bias)
        x = self.merge(x)
        return x


class PartitionAttention(nn.Module):
    """Attention in windows of 7x7 tokens; those of a window are `apart` places apart."""

    def __init__(self, in_channels: int, drop_path: float, apart: int = 1) -> None:
        super().__init__()
        self.attn_layer = nn.Sequential(
            nn.LayerNorm(in_channels), RelativeAttention(in_channels, in_channels // 32)
        )
        self.drop_path = DropPath(p=drop_path) if drop_path > 0 else nn.Identity()
        self.mlp_layer = nn.Sequential(
            nn.LayerNorm(in_channels),
            nn.Linear(in_channels, 4 * in_channels),
            nn.GELU(),
            nn.Linear(4 * in_channels, in_channels),
        )
        self.stochastic_dropout = DropPath(p=drop_path) if drop_path > 0 else nn.Identity()
        self.apart = apart

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, in_channels, H, W)."""
        x = x.permute(0, 2, 3, 1)
        interleaved = interleave(x, (7, 7)) if self.apart > 1 else x
        cut = windows(interleaved, (7, 7))
        x = self.attn_layer(cut)
        x = self.drop_path(x)
        attended = x + cut
        x = self.mlp_layer(attended)
        x = self.stochastic_dropout(x)
        x = x + attended
        x = unwindow(x, interleaved, (7, 7))
        if self.apart > 1:
            x = interleave(x, (self.apart, self.apart))
        x = x.permute(0, 3, 1, 2)
        return x


class MaxViTLayer(nn.Module):
    """Convolutions, attention in windows, and attention of tokens that stand apart."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        apart: int,
        drop_path: float,
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            OrderedDict(
                [
                    ("MBconv", MBConv(in_channels, width, drop_path=drop_path, stride=stride)),
                    ("window_attention", PartitionAttention(width, drop_path)),
                    ("grid_attention", PartitionAttention(width, drop_path, apart=apart)),
                ]
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, width, H / stride, W / stride)."""
        x = self.layers(x)
        return x


class MaxViTBlock(nn.Module):
    """Layers of one width, the first of which halves the resolution."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        deep: int,
        before: int,
        apart: int,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            MaxViTLayer(
                in_channels, width, apart=apart, drop_path=drop_path * before / 10, stride=2
            ),
            *(
                MaxViTLayer(width, width, apart=apart, drop_path=drop_path * (i + before) / 10)
                for i in range(1, deep)
            ),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, width, H / 2, W / 2)."""
        x = self.layers(x)
        return x


class MaxViT(nn.Module):
    """maxvit_t: 3x224x224 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            ConvNormAct(3, 64, stride=2), nn.Sequential(nn.Conv2d(64, 64, kernel_size=3, padding=1))
        )
        self.blocks = nn.Sequential(
            MaxViTBlock(64, 64, deep=2, before=0, apart=8, drop_path=0.2),
            MaxViTBlock(64, 128, deep=2, before=2, apart=4, drop_path=0.2),
            MaxViTBlock(128, 256, deep=5, before=4, apart=2, drop_path=0.2),
            MaxViTBlock(256, 512, deep=2, before=9, apart=1, drop_path=0.2),
        )
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(1),
            nn.LayerNorm(512),
            nn.Linear(512, 512),
            nn.Tanh(),
            nn.Linear(512, num_classes, bias=False),
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialize convolutions, linear layers and parameters; the rest starts as in PyTorch."""
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, RelativeAttention):
                nn.init.trunc_normal_(module.relative_position_bias_table, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 3, 224, 224) to logits (N, num_classes)."""
        x = self.stem(x)
        x = self.blocks(x)
        x = self.classifier(x)
        return x
