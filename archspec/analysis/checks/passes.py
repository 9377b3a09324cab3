"""Checks of a whole network after it is built: what the spec expects of it, and whether its data fits."""

from __future__ import annotations

from archspec.analysis.checks.constant_results import check_constant_results
from archspec.analysis.checks.declarations import check_declarations
from archspec.analysis.checks.fine_tuning import check_fine_tuning
from archspec.analysis.checks.letter_case import check_case
from archspec.analysis.checks.normalization import check_statistics
from archspec.analysis.checks.phases import check_phases
from archspec.analysis.checks.stochastic_depth import check_stochastic_depth
from archspec.analysis.checks.unused import check_unused
from archspec.analysis.sizes import misfit
from archspec.analysis.starts import check_whitening
from archspec.diagnostics import Diagnostics, Related, Span
from archspec.loading.program import Program
from archspec.ops import show

DATASETS: dict[str, tuple[tuple[int, int, int], int]] = {
    "cifar10": ((3, 32, 32), 10),
    "cifar100": ((3, 32, 32), 100),
    "digits": ((1, 8, 8), 10),
}


def check_expectations(net: Program, problems: Diagnostics) -> None:
    """Compare the counts that the spec states with those of the net."""
    node = net.resolved.root.get("expect")
    for key in ("params", "macs", "attention_macs", "depth"):
        expected, actual = getattr(net.spec.expect, key), getattr(net.cost, key)
        if node is not None and expected is not None and expected != actual:
            span = (node.get(key) or node).span
            wanted = f"expected {_count(key, expected)}, and the net has {actual:,}"
            problems.add("AS501", wanted, span, f"fix the net, or state `{key}: {actual}`")


def _count(key: str, number: int) -> str:
    """A count that the spec states, in words."""
    if key == "depth":
        return f"depth {number:,}"
    if key == "attention_macs":
        return f"{number:,} multiply-adds of attention"
    noun = {"params": "parameter", "macs": "multiply-add"}[key]
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def check_data(net: Program, problems: Diagnostics) -> None:
    """Compare the input and the classes of the net with the data set that its recipe names."""
    train = net.resolved.root.get("train")
    if net.spec.train is None or train is None:
        return
    if net.classes is None and not net.outputs:
        message, help_ = "`classes` is missing, which `train` needs", "add `classes: 1000`, or take `train` out"
        problems.add("AS102", message, net.resolved.root.key_span("train"), help_)
        return
    if net.spec.train.data.dataset not in DATASETS or net.outputs:
        return
    dataset = net.spec.train.data.dataset
    (channels, height, width), classes = DATASETS[dataset]
    data = train.get("data") or train
    span, recipe = (data.get("dataset") or data).span, train.get("recipe")
    related = []
    if recipe is not None and recipe.span.source is not span.source:
        span, related = recipe.span, [Related("which says so here", span)]
    takes, gives = show(net.input_shape), show((channels, height, width))
    if takes != gives:
        problems.add(
            "AS603",
            f"`{dataset}` has images of {gives}, and the net takes {takes}",
            span,
            f"set `input: {{channels: {channels}, size: {height}}}`, or train on other data",
            related,
        )
    if net.classes != classes:
        message = f"`{dataset}` has {classes} classes, and the net {net.classes}"
        problems.add("AS603", message, span, f"set `classes: {classes}`", related)


def check_augmentation(net: Program, problems: Diagnostics) -> None:
    """Compare what the recipe does to images with the channels and classes of the net."""
    if net.spec.train is None:
        return
    data, channels = net.spec.train.data, net.input_shape[0]
    if data.normalize == "imagenet" and channels != 3:
        message = f"`imagenet` has the mean of 3 channels, and the net takes {channels}"
        problems.add("AS604", message, _place(net, "normalize"), "normalize with `per_channel`")
    for index, kind in enumerate(data.kinds):
        takes = (3,) if kind == "pca_lighting" else (1, 3) if kind not in ON_BATCHES else (channels,)
        if channels not in takes:
            several = " or ".join(map(str, takes))
            message = f"`{kind}` changes images of {several} channels, and the net takes {channels}"
            problems.add("AS604", message, _place(net, "augment", index), "take it out")
    side = min([size.value for size in data.size] or net.input_shape[1:])
    for index, step in enumerate(data.augment):
        if step.pad_crop is not None and step.pad_crop.padding >= side:
            message = f"{step.pad_crop.padding} pixels of padding can push all of an image of {side} out of sight"
            problems.add("AS604", message, _place(net, "augment", index), "pad with less, as `pad_crop: 4` does")
    if data.mix is not None and net.classes == 1:
        problems.add("AS604", "labels of one class cannot be mixed", _place(net, "mix"), "take `mix` out")


def check_size(net: Program, problems: Diagnostics) -> None:
    """See whether the net takes the sizes of images that it is trained on."""
    for index, size in enumerate(net.spec.train.data.size if net.spec.train else ()):
        why = misfit(net, (size.value, size.value))
        if why is not None:
            message = f"the net does not take images of {size.value}x{size.value}: {why}"
            help_ = "end the net with `global_avg_pool` before `linear`, or train on its own input size"
            problems.add("AS605", message, _place(net, "size", index), help_)


def check_evaluation(net: Program, problems: Diagnostics) -> None:
    """Compare the size that images are resized to before they are tested with that of the centre which is cut out."""
    data = net.spec.train.data if net.spec.train is not None else None
    if data is None or data.eval_resize is None:
        return
    resized, seen = data.eval_resize, max(net.input_shape[1:])
    if 2 * resized <= 3 * seen and 9 * seen <= 10 * resized:
        return
    taken = f"the centre of {seen} is tested" if seen < resized else f"they are enlarged to {seen} to be tested"
    message = f"the short edge of images is resized to {resized} pixels, and {taken}"
    help_ = f"give it for this net: `data: {{eval_resize: {round(seen * 256 / 224)}}}`"
    span, train = _place(net, "eval_resize"), net.resolved.root.get("train")
    recipe = train.get("recipe") if train is not None else None
    related = []
    if recipe is not None and recipe.span.source is not span.source:
        span, related = recipe.span, [Related("which says so here", span)]
    problems.add("AS608", message, span, help_, related)


def _place(net: Program, key: str, index: int = 0) -> Span:
    """Where a key of `train.data` is written, or an item of its list."""
    root = net.resolved.root
    node = (root.get("train") or root).get("data")
    node = node and node.get(key)
    assert node is not None, "a value that differs from the default is written somewhere"
    return node.value[index].span if isinstance(node.value, list) and node.value else node.span


ON_BATCHES = ("pad_crop", "hflip", "random_erasing")
"""Augmentations of batches, whatever their channels; the others are done by an image library."""

PASSES = (
    check_case,
    check_declarations,
    check_unused,
    check_stochastic_depth,
    check_expectations,
    check_data,
    check_augmentation,
    check_size,
    check_evaluation,
    check_phases,
    check_statistics,
    check_constant_results,
    check_fine_tuning,
    check_whitening,
)
