"""Everything the page shows, read from finished data sets into plain values.

A stage that has not run leaves its part empty.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

from huatuo import store
from huatuo.records import Figure, Question, Response, Score
from huatuo.records_scored import PartFigure
from huatuo.records_trained import HeldOutAnswer
from huatuo.report.answers import Answers, answers
from huatuo.report.facts import Ledger, account
from huatuo.report.figures import Source
from huatuo.report.tables import primary_metric

CURVE_BINS = 160
"""Points of the loss curve: more cannot be told apart on a phone."""

ORDER_BINS = 48
"""Bins of the composition chart, of places or of steps."""

CONTAMINATED = "contaminated"
"""Rule of curate and unify that drops what overlaps with the questions."""

MOST_SOURCES = 7
"""Sources drawn apart; the smaller ones are lumped together (one colour each, and the palette has eight)."""


@dataclass(frozen=True)
class Loss:
    """What one rule of one stage dropped or left."""

    stage: str
    outcome: str
    rule: str
    count: int
    reason: str = ""
    excerpt: str = ""


@dataclass(frozen=True)
class Sample:
    """One question with what the models said."""

    question: Question
    gold: tuple[str, ...]
    right: bool
    base: str | None
    ours: str


@dataclass(frozen=True)
class HeldOut:
    """One pair that was kept from training."""

    question: str
    reference: str
    said: tuple[tuple[str, str], ...]
    """Model and answer."""


@dataclass(frozen=True)
class Composition:
    """How far each source came: in a finished training up to the weights kept, else in the order as it was drawn."""

    sources: list[Source]
    """The largest first, the small ones lumped together."""
    total: int
    """Samples planned in all, or places of the order."""
    learned: bool
    """Whether a training learned it."""
    expected: dict[str, list[tuple[float, float]]]
    """(position, share of its items expected up to there) of each of the sources; none where no weights apply."""


@dataclass
class Found:
    """All that was read."""

    manifests: dict[str, store.Manifest] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    findings: list[tuple[str, str, int, str]] = field(default_factory=list)
    noted: list[tuple[str, str, int, str]] = field(default_factory=list)
    """What looks wrong with the training, as `findings`."""
    entities: list[tuple[str, int]] = field(default_factory=list)
    pairs: dict[tuple[str, str], int] = field(default_factory=dict)
    ledger: Ledger | None = None
    positions: int = 0
    """Places of the training order."""
    composition: Composition | None = None
    """How far each source came."""
    curve: list[tuple[float, float, float, float]] = field(default_factory=list)
    validation: list[tuple[float, float]] = field(default_factory=list)
    """(step, loss of the samples held out), where it was measured."""
    tokens: int = 0
    samples: list[Sample] = field(default_factory=list)
    exam_samples: list[Sample] = field(default_factory=list)
    answers: Answers | None = None
    """Questions with every answer, where some were asked."""
    held_out: list[HeldOut] = field(default_factory=list)
    """Pairs kept from training with what the models said."""
    parts: list[PartFigure] = field(default_factory=list)
    """The scores by subject, type and year."""

    def rows(self, stage: str, table: str) -> int:
        """Rows of a table; 0 where the stage has not run or wrote no such table."""
        manifest = self.manifests.get(stage)
        entry = manifest.tables.get(table) if manifest else None
        return entry.rows if entry else 0

    def contaminated(self) -> int:
        """Records dropped because they overlap with the questions."""
        return sum(loss.count for loss in self.losses if loss.rule == CONTAMINATED)


def collect(folders: Mapping[str, Path], samples: int) -> Found:
    """Everything the page shows; ``samples`` right and as many wrong answers.

    Raises DataError for a data set that is unfinished or damaged.
    """
    found = Found(manifests={stage: store.verify(folder) for stage, folder in folders.items()})
    found.losses = [
        loss for stage, folder in folders.items() for loss in _losses(stage, folder, found.manifests[stage])
    ]
    if "ingest" in folders:
        found.findings = _findings(folders["ingest"])
        kinds = Counter(str(row["kind"]) for row in columns(folders["ingest"], "entities", "kind"))
        found.entities = kinds.most_common()
        found.ledger = account(folders)
    last = folders.get("unify", folders.get("synth"))
    if last is not None:
        found.pairs = dict(
            Counter((str(r["shape"]), str(r["source"])) for r in columns(last, "pairs", "shape", "source"))
        )
    if "order" in folders:
        found.positions = found.rows("order", "order")
        found.composition = _composition(folders, found.manifests) if found.positions else None
    if "train" in folders:
        found.curve, found.tokens = _curve(folders["train"])
        found.validation = _validation(folders["train"], found.manifests["train"], found.curve)
        found.noted = _findings(folders["train"])
    if "score" in folders:
        found.figures = list(store.read(folders["score"], "figures", Figure))
    if "ask" in folders:
        found.held_out = _held_out(folders["ask"])
    if {"questions", "ask", "score"} <= set(folders):
        found.samples, found.exam_samples = _samples(folders, samples)
        found.answers = answers(folders)
        found.parts = list(store.read(folders["score"], "parts", PartFigure))
    return found


def columns(folder: Path, table: str, *names: str) -> Iterator[dict[str, Any]]:
    """Rows of some columns of a table, without making records: for tables of millions of rows."""
    for batch in store.read_batches(folder, table, columns=list(names)):
        yield from batch.to_pylist()


# ---------------------------------------------------------------- knowledge, losses


def _losses(stage: str, folder: Path, manifest: store.Manifest) -> list[Loss]:
    """Counts by rule from the manifest, each with the example of the smallest record id."""
    examples: dict[tuple[str, str], dict[str, Any]] = {}
    for row in columns(folder, "dropped", "record_id", "outcome", "rule", "reason", "excerpt"):
        key = (str(row["outcome"]), str(row["rule"]))
        if key not in examples or row["record_id"] < examples[key]["record_id"]:
            examples[key] = row
    counts = [("dropped", rule, n) for rule, n in manifest.dropped.items()]
    counts += [("left", rule, n) for rule, n in manifest.left.items()]
    losses = []
    for outcome, rule, count in sorted(counts, key=lambda item: (item[0], -item[2], item[1])):
        row = examples.get((outcome, rule), {})
        losses.append(Loss(stage, outcome, rule, count, str(row.get("reason", "")), str(row.get("excerpt", ""))))
    return losses


def _findings(folder: Path) -> list[tuple[str, str, int, str]]:
    """(rule, severity, count, one message), the gravest first; then the most frequent, then as they were found."""
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    for row in columns(folder, "findings", "rule", "severity", "place", "message"):
        key = (str(row["rule"]), str(row["severity"]))
        counts[key] += 1
        examples.setdefault(key, f"{row['place']}: {row['message']}")
    grave = ("error", "warning", "note")
    return [
        (rule, severity, n, examples[rule, severity])
        for (rule, severity), n in sorted(counts.items(), key=lambda item: (grave.index(item[0][1]), -item[1]))
    ]


# ---------------------------------------------------------------- order and steps


def _composition(folders: Mapping[str, Path], manifests: Mapping[str, store.Manifest]) -> Composition:
    """How far each source came, by the steps of a finished training that counted what it was to learn, else by the
    order."""
    begin, train, places = "samples of ", manifests.get("train"), manifests["order"].tables["order"].rows
    items = {
        name.removeprefix(begin): round(n or 0)
        for name, n in (train.figures.items() if train else ())
        if name.startswith(begin)
    }
    learned = bool(train and items)
    if train and learned:
        counts, edges = _learned(folders["train"], round(train.figures["kept_step"] or 0), list(items))
    else:
        counts, edges = _ordered(folders["order"], places)
        items = {name: sum(own) for name, own in counts.items()}
    names = sorted(items, key=lambda name: (-items[name], name))
    if len(names) > MOST_SOURCES + 1:
        small, names = names[MOST_SOURCES:], [*names[:MOST_SOURCES], f"… ({len(names) - MOST_SOURCES})"]
        counts[names[-1]] = [sum(column) for column in zip(*(counts[name] for name in small), strict=True)]
        items[names[-1]] = sum(items[name] for name in small)
    sources = [_source(name, items[name], counts[name], edges) for name in names]
    total = sum(source.items for source in sources)
    return Composition(sources, total, learned, _expected(folders["order"], names, total / places))


def _source(name: str, items: int, counts: Sequence[int], edges: Sequence[float]) -> Source:
    sums = [0, *accumulate(counts)]
    return Source(name, items, tuple((edge, n / items) for edge, n in zip(edges, sums, strict=True)))


def _ordered(folder: Path, total: int) -> tuple[dict[str, list[int]], list[float]]:
    """Places of each source in equal bins of the order, and where these end."""
    bins = max(1, min(ORDER_BINS, total // 8))
    counts: dict[str, list[int]] = defaultdict(lambda: [0] * bins)
    for row in columns(folder, "order", "position", "source"):
        counts[str(row["source"])][min(bins - 1, int(row["position"]) * bins // max(total, 1))] += 1
    return counts, [float(-(-i * total // bins)) for i in range(bins + 1)]


def _learned(folder: Path, kept: int, names: Sequence[str]) -> tuple[dict[str, list[int]], list[float]]:
    """Samples of each source in equal bins of the steps up to ``kept``, and the samples learned where these end."""
    bins = max(1, min(ORDER_BINS, kept))
    counts = {name: [0] * bins for name in names}
    for row in columns(folder, "steps", "step", "sources"):
        if row["step"] <= kept:
            for one in row["sources"]:
                counts[one["source"]][(row["step"] - 1) * bins // kept] += one["samples"]
    learned = accumulate(sum(column) for column in zip(*counts.values(), strict=True))
    return counts, [0.0, *map(float, learned)]


def _expected(folder: Path, names: list[str], each: float) -> dict[str, list[tuple[float, float]]]:
    """What the weights let expect of each source that is drawn; of those that are lumped together, of their sum.
    ``each``: samples for a place of the order, more than 1 where pairs were split."""
    if "composition" not in store.read_manifest(folder).tables:
        return {}
    items: dict[str, dict[int, float]] = {name: defaultdict(float) for name in names}
    for row in columns(folder, "composition", "position", "source", "expected"):
        source = str(row["source"])
        items[source if source in items else names[-1]][int(row["position"])] += float(row["expected"])
    return {
        name: [(position * each, value / max(own.values())) for position, value in sorted(own.items())]
        for name, own in items.items()
        if own
    }


def _curve(folder: Path) -> tuple[list[tuple[float, float, float, float]], int]:
    """(step, mean, lowest, highest loss) per bin of steps, and the tokens in all."""
    rows = sorted(columns(folder, "steps", "step", "loss", "tokens"), key=lambda row: row["step"])
    size = max(1, -(-len(rows) // CURVE_BINS))
    points = []
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        losses = [float(row["loss"]) for row in part]
        points.append((float(part[-1]["step"]), sum(losses) / len(losses), min(losses), max(losses)))
    return points, sum(int(row["tokens"]) for row in rows)


def _validation(folder: Path, train: store.Manifest, curve: Sequence[tuple[float, ...]]) -> list[tuple[float, float]]:
    """(step, loss of the samples held out) before the first step, where it was measured on the way, and at the end."""
    rows = columns(folder, "steps", "step", "validation_loss")
    found = {float(row["step"]): row["validation_loss"] for row in rows if row["validation_loss"] is not None}
    ends = ((0.0, "validation_loss_before"), (curve[-1][0] if curve else 0.0, "validation_loss_after"))
    found |= {step: value for step, name in ends if (value := train.figures.get(name)) is not None}
    return sorted(found.items())


# ---------------------------------------------------------------- samples


def _samples(folders: Mapping[str, Path], wanted: int) -> tuple[list[Sample], list[Sample]]:
    """Probe samples and exam samples: as many right as wrong ones, drawn by hash, spread over the groups."""
    questions = {question.id: question for question in store.read(folders["questions"], "questions", Question)}
    answers = {(r.question_id, r.model): r.text for r in store.read(folders["ask"], "responses", Response)}
    probe: list[Sample] = []
    exam: list[Sample] = []
    for question, score in _leading_scores(folders, questions):
        text = answers.get((question.id, "ours"))
        if text is None:
            continue
        gold = question.gold or ((question.reference,) if question.reference else ())
        sample = Sample(question, gold, score.value == 1.0, answers.get((question.id, "base")), text)
        (probe if question.kind == "knowledge" else exam).append(sample)
    return _draw(probe, wanted), _draw(exam, wanted)


def _leading_scores(folders: Mapping[str, Path], questions: Mapping[str, Question]) -> Iterator[tuple[Question, Score]]:
    """Questions with the score of ours by their group's leading metric."""
    figures: dict[str, list[Figure]] = defaultdict(list)
    for figure in store.read(folders["score"], "figures", Figure):
        figures[figure.name].append(figure)
    leading = {name: primary_metric(members) for name, members in figures.items()}
    for score in store.read(folders["score"], "scores", Score):
        question = questions.get(score.question_id)
        if question is not None and score.model == "ours":
            name = question.group if question.group in leading else question.exam
            if score.metric == leading.get(name):
                yield question, score


def _held_out(folder: Path) -> list[HeldOut]:
    """The pairs that were kept from training and asked, in their order."""
    pairs: dict[str, HeldOut] = {}
    for row in store.read(folder, "held_out", HeldOutAnswer):
        question = "\n".join(message.content for message in row.messages if message.role != "system")
        before = pairs.get(row.pair_id, HeldOut(question, row.reference, ()))
        pairs[row.pair_id] = HeldOut(before.question, before.reference, (*before.said, (row.model, row.text)))
    return list(pairs.values())


def _draw(samples: Sequence[Sample], wanted: int) -> list[Sample]:
    """``wanted`` right and ``wanted`` wrong ones: each group in turn, within a group by hash of the question's id."""
    drawn = []
    for right in (True, False):
        groups: dict[str, list[Sample]] = defaultdict(list)
        for sample in sorted(samples, key=lambda s: store.content_id("sample", s.question.id)):
            if sample.right is right:
                groups[sample.question.group].append(sample)
        turns = [(i, name, s) for name, members in groups.items() for i, s in enumerate(members[:wanted])]
        turns.sort(key=lambda turn: turn[:2])
        drawn += [sample for _, _, sample in turns[:wanted]]
    return drawn
