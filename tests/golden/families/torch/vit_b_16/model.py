"""vit_b_16: 86,567,656 parameters, 16,848,500,736 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def attention(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Attend from (..., L, D) in several heads."""
    q, k, v = (torch.unflatten(x, -1, (heads, -1)).transpose(-3, -2) for x in (query, key, value))
    return F.scaled_dot_product_attention(q, k, v).transpose(-3, -2).flatten(-2)


class SelfAttention(nn.Module):
    """Self-attention with packed projections, under the names of PyTorch's MultiheadAttention
    (Vaswani et al., 2017).
    """

    def __init__(self, in_channels: int, heads: int) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * in_channels, in_channels))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * in_channels))
        self.out_proj = nn.Linear(in_channels, in_channels)
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, L, in_channels) to (N, L, in_channels)."""
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        query, key, value = qkv.chunk(3, dim=-1)
        x = attention(query, key, value, self.heads)
        x = self.out_proj(x)
        return x


class EncoderLayer(nn.Module):
    """Self-attention and two linear layers on each token, each after a normalization and added
    to what it took (Dosovitskiy et al., 2021).
    """

    def __init__(self, in_channels: int, heads: int) -> None:
        super().__init__()
        hidden = 4 * in_channels
        self.ln_1 = nn.LayerNorm(in_channels, eps=1e-06)
        self.self_attention = SelfAttention(in_channels, heads)
        self.ln_2 = nn.LayerNorm(in_channels, eps=1e-06)
        self.mlp = nn.Sequential(
            nn.Linear(in_channels, hidden),
            nn.GELU(),
            nn.Dropout(p=0.0),
            nn.Linear(hidden, in_channels),
            nn.Dropout(p=0.0),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, L, in_channels) to (N, L, in_channels)."""
        out: Tensor = self.ln_1(x)
        out = self.self_attention(out)
        attended = out + x
        out = self.ln_2(attended)
        out = self.mlp(out)
        out = out + attended
        return out


class Encoder(nn.Module):
    """Transformer layers on tokens that know their place."""

    def __init__(self, in_channels: int, length: int, heads: int) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.empty(1, length, in_channels))
        self.layers = nn.Sequential(
            OrderedDict((f"encoder_layer_{i}", EncoderLayer(in_channels, heads)) for i in range(12))
        )
        self.ln = nn.LayerNorm(in_channels, eps=1e-06)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, L, in_channels) to (N, L, in_channels)."""
        x = x + self.pos_embedding
        x = self.layers(x)
        x = self.ln(x)
        return x


class VisionTransformer(nn.Module):
    """vit_b_16: 3x224x224 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.class_token = nn.Parameter(torch.zeros(1, 1, 768))
        self.conv_proj = nn.Conv2d(3, 768, kernel_size=16, stride=16)
        self.encoder = Encoder(768, 197, heads=12)
        self.heads = nn.Sequential(OrderedDict([("head", nn.Linear(768, num_classes))]))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialize convolutions, linear layers and parameters; the rest starts as in PyTorch."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.trunc_normal_(module.weight, std=0.03608439182435161)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, SelfAttention):
                nn.init.xavier_uniform_(module.in_proj_weight)
            elif isinstance(module, Encoder):
                nn.init.normal_(module.pos_embedding, std=0.02)
        nn.init.zeros_(self.get_parameter("heads.head.weight"))
        for name, parameter in self.named_parameters():
            if name.endswith("out_proj.weight"):
                nn.init.kaiming_uniform_(parameter, a=5**0.5)
            elif name.endswith(("mlp.0.bias", "mlp.3.bias")):
                nn.init.normal_(parameter, std=1e-06)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 3, 224, 224) to logits (N, num_classes)."""
        x = self.conv_proj(x)
        x = x.flatten(2).transpose(1, 2)
        class_token = self.class_token.expand(x.shape[0], -1, -1)
        x = torch.cat((class_token, x), dim=1)
        x = self.encoder(x)
        x = x[:, 0]
        x = self.heads(x)
        return x
