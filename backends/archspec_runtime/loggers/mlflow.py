"""MLflow: a run in `mlflow.db` in the run's folder, or where `MLFLOW_TRACKING_URI` says."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

EXPERIMENT = "archspec"
LONGEST = 6000  # characters of a parameter, as MLflow takes them


class Mlflow:
    """Scalars by step, and the recipe as parameters. A resumed run goes on with its MLflow run."""

    def __init__(self, folder: Path, name: str, config: Mapping[str, Any], begun: str | None) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of each table that it makes
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        store = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder.resolve() / 'mlflow.db'}"
        self.metric, self.client = Metric, MlflowClient(tracking_uri=store)
        experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        found = self.client.get_experiment_by_name(experiment)
        if begun is None:
            place = self.client.create_experiment(experiment) if found is None else found.experiment_id
            self.run = self.client.create_run(place, run_name=name).info.run_id
            given = [Param(key, str(value)[:LONGEST]) for key, value in _flat(config)]
            self.client.log_batch(self.run, params=given)
        else:
            self.run = begun
            self.client.update_run(begun, status="RUNNING")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Log values of a step."""
        now = int(time.time() * 1000)
        self.client.log_batch(
            self.run, metrics=[self.metric(name, value, now, step) for name, value in values.items()]
        )

    def close(self, ending: str) -> None:
        """Give the run its status: FINISHED, KILLED (by a signal) or FAILED."""
        self.client.set_terminated(self.run, status=ending)


def _flat(values: Mapping[str, Any], above: str = "") -> list[tuple[str, Any]]:
    """The values of nested mappings by dotted keys."""
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        name = f"{above}{key}"
        found += _flat(value, f"{name}.") if isinstance(value, Mapping) else [(name, value)]
    return found
