"""The answers that are to be rated: of a run, or of a table with the columns question, model and answer."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from huatuo.errors import DataError, InputError
from huatuo.readers.encoding import check_file, read_lines
from huatuo.readers.tables import SUFFIXES, Flaw, lines
from huatuo.records import Dropped, Question, Response
from huatuo.store import content_id, read

COLUMNS = ("question", "model", "answer")
"""Columns that a table must have; ``id`` (of the question) is read where it is there."""

ORDINARY = frozenset({
    "base", "ours", "model", "models", "checkpoint", "adapter", "merged", "final", "latest", "chat", "instruct",
    "teacher", "student", "judge", "medical", "clinical", "health", "doctor", "patient", "baseline", "answer",
    "answers", "test", "demo", "small", "large", "tiny", "new", "old", "first", "second", "zero", "shot",
    "english", "chinese", "mini", "plus", "turbo", "pro", "max", "lite", "flash", "preview", "assistant", "模型",
    "基线", "教师", "学生",
})  # fmt: skip
"""Names of models and their folders that are words of the language: they are not looked for in answers."""

FAMILIES = (
    "ChatGPT", "GPT-3.5", "GPT-4", "GPT-4o", "GPT-5", "OpenAI", "ChatGLM", "HuatuoGPT", "HuaTuo", "华佗GPT", "LLaMA",
    "Alpaca", "Vicuna", "Qwen", "通义千问", "通义", "Baichuan", "百川智能", "ERNIE", "文心一言", "Claude", "Anthropic",
    "Gemini", "DeepSeek", "深度求索", "Mistral", "InternLM", "MedGPT", "DISC-MedLLM", "BenTsao", "智谱",
)  # fmt: skip
"""Names of model families and their makers that the papers compare with: a model says these more often than the name
of its file. None is a word that a medical answer needs: GPT alone is an enzyme, 本草 a book."""

SHORTEST_NAME = 3
"""Characters of the shortest name that is looked for."""

MASK = {"zh": "［模型名］", "en": "[name of a model]"}
"""What stands in an answer where a model named itself."""


@dataclass(frozen=True)
class Answer:
    """One model's answer to one question."""

    question_id: str
    """The question."""
    response_id: str
    """The answer."""
    model: str
    """Whose it is."""
    question: str
    """What was asked."""
    text: str
    """What was answered, empty where the model said nothing."""
    names: tuple[str, ...] = ()
    """Further names of the model."""


def load(path: Path) -> tuple[list[Answer], list[Dropped]]:
    """(answers, what is none) of a run folder, or of a CSV, TSV, XLSX or JSON Lines file.

    A refusal is an answer: people rate it. A call that failed is none. Raises InputError where the table lacks a column
    or holds no answer, DataError where the run has not been asked.
    """
    answers, dropped = _of_run(path) if path.is_dir() else _of_table(path)
    if not answers:
        raise InputError(f"{path}: holds no answer; expected questions answered by models; next: check the source")
    return answers, dropped


def _dropped(record: str, rule: str, reason: str, excerpt: str = "") -> Dropped:
    return Dropped(record_id=record, stage="sus", outcome="dropped", rule=rule, reason=reason, excerpt=excerpt[:200])


def _of_run(run: Path) -> tuple[list[Answer], list[Dropped]]:
    if not (run / "ask" / "manifest.json").exists():
        raise DataError(f"{run}: has no finished stage ask; expected a run whose models were asked; next: huatuo ask")
    questions = {question.id: question for question in read(run / "questions", "questions", Question)}
    answers, dropped = [], []
    for response in read(run / "ask", "responses", Response):
        question = questions.get(response.question_id)
        if question is None:
            dropped.append(_dropped(response.id, "unknown question", f"question {response.question_id} is not there"))
        elif response.finish_reason == "error":
            dropped.append(_dropped(response.id, "error", f"the call of {response.model} failed", question.stem))
        else:
            names = tuple(name for name in (response.provenance.model,) if name)
            asked = response.messages[-1].content
            answers.append(Answer(question.id, response.id, response.model, asked, response.text, names))
    return answers, dropped


