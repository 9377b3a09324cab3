"""Runs as tasks of a Ray cluster, whose machines share the file system that the sweep is written to."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from archspec_experiments.local import Local
from archspec_experiments.sweep import Outcome
from archspec_experiments.task import Task
from archspec_runtime.errors import RunError
from archspec_runtime.processes.signals import Signals


@dataclass(slots=True)
class OnRay:
    """Each run takes so many CPUs and GPUs of the cluster. SIGTERM and Ctrl-C cancel what runs, which then saves."""

    ray: Any  # the module, connected
    cpus: int = 1
    gpus: float = 0.0
    stopped: int = 0

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Make the runs, each told as it ends."""
        ray = self.ray
        made = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=0)(_make)
        by_reference = {made.remote(task, os.getcwd()): task for task in tasks}
        waiting = list(by_reference)
        with Signals() as signals:
            while waiting:
                done, waiting = ray.wait(waiting, timeout=1.0)
                for reference in done:
                    yield Outcome(by_reference[reference], _exit_code(ray, reference))
                if signals.received and not self.stopped:
                    self.stopped = signals.received
                    for reference in waiting:
                        ray.cancel(reference)  # what runs saves and ends, what waits never starts


@contextmanager
def connected() -> Iterator[Any]:
    """The module `ray`, connected to the cluster that runs here or that RAY_ADDRESS names.

    Raises RunError where there is no Ray, or no cluster.
    """
    try:
        import ray  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        from archspec.backends.extras import install_command

        raise RunError(
            f"Ray does not import: {error}", f"{install_command('ray')}, or leave --launcher out"
        ) from None
    try:
        ray.init(address="auto", log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError:
        message = "there is no Ray cluster here, and RAY_ADDRESS names none"
        raise RunError(message, "start one with `ray start --head`, or use --launcher local") from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _exit_code(ray: Any, reference: Any) -> int:
    try:
        code: int = ray.get(reference)
    except ray.exceptions.TaskCancelledError:
        return 143
    except ray.exceptions.RayError:  # the machine was lost
        return 1
    return code


def _make(task: Task, folder: str) -> int:
    """On a machine of the cluster: make one run; a cancelled one saves a checkpoint first."""
    os.chdir(folder)
    launcher = Local()
    return next(launcher.run([task])).exit_code  # Ray cancels by Ctrl-C, which it passes on
