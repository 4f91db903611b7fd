"""What a model knows of each fact, before and after training: what training taught, what it did not, what it broke.

Every read answer to a question about a fact says it, denies it, or does neither:

| question | says it | denies it |
|---|---|---|
| free answer, cloze | lists the value | the answer denies what it lists |
| multiple choice | chooses the value | chooses a false one |
| true premise | right | wrong |

False premises are about false values and are counted in the figures alone.
"""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import huatuo
from huatuo.eval import stats
from huatuo.eval.probe_forms import FALSE, TRUE
from huatuo.eval.probes import EXAM
from huatuo.ledger import Entry
from huatuo.records import WITHHELD, Figure, Question, Score
from huatuo.records_probed import FactKnowledge, Outcome, Status
from huatuo.store import canonical_json

SIGNATURE = f"metric:fact status|rules:status.v1|known:more than half of the read answers|huatuo:{huatuo.__version__}"
"""What a status depends on besides the scores."""

TEACH_NEXT: tuple[Outcome, ...] = ("not learned", "broken", "not taught")
"""The outcomes that are to be taught next."""

FACTS = "facts asked"
"""Name of the figures that count facts."""

OUTCOMES: tuple[Outcome, ...] = (
    "taught", "kept", "not learned", "broken", "known untaught", "not taught", "withheld", "unread",
)  # fmt: skip
"""The outcomes in the order of the tables."""


class _Count(NamedTuple):
    said: int = 0
    denied: int = 0
    read: int = 0


@dataclass
class FactStatus:
    """Counts answers by fact and model."""

    counts: dict[tuple[str, str], _Count] = field(default_factory=lambda: defaultdict(_Count))
    premises: dict[str, dict[tuple[str, bool], bool]] = field(default_factory=lambda: defaultdict(dict))
    """By model: whether the premise about a fact, true or false, was agreed with."""

    def add(self, question: Question, score: Score) -> None:
        """Count one scored answer; what does not speak of facts of the probe is left alone."""
        if (
            question.exam != EXAM
            or score.metric not in ("exact", "accuracy", "letters", "options")
            or score.value is None
        ):
            return
        if question.question_type == TRUE:
            right, is_true = score.value == 1.0, not question.group.startswith(FALSE)
            self.premises[score.model][question.parents[0], is_true] = right is is_true
            if is_true:
                self._count(question.parents[0], score.model, right, not right)
        elif question.kind == "knowledge":
            denies = score.rule == "denied"
            said = set(score.extracted)
            for fact, value in zip(question.parents, _values(question), strict=False):
                listed = value in said
                self._count(fact, score.model, listed and score.rule == "list", listed and denies)
        else:
            self._count(question.parents[0], score.model, score.value == 1.0, score.value == 0.0)

    def _count(self, fact: str, model: str, said: bool, denied: bool) -> None:
        old = self.counts[fact, model]
        self.counts[fact, model] = _Count(old.said + said, old.denied + denied, old.read + 1)

    def status(self, fact: str, model: str) -> Status:
        """What a model knows of a fact."""
        said, denied, read = self.counts[fact, model]
        if not read:
            return "unread"
        if 2 * said > read:
            return "known"
        return "contradicted" if denied > said else "unknown"

    def records(self, ledger: Mapping[str, Entry]) -> list[FactKnowledge]:
        """One record for each fact that was asked and that the ledger knows, sorted by id."""
        asked = sorted({fact for fact, model in self.counts if model == "ours"} & set(ledger))
        return [self._record(fact, ledger[fact]) for fact in asked]

    def _record(self, fact: str, entry: Entry) -> FactKnowledge:
        before, after = self.status(fact, "base"), self.status(fact, "ours")
        old, new = self.counts[fact, "base"], self.counts[fact, "ours"]
        return FactKnowledge(
            fact_id=fact, entity=entry.entity, relation=entry.relation, value=entry.value, before=before, after=after,
            said_before=old.said, said_after=new.said, denied_before=old.denied, denied_after=new.denied,
            read_before=old.read, read_after=new.read, pairs=entry.pairs, shapes=tuple(sorted(entry.shapes)),
            why=entry.why, outcome=_outcome(entry, before, after),
        )  # fmt: skip

    def figures(self, records: Iterable[FactKnowledge]) -> Iterator[Figure]:
        """How many facts came to each outcome, and how often each model agreed with a false premise."""
        rows = list(records)
        found = Counter(row.outcome for row in rows)
        for outcome in OUTCOMES if rows else ():
            yield _share(FACTS, "ours", f"outcome: {outcome}", found[outcome], len(rows))
        for model, said in self.premises.items():
            agreed = [value for (_, is_true), value in said.items() if not is_true]
            if agreed:
                yield _share(FALSE, model, "sycophancy", sum(agreed), len(agreed))
            both = [
                said[fact, True] and not said[fact, False]
                for fact, is_true in said
                if is_true and (fact, False) in said
            ]
            if both:
                yield _share(FALSE, model, "premise pairs", sum(both), len(both))


def _values(question: Question) -> tuple[str, ...]:
    """The value of each fact that the question asks for, in their order."""
    return question.gold if len(question.gold) == len(question.parents) else ()


def _outcome(entry: Entry, before: Status, after: Status) -> Outcome:
    if WITHHELD in entry.flags:
        return "withheld"
    if after == "unread":
        return "unread"
    if after == "known":
        return "kept" if before == "known" else "taught" if entry.shapes else "known untaught"
    if before == "known":
        return "broken"
    return "not learned" if entry.shapes else "not taught"


def _share(name: str, model: str, metric: str, count: int, n: int) -> Figure:
    ends = stats.wilson(count, n)
    low, high = ends if ends else (None, None)
    return Figure(
        name=name, model=model, metric=metric, value=count / n, low=low, high=high, n=n, signature=SIGNATURE,
        method="Wilson",
    )  # fmt: skip


def teach_next(records: Iterable[FactKnowledge]) -> str:
    """JSON Lines of the facts to be taught next, as ``synth.teach_next`` reads them; empty where there is none."""
    return "".join(
        canonical_json({"id": row.fact_id, "entity": row.entity, "relation": row.relation, "outcome": row.outcome})
        + "\n"
        for row in records
        if row.outcome in TEACH_NEXT
    )


def as_csv(records: Iterable[FactKnowledge]) -> str:
    """The records as CSV with a byte order mark, for spreadsheets; a text that a spreadsheet would run gets a ``'``."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    names = list(FactKnowledge.model_fields)
    writer.writerow(names)
    for row in records:
        cells = [getattr(row, name) for name in names]
        writer.writerow([_cell(";".join(cell) if isinstance(cell, tuple) else cell) for cell in cells])
    return "\ufeff" + buffer.getvalue()


def _cell(value: object) -> object:
    return "'" + value if isinstance(value, str) and value.lstrip().startswith(("=", "+", "-", "@")) else value
