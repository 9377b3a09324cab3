"""Optimizers and averages as accelerators want them: nothing is asked of the device, and few kernels are launched."""

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from archspec_torch.trainer import Lamb  # noqa: E402
from archspec_torch.trainer.averaging import Average  # noqa: E402


def parts(scaled):
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    optimizer = Lamb(model.parameters(), lr=0.1, weight_decay=0.1)
    return model, optimizer, torch.amp.GradScaler("cpu", init_scale=2.0**10, enabled=scaled)


def take_step(model, optimizer, scaler, images, unscaled=False):
    optimizer.zero_grad()
    scaler.scale(model(images).square().sum()).backward()
    if unscaled:
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()


@pytest.mark.parametrize("unscaled", [False, True], ids=["scaled", "unscaled, as clipping does"])
def test_lamb_under_a_scaled_loss_leaves_out_steps_whose_gradient_is_not_finite(unscaled):
    draw = torch.Generator().manual_seed(0)
    batches = [torch.randn(5, 4, generator=draw) for _ in range(4)]
    plain, scaled = parts(scaled=False), parts(scaled=True)
    for number, images in enumerate(batches):
        take_step(*plain, images)
        take_step(*scaled, images, unscaled)
        if number == 1:
            before = [p.clone() for p in scaled[0].parameters()]
            take_step(*scaled, torch.full((5, 4), torch.inf), unscaled)
            assert all(torch.equal(p, q) for p, q in zip(scaled[0].parameters(), before, strict=True))
    for one, other in zip(plain[0].parameters(), scaled[0].parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    counts = {int(state["step"]) for state in scaled[1].state.values()}
    assert counts == {4}, "the step that was left out is not counted"


def test_lamb_goes_on_from_the_counts_of_a_scaled_loss():
    model, optimizer, scaler = parts(scaled=True)
    take_step(model, optimizer, scaler, torch.ones(2, 4))
    other = parts(scaled=False)
    other[1].load_state_dict(optimizer.state_dict())
    take_step(*other, torch.ones(2, 4))
    assert {state["step"] for state in other[1].state.values()} == {2}


def test_an_average_makes_no_dictionaries_and_launches_few_kernels():
    model = nn.Sequential(*[nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)) for _ in range(8)])
    average = Average(model)
    average.update(model, 0.5)
    model.state_dict = average.model.state_dict = None  # nobody asks for them
    with torch.profiler.profile() as seen:
        model[0][1].num_batches_tracked += 3
        average.update(model, 0.5)
    launched = [event.key for event in seen.key_averages() if event.key.startswith("aten::_foreach")]
    assert sorted(launched) == ["aten::_foreach_copy_", "aten::_foreach_lerp_"]
    assert average.model[0][1].num_batches_tracked == 3
