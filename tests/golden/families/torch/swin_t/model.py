"""swin_t: 28,288,354 parameters, 4,350,425,088 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

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


def merge_patches(x: Tensor) -> Tensor:
    """Put the channels of each 2x2 tokens of (N, H, W, D) one after the other, column by column."""
    return torch.cat([x[:, i::2, j::2] for j in range(2) for i in range(2)], dim=-1)


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


def shift_mask(grid: Tensor, size: tuple[int, int], shift: tuple[int, int]) -> Tensor:
    """What a shifted window may not attend to, (W, h w, h w): -100 where places were apart."""
    _, height, width, _ = grid.shape
    rows, columns = (
        (torch.arange(n, device=grid.device) >= n - w).long()
        + (torch.arange(n, device=grid.device) >= n - s).long() * (s > 0)
        for n, w, s in zip((height, width), size, shift, strict=True)
    )
    regions = windows((3 * rows[:, None] + columns)[None, :, :, None], size)[0, ..., 0]
    apart = regions[:, :, None] != regions[:, None, :]
    return torch.zeros_like(apart, dtype=grid.dtype).masked_fill(apart, -100.0)


def biased_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    heads: int,
    bias: Tensor,
    *,
    mask: Tensor | None = None,
) -> Tensor:
    """Attend from (..., L, D) in several heads, with a bias (heads, L, L) and a mask (W, L, L)."""
    q, k, v = (torch.unflatten(x, -1, (heads, -1)).transpose(-3, -2) for x in (query, key, value))
    if mask is not None:
        bias = bias + mask[:, None]
    x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    return x.transpose(-3, -2).flatten(-2)


class Permute(nn.Module):
    """The axes of a tensor in another order."""

    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        """Reorder the axes."""
        return x.permute(self.axes)


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


class WindowAttention(nn.Module):
    """Attention in windows of a grid of tokens, which is shifted before and back after it, with
    a learned bias for each distance (Liu et al., 2021).
    """

    def __init__(self, in_channels: int, heads: int, shift: int = 0) -> None:
        super().__init__()
        self.relative_position_bias_table = nn.Parameter(torch.empty(169, heads))
        self.relative_position_index = nn.Buffer(relative_position_index(7, 7))
        self.qkv = nn.Linear(in_channels, 3 * in_channels)
        self.proj = nn.Linear(in_channels, in_channels)
        self.shift = shift
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, H, W, in_channels) to (N, H, W, in_channels)."""
        bias: Tensor = relative_position_bias(
            self.relative_position_bias_table, self.relative_position_index, 49
        )
        shifted = torch.roll(x, (-self.shift, -self.shift), (1, 2)) if self.shift > 0 else x
        mask = shift_mask(shifted, (7, 7), (self.shift, self.shift)) if self.shift > 0 else None
        x = windows(shifted, (7, 7))
        qkv: Tensor = self.qkv(x)
        query, key, value = qkv.chunk(3, dim=-1)
        x = biased_attention(query, key, value, self.heads, bias, mask=mask)
        x = self.proj(x)
        x = unwindow(x, shifted, (7, 7))
        if self.shift > 0:
            x = torch.roll(x, (self.shift, self.shift), (1, 2))
        return x


class SwinBlock(nn.Module):
    """Attention in windows and two linear layers on each token, each after a normalization and
    added to what it took (Liu et al., 2021).
    """

    def __init__(
        self,
        in_channels: int,
        heads: int,
        shift: int = 0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(in_channels)
        self.attn = WindowAttention(in_channels, heads, shift=shift)
        self.drop_path = DropPath(p=drop_path) if drop_path > 0 else nn.Identity()
        self.norm2 = nn.LayerNorm(in_channels)
        self.mlp = nn.Sequential(
            nn.Linear(in_channels, 4 * in_channels),
            nn.GELU(),
            nn.Dropout(p=0.0),
            nn.Linear(4 * in_channels, in_channels),
            nn.Dropout(p=0.0),
        )
        self.stochastic_depth = DropPath(p=drop_path) if drop_path > 0 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, H, W, in_channels) to (N, H, W, in_channels)."""
        out: Tensor = self.norm1(x)
        out = self.attn(out)
        out = self.drop_path(out)
        attended = out + x
        out = self.norm2(attended)
        out = self.mlp(out)
        out = self.stochastic_depth(out)
        out = out + attended
        return out


class PatchMerging(nn.Module):
    """Each 2x2 tokens become one of twice the channels."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * in_channels)
        self.reduction = nn.Linear(4 * in_channels, 2 * in_channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, H, W, in_channels) to (N, H / 2, W / 2, 2 * in_channels)."""
        x = merge_patches(x)
        x = self.norm(x)
        x = self.reduction(x)
        return x


class SwinTransformer(nn.Module):
    """swin_t: 3x224x224 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Sequential(
                nn.Conv2d(3, 96, kernel_size=4, stride=4), Permute(0, 2, 3, 1), nn.LayerNorm(96)
            ),
            nn.Sequential(SwinBlock(96, 3), SwinBlock(96, 3, shift=3, drop_path=0.2 * 1 / 11)),
            PatchMerging(96),
            nn.Sequential(
                SwinBlock(192, 6, drop_path=0.2 * 2 / 11),
                SwinBlock(192, 6, shift=3, drop_path=0.2 * 3 / 11),
            ),
            PatchMerging(192),
            nn.Sequential(
                *(
                    SwinBlock(384, 12, shift=3 * (i % 2), drop_path=0.2 * (i + 4) / 11)
                    for i in range(6)
                ),
            ),
            PatchMerging(384),
            nn.Sequential(
                SwinBlock(768, 24, drop_path=0.2 * 10 / 11),
                SwinBlock(768, 24, drop_path=0.2 * 11 / 11),
            ),
        )
        self.norm = nn.LayerNorm(768)
        self.head = nn.Linear(768, num_classes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialize linear layers and parameters; the rest starts as in PyTorch."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, WindowAttention):
                nn.init.trunc_normal_(module.relative_position_bias_table, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 3, 224, 224) to logits (N, num_classes)."""
        x = self.features(x)
        x = self.norm(x)
        x = x.mean(dim=(1, 2))
        x = self.head(x)
        return x
