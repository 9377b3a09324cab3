"""What a training step launches and moves is what one written by hand does, and it can be recorded as a CUDA graph."""

import sys
from pathlib import Path

import pytest

from archspec_runtime.errors import RunError
from archspec_runtime.job.job import Options

torch = pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
from kernels import NETS, Kernels, by_hand, counted, ours  # noqa: E402

from archspec_torch.trainer.compiling import check_graphs  # noqa: E402
from archspec_torch.trainer.images import Images  # noqa: E402

WAITS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::is_nonzero", "aten::equal"}
"""What the host waits for, or whose shape depends on values: neither can be recorded."""


@pytest.fixture(scope="module", params=NETS)
def step(request):
    return request.param, *ours(request.param)


def test_a_step_launches_and_moves_what_one_by_hand_does(step):
    name, run, _ = step
    here, there = counted(run), counted(by_hand(name)[0])
    assert here.launches <= 1.05 * there.launches, here.names - there.names
    assert here.bytes <= 1.05 * there.bytes
    assert not WAITS & here.names.keys()


def test_weights_and_statistics_stay_where_they_are_from_step_to_step(step):
    _, run, model = step
    run()
    places = [tensor.data_ptr() for tensor in (*model.parameters(), *model.buffers())]
    run()
    assert places == [tensor.data_ptr() for tensor in (*model.parameters(), *model.buffers())]


def test_what_a_graph_leaves_out_is_a_tenth_of_what_a_small_net_launches(monkeypatch):
    """Placing the images, and the optimizer, whose fused kernels PyTorch's compiler does not trace."""
    outside = []

    def watched(kind, name):
        plain = getattr(kind, name)

        def call(self, *given):
            with Kernels() as seen:
                result = plain(self, *given)
            outside.append(seen.launches)
            return result

        monkeypatch.setattr(kind, name, call)

    watched(Images, "batch")
    watched(torch.optim.SGD, "step")
    found = counted(ours("cifar_resnet:resnet20")[0])
    assert sum(outside[-2:]) <= 24 <= 0.12 * found.launches
    assert found.names["aten::_fused_sgd_"] == 1


def test_a_net_is_one_graph_without_breaks():
    _, model = ours("cifar_resnet:resnet20")
    found = torch._dynamo.explain(model.train())(torch.zeros(2, 3, 32, 32))
    assert (found.graph_count, found.graph_break_count) == (1, 0)


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method:DeprecationWarning")  # of PyTorch by PyTorch
def test_a_graph_is_recorded_once_and_a_step_begins_where_its_results_are_no_longer_needed(monkeypatch):
    from archspec_torch.trainer import compiling

    asked = []
    monkeypatch.setattr(torch, "compile", lambda forward, **given: asked.append(given) or forward)
    model = ours("cifar_resnet:resnet20")[1]
    compiling.compile_model(model, model, graphed=True)
    compiling.compile_model(model, model)
    assert [given["mode"] for given in asked] == ["reduce-overhead", None]
    compiling.begin_step()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--device", "cpu"), "records kernels of CUDA, and the run is on cpu"),
        (("--backend", "flax"), "is PyTorch's: a step of Flax is one program"),
        (("--nproc", "2", "--dry-run"), "records a step of one process, and there are several"),
    ],
)
def test_graphs_are_refused_where_they_cannot_be_recorded(given, says, cli):
    found = cli("train", "digits_resnet:resnet8", "--compile", "graph", *given)
    assert found.exit_code == 2, found.output
    assert says in found.stderr
    assert "help: " in found.stderr


def test_graphs_are_refused_on_a_gpu_that_nothing_can_be_compiled_for(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (6, 1))
    with pytest.raises(RunError, match=r"compute capability 7\.0|Triton is not installed"):
        check_graphs(Options(compile="graph"), torch.device("cuda:0"))
