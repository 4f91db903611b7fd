"""New questions grown from seed questions by a model, near copies refused: Self-Instruct (arXiv 2212.10560)."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from huatuo.checks.entities import Dictionary
from huatuo.errors import InputError
from huatuo.recipe_synth import SelfInstructSettings
from huatuo.records import WITHHELD
from huatuo.store import content_id
from huatuo.synth import from_text
from huatuo.synth.ground import Refusal
from huatuo.synth.pair import fraction
from huatuo.synth.parse import QA
from huatuo.text.ngram import grams
from huatuo.text.zh import normalise_for_comparison

_KEYS = ("question", "instruction", "问题")


class Seed(NamedTuple):
    """One seed question."""

    id: str
    """Hash of the file's name and the question."""
    question: str
    """The question."""


class Growth(NamedTuple):
    """One call: the questions that it shows, and the block of its prompt."""

    seeds: tuple[Seed, ...]
    """The seeds shown: parents of what grows from them."""
    block: dict[str, Any]
    """The block."""


def read_seeds(path: Path) -> list[Seed]:
    """The different questions of a file: one a line, or JSON Lines with ``question`` or ``instruction``.

    Raises InputError naming the line that is no question, or a file without any.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({error}); next: check synth.self_instruct.seeds") from None
    found: dict[str, Seed] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text.startswith("{"):
            text = _from_json(text)
            if not text:
                expected = f"JSON with one of {', '.join(_KEYS)}"
                raise InputError(f"{path}: line {number}: no question; expected {expected}; next: correct the line")
        if text:
            found.setdefault(normalise_for_comparison(text) or text, Seed(content_id("seed", path.name, text), text))
    if not found:
        raise InputError(f"{path}: holds no questions; expected one a line; next: fill it or leave it out")
    return list(found.values())


def _from_json(text: str) -> str:
    try:
        row = json.loads(text)
    except json.JSONDecodeError:
        return ""
    found = next((row[key] for key in _KEYS if key in row), "") if isinstance(row, dict) else ""
    return found.strip() if isinstance(found, str) else ""


def calls(settings: SelfInstructSettings, seeds: list[Seed], per_call: int, seed: int) -> Iterator[Growth]:
    """As many calls as it takes to ask for all questions, each with seeds drawn by hash."""
    shown = min(settings.examples, len(seeds))
    for number in range(-(-settings.questions // per_call) if seeds else 0):
        drawn: dict[int, Seed] = {}
        turn = 0
        while len(drawn) < shown:
            place = int(fraction(str(seed), "self_instruct", str(number), str(turn)) * len(seeds))
            drawn[place] = seeds[place]
            turn += 1
        chosen = tuple(drawn.values())
        # the number keeps two calls that show the same seeds apart: one answer is not taken twice
        block = {"shape": "self_instruct", "number": number + 1, "examples": [s.question for s in chosen]}
        yield Growth(chosen, block)


class NearCopies:
    """Questions that are there already, to be asked whether a new one copies them."""

    def __init__(self, overlap: float):
        """``overlap``: share of the 5-grams of the shorter question from which two are near copies."""
        self._overlap = overlap
        self._holders: dict[int, list[int]] = defaultdict(list)
        self._sizes: list[int] = []
        self._texts: list[str] = []
        self._keys: dict[str, int] = {}

    def add(self, text: str) -> None:
        """Remember a question."""
        number = len(self._texts)
        own = _grams(text)
        self._texts.append(text)
        self._sizes.append(len(own))
        self._keys.setdefault(normalise_for_comparison(text) or text, number)
        for gram in own:
            self._holders[gram].append(number)

    def of(self, text: str) -> tuple[str, float]:
        """The question that a text copies, and the share of grams that they have in common; empty where none.

        Questions of less than five tokens have no grams: these are copies only where they are the same.
        """
        same = self._keys.get(normalise_for_comparison(text) or text)
        if same is not None:
            return self._texts[same], 1.0
        own = _grams(text)
        shared = Counter(number for gram in own for number in self._holders.get(gram, ()))
        share, number = max(
            ((count / min(len(own), self._sizes[n]), -n) for n, count in shared.items()), default=(0, 0)
        )
        return (self._texts[-number], share) if share >= self._overlap else ("", share)


def _grams(text: str) -> list[int]:
    hashes: list[int] = np.unique(grams([text])[0]).tolist()
    return hashes


def objection(qa: QA, before: NearCopies, withheld: Dictionary) -> Refusal | None:
    """Why a grown question and its answer are not taken, or None."""
    if from_text.too_long(qa.question):
        return Refusal("long_question", f"the question has {len(qa.question)} characters")
    named = next((mention.name for mention in withheld.find(f"{qa.question}\n{qa.answer}")), "")
    if named:
        return Refusal(WITHHELD, f"it names the withheld entity {named}")
    if words := from_text.leak(f"{qa.question}\n{qa.answer}", ""):
        return Refusal("leak", f"it speaks of a source: {words}")
    twin, share = before.of(qa.question)
    return Refusal("near_copy", f"{share:.2f} of the 5-grams stand in {twin!r}") if twin else None
