"""Scoring a study: its ratings and figures as a data set, with what a page needs to explain them."""

from __future__ import annotations

from pathlib import Path

from huatuo import store as datasets
from huatuo.errors import InputError
from huatuo.eval.clmm import FitError, coded, fit
from huatuo.eval.planner import Costs, Design, Pilot, Power, plan
from huatuo.eval.sus import analysis, judge, quality
from huatuo.eval.sus.results import people, records
from huatuo.eval.sus.scales import RatingScale
from huatuo.eval.sus.store import StudyStore
from huatuo.llm import prompts
from huatuo.records_rated import Rating
from huatuo.store import canonical_json, content_id, write_atomic


def scale_of(store: StudyStore) -> RatingScale:
    """The scale that the study was made with."""
    return RatingScale.model_validate_json(store.study().scale)


def score(store: StudyStore, folder: Path, title: str, settings: analysis.Settings) -> int:
    """Write tables ``ratings`` and ``figures`` and the file ``study.json`` into ``folder``; how many scores there are.

    Raises InputError where nobody has rated yet, or a name in the settings is none of the study's.
    """
    scale = scale_of(store)
    ratings = records(store, scale)
    people_given = [r for r in ratings if r.by == "human" and r.part == "rating" and r.value is not None]
    if not people_given:
        raise InputError("nobody has rated yet; next: huatuo sus read, with the sheets that came back")
    _check_names(ratings, settings)
    made = [*analysis.figures(ratings, scale, settings), *quality.figures(ratings, scale, settings)]
    key = content_id("sus score", *(f"{r.id} {r.value} {r.unscored}" for r in ratings), repr(settings))
    with datasets.writing(folder, stage="sus", key=key, seed=settings.seed) as out:
        out.expect(rating.id for rating in ratings)
        for rating in ratings:
            out.write("ratings", rating, uses=[rating.id])
        for figure in made:
            out.write("figures", figure)
        write_atomic(out.folder / "study.json", canonical_json(_about(store, scale, title, settings)))
    return len(people_given)


def _check_names(ratings: list[Rating], settings: analysis.Settings) -> None:
    names = {rating.annotator for rating in ratings}
    models = {rating.model for rating in ratings if rating.model}
    if unknown := [name for name in settings.exclude if name not in names]:
        raise InputError(f"no annotator {unknown[0]!r} to leave out; known: {', '.join(sorted(names))}")
    if settings.against and settings.against not in models:
        raise InputError(f"no model {settings.against!r} to compare with; known: {', '.join(sorted(models))}")


def _about(store: StudyStore, scale: RatingScale, title: str, settings: analysis.Settings) -> dict[str, object]:
    study = store.study()
    items = {place.item.response_id: place.item for place in store.places() if place.item.response_id}
    prompt = prompts.load(judge.prompt_id("en" if study.language == "en" else "zh"))
    return {
        "title": title,
        "made": study.made,
        "language": study.language,
        "scale": scale.model_dump(mode="json"),
        "exclude": list(settings.exclude),
        "prompt": {"id": prompt.id, "hash": prompt.hash},
        "items": [
            {"response_id": key, "model": item.model, "question": item.question, "answer": item.answer}
            for key, item in sorted(items.items(), key=lambda pair: (pair[1].question, pair[1].model))
        ],
    }


# ---------------------------------------------------------------- planning from a pilot


def pilot_of(store: StudyStore, dimension: str) -> Pilot:
    """What a study's ratings of a dimension say about the next one.

    Raises InputError where the dimension is unknown or the mixed model cannot be fitted.
    """
    scale = scale_of(store)
    known = [d.id for d in scale.dimensions]
    if dimension not in known:
        raise InputError(f"no dimension {dimension!r}; known: {', '.join(known)}; next: give one of these")
    cells = people(records(store, scale), dimension)
    if not cells:
        raise InputError(f"nobody has rated {dimension} yet; next: huatuo sus read, with the sheets that came back")
    questions, models, annotators, values = ([*column] for column in zip(*cells, strict=True))
    try:
        found = fit(coded(values, models, questions, annotators)[0])
    except FitError as error:
        raise InputError(f"{dimension}: no plan can be made of this pilot: {error}") from None
    return Pilot.of(found, sorted(set(values)))


def planned(pilot: Pilot, designs: list[Design], difference: float, costs: Costs, seed: int) -> list[Power]:
    """The power and hours of each design. Raises InputError for a difference or a design that cannot be."""
    try:
        return plan(pilot, designs, difference, costs, seed=seed)
    except ValueError as error:
        raise InputError(f"{error}; next: another --difference, or designs that can be") from None
