"""What a dry run says of memory and schedule holds of the run."""

from dataclasses import replace

import pytest

import archspec
from archspec.analysis.activations import kept_for_gradient
from archspec.emission.folder import job_fields
from archspec_runtime.job.job import Job
from archspec_runtime.job.memory import Memory, memory, on_cpu
from archspec_runtime.recipe.images import Step
from archspec_runtime.recipe.recipe import Phase, Recipe
from archspec_runtime.recipe.vocabulary import EMA, LAMB, SGD, Plateau
from archspec_runtime.run.dry_run import plot
from storages import Storages

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
    assert (plain.weights, plain.gradients, plain.optimizer, plain.ema) == (4 * params, 4 * params, 0, 0)
    assert plain.activations == 4 * 64 * kept
    full = memory(job(batch_size=64, optimizer=LAMB(), ema=EMA(0.9), accumulate=4, precision="bf16"))
    assert (full.optimizer, full.ema, full.activations) == (8 * params, 4 * params, 2 * 16 * kept)
    assert full.total == sum((full.tensors, full.activations, full.images, full.workspace))
    shared = memory(job(batch_size=64, optimizer=LAMB()), 4, sharded=True)
    assert (shared.weights, shared.optimizer, shared.activations) == (params, 2 * params, 4 * 16 * kept)


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


def test_a_rate_that_stays_the_same_is_not_drawn_and_one_step_is_one(cli):
    result = cli("train", "digits_resnet:resnet8", "--dry-run", "--steps", 1)
    assert "1 step of 128 images" in result.stdout
    assert "***" not in result.stdout
    assert "1 steps" not in result.stdout


def test_who_asks_about_an_accelerator_is_not_told_of_cpus(cli):
    words = ("train", "resnet18", "--dry-run")
    assert "CPU" in cli(*words).stdout
    assert "CPU" not in cli(*words, "--on", "h200").stdout


def test_images_that_are_not_those_of_the_net_are_told_before_processes_are_started(cli, photos, tmp_path):
    words = ("train", "resnet18", "--nproc", 2, "--device", "cpu")
    assert "--set classes=" in cli(*words, "--data", photos).stderr
    assert "gone does not exist" in cli(*words, "--data", "gone").stderr
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine")
    result = cli("train", "digits_resnet:resnet8", "--nproc", 2, "--device", "cpu", "--out", "taken")
    assert "taken" in result.stderr
    assert result.exit_code != 0


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
        assert "as --set train.lr=0.01" in of_run.stderr


MEASURED = {  # MiB of processes that trained on a CPU: of parameters and what goes with each, of activations, at the peak
    "torch": {"plain net of 8 layers, 32": (0, 5, 384), "the same, as other pages of libraries are mapped": (0, 5, 471),
              "ResNet-20, 128": (4, 186, 785), "ResNet-20, 256": (4, 371, 1188), "ResNet-20, 512": (4, 742, 1945),
              "highway, 256": (6, 587, 1536), "ResNet-18 at 224, 16": (129, 314, 1362), "ResNet-18 at 224, 32": (129, 628, 2154),
              "ResNet-18 at 32, 8": (127, 3, 761), "ResNet-50 at 32, 8": (269, 13, 1126)},
    "flax": {"digits, 1024": (3, 92, 661), "ResNet-20, 256": (4, 371, 1628), "ResNet-18 at 32, 8": (127, 3, 1024),
             "ResNet-50 at 32, 8": (269, 13, 1741)},
}  # fmt: skip


@pytest.mark.parametrize("framework", MEASURED)
def test_a_process_on_a_cpu_is_expected_to_take_about_what_was_measured(framework):
    for tensors, activations, measured in MEASURED[framework].values():
        found = on_cpu(Memory(tensors << 20, 0, 0, 0, activations << 20), framework)
        assert found / 2**20 == pytest.approx(measured, rel=0.15)


@pytest.mark.parametrize(
    ("spec", "changes", "batch"),
    [
        ("cifar_resnet:resnet20", {}, 64),
        ("cifar_highway", {}, 64),
        ("resnet18", {"input.size": 64}, 16),
        ("resnet50", {"input.size": 64}, 16),
        ("vgg19", {"input.size": 64}, 16),
    ],
)
def test_memory_is_what_tensors_of_pytorch_take_at_their_peak(spec, changes, batch):
    net = archspec.load(spec, set={**changes, "train.batch_size": batch, "train.precision": "fp32"})
    model = archspec.build(net, backend="torch").to("meta").train()
    images, labels = (
        torch.empty((batch, *net.input_shape), device="meta"),
        torch.zeros(batch, dtype=int, device="meta"),
    )
    with Storages() as step:
        torch.nn.functional.cross_entropy(model(images.clone()), labels).backward()
    needed = memory(Job.from_dict(job_fields(net)))
    assert needed.gradients + needed.activations == pytest.approx(step.most, rel=0.15)
    assert needed.gradients + needed.activations + needed.workspace >= step.most
    model.eval()
    with torch.no_grad(), Storages() as evaluation:
        model(images)
    assert evaluation.most < step.most, "what a step takes suffices for an evaluation of as many images"


def test_memory_in_half_precision_is_what_tensors_of_pytorch_take_at_their_peak():
    net = archspec.load("resnet50", set={"input.size": 32, "train.batch_size": 4, "train.precision": "bf16"})
    model, images = archspec.build(net, backend="torch").train(), torch.zeros((4, *net.input_shape))
    with Storages() as step:
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(images).float().logsumexp(1).sum()
        loss.backward()
    needed = memory(Job.from_dict(job_fields(net)))
    assert needed.gradients + needed.activations == pytest.approx(step.most, rel=0.15)
