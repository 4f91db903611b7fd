"""What a recipe would cost, estimated from file sizes and a base's config before anything is computed or paid for.

Every estimate says what it assumes. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from huatuo.errors import InputError
from huatuo.files import regular_files
from huatuo.manifest import read_manifest
from huatuo.plan_train import train_says
from huatuo.recipe import ImportSource, Recipe, TrainSettings

BYTES_PER_CHAR = 2.6
"""Bytes of UTF-8 per character of mixed Chinese and English text with JSON around it (3 for Chinese, 1 for ASCII)."""
CHARS_PER_PAIR = 100
"""Characters of an imported pair: HuaTuo's released 8,658 instances have 41.5 + 57.4 on average."""
TOKENS_PER_CHAR = 0.7
"""Tokens per character of Chinese with today's byte-level vocabularies; 1 for the character tokenizer."""
PASSAGE_FILL = 0.6
"""How full passages are on average: they end at headings and sentences. From the sample documents and drug labels."""
COUNTED_BYTES = 8e6
"""Imported data sets up to this size are read and counted: a few CPU-seconds at most (HuaTuo's 8,658 pairs: 4 MB)."""
CALL_PROMPT, CALL_REPLY = 600, 500
"""Tokens of a teacher's call, before the prompts are there to be counted."""
CALLS = "calls.sqlite"
"""Every answer of a teacher, in the run's folder."""
ANSWERS = "answers.sqlite"
"""Every answer and log-probability of models in local folders, beside the runs: the digest of the weights is part of
its keys, so that no recipe computes what another one has computed."""


def estimates(recipe: Recipe) -> dict[str, str]:
    """One sentence per stage: calls, tokens, hours, memory, each with what it assumes."""
    graph_bytes = sum(size(g.path) for g in recipe.ingest.graphs)
    text_bytes = sum(size(d.path) for d in recipe.ingest.documents)
    groups, passages = _expected(recipe)
    per_call = recipe.synth.phrasings if recipe.synth.teacher.kind == "offline" else recipe.synth.pairs_per_call
    generated = groups * per_call + passages
    imported = [(source.name, _imported(source)) for source in recipe.unify.imports if source.format != "review"]
    return {
        "ingest": f"read {count_files(recipe):,} file(s), {(graph_bytes + text_bytes) / 1e6:,.1f} MB",
        "questions": f"{len(recipe.questions.exams)} exam(s), {len(recipe.questions.probe.relations)} relation(s)",
        "curate": f"about {passages:,} passages of at most {recipe.curate.max_chars} characters",
        "synth": _synth_says(recipe, groups, passages, generated),
        "unify": _unify_says(recipe, imported),
        "order": _order(recipe.train),
        "tokenise": f"window of {recipe.train.window} tokens, longer pairs: {recipe.train.overlong}",
        "train": _train_says(recipe, generated, imported),
        "ask": _ask_says(recipe),
    }


def _order(train: TrainSettings) -> str:
    weighed = f"weights of {train.preset}" if train.preset else f"{len(train.priority)} weighted source(s)"
    return f"{train.order} order of {weighed}" if train.order == "priority" else f"{train.order} order"


def _expected(recipe: Recipe) -> tuple[int, int]:
    """About how many (entity, relation) to ask about, and how many passages; what cannot be read counts nothing here,
    since the findings name it."""
    from huatuo.knowledge.ingest import glimpse

    full = max(recipe.curate.max_chars * PASSAGE_FILL, 1.0)
    groups = passages = 0.0
    for graph in recipe.ingest.graphs:
        if not graph.path.exists() or (graph.mapping is not None and not graph.mapping.exists()):
            continue
        seen = glimpse(graph)
        groups += seen.groups
        passages += max(seen.prose[0], seen.prose[1] / full)
    passages += curated_passages(recipe)
    for source in (one for one in recipe.ingest.documents if not is_curated(one.path)):
        passages += sum(max(1.0, size(path) / BYTES_PER_CHAR / full) for path in _files(source.path))
    taught = 1 - recipe.ingest.withhold_share
    return int(groups * taught), int(passages)


