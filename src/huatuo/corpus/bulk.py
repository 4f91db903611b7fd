"""Curation at scale: sources → texts → clean → segments → kept → passages, each a data set whose manifest comes last.

Every stage keeps all rows, with one reason for each that is dropped, so a killed run goes on from the last finished
stage, on the same engine or another one. Nothing depends on where a row lay: ids come from content and source,
survivors are the smallest of a total order, so any engine, any cutting into files and any order give the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc

from huatuo import store
from huatuo.corpus import earlier, funnel, repeated, semantic
from huatuo.corpus.aside import RANKED, Undecided, texts_aside
from huatuo.corpus.band_table import BandTable
from huatuo.corpus.engines import Advance, Engine, Here, Pass, Pool, engine_of, own_memory, read_rows
from huatuo.corpus.lexicon import ENTITIES, least_of
from huatuo.corpus.near import Neighbour, neighbours
from huatuo.corpus.nearby import near_rows
from huatuo.corpus.passes import (
    CLEAN,
    DOCUMENT,
    KEPT,
    SEGMENT,
    VECTOR,
    Clean,
    Segmented,
    Vectors,
    Verdict,
    as_documents,
    filter_of,
    lexicon_of,
    survivors_of,
)
from huatuo.corpus.sources import SCHEMA as TEXT
from huatuo.corpus.sources import check, read, shards
from huatuo.corpus.spared import Spared
from huatuo.corpus.vector_table import Meaning, Remembered
from huatuo.errors import InputError, StageError
from huatuo.files import content_id, hash_file, locked
from huatuo.progress import bar
from huatuo.recipe import table
from huatuo.recipe_curate import CorpusSettings
from huatuo.records_curated import FunnelCount, FunnelSample
from huatuo.store import InputEntry, Manifest, canonical_json

VERSIONS = {"texts": 3, "clean": 3, "segments": 3, "kept": 4, "passages": 1}
"""Stages in their order, with the number that is raised when their output changes for the same input."""

SPARED = "near, but kept: "
"""Beginning of the figures that count passages which are near an earlier one, by characters or by meaning, and were
kept by all rules, by what they say more."""

_SEGMENT_READ = pa.schema([f for f in SEGMENT if f.name not in ("bands", "rank")])
_JUDGED = pa.schema([KEPT.field(name) for name in ("id", "normal", "reason", "origin")])
_OUTCOME = pa.schema([KEPT.field(name) for name in ("id", "reason")])
_INDEX = "meaning.npz"
_KEPT_READ = pa.schema([f for f in KEPT if f.name not in ("reason", "witness", "jaccard")] + [KEPT.field("reason")])


@dataclass(frozen=True)
class Bulk:
    """One run of curation at scale."""

    settings: CorpusSettings
    root: Path
    """Folder of the stages."""
    questions: Path | None
    """Data set with the exams' questions; None: passages are not compared with any."""
    engine: Engine

    def files(self, stage: str) -> list[Path]:
        """The shards of a finished stage, in order."""
        manifest = store.verify(self.root / stage)
        return [self.root / stage / entry.name for t in manifest.tables.values() for entry in t.files]

    @property
    def corpus(self) -> str:
        """Digest of the passages, whatever file and line they came from."""
        return store.read_manifest(self.root / "segments").tables["segments"].digest

    @property
    def earlier(self) -> BandTable | None:
        """The earlier corpora, without this one; None where the recipe names no band table."""
        if self.settings.earlier is None:
            return None
        found = BandTable(self.settings.earlier, self.corpus)
        found.refuse_other(semantic.kind_of(self.settings.semantic_model) if self.settings.semantic else "")
        return found


@dataclass(frozen=True)
class Done:
    """A stage that is finished."""

    stage: str
    manifest: Manifest
    skipped: bool
    """Whether it was before."""


def curate(settings: CorpusSettings, root: Path, questions: Path | None = None, batch_rows: int = 0) -> Iterator[Done]:
    """Each stage as it is finished or found finished; the same call goes on where it stopped.

    Raises InputError for sources that cannot be read and a cluster that does not answer, before anything is made;
    BusyError where another process writes to ``root``.
    """
    if not settings.sources:
        raise InputError("[corpus] names no source; next: add [[corpus.sources]] with name and path")
    if settings.lexicon is not None:
        chosen = settings.lexicon.model_copy(update={"least": least_of(settings.lexicon)})
        settings = settings.model_copy(update={"lexicon": chosen})
    engine = engine_of(settings.engine, batch_rows) if batch_rows else engine_of(settings.engine)
    run = Bulk(settings, root, questions, engine)
    check(settings.sources)
    _load(settings)
    with locked(root), own_memory():
        for stage, work in _WORK.items():
            store.recover(root / stage)
            done = _finished(run, stage, work)
            if stage == "kept":
                _add(run)
            yield done


