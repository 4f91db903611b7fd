"""Precision and recall of a score at each threshold, on texts that somebody judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from huatuo.text.interval import wilson

MOST_THRESHOLDS = 20
"""Lines of a table: enough to choose by eye."""

HEAD = f"{'least':>5}  {'kept':>7}  {'precision':>22}  {'recall':>22}"
"""Head of a table of `Threshold.line`."""


@dataclass(frozen=True)
class Threshold:
    """What a threshold would keep of a labelled sample."""

    thousandths: int
    """Least score of a text that is kept: a density, or log-odds of a filter."""
    kept: int
    """Judged texts that are kept."""
    right: int
    """Kept texts that are wanted."""
    wanted: int
    """Judged texts that are wanted."""

    def precision(self) -> tuple[float, float, float] | None:
        """Share of the kept that are wanted, with Wilson's interval at 95 %; None where none is kept."""
        return _share(self.right, self.kept)

    def recall(self) -> tuple[float, float, float] | None:
        """Share of the wanted that are kept, with its interval; None where there is none."""
        return _share(self.right, self.wanted)

    def line(self) -> str:
        """The threshold for people: thousandths, kept, precision and recall with their intervals."""
        shares = ["none" if s is None else f"{s[0]:.3f} [{s[1]:.3f}, {s[2]:.3f}]" for s in self._both()]
        return f"{self.thousandths:>5}  {self.kept:>7,}  {shares[0]:>22}  {shares[1]:>22}"

    def figures(self) -> dict[str, Any]:
        """Everything about it as plain values; a share with both ends of its interval."""
        return {**asdict(self), "precision": self.precision(), "recall": self.recall()}

    def _both(self) -> tuple[Any, Any]:
        return self.precision(), self.recall()


def _share(part: int, whole: int) -> tuple[float, float, float] | None:
    ends = wilson(part, whole)
    return None if ends is None else (part / whole, *ends)


def measured(scores: Sequence[int], labels: Sequence[bool], thresholds: Iterable[int]) -> list[Threshold]:
    """What each threshold keeps of texts with these scores, in thousandths, and labels.

    Raises ValueError where there is not one label per score.
    """
    rows = list(zip(scores, labels, strict=True))
    found = []
    for least in thresholds:
        kept = [label for score, label in rows if score >= least]
        found.append(Threshold(least, len(kept), sum(kept), sum(labels)))
    return found


def thresholds_of(scores: Iterable[int], most: int = MOST_THRESHOLDS) -> list[int]:
    """Scores at which about as many more texts are kept each time, the one that keeps all among them."""
    ordered = sorted(set(scores))
    if len(ordered) <= most:
        return ordered
    return sorted({ordered[round(number * (len(ordered) - 1) / (most - 1))] for number in range(most)})


def best(found: Sequence[Threshold]) -> Threshold:
    """The threshold of the largest F1; of those alike the smallest.

    Raises ValueError where none keeps a text of the field.
    """
    hits = [one for one in found if one.right]
    if not hits:
        raise ValueError("no threshold keeps a text that is wanted: a label, or the score, is wrong")
    return max(hits, key=lambda one: (2 * one.right / (one.kept + one.wanted), -one.thousandths))


def precise(found: Sequence[Threshold], least: float) -> Threshold:
    """The threshold that keeps most wanted texts, of those whose precision has a lower end of ``least`` or above; where
    none does, the one whose interval begins highest.

    Raises ValueError where there is no threshold.
    """
    if not found:
        raise ValueError("no threshold to choose from")
    shares = [(share[1] if (share := one.precision()) else 0.0, one) for one in found]
    enough = [one for share, one in shares if share >= least]
    if enough:
        return max(enough, key=lambda one: (one.right, one.thousandths))
    return max(shares, key=lambda item: (item[0], item[1].right))[1]
