"""Weights that do not fit, are damaged, or have no room: said in one message, with nothing written or overwritten."""

import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

import archspec
from archspec.errors import WeightsError
from archspec.files import FolderError
from converting import run
from runs import forked

torch = pytest.importorskip("torch")
from safetensors.torch import save_file  # noqa: E402


def test_what_does_not_fit_is_a_table(cli, small_weights, tmp_path):
    other = dict(small_weights)
    other["fc.wieght"] = other.pop("fc.weight")
    other["bn1.bias"] = torch.zeros(3)
    other["bn1.weight"] = torch.zeros(16, dtype=torch.int32)
    other["extra"] = torch.zeros(2, 2)
    torch.save(other, tmp_path / "w.pt")
    done = run(cli, "w.pt")
    assert done.exit_code == 1
    *table, help_ = done.output.splitlines()[1:]
    assert "--map OLD=NEW" in help_
    rows = [re.split(r"  +", line.strip()) for line in table]
    assert rows == [
        ["missing", "fc.weight", "(10, 64)"],
        ["unexpected", "fc.wieght", "(10, 64)", "did you mean `fc.weight`?"],
        ["unexpected", "extra", "(2, 2)"],
        ["type", "bn1.weight", "int32 in the file, a floating-point number in the net"],
        ["shape", "bn1.bias", "(3,) in the file, (16,) in the net"],
    ], done.output  # fmt: skip
    assert os.listdir(tmp_path) == ["w.pt"]


class Code:
    def __reduce__(self):
        return os.system, ("touch hacked",)


@pytest.mark.parametrize("wrapped", [False, True])
def test_code_is_not_run(wrapped, cli, small_weights, tmp_path):
    torch.save({"model": small_weights, "hook": Code()} if wrapped else Code(), tmp_path / "w.pt")
    done = run(cli, "w.pt")
    assert done.exit_code == 1
    assert "w.pt holds code (`posix.system`), which is not run" in done.output
    assert os.listdir(tmp_path) == ["w.pt"]


