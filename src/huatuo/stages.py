"""The stages in their order: what each reads, which part of the recipe it depends on, which function does its work.

The only file that knows two stages. `huatuo.run` runs them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huatuo.plan import ANSWERS, CALLS
from huatuo.progress import say
from huatuo.recipe import Recipe, table
from huatuo.recipe_teacher import HOW_ASKED, TeacherSettings
from huatuo.store import Writer

if TYPE_CHECKING:
    from huatuo.train.together import Together

PROMPTS = Path(__file__).parent / "prompts"
PHRASINGS = PROMPTS / "phrasings.zh.toml"
"""Wordings of the offline teacher; the probe asks some of them as "trained phrasings"."""


@dataclass(frozen=True)
class Job:
    """What the work of a stage is given."""

    recipe: Recipe
    root: Path
    out: Writer
    together: Together | None = None
    """The other processes of the run, where there are any."""

    def folder(self, stage: str) -> Path:
        """The finished data set of an earlier stage."""
        return self.root / stage


@dataclass(frozen=True)
class Stage:
    """One stage: what it is called, what it depends on, what it does."""

    name: str
    version: int
    """Raised when the output changes for the same input."""
    says: str
    """What it does, in a few words for people."""
    inputs: tuple[str, ...]
    """Earlier stages that it reads."""
    settings: Callable[[Recipe], dict[str, Any]]
    """The part of the recipe that it depends on."""
    work: Callable[[Job], None]
    files: Callable[[Recipe], list[Path]] = field(default=lambda _: [])
    """Files from outside that it reads; their content is part of its key."""
    resumable: bool = False
    """Whether it goes on from what a killed attempt left."""


# ---------------------------------------------------------------- the work of each stage: one call into its room


def _ingest(job: Job) -> None:
    from huatuo.knowledge.ingest import ingest

    settings, seed = job.recipe.ingest, job.recipe.run.seed
    if settings.teacher is None or not _read_by_teacher(job.recipe):
        ingest(settings, seed, job.out)
        return
    from huatuo.knowledge.extract_teacher import Extractor, prepare
    from huatuo.llm.cache import Cached
    from huatuo.llm.estimate import settle
    from huatuo.llm.teachers import extractor_of

    model = extractor_of(settings.teacher, job.root / CALLS)
    cached = Cached(model, job.root / CALLS)
    prepare(settings, cached, seed, job.root / "batch" / "ingest")
    ingest(settings, seed, job.out, Extractor(cached, settings.teacher, seed))
    settle(model, cached, job.out)


def _questions(job: Job) -> None:
    from huatuo.eval.probes import Taught
    from huatuo.eval.questions import make

    taught = Taught(PHRASINGS, _taught_phrasings(job.recipe))
    make(job.recipe.questions, job.folder("ingest"), taught, job.recipe.run.seed, job.out)


def _curate(job: Job) -> None:
    from huatuo.corpus.curate import curate

    curate(job.recipe.curate, job.folder("ingest"), job.folder("questions"), job.out)


def _synth(job: Job) -> None:
    from huatuo.llm.cache import Cached
    from huatuo.llm.estimate import found_by, settle
    from huatuo.llm.teachers import doctor_of, teacher_of
    from huatuo.synth.expect import Caches, prepare
    from huatuo.synth.make import make_pairs

    settings, read, seed = job.recipe.synth, (job.folder("ingest"), job.folder("curate")), job.recipe.run.seed
    calls = job.root / CALLS
    model = teacher_of(settings, PHRASINGS, calls)
    doctor = doctor_of(settings, calls, model)
    caches = Caches(Cached(model, calls), Cached(doctor, calls) if doctor is not None else None)
    prepare(settings, *read, caches, seed, job.root / "batch")
    make_pairs(settings, *read, caches.teacher, seed, job.out, caches.doctor)
    settle(model, caches.teacher, job.out)
    for finding in found_by(doctor, caches.doctor) if caches.doctor is not None else ():
        job.out.write("findings", finding)


def _unify(job: Job) -> None:
    from huatuo.synth.judge import judge_on
    from huatuo.synth.unify import unify

    folders, knowledge = (job.folder("synth"), job.folder("questions")), job.folder("ingest")
    judge = judge_on(job.recipe.synth.judge, job.root / CALLS, knowledge, job.folder("curate"))
    unify(job.recipe.unify, *folders, job.recipe.run.seed, job.out, knowledge, judge)


def _order(job: Job) -> None:
    from huatuo.train.order import make_order

    make_order(job.recipe.train, job.folder("unify"), job.recipe.run.seed, job.out)


def _tokenise(job: Job) -> None:
    from huatuo.train.tokenise import tokenise

    tokenise(job.recipe.train, job.folder("unify"), job.folder("ingest"), job.out)


def _train(job: Job) -> None:
    from huatuo.train.together import together

    settings, read = job.recipe.train, (job.folder("tokenise"), job.folder("order"))
    if job.together is not None:
        job.together.lead(settings, job.recipe.run, *read, job.out)
        return
    with together(settings) as alone:
        alone.lead(settings, job.recipe.run, *read, job.out)


def _ask(job: Job) -> None:
    from huatuo.eval.ask import ask
    from huatuo.eval.ask_estimate import expected_answers
    from huatuo.eval.held_out import ask_held_out
    from huatuo.llm.cache import Cached
    from huatuo.llm.teachers import asked_of

    recipe, answers = job.recipe, job.root.parent / ANSWERS
    others = asked_of(recipe.ask, job.root / CALLS, answers=answers)
    models: dict[str, Any] = {
        name: others.get(name) or Cached(checkpoint(recipe, job.root, name), answers) for name in recipe.asked
    }
    if recipe.questions.asks:
        for line in expected_answers(recipe.ask, job.folder("questions"), others, recipe.run.seed):
            say(f"ask: {line}")
        ask(recipe.ask, job.folder("questions"), models, recipe.run.seed, job.out)
    if recipe.ask.held_out and recipe.trains:
        ask_held_out(recipe.ask, job.folder("unify"), models, recipe.run.seed, job.out)


def _score(job: Job) -> None:
    from huatuo.eval.score import score

    score(job.recipe.score, {name: job.folder(name) for name in SCORED}, job.recipe.run.seed, job.out)


def _report(job: Job) -> None:
    from huatuo.report.page import write

    folders = {stage.name: job.folder(stage.name) for stage in STAGES if stage.name != "report"}
    write(job.recipe.report, job.recipe.run, folders, job.out)


def checkpoint(recipe: Recipe, root: Path, name: str) -> Any:
    """The local model ``base`` (before training) or ``ours`` (after) of a run."""
    from huatuo.llm.local import LocalModel

    if name == "ours":
        folder = root / "train" / "model"
    elif recipe.train.base == "scratch":
        folder = root / "train" / "base"
    else:
        folder = Path(recipe.train.base)
    return LocalModel(folder, batch=recipe.ask.batch, format=recipe.train.format)


# ---------------------------------------------------------------- the stages


def _taught_phrasings(recipe: Recipe) -> int:
    """Wordings per relation that pairs are made with; 0 where a model words its questions itself."""
    return recipe.synth.phrasings if recipe.synth.teacher.kind == "offline" else 0


PARTED = ("ingest", "curate", "synth")
"""Stages whose data sets are joined from those of the parts, where the recipe has parts."""


def _source_files(recipe: Recipe) -> list[Path]:
    graphs = [path for g in recipe.ingest.graphs for path in (g.path, g.mapping) if path is not None]
    return graphs + [d.path for d in recipe.ingest.documents]


def _read_by_teacher(recipe: Recipe) -> bool:
    return any(source.extract == "teacher" for source in recipe.ingest.documents)


def _ingest_table(recipe: Recipe) -> dict[str, Any]:
    """The table, and the teacher where it is asked, without what says how it is asked and paid."""
    shown = _without(table(recipe.ingest), "teacher")
    teacher = recipe.ingest.teacher
    return shown | ({"teacher": _answering(teacher)} if teacher and _read_by_teacher(recipe) else {})


def _ingest_files(recipe: Recipe) -> list[Path]:
    return [*_source_files(recipe), *(_prompt_files("extract.")(recipe) if _read_by_teacher(recipe) else [])]


def _answering(settings: TeacherSettings) -> dict[str, Any]:
    """What a teacher's answers depend on: another address or limit makes no other ones, nor does asking by file."""
    teacher = _without(table(settings), *HOW_ASKED)
    return teacher | {"kind": "endpoint" if teacher["kind"] == "batch" else teacher["kind"]}


