"""Every net of the zoo spread over eight GPUs that are not there: `fake` process groups, and devices without memory."""

import json
import subprocess
import sys

import pytest

from archspec.loading import zoo
from runs import forked

torch = pytest.importorskip("torch")

PROGRAM = forked(
    """
import sys, torch, torch.distributed as dist
from torch.distributed.fsdp import FSDPModule
from torch.testing._internal.distributed.fake_pg import FakeStore
import archspec
from archspec.loading import zoo
from archspec_torch.trainer import parallel
from archspec_torch.trainer.checkpoints import is_split
def halves(model):
    # The parameters that are put together in half precision.
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.unshard()
    return {name for name, p in model.named_parameters() if p.dtype == torch.bfloat16}
def products(model):
    kinds = torch.nn.Conv2d, torch.nn.Linear
    return {f"{at}.{n}" for at, m in model.named_modules() if isinstance(m, kinds) for n, _ in m.named_parameters()}
dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=8)
for name in sys.argv[1:]:
    net = archspec.load(name)
    with torch.device("meta"):
        model, halved = archspec.build(net, "torch"), archspec.build(net, "torch")
    parallel.shard(model)
    assert all(is_split(p) for p in model.parameters()), name
    parallel.shard(halved, half=torch.bfloat16)
    halved.to_empty(device="cpu")
    assert all(is_split(p) for p in halved.parameters()), name
    half, all_products = halves(halved), products(halved)
    assert half <= all_products, name
    assert {n: tuple(p.shape) for n, p in model.named_parameters()} == net.parameter_shapes(), name
    print(name, half == all_products)
""",
    "shard",
)
NETS = [
    "cifar_resnet:resnet20",
    "cifar_resnet:plain20",
    "cifar_highway",
    "resnet18",
    "resnet50",
    "plain34",
    "vgg19",
]


def sharded(names):
    """Whether all products of each of these nets are put together in half precision, by its name."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(line.split() for line in done.stdout.splitlines())


def test_nets_can_be_sharded():
    assert sharded(NETS) == dict.fromkeys(NETS, "True")


@pytest.mark.release
def test_every_net_of_the_zoo_can_be_sharded():
    """Those whose layers lie in a module with parameters of its own put them together in single precision."""
    names = zoo.names()
    found = sharded(names)
    assert [*found] == [*names]
    assert {name for name, half in found.items() if half == "False"} <= {
        "convnext",
        "deit",
        "maxvit_t",
        "swin",
        "vit",
    }


ACCUMULATING = forked(
    """
import torch, torch.distributed as dist
import archspec
from archspec_torch.trainer import parallel
dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
model = archspec.build(archspec.load("cifar_resnet:resnet20"), "torch")
images = torch.zeros(2, 3, 32, 32)
alike = parallel.replicate(model, images)
reduced = []
def count(state, bucket):
    reduced.append(bucket.index())
    done = torch.futures.Future()
    done.set_result(bucket.buffer())
    return done
alike.register_comm_hook(None, count)
for number in range(1, 5):
    with parallel.gradients_shared(alike, model, last=number == 4):
        alike(images).sum().backward()
    print(len(reduced) > 0, end=" ")
""",
    "torch",
)


def test_gradients_are_shared_in_the_last_micro_batch_alone():
    done = subprocess.run([sys.executable, "-c", ACCUMULATING], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False", "False", "False", "True"]


GATHERED = forked(
    """
import json, sys, torch, torch.distributed as dist
from collections import Counter
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._python_dispatch import TorchDispatchMode
sys.path[:0] = sys.argv[1:]
from settings_of_runs import setting
from trainers import training
import archspec
from archspec_runtime.processes.world import World
from archspec_torch.trainer.parallel import PRODUCTS
from archspec_torch.trainer.parallel import ParallelStepper

class Exchanged(TorchDispatchMode):
    # The elements that are gathered and added up, by their type.
    def __init__(self):
        super().__init__()
        self.gathered, self.added = Counter(), Counter()
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if "_allgather_base_" in str(function):
            self.gathered[str(args[0].dtype)] += args[0].numel()
        if "_reduce_scatter_base_" in str(function):
            self.added[str(args[1].dtype)] += args[1].numel()
        return function(*args, **(kwargs or {}))

dist.init_process_group("fake", store=FakeStore(), rank=1, world_size=8)
for precision in ("fp32", "bf16"):
    net, job, dataset, normalization, batches = setting(batch_size=16, precision=precision)
    world = batches.world = World(1, 8)
    stated = training("torch", net, job), job, dataset, normalization, torch.device("cpu"), False, world
    stepper = ParallelStepper(lambda: archspec.build(net, "torch"), *stated, sharded=True)
    layers = [m for m in stepper.model.modules() if isinstance(m, PRODUCTS)]
    batch = next(iter(batches.run(0, 1)))
    with Exchanged() as seen:
        stepper.step(batch, 0.1, 0)
    products = sum(p.numel() for m in layers for p in m.parameters())
    print(json.dumps([seen.gathered, seen.added, products]))
""",
    "shard",
)


@pytest.mark.skipif(not hasattr(torch.cpu.Stream, "record_event"), reason="this PyTorch splits on GPUs alone")
def test_a_step_in_half_precision_gathers_weights_in_it_and_adds_up_gradients_in_single():
    command = [sys.executable, "-W", "error", "-c", GATHERED, *sys.path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (single, added, _), (gathered, added_in_half, products) = map(json.loads, done.stdout.splitlines())
    half = gathered["torch.bfloat16"]
    assert 2 * products <= half <= 2.02 * products, "each product's, forwards and backwards; shares are of one size"
    assert gathered == {"torch.bfloat16": half, "torch.float32": single["torch.float32"] - half}, "norms in single"
    assert [*added_in_half] == ["torch.float32"]
    assert added_in_half == added
