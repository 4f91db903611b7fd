"""Consultations: a simulated patient who knows a case, and nothing else, talks to a model for some turns.

The patient is a model with the prompt ``consultation_patient``; the model that is evaluated sees the dialogue as an
ordinary chat. What the patient says is held to the case by `huatuo.checks.patient`: a patient who adds a symptom, a
number or a name ends the conversation, which is kept, counted and not scored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from huatuo.checks import patient as checks
from huatuo.checks.entities import Dictionary, Mention, is_name
from huatuo.errors import InputError, ModelError
from huatuo.eval.judging.replies import ended_badly
from huatuo.llm import consultation, prompts
from huatuo.llm.base import Model, Reply, Sampling
from huatuo.llm.cache import Cached
from huatuo.llm.http import Endpoint
from huatuo.llm.listed import read_list
from huatuo.llm.teachers import judge_of
from huatuo.progress import bar
from huatuo.readers.encoding import check_file, read_lines
from huatuo.recipe import JudgingSettings
from huatuo.records import Dropped, Entity, Fact, Message, Provenance
from huatuo.records_rated import Consultation
from huatuo.store import canonical_json, content_id, read


class Case(NamedTuple):
    """What the patient knows."""

    id: str
    """The case, as the file names it."""
    card: dict[str, Any]
    """Its facts."""
    language: str
    """Language of the patient's prompt."""


class Side(NamedTuple):
    """One of the two that talk."""

    model: Model
    """Who."""
    sampling: Sampling
    """How its lines are decoded."""


def read_cases(path: Path) -> tuple[list[Case], list[Dropped]]:
    """(cases, lines that hold none) of a JSON Lines file: ``{"id", "case": {"age", "sex", "symptoms", ...}}``.

    ``case`` may hold any facts; ``{"text": ...}`` is one as prose. ``language`` is zh where it is not said. Raises
    InputError where no case can be read, or an id stands twice.
    """
    check_file(path)
    found: dict[str, Case] = {}
    dropped = []
    for number, text, _ in read_lines(path):
        if not text.strip():
            continue
        case, why = _case(text)
        if case is None:
            dropped.append(Dropped(
                record_id=f"{path.name} line {number}", stage="judge", outcome="dropped", rule="bad_row", reason=why,
                excerpt=text[:200],
            ))  # fmt: skip
        elif case.id in found:
            raise InputError(f"{path}: line {number}: case {case.id!r} stands twice; next: give each its own id")
        else:
            found[case.id] = case
    if not found:
        raise InputError(f"{path}: holds no case; expected JSON Lines with id and case; next: check the file")
    return list(found.values()), dropped


def _case(text: str) -> tuple[Case | None, str]:
    try:
        data = json.loads(text)
    except ValueError as error:
        return None, f"not JSON: {error}"
    card = data.get("case") if isinstance(data, dict) else None
    if not isinstance(card, dict) or not card or not data.get("id"):
        return None, "expected an object with id, and case: an object of facts"
    return Case(str(data["id"]), card, "en" if data.get("language") == "en" else "zh"), ""


def names_of(knowledge: Path | None) -> Dictionary:
    """The names that a patient may not bring up unless the case holds them: entities and values of a finished ingest.

    Empty without one: then complaints and numbers alone are held to the case.
    """
    if knowledge is None:
        return Dictionary(())
    names = {name for entity in read(knowledge, "entities", Entity) for name in (entity.name, *entity.aliases)}
    names |= {fact.value for fact in read(knowledge, "facts", Fact)}
    return Dictionary(sorted(name for name in names if is_name(name)))


class Sides(NamedTuple):
    """The two that talk."""

    patient: Side
    """Plays the patient."""
    physician: Side
    """Is evaluated."""


def physician_settings(folder: Path | None, url: str, model: str, patient: JudgingSettings) -> JudgingSettings:
    """How the model that is evaluated is asked: a run or a local folder, else an endpoint.

    Raises InputError where neither or both are named, or an endpoint without a model.
    """
    if (folder is None) == (not url):
        raise InputError("the model that is evaluated: expected --doctor, or --doctor-url with --doctor-model")
    if folder is None and not model:
        raise InputError("--doctor-url needs --doctor-model; next: name the model there")
    changes: dict[str, Any] = {"kind": "endpoint", "url": url, "model": model, "endpoints": (), "temperature": 0.0}
    if folder is not None:
        checkpoints = (folder / "train" / "model", folder / "model", folder)
        found = next((path for path in checkpoints if (path / "config.json").exists()), folder)
        changes |= {"kind": "local", "folder": found, "model": model or folder.resolve().name}
    return patient.model_copy(update=changes)


def sides_of(patient: JudgingSettings, physician: JudgingSettings, calls: Path) -> Sides:
    """The two models, their replies kept in ``calls``; one limit on money or tokens counts both.

    Raises ModelError or RefusedError where one of them cannot be asked.
    """
    models = judge_of(patient, calls), judge_of(physician, calls)
    if isinstance(models[0], Endpoint) and isinstance(models[1], Endpoint):
        models[1].share_limit(models[0])
    made = []
    for model, settings in zip(models, (patient, physician), strict=True):
        sampling = Sampling(temperature=settings.temperature, max_tokens=settings.max_tokens)
        made.append(Side(Cached(model, calls), sampling))
    return Sides(*made)