def _question_files(recipe: Recipe) -> list[Path]:
    named = [path for exam in recipe.questions.exams for path in (exam.path, exam.answers, exam.examples)]
    return [path for path in (*named, recipe.questions.probe.held_out) if path is not None]


def _table(name: str) -> Callable[[Recipe], dict[str, Any]]:
    return lambda recipe: table(getattr(recipe, name))


def _without(shown: dict[str, Any], *names: str) -> dict[str, Any]:
    """A table without what cannot change the output."""
    return {name: value for name, value in shown.items() if name not in names}


def _synth_table(recipe: Recipe) -> dict[str, Any]:
    """The table without what says how the teacher is asked and paid, and without the judge, which unify asks."""
    return _without(table(recipe.synth), "judge", "parts") | {"teacher": _answering(recipe.synth.teacher)}


def _unify_table(recipe: Recipe) -> dict[str, Any]:
    """The table, and the judge where there is one, without what says how it is asked."""
    judge = recipe.synth.judge
    return table(recipe.unify) | ({"judge": _without(table(judge), *HOW_ASKED)} if judge else {})


def _judge_files(recipe: Recipe) -> list[Path]:
    judge = recipe.synth.judge
    if judge is None:
        return []
    return _prompt_files("judge")(recipe) + ([judge.folder] if judge.kind == "local" and judge.folder else [])


def _ask_table(recipe: Recipe) -> dict[str, Any]:
    """The table with the models that are asked; of a further one what its answers depend on."""
    settings = _without(table(recipe.ask), "others") | {"models": [name for name in recipe.ask.models if recipe.trains]}
    others = [_without(table(one), *HOW_ASKED) for one in recipe.ask.others]
    return settings | ({"others": others} if others else {})


