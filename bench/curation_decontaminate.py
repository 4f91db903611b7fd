"""Decontamination of 100,000 texts against 10,000 questions as curation does it: speed, and planted copies found.

Texts and questions come from the folder named by ``HUATUO_BENCH_DATA`` (questions: the stems of the exams in it), else
from made-up words. Some 500 texts each hold, in a line, a question whole, without its first quarter, and with 3 and 10
% of its characters exchanged; counted is what would be dropped of them and of the others. The peer is a
plain Python set of runs of 13 tokens on a tenth of the texts against a tenth of the questions, which flatters it.
"""

from __future__ import annotations

import csv
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import corpora
import pyarrow as pa
from run import Outcome

from huatuo.checks.exam_copies import indexes
from huatuo.corpus.decontaminate import contaminated_batch
from huatuo.corpus.rows import reasons
from huatuo.readers import tables
from huatuo.records import Question
from huatuo.text.zh import language, tokens

COUNT = int(os.environ.get("HUATUO_BENCH_TEXTS", "100000"))
QUESTIONS, PLANTED, SHORTEST = 10_000, 500, 13
KINDS = ("exact", "quarter cut off", "3 % exchanged", "10 % exchanged")


def _stems(place: Path | None) -> Iterator[str]:
    for path in sorted(place.rglob("*")) if place else ():
        if path.suffix == ".csv" and "mmlu" in str(path).lower():
            with path.open(encoding="utf-8", newline="") as file:
                yield from (row[0] for row in csv.reader(file) if row)
        elif path.suffix == ".json" and "pubmedqa" in str(path).lower():
            found = json.loads(path.read_text(encoding="utf-8"))
            yield from (row["QUESTION"] for row in found.values() if isinstance(row, dict) and "QUESTION" in row)
        elif path.suffix == ".xlsx" and "cmexam" in str(path).lower():
            for line in tables.lines(path):
                if not isinstance(line, tables.Flaw) and isinstance(line[1][0], str):
                    yield next((cell for cell in line[1] if isinstance(cell, str) and len(cell) > 8), "")


def stems(dice: random.Random) -> list[str]:
    """10,000 questions of at least 13 tokens, or as many as there are; made up where the folder holds none."""
    found = [stem for stem in dict.fromkeys(_stems(corpora.folder())) if len(tokens(stem)) >= SHORTEST]
    if not found:
        made = corpora.texts(QUESTIONS, seed=9)
        found = [text[: dice.randint(30, 90)] for text in made]
    dice.shuffle(found)
    return found[:QUESTIONS]


def _copy(stem: str, kind: str, dice: random.Random) -> str:
    if kind == "quarter cut off":
        return stem[len(stem) // 4 :]
    share = {"3 % exchanged": 0.03, "10 % exchanged": 0.1}.get(kind, 0.0)
    made = list(stem)
    for place in dice.sample(range(len(made)), round(share * len(made))):
        made[place] = chr(0x7000 + dice.randrange(900)) if language(stem) == "zh" else dice.choice("etaoinshr")
    return "".join(made)


def _naive(texts: list[str], questions: list[str]) -> float:
    """Texts per CPU-second of a plain set."""
    grams = {tuple(t[i : i + 13]) for q in questions for t in [tokens(q)] for i in range(len(t) - 12)}
    start = time.process_time()
    for text in texts:
        found = tokens(text)
        any(tuple(found[i : i + 13]) in grams for i in range(len(found) - 12))
    return len(texts) / (time.process_time() - start)


def run() -> Outcome:
    """Texts per CPU-second, share dropped of each kind of copy and of the clean texts."""
    dice = random.Random(3)
    texts, asked = corpora.texts(COUNT, seed=4), stems(dice)
    questions = [Question(id=f"q{i:05}", exam="e", kind="open", stem=stem, gold=("?",)) for i, stem in enumerate(asked)]
    planted: dict[int, tuple[str, str]] = {}
    for number, place in enumerate(dice.sample(range(COUNT), min(PLANTED * len(KINDS), COUNT // 10))):
        question, kind = dice.choice(questions), KINDS[number % len(KINDS)]
        middle = len(texts[place]) // 2
        texts[place] = "\n".join([texts[place][:middle], _copy(question.stem, kind, dice), texts[place][middle:]])
        planted[place] = (kind, question.id)
    batch = pa.RecordBatch.from_pydict({"normal": texts, "witness": [""] * COUNT})
    batches = [batch.slice(start, 20_000) for start in range(0, COUNT, 20_000)]
    indexes(questions[:20])  # the table of folded characters is made once per process
    start = time.process_time()
    made = indexes(questions)
    indexed = time.process_time() - start
    why = [reason for one in batches for reason in reasons(contaminated_batch(one, made))]
    spent = time.process_time() - start
    all_ = Counter(kind for kind, _ in planted.values())
    right = Counter(kind for place, (kind, _) in planted.items() if why[place])
    flagged = Counter(why[place].split(",")[0] for place in range(COUNT) if why[place] and place not in planted)
    clean = COUNT - len(planted)
    figures = {"texts": float(COUNT), "questions": float(len(questions)), "cpu_s": spent, "index cpu_s": indexed}
    figures |= {"texts per cpu_s": COUNT / spent, "characters per text": sum(map(len, texts)) / COUNT}
    figures |= {f"dropped, {kind}": right[kind] / max(all_[kind], 1) for kind in KINDS}
    figures |= {"dropped, clean, %": 100 * sum(flagged.values()) / clean}
    figures |= {f"clean, {why}, %": 100 * count / clean for why, count in sorted(flagged.items())}
    naive = _naive(texts[: COUNT // 10], asked[: len(asked) // 10])
    figures["texts per cpu_s, plain set"] = naive
    ratios = {"times a plain set": figures["texts per cpu_s"] / naive}
    table = [f"{name:<34} {value:14,.3f}" for name, value in (figures | ratios).items()]
    return Outcome(
        {k: round(v, 4) for k, v in figures.items()}, {k: round(v, 3) for k, v in ratios.items()}, COUNT, table
    )
