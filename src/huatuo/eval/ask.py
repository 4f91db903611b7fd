"""Asking every model every question, once: the only expensive part of an evaluation.

Answers are appended to a JSON Lines file as they come and survive a kill: asking again pays only for what is missing.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from huatuo.errors import ModelError
from huatuo.eval import options
from huatuo.eval.fit import Worded, fitted, worded
from huatuo.eval.prompting import Wording
from huatuo.eval.prompting import messages_for as messages_for
from huatuo.eval.questions import read_questions
from huatuo.llm.base import Model, Reply, Sampling
from huatuo.progress import bar
from huatuo.recipe import AskSettings
from huatuo.records import Finding, Likelihood, Message, Provenance, Question, Response
from huatuo.store import Writer, canonical_json, content_id

CHUNK = 8
"""Batches in one call of a model, so that questions of like length can be answered side by side."""


CUT = "text shortened"
"""Rule of a finding: sentences of a question's text were left out, so that the prompt fits the model."""


@dataclass(frozen=True)
class _Task:
    """One question for one model."""

    id: str
    name: str
    question: Question
    messages: tuple[Message, ...]
    provenance: Provenance
    weighing: options.Weighing | None = None
    """What is weighed, where the answer is not generated."""
    left_out: int = 0
    """Sentences of the question's text that are left out."""
    sentences: int = 0
    """Sentences of that text, where some are left out."""


def ask(settings: AskSettings, questions: Path, models: Mapping[str, Model], seed: int, out: Writer) -> None:
    """Write table ``responses`` in the order of questions and models, and ``findings`` for calls that failed and texts
    that were shortened.

    Raises ModelError where a model fails on every question, or breaks its contract; RefusedError as the model does.
    """
    asked = _limited(settings, read_questions(questions), seed, out)
    sampling = sampling_of(settings, seed)
    wording = Wording(settings, questions)
    plain = [worded(settings, wording, question) for question in asked]
    said = {way: options.identity(settings, way) for way in options.WAYS} | {"": sampling.canonical()}
    tasks = {
        name: [_task(name, model, fitted(settings, wording, one, model), said) for one in plain]
        for name, model in models.items()
    }
    journals = {name: out.folder / f"{name}.jsonl" for name in models}  # the answers so far; gone when all are in
    done = {response.id: response for journal in journals.values() for response in read_journal(journal).values()}
    with bar("ask", total=sum(map(len, tasks.values())), unit="answers") as shown:
        for name, model in models.items():
            missing = [task for task in tasks[name] if task.id not in done]
            shown.advance(len(tasks[name]) - len(missing))
            for response in _answers(missing, model, sampling, settings.batch * CHUNK, journals[name], out):
                done[response.id] = response
                shown.advance()
            _refuse_all_errors(name, [done[task.id] for task in tasks[name]], out)
            _count_cuts(settings, model, tasks[name], out)
    for place, question in enumerate(asked):
        for own in tasks.values():
            out.write("responses", done[own[place].id], uses=[question.id])
    for journal in journals.values():
        journal.unlink(missing_ok=True)


def sampling_of(settings: AskSettings, seed: int) -> Sampling:
    """How every model's answers are decoded."""
    return Sampling(temperature=settings.temperature, max_tokens=settings.max_tokens, seed=seed)


def drawn(settings: AskSettings, questions: Mapping[str, Question], seed: int) -> set[str]:
    """Ids of the questions that are asked: at most ``limit`` of each group, drawn by hash."""
    groups: dict[str, list[str]] = defaultdict(list)
    for question in questions.values():
        groups[question.group].append(question.id)
    most = settings.limit or None
    return {
        one
        for ids in groups.values()
        for one in sorted(ids, key=lambda i: content_id("ask limit", str(seed), i))[:most]
    }


def _limited(settings: AskSettings, questions: Mapping[str, Question], seed: int, out: Writer) -> list[Question]:
    """The questions that are asked, in their order; the others are left with the reason."""
    out.expect(questions)
    kept = drawn(settings, questions, seed)
    for question in questions.values():
        if question.id not in kept:
            out.leave(question.id, "limit", f"ask.limit = {settings.limit} per group ({question.group})")
    return [question for question in questions.values() if question.id in kept]


def _task(name: str, model: Model, asked: Worded, how: Mapping[str, str]) -> _Task:
    """``how``: the decoding, or how the answers are weighed, by the way of weighing."""
    question, (messages, prompt_id, prompt_hash), weighing, *left = asked
    sampling = how[weighing.way if weighing else ""]
    said = canonical_json([message.model_dump() for message in messages])
    provenance = Provenance(
        by="model",
        model=model.name,
        digest=model.digest,
        sampling=sampling,
        prompt_id=prompt_id,
        prompt_hash=prompt_hash,
        format=model.format,
    )
    identity = content_id(question.id, name, model.name, model.digest, said, sampling, model.format)
    return _Task(identity, name, question, messages, provenance, weighing, *left)