def _load(settings: CorpusSettings) -> None:
    """Read word lists and filter, so that a bad one is found before anything is made, and that what this process read
    for an earlier run is not taken for what lies there now."""
    lexicon_of.cache_clear()
    filter_of.cache_clear()
    if settings.lexicon is not None:
        lexicon_of(settings.lexicon)
    if settings.filter is not None:
        filter_of(settings.filter)
    semantic.kind_of.cache_clear()
    semantic.embed_of.cache_clear()
    semantic.kind_of(settings.semantic_model)
    semantic.embed_of(settings.semantic_model)


def _finished(run: Bulk, stage: str, work: Callable[[Bulk, Path, Advance], dict[str, float] | None]) -> Done:
    """A stage, made where it is not finished."""
    inputs = _inputs(run, stage)
    shown = _settings_of(run.settings, stage)
    key = _key(run, stage, inputs)
    folder = run.root / stage
    if store.is_finished(folder, key):
        return Done(stage, store.read_manifest(folder), True)
    total = None if stage == "texts" else sum(inputs[0].rows.values())
    with store.writing(folder, stage=stage, stage_version=VERSIONS[stage], key=key, recipe=shown, inputs=inputs) as out:
        with bar(stage, total, "texts" if stage in ("texts", "clean") else "passages") as progress:
            out.figures.update(work(run, out.folder, progress.advance) or {})
        _account(run.settings, out, stage)
    return Done(stage, store.read_manifest(folder), False)


def _account(settings: CorpusSettings, out: store.Writer, stage: str) -> None:
    """Count what a stage wrote; empty files are left out."""
    import pyarrow.parquet as pq

    for path in out.folder.glob("*.parquet"):
        if pq.read_metadata(path).num_rows == 0:
            path.unlink()
    files = sorted(out.folder.glob("*.parquet"))
    if stage == "passages":
        made = funnel.account(files, stage, "text", 0)
        out.adopt("passages", made.rows, made.digest, made.rows, {})
        return
    text = "text" if stage in ("texts", "clean") else "normal"
    made = funnel.account(files, stage, text, settings.samples, ("witness",) if stage == "kept" else ())
    funnel.write(out.folder, made.counts, funnel.samples_of(files, stage, made, text))
    out.adopt(stage, made.rows, made.digest, made.kept, made.dropped)


# ---------------------------------------------------------------- what a stage depends on


_READS = {
    "texts": ("sources",),
    "clean": ("languages", "doubtful", "lexicon", "filter", "min_text", "max_chars", "samples"),
    "segments": ("min_chars", "min_text", "near", "samples"),
    "kept": ("near", "near_keeps", "semantic", "decontaminate", "samples"),
    "passages": (),
}
"""Stage → the keys of ``[corpus]`` that its rows depend on; never the engine."""

_LATER = ("of_field", "priority")
"""Keys of a source that only later stages read."""


def _key(run: Bulk, stage: str, inputs: Sequence[InputEntry]) -> str:
    """What the rows and origins of a stage depend on, as a hash; after it how many samples are shown, on which no later
    stage depends. The stage before goes in by its own key: its rows would be the same where only a file's name or the
    kind of a source changed, and passages would name the old one."""
    shown = _settings_of(run.settings, stage)
    samples = shown.pop("samples", 0)
    before = _before(stage)
    parts = [f"{entry.name} {entry.digest}" for entry in inputs if entry.name != before]
    parts += [store.read_manifest(run.root / before).key.partition("-")[0]] if before else []
    return f"{content_id('corpus', stage, str(VERSIONS[stage]), canonical_json(shown), *parts)}-{samples}"


def _before(stage: str) -> str:
    """The stage whose rows it reads; empty for the first."""
    order = list(VERSIONS)
    return order[order.index(stage) - 1] if stage != order[0] else ""


def _settings_of(settings: CorpusSettings, stage: str) -> dict[str, object]:
    shown = {name: value for name, value in table(settings).items() if name in _READS[stage]}
    if stage == "texts":  # what a later stage reads of a source does not make it read anew
        shown["sources"] = [{k: v for k, v in one.items() if k not in _LATER} for one in shown["sources"]]
    if stage == "clean" and settings.lexicon is not None:
        shown["of_field"] = sorted(source.name for source in settings.sources if source.of_field)
    if stage == "segments":
        shown["near"] = bool(settings.near)
        shown["priorities"] = _priorities(settings)
    return shown


