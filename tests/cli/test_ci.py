"""What runs in CI: hooks before commits, and the comment on a pull request."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from conftest import REPO

NET = """\
archspec: 1
args: {width: 8}
input: {size: 8}
classes: 4
stem: [{conv1: {conv: {out: width, kernel: 3}}}, {relu: act}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""
CHILD = "archspec: 1\nextends: ./net.yaml\nclasses: 5\n"


@pytest.fixture
def two(tmp_path):
    """Two folders of specs: one net of a family is wider, one is new, one is gone, one is as it was."""
    for folder, width in (("before", 8), ("after", 10)):
        specs = tmp_path / folder
        specs.mkdir()
        (specs / "net.yaml").write_text(NET.replace("width: 8", f"width: {width}"))
        (specs / "child.yaml").write_text(CHILD)
        (specs / "same.yaml").write_text(NET)
    (tmp_path / "before" / "gone.yaml").write_text(NET)
    (tmp_path / "after" / "new.yaml").write_text(NET)
    return "before", "after"


def test_a_comment_tells_of_each_net_that_changes(cli, two):
    done = cli("diff", *two, "--format", "markdown")
    assert done.exit_code == 1
    assert re.findall(r"### `?([\w.]+)", done.stdout) == ["child.yaml", "net.yaml", "New", "Gone"]
    assert "| parameters | 252 | 314 | +62 (+24.6%) |" in done.stdout
    assert "| `new.yaml` | 252 | 13,856 | 2 |" in done.stdout
    assert "- `gone.yaml`" in done.stdout
    assert "```diff\n~ conv1: out 8 -> 10\n" in done.stdout


def test_folders_are_compared_for_people_and_for_scripts(cli, two):
    told = cli("diff", *two)
    assert told.exit_code == 1
    assert "- before/net.yaml\n+ after/net.yaml\n" in told.stdout
    assert "+ after/new.yaml, a spec that is new\n- before/gone.yaml, a spec that is gone" in told.stdout
    assert cli("diff", two[0], two[0]).output == "no difference\n"
    assert '"added": [\n    "new.yaml"\n  ]' in cli("diff", *two, "--format", "json").stdout


def test_names_break_no_table_and_no_code(cli, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x`|<b>``.yaml").write_text(f"{NET}name: x\n")
    (tmp_path / "a" / "y.yaml").write_text(NET)
    (tmp_path / "b" / "y.yaml").write_text(NET)
    assert "| ``` x`\\|<b>``.yaml ``` | 252 |" in cli("diff", "a", "b", "--format", "markdown").stdout


def test_a_folder_is_not_compared_with_a_net(cli, two):
    done = cli("diff", two[0], "resnet18")
    assert done.exit_code == 2
    assert "give two folders, or two specs" in done.stderr
    gone = cli("diff", two[0], "gone")
    assert gone.exit_code == 2
    assert gone.stderr.startswith("error: there is no gone to compare the specs of before with\n")


def test_the_action_checks_and_compares_a_pull_request(two, tmp_path):
    """Its own scripts, in a repository whose last commit is the pull request."""
    action = yaml.safe_load((REPO / "action.yml").read_text(encoding="utf-8"))
    scripts = {step["name"]: step["run"] for step in action["runs"]["steps"] if "run" in step}
    work, temporary = tmp_path / "work", tmp_path / "temporary"
    temporary.mkdir()
    environment = {
        "HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "SPECS": "specs",
        "RUNNER_TEMP": str(temporary),
        **{f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }  # fmt: skip

    def run(script):
        return subprocess.run(
            ["bash", "-ec", script], cwd=work, env=environment, check=True, capture_output=True, text=True
        ).stdout

    work.mkdir()
    run("git init -q . && cp -r ../before specs && git add . && git commit -qm before")
    environment["BASE"] = run("git rev-parse HEAD").strip()
    run("rm -r specs && cp -r ../after specs && git add . && git commit -qm after")
    assert run(scripts["check"]) == ""
    run(scripts["compare"])
    assert "| parameters | 252 | 314 | +62 (+24.6%) |" in (temporary / "comment.md").read_text()


def test_hooks_are_commands_that_there_are(cli):
    hooks = yaml.safe_load((REPO / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    for hook in hooks:
        command = hook["entry"].removeprefix("archspec ").split()
        assert cli(*command, REPO / "specs/resnet18.yaml").exit_code == 0
        assert re.search(hook["files"], "specs/resnet18.yaml")
        assert not re.search(hook["files"], "specs/recipes/digits.yaml")
