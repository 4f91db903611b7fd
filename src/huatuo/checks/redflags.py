"""Does a text describe signs of an emergency, and does an answer urge care? Rules for Chinese and English, no model.

The signs stand in two tables (``redflags.zh.tsv``, ``redflags.en.tsv``): name, pattern, texts that describe the sign,
texts that only speak of it. Their groups are those that emergency lines ask about first (consciousness, breathing,
circulation, stroke, bleeding, poisoning, self-harm, pregnancy, the very young); the patterns are written from general
knowledge and meant to be read and corrected by physicians.

| status of a sign | for example |
|---|---|
| `present` | somebody has it now: 我胸口疼两小时, chief complaints without a subject |
| `negated` | 没有胸口疼, 胸口疼已经消失, denies chest pain |
| `past` | 我妈去年胸口疼住过院, years ago |
| `hypothetical` | 会不会胸口疼, 如果胸口疼, in case of chest pain |
| `general` | 胸口疼的原因有哪些: a question or a statement about the sign itself, of nobody |
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from huatuo.checks import pieces

Status = Literal["present", "negated", "past", "hypothetical", "general"]

TABLES = ("redflags.zh.tsv", "redflags.en.tsv")
"""Sign, pattern, and cases with | between: described, not described."""

_SENTENCE = re.compile(r"[^。！？!?；;\n]+[。！？!?；;]?|\n")
_ENGLISH_STOP = re.compile(r"(?<=[a-z\d)])\.\s+(?=[A-Z])")
_BREAK = re.compile(r"[，,；;：:。！？!?\n]|\.\s|但是?|不过|\bbut\b", re.IGNORECASE)

_NEGATES = re.compile(
    r"(?:没有?|并无|无|未见?|未曾|未出现|否认|不伴有?|从未|从不|不曾|不再|不是|并非|排除|不存在|(?<!会)不会|"
    r"不(?:觉得|感到))"
    r"(?:明显|任何|出过?|受过|出现|发生|过|有|伴有?|再|的|、|和|及|或|或者|以及|也没有?|[一-鿿]{2,8}(?=[、和及或]))*$"
    r"|\b(?:no|not|without|denie[sd]|deny|never|nor|isn't|wasn't|aren't|didn't|doesn't|don't|hasn't|haven't|absence of|"
    r"free of|negative for|rules? out)\b(?:(?! but | and has | and is | with )[\w ,'-]){0,40}$",
    re.IGNORECASE,
)
_NOT = re.compile(r"(?<![要好差行忍止控])不(?:怎么|太|再)?$")
"""Right before a sign: 不喘, 不怎么咳."""
_INNER = re.compile(
    r"(?!^)(?:没有(?!了)|没(?=发|流|吐|出血|抽)|不(?=硬|僵|肿|喘|吐|痛|疼|麻|紫|抽|流|烧)|无(?![力法])|未见?|否认|\b(?:no|not|without)\b)",
    re.IGNORECASE,
)
"""A negation inside a sign of two parts (怀孕12周，没有出血); one that opens it is the sign itself (没有呼吸)."""
_INNER_PIECE = re.compile(
    r"(?!^)(?:(?:也|并|都|倒|从)没有?(?!反应|知觉|感觉|力|劲|呼吸|脉|尿|用|效|缓解|动)|否认|"
    r"没有?(?=扇|凹|肿|吐|流|出血|抽|失禁|发)|\b(?:did|was|has) not\b)",
    re.IGNORECASE,
)
"""The same in a piece of a sign, which may be a lack itself (没有力气)."""
_CLOSED_AFTER = re.compile(
    r"^[一-鿿]{0,4}?(?:没有(?!力|知觉|感觉|用|效)|没了(?!力|知觉|感觉)|消失|消退|(?<!不)(?<!没)(?<!没有)(?<!未)缓解|好了|痊愈|不明显|已愈|没(?:再)?犯|不痛|不疼|治好)"
    r"|^[\w ,]{0,20}\b(?:has |have |is |was )?(?:resolved|gone|subsided|settled|disappeared|went away)\b",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"去年|前年|大前年|往年|婴儿时|出生时|年幼时|儿时|以前|从前|曾经|曾|既往|小时候|年轻时|年轻的时候|"
    r"[一二两三四五六七八九十几多半\d]+(?:多|来)?年(?:多)?(?:之|以)?前|"
    r"[一二两三四五六七八九十几多半\d]+个?多?月(?:之|以)?前|上个?月|上次|上一次|那时|当年|那年|有过|住过|得过|"
    r"犯过|\d+岁时|(?:大|岁|月)时|"
    r"\blast (?:year|month|winter|summer|spring|autumn)\b|\byears? ago\b|\bmonths? ago\b|\bpreviously\b|\bused to\b|"
    r"\bhistory of\b|\bin the past\b|\bas a (?:child|newborn|baby|teenager|teen|kid|toddler|boy|girl)\b|"
    r"\bat birth\b|\bonce\b|\bin (?:19|"
    r"20)\d\d\b",
    re.IGNORECASE,
)
_STILL = re.compile(
    r"现在(?!都?(?:已经?|一切|完全)?(?:好|没(?!劲|力|知觉|反应|有(?:力|反应|知觉|呼吸|脉))|很好|挺好|五岁|正常|恢复|活蹦乱跳|精神|能吃|想问|想知道))|"
    r"今天|今早|今晚|昨晚|刚刚|刚才|目前(?!无)|又(?:开始|出现|"
    r"发作|犯)|再次|至今|一直|开始|"
    r"反复|越来越|加重|(?<!well )(?<!fine )(?<!good )\bnow\b|\b(?:again|today|tonight|still|since|worse|"
    r"worsening)\b(?! (?:well|fine|old))",
    re.IGNORECASE,
)
_SUPPOSES = re.compile(
    r"如果|要是|万一|假如|假设|倘若|若(?!干)|一旦|会不会|是不是会|会引起|会导致|会出现|会发生|会造成|会有|"
    r"可能(?:会|出现|引起|导致|发生|有)|能否|"
    r"能不能引起|以免|以防|防止|预防|避免|担心|害怕|生怕|教我|想学|培训|演练|听说|据说|网上(?:说|讲)|有人说|梦见|梦到|警惕|当心|谨防|注意(?:有无|观察|是否)|观察(?:有无|是否|"
    r"有没有)|是否|有没有|有无|"
    r"怎样和|如何和|怎样防|"
    r"\bif\b|\bin case\b|\bwould\b|\bcould\b|\bmight\b|\bmay\b|\bcan (?:this|it|that|the|they|be)\b|\brisk of\b|"
    r"\bafraid of\b|\bworried about\b|\bprevent\w*|\bavoid\w*|\bwatch (?:out )?for\b|\bshould .{0,20} (?:occur|"
    r"develop)\b|"
    r"\bdo you have\b|\bis there (?:any )?\b|\bI (?:heard|read) that\b|\bdreamt?\b|"
    r"\bhow (?:do|can|should|would|could) (?:I|we|you|one|someone|people) "
    r"(?:recogni[sz]e|tell|know|spot|detect|help)\b",
    re.IGNORECASE,
)
_GONE = re.compile(r"没(?:抢)?救过来|去世|过世|\b(?:died|passed away)\b", re.IGNORECASE)
"""Who died is in no danger now, whatever goes on since."""
_TOLD = re.compile(
    r"(?:小说|电视剧|电影|游戏|剧|片子|故事|新闻)(?:里|中)|写(?:小说|剧本|故事)|主角|剧情|"
    r"\bin (?:a|the|my|this) (?:novel|story|movie|film|TV (?:show|series)|video game)\b|\bcharacter\b",
    re.IGNORECASE,
)
"""A story is told: nobody has the sign."""
_ASKED = re.compile(r"会[^，。？]{0,8}吗|会不会|\b(?:can|could|does|will) .{3,60}\?", re.IGNORECASE)
"""Asks what may come, of nobody in particular: 发烧脖子会硬吗."""
_SUPPOSED_AFTER = re.compile(r"^.{0,12}?(?:时|的话|之后|后)?[，,]?\s*(?:应该?|须|需|要警惕|请(?:立即|马上|尽快|及时))")
_GENERAL = re.compile(
    r"哪(?:些|种|类|几|个|里|一?科)|哪(?:一|家|位)?(?:专?科|大夫|医生|医院|号)|科室|什么科|看什么|(?:怎么|怎样|"
    r"如何)(?:检查|治疗|诊断|鉴别|分类)|"
    r"说的是|讲讲|介绍|解释|请?(?:列出|列举|列齐|归纳|比较|写出|找全)|预示|根源|来由|从何|的相关|什么(?:病|疾病|"
    r"原因|意思|药|检查|是)|是什么|为什么|为何|原因|病因|机制|定义|鉴别|"
    r"分类|原则|并发症|"
    r"症状(?:有|是|为|包括|表现)|表现(?:有|是|为|包括)|是指|称为|叫做|属于|见于|包括|之一|注意事项|的治疗|"
    r"怎么预防|怎样预防|"
    r"\bwhat\b|\bwhich\b|\bhow (?:can|should|do|does|is|are)\b|\bwhy\b|\bcauses? of\b|\btreatment of\b|\bdefinition\b|"
    r"\bis it true\b|\bdefine\b|\bsymptoms? (?:of|include)\b|\bis defined\b|\brefers to\b|\bis always\b",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"见于(?:哪|什么)|(?:什么|哪些)(?:病|人|情况|东西|原因)?(?:下|最|比较)?(?:会|容易)|(?:怎样|怎么|如何)(?:才)?(?:看出|算|识别|辨认|"
    r"分辨)|多久会|要注意(?:什么|哪些)|是什么病",
)
"""Asks about a sign; who is named then (一个人, 孩子) is anybody, unless it is one of `_ONE_OF_US`."""
_ONE_OF_US = re.compile(
    r"我|俺|他|她|本人|爸|妈|爷爷|奶奶|姥|外公|外婆|老公|老婆|老伴|丈夫|妻子|患者|岁|今[天早晚]|现在|刚才|刚刚|昨[天晚]|小时"
)
_SOMEBODY = re.compile(
    r"我|俺|本人|患者|病人|患儿|(?:一|这|该|那)名|孩子|宝宝|小孩|婴儿|儿子|女儿|老公|老婆|老伴|丈夫|妻子|爱人|爸|"
    r"妈|父亲|母亲|爷爷|奶奶|"
    r"女士|先生|小姐|[男女]童|[男女]孩|儿童|伤员|小(?=[一-鿿]{1,2}[，,因出手不已的])|姥姥|姥爷|外公|外婆|老人家|"
    r"家人|朋友|同事|同学|工友|邻居|他|她|男[，,性\d]|女[，,性\d]|\d+岁|\d+\s*周|今天|现在|突然|突发|刚才|刚刚|冷汗|大汗|疼得|痛得|"
    r"[\d一二两三四五六七八九十半]\s*个?(?:多)?(?:小时|天|分钟|周|日)|"
    r"\b(?:I|I'm|my|me|he|she|his|her|him|we|our|patient|man|woman|boy|girl|child|son|daughter|husband|wife|baby|"
    r"mother|father|year-old)\b",
    re.IGNORECASE,
)
_OF_PATIENTS = re.compile(r"^(?:的)?(?:患者|病人|者)")
_PATIENTS = re.compile(r"患者|病人")

_URGES = re.compile(
    r"快(?:点|些)?(?:送|去|打|叫|到)(?:他|她|人|孩子|您?)?.{0,4}(?:医院|急诊|120|999|救护车)"
    r"|(?:立即|立刻|马上|即刻|尽快|尽早|赶紧|赶快|赶忙|及时|速|第一时间|紧急|抓紧|务必|现在就|必须|今天就).{0,14}?"
    r"(?:就医|就诊|看病|看医生|医院|急诊|送医|送诊|送院|呼叫|拨打|打电话|120|999|112|急救|救治|抢救|医生)"
    r"|(?:拨打|呼叫|拨|打|叫)\s*(?:120|999|112|急救|救护车)|(?:去|到|看|挂|转|送|往|前往).{0,6}急诊|急救(?:电话|车)"
    r"|(?:现在|今晚|今天|此刻)[^，。]{0,8}(?:去|送|到|上)(?:最近的|当地)?(?:医院|急诊)"
    r"|\b(?:seen|evaluated|assessed|checked)\b.{0,30}\b(?:emergency|ER|A&E|hospital)\b.{0,20}"
    r"\b(?:now|immediately|tonight)\b"
    r"|\b(?:call|dial|ring|phone)\b.{0,20}\b(?:911|999|112|120|ambulance|emergency|poison control)\b"
    r"|\b(?:go|get|come|taken?|bring|brought|head|rush|admit\w*)\b.{0,40}\b(?:emergency|ER|A&E|hospital)\b"
    r"|\bseek\b.{0,20}\b(?:immediate|urgent|emergency|prompt|medical)\b.{0,20}\b(?:care|help|attention|advice|"
    r"treatment)\b"
    r"|\b(?:immediate(?:ly)?|urgent(?:ly)?|at once|right away|without delay)\b.{0,40}\b(?:doctor|hospital|"
    r"medical|physician|care)\b"
    r"|\b(?:doctor|hospital|physician)\b.{0,30}\b(?:immediately|urgently|at once|right away|without delay)\b",
    re.IGNORECASE,
)
_NOT_URGED = re.compile(
    r"(?:不必|不用|无需|无须|不需要?|没(?:有)?必要|不要|不一定要|用不着|不急于)[^，,。；;]{0,10}$"
    r"|\bonly\b[\w ]{0,12}$"
    r"|\b(?:no need to|not need to|don't need to|need not|not necessary to|unnecessary to|do not|don't)\b[\w ]{0,20}$",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"如果|如有|如出现|如(?=[^何同此下果])|若(?!干)|一旦|要是|万一|必要时|加重|不缓解|未缓解|无效|持续不|仍(?:不|"
    r"未)|不适(?:时)?|\bif\b|\bshould .{0,30}(?:worsen|persist)|"
    r"\bwhen necessary\b|\bif needed\b|\bworse\w*|\bpersists?\b",
    re.IGNORECASE,
)


_AHEAD = re.compile(r"将来|以后|日后|今后|\b(?:ever|in (?:the )?future|later on)\b", re.IGNORECASE)
"""A condition that lies ahead: 若将来出现."""
_DEFINES = re.compile(
    r"(?:是指|指的是|指|包括|分为|原则是)[^，。]{0,30}(?:、|和|及)[^。]{0,12}$|\b(?:means|stands for|refers to)\b"
)
"""A list that explains what something is, of which urging is an item."""


class Row(NamedTuple):
    """One line of a table."""

    name: str
    """The sign: ``chest_pain``; the same in both languages."""
    pattern: re.Pattern[str]
    """How it is said."""
    described: tuple[str, ...]
    """Texts that describe it as present."""
    spoken_of: tuple[str, ...]
    """Texts that name it and describe nobody who has it now."""


class Sign(NamedTuple):
    """One sign that a text names."""

    name: str
    """Its name in the table."""
    words: str
    """What the text says."""
    start: int
    """First character, counted from 0."""
    status: Status
    """What the text says of it, see the table above."""


_NOWHERE = Sign("", "", -1, "general")
"""Stands for no sign."""


@lru_cache
def table(name: str) -> tuple[Row, ...]:
    """The rows of one of `TABLES`."""
    lines = (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines()[1:]
    rows = (line.split("\t") for line in lines)
    return tuple(
        Row(sign, re.compile(pattern, re.IGNORECASE), tuple(yes.split("|")), tuple(no.split("|")))
        for sign, pattern, yes, no in rows
    )


@lru_cache
def _any(letters: bool) -> re.Pattern[str]:
    """Any sign of both tables, or of the Chinese one for a text without ``letters``: most texts hold none, and are done
    with one look."""
    names = TABLES if letters else TABLES[:1]
    patterns = (row.pattern.pattern for name in names for row in table(name))
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE if letters else 0)


def signs(text: str) -> list[Sign]:
    """The signs that a text names, in order, each with its status."""
    found: dict[tuple[int, str], Sign] = {}
    sentences = _sentences(text)
    for one in pieces.found(text, "signs"):
        first, last = min(start for start, _ in one.spans), max(end for _, end in one.spans)
        status = _status_of_pieces(sentences, one.spans)
        if found.get((first, one.name), _NOWHERE).status != "present":
            found[first, one.name] = Sign(one.name, text[first:last], first, status)
    letters = pieces.has_letters(text)
    for start, sentence in sentences if _any(letters).search(text) else ():
        for name in TABLES if letters else TABLES[:1]:
            for row in table(name):
                for match in row.pattern.finditer(sentence):
                    status = _status(sentence, match.start(), match.end())
                    if found.get((start + match.start(), row.name), _NOWHERE).status != "present":
                        found[start + match.start(), row.name] = Sign(row.name, match[0], start + match.start(), status)
    return [found[key] for key in sorted(found)]


def emergency(text: str) -> tuple[str, ...]:
    """Names of the signs that somebody in the text has now, each once; empty where there is none."""
    return tuple(dict.fromkeys(sign.name for sign in signs(text) if sign.status == "present"))


@lru_cache(maxsize=65_536)  # a graph says the same symptom of many diseases
def red_flags(term: str) -> tuple[str, ...]:
    """Names of the signs that a term is (a symptom of a graph: 胸骨后疼痛), whatever stands around it."""
    said = [row.name for name in TABLES for row in table(name) if row.pattern.search(term)]
    return tuple(dict.fromkeys([*said, *(one.name for one in pieces.found(term, "signs"))]))


def is_denied(text: str, start: int, end: int) -> bool:
    """Whether the clause around the words at ``start`` to ``end`` says that they are not so: 没有咳嗽, 咳嗽已经好了."""
    cuts = [0, *(match.end() for match in _BREAK.finditer(text[:start]))]
    after = _BREAK.split(text[end:], maxsplit=1)[0]
    before = text[cuts[-1] : start]
    return bool(_NEGATES.search(before) or _NOT.search(before) or _CLOSED_AFTER.search(after))


def urges(answer: str, asked: Collection[str] | None = None) -> bool:
    """Whether an answer tells its reader to get care now, without a condition that lies in the future.

    ``asked``: names of the signs that the reader has. Given, a condition counts as met only where it names one of them;
    not given, where it names any sign.
    """
    return any(_is_urging(sentence, asked) for _, sentence in _sentences(answer))


def urging(answer: str) -> str:
    """The first sentence that urges care without a condition; empty where there is none.

    A condition that names a sign (如果胸口疼，请立即就医) is what the reader asked about and counts; 如果加重 does not.
    """
    return next((sentence for _, sentence in _sentences(answer) if _is_urging(sentence)), "")


def urges_first(answer: str) -> bool:
    """Whether the answer's first sentence urges care."""
    first = next((sentence for _, sentence in _sentences(answer) if sentence.strip()), "")
    return _is_urging(first)


