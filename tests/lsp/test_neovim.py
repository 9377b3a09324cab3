"""A real Neovim talks to `archspec lsp`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pygls", reason="the language server needs the extra `lsp`")
NVIM = shutil.which("nvim")
SPEC = """archspec: 1
input: {size: 32}
classes: 10
blocks:
  mine: {args: {width: int}, body: [{conv: {out: width, kernel: 3}}]}
stages: [{name: layer1, block: mine, width: 16}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


@pytest.mark.skipif(NVIM is None, reason="there is no `nvim` here")
def test_neovim_shows_a_mistake_applies_its_fix_and_renames_a_block(tmp_path):
    spec = tmp_path / "net.yaml"
    spec.write_text(SPEC.replace("kernel", "kernl"))
    environment = {
        **os.environ,
        "SPEC": str(spec),
        "PYTHON": sys.executable,
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    command = [
        NVIM,
        "--headless",
        "-u",
        "NONE",
        "-i",
        "NONE",
        "-n",
        "-c",
        f"luafile {Path(__file__).parent / 'attach.lua'}",
    ]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert spec.read_text() == SPEC.replace("mine", "branch")
