"""How answers to exam questions are worded: what states, negates and hedges, and how one question's options stand."""

from __future__ import annotations

import re
import unicodedata

from huatuo.text.zh import normalise_for_comparison

CLAUSE_END = re.compile(r"[,。;!?\n]|\.(?=\s|$)")
STATED = r"(?:应该|应当|应|就|也|只能|只|可能|最终|最可能|必须)*"
NOT = r"(?P<not>并不是|并非|不会是|不可能是|不应该是|不应是|不应为|不应选|不能选|不是|不选|不为|非)?"
IS = r"(?:\s|是|为|有|选择|选|:|=|\"|[\]】)])*"
MARKS: tuple[tuple[int, str, re.Pattern[str]], ...] = (
    (
        3,
        "answer",
        re.compile(rf"(?:答案|正确的?选项|最佳选项|正确项|正确的?(?:一项)?(?=是|为|有|:)|答(?=:)){STATED}{NOT}{IS}"),
    ),
    (
        3,
        "answer",
        re.compile(
            r"(?i:\b(?:answers?\b(?:\s+(?:is|are|would be|should be|must be)\b|\s*:)?"
            r"|(?:option|choice)s?(?:\s+(?:is|are|would be|should be|must be)\b|\s*:))"
            r"(?P<not>\s+not\b|n't\b)?[\s:=\"']*"
            r"(?:(?:clearly|most likely|probably|therefore|both|option|choice)\b\s*)*)"
        ),
    ),
    (
        2,
        "choose",
        re.compile(rf"(?:而是|而应是|应为|应是|应该是|应该选择?|应选择?|选择?|选取)(?!项|题|拔){STATED}{IS}"),
    ),
    (
        2,
        "choose",
        re.compile(r"(?i:\b(?:choose|chose|select|pick|go with|opt for)\s+(?:(?:option|choice|answer)\s+)?)"),
    ),
    (3, "answer", re.compile(rf"(?:更正|修正|纠正|改)(?:为|成|选){IS}")),
    (1, "consider", re.compile(rf"(?:考虑|倾向于|判断为|诊断为|认为是|符合|属于){IS}")),
)
CLOSING = re.compile(
    r"因此|所以|故|综上|总之|最终|最后|(?i:\b(?:therefore|thus|hence|finally|final|in conclusion|so)\b)"
)
CONCLUDED = re.compile(r"(?:因此|所以|故|综上所述|综上|(?i:\b(?:therefore|thus|hence|so)\b))[\s,:]*")
DOUBT = re.compile(
    r"如果|假如|假设|倘若|若是|若(?!干)|是否|无法|不能确定|不确定|不知道|不清楚|难以|有人|误认为|误选|误以为|容易选|易选|不要|除非|"
    r"(?i:\b(?:if|whether|unless|cannot|can't|could not|unable|unsure|not sure|don't know|do not know|might|some)\b)"
)
NEGATED_BEFORE = re.compile(
    r"(?:不|别|勿|并非|而非)(?:能|可|会|要|宜|应|该|当|应该|应当|可以)?$|(?:错误|不正确|不是|不是正确|并非正确|干扰)的?$|(?i:(?:\bnot|n't|\bnever)\s+(?:be\s+)?)$"
)
REVISION = re.compile(r"(?:^|(?<=[,。;!?\s]))不对|更正|纠正|修正|改为|重新|(?i:\b(?:wait|actually|correction|sorry)\b)")
REFUSAL = re.compile(
    r"抱歉|对不起|无法(?:回答|确定|判断|提供)|不能(?:回答|确定|提供)|不知道|不清楚|"
    r"(?i:\b(?:sorry|cannot|can't|unable|don't know|do not know|not able)\b)"
)
ENGLISH_NOT = re.compile(r"(?i:\bnot?\b|n't\b)")
AFTER = "项选是为对错正不因理而即这都均两三四五者吧呢啊哦了"
"""Han characters that may follow a label in a statement; any other (``B超``, ``AB型``) makes it part of a word."""
JUDGED_WRONG = re.compile(
    r"\s*(?:这|该|此)?(?:个|一)?(?:选?项)?(?:是|为)?(?:错|不对|不正确|不合适|不妥|不恰当|不符|有误)"
)
DISAGREE = "letter and option text disagree"
LATIN_AFTER = re.compile(r"(?i:because|since|is|are|and|as|with|which|for|due)\b")

EXPLAINED = re.compile(r"\s*[【\[(]?(?:答案)?(?:解析|分析|理由|说明|解释|原因|因为|(?i:explanation|reason|because))")
"""How an explanation begins; it may follow a label at once."""


