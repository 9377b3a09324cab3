"""Every net of the zoo spread over eight GPUs that are not there: `fake` process groups, and devices without memory."""

import subprocess
import sys

import pytest

pytest.importorskip("torch")

PROGRAM = """
import sys, torch, torch.distributed as dist
from torch.testing._internal.distributed.fake_pg import FakeStore
import archspec
from archspec import zoo
from archspec_torch.trainer import parallel
dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=8)
for name in sys.argv[1:]:
    net = archspec.load(name)
    model = archspec.build(net, "torch")
    parallel.shard(model)
    assert all(parallel.is_split(p) for p in model.parameters()), name
    assert {n: tuple(p.shape) for n, p in model.named_parameters()} == net.parameter_shapes(), name
    print(name)
"""
NETS = [
    "cifar_resnet:resnet20",
    "cifar_resnet:plain20",
    "cifar_highway",
    "resnet18",
    "resnet50",
    "plain34",
    "vgg19",
]


def test_every_net_can_be_sharded():
    done = subprocess.run([sys.executable, "-c", PROGRAM, *NETS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == NETS
