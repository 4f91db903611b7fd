"""Lines for people: records, summaries, tokens, the ledger, runs. Reads data sets, changes nothing."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from huatuo import store
from huatuo.errors import DataError, InputError
from huatuo.ledger import Entry, coverage, finished, least_and_most
from huatuo.ledger import ledger as taught_facts
from huatuo.quotes import quotes
from huatuo.records import Pair
from huatuo.stages import NAMES

log = logging.getLogger(__name__)


def summary(folder: Path) -> Iterator[str]:
    """What a data set (or a run) is: stage, tables with rows, outcomes, inputs, versions."""
    if not (folder / "manifest.json").exists() and any(folder.glob("*/manifest.json")):
        yield from runs(folder.parent, only=folder.name)
        return
    manifest = store.verify(folder)
    yield f"stage {manifest.stage} version {manifest.stage_version}, finished {manifest.finished}"
    yield f"{manifest.cpu_seconds:.1f} CPU-s, seed {manifest.seed}, digest {manifest.digest}"
    for name, table in manifest.tables.items():
        yield f"  table {name}: {table.rows:,} rows in {len(table.files)} file(s)"
    for entry in manifest.files[:20]:
        yield f"  file {entry.name}: {entry.bytes:,} bytes"
    yield f"inputs kept {manifest.kept:,}; dropped {manifest.dropped or 0}; left {manifest.left or 0}"
    for key, value in manifest.figures.items():
        yield f"  {key} = {value if value is None else format(value, ',.6g')}"
    for item in manifest.inputs:
        yield f"  from {item.name} {item.digest[:12]}"


def rows(folder: Path, table: str, count: int, wanted: str = "") -> Iterator[str]:
    """Up to ``count`` rows of a table as JSON; ``wanted`` filters by the beginning of the id or by parent."""
    manifest = store.verify(folder)
    if table == "dropped" and table not in manifest.tables:
        log.warning("%s: nothing was dropped or left", folder)
        return
    if table not in manifest.tables:
        raise InputError(f"{folder}: no table {table!r}; tables here: {', '.join(manifest.tables) or 'none'}")
    found = (row for batch in store.read_batches(folder, table) for row in batch.to_pylist())
    for row in islice((row for row in found if _matches(row, wanted)), count):
        yield json.dumps(row, ensure_ascii=False)


def _matches(row: dict[str, Any], wanted: str) -> bool:
    if not wanted:
        return True
    ids = [str(value) for key, value in row.items() if key == "id" or key.endswith("_id")]
    return any(text.startswith(wanted) for text in ids + [str(p) for p in row.get("parents") or ()])


def tokens(run: Path, count: int, wanted: str = "") -> Iterator[str]:
    """Pairs as token text, learned tokens between ⟦ and ⟧, as the training of this run sees them."""
    from huatuo.models import formats
    from huatuo.models.tokenizers import load_tokenizer

    manifest = store.read_manifest(run / "tokenise")
    places = (run / "tokenise" / "tokenizer", run / "train" / "model")  # from scratch; that of a base, after training
    place = next((folder for folder in places if folder.exists()), None)
    if place is None:
        raise InputError(f"{run}: the base's tokenizer is not here before the training; next: run the stage train")
    tokenizer = load_tokenizer(place)
    chosen = formats.get(str(manifest.recipe["format"]))
    pairs = (p for p in store.read(run / "unify", "pairs", Pair) if _matches(p.model_dump(), wanted))
    for pair in islice(pairs, count):
        yield f"pair {pair.id} source {pair.source} shape {pair.shape}"
        shown, inside = "", False
        for text, _, learned in formats.show(chosen, pair.messages, tokenizer):
            shown += ("⟦" if learned and not inside else "⟧" if inside and not learned else "") + text
            inside = learned
        yield shown + ("⟧" if inside else "")


LEAST_AND_MOST = 5
"""Facts that the fewest and the most pairs teach, shown each."""


def ledger(run: Path, count: int, wanted: str = "") -> Iterator[str]:
    """What is taught of each kind and relation, in which shapes, why the rest is not, the least and the most taught
    facts; then ``count`` facts with their pairs, and the text where one was read out of a document. ``wanted``: an
    entity, a relation, a kind, or how a fact's id begins.
    """
    entries = taught_facts(finished(run))
    if not entries:
        raise InputError(f"{run}: its graph holds no fact")
    chosen = {
        fact: entry
        for fact, entry in entries.items()
        if not wanted or wanted in (entry.entity, entry.relation, entry.kind) or fact.startswith(wanted)
    }
    if not chosen:
        said = "expected an entity, a kind, a relation or how the id of a fact begins that corroborates no other"
        raise InputError(f"{run}: no fact of {wanted!r}; {said}; next: huatuo show {run} --facts")
    taught = sum(bool(entry.shapes) for entry in chosen.values())
    yield f"{taught:,} of {len(chosen):,} facts are taught: their value stands in an answer that is learned"
    if shared := sum(bool(entry.also) for entry in chosen.values()):
        yield f"{shared:,} facts are said by more than one source, and counted once"
    for row in coverage(chosen.values()):
        shapes = ", ".join(f"{shape} {n:,}" for shape, n in row.shapes.most_common())
        yield f"  {row.kind} {row.relation}: {row.taught:,} of {row.facts:,}{'; ' if shapes else ''}{shapes}"
    reasons = Counter(entry.why for entry in chosen.values() if not entry.shapes)
    for reason, n in reasons.most_common():
        yield f"  not taught, {reason}: {n:,}"
    for said, facts in zip(("least", "most"), least_and_most(chosen, LEAST_AND_MOST), strict=True):
        yield from (f"  {said} taught: {_taught(fact, chosen[fact])}" for fact in facts)
    yield f"  the pairs that teach one: huatuo show {run / 'unify'} pairs --id FACT"
    shown = dict(islice(chosen.items(), count))
    read = quotes(run / "ingest", shown)
    for fact, entry in shown.items():
        yield _taught(fact, entry)
        if fact in read:
            yield f"    {read[fact]}"


def _taught(fact: str, entry: Entry) -> str:
    how = ", ".join(f"{shape} {n:,}" for shape, n in sorted(entry.shapes.items())) or f"not taught: {entry.why}"
    also = f" (also said by {', '.join(entry.also)})" if entry.also else ""
    return f"{fact[:8]} {entry.entity} {entry.relation} {entry.value}: {how}{also}"


def runs(folder: Path, only: str = "") -> Iterator[str]:
    """One line per run: how many stages are finished, the last one, its base, the last loss or the step of the newest
    checkpoint, CPU-seconds, seed; those of a study below it."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; next: huatuo demo, or --runs FOLDER")
    found = sorted(path for path in folder.iterdir() if path.is_dir() and (not only or path.name == only))
    shown = False
    for path in [run for one in found for run in _runs_at(one)]:
        name = path.relative_to(folder)
        stages = []
        for manifest_path in path.glob("*/manifest.json"):
            try:
                stages.append(store.read_manifest(manifest_path.parent))
            except DataError as error:
                yield f"{name}: {error}"
        if stages:
            shown = True
            last = max(stages, key=lambda m: (m.finished, NAMES.index(m.stage) if m.stage in NAMES else -1))
            cpu = sum(m.cpu_seconds for m in stages)
            done = f"{len(stages)} stages finished, last {last.stage} {last.finished}"
            yield ", ".join([f"{name}: {done}", *_training(path, stages), f"{cpu:.0f} CPU-s", f"seed {last.seed}"])
    if not shown:
        yield f"{folder}: no run yet"


