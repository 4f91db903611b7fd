"""The stage unify: generated and imported pairs in one format, linted, without duplicates and exam questions, split."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from huatuo.checks.entities import Dictionary
from huatuo.checks.exam_copies import Copy, copies, indexes
from huatuo.errors import RecipeError
from huatuo.progress import bar
from huatuo.recipe import ImportSource, UnifySettings
from huatuo.records import TEXT, WITHHELD, Finding, Message, Pair, Question
from huatuo.store import Writer, content_id, read
from huatuo.synth.imports import read_pairs
from huatuo.synth.judge import JUDGED, UNSCORED, Judge
from huatuo.synth.lint import RULES, lint
from huatuo.synth.pair import pair_id
from huatuo.synth.review import HELD_BACK, Reviews, reviewed
from huatuo.synth.split import Components, first_message, keys_of
from huatuo.synth.withheld import withheld_names
from huatuo.synth.work import REPAIRED
from huatuo.text import pii
from huatuo.text.near import earlier_neighbours
from huatuo.text.ngram import ExamIndex, Overlap
from huatuo.text.zh import normalise_for_comparison

BATCH = 2048
"""Pairs graded against the exam questions at once."""

FAR_FROM_SHARE = 0.5
"""A validation set smaller than this part of what was asked for is reported as a finding."""


ASKED_AS_TAUGHT = "trained phrasings"
"""Group of the probe's questions whose words are trained on purpose; those of its other groups must not be."""

DEIDENTIFIED = "deidentified"
"""Flag of a pair from which personal data was taken out."""


def unify(
    settings: UnifySettings,
    pairs: Path,
    questions: Path,
    seed: int,
    out: Writer,
    knowledge: Path | None = None,
    judge: Judge | None = None,
) -> None:
    """Write ``pairs``: those of the folder ``pairs`` and of all imports, each used, dropped or left once.

    The inputs are read twice: once to decide, once to write, so memory holds only decisions. An imported pair that
    names an entity which ``knowledge`` withholds is left. A pair made from the graph may: there such a name is an
    ordinary value of another entity. A reviewed pair stands in its machine's place. The ``judge`` is asked about
    the pairs that nothing else refuses: generated ones, or all if its recipe says so; its ``judgements`` are written.
    Raises RecipeError for an unknown lint rule, InputError for an import that cannot be read at all.
    """
    unknown = sorted(set(settings.drop_flagged) - set(RULES) - {UNSCORED, REPAIRED})
    if unknown:
        raise RecipeError(
            f"unify.drop_flagged: no lint rule {unknown[0]!r} (known: {', '.join(RULES)}); next: correct it"
        )
    reviews = Reviews(settings.imports, out)
    decided = _Decided(settings, questions, withheld_names(knowledge) if knowledge else frozenset(), out, judge)
    for batch in _batches(settings, pairs, out, reviews, first=True):
        decided.look(batch)
    reviews.settle()
    twins = decided.tie_twins()
    asked_for = settings.validation_pairs or settings.validation_share * decided.kept
    chosen, sizes = decided.components.draw(asked_for, seed)
    place = kept = 0
    for batch in _batches(settings, pairs, out, reviews, first=False):
        for item, pair in batch:
            flags = decided.flags[decided.outcome[place]] if decided.outcome[place] >= 0 else None
            place += 1
            if flags is None:
                continue
            held = bool(chosen) and decided.components.of(kept) in chosen
            kept += 1
            split = "validation" if held else "train"
            out.write("pairs", pair.model_copy(update={"flags": flags, "split": split}), uses=(item,))
    _report(decided, _Held(sum(sizes[root] for root in chosen), asked_for, max(sizes.values(), default=0), twins), out)


def _candidates(settings: UnifySettings, pairs: Path, out: Writer, account: bool) -> Iterator[tuple[str, Pair]]:
    """Item id and pair, generated ones first. With ``account``, items are expected and refused ones dropped."""
    for pair in read(pairs, "pairs", Pair):
        if account:
            out.expect((pair.id,))
        yield pair.id, pair
    for source in settings.imports:
        near = _near(source) if source.format != "review" else {}
        for number, item in enumerate(read_pairs(source) if source.format != "review" else ()):
            raw = content_id("import", source.name, source.path.name, item.place, str(number))
            if account:
                out.expect((raw,))
            if source.limit and number >= source.limit:
                if account:
                    out.leave(raw, "limit", f"{source.name}: only {source.limit:,} records are read (limit)")
            elif item.pair is None:
                if account:
                    where = f"{source.path.name}, {item.place}"
                    out.drop(raw, item.rule, f"{where}: {item.reason}", excerpt=item.excerpt)
            elif number in near:
                if account:
                    witness, reason = near[number]
                    out.drop(raw, "near_duplicate", reason, witness, item.pair.messages[0].content)
            else:
                yield raw, item.pair