def _answers(
    tasks: Sequence[_Task], model: Model, sampling: Sampling, size: int, journal: Path, out: Writer
) -> Iterator[Response]:
    """The responses as they come, written before they are given and durable after each call of the model; failed calls
    are not kept for the next start."""
    for start in range(0, len(tasks), size):
        group = tasks[start : start + size]
        waiting = set(range(len(group)))
        with journal.open("a", encoding="utf-8") as file:
            for index, reply, likelihoods in _replies(group, model, sampling):
                if index not in waiting:
                    raise ModelError(
                        f"model {model.name}: answered conversation {index} twice or unasked; a defect of it"
                    )
                waiting.remove(index)
                response = _response(group[index], reply, likelihoods)
                if reply.finish_reason == "error":
                    out.write("findings", _failure(group[index], reply))
                else:
                    file.write(response.model_dump_json() + "\n")
                    file.flush()
                yield response
            os.fsync(file.fileno())
        if waiting:
            raise ModelError(
                f"model {model.name}: {len(waiting)} of {len(group)} conversations got no reply; "
                "expected one each; next: run the stage again, answers so far are kept"
            )


def _replies(
    tasks: Sequence[_Task], model: Model, sampling: Sampling
) -> Iterator[tuple[int, Reply, tuple[Likelihood, ...]]]:
    """Index, reply and likelihoods of each task: the generated answers first, then the weighed ones."""
    chats = [i for i, task in enumerate(tasks) if task.weighing is None]
    if chats:
        for index, reply in model.chat([tasks[i].messages for i in chats], sampling):
            yield (chats[index] if 0 <= index < len(chats) else -1), reply, ()
    weighed = [(i, task.weighing) for i, task in enumerate(tasks) if task.weighing is not None]
    if weighed:
        for index, reply, likelihoods in options.weigh([weighing for _, weighing in weighed], model):
            yield weighed[index][0], reply, likelihoods


def _response(task: _Task, reply: Reply, likelihoods: tuple[Likelihood, ...]) -> Response:
    return Response(
        id=task.id,
        question_id=task.question.id,
        model=task.name,
        messages=task.messages,
        left_out=task.left_out,
        text=reply.text,
        likelihoods=likelihoods,
        reasoning=reply.reasoning,
        finish_reason=reply.finish_reason,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        provenance=task.provenance.model_copy(update={"time": reply.time}),
    )


def _failure(task: _Task, reply: Reply) -> Finding:
    return Finding(
        rule="model error",
        severity="error",
        subject=task.question.id,
        place=task.name,
        message=reply.error or "the model gave no reason",
    )


def _count_cuts(settings: AskSettings, model: Model, tasks: Sequence[_Task], out: Writer) -> None:
    """A finding for every question whose text was shortened, and their number."""
    cut = [task for task in tasks if task.left_out]
    for task in cut:
        place = "last" if settings.overlong == "cut_end" else "first"
        out.write(
            "findings",
            Finding(
                rule=CUT,
                severity="note",
                subject=task.question.id,
                place=task.name,
                message=f"the {place} {task.left_out} of {task.sentences} sentences of the text were left out: prompt "
                f"and answer have {model.positions:,} positions (ask.overlong = {settings.overlong})",
            ),
        )
    if cut:
        out.figures[f"{cut[0].name}: texts shortened"] = float(len(cut))


def _refuse_all_errors(name: str, responses: Sequence[Response], out: Writer) -> None:
    """Count the ways in which a model's answers ended.

    Raises ModelError where every call failed: a table of zeros would look like a bad model.
    """
    ends = Counter(response.finish_reason for response in responses)
    for reason in ("stop", "length", "refused", "error"):
        out.figures[f"{name}: {reason}"] = float(ends[reason])
    straddled = [one.straddled for response in responses for one in response.likelihoods]
    if straddled:
        out.figures[f"{name}: straddled options"] = float(sum(straddled))
    if responses and ends["error"] == len(responses):
        raise ModelError(
            f"model {name}: all {len(responses)} questions ended in an error; expected answers; "
            "next: ask it one question by hand (huatuo chat), and run the stage again"
        )


def read_journal(path: Path) -> dict[str, Response]:
    """The answers of an earlier, killed attempt by id; a last line that was cut off is no answer."""
    if not path.exists():
        return {}
    found = {}
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if len(whole) < len(text):
        os.truncate(path, len(whole))
    for line in whole.decode("utf-8", "replace").split("\n"):
        try:
            response = Response.model_validate(json.loads(line))
        except (ValueError, ValidationError):
            continue  # damaged: the question is asked again
        found[response.id] = response
    return found
