"""Texts for the tests of curation at scale: made up, with planted duplicates and near-duplicates."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from huatuo.recipe_curate import CorpusSettings

ZH = "患者服用药物后症状减轻但仍需定期复查血压血糖和肝肾功能医生建议低盐饮食适当运动并记录每日体温变化情况如有不适及时就诊"
EN = [
    "the",
    "patient",
    "was",
    "given",
    "a",
    "daily",
    "dose",
    "of",
    "the",
    "drug",
    "and",
    "reported",
    "less",
    "pain",
    "after",
    "two",
    "weeks",
    "while",
    "blood",
    "pressure",
    "was",
    "measured",
    "in",
    "the",
    "morning",
    "and",
    "liver",
    "function",
    "remained",
    "within",
    "the",
    "normal",
    "range",
    "during",
    "follow",
    "up",
    "visits",
    "at",
    "the",
    "clinic",
]
SOURCES = (("web", "web"), ("books", "book"))


def sentence(dice: random.Random, language: str) -> str:
    """One made-up sentence."""
    if language == "zh":
        return "".join(dice.choice(ZH) for _ in range(dice.randint(12, 40))) + "。"
    return " ".join(dice.choice(EN) for _ in range(dice.randint(6, 18))).capitalize() + ". "


def records(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Records with id, title and text: a tenth exact copies, a tenth edited ones, some too short to keep."""
    dice = random.Random(seed)
    made: list[dict[str, Any]] = []
    for number in range(count):
        kind = dice.random()
        language = "zh" if dice.random() < 0.6 else "en"
        text = "".join(sentence(dice, language) for _ in range(dice.randint(4, 30)))
        if made and kind < 0.1:
            text = dice.choice(made)["text"]
        elif made and kind < 0.2:
            text = dice.choice(made)["text"]
            at = dice.randrange(len(text))
            text = text[:at] + "另" + text[at + 1 :]
        elif kind < 0.25:
            text = text[:9]
        made.append({"id": f"r{number}", "title": f"title {number}", "text": text})
    return made


def write_shards(folder: Path, rows: Sequence[dict[str, Any]], shards: int) -> Path:
    """The folder, with the rows dealt out to that many JSON Lines files."""
    folder.mkdir(parents=True)
    for shard in range(shards):
        lines(folder / f"{shard:03d}.jsonl", rows[shard::shards])
    return folder


def lines(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """The file, with a row a line."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def settings(source: Path, **options: Any) -> CorpusSettings:
    """Of one source of web pages."""
    sources = [{"name": "web", "path": source, "id": "id", "genre": "web"}]
    return CorpusSettings.model_validate({"sources": sources, **options})