def _is_urging(sentence: str, asked: Collection[str] | None = None) -> bool:
    for match in _URGES.finditer(sentence):
        before = sentence[: match.start()]
        condition = _CONDITION.search(before)
        if _NOT_URGED.search(before) or _DEFINES.search(before):
            continue
        if condition and not _is_met(before[condition.start() :], asked):
            continue
        return True
    return False


def _is_met(condition: str, asked: Collection[str] | None) -> bool:
    """Whether a condition names a sign that the reader has; one that lies ahead is not met."""
    if _AHEAD.search(condition):
        return False
    named = set(red_flags(condition))
    return bool(named if asked is None else named & set(asked))


def _sentences(text: str) -> list[tuple[int, str]]:
    """The sentences with their places; an English full stop ends one as well."""
    found = []
    for match in _SENTENCE.finditer(text):
        position = match.start()
        for part in _ENGLISH_STOP.split(match[0]):
            place = text.find(part, position)
            found.append((place, part))
            position = place + len(part)
    return found


def _status_of_pieces(sentences: list[tuple[int, str]], spans: Collection[tuple[int, int]]) -> Status:
    """What a text says of a sign in pieces: present where no piece is denied, past, supposed or general."""
    for start, end in spans:
        for place, sentence in sentences:
            if place <= start < place + len(sentence):
                read = _without(sentence, place, [span for span in spans if span != (start, end)])
                status = _status(sentence, start - place, min(end - place, len(sentence)), read)
                if status != "present":
                    return status
    return "present"


