"""Exams made from a graph or from passages, as plain exam questions: nothing of them is worded as training is.

Single answer, several answers, true or false. A wrong option is a value of the same relation of another entity of the
same kind, first of those that have something in common with the one asked about, and never one that is also right: no
value that the entity has under any relation, and none that contains another option or is contained in it.

Facts are asked as two groups, taught and withheld, so that what was learned and what was guessed stand apart. Such a
question has its wording in `Question.wording`, and training pairs are not searched for it: its facts are taught on
purpose. A question made from a passage holds a sentence of it, so curation drops that passage
(`huatuo.checks.exam_copies`): what is asked is not read.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Literal

from huatuo.checks.numbers import Quantity, located
from huatuo.errors import InputError
from huatuo.recipe import MadeExam
from huatuo.records import WITHHELD, Document, Fact, Language, Option, Question
from huatuo.store import canonical_json, content_id, write_atomic
from huatuo.text.segment import sentences
from huatuo.text.zh import language, normalise_for_comparison

Shape = Literal["single", "multiple", "true_false"]

WORDINGS: Mapping[tuple[str, Language], tuple[str, ...]] = {
    ("single", "zh"): ("以下各项中，可归入“{entity}”之“{relation}”一栏的是", "“{entity}”条目下，“{relation}”一栏应填"),
    ("single", "en"): ("Which entry belongs under “{relation}” in the record of {entity}?",),
    ("multiple", "zh"): ("以下各项中，凡可归入“{entity}”之“{relation}”一栏者，请全部选出",),
    ("multiple", "en"): ("Select every entry that belongs under “{relation}” in the record of {entity}.",),
    ("true_false", "zh"): ("请判断正误：“{value}”可归入“{entity}”之“{relation}”一栏。",),
    ("true_false", "en"): ("True or false: “{value}” belongs under “{relation}” in the record of {entity}.",),
    ("cloze", "zh"): ("请为原文空白处选出正确的一项。\n{text}",),
    ("cloze", "en"): ("Choose what the gap in this text originally read.\n{text}",),
}
"""Wordings by shape and language. No pair is made with one of them (`tests/eval/test_exam_made.py` holds that)."""

TRUTH: Mapping[Language, tuple[str, str]] = {
    "zh": ("正确", "错误"),
    "en": ("True", "False"),
    "unknown": ("正确", "错误"),
}
"""Texts of the options of a true-or-false question."""

GAP = "____"
"""Stands where a passage's number was."""

FACTORS = tuple(map(Decimal, ("2", "0.5", "10", "0.1", "5", "0.2", "3")))
"""Numbers beside a dose: what a slip of the pen or of the unit makes of it."""

LONGEST_SENTENCE = 160
"""Characters of the longest sentence that a question holds."""

LABELS = "ABCDEFGH"


