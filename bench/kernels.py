"""Kernels and bytes of a training step of `archspec train` against those of a step by hand, eager and fused; needs no GPU.

    python bench/kernels.py                     three nets, as PyTorch dispatches their steps on a CPU
    python bench/kernels.py --fused             also what its compiler makes of forward and backward pass (minutes)

What is counted is the same on a GPU but for the copy of the batch's places, which CPUs need not.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pairs import line
from plain_loop import Net
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import archspec
from archspec.emission.folder import job_fields, train_source
from archspec.emission.import_source import import_source
from archspec_runtime.augment.plan import Plan
from archspec_runtime.batches.normalization import Normalization
from archspec_runtime.batches.order import Batch
from archspec_runtime.data.splits import ArraySplit, Dataset
from archspec_runtime.job.job import Job

NO_KERNEL = {"aten::detach", "aten::empty", "aten::empty_like", "aten::empty_strided", "aten::_unsafe_view"}
"""What launches nothing, beside views."""
BATCH = 4
BOUND = "at most 1.05"


class Kernels(TorchDispatchMode):
    """How many kernels were launched within it, by name, and what they moved.

    The gradients of a convolution's input, weights and bias are a kernel each, and each reads that of the result.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names, self.bytes = Counter[str](), 0

    @property
    def launches(self) -> int:
        return self.names.total()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        name = function._schema.name
        if function.is_view or name in NO_KERNEL:
            return result
        read, written = ([t for t in tree_leaves(x) if isinstance(t, Tensor)] for x in ((args, kwargs), result))
        self.names[name] += 1
        self.bytes += sum(t.nbytes for t in (*read, *written))
        if name == "aten::convolution_backward":  # one for each of the gradients that are asked for
            self.names[name] += sum(args[-1]) - 1
            self.bytes += (sum(args[-1]) - 1) * args[0].nbytes
        return result


# --- nets by hand ---------------------------------------------------------------------------------------


