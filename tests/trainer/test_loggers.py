"""Metrics that are logged to TensorBoard, Weights & Biases and MLflow as well, through their own libraries.

`make test-all` installs these beside the environment while its other tests run.
"""

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from importlib.util import find_spec

import pytest

from frameworks_aside import installed
from runs import CPU, said

pytest.importorskip("torch")

LIBRARIES = ("tensorboard", "wandb", "mlflow")
ASIDE = {name for name in LIBRARIES if find_spec(name) is None}
"""Those that are not in this environment."""
NET = ("train", "digits_resnet:resnet8", "--steps", 44, "--checkpoint-every", 11)
LEFT = []
"""Sockets that were to leave this machine, of the process of the tests."""
guarded = False


def _guard(event, args):
    if guarded and event in ("socket.connect", "socket.sendto"):
        where = args[1]
        if isinstance(where, tuple) and where[0] not in ("127.0.0.1", "::1", "localhost"):
            LEFT.append(where)
            raise OSError(f"a test connects to {where}")


sys.addaudithook(_guard)


@pytest.fixture
def offline(monkeypatch):
    """Fail where a socket leaves the machine: in this process by its audit, in others by a proxy that takes whatever they ask."""
    global guarded
    asked = []
    if (onnxruntime := sys.modules.get("onnxruntime")) is not None:  # of another test, and no logger
        onnxruntime.disable_telemetry_events()
    with socket.create_server(("127.0.0.1", 0)) as proxy:

        def listen():
            while True:
                try:
                    connection, _ = proxy.accept()
                except OSError:
                    return
                asked.append(connection.recv(200))
                connection.close()

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, address)
            monkeypatch.setenv(name.lower(), address)
        guarded = True
        yield
        guarded = False
        proxy.shutdown(socket.SHUT_RDWR)
    assert not asked
    assert not LEFT


@pytest.fixture
def library(request, monkeypatch):
    """A library, in this environment or beside it, for processes too."""
    if request.param in ASIDE:
        folder = str(installed("loggers"))
        monkeypatch.setattr(sys, "path", [*sys.path, folder])
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.environ["PYTHONPATH"], folder]))
    return request.param


def of_tensorboard(run):
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    for file in sorted((run / "tensorboard").iterdir()):
        for event in LegacyEventFileLoader(str(file)).Load():
            yield from ((value.tag, event.step, value.simple_value) for value in event.summary.value)


def of_wandb(run):
    from wandb.proto.wandb_internal_pb2 import Record

    for file in sorted((run / "wandb").glob("offline-run-*/*.wandb")):
        data, at = file.read_bytes(), 7
        while at + 7 <= len(data):  # one block of LevelDB's log; records of a short run fit into it
            (length,) = struct.unpack("<H", data[at + 4 : at + 6])
            record = Record()
            record.ParseFromString(data[at + 7 : at + 7 + length])
            at += 7 + length
            items = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
            yield from ((k, items["step"], v) for k, v in items.items() if "/" in k)


def of_mlflow(run):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{run / 'mlflow.db'}")
    (found,) = client.search_runs([client.get_experiment_by_name("archspec").experiment_id])
    assert found.info.status == "FINISHED"
    assert found.data.params["recipe.optimizer.momentum"] == "0.9"
    for name in found.data.metrics:
        yield from ((name, one.step, one.value) for one in client.get_metric_history(found.info.run_id, name))


def in_metrics(run):
    for line in (run / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        part = row.get("split", "train")
        for key, value in row.items():
            if key not in ("step", "kind", "split", "time"):
                yield f"{part}/{key.removeprefix('train_')}", row["step"], value


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # of libraries of others
@pytest.mark.parametrize("library", LIBRARIES, indirect=True)
def test_what_is_logged_is_what_is_measured_once_also_where_a_run_was_resumed(library, cli, offline, tmp_path):
    read = {"tensorboard": of_tensorboard, "wandb": of_wandb, "mlflow": of_mlflow}[library]
    begun = cli(*NET, *CPU, "--out", "run", "--log", library)
    assert begun.exit_code == 0, begun.output
    for step in (33, 44):  # as where it was killed after step 44 was measured
        shutil.rmtree(tmp_path / "run" / "checkpoints" / f"step-{step:08}", ignore_errors=True)
    record = json.loads((tmp_path / "run" / "loggers.json").read_text())[library]["run"]
    resumed = cli(*NET, *CPU, "--out", "run", "--log", library, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert json.loads((tmp_path / "run" / "loggers.json").read_text())[library]["run"] == record
    found, measured = sorted(read(tmp_path / "run")), sorted(in_metrics(tmp_path / "run"))
    assert len(found) == len(measured) > 20
    assert [one[:2] for one in found] == [one[:2] for one in measured]
    for (name, _, logged), (_, _, value) in zip(found, measured, strict=True):
        assert "second" in name or logged == pytest.approx(value, rel=1e-5)


def test_a_library_that_is_missing_is_said_before_anything_starts(cli, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    for more in ([], ["--dry-run"], ["--nproc", 2]):
        error = said(cli(*NET, *CPU, "--out", "run", "--log", "wandb", *more), 1)
        assert "--log wandb needs the package wandb, which is not installed" in error
        assert "help: pip install wandb\n" in error
    assert "--log takes tensorboard, wandb, mlflow" in said(cli(*NET, *CPU, "--log", "comet"), 2)
    assert not os.listdir(tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("library", ["tensorboard"], indirect=True)
def test_a_built_folder_logs_by_the_installed_command(library, cli, tmp_path):
    """Its own runtime stays the one that trains; what it does not carry is taken from the installed one."""
    cli("build", "digits_resnet:resnet8", "--out", "built")
    words = ("--steps", "1", "--device", "cpu", "--threads", "1", "--log", library)
    alone = subprocess.run([sys.executable, "built/train.py", *words], capture_output=True, text=True, check=False)
    assert alone.returncode == 2
    assert "unrecognized arguments: --log tensorboard" in alone.stderr
    assert "`archspec train --from FOLDER` has more options" in alone.stderr
    assert cli("train", "--from", "built", *words, "--out", "run").exit_code == 0
    assert any(step == 1 for _, step, _ in of_tensorboard(tmp_path / "run"))


def test_a_run_that_is_resumed_without_its_logger_says_so(finished, cli, tmp_path):
    shutil.copytree(finished[0], tmp_path / "run")
    (tmp_path / "run" / "loggers.json").write_text("{}")
    for folder in sorted((tmp_path / "run" / "checkpoints").iterdir())[1:]:
        shutil.rmtree(folder)
    words = ("train", "digits_resnet:resnet8", "--out", "run", "--steps", 60, "--resume")
    assert "--log goes on with it" in cli(*words, *CPU).stderr
