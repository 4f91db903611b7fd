"""Running the stages of a recipe: skip what is finished, resume what is not, plan without computing.

A stage is skipped when its key matches: its name and version, its own part of the recipe, the digests of its inputs and
the hashes of its files; never times, paths, hosts or thread counts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from huatuo import store, unfinished
from huatuo.errors import BusyError, DataError, InputError, RecipeError
from huatuo.joining import join
from huatuo.parts import folder_of, make_parts, part_of
from huatuo.plan import CALLS, counted_calls, curated_passages
from huatuo.preflight import findings
from huatuo.progress import say
from huatuo.recipe import QuestionsSettings, Recipe, table
from huatuo.stages import NAMES, PARTED, PHRASINGS, STAGES, Job, Stage, is_wanted
from huatuo.store import InputEntry, Manifest

if TYPE_CHECKING:
    from huatuo.train.together import Together


def select(first: str | None = None, last: str | None = None, only: str | None = None) -> list[Stage]:
    """The stages from ``first`` to ``last``, or ``only`` one.

    Raises RecipeError naming the stages where a name is unknown or the range is empty.
    """
    for name in (first, last, only):
        if name is not None and name not in NAMES:
            raise RecipeError(f"no stage {name!r}; stages in order: {', '.join(NAMES)}")
    start, end = (NAMES.index(first) if first else 0), (NAMES.index(last) if last else len(NAMES) - 1)
    if only:
        start = end = NAMES.index(only)
    if start > end:
        raise RecipeError(f"--from {first} comes after --to {last}; stages in order: {', '.join(NAMES)}")
    return list(STAGES[start : end + 1])


# ---------------------------------------------------------------- running

SAMPLED = 1_000
"""Passages of which the calls are counted before a run in parts begins."""


def check_lineage(root: Path, stage: Stage) -> None:
    """Nothing, where all that a stage reads was made from what lies here now.

    Stages can be run one by one, so an earlier one may have been made anew from another recipe. Raises DataError: a
    page that mixes two runs would look like one.
    """
    for name in stage.inputs:
        if not (root / name / "manifest.json").exists():
            continue
        for entry in store.verify(root / name).inputs:
            source = root / entry.name / "manifest.json"
            if entry.name in NAMES and source.exists() and store.read_manifest(source.parent).digest != entry.digest:
                raise DataError(
                    f"{root / name}: was made from another {entry.name} than the one that lies here now, and "
                    f"{stage.name} would mix both; next: huatuo run RECIPE --from {name}"
                )


def made_otherwise(recipe: Recipe, root: Path, stages: Sequence[Stage]) -> list[str]:
    """Names of the earlier stages that will be read as they are, though this recipe would make them otherwise."""
    chosen = {stage.name for stage in stages}
    read = {name for stage in stages for name in stage.inputs} - chosen
    found = []
    for stage in STAGES:
        if stage.name not in read or not (root / stage.name / "manifest.json").exists():
            continue
        try:
            same = store.read_manifest(root / stage.name).key == inputs_of(stage, recipe, root)[1]
        except InputError:
            same = False  # a file of the recipe is gone
        if not same:
            found.append(stage.name)
    return found


def inputs_of(stage: Stage, recipe: Recipe, root: Path) -> tuple[list[InputEntry], str]:
    """What a stage will read, and its key.

    Raises DataError naming the first input that is not finished, InputError for a file that is not there.
    """
    entries, made_by = [], []
    for name in stage.inputs:
        if not (root / name / "manifest.json").exists():
            raise DataError(
                f"{root / name}: not made yet, and stage {stage.name} reads it; "
                f"next: huatuo run RECIPE --to {stage.name}"
            )
        manifest = store.read_manifest(root / name)
        rows = {name: entry.rows for name, entry in manifest.tables.items()}
        entries.append(InputEntry(name=name, digest=manifest.digest, rows=rows))
    for path in stage.files(recipe):
        if not path.exists():
            raise InputError(f"{path}: not found; stage {stage.name} reads it; next: check the path in the recipe")
        if (path / "manifest.json").is_file():  # its digest is that of every row, and need not be computed
            found = store.read_manifest(path)
            digest = found.digest
            made_by.append(found.key)  # the digest of passages does not count the file and line that they come from
        else:
            digest = store.hash_file(path)
        entries.append(InputEntry(name=path.name, digest=digest))
    parts = [*(f"{entry.name} {entry.digest}" for entry in entries), *made_by]
    settings = store.canonical_json(stage.settings(recipe))
    key = store.content_id(stage.name, str(stage.version), settings, str(recipe.run.seed), *parts)
    return entries, key


@dataclass(frozen=True)
class Done:
    """What happened to one stage."""

    stage: Stage
    manifest: Manifest
    """What it made; an empty data set where the recipe names nothing for it."""
    skipped: bool
    """Whether it was finished already."""


def run(recipe: Recipe, root: Path, stages: Sequence[Stage]) -> Iterator[Done]:
    """Each stage as it is finished or found finished; one process at a time in a run's folder.

    Raises RecipeError for what would stop a later stage, BusyError where another process runs here, and whatever a
    stage raises; finished stages stay finished, so the same call goes on where it stopped.
    """
    _refuse_problems(recipe, stages, "this run; nothing was computed")
    os.environ.setdefault("OMP_NUM_THREADS", str(recipe.run.threads))  # read when torch is first imported
    unfinished.refuse(recipe, root, stages)
    parted = [stage.name for stage in stages if stage.name in PARTED] if recipe.synth.parts else []
    if parted:
        before = select(last=parted[-1])
        say(f"synth: {expected_of_parts(recipe, root)}")
        make_parts(recipe, root, lambda part, folder: _part(part, folder, before))
        stages = [*before, *(stage for stage in stages if stage not in before)]
    try:
        with store.locked(root), _others(recipe) as others:
            yield from _run_all(recipe, root, stages, others)
    except BusyError:
        if not parted:
            raise
        say(f"{root}: every part is made; another process joins them and goes on")


def _is_one_of_several() -> bool:
    """Whether ``torchrun`` started this process with others."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextmanager
