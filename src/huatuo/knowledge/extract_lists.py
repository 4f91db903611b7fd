"""What stands under a heading is cut into values: enumerations, numbered items, sentences. Every value is a range.

Nothing is rewritten: a value is ``text[start:end]``. What a clause denies, supposes, advises or reports from a study is
no value of a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Range = tuple[int, int]
"""(first character, one past the last)."""

_SENTENCES = "注意事项 药物相互作用 预防 贮藏 性状 有效期 规格 预后 发病机制 传播途径 药理作用"
WHOLE_SENTENCES = frozenset(_SENTENCES.split())
"""Relations whose value is a sentence or a numbered item: its parts say less, or something else."""

WHOLE_ITEMS = frozenset({"用法用量"})
"""Relations whose value is a numbered item with all its sentences: a dose without its age group is a wrong dose."""

TAKERS = frozenset({"禁忌"})
"""Relations whose value is who must not take it; a sentence that only asks for caution stays whole."""

TESTS = frozenset({"检查", "辅助检查", "实验室检查", "影像学检查"})
"""Relations whose numbered items begin with the test's name and go on with what it shows."""

LONGEST_TERM = 40
"""Characters of a term of an enumeration; longer is prose (the CMeKG texts' longest term has 23)."""

_OPEN, _CLOSE = "(（[【〔《“", ")）]】〕》”"
_TOP = r"(?:(?<=[。；;：:，,\s】\]])|^)(?:\d{1,2}[.．](?![\d．])|\d{1,2}、)"
_NUMBER = _TOP + r"|[(（]\d{1,2}[)）]|[①-⑳]|(?<!\w)\d{1,2}[)）]"
_FIRST_NUMBER = re.compile(r"\s*\d{1,2}(?:[.．](?![\d．])|、)")
_TOP_NUMBER = re.compile(_TOP)
_ITEM = re.compile(_NUMBER)
_SENTENCE = re.compile(r"[。！!？?\n]+")
_HALF = re.compile(r"[。！!？?；;\n]+")
_LINE = re.compile(r"\n+")
_HEAD_OF_ITEMS = re.compile(rf"[：:]\s*(?:{_NUMBER})")
_CLAUSE = re.compile(r"[，,。！!？?；;\n]+")
_JOINT = re.compile(r"、|和/或|及/或|以及|或者|和(?!平)|及(?!时)|或|与|[/／](?=[\u4e00-\u9fff])")
_EDGE = " \t\r\n\u3000，,。；;：:、.．-—*•·"

_NEEDS_REST = re.compile(
    r"(?:心|肝|肾|肺|脑|胃|肠|脾|胰|胆|眼|鼻|耳|喉|咽|口|唇|舌|头|颈|胸|腰|背|腹|手|足|肢|皮|骨|牙|"
    r"性|度|级|期|型|轻|中|重|急|慢|上|(?<!低)下|左|右|前|后|内|外|男|女|大|小|新|老|"
    r"功能|细胞|蛋白|血小板|胆红素|肌酐|转氨酶|血压|血糖|血脂|血钾|血钠|血钙|系统|[A-Zγα-ω-]{2,})$"
)
"""End of a part that says nothing without the part after it: 肝、肾功能不全; GOT、GPT升高; 急性或慢性支气管炎."""
_COMPLETE = re.compile(
    r"(?:[高低]血[压糖脂钾钠钙]|恶心|意外|头痛|腹痛|阳性|阴性|月经过多|中风|休克|过重|感染后|产后|术后)$"
)

_CAUSED = re.compile(r"(?:所引起|引起|所致|导致|造成|诱发)(?:的|之)?(?=.)")
_STUDY = re.compile(r"试验(?:中|显示|表明)|研究(?:中|显示|表明|发现)|[%％]的?(?:患者|病人|病例|受试)|\d例")
_SUPPOSED = re.compile(r"^(?:如果?(?!：|:|下)|若|一旦|假如|倘若|万一|当.*时)")
_SIGNS = re.compile(r"^(?:症见|证见|兼见|其症|表现为|临床表现)")
_DENIED = re.compile(
    r"^(?:[^、]{0,8})(?:未见|未发现|未观察到|未出现|未引起|不引起|不导致|没有|并无|尚无|无明显|不包括|不用于|不适用|"
    r"不能用于|不宜用于|不会|不增加|排除|不是|并非|除外)|^无(?!力|尿|汗|脉|痛|症状|精|排卵|月经|名|菌|并发)"
)
_ADVICE = re.compile(
    r"应当|应(?![激答用])|必须|须|需(?!氧)|停药|停用|减量|继续|因此|但是?|消失|缓解$|恢复|可逆$|轻微$|慎用|注意|监测|"
    r"剂量|用药|服药|给药|本品|本药|治疗[后时中]|发生率|疗效|说明书|参考资料|尚不明确|不详|见表|保存|复方制剂|本类药|上述|下列|所致$|率较?[高低]|^开始|[合联同并]用"
)
_ADVICE_IN_INDICATIONS = re.compile(
    r"应当|应(?![激答用])|必须|须|停药|减量|因此|说明书|参考资料|尚不明确|不详|不良反应|上述|下列|为[主甚]$|辅助治疗药|^(?:因而|以|每于|舌|脉|苔|可以|可作|需要|仍|可按|.*疗效|本品|作为|屡用|各类|减[低少]其)"
)

