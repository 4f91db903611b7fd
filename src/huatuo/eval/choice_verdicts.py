"""Answers that judge each option: tables, lists and clauses with a tick or a cross, 正确 or 错误, for a label."""

from __future__ import annotations

import re
from collections.abc import Iterator

from huatuo.eval.choice_options import OptionReader
from huatuo.eval.choice_patterns import REVISION
from huatuo.eval.choice_text import Statement, View

TICKS = "√✓✔✅☑⭕"
CROSSES = "✗✘❌❎✖☒"
YES = re.compile(
    r"(?:是|为|即|描述|说法|表述|判断|is|are|it is)?\s*(?:正确|对|选上?|应选|入选|成立"
    r"|符合(?:题意|题干)?|属于|是|true|correct|right|yes|selected|chosen)(?:的|项|选项|答案)?",
    re.IGNORECASE,
)
NO = re.compile(
    r"(?:是|为|即|描述|说法|表述|判断|is|are|it is|故|因此|所以)?\s*(?:错误?|不正确|不对|不选|有误|不成立"
    r"|不符合?(?:题意|题干)?|不属于|排除|否|不是|[×xX]|false|incorrect|wrong|no|excluded"
    r"|not (?:correct|right|selected|chosen))(?:的|项|选项)?",
    re.IGNORECASE,
)
"""A whole clause that says what becomes of the option before it."""
CELL = re.compile(r"[|,。;:()\[\]{}、\"'—–=>]+|-+(?=\s|>)|(?<=\w)\.(?=\s|$)|(?<!\w)\s+")
MARKED = re.compile(rf"[\s|\[({{]*(?P<mark>[{TICKS}{CROSSES}]|(?<=\[)[xX √×](?=\]))[\s|\])}}:.]*")
ITEM = re.compile(r"[\s|\[({\"']*(?:\d{1,2}[.、)]\s*)?(?:选项|(?i:option|choice)\s)?\s*")
CLAUSES = re.compile(r"[,;。、\n]|\.\s")


def verdicts(view: View, reader: OptionReader, kind: str) -> Statement | None:
    """The options called right where the answer judges them one by one, on lines or in clauses.

    One of several for a single answer; for several answers every option must be judged. A list with marks before its
    labels that does not decide is unscored: the mark of one line would be taken for that of the line above.
    """
    for pieces in (
        list(view.text.splitlines(keepends=True)),
        _sentences(view.text),
        _clauses(view.text),
        _at_marks(view.text),
        _at_labels(view.text, reader),
    ):
        judged = list(_judged(pieces, reader))
        if len(judged) < 2:
            continue
        right = {label for label, yes, *_ in judged if yes}
        wrong = {label for label, yes, *_ in judged if not yes}
        span = (judged[0][2], judged[-1][3])
        before = any(marked for *_, marked in judged)
        every = right | wrong == set(reader.labels)
        whole = every if kind == "multiple" else bool(wrong) and (every or reader.mentions(view.text) <= right | wrong)
        agreed = not right & wrong and whole and not REVISION.search(view.text, span[1])
        if agreed and (right if kind == "multiple" else len(right) == 1):
            return Statement(frozenset(right), *span, 1, "verdict per option")
        if before:
            return Statement(frozenset(right), *span, 1, "verdict per option", "verdicts that do not decide")
    return None


def _at_labels(text: str, reader: OptionReader) -> list[str]:
    """The pieces of a text without separators, each from a label that is called right or wrong to the next."""
    return re.split(rf"(?=(?<![A-Za-z0-9])(?:{reader.one.pattern})(?:对|错|正确|错误|不对))", text)


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[。;\n])", text)


def _clauses(text: str) -> list[str]:
    ends = [match.end() for match in CLAUSES.finditer(text)]
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]


def _at_marks(text: str) -> list[str]:
    """The pieces of a text that opens with a mark, each from a mark to the next."""
    return re.split(rf"(?=[{TICKS}{CROSSES}])", text)[1:] if MARKED.match(text) else []


def _judged(pieces: list[str], reader: OptionReader) -> Iterator[tuple[str, bool, int, int, bool]]:
    """Label, whether it is called right, its range, and whether the mark stands before it, for each piece that does."""
    place = 0
    for piece in pieces:
        marked = MARKED.match(piece)
        lead = ITEM.match(piece, marked.end() if marked else 0)
        start = lead.end() if lead else 0
        name = reader.one.match(piece, start)
        rest = piece[name.end() :] if name else ""
        if name and _is_item(reader, reader.plain[name[0]], rest):
            yes = marked["mark"] in TICKS + "xX" if marked else _said(reader, reader.plain[name[0]], rest)
            if yes is not None:
                yield reader.plain[name[0]], yes, place + name.start(), place + len(piece.rstrip()), bool(marked)
        place += len(piece)


def _is_item(reader: OptionReader, label: str, rest: str) -> bool:
    following = re.match(r"\s*(?:选?项)?", rest)
    behind = rest[following.end() if following else 0 :]
    return (
        not re.match(r"[A-Za-z0-9]", rest)
        and not reader.list_goes_on.match(rest)
        and (
            not behind
            or not re.match(r"\w|-\w", behind)
            or reader.goes_on_with_text(label, behind)
            or bool(rest[:1].isspace())
            or bool(YES.match(behind) or NO.match(behind))
        )
    )


def _said(reader: OptionReader, label: str, rest: str) -> bool | None:
    """What the rest of a piece says of its option: one verdict, or none where there is none or both."""
    ticks, crosses = (any(mark in rest for mark in marks) for marks in (TICKS, CROSSES))
    if ticks or crosses:
        return None if ticks and crosses else ticks
    own = re.match(r"\s*(?:选?项)?[\s|.、:)\]\"']*", rest)
    start = own.end() if own else 0
    start += reader.text_end(label, rest[start:])
    cells = [cell.strip() for cell in CELL.split(rest[start:]) if cell.strip()]
    said = {True for cell in cells if YES.fullmatch(cell)} | {False for cell in cells if NO.fullmatch(cell)}
    if not said and len(cells) == 1 and not reader.uses(cells[0]):
        said = {yes for yes, short in ((True, ("T", "1", "Y")), (False, ("F", "0", "N"))) if cells[0].upper() in short}
    return said.pop() if len(said) == 1 else None
