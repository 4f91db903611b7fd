"""Personal data in Chinese and English text: found by shape, check digit and label; never by a model.

A number alone is no personal data here: a dose, a date or a laboratory value has no mobile prefix, no check digit that
fits and no label before it. Names are found only beside what makes them one: a title (王医生) or a label (姓名：).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

_HOTLINES = ("800", "888", "877", "866", "855", "844", "833", "400")
"""First digits of numbers that are free to call (North American Numbering Plan; China)."""


class Personal(NamedTuple):
    """One piece of personal data."""

    kind: str
    """``phone``, ``id_number``, ``email``, ``url``, ``record_number``, ``doctor``, ``name``."""
    start: int
    """First character, counted from 0."""
    end: int
    """One past the last character."""
    text: str
    """What stands there."""


LABELS = {
    "phone": "电话",
    "id_number": "证件号",
    "email": "邮箱",
    "url": "网址",
    "record_number": "编号",
    "doctor": "姓名",
    "name": "姓名",
}
"""What stands in place of each kind after `deidentify`: ``〔电话〕``."""

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK = "10X98765432"
# GB 11643-1999: weights of the 17 digits, and the check character by the weighted sum modulo 11

_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田"
    "任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文欧阳"
)
# the 100 most frequent surnames of the 2006 sample of the Chinese Academy of Sciences, simplified; 欧阳 is split here
_NO_NAME = frozenset(
    "科院病症何时血压门诊室区内外专家主治任级别般全体名位个些是便排班上下见疸的了和与或等医药术炎瘤癌疗护士师生热烧痛温"
    "数业值住请找问让由后前中有无不要可能应会须年轻老多少急重面法向式规量度肿脏皮骨"
)
"""Characters that stand in words before a title (全科医生, 任何医生, 高血压医生), and hardly in a name."""
_GIVEN = rf"(?:[^\W\d_A-Za-z{''.join(sorted(_NO_NAME))}]{{1,2}})"
_BEFORE = r"(?:(?<![\u4e00-\u9fff])|(?<=[请找挂由是让给跟向和与问叫去见听约的院科系谢询]))"
_TITLE = (
    r"(?:副?主任(?:医师|药师|技师|护师)|主治(?:医师|医生)|住院医师|主管(?:护师|药师)|副?主任(?![何务])|副?教授|医生|医师|"
    r"大夫|护士长|护士|院长)"
)
_DOCTOR = re.compile(rf"{_BEFORE}(?!谢谢|(?<=谢)谢)(?P<name>(?:欧阳|[{_SURNAMES}]){_GIVEN}?)(?={_TITLE})")
_ENGLISH_DOCTOR = re.compile(r"\b(?:Dr|Prof|Doctor|Professor)\.?\s+(?P<name>[A-Z][a-z]+(?:[ -][A-Z][a-z]+){0,2})")
_NAME = re.compile(
    rf"(?:姓名|联系人|家属签名|患者签名)\s*[:：]\s*(?P<name>(?:欧阳|[{_SURNAMES}])[\u4e00-\u9fff]{{1,2}})"
    r"(?=[\s，,。；;、（(]|性别|男|女|$)"
)
_PHONE = re.compile(
    r"(?<![\d.])(?:"
    r"(?:(?:\+|00)?86[- ]?)?1[3-9]\d(?P<gap>[- ]?)\d{4}(?P=gap)\d{4}"
    r"|\(?0(?:10|2\d|[3-9]\d{2})\)?[- ]\d{7,8}(?:-\d{1,5})?"
    r"|[48]00-\d{3}-?\d{4}|[48]00-\d{4}-\d{3}"
    r")(?![\d.]\d|\d)(?!\s*(?:[×/%]|mg|ml|IU|mmol))"
)
_LABELLED_PHONE = re.compile(
    r"(?:电话|手机|传真|致电|拨打|热线|TEL|Tel)\s*(?:号码|号)?\s*[:：]?\s*(?P<name>\d{7,12})(?!\d)"
)
_ID = re.compile(r"(?<![\dA-Za-z])\d{17}[\dXx](?![\dA-Za-z])")
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}", re.ASCII)
_URL = re.compile(
    r"(?:https?://|www\.)[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+[A-Za-z0-9/=_-]"
    r"|(?<![A-Za-z0-9@.-])(?:[A-Za-z0-9-]+\.)+(?:com|cn|net|org)(?:/[A-Za-z0-9\-._~/?#=&%]*)?(?![A-Za-z0-9])"
)
_RECORD = re.compile(
    r"(?:住院号|病案号|病历号|病例号|门诊号|就诊号|就诊卡号|登记号|床位号|医保卡?号|社保卡?号|病理号|影像号|检查号|标本号|"
    r"条码号|档案号|身份证号?|护照号)\s*(?:码)?\s*(?:[:：#]|为|是|No\.?)?\s*(?P<name>[A-Za-z]{0,3}-?\d[\dA-Za-z-]{2,})"
)


def is_id_number(text: str) -> bool:
    """Whether 18 characters are a resident identity number: a birth date in it, and the check digit of GB 11643."""
    if not re.fullmatch(r"\d{17}[\dXx]", text):
        return False
    try:
        born = date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, text, strict=False))
    return born.year >= 1880 and _CHECK[total % 11] == text[17].upper()


_FINDERS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("url", _URL, lambda _: True),
    ("email", _EMAIL, lambda _: True),
    ("id_number", _ID, is_id_number),
    ("record_number", _RECORD, lambda _: True),
    ("phone", _PHONE, lambda _: True),
    ("phone", _LABELLED_PHONE, lambda _: True),
    ("doctor", _DOCTOR, lambda _: True),
    ("doctor", _ENGLISH_DOCTOR, lambda _: True),
    ("name", _NAME, lambda _: True),
)


def find(text: str) -> list[Personal]:
    """The personal data in a text, in order, none overlapping another."""
    found: list[Personal] = []
    for kind, pattern, fits in _FINDERS:
        for match in pattern.finditer(text):
            group = "name" if "name" in pattern.groupindex else 0
            start, end = match.span(group)
            free = all(end <= other.start or start >= other.end for other in found)
            if free and fits(match[group]):
                found.append(Personal(kind, start, end, match[group]))
    return sorted(found, key=lambda item: item.start)


def deidentify(text: str) -> str:
    """The text with ``〔电话〕`` and the like in place of personal data; titles and labels stay (〔姓名〕医生)."""
    parts, last = [], 0
    for item in find(text):
        parts += [text[last : item.start], f"〔{LABELS[item.kind]}〕"]
        last = item.end
    return "".join([*parts, text[last:]])


def is_hotline(number: str) -> bool:
    """Whether a telephone number is free to call, so that of an institution and not of a person: 800 and its followers
    in North America, 400 and 800 in China."""
    digits = re.sub(r"\D", "", number)
    if len(digits) == 11 and digits.startswith("1"):
        digits = digits[1:]
    return len(digits) == 10 and digits.startswith(_HOTLINES)


_ROLE = re.compile(
    r"info|contact|help|support|office|serv|inquir|enquir|question|webmaster|admin|press|media|public|mail|answer|"
    r"regist|foundation|assoc|society|hotline|donat|member|education|library|team",
    re.IGNORECASE,
)


def is_role_address(address: str) -> bool:
    """Whether an e-mail address is an institution's and not a person's: it says what it is for before the @."""
    local, _, domain = address.partition("@")
    return bool(domain) and _ROLE.search(local) is not None
