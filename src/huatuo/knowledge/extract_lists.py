"""What stands under a heading is cut into values: enumerations, numbered items, sentences. Every value is a range.

Nothing is rewritten: a value is ``text[start:end]``. What a clause denies, supposes, advises or reports from a study is
no value of a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from huatuo.knowledge.extract_cuts import CLOSE, OPEN, cuts, depths, enumerated, with_kind, without_tail
from huatuo.knowledge.extract_cuts import Range as Range
from huatuo.knowledge.extract_partners import partners

_SENTENCES = "注意事项 预防 贮藏 性状 有效期 规格 预后 发病机制 传播途径"
WHOLE_SENTENCES = frozenset(_SENTENCES.split())
"""Relations whose value is a sentence or a numbered item: its parts say less, or something else."""

NAMES_ONLY = frozenset({"药物相互作用"})
"""Relations whose value is the other drug's name, whatever is said of it."""

WHOLE_ITEMS = frozenset({"用法用量"})
"""Relations whose value is a numbered item with all its sentences: a dose without its age group is a wrong dose."""

TAKERS = frozenset({"禁忌"})
"""Relations whose value is who must not take it; a sentence that only asks for caution stays whole."""

TESTS = frozenset({"检查", "辅助检查", "实验室检查", "影像学检查"})
"""Relations whose numbered items begin with the test's name and go on with what it shows."""

_GIVES_DOSE = re.compile(
    r"[\d一二三四两半]|次|剂量|用量|[内外口冲含吞煎]服|注射|服用|外用|[饭餐][前后]|静脉|[滴涂敷]|吸入|遵医"
)
LONGEST_TERM = 40
"""Characters of a term of an enumeration; longer is prose (the CMeKG texts' longest term has 23)."""

