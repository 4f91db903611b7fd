"""What the offline teacher asks and says about a passage: a topic that stands alone, and the passage's own sentences.

| a passage | is asked about by |
|---|---|
| with labelled fields (``用法用量：…``) under a title that others share | its labels: 某药的用法用量和禁忌 |
| of terms with their meaning (a glossary) | its terms |
| that shares its title otherwise | the first clause that says something, without list marks and 但是, However |
| any other | its headings |

An exercise (a blank to fill in, mostly questions) is asked about by none.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, NamedTuple

from huatuo.llm.wording import fill, pick
from huatuo.text.segment import sentences

LONGEST_TOPIC = 24
"""Characters of a clause that stands in a question; in English ten words."""
FEWEST_WORDS = 5
"""Words of the shortest English clause that stands in a question."""
SHORTEST_TURN = 10
"""Characters below which a turn of a dialogue goes with the next one."""
MOST_LABELS = 3
"""Labels named in one question."""
DIALOGUE_TURNS = 4
"""Most turns of a dialogue about a passage."""

PASSAGE_QUESTIONS_ZH = (
    "关于{topic}，需要了解哪些内容？",
    "请介绍一下{topic}。",
    "我想了解{topic}，请详细说明。",
    "{topic}，具体是怎样的？",
)
PASSAGE_QUESTIONS_EN = (
    "What should I know about {topic}?",
    "Please explain {topic}.",
    "Could you tell me about {topic}?",
    "What are the main points about {topic}?",
)
GOES_ON_ZH = ("还有呢？", "除此之外还有什么？", "请接着讲。", "这方面还要知道什么？", "然后呢？")
GOES_ON_EN = ("What else?", "Please go on.", "Is there more to know about this?", "And then?")
FIELD_QUESTIONS_ZH = ("那{topic}呢？", "{topic}方面呢？", "再说说{topic}。")
TERMS_QUESTION_EN = "What is meant by {topic}?"
TOPIC_WORDS = ("中“{clause}”这一点", "的{labels}", ", in particular “{clause}”", "等", "和", "、")
PASSAGE_WORDINGS = (
    *PASSAGE_QUESTIONS_ZH, *PASSAGE_QUESTIONS_EN, *GOES_ON_ZH, *GOES_ON_EN, *FIELD_QUESTIONS_ZH, TERMS_QUESTION_EN,
    *TOPIC_WORDS,
)  # fmt: skip
"""Every wording of this file: part of the teacher's digest, and no claims of an answer."""

_LABEL = re.compile(r"(?P<label>[\u4e00-\u9fff（）]{2,10})[:：](?=\S)")
_TERM = re.compile(r"\*\*(?P<term>[^*:]{2,60})\*\*: ")
_MARK = re.compile(
    r"^(?:[-*+•·]\s+|[(（]?\d{1,3}(?:[.、．)）])(?!\d)\s*|[①-⑳]|[(（]?[一二三四五六七八九十]{1,3}[、）)]\s*)"
)
_LAST_MARK = re.compile(r"(?:^|(?<=[。；;！？.!?\s]))[(（]?\d{1,2}[.、．)）]\s*$")
_LEADS_ZH = re.compile(
    r"^(?:但是?|然而|不过|而且?|因此|所以|故|此外|另外|同时|其次|再者|并且|总之|例如|如|即|按|案|又|其中|一般来说|通常)"
    r"[，,：:]\s*"
)
_LEADS_EN = re.compile(
    r"^(?:however|therefore|thus|hence|moreover|furthermore|in addition|additionally|for example|for instance|"
    r"in contrast|in fact|consequently|finally|similarly|instead|likewise|nevertheless|also|as a result|first|second|"
    r"on the other hand|third|next|then|here),\s+",
    re.IGNORECASE,
)
_INTRODUCES = re.compile(
    r"^(?:in|to|for|with|by|on|at|as|when|after|during|although|while|if|under|from|because|since|once|of|using|based|"
    r"despite|whereas|unlike|like|among|within|through|following|before|until|given)\b[^,]{0,60},\s+",
    re.IGNORECASE,
)
_BRACKETS = re.compile(r"[（(][^（）()]*[）)]")
_SAYS_SOMETHING = re.compile(r"[^\s（）()]{4,}")
_HANGING = frozenset(
    {
        "a",
        "an",
        "the",
        "of",
        "in",
        "on",
        "at",
        "to",
        "for",
        "with",
        "by",
        "and",
        "or",
        "but",
        "that",
        "which",
        "who",
        "is",
        "are",
        "was",
        "were",
        "as",
        "from",
        "its",
        "their",
    }
)
_SENTENCE_ZH = re.compile(r"[^。！？!?\n]+[。！？!?]?")
_CLAUSE_ZH = re.compile(r"[，。；：！？,;:!?\n]")
_CLAUSE_EN = re.compile(r"[,;:]\s|[.!?]$|\s[–—(\[]")
_FIELD_OF_NAME = re.compile(
    r"^(?!第?[\d.一二三四五六七八九十百]+[、章节篇部]? )(?P<name>\S.*\S) (?P<field>[\u4e00-\u9fff]{2,6})$"
)
_FILE_NUMBER = re.compile(r"^\d{1,4}[-_. ]+(?=[\u4e00-\u9fff])")
_SENTENCE_END = re.compile(r"[。！？]|[.!?](?=\s|$)")
_BLANK_TO_FILL = re.compile(r"(?:\\?_){3,}|[(（]\s{2,}[)）]")
_EXERCISE = re.compile(r"\bquestions$|\bexercises$|习题|练习|思考题|复习题", re.IGNORECASE)
_GENERIC = re.compile(
    r"^(?:chapter (?:review|objectives)|overview|introduction|summary|glossary|key terms|abstract|概述|简介|总论|正文|"
    r"小结)$",
    re.IGNORECASE,
)
_WARNS = re.compile(r"[禁忌慎]|注意|警告")
_NOTHING_KNOWN = re.compile(r"^(?:尚不明确|不详|未知|无|暂无|未进行[^，。]{0,20})[。.]?$")


