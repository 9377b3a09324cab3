"""A training loop by hand, with nothing of archspec in it: what our runs are compared with, seed by seed.

    python bench/plain_loop.py --data DIR --seed 0            ResNet-20 as in He et al. (2015), 1,200 steps
    python bench/plain_loop.py --data DIR --blocks 1 --width 8 --images 9000 --steps 300 --drop 225     reduced

DIR holds `cifar-10-batches-bin`. The net, its start, the order, the augmentation, SGD, the schedule and the evaluation are
written out below; a `Parts` says where start, order and draws come from, so that `spread.py` can put others in their place.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

BATCH = 128
MOMENTUM, DECAY = 0.9, 1e-4


@dataclass(frozen=True)
class Size:
    """How large a run is: `blocks` in each of three stages, of `width`, twice and four times as many channels."""

    blocks: int = 3
    width: int = 16
    steps: int = 1_200
    drop: int = 900  # the step from which the rate is a tenth
    lr: float = 0.1


@dataclass(frozen=True)
class Parts:
    """Where the random parts of a run come from."""

    start: Callable[[Size], nn.Module]
    order: Callable[[int, int], Tensor]  # of an epoch and the number of images: their indices (count,)
    draws: Callable[[int, int], tuple[Tensor, Tensor, Tensor]]  # likewise: top, left (0 to 8) and mirrored


# --- the net --------------------------------------------------------------------------------------------


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut that has no parameters (option A)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.stride, self.new = stride, after - before

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, before, H, W) to (N, after, H / stride, W / stride)."""
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.new:
            x = F.pad(
                x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.new // 2, self.new - self.new // 2)
            )
        return F.relu(out + x)


class Net(nn.Module):
    """The 6n+2 family of section 4.2."""

    def __init__(self, blocks: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        before = width
        for stage in range(3):
            after = width << stage
            chain = [Block(before if i == 0 else after, after, 2 if i == 0 and stage else 1) for i in range(blocks)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*chain))
            before = after
        self.fc = nn.Linear(before, 10)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # He et al. (2015b), by what a convolution gives
                nn.init.normal_(module.weight, std=math.sqrt(2 / (9 * module.out_channels)))

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 3, 32, 32) to logits (N, 10)."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


# --- what is random -------------------------------------------------------------------------------------


def plain_parts(seed: int) -> Parts:
    """PyTorch's own generator for each part, and for each epoch of it."""

    def generator(part: int, epoch: int) -> torch.Generator:
        return torch.Generator().manual_seed((seed * 1_000 + epoch) * 10 + part)

    def start(size: Size) -> nn.Module:
        torch.manual_seed(seed)
        return Net(size.blocks, size.width)

    def draws(epoch: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
        random = generator(2, epoch)
        top, left = torch.randint(0, 9, (2, count), generator=random)
        return top, left, torch.rand(count, generator=random) < 0.5

    return Parts(start, lambda epoch, count: torch.randperm(count, generator=generator(1, epoch)), draws)


# --- images ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Images:
    """Training and test images, their per-pixel mean subtracted, and labels."""

    train: Tensor  # (N, 3, 32, 32)
    labels: Tensor
    test: Tensor
    test_labels: Tensor


def read_images(folder: Path, chosen: Tensor) -> Images:
    """The binary CIFAR-10, with the `chosen` training images."""

    def read(names: list[str]) -> tuple[Tensor, Tensor]:
        raw = [np.fromfile(folder / "cifar-10-batches-bin" / name, np.uint8) for name in names]
        records = torch.from_numpy(np.concatenate(raw).reshape(-1, 3_073))
        return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].long()

    images, labels = read([f"data_batch_{i}.bin" for i in range(1, 6)])
    test, test_labels = read(["test_batch.bin"])
    train = images[chosen].float() / 255
    mean = train.mean(0)
    return Images(train - mean, labels[chosen], test.float() / 255 - mean, test_labels)


