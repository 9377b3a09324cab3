"""Models in PyTorch that no spec can say, each for one reason, for the tests of importing."""

import warnings

import torch
from torch import nn
from torch.nn import functional

from importing_nets import Net, Once, Printing


class Deciding(Net):
    def forward(self, x):
        return super().forward(x if x.sum() > 0 else -x)


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


class Numbered(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 4, 3), nn.Flatten())


class Hooked(Printing):
    def __init__(self):
        super().__init__()
        self.net[0].register_forward_hook(lambda *_: None)


class HookedParameter(Printing):
    def __init__(self):
        super().__init__()
        self.net[0].weight.register_hook(lambda gradient: 2 * gradient)


class Frozen(Printing):
    def __init__(self):
        super().__init__()
        self.net[0].weight.requires_grad_(False)


class Exiting(Printing):
    def __init__(self):
        super().__init__()
        raise SystemExit(0)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.other.weight = self.one.weight

    def forward(self, x):
        return self.other(self.one(x)).mean((2, 3))


def number():
    return 3


class Buffered(Once):
    """Images that are normalized by a buffer."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.ones(1, 3, 1, 1))

    def forward(self, x):
        return super().forward(x - self.mean)


class Constant(Once):
    def forward(self, x):
        return super().forward(x * torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1))


class WithoutGradients(Net):
    def forward(self, x):
        with torch.no_grad():
            x = self.stem(x)
        return self.fc(self.layers[2](x).mean((2, 3)))


class Inferring(Net):
    @torch.inference_mode()
    def forward(self, x):
        return super().forward(x)


class Choosing(Net):
    """The sizes of its pooling are those of the numbers it sees."""

    def forward(self, x):
        return super().forward(torch.max_pool2d(x, int(x.max().item()) + 1))


class Keyed(Net):
    def forward(self, x, *, mask):
        return super().forward(x * mask)


class Unwritten(nn.Module):
    """Without a forward."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)


class Unlearning(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


class Silent(Net):
    def forward(self, x):
        super().forward(x)


class Lazy(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.LazyConv2d(4, 3)

    def forward(self, x):
        return self.conv(x).mean((2, 3))


class Numeric(Net):
    def forward(self, x):
        return super().forward(torch.from_numpy(x.detach().numpy()))


class Halved(Net):
    def forward(self, x):
        return super().forward(x.half().float())


class Needing(Net):
    def __init__(self, width, depth):
        super().__init__(width)


class Uninitialized(nn.Module):
    def __init__(self):
        self.width = 4

    def forward(self, x):
        return x


class Skipping(Printing):
    """Made of what ends a test, which is no `Exception`."""

    def __init__(self):
        super().__init__()
        raise BaseException("not here")


class Evaluating(Once):
    def forward(self, x):
        if not self.training:
            raise KeyError("no such thing")
        return super().forward(x)


class Mapped(Once):
    def forward(self, x):
        return torch.vmap(torch.relu)(super().forward(x))


class Undecided(Once):
    """Drops in evaluation as well."""

    def forward(self, x):
        return functional.dropout(super().forward(x), 0.5)


class Initial(nn.Module):
    def __init__(self):
        super().__init__()
        self.init = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(self.init(x).mean((2, 3)))


def half():
    return Net().half()


def meta():
    return Net().to("meta")


def scripted():
    with warnings.catch_warnings(action="ignore"):
        return torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3)))


def pruned():
    from torch.nn.utils import prune

    net = Net()
    prune.random_unstructured(net.stem, "weight", 0.5)
    return net