_TOP = r"(?:(?<=[。；;：:，,\s】\]])|^)(?:\d{1,2}[.．](?![\d．])|\d{1,2}、)"
_NUMBER = _TOP + r"|[(（]\d{1,2}[)）]|[①-⑳]|(?<!\w)\d{1,2}[)）]"
_FIRST_NUMBER = re.compile(r"\s*\d{1,2}(?:[.．](?![\d．])|、)")
_TOP_NUMBER = re.compile(_TOP)
ITEM = re.compile(_NUMBER)
_SENTENCE = re.compile(r"[。！!？?\n]+")
_HALF = re.compile(r"[。！!？?；;\n]+")
_LINE = re.compile(r"\n+")
_HEAD_OF_ITEMS = re.compile(rf"[：:]\s*(?:{_NUMBER})")
_CLAUSE = re.compile(r"[，,。！!？?；;\n]+")
_CLAUSE_END = re.compile(r"[，,。！!？?；;：:\n]")
_LEAD_TERM = re.compile(r"(?:伴有?|并(?!发)|或|如(?!果)|例如|包括|由于|另外|此外|其次|多种|各种(?!原因))+")
_OF_PATTERN = re.compile(r"^(?:[^、]{0,14}?[湿热寒虚瘀火风毒阴阳痰滞郁]|各种原因.*?)(?:所)?(?:引起|所致|导致)的?(?=..)")
"""The cause by the lights of Chinese medicine, or any cause: 下焦湿热引起的; a germ stays with what it causes."""
_HEAD = re.compile(r"(?P<head>[\u4e00-\u9fff、]{2,8})[：:]")
_NO_HEAD = re.compile(r"如下|其[他它]|[主次兼]症|用法|用药|应用|指征|包括|诊断|治疗|静脉|口服|要点|作用|保健|科$")
_IS_DISEASE = re.compile(
    r"[病炎癌瘤征]|症[，、。]|如|包括|疗效|有效|患者|感染|损伤|"
    r"中毒|不全|衰竭|出血|辅助|\d|所致|由于|引起|抑制|能"
)
_PRAISES = re.compile(r"(?:之[剂方品效功]|作用|效应|活性|功效|功能)$")
_IS_USED = re.compile(r"用于|用作|适[于用]|治|防|对.*有效")
_HAS = re.compile(r"^(?:本[品药方]|该药)(?:具?有|能|可|系|为|是)")
_CONDITION = re.compile(r"[过太][久低高快大多量]|长期|大量|快速|[时后]$")
_BRINGS = re.compile(r"[可会能易](?:能)?(?:引起|致|导致|出现|发生|产生|诱发)")
_NAMES_HARM = re.compile(r"(?:毒性|抑制|损害|综合征|休克|紊乱|衰竭)$")
_STUDY = re.compile(r"试验(?:中|显示|表明)|研究(?:结果)?(?:中|显示|表明|发现)|[%％]的?(?:患者|病人|病例|受试)|\d例")
_SUPPOSED = re.compile(r"^(?:如果?(?!：|:|下)|若|一旦|假如|倘若|万一|当.*时)")
_SIGNS = re.compile(r"^其?(?:临床)?(?:[症证兼伴]见|症状?为|(?:主要)?表现)")
_DENIED = re.compile(
    r"^(?:[^、]{0,8})(?:未见|未发现|未观察到|未出现|未引起|不引起|不导致|没有|并无|尚无|无明显|不包括|不用于|不适用|"
    r"不能用于|不宜用于|不会|不增加|排除|不是|并非|除外)|^无(?!力|尿|汗|脉|痛|症状|精|排卵|月经|名|菌|并发)"
)
_DENIED_IN_ENGLISH = re.compile(r"\b(?:no|not|never|without|neither|nor)\b[^.]*$", re.IGNORECASE)
_ADVICE = re.compile(
    r"应当|应(?![激答用])|必须|须|需(?!氧)|停药|停用|减量|继续|因此|但是?|(?<!反射)(?<!知觉)(?<!意识)消失|缓解$|恢复|可逆$|轻微$|慎用|注意|监测|"
    r"剂量|用药|服药|给药|本品|本药|治疗[后时中]|发生率|疗效|说明书|参考资料|尚不明确|不详|见表|"
    r"保存|复方制剂|本类药|上述|下列|所致$|率较?[高低]|^开始|[合联同并]用|"
    r"^[故宜有]?(?:报道|缓慢)|不能|^[故宜呈以因而]|^\d|每[次天日周月]|^然后|相比|机会"
)
_ADVICE_IN_INDICATIONS = re.compile(
    r"应当|应(?![激答用])|必须|须|停药|减量|因此|说明书|参考资料|尚不明确|不详|不良反应|上述|下列|为[主甚]$|辅助治疗药|"
    r"仅[作用]|之[剂方品效功]$|作用$|均可|可[选用]用?之?$|属之|[合联并]用|^(?:此外|另外|效果|疗效|能|优于|组方|有一定|但|属此|均属)|如下$|"
    r"预防效果|^(?:因而|以|每于|舌|脉|苔|可以|可作|需要|仍|可按|.*疗效|本品|作为|屡用|各类|减[低少]其)"
)

_LEAD_INDICATION = re.compile(
    r"^.{0,24}?(?:用于|适应于|适于|主治|用作|对于|有助于|适用的是)(?:(?:[^，、]{0,6}?(?:治疗|防治|控制|缓解))|预防)?"
    r"|^(?:临床(?:上)?)?(?:治疗|防治|防止|缓解|对)|^(?:[还也亦]?可)?治疗?|^西医(?:诊断[为之]|之)"
)
_LEAD_FOUND = re.compile(
    r"^[^、或]*(?:[可偶常罕少多]见|可能有|[可偶常会时]有|有时|出现|发生(?!率)|"
    r"(?:个别|少数|部分|多数)(?:患者|病人|病例)?有|产生|引起|[可易会能]致|导致|诱发|伴有|伴发|表现[为是有]|包括|"
    r"主要[为有是]|特征[为是]|特点[为是]|症状[为是有]|反应[为是有]|组分[为是]|成份[为是]|成分[为是]|病因[为是]|见于|如下|例如)"
    r"|^(?:并?可?伴|可|有|如|为|是|本品[为含])"
)


def values(text: str, relation: str, start: int, end: int) -> list[Range]:
    """The ranges of the values of a relation between ``start`` and ``end``, in order, without overlap."""
    if numbered := _FIRST_NUMBER.match(text, start, end):
        start = numbered.end()
    if relation in WHOLE_ITEMS:
        items = [part for item in cuts(text, start, end, _TOP_NUMBER) for part in _wholes(text, *item, relation)]
        return [item for item in items if _GIVES_DOSE.search(text[slice(*item)])]
    if relation in WHOLE_SENTENCES:
        return [part for item in _headed(text, start, end) for part in _wholes(text, *item, relation)]
    if relation in NAMES_ONLY:
        parts = [part for item in _headed(text, start, end) for part in cuts(text, *item, _SENTENCE)]
        return [partner for part in parts for partner in partners(text, *part)]
    if relation in TAKERS:
        halves = [half for item in cuts(text, start, end, ITEM) for half in _wholes(text, *item, relation)]
        return [taker for half in halves for taker in _takers(text, *half)]
    if relation in TESTS and (numbered or ITEM.search(text, start, end)) and (named := _tests(text, start, end)):
        return named
    return list(_listed(text, relation, start, end))


