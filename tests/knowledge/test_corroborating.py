"""What two graphs say of one entity: two facts with their origins, one taught and counted, checked against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from graph_makers import write_lines

from huatuo import show, store
from huatuo.knowledge.entries import Draft, Entry, Value, Where
from huatuo.knowledge.join import corroborating
from huatuo.ledger import finished, ledger
from huatuo.llm.teachers import teacher_of
from huatuo.recipe import GraphSource, IngestSettings, SynthSettings
from huatuo.records import CORROBORATES, Dropped, Fact, Finding, Pair
from huatuo.stages import PHRASINGS
from huatuo.synth.make import make_pairs
from huatuo.trace import trace

Run = Callable[..., Path]


def graphs(tmp_path: Path, **sources: list[dict[str, Any]]) -> IngestSettings:
    made = [
        GraphSource(name=name, path=write_lines(tmp_path / "in" / f"{name}.jsonl", records))
        for name, records in sources.items()
    ]
    return IngestSettings(graphs=tuple(made))


def value(relation: str, text: str, source: str, *flags: str) -> Value:
    return Value(relation, text, f"line 1 {text}", Where(source, "f", "f"), flags=flags)


def entry(*values: Value) -> Entry:
    made = Entry("e", "disease", "甲病")
    for one in values:
        made.take(Draft("disease", "甲病", "line 1", one.where, values=[one]))
    return made


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([value("病因", "寒", "a"), value("病因", "寒", "b")], [("b", "a")]),
        ([value("病因", "寒", "b"), value("病因", "寒。 ", "a")], [("b", "a")]),  # marks at the end say nothing
        ([value("检查", "ct检查", "b"), value("检查", "CT检查", "a")], [("b", "a")]),  # nor does case
        ([value("病因", "寒", "a", "cut_off"), value("病因", "寒", "b")], [("a", "b")]),  # one that may be taught
        ([value("病因", "寒", "a", "cut_off"), value("病因", "寒", "b", "cut_off")], [("b", "a")]),
        ([value("病因", "寒", s) for s in "cab"], [("b", "a"), ("c", "a")]),
        ([value("病因", "寒", "a"), value("诱因", "寒", "b")], []),  # another relation
        ([value("用量", "0.5g", "a"), value("用量", "5g", "b")], []),  # a mark inside is no mark at the end
        ([value("病因", "寒", "a"), value("病因", "寒。", "a")], []),  # one source: `near_duplicate` says so
        ([], []),
    ],
)
def test_which_value_corroborates_which(values: list[Value], expected: list[tuple[str, str]]) -> None:
    found = [(one.where.source, first.where.source) for one, first in corroborating(entry(*values))]
    assert sorted(found) == expected


def test_a_rule_that_the_recipe_teaches_objects_to_nothing() -> None:
    made = entry(value("病因", "寒", "a", "cut_off"), value("病因", "寒", "b"))
    ((one, first),) = corroborating(made, ["cut_off"])
    assert (one.where.source, first.where.source) == ("b", "a")


@pytest.fixture
def both(run: Run, tmp_path: Path) -> Path:
    """600 diseases in two graphs: three values in common, one of each graph alone; synth has run."""
    same = [[f"症{n}", f"症{n + 600}", "发热。" if n % 2 else "发热"] for n in range(600)]
    one = [{"class": "疾病", "中心词": f"病{n:03}", "临床症状": [*same[n], f"甲{n}"]} for n in range(600)]
    two = [
        {"class": "疾病", "中心词": f"又{n:03}", "别名": [f"病{n:03}"], "临床症状": [f"乙{n}", *reversed(same[n])]}
        for n in range(600)
    ]
    folder = run(graphs(tmp_path, b=one, a=two), name="run/ingest")
    empty = tmp_path / "run" / "curate"
    with store.writing(empty, stage="curate", key="k") as out:
        (out.folder / "empty.txt").write_text("no passage")
    settings = SynthSettings(phrasings=1, shapes=("direct", "reverse", "true_false"))
    with store.writing(tmp_path / "run" / "synth", stage="synth", key="k") as out:
        make_pairs(settings, folder, empty, teacher_of(settings, PHRASINGS, tmp_path / "calls"), 1, out)
    return tmp_path / "run"


@pytest.mark.slow
def test_no_value_is_taught_or_counted_twice(both: Path) -> None:
    facts = {fact.id: fact for fact in store.read(both / "ingest", "facts", Fact)}
    assert len(facts) == 600 * 8
    twins = {fact.id: fact.same_as for fact in facts.values() if fact.same_as}
    assert len(twins) == 600 * 3
    for twin, main in twins.items():
        assert facts[main].same_as == ""
        assert facts[main].entity_id == facts[twin].entity_id
        assert facts[main].value.rstrip("。") == facts[twin].value.rstrip("。")
        assert (facts[main].origin.source, facts[twin].origin.source) == ("a", "b")
    left = {d.record_id: d for d in store.read(both / "synth", "dropped", Dropped) if d.rule == CORROBORATES}
    assert {fact: one.witness for fact, one in left.items()} == twins
    assert {one.outcome for one in left.values()} == {"left"}
    pairs = list(store.read(both / "synth", "pairs", Pair))
    assert not {parent for pair in pairs for parent in pair.parents} & twins.keys()
    for pair in (pair for pair in pairs if pair.shape == "direct"):
        assert len(pair.parents) == 5
        assert pair.messages[-1].content.count("发热") == 1
    entries = ledger(finished(both))
    assert len(entries) == 600 * 5
    assert Counter(entry.also for entry in entries.values()) == {("b",): 1800, (): 1200}


@pytest.mark.slow
def test_both_origins_are_shown(both: Path) -> None:
    shown = list(show.ledger(both, 5000))
    assert shown[0].startswith("3,000 of 3,000 facts are taught")
    assert shown[1] == "1,800 facts are said by more than one source, and counted once"
    assert sum("(also said by b)" in line for line in shown if "taught: " not in line) == 1800
    twin = next(fact for fact in store.read(both / "ingest", "facts", Fact) if fact.same_as)
    followed = "\n".join(trace(both, twin.id))
    assert f"corroborates fact {twin.same_as}, which is taught in its stead: from a, a.jsonl line " in followed
    assert "taught by " in followed
    assert f"the same from b, b.jsonl {twin.origin.place}: fact {twin.id}" in "\n".join(trace(both, twin.same_as))


@pytest.mark.slow
def test_sources_that_contradict_each_other_are_still_seen(run: Run, tmp_path: Path) -> None:
    one = [{"class": "疾病", "中心词": f"病{n}", "宜吃食物": ["鱼"], "忌吃食物": ["酒"]} for n in range(500)]
    two = [{"class": "疾病", "中心词": f"病{n}", "忌吃食物": ["鱼", "酒"]} for n in range(500)]
    folder = run(graphs(tmp_path, a=one, b=two))
    found = [f for f in store.read(folder, "findings", Finding) if f.rule == "contradiction"]
    assert len(found) == 500
    assert all("(sources a and b)" in f.message for f in found)
    facts = list(store.read(folder, "facts", Fact))
    assert {(f.value, f.relation, f.flags, bool(f.same_as), f.origin.source) for f in facts} == {
        ("鱼", "宜吃食物", ("contradiction",), False, "a"), ("鱼", "忌吃食物", ("contradiction",), False, "b"),
        ("酒", "忌吃食物", (), False, "a"), ("酒", "忌吃食物", (), True, "b"),
    }  # fmt: skip


@pytest.mark.slow
def test_the_order_of_the_sources_does_not_matter(run: Run, tmp_path: Path) -> None:
    one = [{"class": "疾病", "中心词": f"病{n}", "病因": ["寒", f"因{n}"]} for n in range(500)]
    two = [{"class": "疾病", "中心词": f"病{n}", "病因": ["寒。", f"因{n}"]} for n in range(500)]
    digests = {
        store.read_manifest(run(graphs(tmp_path, **sources), name=name)).digest
        for name, sources in (("x", {"a": one, "b": two}), ("y", {"b": two, "a": one}))
    }
    assert len(digests) == 1
