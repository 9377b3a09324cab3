"""Checkpoints on disk: which are kept, and that damage is noticed."""

import json
import subprocess
import sys

import numpy as np
import pytest

from archspec_runtime.checkpoints import store
from archspec_runtime.errors import CheckpointError


@pytest.fixture
def run(tmp_path):
    """A folder with the checkpoints of steps 1 to 3, of which the last two are kept."""
    for step in (1, 2, 3):

        def write(folder, step=step):
            (folder / "weights").write_bytes(np.random.default_rng(step).bytes(1000))
            (folder / "loop.json").write_text(json.dumps({"step": step}))

        assert store.save(tmp_path, step, "net", write) is not None
    return tmp_path


def test_the_newest_two_checkpoints_are_kept(run):
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == ["step-00000002", "step-00000003"]
    path, manifest = store.newest(run, "net")
    assert (path.name, manifest["step"]) == ("step-00000003", 3)


def flips(path):
    whole = path.read_bytes()
    for place in range(0, len(whole), 97):
        yield whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]


@pytest.mark.parametrize("name", ["weights", "loop.json"])
@pytest.mark.parametrize("changes", [flips, lambda p: [p.read_bytes()[:-1], b""]], ids=["flipped", "cut off"])
def test_damage_anywhere_in_a_checkpoint_is_noticed_and_the_one_before_is_used(run, name, changes, capsys):
    file = run / "checkpoints" / "step-00000003" / name
    for damaged in changes(file):
        file.write_bytes(damaged)
        assert store.newest(run, "net")[0].name == "step-00000002"
        warning = capsys.readouterr().err
        assert f"{file} is damaged: its checksum differs; trying the one before" in warning


def test_a_damaged_manifest_is_noticed_or_changes_nothing(run):
    path = run / "checkpoints" / "step-00000003"
    whole = (path / "manifest.json").read_bytes()
    before = store.verify(path, "net")
    for place in range(len(whole)):
        (path / "manifest.json").write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            after = store.verify(path, "net")
        except CheckpointError:
            continue
        assert all(after[name] == before[name] for name in ("format", "fingerprint", "sha256"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no readable manifest"),
        ("[]", "has no readable manifest"),
        ('{"format": 1, "sha256": [], "fingerprint": "net"}', "has no readable manifest"),
        ('{"format": 1, "sha256": {"gone": "00"}, "fingerprint": "net"}', "gone is missing"),
        ('{"format": 2, "sha256": {}, "fingerprint": "net"}', "has format 2, and this version reads 1"),
        ('{"format": 1, "sha256": {}, "fingerprint": "other"}', "is of another net"),
    ],
    ids=["empty", "list", "sums", "missing", "newer", "other net"],
)
def test_a_foreign_or_newer_checkpoint_is_refused_and_the_one_before_is_used(run, text, says, capsys):
    (run / "checkpoints" / "step-00000003" / "manifest.json").write_text(text)
    assert store.newest(run, "net")[0].name == "step-00000002"
    assert f"step-00000003{'/' if 'gone' in says else ' '}{says}" in capsys.readouterr().err


def test_where_no_checkpoint_can_be_used_nothing_is_resumed(run):
    with pytest.raises(CheckpointError, match=r"step-00000003 is of another net") as caught:
        store.newest(run, "another net")
    assert "--out" in caught.value.hint
    for step in ("step-00000002", "step-00000003"):
        (run / "checkpoints" / step / "manifest.json").write_text(
            '{"format": 2, "sha256": {}, "fingerprint": "net"}'
        )
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* can be used") as caught:
        store.newest(run, "net")
    assert "newer archspec" in caught.value.hint
    assert len(list((run / "checkpoints").iterdir())) == 2
    assert store.newest(run / "elsewhere", "net") is None


def test_a_kill_inside_a_write_leaves_the_checkpoints_as_they_were(run):
    program = """
import os, signal, sys
from pathlib import Path
from archspec_runtime.checkpoints import store

def write(folder):
    (folder / "weights").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

store.save(Path(sys.argv[1]), 4, "net", write)
"""
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", program, run], check=False).returncode == -9
    assert store.newest(run, "net")[1]["step"] == 3
    assert store.save(run, 5, "net", lambda folder: (folder / "weights").write_bytes(b"whole")) is not None
    # what the killed processes had begun to write is cleared away, or a run that is killed often fills the disk
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == ["step-00000003", "step-00000005"]
