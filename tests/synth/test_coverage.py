from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from huatuo.errors import InputError
from huatuo.llm.template import OfflineTeacher
from huatuo.recipe import SynthSettings
from huatuo.records import Dropped, Pair
from huatuo.store import read, read_manifest, writing
from huatuo.synth import coverage
from huatuo.synth.from_graph import Known, group
from huatuo.synth.make import make_pairs


def known(entity: str, relation: str, value: str, kind: str = "disease") -> Known:
    return Known(f"{entity} {relation} {value}", entity, f"id {entity}", kind, relation, value)


FACTS = [
    known(f"病{n:04}", relation, f"{mark}{n}") for n in range(500) for relation, mark in (("症", "痛"), ("查", "镜"))
]
FACTS += [known(f"病{n:04}", "并发症", "病0007") for n in range(20, 60)]
FACTS += [known(f"药{n:04}", "适应证", f"病{n:04}", "drug") for n in range(100)]


def chosen(**given: Any) -> frozenset[str] | None:
    return coverage.wanted(SynthSettings(coverage=given), group(FACTS), 1)


def test_all_is_wanted_where_nothing_is_said() -> None:
    assert chosen() is None


def test_so_many_of_each_relation_of_each_kind() -> None:
    found = chosen(per_relation=30)
    assert found is not None
    assert Counter(f.relation for f in FACTS if f.id in found) == {"症": 30, "查": 30, "并发症": 30, "适应证": 30}
    assert found == chosen(per_relation=30)
    more = chosen(per_relation=60)
    assert more is not None
    assert found < more


def test_what_is_spoken_of_often_or_rarely_comes_first() -> None:
    frequent, rare = chosen(per_relation=1, prefer="frequent"), chosen(per_relation=1, prefer="rare")
    assert frequent is not None
    assert rare is not None
    assert "病0007 症 痛7" in frequent
    assert "病0007 症 痛7" not in rare


def test_what_is_taught_least_comes_first(maker: Any) -> None:
    taught = [f for f in FACTS if f.relation == "症"][:470]
    pairs = [maker.pair(f"{f.entity}？", f"{f.value}。", parents=(f.id,)) for f in taught]
    folder = maker.write("pairs", {"pairs": pairs})
    found = chosen(per_relation=30, taught=folder)
    assert found is not None
    assert {f.id for f in FACTS if f.relation == "症" and f.id in found} == {
        f.id for f in FACTS if f.relation == "症"
    } - {f.id for f in taught}


@pytest.mark.parametrize("form", ["text", "json", "quoted"])
def test_ids_are_read_from_text_and_json_lines(tmp_path: Path, form: str) -> None:
    path = tmp_path / "ids"
    ids = [f"{n:032x}" for n in range(1000)]
    lines = {"text": ids, "json": [json.dumps({"id": i, "n": 1}) for i in ids], "quoted": [f'"{i}"' for i in ids]}
    path.write_text("\n\n".join(lines[form]), encoding="utf-8-sig")
    assert coverage.read_ids(path) == frozenset(ids)


@pytest.mark.parametrize("text", ["", "\n\n", "abc\n{broken", '{"name": "x"}', "two words"])
def test_what_is_no_list_of_ids_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ids"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="next:"):
        coverage.read_ids(path)
    with pytest.raises(InputError, match="cannot be read"):
        coverage.read_ids(tmp_path / "missing")


def test_only_calls_with_a_listed_fact_are_made_and_the_rest_is_left(maker: Any, tmp_path: Path) -> None:
    facts = [maker.fact(f"病{n:04}", r, f"{m}{n}") for n in range(500) for r, m in (("临床症状", "症"), ("检查", "镜"))]
    wanted = facts[10:20]
    path = tmp_path / "next.txt"
    path.write_text("\n".join(f.id for f in wanted), encoding="utf-8")
    knowledge, cut, folder = maker.knowledge(facts), maker.write("c", {"passages": []}), tmp_path / "synth"
    settings = SynthSettings(teach_next=path, shapes=("direct", "multi_turn"), phrasings=1)
    with writing(folder, stage="synth", key="k") as out:
        make_pairs(settings, knowledge, cut, OfflineTeacher(maker.phrasings, 1), 1, out)
    pairs = list(read(folder, "pairs", Pair))
    assert Counter(p.shape for p in pairs) == {"direct": 10, "multi_turn": 5}
    assert {parent for p in pairs for parent in p.parents} == {f.id for f in wanted}
    assert read_manifest(folder).left == {"not_drawn": 990}
    assert {d.rule for d in read(folder, "dropped", Dropped)} == {"not_drawn"}
    path.write_text("0" * 32, encoding="utf-8")
    with pytest.raises(InputError, match="none of its 1 ids"), writing(tmp_path / "again", stage="s", key="k") as out:
        make_pairs(settings, knowledge, cut, OfflineTeacher(maker.phrasings, 1), 1, out)
