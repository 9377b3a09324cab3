"""Exported programs (`.pt2`) become specs that are equal to their graphs, and nothing in the files is run."""

import io
import json
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

import archspec

torch = pytest.importorskip("torch")
import importing_nets  # noqa: E402

OLD = Path(__file__).parent.parent / "fixtures/exported/torch_2_6.pt2"
"""`Net(2, 3).eval()` of `importing_nets`, saved by PyTorch 2.6, with expressions for paths of modules; without stack traces."""


def saved(module, path, size=(3, 8, 8), batch=2, **kwargs):
    torch.export.save(torch.export.export(module, (torch.zeros(batch, *size),), **kwargs), path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(0)
    return importing_nets.Net()


@pytest.fixture(scope="module")
def program(module, folder):
    """A net in evaluation, for batches of any size."""
    return saved(module.eval(), folder / "mine.pt2", dynamic_shapes=({0: torch.export.Dim("batch")},))


@pytest.fixture(scope="module")
def found(program):
    return archspec.import_model(str(program))


def without_heading(spec):
    return [line for line in spec.splitlines() if not line.startswith(("#", "name:"))]


def test_a_program_becomes_the_spec_of_its_module(module, found):
    live = archspec.import_model(module, torch.zeros(2, 3, 8, 8))
    assert without_heading(found.spec) == without_heading(live.spec)


def test_a_program_exported_in_training_is_compared_in_training(module, found, folder):
    path = saved(module.train(), folder / "training.pt2")
    trained = archspec.import_model(str(path))
    assert without_heading(trained.spec) == without_heading(found.spec)
    assert any("answers in training" in line for line in trained.report)
    assert not any("answers in evaluation" in line for line in trained.report)


def test_the_report_says_the_mode_and_that_stochastic_depth_is_lost_in_it(found):
    assert any("exported in evaluation mode" in line and "stochastic depth" in line for line in found.report)


def test_weights_come_along_bit_for_bit(module, found):
    own = module.state_dict()
    assert found.weights.keys() == own.keys()
    assert all(np.array_equal(found.weights[name], tensor.numpy()) for name, tensor in own.items())


def test_half_precision_is_kept(folder):
    torch.manual_seed(0)
    half = importing_nets.Net().to(torch.bfloat16).eval()
    path = folder / "half.pt2"
    torch.export.save(torch.export.export(half, (torch.zeros(2, 3, 8, 8, dtype=torch.bfloat16),)), path)
    weights = archspec.import_model(str(path)).weights
    assert weights["fc.weight"].dtype == "bfloat16"
    assert np.array_equal(weights["fc.weight"].view(np.int16), half.fc.weight.detach().view(torch.int16).numpy())


def test_a_file_of_pytorch_2_6_is_read_with_its_pickled_weights_as_data():
    torch.manual_seed(0)
    own = importing_nets.Net(2, 3).state_dict()
    old = archspec.import_model(str(OLD))
    assert old.weights.keys() == own.keys()
    assert all(np.array_equal(old.weights[name], tensor.numpy()) for name, tensor in own.items())
    assert "layers: [{basic: {width: 2}, repeat: 2}, {basic: {width: 4, stride: 2}}]" in old.spec


class Dropping(torch.nn.Module):
    """Blocks that drop samples at random, as torchvision and timm write it."""

    class StochasticDepth(torch.nn.Module):
        def forward(self, x):
            if not self.training:
                return x
            noise = torch.empty([x.shape[0], 1, 1, 1], dtype=x.dtype).bernoulli_(0.75).div_(0.75)
            return x * noise

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, bias=False)
        self.drop = self.StochasticDepth()
        self.fc = torch.nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(self.drop(self.conv(x)).mean((2, 3)))


def test_stochastic_depth_survives_in_a_program_that_trains(folder):
    path = saved(Dropping().train(), folder / "dropping.pt2")
    assert "drop: {drop_path: {rate: 0.25}}" in archspec.import_model(str(path)).spec


class Several(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)
        self.one, self.two = torch.nn.Linear(4, 2), torch.nn.Linear(4, 3)

    def forward(self, x):
        x = self.conv(x).mean((2, 3))
        return {"one": self.one(x), "two": self.two(x)}


def test_several_results_keep_their_names(folder):
    path = saved(Several().eval(), folder / "several.pt2")
    assert [one.name for one in archspec.import_model(str(path)).network.outputs] == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "given", "mode"),
    [("cifar_resnet", {"n": 1}, "eval"), ("squeezenet1_1", {"input.size": 32}, "train")],
)
def test_what_archspec_emits_comes_back_from_its_exported_program(name, given, mode, folder):
    net = archspec.load(name, set={**given, "expect": None})
    module = archspec.build(net, "torch").train(mode == "train")
    back = archspec.import_model(str(saved(module, folder / f"{name}.pt2", net.input_shape)))
    assert back.network.tensor_shapes() == net.tensor_shapes()
    assert back.network.cost.macs == net.cost.macs


