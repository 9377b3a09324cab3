"""Models of PyTorch become specs that are equal to them, or are refused with one message."""

import re
from pathlib import Path

import pytest

import archspec

torch = pytest.importorskip("torch")
import importing_nets  # noqa: E402
import refused_nets  # noqa: E402

NETS = Path(importing_nets.__file__)
REFUSED = Path(refused_nets.__file__)


@pytest.fixture(scope="module")
def residual():
    """A residual net of somebody's, imported once."""
    torch.manual_seed(0)
    module = importing_nets.Net()
    return module, archspec.import_model(module, torch.zeros(2, 3, 8, 8), name="mine")


def test_blocks_are_the_librarys_where_that_has_them_and_repeats_are_said_once(residual):
    _, found = residual
    assert "layers: [{basic: {width: 4}, repeat: 2}, {basic: {width: 8, stride: 2}}]" in found.spec
    assert "blocks:" not in found.spec
    assert len(found.spec.splitlines()) < 25


def test_blocks_of_one_class_are_one_block_with_arguments():
    found = archspec.import_model(importing_nets.Wide(), torch.zeros(2, 3, 8, 8))
    assert list(found.network.resolved.spec.blocks) == ["part"]
    assert "args: {width: int}" in found.spec
    assert "width * 2" in found.spec


def test_shortcuts_are_shortcuts_and_can_be_left_out(residual):
    _, found = residual
    plain = archspec.load(found.spec, set={"shortcut": "none"})
    operations = [row.op for row in plain.modules()]
    assert "add" not in operations
    assert [row.op for row in found.network.modules()].count("add") == 3


def test_the_imported_net_answers_with_the_models_weights(residual, tmp_path):
    module, found = residual
    model = archspec.build(found.network, "torch").eval()
    model.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in found.weights.items()})
    images = torch.randn(2, 3, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(model(images), module.eval()(images))


def test_the_report_says_what_was_compared(residual):
    said = "\n".join(residual[1].report)
    for what in ("names and shapes", "parameters", "evaluation", "training", "gradients"):
        assert what in said


def test_importing_leaves_the_model_as_it_was(residual):
    module = importing_nets.Net().eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    archspec.import_model(module, torch.zeros(2, 3, 8, 8))
    assert not module.training
    assert module.dropout.p == 0.3
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


def test_the_command_writes_a_spec_and_weights(cli, tmp_path):
    spec, weights = tmp_path / "net.yaml", tmp_path / "net.safetensors"
    done = cli(
        "import", f"{NETS}:Net", "--arg", "width=8", "--input", "3,8,8", "--out", spec, "--weights-out", weights
    )
    assert done.exit_code == 0, done.output
    assert cli("check", spec).exit_code == 0
    assert cli("convert", weights, tmp_path / "w.pt", "--spec", spec).exit_code == 0
    again = cli("import", f"{NETS}:Net", "--input", "3,8,8", "--out", spec)
    assert again.exit_code == 2
    assert "exists already" in again.stderr
    assert cli("import", f"{NETS}:Net", "--input", "3,8,8", "--out", spec, "--force").exit_code == 0
    (tmp_path / "nets.py").write_text("mine")
    same = cli("import", "nets.py:Net", "--out", "nets.py", "--force")
    assert (same.exit_code, "what is imported" in same.stderr) == (2, True)
    same = cli("import", f"{NETS}:Net", "--out", "one", "--weights-out", "./one")
    assert (same.exit_code, "the same file" in same.stderr) == (2, True)
    assert (tmp_path / "nets.py").read_text() == "mine"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("Deciding", r"decides by the values of tensors \(in the model, .*refused_nets.py:\d+\)"),
        ("Choosing", r"decides by the values of tensors \(in the model, .*refused_nets.py:\d+\)"),
        (
            "WithoutGradients",
            r"without gradients, as under torch.no_grad\(\).* \(in `stem`, .*refused_nets.py:\d+\)",
        ),
        ("Inferring", "have no gradient, as under torch.inference_mode"),
        ("Keyed", "forward takes x and mask"),
        ("Unwritten", "has no forward"),
        ("Unlearning", "no parameters"),
        ("Silent", "has to return a tensor"),
        ("Lazy", "`conv` is lazy"),
        ("Numeric", r"leaves PyTorch for NumPy \(in the model, .*refused_nets.py:\d+\)"),
        ("Halved", "numbers change their type"),
        ("Needing", "--arg width=VALUE --arg depth=VALUE"),
        ("half", "numbers of float16"),
        ("meta", "is on meta"),
        ("scripted", "scripted or traced"),
        ("pruned", "torch.nn.utils.prune.remove"),
        ("Odd", "2 operations"),
        ("Volume", "of 3 dimensions|axes|arranged|conv3d"),
        ("Two", "one batch of images"),
        ("Raising", "no such thing"),
        ("Hooked", "`net.0` has hooks"),
        ("HookedParameter", "`net.0.weight` has hooks"),
        ("Frozen", "`net.0.weight` is frozen"),
        ("Exiting", "could not be made: SystemExit"),
        ("Numbered", "numbers for names"),
        ("Tied", "are one parameter"),
        ("Buffered", "`mean` is a buffer"),
        ("Constant", "a constant tensor in forward"),
        ("Uninitialized", r"call super\(\).__init__\(\) first"),
        ("Skipping", "could not be made: BaseException: not here"),
        ("Evaluating", "not written: KeyError: 'no such thing'"),
        ("Mapped", "lazy_load_decompositions: arguments that archspec does not read"),
        ("Undecided", "drops values in evaluation as well"),
        ("Initial", "`init` names a module, and cannot name a step: it is a key of steps"),
        ("number", "no torch.nn.Module"),
        ("nothing", "there is no nothing"),
    ],
)
def test_what_cannot_be_imported_is_one_message(cli, tmp_path, source, said):
    nets = NETS if source == "Odd" else REFUSED
    done = cli("import", f"{nets}:{source}", "--input", "3,8,8", "--out", tmp_path / "net.yaml")
    assert done.exit_code == 1
    lines = [line for line in done.stderr.splitlines() if not line.endswith(("its own code is run", " ..."))]
    assert lines[0].startswith("error: "), done.stderr
    assert all(line.startswith("  ") for line in lines[1:]), done.stderr
    assert re.search(said, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "net.yaml").exists()


