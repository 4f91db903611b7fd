"""The runs of a study: what two of them make alike is made once, and all of a seed train as many tokens.

Calling a study again goes on where it stopped.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from huatuo import run as running
from huatuo import store
from huatuo.errors import BusyError, InputError, RecipeError
from huatuo.manifest import Manifest
from huatuo.preflight import findings
from huatuo.stages import STAGES
from huatuo.study import LAST, Study, Trial
from huatuo.unfinished import by_key

BEFORE_TRAINING = "tokenise"
"""The stage after which it is known how many tokens an arm will train."""


def run(study: Study, planned: Sequence[Trial]) -> Iterator[tuple[Trial, Manifest, bool]]:
    """Each stage of each run as it is finished, to the scores, and whether it was finished before or taken over.

    All runs of a seed are made up to their tokens first. Raises RecipeError where something would stop a later stage of
    any arm, where the folder holds what another study of this name trained, where an arm asks other questions or would
    not train as many tokens as the reference, BusyError where another process makes this study, and whatever a stage
    raises; what is finished stays.
    """
    if problems := would_stop(planned):
        lines = "\n".join(f"  {line}" for line in problems)
        raise RecipeError(f"{len(problems)} thing(s) would stop this study; nothing was computed:\n{lines}")
    with _alone(planned[0].root.parent):
        for seed in study.seeds:
            own = [trial for trial in planned if trial.seed == seed]
            for trial in own:
                if not trial.arm.after:
                    yield from _made(trial, own, BEFORE_TRAINING)
            for trial in own:
                if trial.arm.after:
                    yield from _made(next(one for one in own if one.arm.name == trial.arm.after), own, "train")
                    yield from _made(trial, own, BEFORE_TRAINING)
            _check_questions(own)
            check_tokens(study, {trial.arm.name: planned_tokens(trial) for trial in own if trial.arm.compared})
            for trial in own:
                yield from _made(trial, own, LAST)


def would_stop(planned: Sequence[Trial]) -> list[str]:
    """A line for each thing that would stop a stage of some run, with the first run that has it; and where the study's
    folder is that of another one."""
    stages = [stage.name for stage in running.select(last=LAST)]
    said: dict[str, Trial] = {}
    for trial in planned:
        for line in findings(trial.recipe, stages):
            if not (trial.arm.after and line.startswith("train.base:")):  # the arm before makes it
                said.setdefault(line, trial)
    return [*_of_another(planned), *(f"{trial.root.name}: {line}" for line, trial in said.items())]


def _of_another(planned: Sequence[Trial]) -> Iterator[str]:
    """A line where the folder's runs are those of another study: what that one trained would be trained anew, and its
    tables written over.

    Runs that have not begun to train may be made anew: so an arm can be mended that would train too few tokens. The
    same study with more arms or seeds goes on.
    """
    folder = planned[0].root.parent
    there = {path.parent.parent.name for path in folder.glob("*/*/manifest.json")}
    mine = [trial for trial in planned if trial.root.name in there]
    if there and not mine:
        said = f"holds the runs of another study ({', '.join(sorted(there)[:3])}{' ...' if len(there) > 3 else ''})"
    elif said := next((f"{one.root.name} {found}" for one in mine if (found := _made_otherwise(one))), ""):
        pass
    else:
        return
    yield (
        f"{folder}: {said}; expected a folder of this study alone; next: give this study another name (name = ... in "
        "its file) or another --runs, or remove the folder to make all anew"
    )


def _made_otherwise(trial: Trial) -> str:
    """With which other setting a run was trained or begun; empty where with those of the study, or not at all."""
    folder = trial.root / "train"
    begun = store.begun_key(folder)
    if not begun and not folder.exists():
        return ""
    for stage in running.select(last=LAST):
        if not (trial.root / stage.name / "manifest.json").exists():
            continue
        made = store.read_manifest(trial.root / stage.name).recipe
        before, now = (by_key(stage.name, one) for one in (made, stage.settings(trial.recipe)))
        if changed := sorted(key for key in {*before, *now} if before.get(key) != now.get(key)):
            key = changed[0]
            return f"was made with {key} = {before.get(key)}, and this study has {now.get(key)}"
    train = next(stage for stage in STAGES if stage.name == "train")
    there = all((trial.root / name / "manifest.json").exists() for name in train.inputs)
    if begun and there and begun != running.inputs_of(train, trial.recipe, trial.root)[1]:
        return "is half trained with other settings than this study has"
    return ""


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """The study's folder to this process alone. Raises BusyError, and RecipeError where the folder is a run's."""
    if found := sorted(folder.glob("*/manifest.json")):
        raise RecipeError(
            f"{folder}: is the folder of a run (it holds {found[0].parent.name}); next: give the study another name"
        )
    lock = store.locked(folder)
    try:
        lock.__enter__()
    except BusyError:
        raise BusyError(
            f"{folder}: another huatuo process makes this study; expected one at a time; next: wait for it, or give "
            "this study another name (name = ... in its file)"
        ) from None
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def _check_questions(own: Sequence[Trial]) -> None:
    """Nothing, where the runs of a seed have the same questions. Raises RecipeError."""
    digests = {trial.arm.name: store.read_manifest(trial.root / "questions").digest for trial in own}
    first = own[0].arm.name
    if off := [name for name, digest in digests.items() if digest != digests[first]]:
        raise RecipeError(
            f"{own[0].root.parent}: arm {off[0]} would be asked other questions than arm {first}, so their numbers "
            "could not be compared; next: change nothing in an arm that questions are made of ([ingest], and "
            "synth.phrasings with questions.probe.trained_per_relation)"
        )


def _made(trial: Trial, others: Sequence[Trial], last: str) -> Iterator[tuple[Trial, Manifest, bool]]:
    """The stages up to ``last``, each taken over from another run of the seed where that made the same."""
    for stage in running.select(last=last):
        taken = _taken_over(trial, others, stage.name)
        for done in running.run(trial.recipe, trial.root, [stage]):
            yield trial, done.manifest, done.skipped and not taken


def _taken_over(trial: Trial, others: Sequence[Trial], name: str) -> bool:
    """Whether another run's stage with the key that this one will have now stands here as well, as hard links."""
    stage = next(stage for stage in STAGES if stage.name == name)
    key, folder = running.inputs_of(stage, trial.recipe, trial.root)[1], trial.root / name
    if store.is_finished(folder, key):
        return False
    for other in others:
        made = other.root / name
        if other is not trial and store.is_finished(made, key):
            with store.locked(trial.root):  # ``huatuo run`` may be making this run, on another machine
                new = trial.root / f"{name}.taken"
                for old in (new, folder):
                    shutil.rmtree(old, ignore_errors=True)
                trial.root.mkdir(parents=True, exist_ok=True)
                shutil.copytree(made, new, copy_function=_linked)
                new.rename(folder)
            return True
    return False


