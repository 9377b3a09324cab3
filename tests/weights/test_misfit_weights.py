"""Weights that do not fit are told by their shapes and first bytes what happened to them, and what to write."""

import re
import shlex
import warnings

import pytest

import archspec
from archspec.weights.advice import advice
from archspec.weights.renaming import Renaming, rename
from converting import run

torch = pytest.importorskip("torch")
from safetensors.torch import save_file  # noqa: E402


@pytest.fixture
def told(cli, tmp_path):
    """What is said of tensors."""

    def say(tensors):
        torch.save(tensors, tmp_path / "w.pt")
        done = run(cli, "w.pt")
        assert done.exit_code == 1
        return done.output

    return say


def test_a_head_for_other_classes_is_told_fresh(told, small_weights):
    head = {"fc.weight": torch.zeros(1000, 64), "fc.bias": torch.zeros(1000)}
    said = told({**small_weights, **head})
    assert "all but `fc` fits: `archspec train --weights` reinitializes it with --fresh fc;" in said
    assert "--set classes=1000" in said


@pytest.mark.parametrize("prefix", ["model.", "_orig_mod.module."])
def test_a_head_for_other_classes_below_a_prefix_is_told_how_to_train_on_it(
    told, cli, small_weights, tmp_path, prefix
):
    head = {"fc.weight": torch.zeros(1000, 64), "fc.bias": torch.zeros(1000)}
    said = told({f"{prefix}{name}": t for name, t in {**small_weights, **head}.items()})
    for words in (
        f"without the prefix `{prefix}` all but `fc` fits",
        f"--map {prefix}=",
        "--set classes=1000",
        "--fresh fc",
    ):
        assert words in said
    for fresh in ((), ("--fresh", "fc")):  # which is right, and not enough
        trained = cli(
            "train", "digits_resnet:resnet8", "--weights", tmp_path / "w.pt", *fresh, "--out", tmp_path / "run"
        )
        assert trained.output.splitlines()[-1] == said.splitlines()[-1]


def test_kernels_in_another_layout_are_told_how_to_turn(told, small_weights):
    turned = {
        name: t.permute(2, 3, 1, 0) if t.ndim == 4 else t.T if t.ndim == 2 else t
        for name, t in small_weights.items()
    }
    assert "its kernels lie as (H, W, I, O), as in Flax and TensorFlow" in told(turned)


def test_whole_numbers_are_told_to_come_before_they_were_quantized(told, small_weights):
    assert "before they are quantized" in told({name: t.to(torch.int32) for name, t in small_weights.items()})


def test_an_empty_file_is_told_to_hold_nothing(told):
    said = told({})
    assert "it holds no tensors" in said
    assert "fold" not in said


def test_a_counter_that_counts_no_batches_is_told_what_it_is(told, small_weights):
    said = told({**small_weights, "bn1.num_batches_tracked": torch.tensor(2.5)})
    assert "`bn1.num_batches_tracked` is 2.5, and counters of batches are whole numbers" in said
    assert "leave it out, and it begins at 0" in said
    assert "--map" not in said


def test_a_type_that_is_not_read_is_no_damage(cli, small_weights, tmp_path):
    small = {**small_weights, "bn1.bias": small_weights["bn1.bias"].to(torch.float8_e4m3fn)}
    save_file(small, tmp_path / "w.safetensors")
    done = run(cli, "w.safetensors")
    assert done.exit_code == 1
    assert "`bn1.bias` has the type F8_E4M3, which is not read" in done.output
    assert "BF16" in done.output
    assert "damaged" not in done.output


def test_halved_weights_are_taken_with_their_counters(cli, small_weights, tmp_path):
    halved = {name: t.half() for name, t in small_weights.items()}
    halved["bn1.num_batches_tracked"] = torch.tensor(1e6).half()
    torch.save(halved, tmp_path / "w.pt")
    done = run(cli, "w.pt", "out.pt")
    assert done.exit_code == 0, done.output
    assert "1 counters of batches became infinite in their type, and begin at 0" in done.output
    found = torch.load(tmp_path / "out.pt", weights_only=True)
    assert found["bn1.num_batches_tracked"].item() == 0
    assert found["layer1.0.bn1.num_batches_tracked"].dtype == torch.int64
    assert torch.equal(found["conv1.weight"], halved["conv1.weight"])


def linen(name):
    """The name that a layer has in a Linen module written as Flax's example is."""
    name = re.sub(r"layer(\d)\.0\.", lambda m: f"ResNetBlock_{int(m[1]) - 1}.", name)
    name = re.sub(r"_(\d)\.(conv|bn)(\d)", lambda m: f"_{m[1]}.{LINEN[m[2]]}_{int(m[3]) - 1}", name)
    return re.sub(r"^(conv|bn)1\.", r"\1_init.", name).replace("fc.", "Dense_0.")


LINEN = {"conv": "Conv", "bn": "BatchNorm"}
OTHERS = {
    "by the alphabet, as Linen saves": lambda weights: dict(sorted((linen(name), t) for name, t in weights.items())),
    "in order, by another hand": lambda weights: {
        name.replace("conv", "c_").replace("bn", "norm_").replace("layer", "stage"): t for name, t in weights.items()
    },
    "by Keras's words": lambda weights: {
        re.sub(r"(bn\d\.)weight", r"\1gamma", name).replace("layer", "stage"): t for name, t in weights.items()
    },
}  # fmt: skip


