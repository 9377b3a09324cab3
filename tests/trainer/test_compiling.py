"""What is compiled of a net, and that it computes the same."""

import pytest

import archspec

torch = pytest.importorskip("torch")
from archspec_torch.trainer.compiling import compile_model, compiled_layers  # noqa: E402


def test_the_compiler_sees_each_kind_of_block_of_deep_nets_once():
    def seen(name):
        with torch.device("meta"):
            return compiled_layers(archspec.build(archspec.load(name), "torch"))

    assert seen("cifar_resnet:resnet20") == 19, "all of a shallow net"
    assert seen("cifar_resnet:resnet110") == seen("cifar_resnet:resnet1202") == 10, "two in each of five kinds"


REPEATS = """archspec: 1
name: repeats
input: {channels: 1, size: 8}
classes: 10
shortcut: identity
stem: [{conv1: {conv: {out: 4, kernel: 3}}}]
stages: [{name: layer1, block: short, repeat: 3}]
blocks: {short: {body: [{conv1: {conv: {out: 4, kernel: 3}}}, {bn1: norm}], merge: add, after: [act]}}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


@pytest.mark.filterwarnings("ignore")  # the compiler warns of itself
def test_a_net_compiled_by_its_blocks_computes_what_it_does_otherwise(tmp_path):
    (tmp_path / "repeats.yaml").write_text(REPEATS)
    net = archspec.load(tmp_path / "repeats.yaml")
    plain, compiled = (archspec.build(net, "torch", seed=0) for _ in range(2))
    forwards = plain, compile_model(compiled, compiled, deep=3)
    assert forwards[1] is compiled, "by its blocks, not whole"
    optimizers = [torch.optim.SGD(model.parameters(), 0.1, momentum=0.9) for model in (plain, compiled)]
    torch._dynamo.utils.counters.clear()
    for step in range(4):
        draw = torch.Generator().manual_seed(step)
        images, labels = torch.randn(16, 1, 8, 8, generator=draw), torch.randint(10, (16,), generator=draw)
        losses = []
        for forward, optimizer in zip(forwards, optimizers, strict=True):
            loss = torch.nn.functional.cross_entropy(forward(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1, "three equal blocks are compiled once"
    for key, expected in plain.state_dict().items():
        torch.testing.assert_close(compiled.state_dict()[key], expected, rtol=1e-4, atol=1e-5, msg=key)


@pytest.mark.filterwarnings("ignore")  # the compiler warns of itself
def test_phases_of_several_sizes_are_compiled_for_each_and_not_for_sizes_that_vary(tmp_path, monkeypatch):
    (tmp_path / "repeats.yaml").write_text(REPEATS)
    model = archspec.build(archspec.load(tmp_path / "repeats.yaml"), "torch")
    sizes, plain = [], torch.compile

    def compiler(graph, given):
        sizes.extend(value.shape[-1] for value in given if value.shape[:2] == (5, 1))
        return graph.forward

    def counted(forward, *, mode, **asked):
        return plain(forward, backend=compiler, **asked)

    monkeypatch.setattr(torch, "compile", counted)
    torch._dynamo.reset()
    forward = compile_model(model, model)
    for side in (8, 12, 16, 8, 12):
        forward(torch.zeros(5, 1, side, side))
    assert sizes == [8, 12, 16]
