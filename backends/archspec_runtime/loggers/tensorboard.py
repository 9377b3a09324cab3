"""TensorBoard: event files in the run's folder, `tensorboard/`; `tensorboard --logdir runs` shows them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FLUSH = 10  # seconds between writes of what was logged


class TensorBoard:
    """Scalars by step, through TensorBoard's own writer. A resumed run adds an event file to those that are there."""

    def __init__(self, folder: Path, name: str, config: Mapping[str, Any], begun: str | None) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self.event, self.summary = Event, Summary
        self.run = "tensorboard"
        self.writer = EventFileWriter(str(folder / self.run), flush_secs=FLUSH)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Write values of a step."""
        found = [self.summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self.writer.add_event(self.event(step=step, wall_time=time.time(), summary=self.summary(value=found)))

    def close(self, ending: str) -> None:
        """Write what is left."""
        self.writer.close()
