"""An answer as the rules of extraction see it: folded, without thoughts and markup, each character with its place."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

DRAWN = {start + place: chr(ord("A") + place) for start in (0x1F150, 0x1F170, 0x1F1E6) for place in range(26)}
"""Letters drawn as signs that NFKC leaves alone: negative circled, negative squared, regional indicators (Unicode)."""
LOOKALIKES = dict(zip(map(ord, "АВСЕΑΒΕ〔〕∶"), "ABCEABE():", strict=True))
"""Cyrillic and Greek capitals, brackets and a ratio sign that are typed for Latin ones."""
TRADITIONAL = dict(
    zip(
        map(ord, "為爲選項應該當對錯確題無認斷診綜終餘個說論並會後據條這從種簡顯現與還擇須視給屬頭過標準參結訂誤"),
        "为为选项应该当对错确题无认断诊综终余个说论并会后据条这从种简显现与还择须视给属头过标准参结订误",
        strict=True,
    )
)
"""Traditional characters of the wordings that the rules look for."""
FOLDED = DRAWN | LOOKALIKES | TRADITIONAL

_NAMES = r"think|thinking|thought|thoughts|reasoning|reflection|scratchpad|analysis"
_THOUGHTS = (
    re.compile(r"(?s)<\|channel\|>analysis<\|message\|>.*?(?:(?=<\|channel\|>final)|\Z)"),
    re.compile(r"(?s)<\|begin_of_thought\|>.*?(?:<\|end_of_thought\|>|\Z)"),
    re.compile(rf"(?si)[<\[◁]({_NAMES})[>\]▷].*?(?:[<\[◁]/\1[>\]▷]|\Z)"),
    re.compile(rf"(?si)\A.*[<\[◁]/(?:{_NAMES})[>\]▷]"),
    re.compile(r"(?s)\A\s*[【\[](?:思考|思考过程|推理)[】\]].*?(?=[【\[](?:回答|答案|最终答案|结论|正式回答)[】\]])"),
    re.compile(r"~~[^~\n]{1,80}~~"),
)
"""What is thought or struck out and not answered; a thought that never ends takes the rest with it."""
_MARKUP = re.compile(
    r"</(?:final_?)?(?:answer|choice|option|ans)>|</?(?:b|i|u|s|em|strong|mark|span|p|div|final"
    r"|response)(?: [^>\n]*)?>"
    r"|<\|(?:channel|message|[a-z_]{2,24})\|>(?:final(?=<\|))?|</?s>"
    r"|\\(?:text|textbf|mathrm|mathbf|textrm|mathsf)\s*\{|\\[()\[\]]|\*+|(?<![a-z_])_+(?=[A-Z])"
    r"|(?<=[A-Z])_+(?![A-Za-z])|`{3}\w*|`+|\$+"
    r"|^[ \t]*(?:#+|>|(?:[-•](?=[ \t])|[👉☞★⭐●■◆🔹🔸🎯💡])+)[ \t]*|[\u200b-\u200d\ufe0e\ufe0f\ufeff]",
    re.MULTILINE,
)

LOOPS_FROM = 400
LONGEST = 3600
"""Characters from which loops are cut, and that are read at most: the time stays linear. Answers end where they
conclude, so that two thirds of what is read are the end."""
_LOOP = re.compile(r"(?s)(?P<unit>.{1,24}?)(?P=unit){5,}(?=(?P=unit)(?P=unit))")
"""A text that repeats without end, but for its last two rounds."""
SPACED = re.compile(r"(?<=[\u3400-\u9fff])[ \t]+(?=[\u3400-\u9fff])")
"""Blanks between Han characters, which mean nothing."""


@dataclass(frozen=True)
class View:
    """Text for matching, and for each of its characters the place in the original."""

    text: str
    places: tuple[int, ...]

    def without(self, pattern: re.Pattern[str]) -> View:
        """The view without what the pattern matches."""
        kept = [True] * len(self.text)
        for match in pattern.finditer(self.text):
            kept[match.start() : match.end()] = [False] * (match.end() - match.start())
        if all(kept):
            return self
        pairs = [(c, p) for c, p, keep in zip(self.text, self.places, kept, strict=True) if keep]
        return View("".join(c for c, _ in pairs), tuple(p for _, p in pairs))

    def span(self, start: int, end: int) -> tuple[int, int]:
        """A range of the view as a range of the original text."""
        return self.places[start], self.places[end - 1] + 1


@dataclass(frozen=True)
class Statement:
    """One place where an answer names options."""

    labels: frozenset[str]
    start: int
    end: int
    strength: int
    """4 option after a closing word, 3 "the answer is", 2 "choose", 1 "consider", 0 "perhaps"."""
    rule: str
    trouble: str = ""
    """Why it cannot be used although it is the statement that counts."""


def fold(text: str) -> str:
    """The text in NFKC, with letters drawn as signs, look-alikes and the rules' traditional characters made plain."""
    return unicodedata.normalize("NFKC", text).translate(FOLDED)


_ASKED_AGAIN = re.compile(
    r"\n\s*(?:#+\s*)?(?:(?:问题|题目)\s*\d*\s*[::]|Question\s*\d*\s*:|Q\d*\s*:|(?:Human|User|用户)\s*[::]"
    r"|<\|im_start\|>user"
    r"|(?:下列|以下)[^\n]{2,60}[?？]\s*(?:\n|$))"
)


def asked_again(text: str) -> int:
    """Where a model that was not stopped goes on with a question of its own; 0 where it does not."""
    match = _ASKED_AGAIN.search(text)
    return match.start() if match and text[: match.start()].strip() else 0


def view_of(text: str) -> View:
    """The text for matching: folded, without thoughts and markup."""
    pairs = [(c, place) for place, raw in enumerate(text) for c in fold(raw)]
    view = View("".join(c for c, _ in pairs), tuple(place for _, place in pairs))
    for pattern in (*_THOUGHTS, _MARKUP, SPACED):
        view = view.without(pattern)
    return _bounded(view.without(_LOOP) if len(view.text) > LOOPS_FROM else view)


def _bounded(view: View) -> View:
    """The view, of a very long one its beginning and end."""
    if len(view.text) <= LONGEST:
        return view
    opening = LONGEST // 3
    closing = len(view.text) - (LONGEST - opening)
    return View(view.text[:opening] + view.text[closing:], view.places[:opening] + view.places[closing:])
