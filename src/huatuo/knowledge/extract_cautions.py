"""What stands under 注意事项: orders to whoever takes or gives a drug, and beside them storage and adverse reactions.

A sentence that orders nothing, and says neither how to store the drug nor what it does, states no triple.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from huatuo.knowledge.extract_cuts import Range, cuts
from huatuo.knowledge.extract_lists import terms, values

CAUTIONS = "注意事项"
"""The relation whose sections are read here."""

_STORED = re.compile(
    r"避光|密[封闭]|遮光|冷藏|冷冻|阴凉|干燥处|室温|冰箱|\d℃[^，。]{0,4}(?:以下|以内)?(?:保存|贮|存放)|(?:保存|贮[存藏]|存放|储存)"
)
_TAKES = re.compile(r"服用|口服|注射|静滴|静脉|稀释|溶解|配制|给药|用药")
_ORDERS = re.compile(
    r"(?<!反)应(?![激答])|[必仍尚]?须|(?<!不)需(?!氧)|[不勿][宜可能得要应]|切?勿|避免|[慎忌禁]|注意|监测|立?即停|咨询|遵医|"
    r"(?<![便适不])宜(?!于)|方可|建议|必要时|定期|小心|警惕|当心"
)
_HAPPENS = re.compile(r"(?:可能?|[易会偶常可])(?:引起|致|导致|见|出现|发生|诱发|有)|(?:^|[，,])引起")
_DENIES = re.compile(r"未见|不会|不引起|尚[未无]|没有|无明显|并?不影响")
_HALF = re.compile(r"[。！!？?；;\n]+")
_CLAUSE = re.compile(r"[，,。；;：:\n]+")


def cautions(text: str, start: int, end: int) -> Iterator[tuple[str, Range]]:
    """(relation, range) of what a section of cautions states, in order."""
    for first, last in values(text, CAUTIONS, start, end):
        said = text[first:last]
        if _STORED.search(said) and not _TAKES.search(said):
            yield from (("贮藏", half) for half in cuts(text, first, last, _HALF) if _STORED.search(text[slice(*half)]))
        elif _ORDERS.search(said):
            yield CAUTIONS, (first, last)
        elif _HAPPENS.search(said) and not _DENIES.search(said):
            yield from (("不良反应", term) for term in _reactions(text, first, last))


def _reactions(text: str, start: int, end: int) -> Iterator[Range]:
    for first, last in cuts(text, start, end, _CLAUSE):
        if found := _HAPPENS.search(text[first:last]):
            yield from terms(text, "不良反应", first + found.end(), last)
        elif text[first:last].startswith(("引起", "导致")):
            yield from terms(text, "不良反应", first + 2, last)
