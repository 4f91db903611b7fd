"""The same entity in two graphs becomes one with both origins, and what could be two stays two."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from graph_makers import write_lines
from hypothesis import given
from hypothesis import strategies as st

from huatuo import store
from huatuo.knowledge.entries import Draft, Entry, Where
from huatuo.knowledge.join import join
from huatuo.recipe import GraphSource, IngestSettings
from huatuo.records import Entity, Fact, Finding

Run = Callable[..., Path]


def graphs(tmp_path: Path, *sources: list[dict[str, Any]]) -> IngestSettings:
    made = [
        GraphSource(name=name, path=write_lines(tmp_path / "in" / f"{name}.jsonl", records))
        for name, records in zip("abc", sources, strict=False)
    ]
    return IngestSettings(graphs=tuple(made))


@pytest.mark.slow
def test_a_thousand_entities_are_joined_by_another_name(run: Run, tmp_path: Path) -> None:
    one = [{"class": "疾病", "中心词": f"病{i}", "别名": [f"又{i}"], "病因": [f"因{i}", "同"]} for i in range(1000)]
    two = [
        {"class": "疾病", "中心词": f"又{i}", "别名": [f"再{i}"], "预防": [f"防{i}"], "病因": ["同"]}
        for i in range(1000)
    ]
    folder = run(graphs(tmp_path, one, two))
    entities = list(store.read(folder, "entities", Entity))
    assert len(entities) == 1000
    first = next(e for e in entities if e.name == "病7")
    assert first.aliases == ("又7", "再7")
    assert [origin.source for origin in first.origins] == ["a", "b"]
    facts = [f for f in store.read(folder, "facts", Fact) if f.entity_id == first.id]
    assert {(f.relation, f.value, f.origin.source) for f in facts} == {
        ("病因", "因7", "a"), ("病因", "同", "a"), ("病因", "同", "b"), ("预防", "防7", "b"),
    }  # fmt: skip
    assert len({f.id for f in facts}) == 4
    assert store.read_manifest(folder).dropped == {}


def test_the_id_of_a_joined_entity_is_its_own(run: Run, tmp_path: Path) -> None:
    one, two = [{"中心词": "甲", "检查": ["x"]}], [{"中心词": "乙", "别名": ["甲"], "检查": ["y"]}]
    ids = [
        {e.id for e in store.read(run(graphs(tmp_path, *sources), name=str(n)), "entities", Entity)}
        for n, sources in enumerate([(one,), (one, two), (one, [{"中心词": "甲", "检查": ["y"]}])])
    ]
    assert [len(found) for found in ids] == [1, 1, 1]
    assert len(set.union(*ids)) == 3


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ([("甲", ["乙"]), ("乙", [])], [("丙", [])]),  # one graph has a record of each
        ([("甲", ["乙"])], [("甲", []), ("乙", [])]),  # the other graph tells them apart
        ([("甲", ["乙"]), ("丙", ["乙"])], [("乙", [])]),  # it belongs to two
        ([("甲", ["丁"])], [("乙", ["丁"])]),  # it belongs to two, in two graphs
        ([("甲", ["乙"]), ("丙", [])], [("乙", ["丙"])]),  # a chain that would join two of one graph
    ],
)
def test_an_ambiguous_name_joins_nothing_and_is_a_finding(run: Run, tmp_path: Path, one: Any, two: Any) -> None:
    sources = [[{"中心词": name, "别名": names, "检查": ["x"]} for name, names in said] for said in (one, two)]
    folder = run(graphs(tmp_path, *sources))
    assert len(list(store.read(folder, "entities", Entity))) == len({name for name, _ in [*one, *two]})
    assert "ambiguous_alias" in {f.rule for f in store.read(folder, "findings", Finding)}


def test_kinds_are_never_joined(run: Run, tmp_path: Path) -> None:
    folder = run(
        graphs(tmp_path, [{"中心词": "甲", "别名": ["乙"]}], [{"class": "疾病", "中心词": "乙", "病因": ["x"]}])
    )
    assert len(list(store.read(folder, "entities", Entity))) == 2


NAMES = st.sampled_from("甲乙丙丁")


@given(records=st.lists(st.tuples(st.sampled_from("abc"), NAMES, st.lists(NAMES, max_size=2)), min_size=1, max_size=6))
def test_joining_loses_nothing_and_does_not_depend_on_the_order(records: list[tuple[str, str, list[str]]]) -> None:
    results = []
    for order in itertools.islice(itertools.permutations(records), 6):
        entries: dict[tuple[str, str], Entry] = {}
        for source, name, names in sorted(order, key=lambda item: item[0]):
            draft = Draft("k", name, f"{name}{sorted(names)}", Where(source, "f", "f"), sorted({*names} - {name}))
            entries.setdefault(("k", name), Entry("", "k", name)).take(draft)
        joined, _ = join(entries)
        assert sum(len(entry.origins) for entry in joined) == len(records)
        assert {name for entry in joined for name in (entry.name, *entry.aliases)} >= {name for _, name, _ in records}
        results.append({(entry.name, tuple(sorted(entry.joined))) for entry in joined})
    assert all(result == results[0] for result in results)
