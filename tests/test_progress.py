"""Progress: a share of all, a rate of what is done now, and the time that is left by that rate."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from huatuo import progress


class Clock:
    """A time that goes on when it is told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


@pytest.mark.parametrize(
    ("done", "steps", "seconds", "said"),
    [
        (0, 221, 10.5, "train: 221/338 steps, 21 steps/s, 1,052 tokens/s, about 6 s left loss 1.000"),
        (110, 221, 10.5, "train: 331/338 steps, 21 steps/s, 1,052 tokens/s, about 0 s left loss 1.000"),
        (110, 21, 10.5, "train: 131/338 steps, 2 steps/s, 100 tokens/s, about 104 s left loss 1.000"),
        (110, 2, 20.0, "train: 112/338 steps, 0.1 steps/s, 5 tokens/s, about 2,260 s left loss 1.000"),
        (337, 1, 20.0, "train: 338/338 steps, 0.05 steps/s, 2.5 tokens/s loss 1.000"),
    ],
)
def test_what_an_earlier_attempt_did_counts_for_the_share_and_not_for_the_rate(
    clock: Clock, capsys: pytest.CaptureFixture[str], done: int, steps: int, seconds: float, said: str
) -> None:
    with progress.bar("train", 338, "steps", done=done, beside="tokens") as running:
        for number in range(steps):
            clock.now += seconds if number == steps - 1 else 0
            running.advance(1, note="loss 1.000", beside=50)
        assert running.beside_per_second() == pytest.approx(50 * steps / seconds)
        assert capsys.readouterr().err.strip() == said


def test_without_a_second_count_and_before_the_first_item_nothing_is_made_up(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.bar("train", 338, "steps", done=110):
        clock.now += 11
    assert capsys.readouterr().err == "train: 110/338 steps, 0 steps/s\n"


def test_a_drawn_bar_begins_where_the_earlier_attempt_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    running = progress.Bar("train", 338, "steps", Console(file=shown, width=200, force_terminal=True), done=110)
    running.advance(1)
    assert running._rich is not None
    (task,) = running._rich.tasks
    assert task.completed == 110
    running.close()
    assert "111/338" in shown.getvalue()
