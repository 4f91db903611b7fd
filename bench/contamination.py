"""Contamination: 100,000 training pairs against 10,000 exam questions, in CPU-seconds; what is found of planted copies.

Both are made here: words of two to four characters drawn by a power law, so that grams repeat as in real text, stems
with everyday openings, and pairs of 250 characters in the mean. Three hundred copies each are planted whole, with their
options, with every 13th, 9th and 6th character exchanged. The aim is 10 CPU-seconds.
"""

from __future__ import annotations

import random
import time
from collections import Counter

import numpy as np
from run import Outcome

from huatuo.eval.contamination import hits, text_of, worst
from huatuo.records import Option, Question
from huatuo.text.ngram import ExamIndex

PAIRS, QUESTIONS, PLANTED = 100_000, 10_000, 300
OPENINGS = ("下列关于该病的说法错误的是", "患者入院后首先应采取的措施是", "最可能的诊断是", "不属于其适应证的是")
EDITS = {"whole": 0, "with options": 0, "every 13th": 13, "every 9th": 9, "every 6th": 6}


def _words(rng: random.Random) -> list[str]:
    characters = [chr(0x4E00 + i) for i in range(2500)]
    return ["".join(rng.choices(characters, k=rng.choice((2, 2, 3, 4)))) for _ in range(30_000)]


def _texts(draw: np.random.Generator, words: list[str], count: int, low: int, high: int) -> list[str]:
    """Texts of words that follow the law of Zipf and Mandelbrot (exponent 1, offset 2.7), as a language's do."""
    weights = 1 / (np.arange(1, len(words) + 1) + 2.7)
    lengths = draw.integers(low, high, count)
    places = draw.choice(len(words), int(lengths.sum()), p=weights / weights.sum())
    chosen, at, found = [words[place] for place in places], 0, []
    for length in lengths:
        found.append("".join(chosen[at : at + length]))
        at += length
    return found


def _edited(text: str, every: int, rng: random.Random) -> str:
    return "".join(
        chr(0x7000 + rng.randrange(900)) if every and i % every == every - 1 else c for i, c in enumerate(text)
    )


def run() -> Outcome:
    """CPU-seconds of indexing and scanning, share found of each kind of copy, and clean pairs that were flagged."""
    rng, draw = random.Random(1), np.random.default_rng(1)
    words = _words(rng)
    stems, options = _texts(draw, words, QUESTIONS, 8, 20), _texts(draw, words, 5 * QUESTIONS, 2, 6)
    asked = [
        Question(
            id=f"q{i:05}",
            exam="e",
            kind="single",
            stem=f"{stem}，{OPENINGS[i % 4]}",
            options=tuple(Option(label=x, text=options[5 * i + j]) for j, x in enumerate("ABCDE")),
            gold=("A",),
        )
        for i, stem in enumerate(stems)
    ]
    pairs = _texts(draw, words, PAIRS, 60, 145)
    planted: dict[str, tuple[str, str]] = {}
    for number, (name, every) in enumerate(EDITS.items()):
        for i in range(PLANTED):
            question = asked[number * PLANTED + i]
            place = (number * PLANTED + i) * (PAIRS // (PLANTED * len(EDITS)))
            copy = text_of(question) if name == "with options" else question.stem
            pairs[place] = pairs[place][:80] + _edited(copy, every, rng) + pairs[place][80:]
            planted[f"p{place}"] = (name, question.id)
    start = time.process_time()
    index = ExamIndex(asked)
    indexed = time.process_time() - start
    found = list(hits(index, ((f"p{i}", text) for i, text in enumerate(pairs))))
    spent = time.process_time() - start
    best = worst(found)
    held = {(hit.text_id, hit.question_id) for hit in found}
    right = Counter(name for text_id, (name, question_id) in planted.items() if (text_id, question_id) in held)
    flagged: dict[str, set[str]] = {
        grade: {h.text_id for h in found if h.grade == grade} for grade in ("exact", "likely", "possible")
    }
    figures = {
        "cpu_s": round(spent, 2),
        "index_cpu_s": round(indexed, 2),
        "characters_per_pair": round(sum(map(len, pairs)) / PAIRS, 1),
        "questions_found": float(len(best)),
        **{f"found {name}": round(right[name] / PLANTED, 3) for name in EDITS},
        **{f"clean pairs {grade}": float(len(ids - planted.keys())) for grade, ids in flagged.items()},
    }
    table = [f"{name:<24} {value:12,.3f}" for name, value in figures.items()]
    return Outcome(figures, {"seconds_over_aim": round(spent / 10, 3)}, PAIRS, table)
