"""A graph of 6,000 entities with planted defects: every one is found, and nothing else is objected to.

600 families of drugs (one ingredient, four brands, three to five indications of which one is shared with the next
family), 3,000 diseases, 600 herbs; values have marks, doses, ranges and exponents as real ones do.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from huatuo import store
from huatuo.records import Entity, Fact, Finding

Run = Callable[..., Path]
Graph = dict[str, dict[str, Any]]

SYLLABLES = "阿贝西迪埃弗格赫伊杰克罗曼宁欧普奎瑞斯特乌维沃辛亚泽朗苏洛米芬多帕卡尼托瓦"
FAMILIES, BRANDS, DISEASES, HERBS = 600, 4, 3000, 600
EACH = 40
"""Planted defects of each kind."""


def word(number: int, length: int = 3) -> str:
    """A different made-up word for each number."""
    text = ""
    for _ in range(length):
        number, rest = divmod(number, len(SYLLABLES))
        text += SYLLABLES[rest]
    return text


def clean_graph(rng: random.Random) -> Graph:
    graph: Graph = {}
    for f in range(FAMILIES):
        purposes = [f"{word(f)}性病变", f"{word(f)}型炎症（急性期）", f"{word(f)}缺乏，重度", f"{word(f)}中毒"]
        purposes = [*purposes[: rng.randint(2, 4)], f"{word((f + 1) % FAMILIES)}性病变"]
        for b in range(BRANDS):
            name = f"{word(f * BRANDS + b, 4)}片"
            graph[name] = {
                "class": "西药",
                "中心词": name,
                "成分": [f"盐酸{word(f)}素", "淀粉"],
                "适应证": rng.sample(purposes, len(purposes) - (b % 2)),
                "规格": [f"{f + 1}.{b}mg"],
                "有效期": [f"{rng.choice([18, 24, 36])}个月"],
                "OTC类型": [rng.choice(["处方药", "甲类非处方药"])],
                "禁忌": [f"对{word(f)}过敏者", "严重肝功能不全（Child-Pugh C级）"],
            }
    for d in range(DISEASES):
        name = f"{word(d)}病"
        graph[name] = {
            "class": "疾病",
            "中心词": name,
            "临床症状": [
                f"{word(rng.randrange(900))}痛",
                f"体温{rng.randint(37, 39)}～40℃",
                f"肿物直径约{d % 9 + 1}cm",
            ],
            "实验室检查": [f"白细胞{d % 9 + 1}×10⁹/L", f"血红蛋白<{d % 60 + 60}g/L", f"HBsAg(-)，第{d}项"],
            "传播途径": [rng.choice(["呼吸道传播", "无传染性"])],
        }
    for h in range(HERBS):
        graph[f"{word(h)}草"] = {"class": "中药", "中心词": f"{word(h)}草", "性味": [f"味苦，性寒，第{h}品"]}
    return graph


def plant(graph: Graph, rng: random.Random) -> dict[str, set[str]]:
    """Rule → names of the entities that were spoiled; no entity twice."""
    drugs = [name for name, record in graph.items() if record["class"] == "西药"]
    diseases = [name for name, record in graph.items() if record["class"] == "疾病"]
    families = rng.sample(range(FAMILIES), 5 * EACH)
    planted: dict[str, set[str]] = defaultdict(set)
    original = dict(graph)

    def drug(rule: str) -> dict[str, Any]:
        name = drugs[families.pop() * BRANDS]
        planted[rule].add(name)
        return graph[name]

    for _ in range(EACH):
        spoiled = drug("foreign_family")
        of = original[rng.choice(drugs)]
        while spoiled["成分"] == of["成分"] or set(spoiled["适应证"]) & set(of["适应证"]):
            of = original[rng.choice(drugs)]
        spoiled["适应证"] = list(of["适应证"])
        spoiled = drug("mixed_entity")
        own = spoiled["成分"][0].removeprefix("盐酸")
        del graph[spoiled["中心词"]]
        planted["mixed_entity"].discard(spoiled["中心词"])
        planted["mixed_entity"].add(own)
        graph[own] = {**spoiled, "中心词": own, "成分": [*spoiled["成分"], "甲乙丙", "丁戊己0.1克"]}
        spoiled = drug("contradiction")
        spoiled["禁忌"] = [*spoiled["禁忌"], f"{spoiled['适应证'][0]}患者禁用"]
        drug("flipped")["OTC类型"] = ["处方药", "乙类OTC"]
        drug("differing_numbers")["有效期"] = ["24个月", "5年"]
    bad = {
        "cut_off": ["肿物（边界不清", "伴有恶心、", "冬季多发的..."],
        "unit_loss": ["血小板<20×109/L"],
        "number_loss": ["肿物直径～，无痛", "长～cm"],
        "bare_number": ["1.0", "38"],
        "html_residue": ["甲痛<br/>乙痛"],
        "broken_character": ["头\ufffd痛"],
        "mojibake": ["ºôÎüÀ§ÄÑ"],
        "says_nothing": ["暂无"],
    }
    names = iter(rng.sample(diseases, EACH * (len(bad) + 2)))
    for rule, texts in bad.items():
        for number in range(EACH):
            name = next(names)
            planted[rule].add(name)
            graph[name]["临床症状"][number % 3] = texts[number % len(texts)]
    for _ in range(EACH):
        name = next(names)
        planted["self_loop"].add(name)
        graph[name]["临床症状"].append(name)
        name = next(names)
        planted["twin_entities"].add(f"{name}（二）")
        graph[f"{name}（二）"] = {**graph[name], "中心词": f"{name}（二）"}
    return planted


@pytest.mark.slow
def test_every_planted_defect_is_found_and_nothing_else(run: Run) -> None:
    rng = random.Random(1)
    graph = clean_graph(rng)
    planted = plant(graph, rng)
    folder = run(list(graph.values()))
    entities = {e.id: e.name for e in store.read(folder, "entities", Entity)}
    facts = {f.id: f for f in store.read(folder, "facts", Fact)}
    assert len(entities) == FAMILIES * BRANDS + DISEASES + HERBS + EACH == 6040
    found: dict[str, set[str]] = defaultdict(set)
    for finding in store.read(folder, "findings", Finding):
        if finding.severity != "note":
            found[finding.rule].add(entities.get(finding.subject) or facts[finding.subject].entity)
    assert {rule: names - found[rule] for rule, names in planted.items()} == {rule: set() for rule in planted}
    alarms = {rule: names - planted.get(rule, set()) for rule, names in found.items()}
    assert Counter({rule: len(names) for rule, names in alarms.items() if names}) == {}
    for fact in facts.values():  # what a rule objects to is flagged; nothing else is
        for flag in fact.flags:
            assert fact.entity in planted[flag]