def is_curated(path: Path) -> bool:
    """Whether a source of documents is the passages of `huatuo curate`."""
    return (path / "manifest.json").is_file()


def curated_passages(recipe: Recipe) -> int:
    """How many passages of `huatuo curate` the recipe reads; of a part about."""
    found = 0
    for source in recipe.ingest.documents:
        if is_curated(source.path):
            parts = int(source.shard.partition("/")[2] or 1)
            found += read_manifest(source.path).tables["passages"].rows // parts
    return found


def _synth_says(recipe: Recipe, groups: int, passages: int, generated: int) -> str:
    teacher = recipe.synth.teacher
    calls = groups + 2 * passages
    if teacher.kind == "offline":
        return f"about {generated:,} pairs by the offline teacher; no paid call"
    if teacher.kind == "local":
        return f"about {calls:,} calls of the model in {teacher.folder}; no paid call"
    from huatuo.llm.estimate import Expected, says

    prompt, reply = calls * CALL_PROMPT, calls * CALL_REPLY
    basis = f"{CALL_PROMPT} and {CALL_REPLY} a call, calls guessed from the sizes of the files"
    return says(Expected(calls, 0, prompt, reply, basis), teacher)


def counted_reading(recipe: Recipe, root: Path) -> str:
    """What the teacher will be asked about documents, counted from the documents themselves; empty where it reads none,
    or where one is missing (a finding says so)."""
    from huatuo.knowledge.ingest import reads_by_teacher

    settings = recipe.ingest
    there = all(source.path.exists() for source in settings.documents)
    if settings.teacher is None or not there or not reads_by_teacher(settings):
        return ""
    from huatuo.knowledge.extract_teacher import expected
    from huatuo.llm.cache import Cached
    from huatuo.llm.estimate import says
    from huatuo.llm.teachers import extractor_of

    cache = Cached(extractor_of(settings.teacher, root / CALLS), _kept(root))
    left = expected(settings, cache, recipe.run.seed)
    cache.close()
    return says(left, settings.teacher)


def _ask_says(recipe: Recipe) -> str:
    said = f"models {', '.join(recipe.asked)}, at most {recipe.ask.max_tokens} tokens an answer"
    paid = any(one.kind == "endpoint" for one in recipe.ask.others)
    return f"{said}; calls and cost are counted once the questions are there (run --to questions)" if paid else said


def counted_answers(recipe: Recipe, root: Path) -> str:
    """What endpoints will be asked and cost, counted from the run's questions; empty where there are none of either."""
    asked = [one for one in recipe.ask.others if one.kind == "endpoint"]
    if not asked or not (root / "questions" / "manifest.json").exists():
        return ""
    from huatuo.eval.ask_estimate import expected_answers
    from huatuo.llm.teachers import asked_of

    caches = asked_of(recipe.ask, root / CALLS, _kept(root))
    lines = list(expected_answers(recipe.ask, root / "questions", caches, recipe.run.seed))
    for cache in caches.values():
        cache.close()
    return f"models {', '.join(recipe.asked)}; {'; '.join(lines)}"


def _kept(root: Path) -> Path:
    """The file of answers, or none in memory: a plan leaves no file behind."""
    return root / CALLS if (root / CALLS).exists() else Path(":memory:")


def counted_calls(recipe: Recipe, root: Path, phrasings: Path, times: float = 1.0) -> str:
    """What the teacher will be asked, counted from the run's data sets; empty where these are not there. ``times``: the
    data sets are a sample of so many times as much."""
    knowledge, passages, settings = root / "ingest", root / "curate", recipe.synth
    there = all((folder / "manifest.json").exists() for folder in (knowledge, passages))
    if settings.teacher.kind in ("offline", "local") or not there:
        return ""
    from huatuo.llm.cache import Cached
    from huatuo.llm.teachers import doctor_of, teacher_of
    from huatuo.synth.expect import Caches, says

    teacher = teacher_of(settings, phrasings, root / CALLS)
    doctor = doctor_of(settings, root / CALLS, teacher)
    caches = Caches(Cached(teacher, _kept(root)), Cached(doctor, _kept(root)) if doctor is not None else None)
    said = says(settings, knowledge, passages, caches, recipe.run.seed, times)
    for cache in caches:
        if cache is not None:
            cache.close()
    return said


