"""What asking the models of an evaluation will cost, counted from the very questions before anything is paid for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from huatuo.eval.ask import drawn, sampling_of
from huatuo.eval.prompting import Wording
from huatuo.eval.questions import read_questions
from huatuo.llm.cache import Cached
from huatuo.llm.estimate import Asked, expect, says
from huatuo.llm.teachers import answering
from huatuo.recipe import AskSettings


def expected_answers(settings: AskSettings, questions: Path, models: Mapping[str, Cached], seed: int) -> Iterator[str]:
    """One line for each endpoint among ``models``: answers that are kept already, calls left, tokens, money, hours.

    A reply is taken to be as long as allowed until some are there to be measured.
    """
    asked = [one for one in settings.others if one.kind == "endpoint"]
    if not asked:
        return
    known = read_questions(questions)
    kept, wording, sampling = drawn(settings, known, seed), Wording(settings, questions), sampling_of(settings, seed)
    prompts = [(q.exam, wording.messages(q)[0]) for q in known.values() if q.id in kept]
    for one in asked:
        replies = models[one.name].known([messages for _, messages in prompts], sampling)
        calls = (Asked(exam, messages, reply) for (exam, messages), reply in zip(prompts, replies, strict=True))
        left = expect(calls, lambda _: float(settings.max_tokens), settings.max_tokens)
        yield f"{one.name}: {says(left, answering(settings, one))}"