def _near(source: ImportSource) -> dict[int, tuple[str, str]]:
    """Id of the earlier pair and reason, by number, of the records whose questions an earlier record nearly asks."""
    if not source.near_duplicates:
        return {}
    read_ones = islice(read_pairs(source), source.limit or None)
    kept = [(number, item.pair, item.place) for number, item in enumerate(read_ones) if item.pair is not None]
    texts = ["\n".join(m.content for m in pair.messages if m.role == "user") for _, pair, _ in kept]
    found = {}
    for (number, _, _), neighbours in zip(kept, earlier_neighbours(texts, source.near_duplicates), strict=True):
        if neighbours:
            nearest = max(neighbours, key=lambda neighbour: neighbour.jaccard)
            _, pair, place = kept[nearest.place]
            found[number] = pair.id, f"its question shares {nearest.jaccard:.2f} of its 3-grams (Jaccard) with {place}"
    return found


def _batches(
    settings: UnifySettings, pairs: Path, out: Writer, reviews: Reviews, first: bool
) -> Iterator[list[tuple[str, Pair]]]:
    """The candidates as they are to be taught; reviewed ones as their reviewer left them, rejected ones not at all."""
    waiting = _prepared(_candidates(settings, pairs, out, account=first), settings, out, reviews, first)
    with bar(f"unify {1 if first else 2}/2", None, "pairs") as progress:
        while batch := list(islice(waiting, BATCH)):
            yield batch
            progress.advance(len(batch))


def _prepared(
    candidates: Iterator[tuple[str, Pair]], settings: UnifySettings, out: Writer, reviews: Reviews, account: bool
) -> Iterator[tuple[str, Pair]]:
    for item, made in candidates:
        pair = without_personal_data(made) if settings.deidentify else made
        if reason := reviews.held(pair):
            if account:
                out.leave(item, HELD_BACK, reason, excerpt=pair.messages[0].content)
            continue
        row = reviews.of(pair)
        if row is not None and row.decision == "reject":
            if account:
                reason = f"{row.place}: {row.note or 'no note'}"
                out.drop(item, "rejected", reason, row.item, pair.messages[0].content)
            continue
        if row is not None:
            pair = reviewed(pair, row)
            pair = without_personal_data(pair) if settings.deidentify else pair
        yield item, pair


def without_personal_data(pair: Pair) -> Pair:
    """The pair with `huatuo.text.pii` applied to every turn; itself where it holds none.

    It has an id of its own, the original as its first parent, and a flag.
    """
    turns = tuple(Message(role=m.role, content=pii.deidentify(m.content)) for m in pair.messages)
    if turns == pair.messages:
        return pair
    changed = {"id": pair_id(pair.source, turns), "messages": turns, "flags": (*pair.flags, DEIDENTIFIED)}
    return pair.model_copy(update=changed | {"parents": tuple(dict.fromkeys((pair.id, *pair.parents)))})


