"""What every reader of documents gives back: the text of a document, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from huatuo.readers.encoding import Problem
from huatuo.records import Mark


@dataclass(frozen=True)
class Part:
    """The text of a document: a file, or a record of one."""

    title: str
    """Title that the file states, empty where its first heading is the title."""
    text: str
    """Markdown-like text."""
    place: str = ""
    """Place in the file: ``record 7``; empty for the whole file."""
    marks: tuple[Mark, ...] = ()
    """Where pages, chapters or lines of the source begin in the text."""
    problems: tuple[Problem, ...] = ()
    """What was wrong all the same."""


@dataclass(frozen=True)
class Unread:
    """A file, or a record of one, that gives no text."""

    rule: str
    """``encrypted``, ``damaged``, ``needs_ocr``, ``too_large``, ..."""
    reason: str
    """What was found and what to do."""
    place: str = ""
    """Place in the file; empty for the whole file."""
    excerpt: str = ""
    """Beginning of it."""
