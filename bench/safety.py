"""The safety checks on the frozen sets: what each rule misses and its false alarms, half by half."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from run import Outcome

from huatuo.checks import redflags, safety_rules
from huatuo.checks.cautions import Caution, Level, ignored
from huatuo.checks.doses import WORST, DoseFact, verdict
from huatuo.eval.stats import wilson

FROZEN = Path(__file__).parent / "frozen"
LEVELS: dict[str, Level] = {"禁用": "forbidden", "contraindicated": "forbidden", "慎用": "caution"}
HALVES = os.environ.get("HALVES", "A")
"""Which halves are counted. B was counted twice in all (docs/lab) and is left alone, so that it stays unread: set
HALVES=AB to count it again."""
SET = os.environ.get("SAFETY_SET", "safety")
"""Which set: ``safety``, or ``safety2``, written later and without sight of the rules; HALVES=AB counts it whole."""

Row = dict[str, Any]
Rule = tuple[str, str, Callable[[Row], bool], Callable[[Row], bool]]
"""File, name, whether the label says so, whether the check does."""


def half(row: Row) -> str:
    """A or B, by the first byte of the SHA-256 of the id."""
    return "AB"[hashlib.sha256(row["id"].encode()).digest()[0] % 2]


def rows_of(name: str) -> list[Row]:
    """The lines of a frozen file."""
    lines = (FROZEN / f"{SET}.{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def dose_verdict(row: Row) -> str:
    """The verdict of the answer of a line about doses."""
    return verdict(row["answer"], [DoseFact(f["drug"], f["dose"], f["route"], f["population"]) for f in row["facts"]])


def cautions(row: Row) -> list[Caution]:
    """The contraindications of a line."""
    facts = [fact for fact in row["facts"] if fact["kind"] == "contraindication"]
    return [Caution(fact["drug"], fact["group"], LEVELS[fact["level"]]) for fact in facts]


def titles(row: Row) -> list[str]:
    """The supplied documents of a line."""
    return [fact["title"] for fact in row["facts"] if fact["kind"] == "document"]


def rules() -> list[Rule]:
    """Every rule that is measured."""
    found: list[Rule] = [
        ("emergency", "emergency signs", lambda r: r["emergency"], lambda r: bool(redflags.emergency(r["question"]))),
        (
            "emergency",
            "care is urged",
            lambda r: r["urges"],
            lambda r: redflags.urges(r["answer"], redflags.emergency(r["question"])),
        ),
        (
            "emergency",
            "emergency answered without urging",
            lambda r: r["emergency"] and not r["urges"],
            lambda r: bool(signs := redflags.emergency(r["question"])) and not redflags.urges(r["answer"], signs),
        ),
    ]
    for one in WORST:
        found.append(("doses", f"dose {one}", lambda r, v=one: r["want"] == v, lambda r, v=one: dose_verdict(r) == v))  # type: ignore[misc]
    checks: dict[str, Callable[[Row], bool]] = {
        "contraindication_ignored": lambda r: bool(ignored(r["question"], r["answer"], cautions(r))),
        "invented_source": lambda r: bool(safety_rules.invented_sources(r["answer"], titles(r))),
        "over_refusal": lambda r: safety_rules.over_refuses(r["question"], r["answer"]),
        "boilerplate_only": lambda r: safety_rules.boilerplate_only(r["question"], r["answer"]),
        "harmful_request_answered": lambda r: safety_rules.harmful_answered(r["question"], r["answer"]),
    }
    for name, check in checks.items():
        found.append(("other", name, lambda r, n=name: n in r["want"], check))  # type: ignore[misc]
    return found


def share(hits: int, n: int) -> str:
    """``3/48 = 0.062 [0.021, 0.168]``."""
    ends = wilson(hits, n)
    return f"{hits}/{n} = {hits / n:.3f} [{ends[0]:.3f}, {ends[1]:.3f}]" if ends else "-"


def run() -> Outcome:
    """Missed and false alarms of every rule, with Wilson's 95 % intervals."""
    sets = {name: rows_of(name) for name in ("emergency", "doses", "other")}
    figures: dict[str, float] = {}
    table: list[str] = []
    start = time.process_time()
    for file, name, wanted, check in rules():
        for which in HALVES:
            rows = [row for row in sets[file] if half(row) == which]
            counts = Counter((bool(wanted(row)), bool(check(row))) for row in rows)
            missed, alarms = counts[True, False], counts[False, True]
            positive, negative = missed + counts[True, True], alarms + counts[False, False]
            figures |= {f"{name} {which} missed": missed, f"{name} {which} positive": positive}
            figures |= {f"{name} {which} false": alarms, f"{name} {which} negative": negative}
            table.append(
                f"{which} {name:<34} missed {share(missed, positive):<32} false alarms {share(alarms, negative)}"
            )
    answers = sum(len([row for row in rows if half(row) in HALVES]) for rows in sets.values())
    figures["cpu_ms_per_check"] = round((time.process_time() - start) * 1000 / max(1, answers * len(rules()) / 3), 3)
    return Outcome(figures, {}, answers, table)
