"""Texts that hold a copy of an exam question: one rule for passages of a corpus and for pairs that are to be taught.

An overlap of n-grams alone is no copy: `急性链球菌感染后肾小球肾炎` is most of the question what it looks like under
the microscope, and stands in every text about the disease. So the question must stand there *as a question*: as a line
or sentence of its own, or at a length that no term has. In 181,000 passages of real medical prose the overlaps alone
dropped 1,819, and of 52 that were read one was a copy; with these rules three are left, each of them a sentence that a
question was made of, with its answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from huatuo.records import Question
from huatuo.text.ngram import BOILERPLATE, ExamIndex, Grade, Overlap
from huatuo.text.zh import language, normalise_for_comparison, tokens

DROPPED_GRADES = ("exact", "likely")
"""Grades of a copy; ``possible`` is too common in clean text (5 % of it, by single terms)."""

COPIED_SHARE = {"zh": 0.76, "en": 0.5}
"""Share of a question's runs of two tokens from which a ``possible`` text may be a copy with some characters exchanged,
by the language of the question: a character exchanged spoils one token in Chinese and a whole word in English."""

TERM = 13
"""Runs of 5 tokens (17 tokens) from which what is held is longer than a term."""

STEM = 0.5
"""Share of the stem's short runs that a text must hold where it is not a line: the options of a question may be the
stages of a disease or four kinds of one disorder, which stand together in every text about it."""

SHORT = 13
"""Tokens under which a stem says little: it counts as a line or sentence of its own, with the right answer beside."""

LINE, SURE_LINE = 0.6, 0.8
"""Jaccard similarity of the runs of two tokens, in English of five characters, from which a line may be the stem, and
from which it is: without its first quarter a stem has 0.7, with 3 % of its characters exchanged 0.75 and more, and a
heading which is the term that is asked about 0.6 to 0.75. So below the second the right answer must stand there too."""

_ENDS = re.compile(r"[。！？!?；;]+|(?<=[a-z)])\.(?=\s)")


@dataclass(frozen=True)
class Copy:
    """An exam question that a text holds."""

    question: Question
    """The question."""
    grade: Grade
    """How much of it: exact, likely or possible."""
    share: float
    """Share of the question's n-grams that stand in the text, 0 to 1."""

    @property
    def reason(self) -> str:
        """Why the text goes, in words: grade, share, exam and id of the question."""
        asked = f"{self.question.exam} question {self.question.id}"
        return f"{self.grade}, {self.share:.0%} of the n-grams of {asked}"


def indexes(questions: Iterable[Question]) -> list[ExamIndex]:
    """The index of the exam and open questions; none where there are no such questions."""
    index = ExamIndex(questions)
    return [index] if index.ids else []


def copies(texts: Sequence[str], index: ExamIndex) -> list[tuple[Copy | None, Overlap | None]]:
    """For each text the question that it holds a copy of, and its worst overlap that has a grade; None for none."""
    found: list[tuple[Copy | None, Overlap | None]] = []
    for text, overlaps in zip(texts, index.overlaps(texts), strict=True):
        graded = overlaps[0] if overlaps and overlaps[0].grade else None
        found.append((_first(text, overlaps, index), graded))
    return found


def _first(text: str, overlaps: Sequence[Overlap], index: ExamIndex) -> Copy | None:
    for overlap in overlaps:
        for name in overlap.question_ids:
            if overlap.grade and is_copy(overlap, text, index.asked[name]):
                return Copy(index.asked[name], overlap.grade, overlap.share)
    return None


def is_copy(overlap: Overlap, text: str, question: Question) -> bool:
    """Whether a text with this overlap holds a copy of the question, so that it is neither kept nor taught."""
    tongue = "en" if language(question.stem) == "en" else "zh"
    if overlap.grade not in DROPPED_GRADES and not (overlap.grade and overlap.short >= COPIED_SHARE[tongue]):
        return False
    common = len(overlap.question_ids) > BOILERPLATE  # a wording of so many questions is none of them
    if overlap.held >= TERM and not common and (overlap.grade == "exact" or holds_stem(text, question.stem)):
        return True
    asked = [part for part in (question.stem, *question.stem.splitlines()) if len(tokens(part)) >= SHORT]
    alike = max((line_share(text, part) for part in dict.fromkeys(asked)), default=0.0)
    if asked:
        return (alike >= SURE_LINE and not common) or (alike >= LINE and is_answered(text, question))
    return line_share(text, question.stem) >= SURE_LINE and is_answered(text, question)


def holds_stem(text: str, stem: str) -> bool:
    """Whether the text holds so much of the stem, wherever it stands (see `STEM`)."""
    by_letters = language(stem) == "en"
    wanted = _runs(stem, by_letters)
    return len(wanted & _runs(text, by_letters)) >= STEM * len(wanted)


def line_share(text: str, stem: str) -> float:
    """The largest Jaccard similarity of a line or a sentence of the text with the stem, 0 to 1."""
    by_letters = language(stem) == "en"
    wanted, best = _runs(stem, by_letters), 0.0
    for line in text.splitlines():
        for part in {line, *_ENDS.split(line)}:
            own = _runs(part, by_letters)
            if own:
                both = len(own & wanted)
                best = max(best, both / (len(own) + len(wanted) - both))
    return best


def is_answered(text: str, question: Question) -> bool:
    """Whether the text holds a right option of the question; a question without options is one by itself."""
    right = [normalise_for_comparison(option.text) for option in question.options if option.label in question.gold]
    whole = normalise_for_comparison(text) if right else ""
    return not question.options or any(option in whole for option in right if option)


def _runs(text: str, by_letters: bool) -> set[str]:
    """Runs of five letters and digits, or of two tokens; the whole text where it is shorter than a run."""
    found, size = (list(normalise_for_comparison(text)), 5) if by_letters else (tokens(text), 2)
    return {"".join(found[at : at + size]) for at in range(max(len(found) - size + 1, 1))} - {""}
