"""Whether a fact about a dose speaks of this form, this route and these people."""

from __future__ import annotations

import re
from decimal import Decimal

from huatuo.checks.dose_text import number

_SALTS = re.compile(
    r"^(?:重酒石酸|盐酸|硫酸|磷酸|马来酸|苯磺酸|富马酸|酒石酸|琥珀酸|枸橼酸|氢溴酸|甲磺酸|醋酸|复方|"
    r"注射用)(?=[一-鿿]{2})"
)
_SALT_ENDS = re.compile(r"(?<=[一-鿿]{2})(?:钠|钾|钙|镁)$")
_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, re.I))
    for name, pattern in (
        ("slow", r"缓释|控释|长效|extended[- ]release|modified[- ]release|\b[SX]R\b"),
        ("enteric", r"肠溶|enteric|gastro-?resistant"),
        ("plain", r"普通片|普通胶囊|速释|immediate[- ]release"),
        ("effervescent", r"泡腾|effervescent"),
        ("liquid", r"糖浆|口服溶液|口服液|混悬液?|滴剂|合剂|酊|syrup|suspension|oral solution|elixir"),
        ("topical", r"凝胶|乳膏|软膏|乳剂|洗剂|搽剂|cream|ointment|\bgel\b"),
        ("injection", r"注射液|注射剂|粉针|injection"),
        ("rectal", r"栓|suppositor"),
        ("eye", r"滴眼|眼膏|滴鼻|鼻喷|滴耳|eye drops|nasal"),
        ("inhaled", r"吸入|气雾|喷雾|雾化|inhal|nebuli"),
        ("patch", r"贴剂|贴片|贴膏|patch"),
    )
)
_FORM_WORDS = re.compile(
    r"(?:缓释|控释|长效|肠溶|泡腾|分散|咀嚼|口崩|含|软|硬|普通)*(?:片剂|片|胶囊|颗粒|口服溶液|口服液|"
    r"糖浆|混悬液|混悬|凝胶|乳膏|软膏|滴眼液|"
    r"滴丸|丸|散剂|注射液|注射剂|粉针|栓剂|栓|贴剂|贴片|气雾剂|喷雾剂|吸入剂|溶液|滴剂|合剂)$"
)
_SET_APART = frozenset(
    ("slow", "enteric", "effervescent", "liquid", "topical", "injection", "rectal", "eye", "inhaled", "patch")
)


def short_name(name: str) -> str:
    """The name without salt and form: 盐酸氨溴索口服溶液 is 氨溴索. At least two characters are left."""
    name = re.sub(r"[(（].*?[)）]", "", name).strip()
    short = _SALTS.sub("", _FORM_WORDS.sub("", name))
    short = _SALT_ENDS.sub("", short)
    return short if len(short) >= 2 else name


def drug_forms(text: str) -> frozenset[str]:
    """The forms that a name or the words after it speak of."""
    return frozenset(name for name, pattern in _FORMS if pattern.search(text))


def same_form(known: frozenset[str], said: frozenset[str]) -> bool:
    """Whether what is said may be the form of the fact: silence is no contradiction, another form is one."""
    if not said:
        return True
    if "plain" in said:
        return not known & _SET_APART
    if known:
        return bool(said & known)
    return not said & {"slow", "effervescent"}


_ROUTES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, re.I))
    for name, pattern in (
        ("drip", r"静脉滴注|静滴|静脉输注|滴注|输液|\b(?:IV|intravenous) infusion\b"),
        ("push", r"静脉推注|静推|静脉注射|静注|\bIV (?:bolus|push)\b"),
        ("vein", r"静脉(?!滴|推|注|输|曲)|\bintravenous(?:ly)?\b|\bIV\b"),
        ("muscle", r"肌内注射|肌肉注射|肌注|\bintramuscular(?:ly)?\b|\bIM\b"),
        ("skin", r"皮下|\bsubcutaneous(?:ly)?\b"),
        ("mouth", r"口服|内服|\boral(?:ly)?\b|\bby mouth\b"),
        ("topical", r"外用|外涂|涂抹|涂于|涂患处|\btopical(?:ly)?\b|\bapply\b"),
        ("inhaled", r"吸入|雾化|\binhal\w+|\bnebuli\w+"),
        ("rectal", r"直肠|塞肛|纳肛|肛门给药|\brectal(?:ly)?\b"),
        ("eye", r"滴眼|点眼|滴鼻|喷鼻|滴耳"),
        ("tongue", r"舌下|\bsublingual(?:ly)?\b"),
    )
)


