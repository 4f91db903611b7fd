"""What makes a stage of curation anew and what does not; ids and priorities that would lose texts."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from corpus_makers import lines, records, settings, write_shards
from pydantic import ValidationError

from huatuo import run, store
from huatuo.corpus import bulk
from huatuo.recipe import Recipe
from huatuo.recipe_curate import CorpusSettings
from huatuo.records import Document

RECORDS = records(300)
AS_INPUTS = {"earlier", "semantic_model"}
"""Keys of which the content of what they name goes into the key."""
NO_ROW = {"engine", "judge"}
"""Keys on which no row depends."""


def made(root: Path, chosen: CorpusSettings) -> list[str]:
    """The stages that were made."""
    return [done.stage for done in bulk.curate(chosen, root) if not done.skipped]


def origins(root: Path) -> dict[str, Any]:
    return {passage.id: passage.origin for passage in store.read(root / "passages", "passages", Document)}


def test_every_setting_is_one_that_some_stage_depends_on_or_none() -> None:
    read = {name for names in bulk._READS.values() for name in names}
    assert read | AS_INPUTS | NO_ROW == set(CorpusSettings.model_fields)
    assert not read & (AS_INPUTS | NO_ROW)


def test_a_language_that_is_doubted_in_another_way_is_judged_again(tmp_path: Path) -> None:
    pytest.importorskip("lingua")
    rows = [
        {"id": str(n), "text": f"El paciente numero {n} tomo la medicina y mejoro despues de tres semanas."}
        for n in range(5)
    ]
    source = lines(tmp_path / "in.jsonl", [*rows, *RECORDS[:20]])
    list(bulk.curate(settings(source), tmp_path / "out"))
    assert made(tmp_path / "out", settings(source, doubtful="lingua"))[0] == "clean"
    dropped = store.read_manifest(tmp_path / "out" / "clean").dropped
    list(bulk.curate(settings(source, doubtful="lingua"), tmp_path / "fresh"))
    assert dropped == store.read_manifest(tmp_path / "fresh" / "clean").dropped


def test_passages_name_the_kind_and_file_of_their_source_as_they_are_now(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    source = lines(tmp_path / "in" / "a.jsonl", RECORDS)
    root = tmp_path / "out"
    given: dict[str, Any] = {"name": "web", "path": source.parent, "id": "id"}
    list(bulk.curate(CorpusSettings.model_validate({"sources": [given | {"evidence": "web"}]}), root))
    first = store.read_manifest(root / "passages")
    textbook = CorpusSettings.model_validate({"sources": [given | {"evidence": "textbook"}]})
    assert made(root, textbook) == list(bulk.VERSIONS)
    assert {origin.evidence for origin in origins(root).values()} == {"textbook"}
    source.unlink()
    source.parent.rmdir()
    write_shards(source.parent, RECORDS, 3)
    assert made(root, textbook) == list(bulk.VERSIONS)
    assert "a.jsonl" not in {origin.file for origin in origins(root).values()}
    again = store.read_manifest(root / "passages")
    assert again.tables["passages"].digest == first.tables["passages"].digest  # the same rows, wherever they came from
    assert again.key != first.key


def test_a_run_reads_passages_again_whose_files_have_other_names(tmp_path: Path) -> None:
    source = lines(tmp_path / "a.jsonl", RECORDS)
    keys = []
    for name in ("a.jsonl", "b.jsonl"):
        source = source.rename(tmp_path / name)
        list(bulk.curate(settings(source), tmp_path / "corpus"))
        recipe = Recipe.model_validate(
            {
                "run": {"name": "t"},
                "ingest": {"documents": [{"name": "bulk", "path": tmp_path / "corpus" / "passages"}]},
            }
        )
        (stage,) = run.select(last="ingest")[:1]
        keys.append(run.inputs_of(stage, recipe, tmp_path / "runs")[1])
    assert keys[0] != keys[1]


def test_other_samples_change_what_is_shown_and_no_row(tmp_path: Path) -> None:
    source, table = lines(tmp_path / "in.jsonl", RECORDS), tmp_path / "table"
    given: dict[str, Any] = {"earlier": table, "min_chars": 200}
    before = list(bulk.curate(settings(source, **given), tmp_path / "out"))
    assert sum(before[2].manifest.dropped.values()) > 1  # passages that samples are drawn from
    after = list(bulk.curate(settings(source, **given, samples=1), tmp_path / "out"))
    assert [done.skipped for done in after] == [True, False, False, False, True]
    for one, other in zip(before, after, strict=True):
        assert {n: t.digest for n, t in one.manifest.tables.items()} == {
            n: t.digest for n, t in other.manifest.tables.items()
        }
    assert after[-2].manifest.kept > 0


@pytest.mark.parametrize("engine", ["here", pytest.param("pool:2", marks=pytest.mark.slow)])
def test_of_texts_with_one_id_one_keeps_it_whatever_their_files(tmp_path: Path, engine: str) -> None:
    again = [RECORDS[n] | {"text": f"第{n}段另外的话。" + RECORDS[n + 1]["text"][::-1]} for n in range(40)]
    rows = [*RECORDS, *again, *again[:10], RECORDS[99]]
    digests, kept = set(), []
    for number, shards in enumerate((1, 3)):
        random.Random(number).shuffle(rows)
        source = write_shards(tmp_path / f"in{number}", rows, shards)
        done = list(bulk.curate(settings(source, engine=engine, near=0), tmp_path / f"out{number}"))
        texts, clean = done[0].manifest, done[1].manifest
        assert texts.dropped == {"repeated_id": 51}
        assert texts.kept == 300
        assert clean.dropped["repeated_id"] == 51
        digests.add(tuple(entry.digest for one in done for entry in one.manifest.tables.values()))
        counts, samples = bulk.funnel_of(tmp_path / f"out{number}")
        assert sum(one.texts for one in counts if one.stage == "texts") == 351
        assert any(one.rule == "repeated_id" for one in samples)
        kept.append(
            {passage.text for passage in store.read(tmp_path / f"out{number}" / "passages", "passages", Document)}
        )
    assert len(digests) == 1
    assert kept[0] == kept[1]


def test_two_sources_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="two sources are called a, and ids are made of names: rename one"):
        CorpusSettings.model_validate({"sources": [{"name": "a", "path": "x"}, {"name": "a", "path": "y"}]})


@pytest.mark.parametrize("larger", [1, 9999])
def test_of_two_sources_with_the_same_texts_one_stays_whatever_their_priorities(tmp_path: Path, larger: int) -> None:
    given = []
    for name, priority in (("a", larger), ("b", larger - 1)):
        path = lines(tmp_path / f"{name}.jsonl", RECORDS[:50])
        given.append({"name": name, "path": path, "id": "id", "priority": priority})
    list(bulk.curate(CorpusSettings.model_validate({"sources": given}), tmp_path / "out"))
    kept = origins(tmp_path / "out")
    assert {origin.source for origin in kept.values()} == {"b"}
    alone = CorpusSettings.model_validate({"sources": given[1:]})
    list(bulk.curate(alone, tmp_path / "alone"))
    assert len(kept) == len(origins(tmp_path / "alone"))


def test_a_priority_that_ranks_could_not_hold_is_refused() -> None:
    with pytest.raises(ValidationError, match="less than or equal to 9999"):
        CorpusSettings.model_validate({"sources": [{"name": "a", "path": "x", "priority": 10_000}]})
