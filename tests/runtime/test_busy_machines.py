"""A machine whose cores other processes keep busy, on which several threads wait for each other."""

import os

import pytest

from archspec_runtime.processes.platforms import busy, cores


@pytest.mark.parametrize(
    ("load", "set_by_user", "said"), [(40, False, True), (0.5, False, False), (40, True, False)]
)
def test_a_busy_machine_is_told_of_one_thread(load, set_by_user, said, monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if set_by_user:
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert cores() == 2
    assert (busy() == "this machine is busy (a load of 40 on 2 cores): --threads 1 may be much faster") is said
    assert (busy() is None) is not said
