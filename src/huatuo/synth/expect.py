"""What the stage synth will ask its models, counted from the very prompts before anything is paid for.

The stage's own code runs on the answers that are on disk; what is not there is counted, and what may follow from it at
most: the answer after a passage's question, a repair of each pair, the rest of a consultation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from huatuo.llm import estimate
from huatuo.llm.base import Reply, Sampling, TextOnly
from huatuo.llm.cache import Cached
from huatuo.llm.estimate import Asked, Expected
from huatuo.llm.template import read_block
from huatuo.progress import say
from huatuo.recipe import SynthSettings
from huatuo.records import Message
from huatuo.synth.calls import sampling_of
from huatuo.synth.make import steps
from huatuo.synth.work import Unwritten

CHUNK = 1024
"""Prompts looked up together."""
PAIR_TOKENS = 90
"""Tokens of one question and answer with the JSON around them: HuaTuo's 8,658 released pairs have 99 characters."""
QUESTION_TOKENS, ANSWER_TOKENS = 60, 300
"""Tokens of the reply to the first and the second call about a passage of at most 400 characters."""
LINE_TOKENS = 120
"""Tokens of a physician's line in a consultation: two or three sentences."""
NOT_ON_DISK = "not answered yet"
"""Error of the calls that are only counted."""


class Caches(NamedTuple):
    """Where the answers are."""

    teacher: Cached
    """The teacher's."""
    doctor: Cached | None = None
    """The physician's of consultations, where it is not the teacher."""


def asked(
    settings: SynthSettings, knowledge: Path, passages: Path, caches: Caches, seed: int, of_doctor: bool = False
) -> Iterator[Asked]:
    """Every call that the stage will make, in its order, as far as the answers on disk allow to know it.

    ``of_doctor``: those of the physician's own model, else those of the teacher.
    """
    checked = settings.repair == "once" or settings.consultation.cases
    quick = settings if checked else settings.model_copy(update={"ground": False})  # nothing follows from a check
    teacher, doctor = _Looking(caches.teacher, settings), None
    if caches.doctor is not None:
        doctor = _Looking(caches.doctor, settings)
        teacher.other, doctor.other = doctor, teacher
    wanted = doctor if of_doctor else teacher
    for _ in steps(quick, knowledge, passages, teacher, seed, Unwritten(), doctor):
        if wanted is not None:
            yield from wanted.take()
    if wanted is not None:
        yield from wanted.take()


class _Looking(TextOnly):
    """A `Model` that answers from disk alone and notes what it was asked."""

    def __init__(self, cache: Cached, settings: SynthSettings):
        self.name, self.digest, self.format = cache.name, cache.digest, cache.format
        self.other: _Looking | None = None
        """The other side of a consultation, where that is another model."""
        self._cache, self._settings = cache, settings
        self._noted: list[Asked] = []

    def take(self) -> list[Asked]:
        """What was noted since the last time."""
        noted, self._noted = self._noted, []
        return noted

    def chat(self, conversations: Sequence[Sequence[Message]], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        for start in range(0, len(conversations), CHUNK):
            chunk = conversations[start : start + CHUNK]
            for index, (messages, reply) in enumerate(zip(chunk, self._cache.known(chunk, sampling), strict=True)):
                self._note(tuple(messages), reply)
                yield start + index, reply or Reply(text="", finish_reason="error", error=NOT_ON_DISK)

    def stream(self, messages: Sequence[Message], sampling: Sampling) -> Iterator[str]:
        yield ""

    def _note(self, messages: tuple[Message, ...], reply: Reply | None) -> None:
        block = read_block(messages[-1].content)
        kind = str(block.get("shape", "other"))
        self._noted.append(Asked(kind, messages, reply))
        if reply is not None:
            return
        if kind == "passage_question":
            self._follow("passage_answer", 1)
        elif kind in ("patient", "doctor"):
            left = int(block["turns"]) - int(block["turn"])
            patient, doctor = (self, self.other or self) if kind == "patient" else (self.other or self, self)
            patient._follow("patient", left)
            doctor._follow("doctor", left + (kind == "patient"))
            self._repairs(int(kind == "doctor"))
        elif kind not in ("repair", "self_instruct"):
            once = kind in ("multi_turn", "passage_answer", "passage_dialogue")
            self._repairs(1 if once else self._settings.pairs_per_call)

    def _follow(self, kind: str, count: int) -> None:
        """Note calls that depend on one without an answer, and the repairs of each."""
        self._noted += [Asked(kind, (), None)] * count
        if kind in ("passage_answer", "doctor"):
            self._repairs(count)

    def _repairs(self, count: int) -> None:
        if self._settings.repair == "once":
            self._noted += [Asked("repair", (), None)] * count


def expect(settings: SynthSettings, calls: Iterator[Asked]) -> Expected:
    """The count and the estimate of these calls."""
    return estimate.expect(calls, lambda kind: _reply_tokens(kind, settings), settings.teacher.max_tokens)


def says(
    settings: SynthSettings, knowledge: Path, passages: Path, caches: Caches, seed: int, times: float = 1.0
) -> str:
    """What is to be asked, in words: of the teacher, and of the physician where it is another model; ``times`` as much
    as what is counted."""
    counted = expect(settings, asked(settings, knowledge, passages, caches, seed)).times(times)
    both = [estimate.says(counted, settings.teacher)]
    return "; ".join([*both, *_says_doctor(settings, knowledge, passages, caches, seed, times)])


def _says_doctor(
    settings: SynthSettings, knowledge: Path, passages: Path, caches: Caches, seed: int, times: float = 1.0
) -> Iterator[str]:
    doctor = settings.consultation.doctor
    if doctor is not None and doctor.kind != "local" and caches.doctor is not None:
        calls = asked(settings, knowledge, passages, caches, seed, of_doctor=True)
        yield f"the physician: {estimate.says(expect(settings, calls).times(times), doctor)}"


def _reply_tokens(kind: str, settings: SynthSettings) -> float:
    each = {"passage_question": QUESTION_TOKENS, "passage_answer": ANSWER_TOKENS, "repair": ANSWER_TOKENS}
    each |= {"passage_dialogue": ANSWER_TOKENS + QUESTION_TOKENS, "multi_turn": 4 * PAIR_TOKENS}
    each |= {"patient": QUESTION_TOKENS, "doctor": LINE_TOKENS}
    return each.get(kind, PAIR_TOKENS * settings.pairs_per_call)


def prepare(settings: SynthSettings, knowledge: Path, passages: Path, caches: Caches, seed: int, folder: Path) -> None:
    """Say what will be asked before the first paid call, as `huatuo.llm.estimate.prepare` does, and raise what it
    raises."""

    def calls() -> Iterator[Asked]:
        return asked(settings, knowledge, passages, caches, seed)

    for line in _says_doctor(settings, knowledge, passages, caches, seed):
        say(f"synth: {line}")
    if settings.teacher.kind in ("offline", "local"):
        return
    sampling = sampling_of(settings, seed)
    estimate.prepare(
        settings.teacher, calls, lambda kind: _reply_tokens(kind, settings), caches.teacher, sampling, "synth", folder
    )