def terms(text: str, relation: str, start: int, end: int) -> list[Range]:
    """The ranges of the terms of one enumeration in a sentence, as `values` reads a clause of a list."""
    return [term for clause in cuts(text, start, end, _CLAUSE) for term in _clause_terms(text, relation, *clause)]


def whole_sentences(text: str, start: int, end: int) -> list[Range]:
    """The ranges of the sentences, cut at their end marks alone: 1．and 2.5 end none."""
    return list(cuts(text, start, end, _SENTENCE))


def says_nothing(text: str) -> bool:
    """Whether a value says that nothing is known or that it stands elsewhere."""
    return bool(re.search(r"^(?:尚不明确|不明确|不详|未进行该项|暂无|无可靠|无$|详见|请?参[阅见])|说明书[。]?$", text))


def denied_before(text: str, at: int) -> bool:
    """Whether the clause that ``at`` stands in denies what follows: 未见头痛、恶心 denies both, ``no headache`` too."""
    begin = max((found.end() for found in _CLAUSE_END.finditer(text, 0, at)), default=0)
    return bool(_DENIED.search(text[begin:at]) or _DENIED_IN_ENGLISH.search(text[begin:at]))


def _headed(text: str, start: int, end: int) -> list[Range]:
    """The numbered items; one that a head opens (慎用：1.孕妇。2.儿童。) stays whole: 儿童 says nothing."""
    tops = list(cuts(text, start, end, _TOP_NUMBER))
    if len(tops) > 1 and text[tops[0][1]] in "：:":
        return [(tops[0][0], tops[-1][1])]
    found = []
    for top in tops:
        nested = _HEAD_OF_ITEMS.search(text, *top)
        found.extend([top] if nested else list(cuts(text, *top, ITEM)))
    return found


def _wholes(text: str, start: int, end: int, relation: str) -> list[Range]:
    """The sentences of an item, or the item where its parts hang together."""
    mark = _LINE if relation in WHOLE_ITEMS or _HEAD_OF_ITEMS.search(text, start, end) else _SENTENCE
    found = []
    for first, last in cuts(text, start, end, _HALF if relation in TAKERS else mark):
        if text.startswith(("本品为", "本品是"), first) and relation == "性状":
            first += 3
        if last - first > 1 and not says_nothing(text[first:last]):
            found.append((first, last))
    return found


def _takers(text: str, start: int, end: int) -> list[Range]:
    """Who must not take it: the parts of a plain enumeration, or the whole where it says more than 禁用."""
    said = text[start:end]
    together = "、" not in said and re.search(r"(?:患者|病人)(?:[禁忌][用服])?$", said)  # A或B的病人: one group
    if together or re.search(r"[，,]|慎用|(?<!反)应(?![激答])|需|不宜(?![服使应]用)|如果|除非|时", said):
        return [(start, end)]
    parts = [without_tail(text, first, last, brackets=False) for first, last in enumerated(text, start, end)]
    return [_who(text, *part) for part in parts if part[1] - part[0] > 1]


def _who(text: str, start: int, end: int) -> Range:
    """有溃疡者 is said by 溃疡."""
    if re.fullmatch(r"有..+者", text[start:end]):
        return start + 1, end - 1
    return (start + 1, end) if re.match(r"有(?!时|效|关)..", text[start:end]) else (start, end)


def _tests(text: str, start: int, end: int) -> list[Range]:
    """Names of tests that begin the numbered items; none where the items begin otherwise."""
    name = re.compile(r"[^，。：:、；]{1,16}?(?:检查|试验|测定|造影|显像|培养|超声|CT|MRI|X线)")
    items = [found for item in cuts(text, start, end, ITEM) if (found := name.match(text, *item))]
    return [found.span() for found in items]