_LEAD_INDICATION = re.compile(
    r"^.{0,24}?(?:用于|适应于|适于|主治|用作|对于|有助于|适用的是)(?:[^，、]{0,6}?(?:治疗|防治|控制|缓解))?|^(?:治疗|防治|缓解|对)"
)
_LEAD_FOUND = re.compile(
    r"^[^、或]*(?:[可偶常罕少多]见|[可偶常会时]有|有时|出现|发生|产生|引起|导致|诱发|伴有|伴发|表现[为是有]|包括|"
    r"主要[为有是]|特征[为是]|特点[为是]|症状[为是有]|反应[为是有]|组分[为是]|成份[为是]|成分[为是]|病因[为是]|见于|如下|例如)"
    r"|^(?:并?可?伴|可|有|如|为|是|本品[为含])"
)
_TAIL = re.compile(
    r"(?:等[\u4e00-\u9fff]{0,10}|(?:的|之)?(?:辅助)?治疗|[偶罕少常多]见|(?:也|亦)?(?:有|具有)(?:一定|较好|良好|显著)?的?(?:近期)?"
    r"(?:疗效|效果|作用)|(?:也|亦)?有效|的?(?:个案)?报道|的?症状|时有发生|禁用|忌用|忌服|禁服|禁止使用|不宜使用|不得使用)$"
)
_BRACKET = re.compile(r"[(（][^()（）]*[)）]$")


def values(text: str, relation: str, start: int, end: int) -> list[Range]:
    """The ranges of the values of a relation between ``start`` and ``end``, in order, without overlap."""
    if numbered := _FIRST_NUMBER.match(text, start, end):
        start = numbered.end()
    if relation in WHOLE_ITEMS:
        return [part for item in _cuts(text, start, end, _TOP_NUMBER) for part in _wholes(text, *item, relation)]
    if relation in WHOLE_SENTENCES:
        return [part for item in _headed(text, start, end) for part in _wholes(text, *item, relation)]
    if relation in TAKERS:
        halves = [half for item in _cuts(text, start, end, _ITEM) for half in _wholes(text, *item, relation)]
        return [taker for half in halves for taker in _takers(text, *half)]
    if relation in TESTS and (numbered or _ITEM.search(text, start, end)) and (named := _tests(text, start, end)):
        return named
    return list(_listed(text, relation, start, end))


def terms(text: str, relation: str, start: int, end: int) -> list[Range]:
    """The ranges of the terms of one enumeration in a sentence, as `values` reads a clause of a list."""
    return [term for clause in _cuts(text, start, end, _CLAUSE) for term in _clause_terms(text, relation, *clause)]


def whole_sentences(text: str, start: int, end: int) -> list[Range]:
    """The ranges of the sentences, cut at their end marks alone: 1．and 2.5 end none."""
    return list(_cuts(text, start, end, _SENTENCE))


def says_nothing(text: str) -> bool:
    """Whether a value says that nothing is known or that it stands elsewhere."""
    return bool(re.search(r"^(?:尚不明确|不明确|不详|未进行该项|暂无|无可靠|无$|详见|请?参[阅见])|说明书[。]?$", text))


def _depths(text: str, start: int, end: int) -> list[int]:
    """Depth in brackets before each character; all 0 where the brackets are not paired."""
    found, depth = [], 0
    for character in text[start:end]:
        depth -= character in _CLOSE
        found.append(max(depth, 0))
        depth += character in _OPEN
    return found if depth == 0 else [0] * (end - start)


def _cuts(text: str, start: int, end: int, mark: re.Pattern[str]) -> Iterator[Range]:
    """The ranges between the marks that stand in no brackets, without blanks and marks at their ends."""
    depths, at = _depths(text, start, end), start
    for found in mark.finditer(text, start, end):
        if depths[found.start() - start] == 0:
            yield from _trimmed(text, at, found.start())
            at = found.end()
    yield from _trimmed(text, at, end)


def _trimmed(text: str, start: int, end: int) -> Iterator[Range]:
    while start < end and text[start] in _EDGE:
        start += 1
    while start < end and text[end - 1] in _EDGE:
        end -= 1
    if start < end:
        yield start, end


def _headed(text: str, start: int, end: int) -> list[Range]:
    """The numbered items; one that a head opens (慎用：1.孕妇。2.儿童。) stays whole: 儿童 says nothing."""
    tops = list(_cuts(text, start, end, _TOP_NUMBER))
    if len(tops) > 1 and text[tops[0][1]] in "：:":
        return [(tops[0][0], tops[-1][1])]
    found = []
    for top in tops:
        nested = _HEAD_OF_ITEMS.search(text, *top)
        found.extend([top] if nested else list(_cuts(text, *top, _ITEM)))
    return found


