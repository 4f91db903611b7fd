"""Progress that names the stage: a bar on a terminal, plain lines elsewhere. Everything goes to stderr."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

PLAIN_EVERY_S = 10.0
"""Seconds between two plain lines where stderr is no terminal."""


class Bar:
    """A running count of one stage. `advance` is cheap: call it per item or per batch.

    ``done``: what an earlier attempt had done; it counts for the share, and not for the rate or the time that is left.
    ``beside``: the unit of a second count, of which the rate is shown (tokens of a stage that goes by steps).
    """

    def __init__(
        self,
        name: str,
        total: float | None,
        unit: str,
        console: Console | None,
        quiet: bool = False,
        done: int = 0,
        beside: str = "",
    ):
        self.name, self.total, self.unit, self.done, self.note = name, total, unit, float(done), ""
        self.beside = beside
        self._begun, self._beside = self.done, 0.0
        self._started = self._said = self._drawn = time.monotonic()
        self._quiet = quiet
        self._rich: Progress | None = None
        if console is not None:
            self._rich = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=None if console.width < 80 else 30),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=console,
                transient=False,
            )
            self._task = self._rich.add_task(name, total=total, completed=done, rate="", note="")
            self._rich.start()

    def advance(self, n: float = 1, note: str = "", beside: float = 0.0) -> None:
        """Count ``n`` more items, and ``beside`` more of what is counted beside them; ``note`` (loss, learning rate,
        ...) replaces the one shown."""
        self.done += n
        self._beside += beside
        if note:
            self.note = note
        now = time.monotonic()
        if self._rich is not None and now - self._drawn > 0.1:
            self._drawn = now
            self._rich.update(self._task, completed=self.done, rate=self._rate(now), note=self.note)
        elif self._rich is None and not self._quiet and now - self._said > PLAIN_EVERY_S:
            self._said = now
            self._say(now)

    def beside_per_second(self) -> float:
        """What was counted beside the items, by second since the bar began."""
        return self._beside / max(time.monotonic() - self._started, 1e-9)

    def _rate(self, now: float) -> str:
        seconds = max(now - self._started, 1e-9)
        rate = f"{_rounded((self.done - self._begun) / seconds)} {self.unit}/s"
        return f"{rate}, {_rounded(self._beside / seconds)} {self.beside}/s" if self.beside else rate

    def _say(self, now: float) -> None:
        share = f"{self.done:,.0f}/{self.total:,.0f}" if self.total else f"{self.done:,.0f}"
        left = ""
        if self.total and self._begun < self.done < self.total:
            each = (now - self._started) / (self.done - self._begun)
            left = f", about {each * (self.total - self.done):,.0f} s left"
        line = f"{self.name}: {share} {self.unit}, {self._rate(now)}{left} {self.note}"
        sys.stderr.write(line.rstrip() + "\n")

    def close(self) -> None:
        """Draw the final state."""
        now = time.monotonic()
        if self._rich is not None:
            self._rich.update(self._task, completed=self.done, rate=self._rate(now), note=self.note)
            self._rich.stop()
        elif not self._quiet and now - self._started > PLAIN_EVERY_S:
            self._say(now)


def _rounded(rate: float) -> str:
    """A rate without digits that say nothing; below ten with two of them, so that a slow one is no 0."""
    return f"{rate:,.0f}" if rate >= 9.95 or not rate else f"{rate:.2g}"


def say(line: str) -> None:
    """Write one line to stderr."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


@contextmanager
def bar(
    name: str,
    total: float | None = None,
    unit: str = "records",
    quiet: bool = False,
    done: int = 0,
    beside: str = "",
) -> Iterator[Bar]:
    """A `Bar` for the length of the block; plain lines where ``HUATUO_QUIET`` is set, nothing where ``quiet``."""
    drawn = sys.stderr.isatty() and not os.environ.get("HUATUO_QUIET") and not quiet
    running = Bar(name, total, unit, Console(stderr=True) if drawn else None, quiet, done, beside)
    try:
        yield running
    finally:
        running.close()


def cpu_seconds() -> float:
    """CPU-seconds (user and system) of this process and of its finished children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