def route_of(text: str) -> frozenset[str]:
    """The routes that a text names."""
    return frozenset(name for name, pattern in _ROUTES if pattern.search(text))


def same_route(fact: str, said: frozenset[str]) -> bool:
    """Whether the route that is said is one of the fact, whose words are given; silence of either is none."""
    known = route_of(fact)
    if not known or not said or known & said:
        return True
    return (
        "vein" in known | said and bool((known | said) & {"drip", "push"}) and known | said <= {"vein", "drip", "push"}
    )


_PEOPLE: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, re.I))
    for name, pattern in (
        ("pregnant", r"孕妇|怀孕|妊娠|孕期|孕\d+周|备孕|\bpregnan\w+"),
        ("nursing", r"哺乳|喂奶|母乳|\bbreast-?feeding\b|\bnursing mother"),
        ("child",
            r"儿童|小儿|孩子|宝宝|婴儿|幼儿|新生儿|小孩|患儿|娃|\bchild(?:ren)?\b|\bkids?\b|\bbab(?:y|ies)\b|"
            r"\binfants?\b|\btoddlers?\b"),
        ("kidney",
            r"肾功能(?:不全|减退|损害|障碍|衰竭|差)|肾衰|肾病患者|透析|尿毒症|\brenal (?:impairment|failure)|"
            r"\bkidney (?:failure|disease)|\bdialysis"),
        ("liver",
            r"肝功能(?:不全|减退|损害|障碍|衰竭|差)|肝衰竭|肝硬(?:化|变)|\b(?:hepatic|liver) (?:impairment|failure)|"
            r"\bcirrhosis"),
    )
)  # fmt: skip
_ADULT = re.compile(r"成人|成年|大人|\badults?\b", re.I)
_DENIED = re.compile(r"(?:不是|并非|没有?|未|无|非|\bnot\b|\bno\b)[^，。,;；]{0,4}$", re.I)
_FORBIDDEN_AFTER = re.compile(r"^[^，。,;；]{0,6}(?:禁用|慎用|不宜|避免|忌用|请咨询|遵医嘱|不能)")
_CHILD_RANGE = re.compile(
    r"(\d+)\s*(?:岁)?\s*[~到至-]\s*(\d+)\s*岁|(\d+)\s*岁(及|或)?(?:以上|及以上)|(\d+)\s*岁(?:及)?以下", re.I
)


def people(text: str) -> frozenset[str]:
    """The groups that a text speaks of as those who are to take something: not those it excludes or denies."""
    found = set()
    for name, pattern in _PEOPLE:
        for match in pattern.finditer(text):
            if not _DENIED.search(text[: match.start()]) and not _FORBIDDEN_AFTER.match(text[match.end() :]):
                found.add(name)
    return frozenset(found)


def covers(fact: str, who: frozenset[str], years: Decimal | None) -> bool:
    """Whether a fact's words (为 whom, or the dose itself) speak of these people.

    A fact that names nobody is about adults. Pregnancy, nursing, and weak kidneys or liver must be named by the fact.
    """
    named = frozenset(name for name, pattern in _PEOPLE if pattern.search(fact))
    is_child = ("child" in who and (years is None or years < 18)) or (years is not None and years < 18)
    if (who - {"child"}) - named:
        return False
    ranges = list(_CHILD_RANGE.finditer(fact))
    if is_child:
        if ranges and years is not None:
            return any(_in_range(found, years) for found in ranges)
        return "child" in named or (bool(ranges) and years is None)
    only_child = "child" in named and not _ADULT.search(fact)
    return not only_child or not _grown(who, years)


def _grown(who: frozenset[str], years: Decimal | None) -> bool:
    """Whether it is known that a grown person is meant."""
    return (years is not None and years >= 18) or bool(who & {"pregnant", "nursing"})


def _in_range(found: re.Match[str], years: Decimal) -> bool:
    low, high, above, _, below = found.groups()
    if low:
        return number(low) <= years <= number(high)
    return years >= number(above) if above else years <= number(below)
