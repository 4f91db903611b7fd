"""Does an answer's dose stand in the facts? Six verdicts, and never "right" for what the facts do not say.

| verdict | the dose |
|---|---|
| `supported` | lies within the facts, in whatever unit or words |
| `above`, `below` | lies outside them: one dose, the times a day, or the day's total |
| `unit_suspicious` | lies outside, and its number would fit with another unit (mg for g, ml for mg) |
| `unknown` | drug, form, route, group of people or unit are none that the facts speak of |
| `no_dose` | there is none |

With several doses in one answer the worst decides, in the order of `WORST`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

from huatuo.checks.dose_facts import Limits, limits_of
from huatuo.checks.dose_people import covers, drug_forms, people, route_of, same_form, same_route, short_name
from huatuo.checks.dose_text import Amount, Often, age, amounts, frequencies, plain, weight

Verdict = Literal["above", "unit_suspicious", "below", "unknown", "supported", "no_dose"]

WORST: tuple[Verdict, ...] = ("above", "unit_suspicious", "below", "unknown", "supported", "no_dose")
"""The verdicts, the worst first."""

FAULTS: tuple[Verdict, ...] = ("above", "unit_suspicious", "below")
"""The verdicts that contradict the facts."""


class DoseFact(NamedTuple):
    """What is known of the dose of a drug."""

    drug: str
    """Name of the drug, with its form where the fact is of that form."""
    dose: str
    """The dose in words: 成人一次0.5g，一日3次."""
    route: str = ""
    """How it is given; empty where the fact does not say."""
    population: str = ""
    """For whom; empty: as ``dose`` says, else adults."""
    also: tuple[str, ...] = ()
    """Other names of the drug."""


class Dose(NamedTuple):
    """One dose of an answer, judged."""

    verdict: Verdict
    drug: str
    """The drug as the facts call it; empty where they know none."""
    words: str
    """What the answer says."""
    why: str
    """What decided."""


def judge(answer: str, facts: Sequence[DoseFact], question: str = "") -> list[Dose]:
    """Every dose of an answer with its verdict; empty where it states none. ``question`` says who asks."""
    text = plain(answer)
    context = plain(question)
    found: list[Dose] = []
    last: tuple[DoseFact, ...] = ()
    for sentence in _sentences(text):
        named = _mentions(sentence, facts)
        parts = _segments(sentence, named, last)
        for known, part in parts:
            found += _of_segment(part, known, sentence + "\n" + text, context)
        last = named[-1].facts if named else last
    return found


def verdict(answer: str, facts: Sequence[DoseFact], question: str = "") -> Verdict:
    """The worst verdict of an answer."""
    said = {dose.verdict for dose in judge(answer, facts, question)}
    return next((one for one in WORST if one in said), "no_dose")


# ---------------------------------------------------------------- which drug


class _Named(NamedTuple):
    start: int
    end: int
    facts: tuple[DoseFact, ...]
    """Facts of the drug; empty for a drug that the facts do not know."""


_STEMS = re.compile(
    r"[一-鿿]{1,6}(?:西林|沙星|霉素|他汀|地平|洛尔|普利|沙坦|拉唑|替丁|替尼|单抗|昔布|洛芬|芬酸|那韦|韦|唑|酮|酸|松|噻嗪|塞米|"
    r"他尼|双胍|格列[一-鿿]|列净|列汀|肝素|胰岛(?:素)|可的松|米松|泮|仑|西汀|平|定|啶|茶碱|特罗|坦|肽|素|嘌呤|酰胺)"
    r"(?=[一每\d日口静肌皮，,\s:：用服片胶颗])"
    r"|[一-鿿]{1,8}(?:(?<![每一两几半])(?:片|胶囊|颗粒|丸|口服液|糖浆)|(?<![该此本服用吃这种西中])药)(?=(?:一次|每次|一日|每日|每天|\d))"
    r"|\b[A-Za-z]{3,}(?:cillin|mycin|floxacin|statin|dipine|olol|pril|sartan|prazole|tidine|tinib|mab|coxib|profen|"
    r"fenac|vir|azole|sone|thiazide|semide|formin|gliptin|parin|pam|lam|oxetine|phylline|terol|oxen|aminophen|setron)\b",
    re.I,
)
"""How drugs are named (WHO stems and their Chinese forms): a drug of which the facts know nothing."""


def _sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[。；;！!？?\n])|(?<=[a-z\d)])\.\s+(?=[A-Z])", text) if part.strip()]


def _mentions(sentence: str, facts: Iterable[DoseFact]) -> list[_Named]:
    """The drugs that a sentence names, in order, the longest name at each place."""
    folded = sentence.lower()
    places: dict[tuple[int, int], list[DoseFact]] = {}
    for fact in facts:
        for name in {short_name(name) for name in (fact.drug, *fact.also)} - {""}:
            for match in re.finditer(re.escape(name.lower()), folded):
                places.setdefault(match.span(), []).append(fact)
    chosen: list[_Named] = []
    for (start, end), known in sorted(places.items(), key=lambda item: (item[0][0], -item[0][1])):
        if not chosen or start >= chosen[-1].end:
            chosen.append(_Named(start, end, tuple(known)))
    for match in _STEMS.finditer(sentence):
        if not any(match.start() < one.end and one.start < match.end() for one in chosen):
            chosen.append(_Named(*match.span(), ()))
    return sorted(chosen)


def _segments(
    sentence: str, named: Sequence[_Named], last: tuple[DoseFact, ...]
) -> list[tuple[tuple[DoseFact, ...], str]]:
    """The sentence cut so that each part speaks of one drug; one that names none goes on about the last."""
    if not named:
        return [(last, sentence)]
    parts = []
    starts = [0, *(_begin(sentence, one.start) for one in named[1:])]
    for place, (one, start) in enumerate(zip(named, starts, strict=True)):
        end = starts[place + 1] if place + 1 < len(starts) else len(sentence)
        parts.append((_of_form(one, sentence[one.start : end]), sentence[start:end]))
    return parts


def _begin(sentence: str, start: int) -> int:
    """Where what is said of a drug begins: at ``400 mg of`` before its name."""
    before = re.search(r"\d[\d.]*\s*\w+ of $", sentence[:start])
    return before.start() if before else start


def _of_form(one: _Named, said: str) -> tuple[DoseFact, ...]:
    """The facts of the form that is named; none where another form is named than the facts are of."""
    return tuple(fact for fact in one.facts if same_form(drug_forms(fact.drug), drug_forms(said[:24])))


# ---------------------------------------------------------------- one drug


def _of_segment(part: str, known: tuple[DoseFact, ...], around: str, question: str) -> list[Dose]:
    stated, often = amounts(part), frequencies(part)
    if not stated:
        return []
    who = people(question + "\n" + around)
    years = age(around) if age(around) is not None else age(question)
    fitting = [fact for fact in known if same_route(fact.route or fact.dose, route_of(part))]
    fitting = [fact for fact in fitting if covers(fact.population or fact.dose, who, years)]
    groups = _grouped(stated)
    if not fitting:
        why = "drug, form, route or group of people is not in the facts"
        drug = known[0].drug if known else ""
        return [Dose("unknown", drug, part[group[0].start : group[-1].end], why) for group in groups]
    kilos = weight(around) or weight(question)
    found = []
    for place, group in enumerate(groups):
        until = groups[place + 1][0].start if place + 1 < len(groups) else len(part)
        times = _times_of(group, often, until, groups[place - 1][-1].end if place else 0)
        found.append(_best(group, times, fitting, part, kilos))
    return found


def _grouped(stated: Sequence[Amount]) -> list[list[Amount]]:
    """Amounts that say the same in two units stand together: 1袋(3g)."""
    groups: list[list[Amount]] = []
    for amount in stated:
        if amount.aside and groups:
            groups[-1].append(amount)
        else:
            groups.append([amount])
    return groups


def _times_of(group: Sequence[Amount], often: Sequence[Often], until: int, since: int) -> Often | None:
    """How often the dose is to be taken: what follows it, else what stands before it."""
    after = [one for one in often if group[-1].end <= one.start < until]
    before = [one for one in often if since <= one.start < group[0].start]
    return next(iter(after or before[-1:]), None)


def _best(
    group: Sequence[Amount], times: Often | None, facts: Sequence[DoseFact], part: str, kilos: Decimal | None
) -> Dose:
    """The verdict by the fact that speaks best for the dose."""
    words = part[group[0].start : group[-1].end]
    order: tuple[Verdict, ...] = ("supported", "above", "unit_suspicious", "below", "unknown")
    judged = [
        Dose(*(one := _compare(amount, times, limits, kilos))[:1], fact.drug, words, one[1])
        for fact in facts
        for limits in limits_of(fact.dose, kilos)
        for amount in group
    ]
    return min(judged, key=lambda dose: order.index(dose.verdict), default=Dose("unknown", "", words, "no limits"))


def _compare(amount: Amount, times: Often | None, known: Limits, kilos: Decimal | None) -> tuple[Verdict, str]:
    """The verdict of one amount by the limits of one fact, and why."""
    fit = known.of(amount, kilos)
    if fit is None:
        swapped = known.other_unit(amount)
        return ("unit_suspicious", swapped) if swapped else ("unknown", f"the facts have no amount in {amount.unit}")
    low, high, once, day, most_day = fit
    single, total = _single_and_total(amount, low, high, times)
    outside = _outside(single, total, once, day, most_day, amount.most)
    if outside == "unknown":
        return "unknown", "the facts do not say how much a day"
    if outside:
        swapped = known.swapped(amount, once, day)
        return ("unit_suspicious", swapped) if swapped else (outside, f"{amount.low}-{amount.high} {amount.unit}")
    return _how_often(times, known, most_day is not None and total is not None)


Ends = tuple[Decimal, Decimal]


def _single_and_total(
    amount: Amount, low: Decimal, high: Decimal, times: Often | None
) -> tuple[Ends | None, Ends | None]:
    """One dose and the day's total, as far as the answer says them."""
    if amount.role == "day":
        share = times.high if times and times.shares else None
        return ((low / share, high / share) if share else None), (low, high)
    per_day = times.high if times and not times.shares else None
    return (low, high), ((low * per_day, high * per_day) if per_day else None)