class Bottleneck(nn.Module):
    """The block of ResNet-50, its stride in the 3x3 convolution."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride > 1 or before != 4 * width:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


def resnet50() -> nn.Module:
    blocks: list[nn.Module] = []
    before = 64
    for width, count in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for index in range(count):
            blocks.append(Bottleneck(before, width, 2 if index == 0 and width > 64 else 1))
            before = 4 * width
    stem = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000))


def vgg19(side: int) -> nn.Module:
    layers: list[nn.Module] = []
    before = 3
    for width, count in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)):
        for _ in range(count):
            layers += [nn.Conv2d(before, width, 3, 1, 1), nn.ReLU(inplace=True)]
            before = width
        layers.append(nn.MaxPool2d(2, 2))
    for before, after in ((512 * (side // 32) ** 2, 4096), (4096, 4096)):
        layers += [*([nn.Flatten()] if after != before else []), nn.Linear(before, after), nn.ReLU(inplace=True)]
        layers.append(nn.Dropout(0.5))
    return nn.Sequential(*layers, nn.Linear(4096, 1000))


NETS: dict[str, tuple[int, Callable[[], nn.Module]]] = {
    "cifar_resnet:resnet20": (32, lambda: Net(3, 16)),
    "resnet50": (64, resnet50),
    "vgg19": (64, lambda: vgg19(64)),
}
"""By what the zoo calls them: a side of their images, and the same net by hand."""


# --- steps ----------------------------------------------------------------------------------------------


def ours(name: str) -> tuple[Callable[[], object], nn.Module]:
    """A step as `archspec train` makes it, and its model."""
    from archspec_torch.emit.folder import KIT
    from archspec_torch.trainer.stepper import TorchStepper

    side, _ = NETS[name]
    net = archspec.load(name, set={} if side == 32 else {"input.size": side})
    job = Job.from_dict(job_fields(net))
    optimizer = replace(job.recipe.optimizer, momentum=0.9)
    job = replace(job, recipe=replace(job.recipe, batch_size=BATCH, optimizer=optimizer))
    split = ArraySplit(np.zeros((2 * BATCH, 3, side, side), np.uint8), np.zeros(2 * BATCH, np.int64))
    normalization = Normalization(np.zeros((3, 1, 1), np.float32))
    model = archspec.build(net, backend="torch")
    source = train_source(KIT, net, job).replace(f"from model import {net.class_name}\n", "")
    stated = import_source(source, "kernels_trainer")
    stepper = TorchStepper(
        lambda: model,
        stated.TRAINING,
        job,
        Dataset(split, None, split, ()),
        normalization,
        torch.device("cpu"),
        False,
    )
    places = np.zeros(BATCH, np.int64)
    plan = Plan(4 if side == 32 else 0, places, places, np.zeros(BATCH, bool))
    return lambda: stepper.step(Batch(places, places, plan), 0.1, 0), stepper.model


def by_hand(name: str) -> tuple[Callable[[], object], nn.Module]:
    """The same step as one writes it: images of bytes on the device, moved there, and the loss and errors added up there."""
    side, make = NETS[name]
    model = make().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4, fused=True)
    images, labels = torch.zeros((2 * BATCH, 3, side, side), dtype=torch.uint8), torch.zeros(2 * BATCH, dtype=int)
    mean, loss_sum, wrong = torch.zeros((3, 1, 1)), torch.zeros(()), torch.zeros((), dtype=int)
    indices, mirrored = torch.zeros(BATCH, dtype=int), torch.zeros(BATCH, dtype=bool)
    top, left = (torch.zeros(BATCH, dtype=int) for _ in range(2))

    def run() -> None:
        model.train()
        pixels = images[indices].float().mul_(1 / 255).sub_(mean)
        if side == 32:
            padded = F.pad(pixels, (4, 4, 4, 4))
            rows = top[:, None] + torch.arange(side)
            columns = left[:, None] + torch.arange(side)
            columns = torch.where(mirrored[:, None], columns.flip(1), columns)
            pixels = padded[torch.arange(BATCH)[:, None, None], :, rows[:, :, None], columns[:, None, :]]
            pixels = pixels.permute(0, 3, 1, 2)
        else:
            pixels = torch.where(mirrored[:, None, None, None], pixels.flip(3), pixels)
        given, expected = pixels.contiguous(memory_format=torch.channels_last), labels[indices]
        optimizer.zero_grad()
        logits = model(given)
        loss = F.cross_entropy(logits, expected)
        loss.backward()
        optimizer.step()
        loss_sum.add_(loss.detach())
        wrong.add_((logits.detach().argmax(1) != expected).sum())

    return run, model


def counted(run: Callable[[], object]) -> Kernels:
    """The second step, as the first makes the optimizer's state."""
    run()
    with Kernels() as seen:
        run()
    return seen


def fused(model: nn.Module, side: int) -> int:
    """How many kernels PyTorch's compiler makes of a forward and backward pass on a CPU."""
    from torch._inductor import metrics

    torch._dynamo.reset()
    metrics.reset()
    images = torch.zeros((BATCH, 3, side, side)).to(memory_format=torch.channels_last)
    compiled = torch.compile(model.train(), dynamic=False)
    compiled(images).sum().backward()
    return int(metrics.generated_kernel_count)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fused", action="store_true")
    options = parser.parse_args()
    for name, (side, _) in NETS.items():
        (run, model), (hand, theirs) = ours(name), by_hand(name)
        here, there = counted(run), counted(hand)
        line(f"{name}: kernels, ours", here.launches)
        line(f"{name}: kernels, by hand", there.launches)
        line(f"{name}: kernels, ratio", here.launches / there.launches, bound=BOUND)
        line(f"{name}: bytes moved, ratio", here.bytes / there.bytes, bound=BOUND)
        if options.fused:
            line(f"{name}: kernels, fused, ratio", fused(model, side) / fused(theirs, side), bound=BOUND)


if __name__ == "__main__":
    main()
