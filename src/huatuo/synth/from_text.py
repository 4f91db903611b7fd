"""The two calls to a teacher about a passage, after HuatuoGPT-II (arXiv 2311.09774): the question, then the answer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal

from huatuo.records import Document

LONGEST_QUESTION = 180
"""Characters (HuatuoGPT-II's ``rewrite.py`` drops longer questions); English letters count a third."""

_LEAK = re.compile(
    r"参考文本|根据(?:上述|以上|所给)?(?:文本|资料|材料|文献|知识)|上文|文中|本文|the (?:text|passage|reference)\b",
    re.IGNORECASE,
)


def shared_titles(titles: Iterable[str]) -> frozenset[str]:
    """Titles that several passages stand under: a question about the title alone would have several answers."""
    return frozenset(title for title, count in Counter(titles).items() if count > 1)


def answer_language(passage: Document, wanted: Literal["source", "zh", "en"]) -> str:
    """The language of the pair: ``zh`` or ``en``; a passage of unknown language is answered in Chinese."""
    if wanted != "source":
        return wanted
    return "en" if passage.language == "en" else "zh"


def block(passage: Document, language: str, shared: bool) -> dict[str, Any]:
    """The passage as it stands in the prompt of the first call."""
    return {
        "shape": "passage_question",
        "title": passage.title,
        "text": passage.text,
        "language": "en" if passage.language == "en" else "zh",
        "answer_language": language,
        "shared_title": shared,
    }


def with_question(first: dict[str, Any], question: str) -> dict[str, Any]:
    """The block of the second call."""
    return {**first, "shape": "passage_answer", "question": question}


def too_long(question: str) -> bool:
    """Whether a question is longer than a question should be."""
    letters = sum(character.isascii() for character in question)
    return len(question) - letters + letters / 3 > LONGEST_QUESTION


def leak(text: str, passage: str) -> str:
    """The words by which a question or an answer gives away that it was written from a text; empty where none."""
    match = _LEAK.search(text)
    return match[0] if match and match[0] not in passage else ""
