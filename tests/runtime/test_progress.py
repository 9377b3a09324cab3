"""The live line of a run, as a terminal shows it: one that breaks its lines anew when it is made narrower."""

import io
import re

from rich.console import Console

from archspec_runtime.run.progress import _live


class Terminal:
    """Rows of text, of which one may go on in the next, and the cursor behind the last."""

    def __init__(self, width):
        self.width, self.rows, self.goes_on = width, [""], [False]
        self.row, self.column = 0, 0

    def write(self, text):
        for part in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|.|\n", text, re.S):
            if part == "\n":
                self.row, self.column = self.row + 1, 0
                self._room()
            elif part == "\r":
                self.column = 0
            elif part.endswith("A") and len(part) > 1:
                self.row -= int(part[2:-1] or 1)
            elif part == "\x1b[2K":
                self.rows[self.row], self.goes_on[self.row] = "", False
            elif not part.startswith("\x1b"):
                if self.column == self.width:
                    self.goes_on[self.row] = True
                    self.row, self.column = self.row + 1, 0
                    self._room()
                self.rows[self.row] = self.rows[self.row].ljust(self.column)[: self.column] + part
                self.column += 1

    def _room(self):
        if self.row == len(self.rows):
            self.rows.append("")
            self.goes_on.append(False)

    def resize(self, width):
        """Break lines anew; what is below the cursor is empty, and goes."""
        lines = [""]
        for row, goes_on in zip(self.rows[: self.row + 1], self.goes_on, strict=False):
            lines[-1] += row
            if not goes_on:
                lines.append("")
        broken = [[line[i : i + width] for i in range(0, len(line), width)] or [""] for line in lines[:-1]]
        self.width = width
        self.rows = [row for line in broken for row in line]
        self.goes_on = [i + 1 < len(line) for line in broken for i in range(len(line))]
        self.row, self.column = len(self.rows) - 1, len(self.rows[-1])


def test_a_narrower_terminal_keeps_no_stale_bar():
    terminal, file = Terminal(100), io.StringIO()
    console = Console(file=file, force_terminal=True, width=100, height=25, legacy_windows=False, color_system=None)

    def flush():
        terminal.write(file.getvalue())
        file.seek(0)
        file.truncate()

    bar = _live(console)
    bar.live.auto_refresh = False
    with bar:
        console.print("a line that stays")
        task = bar.add_task("", total=100)
        for width in (100, 30, 24, 60):
            bar.update(
                task,
                completed=7,
                description="loss 0.1234  train error 12.34%  lr 0.1  images/s 1,234",
                refresh=True,
            )
            flush()
            terminal.resize(width)
            console.width = width
            bar.refresh()
            flush()
            shown = "\n".join(terminal.rows)
            assert shown.count("a line that stays") == 1, shown
            assert shown.count("7/100") == 1, shown
            assert shown.count("loss") == 1, shown
