"""Sweeps on engines that are real: SLURM with one node, and a Ray head, both on this machine's loopback."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archspec_experiments.state import State, progress_of
from archspec_runtime.checkpoints import store
from runs import MAIN

pytestmark = pytest.mark.long

LONG = """archspec: 1
name: long
input: {channels: 1, size: 8}
classes: 10
stem: [{conv1: {conv: {out: 4, kernel: 3}}}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train: {data: {dataset: digits}, batch_size: 64, steps: 4000, lr: 0.01}
"""
SWEEP = ("sweep", "long.yaml", "--over", "train.lr=0.01,0.02", "--device", "cpu", "--out", "sweep")
RUNS = ("train.lr=0.01,seed=0", "train.lr=0.02,seed=0")

CONF = """ClusterName=archspec
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket={room}/munge.sock
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={room}/state
SlurmdSpoolDir={room}/spool
SlurmctldPidFile={room}/slurmctld.pid
SlurmdPidFile={room}/slurmd.pid
SlurmctldLogFile={room}/slurmctld.log
SlurmdLogFile={room}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel")


def free_ports(count):
    found = [socket.socket() for _ in range(count)]
    for one in found:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in found]
    for one in found:
        one.close()
    return ports


def until(true, what, seconds=200):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what()
        time.sleep(0.2)


@pytest.fixture
def slurm(tmp_path):
    """SLURM with this machine as its only node; gives what runs its commands."""
    lacking = [name for name in NEEDED if shutil.which(name) is None and not Path("/usr/sbin", name).exists()]
    if lacking or os.geteuid() != 0:
        pytest.skip(
            f"SLURM is not installed ({', '.join(lacking)})" if lacking else "SLURM's daemons start as root"
        )
    room = tmp_path / "slurm"
    for folder in (room, room / "state", room / "spool"):
        folder.mkdir()
    (room / "munge.key").write_bytes(os.urandom(1024))
    (room / "munge.key").chmod(0o400)
    for folder in (tmp_path, *tmp_path.parents[:2]):  # munge wants its socket reachable
        folder.chmod(0o755)
    conf = room / "slurm.conf"
    conf.write_text(CONF.format(host=socket.gethostname().partition(".")[0], room=room, ports=free_ports(2)))
    environment = {**os.environ, "SLURM_CONF": str(conf), "PATH": f"{os.environ['PATH']}:/usr/sbin"}

    def run(*words):
        done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout.strip()

    munge = {name: room / f"munged.{name}" for name in ("pid", "log", "seed")}
    try:
        run("munged", "--force", f"--key-file={room}/munge.key", f"--socket={room}/munge.sock",
            *(f"--{name}-file={path}" for name, path in munge.items()))  # fmt: skip
        run("slurmctld", "-c", "-f", conf)
        run("slurmd", "-f", conf)
        until(lambda: "idle" in run("sinfo", "-h", "-o", "%T"), lambda: (room / "slurmctld.log").read_text())
        yield run
    finally:
        for name in ("slurmd", "slurmctld", "munged"):
            if (room / f"{name}.pid").exists():
                os.kill(int((room / f"{name}.pid").read_text()), signal.SIGTERM)
                until(lambda name=name: not (room / f"{name}.pid").exists(), lambda name=name: name, 60)


def test_a_sweep_on_slurm_is_requeued_ended_and_submitted_again(slurm, tmp_path):
    (tmp_path / "long.yaml").write_text(LONG)
    made = subprocess.run([*MAIN, *SWEEP, "--launcher", "slurm"], cwd=tmp_path, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    out, script = tmp_path / "sweep", tmp_path / "sweep" / "sweep.sbatch"
    first, second = (out / name for name in RUNS)

    def said():
        return "\n".join(log.read_text() for log in (out / "logs").glob("slurm-*"))

    def begun(run):
        return (run / "metrics.jsonl").exists() and (run / "metrics.jsonl").stat().st_size

    def steps(run):
        return [path.name for path in (run / "checkpoints").glob("step-*")]

    job = slurm("sbatch", "--parsable", script)
    until(lambda: begun(first) and begun(second), said)
    slurm(
        "scontrol", "requeue", f"{job}_0"
    )  # as where a node is taken away: SIGTERM, and the same script once more
    slurm("scancel", "--signal=TERM", "--batch", f"{job}_1")  # as `--signal=B:TERM` sends it before the time is up
    until(lambda: steps(first) and steps(second), said)
    until(lambda: slurm("squeue", "-h", "-o", "%i %T") == f"{job}_0 PENDING", said)
    assert said().count("stopped after step") == 2
    assert progress_of(first).state is progress_of(second).state is State.cut
    slurm("scontrol", "update", f"JobId={job}_0", "StartTime=now")  # SLURM itself waits for two minutes
    until(lambda: progress_of(first).state is State.finished, said)
    until(lambda: not slurm("squeue", "-h"), said)
    slurm("sbatch", script)
    until(lambda: progress_of(second).state is State.finished, said)
    until(lambda: not slurm("squeue", "-h"), said)
    assert "nothing is left to do" in said()
    assert "Traceback" not in said()


@pytest.fixture
def cluster(tmp_path):
    """The environment of a Ray head that listens on loopback."""
    pytest.importorskip("ray", reason="Ray is not installed")
    # a short path, since its sockets lie in it
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": "/tmp/archspec-ray"}
    environment["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    port = free_ports(1)[0]
    ray = [sys.executable, "-m", "ray.scripts.scripts"]
    words = ("--node-ip-address=127.0.0.1", f"--port={port}", "--num-cpus=2", "--include-dashboard=false",
             "--disable-usage-stats", "--temp-dir=/tmp/archspec-ray", "--object-store-memory=100000000")  # fmt: skip
    head = subprocess.Popen([*ray, "start", "--head", "--block", *words], env=environment, cwd=tmp_path,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        yield {**environment, "RAY_ADDRESS": f"127.0.0.1:{port}"}
    finally:
        head.terminate()
        try:
            head.wait(30)
        except subprocess.TimeoutExpired:
            head.kill()
        shutil.rmtree("/tmp/archspec-ray", ignore_errors=True)


def test_a_sweep_on_ray_that_is_asked_to_end_saves_its_runs_and_goes_on(cluster, tmp_path):
    (tmp_path / "long.yaml").write_text(LONG)
    words = [*MAIN, *SWEEP, "--launcher", "ray"]
    runs = [tmp_path / "sweep" / name for name in RUNS]

    def start():
        return subprocess.Popen(
            words, cwd=tmp_path, env=cluster, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    until(lambda: subprocess.run([sys.executable, "-c", "import ray; ray.init('auto')"], env=cluster,
                                 capture_output=True).returncode == 0, lambda: "no head")  # fmt: skip
    sweep = start()
    try:
        until(lambda: all((run / "metrics.jsonl").exists() for run in runs), lambda: sweep.poll())
        sweep.send_signal(signal.SIGTERM)
        said = sweep.communicate(timeout=100)[0]
    finally:
        sweep.kill()
    assert sweep.returncode == 143, said
    assert "stopped; call it again to go on" in said
    assert all(store.newest(run, None) is not None for run in runs), said
    assert {progress_of(run).state for run in runs} == {State.cut}
    again = start()
    said = again.communicate(timeout=280)[0]
    assert again.returncode == 0, said
    assert {progress_of(run).state for run in runs} == {State.finished}, said
