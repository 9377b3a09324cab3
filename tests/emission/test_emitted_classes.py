"""Which classes, loops and attributes a net becomes: named as Python can, each once, with nothing that does nothing."""

import ast

import pytest

import archspec
from comparing import check

torch = pytest.importorskip("torch")


UNNAMED = """
input: {channels: 3, size: 8}
classes: 3
blocks:
  b: {args: {width: int}, body: [{conv: {out: width, kernel: 1}}, {scale: {value: 0.5}}, {global_avg_pool: {keep: true}}]}
  c: {args: {width: int, deep: false}, body: [{conv: {out: width, kernel: 1}}, {relu: {}, when: deep}]}
  d: {args: {width: int}, body: [{subsample: {stride: 2}}, {conv: {out: width, kernel: 1}}, {scale: {value: 0.5}}]}
  e: {args: {width: int}, body: [{conv: {out: width, kernel: 1}}, {scale: {value: 0.5}}]}
  f: {args: {width: int}, body: [{conv: {out: width, kernel: 1}}, flatten]}
stages:
  - {name: two, block: c, width: 4}
  - {name: three, block: c, width: 4, deep: true}
  - {name: four, block: d, width: 4}
  - {name: five, block: e, width: 4}
  - {name: one, block: b, width: 4}
  - {name: six, block: f, width: 4}
head: [{fc: {linear: {out: classes}}}]
"""


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_steps_without_names_are_attributes_that_python_has(backend, spec):
    """Only where all steps are layers, and there, are they the numbered layers of a sequence."""
    if backend == "flax":
        pytest.importorskip("flax")
    check(archspec.load(spec(UNNAMED)), tolerance=1e-8, backend=backend)


@pytest.mark.parametrize("name", ["tensor", "nn", "F", "torch", "math"])
def test_a_net_may_have_the_name_of_what_its_source_imports(name, spec):
    text = "input: {size: 4}\nclasses: 2\nhead: [{pad: {avg_pool: {kernel: 2, stride: 2}}}, flatten, {linear: {out: 2}}]\n"
    source = archspec.emit(archspec.load(spec(f"archspec: 1\nname: {name}\n{text}")), "torch")["model.py"]
    bound = [n.name for n in ast.walk(ast.parse(source)) if isinstance(n, (ast.ClassDef, ast.alias))]
    assert len(bound) == len(set(bound))


def test_a_step_may_have_the_name_of_a_number_that_is_kept(spec):
    text = (
        "input: {channels: 3, size: 8}\nclasses: 3\nblocks:\n  b:\n    args: {width: int, stride: 1}\n    body:\n"
    )
    text += "      - stride: {conv: {out: width, kernel: 1}}\n      - cut: {subsample: {stride: stride}}\n      - x: tanh\n"
    text += "stages: [{name: s, block: b, repeat: 2, width: 4, stride: 2}]\nhead: [global_avg_pool, {linear: {out: 3}}]\n"
    check(archspec.load(spec(text)), tolerance=1e-8)


IDLE = """
input: {channels: 3, size: 8}
classes: 3
blocks:
  b:
    args: {width: int, stride: 1}
    body:
      - cut: {subsample: {stride: stride}}
      - conv: {out: width, kernel: 1}
      - same: {pad_channels: {}}
      - sum: {add: {}, from: [same, conv]}
      - relu
  c: {args: {stride: 1}, body: [{subsample: {stride: stride}}]}
stages:
  - {name: one, block: b, repeat: 2, width: 4}
  - {name: two, block: c}
head: [{s: {subsample: {stride: 1}}}, global_avg_pool, {fc: {linear: {out: classes}}}]
"""


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_what_does_nothing_is_not_written(backend, spec):
    if backend == "flax":
        pytest.importorskip("flax")
    net = archspec.load(spec(IDLE))
    check(net, tolerance=1e-8, backend=backend)
    source = archspec.emit(net, backend)["model.py"]
    assert "::1" not in source
    assert "pad(" not in source
    assert "stride" not in source
    strided = archspec.load(spec(IDLE.replace("block: b, ", "block: b, stride: 2, ")))
    check(strided, tolerance=1e-8, backend=backend)
    written = {"torch": "stride=self.stride)", "flax": "::self.stride"}[backend]
    assert written in archspec.emit(strided, backend)["model.py"].replace(" ", "")


BARE = """
input: {channels: 3, size: 4}
classes: 3
blocks:
  inner: {body: [tanh]}
  outer: {body: [{a: inner}, {b: inner}, {add: {}, from: [a, b]}]}
stages: [{name: one, block: outer}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_a_block_that_takes_nothing_makes_the_blocks_inside(backend, spec):
    if backend == "flax":
        pytest.importorskip("flax")
    check(archspec.load(spec(BARE)), tolerance=1e-8, backend=backend)


WORDS = """
input: {channels: 3, size: 6}
classes: 3
blocks:
  gated:
    args: {width: int, gate: [soft, hard, 3x3]}
    body: [{conv: {out: width, kernel: 1}}, {sigmoid: {}, when: gate == 'soft'}, {relu: {}, when: gate == 'hard'}]
