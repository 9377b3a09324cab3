"""What differs from seed to seed is drawn as it should be, and nothing else differs from a loop by hand.

Distributions are tested on fixed seeds, with bounds that a fair draw passes with more than 999 in 1,000.
"""

import itertools
import math
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import archspec
from archspec_runtime.augment.plan import epoch_plan
from archspec_runtime.data.splits import ArraySplit
from archspec_runtime.draws import epoch_order, holdout_split
from archspec_runtime.recipe.images import HFlip, PadCrop
from comparing import QUICKLY
from conftest import REPO
from runs import newest
from runtime.making import batches

sys.path.insert(0, str(REPO / "bench"))
import plain_loop

MOVED = (PadCrop(4), HFlip())
ONE_IN_1000 = 1e-3


def orders(count, seeds=30, epochs=4):
    """Where each sample comes (seeds, epochs, count)."""
    return np.array([[np.argsort(epoch_order(s, e, count)) for e in range(epochs)] for s in range(seeds)])


def plans(count, seeds=12, epochs=3):
    """Crops and flips (seeds, epochs, 3, count)."""
    made = [[epoch_plan(MOVED, s, e, count) for e in range(epochs)] for s in range(seeds)]
    return np.array([[(p.top, p.left, p.flip) for p in row] for row in made], float)


@pytest.fixture(scope="module", autouse=True)
def statistics():
    """SciPy's, which take a second to import: in each process that collects tests, though one of them runs these."""
    global stats
    from scipy import stats


def uncorrelated(one, other):
    """Whether two arrays of draws vary each for itself."""
    one, other = (np.asarray(v, float).ravel() for v in (one, other))
    return stats.pearsonr(one, other).pvalue > ONE_IN_1000


def evenly(counts):
    """Whether what was counted may be as often in every place."""
    return stats.chisquare(np.asarray(counts).ravel()).pvalue > ONE_IN_1000


# --- the order, and what is held out -------------------------------------------------------------------


