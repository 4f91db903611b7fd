"""What judging leaves on disk: a data set of verdicts, grades or ratings, and the figures with what explains them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from huatuo import store
from huatuo.errors import InputError
from huatuo.eval.judging import grading, score
from huatuo.eval.judging.score import Scoring
from huatuo.records import Dropped, Figure, Record
from huatuo.records_rated import Consultation, Criterion, Grade, JudgedAnswer, Verdict
from huatuo.store import Writer, canonical_json, content_id, read, write_atomic

Tables = Mapping[str, Sequence[Record]]
"""The records of a data set by table."""

STAGE = "judge"
"""Name of the stage in manifests."""


def keep(folder: Path, tables: Tables, dropped: Iterable[Dropped] = (), seed: int = 0) -> None:
    """Write tables as one data set, with what was not judged and why."""
    parts = [f"{name} {canonical_json(one.model_dump(mode='json'))}" for name, rows in tables.items() for one in rows]
    with store.writing(folder, stage=STAGE, key=content_id(STAGE, *parts), seed=seed) as out:
        for name, rows in tables.items():
            for one in rows:
                out.write(name, one)
        _write_dropped(out, dropped)


def _write_dropped(out: Writer, dropped: Iterable[Dropped]) -> None:
    for one in dropped:
        end = out.leave if one.outcome == "left" else out.drop
        end(one.record_id, one.rule, one.reason, one.witness, one.excerpt)


def verdicts_of(folder: Path) -> list[Verdict]:
    """The verdicts of a data set. Raises DataError where it is not finished, InputError where it holds none."""
    found = list(read(folder, "verdicts", Verdict))
    if not found:
        raise InputError(f"{folder}: holds no verdicts; expected what huatuo judge pairs or judge read wrote")
    return found


def score_pairs(folder: Path, people: Path | None, how: Scoring, out: Path, title: str) -> list[Figure]:
    """The figures of a data set of verdicts, written into ``out`` with the answers and what the page needs.

    Raises InputError where a folder holds no verdicts.
    """
    verdicts = verdicts_of(folder)
    experts = verdicts_of(people) if people else []
    if any(one.by == "human" for one in verdicts):  # a study of experts alone
        verdicts, experts = [], list({one.id: one for one in (*verdicts, *experts)}.values())
    made = score.figures(verdicts, experts, how)
    about = {"title": title, "kind": "pairs", "rule": how.rule}
    answers = [*read(folder, "answers", JudgedAnswer)]
    _write(out, {"verdicts": [*verdicts, *experts], "answers": answers}, made, about, how.seed)
    return made


def score_rubric(
    folder: Path, physicians: Sequence[Grade], resamples: int, seed: int, out: Path, title: str
) -> list[Figure]:
    """The figures of a data set of grades, and of its judge against physicians' labels where there are some.

    Raises InputError where the folder holds no grades.
    """
    grades, criteria = list(read(folder, "grades", Grade)), list(read(folder, "criteria", Criterion))
    if not grades:
        raise InputError(f"{folder}: holds no grades; expected what huatuo judge rubric wrote")
    made = grading.figures(grades, criteria, seed)
    if physicians:
        made += grading.meta_figures(grades, physicians, resamples, seed)
    tables: Tables = {
        "grades": grades, "criteria": criteria, "answers": [*read(folder, "answers", JudgedAnswer)],
    }  # fmt: skip
    _write(out, tables, made, {"title": title, "kind": "rubric"}, seed)
    return made


def write_scores(tables: Tables, dropped: Iterable[Dropped], made: Sequence[Figure], out: Path, title: str) -> None:
    """Write ``ratings`` or ``scores``, and ``answers``, with their figures and what was not judged."""
    _write(out, tables, made, {"title": title, "kind": "scores"}, 1, dropped)


def keep_consultations(folder: Path, talks: Sequence[Consultation], dropped: Iterable[Dropped]) -> None:
    """Write consultations; those of other models that are in the folder stay, so that models can be compared there."""
    others = list(read(folder, "consultations", Consultation)) if (folder / "manifest.json").exists() else []
    models = {talk.model for talk in talks}
    keep(folder, {"consultations": [*(one for one in others if one.model not in models), *talks]}, dropped)


def _write(
    out: Path,
    tables: Tables,
    made: Sequence[Figure],
    about: dict[str, Any],
    seed: int,
    dropped: Iterable[Dropped] = (),
) -> None:
    parts = [f"{f.name} {f.model} {f.metric} {f.value} {f.signature}" for f in made]
    with store.writing(out, stage=STAGE, key=content_id("judge score", *parts), seed=seed) as writer:
        for name, rows in tables.items():
            for one in rows:
                writer.write(name, one)
        for figure in made:
            writer.write("figures", figure)
        _write_dropped(writer, dropped)
        write_atomic(writer.folder / "about.json", canonical_json(about))
