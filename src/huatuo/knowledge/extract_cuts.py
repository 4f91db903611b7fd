"""Where a text is cut: at marks outside brackets, between the parts of an enumeration, before a closing remark.

Everything is a range of the text; nothing is rewritten.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Range = tuple[int, int]
"""(first character, one past the last)."""

OPEN, CLOSE = "(（[【〔《“", ")）]】〕》”"
_JOINT = re.compile(r"、|和/或|及/或|以及|或者|和(?!平)|及(?!时)|或|与|[/／](?=[\u4e00-\u9fff])")
_EDGE = " \t\r\n\u3000，,。；;：:、.．-—*•·"


NEEDS_REST = re.compile(
    r"(?:心|肝|肾|肺|脑|胃|肠|脾|胰|胆|眼|鼻|耳|喉|咽|口|唇|舌|头|颈|胸|腰|背|腹|手|足|肢|皮|骨|牙|"
    r"性|度|级|期|型|轻|中|重|急|慢|上|(?<!低)下|左|右|前|后|内|外|男|(?<!妇)女|大|小|新|老|"
    r"胰腺|前列腺|甲状腺|支气管|子宫|卵巢|食管|结肠|直肠|膀胱|病毒|细菌|真菌|皮肤|黏膜|"
    r"功能|细胞|蛋白|血小板|胆红素|肌酐|转氨酶|血压|血糖|血脂|血钾|血钠|血钙|系统|[A-Zγα-ω-]{2,})$"
)
"""End of a part that says nothing without the part after it: 肝、肾功能不全; GOT、GPT升高; 急性或慢性支气管炎."""
_COMPLETE = re.compile(
    r"(?:[高低]血[压糖脂钾钠钙]|恶心|意外|头痛|腹痛|阳性|阴性|月经过多|中风|休克|过重|感染后|产后|术后|青光眼|红眼|加重|减轻|尿急|先心)$"
)


_CAUSED = re.compile(r"(?:所引起|引起|所致|导致|造成|诱发)(?:的|之)?(?=.)")
_ALLERGIC = re.compile(r"对[^，,。；;者]{1,40}?(?:过敏|不耐受)")
"""What an allergy is against stays together: 对甲或乙过敏 is one group of patients."""
_NO_KIND = re.compile(
    r"^属|^(?:不良|毒性|临床)?(?:症状?|症候|表现|疾病|病[症证]?|情况|现象|作用|反应|者|"
    r"治疗|原因|方面)$|^的|(?:患者|病人|症状)$"
)
_ETC = re.compile(r"(?<![中同高平均相])等(?![级张渗量待效于候]|引起|所致|导致|原因|均|而|也)(?=[\u4e00-\u9fff]{2})")
"""等 between examples and the name of what they are examples of: 咳嗽等重症感冒."""
_TAIL = re.compile(
    r"(?:等[\u4e00-\u9fff]{0,10}|(?<!放射)(?<!化学)(?:的|之)?(?:辅助)?治疗|[偶罕少常多]见|(?:也|亦)?(?:有|具有)(?:一定|较好|良好|显著)?的?(?:近期)?"
    r"(?:疗效|效果|作用)|(?:均|也|亦|都)?有效|(?:也有|亦有|有)?的?(?:个案)?报道|时有发生|禁用|忌用|忌服|禁服|禁止使用|不宜使用|不得使用)$"
)
_BRACKET = re.compile(r"[(（][^()（）]*[)）]$")


def depths(text: str, start: int, end: int) -> list[int]:
    """Depth in brackets before each character; all 0 where the brackets are not paired."""
    found, depth = [], 0
    for character in text[start:end]:
        depth -= character in CLOSE
        found.append(max(depth, 0))
        depth += character in OPEN
    return found if depth == 0 else [0] * (end - start)


def cuts(text: str, start: int, end: int, mark: re.Pattern[str]) -> Iterator[Range]:
    """The ranges between the marks that stand in no brackets, without blanks and marks at their ends."""
    inside, at = depths(text, start, end), start
    for found in mark.finditer(text, start, end):
        if inside[found.start() - start] == 0:
            yield from trimmed(text, at, found.start())
            at = found.end()
    yield from trimmed(text, at, end)


def trimmed(text: str, start: int, end: int) -> Iterator[Range]:
    """The range without blanks and marks at its ends; nothing where it holds nothing else."""
    while start < end and text[start] in _EDGE:
        start += 1
    while start < end and text[end - 1] in _EDGE:
        end -= 1
    if start < end:
        yield start, end


def without_tail(text: str, start: int, end: int, *, brackets: bool) -> Range:
    """The range without 等症状, 的治疗, 罕见 and a closing remark in brackets."""
    while True:
        found = _TAIL.search(text[start:end]) or (_BRACKET.search(text[start:end]) if brackets else None)
        if found is None or found.start() == 0:
            break
        end = start + found.start()
    return next(trimmed(text, start, end), (start, start))


def enumerated(text: str, start: int, end: int) -> Iterator[Range]:
    """The parts of an enumeration; a part that says nothing alone stays with the next, a cause with its effect."""
    inside = depths(text, start, end)
    allergic = [found.span() for found in _ALLERGIC.finditer(text, start, end)]
    caused = [found.end() for found in _CAUSED.finditer(text, start, end)]
    safe, at = caused[-1] if caused else start, start
    for found in _JOINT.finditer(text, start, end):
        left, rest = text[at : found.start()], text[found.end() : end]
        needs_rest = NEEDS_REST.search(left) and not _COMPLETE.search(left)
        if found.start() < safe or inside[found.start() - start] or len(left) < 2 or len(rest) < 2 or needs_rest:
            continue
        if any(first < found.start() < last for first, last in allergic):
            continue
        if found.group() == "与" and re.search(r"(?:合用|联用|同用|有关|相关|并用)", rest):
            continue
        yield from trimmed(text, at, found.start())
        at = found.end()
    yield from trimmed(text, at, end)


def with_kind(text: str, start: int, end: int) -> list[Range]:
    """The examples and what they are examples of apart: 咳嗽 and 重症感冒 of 咳嗽等重症感冒; else the whole."""
    found = _ETC.search(text, start, end)
    if not found or depths(text, start, end)[found.start() - start]:
        return [(start, end)]
    kind = re.sub(r"的(?:临床)?表现$", "", text[found.end() : end])
    if _NO_KIND.search(kind) or NEEDS_REST.search(text[start : found.start()]):
        return [(start, end)]
    return [(start, found.start()), (found.end(), found.end() + len(kind))]
