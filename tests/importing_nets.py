"""Models in PyTorch as people write them, for the tests of importing."""

import os
import warnings

import torch
from torch import nn
from torch.nn import functional


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


class PixelHeads(nn.Module):
    """Attention over pixels, with the channels of each head together, written out with its weights transposed."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.width = heads, width // heads
        self.qkv, self.proj = nn.Conv2d(width, 3 * width, 1), nn.Conv2d(width, width, 1)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = self.qkv(x).view(b, self.heads, 3 * self.width, h * w).chunk(3, dim=2)
        scores = (q.transpose(-2, -1) @ k) * self.width**-0.5
        return self.proj((v @ scores.softmax(-1).transpose(-2, -1)).view(b, -1, h, w))


class OneHead(nn.Module):
    """Attention over pixels in one head, by PyTorch's function."""

    def __init__(self, width):
        super().__init__()
        self.q, self.k = nn.Conv2d(width, 4, 1), nn.Conv2d(width, 4, 1)

    def forward(self, x):
        q, k, v = (one.flatten(2).transpose(1, 2).unsqueeze(1) for one in (self.q(x), self.k(x), x))
        y = nn.functional.scaled_dot_product_attention(q, k, v)
        return y.transpose(-2, -1).reshape(x.shape)


class ClassToken(nn.Module):
    """Tokens behind one of the class's, which alone is not in the convolution."""

    def __init__(self, width):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.fc, self.conv = nn.Linear(width, width), nn.Conv2d(width, width, 3, padding="same")

    def forward(self, x):
        tokens = torch.cat([self.token.expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)], dim=1)
        tokens = self.fc(tokens)
        own, tokens = tokens[:, :1], tokens[:, 1:]
        image = self.conv(tokens.transpose(1, 2).reshape(x.shape))
        return torch.cat([own, image.flatten(2).transpose(1, 2)], dim=1)


class Pixels(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 2, 2)
        self.heads, self.head, self.tokens = PixelHeads(8, 2), OneHead(8), ClassToken(8)
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        return self.fc(self.tokens(self.head(self.heads(self.stem(x)))).mean(1))


class StandardizedConv(nn.Conv2d):
    """A convolution whose weights are standardized, with a gain, as timm writes it."""

    def __init__(self, before, width):
        super().__init__(before, width, 3, padding=1)
        self.gain = nn.Parameter(torch.ones(width, 1, 1, 1))
        self.scale = 1.5 * self.weight[0].numel() ** -0.5

    def forward(self, x):
        weight = nn.functional.batch_norm(
            self.weight.reshape(1, self.out_channels, -1),
            None,
            None,
            (self.gain * self.scale).view(-1),
            None,
            True,
            0.0,
            1e-5,
        ).reshape_as(self.weight)
        return nn.functional.conv2d(x, weight, self.bias, self.stride, self.padding)


class Affine(nn.Module):
    """One factor and one summand for all channels."""

    def __init__(self):
        super().__init__()
        self.scale, self.bias = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.scale * x + self.bias


class NormFree(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.affine = StandardizedConv(3, 6), Affine()
        self.norm, self.fc = nn.BatchNorm1d(6), nn.Linear(6, 5)

    def forward(self, x):
        x = nn.functional.interpolate(self.affine(self.conv(x)), scale_factor=2, mode="bilinear")
        x = nn.functional.max_pool2d(nn.functional.pad(x, (0, 1, 0, 1), value=-torch.inf), 3, 2)
        return self.fc(self.norm(torch.relu(x).mean((2, 3))))


class Selecting(nn.Module):
    """Two convolutions, weighted by a softmax over both, as in selective kernels."""

    def __init__(self, width):
        super().__init__()
        self.paths = nn.ModuleList(nn.Conv2d(width, width, k, padding=k // 2) for k in (3, 5))
        self.select = nn.Conv2d(width, 2 * width, 1)

    def forward(self, x):
        paths = torch.stack([path(x) for path in self.paths], dim=1)
        chosen = self.select(paths.sum(1).mean((2, 3), keepdim=True))
        return (paths * chosen.view(len(x), 2, -1, 1, 1).softmax(dim=1)).sum(dim=1)


class BiasedHeads(nn.Module):
    """Attention over pixels with a bias by the rows and columns between them, as in LeViT."""

    def __init__(self, width, heads, size, stride):
        super().__init__()
        self.heads, self.stride = heads, stride
        self.q, self.kv = nn.Conv2d(width, width, 1), nn.Conv2d(width, 2 * width, 1)
        self.biases = nn.Parameter(torch.zeros(heads, size * size))
        far = (torch.arange(0, size, stride)[:, None] - torch.arange(size)).abs()
        pairs = (size * far[:, None, :, None] + far[:, None]).flatten(2).flatten(0, 1)
        self.register_buffer("pairs", pairs, persistent=False)

    def forward(self, x):
        b, c, h, w = x.shape
        q = self.q(nn.functional.avg_pool2d(x, 1, self.stride)).view(b, self.heads, c // self.heads, -1)
        k, v = self.kv(x).view(b, self.heads, -1, h * w).chunk(2, dim=2)
        scores = (q.transpose(-2, -1) @ k) * (c // self.heads) ** -0.5 + self.biases[:, self.pairs]
        return (v @ scores.softmax(-1).transpose(-2, -1)).reshape(b, c, h // self.stride, w // self.stride)


class Biased(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.select = nn.Conv2d(3, 8, 2, 2), Selecting(8)
        self.near, self.far, self.fc = BiasedHeads(8, 2, 4, 1), BiasedHeads(8, 2, 4, 2), nn.Linear(8, 5)

    def forward(self, x):
        return self.fc(self.far(self.near(self.select(self.stem(x)))).mean((2, 3)))


class Windowed(nn.Module):
    """Attention in windows of pixels, which are cut and put together by views."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 1), nn.LayerNorm(8)
        self.qkv, self.fc = nn.Linear(8, 24), nn.Linear(8, 5)

    def forward(self, x):
        x = self.stem(x)
        b, c, h, w = x.shape
        y = x.permute(0, 2, 3, 1).view(b, h // 4, 4, w // 4, 4, c).transpose(2, 3).reshape(-1, 16, c)
        q, k, v = self.qkv(self.norm(y)).view(len(y), 16, 2, -1).split(4, dim=3)
        q, k, v = (one.permute(0, 2, 1, 3) for one in (q, k, v))
        y = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, 16, c)
        y = y.view(b, h // 4, w // 4, 4, 4, c).transpose(2, 3).reshape(b, h, w, c).permute(0, 3, 1, 2)
        return self.fc((x + y).mean((2, 3)))


class Both(nn.Module):
    """Two values from two."""

    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)

    def forward(self, values):
        y = self.one(values[0])
        return [y, self.other(values[1]) + y]


class Chained(nn.Sequential):
    """A sequence whose modules hand on several values."""

    def forward(self, values):
        for module in self:
            values = module(values)
        return values


class Pairs(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.pairs, self.fc = nn.Conv2d(3, 8, 1), Chained(Both(), Both()), nn.Linear(6, 5)
        self.repeat = nn.Sequential(*(nn.Conv2d(8, 8, 1) for _ in range(3)))  # which is a word of steps

    def forward(self, x):
        x = self.repeat(self.stem(x))
        one, other = self.pairs([x, x])
        values, gates = (one + other).split((6, 2), dim=1)
        return self.fc((values * gates[:, 0:1] + values * gates[:, 1:]).mean((2, 3)))
