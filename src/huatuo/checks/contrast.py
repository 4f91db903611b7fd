"""Words that exclude each other, words that name a disease or a drug, and a "not" that was added or lost.

All lists are general: directions, degrees, organs, and the endings by which drugs and diseases are named (WHO stems of
international nonproprietary names in their Chinese form; heads of disease names).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from huatuo.checks.negation import strongest_readings

_OPPOSED = (
    "左|右", "上|下", "前|后", "内|外", "急|慢", "高|低", "增|减|降", "升|降", "亢进|减退|低下",
    "细菌|真菌|病毒|支原体|寄生虫",
    "肝|肾|心|肺|脾|胃|脑|肠|胆|胰", "阴|阳", "寒|热|凉|温", "气|血", "男|女", "患侧|健侧", "强|弱", "轻|重",
    "干|湿", "补|泻",
    "早|晚", "加|减", "延长|缩短", "收缩|舒张", "原发|继发", "深|浅", "多|少", "厌氧|需氧", "快|慢", "过速|过缓",
    "儿童|成人|老年",
    "扩张|狭窄|收缩", "单侧|双侧", "近|远", "空腹|餐后|餐前", "晨|睡前", "钙|铁|锌|钾|钠|镁|铜", "甲|乙|丙|丁|戊",
    "动脉|静脉",
    "口服|静脉|皮下|肌内|吸入|外用", "中枢|周围", "代谢|呼吸", "红|白", "酸|碱", "软|硬", "粗|细", "虚|实", "表|里",
)  # fmt: skip
_GROUPS = tuple(tuple(group.split("|")) for group in _OPPOSED)

_HEADS = re.compile(
    r"(?:炎|癌|瘤|障|疹|痘|疮|疡|癣|疣|疟|痢|症|病|综合征|休克|感染|中毒|出血|坏死|梗死|梗阻|栓塞|结石|贫血|"
    r"肿|积液|衰竭|畸形|麻痹|痉挛|萎缩|硬化|增生|囊肿|"
    r"痛|晕|咳|喘|呕|泻|秘|盲|聋|哑|瘫|搐|惊厥|昏迷|失眠|脱发|疸|紫癜|溃疡|穿孔|骨折|脱位|曲张|息肉|疝|"
    r"霉素|西林|头孢|沙星|硝唑|康唑|韦|他汀|贝特|地平|普利|沙坦|洛尔|噻嗪|列酮|格列|双胍|拉唑|替丁|司琼|西泮|"
    r"唑仑|西汀|曲坦|昔布|洛芬|昔康|可林|"
    r"替尼|单抗|泊苷|铂|激素|松龙|米松|奈德|特罗|茶碱|溴铵|肝素|法林|沙班|格雷|普酶|曲班|前列素|他滨|"
    r"紫杉醇|酰胺|哌酮|拉宗|磺胺|抗生素|疫苗|"
    r"酸|钠|钾|钙|铁|锌|镁|胺|嗪|啶|肼|酮|酯|醇|苷|"
    r"镜|造影|活检|穿刺|切除|移植|透析|放疗|化疗)$"
)


def opposed(old: str, new: str) -> bool:
    """Whether one text holds a word of a group and the other another one of it."""
    for group in _GROUPS:
        left, right = {w for w in group if w in old}, {w for w in group if w in new}
        if left and right and not left & right:
            return True
    return False


def medical_head(run: str) -> bool:
    """Whether a run of characters ends like the name of a disease, a finding, a drug or a procedure."""
    return len(run) >= 2 and bool(_HEADS.search(run))


# ---------------------------------------------------------------- not

Stand = Literal["needless", "strict", "unsuitable", "avoid", "caution", "positive", "not", ""]

_HARMLESS = re.compile(
    r"不良|不当|不张|不眠|不舒|不洁|不正|不化|不固|不通|不消|不食|不语|不遂|不退|不匀|不佳|不易|不平|不慎|"
    r"不适(?!合|宜|用)|不同|不全|不足|不够|不到|不满|不少|不仅|不但|不只|不稳|不规则|不明|不齐|不孕|不育|不振|"
    r"不安|不畅|不利|不宁|不寐|不调|不完全|不典型|不详|"
    r"不止|不断|不停|不管|不等|不论|不清|不超过|不低于|不高于|不能超过|不得超过|不宜超过|别超过|不要超过|不过|"
    r"不好|不了|不下|不着|不上|不用说|"
    r"分别|特别|性别|个别|鉴别|区别|类别|别嘌|可待因|可的松|可乐定|非那|非诺|非洛|无水|无糖|无论|无力|无菌|"
    r"无创|无名|无花果|无症状|无缓解|无效|非常|非甾体|非霍奇金|非小细胞|非典型|非淋菌|非处方|非化脓|除非|未来|"
    r"未婚|未开封|未经|否则|是否|能否|"
    r"没有力气|没力气|没胃口|不规律|不说|避孕|慎重选|自行|可能|可见|可致|可引起|可使|可增|可减|可防|可降|"
    r"可干扰|可导致|可发展|可发|可以降|可以减|可伴|可有|可出现|可并发|"
    r"宜早|适应|应激|反应|对应|变应|效应|感应|供应|要点|主要|需氧|重要|次要|必需|能力|功能|性能|机能|智能|"
    r"不透|不退|不退|不平衡|不耐受|不自主|不协调"
)
_STANDS: tuple[tuple[Stand, re.Pattern[str]], ...] = (
    ("needless", re.compile(r"无需|无须|不需要|不需|不必|不用(?!于)|毋需|用不着|没必要|没有必要")),
    ("unsuitable", re.compile(r"不宜|不推荐|不建议|不适合|不适宜|不适用|不太适合|不主张")),
    (
        "avoid",
        re.compile(
            r"不得|不可以|不可|不能够|不能|不应当|不应该|不应|不要|不许|不准|切勿|勿|避免|避开|别|切莫|少吃|"
            r"忌口|忌吃|忌食|忌|禁酒|戒|限制|"
            r"不该|不予|严防|回避|远离"
        ),
    ),
    ("strict", re.compile(r"禁用|禁忌|禁止|严禁|禁食|禁服|禁")),
    ("caution", re.compile(r"慎用|慎服|谨慎|慎|小心|当心")),
    (
        "not",
        re.compile(r"不会|没有|并非|不是|不包括|不含|不影响|未必|尚未|从不|无|未|不|非|没"),
    ),
    (
        "positive",
        re.compile(
            r"可以|能够|放心|允许|安全|适合|适宜|适用|推荐|建议|应当|应该|必须|务必|需要|仍可|均可|也可|宜|应|"
            r"须|能|可|需"
        ),
    ),
)
_NEGATIVE = frozenset(("strict", "unsuitable", "avoid"))
_DENYING = re.compile(r"[不无未非没禁忌避别勿戒慎缺少低]")
_CLAUSE = re.compile(r"[，,。；;：:!?！？\n]")
_SENTENCE = re.compile(r"[。；;!?！？\n]")
_DENIED = re.compile(r"(?:没有|不包括|不是|并非|不会有|不表现为|不会出现|未见)$")
_DENYING_HEADER = re.compile(r"(?:不需要|无需|无须|不必|不用)[^，,。；;：:]{0,6}[：:]|(?:不是|没有|不包括|并非)[：:]")
_WORDS = re.compile(
    r"[^一-鿿a-z0-9.~%/<>≥≤]|的|者|患者|服用|使用|本品|可|以|能|应|要|会|需|须|用|宜|时|期间|进行|了|得|也|都|人"
)


def _stands(text: str) -> frozenset[Stand]:
    return strongest_readings(_HARMLESS.sub("□", text), _STANDS)


def _bare(text: str) -> str:
    rest = _HARMLESS.sub(lambda m: m[0], text)
    for _, pattern in _STANDS[:6]:
        rest = pattern.sub("", rest)
    return _WORDS.sub("", rest)


def _pairs(text: str) -> frozenset[str]:
    return frozenset(text[i : i + 2] for i in range(len(text) - 1))


def _about(clause: str, value: str) -> bool:
    """Whether a clause speaks of a piece of a fact: most of the one's pairs of characters stand in the other."""
    said, known = _pairs(_bare(clause)), _pairs(_bare(value))
    shared = len(said & known)
    return shared >= 1 and (shared * 5 >= len(known) * 3 or shared * 5 >= len(said) * 3)


