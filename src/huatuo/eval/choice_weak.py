"""Rules for answers that state nothing in words: labels on lines of their own, verdicts per option, option texts."""

from __future__ import annotations

import re
from dataclasses import replace

from huatuo.eval.choice_options import OptionReader
from huatuo.eval.choice_patterns import (
    ALL,
    CLOSING,
    DISAGREE,
    DOUBT,
    EITHER,
    EXPLAINED,
    HEDGED,
    JUDGED_WRONG,
    LATIN_AFTER,
    ORDINAL,
    PLACES,
    REVISION,
    UNSAID,
)
from huatuo.eval.choice_stated import called, clause_before, conditional, rejected, with_texts
from huatuo.eval.choice_text import Statement, View, fold


def leading(view: View, reader: OptionReader, kind: str) -> Statement | None:
    """Lines that begin with a label: one for a single answer, a list of options with their texts for several."""
    led: list[tuple[str, int, int]] = []
    place = 0
    for line in view.text.splitlines(keepends=True):
        match = reader.lead.match(line)
        label = reader.named(match["list"])[0] if match else ""
        if match and _leads(reader, label, match["mark"], line[match.end() :]):
            led.append((label, place + match.start("list"), place + match.end("list")))
        elif match and not led and line.strip():
            disagrees = reader.other_text(label, match["mark"] + view.text[place + match.end() :])
            span = (place + match.start("list"), place + match.end("list"))
            return Statement(frozenset([label]), *span, 1, "leading label", DISAGREE) if disagrees else None
        place += len(line)
    left = reader.contrast.sub("", reader.judged.sub(lambda match: match[0] if match["yes"] else "", view.text))
    mentioned = reader.mentions(left, own_texts=True)
    names = {label for label, _, _ in led}
    if not led or mentioned - names or led[0][1] > len(view.text) - len(view.text.lstrip()) + 1:
        return None
    if len(names) == len(reader.labels) and len(names) > 1:
        return None  # the options are repeated, nothing is chosen
    if len(led) > len(names) or (kind == "single" and len(names) > 1):
        return None
    if len(led) == 1 and reader.other_text(led[0][0], view.text[led[0][2] :]):
        return Statement(frozenset(names), led[0][1], led[0][2], 1, "leading label", DISAGREE)
    return Statement(frozenset(names), led[0][1], led[-1][2], 1, "leading label")


def run_of_labels(view: View, reader: OptionReader, kind: str) -> Statement | None:
    """Several labels that open the answer, bare or each with its text, before nothing or an explanation that names no
    other but as wrong."""
    match = reader.opening.match(view.text) if kind == "multiple" else None
    if match is None:
        return None
    named = reader.named(match["list"])
    found = Statement(frozenset(named), match.start("list"), match.end("list"), 1, "run of labels")
    found = with_texts(view.text, reader, found, named[-1])
    own = max((reader.text_end(label, view.text[found.end :]) for label in found.labels), default=0)
    rest = view.text[found.end + own :].lstrip(")]】 ")
    if (together := re.match(r"(?:均|都|皆|全)[^,。;\n不非错]{0,16}(?=[。.\n]|$)", rest)) and own:
        rest = rest[together.end() :]
    if not re.match(r"\s*[。;.!\n(]|\s*$", rest) or not 1 < len(found.labels) < len(reader.labels):
        return None
    left = reader.contrast.sub("", reader.judged.sub(lambda one: one[0] if one["yes"] else "", rest))
    return None if REVISION.search(rest) or reader.mentions(left) - found.labels or DOUBT.search(left) else found


def first_line(view: View, reader: OptionReader, kind: str) -> Statement | None:
    """Labels alone on the first line, before an explanation that may name others."""
    first, _, rest = view.text.lstrip().partition("\n")
    led = reader.lead.match(first)
    own = led and reader.text_end(reader.named(led["list"])[0], first[led.end() :])
    match = led if led and own == len(first) - led.end() > 0 else reader.bare.fullmatch(first)
    if (
        match is None
        or re.match(r"\s*\d", first)
        or not rest.strip()
        or JUDGED_WRONG.match(rest)
        or REVISION.search(rest)
    ):
        return None
    label = reader.named(match["list"])[-1]
    start = len(view.text) - len(view.text.lstrip()) + match.start("list")
    found = Statement(frozenset(reader.named(match["list"])), start, start + len(match["list"]), 1, "first line")
    if reader.other_text(label, "\n" + rest.lstrip()):
        return replace(found, trouble=DISAGREE)
    return None if reader.lead.match(rest.lstrip()) else found


