"""What is wrong with a training pair by its wording alone: pure rules, a name and a message each.

Counts on HuaTuo's released 8,658 instructions: 87 answers with 根据知识 (`LEAK`), 48 answers of at most 5 characters,
284 answers without an end mark (a closing bracket is one, a semicolon is none), 52 questions that begin with a
reference to nothing (`LEADING`: 这, 那, 该 or 此 and a medical noun, or a pronoun; all 52 begin with 这 or 该). A rule
that takes 以上 and 上述 for demonstratives too finds a 53rd, record 127 counted from 0 (以上两个疾病的病因有何不同):
here that is an `unresolved_reference`. 637 questions hold a demonstrative and a medical
noun `ANYWHERE`, but of 100 such, labelled
by hand, only 12 name nothing that is meant: `unresolved_reference` looks for what is named before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from huatuo.checks import redflags
from huatuo.records import Message
from huatuo.text.pii import find as personal_data_in
from huatuo.text.zh import language

SHORTEST_ANSWER = 5
"""Characters: an answer of so many or fewer is a fragment (足, 男性, 氧)."""

SHORTEST_FOREIGN = 12
"""Characters of the shortest answer whose language is compared: a shorter one may be a name or a formula."""

LEAK = "根据知识"
_BASE_LEAK = "知识库"

_COUNT = r"(?:[一二两三四五几]?(?:个|种|些|类|位|款|名)|[二两三四五几])?\s*(?:常见|罕见|慢性|急性|严重)?的?"
_NOUN = r"(?:疾病|疾患|病症|病|药物|药品|药|症状|症|检查|情况|治疗|方法|手术|感染|肿瘤|癌症|综合征)"
LEADING = re.compile(
    rf"^\s*(?:请问|请|那么|关于|对于|针对|根据)?\s*(?:[这那该此]{_COUNT}{_NOUN}|"
    r"(?:它们?|其)(?!他|它|实|中|余)|[这那](?:两|几|三)(?:者|个|种)|[二两]者)"
)
"""A demonstrative and a medical noun, or a pronoun, at the beginning of the first question."""
ANYWHERE = re.compile(rf"(?<!应)(?:这|那(?!些)|该|此|以上|上述){_COUNT}(?P<noun>{_NOUN})(?P<after>[人例情者史程因]?)")
"""A demonstrative and a medical noun anywhere. 那些 is left out: it is mostly 哪些 misspelt."""
_NAMED = {
    "disease": re.compile(
        r"诊断|确诊|患有|患上|查出|发现|怀疑|疑似|可疑|推测|(?:检查|可能)[是为]|[炎瘤癌疹疮]|症(?!状)|征(?!象)|病(?![人例情史理房区变毒])|感染|障碍|不全|"
        r"狭窄|畸形|梗阻|异常|缺损|出血|积水|[损外]伤|患(?![者儿])|disease|syndrome",
        re.IGNORECASE,
    ),
    "手术": re.compile(r"术|切除|移植|置换|修补"),
    "检查": re.compile(r"[检查测]|CT|MRI|B超|超声|镜|线片|试验|造影"),
}
"""What names the thing that a noun refers to."""
_NOUN_KIND = dict.fromkeys(("疾病", "疾患", "病症", "病", "症", "感染", "肿瘤", "癌症", "综合征"), "disease")
_LEAST_BEFORE = 6
"""Characters before a reference to anything else (药物, 症状, 该病人) that may name it: a shorter text is a phrase."""

_END = re.compile(r"[。！？!?.…）)\]】」”\"'~～]\s*$")
"""What a sentence may end with; a semicolon or a colon wants another part (four of HuaTuo's answers end so)."""
_OPEN_END = re.compile(r"(?:[，、,：:（(“「\[【]|[和或与及]|包括|例如|比如|以及|并且|\b(?:and|or|the|of|with))\s*$")
_EXPONENT = re.compile(r"[×xX*]\s*10\d{1,2}\s*/\s*[LlμuU]")
_CHUNK = re.compile(r"[^。！？!?\n；;]+")
_SOURCE = re.compile(
    r"(?:根据|参考|依据|按照|基于|结合)(?:以上|上述|所给|给定|给出的?|所?提供的|该|这段|此|下面的?)?(?:参考)?"
    r"(?:文本|资料|材料|段落|文段|文章|上下文|文档)"
    r"|参考(?:文本|资料|材料|文献)(?:中|里|指出|显示|提到|所述|表明)"
    r"|(?:^|[，。；\s])(?:文中|上文|原文|本文|文本中|资料中)(?:提到|指出|所述|未|没有|并未|介绍|说明|提及|描述)"
    r"|\b(?:the|this) (?:given |provided |reference )?(?:text|passage|reference text|excerpt)\b"
    r"|according to the (?:given|provided|reference)\b",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"作为(?:一个|一名|一款)?(?:AI|人工智能|(?:大型?)?语言模型|智能助手)"
    r"|我(?:无法|不能|没有办法|没办法)(?:直接)?(?:回答|提供|给出|满足|协助|诊断|做出|判断)"
    r"|^(?:很|非常)?(?:抱歉|对不起)[，,]?\s*(?:但|我|这|无法|不能|您)"
    r"|\bas an? (?:AI|artificial intelligence|(?:large )?language model)\b"
    r"|\bI(?:'m| am)? (?:cannot|can't|can not|unable to|not able to) (?:answer|provide|help|assist|give|comply)"
    r"|^(?:I'm |I am )?sorry, (?:but )?I\b",
    re.IGNORECASE,
)
_AMOUNT = r"\d+(?:\.\d+)?(?:\s*[-~～–至到]\s*\d+(?:\.\d+)?)?"
_NO_UNIT = re.compile(
    r"(?:每次|一次|每日|每天|一日|日服|顿服|口服|肌注|静滴|静注|(?:剂量|用量|单次量)(?:为|是|:|：)?)\s*"
    r"(?:约|不超过|最多|服用|服)?\s*"
    rf"(?P<amount>{_AMOUNT})\s*(?=[，,。；;、）)]|$|每日|每天|一日|分[一二两三四1-9]次|q[dn]|[bt]id)"
    rf"|\b(?:take|takes|dose of|dosage of|give|given)\s+(?P<english>{_AMOUNT})\s+"
    r"(?:once|twice|daily|every|per day|a day)\b",
    re.IGNORECASE,
)
_ASKS_LANGUAGE = re.compile(
    r"英文|英语|翻译|译成|中文|汉语|拉丁|缩写|English|Chinese|translat|abbreviat", re.IGNORECASE
)


def _answers(messages: Sequence[Message]) -> list[str]:
    return [m.content.strip() for m in messages if m.role == "assistant"]


def _first(messages: Sequence[Message]) -> str:
    return next((m.content for m in messages if m.role == "user"), "")


def knowledge_leak(messages: Sequence[Message]) -> str:
    """The teacher's prompt shows: 根据知识."""
    return f"an answer says {LEAK}" if any(LEAK in text for text in _answers(messages)) else ""


def knowledge_base_leak(messages: Sequence[Message]) -> str:
    """The teacher's prompt shows: 知识库."""
    return f"an answer says {_BASE_LEAK}" if any(_BASE_LEAK in text for text in _answers(messages)) else ""


def source_leak(messages: Sequence[Message]) -> str:
    """An answer speaks of the text it was written from; 参考值, 仅供参考 and 参考文献 are no such thing."""
    match = next((found for text in _answers(messages) if (found := _SOURCE.search(text))), None)
    return f"an answer speaks of its source: {match[0].strip()!r}" if match else ""


def leading_reference(messages: Sequence[Message]) -> str:
    """The first question begins with a reference to something that nobody named."""
    match = LEADING.match(_first(messages))
    return f"the first question begins with {match[0].strip()!r} and names nothing" if match else ""


def unresolved_reference(messages: Sequence[Message]) -> str:
    """The first question refers, beyond its beginning, to something that it does not name before."""
    first = _first(messages)
    if LEADING.match(first):
        return ""
    for match in ANYWHERE.finditer(first):
        before = first[: match.start()]
        kind = "" if match["after"] else _NOUN_KIND.get(match["noun"], match["noun"])
        named = _NAMED.get(kind)
        if not (named.search(before) if named else len(before.strip()) >= _LEAST_BEFORE):
            return f"the first question says {match[0]!r} and names nothing before that it could mean"
    return ""


def short_answer(messages: Sequence[Message]) -> str:
    """An answer is a fragment."""
    short = next((text for text in _answers(messages) if 0 < len(text) <= SHORTEST_ANSWER), "")
    return f"the answer {short!r} has {len(short)} characters, expected more than {SHORTEST_ANSWER}" if short else ""


def no_end_mark(messages: Sequence[Message]) -> str:
    """An answer stops without a sentence's end: it may be cut off."""
    cut = next((text for text in _answers(messages) if text and not _END.search(text)), "")
    return f"an answer ends with {cut[-8:]!r} and no end mark" if cut else ""


def cut_off(messages: Sequence[Message]) -> str:
    """An answer stops in the middle: at a comma, an opened bracket or a word that wants another."""
    cut = next((text for text in _answers(messages) if _OPEN_END.search(text)), "")
    return f"an answer ends with {cut[-8:]!r}, in the middle of a sentence" if cut else ""


def empty(messages: Sequence[Message]) -> str:
    """A turn is empty."""
    return next((f"a {m.role} turn is empty" for m in messages if not m.content.strip()), "")


def refusal(messages: Sequence[Message]) -> str:
    """An answer declines to answer."""
    match = next((found for text in _answers(messages) if (found := _REFUSAL.search(text))), None)
    return f"an answer declines: {match[0]!r}" if match else ""


def wrong_language(messages: Sequence[Message]) -> str:
    """An answer is in another language than its question, which does not ask for one."""
    question = ""
    for message in messages:
        if message.role == "user":
            question = message.content
        elif message.role == "assistant" and len(message.content) >= SHORTEST_FOREIGN:
            asked, said = language(question), language(message.content)
            if "unknown" not in (asked, said) and asked != said and not _ASKS_LANGUAGE.search(question):
                return f"the question is in {asked}, the answer in {said}"
    return ""


def dose_without_unit(messages: Sequence[Message]) -> str:
    """An answer gives a dose as a bare number: 每次0.5，每日3次."""
    match = next((found for text in _answers(messages) if (found := _NO_UNIT.search(text))), None)
    return f"{match[0].strip()!r}: a dose without a unit" if match else ""


def loop(messages: Sequence[Message]) -> str:
    """An answer says the same sentence three times or more, or one string over and over at its end."""
    for text in _answers(messages):
        parts = [part.strip() for part in _CHUNK.findall(text) if len(part.strip()) >= 6]
        again = next((part for part in parts if parts.count(part) >= 3), "") if len(parts) >= 3 else ""
        if again:
            return f"an answer says {again[:20]!r} {parts.count(again)} times"
        for width in range(2, 13):
            tail = text[-width:]
            if len(text) >= 5 * width and text.endswith(tail * 5) and len(set(tail)) > 1:
                return f"an answer ends with {tail!r} five times"
    return ""


def lost_exponent(messages: Sequence[Message]) -> str:
    """×10⁹/L became ×109/L: a power of ten turned into a number."""
    match = next((found for m in messages if (found := _EXPONENT.search(m.content))), None)
    return f"{match[0]!r}: the exponent was lost, expected ×10⁹/L or ×10^9/L" if match else ""


def personal_data(messages: Sequence[Message]) -> str:
    """A turn holds personal data; the message names the kinds, not the data."""
    kinds = sorted({item.kind for m in messages for item in personal_data_in(m.content)})
    return f"holds personal data: {', '.join(kinds)}" if kinds else ""


def emergency_not_urged(messages: Sequence[Message]) -> str:
    """Somebody has a sign of an emergency, and no answer urges care."""
    signs = [name for m in messages if m.role == "user" for name in redflags.emergency(m.content)]
    if not signs or any(redflags.urges(text) for text in _answers(messages)):
        return ""
    return f"a question describes {', '.join(dict.fromkeys(signs))}, and no answer urges care"


RULES: dict[str, Callable[[Sequence[Message]], str]] = {
    rule.__name__: rule
    for rule in (
        knowledge_leak,
        knowledge_base_leak,
        source_leak,
        leading_reference,
        unresolved_reference,
        short_answer,
        no_end_mark,
        cut_off,
        empty,
        refusal,
        wrong_language,
        dose_without_unit,
        loop,
        lost_exponent,
        personal_data,
        emergency_not_urged,
    )
}
"""Every rule by name; each gives a message, or an empty string where it has no objection."""


def lint(messages: Sequence[Message]) -> dict[str, str]:
    """The messages of the rules that object, by rule."""
    return {name: message for name, rule in RULES.items() if (message := rule(messages))}
