"""Workers that read images: killed, replaced, ended, and never the reason for other numbers."""

import os
import signal
import threading

import numpy as np
import pytest

from archspec_runtime.errors import RunError
from photographs import as_folder, batches, same


@pytest.fixture
def photos(tmp_path):
    return as_folder(tmp_path / "photos")


def children():
    """The processes that this one has started and that live."""
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    state, parent = file.read().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if int(parent) == os.getpid() and state != "Z":
                found.add(int(name))
    return found


def test_a_worker_that_is_killed_is_named_and_replaced_and_nothing_changes(photos, capfd):
    expected = list(batches(photos).run(0, 12))
    before = children()
    run = batches(photos, workers=2).run(0, 12)
    found = [next(run)]
    (victim, _) = sorted(children() - before)
    os.kill(victim, signal.SIGKILL)
    same([*found, *run], expected)
    said = capfd.readouterr().err
    assert f"(process {victim}) was killed by signal 9 while it read {photos}" in said
    assert "another takes its place" in said
    assert children() == before


def test_a_part_of_a_batch_that_somebody_keeps_is_not_written_over(photos):
    expected = [batch.pixels for batch in batches(photos).run(0, 12)]
    seen = [
        (step, batch.pixels[:, 1:]) for step, batch in enumerate(batches(photos, workers=1).run(0, 12)) if step % 3
    ]
    for step, kept in seen:
        np.testing.assert_array_equal(kept, expected[step][:, 1:])


def test_workers_that_keep_dying_stop_the_run(photos):
    before = children()
    run = batches(photos, workers=1).run(0, 100_000)
    next(run)

    def kill():
        while not done.wait(0.05):
            for child in children() - before:
                os.kill(child, signal.SIGKILL)

    done = threading.Event()
    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with pytest.raises(
            RunError, match=r"worker 0 \(process \d+\) was killed by signal 9 while .*; 4 have died"
        ):
            for _ in run:
                pass
    finally:
        done.set()
        killer.join()
    assert children() == before


def test_workers_end_when_the_run_is_left_and_let_signals_to_the_trainer(photos):
    before = children()
    run = batches(photos, workers=2).run(0, 1000)
    next(run)
    for child in children() - before:
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(child, number)
    next(run)
    assert len(children() - before) == 2
    run.close()
    assert children() == before
