"""The one label that an answer singles out in words that no marker foresees ("妥妥的C", "B stands out").

Every clause that names a label is weighed: it denies the label, speaks for it, or only mentions it. The label counts
where it is the only one that is spoken for, nothing doubts it, and no other is mentioned behind it but as denied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from huatuo.eval.choice_asserted import Named, named_texts
from huatuo.eval.choice_options import OptionReader
from huatuo.eval.choice_patterns import AFTER, AFTER_TEXT, DENIES, DOUBT, HEDGED, REVISION, UNSAID, UNSURE
from huatuo.eval.choice_stated import conditional
from huatuo.eval.choice_text import Statement, View

CLAUSE = re.compile(
    r",(?!\s*(?:hands down|for sure|no doubt|definitely|clearly|obviously|I (?:believe|think|guess|say)|没有?疑问"
    r"|毫无疑问|没错|没问题|肯定|准没错))"
    r"|[。;!?\n…]|—{2,}|\.(?=\s|$)"
)
SURE = (
    r"(?:肯定|一定|必然?|必须|当然|显然|明显|无疑|妥妥|稳稳|绝对|自然|毫无疑问|毫无悬念|(?:百分之百|100%))(?:地"
    r"|的)?"
)
FOR_BEFORE = re.compile(
    rf"(?:{SURE}(?:就|应该|应)?(?:是|选|为)?"
    r"|(?:那|这题|本题|此题|还|我|现|故|则|应|当|可|须|需|再|直接|果断|坚定|最后|最终)*(?:就|(?<![A-Z])还是|只能"
    r"|只有|唯有|惟有|仅有)(?:是|选|剩|剩下|选项)?"
    r"|(?:选|站|投|挑|押|勾|圈|涂|打勾|给|填|写|支持|拥护|留下?|剩下?|保留|敲定|落定|归|归于|归结为|得出"
    r"|得到)(?:了|给|到|在|的是)?"
    r"|(?:吻合|相符|符合|一致|匹配|契合|对应|对应于|对应到|对得上|映射到|最接近|最像|最贴近|等于|相当于"
    r"|可对应)(?:的)?(?:是|为|只有|就是|选项|到|上)*"
    r"|(?:标答|正答|正解|最佳|最优|最优解|最佳解|首选|最终|结果|最可能|最合适|最恰当|诊断|(?:综合)?判断|结论)(?:项"
    r"|选项|答案)?(?:是|为|就是|应是|:|-)*"
    r")[\s:(\[「“\"'选项第]*$"
)
FOR_BEFORE_LATIN = re.compile(
    r"(?i:(?:^|[\s:(\"'])(?:definitely|certainly|surely|obviously|clearly|absolutely|undoubtedly|final(?:ly)?"
    r"|hence|thus"
    r"|therefore|so|yes|only|just"
    r"|lean(?:ing)?(?: towards?)?|going (?:for|with)|went with|go for|money on|bet(?:ting)? (?:is )?on|vote (?:is"
    r"|goes) (?:to|for)|vote:"
    r"|settling on|settled on|sticking with|stick with|decided on|down to|narrow(?:s|ed)? (?:it )?(?:down )?to"
    r"|gives|giving|yields|leads? (?:me |us )?to|brings? (?:me |us )?to|left with|leaving|matches|fits|supports?"
    r"|favou?rs?|selected|chosen|predict(?:ion|ed)|pick|(?:is|it's) option)"
    r"[\s:\"'(*]*(?:option|choice|answer|letter)?[\s:\"'(*]*)$"
)
FOR_BEHIND = re.compile(
    r"\s*(?:选?项)?[)\]」”\"']?\s*(?:(?:完全|显然|明显|无疑|才|就|也就|则|为|是|当然|确实|的)*"
    r"(?:没跑|跑不了|胜出|入选|当选|选上|中选(?=$|[,。;!了])|稳|无疑|准没错|没错|没问题|莫属|最|更(?:为|加)?(?:合"
    r"|贴|符|支持|可能|恰|准|佳|优|接近)|更?契合|更?吻合"
    r"|更?符合|匹配|相符|一致|对应|成立|正解|正选|标答|正答|答案|正确|对(?=$|的|了)|可能性(?:最|更|较)?[大高]"
    r"|符合题[意干])"
    r"|(?i:(?:clearly |definitely |most )?(?:seems?|looks|appears|sounds|feels)\s+(?:\w+\s+)?(?:right|correct|best"
    r"|likely"
    r"|most|appropriate|good)|(?:would be|is|will be|remains)\s+(?:clearly |definitely |thus |therefore )?"
    r"(?:preferred|better|my|what i|what we|the one|the (?:correct|right|better|best|most|more|only|clear|obvious)"
    r"|the answer|left|correct|right|best|it\b)"
    r"|stands out|it is\b|is(?=\s*[.!])|wins|best (?:fits|matches|explains|describes)|fits(?=[,.!]|$)"
    r"|fits (?:best|the)|matches (?:best|the)|(?:more|most) likely"
    r"|,?\s*(?:for sure|no doubt|definitely|clearly|obviously|hands down|I (?:believe|think|guess|say))"
    r"|all the way|makes (?:the most )?sense))"
)
START = re.compile(
    r"(?:^|[\u3400-\u9fff:)\]」”]|(?i:\b(?:that|so|thus|hence|therefore|option|choice|answer|letter|yes|and|but"
    r"|only|makes?|suggests?))\s)"
    r"[\s(\[「“\"'*]*(?:选项|(?i:option|choice)\s)?\s*$"
)
"""What may stand before a label that its clause speaks for: the beginning, Chinese, or a word that leads an option in;
anything else makes the letter part of a name ("Hepatitis B", "group B")."""
NAMES = re.compile(
    r"(?:维生素|血型|分[级期型]|[分等]级|方案|附录|图|表|版|代码|[病院诊科大][楼区]|[ABCDE]区|[楼座区院]|血清型"
    r"|第)\s*[为是]?\s*$"
)
"""Chinese words that a letter behind them belongs to."""


@dataclass(frozen=True)
class Mention:
    """One label in a clause."""

    label: str
    start: int
    end: int
    stance: str
    """``for``, ``denied``, ``mentioned``, or ``closing`` where it is all of the last clause."""


def singled_out(view: View, reader: OptionReader, kind: str) -> Statement | None:
    """The only label of a single answer that its clauses speak for."""
    if kind == "multiple":
        return _headed_list(view, reader)
    if DOUBT.search(view.text) or HEDGED.search(view.text) or UNSURE.search(view.text):
        return None
    found = list(mentions(view.text, reader))
    chosen = [one for one in found if one.stance == "for"]
    if not chosen:
        chosen = [one for one in found if one.stance == "closing"]
        if any(one.stance == "mentioned" and one.label != chosen[0].label for one in found if chosen):
            return None
    if not chosen or len({one.label for one in chosen}) > 1:
        return None
    last = chosen[-1]
    behind = [one for one in found if one.start > last.start]
    if any(one.stance in ("mentioned", "closing") and one.label != last.label for one in behind):
        return None
    if any(one.stance == "denied" and one.label == last.label for one in found):
        return None
    if REVISION.search(view.text, last.end) or re.match(r"[^,。;!\n]{0,6}\?", view.text[last.end :]):
        return None
    if reader.other_text(last.label, view.text[last.end :]) or conditional(view.text, last.start):
        return None
    return Statement(frozenset([last.label]), last.start, last.end, 1, "singled out")


def _headed_list(view: View, reader: OptionReader) -> Statement | None:
    """Labels that are all of the last line behind a heading ("高代谢表现：A、B、C")."""
    line = view.text.rstrip().rpartition("\n")[2]
    head, colon, _ = line.partition(":")
    match = reader.bare.fullmatch(line, len(head) + 1) if colon else None
    if (
        match is None
        or NAMED_THING.search(head)
        or re.search(DENIES, head)
        or UNSAID.search(head)
        or DOUBT.search(line)
    ):
        return None
    named = reader.named(match["list"])
    start = len(view.text.rstrip()) - len(line) + match.start("list")
    if not 1 < len(set(named)) < len(reader.labels) or reader.mentions(view.text) - set(named):
        return None
    return Statement(frozenset(named), start, start + len(match["list"]), 1, "singled out")


def singled_text(view: View, reader: OptionReader, kind: str) -> Statement | None:
    """The only option of a single answer whose text its clauses speak for, where no other text stands behind it but as
    denied and no other label at all."""
    if kind != "single" or DOUBT.search(view.text) or HEDGED.search(view.text) or UNSURE.search(view.text):
        return None
    named = named_texts(view.text, reader)
    chosen = [
        one
        for one in named
        if not one.denied and _text_is_for(view.text, one, len({other.label for other in named}) == 1)
    ]
    if not chosen or len({one.label for one in chosen}) > 1:
        return None
    last = chosen[-1]
    if any(one.label != last.label and not one.denied and one.start > last.start for one in named):
        return None
    if reader.mentions(view.text) - {last.label} or REVISION.search(view.text, last.end):
        return None
    if re.match(r"[^,。;!\n]{0,20}\?", view.text[last.end :]):
        return None
    return Statement(frozenset([last.label]), last.start, last.end, 1, "singled out text")


def _text_is_for(text: str, one: Named, alone: bool) -> bool:
    """Whether the clause of an option's text speaks for it; an arrow only where no other option is named."""
    before = CLAUSE.split(text[max(0, one.start - 60) : one.start])[-1]
    if UNSAID.search(before):
        return False
    behind = CLAUSE.split(text[one.end : one.end + 60])[0]
    if TEXT_FOR.match(behind):
        return True
    if ONLY.search(before):
        return True
    return bool(FOR_TEXT.search(before) and AFTER_TEXT.match(behind)) and (alone or not ARROW.search(before))


