"""What a run shows while it goes: a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Timer
from types import TracebackType
from typing import Any

from archspec_runtime.console import duration, printable, say

EVERY = 10.0  # seconds between plain lines
SLOW = 3.0  # seconds after which what is under way is said
SLOW_STEP = 2.0  # and the same of the first steps


@contextmanager
def said_if_slow(
    what: str, after: float = SLOW, *, silent: bool = False, by: Callable[[str], None] = say
) -> Iterator[None]:
    """Within it something is done; where that takes longer, a line says what."""
    timer = Timer(after, by, [f"{what} ..."])
    timer.daemon = True
    if not silent:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Progress:
    """Shows loss, errors, rate, speed and the time that is left."""

    def __init__(self, total: int, start: int, shown_every: int = 1, *, silent: bool = False) -> None:
        self.total = total
        self.shown_every = shown_every  # steps from one look at the losses to the next
        self.silent = silent  # in a process that another one speaks for
        self.values: dict[str, str] = {}
        self.last = 0.0
        self.said = set[str]()
        self.begin(start)
        self.live: Any = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty() and not self.silent:
            self.live = _live()
            self.live.__enter__()
            self.task = self.live.add_task("", total=self.total, completed=self.start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live is not None:
            self.live.__exit__(kind, error, trace)

    def begin(self, step: int) -> None:
        """Tell the time that is left by that of the steps from here on."""
        self.start, self.begun = step, time.monotonic()

    def first_steps(self, step: int) -> None:
        """Tell the time that is left after two steps, where it would be long until there are losses to show."""
        if self.live is not None:
            self.live.update(self.task, completed=step)
            return
        each = (time.monotonic() - self.begun) / max(1, step - self.start)
        if not self.silent and step == self.start + 1 and each * self.shown_every >= EVERY:
            say(f"step {step:,}/{self.total:,}  about {duration(each * (self.total - step))} left")

    def say(self, text: str) -> None:
        """Print a line that stays."""
        if self.silent:
            return
        if self.live is not None:
            self.live.console.print(printable(text), highlight=False, markup=False)
        else:
            say(text)

    def say_once(self, text: str) -> None:
        """Print a line that stays, unless it was printed already."""
        if text not in self.said:
            self.said.add(text)
            self.say(text)

    def train(self, step: int, loss: float, error: float, lr: float, speed: float) -> None:
        """Show what was measured over the last steps; error in percent, speed in images a second."""
        self.values |= {
            "loss": f"{loss:.4f}",
            "train error": f"{error:.2f}%",
            "lr": f"{lr:g}",
            "images/s": f"{speed:,.0f}",
        }
        if step < self.total:  # after which there is an evaluation
            self._show(step)

    def test(self, step: int, errors: Mapping[str, float]) -> None:
        """Show an evaluation: the error of each split, in percent."""
        self.values |= {f"{split} error": f"{error:.2f}%" for split, error in errors.items()}
        self._show(step, always=step == self.total)

    def _show(self, step: int, always: bool = False) -> None:
        text = "  ".join(f"{k} {v}" for k, v in self.values.items())
        if self.live is not None:
            self.live.update(self.task, completed=step, description=text)
            return
        now = time.monotonic()
        if self.silent:
            return
        if always or now - self.last >= EVERY:
            self.last = now
            left = (now - self.begun) / max(1, step - self.start) * (self.total - step)
            say(f"step {step:,}/{self.total:,}  {text}  {duration(left)} left")


def _live(console: Any = None) -> Any:
    """A bar with the steps and the time that is left, and below it what was measured, in a terminal of any width."""
    from rich import get_console
    from rich.console import RenderableType
    from rich.control import Control
    from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.segment import ControlType, Segment
    from rich.text import Text

    screen = console or get_console()

    class TwoLines(Bar):
        cells: Sequence[int] = ()  # of each line as it was drawn last

        def get_renderables(self) -> Iterator[RenderableType]:
            yield self.make_tasks_table(self.tasks)
            yield from (Text(task.description) for task in self.tasks if task.description)

        def get_renderable(self) -> RenderableType:
            """What is drawn next, after what a narrower terminal has broken into more rows than Rich knows of was erased."""
            more = sum(-(-cells // screen.width) - 1 for cells in self.cells if cells)
            if more > 0:
                erased = (ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)
                screen.control(Control(*erased * more))
            shown = super().get_renderable()
            self.cells = [Segment.get_line_length(line) for line in screen.render_lines(shown, pad=False)]
            return shown

    return TwoLines(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=screen)


class Meter:
    """Images a second between one look and the next, by a clock that nobody sets."""

    def __init__(self, batch: int, step: int) -> None:
        self.batch = batch
        self.pause(step)

    def read(self, step: int) -> float:
        """Images a second up to this step, from where it began to count; begins anew."""
        speed = (step - self.step) * self.batch / max(time.monotonic() - self.begun, 1e-9)
        self.pause(step)
        return speed

    def pause(self, step: int) -> None:
        """Leave out what came before: it was spent on something else."""
        self.step, self.begun = step, time.monotonic()
