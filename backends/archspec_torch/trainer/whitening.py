"""Filters that whiten patches of images, from which the first convolution of a net can start."""

from __future__ import annotations

import torch
from torch import Tensor

AT_ONCE = 500  # images, whose patches are held
EPS = 5e-4
"""What is added to the variances before their roots divide: airbench's, for pixels of about unit variance."""


@torch.no_grad()
def whitening_filters(images: Tensor, kernel: tuple[int, int], eps: float = EPS) -> Tensor:
    """Filters (2 C h w, C, h, w) for images (N, C, H, W): the principal components of their patches, scaled to unit variance.

    Each is there with both signs, since an activation follows that lets one of them through (Jordan, 2024, section 3.1).
    """
    (high, wide), channels = kernel, images.shape[1]
    size = channels * high * wide
    products, count = torch.zeros(size, size, dtype=torch.float64, device=images.device), 0
    for part in torch.split(images, AT_ONCE):
        patches = part.double().unfold(2, high, 1).unfold(3, wide, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, size)
        products += patches.T @ patches
        count += len(patches)
    variances, components = torch.linalg.eigh(products / count)
    filters = (components / (variances + eps).sqrt()).T.flip(0).reshape(-1, channels, high, wide)
    return torch.cat([filters, -filters]).to(images.dtype)
