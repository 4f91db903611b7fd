"""The calls of the stage synth: which are made, and what each asks of the teacher."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from huatuo.llm import prompts
from huatuo.llm.base import Sampling
from huatuo.recipe import SynthSettings, TeacherSettings
from huatuo.records import Message
from huatuo.synth import coverage, dialogue, from_graph, more_shapes
from huatuo.synth.from_graph import Call
from huatuo.synth.graph import Graph
from huatuo.synth.pair import fraction
from huatuo.synth.self_instruct import Growth

PAIRS = "pairs"
"""Name of the list in a reply that must be an object."""

LONGER = ("multi_hop", "multi_turn", "refusal", "true_false")
"""Shapes beside the four of `huatuo.synth.from_graph`."""

TURNED = {
    "multi_hop": more_shapes.multi_hop,
    "refusal": more_shapes.refusal,
    "true_false": more_shapes.true_false,
}
"""Shapes that need the graph turned round."""


def has_longer(settings: SynthSettings) -> bool:
    """Whether pairs of the longer shapes are made."""
    longer = any(shape in settings.shapes for shape in LONGER) or "passage_dialogue" in settings.passage_shapes
    return longer or bool(settings.consultation.cases)


def graph_calls(settings: SynthSettings, graph: Graph, seed: int) -> Iterator[Call]:
    """The calls about facts, in a fixed order; where only some facts are wanted, those that hold one of them.

    Raises InputError for a list of wanted facts that cannot be read.
    """
    wanted = coverage.wanted(settings, graph.groups, seed)
    for call in _every_call(settings, graph, seed):
        if wanted is None or not wanted.isdisjoint(call.facts):
            yield call


def _every_call(settings: SynthSettings, graph: Graph, seed: int) -> Iterator[Call]:
    shapes, share = settings.shapes, settings.share
    if "direct" in shapes:
        wanted = share.get("direct", 1.0)
        for call in from_graph.direct(graph.groups):
            if fraction(str(seed), "direct", *call.facts) < wanted:
                yield call
    if "reverse" in shapes:
        yield from from_graph.reverse(graph.groups, graph.untaught, graph.withheld, seed, share.get("reverse", 1.0))
    if "comparison" in shapes:
        yield from from_graph.comparison(graph.groups, seed, share.get("comparison", 1.0))
    if "vignette" in shapes:
        part = share.get("vignette", 1.0)
        yield from from_graph.vignette(graph.groups, graph.untaught_symptoms, seed, part)
    if "multi_turn" in shapes:
        yield from dialogue.multi_turn(graph.groups, seed, share.get("multi_turn", 1.0))
    if not any(shape in shapes for shape in TURNED):
        return
    index = more_shapes.turned(graph)
    for shape, make in TURNED.items():
        if shape in shapes:
            yield from make(graph, index, seed, share.get(shape, 1.0))


def graph_prompt(settings: SynthSettings, call: Call) -> str:
    """What the teacher is asked in a call about facts."""
    return _prompt(settings.teacher, f"graph_{call.shape}", "zh", call.block, pairs=settings.pairs_per_call)


def growth_prompt(settings: SynthSettings, call: Growth) -> str:
    """What the teacher is asked in a call that grows questions from seeds."""
    return _prompt(settings.teacher, "self_instruct", "zh", call.block, pairs=settings.pairs_per_call)


def passage_prompt(settings: SynthSettings, language: str, block: dict[str, Any]) -> str:
    """What the teacher is asked in a call about a passage: the question, the answer to the block's question, or a
    dialogue."""
    return _prompt(settings.teacher, block["shape"], language, block)


def repair_prompt(teacher: TeacherSettings, language: str, block: dict[str, Any]) -> str:
    """What a model is asked about an answer of its own that was refused."""
    return _prompt(teacher, "repair", language, block)


def consultation_prompt(settings: SynthSettings, language: str, block: dict[str, Any]) -> str:
    """What the patient or the physician of a consultation is asked to say next, by the block's shape."""
    doctor = settings.consultation.doctor
    asked = doctor if doctor and block["shape"] == "doctor" else settings.teacher
    return _prompt(asked, f"consultation_{block['shape']}", language, block)


def _prompt(teacher: TeacherSettings, name: str, language: str, block: dict[str, Any], **values: Any) -> str:
    text = prompts.load(f"{name}.{language}").render(block, **values)
    return text if teacher.response_format == "text" else text + prompts.in_an_object(PAIRS, language)


def conversation(prompt: str) -> tuple[Message, ...]:
    """The conversation that a prompt opens."""
    return (Message(role="user", content=prompt),)


def sampling_of(settings: SynthSettings, seed: int) -> Sampling:
    """How the teacher decodes."""
    return sampling_by(settings.teacher, seed)


def sampling_by(teacher: TeacherSettings, seed: int) -> Sampling:
    """How a model that makes pairs decodes."""
    return Sampling(
        temperature=0.0 if teacher.kind == "offline" else teacher.temperature,
        max_tokens=teacher.max_tokens,
        seed=seed,
        response_format=prompts.response_format(teacher.response_format, PAIRS, ("question", "answer")),
    )