class _Imported(NamedTuple):
    """Pairs of an imported data set."""

    pairs: float
    characters: float
    is_counted: bool
    """Whether every record was read, or the file's size was all there was."""


def _imported(source: ImportSource) -> _Imported:
    """What an import holds: counted where the file is small, from its size otherwise; nothing where it is missing or
    cannot be read, which a finding or the stage says."""
    found = size(source.path)
    if found > COUNTED_BYTES:
        pairs = found / BYTES_PER_CHAR / CHARS_PER_PAIR
        pairs = min(pairs, source.limit) if source.limit else pairs
        return _Imported(pairs, pairs * CHARS_PER_PAIR, is_counted=False)
    from huatuo.synth.imports import read_pairs

    pairs = characters = 0
    try:
        for item in islice(read_pairs(source), source.limit or None):
            if item.pair is not None:
                pairs += 1
                characters += sum(len(message.content) for message in item.pair.messages)
    except InputError:
        return _Imported(0, 0, is_counted=False)
    return _Imported(pairs, characters, is_counted=True)


def _unify_says(recipe: Recipe, imported: Sequence[tuple[str, _Imported]]) -> str:
    count = int(sum(one.pairs for _, one in imported))
    counted = all(one.is_counted for _, one in imported)
    how = f"{count:,} pairs before any is dropped" if counted else f"about {count:,} pairs from their sizes"
    return f"{len(recipe.unify.imports)} imported data set(s), {how}{_held_out(recipe, count)[1]}"


def _held_out(recipe: Recipe, pairs: float) -> tuple[float, str]:
    """The share of so many pairs that is learned, and what is said of the others."""
    unify = recipe.unify
    share = unify.validation_share or min(unify.validation_pairs / max(pairs, 1.0), 1.0)
    return 1 - share, f", of which {round(share * pairs):,} are held out" if share and pairs else ""


def _train_says(recipe: Recipe, generated: int, imported: Sequence[tuple[str, _Imported]]) -> str:
    from huatuo.train.order import with_preset

    synth = recipe.synth.source
    train = with_preset(recipe.train, [synth, *(name for name, _ in imported)])
    per_char = 1.0 if train.base == "scratch" else TOKENS_PER_CHAR
    all_pairs = [*imported, (synth, _Imported(generated, generated * CHARS_PER_PAIR, is_counted=False))]
    learned = _held_out(recipe, sum(one.pairs for _, one in all_pairs))[0] * train.epochs
    samples = tokens = 0.0
    for name, one in all_pairs:
        times = learned * train.copies.get(name, 1)
        samples += times * one.pairs
        tokens += times * min(one.characters * per_char, one.pairs * train.window)
    return train_says(train, round(samples), tokens)


def _files(path: Path) -> list[Path]:
    """A file itself, or the files below a folder that a stage would read; none where the path is missing (a finding
    says so). Raises InputError for what a stage would refuse: a broken link, a pipe, a folder that may not be read."""
    if path.is_dir():
        return [found for _, found in regular_files(path)]
    return [path] if path.exists() else []


def size(path: Path) -> int:
    """Bytes of a file or of all files in a folder; 0 where it is missing."""
    return sum(p.stat().st_size for p in _files(path))


def count_files(recipe: Recipe) -> int:
    """Files that would be read."""
    paths = [g.path for g in recipe.ingest.graphs] + [d.path for d in recipe.ingest.documents]
    return sum(len(_files(path)) for path in paths)
