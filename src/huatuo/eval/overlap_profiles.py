"""Named ways of counting overlap: tokens, smoothing, sets or multisets. Numbers of two profiles cannot be compared.

| profile | tokens | BLEU | ROUGE |
|---|---|---|---|
| `char` | a Han character, a run of other letters and digits; own | as `TOKENISER` says | multisets |
| `jieba` | words of jieba | as `char` | multisets |
| `sacrebleu-zh` | sacrebleu's ``zh`` tokenizer, case kept | sacrebleu's | multisets |
| `cmexam-char` | characters | all answers together, not smoothed (evaluate_lora_result.py) | sets |
| `cmexam-jieba` | words of jieba; ROUGE on characters | as above (evaluate_gpt_result.py) | sets |
| `llamafactory` | characters; ROUGE on words of jieba | nltk's, method 3 (scripts/eval_bleu_rouge.py) | sets |
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from huatuo.errors import RecipeError, require
from huatuo.text.zh import CJK_RANGES

TOKENISER = "char.v1"
"""Name of the default tokeniser in signatures: one Han character, a run of other letters and digits with inner points
and hyphens (``0.25g``, ``covid-19``), or any other visible character; lower-cased."""

_HAN = "".join(f"{chr(low)}-{chr(high)}" for low, high in CJK_RANGES)
_WORD = rf"[^\W_{_HAN}]+"
_TOKEN = re.compile(rf"[{_HAN}]|{_WORD}(?:[.\-]{_WORD})*|[^\s]")

Tokenise = Callable[[str], list[str]]


def tokenise(text: str) -> list[str]:
    """The tokens of a text, see `TOKENISER`."""
    return _TOKEN.findall(text.lower())


def characters(text: str) -> list[str]:
    """The visible characters of a text."""
    return [character for character in text if not character.isspace()]


def _spaced_characters(text: str) -> list[str]:
    """The characters as CMExam's ROUGE gets them: joined with blanks and split at single blanks, so that a blank of the
    text leaves empty tokens."""
    return " ".join(text).split(" ")


@lru_cache(maxsize=1)
def _jieba_cut() -> Callable[[str], list[str]]:
    jieba = require("jieba", "overlap")
    jieba.setLogLevel(logging.CRITICAL)
    cut: Callable[[str], list[str]] = jieba.lcut
    return cut


def _jieba(text: str) -> list[str]:
    return [word for word in _jieba_cut()(text) if word.strip()]


def _jieba_lower(text: str) -> list[str]:
    return _jieba(text.lower())


def _jieba_raw(text: str) -> list[str]:
    """jieba's words, blanks among them, as CMExam counts them."""
    return _jieba_cut()(text)


@lru_cache(maxsize=1)
def _sacrebleu_tokeniser() -> Callable[[str], str]:
    module = require("sacrebleu.tokenizers.tokenizer_zh", "overlap")
    made: Callable[[str], str] = module.TokenizerZh()
    return made


def _sacrebleu_zh(text: str) -> list[str]:
    return _sacrebleu_tokeniser()(text.rstrip()).split()


@dataclass(frozen=True)
class Profile:
    """One way of counting."""

    name: str
    """Name in recipes and signatures."""
    bleu_tokens: Tokenise
    """Tokens of BLEU and Distinct."""
    rouge_tokens: Tokenise
    """Tokens of ROUGE."""
    tokens: str
    """Names of both in signatures."""
    case: Literal["lc", "mixed"]
    """Whether letters are lower-cased."""
    smoothing: Literal["exp", "none", "nltk3"]
    """Of one answer's BLEU. exp: an order without a match counts as half of the one before. nltk3: the same over all
    four orders, a text without any right token scores 0."""
    corpus_smoothing: Literal["exp", "none"]
    """Of the BLEU of all answers together."""
    sets: bool
    """Whether ROUGE counts different grams instead of all: repeating a right word is then free."""
    epsilon: float = 0.0
    """Added to precision + recall in the F1 of ROUGE, as the reproduced tool does."""
    lcs: Literal["f1", "beta"] = "f1"
    """F of ROUGE-L. beta: with beta = precision / recall, as in tf_seq2seq's rouge.py."""
    identical_is_one: bool = True
    """Whether texts shorter than the order are compared whole; the reproduced tools score them 0 or smooth them."""


CHAR = Profile("char", tokenise, tokenise, TOKENISER, "lc", "exp", "none", sets=False)

PROFILES: dict[str, Profile] = {
    "char": CHAR,
    "jieba": Profile("jieba", _jieba_lower, _jieba_lower, "jieba", "lc", "exp", "none", sets=False),
    "sacrebleu-zh": Profile(
        "sacrebleu-zh", _sacrebleu_zh, _sacrebleu_zh, "sacrebleu.zh", "mixed", "exp", "exp", sets=False
    ),
    "cmexam-char": Profile(
        "cmexam-char", characters, _spaced_characters, "characters", "mixed", "none", "none",
        sets=True, epsilon=1e-8, lcs="beta", identical_is_one=False,
    ),
    "cmexam-jieba": Profile(
        "cmexam-jieba", _jieba_raw, _spaced_characters, "bleu:jieba,rouge:characters", "mixed", "none", "none",
        sets=True, epsilon=1e-8, lcs="beta", identical_is_one=False,
    ),
    "llamafactory": Profile(
        "llamafactory", list, _jieba, "bleu:characters,rouge:jieba", "mixed", "nltk3", "exp",
        sets=True, epsilon=1e-8, identical_is_one=False,
    ),
}  # fmt: skip
"""Name → profile. LLaMA-Factory has no BLEU of all answers together: it prints the mean."""


def profile_of(name: str) -> Profile:
    """The profile of this name, its packages loaded.

    Raises RecipeError for an unknown name, MissingExtraError where a package is absent.
    """
    if name not in PROFILES:
        raise RecipeError(f"no overlap profile {name!r}; expected one of {', '.join(PROFILES)}")
    chosen = PROFILES[name]
    chosen.bleu_tokens("a")
    chosen.rouge_tokens("a")
    return chosen


def version_of(profile: Profile) -> str:
    """The versions of the packages that a profile's tokens come from, for signatures; empty for own tokens."""
    from importlib.metadata import version

    named = [package for package in ("jieba", "sacrebleu") if package in profile.tokens]
    return "".join(f"|{package}:{version(package)}" for package in named)
