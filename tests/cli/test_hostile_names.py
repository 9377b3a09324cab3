"""Every command with hostile text in every name: nothing of it drives a terminal, or begins a line, wherever it arrives."""

import ast
import json
import re
import subprocess

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from archspec_cli.main import app

torch = pytest.importorskip("torch")

EVIL = "\x1b[31m\a\x9b\u202eX\u2066\u2028\nFORGED line\r$'"
DRIVES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
FORGED = re.compile(r"^\W*FORGED", re.MULTILINE)
NET = {
    "archspec": 1, "name": "net", "doc": f"Evil {EVIL} doc, \"\"\" and \\ too. {EVIL}",
    "input": {"channels": 3, "size": 8}, "classes": 3,
    "args": {"w": 8},
    "stem": [{"conv1": {"conv": {"out": "w", "kernel": 3}}}, {"bn1": "batch_norm"}, {"r": "relu"}],
    "head": ["global_avg_pool", {"fc": {"linear": {"out": "classes"}}}],
    "presets": {EVIL: {"args": {"w": 4}}},
    "train": {"data": {"dataset": "image_folder", "normalize": "none"}, "batch_size": 4, "steps": 2, "lr": 0.1},
}  # fmt: skip
CPU = ("--device", "cpu", "--threads", "1", "--compile", "off", "--workers", "0")
RUN, WEIGHTS, SPEC, PACKED = f"run{EVIL}", f"w{EVIL}.pt", f"e{EVIL}.yaml", f"packed{EVIL}"
SKIP = ("--set", "train.data.corrupt=skip")
TRAIN = ("train", "net.yaml", "--data", "data")
COMMANDS = [
    *(("check", *words, "--format", f) for f in ("text", "github", "json", "sarif")
      for words in ([SPEC, "--set", f"shortcut={json.dumps(EVIL)}"], ["net.yaml", "--set", f"{EVIL}=3"], [f"none{EVIL}"])),
    ("summary", SPEC), ("show", "net.yaml", "--resolved"), ("show", SPEC, "--resolved", "--preset", EVIL),
    ("show", "net.yaml", "--resolved", "--preset", f"no{EVIL}"), ("diff", "net.yaml", f"net.yaml:{EVIL}"), ("explain", EVIL),
    (f"none{EVIL}",), ("check", f"--{EVIL}"), ("build", "net.yaml", "--backend", EVIL), ("build", SPEC, "--out", f"out{EVIL}"),
    ("build", "net.yaml", "--preset", EVIL, "--out", "torch"), ("build", "net.yaml", "--backend", "flax", "--out", "flax"),
    ("convert", WEIGHTS, f"o{EVIL}.pt", "--spec", "net.yaml"), ("convert", WEIGHTS, "o.pt", "--spec", "net.yaml", "--key", EVIL),
    ("convert", WEIGHTS, "o.pt", "--spec", "net.yaml", "--map", f"{EVIL}=x"),
    ("convert", "code.pt", "o.pt", "--spec", "net.yaml"),
    ("data", "verify", "data"), ("data", "verify", "data", "--dataset", EVIL), ("data", "pack", "data", "no"),
    ("data", "pack", "data", PACKED, "--corrupt", "skip"), ("data", "verify", PACKED), (*TRAIN, "--dry-run"),
    (*TRAIN, *SKIP, "--out", RUN, *CPU), (*TRAIN, "--out", RUN, *CPU),
    (*TRAIN, "--weights", WEIGHTS, "--fresh", EVIL, *CPU), ("train", "net.yaml", "--data", EVIL, *CPU), ("eval", RUN),
    ("eval", RUN, "--mistakes", "--predictions", f"e{EVIL}.jsonl"), ("eval", RUN, "--device", EVIL),
    ("predict", RUN, "data", "no"), ("predict", f"no{EVIL}", "data"),
    ("predict", RUN, "data", f"no{EVIL}.png", "--format", "csv", "--out", f"p{EVIL}.csv"),
    ("compare", RUN, "--out", "curves.svg"), ("report", RUN, "--out", "page.html"),
    ("responses", RUN, "--out", "responses.svg"),
    ("sweep", SPEC, "--over", "w=4,8", "--data", "data", "--launcher", "slurm", *SKIP, "--out", "sweep"),
    ("sweep", SPEC, "--over", "w=4,8", "--data", "data", "--launcher", "slurm", *SKIP, "--out", f"sweep{EVIL}"),
]  # fmt: skip
ENDED_WELL = {"summary", "build", "data", "train", "eval", "compare", "report", "responses", "sweep", "show"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with specs, images and weights of hostile names, after every command was run in it; and what each said."""
    folder = tmp_path_factory.mktemp("hostile")
    for name in ("net.yaml", SPEC):
        (folder / name).write_text(yaml.dump(NET, sort_keys=False))
    torch.save({f"a{EVIL}": torch.zeros(3), "fc.weight": torch.zeros(2)}, folder / WEIGHTS)
    torch.save({"w": CliRunner()}, folder / "code.pt")
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for kind in ("blue", f"green{EVIL}", "red"):
            (folder / "data" / split / kind).mkdir(parents=True)
            for number in range(3):
                pixels = random.integers(0, 255, (8, 8, 3), np.uint8)
                Image.fromarray(pixels).save(folder / "data" / split / kind / f"{number}{EVIL}.png")
    (folder / "data" / "train" / "blue" / f"bad{EVIL}.png").write_bytes(b"no image")
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in COMMANDS:
            done = CliRunner().invoke(app, list(command))
            if done.exception is not None and not isinstance(done.exception, SystemExit):
                raise done.exception
            said.append((command, done.exit_code, done.output))
    return folder, said


def test_what_commands_print_drives_no_terminal_and_forges_no_line(place):
    _, said = place
    for command, _, output in said:
        assert not DRIVES.search(output), (command, output)
        assert not FORGED.search(output), (command, output)
    assert {command[0] for command, code, _ in said if code == 0} >= ENDED_WELL


def test_what_commands_write_drives_no_terminal_and_forges_no_line(place):
    folder, _ = place
    suffixes = (".py", ".yaml", ".md", ".txt", ".json", ".jsonl", ".html", ".svg", ".sbatch", ".log")
    written = [
        p for p in folder.rglob("*") if p.is_file() and p.name.endswith(suffixes) and p.parent != folder / "data"
    ]
    ours = [
        p for p in written if "archspec_" not in str(p.relative_to(folder)) and p.name not in ("net.yaml", SPEC)
    ]
    assert {p.suffix for p in ours} >= {".py", ".yaml", ".md", ".txt", ".json", ".html", ".svg", ".sbatch"}
    for path in ours:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        assert not DRIVES.search(text), path
        assert path.suffix == ".html" or not FORGED.search(text), path  # where a line break is a space


def test_a_docstring_is_the_text_of_the_spec(place):
    folder, _ = place
    for backend in ("torch", "flax"):
        classes = [
            n for n in ast.parse((folder / backend / "model.py").read_text()).body if isinstance(n, ast.ClassDef)
        ]
        found = ast.get_docstring(classes[-1], clean=False)
        assert re.sub(r"\s+", "", found) == re.sub(r"\s+", "", NET["doc"].replace('"""', "'''"))


def test_a_slurm_script_hands_the_words_on_as_they_are(place):
    folder, _ = place
    script = (folder / "sweep" / "sweep.sbatch").read_text()
    first = next(line for line in script.splitlines() if line.startswith("0) run "))
    words = first.removeprefix("0) run ").removesuffix(" ;;")
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {words}"], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[1] == SPEC
