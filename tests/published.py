"""Nets that torchvision or timm publish weights of: their names, and what their tensors come to."""

import hashlib

NETS = [
    *("vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32", "vit_h_14"),
    *("convnext_tiny", "convnext_small", "convnext_base", "convnext_large"),
    *("convnextv2_tiny", "convnextv2_base", "convnextv2_large"),
    *("swin_t", "swin_s", "swin_b", "maxvit_t"),
    *("swin_v2_t", "swin_v2_s", "swin_v2_b"),
    *("deit_small_patch16_224", "mixer_b16_224"),
    *("alexnet", "squeezenet1_0", "squeezenet1_1"),
    *(f"vgg{n}{norm}" for n in (11, 13, 16, 19) for norm in ("", "_bn")),
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"),
    *("resnet50c", "resnet50d", "ecaresnet50d", "seresnet50", "resnetaa50", "resnest50d"),
    *("resnetv2_50", "resnetv2_50x1_bit", "nf_resnet50"),
    *("repvgg_a0", "repvgg_a1", "repvgg_a2", "repvgg_b0", "repvgg_b1"),
    *("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"),
    *("densenet121", "densenet161", "densenet169", "densenet201"),
    *("mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"),
    *(f"efficientnet_b{i}" for i in range(8)),
    *(f"efficientnet_v2_{size}" for size in "sml"),
    *("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"),
    *(
        f"regnet_{kind}_{size}"
        for kind in "xy"
        for size in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf")
    ),
    "regnet_y_128gf",
    *("skresnet50", "res2net50_26w_4s"),
    *("googlenet", "inception_v3", "fcn_resnet50", "deeplabv3_resnet50"),
    *("lraspp_mobilenet_v3_large", "resnet50_fpn"),
]
SMALL = [
    *(
        "swin_t",
        "swin_v2_t",
        "maxvit_t",
        "vit_b_32",
        "convnext_tiny",
        "convnextv2_tiny",
        "deit_small_patch16_224",
        "mixer_b16_224",
    ),
    *("alexnet", "squeezenet1_1", "vgg11_bn", "resnet18", "resnext50_32x4d", "wide_resnet50_2", "densenet121"),
    *(
        "mobilenet_v2",
        "mobilenet_v3_large",
        "mobilenet_v3_small",
        "mnasnet0_5",
        "efficientnet_b0",
        "efficientnet_v2_s",
        "shufflenet_v2_x0_5",
    ),
    *("regnet_x_400mf", "regnet_y_400mf"),
    *("resnet50d", "ecaresnet50d", "seresnet50", "resnetaa50", "resnest50d"),
    *("resnetv2_50", "resnetv2_50x1_bit", "nf_resnet50", "repvgg_a0"),
    *("skresnet50", "res2net50_26w_4s"),
    *("googlenet", "inception_v3", "fcn_resnet50", "deeplabv3_resnet50"),
    *("lraspp_mobilenet_v3_large", "resnet50_fpn"),
]
"""One of each family, whose answers are compared before a release."""
FEW = ("vit_b_32", "swin_t", "resnet18", "mobilenet_v3_small", "efficientnet_b0", "regnet_y_400mf")
"""Those of them that the long loops compare."""


def tensors(shapes):
    """A hash of the names and shapes of tensors."""
    lines = sorted(f"{name} {list(shape)}" for name, shape in shapes.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