def _priorities(settings: CorpusSettings) -> dict[str, int]:
    return {source.name: source.priority for source in settings.sources}


def _inputs(run: Bulk, stage: str) -> list[InputEntry]:
    """What a stage reads: files of the recipe by their hash, an earlier stage by its digest."""
    if stage == "texts":
        found = [shard for source in run.settings.sources for shard in shards(source)]
        return [InputEntry(name=f"{s.source.name}/{s.within}", digest=hash_file(s.path)) for s in found]
    entries = [_entry(run.root / _before(stage))]
    if stage == "clean" and run.settings.lexicon is not None:
        lexicon = run.settings.lexicon
        lists = [*lexicon.files, *([lexicon.general] if lexicon.general else [])]
        entries += [InputEntry(name=path.name, digest=_hash(path)) for path in lists]
        graphs = [(folder, store.read_manifest(folder).tables[ENTITIES]) for folder in lexicon.graphs]
        entries += [InputEntry(name=folder.name, digest=t.digest, rows={ENTITIES: t.rows}) for folder, t in graphs]
    if stage == "clean" and run.settings.filter is not None:
        entries.append(InputEntry(name=run.settings.filter.name, digest=_hash(run.settings.filter)))
    if stage == "kept" and run.questions is not None:
        entries.append(_entry(run.questions))
    if stage == "kept" and run.settings.semantic_model is not None:
        kind = semantic.kind_of(run.settings.semantic_model)
        entries.append(InputEntry(name=run.settings.semantic_model.name, digest=kind.removeprefix(semantic.MODEL)))
    if stage == "kept" and (table_ := run.earlier) is not None:
        entries.append(InputEntry(name="earlier", digest=table_.digest, rows={"texts": len(table_)}))
    return entries


def _hash(path: Path) -> str:
    if not path.exists():
        raise InputError(f"{path}: not found; [corpus] names it; next: check the path in the recipe")
    return hash_file(path)


def _entry(folder: Path) -> InputEntry:
    manifest = store.read_manifest(folder)
    rows = {name: entry.rows for name, entry in manifest.tables.items() if name != "dropped"}
    return InputEntry(name=folder.name, digest=manifest.digest, rows=rows)


# ---------------------------------------------------------------- the work of each stage


def _texts(run: Bulk, out: Path, advance: Advance) -> None:
    """Sources are read on the machine that started the run: by this process, or by those of the pool."""
    found = [shard for source in run.settings.sources for shard in shards(source)]
    engine = run.engine if isinstance(run.engine, Pool) else Here()
    engine.map(Pass(TEXT, _as_read, TEXT, opens=read), found, out, advance)
    if any(source.id for source in run.settings.sources):
        repeated.settle(sorted(out.glob("*.parquet")))