def _wholes(text: str, start: int, end: int, relation: str) -> list[Range]:
    """The sentences of an item, or the item where its parts hang together."""
    mark = _LINE if relation in WHOLE_ITEMS or _HEAD_OF_ITEMS.search(text, start, end) else _SENTENCE
    found = []
    for first, last in _cuts(text, start, end, _HALF if relation in TAKERS else mark):
        if text.startswith(("本品为", "本品是"), first) and relation == "性状":
            first += 3
        if last - first > 1 and not says_nothing(text[first:last]):
            found.append((first, last))
    return found


def _takers(text: str, start: int, end: int) -> list[Range]:
    """Who must not take it: the parts of a plain enumeration, or the whole where it says more than 禁用."""
    said = text[start:end]
    together = "、" not in said and re.search(r"(?:患者|病人)(?:[禁忌][用服])?$", said)  # A或B的病人: one group
    if together or re.search(r"[，,]|慎用|应|需|不宜|如果|除非|时", said):
        return [(start, end)]
    parts = [_without_tail(text, first, last, brackets=False) for first, last in _enumerated(text, start, end)]
    return [part for part in parts if part[1] - part[0] > 1]


def _tests(text: str, start: int, end: int) -> list[Range]:
    """Names of tests that begin the numbered items; none where the items begin otherwise."""
    name = re.compile(r"[^，。：:、；]{1,16}?(?:检查|试验|测定|造影|显像|培养|超声|CT|MRI|X线)")
    items = [found for item in _cuts(text, start, end, _ITEM) if (found := name.match(text, *item))]
    return [found.span() for found in items]


def _listed(text: str, relation: str, start: int, end: int) -> Iterator[Range]:
    for item in _cuts(text, start, end, _ITEM):
        for half in _cuts(text, *item, _HALF):
            if says_nothing(text[slice(*half)]):
                continue
            for first, last in _cuts(text, *half, _CLAUSE):
                if _SUPPOSED.search(text[first:last]) or (relation == "适应证" and _SIGNS.search(text[first:last])):
                    break  # what follows an if hangs on it; what follows 症见 are signs of the indication before it
                if not _STUDY.search(text[first:last]):
                    yield from _clause_terms(text, relation, first, last)


def _clause_terms(text: str, relation: str, start: int, end: int) -> Iterator[Range]:
    colon = max(text.rfind("：", start, end), text.rfind(":", start, end))
    if colon >= 0 and _depths(text, start, end)[colon - start] == 0:
        start = colon + 1
    if _DENIED.search(text[start:end]):
        return
    lead = _LEAD_INDICATION if relation in ("适应证", "主治", "功能主治") else _LEAD_FOUND
    if found := lead.match(text[start:end]):
        if found.end() < end - start:
            start += found.end()
        elif relation == "适应证":
            return
    for first, last in _enumerated(text, start, end):
        yield from _term(text, relation, first, last)


def _term(text: str, relation: str, start: int, end: int) -> Iterator[Range]:
    start, end = _without_tail(text, start, end, brackets=relation != "成分")
    if led := re.match(r"伴有?|并(?!发)|或|如(?!果)", text[start:end]):
        start += led.end()
    said = text[start:end]
    advice = _ADVICE_IN_INDICATIONS if relation == "适应证" else _ADVICE
    if 2 <= len(said) <= LONGEST_TERM and not advice.search(said) and not says_nothing(said) and _is_term(said):
        yield start, end


def _is_term(said: str) -> bool:
    """Whether words can be a term: letters in it, no unpaired bracket, no open end."""
    opened, closed = sum(map(said.count, _OPEN)), sum(map(said.count, _CLOSE))
    has_letters = any(character.isalpha() for character in said)
    return has_letters and opened == closed and not re.search(r"(?:时|后|者|的|其他|其它|下列|以下)$", said)


def _without_tail(text: str, start: int, end: int, *, brackets: bool) -> Range:
    """The range without 等症状, 的治疗, 罕见 and a closing remark in brackets."""
    while True:
        found = _TAIL.search(text[start:end]) or (_BRACKET.search(text[start:end]) if brackets else None)
        if found is None or found.start() == 0:
            break
        end = start + found.start()
    return next(_trimmed(text, start, end), (start, start))


def _enumerated(text: str, start: int, end: int) -> Iterator[Range]:
    """The parts of an enumeration; a part that says nothing alone stays with the next, a cause with its effect."""
    depths = _depths(text, start, end)
    caused = [found.end() for found in _CAUSED.finditer(text, start, end)]
    safe, at = caused[-1] if caused else start, start
    for found in _JOINT.finditer(text, start, end):
        left, rest = text[at : found.start()], text[found.end() : end]
        needs_rest = _NEEDS_REST.search(left) and not _COMPLETE.search(left)
        if found.start() < safe or depths[found.start() - start] or len(left) < 2 or len(rest) < 2 or needs_rest:
            continue
        if found.group() == "与" and re.search(r"(?:合用|联用|同用|有关|相关|并用)", rest):
            continue
        yield from _trimmed(text, at, found.start())
        at = found.end()
    yield from _trimmed(text, at, end)
