"""Scoring: never needs a model. Every response is scored by every metric of its kind, or unscored with the reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import huatuo
from huatuo.eval import bleu_rouge, choice, contamination, knowledge
from huatuo.eval.questions import read_questions
from huatuo.eval.summary import summarise
from huatuo.progress import bar
from huatuo.recipe import ScoreSettings
from huatuo.records import Pair, Question, Response, Score
from huatuo.store import Writer, content_id, read

FAILED = "the model failed"
"""Reason of a response that is no answer at all."""


def score(settings: ScoreSettings, questions: Path, responses: Path, pairs: Path, seed: int, out: Writer) -> None:
    """Write tables ``scores`` (one row per response and metric), ``figures`` (one per group, model and metric), and
    ``contamination`` (how much of the exams stands in the training pairs; absent where there is no exam).

    Raises InputError where there are no questions.
    """
    asked = read_questions(questions)
    readers = value_readers(asked.values())
    scored: dict[tuple[str, str], list[Score]] = {}
    with bar("score", unit="answers") as shown:
        for response in read(responses, "responses", Response):
            shown.advance()
            out.expect([response.id])
            question = asked.get(response.question_id)
            if question is None:
                reason = f"question {response.question_id} is not in {questions.name}"
                out.drop(response.id, "unknown question", reason, excerpt=response.text)
                continue
            rows = score_response(settings, question, response, readers)
            if not rows:
                out.leave(response.id, "no metric", "score.overlap is empty and an open question has no other metric")
            for row in rows:
                out.write("scores", row, uses=[response.id])
            scored[response.question_id, response.model] = rows
    for figure in summarise(asked, scored, settings.resamples, seed):
        out.write("figures", figure)
    _report_contamination(asked, pairs, out)


def _report_contamination(asked: Mapping[str, Question], pairs: Path, out: Writer) -> None:
    for figure in contamination.figures(list(asked.values()), read(pairs, "pairs", Pair)):
        out.write("contamination", figure)


def value_readers(questions: Iterable[Question]) -> dict[str, knowledge.Reader]:
    """A reader per relation that knows all values and all entities asked about."""
    values: dict[str, set[str]] = defaultdict(set)
    entities: set[str] = set()
    for question in questions:
        if question.kind == "knowledge":
            values[question.subject].update(question.gold)
            entities.add(question.entity)
    return {relation: knowledge.Reader(sorted(known), sorted(entities)) for relation, known in values.items()}


def score_response(
    settings: ScoreSettings, question: Question, response: Response, readers: Mapping[str, knowledge.Reader]
) -> list[Score]:
    """All scores of one response."""
    if question.kind in ("single", "multiple"):
        return [_accuracy(question, response)]
    rows = _values(question, response, readers[question.subject]) if question.kind == "knowledge" else []
    reference = "、".join(question.gold) if question.kind == "knowledge" else question.reference
    return rows + _overlap(settings.overlap, reference, response)


def _score(
    response: Response,
    metric: str,
    value: float | None,
    signature: str,
    unscored: str = "",
    extracted: Sequence[str] = (),
    rule: str = "",
) -> Score:
    return Score(
        id=content_id(response.id, signature),
        response_id=response.id,
        question_id=response.question_id,
        model=response.model,
        metric=metric,
        value=value,
        unscored=unscored,
        extracted=tuple(extracted),
        rule=rule,
        signature=signature,
    )


def _accuracy(question: Question, response: Response) -> Score:
    prompt = f"{response.provenance.prompt_id}@{response.provenance.prompt_hash[:8]}"
    signature = f"metric:accuracy|rules:{choice.RULES}|prompt:{prompt}|huatuo:{huatuo.__version__}"
    if response.finish_reason == "error":
        return _score(response, "accuracy", None, signature, FAILED)
    found = choice.extract(response.text, question.options, "single" if question.kind == "single" else "multiple")
    if found.unscored:
        cut = " (cut at max_tokens)" if response.finish_reason == "length" else ""
        return _score(response, "accuracy", None, signature, found.unscored + cut)
    right = set(found.labels) == set(question.gold)
    return _score(response, "accuracy", float(right), signature, extracted=found.labels, rule=found.rule)


def _values(question: Question, response: Response, reader: knowledge.Reader) -> list[Score]:
    """exact, precision, recall and f1 of the values that an answer lists."""
    signatures = {
        metric: f"metric:{metric}|rules:{knowledge.RULES}|prompt:stem|huatuo:{huatuo.__version__}"
        for metric in ("exact", "precision", "recall", "f1")
    }
    if response.finish_reason == "error":
        return [_score(response, metric, None, signature, FAILED) for metric, signature in signatures.items()]
    found = reader.read(response.text, question.entity)
    exact = float(found.is_exact(question.gold))
    said = (*found.values, *found.extra)
    return [
        _score(response, metric, value, signatures[metric], extracted=said, rule=found.rule)
        for metric, value in zip(signatures, (exact, *found.overlap(question.gold)), strict=True)
    ]


def _overlap(families: Iterable[str], reference: str, response: Response) -> list[Score]:
    """BLEU and ROUGE of one response; unscored where the reference is empty, 0 where the answer is."""
    metrics = [f"bleu-{n}" for n in range(1, bleu_rouge.ORDER + 1)] if "bleu" in families else []
    metrics += ["rouge-1", "rouge-2", "rouge-l"] if "rouge" in families else []
    reason = FAILED if response.finish_reason == "error" else ""
    if not bleu_rouge.tokenise(reference):
        reason = "the reference is empty"
    if reason:
        return [_score(response, metric, None, bleu_rouge.signature(metric), reason) for metric in metrics]
    values: dict[str, float] = {}
    if "bleu" in families:
        bleu = bleu_rouge.sentence_bleu(response.text, reference)
        values |= {f"bleu-{n}": value for n, value in enumerate(bleu, 1)}
    if "rouge" in families:
        values |= {f"rouge-{n}": bleu_rouge.rouge_n(response.text, reference, n) for n in (1, 2)}
        values["rouge-l"] = bleu_rouge.rouge_l(response.text, reference)
    return [_score(response, metric, values[metric], bleu_rouge.signature(metric)) for metric in metrics]
