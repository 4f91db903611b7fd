"""Triples out of texts by rules, against texts annotated in CMeKG's predicates: precision and recall per relation.

The folder with the annotated texts (``train_example.json`` of king-yyf/CMeKG_tools, which may not be copied) is named
by the environment variable ``HUATUO_CMEKG_SAMPLES``. `measure_labels` measures on labels of another hand: those of
``monographs.labels.jsonl``, whose texts stand in the file ``drug.json`` of WangRongsheng/CareGPT, which may not be
copied either and is named by ``HUATUO_DRUG_MONOGRAPHS``. Half A of them was read while the rules were made, half B was
counted and never read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from run import Outcome

from huatuo.eval.stats import wilson
from huatuo.knowledge.extract import extract, subject_of
from huatuo.knowledge.extract_sentences import THIS
from huatuo.knowledge.relations import canonical

RELAXED = 0.5
"""Overlap (intersection over union of characters) from which two ranges count as one in the relaxed count."""

DRUG = "drug"
"""Subject of a label that means the document's own subject."""


class Labelled(NamedTuple):
    """A triple, of a label or of the extractor, as it is compared."""

    text: str
    """Key of the text."""
    subject: str
    """Name without marks and 的; empty where the document's own subject is meant."""
    relation: str
    """Canonical relation."""
    object: str
    """Words of the value."""
    span: tuple[int, int] | None
    """Place of the value; None where it does not stand in the text literally."""


Match = Callable[[Labelled, Labelled], bool]


def exact(made: Labelled, label: Labelled) -> bool:
    """Whether two triples have the same place, or, for a label without one, the same words."""
    return made.span == label.span if label.span else made.object == label.object


def relaxed(made: Labelled, label: Labelled) -> bool:
    """Whether the places of two triples overlap by at least half of their union."""
    if not made.span or not label.span:
        return made.object == label.object
    shared = min(made.span[1], label.span[1]) - max(made.span[0], label.span[0])
    union = max(made.span[1], label.span[1]) - min(made.span[0], label.span[0])
    return shared / union >= RELAXED


def hits(made: Iterable[Labelled], labels: Iterable[Labelled], match: Match) -> list[Labelled]:
    """The labels that some made triple matches, each made triple used once."""
    groups: dict[tuple[str, str, str], list[Labelled]] = defaultdict(list)
    for triple in made:
        groups[triple[:3]].append(triple)
    found = []
    for label in labels:
        rivals = groups[label[:3]]
        best = next((t for t in rivals if exact(t, label)), None) or next((t for t in rivals if match(t, label)), None)
        if best is not None:
            rivals.remove(best)
            found.append(label)
    return found


def table(made: list[Labelled], labels: list[Labelled]) -> tuple[dict[str, float], list[str]]:
    """(figures, lines): precision and recall with 95 % Wilson intervals, exact and relaxed, in all and per relation."""
    figures: dict[str, float] = {}
    lines = [f"{'relation':<12} {'match':<8} {'precision':<28} {'recall':<28}"]
    for relation in ["all", *sorted({t.relation for t in (*made, *labels)})]:
        ours = [t for t in made if relation in ("all", t.relation)]
        gold = [t for t in labels if relation in ("all", t.relation)]
        for name, match in (("exact", exact), ("relaxed", relaxed)):
            found = len(hits(ours, gold, match))
            cells = []
            for what, n in (("precision", len(ours)), ("recall", len(gold))):
                interval = wilson(found, n)
                if interval is None:
                    cells.append(f"- (0 of {n})")
                    continue
                low, high = interval
                cells.append(f"{found / n:.3f} [{low:.3f}, {high:.3f}] {found}/{n}")
                if relation == "all":
                    figures |= {
                        f"{what}_{name}": round(found / n, 4),
                        f"{what}_{name}_low": round(low, 4),
                        f"{what}_{name}_high": round(high, 4),
                    }
            lines.append(f"{relation:<12} {name:<8} {cells[0]:<28} {cells[1]:<28}")
    return figures, lines


def folded(name: str) -> str:
    """A subject's name without marks and 的: the texts have 13的三体综合征 where the labels have 13-三体综合征."""
    return re.sub(r"[\W的]", "", name)


def made_of(key: str, text: str, title: str = "", section: str = "") -> list[Labelled]:
    """The extractor's triples of a text; the document's own subject is empty."""
    found = []
    own = subject_of(text, title)[0]
    for triple in extract(text, title, section):
        subject = "" if triple.subject == own else folded(triple.subject)
        found.append(Labelled(key, subject, triple.relation, triple.object, triple.span))
    return found