def _of_table(path: Path) -> tuple[list[Answer], list[Dropped]]:
    rows = _json_rows(path) if path.suffix.lower() in (".jsonl", ".json") else _table_rows(path)
    answers, dropped = [], []
    for place, row in rows:
        if isinstance(row, str):
            dropped.append(_dropped(f"{path.name} {place}", "bad_row", row))
            continue
        question, model, text = (row[name] for name in COLUMNS)
        if not question.strip() or not model.strip():
            missing = "no question" if not question.strip() else "missing_field"
            dropped.append(_dropped(f"{path.name} {place}", missing, f"{place}: needs a question and a model", text))
            continue
        question_id = row["id"].strip() or content_id("sus question", question)
        response_id = content_id("sus answer", path.name, place, model, question, text)
        answers.append(Answer(question_id, response_id, model.strip(), question, text))
    return answers, dropped


def _json_rows(path: Path) -> Iterator[tuple[str, dict[str, str] | str]]:
    check_file(path)
    for number, text, _ in read_lines(path):
        if not text.strip():
            continue
        try:
            data = json.loads(text)
        except ValueError as error:
            yield f"line {number}", f"not JSON: {error}"
            continue
        values = [data.get(name) for name in COLUMNS] if isinstance(data, dict) else [None]
        if not all(isinstance(value, str) for value in values):
            yield f"line {number}", f"expected an object with the texts {', '.join(COLUMNS)}"
            continue
        row = {name: str(value) for name, value in zip(COLUMNS, values, strict=True)}
        yield f"line {number}", row | {"id": str(data.get("id", ""))}


def _table_rows(path: Path) -> Iterator[tuple[str, dict[str, str] | str]]:
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: expected a run folder, or a file that ends in {', '.join(SUFFIXES)} or .jsonl")
    columns: dict[str, int] = {}
    for line in lines(path):
        if isinstance(line, Flaw):
            if line.is_lost:
                yield line.place, line.message
            continue
        number, cells = line
        texts = [cell if isinstance(cell, str) else str(cell.shown) for cell in cells]
        if columns:
            if any(text.strip() for text in texts):
                yield f"row {number}", {name: _cell(texts, columns.get(name)) for name in (*COLUMNS, "id")}
            continue
        names = [text.strip().lower() for text in texts]
        if missing := [name for name in COLUMNS if name not in names]:
            raise InputError(f"{path}: no column {missing[0]!r} ({', '.join(names)}); next: name {', '.join(COLUMNS)}")
        columns = {name: names.index(name) for name in (*COLUMNS, "id") if name in names}


def _cell(texts: Sequence[str], place: int | None) -> str:
    return texts[place] if place is not None and place < len(texts) else ""


# ---------------------------------------------------------------- which, and without names


def complete(answers: Sequence[Answer]) -> tuple[list[str], dict[str, dict[str, Answer]], list[Dropped]]:
    """(models, answers by question and model, what is left out): the questions that every model answered once.

    Models are compared on the same questions: one that a model did not answer is left out for all, with the reason.
    Raises InputError where no question is left.
    """
    models = sorted({answer.model for answer in answers})
    grouped: dict[str, dict[str, Answer]] = defaultdict(dict)
    twice: Counter[str] = Counter()
    dropped = []
    for answer in answers:
        if answer.model in grouped[answer.question_id]:
            twice[answer.model] += 1
            reason = f"{answer.model} answers this question more than once; the first answer is taken"
            dropped.append(_dropped(answer.response_id, "duplicate", reason, answer.text))
        else:
            grouped[answer.question_id][answer.model] = answer
    whole = {question: each for question, each in grouped.items() if len(each) == len(models)}
    for question, each in grouped.items():
        if question not in whole:
            missing = ", ".join(model for model in models if model not in each)
            text = next(iter(each.values())).question
            dropped.append(_dropped(question, "no_answer", f"not answered by {missing}", text))
    if not whole:
        raise InputError(f"no question was answered by all of {', '.join(models)}; next: ask every model the same")
    return models, whole, dropped


