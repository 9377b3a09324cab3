"""What a dry run says of memory and schedule holds of the run."""

from dataclasses import replace

import pytest

import archspec
from archspec.analysis.activations import kept_for_gradient
from archspec.emission.folder import job_fields
from archspec_runtime.dry_run import plot
from archspec_runtime.estimates import Memory, memory, on_cpu
from archspec_runtime.job import Job
from archspec_runtime.recipe import EMA, LAMB, SGD, Phase, Plateau, Recipe, Step

torch = pytest.importorskip("torch")


def job(**changes):
    made = Job.from_dict(job_fields(archspec.load("digits_resnet:resnet8")))
    return replace(made, recipe=Recipe(**{"steps": 100, **changes}))


def kept_by_torch(net):
    """Numbers in the tensors that autograd keeps for one image, the model's own left out; each once."""
    model = archspec.build(net, backend="torch").train()
    own = {t.untyped_storage().data_ptr() for t in model.state_dict().values()}
    images, kept = torch.randn(2, *net.input_shape), {}

    def keep(tensor):
        place = tensor.untyped_storage().data_ptr()
        if place not in own and tensor.ndim and len(tensor) == len(images) and tensor.is_floating_point():
            kept[place] = tensor  # held, so that its place is not used again
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(images).sum().backward()
    return sum(t.numel() for t in kept.values()) // len(images)


@pytest.mark.parametrize(
    ("spec", "changes"),
    [
        ("resnet18", {"input.size": 64}),
        ("resnet50", {"input.size": 64}),
        ("cifar_resnet:resnet20", {}),
        ("cifar_resnet:plain20", {}),
        ("cifar_highway", {}),
        ("digits_resnet:resnet8", {"act": "tanh"}),
        ("digits_resnet:resnet8", {"act": "gelu"}),
    ],
)
def test_what_is_counted_is_what_pytorch_keeps(spec, changes):
    net = archspec.load(spec, set=changes)
    assert kept_for_gradient(net) == pytest.approx(kept_by_torch(net), rel=0.02)


def test_memory_counts_parameters_gradients_optimizer_average_and_a_part_of_the_batch():
    plain = memory(job(batch_size=64, optimizer=SGD()))
    params, kept = job().params, job().kept
    assert (plain.weights, plain.gradients, plain.optimizer, plain.average) == (4 * params, 4 * params, 0, 0)
    assert plain.activations == 4 * 64 * kept
    full = memory(job(batch_size=64, optimizer=LAMB(), ema=EMA(0.9), accumulate=4, precision="bf16"))
    assert (full.optimizer, full.average, full.activations) == (8 * params, 4 * params, 2 * 16 * kept)
    assert full.total == sum((full.weights, full.gradients, full.optimizer, full.average, full.activations))


def test_the_plot_falls_where_the_rate_does():
    lines = plot(job(lr=(Phase(1.0, (Step(50),)), Phase(0.1))))
    counts = [line.partition("|")[2].count("*") for line in lines]
    assert sum(counts) == 60
    assert counts[0] == pytest.approx(30, abs=1)
    assert lines[0].startswith("       1 |*")
    assert "drawn evenly" in plot(job(lr=(Phase(1.0, (Plateau(5),)), Phase(0.001))))[-1]


@pytest.mark.parametrize("lr", [(Phase(0.0),), (Phase(0.0, (), 1.0, "linear"),), (Phase(1e-30),)])
def test_any_schedule_can_be_drawn(lr):
    plot(job(lr=lr))


def test_a_dry_run_prints_recipe_and_timeline_and_writes_nothing(cli, tmp_path):
    result = cli("train", "cifar_resnet:resnet110", "--dry-run", "--seed", 9)
    assert result.exit_code == 0
    for line in [
        "cifar-resnet-110: 64,000 steps of 128 images",
        "seed: 9",
        "1      0.01   train_error < 80% or step 4,000",
        "2      0.1    step 32,000",
        "4      0.001  the end, step 64,000",
        "- {pad_crop: 4}",
        "optimizer: {sgd: {momentum: 0.9, weight_decay: 0.0001}}",
        "activations are 2,100,288 numbers kept for each image",
        "time: about 38 hours for 64,000 steps at 4.5e+10 multiply-adds a second",
    ]:
        assert line in result.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("spec", ["resnet50", "resnet50:a1", "resnet50:torchvision_v2", "cifar_resnet", "vgg19"])
