"""Models in PyTorch that attend, cut windows or mix pixels in ways of their own, for the tests of importing."""

import torch
from torch import nn


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
