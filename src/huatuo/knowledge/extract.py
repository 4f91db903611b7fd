"""Triples out of documents, by rules that can be read: headings decide the relation, the title decides the subject.

Under a known heading (【适应症】, ``## 不良反应``, ``禁忌：``) every value of the section is one triple; elsewhere only
sentences whose wording states a relation. No model, no word list of entities: what stands in the triple stands at its
place in the text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from huatuo.knowledge.entries import Draft, Refused, Value, Where, unfit_name
from huatuo.knowledge.extract_cautions import CAUTIONS, cautions
from huatuo.knowledge.extract_lists import Range, values, whole_sentences
from huatuo.knowledge.extract_sentences import RELATIONS, THIS, stated
from huatuo.knowledge.extract_signs import INDICATIONS, SIGNS, signs
from huatuo.knowledge.relations import KNOWN, NAME_RELATIONS, UNSTATED, canonical
from huatuo.records import Document, Provenance

HEADINGS: dict[str, str] = {
    "适应症状": "适应证",
    "主治功能": "功能主治",
    "副反应": "不良反应",
    "毒副作用": "不良反应",
    "症状": "临床症状",
    "症状与体征": "临床症状",
    "症状和体征": "临床症状",
    "常见症状": "临床症状",
    "主要症状": "临床症状",
    "临床特征": "临床症状",
    "常见并发症": "并发症",
    "危险因素": "高危因素",
    "药物相互影响": "药物相互作用",
    "保存": "贮藏",
    "别名": "别名",
    "英文名称": "英文名称",
}
"""Headings of labels and guidelines that are no spelling of a relation in a graph → canonical relation."""

NAME_LABELS = ("通用名称", "通用名", "药品名称", "疾病名称", "病名", "名称")
"""Labels after which the document's subject stands."""

_OTHERS = (
    "药品类型 剂型 专家点评 药动学 药理毒理 药代动力学 药理学 孕妇及哺乳期妇女用药 孕妇用药 儿童用药 老年用药 "
    "老年患者用药 药物过量 临床试验 包装 批准文号 执行标准 生产企业 药品上市许可持有人 参考文献 修订日期 核准日期 "
    "药理作用 商品名称 汉语拼音 警示语 概述 定义 流行病学 诊断 护理 参考资料"
)
OTHER_HEADINGS = frozenset(_OTHERS.split())
"""Headings that end a section and say no relation of a graph."""

_PROSE = {"药理作用"}  # what a drug does in the body is told, not listed
SECTIONS = {**{name: canonical(name) for name in RELATIONS if canonical(name) not in _PROSE}, **HEADINGS}
"""Heading → canonical relation."""

_BRACKETED = re.compile(r"^[ \t\u3000]*[【\[](?P<name>[^】\]\n]{1,16})[】\]][ \t\u3000]*[:：]?", re.MULTILINE)
_MARKDOWN = re.compile(r"^ {0,3}(?P<level>#{1,6})[ \t\u3000]+(?P<name>[^\n]{1,60}?)[ \t#]*$", re.MULTILINE)
_LABELLED = re.compile(r"^[ \t\u3000*]*(?P<name>[\u4e00-\u9fffA-Za-z]{2,12}?)\**[ \t]*[:：]", re.MULTILINE)
_ALONE = re.compile(
    r"^[ \t\u3000]*(?:[一二三四五六七八九十]{1,3}、|[(（][一二三四五六七八九十]{1,3}[)）])?"
    r"(?P<name>[\u4e00-\u9fff]{2,10})[ \t]*$",
    re.MULTILINE,
)
_NUMBERED = re.compile(
    r"^(?:第?[一二三四五六七八九十\d]{1,3}[、.．章节]|[(（][一二三四五六七八九十\d]{1,3}[)）])[ \t\u3000]*"
)
_TITLE_TAIL = re.compile(
    r"(?:[（(]\d{4}.{0,6}[)）]|说明书|用药指南|(?:诊断|诊疗|防治|治疗|临床|管理)?(?:与|和|及)?(?:诊断|治疗|防治|管理|诊疗|实践)?"
    r"(?:指南|共识|规范|手册)|\d{4}年?版?)+$"
)
KIND_MARKS = {
    "drug": "适应证 用法用量 不良反应 禁忌 药物相互作用 规格 贮藏 成分 性状 有效期 注意事项",
    "disease": "临床症状 并发症 病因 预防 辅助检查 药物治疗 高危因素 治疗 预后 发病机制",
    "examination": "相关疾病 相关症状",
}
"""Kind → relations that speak for it; several speak for two kinds in a graph, and the most decide."""


