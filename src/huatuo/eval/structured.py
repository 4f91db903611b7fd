"""Structured answers: F1 over sets of entities, triples or codes, and the composition of a formula.

The answer is one JSON value, alone or in a fence; what is anything else has no score, and the reason. A thing said
twice counts once. Exact: equal after NFKC, blanks and letter case. Partial: a greedy one-to-one match, each pair with a
credit from 0 to 1 (entities: share of characters that agree; triples: two of three parts; codes: one ICD-10 category).
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import huatuo
from huatuo.errors import InputError
from huatuo.eval import stats
from huatuo.eval.formula import Ingredient, read_ingredients, same_dose
from huatuo.readers.encoding import check_file, read_lines
from huatuo.records import Figure, Score
from huatuo.store import content_id

Kind = Literal["entities", "triples", "codes", "formula"]
KINDS: tuple[Kind, ...] = ("entities", "triples", "codes", "formula")
"""What an answer can be."""

METRICS: Mapping[Kind, tuple[str, ...]] = {
    "entities": ("f1", "partial f1"),
    "triples": ("f1", "partial f1"),
    "codes": ("f1", "partial f1"),
    "formula": ("f1", "partial f1", "doses"),
}
"""Metrics of a kind. Of a formula ``f1`` is over ingredients with their doses, ``partial f1`` over ingredients alone,
``doses`` the share of the shared ingredients with the right dose."""

PARTIAL_LEAST = 0.5
"""Least credit that a pair of unequal entities gets: half of their characters agree. Below it they are two things."""

_FENCED = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL | re.IGNORECASE)
_KEYS: Mapping[Kind, tuple[str, ...]] = {
    "entities": ("entities", "实体"),
    "triples": ("triples", "三元组"),
    "codes": ("codes", "编码"),
    "formula": ("ingredients", "组成", "formula"),
}
_PARTS = (("subject", "head", "头实体"), ("relation", "predicate", "关系"), ("object", "tail", "尾实体"))
_CODE = re.compile(r"[A-Z]\d{2}(?:\.?[\dX]+){0,3}[+*]?")


class Answered(NamedTuple):
    """What an answer holds, or why it holds nothing that can be scored."""

    items: tuple[Any, ...]
    """Entities as (kind, name), the kind empty where none is given; triples of texts, codes, or `Ingredient`."""
    unscored: str = ""
    """Why there are none; empty for an empty list, which is an answer."""


class Scored(NamedTuple):
    """The scores of one answer."""

    values: dict[str, float]
    """By metric, from 0 to 1; empty where it is unscored. ``doses`` is absent where no ingredient is shared."""
    unscored: str
    """Why there are none."""


def plain(text: str) -> str:
    """A text in one spelling: NFKC, lower case, without blanks."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text)).casefold()


# ---------------------------------------------------------------- reading


