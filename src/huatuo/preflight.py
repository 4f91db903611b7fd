"""What would stop a run, found before anything is computed or paid for: one line per finding, by stage.

Everything here is cheap: names are compared and files are looked for; nothing is read through.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from huatuo.errors import FormatError
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


def _questions(recipe: Recipe) -> Iterator[str]:
    yield from _missing((f"questions.exams {e.name}", e.path) for e in recipe.questions.exams)
    probe = recipe.questions.probe
    yield from _missing([("questions.probe.held_out", probe.held_out)])
    if probe.relations and probe.held_out is None:
        yield (
            "questions.probe: relations are named but no held_out; expected a TOML file of wordings per relation "
            "that nothing is trained on"
        )


def _synth(recipe: Recipe) -> Iterator[str]:
    teacher, grown, coverage = recipe.synth.teacher, recipe.synth.self_instruct, recipe.synth.coverage
    named = (("synth.teach_next", recipe.synth.teach_next), ("synth.self_instruct.seeds", grown.seeds))
    yield from _missing((name, path) for name, path in (*named, ("synth.coverage.taught", coverage.taught)) if path)
    if teacher.kind == "offline" and grown.seeds:
        yield "synth.self_instruct: offline-teacher cannot grow questions; expected a model (synth.teacher.kind)"
    if teacher.kind == "offline" or not (recipe.ingest.graphs or recipe.ingest.documents):
        return
    yield from _asked("synth.teacher", teacher)


def _asked(key: str, teacher: TeacherSettings) -> Iterator[str]:
    """What is wrong with how a model is asked."""
    places = teacher.endpoints
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

    judge = recipe.synth.judge
    if judge is not None:
        yield from _asked("synth.judge", judge)
    rules = (*RULES, UNSCORED)
    yield from _missing((f"unify.imports {s.name}", s.path) for s in recipe.unify.imports)
    for rule in recipe.unify.drop_flagged:
        if rule not in rules:
            yield f"unify.drop_flagged: {rule!r} is no rule{_near(rule, rules)}"


def _order(recipe: Recipe) -> Iterator[str]:
    known = {recipe.synth.source, recipe.synth.self_instruct.source, *(s.name for s in recipe.unify.imports)}
    known |= {s.name for s in recipe.ingest.documents} | {s.name for s in recipe.ingest.graphs}
    for table, given in (("priority", recipe.train.priority), ("copies", recipe.train.copies)):
        for name in given:
            if name not in known:
                yield f"train.{table}: no source {name!r}{_near(name, known)}"


def _tokenise(recipe: Recipe) -> Iterator[str]:
    from huatuo.models import wordings

    train = recipe.train
    try:
        wordings.get(train.format)
    except FormatError as error:
        yield f"train.format: {error}"
    if train.base == "scratch":
        if train.lora is not None:
            yield "train.lora: needs a trained base, found base = 'scratch'"
        return
    base = Path(train.base)
    yield from _missing([("train.base", base)])
    if base.is_dir():
        if not any((base / name).exists() for name in ("config.json", "adapter_config.json")):
            yield f"train.base: {base}: no config.json; expected a local Hugging Face folder"
        if not any((base / name).exists() for name in ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")):
            yield f"train.base: {base}: no tokenizer (tokenizer.json or tokenizer.model)"


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
}
