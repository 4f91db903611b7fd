"""Two drugs mixed up in one record: the ingredients or the generic name belong to another one.

The pattern is HuaTuo's own Table 1 (arXiv 2304.06975): a record of one drug that lists its own ingredient and, beside
it, those, the generic name and the class of a compound of two others. A brand name whose ingredients are named
otherwise is no mistake, so a record is judged only where its own name is among its ingredients or generic names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_DOSE = re.compile(r"\d+(?:\.\d+)?\s*(?:毫克|微克|克|毫升|升|单位|万单位|国际单位|mg|g|ml|mL|μg|µg|ug|IU|U|%|％)")
_NOT_A_NAME = re.compile(r"^(?:本品|辅料|每|主要|活性|其他)|复方制剂|辅料|化学名|分子式|分子量")
_SALT = re.compile(
    r"盐酸|硫酸|磷酸|醋酸|枸橼酸|酒石酸|马来酸|富马酸|苹果酸|琥珀酸|乳酸|氢溴酸|甲磺酸|苯磺酸|硝酸|水合物|钠盐|钾盐|钙盐"
    r"|[钠钾钙镁]$|[片丸]$|胶囊$|注射液$|颗粒$"
)
EXCIPIENTS = frozenset(
    [
        "淀粉",
        "乳糖",
        "蔗糖",
        "糊精",
        "氯化钠",
        "葡萄糖",
        "甘露醇",
        "注射用水",
        "纯化水",
        "水",
        "乙醇",
        "硬脂酸镁",
        "滑石粉",
        "微晶纤维素",
        "羟丙甲纤维素",
        "聚维酮",
        "二氧化钛",
        "明胶",
        "甘油",
        "丙二醇",
        "苯甲醇",
        "香精",
    ]
)
"""Substances that stand in lists of ingredients without an effect of their own."""

CLASS_WORDS: dict[str, str] = {
    "抗结核": "tuberculosis",
    "降糖": "diabetes",
    "双胍": "diabetes",
    "磺脲": "diabetes",
    "糖尿病": "diabetes",
    "抗惊厥": "epilepsy",
    "抗肿瘤": "tumours",
    "抗癌": "tumours",
    "抗疟": "malaria",
    "降尿酸": "gout",
    "抗精神病": "psychosis",
    "抗抑郁": "depression",
    "抗甲状腺": "thyroid",
    "抗艾滋": "HIV",
    "驱虫": "worms",
}
"""Word of a therapeutic class → group. Only groups whose drugs hardly ever belong to a second one."""


def class_groups(classes: Iterable[str]) -> set[str]:
    """The therapeutic groups that a drug's classes name."""
    return {group for text in classes for word, group in CLASS_WORDS.items() if word in text}


INDICATION_WORDS: dict[str, str] = {
    "结核": "tuberculosis",
    "糖尿病": "diabetes",
    "痫": "epilepsy",
    "惊厥": "epilepsy",
    "癌": "tumours",
    "肿瘤": "tumours",
    "白血病": "tumours",
    "淋巴瘤": "tumours",
    "疟": "malaria",
    "高尿酸": "gout",
    "精神分裂": "psychosis",
    "抑郁": "depression",
    "甲亢": "thyroid",
    "甲状腺功能亢进": "thyroid",
    "艾滋": "HIV",
    "HIV": "HIV",
    "蛔虫": "worms",
    "绦虫": "worms",
}
"""Word of an indication → group of the drugs that are for it."""


def indication_groups(indications: Iterable[str]) -> set[str]:
    """The therapeutic groups that a drug's indications name."""
    return {group for text in indications for word, group in INDICATION_WORDS.items() if word in text}


def _core(name: str) -> str:
    """A substance's name without dose, salt and dosage form."""
    bare = _DOSE.sub("", name).strip(" ,，。;；:：()（）")
    return _SALT.sub("", bare)


def _is_same(one: str, other: str) -> bool:
    """Whether two names share two characters in a row, or one is within the other."""
    a, b = _core(one), _core(other)
    if not a or not b:
        return True  # nothing is left to compare: a salt or a dose says nothing
    return a in b or b in a or any(a[i : i + 2] in b for i in range(len(a) - 1))


def substances(ingredients: Iterable[str]) -> frozenset[str]:
    """The names of the effective substances in a list of ingredients, without dose, salt and dosage form."""
    cores = (_core(text) for text in ingredients if not _NOT_A_NAME.search(text))
    return frozenset(core for core in cores if len(core) > 1 and core not in EXCIPIENTS)


def foreign_evidence(name: str, aliases: Sequence[str], ingredients: Sequence[str], generic: Sequence[str]) -> str:
    """What shows that the record is about two drugs, for a person to read; empty where nothing does."""
    own = _core(name)
    listed = [text for text in ingredients if not _NOT_A_NAME.search(text)]
    is_ingredient = any(own and own in text for text in ingredients)
    is_generic = any(own and own in text for text in generic)
    if "复方" in name or not own or not (is_ingredient or is_generic):
        return ""
    names = [name, *aliases]
    foreign = [t for t in listed if _core(t) and _core(t) not in EXCIPIENTS and not any(_is_same(t, n) for n in names)]
    other = [t for t in generic if not any(_is_same(t, n) for n in names)]
    parts = []
    if foreign and is_ingredient:
        parts.append(f"ingredients {'、'.join(foreign[:4])} beside its own")
    if other:
        parts.append(f"generic name {'、'.join(other[:3])}")
    return " and ".join(parts)