class Triple(NamedTuple):
    """What a text says about one thing, and where."""

    subject: str
    """Name of the thing; empty where the text names none."""
    subject_span: Range | None
    """Where the name stands; None for the document's title."""
    relation: str
    """Canonical relation."""
    object: str
    """The value: ``text[span[0]:span[1]]``."""
    span: Range
    """Where the value stands."""
    rule: str
    """What found it: ``heading`` or the name of the wording."""


class _Section(NamedTuple):
    relation: str
    start: int
    end: int
    subject: tuple[str, Range | None]
    is_of_label: bool
    """Whether a heading of a label stands above: a sentence there that names nothing speaks of the label's drug."""


def extract(text: str, title: str = "", section: str = "") -> list[Triple]:
    """The triples of a text in their order, each value once per subject and relation.

    ``title`` names the subject where the text does not. ``section`` is the heading that the text stands under, for a
    text that is a section without its heading.
    """
    own = subject_of(text, title)
    found: list[Triple] = []
    for part in _sections(text, own, section):
        if part.relation:
            if part.relation in INDICATIONS:
                for whose, span in signs(text, part.start, part.end):
                    found.append(Triple(text[slice(*whose)], whose, SIGNS, text[slice(*span)], span, "signs"))
            for relation, span in _under(text, part):
                found.append(Triple(*part.subject, relation, text[slice(*span)], span, "heading"))
        else:
            found.extend(_stated(text, part))
    once: dict[tuple[str, str, str], Triple] = {}
    for triple in found:
        once.setdefault((triple.subject, triple.relation, triple.object), triple)
    return list(once.values())


def _under(text: str, part: _Section) -> Iterator[tuple[str, Range]]:
    if part.relation == CAUTIONS:
        return cautions(text, part.start, part.end)
    return ((part.relation, span) for span in values(text, part.relation, part.start, part.end))


def _stated(text: str, part: _Section) -> Iterator[Triple]:
    before = ""
    for first, last in whole_sentences(text, part.start, part.end):
        for match in stated(text, first, last, before):
            if match.rule == "relation_of":
                before = text[slice(*match.subject)]
            name, where = text[slice(*match.subject)], match.subject
            if not name and not part.is_of_label:
                continue
            subject = part.subject if name in THIS or not name else (name, where)
            yield Triple(*subject, match.relation, text[slice(*match.span)], match.span, match.rule)


def subject_of(text: str, title: str) -> tuple[str, Range | None]:
    """(name, where it stands) of what a document is about: a label's name, a first line that is a name, the title."""
    labels = "|".join(NAME_LABELS)
    named = re.search(
        rf"^[ \t\u3000]*[【\[]?(?:{labels})[】\]]?[ \t]*[:：]?[ \t]*(?P<n>[^\n【:：。，]{{2,60}}?)[ \t]*$", text, re.M
    )
    inner = re.search(
        r"通用名称?[】\]]?[ \t]*[:：][ \t]*(?P<n>[^\n【:：。，]{2,60}?)[ \t]*(?=\n|商品名|英文名|汉语)", text
    )
    if found := inner or named:
        return found["n"], found.span("n")
    first = re.match(r"\s*([^\n：:。，；【#]{2,40})(?=\n)", text)
    if first and _LABELLED.match(text, first.end() + 1) and SECTIONS.get(first[1].strip()) is None:
        start = first.start(1)
        return first[1].rstrip(), (start, start + len(first[1].rstrip()))
    bare = _TITLE_TAIL.sub("", title).strip()
    return (bare or title.strip()), None


