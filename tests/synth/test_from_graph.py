from __future__ import annotations

import pytest

from huatuo.checks.entities import Dictionary
from huatuo.synth.from_graph import REVERSE_MOST, Call, Known, comparison, direct, group, reverse, vignette


def known(entity: str, relation: str, value: str, kind: str = "disease") -> Known:
    return Known(f"{entity} {relation} {value}", entity, f"id {entity}", kind, relation, value)


def many(count: int) -> list[Known]:
    """``count`` diseases with three symptoms of their own, one that all have, and a check."""
    facts = []
    for n in range(count):
        facts += [known(f"病{n:04}", "临床症状", value) for value in (f"甲{n}症", f"乙{n}症", f"丙{n}症", "发烧")]
        facts.append(known(f"病{n:04}", "辅助检查", f"查{n}"))
    return facts


@pytest.mark.slow
def test_direct_holds_all_values_and_all_facts_once() -> None:
    facts = many(1000)
    calls = list(direct(group(facts)))
    assert len(calls) == 2000
    assert sorted(fact for call in calls for fact in call.facts) == sorted(f.id for f in facts)
    assert calls[1].block["values"] == ["查0"]


@pytest.mark.slow
def test_order_of_the_facts_does_not_matter() -> None:
    def made(facts: list[Known]) -> list[Call]:
        groups = group(facts)
        return [
            *reverse(groups, [], Dictionary(()), 1, 0.5),
            *comparison(groups, 1, 0.5),
            *vignette(groups, [], 1, 0.5),
        ]

    records = [many(300)[n : n + 5] for n in range(0, 1500, 5)]
    forward = [fact for record in records for fact in record]
    backward = [fact for record in records[::-1] for fact in record]
    assert len(made(forward)) > 100
    assert {c.facts for c in made(forward) if c.shape != "reverse"} == {
        c.facts for c in made(backward) if c.shape != "reverse"
    }
    assert made(forward)[0].block["value"] == made(backward)[0].block["value"]


def test_reverse_names_every_entity_and_skips_common_and_untaught_values() -> None:
    facts = [known(f"病{n}", "临床症状", "甲症") for n in range(3)] + [known("病9", "临床症状", "乙症")]
    facts += [known(f"病{n}", "临床症状", "丙症") for n in range(REVERSE_MOST + 1)]
    calls = list(reverse(group(facts), [("disease", "临床症状", "乙症")], Dictionary(()), 1, 1.0))
    assert [(c.block["value"], c.block["entities"], c.block["complete"]) for c in calls] == [
        ("甲症", ["病0", "病1", "病2"], True)
    ]


def test_reverse_asks_nothing_about_a_withheld_name() -> None:
    facts = [known(f"病{n}", "临床症状", f"{word}{n}") for n in range(300) for word in ("晕厥", "头痛")]
    facts += [known("病0", "临床症状", "晕厥"), known("病0", "临床症状", "头昏")]
    asked = {c.block["value"] for c in reverse(group(facts), [], Dictionary(["晕厥"]), 1, 1.0)}
    assert asked == {f"头痛{n}" for n in range(300)} | {"头昏"}


@pytest.mark.slow
def test_share_draws_about_that_share_and_a_larger_one_adds_only() -> None:
    groups = group(many(1000))
    some = {c.block["value"] for c in reverse(groups, [], Dictionary(()), 1, 0.2)}
    more = {c.block["value"] for c in reverse(groups, [], Dictionary(()), 1, 0.4)}
    every = len(list(reverse(groups, [], Dictionary(()), 1, 1.0)))
    assert abs(len(some) / every - 0.2) < 0.03
    assert some < more
    assert some != {c.block["value"] for c in reverse(groups, [], Dictionary(()), 2, 0.2)}


def test_comparison_gives_each_entity_one_partner_under_all_relations() -> None:
    calls = list(comparison(group(many(1001)), 1, 1.0))
    partners: dict[str, set[str]] = {}
    for call in calls:
        for a, b in (call.entities, call.entities[::-1]):
            partners.setdefault(a, set()).add(b)
    assert len(partners) == 1000
    assert all(len(found) == 1 for found in partners.values())


def test_vignette_symptoms_fit_no_other_disease() -> None:
    facts = [known("甲病", "临床症状", v) for v in ("发烧", "咳")] + [known("甲病", "检查", "胸片")]
    facts += [known("乙病", "临床症状", v) for v in ("发烧", "咳", "疹")] + [known("乙病", "检查", "血常规")]
    calls = list(vignette(group(facts), [], 1, 1.0))
    assert [call.block["entity"] for call in calls] == ["乙病"]
    assert set(calls[0].block["symptoms"]) == {"发烧", "咳", "疹"}
    assert list(vignette(group(facts), [frozenset(("发烧", "咳", "疹", "吐"))], 1, 1.0)) == []


@pytest.mark.slow
def test_vignette_patients_follow_the_stated_distribution() -> None:
    calls = list(vignette(group(many(2000)), [], 1, 1.0))
    ages = [call.block["age"] for call in calls]
    women = sum(call.block["sex"] == "女" for call in calls)
    assert len(calls) == 2000
    assert (min(ages), max(ages)) == (18, 79)
    assert abs(sum(ages) / 2000 - 48.5) < 1.5
    assert abs(women / 2000 - 0.5) < 0.04


def test_age_and_sex_agree_with_the_name_of_the_disease() -> None:
    for name, sexes, low, high in (("小儿肺炎", "男女", 1, 12), ("子宫肌瘤", "女", 18, 79), ("前列腺炎", "男", 18, 79)):
        facts = [known(name, "临床症状", v) for v in ("甲症", "乙症")] + [known(name, "检查", "查")]
        for seed in range(20):
            (call,) = vignette(group(facts), [], seed, 1.0)
            assert call.block["sex"] in sexes
            assert low <= call.block["age"] <= high
    newborn = [known("新生儿黄疸", "临床症状", v) for v in ("甲症", "乙症")] + [known("新生儿黄疸", "检查", "查")]
    assert list(vignette(group(newborn), [], 1, 1.0)) == []