def test_the_command_writes_a_spec_and_weights(cli, program, tmp_path):
    spec, weights = tmp_path / "net.yaml", tmp_path / "net.safetensors"
    done = cli("import", program, "--out", spec, "--weights-out", weights)
    assert done.exit_code == 0, done.output
    assert "equal: answers in evaluation on 2 images" in done.stderr
    assert cli("convert", weights, tmp_path / "w.pt", "--spec", spec).exit_code == 0
    assert cli("import", program, "--arg", "width=3").exit_code == 2
    assert cli("import", program, "--check", "--spec", spec).exit_code == 2


class Code:
    """A pickle that would write a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


GRAPH, CONFIG = "models/model.json", "data/weights/model_weights_config.json"


def rewritten(source, target, records=(), graph=None, config=None, compress=zipfile.ZIP_STORED, leave=()):
    """An archive with some records replaced, and with its JSON changed by functions or as text."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compress) as new:
        names = {
            name.partition("/")[2] if "/models/" in " ".join(old.namelist()) else name: name
            for name in old.namelist()
        }
        content = {name: old.read(full) for name, full in names.items()} | dict(records)
        for place, change in ((GRAPH, graph), (CONFIG, config)):
            if isinstance(change, tuple):
                text = content[place].decode()
                assert change[0] in text
                content[place] = text.replace(*change).encode()
            elif change is not None:
                value = json.loads(content[place])
                change(value)
                content[place] = json.dumps(value).encode()
        for name, data in content.items():
            if name not in leave:
                new.writestr(f"net/{name}" if content.keys() & {GRAPH} else name, data)
    return target


def test_pickles_that_hold_code_are_never_run(program, tmp_path):
    marker = tmp_path / "ran"
    code = pickle.dumps(Code(str(marker)))
    path = rewritten(program, tmp_path / "net.pt2", {"data/sample_inputs/model.pt": code})
    assert archspec.import_model(str(path)).weights
    whole = io.BytesIO()
    torch.save({"stem.weight": Code(str(marker))}, whole)
    path = rewritten(OLD, tmp_path / "old.pt2", {"serialized_state_dict.pt": whole.getvalue()})
    with pytest.raises(archspec.ModelError, match="holds code"):
        archspec.import_model(str(path))
    assert not marker.exists()


def first_node(change):
    def changed(graph):
        change(graph["graph_module"]["graph"]["nodes"][0])

    return changed


def weight(**values):
    return lambda config: config["config"]["stem.weight"].update(values)


def meta(**values):
    return lambda config: config["config"]["stem.weight"]["tensor_meta"].update(values)


