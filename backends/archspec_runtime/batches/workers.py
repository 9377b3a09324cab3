"""Processes that read images ahead of the step that needs them.

What a batch holds does not depend on them: every choice is made by position, and each image has its place in a batch that
all share. One that dies is named and replaced, and what it had not done is done again; one that gets no answer from a disk is
named while it waits.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
from collections import deque
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from archspec_runtime.batches import worker as program
from archspec_runtime.batches.reading import Reader
from archspec_runtime.batches.slots import Layout, Slots, allocate
from archspec_runtime.batches.timeouts import LOOK_EVERY, Patience
from archspec_runtime.console import warn
from archspec_runtime.data.encoded import Skipped
from archspec_runtime.errors import RunError

Task = tuple[int, int, int, int]  # slot, start, stop, epoch

PIECES = 2  # of each batch for each worker, so that they finish a batch together
RESTARTS = 3  # of workers in a run; more are no accident
# the memory of one photo is kept for the next, where the C library is GNU's: as new it would come page by page
KEPT = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}


@dataclass(slots=True)
class Worker:
    """A process, the socket to it, and the tasks that it has not answered."""

    number: int
    process: subprocess.Popen[bytes]
    connection: Connection
    tasks: deque[Task] = field(default_factory=deque)


class Workers:
    """So many processes that fill the slots of a layout."""

    def __init__(self, reader: Reader, layout: Layout) -> None:
        self.reader = reader
        self.layout = layout
        self.skipped = Skipped()
        self.restarts = 0
        try:
            self.memory = allocate(layout.size())
            self.arrays = layout.arrays(self.memory)
            self.slots = Slots(layout.slots)
        except OSError as error:
            message = (
                f"no memory for {layout.slots} batches of {layout.count} images to be read ahead: {error.strerror}"
            )
            raise RunError(message, "make batch_size smaller") from None
        self.workers = [self._start(number) for number in range(layout.workers)]
        self.turn = 0
        atexit.register(self.close)

    def ask(self, slot: int, epoch: int) -> None:
        """Have a slot filled, whose indices and positions have been put down."""
        count = self.layout.count
        size = -(-count // (PIECES * len(self.workers)))
        for start in range(0, count, size):
            worker = self.workers[self.turn % len(self.workers)]
            self.turn += 1
            self._send(worker, (slot, start, min(start + size, count), epoch))

    def complete(self, slot: int) -> None:
        """Wait until a slot is filled. Raises RunError."""
        patience = Patience()
        while waiting := [w for w in self.workers if any(task[0] == slot for task in w.tasks)]:
            ready = wait([w.connection for w in waiting], LOOK_EVERY)
            for worker in (w for w in waiting if w.connection in ready):
                self._receive(worker)
            if ready:
                patience.renew()
            else:
                patience.wear(self._doing(waiting[0]))

    def close(self) -> None:
        """End all processes."""
        atexit.unregister(self.close)
        for worker in self.workers:
            worker.connection.close()
        for worker in self.workers:
            try:
                worker.process.wait(1.0)
            except subprocess.TimeoutExpired:
                worker.process.kill()  # it reads from a disk that does not answer, and has nothing to lose
                worker.process.wait()
        self.workers = []
        if self.memory >= 0:
            os.close(self.memory)
            self.memory = -1

    def _start(self, number: int) -> Worker:
        here, there = socket.socketpair()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # each is one thread
        environment |= KEPT
        command = [sys.executable, "-m", program.__name__, str(there.fileno()), str(self.memory)]
        with there:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, env=environment, pass_fds=(there.fileno(), self.memory)
            )
        worker = Worker(number, process, Connection(here.detach()))
        worker.connection.send((self.reader, self.layout, number))
        return worker

    def _send(self, worker: Worker, task: Task) -> None:
        worker.tasks.append(task)
        try:
            worker.connection.send(task)
        except OSError:
            self._replace(worker)

    def _receive(self, worker: Worker) -> None:
        try:
            answer: Any = worker.connection.recv()
        except (EOFError, OSError):
            self._replace(worker)
            return
        _, said, error = answer
        worker.tasks.popleft()
        for message in said:
            self.skipped.append(message)
        if error is not None:
            raise error

    def _replace(self, worker: Worker) -> None:
        """Start another in place of one that died, with the tasks that it had not answered."""
        code = worker.process.wait()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        message = f"worker {worker.number} (process {worker.process.pid}) {how} while it read {self._doing(worker)}"
        self.restarts += 1
        if self.restarts > RESTARTS:
            fix = "see whether the machine is short of memory or the image crashes its decoder; --workers 0 reads without workers"
            raise RunError(f"{message}; {self.restarts} have died", fix)
        warn(f"{message}; another takes its place")
        worker.connection.close()
        fresh = self._start(worker.number)
        worker.process, worker.connection = fresh.process, fresh.connection
        tasks, worker.tasks = worker.tasks, deque()
        for task in tasks:
            self._send(worker, task)

    def _doing(self, worker: Worker) -> str:
        return self.reader.split.name(int(self.arrays["doing"][worker.number]))