def read(text: str, kind: Kind) -> Answered:
    """What an answer of this kind holds. Nothing is repaired and nothing is looked for among other words."""
    body = text.strip()
    if not body:
        return Answered((), "empty")
    if fenced := _FENCED.fullmatch(body):
        body = fenced[1]
    try:
        value = json.loads(body, parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        return Answered((), f"not JSON: {str(error)[:60]}")
    if isinstance(value, dict):
        named = [value[key] for key in _KEYS[kind] if key in value]
        if len(named) != 1:
            return Answered((), f"no list under {' or '.join(_KEYS[kind])}")
        value = named[0]
    if not isinstance(value, list):
        return Answered((), f"JSON of type {type(value).__name__}, not a list")
    return read_items(value, kind)


def read_items(value: Sequence[Any], kind: Kind) -> Answered:
    """The items of a list as JSON gives them; one that cannot be read leaves the whole answer unscored."""
    if kind == "formula":
        found, problem = read_ingredients(value)
        return Answered(found, problem)
    reader = _READERS[kind]
    items: list[Any] = []
    for number, one in enumerate(value, 1):
        item = reader(one)
        if item is None:
            return Answered((), f"item {number} is no {kind.removesuffix('s')}: {str(one)[:40]!r}")
        items.append(item)
    return Answered(tuple(dict.fromkeys(items)))


def _entity(value: Any) -> tuple[str, str] | None:
    kind: Any = ""
    if isinstance(value, dict):
        kind = value.get("type", value.get("类型", ""))
        value = value.get("name", value.get("名称"))
    if not isinstance(value, str) or not isinstance(kind, str) or not plain(value):
        return None
    return plain(kind), plain(value)


def _triple(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, dict):
        value = [next((value[key] for key in keys if key in value), None) for keys in _PARTS]
    if not isinstance(value, list) or len(value) != 3 or not all(isinstance(part, str) for part in value):
        return None
    parts = tuple(map(plain, value))
    return parts if all(parts) else None


def _code(value: Any) -> str | None:
    text = plain(value).upper() if isinstance(value, str) else ""
    return text.replace(".", "") if _CODE.fullmatch(text) else None


_READERS: Mapping[Kind, Callable[[Any], Any]] = {"entities": _entity, "triples": _triple, "codes": _code}

# ---------------------------------------------------------------- scoring


def f1(said: Sequence[Any], gold: Sequence[Any], credit: Callable[[Any, Any], float]) -> float:
    """F1 of two sets under a one-to-one match by descending credit; 1 where both are empty, 0 where one is.

    Equal credits are taken in the order of the items, so the same sets give the same value.
    """
    if not said or not gold:
        return float(not said and not gold)
    every = sorted(((-credit(a, b), i, j) for i, a in enumerate(said) for j, b in enumerate(gold)))
    total, left, right = [], set[int](), set[int]()
    for worth, i, j in every:
        if worth < 0 and i not in left and j not in right:
            total.append(-worth)
            left.add(i)
            right.add(j)
    return 2 * math.fsum(total) / (len(said) + len(gold))


def exact(one: Any, other: Any) -> float:
    """1 for equal items."""
    return float(one == other)


def entity_credit(one: tuple[str, str], other: tuple[str, str]) -> float:
    """Share of characters that two names agree in (Dice over the multiset); 0 below `PARTIAL_LEAST` and for another
    kind."""
    if one[0] != other[0]:
        return 0.0
    names = Counter(one[1]), Counter(other[1])
    value = 2 * (names[0] & names[1]).total() / (names[0].total() + names[1].total())
    return value if value >= PARTIAL_LEAST else 0.0


def triple_credit(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    """2/3 where two of the three parts are equal, 1 where all are, else 0."""
    same = sum(a == b for a, b in zip(one, other, strict=True))
    return same / 3 if same >= 2 else 0.0


def code_credit(one: str, other: str) -> float:
    """1/2 for codes of one ICD-10 category (the first three characters), 1 for equal ones, else 0."""
    return 1.0 if one == other else 0.5 if one[:3] == other[:3] else 0.0


_CREDITS: Mapping[Kind, Callable[[Any, Any], float]] = {
    "entities": entity_credit,
    "triples": triple_credit,
    "codes": code_credit,
}


def score(text: str, gold: Answered, kind: Kind) -> Scored:
    """The scores of an answer against what is right, or why it has none.

    Raises ValueError where the gold itself could not be read: an error of the data, never of the answer.
    """
    if gold.unscored:
        raise ValueError(f"the gold cannot be read: {gold.unscored}")
    said = read(text, kind)
    if said.unscored:
        return Scored({}, said.unscored)
    if kind == "formula":
        return Scored(_composition(said.items, gold.items), "")
    return Scored(
        {"f1": f1(said.items, gold.items, exact), "partial f1": f1(said.items, gold.items, _CREDITS[kind])}, ""
    )


def _composition(said: Sequence[Ingredient], gold: Sequence[Ingredient]) -> dict[str, float]:
    wanted = {one.name: one for one in gold}
    values = {
        "f1": f1(said, gold, lambda a, b: float(a.name == b.name and same_dose(a, b))),
        "partial f1": f1(said, gold, lambda a, b: float(a.name == b.name)),
    }
    shared = [(one, wanted[one.name]) for one in said if one.name in wanted]
    return values | ({"doses": sum(same_dose(a, b) for a, b in shared) / len(shared)} if shared else {})


# ---------------------------------------------------------------- a file of golds


def read_golds(path: Path, kind: Kind) -> dict[str, Answered]:
    """The gold of each question from JSON Lines: ``{"id", "gold": [...]}``, the list as an answer would give it.

    Raises InputError, with the line, for one that cannot be read: a gold is never guessed.
    """
    check_file(path)
    found: dict[str, Answered] = {}
    for number, text, _ in read_lines(path):
        if not text.strip():
            continue
        try:
            data = json.loads(text, parse_float=str, parse_int=str)
            question, items = str(data["id"]), data["gold"]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: line {number}: {error}; expected id and gold; next: mend the line") from None
        gold = read_items(items, kind) if isinstance(items, list) else Answered((), "gold is no list")
        if gold.unscored or question in found:
            why = gold.unscored or f"{question!r} stands twice"
            raise InputError(f"{path}: line {number}: {why}; next: mend the gold")
        found[question] = gold
    return found


def score_answers(
    answers: Sequence[tuple[str, str, str, str]], golds: Mapping[str, Answered], kind: Kind, resamples: int, seed: int
) -> tuple[list[Score], list[Figure]]:
    """(scores, figures) of answers (response id, question id, model, text) whose question has a gold.

    An unscored answer counts as 0 in the means, so that a malformed answer gains nothing, and is shown apart. Raises
    InputError where no answer has a gold.
    """
    scores: list[Score] = []
    for response, question, model, text in answers:
        if question in golds:
            scores += _scores(response, question, model, score(text, golds[question], kind), kind)
    if not scores:
        raise InputError(f"none of {len(answers)} answers has a gold; next: give both the same ids")
    grouped: dict[tuple[str, str], list[Score]] = defaultdict(list)
    for one in scores:
        grouped[one.metric, one.model].append(one)
    return scores, [_figure(metric, model, own, kind, resamples, seed) for (metric, model), own in grouped.items()]


def _scores(response: str, question: str, model: str, found: Scored, kind: Kind) -> list[Score]:
    made = []
    for metric in METRICS[kind]:
        if metric not in found.values and not found.unscored:
            continue  # no ingredient is shared, so there is no dose to compare
        said = signature(kind, metric)
        made.append(
            Score(
                id=content_id("score", response, said),
                response_id=response,
                question_id=question,
                model=model,
                metric=metric,
                value=found.values.get(metric),
                unscored=found.unscored,
                signature=said,
            )
        )
    return made


def _figure(metric: str, model: str, own: Sequence[Score], kind: Kind, resamples: int, seed: int) -> Figure:
    values, questions = [one.value or 0.0 for one in own], [one.question_id for one in own]
    found = stats.bootstrap_mean(values, [questions], resamples, seed)
    ends = [None if end is None else min(1.0, max(0.0, end)) for end in (found.low, found.high)]
    return Figure(
        name=kind,
        model=model,
        metric=metric,
        value=found.value,
        low=ends[0],
        high=ends[1],
        n=found.n,
        unscored=sum(one.value is None for one in own),
        signature=signature(kind, metric) + "|unscored:0",
        method=found.method,
    )


def signature(kind: Kind, metric: str) -> str:
    """Everything that a number depends on besides the answer and the gold."""
    match = "greedy one-to-one" if metric != "doses" else "shared ingredients"
    units = "|钱:3g|两:30g|dose:in range" if kind == "formula" else ""
    return (
        f"metric:{metric}|over:{kind}|match:{match}|spelling:nfkc{units}|malformed:unscored|huatuo:{huatuo.__version__}"
    )
