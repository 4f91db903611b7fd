"""Scores of one answer on a scale by a judge, beside its reference where there is one: CMB-Clin (1–5), CMCOQA (0–3)."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import huatuo
from huatuo.errors import InputError
from huatuo.eval import stats
from huatuo.eval.judging.ask import Call, Judge
from huatuo.eval.judging.pairs import language_of
from huatuo.eval.judging.replies import Read, code_of, ended_badly, read_object
from huatuo.eval.stats import Estimate
from huatuo.eval.sus import scales
from huatuo.eval.sus.answers import Answer
from huatuo.eval.sus.scales import RatingScale
from huatuo.llm import prompts
from huatuo.llm.base import Reply
from huatuo.readers.encoding import check_file, read_lines
from huatuo.records import Figure, Question
from huatuo.records_rated import Rating
from huatuo.store import content_id, read

ScaleName = Literal["cmb-clin", "cmcoqa"]


def scale_of(name: ScaleName) -> RatingScale:
    """The scale: the same dimensions and values that people are given on sheets."""
    return scales.load(name)


def call(answer: Answer, reference: str, name: ScaleName) -> Call:
    """What the judge is asked about one answer; ``reference`` may be empty."""
    prompt_id = f"rate_{name.replace('-', '_')}.{language_of(answer.question)}"
    code = code_of(answer.question, answer.text, reference)
    block = {"question": answer.question, "answer": answer.text} | ({"reference": reference} if reference else {})
    return Call(prompt_id, code, prompts.load(prompt_id).render(block, code=code))


def rate(answers: Sequence[Answer], references: Mapping[str, str], judge: Judge, name: ScaleName) -> list[Rating]:
    """One rating per answer and dimension, in order; ``references`` by question id. Raises what asking raises."""
    calls = calls_of(answers, references, name)
    found = []
    for place, (answer, one, reply) in enumerate(zip(answers, calls, judge.ask(calls, name), strict=True), 1):
        read = read_scores(reply, one.code, scale_of(name))
        for dimension in scale_of(name).dimensions:
            found.append(Rating(
                id=content_id("rating", answer.response_id, judge.name, one.prompt_id, dimension.id),
                item=answer.response_id, annotator=judge.name, by="model", part="rating", position=place,
                dimension=dimension.id, value=read.value[dimension.id] if read.value else None,
                unscored=f"unparsed: {read.unparsed}" if read.unparsed else "", question_id=answer.question_id,
                response_id=answer.response_id, model=answer.model, time=reply.time, note=reply.text,
            ))  # fmt: skip
    return found


def calls_of(answers: Sequence[Answer], references: Mapping[str, str], name: ScaleName) -> list[Call]:
    """Everything that is asked, in order."""
    return [call(answer, references.get(answer.question_id, ""), name) for answer in answers]


def references_of(source: Path, path: Path | None) -> dict[str, str]:
    """Reference answers by question id: of the file, else of the run's questions; none for a table without a file.

    Raises InputError, with the line, for one that holds no reference.
    """
    if path is None:
        known = (
            read(source / "questions", "questions", Question)
            if (source / "questions" / "manifest.json").exists()
            else ()
        )
        return {one.id: one.reference for one in known if one.reference.strip()}
    check_file(path)
    found = {}
    for number, text, _ in read_lines(path):
        if text.strip():
            try:
                data = json.loads(text)
                found[str(data["id"])] = str(data["reference"])
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"{path}: line {number}: {error}; expected id and reference; next: mend it") from None
    return found


def read_scores(reply: Reply, code: str, scale: RatingScale) -> Read:
    """The score of every dimension of the scale, all of them or none."""
    if bad := ended_badly(reply):
        return Read(None, bad)
    found = read_object(reply.text, code)
    if found.value is None:
        return found
    values = {dimension.id: found.value.get(dimension.id) for dimension in scale.dimensions}
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value not in scale.values:
            return Read(None, f"{name} is {value!r}")
    return Read(values, "")


def figures(ratings: Sequence[Rating], judge: Judge, name: ScaleName, references: int) -> list[Figure]:
    """The mean of every model and dimension, resampled by question, on the scale's own points.

    ``references``: how many questions had one, part of the signature.
    """
    how, scale = judge.settings, scale_of(name)
    used = "+".join(sorted({f"{p}@{prompts.load(p).hash[:8]}" for p in _prompt_ids(name)}))
    said = (
        f"rating|scale:{name}|judge:{judge.name}|prompt:{used}|sampling:{judge.sampling.canonical()}|"
        f"references:{references}|unparsed:unscored|seed:{how.seed}|huatuo:{huatuo.__version__}"
    )
    grouped: dict[tuple[str, str], list[Rating]] = defaultdict(list)
    for one in ratings:
        grouped[one.dimension, one.model].append(one)
    ends = float(scale.values[0]), float(scale.values[-1])
    found = []
    for (dimension, model), own in sorted(grouped.items()):
        rated = [one for one in own if one.value is not None]
        values, questions = [float(one.value or 0) for one in rated], [one.question_id for one in rated]
        estimate = stats.crossed_mean(values, [questions], ends)
        found.append(_figure(dimension, model, "mean", estimate, len(own) - len(rated), said))
    lost = Counter(one.unscored.removeprefix("unparsed: ").partition(":")[0] for one in ratings if one.value is None)
    for why, count in sorted(lost.items()):
        value = Estimate(float(count), None, None, len(ratings), "count")
        found.append(_figure(name, judge.name, f"unparsed: {why}", value, 0, said))
    return found


def _prompt_ids(name: ScaleName) -> list[str]:
    return [f"rate_{name.replace('-', '_')}.{language}" for language in ("zh", "en")]


def _figure(name: str, model: str, metric: str, found: Estimate, unscored: int, signature: str) -> Figure:
    return found.figure(name, model, metric, signature, unscored)
