"""BLEU and ROUGE that are right for Chinese: own tokens, multiset counts, and a signature with every number.

Both are from 0 to 1. Identical texts score 1.0 in any language and at any length; an empty answer scores 0.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import huatuo
from huatuo.text.zh import CJK_RANGES

ORDER = 4
"""Longest gram of BLEU (Papineni et al. 2002)."""

TOKENISER = "char.v1"
"""Name of the tokeniser in signatures: one Han character, a run of other letters and digits with inner points and
hyphens (``0.25g``, ``covid-19``), or any other visible character; lower-cased."""

_HAN = "".join(f"{chr(low)}-{chr(high)}" for low, high in CJK_RANGES)
_WORD = rf"[^\W_{_HAN}]+"
_TOKEN = re.compile(rf"[{_HAN}]|{_WORD}(?:[.\-]{_WORD})*|[^\s]")


def signature(metric: str) -> str:
    """Everything a number of this metric depends on besides the two texts."""
    family = metric.split("-")[0]
    details = {
        "bleu": "nrefs:1|smooth:exp|eff:yes",
        "corpus": "nrefs:1|smooth:none|eff:no",
        "rouge": "nrefs:1|count:multiset|stem:no|f:1",
    }[family]
    return f"metric:{metric}|{details}|case:lc|tok:{TOKENISER}|huatuo:{huatuo.__version__}"


def tokenise(text: str) -> list[str]:
    """The tokens of a text, see `TOKENISER`."""
    return _TOKEN.findall(text.lower())


def _grams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


@dataclass
class _Matches:
    """Clipped matches and possible matches per order, and both lengths."""

    hits: list[int]
    total: list[int]
    answer: int
    reference: int


def _count(answer: Sequence[str], reference: Sequence[str]) -> _Matches:
    hits, total = [], []
    for n in range(1, ORDER + 1):
        found = _grams(answer, n)
        hits.append((found & _grams(reference, n)).total())
        total.append(found.total())
    return _Matches(hits, total, len(answer), len(reference))


def _brevity(matches: _Matches) -> float:
    if matches.answer == 0:
        return 0.0
    return min(1.0, math.exp(1 - matches.reference / matches.answer))


def sentence_bleu(answer: str, reference: str) -> tuple[float, float, float, float]:
    """BLEU-1 to BLEU-4 of one answer.

    Orders longer than the answer are left out (else a right answer of two characters scored 0), and an order without a
    match is smoothed by halving (method 3 of Chen and Cherry 2014): what sacrebleu calls ``eff:yes|smooth:exp``.
    Raises ValueError for a reference without tokens.
    """
    matches = _count(tokenise(answer), _needed(reference))
    logs, smooth, scores = 0.0, 1.0, []
    orders = 0
    for hits, total in zip(matches.hits, matches.total, strict=True):
        if total and any(matches.hits):
            if not hits:
                smooth *= 2
            logs += math.log(hits / total if hits else 1 / (smooth * total))
            orders += 1
        scores.append(_brevity(matches) * math.exp(logs / orders) if orders else 0.0)
    return scores[0], scores[1], scores[2], scores[3]


def corpus_bleu(answers: Sequence[str], references: Sequence[str]) -> float:
    """BLEU-4 of all answers together, without smoothing. 0.0 where an order has no match at all.

    Raises ValueError for no answers, unequal numbers, or a reference without tokens.
    """
    if not answers or len(answers) != len(references):
        raise ValueError(f"one reference per answer is needed: {len(answers)} answers, {len(references)} references")
    counted = [_count(tokenise(a), _needed(r)) for a, r in zip(answers, references, strict=True)]
    hits = [sum(one.hits[n] for one in counted) for n in range(ORDER)]
    total = [sum(one.total[n] for one in counted) for n in range(ORDER)]
    used = [n for n in range(ORDER) if total[n]]
    if not used or not all(hits[n] for n in used):
        return 0.0
    whole = _Matches(hits, total, sum(c.answer for c in counted), sum(c.reference for c in counted))
    return _brevity(whole) * math.exp(sum(math.log(hits[n] / total[n]) for n in used) / len(used))


def _needed(reference: str) -> list[str]:
    tokens = tokenise(reference)
    if not tokens:
        raise ValueError("the reference is empty, so nothing can be compared with it")
    return tokens


def _f1(hits: int, answer: int, reference: int) -> float:
    return 2 * hits / (answer + reference) if hits else 0.0


def rouge_n(answer: str, reference: str, n: int) -> float:
    """F1 of n-grams, counted as multisets: repeating a right word lowers precision. Where both texts are shorter than
    ``n`` tokens they are compared whole.

    Raises ValueError for a reference without tokens.
    """
    said, wanted = tokenise(answer), _needed(reference)
    if len(wanted) < n and len(said) < n:
        return float(said == wanted)
    left, right = _grams(said, n), _grams(wanted, n)
    return _f1((left & right).total(), left.total(), right.total())


def rouge_l(answer: str, reference: str) -> float:
    """F1 of the longest common subsequence of tokens.

    Raises ValueError for a reference without tokens.
    """
    said, wanted = tokenise(answer), _needed(reference)
    return _f1(longest_common_subsequence(said, wanted), len(said), len(wanted))


def longest_common_subsequence(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest common subsequence, one addition of ``len(left)`` bits per token of ``right``
    (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for place, token in enumerate(left):
        places[token] = places.get(token, 0) | 1 << place
    everything = (1 << len(left)) - 1
    row = everything
    for token in right:
        both = row & places.get(token, 0)
        row = ((row + both) | (row - both)) & everything
    return len(left) - row.bit_count()
