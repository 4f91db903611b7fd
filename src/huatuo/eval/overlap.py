"""Text overlap of answers with references under a profile: every number with its signature, wrong numbers beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import huatuo
from huatuo.checks.numbers import Quantity, find
from huatuo.errors import InputError
from huatuo.eval import bleu_rouge
from huatuo.eval.overlap_profiles import Profile, profile_of
from huatuo.readers.jsonfile import records

NUMBERS_SIGNATURE = f"metric:numbers|checks.numbers|missing:no|huatuo:{huatuo.__version__}"
"""Of the share of answers without a number that the reference does not state."""


class Measured(NamedTuple):
    """One number and what it depends on."""

    metric: str
    """``bleu-4``, ``chrf``, ``rouge-l``, ``distinct-2``, ``numbers``."""
    value: float
    """From 0 to 1."""
    signature: str
    """Everything it depends on besides the texts."""


def wrong_numbers(answer: str, reference: str) -> list[Quantity]:
    """The different quantities of the answer, value with unit and bound, that the reference does not state; in order.

    What overlap hides: ``0.5g`` for ``0.25g`` costs one token of thirty.
    """
    known = set(find(reference))
    return [quantity for quantity in dict.fromkeys(find(answer)) if quantity not in known]


def measure(answers: Sequence[str], references: Sequence[str], profile: Profile) -> list[Measured]:
    """Every metric of all answers together: BLEU-1 to 4 over the corpus (in `llamafactory` the mean of the answers'),
    chrF, the mean ROUGE-1, 2 and L, Distinct-1 and 2, and the share of answers without a wrong number.

    Raises ValueError for no answers, unequal numbers, or an empty reference.
    """
    bleu_rouge.as_many(answers, references)
    n = len(answers)
    pairs = list(zip(answers, references, strict=True))
    found = []
    if profile.smoothing == "nltk3":
        each = [bleu_rouge.sentence_bleu(a, r, profile) for a, r in pairs]
        for order in range(1, bleu_rouge.ORDER + 1):
            signature = bleu_rouge.signature(f"bleu-{order}", profile) + "|mean:sentences"
            found.append(Measured(f"bleu-{order}", sum(one[order - 1] for one in each) / n, signature))
    else:
        for order in range(1, bleu_rouge.ORDER + 1):
            value = bleu_rouge.corpus_bleu(answers, references, profile, order)
            found.append(Measured(f"bleu-{order}", value, bleu_rouge.signature(f"corpus-bleu-{order}", profile)))
    found.append(Measured("chrf", bleu_rouge.chrf(answers, references), bleu_rouge.signature("chrf", profile)))
    for size in (1, 2):
        mean = sum(bleu_rouge.rouge_n(a, r, size, profile) for a, r in pairs) / n
        found.append(Measured(f"rouge-{size}", mean, bleu_rouge.signature(f"rouge-{size}", profile)))
    mean = sum(bleu_rouge.rouge_l(a, r, profile) for a, r in pairs) / n
    found.append(Measured("rouge-l", mean, bleu_rouge.signature("rouge-l", profile)))
    for size in (1, 2):
        value = bleu_rouge.distinct(answers, size, profile)
        found.append(Measured(f"distinct-{size}", value, bleu_rouge.signature(f"distinct-{size}", profile)))
    right = sum(not wrong_numbers(a, r) for a, r in pairs) / n
    return [*found, Measured("numbers", right, NUMBERS_SIGNATURE)]


# ---------------------------------------------------------------- a file of answers


def read_pairs(path: Path) -> tuple[list[str], list[str], int]:
    """Answers, references, and how many records were left out because they have no reference.

    Records name them answer and reference, or predict and label (LLaMA-Factory), or prediction. Raises InputError where
    a record has neither, or none is left.
    """
    answers, references, without = [], [], 0
    for raw in records(path):
        value = raw.value
        if raw.problem is not None or not isinstance(value, dict):
            said = raw.problem.message if raw.problem else f"found {type(value).__name__}"
            raise InputError(f"{path} {raw.place}: no record of answer and reference ({said}); next: mend it")
        answer, reference = (_first(value, names) for names in (ANSWERS, REFERENCES))
        if answer is None or reference is None:
            shown = ", ".join(map(str, value))
            raise InputError(
                f"{path} {raw.place}: has the fields {shown}; expected one of {', '.join(ANSWERS)} and one of "
                f"{', '.join(REFERENCES)}; next: rename them"
            )
        if not reference.strip():
            without += 1
            continue
        answers.append(answer)
        references.append(reference)
    if not answers:
        raise InputError(f"{path}: no record has a reference, so nothing can be compared; next: check the file")
    return answers, references, without


ANSWERS = ("answer", "predict", "prediction", "output", "text")
"""Fields tried for the answer."""

REFERENCES = ("reference", "label", "references", "target")
"""Fields tried for the reference."""


def _first(value: dict[str, Any], names: Sequence[str]) -> str | None:
    return next((value[name] for name in names if isinstance(value.get(name), str)), None)


def lines(path: Path, profile_name: str) -> Iterator[str]:
    """The overlap of a file of answers and references, from 0 to 100, each number with its signature."""
    profile = profile_of(profile_name)
    answers, references, without = read_pairs(path)
    yield f"{len(answers):,} answers; left out {without:,} without a reference"
    for one in measure(answers, references, profile):
        yield f"{one.metric:<11} {100 * one.value:7.2f}  {one.signature}"
    wrong = [wrong_numbers(a, r) for a, r in zip(answers, references, strict=True)]
    count = sum(map(len, wrong))
    yield f"{count:,} numbers in {sum(map(bool, wrong)):,} answers are not in the reference"