class OptionReader:
    """The patterns of one set of options."""

    def __init__(self, options: tuple[tuple[str, str], ...]) -> None:
        self.texts = dict(options)
        self.labels = [label for label, _ in options]
        plain = {unicodedata.normalize("NFKC", label): label for label in self.labels}
        self.plain = plain | {label.lower(): kept for label, kept in plain.items()}
        names = "|".join(re.escape(label) for label in sorted(plain, key=len, reverse=True))
        one = rf"(?:[(\[【<\"“'][ \t]?)?(?:{names})(?:[ \t]?[)\]】>\"”'}}])?"
        tight = rf"{one}(?:[ \t]*(?:[、/+&]|以及|[和与及]|\band\b)?[ \t]*(?:选项)?{one})*"
        loose = rf"(?:[ \t]*[,;]\s*(?:and\s+|和|与|及|以及|还有)?{tight}(?=\s*(?:[,;。.!)\n]|$)))*"
        doubt = rf"(?P<or>(?:\s*(?:或者|或是|或|还是|\bor\b)\s*{one})+)?"
        self.one = re.compile(names)
        self.list = re.compile(rf"(?:选项)?\s*(?P<list>{tight}{loose}){doubt}(?![A-Za-z0-9])(?!-\w)")
        self.bare = re.compile(
            rf"\s*(?:选项|选|答|(?i:options?|choices?)(?=[\s:]))?[\s:]*(?P<list>{tight}(?:\s*[,;]\s*{one})*)\s*(?:选?项)?\s*[。.!)、]*\s*"
        )
        self.low = re.compile(rf"\s*(?:(?i:option|choice)\s+)?[(\[]?(?P<list>{names.lower()})[)\].。]?\s*")
        self.low_after = re.compile(rf"\s*[(\[]?(?P<list>{names.lower()})[)\]]?(?=\s*(?:[.。!\n]|$))")
        self.lead = re.compile(
            rf"\s*(?P<list>{one})(?P<mark>[ \t]*[.。,:)、]|(?={EXPLAINED.pattern})|[ \t]*(?=\()|[ \t]+|\n|$)\s*"
        )
        self.low_lead = re.compile(rf"\s*(?:(?i:option|choice)\s+)?[(\[]?(?P<list>{names.lower()})[)\].、:]")
        self.alone = re.compile(rf"(?<![A-Za-z0-9])(?:{names})(?![A-Za-z0-9])")
        self.more = re.compile(rf"[^\S\n]*\n\s*(?P<list>{one})[ \t]*[.。]?[ \t]*(?:\n|$)")
        self.also = re.compile(
            rf"[,;](?:[^。\n]*[,;])?\s*(?:但|不过|而)?(?:(?:是)?(?:{one})(?:选?项)?(?:也|同样)?(?:是)?(?:可能|可以|正确|对|行)"
            rf"|(?:也|还)(?:有)?(?:可能|可以|可)(?:是|为|选)?\s*(?:{one}))"
        )
        self.next = re.compile(rf"(?:[\s、,;)\]】]|以及|[和与及])*(?P<list>{one})")
        self.judged = re.compile(
            rf"(?<![A-Za-z0-9])(?P<list>{tight})\s*(?:选?项)?[^,。;!?\n]{{0,6}}?"
            rf"(?:(?P<no>不正确|不对|错误|有误|不符合|错|(?i:is (?:incorrect|wrong|not correct)))"
            rf"|(?P<yes>(?:是)?(?:正确|对的)|(?i:is (?:the )?(?:correct|right|best))))"
        )
        keys = {label: normalise_for_comparison(text) for label, text in options}
        self.keys = {label: key for label, key in keys.items() if key and not self._is_label(key)}

    def _is_label(self, key: str) -> bool:
        return all(character.upper() in self.plain for character in key)

    def named(self, text: str) -> list[str]:
        """The labels in a matched list, as the source labels them, in the order of mention."""
        return [self.plain[found] for found in self.one.findall(text) or self.one.findall(text.upper())]

    def goes_on_with_text(self, label: str, rest: str) -> bool:
        """Whether what follows a label is that option's own text."""
        return self.text_end(label, rest) > 0

    def text_end(self, label: str, rest: str) -> int:
        """Where the option's own text ends that follows its label; 0 where it does not follow."""
        key = normalise_for_comparison(self.texts[label])
        for end in range(1, min(len(rest), 2 * len(self.texts[label]) + 8) + 1 if key else 1):
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

    def mentions(self, text: str) -> set[str]:
        """Labels that stand alone in a text, outside of option texts that hold a letter (``维生素 C``)."""
        for option in self.texts.values():
            if not self._is_label(normalise_for_comparison(option)):
                text = text.replace(unicodedata.normalize("NFKC", option), "\n")
        return {self.plain[name] for name in self.alone.findall(text)}