def split(seed: int, count: int) -> Tensor:
    """Which of the 50,000 images are trained on; the rest is held out."""
    return torch.randperm(50_000, generator=torch.Generator().manual_seed(seed + 10**9))[:count].sort().values


def augmented(images: Tensor, top: Tensor, left: Tensor, mirrored: Tensor) -> Tensor:
    """Each image padded with four zeros on each side, cut out at its own place, and mirrored or not."""
    padded = F.pad(images, (4, 4, 4, 4))
    cut = [
        image[:, t : t + 32, x : x + 32] for image, t, x in zip(padded, top.tolist(), left.tolist(), strict=True)
    ]
    return torch.stack([image.flip(2) if m else image for image, m in zip(cut, mirrored.tolist(), strict=True)])


# --- the loop -------------------------------------------------------------------------------------------


def train(size: Size, parts: Parts, images: Images) -> tuple[list[float], nn.Module]:
    """The loss of each step, and the trained net."""
    model = parts.start(size).to(memory_format=torch.channels_last)
    weights = list(model.parameters())
    velocities = [torch.zeros_like(w) for w in weights]
    count = len(images.train)
    per_epoch = count // BATCH
    losses = []
    for step in range(size.steps):
        epoch, index = divmod(step, per_epoch)
        if index == 0:
            order, (top, left, mirrored) = parts.order(epoch, count), parts.draws(epoch, count)
        here = slice(index * BATCH, (index + 1) * BATCH)
        batch = augmented(images.train[order[here]], top[here], left[here], mirrored[here])
        model.train()
        loss = F.cross_entropy(model(batch.to(memory_format=torch.channels_last)), images.labels[order[here]])
        gradients = torch.autograd.grad(loss, weights)
        rate = size.lr if step < size.drop else size.lr / 10
        with torch.no_grad():
            for w, v, g in zip(weights, velocities, gradients, strict=True):
                v.mul_(MOMENTUM).add_(g).add_(w, alpha=DECAY)
                w.sub_(v, alpha=rate)
        losses.append(loss.item())
    return losses, model


@torch.no_grad()
def test_error(model: nn.Module, images: Images) -> float:
    """Percent of the test images that are wrong, by running statistics."""
    model.eval()
    pairs = zip(images.test.split(500), images.test_labels.split(500), strict=True)
    wrong = sum(
        int((model(x.contiguous(memory_format=torch.channels_last)).argmax(1) != y).sum()) for x, y in pairs
    )
    return 100 * wrong / len(images.test)


def add_size(parser: argparse.ArgumentParser) -> None:
    """The options of a run's size."""
    parser.add_argument("--data", type=Path, required=True, help="the folder of cifar-10-batches-bin")
    parser.add_argument("--steps", type=int, default=Size.steps)
    parser.add_argument(
        "--drop", type=int, help="the step from which the rate is a tenth (default: three quarters)"
    )
    parser.add_argument("--lr", type=float, default=Size.lr)
    parser.add_argument("--blocks", type=int, default=Size.blocks, help="in each stage: 3 for ResNet-20")
    parser.add_argument("--width", type=int, default=Size.width)
    parser.add_argument("--images", type=int, default=45_000, help="that are trained on, of 50,000")
    parser.add_argument("--threads", type=int, default=1)


def size_of(options: argparse.Namespace) -> Size:
    """The size that was asked for."""
    drop = options.steps * 3 // 4 if options.drop is None else options.drop
    return Size(options.blocks, options.width, options.steps, drop, options.lr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_size(parser)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    images = read_images(options.data, split(options.seed, options.images))
    losses, model = train(size_of(options), plain_parts(options.seed), images)
    error = test_error(model, images)
    last = losses[-100:]
    print(
        f"seed {options.seed}: test error {error:.2f}%, loss over the last {len(last)} steps {sum(last) / len(last):.4f}"
    )


if __name__ == "__main__":
    main()
