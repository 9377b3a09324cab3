"""`--deterministic`: every switch of PyTorch's that it takes for the same bits in every run, and what cannot have them."""

import os

import pytest

from archspec_runtime.errors import RunError
from archspec_runtime.job.job import Options
from archspec_runtime.record.folder import read_run
from runs import same, weights

torch = pytest.importorskip("torch")
from archspec_torch.trainer import compiling, kernels  # noqa: E402


@pytest.fixture(autouse=True)
def switches(monkeypatch):
    """PyTorch's switches, as they were afterwards."""
    for name in (kernels.CUBLAS, *kernels.MIOPEN):
        monkeypatch.delenv(name, raising=False)
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.deterministic
    yield
    cudnn.benchmark, cudnn.deterministic = before
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("deterministic", [False, True])
def test_kernels_are_found_by_trying_or_taken_by_rule(deterministic):
    kernels.choose_kernels(deterministic=deterministic)
    assert torch.backends.cudnn.benchmark is not deterministic
    assert torch.backends.cudnn.deterministic is deterministic
    assert torch.are_deterministic_algorithms_enabled() is deterministic
    assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == (":4096:8" if deterministic else None)


def test_amds_convolutions_are_told_of_channels_last(monkeypatch):
    kernels.choose_kernels(deterministic=False)
    assert "PYTORCH_MIOPEN_SUGGEST_NHWC" not in os.environ
    monkeypatch.setattr(torch.version, "hip", "6.4")
    monkeypatch.setenv("PYTORCH_MIOPEN_SUGGEST_NHWC_BATCHNORM", "0")
    kernels.choose_kernels(deterministic=False)
    assert os.environ["PYTORCH_MIOPEN_SUGGEST_NHWC"] == "1"
    assert os.environ["PYTORCH_MIOPEN_SUGGEST_NHWC_BATCHNORM"] == "0", "what a user has set stays"


@pytest.mark.parametrize("by_rule", [False, True])
def test_a_compiler_that_chooses_by_the_clock_is_not_used(by_rule, monkeypatch):
    monkeypatch.setattr(compiling, "compiles_by_rule", lambda: by_rule)
    monkeypatch.setattr(compiling, "_no_triton", lambda device: None)

    def chosen(**given):
        return compiling.choose_compile(Options(deterministic=True, **given), torch.device("cuda:0"), 10**6, 20)[0]

    assert chosen() is by_rule
    if by_rule:
        assert chosen(compile="on")
    else:
        with pytest.raises(RunError, match="chooses what it compiles by the clock"):
            chosen(compile="on")
    assert not chosen(compile="off")


def test_an_operation_without_such_a_kernel_is_named():
    text = (
        "adaptive_avg_pool2d_backward_cuda does not have a deterministic implementation, but you set "
        "'torch.use_deterministic_algorithms(True)'."
    )
    said = "PyTorch's adaptive_avg_pool2d_backward_cuda has no kernel"
    with pytest.raises(RunError, match=said) as found, kernels.deterministic_kernels():
        raise RuntimeError(text)
    assert "without --deterministic" in found.value.hint


def test_a_run_says_and_keeps_that_it_is_deterministic(train, tiny, tmp_path):
    given = ("--steps", 4, "--checkpoint-every", 2)
    done = train(tiny, "run", *given, "--deterministic")
    assert "deterministic" in done.stderr
    assert torch.are_deterministic_algorithms_enabled()
    assert read_run(tmp_path / "run")["settings"]["deterministic"] is True
    train(tiny, "plain", *given)
    assert not torch.are_deterministic_algorithms_enabled()
    assert same(weights(tmp_path / "run"), weights(tmp_path / "plain")), "a CPU computes so by itself"
    resumed = train(
        tiny, "plain", "--steps", 6, "--checkpoint-every", 2, "--resume", "--override", "--deterministic"
    )
    assert "--deterministic has no effect: this run was begun without it" in resumed.stderr
    assert not torch.are_deterministic_algorithms_enabled()