def _listed(text: str, relation: str, start: int, end: int) -> Iterator[Range]:
    for item in cuts(text, start, end, ITEM):
        for half in cuts(text, *item, _HALF):
            said = text[slice(*half)]
            if says_nothing(said) or (relation == "适应证" and _HAS.search(said) and not _IS_USED.search(said)):
                continue
            clauses = list(cuts(text, *half, _CLAUSE))
            for number, (first, last) in enumerate(clauses):
                said = text[first:last]
                if _SUPPOSED.search(said) or (relation == "适应证" and _SIGNS.search(said)):
                    break  # what follows an if hangs on it; what follows 症见 are signs of the indication before it
                if relation == "适应证" and (head := head_of_signs(text, first, half[1])):
                    yield from _term(text, relation, *head)
                    break
                if not _STUDY.search(said) and not _is_frame(text, relation, clauses[number:]):
                    yield from _clause_terms(text, relation, first, last)


def head_of_signs(text: str, start: int, end: int) -> Range | None:
    """What stands before the colon where signs of it follow: 甲痛：表现为…, 甲痛：乏力，汗出; else None."""
    head = _HEAD.match(text, start, end)
    if not head:
        return None
    rest = re.sub(r"，[^，]*可用[^，]*$", "", text[head.end() : end])
    is_plain = "，" in rest and not _IS_USED.search(rest) and not _IS_DISEASE.search(rest)
    is_name = not _NO_HEAD.search(head["head"])
    return head.span("head") if is_name and (_SIGNS.match(rest) or is_plain) else None


def _is_frame(text: str, relation: str, clauses: list[Range]) -> bool:
    """Whether the first of these clauses is no list: what a remedy is like, or when the next happens."""
    said = text[slice(*clauses[0])]
    if relation == "适应证":
        return bool((_PRAISES.search(said) and not _IS_USED.search(said)) or re.search("[合联并]用", said))
    brought = any(_BRINGS.search(text[slice(*clause)]) for clause in clauses[1:])
    return brought and bool(_CONDITION.search(said)) and not _BRINGS.search(said)


def _clause_terms(text: str, relation: str, start: int, end: int) -> Iterator[Range]:
    colon = max(text.rfind("：", start, end), text.rfind(":", start, end))
    if colon >= 0 and depths(text, start, end)[colon - start] == 0:
        if relation == "不良反应" and _NAMES_HARM.search(text[start:colon]) and not _DENIED.search(text[start:end]):
            yield from _term(text, relation, start, colon)
        start = colon + 1
    if _DENIED.search(text[start:end]):
        return
    lead = _LEAD_INDICATION if relation in ("适应证", "主治", "功能主治") else _LEAD_FOUND
    if found := lead.match(text[start:end]):
        if found.end() < end - start:
            start += found.end()
        elif relation == "适应证":
            return
    if relation == "适应证" and (found := _OF_PATTERN.match(text[start:end])):
        start += found.end()
    for first, last in with_kind(text, start, end):
        for one in enumerated(text, first, last):
            for term in _apart(text, *one) if relation == "相关症状" else [one]:
                yield from _term(text, relation, *term)


def _apart(text: str, start: int, end: int) -> list[Range]:
    """Two symptoms of which one accompanies the other: 尿频伴尿急."""
    at = text.find("伴", start + 2, end - 2)
    return [(start, at), (at + 1, end)] if at >= 0 else [(start, end)]


def _term(text: str, relation: str, start: int, end: int) -> Iterator[Range]:
    start, end = without_tail(text, start, end, brackets=relation != "成分")
    if led := _LEAD_TERM.match(text[start:end]):
        start += led.end()
    said = text[start:end]
    advice = _ADVICE_IN_INDICATIONS if relation == "适应证" else _ADVICE
    if 2 <= len(said) <= LONGEST_TERM and not advice.search(said) and not says_nothing(said) and _is_term(said):
        yield start, end


def _is_term(said: str) -> bool:
    """Whether words can be a term: letters in it, no unpaired bracket, no open end."""
    opened, closed = sum(map(said.count, OPEN)), sum(map(said.count, CLOSE))
    has_letters = any(character.isalpha() for character in said)
    has_letters = has_letters and said[0] not in OPEN
    return has_letters and opened == closed and not re.search(r"(?:时|后|者|的|其他|其它|下列|以下)$", said)