def added_or_lost(answer: str, question: str, facts: Sequence[tuple[str, str]]) -> str:
    """What the answer permits, forbids, affirms or denies against its facts, in words; empty where they agree.

    ``facts``: (relation, value). A list under 禁忌 needs no word of its own where its sentence or question has one.
    """
    parts = [(relation, part) for relation, value in facts for part in _CLAUSE.split(value) if len(part) > 1]
    denying = sorted(
        {part for _, part in parts if _DENYING.search(part) or _stands(part)}, key=lambda part: (-len(part), part)
    )
    for sentence in _SENTENCE.split(answer):
        spoken = sentence
        for part in denying:
            spoken = spoken if _stands(part) & (_NEGATIVE | {"caution"}) else spoken.replace(part, "")
        near = _stands(spoken)
        for clause in _units(sentence):
            about = [(relation, part) for relation, part in parts if _about(clause, part)]
            best = _best(clause, about)
            stated = [item for item in about if item[1] in clause]
            for relation, part in stated or ([best] if best else []):
                if _DENIED.search(clause[: clause.find(part)] if part in clause else ""):
                    return f"{clause!r} denies {part!r}"
                said = _without(clause, part, denying)
                wrong = _against(said, near, _stands(question), relation, part)
                if wrong:
                    return wrong
    header = _DENYING_HEADER.search(answer)
    return f"{header[0]!r} denies what the facts state" if header else ""


