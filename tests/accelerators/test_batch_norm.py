"""Batch normalization over many processes: the numbers of one process, one collective each way, and one compiled graph."""

import copy
import subprocess
import sys

import pytest

from runs import forked

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

# Each of two processes has half of a batch; what it finds is compared with one process that has all of it.
PROGRAM = forked(
    """
import copy, sys, warnings, torch, torch.distributed as dist
from torch import nn
from archspec_torch.trainer.batch_norm import over_whole_batch
rank, store = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", store=dist.FileStore(store, 2), rank=rank, world_size=2)
calls = []
for name in ("all_reduce", "all_gather_single", "all_gather_into_tensor"):
    if (real := getattr(dist, name, None)) is not None:
        setattr(dist, name, lambda *a, real=real, **k: (calls.append(1), real(*a, **k))[1])
from archspec_torch.trainer import batch_norm
batch_norm.gather_all = getattr(dist, "all_gather_single", dist.all_gather_into_tensor)
mine = slice(4 * rank, 4 * rank + 4)
for kind, tolerance in ((torch.float64, 1e-12), (torch.float32, 2e-5)):
    torch.manual_seed(0)
    alone = nn.BatchNorm2d(3).to(kind)
    nn.init.normal_(alone.weight), nn.init.normal_(alone.bias)
    net = over_whole_batch(nn.Sequential(copy.deepcopy(alone)))
    images = (torch.randn(8, 3, 5, 5, dtype=kind) * 2 + 50).contiguous(memory_format=torch.channels_last)
    gradient = torch.randn(8, 3, 5, 5, dtype=kind)
    whole, part = images.clone().requires_grad_(), images[mine].clone().requires_grad_()
    expected = alone(whole)
    expected.backward(gradient)
    calls.clear()
    found = net(part)
    found.backward(gradient[mine])
    assert len(calls) == 2, calls
    pairs = [(found, expected[mine]), (part.grad, whole.grad[mine]), (net[0].running_mean, alone.running_mean),
             (net[0].running_var, alone.running_var), (net.eval()(images), alone.eval()(images))]
    for name in ("weight", "bias"):
        total = getattr(net[0], name).grad
        dist.all_reduce(total)
        pairs.append((total, getattr(alone, name).grad))
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)
    assert net[0].num_batches_tracked == 1
""",
    "torch",
)


def test_two_processes_normalize_as_one_does_in_one_collective_each_way(tmp_path):
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    started = [
        subprocess.Popen([*command, str(rank), str(tmp_path / "store")], stderr=subprocess.PIPE, text=True)
        for rank in (0, 1)
    ]
    said = [process.communicate(timeout=250)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], said


@pytest.fixture
def alone():
    """A group of this process."""
    dist = torch.distributed
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    last = torch.zeros(1)  # which stays: a thread of the group that drops its tensor takes Python's lock for that
    dist.all_reduce(last)
    dist.destroy_process_group()


def net():
    from archspec_torch.trainer.batch_norm import over_whole_batch

    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    return over_whole_batch(copy.deepcopy(made)), made


@pytest.mark.filterwarnings("ignore")  # the compiler warns of itself
def test_it_is_compiled_as_one_graph(alone):
    """`fullgraph` refuses what would break it: data that the host looks at, calls that are not understood."""
    whole, plain = net()
    compiled = torch.compile(whole, backend="aot_eager", fullgraph=True)
    images = torch.randn(2, 3, 8, 8)
    compiled(images).square().sum().backward()
    plain(images).square().sum().backward()
    torch.testing.assert_close(whole[0].weight.grad, plain[0].weight.grad, rtol=1e-4, atol=1e-4)


def test_half_precision_is_normalized_by_statistics_of_single_precision(alone):
    whole, plain = net()
    images = torch.randn(4, 3, 8, 8) * 3 + 100  # which bfloat16 tells apart by halves
    with torch.autocast("cpu", torch.bfloat16):
        found, expected = whole(images), plain(images)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected)
    for name in ("running_mean", "running_var"):
        assert getattr(whole[1], name).dtype == torch.float32
        torch.testing.assert_close(getattr(whole[1], name), getattr(plain[1], name), rtol=1e-5, atol=1e-5)


def test_what_is_kept_for_the_gradient_is_the_images_as_they_are(alone):
    whole, _ = net()
    kept = []

    def keep(tensor):
        kept.append(tensor)
        return tensor

    images = torch.randn(2, 4, 6, 6, dtype=torch.bfloat16, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        whole[1](images)
    assert sum(tensor.nbytes for tensor in kept) == images.nbytes + 3 * 4 * 4, "and weight, mean and deviation"
