"""The page of one annotator: the guideline, an anchor for every score, the training items with feedback, the items.

It is one file without scripts, to read on a screen or on paper beside the sheet; an item is known by its blind id.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

from huatuo.eval.sus import sheets
from huatuo.eval.sus.answers import as_rows
from huatuo.eval.sus.scales import Code, RatingScale
from huatuo.eval.sus.store import Place, StudyStore
from huatuo.eval.sus.study import Made
from huatuo.files import write_atomic
from huatuo.text.cells import clean, safe_cell
from huatuo.text.pages import page_template

WORDS: dict[str, tuple[str, str]] = {
    "annotator": ("评审人", "Annotator"),
    "total": ("共 {n} 条", "{n} items"),
    "how": ("怎样评", "How to rate"),
    "sheet": (
        "请在表格里按编号填写：每个维度一个分数，或“无法判断”；用了几秒可填在“用时（秒）”。"
        "行列的顺序可以改，编号不要改。",
        'Write into the sheet by id: one score for each dimension, or "cannot judge"; the seconds that an item took '
        "may go into the column seconds. Rows and columns may be moved; do not change an id.",
    ),
    "scores": ("每个分数的意思", "What each score means"),
    "dimension": ("维度", "Dimension"),
    "training": ("先练习", "Training first"),
    "training_note": (
        "请先在表格里评完这些练习，再展开参考评分对照；不一致时请重读评分标准。",
        "Rate these in the sheet first, then open the feedback; where yours differs, read the anchors again.",
    ),
    "rating": ("正式评分", "The items"),
    "rating_note": ("请按这里的顺序评。", "Please rate in this order."),
    "question": ("问题", "Question"),
    "answer": ("回答", "Answer"),
    "empty": ("（没有回答任何内容）", "(the answer is empty)"),
    "cannot": ("无法判断", "cannot judge"),
    "feedback": ("参考评分与理由", "Feedback"),
}
"""The page's words in Chinese and in English."""


def html(annotator: str, places: Sequence[Place], scale: RatingScale, language: Code) -> str:
    """The page of one annotator."""
    words = {name: both[language == "en"] for name, both in WORDS.items()}
    parts = [
        (words["training"], words["training_note"], [place for place in places if place.part == "training"]),
        (words["rating"], words["rating_note"], [place for place in places if place.part != "training"]),
    ]
    return _template().render(
        annotator=annotator, places=places, scale=scale, language=language, w=words, parts=parts, expected=_expected
    )


@lru_cache
def _template() -> jinja2.Template:
    return page_template("eval/sus", "annotator.html.j2")


def _expected(place: Place) -> dict[str, Any]:
    return dict(json.loads(place.item.expected))


def publish(folder: Path, store: StudyStore, scale: RatingScale, made: Made) -> list[Path]:
    """The files written: each annotator's page and sheets under ``sheets/``, and ``left-out.csv`` beside it.

    Raises as `sheets.write`.
    """
    language: Code = "en" if store.study().language == "en" else "zh"
    paths = []
    every = store.places()
    for annotator in made.loads:
        places = [place for place in every if place.annotator == annotator]
        paths += sheets.write(folder / "sheets", annotator, places, scale, language)
        page = folder / "sheets" / f"{annotator}.html"
        write_atomic(page, html(annotator, places, scale, language))
        paths.append(page)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(("rule", "outcome", "record", "reason", "excerpt"))
    for row in as_rows(made.dropped):
        writer.writerow([safe_cell(clean(str(cell))) for cell in row])
    write_atomic(folder / "left-out.csv", "\ufeff" + text.getvalue())
    return [*paths, folder / "left-out.csv"]