stages:
  - {name: one, block: gated, width: 4}
  - {name: two, block: {gated: {gate: hard}}, width: 4}
  - {name: three, block: {gated: {gate: 3x3}}, width: 4}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


def test_classes_are_named_by_the_word_that_sets_them_apart(spec):
    tree = ast.parse(archspec.emit(archspec.load(spec(WORDS)), "torch")["model.py"])
    assert [n.name for n in tree.body if isinstance(n, ast.ClassDef)] == ["Gated", "HardGated", "GatedBlock", "Net"]


DENSE = """
args: {n: 4}
input: {channels: 3, size: 8}
classes: 5
shortcut: identity
blocks:
  dense:
    args: {growth: int}
    out: growth
    body: [norm, act, {conv: {out: growth, kernel: 3}}]
    merge: concat
stages: [{name: dense1, block: dense, repeat: n, growth: 6}]
head: [norm, act, global_avg_pool, {fc: {linear: {out: classes}}}]
"""


def test_blocks_whose_inputs_grow_are_a_loop_too(spec):
    net = archspec.load(spec(DENSE))
    check(net, tolerance=1e-8)
    source = archspec.emit(net, "torch")["model.py"]
    assert "self.dense1 = nn.Sequential(*(Dense(3 + 6 * i, 6) for i in range(4)))" in source
    deep = archspec.emit(archspec.load(spec(DENSE), set={"n": 40}), "torch")["model.py"]
    assert len(deep.splitlines()) == len(source.splitlines())


ABSENT = """
input: {channels: 2, size: 5}
classes: 3
blocks:
  padded:
    args: {times: int, deep: false}
    body: [{pad_channels: {after: 4}, when: deep, repeat: times}, {s1: {conv: {out: 4, kernel: 3}}}]
stages:
  - {name: one, block: {padded: {times: 1}}}
  - {name: two, block: {padded: {times: 2}}}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


def test_layers_that_are_absent_do_not_set_classes_apart_however_often_they_are(spec):
    tree = ast.parse(archspec.emit(archspec.load(spec(ABSENT)), "torch")["model.py"])
    assert [n.name for n in tree.body if isinstance(n, ast.ClassDef)] == ["Padded", "Net"]


NAMED = """
input: {channels: 2, size: 5}
classes: 3
blocks:
  b: {body: [{relu1: act}, {c1: {conv: {out: 4, kernel: 3}}}, {relu2: act}, {c2: {conv: {out: 4, kernel: 3}}}, act, act]}
