"""What the models will be asked: exams read from JSON files, and a probe made from the graph's facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from huatuo.errors import InputError
from huatuo.eval.probes import Taught, make_probe
from huatuo.progress import bar
from huatuo.readers.jsonfile import Raw, records
from huatuo.recipe import ExamSource, QuestionsSettings
from huatuo.records import Fact, Language, Option, Question
from huatuo.store import Writer, canonical_json, content_id, read
from huatuo.text.zh import language

KINDS = ("single", "multiple", "open")
"""Kinds of exam questions. The kind is stated, never inferred from the number of right answers: a multiple-answer
question may have one."""


class _Unfit(ValueError):
    """An exam question that cannot be asked: the rule and the reason."""

    def __init__(self, rule: str, reason: str):
        super().__init__(reason)
        self.rule = rule


def make(settings: QuestionsSettings, knowledge: Path, phrasings: Taught, seed: int, out: Writer) -> None:
    """Write table ``questions``: the exams' questions, and the probe's.

    ``knowledge`` is the data set of ingest, ``phrasings`` the wordings that are trained on. Raises InputError for a
    file that cannot be used as a whole; a question that cannot be asked is dropped with the reason.
    """
    for exam in settings.exams:
        _write_exam(exam, out)
    with bar("questions", unit="facts") as shown:
        make_probe(settings.probe, _facts(knowledge, shown.advance), phrasings, seed, out)


def _write_exam(exam: ExamSource, out: Writer) -> None:
    """The questions of one exam; twins once, and none of those whose right answers contradict each other.

    Raises InputError where not one can be asked.
    """
    found: dict[str, list[tuple[str, str, Question]]] = {}
    reasons: Counter[str] = Counter()
    for raw_id, raw in _raw_questions(exam):
        out.expect([raw_id])
        try:
            question = _question(exam, raw)
        except _Unfit as unfit:
            reasons[unfit.rule] += 1
            out.drop(raw_id, unfit.rule, f"{exam.path.name} {raw.place}: {unfit}", excerpt=_excerpt(raw))
            continue
        found.setdefault(question.id, []).append((raw_id, raw.place, question))
    if not found:
        why = ", ".join(f"{rule} {n:,}" for rule, n in reasons.most_common(3)) or "it holds no record"
        raise InputError(f"{exam.path}: exam {exam.name!r} has no question that can be asked ({why}); next: mend it")
    for twins in found.values():
        golds = {(question.kind, question.gold, question.reference) for _, _, question in twins}
        for number, (raw_id, place, question) in enumerate(twins):
            if len(golds) > 1:
                reason = (
                    f"{exam.path.name} {place}: the same stem and options have {len(golds)} different right answers"
                )
                out.drop(raw_id, "contradictory answers", reason, excerpt=question.stem)
            elif number:
                reason = f"{exam.path.name} {place}: the same stem and options as {twins[0][1]}"
                out.drop(raw_id, "duplicate", reason, witness=question.id, excerpt=question.stem)
            else:
                out.write("questions", question, uses=[raw_id])


def _facts(knowledge: Path, advance: Any) -> Iterator[Fact]:
    for fact in read(knowledge, "facts", Fact):
        advance()
        yield fact


def _raw_questions(exam: ExamSource) -> Iterator[tuple[str, Raw]]:
    """Every record of an exam with an id of its own, made of the exam's name and the record's place."""
    for raw in records(exam.path):
        yield content_id("exam record", exam.name, exam.path.name, raw.place), raw


def _excerpt(raw: Raw) -> str:
    return raw.excerpt or canonical_json(raw.value)


def _question(exam: ExamSource, raw: Raw) -> Question:
    if raw.problem is not None:
        raise _Unfit(raw.problem.rule, raw.problem.message)
    value = raw.value
    if not isinstance(value, dict):
        raise _Unfit("no question", f"expected an object, found {type(value).__name__}")
    if exam.format == "instructions":
        value = _as_open_question(value)
    stem, kind = _text(value, "question"), _text(value, "kind")
    if kind not in KINDS:
        raise _Unfit("unknown kind", f"kind is {kind!r}; expected {', '.join(KINDS)}")
    options = () if kind == "open" else _options(value)
    gold = () if kind == "open" else _gold(value, options, kind)
    parts = [part for option in options for part in (option.label, option.text)]
    return Question(
        id=content_id(exam.name, stem, *parts),
        exam=exam.name,
        kind=_kind(kind),
        group=exam.name,
        year=str(value.get("year") or ""),
        subject=str(value.get("subject") or ""),
        entity="、".join(map(str, value["about"])) if isinstance(value.get("about"), list) else "",
        language=_language(value, stem),
        stem=stem,
        options=options,
        gold=gold,
        reference=_text(value, "reference") if kind == "open" else "",
        written_on=str(value.get("written_on") or ""),
        licence=exam.licence,
        access=exam.access,
    )


def _as_open_question(value: dict[str, Any]) -> dict[str, Any]:
    """An instruction record as an open question: the instruction and its input asked, the output its reference."""
    asked = "\n".join(part for part in (_text(value, "instruction"), str(value.get("input") or "").strip()) if part)
    return {"kind": "open", "question": asked, "reference": _text(value, "output")}


def _kind(kind: str) -> Literal["single", "multiple", "open"]:
    return "single" if kind == "single" else "multiple" if kind == "multiple" else "open"


def _text(value: dict[str, Any], name: str) -> str:
    found = value.get(name)
    if not isinstance(found, str) or not found.strip():
        raise _Unfit(f"no {name}", f"{name} is {found!r}; expected text")
    if "\0" in found or "\ufffd" in found:
        raise _Unfit("broken character", f"{name} holds a character that was lost: {found[:60]!r}")
    return found.strip()


def _language(value: dict[str, Any], stem: str) -> Language:
    stated = value.get("language")
    return "zh" if stated == "zh" else "en" if stated == "en" else language(stem)


def _options(value: dict[str, Any]) -> tuple[Option, ...]:
    """The options in the source's order, with its labels."""
    found = value.get("options")
    if not isinstance(found, dict) or len(found) < 2:
        raise _Unfit(
            "no options", f"options are {type(found).__name__}; expected an object of at least two label: text"
        )
    for label, text in found.items():
        if not label.strip() or not isinstance(text, str) or not text.strip():
            raise _Unfit("empty option", f"option {label!r} is {text!r}; expected text")
    if len({text.strip() for text in found.values()}) < len(found):
        raise _Unfit("options alike", f"two options say the same: {found}")
    return tuple(Option(label=label.strip(), text=text.strip()) for label, text in found.items())


def _gold(value: dict[str, Any], options: tuple[Option, ...], kind: str) -> tuple[str, ...]:
    """The right labels in the order of the options."""
    found = value.get("answer")
    labels = [option.label for option in options]
    if isinstance(found, str):
        found = [found] if found in labels else list(found)
    if not isinstance(found, list) or not found:
        raise _Unfit("no answer", f"answer is {found!r}; expected a list of labels")
    unknown = [label for label in found if label not in labels]
    if unknown:
        raise _Unfit("answer is no option", f"answer {unknown[0]!r} is none of the labels {', '.join(labels)}")
    if kind == "single" and len(set(found)) > 1:
        raise _Unfit("two answers to a single", f"answer is {found}; expected one label, or kind multiple")
    return tuple(label for label in labels if label in found)


def read_questions(folder: Path) -> dict[str, Question]:
    """The questions of a data set by id, in their order.

    Raises InputError where there is none.
    """
    found = {question.id: question for question in read(folder, "questions", Question)}
    if not found:
        raise InputError(
            f"{folder}: holds no questions; expected exams or a probe; next: check [questions] of the recipe"
        )
    return found
