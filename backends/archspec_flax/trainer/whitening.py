"""Filters that whiten patches of images, from which the first convolution of a net can start."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Images = NDArray[np.float32]

AT_ONCE = 500  # images, whose patches are held
EPS = 5e-4
"""What is added to the variances before their roots divide: airbench's, for pixels of about unit variance."""


def whitening_filters(images: Images, kernel: tuple[int, int], eps: float = EPS) -> Images:
    """Filters (2 C h w, C, h, w) for images (N, H, W, C): the principal components of their patches, scaled to unit variance.

    Each is there with both signs, since an activation follows that lets one of them through (Jordan, 2024, section 3.1).
    """
    channels = images.shape[-1]
    size = channels * kernel[0] * kernel[1]
    products, count = np.zeros((size, size)), 0
    for start in range(0, len(images), AT_ONCE):
        part = images[start : start + AT_ONCE].astype(np.float64)
        patches = sliding_window_view(part, kernel, axis=(1, 2)).reshape(-1, size)
        products += patches.T @ patches
        count += len(patches)
    variances, components = np.linalg.eigh(products / count)
    filters = (components / np.sqrt(variances + eps)).T[::-1].reshape(-1, channels, *kernel)
    return np.concatenate([filters, -filters]).astype(images.dtype)
