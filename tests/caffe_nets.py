"""Caffe's prototxt of the residual nets that He et al. (2015) released, from the layer parameters that they published."""

DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def layer(name, type_, bottom, top, param=""):
    bottoms = "".join(f'\tbottom: "{one}"\n' for one in ([bottom] if isinstance(bottom, str) else bottom))
    return f'layer {{\n{bottoms}\ttop: "{top}"\n\tname: "{name}"\n\ttype: "{type_}"\n{param}}}\n'


def convolution(name, bottom, out, kernel, pad, stride, bias=False):
    numbers = f"num_output: {out}\n\t\tkernel_size: {kernel}\n\t\tpad: {pad}\n\t\tstride: {stride}"
    more = "" if bias else "\n\t\tbias_term: false"
    return layer(name, "Convolution", bottom, name, f"\tconvolution_param {{\n\t\t{numbers}{more}\n\t}}\n")


def normalized(name, blob):
    """A normalization with its scale, both in place; `name` is that of the layer without its first word."""
    return layer(
        f"bn{name}", "BatchNorm", blob, blob, "\tbatch_norm_param {\n\t\tuse_global_stats: true\n\t}\n"
    ) + layer(f"scale{name}", "Scale", blob, blob, "\tscale_param {\n\t\tbias_term: true\n\t}\n")


def block(name, bottom, width, stride, projected):
    """`res2a` and its like: the stride of a stage is in the first 1x1 convolution and in the projection."""
    text, shortcut = "", bottom
    if projected:
        shortcut = f"res{name}_branch1"
        text += convolution(shortcut, bottom, 4 * width, 1, 0, stride) + normalized(f"{name}_branch1", shortcut)
    for letter, out, kernel, pad, step in (
        ("a", width, 1, 0, stride),
        ("b", width, 3, 1, 1),
        ("c", 4 * width, 1, 0, 1),
    ):
        blob = f"res{name}_branch2{letter}"
        text += convolution(blob, bottom, out, kernel, pad, step) + normalized(f"{name}_branch2{letter}", blob)
        if letter != "c":
            text += layer(f"{blob}_relu", "ReLU", blob, blob)
        bottom = blob
    text += layer(f"res{name}", "Eltwise", [shortcut, bottom], f"res{name}")
    return text + layer(f"res{name}_relu", "ReLU", f"res{name}", f"res{name}")


def names_of(stage, count):
    """The blocks of a stage: by letters in ResNet-50, by numbers behind the first where a stage is longer than the alphabet."""
    if count > 6:
        return [f"{stage}a", *(f"{stage}b{i}" for i in range(1, count))]
    return [f"{stage}{letter}" for letter in "abcdef"[:count]]


def residual(depth):
    """The deploy prototxt of a net. ResNet-50's first convolution has a bias; the first pooling rounds up without padding."""
    text = f'name: "ResNet-{depth}"\ninput: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: 224\ninput_dim: 224\n\n'
    text += convolution("conv1", "data", 64, 7, 3, 2, bias=depth == 50) + normalized("_conv1", "conv1")
    text += layer("conv1_relu", "ReLU", "conv1", "conv1")
    text += layer(
        "pool1",
        "Pooling",
        "conv1",
        "pool1",
        "\tpooling_param {\n\t\tkernel_size: 3\n\t\tstride: 2\n\t\tpool: MAX\n\t}\n",
    )
    bottom = "pool1"
    for place, count in enumerate(DEPTHS[depth]):
        for i, name in enumerate(names_of(place + 2, count)):
            text += block(name, bottom, 64 << place, 2 if place and not i else 1, not i)
            bottom = f"res{name}"
    text += layer(
        "pool5",
        "Pooling",
        bottom,
        "pool5",
        "\tpooling_param {\n\t\tkernel_size: 7\n\t\tstride: 1\n\t\tpool: AVE\n\t}\n",
    )
    text += layer(
        "fc1000", "InnerProduct", "pool5", "fc1000", "\tinner_product_param {\n\t\tnum_output: 1000\n\t}\n"
    )
    return text + layer("prob", "Softmax", "fc1000", "prob")