def _others(recipe: Recipe) -> Iterator[Together | None]:
    """The processes that ``torchrun`` started with this one; None where it is alone."""
    if not _is_one_of_several():
        yield None
        return
    from huatuo.train.together import together

    with together(recipe.train) as others:
        yield others


def followed(recipe: Recipe) -> bool:
    """Whether this process is one of several and not the first: it has then taken its part in the training, and the
    first has made everything else."""
    if not _is_one_of_several() or os.environ.get("RANK", "0") == "0":
        return False
    os.environ.setdefault("OMP_NUM_THREADS", str(recipe.run.threads))
    from huatuo.train.together import together

    with together(recipe.train) as others:
        others.follow(recipe.train, recipe.run)
    return True


def _refuse_problems(recipe: Recipe, stages: Sequence[Stage], what: str) -> None:
    problems = findings(recipe, [stage.name for stage in stages])
    if problems:
        lines = "\n".join(f"  {line}" for line in problems)
        raise RecipeError(f"{len(problems)} thing(s) would stop {what}:\n{lines}")


def _run_all(recipe: Recipe, root: Path, stages: Sequence[Stage], others: Together | None = None) -> Iterator[Done]:
    whole: set[str] = set()  # inputs whose bytes were hashed: several stages read the same one, and no one else writes
    for stage in stages:
        for name in stage.inputs:
            store.recover(root / name)
        check_lineage(root, stage)
        entries, key = inputs_of(stage, recipe, root)
        folder = root / stage.name
        store.recover(folder)
        if store.is_finished(folder, key):
            yield Done(stage, store.read_manifest(folder), True)
            continue
        for name in stage.inputs:
            if name not in whole:
                store.verify(root / name, deep=True)
                whole.add(name)
        unfinished.go_on(stage, recipe, root, key, entries)
        with store.writing(
            folder,
            stage=stage.name,
            stage_version=stage.version,
            key=key,
            recipe=stage.settings(recipe),
            inputs=entries,
            seed=recipe.run.seed,
            max_dropped=recipe.run.max_dropped,
            resumable=stage.resumable,
        ) as out:
            if not is_wanted(stage, recipe):
                store.write_atomic(out.folder / "empty.json", '{"reason": "the recipe names nothing for this stage"}\n')
            elif recipe.synth.parts and stage.name in PARTED:
                join([folder_of(recipe, root, n + 1) / stage.name for n in range(recipe.synth.parts)], out)
            else:
                stage.work(Job(recipe, root, out, others))
        yield Done(stage, store.read_manifest(folder), False)


