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
    """A running count of one stage. `advance` is cheap: call it per item or per batch."""

    def __init__(self, name: str, total: float | None, unit: str, console: Console | None, quiet: bool = False):
        self.name, self.total, self.unit, self.done, self.note = name, total, unit, 0.0, ""
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
            self._task = self._rich.add_task(name, total=total, rate="", note="")
            self._rich.start()

    def advance(self, n: float = 1, note: str = "") -> None:
        """Count ``n`` more items; ``note`` (loss, learning rate, ...) replaces the one shown."""
        self.done += n
        if note:
            self.note = note
        now = time.monotonic()
        if self._rich is not None and now - self._drawn > 0.1:
            self._drawn = now
            self._rich.update(self._task, completed=self.done, rate=self._rate(now), note=self.note)
        elif self._rich is None and not self._quiet and now - self._said > PLAIN_EVERY_S:
            self._said = now
            self._say(now)

    def _rate(self, now: float) -> str:
        return f"{self.done / max(now - self._started, 1e-9):,.0f} {self.unit}/s"

    def _say(self, now: float) -> None:
        share = f"{self.done:,.0f}/{self.total:,.0f}" if self.total else f"{self.done:,.0f}"
        left = ""
        if self.total and 0 < self.done < self.total:
            left = f", about {(now - self._started) * (self.total - self.done) / self.done:,.0f} s left"
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


def say(line: str) -> None:
    """Write one line to stderr."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


@contextmanager
def bar(name: str, total: float | None = None, unit: str = "records", quiet: bool = False) -> Iterator[Bar]:
    """A `Bar` for the length of the block; plain lines where ``HUATUO_QUIET`` is set, nothing where ``quiet``."""
    drawn = sys.stderr.isatty() and not os.environ.get("HUATUO_QUIET") and not quiet
    running = Bar(name, total, unit, Console(stderr=True) if drawn else None, quiet)
    try:
        yield running
    finally:
        running.close()


def cpu_seconds() -> float:
    """CPU-seconds (user and system) of this process and of its finished children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