ONLY = re.compile(
    r"^\s*(?:(?:本题|这些|以上|上述)?(?:选项)?(?:里|中|其中)?)?(?:只有|唯有|惟有|仅有|(?i:\bonly))\s*[\"“「'《(]*$"
)
"""What opens a clause that leaves one option."""
ARROW = re.compile(r"[=⇒→>]\s*$")


def mentions(text: str, reader: OptionReader) -> Iterator[Mention]:
    """Every label that stands alone, outside of option texts and of words, with the stance of its clause."""
    plain = reader.article.sub(lambda match: " " * len(match[0]), _without_texts(text, reader))
    place = 0
    for stop in [match.end() for match in CLAUSE.finditer(plain)] + [len(plain)]:
        clause = plain[place:stop]
        for match in reader.alone.finditer(clause):
            stance = _stance(clause, match.start(), match.end())
            if stance == "mentioned" and _closes(text, place, clause, match):
                stance = "for" if "是" in clause else "closing"
            if stance:
                yield Mention(reader.plain[match[0]], place + match.start(), place + match.end(), stance)
        place = stop


def _closes(text: str, place: int, clause: str, match: re.Match[str]) -> bool:
    """Whether a clause behind others, none of them the number of an item, is nothing but a label."""
    before = clause[: match.start()]
    led = HEADED.search(before) and not NAMED_THING.search(before) and not re.search(DENIES, before)
    whole = (IS_IT.match(before) or led) and re.match(r"[)\]」”\"'*]*\s*[,。;!.\n…—]*$", clause[match.end() :])
    last = not text[place + len(clause) :].strip() or "是" in clause
    return bool(whole) and last and (bool(led) or place > 3) and not re.search(r"\d\s*[.]\s*$", text[:place])