@pytest.mark.parametrize("case", OTHERS)
def test_names_of_others_are_told_the_maps_that_fit_by_order_and_shapes(case, cli, told, small_weights, tmp_path):
    weights = {name: t for name, t in small_weights.items() if "num_batches" not in name}
    said = told(OTHERS[case](weights))
    options = re.search(r"it would fit with (--map .*?)(?:; compare|$)", said, re.MULTILINE)
    assert options, said
    done = run(cli, "w.pt", "out.pt", *shlex.split(options[1]))
    assert done.exit_code == 0, done.output
    found = torch.load(tmp_path / "out.pt", weights_only=True)
    assert all(torch.equal(found[name], t) for name, t in weights.items())


SCRIPTED = "scripted.pt"
KINDS = {
    "pointer.pt": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 46830571\n", "git lfs pull"),
    "page.pth": (b"\n<!DOCTYPE html>\n<html><body>Log in</body></html>", "a web page (HTML)"),
    "denied.pt": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML document"),
    "keras.safetensors": (b"\x89HDF\r\n\x1a\n" + bytes(64), "an HDF5 file"),
    "packed.pth": (b"\x1f\x8b\x08" + bytes(64), "compressed by gzip"),
    "empty.pt": (b"", "is empty"),
    "pickled.pt": (b"\x80\x04\x95" + bytes(32), "a Python pickle that `torch.save` did not write"),
    "cut.pt": (b"PK\x03\x04" + bytes(64), "cut off: its end is missing"),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_file_of_another_kind_is_told_what_it_is(name, cli, tmp_path):
    content, words = KINDS[name]
    (tmp_path / name).write_bytes(content)
    done = run(cli, name)
    assert done.exit_code == 1
    assert done.output.startswith(f"error: {name} is ")
    assert words in done.output
    assert "help: " in done.output


def test_torchscript_is_told_what_it_is(cli, tmp_path):
    module = torch.nn.Linear(2, 2)
    with warnings.catch_warnings(action="ignore"):  # newer versions of PyTorch warn of it
        torch.jit.script(module).save(tmp_path / SCRIPTED)
    done = run(cli, SCRIPTED)
    assert (done.exit_code, "is a TorchScript module" in done.output) == (1, True)


def test_safetensors_of_any_name_are_taken(cli, small_weights, tmp_path):
    from safetensors.torch import save_file

    save_file(small_weights, tmp_path / "w.pth")
    done = run(cli, "w.pth", "out.pt")
    assert done.exit_code == 0, done.output
    assert "from a safetensors file" in done.output


def test_what_is_noted_of_weights_is_told_by_every_command_that_takes_them(cli, small_weights, tmp_path):
    torch.save({k: v for k, v in small_weights.items() if not k.endswith("num_batches_tracked")}, tmp_path / "w.pt")
    net = ("digits_resnet", "--set", "n=1", "--weights", "w.pt")
    (noted,) = (line for line in run(cli, "w.pt", "out.pt").output.splitlines() if line.startswith("w.pt: "))
    assert "it has no counters of batches" in noted
    assert noted in cli("build", *net, "--out", "built").output
    assert noted in cli("train", *net, "--steps", 1, "--out", "run", "--device", "cpu", "--compile", "off").output


def test_commands_without_map_are_told_who_has_it(cli, small_weights, tmp_path):
    torch.save({f"module.{name}": t for name, t in small_weights.items()}, tmp_path / "w.pt")
    done = cli("build", "digits_resnet", "--set", "n=1", "--weights", "w.pt", "--out", "net")
    assert done.exit_code == 1
    assert "it would fit with --map module.=; `archspec convert` takes --map" in done.output


@pytest.mark.parametrize(("spec", "blocks"), [("resnet18", (2, 2, 2, 2)), ("resnet50", (3, 4, 6, 3))])
def test_the_maps_of_flax_s_imagenet_example_are_the_right_ones(spec, blocks):
    """Its names, sorted as JAX sorts them, with the projections of its blocks, whose norms have the shapes of others."""
    expected = archspec.load(spec).tensor_shapes()

    def flax_name(name):
        if block := re.match(r"layer(\d)\.(\d+)\.(.*)", name):
            inner = re.sub(r"(conv|bn)(\d)", lambda m: f"{LINEN[m[1]]}_{int(m[2]) - 1}", block[3])
            inner = inner.replace("downsample.0", "conv_proj").replace("downsample.1", "norm_proj")
            return f"Block_{sum(blocks[: int(block[1]) - 1]) + int(block[2])}.{inner}"
        return re.sub(r"^(conv|bn)1", r"\1_init", name).replace("fc.", "Dense_0.")

    right = {flax_name(name): name for name in expected if "num_batches" not in name}
    given = {name: expected[right[name]] for name in sorted(right, key=lambda name: name.split("."))}
    said = re.search(r"it would fit with (--map .*?); compare", advice(given, expected))
    maps = [word for word in shlex.split(said[1]) if word != "--map"]
    assert rename(given, [Renaming.parse(text) for text in maps]) == {name: right[name] for name in given}
    assert len(maps) < 30
