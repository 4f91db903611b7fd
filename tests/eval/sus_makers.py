"""Studies for the tests: answers of four models, and annotators who rate them by a rule."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

from huatuo.eval.sus import pages, scales, store, study
from huatuo.eval.sus.order import Plan
from huatuo.eval.sus.scales import RatingScale
from huatuo.eval.sus.store import Given, Place, StudyStore

MODELS = ("LLaMA-7B", "HuaTuo-7B", "ChatGLM-6B", "Alpaca-zh")
PEOPLE = ("甲", "乙", "丙", "丁", "戊")
Rule = Callable[[Place, str], int | None]


def source(folder: Path, questions: int = 30, models: tuple[str, ...] = MODELS) -> Path:
    """A table of answers in which every model says its name, and the first says nothing."""
    path = folder / "answers.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "question", "model", "answer"))
        for i in range(questions):
            for model in models:
                said = "" if model == MODELS[0] else f"第{i}答：我是{model}模型。\n“多喝水”，体温{i % 4 + 36}.5℃"
                writer.writerow((f"q{i}", f"第{i}个问题，怎么办？", model, said))
    return path


def made(
    folder: Path, questions: int = 30, people: tuple[str, ...] = PEOPLE, publish: bool = False, **plan: float
) -> tuple[StudyStore, RatingScale, study.Made]:
    """A study of `source`; its sheets and pages below ``folder`` where they are to be published."""
    folder.mkdir(parents=True, exist_ok=True)
    scale = scales.load("sus")
    every = {"each": len(people), "duplicates": 0.05, "training": 5, "attention": 2, "seed": 1} | plan
    found = store.create(folder, "study")
    told = study.make(source(folder, questions), scale, Plan(people, **every), found, "zh", (), 0)
    if publish:
        pages.publish(folder, found, scale, told)
    return found, scale, told


def rate(found: StudyStore, scale: RatingScale, rule: Rule) -> None:
    """Save every person's rating of every place by ``rule``; None: cannot judge. What has a right score gets it."""
    ratings = []
    for place in found.places():
        expected = json.loads(place.item.expected) if place.item.expected else {}
        for dimension in scale.dimensions:
            value = expected.get(dimension.id) or rule(place, dimension.id)
            ratings.append(Given(place.blind, dimension.id, value, "" if value is not None else "cannot judge", 30.0))
    found.save(ratings)


def rows(path: Path) -> list[list[str]]:
    """The cells of a sheet that was sent out."""
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def as_csv(cells: list[list[str]], encoding: str = "utf-8-sig") -> bytes:
    """The cells as a spreadsheet saves them."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(cells)
    return text.getvalue().encode(encoding, "replace")
