"""Nets that torchvision or timm publish weights of: their names, and what their tensors come to."""

import hashlib

NETS = [
    *("vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32", "vit_h_14"),
    *("convnext_tiny", "convnext_small", "convnext_base", "convnext_large"),
    *("swin_t", "swin_s", "swin_b"),
    *("deit_small_patch16_224", "mixer_b16_224"),
]
SMALL = ["swin_t", "vit_b_32", "convnext_tiny", "deit_small_patch16_224", "mixer_b16_224"]
"""One of each family, whose answers are compared."""


def tensors(shapes):
    """A hash of the names and shapes of tensors."""
    lines = sorted(f"{name} {list(shape)}" for name, shape in shapes.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
