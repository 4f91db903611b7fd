"""The teacher that a recipe names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from huatuo.errors import ModelError, require
from huatuo.llm.base import Model
from huatuo.recipe import (
    AskedModel,
    AskSettings,
    ExtractorSettings,
    JudgeSettings,
    JudgingSettings,
    PassageJudge,
    SynthSettings,
    TeacherSettings,
)

if TYPE_CHECKING:
    from huatuo.llm.cache import Cached


def teacher_of(settings: SynthSettings, phrasings: Path, calls: Path) -> Model:
    """The model that asks and answers: the offline teacher with its ``phrasings``, endpoints, batch files, or a local
    model.

    Endpoints count what the replies in ``calls`` cost against the recipe's limit. Raises RefusedError or ModelError for
    an address or a model that cannot be asked, DataError where ``calls`` is no cache.
    """
    if settings.teacher.kind != "offline":
        return _asked(settings.teacher, calls)
    from huatuo.llm.template import OfflineTeacher

    return OfflineTeacher(phrasings, settings.phrasings, settings.answers)


def extractor_of(settings: ExtractorSettings, calls: Path) -> Model:
    """The model that reads triples out of documents: endpoints, or batch files. Raises as `teacher_of`."""
    return _asked(settings, calls)


def judge_of(settings: JudgeSettings | JudgingSettings | PassageJudge, calls: Path) -> Model:
    """The model that scores pairs or texts or judges answers, at its endpoints or in a local folder.

    Raises ModelError for a kind that cannot judge, and as `teacher_of`.
    """
    if settings.kind not in ("endpoint", "local"):
        raise ModelError(
            f"judge.kind = {settings.kind}: the offline teacher and a teacher by file cannot judge; expected a "
            "model that is asked; next: kind = endpoint"
        )
    return _asked(settings, calls)


def doctor_of(settings: SynthSettings, calls: Path, teacher: Model) -> Model | None:
    """The model that plays the physician of consultations; None where the teacher does.

    The teacher's limit on money or tokens counts both. Raises as `teacher_of`.
    """
    doctor = settings.consultation.doctor
    if doctor is None or not settings.consultation.cases:
        return None
    limits = {name: getattr(settings.teacher, name) for name in ("max_cost", "max_tokens_total")}
    model = _asked(doctor.model_copy(update=limits), calls)
    from huatuo.llm.http import Endpoint

    if isinstance(model, Endpoint) and isinstance(teacher, Endpoint):
        model.share_limit(teacher)
    return model


def asked_of(
    settings: AskSettings, calls: Path, kept: Path | None = None, answers: Path | None = None
) -> dict[str, Cached]:
    """The further models of an evaluation by name; what endpoints say is kept in ``calls``.

    What an endpoint said is kept under its name in the recipe too: a server's model name does not tell the weights.
    Before each round of calls an endpoint counts what all of them spent against its own limit. ``kept``: read answers
    from there instead (a plan). ``answers``: the file that all runs have for models in local folders, which their
    weights' digest tells apart; without it there are none of these. Raises as `teacher_of`.
    """
    from huatuo.llm.cache import Cached

    found = {}
    for one in settings.others:
        how = answering(settings, one)
        if one.kind == "local" and answers is not None:
            found[one.name] = Cached(_local(how), answers)
        elif one.kind == "endpoint":
            found[one.name] = Cached(_sharing(how, calls), kept or calls, one.name)
    return found


def answering(settings: AskSettings, one: AskedModel) -> AskedModel:
    """The further model with what all models of an evaluation have in common: how long and how freely it answers."""
    return one.model_copy(update={name: getattr(settings, name) for name in ("temperature", "max_tokens", "batch")})


def _local(settings: TeacherSettings) -> Model:
    if settings.folder is None:
        raise ModelError(
            "teacher.kind = local needs teacher.folder; expected a local folder with a Hugging Face causal language "
            "model; next: set it"
        )
    require("torch", "train")
    from huatuo.llm.local import LocalModel

    return LocalModel(settings.folder, settings.batch, format=settings.format, name=settings.model)


def _asked(settings: TeacherSettings, calls: Path) -> Model:
    if settings.kind == "local":
        return _local(settings)
    if settings.kind == "batch":
        from huatuo.llm.batch import ByFile

        return ByFile(settings)
    return _endpoint(settings, calls)


def _sharing(settings: TeacherSettings, calls: Path) -> Model:
    """Endpoints that look, before each round of calls, what others of the run spent meanwhile."""
    from huatuo.llm.cache import spent
    from huatuo.llm.http import Endpoint
    from huatuo.llm.money import prices_of

    return Endpoint(settings, recount=lambda: spent(calls, prices_of(settings)))


def _endpoint(settings: TeacherSettings, calls: Path) -> Model:
    from huatuo.llm.cache import spent
    from huatuo.llm.http import Endpoint
    from huatuo.llm.money import prices_of

    return Endpoint(settings, spent(calls, prices_of(settings)))
