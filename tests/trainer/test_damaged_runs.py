"""Runs that were edited, or written by something else: one error says where, what and how to mend it, and nothing is lost."""

import hashlib
import json
import re
import shutil

import numpy as np
import pytest
from safetensors.numpy import save
from typer.testing import CliRunner

from archspec_cli.main import app
from runs import CPU, said, tree

torch = pytest.importorskip("torch")

NET = """archspec: 1
name: small
input: {channels: 1, size: 8}
classes: 10
stem: [{conv1: {conv: {out: 4, kernel: 3}}}, {bn1: batch_norm}, {r: relu}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train: {data: {dataset: digits}, batch_size: 64, steps: 4, optimizer: {sgd: {momentum: 0.9}}, ema: 0.9, lr: 0.1}
"""
NEWEST, BEFORE = "step-00000004", "step-00000002"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Runs of four steps with checkpoints of the second and the last, by backend; made when they are asked for."""
    folder, runs = tmp_path_factory.mktemp("trained"), {}
    (folder / "small.yaml").write_text(NET)

    def run(backend):
        pytest.importorskip(backend)
        if backend not in runs:
            runs[backend] = folder / backend
            words = ["train", folder / "small.yaml", "--backend", backend, "--out", folder / backend, *CPU]
            done = CliRunner().invoke(app, [*map(str, words), "--checkpoint-every", "2"])
            assert done.exit_code == 0, done.output
        return runs[backend]

    return run


@pytest.fixture
def copy(trained, tmp_path):
    """A copy of the run of a backend, beside its spec."""

    def make(backend="torch"):
        (tmp_path / "small.yaml").write_text(NET)
        return shutil.copytree(trained(backend), tmp_path / "run")

    return make


def put(run, name, content, checkpoint=NEWEST):
    """Write a file of a checkpoint, or take it away, and make the checksums match."""
    folder = run / "checkpoints" / checkpoint
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    files = [path for path in folder.iterdir() if path.name != "manifest.json"]
    manifest["sha256"] = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def commands(run, backend="torch"):
    """What reads the newest checkpoint of a run, by name."""
    newest = run / "checkpoints" / NEWEST
    return {
        "eval": ("eval", newest, "--device", "cpu"),
        "responses": ("responses", newest, "--device", "cpu"),
        "convert": ("convert", newest, "w.safetensors", "--spec", "small.yaml"),
        "resume": ("train", "small.yaml", "--backend", backend, "--out", run, "--resume", *CPU),
    }


# --- checkpoints ---------------------------------------------------------------------------------------


OTHER = save({"a": np.zeros(3, np.float32)})
JUNK = {
    "weights: empty": ("weights.safetensors", b"", ("eval", "convert", "responses")),
    "weights: a huge header": ("weights.safetensors", b"\xff" * 8 + b"{}", ("eval", "convert", "responses")),
    "weights: of another net": ("weights.safetensors", OTHER, ("resume",)),
    "weights: gone": ("weights.safetensors", None, ("resume",)),
    "average: no tensors": ("average.safetensors", b"junk" * 99, ("eval", "convert", "responses")),
    "average: of another net": ("average.safetensors", OTHER, ("eval", "convert", "responses", "resume")),
    "normalization: other": ("normalization.safetensors", OTHER, ("eval", "responses")),
    "normalization: shape": ("normalization.safetensors", save({"mean": np.zeros(3, np.float32)}), ("eval",)),
    "loop: no JSON": ("loop.json", b"junk", ("eval", "convert")),
    "loop: nothing": ("loop.json", b"{}", ("resume",)),
    "loop: a list": ("loop.json", b"[4]", ("resume",)),
    "state: text": ("state.pt", b"junk", ("resume",)),
    "state: gone": ("state.pt", None, ("resume",)),
}  # fmt: skip


@pytest.mark.parametrize("name", JUNK)
def test_what_a_checkpoint_should_not_hold_is_named_although_its_checksums_match(name, copy, cli, tmp_path):
    file, content, asked = JUNK[name]
    run = copy()
    put(run, file, content)
    before = tree(run)
    for command in asked:
        error = said(cli(*commands(run)[command]), 1)
        assert NEWEST in error, command
        if command != "convert" or content != OTHER:
            assert file in error
            assert f"move {run / 'checkpoints' / NEWEST} away: the one before, {BEFORE}" in error
        assert tree(run) == before, command
    assert not (tmp_path / "w.safetensors").exists()


def test_the_one_before_is_taken_where_a_file_cannot_be_read_whatever_its_checksum(copy, cli):
    run = copy()
    put(run, "weights.safetensors", b"junk" * 99)
    for command in (("eval", run, "--device", "cpu"), commands(run)["resume"]):
        result = cli(*command)
        assert result.exit_code == 0, result.output
        assert "weights.safetensors does not hold what it should" in result.stderr
        assert "trying the one before" in result.stderr
    assert cli("eval", run / "checkpoints" / NEWEST, "--device", "cpu").exit_code == 0, "it was trained anew"


def test_the_advice_is_followed(copy, cli):
    run = copy()
    put(run, "state.pt", b"junk")
    said(cli(*commands(run)["resume"]), 1)
    shutil.move(run / "checkpoints" / NEWEST, run / "aside")
    assert cli(*commands(run)["resume"]).exit_code == 0


def test_where_there_is_none_before_it_the_advice_is_to_train_anew(copy, cli):
    run = copy()
    shutil.rmtree(run / "checkpoints" / BEFORE)
    (run / "checkpoints" / NEWEST / "weights.safetensors").write_bytes(b"")
    for command in (commands(run)["eval"], ("eval", run), commands(run)["resume"]):
        assert "train anew, with another --out or with --force" in said(cli(*command), 1)
    (run / "checkpoints" / NEWEST / "manifest.json").unlink()
    assert "train anew" in said(cli("eval", run), 1)


@pytest.mark.parametrize(("file", "command"), [("average", "eval"), ("weights", "resume"), ("optimizer", "resume")])
def test_flax_names_what_does_not_fit(file, command, copy, cli):
    run = copy("flax")
    put(run, f"{file}.safetensors", OTHER)
    error = said(cli(*commands(run, "flax")[command]), 1)
    assert f"{file}.safetensors does not fit the {'optimizer' if file == 'optimizer' else 'net'}" in error
    assert "only in the file: a 3" in error


@pytest.mark.parametrize(
    "state", [{}, {"optimizer": {"state": {0: {"exp_avg": 1}}}}, [1], {"optimizer": 3}], ids=str
)
def test_the_state_of_something_else_is_refused(state, copy, cli):
    run = copy()
    torch.save(state, run / "state.pt")
    put(run, "state.pt", (run / "state.pt").read_bytes())
    assert "state.pt does not " in said(cli(*commands(run)["resume"]), 1)


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_another_optimizer_is_not_resumed_with_and_other_numbers_of_the_same_are(backend, copy, cli):
    run = copy(backend)
    given = (*commands(run, backend)["resume"], "--override", "--steps", 6)
    error = said(cli(*given, "--set", "train.optimizer=adamw"), 1)
    assert "does not fit the optimizer" in error
    assert "leave it as it was" in error
    assert cli(*given, "--set", "train.optimizer.sgd.weight_decay=10").exit_code == 0
    last = run / "checkpoints" / "step-00000006"
    if backend == "torch":
        groups = torch.load(last / "state.pt", weights_only=True)["optimizer"]["param_groups"]
        assert [group["weight_decay"] for group in groups] == [10]


# --- the source of the model ---------------------------------------------------------------------------


ODD = """
class Odd(Exception): ...
def odd(): raise Odd("no such luck\\nand more")
"""
EDITS = {
    "syntax": (lambda text: text.replace("return x", "return return x"), r"line \d+: SyntaxError: invalid syntax"),
    "no text": (lambda text: text + "\0", "SyntaxError: source code string cannot contain null bytes"),
    "class": (lambda text: text.replace("class Small", "class Large"), "has no class Small, which run.json names"),
    "import": (lambda text: text + "\nimport nothing_of_this_name\n", r"line \d+: ModuleNotFoundError: No module named"),
    "making": (lambda text: text.replace("self.fc = ", "self.fc = 1 / 0 or "), r"line \d+: ZeroDivisionError"),
    "use": (lambda text: text.replace("x = self.fc(", "x = x.nothing + self.fc("), r"line \d+: AttributeError: .*nothing"),
    "its own": (lambda text: text + ODD + "odd()\n", r"line \d+: Odd: no such luck"),
    "its own, making": (lambda text: text.replace("self.fc = ", "self.fc = odd() or ") + ODD, r"line \d+: Odd: no such luck"),
    "an end": (lambda text: text + "\nraise SystemExit(0)\n", r"line \d+: SystemExit: 0"),
    "weights": (lambda text: text.replace("4", "5"), r"average.safetensors does not fit the net"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("backend", "name"),
    [*(("torch", name) for name in EDITS), ("flax", "syntax"), ("flax", "use"), ("flax", "its own, making")],
)
def test_a_source_that_was_edited_is_named_with_its_line(backend, name, copy, cli):
    edit, says = EDITS[name]
    run = copy(backend)
    model = run / "code" / "model.py"
    before = model.read_text()
    model.write_text(edit(before))
    for command in ("eval", "responses") if backend == "torch" else ("eval",):
        error = said(cli(*commands(run)[command]), 1)
        assert re.search(says, error), error
        assert str(model) in error
        assert "edited" in error
    model.unlink()
    error = said(cli(*commands(run)["eval"]), 1)
    assert "model.py is missing" in error
    advice = re.search(r"`archspec (build .*) --out NEW` writes it anew", error)[1]
    assert cli(*advice.split(), "--out", "new").exit_code == 0
    assert (run.parent / "new" / "model.py").read_text() == before


# --- the record of a run -------------------------------------------------------------------------------


RECORDS = [("job.name", 7), ("job.recipe", None), ("job.recipe.data", []), ("job.recipe.seed", "x"), ("job.classes", "10"),
           ("job.input_shape", None), ("backend", ["torch"]), ("class", None), ("settings", []), ("images", [])]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), RECORDS, ids=str)
def test_a_record_that_was_edited_is_named_with_the_key_by_every_command(key, value, copy, cli):
    run = copy()
    record = json.loads((run / "run.json").read_text())
    *outer, last = key.split(".")
    inner = record
    for word in outer:
        inner = inner[word]
    inner[last] = value
    (run / "run.json").write_text(json.dumps(record))
    asked = (("compare", run), ("report", run), ("responses", run), ("eval", run, "--backend", "torch"))
    for command in (*asked, commands(run)["resume"]):
        error = said(cli(*command), 1)
        assert f"{run} is not the folder of a run: its run.json is not the record of one: see its `{key}`" in error


@pytest.mark.parametrize(
    ("key", "value"), [("seed", -7), ("precision", ["fp32"]), ("lr", [{"value": "x"}])], ids=str
)
def test_a_recipe_that_makes_no_sense_is_not_measured_by(key, value, copy, cli):
    run = copy()
    record = json.loads((run / "run.json").read_text())
    record["job"]["recipe"][key] = value
    (run / "run.json").write_text(json.dumps(record))
    said(cli("eval", run), 2 if key == "seed" else 1)


def test_rows_of_metrics_that_are_none_are_passed_over(copy, cli):
    run = copy()
    whole = (run / "metrics.jsonl").read_bytes()
    table = cli("compare", run).output
    assert "small" in table
    with open(run / "metrics.jsonl", "ab") as file:
        file.write(b'1\n[]\n{}\n\xff\xfe\n{"kind": "train", "step": "x"}\n')
    assert cli("compare", run).output == table
    assert cli("report", run).exit_code == 0
    assert cli(*commands(run)["resume"]).exit_code == 0
    assert (run / "metrics.jsonl").read_bytes() == whole
    with open(run / "metrics.jsonl", "ab") as file:
        file.write(
            b'{"kind": "train", "step": 4}\n{"kind": [], "step": 4}\n{"kind": "eval", "step": 4, "split": 3}\n{"step": 4}\n'
        )
    assert cli("compare", run).output == table
    assert cli("report", run).exit_code == 0


@pytest.mark.parametrize(
    "text", ["", "[]", '{"run": 1, "net": 2, "split": 3, "images": 4, "layers": 5, "deviations": 6}']
)
def test_responses_that_are_none_are_left_out_of_a_report(text, copy, cli):
    run = copy()
    (run / "responses.json").write_text(text)
    assert cli("report", run).exit_code == 0


def test_a_file_is_not_taken_for_the_folder_of_a_run(copy, cli):
    run = copy()
    for path in (run / "run.json", run / "checkpoints" / NEWEST / "weights.safetensors"):
        for command in ("eval", "compare", "responses"):
            assert f"{path} is not the folder of a run: it is a file\n" in said(cli(command, path), 1)