class _Decided:
    """What becomes of each pair, in the order of reading: 2 bytes per pair, and 16 per different pair."""

    def __init__(
        self, settings: UnifySettings, questions: Path, withheld: frozenset[str], out: Writer, judge: Judge | None
    ):
        self._settings, self._out, self.judge = settings, out, judge
        self._withheld = Dictionary(sorted(withheld))
        self._index: list[ExamIndex] = []
        self._held_out: dict[str, str] = {}
        """Ids of the probe's questions that must not be trained on, by their stems."""
        if settings.decontaminate:
            asked = list(read(questions, "questions", Question))
            self._index = indexes(asked)
            probe = [q for q in asked if q.kind == "knowledge" and q.group != ASKED_AS_TAUGHT]
            self._held_out = {normalise_for_comparison(question.stem): question.id for question in probe}
        self._seen: set[bytes] = set()
        self._flag_numbers: dict[tuple[str, ...], int] = {}
        self.flags: list[tuple[str, ...]] = []
        self.outcome = array("h")
        """Number of the pair's flags in `flags`, or -1 where it was dropped."""
        self.components = Components()
        self.counts: Counter[str] = Counter()
        self.kept = 0
        """Pairs that are kept."""
        self._firsts: dict[str, None] = {}
        """First messages of these, where near ones are to be tied."""

    def look(self, batch: list[tuple[str, Pair]]) -> None:
        """Decide about some pairs."""
        texts = ["\n".join(m.content for m in pair.messages) for _, pair in batch]
        held = copies(texts, self._index[0]) if self._index else [(None, None)] * len(batch)
        open_ones = [self._look_at(item, pair, *found) for (item, pair), found in zip(batch, held, strict=True)]
        self._judge(batch, open_ones)
        for (_, pair), found in zip(batch, open_ones, strict=True):
            self.outcome.append(-1 if found is None else self._keep(pair, found))

    def _look_at(self, item: str, pair: Pair, copy: Copy | None, overlap: Overlap | None) -> dict[str, str] | None:
        """The flags of a pair, with what each says; None where it is refused."""
        shown = pair.messages[0].content
        key = bytes.fromhex(pair_id(pair.source, pair.messages))
        if key in self._seen:
            self._out.drop(item, "duplicate", f"{pair.source} holds the same turns before", pair.id, shown)
            return None
        found = dict.fromkeys(pair.flags, "flagged before") | lint(pair.messages)
        if pair.shape == TEXT:
            found.pop("empty", None)  # nobody asks for a passage as it is
        self.counts.update(found.keys())
        refused = next((rule for rule in self._settings.drop_flagged if rule in found), "")
        if refused:
            self._out.drop(item, refused, found[refused], excerpt=shown)
            return None
        if copy is not None:
            self._out.drop(item, "contaminated", copy.reason, copy.question.id, shown)
            return None
        if asked := self._asks(pair):
            self._out.drop(item, "contaminated", "asks a held-out question of the probe (exact)", asked, shown)
            return None
        if named := self._names_withheld(pair):
            self._out.leave(item, WITHHELD, f"{pair.source} names the withheld entity {named}", excerpt=shown)
            return None
        self._seen.add(key)
        if overlap is not None:
            found["possible_exam_overlap"] = overlap.question_id
            self.counts["possible_exam_overlap"] += 1
        return found

    def _judge(self, batch: list[tuple[str, Pair]], open_ones: list[dict[str, str] | None]) -> None:
        """Ask about the pairs that are still open; those refused become None, those unscored are flagged."""
        if self.judge is None:
            return
        places = [i for i, found in enumerate(open_ones) if found is not None and self.judge.wants(batch[i][1])]
        for place, judgement in zip(places, self.judge.score([batch[i][1] for i in places]), strict=True):
            item, pair = batch[place]
            self._out.write("judgements", judgement)
            reason, found = self.judge.refuses(judgement), open_ones[place]
            if judgement.unscored and found is not None:
                found[UNSCORED] = judgement.unscored
                self.counts[UNSCORED] += 1
                reason = judgement.unscored if UNSCORED in self._settings.drop_flagged else ""
            if reason:
                rule = UNSCORED if judgement.unscored else JUDGED
                self._out.drop(item, rule, reason, excerpt=pair.messages[0].content)
                open_ones[place] = None

    def _keep(self, pair: Pair, found: dict[str, str]) -> int:
        """The number of the flags of a pair that is kept."""
        flags = tuple(sorted(found))
        self.kept += 1
        if self._settings.holds_out:
            self.components.add(keys_of(pair))
        if self._settings.validation_twins and pair.shape != TEXT:
            self._firsts[first_message(pair)] = None
        number = self._flag_numbers.setdefault(flags, len(self.flags))
        if number == len(self.flags):
            self.flags.append(flags)
        return number

    def tie_twins(self) -> int | None:
        """How many first messages nearly repeat an earlier one, after their pairs were tied; None where not asked."""
        least = self._settings.validation_twins
        return self.components.tie_twins(self._firsts, least) if least else None

    def _asks(self, pair: Pair) -> str:
        """Id of the held-out probe question that a user's turn asks word for word, or an empty string."""
        turns = (normalise_for_comparison(m.content) for m in pair.messages if m.role == "user" and self._held_out)
        return next((self._held_out[turn] for turn in turns if turn in self._held_out), "")

    def _names_withheld(self, pair: Pair) -> str:
        """Name of the withheld entity that an imported pair speaks of, or an empty string."""
        if pair.provenance.by != "import" or not len(self._withheld):
            return ""
        found = (mention.name for message in pair.messages for mention in self._withheld.find(message.content))
        return next(found, "")


@dataclass(frozen=True)
class _Held:
    """The validation set that was drawn."""

    pairs: int
    asked_for: float
    largest: int
    """Pairs of the largest tied group."""
    twins: int | None
    """First messages that nearly repeat an earlier one."""


def _report(decided: _Decided, held: _Held, out: Writer) -> None:
    for rule, count in sorted(decided.counts.items()):
        out.figures[f"lint {rule}"] = float(count)
    if decided.judge is not None:
        spent = decided.judge.spent
        out.figures["judged"], out.figures["judged without scores"] = float(spent.calls), float(decided.judge.unscored)
        for name, tokens in (("prompt", spent.prompt_tokens), ("completion", spent.completion_tokens)):
            out.figures[f"judge {name}_tokens"] = None if tokens is None else float(tokens)
        out.figures[f"judge cost ({spent.currency})"] = spent.cost
    if not held.asked_for or not decided.kept:
        return
    share, largest = held.pairs / decided.kept, held.largest / decided.kept
    out.figures["validation share"], out.figures["largest tied group"] = share, largest
    if held.twins is not None:
        out.figures["questions near an earlier one"] = float(held.twins)
    if held.pairs < FAR_FROM_SHARE * held.asked_for:
        message = (
            f"{share:.1%} of the pairs could be held out, {held.asked_for / decided.kept:.1%} were asked for: the "
            f"largest group of pairs that share an entity, document or question holds {largest:.1%} of all; "
            "next: make fewer reverse and comparison pairs (synth.share), or accept the smaller set"
        )
        out.write(
            "findings",
            Finding(rule="validation_share", severity="warning", subject="unify", place="split", message=message),
        )
