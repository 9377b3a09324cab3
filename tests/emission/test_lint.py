"""What is emitted is looked at before it is written: syntax, names, arguments of classes, and the model that it makes."""

import ast
import importlib
import inspect
import symtable
import sys
import typing

import pytest

from archspec.backends import find_backend
from archspec.emission.lint import faults


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("class A:\n    def __init__(self, x=1, y): pass\n", "line 2: "),
        ("def f(x: Tensor) -> int:\n    return x\n", "line 1: `Tensor` is not defined"),
        ("def f(x, x): pass\n", "line 1: duplicate argument 'x'"),
        ("def f(x):\n    return x + y\n", "line 2: `y` is not defined"),
        ("class A: pass\nclass A: pass\n", "line 1: `A` is defined 2 times"),
        ("from a import A\nfrom b import A\n", "line 1: `A` is defined 2 times"),
        ("from a import b\ndef b(): pass\n", "line 1: `b` is defined 2 times"),
        ("class A:\n    def __init__(self, x, y=1): pass\nA()\n", "line 3: `A` is not given `x`"),
        ("class A:\n    def __init__(self, x, y=1): pass\nA(1, z=3)\n", "line 3: `A` has no argument `z`"),
        ("class A:\n    def __init__(self, x, y=1): pass\nA(1, x=3)\n", "line 3: `A` is given `x` twice"),
        ("class A:\n    def __init__(self, x, *, y=1): pass\nA(1, 2)\n", "line 3: `A` takes 1 arguments by place"),
        ("\0", "line 1: "),
    ],
)
def test_what_python_would_not_take_is_found_before_it_is_written(source, what):
    found = faults(source)
    assert any(f"line {line}: {told}".startswith(what) for line, told in found), found


@pytest.mark.skipif(sys.platform == "emscripten", reason="the standard library has no source there")
def test_sound_source_has_no_faults():
    for module in (ast, symtable, typing, faults):
        assert faults(inspect.getsource(inspect.getmodule(module))) == []


NET = "input: {size: 4}\nclasses: 2\nhead: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_train_looks_at_its_source_as_build_does(backend, cli, spec, monkeypatch, tmp_path):
    pytest.importorskip(backend)
    module = importlib.import_module(f"archspec_{backend}.backend")
    written = module.folder_files

    def damaged(net, kit):
        files = dict(written(net, kit))
        return files | {"model.py": files["model.py"].replace("(1, num_classes", "(1, classes")}

    monkeypatch.setattr(module, "folder_files", damaged)
    path = spec(NET + "train: {data: {dataset: digits}, steps: 1}\n")
    result = cli("train", path, "--backend", backend, "--out", tmp_path / "run", "--set", "input.channels=1",
                 "--set", "input.size=8", "--set", "classes=10")  # fmt: skip
    assert result.exit_code == 1
    assert "error[AS704]" in result.output
    assert "`classes` is not defined" in result.output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("backend", ["torch", "flax"])
@pytest.mark.parametrize(
    ("written", "instead", "what"),
    [
        ("3, num_classes", "3, classes", "`classes` is not defined"),
        ("self.fc = ", "self.fd = ", "fc"),
        ("3, num_classes", "4, num_classes", "`fc.weight` is (2, 4) in the model and (2, 3) in the net"),
        ("return x", "return x.no_such_thing", "no_such_thing"),
    ],
)
def test_build_writes_nothing_where_the_model_is_not_the_net(
    backend, written, instead, what, cli, spec, monkeypatch, tmp_path
):
    pytest.importorskip(backend)
    made = find_backend(backend)
    emit = type(made).emit

    def damaged(self, net, weights=None):
        files = emit(self, net, weights)
        assert written in files["model.py"]
        head, _, tail = files["model.py"].rpartition("class ")
        return files | {"model.py": f"{head}class {tail.replace(written, instead)}"}

    monkeypatch.setattr(type(made), "emit", damaged)
    result = cli("build", spec(NET), "--backend", backend, "--out", tmp_path / "built")
    assert result.exit_code == 1
    assert "error[AS704]" in result.output
    assert what in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "built").exists()
