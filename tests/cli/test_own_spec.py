"""Commands without a spec, with options that are keys of one, and what they say is to be installed."""

import json

import pytest

from archspec.backends import extras

SPEC = "archspec: 1\ninput: {size: 8}\nclasses: 4\nhead: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"
TRAIN = "train: {data: {dataset: synthetic}, steps: 1}\n"


@pytest.mark.parametrize("command", ["check", "summary", "build", "train"])
def test_the_one_spec_of_the_folder_is_meant(cli, tmp_path, command):
    (tmp_path / "mynet.yaml").write_text(SPEC + TRAIN)
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    done = cli(command, *(["--dry-run"] if command == "train" else []))
    assert done.exit_code == 0, done.output
    assert "the spec is mynet.yaml" in done.stderr


def test_of_what_was_built_its_own_spec_is_meant(cli, tmp_path, monkeypatch):
    (tmp_path / "mynet.yaml").write_text(SPEC)
    cli("build", "mynet.yaml", "--out", "built")
    monkeypatch.chdir(tmp_path / "built")
    (tmp_path / "built" / "other.yaml").write_text(SPEC)
    assert "the spec is spec.yaml" in cli("check").stderr


def test_of_a_run_its_own_spec_is_meant(cli, tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "spec.yaml").write_text(SPEC)
    assert "the spec is code/spec.yaml" in cli("summary").stderr


@pytest.mark.parametrize("command", ["check", "summary", "build", "train"])
def test_without_a_spec_it_is_said_which_there_are(cli, tmp_path, command):
    done = cli(command)
    assert done.exit_code == 2
    assert "archspec list" in done.stderr
    for name in ("a.yaml", "b.yml"):
        (tmp_path / name).write_text(SPEC)
    done = cli(command)
    assert done.exit_code == 2
    assert "a.yaml, b.yml" in done.stderr


@pytest.mark.parametrize(
    ("option", "key"),
    [("--epochs", "train.epochs"), ("--batch-size", "train.batch_size"), ("--lr", "train.lr"), ("--learning-rate", "train.lr"),
     ("--num-classes", "classes"), ("--dataset", "train.data.dataset")],
)  # fmt: skip
def test_an_option_that_is_a_key_of_the_spec(cli, option, key):
    done = cli("train", "cifar_resnet", option, 3)
    assert done.exit_code == 2
    assert f"--set {key}=VALUE" in " ".join(done.stderr.split())


def test_a_mistake_of_what_several_extend_is_counted_once(cli, tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "base.yaml").write_text(SPEC + "train: {data: {dataset: synthetic}, steps: 1, batch_size: 0}\n")
    (tmp_path / "below" / "mine.yaml").write_text("archspec: 1\nextends: ../base.yaml\n")
    done = cli("check", ".", "--include", ".")
    assert "1 error in 1 file" in done.stdout


ORIGINS = {
    None: "pip install 'archspec-nn[torch]'",
    '{"url": "file:///home/me/archspec", "dir_info": {"editable": true}}': "pip install -e '/home/me/archspec[torch]'",
    '{"url": "file:///home/a%20b/archspec", "dir_info": {}}': "pip install '/home/a b/archspec[torch]'",
    '{"url": "file:///tmp/archspec_nn-0.1.0-py3-none-any.whl", "archive_info": {}}':
        "pip install 'archspec-nn[torch] @ file:///tmp/archspec_nn-0.1.0-py3-none-any.whl'",
    "[]": "pip install 'archspec-nn[torch]'",
}  # fmt: skip


@pytest.mark.parametrize("origin", ORIGINS)
def test_an_extra_is_installed_from_where_archspec_was(monkeypatch, origin):
    class Installed:
        def read_text(self, name):
            assert name == "direct_url.json"
            return origin

    monkeypatch.setattr(extras, "distribution", lambda name: Installed())
    assert origin is None or json.loads(origin) is not None
    assert extras.install_command("torch") == ORIGINS[origin]


def test_a_folder_is_checked_without_what_its_runs_keep(cli, tmp_path):
    for place in ("net.yaml", "runs/one/code/spec.yaml", "other/code/spec.yaml"):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("archspec: 1\nextends: resnet18\n")
    (tmp_path / "runs/one/run.json").write_text("{}")
    assert cli("check", ".").output == "2 specs without errors\n"
    assert cli("check", "runs/one").output == "1 spec without errors\n"
