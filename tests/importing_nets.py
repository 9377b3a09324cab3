"""Models in PyTorch as people write them, for the tests of importing."""

import torch
from torch import nn


class Residual(nn.Module):
    def __init__(self, width, out, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(width, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.skip = None
        if stride != 1 or width != out:
            self.skip = nn.Sequential(nn.Conv2d(width, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (x if self.skip is None else self.skip(x)))


class Net(nn.Module):
    def __init__(self, width=4, classes=5):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.layers = nn.ModuleList([Residual(width, width), Residual(width, width), Residual(width, 2 * width, 2)])
        self.dropout = nn.Dropout(0.3)
        self.fc = nn.Linear(2 * width, classes)

    def forward(self, x):
        x = self.stem(x)
        for layer in self.layers:
            x = layer(x)
        return self.fc(self.dropout(x.mean((2, 3))))


class Deciding(Net):
    def forward(self, x):
        return super().forward(x if x.sum() > 0 else -x)


class Odd(nn.Module):
    """Two operations that no spec has."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        y = self.conv(x)
        return (torch.cumsum(y, 1) + torch.flip(y, (1,))).mean((2, 3))


class Volume(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(1, 2, 3)

    def forward(self, x):
        return self.conv(x[:, None])


class Two(nn.Module):
    def forward(self, x, y):
        return x + y


class Raising(nn.Module):
    def forward(self, x):
        raise KeyError("no such thing")


class Printing(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 3))

    def forward(self, x):
        print("seen", tuple(x.shape))
        return self.net(x)


class Part(nn.Module):
    def __init__(self, before, width):
        super().__init__()
        self.one = nn.Conv2d(before, width, 3, padding=1)
        self.two = nn.Conv2d(width, 2 * width, 1, bias=False)

    def forward(self, x):
        return nn.functional.silu(self.two(self.one(x)))


class Wide(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = Part(3, 4), Part(8, 6), Part(12, 3)

    def forward(self, x):
        return self.third(self.second(self.first(x))).mean((2, 3))


class Numbered(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 4, 3), nn.Flatten())


class Hooked(Printing):
    def __init__(self):
        super().__init__()
        self.net[0].register_forward_hook(lambda *_: None)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.one(self.one(x)).mean((2, 3))


def number():
    return 3
