"""torchvision on the CPU build of PyTorch, which has no torchvision of its own: pip install --no-deps torchvision==0.28.0."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def torchvision() -> ModuleType:
    """Import it after declaring the two compiled operators that it would otherwise miss."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in ("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
                   "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"):  # fmt: skip
        try:
            library.define(schema)
        except RuntimeError:  # a build that has its operators
            continue
    _keep.append(library)
    import torchvision

    return torchvision


_keep: list[object] = []  # declared operators live as long as their library


def published(name: str) -> Any:
    """The net of this name, torchvision's where it has one and else timm's, with weights as they start."""
    import torch

    models = torchvision().models
    if name in ("googlenet", "inception_v3"):  # whose usual start takes minutes
        return getattr(models, name)(weights=None, init_weights=False)
    if hasattr(models.segmentation, name):
        heads = {} if name.startswith("lraspp") else {"aux_loss": True}
        return getattr(models.segmentation, name)(weights=None, weights_backbone=None, **heads)
    if name == "resnet50_fpn":  # with the normalization that is trained from the start
        backbone = models.detection.backbone_utils.resnet_fpn_backbone
        return backbone(backbone_name="resnet50", weights=None, norm_layer=torch.nn.BatchNorm2d, trainable_layers=5)
    if hasattr(models, name):
        return getattr(models, name)(weights=None)
    import timm

    return timm.create_model(name)