def _as_read(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch


def _clean(run: Bulk, out: Path, advance: Advance) -> None:
    run.engine.map(Pass(TEXT, Clean(run.settings), CLEAN, text="text"), run.files("texts"), out, advance)


def _segments(run: Bulk, out: Path, advance: Advance) -> None:
    stage = Segmented(run.settings.min_chars, run.settings.min_text, run.settings.near > 0, _priorities(run.settings))
    work = Pass(CLEAN, stage, SEGMENT, explode=True, open_only=True, text="text")
    run.engine.map(work, run.files("clean"), out, advance)


def _kept(run: Bulk, out: Path, advance: Advance) -> dict[str, float]:
    files, table_ = run.files("segments"), run.earlier
    survivors = _survivors(run, files, table_)
    near: dict[str, Neighbour] = {}
    spared = Spared(run.settings.near_keeps) if run.settings.near_keeps else None
    if run.settings.near:
        with near_rows(files, survivors, out) as rows:
            near = neighbours(rows, table_, run.settings.near, spared)
    digest = store.read_manifest(run.questions).digest if run.questions else ""
    alike = _alike(run, Undecided(files, survivors, near), out, spared) if run.settings.semantic else {}
    verdict = Verdict(survivors, near, alike, run.questions, digest)
    at_once = "normal" if run.questions else ""
    run.engine.map(Pass(_SEGMENT_READ, verdict, KEPT, text=at_once), files, out, advance)
    counts = spared.counts(_left(out)) if spared is not None and spared.said else {}
    return {f"{SPARED}{kind}": float(count) for kind, count in counts.items()}


def _left(out: Path) -> Iterator[str]:
    """Ids of the passages that no rule has dropped."""
    for path in sorted(out.glob("*.parquet")):
        for batch in read_rows(path, _OUTCOME, store.SHARD_ROWS):
            yield from batch.filter(pc.equal(batch.column("reason"), "")).column("id").to_pylist()


def _survivors(run: Bulk, files: list[Path], table_: BandTable | None) -> dict[str, str]:
    """Key → id that survives, of the keys that several passages hold, those of earlier corpora among them."""
    found = survivors_of(run.engine.group_min(files, "key", "rank"))
    return found if table_ is None else found | earlier.exact(table_, files)


def _add(run: Bulk) -> None:
    """The passages join the band table, once they have been judged by it."""
    table_ = run.earlier
    if table_ is not None and run.corpus not in table_.added:
        files = run.files("segments")
        meaning = _meaning(run) if run.settings.semantic else None
        earlier.add(table_, files, _survivors(run, files, table_), run.corpus, run.root, meaning)


def _meaning(run: Bulk) -> Meaning | None:
    """The vectors of the judged passages, made with the index that judged them; None where nothing was judged."""
    if not (run.root / "kept" / _INDEX).exists():
        return None
    index = semantic.load(run.root / "kept" / _INDEX)
    stage = Remembered(index, _priorities(run.settings), run.settings.semantic_model)
    with TemporaryDirectory(dir=run.root, prefix=".vectors-") as name:
        run.engine.map(Pass(_JUDGED, stage, VECTOR), run.files("kept"), Path(name), lambda _: None)
        return Meaning(index, pa.Table.from_batches(_vectors(Path(name)), VECTOR))


def _vectors(folder: Path) -> Iterator[pa.RecordBatch]:
    for path in sorted(folder.glob("*.parquet")):
        yield from read_rows(path, VECTOR, store.SHARD_ROWS)


def _alike(run: Bulk, open_: Undecided, out: Path, spared: Spared | None) -> dict[str, semantic.Alike]:
    """Passages with an earlier one of nearly the same words; the vectors lie in ``out`` for as long as it takes. The
    index is that of the earlier corpora, and stays beside the rows until it is added to their table."""
    table_, rest = run.earlier, open_.rest()
    before = table_.meaning if table_ is not None else None
    first = next(rest, None)
    if first is None:
        return {}
    model = run.settings.semantic_model
    rows = chain([first], rest)
    index = semantic.fit(rows, semantic.kind_of(model), semantic.embed_of(model)) if before is None else before.index
    if table_ is not None:
        index.save(out / _INDEX)
    folder = out / "vectors"
    folder.mkdir()
    work = Pass(RANKED, Vectors(open_.survivors, open_.near, index, model), VECTOR, text="normal")
    run.engine.map(work, open_.files, folder, lambda _: None)
    with texts_aside(open_.rest() if spared else (), out / "meaning.txt") as texts:
        asked = semantic.Asked(spared, texts) if spared else None
        found = semantic.alike(_vectors(folder), run.settings.semantic, before, asked)
    rmtree(folder)
    return found


def _passages(run: Bulk, out: Path, advance: Advance) -> None:
    judged = store.read_manifest(run.root / "kept")
    if not judged.kept:
        where = "kept" if judged.dropped else "clean"
        said = ", ".join(f"{n:,} {rule}" for rule, n in sorted(store.read_manifest(run.root / where).dropped.items()))
        raise StageError(
            f"no passage is left: {said or 'no text was read'}; next: look at the samples in "
            f"{run.root / where / 'funnel.json'}, mend the settings, or give sources that hold something new"
        )
    run.engine.map(Pass(_KEPT_READ, as_documents, DOCUMENT, open_only=True), run.files("kept"), out, advance)


_WORK = {"texts": _texts, "clean": _clean, "segments": _segments, "kept": _kept, "passages": _passages}


def funnel_of(root: Path) -> tuple[list[FunnelCount], list[FunnelSample]]:
    """The counts and samples of all finished stages of a run, in their order."""
    read_ = [funnel.read(root / stage) for stage in funnel.STAGES if (root / stage / "manifest.json").exists()]
    return [count for counts, _ in read_ for count in counts], [sample for _, samples in read_ for sample in samples]


def spared_of(root: Path) -> dict[str, int]:
    """What near passages of a run say that their neighbours do not → how many were kept for it."""
    figures = store.read_manifest(root / "kept").figures
    return {name.removeprefix(SPARED): int(n or 0) for name, n in figures.items() if name.startswith(SPARED)}