def _leads(reader: OptionReader, label: str, mark: str, rest: str) -> bool:
    if mark == "-" and not reader.goes_on_with_text(label, rest):
        return False  # 「C-反应蛋白」 is a word
    if not rest.strip() and mark.strip() == ":":
        return False  # cut off before the text of the option
    if reader.goes_on_with_text(label, rest) or not rest.strip():
        return not re.search(r"错误|不正确|不对|不选|排除", rest)
    if reader.other_text(label, mark + rest) or re.match(r"[^,。;]{0,8}(?:错误|不正确|不对|有误)", rest):
        return False
    if EXPLAINED.match(rest):
        return True
    if not mark.strip():
        return False
    return not re.match(r"[A-Za-z]", rest) or bool(LATIN_AFTER.match(rest))


def _line_of(line: str, reader: OptionReader) -> re.Match[str] | None:
    """Labels that are all of a line, or one label with its own text."""
    led = reader.lead.match(line)
    own = reader.text_end(reader.named(led["list"])[0], line[led.end() :]) if led else 0
    if led and own and not line[led.end() + own :].strip(" 。.;*"):
        return led
    return reader.bare.fullmatch(line)


def last_line(view: View, reader: OptionReader, kind: str) -> Statement | None:
    """Labels alone on the last line, below an explanation."""
    lines = view.text.rstrip().splitlines()
    match = _line_of(lines[-1], reader) if len(lines) > 1 else None
    if match is None or _line_of(lines[-2], reader) or (match.re is reader.lead and lines[-2].strip()):
        return None
    start = len(view.text.rstrip()) - len(lines[-1]) + match.start("list")
    return Statement(frozenset(reader.named(match["list"])), start, start + len(match["list"]), 1, "last line")


def last_sentence(view: View, reader: OptionReader, kind: str) -> Statement | None:
    """Labels that are the whole last sentence of a line, behind sentences that end in a full stop."""
    line = view.text.rstrip().rpartition("\n")[2]
    ends = [match.end() for match in STOP.finditer(line, 0, max(len(line) - 1, 0))]
    match = reader.bare.fullmatch(line, ends[-1]) if ends and re.search(r"[。.!]$", line) else None
    start = len(view.text.rstrip()) - len(line)
    if match is None or DOUBT.search(view.text, 0, start + ends[-1]):
        return None
    span = (start + match.start("list"), start + match.end("list"))
    return Statement(frozenset(reader.named(match["list"])), *span, 1, "last sentence")


STOP = re.compile(r"[。!?]|(?<=[a-zA-Z]{2})\.(?=\s)|(?<=[^A-Za-z][A-Z])\.(?=\s)")
"""The end of a sentence, not of the number of an item."""


def _lettered(view: View, reader: OptionReader) -> str:
    """The text with a label in place of each option text, where the text itself names no label."""
    if reader.mentions(view.text):
        return view.text
    text = view.text
    for label, own in sorted(reader.texts.items(), key=lambda item: -len(item[1])):
        if label in reader.keys and len(own) > 1:
            text = re.sub(re.escape(own), f"({fold(label)})", text, flags=re.IGNORECASE)
    return text


def declared(view: View, reader: OptionReader, kind: str) -> Statement | None:
    """Options that the answer calls right; for several answers every option must be judged, or those
    that are named are called right together."""
    right: set[str] = set()
    wrong: set[str] = set()
    text = reader.own_text.sub("", _lettered(view, reader))
    start, end, together, opens, concludes = len(text), 0, False, False, False
    found = list(called(text, reader))
    asked = [one for one in found if ASKED_FOR.search(one[0][0])]
    for match, named in asked or found:
        (right if match["yes"] else wrong).update(named)
        if match["yes"] and len(named) > 1:
            opens = not text[: match.start()].strip() and not DOUBT.search(text)
            together = opens or bool(re.search("都|均|皆|全|are", match[0]))
            concludes = bool(CLOSING.search(clause_before(text, match.start())))
        start, end = min(start, match.start()), max(end, match.end())
    whole = (
        right | wrong == set(reader.labels)
        or (together and (opens or right | wrong >= reader.mentions(text)))
        or concludes
        or bool(asked)
    )
    if not right or right & wrong or (kind == "multiple" and not whole) or HEDGED.search(text[end : end + 40]):
        return None
    if text != view.text:
        start, end = 0, len(view.text)
    return Statement(frozenset(right), start, end, 1, "declared right")


ASKED_FOR = re.compile(r"(?:为|是)本题的?(?:正确|最佳)?的?(?:答案|选项)")
"""What names the options that are asked for, although some are called wrong ("B错，为本题正确答案")."""