DAMAGED = {
    "empty.pt": b"",
    "text.pt": b"hello",
    "prose.pt": b"garbage",
    "empty.safetensors": b"",
    "huge.safetensors": (1 << 40).to_bytes(8, "little") + b"{}",
    "large.safetensors": (99_000_000).to_bytes(8, "little") + b"{" * 64,
    "text.safetensors": b"\xff" * 64,
    "image.png": b"\x89PNG\r\n\x1a\n",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_no_weights_is_said_in_one_message(name, cli, tmp_path):
    (tmp_path / name).write_bytes(DAMAGED[name])
    done = run(cli, name)
    assert done.exit_code == 1
    assert done.output.startswith("error: ")
    assert name in done.output
    assert "weights_only" not in done.output, "torch's advice to run what the file holds"
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_truncated_and_flipped_files_are_said_or_read(suffix, small_net, small_weights, tmp_path):
    path = tmp_path / f"w.{suffix}"
    torch.save(small_weights, path) if suffix == "pt" else save_file(small_weights, path)
    whole = path.read_bytes()
    seen = 0
    for cut in (1, 9, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(WeightsError, match=re.escape(path.name)):
            archspec.convert(small_net, path, tmp_path / "out.pt")
    for place in [*range(0, 2000, 97), *range(2000, len(whole), 19_973)]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            archspec.convert(small_net, path, tmp_path / "out.pt", force=True)
        except WeightsError:
            seen += 1
    assert seen > 10
    assert {p.name for p in tmp_path.iterdir()} <= {path.name, "out.pt"}


def test_a_changed_bit_in_the_numbers_of_a_file_of_pytorch_is_said(cli, small_weights, tmp_path):
    """Also where the number that it makes is an ordinary one; what was saved without checksums is taken."""
    command = ("--spec", "digits_resnet", "--set", "n=1", "--force")
    for checksums in (True, False):
        torch.serialization.set_crc32_options(checksums)
        try:
            torch.save(small_weights, tmp_path / "w.pt")
        finally:
            torch.serialization.set_crc32_options(True)
        assert cli("convert", "w.pt", "w.safetensors", *command).exit_code == 0
    torch.save(small_weights, tmp_path / "w.pt")
    whole = bytearray((tmp_path / "w.pt").read_bytes())
    whole[whole.find(small_weights["fc.weight"].numpy().tobytes()) + 1] ^= 1
    (tmp_path / "w.pt").write_bytes(whole)
    result = cli("convert", "w.pt", "w.safetensors", *command)
    assert result.exit_code == 1
    assert re.search(
        r"damaged .*\(its record w/data/\d+ has another checksum than when it was written\)", result.stderr
    )


def test_damaged_orbax_checkpoints_are_said(small_net, weights_file, tmp_path):
    pytest.importorskip("orbax.checkpoint")
    archspec.convert(small_net, weights_file, tmp_path / "whole", target_backend="flax")
    files = [p.relative_to(tmp_path / "whole") for p in (tmp_path / "whole").rglob("*") if p.is_file()]
    needed = [f for f in files if f.name in ("_METADATA", "manifest.ocdbt") or f.parent.name == "d"]
    assert len(needed) > 2
    for file in needed:
        shutil.copytree(tmp_path / "whole", tmp_path / "part", dirs_exist_ok=True)
        (tmp_path / "part" / file).write_bytes((tmp_path / "part" / file).read_bytes()[:20])
        try:
            archspec.convert(small_net, tmp_path / "part", tmp_path / "out.pt", force=True)
        except WeightsError as error:
            assert "part" in str(error)
        shutil.rmtree(tmp_path / "part")


def test_nothing_is_overwritten_unless_asked_for(small_net, weights_file, cli, tmp_path):
    (tmp_path / "out.pt").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("mine")
    done = run(cli, weights_file, "out.pt")
    assert (done.exit_code, "out.pt exists" in done.output) == (2, True)
    assert (tmp_path / "out.pt").read_text() == "mine"
    done = run(cli, weights_file, "folder", "--to", "flax", "--force")
    assert (done.exit_code, "folder of something else" in done.output) == (2, True)
    assert (tmp_path / "folder" / "mine").read_text() == "mine"
    assert run(cli, weights_file, "out.pt", "--force").exit_code == 0
    assert zipfile.is_zipfile(tmp_path / "out.pt")
    archspec.convert(small_net, weights_file, tmp_path / "flax", target_backend="flax")
    archspec.convert(small_net, weights_file, tmp_path / "flax", target_backend="flax", force=True)
    with pytest.raises(FolderError, match="is a folder"):
        archspec.convert(small_net, weights_file, tmp_path / "flax", target_backend="torch", force=True)
    with pytest.raises(FolderError, match="exists"):
        archspec.convert(small_net, weights_file, weights_file)
    assert {p.name for p in tmp_path.iterdir()} == {"w.pt", "out.pt", "folder", "flax"}


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("out", [], "does not say what to write"),
        ("out.bin", [], "does not say what to write"),
        ("out.pt", ["--to", "flax"], "would be a PyTorch file, which is not --to flax"),
        ("out.pt", ["--dtype", "int8"], "no type of weights"),
        ("out.pt", ["--from", "tensorflow"], "there is no backend `tensorflow`"),
        ("out.pt", ["--key", "ema"], "has no weights under `ema`"),
    ],
)
def test_misuse_is_said(target, options, message, cli, weights_file, tmp_path):
    done = run(cli, weights_file, target, *options)
    assert done.exit_code in (1, 2)
    assert message in done.output
    assert os.listdir(tmp_path) == ["w.pt"]


SMALL_DISK = forked(
    """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from archspec_cli.main import main
main()
""",
    "torch",
)


@pytest.mark.parametrize("options", [["out.pt"], ["out", "--to", "flax"]], ids=["torch", "flax"])
def test_a_full_disk_leaves_nothing_behind(options, weights_file, tmp_path):
    command = ["convert", "w.pt", *options, "--spec", "digits_resnet", "--set", "n=1"]
    done = subprocess.run(
        [sys.executable, "-c", SMALL_DISK, *command], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: cannot write out")
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == ["w.pt"]