def _part(recipe: Recipe, folder: Path, stages: Sequence[Stage]) -> str:
    """What a part is, which is made where it is not finished."""
    from huatuo.knowledge.documents import passages_of

    if not any(True for source in recipe.ingest.documents for _ in passages_of(source)):  # other parts have the titles
        recipe = recipe.model_copy(update={"ingest": recipe.ingest.model_copy(update={"documents": ()})})
    *_, last = _run_all(recipe, folder, stages)
    tables = ", ".join(f"{entry.rows:,} {name}" for name, entry in last.manifest.tables.items())
    return f"{tables or 'no passage'}{', made before' if last.skipped else ''}"


def expected_of_parts(recipe: Recipe, root: Path) -> str:
    """What all parts will ask, in words: the calls of about `SAMPLED` passages are counted, and multiplied."""
    from huatuo.knowledge.documents import part_number, passages_of

    parts, passages = recipe.synth.parts, curated_passages(recipe)
    of = max(1, passages // SAMPLED)
    finished = sum((folder_of(recipe, root, n + 1) / "synth" / "manifest.json").exists() for n in range(parts))
    if finished == parts:
        return f"{parts:,} parts, all finished"
    first = next(passages_of(recipe.ingest.documents[0]))  # a part of so many may hold no title, but for its own
    with TemporaryDirectory(prefix="huatuo-") as name:
        part = part_of(recipe, part_number(first.id, first.title, of), of)
        *_, last = _run_all(part, Path(name), select(last="curate"))
        seen = last.manifest.tables["passages"].rows
        said = counted_calls(recipe, Path(name), PHRASINGS, passages / seen) or "no paid call"
    return (
        f"{parts:,} parts of about {passages // parts:,} passages, {finished:,} finished; all together, from "
        f"{seen:,} of {passages:,} passages: {said}; n processes take about 1/n of the time"
    )


@contextmanager
def _before_synth(recipe: Recipe, root: Path) -> Iterator[Path]:
    """A folder that goes away, with what synth reads: the run's own data sets where finished, else new ones."""
    stages = select(last="curate")
    with TemporaryDirectory(prefix="huatuo-") as name:
        folder = Path(name)
        root.mkdir(parents=True, exist_ok=True)
        (folder / CALLS).symlink_to(root.resolve() / CALLS)  # answers that are paid for here are kept with the run's
        for stage in stages:
            finished = root / stage.name
            if store.is_finished(finished, inputs_of(stage, recipe, folder)[1]):
                (folder / stage.name).symlink_to(finished.resolve(), target_is_directory=True)
            for _ in _run_all(recipe, folder, [stage]):
                pass
        yield folder


def preview(recipe: Recipe, root: Path, count: int) -> Iterator[str]:
    """What a look at ``count`` calls of synth shows, line by line; nothing is written but the replies that were asked.

    Raises RecipeError where the recipe names no knowledge or something would stop the stage, and what a stage raises.
    """
    from huatuo.llm.cache import Cached
    from huatuo.llm.teachers import doctor_of, teacher_of
    from huatuo.synth.judge import judge_on
    from huatuo.synth.preview import lines, look

    if not recipe.ingest.graphs and not recipe.ingest.documents:
        raise RecipeError("the recipe names no graph and no document, so there is nothing to preview; next: add one")
    _refuse_problems(recipe, select(last="synth"), "this stage")
    if recipe.synth.parts:
        yield f"part 1 of {recipe.synth.parts}:"
        recipe, root = part_of(recipe, 1), folder_of(recipe, root, 1)
    with _before_synth(recipe, root) as folder:
        read = folder / "ingest", folder / "curate"
        teacher = teacher_of(recipe.synth, PHRASINGS, root / CALLS)
        doctor = doctor_of(recipe.synth, root / CALLS, teacher)
        caches = [Cached(model, root / CALLS) for model in (teacher, doctor) if model is not None]
        found = look(recipe.synth, *read, caches[0], recipe.run.seed, count, *caches[1:])
        yield from lines(recipe.synth, found, count, read, judge_on(recipe.synth.judge, root / CALLS, *read))


# ---------------------------------------------------------------- curation at scale

CORPUS = "corpus"
"""Folder of a run that holds the stages of curation at scale."""


def curate_corpus(recipe: Recipe, root: Path) -> Iterator[tuple[Manifest, bool]]:
    """The manifest of each stage of curation at scale as it is finished, and whether it was before; then the page.

    Raises RecipeError for a file of the recipe that is missing, and what `huatuo.corpus.bulk.curate` raises.
    """
    from huatuo.corpus.bulk import curate, funnel_of, spared_of
    from huatuo.report.curation import write

    _refuse_problems(recipe, select(only="questions"), "this run; nothing was computed")
    folder = root / CORPUS
    exams = _exams(recipe, folder) if recipe.corpus.decontaminate and recipe.questions.exams else None
    for done in curate(recipe.corpus, folder, exams):
        yield done.manifest, done.skipped
    title = recipe.run.title or recipe.run.name
    write(folder, title, recipe.report.language, *funnel_of(folder), spared_of(folder))


def _exams(recipe: Recipe, folder: Path) -> Path:
    """The data set with the questions of the recipe's exams, which no passage may hold."""
    from huatuo.eval.probes import Taught
    from huatuo.eval.questions import make

    settings = QuestionsSettings(exams=recipe.questions.exams, data_until=recipe.questions.data_until)
    asked = [path for exam in settings.exams for path in (exam.path, exam.answers, exam.examples) if path is not None]
    entries = [InputEntry(name=path.name, digest=store.hash_file(path)) for path in asked]
    shown = table(settings)
    key = store.content_id("exams", store.canonical_json(shown), *(f"{e.name} {e.digest}" for e in entries))
    if not store.is_finished(folder / "exams", key):
        with store.writing(folder / "exams", stage="exams", key=key, recipe=shown, inputs=entries) as out:
            make(settings, folder, Taught(PHRASINGS, 0), recipe.run.seed, out)
    return folder / "exams"


# ---------------------------------------------------------------- planning


@dataclass(frozen=True)
class Planned:
    """What would happen to one stage."""

    stage: Stage
    state: str
    """finished, to do, nothing to do, damaged, refused."""
    says: str
    """What it will do, with its numbers."""


def with_shape(recipe: Recipe, name: str) -> Recipe:
    """The recipe with a base of a known shape on GPUs, to plan with. Raises RecipeError for an unknown shape."""
    from huatuo.train.shapes import preset

    train = recipe.train.model_copy(update={"base": preset(name), "device": "cuda"})
    return recipe.model_copy(update={"train": train})


def plan(recipe: Recipe, root: Path, stages: Sequence[Stage]) -> list[Planned]:
    """What each stage would do, computed without running or paying for anything."""
    from huatuo.plan import counted_answers, counted_reading, estimates

    expected = estimates(recipe)
    planned, stale = [], False
    unchanged: set[str] = set()
    for stage in stages:
        if not is_wanted(stage, recipe):
            planned.append(Planned(stage, "nothing to do", "the recipe names nothing for it"))
            continue
        state, read = "to do", None
        try:
            if not stale:
                read, key = inputs_of(stage, recipe, root)
                state = "finished" if store.is_finished(root / stage.name, key) else "to do"
        except InputError:
            state = "to do"
        except DataError as error:
            state = "damaged" if (root / stage.name / "manifest.json").exists() else "to do"
            if state == "damaged":
                planned.append(Planned(stage, state, str(error)))
                stale = True
                continue
        says = expected.get(stage.name, stage.says)
        if stage.name == "ingest" and state == "to do" and (counted := counted_reading(recipe, root)):
            says = f"{says}; {counted}"
        if stage.name == "synth" and state == "to do" and recipe.synth.parts and curated_passages(recipe):
            says = expected_of_parts(recipe, root)
        elif stage.name == "synth" and state == "to do" and not stale:
            says = counted_calls(recipe, root, PHRASINGS) or says
        if stage.name == "ask" and state == "to do" and "questions" in unchanged:
            says = counted_answers(recipe, root) or says
        if state == "to do" and (attempt := unfinished.found(stage, recipe, root, read)):
            state = "refused" if attempt.differs else state
            says = attempt.refusal() if attempt.differs else f"goes on at step {attempt.step:,}; {says}"
        unchanged |= {stage.name} if state == "finished" else set()
        stale = stale or state in ("to do", "refused")
        planned.append(Planned(stage, state, says))
    return planned