def all_but(view: View, reader: OptionReader, kind: str) -> Statement | None:
    """All options but the named ones ("除E外，其余均正确"), or these alone where the others are called wrong."""
    text = _lettered(view, reader)
    found: list[tuple[frozenset[str], int, int]] = []
    for pattern in reader.all_but:
        for match in pattern.finditer(text):
            if rejected(text, match.start()):
                continue
            named = frozenset(reader.named(match["list"]))
            rest = frozenset(reader.labels) - named
            found.append((named if match.groupdict().get("no") else rest, match.start(), match.end()))
    if len({labels for labels, _, _ in found}) != 1 or not found[0][0]:
        return None
    labels, start, end = found[0]
    if text != view.text:
        start, end = 0, len(view.text)
    return Statement(labels, start, end, 1, "all but some")


def everything(view: View, reader: OptionReader, kind: str) -> Statement | None:
    """All options, where the answer says so, names none, and is not the text of one ("以上都是")."""
    match = ALL.search(view.text)
    named = reader.mentions(view.text)
    if match is None or kind == "single" or re.search(r"除|不|except|(?i:\bbut\b|\bnot\b)", view.text[: match.end()]):
        return None
    if (named and named != set(reader.labels)) or rejected(view.text, match.end()):
        return None
    if any(ALL.search(text) for text in reader.texts.values()) or DOUBT.search(view.text):
        return None
    number = re.search(r"(?i)[四五六4-6](?=[个项])|\b(?:four|five|six)\b", match[0])
    if number and NUMBERS[number[0].lower()] != len(reader.labels):
        return None
    return Statement(frozenset(reader.labels), match.start(), match.end(), 1, "all of them")


NUMBERS = {"四": 4, "五": 5, "六": 6, "4": 4, "5": 5, "6": 6, "four": 4, "five": 5, "six": 6}


def _in_text(text: str, start: int, reader: OptionReader) -> bool:
    """Whether a letter is the beginning of an option's text ("E. coli")."""
    match = reader.any_text.match(text, start)
    return match is not None and len(match[0]) > 1


def copula(view: View, reader: OptionReader, kind: str) -> Statement | None:
    """Labels that end a clause behind 是, 即 or "is", where no later clause names another and all such agree."""
    found = [
        Statement(frozenset(reader.named(match["list"])), match.start("list"), match.end("list"), 1, "copula")
        for match in reader.copula.finditer(view.text)
        if not rejected(view.text, match.start())
        and not conditional(view.text, match.start())
        and not _in_text(view.text, match.start("list"), reader)
        and not UNSAID.search(clause_before(view.text, match.start()))
        and not EITHER.search(view.text, max(0, match.start() - 16), match.start())
    ]
    if not found or len({one.labels for one in found}) > 1 or REVISION.search(view.text, found[-1].end):
        return None
    last = found[-1]
    behind = view.text[last.end :]
    left = reader.contrast.sub("", reader.judged.sub(lambda one: one[0] if one["yes"] else "", behind))
    if reader.mentions(left) - last.labels or DOUBT.search(behind):
        return None
    label = next(label for label in reader.order_of(last.labels))
    return replace(last, trouble=DISAGREE) if len(last.labels) == 1 and reader.other_text(label, behind) else last


def by_place(view: View, reader: OptionReader, kind: str) -> Statement | None:
    """The option that is named by its place ("第三个选项"), where no label is named and no other place."""
    found = [match for match in ORDINAL.finditer(view.text) if not rejected(view.text, match.start())]
    if any(
        re.search(r"不(?:应|能|该)*选择?$|排除$|(?i:not \w+ (?:the )?)$", view.text[: match.start()]) for match in found
    ):
        return None
    if any(JUDGED_WRONG.match(view.text, match.end()) for match in found):
        return None
    text = view.text.strip()
    said = [match["zh"] or (match["en"] or "").lower() or "last" for match in found]
    if len(set(said)) != 1 or kind != "single" or reader.mentions(view.text) or DOUBT.search(view.text):
        return None
    start, end = found[-1].span()
    stated = re.search(
        r"(?:选择?|答案|正确|应|是|为|(?i:\b(?:answer|choose|pick|select|is|with)\b))[^,。;\n]{0,10}$",
        view.text[:start],
    )
    behind = re.match(
        r"[^,。;\n]{0,6}?(?:正确|对|最合适|符合)|(?i:\s*is\s+(?:the\s+)?(?:correct|right|best))", view.text[end:]
    )
    place = len(reader.labels) - 1 if said[0] == "last" else PLACES.get(said[0], len(reader.labels))
    if not (stated or behind or len(text) <= end - start + 3) or place >= len(reader.labels):
        return None
    return Statement(frozenset([reader.labels[place]]), start, end, 1, "place of the option")