def measure_labels(labels: Iterable[Mapping[str, Any]], texts: Mapping[str, str]) -> Outcome:
    """Precision and recall on labels ``{"file", "sha256", "chars", "section", "triples"}`` of other hands.

    ``texts``: file → its text. ``section`` is the heading that the whole text stands under (empty: none). A triple has
    ``object`` as [start, end], ``relation``, and ``subject`` as [start, end] or ``"drug"``, the document's own; a made
    triple of the document's own subject matches that, wherever its name stands. Raises ValueError where a text is not
    the one that was labelled.
    """
    made: list[Labelled] = []
    gold: list[Labelled] = []
    for label in labels:
        name, text = label["file"], texts[label["file"]]
        digest = hashlib.sha256(text.encode()).hexdigest()
        if digest != label["sha256"] or len(text) != label["chars"]:
            raise ValueError(f"{name}: {len(text)} characters with SHA-256 {digest}; the labels are of another text")
        made += made_of(name, text, DRUG, label.get("section") or "")
        for triple in label["triples"]:
            said = DRUG if triple["subject"] == DRUG else text[slice(*triple["subject"])]
            subject = "" if said in (DRUG, subject_of(text, DRUG)[0], *THIS) else folded(said)
            start, end = triple["object"]
            gold.append(Labelled(name, subject, canonical(triple["relation"]), text[start:end], (start, end)))
    gold = list(dict.fromkeys(gold))
    figures, lines = table(made, gold)
    return Outcome(figures, {}, len(gold), lines)


def read_labels(path: Path) -> list[dict[str, Any]]:
    """The labels of a file: a JSON list, or JSON Lines."""
    text = path.read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = (
        json.loads(text) if text.lstrip().startswith("[") else [json.loads(line) for line in text.splitlines() if line]
    )
    return rows


def cmekg(texts: Iterable[Mapping[str, Any]]) -> tuple[list[Labelled], list[Labelled]]:
    """(made, labels) of CMeKG's annotated texts: a label is words, put at ours of these words or at the first."""
    made: list[Labelled] = []
    gold: list[Labelled] = []
    for number, item in enumerate(texts):
        key, text = str(number), item["text"]
        mine = made_of(key, text)
        made += mine
        for subject, relation, words in item["spo_list"]:
            at = text.find(words)
            first = (at, at + len(words)) if at >= 0 else None
            span = next((t.span for t in mine if t.relation == canonical(relation) and t.object == words), first)
            gold.append(Labelled(key, folded(subject), canonical(relation), words, span))
    return made, gold


def half(name: str) -> str:
    """``A`` or ``B``, by the hash of a label's ``file``."""
    return "AB"[int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2]


def labelled_sentences(labels: Iterable[Mapping[str, Any]], records: list[str]) -> dict[str, str]:
    """The sentences of the labels by ``file``, found in the records by their length and hash.

    Raises ValueError where a record does not hold the sentence.
    """
    found = {}
    for label in labels:
        name, length = label["file"], label["chars"]
        text = records[int(name.partition("#")[2])]
        parts = (text[at : at + length] for at in range(len(text) - length + 1))
        sentence = next((p for p in parts if hashlib.sha256(p.encode()).hexdigest() == label["sha256"]), None)
        if sentence is None:
            raise ValueError(f"{name}: the record holds no sentence with the hash of the label")
        found[name] = sentence
    return found


def monographs(path: Path) -> list[Outcome]:
    """The measure on half A and on half B of the labelled sentences of ``drug.json``."""
    labels = read_labels(Path(__file__).with_name("monographs.labels.jsonl"))
    texts = labelled_sentences(labels, json.loads(path.read_text(encoding="utf-8")))
    return [measure_labels([one for one in labels if half(one["file"]) == name], texts) for name in "AB"]


def run() -> Outcome:
    """Exact and relaxed precision and recall on the annotated texts, and seconds per million characters; and on the
    labelled sentences where these are at hand."""
    folder = os.environ.get("HUATUO_CMEKG_SAMPLES", "")
    path = Path(folder) / "train_example.json"
    if not folder or not path.is_file():
        return Outcome({}, skipped="HUATUO_CMEKG_SAMPLES names no folder with train_example.json of CMeKG_tools")
    texts = json.loads(path.read_text(encoding="utf-8"))
    start = time.process_time()
    made, gold = cmekg(texts)
    spent = time.process_time() - start
    figures, lines = table(made, gold)
    figures["not_literal"] = sum(label.span is None for label in gold)
    figures["cpu_s_per_million_characters"] = round(spent * 1e6 / sum(len(t["text"]) for t in texts), 3)
    lines.append(f"{figures['not_literal']:.0f} of {len(gold)} labels do not stand in their text literally")
    sentences = os.environ.get("HUATUO_DRUG_MONOGRAPHS", "")
    for name, measured in zip("AB", monographs(Path(sentences)) if sentences else (), strict=False):
        figures |= {f"monographs_{name}_{key}": value for key, value in measured.figures.items()}
        lines += [f"drug monographs, half {name}", *measured.table]
    return Outcome(figures, {}, len(gold), lines)