def _outside(
    single: Ends | None, total: Ends | None, once: Ends | None, day: Ends | None, most_day: Decimal | None, most: bool
) -> Verdict | Literal[""]:
    """Where a dose lies outside the limits: above before below."""
    if total and most_day is not None and total[1] > most_day:
        return "above"
    if single and once and single[1] > once[1]:
        return "above"
    if total and day and most_day is None and total[1] > day[1]:
        return "above"
    if single and not once and day and single[1] > day[1]:
        return "above"
    if most:
        return "" if (single and once) or (total and (day or most_day)) or (single and day) else "unknown"
    if single and once and single[0] < once[0]:
        return "below"
    if total and day and total[0] < day[0]:
        return "below"
    if (single and once) or (total and (day or most_day is not None)) or (single and day and single[0] >= day[0] / 6):
        return ""
    return "unknown"


def _how_often(times: Often | None, known: Limits, has_total: bool) -> tuple[Verdict, str]:
    """The verdict by the times a day; where the day's total is within a stated most, more times are no fault."""
    if times is None or times.shares or known.often is None:
        return "supported", "within the facts"
    low, high = known.often
    if times.high > high and not has_total:
        return "above", f"{times.high} times a day, the facts say {high}"
    if times.low < low and not times.most and not known.flexible:
        return "below", f"{times.low} times a day, the facts say {low}"
    return "supported", "within the facts"