def _training(run: Path, stages: Iterable[store.Manifest]) -> Iterator[str]:
    """What a run trains and how far it is; nothing before its tokens are there."""
    from huatuo.models.save import card

    made = {one.stage: one for one in stages}
    train, tokens = made.get("train"), made.get("tokenise")
    named = [card(run / "train" / "model").get("base", "") if train else ""]
    named += [str(one.recipe.get("base", "")) for one in (train, tokens) if one]
    if base := next(filter(None, named), ""):
        yield f"base {base}"
    if train and (loss := train.figures.get("last_loss")) is not None:
        yield f"loss {loss:.3f}"
    if steps := [int(path.name.split("-")[1]) for path in (run / "train.part" / "state").glob("step-*")]:
        yield f"training not finished, checkpoint of step {max(steps):,}"


def _runs_at(path: Path) -> list[Path]:
    """A run, or the runs in the folder of a study."""
    if any(path.glob("*/manifest.json")):
        return [path]
    return sorted({manifest.parent.parent for manifest in path.glob("*/*/manifest.json")})


def scores(run: Path) -> Iterator[str]:
    """The first table of the report as lines: each group's share of right answers, its interval, and what it means."""
    from huatuo.records import Figure
    from huatuo.report.tables import interval, percent, result_rows, verdict_words

    for row in result_rows(store.read(run / "score", "figures", Figure)):
        if row.ours is None or row.ours.value is None:
            continue
        base = percent(row.base.value) if row.base else "–"
        said = f"{row.group:<26} {row.metric:<8} {percent(row.ours.value):>8} {interval(row.ours):<14}"
        yield f"{said} n {row.n:<6,} before {base:>7}   {verdict_words(row)[1]}"


def check(path: Path, every: bool = False) -> Iterator[str]:
    """Whether a data set or run is whole (every file, every hash), or what any other file holds; with ``every``, each
    finding on it."""
    manifests = (
        [path] if (path / "manifest.json").exists() else [p.parent for p in sorted(path.glob("*/manifest.json"))]
    )
    if path.is_dir() and manifests:
        for folder in manifests:
            manifest = store.verify(folder, deep=True)
            count = sum(len(t.files) for t in manifest.tables.values()) + len(manifest.files)
            yield f"{folder.name}: whole, {count} file(s) with the hashes of the manifest, digest {manifest.digest}"
        return
    from huatuo.knowledge.inspect import inspect

    yield from inspect(path).lines(every)