def test_all_refused_operations_are_told_with_module_and_line(cli):
    done = cli("import", f"{NETS}:Odd", "--input", "3,8,8")
    assert "aten.cumsum" in done.stderr
    assert "importing_nets.py:" in done.stderr


def test_what_lies_between_the_layers_of_a_list_may_be_used_elsewhere():
    found = archspec.import_model(importing_nets.Tapped(), torch.zeros(2, 3, 8, 8))
    assert len(found.spec.splitlines()) < 20


@pytest.mark.parametrize("size", ["3,0,8", "3,8", "a", "", "-1,8,8"])
def test_sizes_that_no_image_has_are_refused_before_code_is_run(cli, size):
    done = cli("import", f"{NETS}:Net", "--input", size)
    assert done.exit_code == 2
    assert re.fullmatch(r"error: --input takes [^\n]+\n  help: such as --input 3,224,224\n", done.stderr)


def test_an_image_that_fills_the_memory_is_refused(cli):
    done = cli("import", f"{NETS}:Net", "--input", "3,99999,99999")
    assert done.exit_code == 1
    assert "3x99999x99999 are too large" in done.stderr


def test_what_a_model_prints_is_not_part_of_the_spec(cli, capfd):
    done = cli("import", f"{NETS}:Printing", "--input", "3,8,8")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("# Imported from")
    assert "seen" not in done.stdout
    past = capfd.readouterr()
    assert ("seen past Python" in past.out, "seen past Python" in past.err) == (False, True)


def test_what_a_model_changes_of_the_process_is_set_back(cli, tmp_path):
    done = cli("import", f"{NETS}:Moving", "--input", "3,8,8", "--out", "net.yaml")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "net.yaml").exists()
    assert (torch.get_default_dtype(), torch.is_grad_enabled()) == (torch.float32, True)


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "mobilenet_v2"])
def test_what_archspec_emits_is_imported_again(name):
    size = {"input.size": 32} if "net1" in name or "mobile" in name else {}
    net = archspec.load(name, set=size)
    model = archspec.build(net, "torch")
    channels, height, width = net.input_shape
    found = archspec.import_model(model, torch.zeros(2, channels, height, width))
    assert found.network.tensor_shapes() == net.tensor_shapes()
    assert found.network.cost.macs == net.cost.macs


@pytest.fixture(scope="module")
def locked(residual, tmp_path_factory):
    """The spec that a model is held to."""
    path = tmp_path_factory.mktemp("locked") / "mine.yaml"
    path.write_text(residual[1].spec)
    return path


def test_a_model_is_held_to_its_spec(cli, locked):
    done = cli("import", f"{NETS}:Net", "--check", "--spec", locked)
    assert done.exit_code == 0, done.output
    assert f"is the net of {locked}" in done.stdout


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("relu", "silu"), "the answers in evaluation differ"),
        (("width: 8", "width: 6"), r"the tensors differ: `[\w.]+` is [\dx]+ in the spec and [\dx]+ in the model"),
    ],
)
def test_a_model_that_is_not_its_spec_any_more_is_one_message(cli, locked, tmp_path, changed, said):
    text = "".join(line for line in locked.read_text().splitlines(True) if not line.startswith("expect"))
    path = tmp_path / "other.yaml"
    path.write_text(text.replace(*changed) if changed[0] in text else f"{text}act: silu\n")
    done = cli("import", f"{NETS}:Net", "--check", "--spec", path)
    assert done.exit_code == 1
    assert re.search(f"is not the net of the spec mine: {said}", done.stderr.replace("\n", " ")), done.stderr


def test_small_answers_are_compared_by_their_own_size(cli, tmp_path):
    (tmp_path / "small.py").write_text(
        "import torch\n\nclass Small(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.conv = torch.nn.Conv2d(3, 4, 3)\n\n    def forward(self, x):\n        return self.conv(x) * 1e-10\n"
    )
    spec = tmp_path / "small.yaml"
    words = ("import", f"{tmp_path / 'small.py'}:Small", "--input", "3,8,8")
    assert cli(*words, "--out", spec).exit_code == 0
    assert "1e-10" in spec.read_text()
    assert cli(*words, "--check", "--spec", spec).exit_code == 0
    spec.write_text(spec.read_text().replace("1e-10", "2e-10"))
    done = cli(*words, "--check", "--spec", spec)
    assert done.exit_code == 1
    assert "the answers in evaluation differ by 1.0e+00" in done.stderr.replace("\n", " ")


def test_check_and_spec_belong_together(cli, locked):
    assert cli("import", f"{NETS}:Net", "--check").exit_code == 2
    assert cli("import", f"{NETS}:Net", "--spec", locked).exit_code == 2
