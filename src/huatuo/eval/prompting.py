"""The words of a question: a prompt file, and examples with their answers before it where the recipe wants some."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from huatuo.errors import InputError
from huatuo.llm import prompts
from huatuo.recipe import AskSettings
from huatuo.records import Message, Question
from huatuo.store import read

FEW_SHOT = "exam_few_shot."
"""Beginning of the ids of prompts that hold the examples in one text, for base models. With every other prompt each
example is a turn asked and a turn answered, for chat models."""

Asked = tuple[tuple[Message, ...], str, str]
"""Messages, the prompt's id and the prompt's hash; both empty where the stem is asked as it is."""


def messages_for(
    question: Question, prompt_id: str = "", examples: Sequence[Question] = (), by_text: bool = False
) -> Asked:
    """What a model is asked. Without ``prompt_id``: ``exam_choice`` in the question's language.

    Examples are shown with their right labels, in the order of the options; ``by_text``: those with one right answer
    with the text of that option. Raises InputError for an unknown prompt.
    """
    if question.kind not in ("single", "multiple"):
        return (Message(role="user", content=question.stem),), "", ""
    prompt = prompts.load(prompt_id or f"exam_choice.{'en' if question.language == 'en' else 'zh'}")
    if prompt.id.startswith(FEW_SHOT):
        return (Message(role="user", content=_render(prompt, question, examples, by_text)),), prompt.id, prompt.hash
    turns = []
    for example in examples:
        turns.append(Message(role="user", content=_render(prompt, example)))
        turns.append(Message(role="assistant", content=_answer(example, by_text)))
    return (*turns, Message(role="user", content=_render(prompt, question))), prompt.id, prompt.hash


def _answer(example: Question, by_text: bool) -> str:
    """The right answer as an example shows it: the labels, or the text of the one right option."""
    if by_text and example.kind == "single":
        return next(option.text for option in example.options if option.label == example.gold[0])
    return "".join(example.gold)


def _render(
    prompt: prompts.Prompt, question: Question, examples: Sequence[Question] = (), by_text: bool = False
) -> str:
    shown = [{"stem": one.stem, "options": one.options, "answer": _answer(one, by_text)} for one in examples]
    return prompt.render(
        kind=question.kind,
        stem=question.stem,
        options=question.options,
        question_type=question.question_type,
        subject=question.subject,
        levels=[level for level in question.subject.split(" / ") if level],
        items=[*shown, {"stem": question.stem, "options": question.options, "answer": ""}],
    ).strip()


class Wording:
    """How each question of a data set is asked: its exam's prompt and examples."""

    def __init__(self, settings: AskSettings, questions: Path) -> None:
        """Read the examples where the recipe shows some.

        Raises InputError where it shows more than an exam has.
        """
        self._prompts: Mapping[str, str] = settings.prompts
        self._by_text = settings.answer == "options"
        self._shots: Mapping[str, int] = settings.shots
        self._examples: dict[str, list[Question]] = defaultdict(list)
        for example in read(questions, "examples", Question) if any(settings.shots.values()) else ():
            self._examples[example.exam].append(example)
        for exam, count in settings.shots.items():
            if count and not self._examples[exam]:
                raise InputError(
                    f"ask.shots: exam {exam!r} has no examples to show {count} of; next: set examples of that exam"
                )

    def messages(self, question: Question) -> Asked:
        """What a model is asked.

        Raises InputError where the exam has fewer examples than wanted.
        """
        prompt_id = self._prompts.get(question.exam, "")
        return messages_for(question, prompt_id, self.examples(question), self._by_text)

    def examples(self, question: Question) -> list[Question]:
        """The first examples of the question's subject and kind, of its kind alone where the subject has none; never
        the question itself."""
        wanted = self._shots.get(question.exam, 0)
        if not wanted or question.kind not in ("single", "multiple"):
            return []
        usable = [
            one for one in self._examples[question.exam] if one.kind == question.kind and not _same(one, question)
        ]
        near = [one for one in usable if one.subject == question.subject] or usable
        if len(near) < wanted:
            raise InputError(
                f"ask.shots: exam {question.exam!r} has {len(near)} examples of subject {question.subject!r} and kind "
                f"{question.kind}; expected {wanted}; next: show fewer"
            )
        return near[:wanted]


def _same(one: Question, other: Question) -> bool:
    return one.stem == other.stem and one.options == other.options


def unknown_prompts(settings: AskSettings, exams: Iterable[str]) -> list[str]:
    """What is wrong with the prompts and shots of a recipe, one line each."""
    known, ids = set(exams), prompts.ids()
    found = [
        f"ask.{table}: no exam {name!r}; known: {', '.join(sorted(known))}"
        for table, given in (("prompts", settings.prompts), ("shots", settings.shots))
        for name in given
        if name not in known
    ]
    usable = [one for one in ids if one.startswith("exam_")]
    found += [
        f"ask.prompts {name}: no prompt {one!r}; known: {', '.join(usable)}"
        for name, one in settings.prompts.items()
        if one not in usable
    ]
    return found
