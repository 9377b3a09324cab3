"""Models in PyTorch as people write them, for the tests of importing."""

import os

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


class Odd(nn.Module):
    """Two operations that no spec has."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        y = self.conv(x)
        return (torch.cumsum(y, 1) + torch.flip(y, (1,))).mean((2, 3))


class Printing(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 3))

    def forward(self, x):
        print("seen", tuple(x.shape))
        os.write(1, b"seen past Python\n")
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


class Grow(nn.Module):
    def __init__(self, before, width=4):
        super().__init__()
        self.norm = nn.BatchNorm2d(before)
        self.conv = nn.Conv2d(before, width, 3, padding=1, bias=False)

    def forward(self, values):
        return self.conv(torch.relu(self.norm(torch.cat(values, 1))))


class Dense(nn.Module):
    """Layers that are made in a loop and set by name, each of which takes all before it."""

    def __init__(self):
        super().__init__()
        for i in range(4):
            setattr(self, f"layer{i}", Grow(3 + 4 * i))
        self.fc = nn.Linear(19, 5)

    def forward(self, x):
        values = [x]
        for i in range(4):
            values.append(getattr(self, f"layer{i}")(values))
        return self.fc(torch.cat(values, 1).mean((2, 3)))


class Hyphens(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential()
        for i in range(3):
            self.trunk.add_module(f"block-{i}", Residual(3 if i == 0 else 4, 4, 2 if i == 0 else 1))
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        return self.fc(self.trunk(x).mean((2, 3)))


class NormAct(nn.BatchNorm2d):
    def __init__(self, width):
        super().__init__(width)
        self.act = nn.SiLU()

    def forward(self, x):
        return self.act(super().forward(x))


class Activated(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(3, 4, 3), NormAct(4), nn.Linear(4, 5)

    def forward(self, x):
        return self.fc(self.norm(self.conv(x)).mean((2, 3)))


class DropPath(nn.Module):
    def __init__(self, drop_prob):
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x):
        if not self.drop_prob or not self.training:
            return x
        keep = x.new_empty((len(x), 1, 1, 1)).bernoulli_(1 - self.drop_prob)
        return x * keep.div_(1 - self.drop_prob)


class Dropped(nn.Module):
    def __init__(self, rate):
        super().__init__()
        self.conv, self.drop = nn.Conv2d(4, 4, 3, padding=1), DropPath(rate)

    def forward(self, x):
        return x + self.drop(self.conv(x))


class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.blocks = nn.Sequential(*(Dropped(0.3 * i / 3) for i in range(4)))
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        return self.fc(self.blocks(self.stem(x)).mean((2, 3)))


class ConvNorm(nn.Sequential):
    def __init__(self, before, width, stride=1):
        super().__init__(nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU6())


class Once(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.fc = ConvNorm(3, 4), nn.Linear(4, 5)

    def forward(self, x):
        return self.fc(self.stem(x).mean((2, 3)))


class Inverted(nn.Module):
    def __init__(self, before, width, stride):
        super().__init__()
        self.fits = before == width and stride == 1
        self.conv = nn.Sequential(ConvNorm(before, 6 * before, stride), nn.Conv2d(6 * before, width, 1))

    def forward(self, x):
        return x + self.conv(x) if self.fits else self.conv(x)


class Sometimes(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(ConvNorm(3, 4), Inverted(4, 4, 1), Inverted(4, 8, 2), Inverted(8, 8, 1))
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))


class Auxiliary(nn.Module):
    """A dictionary of two results in training, one in evaluation."""

    def __init__(self):
        super().__init__()
        self.first, self.second = ConvNorm(3, 4), ConvNorm(4, 4)
        self.aux, self.fc = nn.Linear(4, 5), nn.Linear(4, 5)

    def forward(self, x):
        x = self.first(x)
        aux = self.aux(x.mean((2, 3))) if self.training else None
        out = self.fc(self.second(x).mean((2, 3)))
        return {"out": out, "aux": aux} if self.training else out


class Attending(nn.Module):
    """An attention that is written out, over tokens of patches, with a learned number for each channel."""

    def __init__(self, width=8, heads=2):
        super().__init__()
        self.heads = heads
        self.patch = nn.Conv2d(3, width, 2, 2)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.gamma = nn.Parameter(torch.full((width,), 0.5))
        self.fc = nn.Linear(width, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        n, length, width = x.shape
        q, k, v = (
            self.qkv(x).reshape(n, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        )
        scores = (q @ k.transpose(-2, -1)) * (width // self.heads) ** -0.5
        y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(n, length, width)
        return self.fc((x + self.gamma * self.proj(y))[:, 0])


class Shuffling(nn.Module):
    """Halves of the channels, of which one is convolved, shuffled by a function."""

    def __init__(self):
        super().__init__()
        self.stem, self.conv, self.fc = nn.Conv2d(3, 8, 3), nn.Conv2d(4, 4, 1), nn.Linear(8, 5)

    def forward(self, x):
        one, two = self.stem(x).chunk(2, 1)
        x = torch.cat([one, self.conv(two)], 1)
        n, c, h, w = x.shape
        return self.fc(x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w).mean((2, 3)))


class Moving(Once):
    """Changes what is the whole process's."""

    def __init__(self):
        super().__init__()
        os.chdir("/")
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)


class Backbone(nn.Module):
    """Gives what each of its layers gives."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)]
        )

    def forward(self, x):
        found = []
        for layer in self.layers:
            x = layer(x)
            found.append(x)
        return found


class Tapped(nn.Module):
    """Uses values that lie between the layers of a list."""

    def __init__(self):
        super().__init__()
        self.body = Backbone()
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        first, _, last = self.body(x)
        return self.fc((first.relu() + last).mean((2, 3)))
