"""Grounding of free answers: what is caught and what is wrongly refused, on three sets of other hands and on made ones.

`grounding.frozen.zh.jsonl` (parts A and B) and `grounding.frozen2.zh.jsonl` (C and D), each divided by a hash of ids,
and `grounding.frozen3.zh.jsonl` (E). A, B and C were read while the rules were made; D and E were counted, never read.
Entities lie on both sides of a division.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from run import Outcome

from huatuo.checks.entities import Dictionary
from huatuo.checks.support import Said, problems
from huatuo.llm.template import OWN_WORDINGS, OfflineTeacher
from huatuo.synth.corrupt import KINDS, Given, Right, corrupt, pool_of
from huatuo.synth.from_graph import Known, direct, group
from huatuo.synth.ground import name_dictionary
from huatuo.text.interval import wilson

FROZEN = Path(__file__).parent / "grounding.frozen.zh.jsonl"
FROZEN_2 = Path(__file__).parent / "grounding.frozen2.zh.jsonl"
FROZEN_3 = Path(__file__).parent / "grounding.frozen3.zh.jsonl"
PACKAGE = Path(str(resources.files("huatuo")))
WANTED = 250
"""Corruptions of each kind that are made at most."""
SEEDS = 12


PARTS = {FROZEN: "AB", FROZEN_2: "CDD", FROZEN_3: "E"}
"""File → its parts, by the first byte of the SHA-256 of an id."""


def part_of(case_id: str, path: Path) -> str:
    """A or B of the first set, C (a third) or D of the second, E."""
    parts = PARTS[path]
    return parts[hashlib.sha256(case_id.encode()).digest()[0] % len(parts)]


def frozen(paths: Iterable[Path] = PARTS) -> Iterator[tuple[str, str, list[Any]]]:
    """(part, label, arguments of `problems`)."""
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            facts = [Said(fact["relation"], fact["value"]) for fact in row["facts"]]
            yield (
                part_of(row["id"], path),
                row["label"],
                [row["question"], row["answer"], row["entity"], facts],
            )


def rights() -> tuple[list[Right], dict[str, list[str]], Dictionary]:
    """Right answers of the offline teacher from the sample graph, the pool, and the graph's names."""
    facts: list[Known] = []
    for path in sorted((PACKAGE / "sample" / "knowledge").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            for relation, values in row.items():
                if isinstance(values, list) and relation != "别名":
                    name = row["中心词"]
                    facts += [Known(f"{name}/{relation}/{v}", name, name, path.stem, relation, v) for v in values]
    drugs = sorted({fact.entity for fact in facts if fact.kind == "drugs"})
    for number, drug in enumerate(drugs):  # the sample graph has hardly a dose: each drug is given a made one
        unit, much = ("mg", "g", "ml")[number % 3], (5, 2, 10)[number % 3] + number % 4
        for value in (f"一次{much}{unit}", f"每日{2 + number % 3}次", f"疗程{3 + number % 9}天"):
            facts.append(Known(f"{drug}/用法用量/{value}", drug, drug, "drugs", "用法用量", value))
        for value in (f"每片{10 + number}mg", f"每瓶{50 + number}ml", f"{2 + number % 5}℃保存{6 + number % 7}个月"):
            facts.append(Known(f"{drug}/规格/{value}", drug, drug, "drugs", "规格", value))
    phrasings = PACKAGE / "prompts" / "phrasings.zh.toml"
    teacher = OfflineTeacher(phrasings, 1, 3)
    made = []
    for call in direct(group(facts)):
        given = tuple(Given(i, i.split("/")[1], i.split("/", 2)[2]) for i in call.facts)
        made += [Right(q, a, call.entities[0], given) for q, a in teacher._direct(call.block)]
    words = phrasings.read_text(encoding="utf-8") + "\n".join(OWN_WORDINGS)
    names = name_dictionary({f.entity for f in facts}, {f.value for f in facts}, words)
    return made, pool_of((f.entity, f.relation, f.value) for f in facts), names


def generated() -> tuple[list[tuple[str, str, list[Any]]], Dictionary]:
    """The same of made corruptions, at most `WANTED` of each kind, each text once; and the graph's names."""
    every, pool, names = rights()
    every.sort(key=lambda right: hashlib.sha256((right.question + right.answer).encode()).digest())
    rows = [("generator", "right", right, right.answer) for right in every]
    for kind in KINDS:
        seen: set[str] = set()
        for seed in range(SEEDS):
            for right in every:
                wrong = corrupt(right, kind, pool, seed) if len(seen) < WANTED else None
                if wrong and wrong not in seen:
                    seen.add(wrong)
                    rows.append(("generator", kind, right, wrong))
    return [
        (where, label, [r.question, text, r.entity, [Said(f.relation, f.value) for f in r.facts]])
        for where, label, r, text in rows
    ], names


def measure(rows: Iterable[tuple[str, str, list[Any]]], names: Dictionary | None) -> Iterator[tuple[str, str, bool]]:
    """(place, label, whether it was refused) of each row; the place says where names were given."""
    for where, label, arguments in rows:
        yield where + (" names" if names else ""), label, bool(problems(*arguments, names))


def run() -> Outcome:
    """Share refused of each label with its interval; of a corruption also the precision beside the right answers."""
    given = list(frozen())
    entities = Dictionary({arguments[2] for _, _, arguments in given})
    made, names = generated()
    start = time.process_time()
    judged = [*measure(given, None), *measure(made, None)]
    spent = time.process_time() - start
    answers = len(judged)
    judged += [*measure(given, entities), *measure(made, names)]
    count = Counter((where, label) for where, label, _ in judged)
    caught = Counter((where, label) for where, label, refused in judged if refused)
    figures, table = {}, [f"{'set':<16}{'label':<20}{'refused':>12}  share [95 %]           precision [95 %]"]
    sets = ("A", "B", "C", "D", "E", "generator")
    for where in (place + more for more in ("", " names") for place in sets):
        for label in ("right", *KINDS):
            n, hits = count[where, label], caught[where, label]
            figures[f"{where} {label}"] = round(hits / n, 4) if n else float("nan")
            table.append(f"{where:<16}{label:<20}{hits:>6}/{n:<6} {_share(hits, n)}   ")
            if label != "right":
                table[-1] += _share(hits, hits + caught[where, "right"])
    figures["ms_per_answer"] = round(1000 * spent / answers, 3)
    table.append(f"{figures['ms_per_answer']} ms of CPU per answer")
    return Outcome(figures, {}, len(judged), table)


def _share(hits: int, n: int) -> str:
    low, high = wilson(hits, n) or (0.0, 1.0)
    return f"{hits / n:.3f} [{low:.3f}, {high:.3f}]" if n else "none"