@dataclass
class Graph:
    """A graph as exam questions need it."""

    facts: dict[tuple[str, str], list[Fact]] = field(default_factory=lambda: defaultdict(list))
    """By entity and relation, those that can be asked."""
    known: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Everything that is said of an entity under any relation, as keys: none of it is a wrong option."""
    holders: dict[tuple[str, str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    """Entities by kind, relation and value."""
    values: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    """Values by kind and relation."""


def graph_of(facts: Iterable[Fact], relations: Sequence[str] = ()) -> Graph:
    """The facts arranged. One that a check objects to, or that repeats another source's, is not asked, yet it is said.

    ``relations``: only these are asked; empty: all.
    """
    graph = Graph()
    for fact in facts:
        graph.known[fact.entity].add(normalise_for_comparison(fact.value))
        if any(flag != WITHHELD for flag in fact.flags) or fact.same_as:
            continue
        if relations and fact.relation not in relations:
            continue
        graph.facts[fact.entity, fact.relation].append(fact)
        if not graph.holders[fact.kind, fact.relation, fact.value]:
            graph.values[fact.kind, fact.relation].append(fact.value)
        graph.holders[fact.kind, fact.relation, fact.value].add(fact.entity)
    return graph


def _rank(seed: int, *parts: str) -> str:
    return content_id("made exam", str(seed), *parts)


def _apart(text: str, keys: Iterable[str]) -> bool:
    """Whether a text neither contains nor is contained in one of the others, which are keys."""
    key = normalise_for_comparison(text)
    return bool(key) and all(key not in other and other not in key for other in keys)


def _keys(texts: Iterable[str]) -> list[str]:
    return [normalise_for_comparison(text) for text in texts]


def distractors(graph: Graph, fact: Fact, count: int, seed: int, beside: Sequence[str] = ()) -> list[str]:
    """At most ``count`` wrong values for the entity of a fact, the hardest first; ``beside``: options already there.

    First the values of entities that share one with this entity, those most shared first; then any of the same kind and
    relation.
    """
    near: Counter[str] = Counter()
    for own in graph.facts[fact.entity, fact.relation]:
        for other in sorted(graph.holders[fact.kind, fact.relation, own.value] - {fact.entity}):
            near.update(one.value for one in graph.facts[other, fact.relation])
    hard = sorted(near, key=lambda value: (-near[value], _rank(seed, fact.id, value)))
    every = graph.values[fact.kind, fact.relation]
    first = int(_rank(seed, "first", fact.id)[:12], 16) % len(every)
    taken = [*(key for key in graph.known[fact.entity] if key), *_keys(beside)]
    chosen: list[str] = []
    for value in chain(hard, every[first:], every[:first]):
        if len(chosen) == count:
            break
        if value not in chosen and _apart(value, taken):
            chosen.append(value)
            taken.append(normalise_for_comparison(value))
    return chosen


# ---------------------------------------------------------------- from a graph


def from_facts(settings: MadeExam, facts: Iterable[Fact], seed: int) -> Iterator[Question]:
    """The questions of an exam about a graph, by a hash, at most ``settings.most`` of each group and shape.

    A set of values without enough wrong options gives no question of that shape.
    """
    graph = graph_of(facts, settings.relations)
    counts: Counter[tuple[str, Shape]] = Counter()
    sets = sorted(graph.facts.items(), key=lambda item: _rank(seed, *item[0]))
    for (_, relation), own in sets:
        withheld = {WITHHELD in fact.flags for fact in own}
        if len(withheld) > 1:
            continue  # asked as taught its answer could not be known in full, asked as withheld it is half taught
        group = f"{settings.name}: {'withheld' if withheld == {True} else 'taught'}"
        for shape in settings.shapes:
            if settings.most and counts[group, shape] >= settings.most:
                continue
            made = _question(settings, graph, shape, own, seed)
            if made is not None:
                counts[group, shape] += 1
                yield made.model_copy(update={"group": group, "subject": relation})


def _question(settings: MadeExam, graph: Graph, shape: Shape, own: Sequence[Fact], seed: int) -> Question | None:
    ranked = sorted(own, key=lambda fact: _rank(seed, shape, fact.id))
    if shape == "true_false":
        return _true_false(settings, graph, ranked[0], seed)
    right = ranked[:1]
    if shape == "multiple":
        wanted = 2 + int(_rank(seed, "how many", own[0].id)[:4], 16) % max(1, settings.options - 2)
        right = []
        for fact in ranked:
            if len(right) < wanted and _apart(fact.value, _keys(one.value for one in right)):
                right.append(fact)
        if len(right) < 2:
            return None
    values = [fact.value for fact in right]
    wrong = distractors(graph, right[0], settings.options - len(right), seed, values)
    if len(wrong) < settings.options - len(right):
        return None
    wording = _wording(shape, right[0], seed)
    made = _with_options(settings, _word(wording, right[0]), values, wrong, seed)
    about = {"entity": right[0].entity, "wording": wording, "parents": tuple(fact.id for fact in right)}
    return made.model_copy(update=about)


def _wording(shape: str, fact: Fact, seed: int) -> str:
    tongue: Language = "en" if language(fact.entity + fact.value) == "en" else "zh"
    wordings = WORDINGS[shape, tongue]
    return wordings[int(_rank(seed, shape, fact.entity, fact.relation)[:8], 16) % len(wordings)]


def _word(wording: str, fact: Fact, value: str = "") -> str:
    return wording.replace("{relation}", fact.relation).replace("{value}", value).replace("{entity}", fact.entity)


def _with_options(settings: MadeExam, stem: str, right: Sequence[str], wrong: Sequence[str], seed: int) -> Question:
    texts = sorted((*right, *wrong), key=lambda text: _rank(seed, "place", stem, text))
    options = tuple(Option(label=label, text=text) for label, text in zip(LABELS, texts, strict=False))
    return Question(
        id=content_id(settings.name, stem, *texts),
        exam=settings.name,
        kind="multiple" if len(right) > 1 else "single",
        group=settings.name,
        question_type="multiple" if len(right) > 1 else "single",
        language=language(stem),
        stem=stem,
        options=options,
        gold=tuple(option.label for option in options if option.text in right),
    )


def _true_false(settings: MadeExam, graph: Graph, fact: Fact, seed: int) -> Question | None:
    """A statement that is true, or false with a hard wrong value: which of both a hash decides."""
    is_true = int(_rank(seed, "truth", fact.id)[:8], 16) % 2 == 0
    wrong = [] if is_true else distractors(graph, fact, 1, seed)
    if not is_true and not wrong:
        return None
    value = fact.value if is_true else wrong[0]
    wording = _wording("true_false", fact, seed)
    about = {"entity": fact.entity, "wording": wording, "parents": (fact.id,)}
    return _judged(settings, _word(wording, fact, value), is_true).model_copy(update=about)


def _judged(settings: MadeExam, stem: str, is_true: bool) -> Question:
    tongue = language(stem)
    texts = TRUTH[tongue]
    options = tuple(Option(label=label, text=text) for label, text in zip(LABELS, texts, strict=False))
    return Question(
        id=content_id(settings.name, stem, *texts),
        exam=settings.name,
        kind="single",
        group=settings.name,
        question_type="true_false",
        language=tongue,
        stem=stem,
        options=options,
        gold=("A",) if is_true else ("B",),
    )


# ---------------------------------------------------------------- from passages


def from_passages(settings: MadeExam, documents: Iterable[Document], seed: int) -> Iterator[Question]:
    """The questions of an exam about the numbers of texts, in the order of a hash: which dose, limit or period stood in
    a sentence, or whether it is right as it stands.

    A sentence with exactly one number with a unit is asked; the wrong numbers are slips of it, in its own spelling.
    """
    found = sorted(_numbered(documents), key=lambda item: _rank(seed, item[0].id, item[1]))
    counts: Counter[str] = Counter()
    seen: set[str] = set()
    for document, text, (start, end, quantity) in found:
        if text in seen:
            continue
        seen.add(text)
        for shape in settings.shapes:
            if shape == "multiple" or (settings.most and counts[shape] >= settings.most):
                continue
            made = _about_number(settings, shape, text, (start, end, quantity), seed)
            if made is not None:
                counts[shape] += 1
                yield made.model_copy(update={"parents": (document.id,), "subject": quantity.unit})


Place = tuple[int, int, Quantity]


def _numbered(documents: Iterable[Document]) -> Iterator[tuple[Document, str, Place]]:
    """Sentences that state one number with a unit and nothing else in numbers."""
    for document in documents:
        for start, end in sentences(document.text, document.language):
            text = document.text[start:end].strip()
            places = located(text) if len(text) <= LONGEST_SENTENCE else []
            if len(places) == 1 and places[0][2].unit and any(c.isdigit() for c in text[places[0][0] : places[0][1]]):
                yield document, text, places[0]


def _slips(said: str, count: int, seed: int) -> list[str]:
    """Wrong spellings of a number with its unit: the same words with another number."""
    digits = "".join(c for c in said if c.isdigit() or c == ".").strip(".")
    if said.count(digits) != 1:
        return []
    slips = [said.replace(digits, f"{(Decimal(digits) * factor).normalize():f}") for factor in FACTORS]
    return sorted(set(slips) - {said}, key=lambda slip: _rank(seed, "slip", said, slip))[:count]


def _about_number(settings: MadeExam, shape: str, text: str, place: Place, seed: int) -> Question | None:
    start, end, _ = place
    said = text[start:end].strip()
    wrong = _slips(said, settings.options - 1, seed)
    if len(wrong) < settings.options - 1:
        return None
    tongue: Language = "en" if language(text) == "en" else "zh"
    if shape == "single":
        stem = WORDINGS["cloze", tongue][0].replace("{text}", text[:start] + GAP + text[end:])
        return _with_options(settings, stem, [said], wrong, seed)
    is_true = int(_rank(seed, "truth", text)[:8], 16) % 2 == 0
    shown = text if is_true else text[:start] + wrong[0] + text[end:]
    ask = "请判断正误：" if tongue == "zh" else "True or false: "
    return _judged(settings, ask + shown, is_true)


# ---------------------------------------------------------------- as a file


def as_record(question: Question) -> dict[str, object]:
    """The question as a record of the plain exam format (`exam` in a recipe)."""
    return {
        "kind": question.kind,
        "question": question.stem,
        "options": {option.label: option.text for option in question.options},
        "answer": list(question.gold),
        "subject": question.subject,
        "question_type": question.question_type,
        "about": question.entity,
        "language": question.language,
    }


def write_file(settings: MadeExam, questions: Iterable[Question], path: Path) -> int:
    """How many questions were written to a JSON Lines file in the plain exam format.

    Raises InputError where there is none.
    """
    records = [canonical_json(as_record(question)) + "\n" for question in questions]
    if not records:
        raise InputError(f"{settings.name}: no question could be made; next: name other relations or fewer options")
    write_atomic(path, "".join(records))
    return len(records)
