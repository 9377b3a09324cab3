"""What blocks take beside numbers: layers, pairs and the arguments of the spec; and which side of a merge comes first."""

import pytest

import archspec
from mistaken import marked

HEAD = "archspec: 1\nargs: {wide: 2, a: hard_swish}\ninput: {channels: 4, size: 8}\nclasses: 3\nact: tanh\n"
TAIL = "head: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"
BLOCKS = """blocks:
  cna:
    args: {width: int, kernel: [3, 1], act: {layer: act}, norm: layer}
    chain: [{conv: {out: width * wide, kernel: kernel}}, $norm, {$act: {}, when: width > 2}]
  alone: {args: {act: {layer: act}}, chain: [$act]}
  named:
    args: {width: int, kernel: pair, act: {layer: act}, m: wide * 2}
    body: [{conv: {out: width * m, kernel: kernel}}, {one: $act}, $act]
"""


def whole(*steps):
    return HEAD + BLOCKS + "stem:\n" + "".join(f"  - {step}\n" for step in steps) + TAIL


STEPS = {
    "cna: {width: 4, norm: none}": "conv tanh",
    "cna: {width: 4, act: none, norm: {batch_norm: {eps: 0.1 / 2}}, kernel: 3}": "conv batch_norm",
    "cna: {width: 4, act: $a, norm: norm, kernel: [1, 3]}": "conv batch_norm hard_swish",
    "cna: {width: 2, norm: {cna: {width: 3, norm: none}}}": "conv conv tanh",
    "named: {width: 3, kernel: [1, 3]}": "conv tanh tanh",
    "named: {width: 3, kernel: 3, act: {leaky_relu: {slope: 0.1}}}": "conv leaky_relu leaky_relu",
    "alone: {act: {leaky_relu: {slope: 0.1}}}": "leaky_relu",
    "named: {width: 3, kernel: 3, act: {conv_norm_act: {width: 5, kernel: 1, act: {elu: {}}}}}":
        "conv conv batch_norm elu conv batch_norm elu",
}  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
def test_layers_are_given_by_argument(spec, step):
    if step.startswith("cna: {width: 2"):
        with pytest.raises(archspec.SpecError, match="would contain itself"):
            archspec.load(spec(whole(step)))
        return
    net = archspec.load(spec(whole(step)))
    assert [row.op for row in net.modules()][:-2] == STEPS[step].split()
    for backend in ("torch", "flax"):
        archspec.emit(net, backend, tried=True)  # compares tensors and shapes with the core's


def test_pairs_and_arguments_of_the_spec_are_numbers_in_source(spec):
    steps = (
        "named: {width: 3, kernel: [1, 3]}",
        "named: {width: 6, kernel: 3}",
        "cna: {width: 5, norm: norm, kernel: [5, 1]}",
    )
    text = whole(*steps)
    source = archspec.emit(archspec.load(spec(text)), "torch")["model.py"]
    assert "def __init__(self, in_channels: int, width: int, kernel: tuple[int, int]) -> None:" in source
    assert "width * 4,\n            kernel_size=kernel," in source
    assert "kernel=(1, 3))" in source
    assert "kernel=(3, 3))" in source
    assert "kernel_size=(5, 1), padding=(2, 0)" in source


def test_an_argument_of_the_spec_reaches_its_own_blocks(spec):
    path = spec(whole("cna: {width: 4, norm: none}"))
    assert archspec.load(path, set={"wide": 3}).parameter_shapes()["cna.0.weight"][0] == 12


@pytest.mark.parametrize(("first", "order"), [("branch", ("conv", "input")), ("shortcut", ("input", "conv"))])
def test_which_side_of_a_merge_comes_first(spec, first, order):
    block = f"{{body: [{{conv: {{out: 4, kernel: 1}}}}], merge: concat, first: {first}}}"
    net = archspec.load(spec(f"{HEAD}shortcut: identity\nblocks: {{b: {block}}}\nstem: [b]\n{TAIL}"))
    (block,) = [call.target for call in net.root.calls if call.name == "b"]
    assert block.calls[-1].inputs == order


MISTAKES = {
    "cna: {width: 4}": ("AS304", "cna"),
    "cna: {width: 4, norm: bach_norm}": ("AS301", "bach_norm"),
    "cna: {width: 4, norm: {batch_norm: {epsi: 1}}}": ("AS303", "epsi"),
    "cna: {width: 4, norm: {batch_norm: {eps: wdie}}}": ("AS202", "wdie"),
    "cna: {width: 4, norm: 3}": ("AS103", "3"),
    "cna: {width: 4, norm: {relu: {}, tanh: {}}}": ("AS103", "{relu: {}, tanh: {}}"),
    "cna: {width: 4, norm: none, kernel: [1, 2, 3]}": ("AS103", "[1, 2, 3]"),
    "cna: {width: [1, 2], norm: none}": ("AS103", "[1, 2]"),
    "$bct": ("AS202", "$bct"),
}


@pytest.mark.parametrize("step", MISTAKES)
def test_mistakes_have_their_places_and_remedies(mistakes, step):
    found = [d for d in mistakes(whole(step)) if d.is_error]
    assert [(d.code, marked(d)) for d in found] == [MISTAKES[step]]
    assert found[0].help


IN_BLOCKS = {
    "args: {w: int}, chain: [$w]": ("AS204", "$w"),
    "args: {act: {layer: act}}, chain: [$atc]": ("AS202", "$atc"),
    "args: {act: {layer: atc}}, chain: [$act]": ("AS301", "atc"),
    "args: {k: [3, 1], w: k * 2}, chain: [{conv: {out: w, kernel: 1}}]": ("AS204", "k * 2"),
}


@pytest.mark.parametrize("block", IN_BLOCKS)
def test_mistakes_in_blocks_have_their_places_and_remedies(mistakes, block):
    use = "{b: {w: 3}}" if "w: int" in block else "b"
    found = mistakes(f"{HEAD}blocks: {{b: {{{block}}}}}\nstem: [{use}]\n{TAIL}")
    assert [(d.code, marked(d)) for d in found if d.is_error] == [IN_BLOCKS[block]]
    assert all(d.help for d in found)


FAMILY = f"""archspec: 1
args: {{n: 4}}
presets:
  wide: {{n: 8, expect: {{params: 315}}}}
  deep: {{name: deep, act: relu}}
input: {{channels: 4, size: 8}}
classes: 3
stem: [{{conv: {{out: n, kernel: 3}}}}, act]
{TAIL}expect: {{params: 159}}
"""


def test_presets_stack_and_state_what_they_come_to(spec):
    path = spec(FAMILY)
    assert [d for d in archspec.check(path) if d.is_error] == []
    net = archspec.load(f"{path}:deep:wide")
    assert (net.name, net.cost.params) == ("deep", 315)
    (wrong,) = archspec.check(spec(FAMILY.replace("params: 315", "params: 316")))
    assert (wrong.code, marked(wrong)) == ("AS501", "316")