def test_the_recipe_that_a_dry_run_prints_can_be_pasted_into_a_spec(cli, tmp_path, spec):
    shown = cli("train", spec, "--dry-run", "--set", "train.bad_loss={skip: {spike: 4}}").stdout
    recipe = shown.partition("\n")[2].partition("learning rate")[0]
    assert "none" not in recipe
    assert "[]" not in recipe
    net = archspec.load(spec, set={"train.bad_loss": {"skip": {"spike": 4}}})
    channels, size, _ = net.input_shape
    (tmp_path / "pasted.yaml").write_text(
        f"archspec: 1\nname: pasted\ninput: {{channels: {channels}, size: {size}}}\nclasses: {net.classes}\n"
        f"head: [global_avg_pool, {{fc: {{linear: {{out: classes}}}}}}]\ntrain:\n{recipe}"
    )
    pasted = archspec.load(tmp_path / "pasted.yaml").recipe
    assert {**pasted, "lr": None} == {**net.recipe, "lr": None}


def test_a_dry_run_of_some_epochs_does_not_speak_of_steps(cli):
    result = cli("train", "vgg19", "--dry-run")
    assert "74 epochs" in result.output
    assert "step 0" not in result.output


def test_a_dry_run_of_some_epochs_counts_the_steps_where_it_has_the_images(cli, photos):
    given = ("train", "resnet18", "--set", "train.recipe=finetune", "--set", "classes=2", "--dry-run")
    without = cli(*given).stdout
    assert ": 25 epochs in batches of 4 images" in without
    assert "for 1,000 steps (the number of images is not known without --data) at" in without
    images = len([path for path in (photos / "train").rglob("*") if path.is_file()])
    found = cli(*given, "--data", photos)
    assert found.exit_code == 0, found.output
    assert f"for {25 * (images // 4):,} steps at" in found.stdout


def test_finetune_is_advised_neither_where_it_is_in_use_nor_for_weights_of_a_run(cli, finished, photos):
    net = archspec.load("resnet18", set={"classes": 2})
    torch.save(archspec.build(net, backend="torch").state_dict(), "w.pt")
    given = ("train", "resnet18", "--set", "classes=2", "--dry-run", "--data", photos)
    own = cli(*given, "--weights", "w.pt", "--set", "train.batch_size=4", "--set", "train.lr=0.1")
    assert "train.recipe=finetune is one for weights of ImageNet" in own.stderr, own.output
    used = cli(*given, "--weights", "w.pt", "--set", "train.recipe=finetune", "--set", "train.lr=0.1")
    assert "a recipe for random ones: lr up to 0.1" in used.stderr, used.output
    assert "finetune is one" not in used.stderr
    digits = ("train", "digits_resnet:resnet8", "--dry-run", "--weights", finished[0])
    for more in ((), ("--fresh", "fc")):
        of_run = cli(*digits, "--set", "train.lr=0.1", *more)
        assert "a recipe for random ones: lr up to 0.1" in of_run.stderr, of_run.output
        assert "finetune is one" not in of_run.stderr


def test_a_process_on_a_cpu_is_expected_to_take_about_what_was_measured():
    tensors = {"weights": 43, "gradients": 43, "optimizer": 43, "average": 0}  # of ResNet-18, in MiB
    for activations, measured in ((628, 2154), (314, 1362)):  # in batches of 32 and 16 images of 224 x 224
        found = on_cpu(
            Memory(**{name: size << 20 for name, size in {**tensors, "activations": activations}.items()})
        )
        assert abs(found / 2**20 - measured) < 0.1 * measured
