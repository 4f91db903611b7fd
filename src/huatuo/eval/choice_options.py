"""How the options of one question stand in an answer: its labels and its texts."""

from __future__ import annotations

import re
from collections.abc import Iterable

from huatuo.eval.choice_patterns import ALL_BUT, EXPLAINED, LATIN_AFTER, RANGE, VERDICT
from huatuo.eval.choice_text import SPACED, fold
from huatuo.text.zh import normalise_for_comparison

MOST = 12
"""Labels or texts of one list: more is a loop, and a bound keeps the time linear."""


PART_OF = frozenset("药组族室区院君楼座端")
"""Han characters that make a letter before them part of a name ("A药", "B组")."""


def plain_text(text: str) -> str:
    """An option's text without blanks, in small letters: what a found text is looked up by."""
    return "".join(text.split()).lower()


def _spaced(text: str) -> str:
    """A pattern of a text in which a blank may be missing or a line break."""
    return r"\s{0,3}".join(re.escape(part) for part in text.split())


class OptionReader:
    """The patterns of one set of options."""

    def __init__(self, options: tuple[tuple[str, str], ...]) -> None:
        self.texts = {label: SPACED.sub("", fold(text)) for label, text in options}
        self.labels = [label for label, _ in options]
        plain = {fold(label): label for label in self.labels}
        self.plain = plain | {label.lower(): kept for label, kept in plain.items()}
        self.order = [fold(label) for label in self.labels]
        names = "|".join(re.escape(label) for label in sorted(plain, key=len, reverse=True))
        one = rf"(?:[(\[【<《「『\"“'{{][ \t]?){{0,2}}(?:{names})(?:[ \t]?[)\]】>》」』\"”'}}]){{0,2}}"
        joint = rf"(?:[ \t]*(?:选?项)?[ \t]*(?:[、/+&]|以及|[和与及跟]|\band\b|{RANGE}))?[ \t]*(?:选项)?"
        shut = r"(?:[ \t]?[)\]】>》」』\"”'}])"
        more = rf"(?:[(\[【<《「『\"“'{{][ \t]?){{1,2}}(?:{names}){shut}{{1,2}}|(?:{names}){shut}{{0,2}}"
        tight = rf"{one}(?:{joint}(?:{more})){{0,{MOST}}}"
        loose = (
            rf"(?:[ \t]*[,;]\s*(?:and\s+|和|与|及|以及|还有)?{tight}(?=\s*(?:[,;。.!()\]}}\n]|\band\b"
            rf"|$))){{0,{MOST}}}"
        )
        doubt = rf"(?P<or>(?:\s*(?:或者|或是|或|还是|\bor\b)\s*{one}){{1,{MOST}}})?"
        self.one = re.compile(names)
        self.range = re.compile(rf"({names})[\s)\]】]*{RANGE}[\s(\[【]*({names})")
        self.chain = re.compile(rf"(?:{names})\s*-\s*(?:{names})\s*-\s*(?:{names})")
        self.list = re.compile(
            rf"(?:选项|第(?=\s*{one}\s*选?[项个])|(?i:options?|choices?|letter)\s)?\s*"
            rf"(?P<list>{tight}{loose}){doubt}(?![A-Za-z0-9])(?!-\w)"
        )
        number = (
            ""
            if any(name.isdigit() for name in plain)
            else r"(?:(?:第|题目?|(?i:question|no\.?)\s)?\s*\d{1,3}\s*(?:题\s*[:.、]?|[.、):])\s*)?"
        )
        self.bare = re.compile(
            rf"[\s✅✔✓☑👉➡→•-]*{number}(?:选项|选|答|(?i:options?|choices?|letter|both)(?=[\s:]))?[\s:]*"
            rf"(?P<list>{tight}(?:\s*[,;.|]\s*(?:and\s+)?{one})*)\s*(?:[两三四五]?个?选?项)?(?:吧|呢|哦|啊|呀"
            rf"|哈)?\s*[。.!)、~;✅✔✓☑]*\s*"
        )
        low = rf"(?P<list>(?:{names.lower()})(?:[ \t\"']*[,、/]?[ \t\"']*(?:{names.lower()})){{0,{MOST}}})"
        self.low = re.compile(rf"\s*(?:(?i:option|choice)\s+)?[(\[]?{low}[)\].。]?\s*")
        self.low_after = re.compile(rf"\s*[(\[]?[\"']?{low}[\"']?[)\]]?(?=\s*(?:[.。!,;\n}}]|选?项|$))")
        self.lead = re.compile(
            rf"\s*(?P<list>{one})(?P<mark>[ \t]*[.。,:)、!—–-]|[ \t]+-(?=[ \t])|(?={EXPLAINED.pattern})|[ \t]*(?=\()"
            r"|(?<=[)\]】>》」』])|[ \t]+|\n|$)\s*"
        )
        self.opening = re.compile(rf"\s*(?P<list>{tight}(?:\s*[,;]\s*{tight}(?=\s*(?:[,;。(\n]|$)))*)(?![A-Za-z0-9])")
        self.low_lead = re.compile(rf"\s*(?:(?i:option|choice)\s+)?[(\[]?(?P<list>{names.lower()})[)\].、:]")
        self._read_phrases(names, one, tight, loose)
        self._read_texts(dict(options), names)

    def _read_phrases(self, names: str, one: str, tight: str, loose: str) -> None:
        """Sets what finds labels within sentences: alone, judged, contrasted, added, left out, in brackets."""
        self.alone = re.compile(rf"(?<![A-Za-z0-9])(?:{names})(?![A-Za-z0-9])")
        self.more = re.compile(rf"[.。、:]?[^\S\n]*\n\s*(?P<list>{one})[ \t]*[.。、:]?[ \t]*(?:\n|$)")
        self.also = re.compile(
            rf"[,;](?:[^。\n]*[,;])?\s*(?:但|不过|而)?(?:(?:是)?(?:{one})(?:选?项)?(?:也|同样)?(?:是)?(?:可能|可以"
            rf"|正确|对|行)"
            rf"|(?:也|还)(?:有)?(?:可能|可以|可)(?:是|为|选)?\s*(?:{one}))"
        )
        self.bracketed = re.compile(
            rf"[ \t]*(?:[(\[【]\s*(?:选项|选|即|答案)?|,?\s*(?:即|也就是|对应的?(?:是)?)(?:选项)?)[\s:]*"
            rf"(?P<list>{tight})\s*(?:选?项)?(?:[)\]】]|(?=\s*(?:[。.,;!\n]|$)))"
        )
        self.contrast = re.compile(
            r"(?:不是|而非|并非|不(?:应|能|宜|会|可)?选择?|排除|(?i:rather than|instead of|\bnot\b))\s*"
            rf"(?:选项|(?i:option)\s)?{tight}(?:\s*,\s*{one})*(?:\s*,?\s*(?:and|or|nor|和|或|及)\s*{one})?"
        )
        self.next = re.compile(rf"(?:[\s、,;)\]】\"']|以及|[和与及])*(?P<list>{one})")
        self.added = re.compile(
            rf"[\s、,。;]*(?:哦|噢|啊|对了)?[\s,。!]*(?:还有|还要选|还要加上?|再加上?|漏了)(?:一个"
            rf"|选项)?\s*(?P<list>{tight})(?=\s*(?:选?项)?[\s,。;!.]|$)"
        )
        self.judged = re.compile(
            rf"(?<![A-Za-z0-9])(?P<list>{tight}(?:\s*,\s*(?:and\s+"
            rf"|和)?{tight}){{0,{MOST}}})\s*(?:[两三四五]?个?选?项)?(?:,(?=\s*(?:is|are)\b))?{VERDICT}"
        )
        self.all_but = [
            re.compile(pattern.format(list=rf"(?:选?项)?\s*(?P<list>{tight})\s*(?:选?项)?")) for pattern in ALL_BUT
        ]
        self.aside = re.compile(rf"(?<=[^\s,。;:(])[ \t]*\(\s*(?:选项|(?i:option)\s)?(?P<list>{tight})\s*(?:选?项)?\)")
        self.copula = re.compile(
            r"(?:(?<=[^\s,。;:不非能会还])(?:是|为)|即为?|(?<![A-Za-z])(?i:i\.e\.,?|namely|is|are|be))\s*(?:[:,]\s*)?"
            rf"(?:选项|第(?=\s*{one}\s*选?[项个])|(?i:options?|choices?|letter)\s)?\s*(?P<list>{tight}{loose})"
            r"(?=\s*(?:选?项)?\s*(?:\([^()\n]{1,40}\)|[两三四五]?[者项])?(?:无误|无疑|了|吧|啦)?\s*(?:[。.,;!\n]|$))"
        )
        self.list_goes_on = re.compile(rf"\s*(?:选?项)?\s*(?:[、,/+&]|以及|[和与及跟]|\band\b)\s*{one}(?![A-Za-z])")

    def _read_texts(self, options: dict[str, str], names: str) -> None:
        """Sets what finds the options' texts."""
        self.whole_keys = {label: normalise_for_comparison(text) for label, text in options.items()}
        keys = self.whole_keys
        self.keys = {label: key for label, key in keys.items() if key and not self._is_label(key)}
        own = _spaced(self.texts.get("A", "")) or "(?!)"
        self.article = re.compile(
            rf"(?:^|(?<=[.!?:\n]))\s*A(?=\s+(?!{LATIN_AFTER.pattern}|{own}|(?:{names})(?![A-Za-z]))[A-Za-z])"
        )
        pairs = "|".join(
            rf"(?<={re.escape(fold(label))})[\s.、:)]{{0,3}}{_spaced(self.texts[label])}" for label in self.keys
        )
        self.own_text = re.compile(rf"(?i)(?:{pairs or '(?!)'})")
        self.any_text, self.text_list, self.close_list, self.label_of_text = self._text_patterns()

    def _text_patterns(self) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str], dict[str, str]]:
        """What finds an option's text, the longest first, a list of them, one without commas, and each text's label.

        Texts of one character and texts that two options share are left out.
        """
        said = {label: self.texts[label] for label in self.keys if len(self.texts[label]) > 1}
        plain = [plain_text(text) for text in said.values()]
        own = {plain_text(text): label for label, text in said.items() if plain.count(plain_text(text)) == 1}
        alternatives = "|".join(
            ("(?<![A-Za-z0-9.])" if text[0].isascii() else "")
            + _spaced(text)
            + ("(?![A-Za-z0-9])" if text[-1].isascii() else "")
            for text in sorted(said.values(), key=len, reverse=True)
            if plain_text(text) in own
        )
        one = rf"(?:{alternatives or '(?!)'})"
        item = rf"(?:\(?\d{{1,2}}\s*[.、)]?[ \t]*)?{one}(?:\s*\([^()\n]{{1,3}}\))?"
        between = r"\s*(?:[、,;\n/+]|以及|还有|[和与及]|\band\b){1,3}\s*(?:and\s+|和)?"
        listed = re.compile(rf"(?i){item}(?:{between}{item}){{0,{MOST}}}")
        close = re.compile(rf"(?i){item}(?:\s*(?:、|以及|还有|[和与及]|\band\b)\s*{item}){{0,{MOST}}}")
        return re.compile(f"(?i){one}"), listed, close, own

    def _is_label(self, key: str) -> bool:
        return all(character.upper() in self.plain for character in key)

    def named(self, text: str) -> list[str]:
        """The labels in a matched list, as the source labels them, in the order of mention; ``A-D`` names four."""
        for match in () if self.chain.search(text) else self.range.finditer(text):
            first, last = sorted(self.labels.index(self.plain[end]) for end in match.groups())
            text = text.replace(match[0], "、".join(self.order[first : last + 1]))
        return [self.plain[found] for found in self.one.findall(text) or self.one.findall(text.upper())]

    def goes_on_with_text(self, label: str, rest: str) -> bool:
        """Whether what follows a label is that option's own text."""
        return self.text_end(label, rest) > 0

    def text_end(self, label: str, rest: str) -> int:
        """Where the option's own text ends that follows its label; 0 where it does not follow."""
        if rest[: len(self.texts[label])] == self.texts[label] != "":
            return len(self.texts[label])
        key, reach = self.whole_keys[label], 2 * len(self.texts[label]) + 8
        if not key or not normalise_for_comparison(rest[:reach]).startswith(key):
            return 0
        for end in range(1, min(len(rest), reach) + 1):
            if normalise_for_comparison(rest[:end]) == key:
                return end
        return 0

    def other_text(self, label: str, rest: str) -> bool:
        """Whether the text that follows a label is another option's: behind a comma or on the next line it must be the
        whole clause, elsewhere its beginning."""
        match = re.match(r"([^\S\n]*[.:、)(【\[]*[^\S\n]*)([,\n]?)\s*(?:即|也就是|就是|是|为)?", rest)
        after = re.split(r"[,。;!?\n)]", rest[match.end() if match else 0 :], maxsplit=1)[0]
        said = normalise_for_comparison(after)
        near = match is not None and not match[2]
        fits = [key for key in self.keys.values() if said == key or (near and said.startswith(key))]
        return bool(fits) and self.keys.get(label) != max(fits, key=len)

    def mentions(self, text: str, own_texts: bool = False) -> set[str]:
        """Labels that stand alone in a text; outside of option texts that hold a letter (``维生素 C``), unless
        ``own_texts``."""
        for option in () if own_texts else sorted(self.texts.values(), key=len, reverse=True):
            if option and not self._is_label(normalise_for_comparison(option)):
                text = re.sub(re.escape(option), "\n", text, flags=re.IGNORECASE)
        found = self.alone.finditer(self.article.sub("", text))
        return {self.plain[match[0]] for match in found if match.string[match.end() : match.end() + 1] not in PART_OF}

    def order_of(self, labels: Iterable[str]) -> list[str]:
        """The labels in the order of the options."""
        return [label for label in self.labels if label in set(labels)]

    def uses(self, said: str) -> bool:
        """Whether a text of one character is a label of the question or the text of an option."""
        return said.upper() in self.order or said in self.texts.values()
