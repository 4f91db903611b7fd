"""A second model scores pairs against their sources in the run; what it does not say clearly is no score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from huatuo.llm import prompts, scored
from huatuo.llm.base import Model, Reply, Sampling
from huatuo.llm.money import Spent
from huatuo.recipe import JudgeSettings
from huatuo.records import Judgement, Message, Pair, Provenance
from huatuo.store import read_batches

ASPECTS = ("question", "faithfulness", "language")
"""What is scored."""

JUDGED, UNSCORED = "judged", "judge_unscored"
"""Rule of a pair below the threshold, and flag of one whose scores could not be read."""


class Scores(NamedTuple):
    """What was read out of a reply."""

    values: tuple[int, ...] | None
    """Scores in the order of `ASPECTS`; None where the reply does not give all three."""
    unscored: str
    """Why there are none."""


def read_scores(text: str) -> Scores:
    """The three scores in a reply: one JSON object with whole numbers from 1 to 5, alone or inside other words."""
    found = scored.read_scores(text, dict.fromkeys(ASPECTS, range(1, 6)))
    return Scores(tuple(found.values[aspect] for aspect in ASPECTS) if found.values else None, found.unscored)


def source_texts(knowledge: Path | None, passages: Path | None) -> dict[str, str]:
    """What each fact and each passage says, by id; a passage under its heading."""
    texts: dict[str, str] = {}
    if knowledge:
        for batch in read_batches(knowledge, "facts", ["id", "entity", "relation", "value"]):
            for row in batch.to_pylist():
                texts[row["id"]] = f"{row['entity']} {row['relation']}：{row['value']}"
    if passages:
        for batch in read_batches(passages, "passages", ["id", "title", "text"]):
            for row in batch.to_pylist():
                texts[row["id"]] = f"{row['title']}\n{row['text']}".strip()
    return texts


class Judge:
    """Scores pairs. ``spent`` says what its answers used."""

    def __init__(self, model: Model, settings: JudgeSettings, sources: Mapping[str, str]):
        """Ask ``model`` (a cache before it keeps the answers); ``sources``: texts by id of fact or passage."""
        self._model, self._settings, self._sources = model, settings, sources
        self._sampling = Sampling(temperature=settings.temperature, max_tokens=settings.max_tokens)
        self.spent = Spent(settings.currency)
        self.unscored = 0

    def score(self, pairs: Sequence[Pair]) -> list[Judgement]:
        """A judgement of each pair, in their order. Raises what the model raises when going on is useless."""
        asked = [self._prompt(pair) for pair in pairs]
        talks = [(Message(role="user", content=text),) for _, text in asked]
        replies: list[Reply | None] = [None] * len(pairs)
        for index, reply in self._model.chat(talks, self._sampling) if talks else ():
            replies[index] = reply
            self.spent = self.spent.add(reply)
        return [
            self._judgement(pair, prompt_id, reply)
            for pair, (prompt_id, _), reply in zip(pairs, asked, replies, strict=True)
        ]

    def wants(self, pair: Pair) -> bool:
        """Whether the recipe has this pair scored."""
        return self._settings.pairs == "all" or pair.provenance.by == "model"

    def refuses(self, judgement: Judgement) -> str:
        """Why the pair is dropped: its scores, where the lowest is below the threshold; else an empty string."""
        values = scores_of(judgement)
        if not values or min(values.values()) >= self._settings.threshold:
            return ""
        said = ", ".join(f"{aspect} {value}" for aspect, value in values.items())
        return f"{said}; expected at least {self._settings.threshold:g} each"

    def _prompt(self, pair: Pair) -> tuple[str, str]:
        earlier = [message.content for message in pair.messages[:-1]]
        block: dict[str, Any] = {"question": "\n".join(earlier), "answer": pair.messages[-1].content}
        known = [self._sources[parent] for parent in pair.parents if parent in self._sources]
        if known:
            block["source"] = known
        name = "judge" if known else "judge_alone"
        prompt_id = f"{name}.{'en' if pair.language == 'en' else 'zh'}"
        return prompt_id, prompts.load(prompt_id).render(block)

    def _judgement(self, pair: Pair, prompt_id: str, reply: Reply | None) -> Judgement:
        if reply is None:
            read = Scores(None, "the model gave no reply")
        elif reply.finish_reason != "stop":
            read = Scores(None, reply.error or f"the reply ended with {reply.finish_reason}")
        else:
            read = read_scores(reply.text)
        self.unscored += read.values is None
        question, faithfulness, language = read.values or (None, None, None)
        provenance = Provenance(
            by="model",
            model=self._model.name,
            digest=self._model.digest,
            format=self._model.format,
            sampling=self._sampling.canonical(),
            prompt_id=prompt_id,
            prompt_hash=prompts.load(prompt_id).hash,
            time=reply.time if reply else "",
        )
        return Judgement(
            pair_id=pair.id,
            question=question,
            faithfulness=faithfulness,
            language=language,
            unscored=read.unscored,
            provenance=provenance,
        )


def judge_on(settings: JudgeSettings | None, calls: Path, knowledge: Path, passages: Path) -> Judge | None:
    """The judge that a recipe names, with what facts and passages say; None where it names none.

    ``calls``: file that keeps what was asked.
    """
    if settings is None:
        return None
    from huatuo.llm.cache import Cached
    from huatuo.llm.teachers import judge_of

    return Judge(Cached(judge_of(settings, calls), calls), settings, source_texts(knowledge, passages))


def scores_of(judgement: Judgement) -> dict[str, int]:
    """The scores by aspect; empty where the pair is unscored."""
    found = {aspect: getattr(judgement, aspect) for aspect in ASPECTS}
    return {} if judgement.unscored else found
