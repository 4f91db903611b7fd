"""The teacher that a recipe names."""

from __future__ import annotations

from pathlib import Path

from huatuo.errors import ModelError
from huatuo.llm.base import Model
from huatuo.recipe import JudgeSettings, SynthSettings, TeacherSettings


def teacher_of(settings: SynthSettings, phrasings: Path, calls: Path) -> Model:
    """The model that asks and answers: the offline teacher with its ``phrasings``, endpoints, or batch files.

    Endpoints count what the replies in ``calls`` cost against the recipe's limit. Raises RefusedError or ModelError for
    an address or a model that cannot be asked, DataError where ``calls`` is no cache.
    """
    if settings.teacher.kind == "endpoint":
        return _endpoint(settings.teacher, calls)
    if settings.teacher.kind == "batch":
        from huatuo.llm.batch import ByFile

        return ByFile(settings.teacher)
    from huatuo.llm.template import OfflineTeacher

    return OfflineTeacher(phrasings, settings.phrasings, settings.answers)


def judge_of(settings: JudgeSettings, calls: Path) -> Model:
    """The model that scores pairs, at its endpoints.

    Raises ModelError for a kind that cannot judge, and as `teacher_of`.
    """
    if settings.kind != "endpoint":
        raise ModelError(
            f"synth.judge.kind = {settings.kind}: the offline teacher and a teacher by file cannot judge; expected a "
            "model that is asked; next: kind = endpoint"
        )
    return _endpoint(settings, calls)


def _endpoint(settings: TeacherSettings, calls: Path) -> Model:
    from huatuo.llm.cache import spent
    from huatuo.llm.http import Endpoint
    from huatuo.llm.money import prices_of

    return Endpoint(settings, spent(calls, prices_of(settings)))
