"""The emitted ResNet-50 against torchvision's: eager, the same settings, forward and training step, in turn.

pip install --no-deps torchvision==0.28.0; python bench/models.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
import torch.nn.functional as F
from pairs import in_turn, line, ratio
from peers import torchvision
from torch import nn

import archspec


def forward(model: nn.Module, images: torch.Tensor) -> Callable[[], object]:
    def run() -> None:
        with torch.inference_mode():
            model(images)
        settle()

    return run


def train(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Callable[[], object]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)

    def run() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
        settle()

    return run


def settle() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--net", default="resnet50")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ours = archspec.build(archspec.load(options.net), "torch").to(device)
    theirs = getattr(torchvision().models, options.net)(weights=None).to(device)
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(options.batch, 3, 224, 224, device=device)
    labels = torch.randint(0, 1000, (options.batch,), device=device)
    with torch.inference_mode():
        difference = (ours.eval()(images) - theirs.eval()(images)).abs().max().item()
    line("largest difference between the two nets' logits", difference)
    seconds = in_turn({"ours": forward(ours, images), "theirs": forward(theirs, images)}, options.rounds, 3)
    line(
        f"{options.net} forward, batch {options.batch}, over torchvision's",
        ratio(*seconds.values()),
        "",
        "at most 1.01",
    )
    ours.train()
    theirs.train()
    seconds = in_turn(
        {"ours": train(ours, images, labels), "theirs": train(theirs, images, labels)}, options.rounds, 3
    )
    line(
        f"{options.net} training step, batch {options.batch}, over torchvision's",
        ratio(*seconds.values()),
        "",
        "at most 1.01",
    )


if __name__ == "__main__":
    main()
