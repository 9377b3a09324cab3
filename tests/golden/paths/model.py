"""paths: 10,027 parameters, 1,049,830 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def tapped(layers: nn.Module, x: Tensor, *names: str) -> tuple[Tensor, ...]:
    """Map x through layers; the results of those with these names come before the last one's."""
    results = []
    for name, layer in layers.named_children():
        x = layer(x)
        if name in names:
            results.append(x)
    return (*results, x)


class Cell(nn.Module):
    """The block `cell`."""

    def __init__(self, in_channels: int, width: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, width, kernel_size=3, padding=dilation, dilation=dilation, bias=False
        )
        self.batch_norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, width, H, W)."""
        x = self.conv(x)
        x = self.batch_norm(x)
        return x


class Parallel(nn.Module):
    """The block `parallel`."""

    def __init__(self, in_channels: int, width: int, gated: bool = False) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                *(
                    nn.Conv2d(in_channels, width, kernel_size=3, padding=1, bias=False)
                    for _ in range(2)
                ),
                nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False),
            ]
        )
        self.gates = nn.ModuleList(
            [
                nn.Sigmoid() if gated else nn.Identity(),
                nn.ReLU(inplace=True),
                nn.Identity(),
                nn.Sequential(nn.Conv2d(width, width, kernel_size=1, bias=False), nn.Hardswish()),
            ]
        )
        self.cells = nn.ModuleList(
            [
                *(Cell(in_channels, width, dilation=i + 1) for i in range(3)),
                *(Cell(in_channels, width, dilation=1) for _ in range(2)),
            ]
        )
        self.last = nn.ModuleDict({"bn": nn.BatchNorm2d(width)})

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in_channels, H, W) to (N, width, H, W)."""
        convs0: Tensor = self.convs[0](x)
        convs1: Tensor = self.convs[1](x)
        convs2: Tensor = self.convs[2](convs1)
        gates0: Tensor = self.gates[0](convs2)
        gates1: Tensor = self.gates[1](convs0)
        out: Tensor = self.gates[3](convs2)
        out = (
            gates0
            + gates1
            + out
            + convs1
            + self.cells[0](x)
            + self.cells[1](x)
            + self.cells[2](x)
            + self.cells[3](x)
            + self.cells[4](x)
        )
        out = self.last["bn"](out)
        return out


class Paths(nn.Module):
    """paths: 3x9x12 images to 5 classes."""

    def __init__(self, num_classes: int = 5) -> None:
        super().__init__()
        self.body = nn.ModuleDict(
            {
                "conv1": nn.Conv2d(3, 8, kernel_size=3, padding=1),
                "bn1": nn.BatchNorm2d(8),
                "relu": nn.ReLU(inplace=True),
            }
        )
        self.deep = nn.ModuleList(
            [
                nn.ModuleList([nn.Conv2d(8, 8, kernel_size=1, bias=False), nn.BatchNorm2d(8)]),
                nn.ModuleDict(
                    {
                        "fc": nn.Sequential(
                            nn.Conv2d(8, 6, kernel_size=1, bias=False),
                            nn.ReLU(),
                            nn.Conv2d(6, 8, kernel_size=1, bias=False),
                        ),
                    }
                ),
            ]
        )
        self.layer1 = nn.Sequential(Parallel(8, 8, gated=True), Parallel(8, 8))
        self.fc = nn.Linear(14, num_classes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialize convolutions and parameters; the rest starts as in PyTorch."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.constant_(self.get_parameter("body.conv1.bias"), 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 3, 9, 12) to logits (N, num_classes)."""
        x = self.body["conv1"](x)
        x = self.body["bn1"](x)
        x = self.body["relu"](x)
        deep0_0: Tensor = self.get_submodule("deep.0.0")(x)
        x = self.get_submodule("deep.0.1")(deep0_0)
        x0, x = tapped(self.get_submodule("deep.1.fc"), x, "0")
        x = x + deep0_0
        x = self.layer1(x)
        x = torch.cat((x, x0), dim=1)
        x = x.mean(dim=(2, 3))
        x = self.fc(x)
        return x