def test_each_epoch_is_a_permutation_in_which_every_sample_may_come_anywhere():
    places = orders(60)
    assert (np.sort(places) == np.arange(60)).all()
    table = [np.bincount(places[:, :, sample].ravel() // 12, minlength=5) for sample in range(60)]
    expected = places.shape[0] * places.shape[1] / 5
    assert stats.chi2.sf(((np.array(table) - expected) ** 2 / expected).sum(), 59 * 4) > ONE_IN_1000


def test_the_order_of_a_seed_or_an_epoch_says_nothing_of_another():
    places = orders(500)
    assert uncorrelated(places[1:], places[:-1]), "seeds"
    assert uncorrelated(places[:, 1:], places[:, :-1]), "epochs"
    assert uncorrelated(places[1:, 0], places[:-1, 1]), "the next seed's epoch"
    assert uncorrelated(places[..., 1:], places[..., :-1]), "neighbours"


def test_batches_have_classes_as_chance_gives_them():
    labels = np.arange(4_000) % 10
    split = ArraySplit(np.zeros((4_000, 3, 8, 8), np.uint8), labels)
    found = []
    for seed in range(6):
        made = batches(split, size=128, seed=seed)
        found += [np.bincount(made.at(step).labels, minlength=10) for step in range(made.per_epoch * 2)]
    counts = np.array(found, float)
    expected = 12.8 * 0.9 * (4_000 - 128) / 3_999  # hypergeometric
    assert counts.var(0).mean() == pytest.approx(expected, rel=0.1)
    assert evenly(counts.sum(0))


def test_what_is_held_out_differs_from_seed_to_seed_and_is_any_image():
    held = np.zeros((40, 500))
    for seed in range(40):
        held[seed, holdout_split(seed, 500, 100)[1]] = 1
    assert (held.sum(1) == 100).all()
    assert uncorrelated(held[1:], held[:-1])
    spread = held.sum(0).var()
    assert spread == pytest.approx(40 * 0.2 * 0.8, rel=0.25)


# --- crops and flips -----------------------------------------------------------------------------------


def test_crops_and_flips_are_even_and_each_image_has_its_own():
    made = plans(2_000)
    top, left, flip = np.moveaxis(made, 2, 0).reshape(3, -1).astype(int)
    assert evenly(np.bincount(top * 18 + left * 2 + flip, minlength=162))
    for draw in range(3):
        one = made[:, :, draw]
        assert uncorrelated(one[..., 1:], one[..., :-1]), "neighbours in a batch"
        assert uncorrelated(one[..., 128:], one[..., :-128]), "places of batches"
        assert uncorrelated(one[1:], one[:-1]), "seeds"
        assert uncorrelated(one[:, 1:], one[:, :-1]), "epochs"
        assert uncorrelated(one[1:, 0], one[:-1, 1]), "the next seed's epoch"
    for one, other in itertools.combinations(range(3), 2):
        assert uncorrelated(made[:, :, one], made[:, :, other])


def test_crops_and_flips_say_nothing_of_the_order():
    made, places = plans(500, epochs=4), orders(500, seeds=12)
    for draw in range(3):
        assert uncorrelated(made[:, :, draw], places)


def test_a_mini_batch_varies_as_single_draws_do():
    """The mean of a batch's flips: one draw for several images would make it vary more."""
    flips = plans(1_280, seeds=20)[:, :, 2].reshape(-1, 128)
    assert flips.mean(1).var() == pytest.approx(0.25 / 128, rel=0.2)


# --- initial weights -----------------------------------------------------------------------------------


def initial(backend, net, seed):
    model = archspec.build(net, backend, seed=seed)
    if backend == "torch":
        return {name: value.numpy() for name, value in model.state_dict().items()}
    from archspec_flax.names import state_dict

    return state_dict(model)


@pytest.fixture(scope="module", params=["torch", "flax"])
def starts(request):
    """The weights of a net that several seeds draw; with Flax its stages are rolled up."""
    pytest.importorskip(request.param)
    net = archspec.load("cifar_resnet", set={"n": 8})
    if request.param == "torch":
        return [initial("torch", net, seed) for seed in range(6)]
    from archspec_flax.trainer import drawing

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(drawing.QUICK, "cpu", QUICKLY)
        return [initial("flax", net, seed) for seed in range(2)]  # each is traced


def test_convolutions_start_as_he_et_al_draw_them(starts):
    convolutions = {name: value.shape for name, value in starts[0].items() if value.ndim == 4}
    assert len(convolutions) == 49
    scores, scales = [], []
    for name, (out, _, height, width) in convolutions.items():
        for start in starts:
            values = start[name].astype(float).ravel() / math.sqrt(2 / (out * height * width))
            scores.append(values.mean() * math.sqrt(values.size))
            scales.append((values.var() - 1) * math.sqrt(values.size / 2))
            assert abs(stats.kurtosis(values)) < 6 * math.sqrt(24 / values.size), name
    for found in (scores, scales):  # both are standard normal
        assert stats.kstest(found, "norm").pvalue > ONE_IN_1000
        assert max(map(abs, found)) < 4.5


def test_seeds_and_layers_start_each_for_itself(starts):
    same = [name for name, value in starts[0].items() if value.shape == (64, 64, 3, 3)]
    for name in same[:4]:
        assert uncorrelated([s[name] for s in starts[1:]], [s[name] for s in starts[:-1]])
    for one, other in itertools.pairwise(same):
        assert uncorrelated(starts[0][one], starts[0][other]), (one, other)
        assert uncorrelated(starts[1][one], starts[0][other]), (one, other)


def test_the_rest_starts_as_it_should(starts):
    bound = 1 / math.sqrt(64)
    weights = np.concatenate([s["fc.weight"].ravel() for s in starts])
    assert stats.kstest(weights, "uniform", (-bound, 2 * bound)).pvalue > ONE_IN_1000
    for start in starts:
        for name, value in start.items():
            if ".bn" in name and not name.endswith("num_batches_tracked"):
                assert (value == name.endswith(("weight", "running_var"))).all(), name


# --- the rest: a loop by hand with the same start, order and draws --------------------------------------


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_a_loop_by_hand_with_our_start_order_and_draws_ends_in_our_weights(backend, cli, tmp_path):
    """In double precision: the optimizer, the schedule, augmentation, statistics and evaluation are the same."""
    pytest.importorskip(backend)
    from archspec_runtime.data.splits import open_dataset
    from archspec_runtime.recipe.images import Data

    size = plain_loop.Size(blocks=1, width=4, steps=3, drop=2, lr=0.02)
    torch.manual_seed(5)
    first = plain_loop.Net(size.blocks, size.width)
    save_file(
        {k: v for k, v in first.state_dict().items() if "num_batches" not in k}, tmp_path / "start.safetensors"
    )
    sets = {
        "n": 1, "stem.0.conv1.conv.out": 4, **{f"stages.{i}.width": 4 << i for i in range(3)},
        "train.data.dataset": "synthetic", "train.data.holdout": 48, "train.precision": "fp64", "train.steps": 3,
        "train.seed": 6, "train.lr": "[{value: 0.02, until: step 2}, {value: 0.002}]",
    }  # fmt: skip
    words = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
    result = cli("train", "cifar_resnet", *words, "--weights", "start.safetensors", "--backend", backend,
                 "--device", "cpu", "--threads", 1, "--out", "run")  # fmt: skip
    assert result.exit_code == 0, result.output
    ours = load_file(newest(tmp_path / "run") / "weights.safetensors")

    data = open_dataset(Data(dataset="synthetic", holdout=48), None, input_shape=(3, 32, 32), classes=10, seed=6)
    train, test = (torch.from_numpy(split.images).double() / 255 for split in (data.train, data.test))
    mean = train.mean(0)
    images = plain_loop.Images(
        train - mean, torch.from_numpy(data.train.labels), test - mean, torch.from_numpy(data.test.labels)
    )

    def draws(epoch, count):
        plan = epoch_plan(MOVED, 6, epoch, count)
        return tuple(map(torch.from_numpy, (plan.top, plan.left, plan.flip)))

    parts = plain_loop.Parts(
        lambda _: first.double(), lambda epoch, count: torch.from_numpy(epoch_order(6, epoch, count)), draws
    )
    _, model = plain_loop.train(size, parts, images)
    for name, value in model.state_dict().items():
        if "num_batches" not in name:  # the mean image is in single precision
            np.testing.assert_allclose(
                ours[name].double().numpy(), value.numpy(), rtol=1e-4, atol=1e-6, err_msg=name
            )
    told = cli("eval", "run", "--device", "cpu", "--format", "json").stdout
    assert f'"top1_error": {plain_loop.test_error(model, images)}' in told