def _linked(source: str, target: str) -> None:
    """A hard link; a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def planned_tokens(trial: Trial) -> int:
    """Real tokens that a run will train, padding not counted: those of the samples in its steps."""
    from huatuo.train.loop import planned
    from huatuo.train.samples import Samples, in_order

    data = Samples(trial.root / "tokenise")
    sequence = in_order(trial.root / "order", data)
    steps, total = planned(trial.recipe.train, trial.recipe.run, data, sequence, trial.root / "order")
    return int(data.lengths[sequence.samples[steps.first(total)]].sum())


def check_tokens(study: Study, tokens: dict[str, int]) -> None:
    """Nothing, where all arms train as many tokens as the reference. Raises RecipeError naming those that do not."""
    wanted = tokens[study.reference]
    off = [(name, n) for name, n in tokens.items() if abs(n - wanted) > study.tolerance * wanted]
    if off:
        lines = [f"  arm {name} would train {n:,} real tokens, {n / wanted - 1:+.1%}" for name, n in off]
        raise RecipeError(
            f"study {study.name}: the reference {study.reference} trains {wanted:,} real tokens, and more than "
            f"{study.tolerance:.0%} from that are not comparable:\n" + "\n".join(lines) + "\n"
            "next: change train.copies of a source in these arms, or set train.tokens for all"
        )


def unfinished(planned: Sequence[Trial]) -> list[Trial]:
    """The runs whose answers are not scored yet, or were made with other settings than the study has now.

    Raises InputError where that is all of them.
    """
    left = [trial for trial in planned if not _is_scored(trial)]
    if len(left) == len(planned):
        raise InputError(
            f"{planned[0].root.parent}: no run of the study is finished with its settings; next: huatuo study, "
            "without --table"
        )
    return left


def _is_scored(trial: Trial) -> bool:
    """Whether every stage of a run is finished and was made by the recipe's tables as they are now."""
    for stage in running.select(last=LAST):
        folder = trial.root / stage.name
        if not (folder / "manifest.json").exists():
            return False
        made = store.read_manifest(folder)
        now = store.canonical_json(stage.settings(trial.recipe))
        if store.canonical_json(made.recipe) != now or made.seed != trial.seed:
            return False
    return True
