"""Passages that hold an exam question, by the overlap of n-grams with its stem, and with its stem and options.

An overlap alone is no copy: `急性链球菌感染后肾小球肾炎` is most of the question what it looks like under the
microscope, and stands in every text about the disease. So the question must stand there *as a question*: as a line or
sentence of its own, or at a length that no term has. In 181,000 passages of real medical prose the overlaps alone
dropped 1,819, and of 52 that were read one was a copy; with these rules 10 are left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyarrow as pa

from huatuo.corpus.rows import added, reasons
from huatuo.records import Question
from huatuo.text.ngram import ExamIndex, Overlap
from huatuo.text.zh import language, normalise_for_comparison, tokens

DROPPED_GRADES = ("exact", "likely")
"""Grades of a copy; ``possible`` is too common in clean text (5 % of it, by single terms)."""

COPIED_SHARE = {"zh": 0.76, "en": 0.5}
"""Share of a question's runs of two tokens from which a ``possible`` passage may be a copy with some characters
exchanged, by the language of the question: a character exchanged spoils one token in Chinese and a whole word in
English."""

TERM = 13
"""Runs of 5 tokens (17 tokens) from which what is held is longer than a term."""

SHORT = 13
"""Tokens under which a stem says little: it counts as a line or sentence of its own, with the right answer beside."""

LINE, SHORT_LINE = 0.6, 0.8
"""Jaccard similarity of the runs of two tokens, in English of five characters, from which a line is the stem, and a
short stem: without its first quarter a stem has 0.7, with 3 % of its characters exchanged 0.75 and more."""

_ENDS = re.compile(r"[。！？!?；;]+|(?<=[a-z)])\.(?=\s)")


def indexes(questions: Iterable[Question]) -> list[ExamIndex]:
    """The index of the exam and open questions; none where there are no such questions."""
    index = ExamIndex(questions)
    return [index] if index.ids else []


def drops(overlap: Overlap, text: str, question: Question) -> bool:
    """Whether a passage with this text and overlap is a copy of the question, so that it is not kept."""
    tongue = "en" if language(question.stem) == "en" else "zh"
    if overlap.grade not in DROPPED_GRADES and not (overlap.grade and overlap.short >= COPIED_SHARE[tongue]):
        return False
    if overlap.held >= TERM:
        return True
    asked = [part for part in (question.stem, *question.stem.splitlines()) if len(tokens(part)) >= SHORT]
    if asked:
        return any(is_line(text, part, LINE) for part in dict.fromkeys(asked))
    return is_line(text, question.stem, SHORT_LINE) and is_answered(text, question)


def is_line(text: str, stem: str, least: float) -> bool:
    """Whether a line or a sentence of the text shares so much with the stem (see `LINE`)."""
    by_letters = language(stem) == "en"
    wanted = _runs(stem, by_letters)
    for line in text.splitlines():
        for part in {line, *_ENDS.split(line)}:
            own = _runs(part, by_letters)
            if len(own & wanted) >= least * len(own | wanted) and own:
                return True
    return False


def is_answered(text: str, question: Question) -> bool:
    """Whether the text holds a right option of the question; a question without options is one by itself."""
    right = [normalise_for_comparison(option.text) for option in question.options if option.label in question.gold]
    whole = normalise_for_comparison(text) if right else ""
    return not question.options or any(option in whole for option in right if option)


def _runs(text: str, by_letters: bool) -> set[str]:
    """Runs of five letters and digits, or of two tokens; the whole text where it is shorter than a run."""
    found, size = (list(normalise_for_comparison(text)), 5) if by_letters else (tokens(text), 2)
    return {"".join(found[at : at + size]) for at in range(max(len(found) - size + 1, 1))} - {""}


def contaminated_batch(batch: pa.RecordBatch, made: list[ExamIndex]) -> pa.RecordBatch:
    """The batch with ``reason`` set where ``normal`` holds a question, and the question's id in ``witness``."""
    if not made:
        return batch
    texts = batch.column("normal").to_pylist()
    why, witness = reasons(batch), ["" if w is None else w for w in batch.column("witness").to_pylist()]
    for index in made:
        for row, overlaps in enumerate(index.overlaps(texts)):
            if why[row]:
                continue
            for overlap in overlaps:
                name = next((q for q in overlap.question_ids if drops(overlap, texts[row], index.asked[q])), None)
                if name is not None:
                    why[row] = f"contaminated: {overlap.grade}, {overlap.share:.0%} of the question's n-grams"
                    witness[row] = name
                    break
    return added(added(batch, "reason", pa.string(), why), "witness", pa.string(), witness)