def _without_texts(text: str, reader: OptionReader) -> str:
    """The text with blanks for the options' texts, so that a letter in one is no label."""
    for label in sorted(reader.keys, key=lambda one: -len(reader.texts[one])):
        own = reader.texts[label]
        text = re.sub(re.escape(own), " " * len(own), text, flags=re.IGNORECASE) if own else text
    return text


def _stance(clause: str, start: int, end: int) -> str:
    """What a clause says of a label in it; empty where the letter is part of a word."""
    before, behind = clause[:start], clause[end:]
    spoken = FOR_BEHIND.match(behind)
    if NAMES.search(before):
        return ""
    if "\u3400" <= behind[:1] <= "\u9fff" and behind[0] not in AFTER and not spoken and not GOES_ON.match(behind):
        return ""
    left = behind[spoken.end() :] if spoken else behind
    if re.search(DENIES, before) or re.search(DENIES, left) or NOT_IT.search(before + " " + left):
        return "denied"
    if UNSAID.search(clause):
        return "mentioned"
    if spoken and START.search(before):
        return "for"
    return (
        "for" if ENDS.match(behind) and (FOR_BEFORE.search(before) or FOR_BEFORE_LATIN.search(before)) else "mentioned"
    )


ENDS = re.compile(r"\s*(?:选?项)?[)\]」”\"'*]*\s*(?:了|吧|哈|啦|上|无疑|无误|没错|呗)?\s*[,。;!.\n…—]*$")
"""What may follow a label up to the end of its clause."""
IS_IT = re.compile(r"\s*(?:那|就|应该|应|还|该|当)*是?\s*(?:选项)?[(\[「“\"']*$")
"""The beginning of a later clause that is nothing but a label, with or without "is"."""
FOR_TEXT = re.compile(
    r"(?:(?:典型|经典|标准|地道)的?|确诊为?|可诊断为?|(?:当|须|则|法当|急|宜|应|可)[用投]|[主首]推|[=⇒→]"
    r"|[就正才便]是|[得患]的是"
    r"|对应的?是?|锁定|(?i:\b(?:classic|typical|characteristic|pathognomonic|diagnostic) (?:for|of)|\bclassic"
    r"|\bmust be"
    r"|\b(?:this|the) (?:patient|child|infant|boy|girl|man|woman|baby) (?:(?:most )?(?:likely|probably)"
    r"|clearly)? ?has))"
    r"\s*(?:an?\s|the\s)?[\"“「'《(]*$"
)
TEXT_FOR = re.compile(
    r"[\"”」'》)]?\s*(?:\([^()]*\))?\s*(?:(?:才|就|则|应|应该|无疑|显然)?(?:是|为)?(?:最|更)[^,。;]{0,6}(?:诊断"
    r"|选项|答案|可能|合适|恰当"
    r"|符合|佳|贴切|合理|支持|考虑)|(?:才|就|应)?(?:是|为)(?:正确|最终|本题|本例|最佳)?的?(?:答案|选项|诊断|正解)"
    r"|(?:完全|恰好|正好)?(?:符合题[意干]|当选|入选)|(?:可以|能够?|可)?(?:完全|很好地|圆满)?解释(?:所有|全部|上述"
    r"|以上|本例|题干)"
    r"|(?i:(?:is|would be|seems?(?: to be)?|remains|appears(?: to be)?)\s+(?:clearly |therefore |thus )?(?:the )?"
    r"(?:most|best|correct|right|likely|answer|diagnosis|(?:drug|treatment|test) of choice|first-line)"
    r"|(?:is|are|would be) (?:indicated|recommended|preferred|warranted|required|appropriate)|best (?:explains"
    r"|fits|accounts|matches|describes)|explains (?:all|the|these|this|everything)|fits (?:best|the)"
    r"|matches (?:best|the)))"
)
"""What speaks for an option's text right before and right behind it."""
HEADED = re.compile(r"\w[^:\n]{0,40}:\s*(?:选项)?[(\[「“\"']*$")
NAMED_THING = re.compile(
    r"型|[分等]?级|期|组|代码|编号|版|类|[室楼区座号]|附|图|表|见|(?i:code|type|grade|class|stage|group|level|plan"
    r"|room|clinic|building"
    r"|section|fig|error|version|see|appendix|table|part|note|question|q\d)"
)
"""What a letter behind a colon names instead of an option."""
GOES_ON = re.compile(r"(?:选?项|吧|哈|啦|了|上(?=[,。;!\n]|$))")
NOT_IT = re.compile(
    r"不|可能性(?:很|较|更|最)?[低小]|不支持|[误错]|(?i:\b(?:wrong|incorrect|(?:is|are|ruled?|rules) out|unlikely"
    r"|eliminat\w*|neither|nor|false)\b)"
)
