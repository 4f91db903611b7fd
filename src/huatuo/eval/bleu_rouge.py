"""BLEU, chrF, ROUGE and Distinct that are right for Chinese: own tokens, multiset counts, a signature on every number.

All are from 0 to 1. In the profiles `char`, `jieba` and `sacrebleu-zh` identical texts score 1.0 in any language and at
any length; an empty answer scores 0 in all. What the profiles are: `huatuo.eval.overlap_profiles`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import huatuo
from huatuo.eval.overlap_profiles import CHAR, Profile, version_of
from huatuo.eval.overlap_profiles import TOKENISER as TOKENISER
from huatuo.eval.overlap_profiles import tokenise as tokenise

ORDER = 4
"""Longest gram of BLEU (Papineni et al. 2002)."""

CHRF_ORDER, CHRF_BETA = 6, 2
"""Longest gram of chrF, and the weight of recall (Popović 2015, chrF2; sacrebleu's defaults)."""


def signature(metric: str, profile: Profile = CHAR) -> str:
    """Everything a number of this metric depends on besides the texts."""
    family = metric.split("-")[0]
    counts = "set" if profile.sets else "multiset"
    details = {
        "bleu": f"nrefs:1|smooth:{profile.smoothing}|eff:{'yes' if profile.smoothing == 'exp' else 'no'}",
        "corpus": f"nrefs:1|smooth:{profile.corpus_smoothing}|eff:no",
        "rouge": f"nrefs:1|count:{counts}|stem:no|f:{'1' if profile.lcs == 'f1' or metric != 'rouge-l' else 'beta'}",
        "chrf": f"nrefs:1|nc:{CHRF_ORDER}|nw:0|beta:{CHRF_BETA}|space:no",
        "distinct": "texts:all",
    }[family]
    tail = f"|profile:{profile.name}{version_of(profile)}" if profile is not CHAR else ""
    tokens = "case:mixed|tok:none" if family == "chrf" else f"case:{profile.case}|tok:{profile.tokens}"
    return f"metric:{metric}|{details}|{tokens}{tail}|huatuo:{huatuo.__version__}"


Grams = Counter[tuple[str, ...]]


def _grams(tokens: Sequence[str], n: int) -> Grams:
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


@dataclass
class _Matches:
    """Clipped matches and possible matches per order, and both lengths."""

    hits: list[int]
    total: list[int]
    answer: int
    reference: int


def _count(answer: Sequence[str], reference: Sequence[str], longest: int = ORDER) -> _Matches:
    hits, total = [], []
    for n in range(1, longest + 1):
        found = _grams(answer, n)
        hits.append((found & _grams(reference, n)).total())
        total.append(found.total())
    return _Matches(hits, total, len(answer), len(reference))


def _brevity(matches: _Matches) -> float:
    if matches.answer == 0:
        return 0.0
    return min(1.0, math.exp(1 - matches.reference / matches.answer))


def sentence_bleu(answer: str, reference: str, profile: Profile = CHAR) -> tuple[float, float, float, float]:
    """BLEU-1 to BLEU-4 of one answer.

    With smoothing ``exp`` orders longer than the answer are left out (else a right answer of two characters scored 0),
    and an order without a match is smoothed by halving (method 3 of Chen and Cherry 2014): what sacrebleu calls
    ``eff:yes|smooth:exp``. Raises ValueError for a reference without tokens.
    """
    matches = _count(profile.bleu_tokens(answer), _needed(reference, profile.bleu_tokens(reference)))
    if profile.smoothing == "none":
        scores = [_unsmoothed(matches, order) for order in range(1, ORDER + 1)]
    elif profile.smoothing == "nltk3":
        scores = [_nltk_method3(matches, order) for order in range(1, ORDER + 1)]
    else:
        scores = _halving(matches)
    return scores[0], scores[1], scores[2], scores[3]


def _halving(matches: _Matches) -> list[float]:
    """BLEU of every order; orders longer than the answer left out, one without a match is half of the one before."""
    logs, smooth, scores = 0.0, 1.0, []
    orders = 0
    for hits, total in zip(matches.hits, matches.total, strict=True):
        if total and any(matches.hits):
            if not hits:
                smooth *= 2
            logs += math.log(hits / total if hits else 1 / (smooth * total))
            orders += 1
        scores.append(_brevity(matches) * math.exp(logs / orders) if orders else 0.0)
    return scores


def _nltk_method3(matches: _Matches, order: int) -> float:
    """BLEU as nltk's ``sentence_bleu`` with ``SmoothingFunction().method3`` has it: an order longer than the answer has
    one possible match, and no right token at all is 0."""
    if not matches.hits[0]:
        return 0.0
    logs, smooth = 0.0, 1.0
    for hits, total in zip(matches.hits[:order], matches.total[:order], strict=True):
        if not hits:
            smooth *= 2
        logs += math.log(hits / total if hits else 1 / (smooth * max(1, total)))
    return _brevity(matches) * math.exp(logs / order)


def _unsmoothed(matches: _Matches, order: int) -> float:
    """BLEU up to an order; 0.0 where one has no match."""
    if not all(matches.hits[:order]):
        return 0.0
    logs = [math.log(h / t) for h, t in zip(matches.hits[:order], matches.total[:order], strict=True)]
    return _brevity(matches) * math.exp(sum(logs) / order)


def corpus_bleu(
    answers: Sequence[str], references: Sequence[str], profile: Profile = CHAR, order: int = ORDER
) -> float:
    """BLEU of all answers together. Without smoothing it is 0.0 where an order has no match at all.

    Raises ValueError for no answers, unequal numbers, or a reference without tokens.
    """
    as_many(answers, references)
    counted = [
        _count(profile.bleu_tokens(a), _needed(r, profile.bleu_tokens(r)))
        for a, r in zip(answers, references, strict=True)
    ]
    hits = [sum(one.hits[n] for one in counted) for n in range(ORDER)]
    total = [sum(one.total[n] for one in counted) for n in range(ORDER)]
    whole = _Matches(hits, total, sum(c.answer for c in counted), sum(c.reference for c in counted))
    if profile.corpus_smoothing == "exp":
        return _halving(whole)[order - 1]
    if profile.identical_is_one:  # orders that no answer is long enough for are left out
        order = sum(1 for one in total[:order] if one)
    return _unsmoothed(whole, order) if order else 0.0


def as_many(answers: Sequence[str], references: Sequence[str]) -> None:
    """Nothing, where there is one reference per answer and at least one answer.

    Raises ValueError else.
    """
    if not answers or len(answers) != len(references):
        raise ValueError(f"one reference per answer is needed: {len(answers)} answers, {len(references)} references")


def _needed(reference: str, tokens: list[str]) -> list[str]:
    if not reference.strip() or not any(tokens):
        raise ValueError("the reference is empty, so nothing can be compared with it")
    return tokens


# ---------------------------------------------------------------- chrF


def chrf(answers: Sequence[str], references: Sequence[str]) -> float:
    """chrF2 of all answers together: grams of 1 to 6 characters without blanks, recall counting twice (sacrebleu's
    ``nc:6|nw:0``). Needs no tokens.

    Raises ValueError for no answers, unequal numbers, or an empty reference.
    """
    as_many(answers, references)
    orders = range(CHRF_ORDER)
    hits, said, wanted = [0] * CHRF_ORDER, [0] * CHRF_ORDER, [0] * CHRF_ORDER
    for answer, reference in zip(answers, references, strict=True):
        left, right = "".join(answer.split()), "".join(_needed(reference, reference.split()))
        counted = _count(left, right, CHRF_ORDER)
        for n in orders:
            hits[n] += counted.hits[n]
            said[n] += counted.total[n] if len(right) > n else 0  # a reference too short for an order asks for none
            wanted[n] += max(0, len(right) - n)
    used = [n for n in orders if said[n] and wanted[n]]
    if not used:
        return 0.0
    precision = sum(hits[n] / said[n] for n in used) / len(used)
    recall = sum(hits[n] / wanted[n] for n in used) / len(used)
    factor = CHRF_BETA**2
    return (1 + factor) * precision * recall / (factor * precision + recall) if precision + recall else 0.0


# ---------------------------------------------------------------- ROUGE


def _f1(hits: int, answer: int, reference: int, epsilon: float = 0.0) -> float:
    if not hits:
        return 0.0
    precision, recall = hits / answer, hits / reference
    return 2 * precision * recall / (precision + recall + epsilon)


def rouge_n(answer: str, reference: str, n: int, profile: Profile = CHAR) -> float:
    """F1 of n-grams, counted as multisets: repeating a right word lowers precision. Where both texts are shorter than
    ``n`` tokens they are compared whole. (A profile that reproduces a tool of sets counts sets.)

    Raises ValueError for a reference without tokens.
    """
    said, wanted = profile.rouge_tokens(answer), _needed(reference, profile.rouge_tokens(reference))
    if profile.identical_is_one and len(wanted) < n and len(said) < n:
        return float(said == wanted)
    left, right = _grams(said, n), _grams(wanted, n)
    if profile.sets:
        return _f1(len(left.keys() & right.keys()), len(left), len(right), profile.epsilon)
    return _f1((left & right).total(), left.total(), right.total(), profile.epsilon)


def rouge_l(answer: str, reference: str, profile: Profile = CHAR) -> float:
    """F1 of the longest common subsequence of tokens.

    Raises ValueError for a reference without tokens.
    """
    said, wanted = profile.rouge_tokens(answer), _needed(reference, profile.rouge_tokens(reference))
    length = longest_common_subsequence(said, wanted)
    if profile.lcs == "beta" and length:
        precision, recall = length / len(said), length / len(wanted)
        return (precision**2 + recall**2) * precision * recall / (precision**3 + recall**3)
    return _f1(length, len(said), len(wanted), profile.epsilon)


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


# ---------------------------------------------------------------- variety


def distinct(answers: Collection[str], n: int, profile: Profile = CHAR) -> float:
    """Different n-grams of all answers together per n-gram (Li et al. 2016); 0.0 where there is none. It falls with the
    amount of text, so only sets of answers of one size can be compared."""
    seen: set[tuple[str, ...]] = set()
    total = 0
    for answer in answers:
        found = _grams([token for token in profile.bleu_tokens(answer) if not token.isspace()], n)
        seen.update(found)
        total += found.total()
    return len(seen) / total if total else 0.0