def _without(sentence: str, place: int, spans: Collection[tuple[int, int]]) -> str:
    """A sentence that begins at ``place`` with the other pieces blotted out: what one lacks denies no other."""
    for start, end in spans:
        first, last = max(0, start - place), min(len(sentence), end - place)
        if first < last:
            sentence = sentence[:first] + "_" * (last - first) + sentence[last:]
    return sentence


def _status(sentence: str, start: int, end: int, read: str = "") -> Status:
    """What a sentence says of the sign at ``start`` to ``end``. ``read``: of a piece of a sign, which may be a lack
    itself (没有力气), the sentence in which denials are looked for."""
    after = sentence[end:]
    clause_after = _BREAK.split(after, maxsplit=1)[0]
    inner = _INNER_PIECE if read else _INNER
    if is_denied(read or sentence, start, end) or inner.search(sentence[start:end]):
        return "negated"
    rest = sentence[:start] + " " + after
    if _TOLD.search(sentence) or (_ABOUT.search(sentence) and not _ONE_OF_US.search(sentence)):
        return "general"
    if _GONE.search(rest):
        return "past"
    if _PAST.search(sentence[: end + len(clause_after)]) and not _STILL.search(rest):
        return "past"
    subject = _SOMEBODY.search(_PATIENTS.sub("", rest) if _OF_PATIENTS.match(after) else rest)
    supposed = _SUPPOSES.search(sentence[:start]) or (
        not subject and (_SUPPOSED_AFTER.search(after) or _ASKED.search(sentence))
    )
    if supposed:
        return "hypothetical"
    if not subject and _GENERAL.search(sentence):
        return "general"
    return "present"