def drawn(whole: dict[str, dict[str, Answer]], count: int, seed: int) -> tuple[list[str], list[Dropped]]:
    """(questions, those left for later): ``count`` of them drawn by hash, all where it is 0."""
    order = sorted(whole, key=lambda question: content_id("sus question", str(seed), question))
    kept = order[: count or len(order)]
    left = [
        Dropped(record_id=question, stage="sus", outcome="left", rule="not drawn", reason=f"{count} are asked for")
        for question in order[len(kept) :]
    ]
    return kept, left


def masked(answers: Iterable[Answer], hide: Sequence[str], language: str) -> tuple[list[Answer], int]:
    """(answers, how many of them named a model): names of the models and those in ``hide`` are taken out of the text.

    A model that says who it is would end the blindness, and it rarely says it as its file is called: the first part of
    a name (ChatGLM of ChatGLM-6B), other marks between parts (gpt4), `FAMILIES` and who trained it go too. Names of
    fewer than three characters and those in `ORDINARY` stay.
    """
    every = list(answers)
    names = {name for answer in every for name in (answer.model, *answer.names)} | set(hide)
    pattern = re.compile("|".join(map(_spelled, _wanted(names))), re.I)
    mask = MASK["en" if language == "en" else "zh"]

    def hidden(text: str) -> str:
        return _MAKER.sub(lambda match: f"{match[1] or match[4]}{mask}{match[3] or ''}", pattern.sub(mask, text))

    made = [replace(a, text=hidden(a.text), question=hidden(a.question)) for a in every]
    return made, sum(old.text != new.text for old, new in zip(every, made, strict=True))


_CUTS = re.compile(r"[\s_\-–./:@+()（）]+")
_MAKER = re.compile(
    r"((?:我是|我由|作为|模型|助手)[^。\n]{0,20}?由)([^。，,.；\s]{2,24}?)((?:公司|团队|实验室)?(?:共同|联合|独立|自主)?"
    r"(?:开发|训练|研发|研制|推出|打造|创建))"
    r"|(\b(?:I'm|I am|I was|AI|model|assistant)\b[^.\n]{0,60}?\b(?:developed|created|trained|made|built) by )"
    r"((?:the )?[A-Z][\w.&-]*(?: (?:and |of )?[A-Z][\w.&-]*){0,3})"
)
"""Who made a model, as it says of itself."""


def _wanted(names: Iterable[str]) -> list[str]:
    """The names to look for, longest first: whole, and their first part where it is a name by itself."""
    found = {name for name in names if len(name) >= SHORTEST_NAME and name.lower() not in ORDINARY}
    for name in list(found):
        first = next(iter(part for part in _CUTS.split(name) if part), "")
        stem = first.rstrip("0123456789")
        for part in (first, stem):
            if len(part) > SHORTEST_NAME and not part.isdigit() and part.lower() not in ORDINARY:
                found.add(part)
    return sorted(found | set(FAMILIES), key=lambda name: (-len(name), name))


def _spelled(name: str) -> str:
    """The pattern of a name with any marks between its parts, and the size or version behind it.

    A name within a longer Latin word is none: no letter of ASCII on either side.
    """
    joint = r"[\s_\-–.]{0,2}".join(re.escape(part) for part in _CUTS.split(name) if part)
    if name[-1].isdigit():
        return rf"(?<![A-Za-z0-9]){joint}(?:[oO]|[\s_\-–.]?(?:mini|turbo))*(?![A-Za-z0-9])"
    size = r"(?:[\s_\-–.]?(?:[IVX]{1,3}|v?\d+(?:\.\d+)?[BbKkMmoO]?)(?![A-Za-z0-9]))*"
    return rf"(?<![A-Za-z0-9]){joint}{size}(?![A-Za-z0-9])"


def as_rows(dropped: Iterable[Dropped]) -> list[tuple[Any, ...]]:
    """(rule, outcome, record, reason, excerpt) of what was left out, for a table."""
    return [(one.rule, one.outcome, one.record_id, one.reason, one.excerpt) for one in dropped]
