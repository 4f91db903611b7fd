"""Statements of an answer ("the answer is D", "应选CD"): found by their markers, weighed, and made to agree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from huatuo.eval.choice_options import OptionReader
from huatuo.eval.choice_patterns import (
    AFTER,
    CLAUSE_END,
    CLOSING,
    CONCLUDED,
    CONTRAST,
    DISAGREE,
    DISOWNED,
    DOUBT,
    EXPLAINED,
    JOINT,
    JUDGED_WRONG,
    LATIN_AFTER,
    MARKS,
    NEGATED_BEFORE,
    OTHERWISE,
    REFUSAL,
    REVISION,
    SINGULAR,
    UNSURE,
)
from huatuo.eval.choice_text import Statement, View
from huatuo.text.zh import normalise_for_comparison


def _statement(reader: OptionReader, match: re.Match[str], strength: int, rule: str) -> Statement:
    named = reader.named(match["list"])
    trouble = "undecided between options" if match.groupdict().get("or") else ""
    return Statement(frozenset(named), match.start(), match.end(), strength, rule, trouble)


def bare(view: View, reader: OptionReader, kind: str) -> Statement | None:
    """Nothing but labels; a label said twice is a loop, not an answer. ``kind`` changes nothing here."""
    match = reader.bare.fullmatch(view.text) or reader.low.fullmatch(view.text)
    if match is None:
        return None
    named = reader.named(match["list"])
    start, end = match.span("list")
    trouble = "repeats a label" if len(set(named)) < len(named) else ""
    return Statement(frozenset(named), start, end, 4, "bare labels", trouble)


AND_LAST = re.compile(r"\s*(?:and\b|和)")
REACH = 400
"""Characters before and behind a marker that are looked at: an answer that repeats itself without end stays cheap."""


def clause_before(text: str, start: int) -> str:
    """The part of a place's clause that stands before it."""
    window = text[max(0, start - REACH) : start]
    ends = [match.end() for match in CLAUSE_END.finditer(window)]
    return window[ends[-1] if ends else 0 :]


def _fits(reader: OptionReader, labels: Sequence[str], rest: str) -> bool:
    """Whether the text after the labels lets them be labels, not the beginning of a word or a sentence."""
    if not rest or reader.goes_on_with_text(labels[-1], rest):
        return True
    if "\u3400" <= rest[0] <= "\u9fff":
        return rest[0] in AFTER or bool(EXPLAINED.match(rest) or re.match(r"上(?:[,。;!\n]|$)", rest))
    latin = re.match(r"[ \t]+([a-z]+)|[.][ \t]*([a-z]+)", rest)
    return latin is None or bool(LATIN_AFTER.match(latin[1] or latin[2]))


def _stated(view: View, reader: OptionReader) -> Iterator[Statement]:
    """Every affirmed statement that a marker introduces."""
    for strength, rule, pattern in MARKS:
        for mark in pattern.finditer(view.text):
            if mark.groupdict().get("not") or rejected(view.text, mark.start()) or conditional(view.text, mark.start()):
                continue
            found = _after_mark(view.text, reader, mark, strength, rule)
            if found is not None:
                yield found
    for mark in CONCLUDED.finditer(view.text):
        match = reader.list.match(view.text, mark.end())
        if match and re.match(r"\s*(?:无误|无疑|[了吧咯啦哈呀])?\s*(?:[。.!;\n]|$)", view.text[match.end() :]):
            yield _statement(reader, match, 3, "conclusion")


def rejected(text: str, start: int) -> bool:
    """Whether the clause before a place negates or doubts what follows."""
    before = COMMITTED.sub("", clause_before(text, start))
    return bool(NEGATED_BEFORE.search(before) or DOUBT.search(before))


COMMITTED = re.compile(r"(?i)\bif (?:i|we) (?:had|have|were forced|must|need)(?: to)? \w+(?: \w+)?,?")
UNDECIDED = re.compile(r"(?:无法|不能|没法|没办法|难以)(?:确定|判断|决定)[^,。;\n]{0,6}还是")