class Field(NamedTuple):
    """A labelled part of a passage."""

    label: str
    """Empty for what stands before the first label."""
    text: str
    """Its lines, the label left out."""


class Passage(NamedTuple):
    """A passage as it is spoken of."""

    headings: tuple[str, ...]
    """Its title and headings, the outermost first."""
    lines: tuple[str, ...]
    """Its lines without blanks at their ends, and without a first line that only repeats the title."""
    chinese: bool
    shared: bool
    """Whether other passages have the same headings."""


def passage_of(block: dict[str, Any]) -> Passage:
    """The passage of a prompt's block."""
    headings = [_heading(part) for part in block["title"].split(" > ") if part.strip()]
    lines = [line.strip() for line in block["text"].splitlines() if line.strip()]
    told = {_bare(part) for part in (*block["title"].split(" > "), *headings)}
    if len(lines) > 1 and _bare(lines[0]) in told:
        lines = lines[1:]
    return Passage(tuple(headings), tuple(lines), block["language"] != "en", bool(block.get("shared_title")))


def _heading(part: str) -> str:
    part = _FILE_NUMBER.sub("", part.strip().rstrip("。."))
    if found := _FIELD_OF_NAME.match(part):
        return f"{found['name']}的{found['field']}"
    return part


def _bare(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()


# ---------------------------------------------------------------- what a passage is about


def topic(passage: Passage) -> str:
    """What the passage is about, as a noun phrase for a question; empty where nothing can be asked about it."""
    if not passage.lines or _is_exercise(passage):
        return ""
    if terms := _terms(passage):
        return _listed_en([f"“{term}”" for term in terms]) + _of(passage)
    told = _headings(passage)
    if passage.shared or not told:
        labels = [field.label for field in fields(passage) if field.label]
        if labels and told:
            more = "等" if len(labels) > MOST_LABELS else ""
            return f"{told}的{_joined(labels[:MOST_LABELS])}{more}"
        clause = _clause(passage)
        if not told:
            return f"“{clause}”" if passage.chinese and clause else clause
        if not clause:
            return ""
        return f"{told}中“{clause}”这一点" if passage.chinese else f"{told}, in particular “{clause}”"
    return told


def _is_exercise(passage: Passage) -> bool:
    if any(_EXERCISE.search(part) for part in passage.headings[-1:]):
        return True
    text = "\n".join(_MARK.sub("", line) for line in passage.lines)
    asked = len(re.findall(r"[?？]", text))
    return bool(_BLANK_TO_FILL.search(text)) or 0 < len(_SENTENCE_END.findall(text)) <= 2 * asked


def _terms(passage: Passage) -> list[str]:
    """The terms of a passage whose every line explains one."""
    found = [_TERM.match(_MARK.sub("", line)) for line in passage.lines]
    return [match["term"].strip() for match in found if match] if all(found) else []


def _of(passage: Passage) -> str:
    about = [part for part in passage.headings if not _GENERIC.match(part)]
    return f" ({about[0]})" if about else ""


def _headings(passage: Passage) -> str:
    """The headings as a noun phrase: the last two, those left out that say nothing (Chapter Review)."""
    parts = [part for part in passage.headings if not _GENERIC.match(part)] or list(passage.headings)
    parts = parts[-2:]
    if passage.chinese:
        return "的".join(f"“{part}”" for part in parts) if len(parts) > 1 else "".join(parts)
    return f'"{parts[-1]}" ({parts[0]})' if len(parts) > 1 else "".join(f'"{part}"' for part in parts)


def _clause(passage: Passage) -> str:
    """The first clause of the passage that says something of its own."""
    told = {_bare(part) for part in passage.headings}
    clauses = (part for said in _sentences(passage)[:4] for part in _clauses(said, passage.chinese))
    return next((clause for clause in clauses if _bare(clause) not in told), "")


def _clauses(said: str, chinese: bool) -> list[str]:
    said = _MARK.sub("", said.strip())
    if said.startswith("|"):
        return []
    if chinese:
        said = _BRACKETS.sub("", _LEADS_ZH.sub("", said))
        parts = [_MARK.sub("", part.strip(' 　“”"*_|#')) for part in _CLAUSE_ZH.split(said)]
        parts = [part for part in parts if _SAYS_SOMETHING.fullmatch(part)]
        return [part if len(part) <= LONGEST_TOPIC else part[:LONGEST_TOPIC] + "…" for part in parts]
    said = _INTRODUCES.sub("", _LEADS_EN.sub("", said)).strip("*_|# ").replace("**", "")
    words = _CLAUSE_EN.split(said, maxsplit=1)[0].split()
    words = (words if len(words) >= FEWEST_WORDS else said.rstrip(".!?").split())[:10]
    while words and words[-1].lower().rstrip(",;:") in _HANGING:
        words.pop()
    return [" ".join(words).rstrip(",;:")] if len(words) >= FEWEST_WORDS else []


def _sentences(passage: Passage) -> list[str]:
    """The sentences in order; one that begins a list item begins with a line end."""
    found = []
    for line in passage.lines:
        cut = _SENTENCE_ZH.findall(line) if passage.chinese else [line[a:b] for a, b in sentences(line, "en")]
        said = [part.strip() for part in cut if part.strip()]
        if said and _MARK.match(line):
            said[0] = "\n" + said[0]
        found += said
    return found


# ---------------------------------------------------------------- labelled fields


def fields(passage: Passage) -> list[Field]:
    """The labelled fields of a Chinese passage: lines that begin with a label, each with the lines after it.

    None where fewer than half of the lines that are no list items begin with a label: then a colon ends a clause.
    """
    if not passage.chinese:
        return []
    starts = [_LABEL.match(line) for line in passage.lines]
    plain = sum(not _MARK.match(line) for line in passage.lines)
    if 2 * sum(map(bool, starts)) < plain or not any(starts):
        return []
    found: list[tuple[str, list[str]]] = [("", [])]
    for line, start in zip(passage.lines, starts, strict=True):
        if start:
            found.append((start["label"], [line[start.end() :].strip()]))
        else:
            found[-1][1].append(line)
    return [Field(label, "\n".join(lines)) for label, lines in found if lines]


def _joined(labels: list[str]) -> str:
    return labels[0] if len(labels) == 1 else f"{'、'.join(labels[:-1])}和{labels[-1]}"


def _listed_en(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


# ---------------------------------------------------------------- what is said


def question(passage: Passage, *key: str) -> str:
    """A question about the passage, in the wording that the key's hash falls on; empty where nothing can be asked."""
    if not (about := topic(passage)):
        return ""
    if _terms(passage):
        return fill(TERMS_QUESTION_EN, topic=about)
    return fill(pick(PASSAGE_QUESTIONS_ZH if passage.chinese else PASSAGE_QUESTIONS_EN, *key), topic=about)


def answer(passage: Passage) -> str:
    """The passage's sentences: each ended, list items and fields on lines of their own, no half item at either end."""
    lines = list(passage.lines)
    known = fields(passage)
    if passage.shared and known and not known[0].label and len(known) > 1:
        lines = lines[known[0].text.count("\n") + 1 :]  # the end of a field whose label stands in another passage
    lines[-1] = _LAST_MARK.sub("", lines[-1]).rstrip()
    lines = [line for line in lines if line]
    if not lines:
        return ""
    if not passage.chinese:
        return _english(lines)
    lines[0] = _LEADS_ZH.sub("", lines[0])
    if sum(bool(_MARK.match(line)) for line in lines) == 1:
        lines[0] = _MARK.sub("", lines[0])  # 2、 alone counts nothing
    own = bool(known) or any(_MARK.match(line) or line.startswith("|") for line in lines)
    return ("\n" if own else "").join(_ended(line) for line in lines)


def _ended(line: str) -> str:
    if line[-1] in "。！？!?：；…|" or line.endswith(("。”", "。）", "。」")):
        return line
    return line.rstrip("，,.、") + "。"


def _english(lines: list[str]) -> str:
    if found := _LEADS_EN.match(lines[0]):
        rest = lines[0][found.end() :]
        lines[0] = rest[:1].upper() + rest[1:]
    listed = any(_MARK.match(line) or line.startswith(("|", "**")) for line in lines)
    told = ("\n" if listed else " ").join(lines)
    return told if told.endswith((".", "!", "?", "|", ".”", '."', ".)", ":")) else told.rstrip(",;") + "."


def dialogue(passage: Passage, key: str) -> list[tuple[str, str]]:
    """Two to four turns that tell the passage in its order; nothing where it has too little for two."""
    about = topic(passage)
    told = [field for field in fields(passage) if field.label and not _NOTHING_KNOWN.match(field.text)]
    if not about or _terms(passage) or any(line.startswith("|") for line in passage.lines):
        return []
    if len(told) > 1 and _headings(passage):
        return _field_turns(passage, told, key)
    said = _chunks(_sentences(passage._replace(lines=tuple(answer(passage).splitlines()))), passage.chinese)
    if len(said) < 2:
        return []
    opening = f"请介绍一下{about}。" if passage.chinese else f"Could you tell me about {about}?"
    further = GOES_ON_ZH if passage.chinese else GOES_ON_EN
    first = int(pick("01234", about, key))
    later = [further[(first + number) % len(further)] for number in range(len(said) - 1)]
    return list(zip([opening, *later], said, strict=True))


def _field_turns(passage: Passage, told: list[Field], key: str) -> list[tuple[str, str]]:
    """A turn per field, or per few fields where there are many."""
    turns = min(DIALOGUE_TURNS, len(told))
    edges = [len(told) * n // turns for n in range(turns + 1)]
    made = []
    for number, (a, b) in enumerate(pairwise(edges)):
        part = told[a:b]
        labels = _joined([field.label for field in part])
        if number:
            asked = fill(pick(FIELD_QUESTIONS_ZH, key, labels), topic=labels)
        else:
            asked = f"请介绍一下{_headings(passage)}的{labels}。"
        plain = len(part) == 1 and not _WARNS.search(labels)  # 过敏者 under 禁忌证 says nothing without its label
        texts = [field.text if plain else f"{field.label}：{field.text}" for field in part]
        made.append((asked, "\n".join(_ended(_LAST_MARK.sub("", text).rstrip() or text) for text in texts)))
    return made


def _chunks(said: list[str], chinese: bool) -> list[str]:
    """The sentences in at most `DIALOGUE_TURNS` parts of about the same length, none very short."""
    total = sum(map(len, said))
    turns = min(DIALOGUE_TURNS, len(said), total // SHORTEST_TURN)
    if turns < 2:
        return []
    parts: list[list[str]] = [[]]
    length = 0
    for sentence in said:
        if parts[-1] and length >= total * len(parts) / turns and len(parts) < turns:
            parts.append([])
        parts[-1].append(sentence)
        length += len(sentence)
    if len(parts) < 2:
        return []
    if chinese:
        return [_ended("".join(part).strip()) for part in parts]
    return [_english(" ".join(part).replace(" \n", "\n").strip().split("\n")) for part in parts]