class _Talk:
    """One conversation in the making."""

    def __init__(self, case: Case):
        self.case = case
        self.turns: list[tuple[str, str]] = []
        self.said = ""
        """What the patient said last, not answered yet."""
        self.ended: Literal["", "patient", "revealed", "failed"] = ""
        self.reason = ""
        self.times = ["", ""]

    def end(self, how: Literal["patient", "revealed", "failed"], reason: str = "") -> None:
        self.ended, self.reason = how, f"turn {len(self.turns) + 1}: {reason}" if reason else ""

    @property
    def messages(self) -> tuple[Message, ...]:
        """The dialogue as an ordinary chat."""
        made = []
        for asked, answered in self.turns:
            made += [Message(role="user", content=asked), Message(role="assistant", content=answered)]
        return tuple([*made, Message(role="user", content=self.said)] if self.said else made)


def hold(
    cases: Sequence[Case], sides: Sides, turns: int, mentions: Callable[[str], Sequence[Mention]]
) -> Iterator[Consultation]:
    """A conversation about every case, in their order, at most ``turns`` turns long.

    All patients speak, then all physicians answer: every line is a call of its own and comes from the cache where it is
    kept, so a run that was killed goes on in the middle. Raises ModelError where no first line could be had.
    """
    talks, (patient, physician) = [_Talk(case) for case in cases], sides
    with bar("consultations", total=turns, unit="turns") as shown:
        for number in range(turns):
            _patients([talk for talk in talks if not talk.ended], patient, turns, mentions)
            if not number and talks and all(talk.ended == "failed" for talk in talks):
                raise ModelError(
                    f"{patient.model.name}: none of {len(talks)} patients said a first line ({talks[0].reason}); "
                    "next: check the model that plays the patient, then run the same command again"
                )
            _physicians([talk for talk in talks if not talk.ended], physician)
            shown.advance()
    for talk in talks:
        yield _record(talk, patient, physician)


def _chat(side: Side, talks: Sequence[Sequence[Message]]) -> list[Reply]:
    replies = [Reply(text="", finish_reason="error", error="no reply")] * len(talks)
    for index, reply in side.model.chat(talks, side.sampling) if talks else ():
        replies[index] = reply
    return replies


def _patients(talks: Sequence[_Talk], side: Side, most: int, mentions: Callable[[str], Sequence[Mention]]) -> None:
    asked = [(Message(role="user", content=_patient_prompt(talk, most)),) for talk in talks]
    for talk, reply in zip(talks, _chat(side, asked), strict=True):
        said, problem = _line(reply)
        talk.times[0] = reply.time
        if problem:
            talk.end("failed", f"the patient: {problem}")
        elif consultation.END.fullmatch(said):
            talk.end("patient")
        elif wrong := checks.revealed(said, checks.told(talk.case.card), talk.turns, mentions):
            talk.said = said
            talk.end("revealed", wrong)
        else:
            talk.said = said


def _patient_prompt(talk: _Talk, most: int) -> str:
    block = consultation.patient_block(talk.case.card, talk.turns, most)
    return prompts.load(f"consultation_patient.{talk.case.language}").render(block)


def _line(reply: Reply) -> tuple[str, str]:
    """(what the patient says, why nothing could be read)."""
    if bad := ended_badly(reply):
        return "", bad
    listed = read_list(reply.text, ("pairs", "dialogue", "questions"))
    items = [item.get("question") for item in listed.items if isinstance(item, dict)]
    if len(items) != 1 or not isinstance(items[0], str) or not items[0].strip():
        return "", listed.reason or f"expected one line of the patient, found {len(items)}"
    return items[0].strip(), ""


def _physicians(talks: Sequence[_Talk], side: Side) -> None:
    for talk, reply in zip(talks, _chat(side, [talk.messages for talk in talks]), strict=True):
        talk.times[1] = reply.time
        bad = ended_badly(reply)
        if bad.startswith("failed call"):
            talk.end("failed", f"the model: {bad}")
            continue
        # a refusal and an answer that was cut off are answers: the judge sees them as they are
        talk.turns.append((talk.said, reply.text))
        talk.said = ""


def _record(talk: _Talk, patient: Side, physician: Side) -> Consultation:
    card, messages = canonical_json(talk.case.card), talk.messages
    prompt = prompts.load(f"consultation_patient.{talk.case.language}")
    sides = [
        Provenance(
            by="model", model=side.model.name, digest=side.model.digest, format=side.model.format,
            sampling=side.sampling.canonical(), time=time,
        )
        for side, time in zip((patient, physician), talk.times, strict=True)
    ]  # fmt: skip
    return Consultation(
        id=content_id(
            "consultation", talk.case.id, physician.model.name, canonical_json([m.model_dump() for m in messages])
        ),
        case_id=talk.case.id,
        model=physician.model.name,
        case=card,
        messages=messages,
        ended=talk.ended or "turns",
        reason=talk.reason,
        patient=sides[0].model_copy(update={"prompt_id": prompt.id, "prompt_hash": prompt.hash}),
        physician=sides[1],
    )
