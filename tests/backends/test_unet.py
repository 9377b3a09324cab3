"""The U-Net of the zoo against one that is written by hand, with and without padding."""

from itertools import pairwise

import pytest

import archspec

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from deterministic import fill, tensor  # noqa: E402


class UNet(nn.Module):
    """Ronneberger et al. (2015), Figure 1, without dropout."""

    def __init__(self, width, padding):
        super().__init__()

        def twice(before, after):
            one, two = (nn.Conv2d(n, after, 3, padding=padding) for n in (before, after))
            return nn.Sequential(one, nn.ReLU(), two, nn.ReLU())

        widths = [width << level for level in range(5)]
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList([twice(1, width), *(twice(a, b) for a, b in pairs)])
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in reversed(pairs))
        self.up = nn.ModuleList(twice(b, a) for a, b in reversed(pairs))
        self.out = nn.Conv2d(width, 2, 1)

    def forward(self, x):
        maps = [self.down[0](x)]
        for block in self.down[1:]:
            maps.append(block(F.max_pool2d(maps[-1], 2)))
        x = maps.pop()
        for enlarge, block in zip(self.enlarge, self.up, strict=True):
            x, before = enlarge(x), maps.pop()
            cut = (before.shape[-1] - x.shape[-1]) // 2
            x = block(torch.cat([before[..., cut : cut + x.shape[-1], cut : cut + x.shape[-1]], x], 1))
        return self.out(x)


def met(state):
    """Tensors by name, in the order in which an image meets them."""
    ups = [f"{part}.{level}." for level in range(4) for part in ("enlarge", "up")]
    starts = [*(f"down.{level}." for level in range(5)), *ups, "out."]
    return {key: state[key] for start in starts for key in state if key.startswith(start)}


@pytest.mark.parametrize(("name", "side"), [("unet", 188), ("unet", 204), ("unet_same", 48)])
def test_the_answer_is_that_of_a_u_net_by_hand(name, side):
    net = archspec.load(name, set={"width": 2, "input.size": side})
    ours = fill(archspec.build(net, backend="torch")).eval().double()
    theirs = UNet(2, int(name == "unet_same")).eval().double()
    mine, its = ours.state_dict(), met(theirs.state_dict())
    assert [v.shape for v in its.values()] == [v.shape for v in mine.values()]
    theirs.load_state_dict(dict(zip(its, mine.values(), strict=True)))
    images = tensor("images", (2, 1, side, side)).double()
    with torch.inference_mode():
        expected, found = theirs(images), ours(images)["out"]
    assert (found - expected).abs().max() <= 1e-9 * expected.abs().max()


@pytest.mark.parametrize(("name", "answer"), [("unet", (1, 2, 388, 388)), ("unet_same", (1, 2, 512, 512))])
def test_counts_are_those_of_a_u_net_by_hand(name, answer):
    net = archspec.load(name)
    with torch.device("meta"):
        model, images = UNet(64, int(name == "unet_same")), torch.empty(1, *net.input_shape)
    counter = FlopCounterMode(display=False)
    with counter:
        assert model(images).shape == answer
    assert net.cost.params == sum(p.numel() for p in model.parameters())
    assert 2 * net.cost.macs == counter.get_total_flops()
