"""What processes ask each other in every step holds no step up: the answer is read a step later, and is one for all."""

import subprocess
import sys

import pytest

from runs import forked

pytest.importorskip("torch")

# The second process is late with its first question; the first must have gone on by then.
PROGRAM = forked(
    """
import sys, time, torch, torch.distributed as dist
from archspec_torch.trainer.world import Joined
rank, store = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", store=dist.FileStore(store, 2), rank=rank, world_size=2)
peers = Joined()
peers.highest([0])
if rank:
    time.sleep(1.5)
begun = time.monotonic()
answer = peers.ask([rank, 7 - rank])
asked = time.monotonic() - begun
found = answer()
print(asked < 1.0, rank == 1 or time.monotonic() - begun > 1.0, found, peers.ask([3, rank])())
""",
    "torch",
)


def test_a_process_asks_one_that_is_late_without_waiting(tmp_path):
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    started = [
        subprocess.Popen([*command, str(rank), str(tmp_path / "store")], stdout=subprocess.PIPE, text=True)
        for rank in (0, 1)
    ]
    said = [process.communicate(timeout=250)[0] for process in started]
    assert said == ["True True [1, 7] [3, 1]\n"] * 2