def _sections(text: str, own: tuple[str, Range | None], above: str) -> list[_Section]:
    """The parts of a text between its headings; an unknown heading in brackets or with # ends a section."""
    marks = sorted(headings(text))
    found, subject, at, relation, of_label = [], own, 0, SECTIONS.get(above, ""), above in OTHER_HEADINGS
    for position, (start, end, name, level) in enumerate(marks):
        found.append(_Section(relation, at, start, subject, of_label))
        known = SECTIONS.get(name)
        relation, at, of_label = known or "", end, name in OTHER_HEADINGS
        if level and known is None and position + 1 < len(marks) and _is_parent(marks[position], marks[position + 1]):
            place = text.index(name, start, end)
            subject = own if level == 1 and own[1] is None else (name, (place, place + len(name)))
    found.append(_Section(relation, at, len(text), subject, of_label))
    return [part for part in found if text[part.start : part.end].strip()]


Heading = tuple[int, int, str, int]
"""(start, end of the heading, its words, level with # or 0)."""


def _is_parent(head: Heading, after: Heading) -> bool:
    """Whether a heading with # stands right above one that names a relation: then it names the subject."""
    return after[3] > head[3] and after[2] in SECTIONS and head[2] not in OTHER_HEADINGS


def headings(text: str) -> Iterator[Heading]:
    """(start, end, its words, level with # or 0) of each heading, in no order; labels before a colon are headings."""
    taken: set[int] = set()
    for pattern in (_BRACKETED, _MARKDOWN, _ALONE, _LABELLED):
        for found in pattern.finditer(text):
            name = _NUMBERED.sub("", found["name"].strip())
            level = len(found["level"]) if pattern is _MARKDOWN else 0
            loose = pattern in (_ALONE, _LABELLED)
            if found.start() in taken or (loose and name not in SECTIONS and name not in OTHER_HEADINGS):
                continue
            taken.add(found.start())
            yield found.start(), found.end(), name, level


def kind_of_triples(triples: list[Triple]) -> str:
    """drug, disease or examination by the relations most triples of a subject have; `UNSTATED` where none tells."""
    votes: Counter[str] = Counter()
    for kind, marks in KIND_MARKS.items():
        votes[kind] = len({t.relation for t in triples} & set(marks.split()))
    herb = {t.relation for t in triples} & (KNOWN["herb"] - KNOWN["drug"] - KNOWN["disease"])
    if herb:
        return "herb"
    (kind, most), (_, second) = votes.most_common(2)
    return kind if most > second else UNSTATED


def drafts(
    document: Document, where: Where, place: str, found: Sequence[tuple[Triple, Provenance | None]]
) -> Iterator[Draft | Refused]:
    """What was read out of a document, per subject, as a graph's records are read; each value names its range.

    What is said of a subject that can be no name is refused with its reason.
    """
    by_subject: dict[str, list[tuple[Triple, Provenance | None]]] = {}
    for triple, provenance in found:
        by_subject.setdefault(triple.subject, []).append((triple, provenance))
    for subject, said in by_subject.items():
        draft = Draft(kind_of_triples([triple for triple, _ in said]), subject, f"{place} {subject}", where)
        reason = unfit_name(subject) if subject else "the text and its title name nothing that this is said of"
        for triple, provenance in said:
            at = f"{place} {subject} {triple.relation} characters {triple.span[0]}-{triple.span[1]}"
            if reason:
                yield Refused(at, "unfit_name" if subject else "no_name", reason, triple.object[:80])
            elif triple.relation in NAME_RELATIONS:
                draft.aliases.append(triple.object)
            else:
                value = Value(triple.relation, triple.object, at, where, document.origin.evidence)
                value.document, value.span, value.provenance = document.id, triple.span, provenance
                draft.values.append(value)
        if not reason:
            yield draft