stages: [{name: one, block: b}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


def test_a_step_that_the_spec_names_is_a_module_of_that_name(spec):
    names = dict(archspec.build(archspec.load(spec(NAMED)), "torch").named_modules())
    assert {"one.0.relu1", "one.0.relu2", "one.0.relu"} < names.keys()
    assert "one.0.relu3" not in names


CONDITIONS = """
input: {channels: 3, size: 8}
classes: 3
shortcut: identity_or_none
blocks:
  hourglass:
    args: {width: int, stride: 1, expand: 2, squeeze: 0}
    out: width
    body:
      - branch:
          - {conv_norm_act: {width: in_channels * expand, kernel: 1}, when: expand > 1}
          - conv: {out: in_channels * expand, kernel: 3, stride: stride}
          - {squeeze_excite: {width: squeeze}, when: squeeze > 0}
          - conv: {out: width, kernel: 1}
    merge: add
    after: [act]
stages:
  - {name: one, block: hourglass, width: 4, repeat: 2}
  - {name: two, block: hourglass, width: 4, expand: 1, squeeze: 2}
  - {name: three, block: hourglass, width: 6, stride: 2, squeeze: 1}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_layers_and_shortcuts_that_are_not_in_every_block_are_conditions_of_one_class(backend, spec):
    if backend == "flax":
        pytest.importorskip("flax")
    net = archspec.load(spec(CONDITIONS))
    check(net, tolerance=1e-8, backend=backend)
    source = archspec.emit(net, backend)["model.py"]
    assert source.count("class Hourglass") == 1
    assert "if squeeze > 0 else []" in source.replace("\n                ", " ")
    assert "self.has_shortcut = stride == 1 and in_channels == width" in source


def test_a_class_whose_last_norm_starts_at_zero_always_has_a_shortcut(spec):
    """Only a branch beside a shortcut may start as nothing."""
    path = spec(CONDITIONS.replace("          - conv: {out: width, kernel: 1}\n    merge",
                                   "      - {conv: {out: width, kernel: 1}}\n      - last: norm\n    merge"))  # fmt: skip
    net = archspec.load(path, set={"init.zero_last_norm": True})
    model = archspec.build(net, "torch", seed=0)
    zeroed = {
        name: not bool(module.last.weight.any())
        for name, module in model.named_modules()
        if hasattr(module, "last")
    }
    assert zeroed == {"one.0": False, "one.1": True, "two.0": True, "three.0": False}


PARTS = """
input: {channels: 3, size: 4}
classes: 3
blocks:
  halves:
    args: {width: int}
    body:
      - wide: {conv: {out: width, kernel: 1}}
      - {slice: {start: 2, stop: 4}}
      - low: {slice: {stop: 2}, from: wide}
      - {sub: {}, from: [slice, low]}
stages: [{name: one, block: halves, width: 4, repeat: 2}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_only_slices_that_are_all_of_a_value_in_equal_parts_are_a_split(backend, spec):
    if backend == "flax":
        pytest.importorskip("flax")
    split = {"torch": "low, x2 = wide.chunk(2, dim=1)", "flax": "low, x2 = jnp.split(wide, 2, axis=-1)"}[backend]
    for text, is_split in ((PARTS, True), (PARTS.replace("repeat: 2", "repeat: 2, first: {width: 5}"), False)):
        net = archspec.load(spec(text))
        check(net, tolerance=1e-8, backend=backend)
        assert (split in archspec.emit(net, backend)["model.py"]) == is_split


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "mobilenet_v3_large"])
def test_layers_of_a_chain_are_numbered_as_they_are_there_where_blocks_are_not_of_one_class(name):
    """Of its blocks some have no expansion and some no gate, and there is a class for each of two activations."""
    net = archspec.load(name)
    with torch.device("meta"):
        model = archspec.build(net, "torch")
    assert {key: tuple(value.shape) for key, value in model.named_parameters()} == net.parameter_shapes()


REPEATED = """
input: {channels: 3, size: 4}
classes: 3
blocks:
  grow: {args: {by: int}, body: [{c: {conv: {out: by, kernel: 1}}}, {concat: {}, from: [input, c]}]}
  named: {args: {layers: int, by: 2}, chain: [{"grow{i + 1}": {grow: {by: by}}, repeat: layers}]}
  numbered: {args: {layers: int}, chain: [{grow: {by: 3}, repeat: layers}]}
stem:
  - one: {named: {layers: 1}}
  - two: {named: {layers: 3, by: 4}}
  - three: {numbered: {layers: 2}}
  - four: {numbered: {layers: 4}}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_chains_that_repeat_a_block_as_often_as_an_argument_says_are_one_class_with_a_loop(backend, spec):
    if backend == "flax":
        pytest.importorskip("flax")
    net = archspec.load(spec(REPEATED))
    check(net, tolerance=1e-8, backend=backend)
    source = archspec.emit(net, backend)["model.py"]
    assert source.count("class Named(") == source.count("class Numbered(") == 1
    assert source.count("for i in range(layers)") == 2


def test_chains_whose_repeats_follow_from_no_argument_are_classes_of_their_own(spec):
    net = archspec.load(
        spec(REPEATED.replace("repeat: layers}]}\n  numbered", "repeat: layers * layers}]}\n  numbered"))
    )
    check(net, tolerance=1e-8)
    assert "range(layers)" in archspec.emit(net, "torch")["model.py"]


@pytest.mark.parametrize("name", ["Lambda", "Class", "Wide"])
def test_variables_are_lowercase_and_no_keywords(name, spec):
    text = PARTS.replace("- wide:", f"- {name}:").replace("from: wide", f"from: {name}")
    check(archspec.load(spec(text)), tolerance=1e-8)


def test_a_global_pool_that_the_spec_names_is_a_module_to_hook_into():
    """As torchvision's `avgpool`, whose result has the pixel's axes."""
    net = archspec.load("resnet18", set={"input.size": 32})
    model, seen = archspec.build(net, "torch").eval(), []
    model.avgpool.register_forward_hook(lambda module, inputs, pooled: seen.append((inputs[0], pooled)))
    model(torch.zeros(2, 3, 32, 32))
    ((given, pooled),) = seen
    assert pooled.shape == (2, 512, 1, 1)
    assert torch.equal(pooled.flatten(1), given.mean(dim=(2, 3)))


def test_parameters_of_modules_start_in_the_loop_in_which_their_layers_do():
    for name in ("vit", "swin"):
        assert archspec.emit(archspec.load(name), "torch")["model.py"].count("for module in self.modules():") == 1