def _ask_files(recipe: Recipe) -> list[Path]:
    named = [one.folder for one in recipe.ask.others if one.kind == "local"]
    trained = _base_files(recipe) if recipe.trains else []
    return [*trained, *_prompt_files("exam_")(recipe), *(folder for folder in named if folder is not None)]


def _train_table(recipe: Recipe) -> dict[str, Any]:
    """What the checkpoint depends on; its card says the title, and whether it must not be used."""
    shown = _without(table(recipe.train), "device", "trackers", "checkpoint_every", "keep_checkpoints")
    return {**shown, "title": recipe.run.title, "demonstration": recipe.run.demonstration}


def _some_of_train(*names: str) -> Callable[[Recipe], dict[str, Any]]:
    return lambda recipe: {k: v for k, v in table(recipe.train).items() if k in names}


def _base_files(recipe: Recipe) -> list[Path]:
    base = recipe.train.base
    return [] if base == "scratch" else [Path(base)]


def _synth_files(recipe: Recipe) -> list[Path]:
    """Prompts, and the files that say what is asked; a data set of pairs counts by its manifest."""
    synth = recipe.synth
    named = [synth.teach_next, synth.self_instruct.seeds]
    named += [synth.coverage.taught / "manifest.json"] if synth.coverage.taught else []
    asked = [synth.teacher, *([synth.consultation.doctor] if synth.consultation.doctor else [])]
    named += [teacher.folder for teacher in asked if teacher.kind == "local"]
    begin = ("graph_", "passage_", "self_instruct", "repair.", "consultation_", PHRASINGS.name)
    return _prompt_files(*begin)(recipe) + [path for path in named if path is not None]


def _prompt_files(*beginnings: str) -> Callable[[Recipe], list[Path]]:
    return lambda _: sorted(path for start in beginnings for path in PROMPTS.glob(f"{start}*"))


SCORED = ("ingest", "questions", "ask", "unify", "order", "tokenise", "train")
"""What scoring reads: questions, answers, and everything that says what was taught."""

STAGES: tuple[Stage, ...] = (
    Stage("ingest", 6, "read and check knowledge", (), _ingest_table, _ingest, _ingest_files),
    Stage(
        "questions",
        5,
        "what the models will be asked",
        ("ingest",),
        lambda recipe: {**table(recipe.questions), "taught_phrasings": _taught_phrasings(recipe)},
        _questions,
        lambda r: [*_question_files(r), PHRASINGS],
    ),
    Stage("curate", 7, "documents to clean passages", ("ingest", "questions"), _table("curate"), _curate),
    Stage(
        "synth",
        7,
        "knowledge to question-answer pairs",
        ("ingest", "curate"),
        _synth_table,
        _synth,
        _synth_files,
        resumable=True,
    ),
    Stage(
        "unify",
        8,
        "all pairs in one format",
        ("synth", "questions", "ingest", "curate"),
        _unify_table,
        _unify,
        lambda r: [*(source.path for source in r.unify.imports), *_judge_files(r)],
    ),
    Stage(
        "order",
        2,
        "priority order",
        ("unify",),
        _some_of_train("order", "priority", "preset", "copies", "epochs", "second_stage"),
        _order,
    ),
    Stage(
        "tokenise",
        2,
        "pairs to token ids, once",
        ("unify", "ingest"),
        _some_of_train("base", "format", "window", "overlong"),
        _tokenise,
        _base_files,
        resumable=True,
    ),
    Stage("train", 4, "one-stage training", ("order", "tokenise"), _train_table, _train, _base_files, resumable=True),
    Stage(
        "ask",
        4,
        "ask the models",
        ("questions", "unify", "train"),
        _ask_table,
        _ask,
        _ask_files,
        resumable=True,
    ),
    Stage("score", 8, "score the answers", SCORED, _table("score"), _score),
    Stage(
        "report",
        10,
        "one page",
        ("ingest", "questions", "curate", "synth", "unify", "order", "tokenise", "train", "ask", "score"),
        lambda recipe: {**table(recipe.report), "title": recipe.run.title, "demo": recipe.run.demonstration},
        _report,
    ),
)
NAMES = tuple(stage.name for stage in STAGES)


def is_wanted(stage: Stage, recipe: Recipe) -> bool:
    """Whether a stage has anything to do in this recipe: SFT sets alone are no knowledge to ask about, and where other
    models are examined nothing is trained."""
    has_knowledge = bool(recipe.ingest.graphs or recipe.ingest.documents)
    wanted = {
        "ingest": has_knowledge,
        "questions": recipe.questions.asks,
        "curate": has_knowledge,
        "synth": has_knowledge and recipe.trains,
        **dict.fromkeys(("unify", "order", "tokenise", "train"), recipe.trains),
        "ask": recipe.questions.asks or bool(recipe.ask.held_out and recipe.trains),
        "score": recipe.questions.asks,
    }
    return wanted.get(stage.name, True)
