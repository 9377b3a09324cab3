"""Which device a process takes, on machines that have been described rather than found."""

import dataclasses

import pytest

from archspec_runtime.errors import RunError
from archspec_runtime.job.job import Options
from archspec_runtime.processes.world import World

torch = pytest.importorskip("torch")
from archspec_torch.trainer import compiling, parallel  # noqa: E402
from archspec_torch.trainer import device as devices  # noqa: E402
from archspec_torch.trainer.device import check_precision  # noqa: E402

TORCHRUN = World(rank=1, size=2, local_rank=1, local_size=2, launch="torchrun's")
SRUN = World(rank=3, size=4, local_rank=3, local_size=4)
FIRST = dataclasses.replace(TORCHRUN, rank=0, local_rank=0)


@pytest.fixture
def machine(monkeypatch):
    """A machine with so many GPUs, and Apple's or not."""

    def of(gpus=0, mps=False, capability=(9, 0)):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return of


@pytest.mark.parametrize(
    ("gpus", "mps", "name", "world", "device"),
    [
        (0, False, "auto", World(), "cpu"),
        (0, True, "auto", World(), "mps"),
        (0, True, "auto", TORCHRUN, "cpu"),
        (1, False, "auto", World(), "cuda:0"),
        (2, False, "cuda", World(), "cuda:0"),
        (2, False, "auto", FIRST, "cuda:0"),
        (2, False, "auto", TORCHRUN, "cuda:1"),
        (2, False, "cuda:1", World(), "cuda:1"),
        (1, False, "auto", SRUN, "cuda:0"),
        (4, False, "auto", SRUN, "cuda:3"),
    ],
)
def test_each_process_takes_its_own_device(gpus, mps, name, world, device, machine):
    machine(gpus, mps)
    assert str(devices.choose_device(name, world)) == device


@pytest.mark.parametrize(
    ("gpus", "mps", "name", "world", "said"),
    [
        (0, False, "cuda", World(), "there is no device 'cuda'"),
        (2, False, "cuda:2", World(), "there is no device 'cuda:2'"),
        (1, False, "auto", TORCHRUN, r"the machine has 1 GPU\n"),
        (2, False, "cuda", SRUN, "process 3 of its machine, counted from 0, and the machine has 2 GPUs"),
        (0, True, "mps", TORCHRUN, "no run of several processes"),
    ],
)
def test_a_device_that_a_process_cannot_have_is_refused(gpus, mps, name, world, said, machine):
    machine(gpus, mps)
    with pytest.raises(RunError, match=said) as refused:
        devices.choose_device(name, world)
    assert refused.value.exit_code == 2
    assert refused.value.hint


def test_a_gpu_becomes_the_device_of_its_process_by_its_index(machine, monkeypatch):
    """`torch.cuda.set_device` refuses a device without an index."""
    machine(2)
    chosen = []
    monkeypatch.setattr(torch._C, "_cuda_setDevice", chosen.append, raising=False)
    for world in (World(), TORCHRUN):
        devices.use_device(devices.choose_device("auto", world))
    assert chosen == [0, 1]


@pytest.mark.parametrize(
    ("capability", "triton", "compiler", "why"),
    [
        ((9, 0), True, True, "pay back compiling"),
        ((6, 1), True, True, "compute capability 7.0, and this one has 6.1"),
        ((9, 0), False, True, "Triton is not installed"),
        ((9, 0), True, False, "there is none"),
    ],
)
def test_nothing_is_compiled_for_a_gpu_where_triton_cannot_work(
    capability, triton, compiler, why, machine, monkeypatch
):
    machine(1, capability=capability)
    monkeypatch.setattr(compiling, "find_spec", lambda name: object() if triton else None)
    monkeypatch.setattr(compiling.shutil, "which", lambda name: "/usr/bin/cc" if compiler else None)
    compiled, said = compiling.choose_compile(Options(), torch.device("cuda:0"), 10**6, 20)
    assert (compiled, why in said) == (capability >= (7, 0) and triton and compiler, True)


def test_apples_devices_are_not_asked_for_what_they_cannot_compute(machine):
    machine(mps=True)
    with pytest.raises(RunError, match="in fp64, and Apple's devices") as refused:
        check_precision(devices.choose_device("auto"), "fp64")
    assert "--device cpu" in refused.value.hint
    check_precision(devices.choose_device("auto"), "bf16")


def test_a_pytorch_that_splits_parameters_on_gpus_alone_is_told_from_one_that_does_on_cpus(monkeypatch):
    parallel.check_shard(Options(shard=True), torch.device("cuda:0"))
    parallel.check_shard(Options(), torch.device("cpu"))
    monkeypatch.delattr(torch.cpu.Stream, "record_event", raising=False)
    with pytest.raises(RunError, match="on GPUs alone, and this run is on the CPU"):
        parallel.check_shard(Options(shard=True), torch.device("cpu"))


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB, max allowed: 18.1 GB)"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_out_of_memory_is_known_on_every_device(error, memory):
    with (
        pytest.raises(RunError if memory else RuntimeError) as raised,
        devices.out_of_memory(lambda: RunError("too much")),
    ):
        raise error
    assert isinstance(raised.value, RunError) == memory
