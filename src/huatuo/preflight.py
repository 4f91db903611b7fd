"""What would stop a run, found before anything is computed or paid for: one line per finding, by stage.

Everything here is cheap: names are compared and files are looked for; nothing is read through.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from huatuo.errors import FormatError, ModelError, TrainingError
from huatuo.plan import curated_passages, is_curated
from huatuo.recipe import Recipe, TeacherSettings


def findings(recipe: Recipe, stages: Iterable[str]) -> list[str]:
    """One line per thing that would make one of these stages fail; empty where nothing is known to."""
    return [line for stage in stages if stage in _CHECKS for line in _CHECKS[stage](recipe)]


def _missing(named: Iterable[tuple[str, Path | None]]) -> Iterator[str]:
    for key, path in named:
        if path is not None and not path.exists():
            yield f"{key}: {path}: not found"


def _ingest(recipe: Recipe) -> Iterator[str]:
    graphs = recipe.ingest.graphs
    yield from _missing((f"ingest.graphs {g.name}", g.path) for g in graphs)
    yield from _missing((f"ingest.graphs {g.name} mapping", g.mapping) for g in graphs)
    yield from _missing((f"ingest.documents {d.name}", d.path) for d in recipe.ingest.documents)
    read = [d.name for d in recipe.ingest.documents if d.extract == "teacher"]
    if read and recipe.ingest.teacher is None:
        yield (
            f'ingest.documents {read[0]}: extract = "teacher" and no [ingest.teacher]; expected a model to ask, or '
            'extract = "rules"'
        )
    elif read and recipe.ingest.teacher is not None:
        yield from _asked("ingest.teacher", recipe.ingest.teacher)


def _questions(recipe: Recipe) -> Iterator[str]:
    exams = recipe.questions.exams
    yield from _missing((f"questions.exams {e.name}", path) for e in exams for path in (e.path, e.answers, e.examples))
    for exam in exams:
        if exam.fresh and not recipe.questions.data_until:
            yield f"questions.exams {exam.name}: fresh, without questions.data_until; expected a date to be after"
    probe = recipe.questions.probe
    yield from _missing([("questions.probe.held_out", probe.held_out)])
    if probe.relations and probe.held_out is None:
        yield (
            "questions.probe: relations are named but no held_out; expected a TOML file of wordings per relation "
            "that nothing is trained on"
        )


def _ask(recipe: Recipe) -> Iterator[str]:
    from huatuo.eval.prompting import unknown_prompts

    yield from unknown_prompts(recipe.ask, (exam.name for exam in recipe.questions.exams))
    if recipe.ask.held_out and recipe.trains and not recipe.unify.holds_out:
        yield (
            f"ask.held_out: {recipe.ask.held_out} pairs to ask, and none is held out; next: set unify.validation_pairs "
            "(for example 500), or ask.held_out = 0"
        )
    for one in recipe.ask.others:
        key = f"ask.others {one.name}"
        yield from _asked(key, one)
        if one.kind == "local":
            yield from _format(f"{key}.format", one.format) if one.format else ()
            continue
        yield from _keys(key, one)
        if recipe.ask.answer != "generation":
            yield f'{key}: an endpoint gives no log-probabilities of options; expected ask.answer = "generation"'


def _keys(key: str, model: TeacherSettings) -> Iterator[str]:
    """Places for which there is no key in the environment; this machine needs one only where the recipe names it."""
    from huatuo.llm.keys import VARIABLE, key_of
    from huatuo.llm.servers import LOOPBACK

    named = "key_env" in model.model_fields_set
    places = [(place.url, place.key_env or model.key_env, bool(place.key_env)) for place in model.endpoints]
    for url, name, own in [(model.url, model.key_env, False), *places]:
        host = (urlsplit(url).hostname or "") if _is_address(url) else ""
        needed = own or named or not LOOPBACK.fullmatch(host)
        if host and needed and VARIABLE.fullmatch(name) and not key_of(name):
            yield f"{key}: {host}: no key in the environment variable {name}; next: set it, or name another in key_env"


def _synth(recipe: Recipe) -> Iterator[str]:
    yield from _parts(recipe)
    teacher, grown, coverage = recipe.synth.teacher, recipe.synth.self_instruct, recipe.synth.coverage
    named = (("synth.teach_next", recipe.synth.teach_next), ("synth.self_instruct.seeds", grown.seeds))
    yield from _missing((name, path) for name, path in (*named, ("synth.coverage.taught", coverage.taught)) if path)
    if teacher.kind == "offline" and grown.seeds:
        yield "synth.self_instruct: offline-teacher cannot grow questions; expected a model (synth.teacher.kind)"
    talks = recipe.synth.consultation
    if teacher.kind == "offline" and talks.cases and not (talks.facts_for_doctor or talks.doctor):
        yield "synth.consultation: offline-teacher answers from facts alone; expected facts_for_doctor or a doctor"
    if not (recipe.ingest.graphs or recipe.ingest.documents):
        return
    if teacher.kind != "offline":
        yield from _asked("synth.teacher", teacher)
    if talks.cases and talks.doctor is not None:
        yield from _asked("synth.consultation.doctor", talks.doctor)


PART_LEAST = 100
"""Fewest passages of a part on average: a part without any would be an error."""


def _parts(recipe: Recipe) -> Iterator[str]:
    """What cannot be cut into parts: it would be asked about in each."""
    ingest, questions, parts = recipe.ingest, recipe.questions, recipe.synth.parts
    if not parts:
        return
    whole = {
        "ingest.graphs": ingest.graphs,
        "synth.self_instruct": recipe.synth.self_instruct.seeds,
        "questions.made": questions.made,
        "questions.probe": questions.probe.relations,
    }
    for key, given in whole.items():
        if given:
            yield f"synth.parts: {key} cannot be cut into parts; expected it in a recipe of its own"
    for source in ingest.documents:
        if source.shard or (source.path.exists() and not is_curated(source.path)):
            found = f"shard = {source.shard!r}" if source.shard else f"{source.path} is none"
            yield f"synth.parts: ingest.documents {source.name}: expected a whole folder of curated passages; {found}"
            return
    there = all(source.path.exists() for source in ingest.documents)
    if there and (passages := curated_passages(recipe)) < PART_LEAST * parts:
        yield f"synth.parts: {parts:,} for {passages:,} passages; expected at least {PART_LEAST} passages a part"


def _asked(key: str, teacher: TeacherSettings) -> Iterator[str]:
    """What is wrong with how a model is asked."""
    from huatuo.llm.keys import VARIABLE

    if teacher.kind == "local":
        if teacher.folder is None:
            yield f"{key}.folder: missing; expected a local folder with a Hugging Face causal language model"
        else:
            yield from _checkpoint(f"{key}.folder", teacher.folder)
        return
    places = teacher.endpoints
    if any(name and not VARIABLE.fullmatch(name) for name in (teacher.key_env, *(place.key_env for place in places))):
        yield (
            f"{key}.key_env: no name of an environment variable (capital letters, digits, _), and not shown, as it may "
            "be a key; expected the name of the variable that holds the key"
        )
    if not teacher.model and not (places and all(place.model for place in places)):
        yield f"{key}.model: empty; expected the model's name at the endpoint"
    urls = [*([teacher.url] if teacher.url or not places else []), *(place.url for place in places)]
    for url in urls if teacher.kind == "endpoint" else ():
        if not _is_address(url):
            yield f"{key}.url: {url!r}; expected an address like https://host/v1"


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _unify(recipe: Recipe) -> Iterator[str]:
    from huatuo.synth.judge import UNSCORED
    from huatuo.synth.lint import RULES
    from huatuo.synth.work import REPAIRED

    judge = recipe.synth.judge
    if judge is not None:
        yield from _asked("synth.judge", judge)
    rules = (*RULES, UNSCORED, REPAIRED)
    yield from _missing((f"unify.imports {s.name}", s.path) for s in recipe.unify.imports)
    for rule in recipe.unify.drop_flagged:
        if rule not in rules:
            yield f"unify.drop_flagged: {rule!r} is no rule{_near(rule, rules)}"


def _order(recipe: Recipe) -> Iterator[str]:
    synth = recipe.synth
    known = {synth.source, synth.self_instruct.source, synth.consultation.source}
    known |= {s.name for s in recipe.unify.imports}
    known |= {s.name for s in recipe.ingest.documents} | {s.name for s in recipe.ingest.graphs}
    for table, given in (("priority", recipe.train.priority), ("copies", recipe.train.copies)):
        for name in given:
            if name not in known:
                yield f"train.{table}: no source {name!r}{_near(name, known)}"
    if recipe.train.order == "two-stage":
        for name in set(recipe.train.second_stage) - known:
            yield f"train.second_stage: no source {name!r}{_near(name, known)}"
    yield from _unweighted(recipe)


def _unweighted(recipe: Recipe) -> Iterator[str]:
    """The imported data sets that a priority order has no weight for; what else has pairs is known later."""
    from huatuo.train.order import with_preset

    given = [source.name for source in recipe.unify.imports if source.format not in ("huatuogpt2", "review")]
    train = with_preset(recipe.train, given)
    for name in dict.fromkeys(given):
        if train.order == "priority" and name not in train.priority:
            yield (
                f"train.priority: no weight for source {name!r}; next: add one ([train.priority] {name} = 1), "
                'or set train.order = "uniform"'
            )


def _tokenise(recipe: Recipe) -> Iterator[str]:
    train = recipe.train
    yield from _format("train.format", train.format)
    if train.base == "scratch":
        return
    found = list(_checkpoint("train.base", Path(train.base)))
    yield from found or _weights("train.base", Path(train.base), train.allow_pickle)


def _train(recipe: Recipe) -> Iterator[str]:
    from huatuo.train.refusals import check_settings

    try:
        check_settings(recipe.train)
    except TrainingError as error:
        yield str(error)
    wanted: list[tuple[str, str, str]] = [
        (f"train.trackers {name!r}", TRACKER_PACKAGES.get(name, name), name) for name in recipe.train.trackers
    ]
    if recipe.train.lora is not None and recipe.train.lora.base_weights == "nf4":
        wanted.append(('train.lora.base_weights = "nf4"', "bitsandbytes", "qlora"))
    for key, package, extra in wanted:
        if find_spec(package) is None:
            yield f"{key}: the package {package!r} is not installed; next: pip install 'huatuo[{extra}]'"


TRACKER_PACKAGES = {"tensorboard": "tensorboardX"}
"""Packages of trackers that have another name than the tracker."""


def _format(key: str, name: str) -> Iterator[str]:
    """What is wrong with the name of a chat format."""
    from huatuo.models import wordings

    try:
        wordings.get(name)
    except FormatError as error:
        yield f"{key}: {error}"


def _weights(key: str, folder: Path, allow_pickle: bool) -> Iterator[str]:
    """What is wrong with the weight files of a base."""
    from huatuo.models.load import check_files

    try:
        check_files(folder, allow_pickle)
    except ModelError as error:
        yield f"{key}: {error}"


def _checkpoint(key: str, folder: Path) -> Iterator[str]:
    """What is wrong with a local model's folder."""
    yield from _missing([(key, folder)])
    if folder.is_dir():
        if not any((folder / name).exists() for name in ("config.json", "adapter_config.json")):
            yield f"{key}: {folder}: no config.json; expected a local Hugging Face folder"
        if not any((folder / name).exists() for name in ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")):
            yield f"{key}: {folder}: no tokenizer (tokenizer.json or tokenizer.model)"


def _near(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(names)}"


_CHECKS: dict[str, Callable[[Recipe], Iterator[str]]] = {
    "ingest": _ingest,
    "questions": _questions,
    "synth": _synth,
    "unify": _unify,
    "order": _order,
    "tokenise": _tokenise,
    "train": _train,
    "ask": _ask,
}