HUGE = [{"as_int": 1 << 40}, {"as_int": 3}, {"as_int": 3}, {"as_int": 3}]
FREE = [{"as_int": 0}] * 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"graph": first_node(lambda node: node.update(target="torch.ops.aten.cumsum.default"))}, "1 operation that a spec"),
        ({"graph": first_node(lambda node: node.update(target="torch.ops.aten.from_file.default"))}, "from_file"),
        ({"graph": first_node(lambda node: node.update(target="torch.ops.mine.conv2d.default"))}, "mine.conv2d"),
        ({"graph": first_node(lambda node: node.update(target="os.system"))}, "os.system: archspec has no such"),
        ({"graph": first_node(lambda node: node.pop("inputs"))}, "it lacks 'inputs'"),
        ({"graph": first_node(lambda node: node["inputs"].clear())}, "arguments that archspec does not read (IndexError"),
        ({"graph": first_node(lambda node: node.update(target="aten." + "x" * 9999))}, "xxx ... ("),
        ({"graph": ("conv2d.default", "convolution.default")}, "decomposed to smaller operators"),
        ({"graph": ("Symbol('", "__import__('os').system('")}, "sizes that are computed"),
        ({"graph": lambda graph: graph["schema_version"].update(major=99)}, "version 99"),
        ({"graph": ('"fqn": "stem"', '"fqn": "trunk"')}, "'stem', which is not among its modules"),
        ({"records": {GRAPH: b"{"}}, "no exported program, or it is damaged"),
        ({"records": {GRAPH: b"[" * 100_000}}, "no exported program, or it is damaged"),
        ({"leave": (GRAPH,)}, "an archive without an exported program"),
        ({"leave": (GRAPH,), "records": {"data/aotinductor/model/code.so": b""}}, "compiled code"),
        ({"records": {"models/other.json": b"{}"}}, "2 programs"),
        ({"leave": ("data/weights/weight_0",)}, "names a record data/weights/weight_0"),
        ({"records": {"data/weights/weight_0": b"12"}}, "lies outside of its record"),
        ({"config": weight(path_name="../../../etc/passwd")}, "etc/passwd for `stem.weight`, which is not in it"),
        ({"config": weight(use_pickle=True)}, "`stem.weight` is pickled"),
        ({"config": lambda config: config["config"]["stem.bias"].update(path_name="weight_0")}, "have their numbers in common"),
        ({"config": meta(sizes=HUGE)}, "lies outside of its record"),
        ({"config": meta(sizes=HUGE, strides=FREE)}, "lies outside of its record"),
        ({"config": meta(sizes=[{"as_int": -1}])}, "no whole number"),
        ({"config": meta(storage_offset={"as_int": 10})}, "lies outside of its record"),
        ({"config": meta(dtype=1)}, "sparse or quantized"),
        ({"config": meta(layout=1)}, "sparse or quantized"),
        ({"config": lambda config: config["config"].pop("stem.weight")}, "no numbers of `stem.weight`"),
        ({"compress": zipfile.ZIP_DEFLATED}, "is compressed"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_program_is_one_message(cli, program, tmp_path, change, said):
    path = rewritten(program, tmp_path / "net.pt2", **change)
    done = cli("import", path, "--out", tmp_path / "net.yaml")
    assert done.exit_code == 1, done.output
    assert len(re.findall("^error: ", done.stderr, re.MULTILINE)) == 1
    assert said in re.sub(r"\s+", " ", done.stderr), done.stderr
    assert "Traceback" not in done.output
    assert not (tmp_path / "net.yaml").exists()


@pytest.mark.parametrize("count", [0, 1, 40, 400, -400, -30])
def test_a_program_that_was_cut_off_is_one_message(cli, program, tmp_path, count):
    path = tmp_path / "net.pt2"
    path.write_bytes(program.read_bytes()[:count])
    done = cli("import", path)
    assert done.exit_code == 1
    assert "no exported program, or it is damaged" in re.sub(r"\s+", " ", done.stderr)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"<!DOCTYPE html>", "a web page"), (b"version https://git-lfs", "Git LFS"), (None, "no file")],
)
def test_a_file_that_is_something_else_is_named(cli, tmp_path, content, said):
    path = tmp_path / "net.pt2"
    if content is not None:
        path.write_bytes(content)
    done = cli("import", path)
    assert done.exit_code == 1
    assert said in done.stderr


def test_a_flipped_bit_is_found(cli, program, tmp_path):
    data = bytearray(program.read_bytes())
    with zipfile.ZipFile(program) as archive:
        place = next(info for info in archive.infolist() if info.filename.endswith("weight_0")).header_offset
    data[place + 300] ^= 1
    (tmp_path / "net.pt2").write_bytes(data)
    done = cli("import", tmp_path / "net.pt2")
    assert done.exit_code == 1
    assert "checksum" in done.stderr


def test_an_encrypted_archive_is_one_message(cli, program, tmp_path):
    data = bytearray(program.read_bytes())
    for found in re.finditer(b"PK\x01\x02", bytes(data)):
        data[found.start() + 8] |= 1
    (tmp_path / "net.pt2").write_bytes(data)
    done = cli("import", tmp_path / "net.pt2")
    assert (done.exit_code, "is encrypted" in done.stderr) == (1, True)


class Numbers(torch.nn.Module):
    def forward(self, x, factor):
        return x * factor


def test_a_program_that_takes_more_than_images_is_refused(cli, folder):
    path = folder / "two.pt2"
    torch.export.save(torch.export.export(Numbers(), (torch.zeros(2, 3, 8, 8), torch.zeros(1))), path)
    done = cli("import", path)
    assert (done.exit_code, "takes 2 inputs" in done.stderr) == (1, True)


def test_images_of_any_size_are_refused(cli, module, folder):
    path = saved(
        importing_nets.Odd().eval(), folder / "sized.pt2", dynamic_shapes=({2: torch.export.Dim("height", min=4)},)
    )
    done = cli("import", path)
    assert (done.exit_code, "of one size" in done.stderr) == (1, True), done.stderr


def test_one_image_in_training_proves_nothing(cli, module, folder):
    path = saved(module.train(), folder / "one.pt2", batch=1)
    done = cli("import", path)
    assert (done.exit_code, "a batch of one image" in done.stderr) == (1, True)


def test_one_image_in_evaluation_is_compared_twice(module, folder):
    path = saved(module.eval(), folder / "single.pt2", batch=1)
    assert any("on 2 images" in line for line in archspec.import_model(str(path)).report)


def test_what_can_be_said_of_a_program_is_written_with_holes(cli, folder, tmp_path):
    path = saved(importing_nets.Odd().eval(), folder / "odd.pt2")
    done = cli("import", path, "--partial", "--out", tmp_path / "odd.yaml")
    assert done.exit_code == 1
    assert "hole1" in (tmp_path / "odd.partial.yaml").read_text()
