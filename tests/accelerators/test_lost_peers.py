"""What is said where processes cannot talk: who is gone, who does not answer, and what is neither; the cause is always told."""

import pytest

from archspec_runtime.errors import RunError
from archspec_runtime.processes.distributed import PeersLost

torch = pytest.importorskip("torch")
from archspec_torch.trainer.device import out_of_memory  # noqa: E402
from archspec_torch.trainer.world import peers_answer  # noqa: E402

# What the libraries really say, but for addresses and numbers.
GONE = {
    "gloo, killed": "[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:41302",
    "gloo, reset": "[../third_party/gloo/gloo/transport/tcp/pair.cc:525] Read error [10.0.0.7]:5: Connection reset by peer",
    "gloo, write": "[../third_party/gloo/gloo/transport/tcp/pair.cc:598] writev [10.0.0.7]:5: Broken pipe, gloo",
    "NCCL": "NCCL error in: ../torch/csrc/distributed/c10d/NCCLUtils.hpp:268, remote process exited or there was a network "
    "error, NCCL version 2.21.5\nncclRemoteError: A call failed possibly due to a network error or a remote process exiting "
    "prematurely.\nLast error:\nsocketProgress: Connection closed by remote peer node7<41302>",
}
SILENT = {
    "gloo": "[../third_party/gloo/gloo/transport/tcp/unbound_buffer.cc:81] Timed out waiting 600000ms for recv operation",
    "gloo, pair": "[../gloo/transport/tcp/pair.cc:144] Application timeout caused pair closure",
    "NCCL": "[Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=7, OpType=ALLREDUCE, NumelIn=64, "
    "NumelOut=64, Timeout(ms)=600000) ran for 600012 milliseconds before timing out.",
}
OTHERS = {
    "a GPU twice": "NCCL error in: ../torch/csrc/distributed/c10d/NCCLUtils.hpp:268, invalid usage, NCCL version 2.21.5\n"
    "ncclInvalidUsage: This usually reflects invalid usage of NCCL library.\nLast error:\nDuplicate GPU detected : rank 1 "
    "and rank 0 both on CUDA device 1000",
    "shared memory": "NCCL error in: ../torch/csrc/distributed/c10d/NCCLUtils.hpp:268, unhandled system error, NCCL version "
    "2.21.5\nncclSystemError: System call (e.g. socket, malloc) or external library call failed or device error.\n"
    "Last error:\nError while creating shared memory segment /dev/shm/nccl-x (size 9637888)",
    "shapes": "[../gloo/allreduce.cc:30] Enforce failed: gloo tensors differ in size",
}


def raised(error):
    with pytest.raises(RunError) as found, peers_answer():
        raise error
    return found.value


@pytest.mark.parametrize("text", GONE.values(), ids=GONE)
def test_a_peer_that_is_gone_is_said_with_what_told_so(text):
    error = raised(RuntimeError(text))
    assert isinstance(error, PeersLost)
    assert "has lost another one" in error.message
    assert text.splitlines()[0].split("] ", 1)[-1] in error.message
    assert ".cc:" not in error.message
    assert str(error.__cause__) == text


@pytest.mark.parametrize("text", SILENT.values(), ids=SILENT)
def test_a_peer_that_does_not_answer_is_told_from_one_that_is_gone(text):
    kind = torch.distributed.DistBackendError if "Watchdog" in text else RuntimeError
    error = raised(kind(text))
    assert isinstance(error, PeersLost)
    assert "has waited for the others in vain" in error.message


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
def test_what_is_no_lost_peer_is_not_said_to_be_one(text):
    error = raised(torch.distributed.DistBackendError(text))
    assert not isinstance(error, PeersLost)
    assert text.splitlines()[-1].split("] ", 1)[-1] in error.message


def test_memory_of_a_gpu_that_runs_out_in_nccl_is_that():
    text = "NCCL error in: NCCLUtils.hpp:268, unhandled cuda error\nncclUnhandledCudaError: Call to CUDA function failed.\n" \
        "Last error:\nCuda failure 2 'out of memory'"  # fmt: skip
    with pytest.raises(RunError, match="too much"), out_of_memory(lambda: RunError("too much")), peers_answer():
        raise torch.distributed.DistBackendError(text)


def test_errors_of_a_model_are_its_own():
    with pytest.raises(RuntimeError, match="mat1 and mat2") as found, peers_answer():
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    assert not isinstance(found.value, RunError)
