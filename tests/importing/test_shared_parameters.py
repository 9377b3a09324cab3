"""Modules that are called twice become one owner; two names of one parameter are refused with the reason."""

import pytest

import archspec

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402


class Shared(nn.Module):
    """One module under two names, called under both."""

    def __init__(self):
        super().__init__()
        self.one = self.made()
        self.other = self.again()
        self.act = nn.ReLU()
        self.fc = nn.Linear(3, 5)

    def made(self):
        return nn.Conv2d(3, 3, 3, padding=1)

    def again(self):
        return self.one

    def forward(self, x):
        return self.fc(self.act(self.other(self.act(self.one(x)))).mean((2, 3)))


class Tied(Shared):
    """Two modules with one tensor."""

    def again(self):
        found = self.made()
        found.weight = self.one.weight
        return found


class Twice(Shared):
    """One module that is called twice."""

    def again(self):
        return None

    def forward(self, x):
        return self.fc(self.act(self.one(self.act(self.one(x)))).mean((2, 3)))


class Statistics(Twice):
    """A normalization that is called twice."""

    def made(self):
        return nn.BatchNorm2d(3)


class Within(Twice):
    """A block that is called twice."""

    def made(self):
        return nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU())


class Blocks(Twice):
    """A residual block that is called thrice."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3)

        def forward(self, x):
            return x + torch.relu(self.bn(self.conv(x)))

    def made(self):
        return self.Block()

    def forward(self, x):
        return self.fc(self.one(self.act(self.one(self.one(x)))).mean((2, 3)))


class Lists(Twice):
    """A layer that is called at the top and inside of a block."""

    class Block(nn.Module):
        def __init__(self, conv):
            super().__init__()
            self.bn = nn.BatchNorm2d(3)
            self.call = [conv]

        def forward(self, x):
            return x + torch.relu(self.bn(self.call[0](x)))

    def __init__(self):
        super().__init__()
        self.block = self.Block(self.one)

    def forward(self, x):
        return self.fc(self.block(self.one(x)).mean((2, 3)))


class Otherwise(Twice):
    """A weight that is used by two functions."""

    def forward(self, x):
        return self.fc((self.one(x) + nn.functional.conv2d(x, self.one.weight, padding=1)).mean((2, 3)))


@pytest.mark.parametrize("kind", [Twice, Statistics, Within, Blocks])
def test_a_module_that_is_called_again_has_one_owner(kind):
    module = kind()
    found = archspec.import_model(module, torch.zeros(2, 3, 8, 8))
    assert "one2: {share: one}" in found.spec
    assert found.network.cost.params == sum(p.numel() for p in module.parameters())
    assert found.network.tensor_shapes().keys() == module.state_dict().keys()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Shared, "`other.weight` and `one.weight` are one parameter"),
        (Tied, "`other.weight` and `one.weight` are one parameter"),
        (Lists, "used twice, by steps of two lists"),
        (Otherwise, "the weights `one.weight` are used twice, and not by the same operation"),
    ],
)
def test_what_has_no_one_owner_is_refused_with_the_reason(kind, said):
    with pytest.raises(archspec.ModelError) as error:
        archspec.import_model(kind(), torch.zeros(2, 3, 8, 8))
    assert said in str(error.value)