def conditional(text: str, start: int) -> bool:
    """Whether the clause before the one of a place makes it depend on a condition."""
    clause = start - len(clause_before(text, start))
    before = CONDITION.search(text, max(0, clause - REACH // 4), clause)
    return before is not None and not FORCED.search(before[0])


CONDITION = re.compile(
    r"(?:^|(?<=[,。;.!?\n]))\s*(?:若(?!干)|如果|假如|假设|倘若|要是|除非|(?i:(?:if|unless|had|were"
    r"|should)\s))[^,。;!?\n]*,\s*$"
)
FORCED = re.compile(
    r"(?:一定|非|必须|只能|硬|要我|让我)[^,]{0,4}(?:选|猜|说)|(?i:\b(?:had|have|were forced|must|need) to\b"
    r"|\bi must\b)"
)
"""A condition that is only a manner of speaking ("if I had to choose")."""


def _after_mark(text: str, reader: OptionReader, mark: re.Match[str], strength: int, rule: str) -> Statement | None:
    closing = strength > 1 and bool(CLOSING.search(clause_before(text, mark.start()) + mark[0]))
    strength = 4 if closing else strength
    by_text = _labelled(text, reader, mark, strength, rule) or _text_after(text, reader, mark, strength, rule)
    match = reader.list.match(text, mark.end()) or reader.low_after.match(text, mark.end())
    if match is None:
        unknown = re.compile(r"\s*[A-Z]{1,7}(?=\s*(?:[。.,;)\n]|$))").match(text, mark.end())
        if unknown and strength > 2 and (by_text is None or by_text.rule.endswith("option text")):
            trouble = "a label that the question does not have"
            return Statement(frozenset(), unknown.start(), unknown.end(), strength, rule, trouble)
        return by_text
    named, rest = reader.named(match["list"]), text[match.end() :]
    if by_text and by_text.rule.endswith(("whole text", "labelled text")):
        return by_text
    found = _statement(reader, match, strength, rule)
    if reader.other_text(named[-1], rest):
        return replace(found, trouble=DISAGREE)
    if not _fits(reader, named, rest):
        return by_text
    own = reader.text_end(named[-1], rest)
    if own and SAID_WRONG.match(rest, own):
        return None
    if (JUDGED_WRONG.match(rest) and not rest.lstrip(" \t").startswith("\n")) or re.match(
        r"\s*(?:吗|么|呢|吧)?\s*\?", rest
    ):
        return None
    if reader.also.match(re.sub(r"^[^,;。\n]*", "", rest)):
        return replace(found, trouble="undecided between options")
    more = reader.more.match(rest)
    if more and not set(reader.named(more["list"])) <= set(named):
        return replace(found, trouble="further labels on lines of their own")
    return with_texts(text, reader, found, named[-1])


SAID_WRONG = re.compile(
    r"[)\]】]?\s*,?\s*(?:的)?(?:这一?|该|此)?(?:说法|描述|叙述|表述|选项)?(?:是|为)?(?:错误|不正确|不对"
    r"|错(?=[,。;!\n]|$))"
)
"""What calls an option wrong behind its own text."""


def with_texts(text: str, reader: OptionReader, found: Statement, label: str) -> Statement:
    """A statement continued by further labels, each followed by its own text: ``A. 头孢 B. 青霉素``."""
    labels, end = set(found.labels), found.end
    while size := reader.text_end(label, text[end:]):
        match = reader.next.match(text, end + size)
        if match is None:
            break
        label, rest = reader.named(match["list"])[0], text[match.end() :]
        if reader.other_text(label, rest):
            return replace(found, trouble=DISAGREE)
        own = reader.text_end(label, rest)
        if not own or not re.match(r"[ \t)\]】]*(?:[\n、,;。.\"']|以及|[和与及]|\S?$|[A-Z])", rest[own:]):
            break
        labels.add(label)
        end = match.end()
    return replace(found, labels=frozenset(labels), end=end)


def _labelled(text: str, reader: OptionReader, mark: re.Match[str], strength: int, rule: str) -> Statement | None:
    """An option's text right after a marker with a label behind it in brackets: ``某病（D）``."""
    rest = text[mark.end() :]
    for label in sorted(reader.keys, key=lambda one: -len(reader.keys[one])):
        own = reader.text_end(label, rest)
        match = reader.bracketed.match(rest, own) if own else None
        if match:
            named = set(reader.named(match["list"]))
            trouble = "" if named == {label} else DISAGREE
            return Statement(
                frozenset(named), mark.end(), mark.end() + match.end(), strength, f"{rule}, labelled text", trouble
            )
    return None


def _text_after(text: str, reader: OptionReader, mark: re.Match[str], strength: int, rule: str) -> Statement | None:
    """Option texts right after a marker, up to the end of the sentence."""
    if strength < 2 or re.match(r"[\s)\]】]*[。;!?、与]", text[mark.end() : mark.end() + 9]):
        return None
    ends = (end.start() for end in SENTENCE.finditer(text, mark.end()) if not _item_behind(text, end, reader))
    stop = min(next(ends, len(text)), mark.end() + REACH)
    contrast = CONTRAST.search(text, mark.end(), stop)
    stop = contrast.start() if contrast and texts_in(text[mark.end() : contrast.start()], reader)[0] else stop
    segment = text[mark.end() : stop]
    whole = _at_once(text[mark.end() :], segment, reader)
    labels, left = (whole, "") if len(whole) == 1 else texts_in(segment, reader)
    if not labels or re.search(r"不是|并非|而非|或|还是|\bor\b|\bnot\b", left) or len(whole) > 1:
        return None
    if not whole and reader.mentions(segment) - set(labels):
        return Statement(frozenset(labels), mark.end(), max(stop, mark.end() + 1), strength, rule, DISAGREE)
    name = f"{rule}, whole text" if whole else f"{rule}, option text"
    if not whole and len(left) > len(segment) / 2:
        return None  # the option is only mentioned on the way
    return Statement(frozenset(labels), mark.end(), max(stop, mark.end() + 1), strength, name)


SENTENCE = re.compile(r"[。;!?\n]|\.(?=\s|$)|$")


def _item_behind(text: str, end: re.Match[str], reader: OptionReader) -> bool:
    """Whether a semicolon is followed by an option's text as a whole item: the list goes on."""
    item = re.compile(r"\s*(?:\(?\d{1,2}\s*[.、)]\s*)?").match(text, end.end())
    found = reader.any_text.match(text, item.end() if item else end.end()) if end[0] in (";", "\n") else None
    return found is not None and bool(re.compile(r"\s*(?:[,;、。.\n]|$)").match(text, found.end()))


def _at_once(rest: str, sentence: str, reader: OptionReader) -> list[str]:
    """Labels whose whole text stands right after a marker as a clause, in a sentence that names no other text."""
    ends = {label: size for label in reader.keys if (size := reader.text_end(label, rest))}
    whole = [label for label, size in ends.items() if re.match(r"\s*(?:[,。;!?\n]|\.(?=\s|$)|$)", rest[size:])]
    named = {reader.keys[label] for label in texts_in(sentence, reader)[0]}
    return whole if named <= {reader.keys[label] for label in whole} else []


def texts_in(segment: str, reader: OptionReader) -> tuple[list[str], str]:
    """Labels whose texts stand in the segment, longest first so that a part of another does not count, and the rest."""
    rest, labels = normalise_for_comparison(segment), []
    for label, key in sorted(reader.keys.items(), key=lambda item: -len(item[1])):
        if len(key) > 1 and key in rest:
            labels.append(label)
            rest = rest.replace(key, "\n")
    return labels, rest


def decided(view: View, reader: OptionReader, kind: str) -> Statement | None:
    """The statement that counts: the strongest ones must agree, or the last one must correct the others."""
    stated = _stated(view, reader)
    if kind == "single":  # "the options are A, B, C and D" chooses nothing
        stated = (one for one in stated if len(reader.labels) == 1 or len(one.labels) < len(reader.labels))
    found = sorted(stated, key=lambda s: (s.end, s.start))
    found = _joined(view, found) if kind == "multiple" else found
    if not found:
        return None
    best = max(statement.strength for statement in found)
    if best == 0 and (REFUSAL.search(view.text) or len(reader.mentions(view.text)) > len(found[-1].labels)):
        return None
    top = [statement for statement in found if statement.strength == best]
    last = top[-1]
    if best < 3 and UNSURE.search(view.text, last.end):
        return None
    if DISOWNED.match(view.text, last.end) or UNDECIDED.search(view.text, last.end):
        return replace(last, trouble="contradicts itself")
    if kind == "multiple":
        last = with_added(view.text, reader, last)
        top[-1] = last
    if _otherwise(view.text, reader, last):
        return replace(last, trouble="depends on a condition")
    if best <= 1 and _called_right(view.text, reader) - last.labels:
        return replace(last, trouble="contradicts itself")
    if not any(one.rule == "framed" for one in top):
        top = [one for one in found if one.strength >= min(best, 3)]  # a conclusion does not outdo an earlier answer
    if _revised(view, top):
        return last
    if len({(one.labels, one.trouble) for one in top}) == 1 and not _text_against_letter(found):
        return last
    return Statement(last.labels, last.start, last.end, best, last.rule, "contradicts itself")


def with_added(text: str, reader: OptionReader, last: Statement) -> Statement:
    """The last statement with the labels that the answer adds at once ("选A、B。哦，还有D")."""
    match = reader.added.match(text, last.end)
    return replace(last, labels=last.labels | set(reader.named(match["list"])), end=match.end()) if match else last


def _otherwise(text: str, reader: OptionReader, last: Statement) -> bool:
    """Whether another option is named for the other case."""
    found = OTHERWISE.finditer(text)
    return any(reader.mentions(text[match.end() : match.end() + REACH // 20]) - last.labels for match in found)


def _text_against_letter(found: Sequence[Statement]) -> bool:
    """Whether an option's text is stated as the answer and a letter of another one too."""
    firm = [one for one in found if one.strength > 1 and not one.trouble]
    texts = {one.labels for one in firm if one.rule.endswith("whole text")}
    letters = {one.labels for one in firm if not one.rule.endswith("text")}
    return bool(texts and letters) and texts.isdisjoint(letters)


def _called_right(text: str, reader: OptionReader) -> set[str]:
    return {label for match, named in called(text, reader) if match["yes"] for label in named}


SEEMING = re.compile(r"看似|貌似|似乎|好像|看起来|看上去|表面|乍看|(?i:\bseem|\btempting)")


def called(text: str, reader: OptionReader) -> Iterator[tuple[re.Match[str], list[str]]]:
    """Every place where labels are called right or wrong, and those labels.

    A label before a comma that its own clause denies ("答案不是B，C才对") is not one of them.
    """
    for match in reader.judged.finditer(text):
        if SEEMING.search(match[0]) or re.match(r"[^,。;!\n]{0,8}\?", text[match.end() : match.end() + 9]):
            continue
        denied = NEGATED_BEFORE.search(clause_before(text, match.start()))
        _, comma, behind = match["list"].rpartition(",")
        if comma and (denied or (SINGULAR.search(match[0], len(match["list"])) and not AND_LAST.match(behind))):
            yield match, reader.named(behind)
        elif not rejected(text, match.start()):
            yield match, reader.named(match["list"])


def _joined(view: View, found: list[Statement]) -> list[Statement]:
    """The statements, those of one strength that follow each other at once taken as one ("选A、选B")."""
    joined: list[Statement] = []
    for one in found:
        before = joined[-1] if joined else None
        near = before is not None and before.strength == one.strength and not before.trouble and not one.trouble
        if before is not None and near and JOINT.fullmatch(view.text, before.end, max(one.start, before.end)):
            joined[-1] = replace(before, labels=before.labels | one.labels, end=one.end)
        else:
            joined.append(one)
    return joined


def _revised(view: View, top: Sequence[Statement]) -> bool:
    others = [one for one in top if (one.labels, one.trouble) != (top[-1].labels, top[-1].trouble)]
    return bool(others) and bool(REVISION.search(view.text, others[-1].end, top[-1].start))