def _units(sentence: str) -> list[str]:
    """The clauses of a sentence, and those items of their lists that permit or forbid by themselves."""
    clauses = [clause for clause in _CLAUSE.split(sentence) if clause.strip()]
    items = [item for clause in clauses if "、" in clause for item in clause.split("、") if _stands(item)]
    return [*clauses, *items]


def _without(clause: str, part: str, denying: Sequence[str]) -> str:
    """The clause without the other facts' words of denial: 肺不张 in a list denies nothing of its neighbours."""
    for other in denying:
        if other not in part and part not in other:
            clause = clause.replace(other, "")
    return clause


def _best(clause: str, about: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    said = _pairs(_bare(clause))
    return max(about, key=lambda item: len(said & _pairs(_bare(item[1]))), default=None)


def _against(clause: str, sentence: frozenset[Stand], question: frozenset[Stand], relation: str, value: str) -> str:
    taken, known = _stands(clause), _stands(value)
    if relation == "禁忌" and not known & (_NEGATIVE | {"caution"}):
        known = (known - {"positive"}) | {"strict"}
    if ("needless" in taken) != ("needless" in known):
        return f"{clause!r} and {value!r} do not both call it needless"
    negative, forbids = bool(known & _NEGATIVE), bool(taken & _NEGATIVE)
    if negative or "caution" in known:
        wanted = "forbids" if negative else "advises caution"
        if "positive" in taken and not taken & (_NEGATIVE | {"caution", "not"}):
            return f"{clause!r} permits what {value!r} {wanted}"
        spoken = taken if sentence & _NEGATIVE else taken | sentence
        if negative and "caution" in spoken and "caution" not in known and not forbids:
            return f"{clause!r} is milder than {value!r}"
        if "caution" in known and not negative and forbids and "caution" not in taken:
            return f"{clause!r} is stricter than {value!r}"
        if ("strict" in known and "unsuitable" in taken) or ("unsuitable" in known and "strict" in taken):
            return f"{clause!r} is not as strict as {value!r}, or stricter"
        kept = _NEGATIVE | {"caution", "not"}
        if not taken & kept and not sentence & kept and ("positive" in sentence or not question & kept):
            return f"{clause!r} lost what {value!r} {wanted}"
        return ""
    if "not" in known:
        held = bool(taken & (_NEGATIVE | {"not"}) or _DENYING.search(clause))
        return "" if held else f"{clause!r} lost the not of {value!r}"
    if taken & (_NEGATIVE | {"not", "caution"}) and not _DENYING.search(value):
        return f"{clause!r} denies {value!r}"
    return ""
